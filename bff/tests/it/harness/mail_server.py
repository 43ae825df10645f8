"""A mail server for tests: real SMTP, with STARTTLS and passwords where asked for, and trouble for some receivers.

Prints `listening PORT`, then a line of JSON for everything that happens.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


def say(**what):
    print(json.dumps(what), flush=True)


class Trouble:
    """What goes wrong is in the receiver's name: `gone`, and `busy`, `cut` and `slow` the first time."""

    def __init__(self):
        self.tries = {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        kind = address.split("@")[0].split("-")[0]
        first = address not in self.tries
        self.tries[address] = self.tries.get(address, 0) + 1
        say(event="asked", to=address)
        if kind == "gone":
            return f"550 5.1.1 <{address}>: nobody has this address"
        if kind == "busy" and first:
            return f"451 4.2.1 <{address}>: come again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        address = envelope.rcpt_tos[0]
        kind = address.split("@")[0].split("-")[0]
        if self.tries[address] == 1 and kind in ("cut", "slow"):
            say(event=kind, to=address)
            if kind == "slow":
                await asyncio.sleep(3600)
            server.transport.abort()
            return "250 never seen"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say(
            event="message",
            sender=envelope.mail_from,
            to=address,
            headers={name.lower(): str(value) for name, value in mail.items()},
            text=mail.get_body(("plain",)).get_content(),
            html=mail.get_body(("html",)).get_content(),
            raw=envelope.content.decode("ascii"),
            tls=session.ssl is not None,
            login=getattr(session, "login_name", None),
            connection=session.peer[1],
        )
        return "250 OK"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--login", help="NAME:PASSWORD")
    arguments = parser.parse_args()

    tls = None
    if arguments.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(arguments.certificate, arguments.key)

    def authenticate(server, session, envelope, mechanism, data):
        name, password = data.login.decode(), data.password.decode()
        right = f"{name}:{password}" == arguments.login
        session.login_name = name
        say(event="login", right=right)
        return AuthResult(success=right, handled=False)

    trouble = Trouble()

    def server():
        return SMTP(
            trouble,
            hostname="mail.test",
            tls_context=tls,
            require_starttls=tls is not None,
            authenticator=authenticate,
            auth_required=arguments.login is not None,
        )

    async def listen():
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        print("listening", listener.sockets[0].getsockname()[1], flush=True)
        await listener.serve_forever()

    asyncio.run(listen())


main()
