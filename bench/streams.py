#!/usr/bin/env python3
"""What an idle stream costs a running server: opens many, waits for the first event of each, and looks at the server's
memory.

  bench/streams.py --count 10000 --path /v1/orders/ID/status --token TOKEN      of the demo, or of `bff serve`

An account may hold 32 streams, hence many of them: `--tokens FILE` has an access token a line. The server must be of the
same user and may open as many files (`ulimit -n`; a stream is a connection here and a share of one to the service), and
as many connections (`http.max_connections`)."""
import argparse
import resource
import socket
import time

from idle import rss_kib, server_of

PER_ACCOUNT = 32
SETTLE_S = 3.0
WARM_UP = 100


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="how many streams")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--path", required=True, help="the stream")
    parser.add_argument("--token", help="an access token")
    parser.add_argument("--tokens", help="a file of access tokens")
    return parser.parse_args()


def opened(port, path, token):
    """A stream whose first event has come."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n\r\n"
    connection.sendall(head.encode())
    answer = b""
    while b"data: " not in answer:
        part = connection.recv(65536)
        if not part or not answer.startswith(b"HTTP/1.1 200"[: len(answer)]):
            raise SystemExit(f"{path}: {(answer + part).splitlines()[0].decode()}")
        answer += part
    return connection


def main():
    options = arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tokens = [options.token] if options.token else open(options.tokens).read().split()
    if options.count > PER_ACCOUNT * len(tokens):
        raise SystemExit(f"{len(tokens)} accounts hold {PER_ACCOUNT * len(tokens)} streams at the most")
    pid = server_of(options.port)
    streams = [opened(options.port, options.path, tokens[i // PER_ACCOUNT]) for i in range(min(WARM_UP, options.count))]
    time.sleep(SETTLE_S)
    before, begun = rss_kib(pid), time.monotonic()
    for i in range(len(streams), options.count):
        streams.append(opened(options.port, options.path, tokens[i // PER_ACCOUNT]))
    took = time.monotonic() - begun
    time.sleep(SETTLE_S)
    after, more = rss_kib(pid), options.count - WARM_UP
    print(f"{options.count} streams opened in {took:.1f} s")
    print(f"memory: {before} KiB with {WARM_UP}, {after} KiB with all: {(after - before) / more:.2f} KiB each")
    used = [float(field) for field in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13]]
    time.sleep(10)
    now = [float(field) for field in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13]]
    print(f"idle: {(sum(now) - sum(used)) / 100 * 10:.1f} % of a core for {options.count} streams")
    for stream in streams:
        stream.close()


main()
