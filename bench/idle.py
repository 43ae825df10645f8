#!/usr/bin/env python3
"""What an idle connection costs a running server: opens many, asks once on each, and looks at the server's memory.

  bench/idle.py --count 5000                       of `bff serve --config bench/home.toml`, with the services running
  bench/idle.py --port 8103 --path /home/u1        of another peer

The server must be of the same user and may open as many files (`ulimit -n`), and as many connections
(`http.max_connections`, 10 000 unless it is set); it closes idle ones after a while (`http.idle_timeout_ms`)."""
import argparse
import os
import re
import resource
import socket
import time

SETTLE_S = 1.0
WARM_UP = 200


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="how many connections")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--path", default="/home/u1", help="what is asked for on each")
    return parser.parse_args()


def server_of(port):
    """The process that listens on a port of this machine."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if any(link == f"socket:[{inode}]" for link in links for inode in inodes):
            return int(pid)
    raise SystemExit(f"nothing of this user listens on port {port}")


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def asked(port, path):
    """A connection that has been answered once and stays open."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += received(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"{path}: {head.splitlines()[0].decode()}")
    length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
    while len(body) < length:
        body += received(connection)
    return connection


def received(connection):
    part = connection.recv(65536)
    if not part:
        raise SystemExit("the server closed a connection")
    return part


def close(connections):
    for connection in connections:
        connection.close()


def main():
    options = arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.count + 50 > most:
        raise SystemExit(f"--count {options.count}: this process may open {most} files")
    server = server_of(options.port)
    close([asked(options.port, options.path) for _ in range(WARM_UP)])
    time.sleep(SETTLE_S)
    before = rss_kib(server)
    connections = [asked(options.port, options.path) for _ in range(options.count)]
    time.sleep(SETTLE_S)
    during = rss_kib(server)
    close(connections)
    time.sleep(SETTLE_S)
    after = rss_kib(server)
    print(f"{options.count} idle connections, each after one GET {options.path}, to process {server}:")
    print(f"  memory (RSS) before, with them, after  {before / 1024:.1f}, {during / 1024:.1f}, {after / 1024:.1f} MiB")
    print(f"  for each                               {(during - before) / options.count:.2f} KiB")


if __name__ == "__main__":
    main()
