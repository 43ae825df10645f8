#!/usr/bin/env python3
"""What a storm of logins does: how many are checked, how fast the others are refused, and whether anybody else notices.

  bench/logins.py              500 at once, three times
  COUNT=100 STORMS=1 BFF=... bench/logins.py

Each comes from an address of its own, so that no limit of addresses stands before the passwords, and for an account that does not
exist, which costs as much as one that does. Meanwhile another client asks for the public keys, over and over."""
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time

import start_up
from start_up import BFF, PUBLIC, ROOT

COUNT, STORMS = int(os.environ.get("COUNT", 500)), int(os.environ.get("STORMS", 3))
HOST, PORT = PUBLIC.split(":")
PAUSE_S = 0.02


def settings(folder):
    with open(f"{folder}/proxies.toml", "w") as file:
        file.write('[http]\ntrusted_proxies = ["127.0.0.1"]\n')
    return start_up.settings(folder)


async def ask(address, method, path, body=b""):
    """The status, and the milliseconds until the whole answer was there."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(HOST, int(PORT))
    writer.write(
        f"{method} {path} HTTP/1.1\r\nhost: {PUBLIC}\r\nconnection: close\r\nx-forwarded-for: {address}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1]), (time.perf_counter() - began) * 1000


async def storm(number):
    def login(n):
        body = {"identifier": f"nobody-{number}-{n}@example.com", "password": "correct-horse-battery"}
        return ask(f"10.{number}.{n // 250}.{n % 250 + 1}", "POST", "/v1/auth/login", json.dumps(body).encode())

    return await asyncio.gather(*map(login, range(COUNT)))


async def bystander(answers):
    while True:
        answers.append(await ask("192.0.2.1", "GET", "/.well-known/jwks.json"))
        await asyncio.sleep(PAUSE_S)


def row(name, answers):
    for status in sorted({status for status, _ in answers}):
        took = sorted(ms for answered, ms in answers if answered == status)
        p99 = took[int(len(took) * 0.99)]
        print(f"{name:24} {len(took):5} x {status}   median {statistics.median(took):6.1f}   p99 {p99:6.1f}   max {took[-1]:6.1f} ms")


async def storms(pid):
    others = []
    print(f"memory before            {start_up.memory_mib(pid):.1f} MiB")
    other = asyncio.create_task(bystander(others))
    for number in range(STORMS):
        row(f"{COUNT} logins at once", await storm(number))
        await asyncio.sleep(1)
    other.cancel()
    row("meanwhile, another route", others)
    print(f"memory after             {start_up.memory_mib(pid):.1f} MiB")


def main():
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w+") as log:
        os.mkdir(f"{folder}/views")
        environment = settings(folder)
        command = [BFF, "serve", "--config", "bench/home.toml", "--config", f"{folder}/proxies.toml"]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            while not start_up.is_ready():
                time.sleep(0.02)
            asyncio.run(storms(server.pid))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
