"""Runs leases under faults; see scripts/chaos, which prepares the chain and the lanes."""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Time after which a lost publisher is given up by the providers here (scripts/chaos sets it).
PROVIDER_PATIENCE = 15
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


class Broken(Exception):
    """What a run demands does not hold."""


async def within(secs, what, holds):
    """Waits until an async condition gives something true; gives that."""
    deadline = time.monotonic() + secs
    while True:
        found = await holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Broken(f"{what} not within {secs} s")
        await asyncio.sleep(0.1)


async def output(*command, timeout=20):
    """Standard output of a program; nothing when it fails or hangs."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), timeout)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
        return None
    return out.decode() if process.returncode == 0 else None


class Proxy:
    """Stands between a provider and its publisher, and spoils what passes."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.writers = set()
        self.mend()

    def mend(self):
        self.refuses = False
        self.held = set()
        self.delay = lambda: 0.0

    async def start(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.port)

    def cut(self):
        self.refuses = True
        for writer in list(self.writers):
            writer.transport.abort()

    async def accept(self, reader, writer):
        if self.refuses:
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, far[1]}
        await asyncio.gather(
            self.pump("to_publisher", reader, far[1]),
            self.pump("to_provider", far[0], writer),
        )
        self.writers -= {writer, far[1]}

    async def pump(self, direction, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                if wait := self.delay():
                    await asyncio.sleep(wait)
                while direction in self.held:
                    await asyncio.sleep(0.05)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()


class Lane:
    """A provider, a publisher, and what runs between them."""

    def __init__(self, number):
        self.number = number
        self.net = Path(os.environ["NET"])
        listen, proxy, self.address = (self.net / f"lane-{number}").read_text().split()
        self.proxy = Proxy(int(proxy), int(listen))
        self.agent_pid = int((self.net / f"agent-{number}.pid").read_text())
        self.publisher_dir = self.net / f"publisher-{number}"
        self.provider_toml = self.net / f"provider-{number}" / "provider.toml"
        self.ssh_config = self.net / f"ssh_config-{number}"
        self.events_path = self.net / f"events-{number}"
        self.process = None
        self.beats = 0

    # ---- the publisher ----

    async def cli(self, *arguments):
        text = await output(os.environ["CLI_BIN"], "--dir", self.publisher_dir, "--json", *arguments)
        return json.loads(text) if text else None

    async def start(self, *arguments, environment=None):
        self.events_path.write_bytes(b"")
        with open(self.events_path, "ab") as events, open(self.net / f"publisher-{self.number}.log", "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                os.environ["CLI_BIN"],
                "--dir", self.publisher_dir, "--json", *arguments,
                stdin=subprocess.DEVNULL, stdout=events, stderr=log, start_new_session=True,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip

    def events(self, name):
        lines = self.events_path.read_text().splitlines()
        found = (json.loads(line) for line in lines if line.endswith("}"))
        return [event for event in found if event["event"] == name]

    async def order(self, patience):
        await self.start(
            "submit", "-n", "1", "-m", "64M", "--cpus", "0.2", "--disk", "64M", "--for", "10m",
            "--timeout", "60s", "--patience", f"{patience}s", "--max-faults", "1000000", "--ssh-config", self.ssh_config,
        )  # fmt: skip

        async def complete():
            if self.process.returncode is not None:
                raise Broken(f"the order ended with status {self.process.returncode}")
            return self.events("complete")

        await within(60, "the machine is ready", complete)

    async def usage(self):
        answer = await self.cli("usage")
        machines = answer["machines"] if answer else []
        return machines[0] if machines else None

    async def vouchers(self):
        usage = await self.usage()
        return usage["vouchers"] if usage else 0

    async def ssh(self, command, timeout=10):
        return await output("ssh", "-o", "ConnectTimeout=5", "-F", self.ssh_config, "zn-1", command, timeout=timeout)

    async def begin_work(self):
        """A process that counts, and that only the end of its machine stops."""
        loop = "while :; do echo >>/root/beats; sleep 0.3; done"
        self.beats = 0
        await within(20, "work begins", lambda: self.ssh(f"setsid sh -c '{loop}' </dev/null >/dev/null 2>&1 & echo ok"))

    async def count(self):
        text = await self.ssh("wc -l </root/beats")
        return int(text) if text else None

    async def works_on(self):
        count = await self.count()
        if count is None:
            return False
        if count < self.beats:
            raise Broken("the machine's data is gone")
        progress, self.beats = count > self.beats, count
        return progress

    async def goes_on(self, secs=30):
        """The machine works and is paid."""
        await within(secs, "the work goes on", self.works_on)
        before = await self.vouchers()

        async def more():
            return await self.vouchers() > before

        await within(secs, "payment goes on", more)

    async def end(self):
        """Ends the order; gives how its lease was settled."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        status = await asyncio.wait_for(self.process.wait(), 200)
        if status != 0:
            raise Broken(f"the order ended with status {status}")
        settled = self.events("settled")
        if len(settled) != 1:
            raise Broken(f"{len(settled)} leases were settled")
        return settled[0]

    async def kill_publisher(self):
        self.process.kill()
        await self.process.wait()

    # ---- the provider ----

    async def kill_agent(self):
        os.kill(self.agent_pid, signal.SIGKILL)

        async def gone():
            try:
                os.kill(self.agent_pid, 0)
            except ProcessLookupError:
                return True
            state = Path(f"/proc/{self.agent_pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            return state == "Z"

        await within(10, "the agent dies", gone)

    def start_agent(self, environment=None):
        with open(self.net / f"provider-{self.number}.log", "ab") as log:
            process = subprocess.Popen(
                [os.environ["AGENT_BIN"], "run", "--config", self.provider_toml],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "RUST_LOG": "info", **(environment or {})},
            )  # fmt: skip
        self.agent_pid = process.pid

    async def agent_report(self):
        text = await output(os.environ["AGENT_BIN"], "status", "--json", "--config", self.provider_toml)
        return json.loads(text) if text else None

    async def is_idle(self):
        report = await self.agent_report()
        return report and report["running"] and not report["leases"] and not report["unsettled"]

    async def is_served(self):
        report = await self.agent_report()
        phases = [lease["phase"] for lease in report["leases"]] if report else []
        return phases in (["serving"], ["frozen"]) and self.process.returncode is None

    async def best_voucher(self):
        report = await self.agent_report()
        leases = report["leases"] if report else []
        return leases[0]["paid"] if leases else None

    async def last_past(self):
        report = await self.agent_report()
        return report["past"][0] if report and report["past"] else None


# ---- faults of one lane: each leaves a lease that goes on, unless it says otherwise ----


async def none(lane, rng):
    await asyncio.sleep(rng.uniform(0, 3))


async def kill_agent(lane, rng):
    await lane.kill_agent()
    await asyncio.sleep(rng.uniform(0, 8))
    lane.start_agent()


async def kill_publisher(lane, rng):
    await lane.kill_publisher()
    await asyncio.sleep(rng.uniform(0, 8))
    await lane.start("resume")


async def kill_both(lane, rng):
    await lane.kill_agent()
    await asyncio.sleep(rng.uniform(0, 1))
    await lane.kill_publisher()
    await asyncio.sleep(rng.uniform(0, 4))
    if rng.random() < 0.5:
        lane.start_agent()
        await asyncio.sleep(rng.uniform(0, 2))
        await lane.start("resume")
    else:
        await lane.start("resume")
        await asyncio.sleep(rng.uniform(0, 2))
        lane.start_agent()


async def cut_link(lane, rng):
    for _ in range(rng.randint(1, 3)):
        lane.proxy.cut()
        await asyncio.sleep(rng.uniform(0.1, 9))
        lane.proxy.mend()
        await asyncio.sleep(rng.uniform(0, 2))


async def hold(lane, rng, direction):
    lane.proxy.held = {direction}
    await asyncio.sleep(rng.uniform(2, 12))
    lane.proxy.mend()


async def cut_to_publisher(lane, rng):
    await hold(lane, rng, "to_publisher")


async def cut_to_provider(lane, rng):
    await hold(lane, rng, "to_provider")


async def delay(lane, rng):
    latency = rng.uniform(0.1, 0.8)
    lane.proxy.delay = lambda: latency
    await asyncio.sleep(rng.uniform(5, 10))
    lane.proxy.mend()


async def loss(lane, rng):
    """What a loss is to a stream: now and then it stalls until it is sent again."""
    part = rng.uniform(0.05, 0.3)
    lane.proxy.delay = lambda: rng.uniform(0.2, 1.5) if rng.random() < part else 0.0
    await asyncio.sleep(rng.uniform(5, 10))
    lane.proxy.mend()


def jumped(rng):
    """A clock that is wrong by up to a day, either way."""
    secs = rng.choice([-1, 1]) * rng.choice([30, 3600, 86400])
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": f"{secs:+}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


async def jump_agent_clock(lane, rng):
    await lane.kill_agent()
    lane.start_agent(jumped(rng))


async def jump_publisher_clock(lane, rng):
    await lane.kill_publisher()
    await lane.start("resume", environment=jumped(rng))


# ---- faults that end or may end the lease: it is settled at the last voucher that arrived ----


async def late_agent(lane, rng):
    await lane.kill_agent()
    await asyncio.sleep(rng.uniform(12, 16))
    lane.start_agent()


async def late_publisher(lane, rng):
    await lane.kill_publisher()
    await asyncio.sleep(PROVIDER_PATIENCE + rng.uniform(6, 9))


async def fill(folder, rng):
    full = folder / "full"
    with open(full, "wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass
    await asyncio.sleep(rng.uniform(4, 8))
    full.unlink()


async def fill_agent_disk(lane, rng):
    await fill(lane.provider_toml.parent / "data", rng)


async def fill_publisher_disk(lane, rng):
    await fill(lane.publisher_dir / "data", rng)


# ---- faults of all lanes at once ----


class Machinery:
    """The node and the container engine, which all lanes share."""

    def __init__(self):
        self.node = int(os.environ["NODE_PID"])
        self.net = Path(os.environ["NET"])

    def start_node(self):
        with open(self.net / "node.log", "ab") as log:
            self.node = subprocess.Popen(
                os.environ["NODE_ARGUMENTS"].split(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            ).pid  # fmt: skip
        (self.net / "node.pid").write_text(str(self.node))

    async def stop_chain(self, rng):
        os.kill(self.node, signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(5, 25))
        os.kill(self.node, signal.SIGCONT)

    async def kill_node(self, rng):
        os.kill(self.node, signal.SIGKILL)
        await asyncio.sleep(rng.uniform(0.5, 10))
        self.start_node()

    async def kill_engine(self, rng):
        pid = int(Path("/var/run/docker.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(rng.uniform(0.5, 4))
        Path("/var/run/docker.pid").unlink(missing_ok=True)
        with open(self.net / "dockerd.log", "ab") as log:
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


GOES_ON = [
    none, kill_agent, kill_publisher, kill_both, cut_link, cut_to_publisher, cut_to_provider, delay, loss,
]  # fmt: skip
CLOCKS = [jump_agent_clock, jump_publisher_clock] if FAKETIME else []
ENDS = [late_agent, late_publisher]
# What cannot be stored is not promised: the lease ends, unless the store had room left.
MAY = [fill_agent_disk, fill_publisher_disk]
LOCAL = {fault.__name__: fault for fault in GOES_ON + CLOCKS + ENDS + MAY}
SHARED = ["stop_chain", "kill_node", "kill_engine"]
ENDING = {fault.__name__ for fault in ENDS}
MAY_END = {fault.__name__ for fault in MAY}


def engine_is_ours():
    try:
        pid = int(Path("/var/run/docker.pid").read_text())
        return not Path("/run/systemd/system").is_dir() and Path(f"/proc/{pid}/comm").read_text() == "dockerd\n"
    except (OSError, ValueError):
        return False


# ---- one run ----


async def run(lane, name, rng, shared):
    """One lease under one fault; gives what is wrong, or nothing."""
    await within(60, "the provider is idle", lane.is_idle)
    await lane.order(patience=6 if name == "late_agent" else 40)
    await lane.begin_work()
    await lane.goes_on(20)
    arrived = await lane.best_voucher() or 0
    await asyncio.sleep(rng.uniform(0, 2))
    if shared:
        await shared()
    else:
        await LOCAL[name](lane, rng)
    if name in ENDING or name in MAY_END and not await lane.is_served():
        paid = await ended(lane, name)
        if paid < arrived:
            raise Broken(f"{paid} was paid of {arrived} that had arrived")
        return
    await lane.goes_on(60)
    settled = await lane.end()
    if settled["paid"] != settled["signed"]:
        raise Broken(f"{settled['paid']} was paid of {settled['signed']} that was signed")
    if not settled["agreed"]:
        raise Broken("the readings do not agree")
    await within(20, "the provider files the lease", lane.is_idle)
    past = await lane.last_past()
    if past["settled"] != settled["paid"]:
        raise Broken(f"the provider says {past['settled']}, the publisher {settled['paid']}")


async def ended(lane, name):
    """After a fault that ends the lease: what the provider was paid, which is its best voucher."""

    async def settled_by_provider():
        past = await lane.last_past()
        return past if await lane.is_idle() and past and past["settled"] is not None else None

    if name == "late_publisher":
        await lane.start("resume")
        await asyncio.wait_for(lane.process.wait(), 200)
    elif name == "late_agent":
        await asyncio.wait_for(lane.process.wait(), 200)
    past = await within(120, "the provider settles", settled_by_provider)
    if past["settled"] != past["paid"]:
        raise Broken(f"{past['settled']} was settled, the best voucher says {past['paid']}")
    if lane.process.returncode is None:
        lane.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(lane.process.wait(), 200)
    return past["settled"]


def plan(seed, number, lanes, allowed):
    """The fault of a run and its source of chance. Runs of one round share a shared fault."""
    together = random.Random(f"{seed}/round {number // lanes}").choice(allowed)
    rng = random.Random(f"{seed}/{number}")
    local = [name for name in allowed if name not in SHARED]
    return rng, together if together in SHARED or not local else rng.choice(local)


async def clean_up(lane):
    """After a run that broke: the next one begins anew."""
    lane.proxy.mend()
    if lane.process and lane.process.returncode is None:
        lane.process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(lane.process.wait(), 60)
        except asyncio.TimeoutError:
            await lane.kill_publisher()
    await lane.cli("recover")
    if not await lane.agent_report():
        lane.start_agent()


async def round_of(lanes, machinery, numbers, seed, allowed):
    """One run in each lane, at the same time; a shared fault hits all of them at once."""
    plans = [(number, *plan(seed, number, len(lanes), allowed)) for number in numbers]
    shared = plans[0][2] if plans[0][2] in SHARED else None
    barrier, ready = asyncio.Event(), []

    async def hit():
        # The last that is ready does it for all.
        ready.append(1)
        if len(ready) == len(plans):
            await getattr(machinery, shared)(plans[0][1])
            barrier.set()
        await asyncio.wait_for(barrier.wait(), 240)

    async def one(lane, number, rng, name):
        began, wrong = time.monotonic(), None
        try:
            await run(lane, name, rng, hit if shared else None)
        except (Broken, asyncio.TimeoutError, OSError) as error:
            wrong = str(error) or type(error).__name__
            # The others must not wait for it.
            ready.append(1)
            if shared and len(ready) == len(plans):
                barrier.set()
            await clean_up(lane)
        secs = time.monotonic() - began
        verdict = "ok" if wrong is None else f"FAIL: {wrong}"
        print(f"run {number:4} {name:22} {secs:5.1f} s  {verdict}", file=sys.stderr, flush=True)
        return {"run": number, "fault": name, "wrong": wrong, "secs": secs}

    return await asyncio.gather(*(one(lane, *planned) for lane, planned in zip(lanes, plans)))


async def leftovers():
    """Containers of the lanes that are still there."""
    net = Path(os.environ["NET"])
    names = await output("docker", "ps", "-a", "--format", "{{.Names}}", "--filter", "label=zennet.run")
    own = {path.name for path in net.glob("provider-*/data/machines/*")}
    return len([name for name in (names or "").split() if name.removeprefix("zennet-") in own])


async def main(options):
    lanes = [Lane(number) for number in range(1, int(os.environ["lanes"]) + 1)]
    for lane in lanes:
        await lane.proxy.start()
    machinery = Machinery()
    allowed = list(LOCAL) + SHARED
    if not engine_is_ours():
        allowed.remove("kill_engine")
        print("the container engine is a service of this system: it is not killed", file=sys.stderr)
    if not FAKETIME:
        print("libfaketime is not installed: clocks do not jump", file=sys.stderr)
    allowed = [name for name in allowed if name not in options.skip]
    if options.fault:
        allowed = [options.fault]
    began = time.monotonic()
    numbers = [options.run] if options.run is not None else list(range(options.n))
    results = []
    for start in range(0, len(numbers), len(lanes)):
        part = numbers[start : start + len(lanes)]
        results += await round_of(lanes, machinery, part, options.seed, allowed)
    left = await leftovers()
    supply = await output("python3", HERE.parent / "supply.py", f"http://127.0.0.1:{os.environ['RPC_PORT']}")
    report(results, left, (supply or "").strip() == "true", options, time.monotonic() - began)
    return all(result["wrong"] is None for result in results) and left == 0


def report(results, left, supply, options, secs):
    by_fault = {}
    for result in results:
        row = by_fault.setdefault(result["fault"], {"runs": 0, "settled": 0, "lost_containers": 0, "secs": []})
        row["runs"] += 1
        row["settled"] += result["wrong"] is None
        row["lost_containers"] += result["wrong"] is not None and "work goes on" in result["wrong"]
        row["secs"].append(result["secs"])
    print(f"{'fault':22} {'runs':>5} {'settled':>8} {'lost':>5} {'median s':>9}", file=sys.stderr)
    for name, row in sorted(by_fault.items()):
        middle = sorted(row.pop("secs"))[row["runs"] // 2]
        row["median_secs"] = round(middle, 1)
        print(
            f"{name:22} {row['runs']:5} {row['settled']:8} {row['lost_containers']:5} {middle:9.1f}",
            file=sys.stderr,
        )
    total = {
        "runs": len(results),
        "settled": sum(row["settled"] for row in by_fault.values()),
        "lost_containers": sum(row["lost_containers"] for row in by_fault.values()),
        "leftovers": left,
        "supply_conserved": supply,
        "by_fault": by_fault,
        "seed": options.seed,
        "failed": [result["run"] for result in results if result["wrong"] is not None],
        "secs": round(secs),
    }
    if options.json:
        print(json.dumps(total))
    else:
        print(f"{total['settled']} of {total['runs']} settled, seed {options.seed}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="scripts/chaos")
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", type=int)
    parser.add_argument("--fault", choices=list(LOCAL) + SHARED)
    parser.add_argument("--skip", action="append", default=[], choices=list(LOCAL) + SHARED)
    parser.add_argument("--lanes", type=int)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(list(LOCAL) + SHARED))
        sys.exit(0)
    sys.exit(0 if asyncio.run(main(options)) else 1)
