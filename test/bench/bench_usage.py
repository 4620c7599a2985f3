#!/usr/bin/env python3
"""Measures what it costs a real pm-node to watch processes.

    bench_usage.py BIN_DIR [COUNT [SECONDS]]

Three nodes with COUNT sleepers (1,000): with a memory limit each (a sample
every second), with a tcp probe each every 10 s, and with neither. For each:
the share of a core that the node used during SECONDS (30), and its context
switches a second. Prints figures; fails for none of them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import socket


def tasks(pid):
    return [f"/proc/{pid}/task/{x}" for x in os.listdir(f"/proc/{pid}/task")]


def cpu_seconds(pid):
    total = 0
    for task in tasks(pid):
        with open(f"{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def switches(pid):
    total = 0
    for task in tasks(pid):
        with open(f"{task}/status", encoding="ascii") as file:
            for line in file:
                if "ctxt_switches" in line:
                    total += int(line.split()[1])
    return total


def answer(server):
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        peer.close()


def measure(bin_dir, title, spec, count, seconds):
    place = tempfile.mkdtemp(prefix="pm-bench-")
    path = f"{place}/config.json"
    state = f"{place}/state"
    one = {"command": ["sleep", "100000"], "log": {"protect": False}, **spec}
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"processes": {f"p{i}": one for i in range(count)}}, out)
    node = subprocess.Popen([f"{bin_dir}/pm-node", "-q", "--no-respawn",
                             "--config", path, "--state-dir", state])

    def ctl(*args):
        return subprocess.run([f"{bin_dir}/pmctl", "--state-dir", state, *args],
                              stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.DEVNULL).stdout

    deadline = time.monotonic() + 120
    while ctl("list", "-q", "--status", "running").count(b"\n") < count:
        if time.monotonic() > deadline:
            sys.exit("bench_usage: the processes do not come up")
        time.sleep(0.2)
    time.sleep(12)  # the first probes, and what is written behind the starts
    cpu, turns, begin = cpu_seconds(node.pid), switches(node.pid), time.time()
    time.sleep(seconds)
    span = time.time() - begin
    used = 100 * (cpu_seconds(node.pid) - cpu) / span
    rate = (switches(node.pid) - turns) / span
    print(f"{title:32} {used:6.2f} % of a core, {rate:8.1f} switches/s",
          flush=True)
    ctl("shutdown")
    node.wait()
    shutil.rmtree(place)


def main():
    bin_dir = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 30
    server = socket.create_server(("127.0.0.1", 0), backlog=512)
    threading.Thread(target=answer, args=(server,), daemon=True).start()
    port = server.getsockname()[1]
    cases = (
        ("neither limits nor probes", {}),
        ("a memory limit each", {"memory_limit": "1GB"}),
        ("a tcp probe each every 10 s",
         {"liveness_probe": {"tcp": {"port": port}, "period": "10s"}}),
    )
    for title, spec in cases:
        measure(bin_dir, f"{count} with {title}", spec, count, seconds)


if __name__ == "__main__":
    main()
