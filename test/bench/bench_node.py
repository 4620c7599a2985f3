#!/usr/bin/env python3
"""Measures a real pm-node against the floor of this machine, in one run.

    bench_node.py BIN_DIR [COUNT]

Start and stop of COUNT processes (1,000), memory for each, wakeups when idle,
wall time of pmctl, and the time from a crash to the next run. Prints figures;
fails for none of them.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time


class Node:
    def __init__(self, bin_dir, config):
        self.bin_dir = bin_dir
        self.state = tempfile.mkdtemp(prefix="pm-bench-")
        path = os.path.join(self.state, "config.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(config, out)
        self.state_dir = os.path.join(self.state, "state")
        self.process = subprocess.Popen(
            [f"{bin_dir}/pm-node", "-q", "--no-respawn", "--config", path,
             "--state-dir", self.state_dir])

    def ctl(self, *args):
        return subprocess.run(
            [f"{self.bin_dir}/pmctl", "--state-dir", self.state_dir, *args],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)

    def running(self):
        out = self.ctl("list", "-q", "--status", "running").stdout
        return out.count(b"\n")

    def pids(self):
        with open(f"{self.state_dir}/keeper.pid", encoding="ascii") as file:
            return self.process.pid, int(file.read())

    def end(self):
        self.ctl("shutdown")
        self.process.wait()
        shutil.rmtree(self.state)


def status_value(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def switches(pid):
    return sum(status_value(f"{pid}/task/{task}", kind)
               for task in os.listdir(f"/proc/{pid}/task")
               for kind in ("voluntary", "nonvoluntary"))


def wait_for(holds, deadline=60):
    end = time.monotonic() + deadline
    while not holds():
        if time.monotonic() > end:
            sys.exit("bench_node: a condition did not come true")
        time.sleep(0.005)


def posix_spawn_floor(count):
    """Starts `count` sleepers with posix_spawn and two pipes each."""
    begin = time.monotonic()
    pids = []
    fds = []
    for _ in range(count):
        out = os.pipe()
        err = os.pipe()
        pids.append(os.posix_spawn(
            "/bin/sleep", ["sleep", "infinity"], os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, out[1], 1),
                          (os.POSIX_SPAWN_DUP2, err[1], 2)]))
        os.close(out[1])
        os.close(err[1])
        fds += [out[0], err[0]]
    took = time.monotonic() - begin
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)
    for fd in fds:
        os.close(fd)
    return took


def wall_ms(command, rounds=40):
    times = []
    for _ in range(rounds):
        begin = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        times.append((time.monotonic() - begin) * 1000)
    return statistics.median(times)


def memory_kb(pids):
    return [status_value(pid, "VmRSS") for pid in pids]


def measure_crowd(bin_dir, count):
    empty = Node(bin_dir, {"processes": {}})
    wait_for(lambda: empty.ctl("list").returncode == 0)
    base = memory_kb(empty.pids())
    empty.end()

    floor = posix_spawn_floor(count)
    begin = time.monotonic()
    node = Node(bin_dir, {"processes": {
        f"s{i}": {"command": ["sleep", "infinity"]} for i in range(count)}})
    wait_for(lambda: node.running() == count)
    took = time.monotonic() - begin
    print(f"{count} up: {took:.2f} s, posix_spawn {floor:.2f} s, ratio "
          f"{took / floor:.2f} (with the start of the node)")

    pids = node.pids()
    now = memory_kb(pids)
    print(f"memory for each: node {(now[0] - base[0]) / count:.1f} KB, keeper "
          f"{(now[1] - base[1]) / count:.2f} KB (empty: {base[0]} and "
          f"{base[1]} KB)")

    ctl = [f"{bin_dir}/pmctl", "--state-dir", node.state_dir]
    true = wall_ms(["/bin/true"])
    print(f"pmctl status: {wall_ms(ctl + ['status', 's1']):.1f} ms, list of "
          f"{count}: {wall_ms(ctl + ['list']):.1f} ms, /bin/true: "
          f"{true:.1f} ms")

    before = [switches(pid) for pid in pids]
    time.sleep(20)
    after = [switches(pid) for pid in pids]
    print(f"idle for 20 s: {after[0] - before[0]} switches of the node, "
          f"{after[1] - before[1]} of the keeper")

    begin = time.monotonic()
    node.ctl("stop", "s*")
    print(f"{count} stopped: {time.monotonic() - begin:.2f} s")
    node.end()


def measure_crash(bin_dir, rounds=40):
    node = Node(bin_dir, {"processes": {"victim": {
        "command": ["sleep", "infinity"], "restart_delay": "0s",
        "start_limit": {"burst": 1000, "interval": "1s"}}}})
    wait_for(lambda: node.running() == 1)
    for _ in range(rounds):
        view = json.loads(node.ctl("--json", "show", "victim").stdout)
        os.kill(view["pid"], signal.SIGKILL)
        wait_for(lambda run=view["run_id"]: json.loads(
            node.ctl("--json", "show", "victim").stdout)["run_id"] != run
            and node.running() == 1)
    lines = [json.loads(x) for x in
             node.ctl("--json", "events").stdout.splitlines()]
    # Both times are the keeper's: of the exit and of the next exec.
    waits = []
    for i, event in enumerate(lines):
        if event["from"] == "running" and i + 2 < len(lines):
            waits.append(stamp_ms(lines[i + 2]["time"])
                         - stamp_ms(event["time"]))
    print(f"crash to running again: p50 {statistics.median(waits):.0f} ms, "
          f"max {max(waits):.0f} ms, spawn included ({len(waits)} crashes)")
    node.end()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_capture(bin_dir, size=1 << 30):
    """One writer's output into its log, against cat into a file."""
    line = "x" * 99
    for name, words in (("zeros", f"head -c {size} /dev/zero"),
                        ("100-byte lines", f"yes {line} | head -c {size}")):
        floor, ours, cost = [], [], []
        for _ in range(3):
            folder = tempfile.mkdtemp(prefix="pm-bench-")
            begin = time.monotonic()
            subprocess.run(f"({words}) | cat > {folder}/file", shell=True,
                           check=True)
            floor.append(time.monotonic() - begin)
            shutil.rmtree(folder)
            node = Node(bin_dir, {"processes": {}})
            wait_for(lambda: node.ctl("list").returncode == 0)
            before = sum(cpu_seconds(pid) for pid in node.pids())
            begin = time.monotonic()
            node.ctl("start", "--name", "w", "--restart", "never", "--", "sh",
                     "-c", words)
            node.ctl("wait", "w")
            ours.append(time.monotonic() - begin)
            cost.append(sum(cpu_seconds(pid) for pid in node.pids()) - before)
            assert os.path.getsize(f"{node.state_dir}/logs/w.log") == size
            node.end()
        rate = size / (1 << 20)
        print(f"capture of {name}: {rate / min(ours):.0f} MiB/s, cat "
              f"{rate / min(floor):.0f} MiB/s, ratio "
              f"{min(floor) / min(ours):.2f}; {min(cost):.2f} CPU s for a GiB")


def stamp_ms(text):
    clock = text[11:23]
    hours, minutes, seconds = clock.split(":")
    return (int(hours) * 60 + int(minutes)) * 60000 + float(seconds) * 1000


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    measure_crowd(sys.argv[1], count)
    measure_crash(sys.argv[1])
    measure_capture(sys.argv[1])


main()
