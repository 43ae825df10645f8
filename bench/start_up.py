#!/usr/bin/env python3
"""How long a server with many views takes until it is ready, and how much memory it holds then.

  bench/start_up.py            a thousand views, each a variation of the workload's, five starts after the first
  VIEWS=100 STARTS=3 BFF=... bench/start_up.py

The first start also makes the database and the signing keys. No service runs: none is needed to become ready."""
import os
import statistics
import subprocess
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BFF = os.environ.get("BFF", f"{ROOT}/target/release/bff")
VIEWS, STARTS = int(os.environ.get("VIEWS", 1000)), int(os.environ.get("STARTS", 5))
PUBLIC, ADMIN = "127.0.0.1:9004", "127.0.0.1:9005"
PATIENCE_S = 60


def write_views(folder):
    """Each asks for another number of orders, and shows the lines of every second one only."""
    with open(f"{HERE}/views/home.yaml") as file:
        home = file.read()
    for number in range(VIEWS):
        text = home.replace("view: home", f"view: home-{number}").replace("GET /home/", f"GET /home-{number}/")
        text = text.replace("page_size: 5", f"page_size: {1 + number % 20}")
        if number % 2:
            text = text.replace("    from: recent.orders as o\n", "    from: recent.orders as o\n    where: len(o.lines) > 1\n")
        with open(f"{folder}/home-{number}.yaml", "w") as file:
            file.write(text)


def settings(folder):
    optional = {f"BFF__SOURCES__{name}__REQUIRED": "false" for name in ("ORDERS", "USERS", "PRODUCTS", "REWARDS")}
    return {
        **os.environ,
        **optional,
        "BFF__VIEWS__DIR": f"{folder}/views",
        "BFF__STORE__DATABASE_URL": f"sqlite:{folder}/bff.db",
        "BFF__HTTP__LISTEN": PUBLIC,
        "BFF__ADMIN__LISTEN": ADMIN,
    }


def is_ready():
    return answers(f"http://{ADMIN}/readyz")


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def memory_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))


def start(environment, log):
    """Seconds until it is ready, and its memory then."""
    began = time.perf_counter()
    command = [BFF, "serve", "--config", "bench/home.toml"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        while not is_ready():
            if server.poll() is not None or time.perf_counter() - began > PATIENCE_S:
                raise SystemExit("the server does not become ready")
            time.sleep(0.002)
        return time.perf_counter() - began, memory_mib(server.pid)
    finally:
        server.terminate()
        server.wait()


def main():
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w+") as log:
        os.mkdir(f"{folder}/views")
        write_views(f"{folder}/views")
        environment = settings(folder)
        try:
            first, _ = start(environment, log)
            later = [start(environment, log) for _ in range(STARTS)]
        except SystemExit:
            log.seek(0)
            print(log.read()[-2000:])
            raise
    seconds = [took for took, _ in later]
    memory = statistics.median(held for _, held in later)
    print(f"{VIEWS} views, from the start of the process until /readyz answers 200:")
    print(f"  first start, which makes the keys  {first:.3f} s")
    print(f"  later, median of {STARTS}                {statistics.median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f})")
    print(f"  memory (RSS) when ready            {memory:.1f} MiB")


if __name__ == "__main__":
    main()
