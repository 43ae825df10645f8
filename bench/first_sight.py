#!/usr/bin/env python3
"""What a token costs the server that sees it for the first time: `GET /v1/home` with 10 000 tokens, each once, then again and again.

  bench/first_sight.py
  USERS=1000 PASSES=4 BFF=... BENCH_USERS=... bench/first_sight.py

A token that was verified is known again by its hash until it expires; the token for the service behind is kept with its session."""
import asyncio
import os
import time

import bench
import measure
import start_up
from measure import BIN, LOAD_CORE, SERVER_CORE

PASSES, CONC = int(os.environ.get("PASSES", 3)), 32
PORT = 9000


async def ask(reader, writer, target, token):
    bearer = f"authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1:{PORT}\r\n{bearer}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(head.decode())
    length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length"))
    await reader.readexactly(length)


async def once(target, tokens):
    """Asks with every token once, on 32 connections."""
    waiting = iter(tokens)

    async def client():
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        for token in waiting:
            await ask(reader, writer, target, token)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CONC)))


def cost(pid, target, tokens):
    """Microseconds of the server for each request."""
    before = measure.cpu([pid])
    asyncio.run(once(target, tokens))
    return measure.seconds(before, measure.cpu([pid])) / len(tokens) * 1e6


def main():
    tokens = bench.tokens()
    measure.start("fakes", f"{BIN}/fakes", LOAD_CORE)
    server = measure.start("bff", f"{bench.BFF} serve --config bench/home.toml", SERVER_CORE)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    try:
        while not start_up.answers(f"http://127.0.0.1:{PORT}/healthz"):
            time.sleep(0.02)
        print(f"CPU us/request, {len(tokens)} requests each, {CONC} connections")
        print(f"  public, warm       {[round(cost(server.pid, '/home/u100', [None] * len(tokens)), 1) for _ in range(2)][1]:6}")
        for number in range(PASSES):
            name = "first sight" if number == 0 else f"seen {number} x before"
            print(f"  {name:18} {cost(server.pid, '/v1/home', tokens):6.1f}")
    finally:
        measure.stop_all()


if __name__ == "__main__":
    main()
