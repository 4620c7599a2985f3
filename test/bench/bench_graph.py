#!/usr/bin/env python3
"""Measures how long a graph of processes takes to come up against as many
independent ones, on a real pm-node, in one run.

    bench_graph.py BIN_DIR [COUNT]

The graph has layers of 100; each process needs four of the layer below. Prints
the times and their ratio; fails for none of them.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

LAYER = 100
ROUNDS = 3


def sleeper(needs=()):
    result = {"command": ["sleep", "infinity"]}
    if needs:
        result["depends_on"] = list(needs)
    return result


def independent(count):
    return {f"p{i}": sleeper() for i in range(count)}


def layered(count):
    result = {}
    for i in range(count):
        below = i - i % LAYER - LAYER
        needs = ([f"p{below + (i * 7 + k * 13) % LAYER}" for k in range(4)]
                 if below >= 0 else [])
        result[f"p{i}"] = sleeper(dict.fromkeys(needs))
    return result


def star(count):
    return {f"p{i}": sleeper(["p0"] if i else []) for i in range(count)}


def time_up(bin_dir, processes):
    """Seconds from the node's start until the last one runs."""
    folder = tempfile.mkdtemp(prefix="pm-bench-")
    path = os.path.join(folder, "x.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"processes": processes}, out)
    state = os.path.join(folder, "state")

    def ctl(*args):
        return subprocess.run(
            [f"{bin_dir}/pmctl", "--state-dir", state, *args],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)

    begun = time.time()
    node = subprocess.Popen([f"{bin_dir}/pm-node", "-q", "--no-respawn",
                             "--config", path, "--state-dir", state])
    while ctl("list", "-q", "--status",
              "running").stdout.count(b"\n") < len(processes):
        time.sleep(0.02)
    taken = time.time() - begun
    down = time.time()
    ctl("shutdown")
    node.wait()
    down = time.time() - down
    shutil.rmtree(folder)
    return taken, down


def main():
    bin_dir = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    base = None
    for name, make in (("independent", independent), ("layers", layered),
                       ("star", star)):
        times = [time_up(bin_dir, make(count)) for _ in range(ROUNDS)]
        up = statistics.median(x[0] for x in times)
        down = statistics.median(x[1] for x in times)
        base = base or up
        print(f"{name:12} {count} up in {up:.2f} s (ratio {up / base:.2f}), "
              f"down in {down:.2f} s")


if __name__ == "__main__":
    main()
