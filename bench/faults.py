#!/usr/bin/env python3
"""Faults: each service of the workload "home" (README.md) fails in every way in turn, under load; then overload, then leaks.

  bench/faults.py                                 everything; a quarter of an hour
  SECS=3 LEAK=100000 bench/faults.py              shorter
  ONLY=orders,users FAULTS=kill,slow              some of it; LEAK=0 and OVERLOAD=0 leave the rest out

  RATE=200      requests a second of each of two views: `home`, which needs all services, and one that needs another alone
  BFF=... PEERS_BIN=... CORES=0,1                 as for bench.py

Linux with wrk; the ports of bench.py, and 7011 to 7014. On a machine that has other work, `chrt -r 1 bench/faults.py` as root. The tables
are Markdown. Ends with 1 where a promise is broken."""
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import measure
from fault_proxy import Proxies
from measure import BIN, LOAD_CORE, ROOT, SERVER_CORE, TMP

ENV = os.environ.get
SECS, RATE, LEAK = float(ENV("SECS", 5)), int(ENV("RATE", 200)), int(ENV("LEAK", 1_000_000))
BFF = ENV("BFF", f"{ROOT}/target/release/bff")
SERVER, ADMIN = "http://127.0.0.1:9000", "http://127.0.0.1:9001"
# Source, its name among the fakes, the port of the service, and which address of the source the proxy takes.
SERVICES = {
    "orders": ("orders", 7001, "GRPC"),
    "users": ("profile", 7002, "HTTP"),
    "products": ("products", 7003, "HTTP"),
    "rewards": ("rewards", 7004, "HTTP"),
}
FAULTS = ("slow", "silent", "kill", "flap", "garble")
SLOW_MS = 5_000
# The views' deadline (`views.deadline_ms`), and how late an answer may be.
DEADLINE_MS, LATE_MS = 2_000, 50
USERS = ",".join(f"u{n}" for n in range(100, 612))
CONNECTIONS = 1024
OVERLOAD_CONNECTIONS, OVERLOAD_S = 512, 5
COUNTERS = ("bff_retries_total", "bff_retries_spent_total", "bff_upstream_refused_total")


