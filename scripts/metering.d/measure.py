"""Has known work done in a container, and compares what the meter says of it."""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time

PARTS = os.path.dirname(os.path.abspath(__file__))
IMAGE = "zennet-os:latest"
PORT = 7000
# By how much a figure may be off, percent.
TOLERANCE = 2
# Rest before and after each work: what is integrated over samples has some on either side.
REST = 0.6
# A limit that no disk reaches wakes the counters of cgroup v1.
UNREACHED = 1 << 50

WORK = [
    "cpu {cpu_secs}",
    "write {disk_mib}",
    "read {disk_mib}",
    "hold {hold_mib} {hold_secs}",
    "exchange {peer} {net_mib}",
]


def docker(*arguments):
    return subprocess.run(("docker", *arguments), check=True, capture_output=True, text=True).stdout.strip()


def disk_below(folder):
    """The whole disk that holds a folder, as a device file."""
    device = os.stat(folder).st_dev
    block = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if os.path.exists(f"{block}/partition"):
        block = os.path.dirname(block)
    path = f"/dev/{os.path.basename(block)}"
    return path if os.path.exists(path) else None


class Asked:
    """A program that answers each line with a line of JSON."""

    def __init__(self, *command):
        self.program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.program.stdin.write(line + "\n")
        self.program.stdin.flush()
        answer = self.program.stdout.readline()
        if not answer:
            sys.exit(f"error: {self.program.args[0]} ended and did not answer {line!r}")
        return json.loads(answer)

    def end(self):
        self.program.stdin.close()
        self.program.wait(20)


class Container:
    def __init__(self, network, limits):
        self.name = f"zennet-metering-{secrets.token_hex(4)}"
        self.work = Asked("docker", "run", "-i", "--rm", "--name", self.name, "--network", network, *limits,
                          "-v", f"{PARTS}:/parts:ro", IMAGE, "python3", "/parts/workload.py")

    def inspect(self, format):
        return docker("inspect", "-f", format, self.name)


def limits():
    system = json.loads(docker("info", "--format", "{{json .}}"))
    disk = disk_below(system["DockerRootDir"]) if system.get("CgroupVersion") != "2" else None
    return ["--device-write-bps", f"{disk}:{UNREACHED}"] if disk else []


def measure(meter, container, work):
    """The work's own account beside what was counted, per counter."""
    # Memory that was in use before, and goes on to be, is not this work's.
    first = meter.ask("")
    time.sleep(REST)
    before = meter.ask("")
    time.sleep(REST)
    truth = container.work.ask(work)
    time.sleep(REST)
    after = meter.ask("")
    rows = []
    for counter, true in truth.items():
        counted = difference(before, after, counter)
        if counter == "memory_byte_secs" and counted is not None:
            rate = difference(first, before, counter) / (before["at_ms"] - first["at_ms"])
            counted = round(counted - rate * (after["at_ms"] - before["at_ms"]))
        off = None if counted is None else (counted - true) / true * 100
        rows.append({"work": work.split()[0], "counter": counter, "truth": true, "counted": counted,
                     "percent_off": None if off is None else round(off, 3)})
    return rows


def difference(before, after, counter):
    values = [reading["usage"].get(counter) for reading in (before, after)]
    return None if None in values else values[1] - values[0]


def is_off(row):
    """Whether a figure is there, and off by more than it may be."""
    return row["percent_off"] is not None and abs(row["percent_off"]) > TOLERANCE


def measure_twice_at_most(meter, container, work):
    """As `measure`; a work of which a figure is off is done once more, since others share the host."""
    rows = measure(meter, container, work)
    if not any(map(is_off, rows)):
        return rows
    print(f"{work.split()[0]}: off by more than {TOLERANCE} %, it is repeated once")
    show(rows)
    again = measure(meter, container, work)
    return [second if is_off(first) and second["counted"] is not None else first
            for first, second in zip(rows, again)]


def show(rows):
    print(f"{'work':<10} {'counter':<18} {'truth':>14} {'counted':>14} {'off':>9}")
    for row in rows:
        counted = "absent" if row["counted"] is None else row["counted"]
        off = "" if row["percent_off"] is None else f"{row['percent_off']:+.2f} %"
        print(f"{row['work']:<10} {row['counter']:<18} {row['truth']:>14} {counted:>14} {off:>9}")
    for row in rows:
        if row["counted"] is None:
            print(f"{row['work']}: the meter has no {row['counter']} here, it is skipped")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--meter", required=True)
    opts = parser.parse_args()
    sizes = dict(cpu_secs=5, disk_mib=100, hold_mib=256, hold_secs=10, net_mib=50)
    network = docker("network", "create", f"zennet-metering-{secrets.token_hex(4)}")
    containers = []
    try:
        containers.append(Container(network, []))
        containers[0].work.ask(f"serve {PORT}")
        address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        sizes["peer"] = f"{containers[0].inspect(address)}:{PORT}"
        containers.append(Container(network, limits()))
        # It runs when it has answered.
        containers[1].work.ask("cpu 0")
        meter = Asked(opts.meter, "follow", containers[1].inspect("{{.State.Pid}}"))
        rows = [row for work in WORK
                for row in measure_twice_at_most(meter, containers[1], work.format(**sizes))]
        meter.end()
    finally:
        for container in containers:
            subprocess.run(("docker", "rm", "-f", container.name), capture_output=True)
        docker("network", "rm", network)
    show(rows)
    # With every counter absent nothing would have been measured.
    within = any(row["counted"] is not None for row in rows) and not any(map(is_off, rows))
    if opts.json:
        print(json.dumps({"within_tolerance": within, "tolerance_percent": TOLERANCE, "rows": rows}))
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
