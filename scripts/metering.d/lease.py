"""Mixed load in a rented machine, and what its two sides read of it: the largest difference by counter."""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time

PARTS = os.path.dirname(os.path.abspath(__file__))
WORKLOAD = "/tmp/workload.py"
# An address of documentation: what is sent there reaches nobody.
NOBODY = "203.0.113.1:9"
# Each kind of work goes on by itself, with pauses between.
WORK = {
    "processor": ["cpu 2", "cpu 0.5"],
    "disk": ["write 24", "read 24", "write 4"],
    "memory": ["hold 48 3", "hold 16 1"],
    "network": [f"send {NOBODY} 3"],
}
PAUSE = (0.1, 2.0)
# Time between two looks, and for which the machine rests before and after.
LOOK, REST = 0.25, 8
# What is granted to each counter besides one percent: one step of its source, as in
# crates/lease/src/agreement.rs.
SLACK = {
    "cpu_micros": 20_000, "cpu_user_micros": 20_000, "cpu_system_micros": 20_000,
    "memory_byte_secs": 1 << 20, "disk_read_bytes": 1 << 20, "disk_write_bytes": 1 << 20,
    "net_rx_bytes": 1 << 16, "net_tx_bytes": 1 << 16, "page_faults": 1_000,
}


class Lease:
    """The order's machine, by its publisher's command line."""

    def __init__(self, cli, folder, ssh_config):
        self.cli, self.folder, self.ssh_config = cli, folder, ssh_config

    def look(self):
        shown = subprocess.run((self.cli, "--dir", self.folder, "--json", "usage"), check=True,
                               capture_output=True, text=True).stdout
        return json.loads(shown)["machines"][0]

    def ssh(self, *command, **options):
        return subprocess.Popen(("ssh", "-F", self.ssh_config, "zn-1", *command), text=True, **options)

    def address(self):
        """The machine's own, by which it would reach others; connecting sends nothing."""
        host, port = NOBODY.split(":")
        code = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                f"s.connect(('{host}', {port})); print(s.getsockname()[0])")
        asked = self.ssh("python3", "-c", f'"{code}"', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        address = asked.communicate(timeout=20)[0].strip()
        if not address:
            sys.exit("error: the machine has no address")
        return address

    def copy_workload(self):
        with open(f"{PARTS}/workload.py") as source:
            if self.ssh(f"cat >{WORKLOAD}", stdin=source).wait(20) != 0:
                sys.exit("error: the work could not be copied into the machine")


def work(lease, lines, until, failures):
    """Has lines of work done, the first one first, over one ssh session, until a time is over."""
    line = lines[0]
    try:
        worker = lease.ssh("python3", WORKLOAD, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        while time.monotonic() < until:
            worker.stdin.write(line + "\n")
            worker.stdin.flush()
            if not worker.stdout.readline():
                raise RuntimeError(f"the work ended at {line}")
            line = random.choice(lines)
            time.sleep(random.uniform(*PAUSE))
        worker.stdin.close()
        worker.wait(20)
    except Exception as error:
        failures.append(str(error))


def send_to(address, until):
    """Datagrams to the machine, in bursts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while time.monotonic() < until:
            for _ in range(random.randrange(1, 60)):
                sender.sendto(bytes(1400), (address, 9))
            time.sleep(0.05)


def follow(lease, until):
    """Looks right after each report of the provider."""
    last = lease.look()
    while time.monotonic() < until:
        time.sleep(LOOK)
        now = lease.look()
        if now["vouchers"] != last["vouchers"]:
            yield now
        last = now


class Difference:
    """The largest difference on one counter, since the first look."""

    def __init__(self, counter, first):
        self.counter, self.first, self.most = counter, first, None

    def of(self, look):
        """What the provider has more, what the publisher has, and what they may differ by."""
        grown = [look[side][self.counter] - self.first[side][self.counter]
                 for side in ("usage", "own_usage")]
        return grown[0] - grown[1], grown[1], SLACK[self.counter] + grown[1] // 100

    def take(self, look):
        difference, own, tolerance = self.of(look)
        if self.most is None or abs(difference) > abs(self.most[0]):
            self.most = difference, own, tolerance

    def row(self, last):
        difference, own, tolerance = self.of(last)
        work, work_own, work_tolerance = self.most or (0, 0, SLACK[self.counter])
        return {"counter": self.counter, "publisher": own, "provider": own + difference,
                "at_rest": difference, "at_rest_percent": percent(difference, own),
                "tolerance": tolerance,
                "at_work": work, "at_work_percent": percent(work, work_own),
                "at_work_tolerance": work_tolerance}


def percent(part, whole):
    return round(part / whole * 100, 4) if whole else None


def show(rows):
    print(f"{'counter':<18} {'publisher':>15} {'provider':>15} {'at rest':>10} {'':>9} {'tolerance':>12}"
          f" {'at work':>12} {'':>9}")
    for row in rows:
        shares = ["" if row[key] is None else f"{row[key]:+.3f} %"
                  for key in ("at_rest_percent", "at_work_percent")]
        print(f"{row['counter']:<18} {row['publisher']:>15} {row['provider']:>15} {row['at_rest']:>+10}"
              f" {shares[0]:>9} {row['tolerance']:>12} {row['at_work']:>+12} {shares[1]:>9}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--minutes", type=float, required=True)
    for name in ("cli", "folder", "ssh-config"):
        parser.add_argument(f"--{name}", required=True)
    opts = parser.parse_args()
    lease = Lease(opts.cli, opts.folder, opts.ssh_config)
    lease.copy_workload()
    time.sleep(REST)
    first = lease.look()
    missing = sorted(SLACK.keys() - (first["usage"].keys() & first["own_usage"].keys()))
    differences = [Difference(counter, first) for counter in SLACK if counter not in missing]
    until, failures = time.monotonic() + opts.minutes * 60, []
    parts = [threading.Thread(target=work, args=(lease, lines, until, failures))
             for lines in WORK.values()]
    parts.append(threading.Thread(target=send_to, args=(lease.address(), until)))
    for part in parts:
        part.start()
    looks = 0
    for look in follow(lease, until):
        looks += 1
        for difference in differences:
            difference.take(look)
    for part in parts:
        part.join()
    time.sleep(REST)
    last = lease.look()
    rows = [difference.row(last) for difference in differences]
    show(rows)
    for counter in missing:
        print(f"{counter} is not read by both here")
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    off = [row["counter"] for row in rows if abs(row["at_rest"]) > row["tolerance"]]
    within = not off and last["agreed"] and looks > 0 and not failures
    if opts.json:
        print(json.dumps({"within_tolerance": within, "minutes": opts.minutes, "looks": looks,
                          "vouchers": last["vouchers"], "rows": rows}))
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