def get(url, timeout=10):
    """The status and the body; a status of 0 where there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def counted(source):
    """The sums of a source's counters."""
    page = get(f"{ADMIN}/metrics")[1].decode()
    lines = [line for line in page.splitlines() if f'source="{source}"' in line]
    return {name: sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{")) for name in COUNTERS}


def held(pid):
    """Open sockets and memory."""
    links = (f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd"))
    sockets = sum(1 for link in links if os.path.islink(link) and os.readlink(link).startswith("socket:"))
    return sockets, measure.rss_mib([pid])


class Load:
    """An open loop on one view."""

    def __init__(self, path, secs):
        command = [f"{BIN}/openload", "--url", f"{SERVER}{path}", "--rate", str(RATE), "--secs", f"{secs:g}"]
        command += ["--ids", USERS, "--conns", str(CONNECTIONS)]
        self.process = subprocess.Popen(["taskset", "-c", LOAD_CORE, *command], stdout=subprocess.PIPE, text=True)

    def result(self):
        said = self.process.communicate()[0]
        return json.loads(said[said.index("{"):])


def alone(source):
    """A view that does not need the source."""
    return "/alone/rewards/{id}" if source == "users" else "/alone/profile/{id}"


def both(source, secs):
    return Load("/home/{id}", secs), Load(alone(source), secs)


def fail(source, fault, proxies):
    if fault == "slow":
        measure.fakes(f"_ctl?{SERVICES[source][0]}={SLOW_MS}")
    else:
        proxies[source].fail(fault)


def heal(source, fault, proxies):
    if fault == "slow":
        measure.fakes(f"_ctl?{SERVICES[source][0]}=0")
    else:
        proxies[source].fail("pass")


def is_whole(answer):
    status, body = answer
    return status == 200 and json.loads(body).get("rewards") is not None


def recovered(since):
    """Seconds until the page is whole again, three times in a row."""
    good = 0
    while good < 3 and time.time() - since < 60:
        good = good + 1 if is_whole(get(f"{SERVER}/home/u1")) else 0
        time.sleep(0.02)
    return time.time() - since


def case(source, fault, proxies, pid):
    """One service fails in one way for a while, under load."""
    name, proxy = SERVICES[source][0], proxies[source]
    before, at_first = held(pid), counted(source)
    asked, made = measure.fakes("_stats")[name], proxy.made
    fail(source, fault, proxies)
    loads = both(source, SECS)
    home, other = [load.result() for load in loads]
    during = measure.fakes("_stats")[name] - asked
    connected = proxy.made - made
    spent = {counter: value - at_first[counter] for counter, value in counted(source).items()}
    # In the middle of a load, so that what has waited for the service would come at once.
    loads = both(source, 3.0)
    time.sleep(1.0)
    asked, healed = measure.fakes("_stats")[name], time.time()
    heal(source, fault, proxies)
    time.sleep(1.0)
    first_second = measure.fakes("_stats")[name] - asked
    for load in loads:
        load.result()
    seconds = recovered(healed)
    time.sleep(1.5)
    return {
        "source": source, "fault": fault, "home": home, "other": other, "during": during, "connected": connected,
        "first_second": first_second, "spent": spent, "recovered": seconds, "before": before, "after": held(pid),
    }


def statuses(told):
    return ", ".join(f"{count} x {status}" for status, count in sorted(told["statuses"].items()))


FAULT_HEADS = [
    "service", "fault", "`home`", "slowest ms", "other view p50 / p99 ms", "failed", "asked", "connections", "retries / not paid",
    "refused", "asked in the first s after", "whole again after s", "sockets", "MiB",
]


def fault_row(found):
    spent, home, other = found["spent"], found["home"], found["other"]
    return [
        found["source"], found["fault"], statuses(home), f"{home['max']:.0f}",
        f"{other['p50']:.2f} / {other['p99']:.2f}", other["err"], found["during"], found["connected"],
        f"{spent['bff_retries_total']:.0f} / {spent['bff_retries_spent_total']:.0f}",
        f"{spent['bff_upstream_refused_total']:.0f}", found["first_second"], f"{found['recovered']:.1f}",
        "{} -> {}".format(found["before"][0], found["after"][0]),
        "{:.0f} -> {:.0f}".format(found["before"][1], found["after"][1]),
    ]


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def broken_promises(found):
    """What ought not to be, of one fault."""
    what = f"{found['source']}, {found['fault']}"
    home, other = found["home"], found["other"]
    if home["max"] > DEADLINE_MS + LATE_MS:
        yield f"{what}: an answer took {home['max']:.0f} ms"
    if "broken" in home["statuses"] or home["n"] < RATE * SECS * 0.99:
        yield f"{what}: requests without an answer: {statuses(home)}"
    if other["err"]:
        yield f"{what}: {other['err']} requests of a view failed that does not need it"
    # A tenth of the calls, and what is saved up.
    if found["spent"]["bff_retries_total"] > RATE * SECS * 0.1 + 20:
        yield f"{what}: {found['spent']['bff_retries_total']:.0f} retries"
    # As many as are asked for in that second, and further tries.
    if found["first_second"] > RATE * 1.2 + 20:
        yield f"{what}: {found['first_second']} requests in the first second after it"
    if found["recovered"] > 35:
        yield f"{what}: not well again after {found['recovered']:.0f} s"


class Watch:
    """Asks an address again and again, until it is told to stop."""

    def __init__(self, url):
        self.url, self.slowest, self.answers, self.failed, self.on = url, 0.0, 0, 0, True
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while self.on:
            began = time.time()
            status, _ = get(self.url, timeout=5)
            self.slowest = max(self.slowest, time.time() - began)
            self.answers, self.failed = self.answers + 1, self.failed + (status != 200)
            time.sleep(0.1)

    def stop(self):
        self.on = False
        self.thread.join()
        return f"{self.answers} answers, {self.failed} others, the slowest after {self.slowest * 1e3:.0f} ms"


LUA = """local n = 0

function request()
  n = n % 512 + 1
  return wrk.format("GET", "/home/u" .. (n + 99))
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RES %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
"""


def wrk(connections, secs):
    """A closed loop on `home`."""
    script = f"{TMP}/faults.lua"
    with open(script, "w") as file:
        file.write(LUA)
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{secs}s", "--timeout", "10s", "-s", script, SERVER]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    found = re.search(r"RES (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", said)
    if not found:
        raise SystemExit(f"wrk: {said}")
    names = ("n", "micros", "lost", "p50", "p99", "max")
    return dict(zip(names, map(int, found.groups())))


def of_home():
    """How often each status has been answered."""
    page = get(f"{ADMIN}/metrics")[1].decode()
    found = re.findall(r'^bff_http_requests_total\{route="/home/\{id\}",method="GET",status="(\d+)"\} (\S+)', page, re.M)
    return {status: float(count) for status, count in found}


def overload(pid):
    """More than it can do, at once: what fails first, and whether it still says how it is."""
    before, counts = held(pid), of_home()
    watches = {name: Watch(url) for name, url in {"/healthz": f"{SERVER}/healthz", "/metrics": f"{ADMIN}/metrics"}.items()}
    result = wrk(OVERLOAD_CONNECTIONS, OVERLOAD_S)
    told = {name: watch.stop() for name, watch in watches.items()}
    time.sleep(2)
    now = of_home()
    given = ", ".join(f"{now[status] - counts.get(status, 0):.0f} x {status}" for status in sorted(now))
    after = held(pid)
    rows = [
        ["requests/s", f"{result['n'] / result['micros'] * 1e6:.0f}"],
        ["answers", given],
        ["lost connections, timeouts", result["lost"]],
        ["p50 / p99 / slowest ms", f"{result['p50'] / 1e3:.0f} / {result['p99'] / 1e3:.0f} / {result['max'] / 1e3:.0f}"],
        *([name, text] for name, text in told.items()),
        ["sockets", f"{before[0]} -> {after[0]}"],
        ["MiB", f"{before[1]:.0f} -> {after[1]:.0f}"],
    ]
    print(f"\nOverload, {OVERLOAD_CONNECTIONS} connections for {OVERLOAD_S} s:\n\n{table(['', ''], rows)}", flush=True)


def leaks(pid):
    """Many requests; what is held before and after."""
    wrk(64, 5)
    time.sleep(2)
    before, done, rows = held(pid), 0, []
    while done < LEAK:
        done += wrk(64, 10)["n"]
        time.sleep(2)
        sockets, mib = held(pid)
        rows.append([done, sockets, f"{mib:.1f}"])
    kept = rows[:: max(1, len(rows) // 5)]
    kept += [] if kept[-1] == rows[-1] else [rows[-1]]
    print(f"\nLeaks:\n\n{table(['requests', 'sockets', 'MiB'], [[0, before[0], f'{before[1]:.1f}'], *kept])}", flush=True)


def serve(proxies):
    """The server, with these proxies between it and the services."""
    env = {"BFF__STORE__DATABASE_URL": f"sqlite:{TMP}/bff.db"}
    for source, proxy in proxies.items():
        env[f"BFF__SOURCES__{source.upper()}__{SERVICES[source][2]}"] = f"http://127.0.0.1:{proxy.port}"
    server = measure.start("bff", f"{BFF} serve --config bench/home.toml", SERVER_CORE, env)
    end = time.time() + 30
    while not is_whole(get(f"{SERVER}/home/u1", timeout=2)):
        if server.poll() is not None or time.time() > end:
            raise SystemExit(f"the server does not answer; are its ports taken?\n{measure.log_of('bff')}{measure.log_of('fakes')}")
        time.sleep(0.2)
    return server


def stop(server):
    server.terminate()
    server.wait(30)


def chosen(name, all_of_them):
    names = ENV(name, ",".join(all_of_them)).split(",")
    unknown = [name for name in names if name not in all_of_them]
    if unknown:
        raise SystemExit(f"not known: {', '.join(unknown)}; there are {', '.join(all_of_them)}")
    return names


def fault_run(sources, faults):
    """Every fault of every source; what was promised and not kept."""
    all_of_them = Proxies()
    proxies = {source: all_of_them.start(port + 10, port) for source, (_, port, _) in SERVICES.items()}
    server = serve(proxies)
    problems, rows = [], []
    for load in both("orders", 3):
        load.result()
    for source in ("orders", "users"):
        home, other = [load.result() for load in both(source, SECS)]
        rows.append([alone(source).split("/")[2], f"{home['p50']:.2f} / {home['p99']:.2f}", f"{other['p50']:.2f} / {other['p99']:.2f}"])
    print(f"Without a fault, two views with {RATE} requests/s each:\n")
    print(table(["other view", "`home` p50 / p99 ms", "other view p50 / p99 ms"], rows), flush=True)
    print(f"\nWith one, for {SECS:g} s:\n\n{table(FAULT_HEADS, [])}", flush=True)
    for source in sources:
        for fault in faults:
            found = case(source, fault, proxies, server.pid)
            print("| " + " | ".join(map(str, fault_row(found))) + " |", flush=True)
            problems += broken_promises(found)
    stop(server)
    all_of_them.stop()
    return problems


def main():
    sources, faults = chosen("ONLY", list(SERVICES)), chosen("FAULTS", FAULTS)
    measure.start("fakes", f"{BIN}/fakes", LOAD_CORE)
    problems = fault_run(sources, faults)
    # The proxies would be slower than what is measured.
    server = serve({})
    if ENV("OVERLOAD") != "0":
        overload(server.pid)
    if LEAK:
        leaks(server.pid)
    print("\n" + ("\n".join(problems) or "No promise was broken."))
    return not problems


if __name__ == "__main__":
    try:
        fine = main()
    finally:
        measure.stop_all()
    sys.exit(0 if fine else 1)
