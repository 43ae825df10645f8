#!/usr/bin/env python3
"""Tables of samples: `report.py bench/results/FILE.json`. Medians over rounds, and ratios within a round to the peers BASES.

A ratio is the median over rounds of the peer's cost by the other's in the same round; in brackets, the bootstrap 95 %
interval of that median. A window in which more than one request in a thousand failed is left out."""
import json
import os
import random
import statistics
import sys

BASES = os.environ.get("BASES", "hand,hand-mi-ct").split(",")
RESAMPLES = 2000


def good(samples):
    return [None if sample["err"] > max(1, sample["n"] / 1000) else sample for sample in samples]


def median(samples, key):
    values = [sample[key] for sample in good(samples) if sample and sample[key] is not None]
    return statistics.median(values) if values else None


def ratio(samples, base, key="us"):
    """The median of ratios within a round, and the interval that it lies in."""
    pairs = zip(good(samples), good(base))
    ratios = [one[key] / other[key] for one, other in pairs if one and other and other[key]]
    if not ratios:
        return None
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return statistics.median(ratios), medians[RESAMPLES // 40], medians[-RESAMPLES // 40]


def written(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def written_ratio(found):
    return "-" if found is None else "{:.3f} [{:.3f}, {:.3f}]".format(*found)


def table(peers, phase, columns):
    """One row for each peer, the cheapest first."""
    bases = [base for base in BASES if base in peers]
    heads = ["peer", "CPU us/request", *(f"/ {base}" for base in bases), *(head for head, _, _ in columns)]
    rows = []
    ordered = sorted(peers, key=lambda name: median(peers[name][phase], "us") or float("inf"))
    for name in ordered:
        samples = peers[name][phase]
        ratios = [written_ratio(ratio(samples, peers[base][phase])) for base in bases]
        values = [written(median(samples, key), digits) for _, key, digits in columns]
        rows.append([name, written(median(samples, "us"), 1), *ratios, *values])
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


LATENCIES = [("p50 ms", "p50", 2), ("p99 ms", "p99", 2)]
CLOSED = [("requests/s", "rate", 0), *LATENCIES, ("memory MiB", "rss", 1), ("calls/request", "calls_per_request", 3)]
OPEN = [*LATENCIES, ("p99.9 ms", "p999", 2), ("calls/request", "calls_per_request", 3)]


def trouble(peers):
    """What makes a window less than it should be."""
    for name, phases in peers.items():
        windows = [sample for samples in phases.values() for sample in samples]
        dropped = sum(1 for samples in phases.values() for sample in good(samples) if sample is None)
        if dropped:
            yield f"{name}: {dropped} of {len(windows)} windows had errors and are left out"
        failed = sum(sample["err"] for sample in windows)
        if failed:
            yield f"{name}: {failed} requests failed"
    windows = [sample for phases in peers.values() for samples in phases.values() for sample in samples]
    if windows:
        noisy = sum(1 for sample in windows if sample["foreign_share"] > 0.15)
        yield f"{noisy} of {len(windows)} windows with more than 0.15 of a core spent by other programs"
        yield f"the most that a hypervisor took: {max(sample['steal_share'] for sample in windows):.3f} of a core"


def report(run):
    peers, settings = run["peers"], run["settings"]
    rounds = max((len(phases["closed"]) for phases in peers.values()), default=0)
    print(f"\nClosed loop, {settings['connections']} connections, {rounds} rounds of {settings['secs']:g} s:\n")
    print(table(peers, "closed", CLOSED))
    if any(phases["open"] for phases in peers.values()):
        print(f"\nOpen loop, {settings['rate']} requests/s:\n")
        print(table(peers, "open", OPEN))
    print()
    for line in trouble(peers):
        print(line)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with open(sys.argv[1]) as file:
        report(json.load(file))
