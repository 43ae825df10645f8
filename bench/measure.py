"""Processes, what they cost, and the two load generators. Linux only: it reads /proc."""
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
BIN = os.environ.get("PEERS_BIN", f"{HERE}/peers/target/release")
SERVER_CORE, LOAD_CORE = os.environ.get("CORES", "0,1").split(",")
NICE = os.environ.get("NICE", "0")
TMP = tempfile.mkdtemp(prefix="bff-bench-")
FAKES = "http://127.0.0.1:7002"

processes = []


def start(name, command, core, env=None, cwd=None):
    """A process of ours on one core; its output goes to a log beside the others'."""
    with open(f"{TMP}/{name}.log", "wb") as log:
        pinned = ["nice", "-n", NICE, "taskset", "-c", core, *shlex.split(command)]
        process = subprocess.Popen(
            pinned, stdout=log, stderr=log, env={**os.environ, **(env or {})}, cwd=cwd or ROOT, start_new_session=True
        )
    processes.append(process)
    favour(process.pid)
    return process


def favour(pid):
    """Where the kernel groups processes by session, nice counts within a session only: the group's own counts beside others."""
    if NICE != "0":
        try:
            with open(f"/proc/{pid}/autogroup", "w") as group:
                group.write(NICE)
        except OSError:
            pass


def stop_all():
    """Ends what was started here, and nothing else: each leads a group of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                pass
        end = time.time() + 3
        while time.time() < end and any(process.poll() is None for process in processes):
            time.sleep(0.05)


def log_of(name, length=600):
    with open(f"{TMP}/{name}.log") as log:
        return log.read()[-length:]


def tree(pid):
    """A process and all that come from it."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                text = stat.read()
            children.setdefault(int(text[text.rindex(")") + 2:].split()[1]), []).append(int(entry))
        except OSError:
            pass
    found, rest = [], [pid]
    while rest:
        found.append(rest.pop())
        rest += children.get(found[-1], [])
    return found


def cpu(pids):
    """Nanoseconds on a CPU by thread, from the scheduler's own account."""
    spent = {}
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as stat:
                    spent[pid, thread] = int(stat.read().split()[0])
        except OSError:
            pass
    return spent


def seconds(before, after):
    return sum(ns - before.get(thread, 0) for thread, ns in after.items()) / 1e9


def rss_mib(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status") as status:
                found = re.search(r"VmRSS:\s+(\d+)", status.read())
            total += int(found[1]) if found else 0
        except OSError:
            pass
    return total / 1024


def machine():
    """Seconds that all cores were busy, and that a hypervisor took."""
    with open("/proc/stat") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return {"busy": (user + nice + system + irq + softirq) / 100, "steal": steal / 100}


def fakes(target):
    """Asks the services themselves: counts, and delays."""
    return json.loads(urllib.request.urlopen(f"{FAKES}/{target}", timeout=5).read())


def request(peer, user="u1"):
    headers = {"authorization": f"Bearer {peer['tokens'][0]}"} if "tokens" in peer else {}
    asked = urllib.request.Request(peer["url"].replace("{id}", user), headers=headers)
    return json.loads(urllib.request.urlopen(asked, timeout=10).read())


def window(peer, services, command):
    """Runs a load generator to its end, and says what everyone spent meanwhile."""
    pids = tree(peer["pid"])
    calls = fakes("_stats")
    before = cpu(pids), cpu([services.pid]), machine(), os.times(), time.time()
    pinned = ["nice", "-n", NICE, "taskset", "-c", LOAD_CORE, *command]
    load = subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    favour(load.pid)
    try:
        said, _ = load.communicate(timeout=180)
    finally:
        load.kill()
    after = cpu(pids), cpu([services.pid]), machine(), os.times(), time.time()
    wall = after[4] - before[4]
    server, behind = seconds(before[0], after[0]), seconds(before[1], after[1])
    times = [after[3][n] - before[3][n] for n in (2, 3)]
    foreign = after[2]["busy"] - before[2]["busy"] - server - behind - sum(times)
    now = fakes("_stats")
    return said, {
        "server_cpu": server,
        "calls": sum(now[name] - calls[name] for name in now),
        "server_share": server / wall,
        "services_share": behind / wall,
        "load_share": sum(times) / wall,
        "foreign_share": max(0, foreign) / wall,
        "steal_share": (after[2]["steal"] - before[2]["steal"]) / wall,
        "rss": rss_mib(pids),
    }


def with_requests(cost, count):
    count = max(count, 1)
    return {**cost, "n": count, "us": cost["server_cpu"] / count * 1e6, "calls_per_request": cost["calls"] / count}


def closed_loop(peer, services, secs, connections):
    """wrk: every connection asks again as soon as it is answered."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(secs))}s", "-s", peer["script"], peer["url"].replace("{id}", "u1")]
    said, cost = window(peer, services, command)
    found = re.search(r"RES (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", said)
    if not found:
        raise SystemExit(f"wrk: {said}")
    count, micros, errors, p50, p99, p999 = map(int, found.groups())
    latency = {"p50": p50 / 1e3, "p99": p99 / 1e3, "p999": p999 / 1e3}
    return {**with_requests(cost, count), "rate": count / micros * 1e6, "err": errors, **latency}


def open_loop(peer, services, secs, rate):
    """openload: requests are due at a constant rate, and latency counts from then."""
    command = [f"{BIN}/openload", "--url", peer["url"], "--rate", str(rate), "--secs", f"{secs:g}"]
    command += ["--ids", ",".join(peer["users"])]
    if "tokens" in peer:
        command += ["--tokens", peer["token_file"]]
    said, cost = window(peer, services, command)
    try:
        told = json.loads(said[said.index("{"):])
    except ValueError:
        raise SystemExit(f"openload: {said}")
    return {**with_requests(cost, told.pop("n")), "rate": rate, **told}


def wrk_script(peer):
    """Requests that are made once: of every user of the peer's, or with every token of a file."""
    path = re.sub(r"^https?://[^/]+", "", peer["url"])
    if "tokens" in peer:
        lines = f"io.lines({json.dumps(peer['token_file'])})"
        each = f'for token in {lines} do\n    add({json.dumps(path)}, {{authorization = "Bearer " .. token}})\n  end'
    else:
        paths = ", ".join(json.dumps(path.replace("{id}", user)) for user in peer["users"])
        each = f"for _, path in ipairs({{{paths}}}) do\n    add(path, {{}})\n  end"
    name = f"{TMP}/{peer['name']}.lua"
    with open(name, "w") as script:
        script.write(LUA.replace("EACH", each))
    return name


LUA = """local requests, n = {}, 0

local function add(path, headers)
  requests[#requests + 1] = wrk.format("GET", path, headers)
end

function init()
  EACH
end

function request()
  n = n % #requests + 1
  return requests[n]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RES %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""
