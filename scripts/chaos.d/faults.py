"""What may go wrong: each fault is a function of its lane, or of what all lanes share, and of chance."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from lane import is_dead, within

# Time after which a lost publisher is given up by the providers here (scripts/chaos sets it).
PROVIDER_PATIENCE = 15
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


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
    """Up to three cuts. Together they are shorter than the provider's patience: in a short gap between
    two of them it need not get through."""
    cuts = rng.randint(1, 3)
    for _ in range(cuts):
        lane.proxy.cut()
        await asyncio.sleep(rng.uniform(0.1, 9) / cuts)
        lane.proxy.mend()
        await asyncio.sleep(rng.uniform(0, 2) / cuts)


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
    # An attempt to store something that has just failed ends the lease a moment later.
    await asyncio.sleep(2)


async def fill_agent_disk(lane, rng):
    await fill(lane.provider_toml.parent / "data", rng)


async def fill_publisher_disk(lane, rng):
    await fill(lane.publisher_dir / "data", rng)


# ---- faults of all lanes at once ----


class Machinery:
    """The node and the container engine, which all lanes share."""

    def __init__(self, chain_stop):
        self.node = int(os.environ["NODE_PID"])
        self.net, self.engine = Path(os.environ["NET"]), Path(os.environ["ENGINE"])
        self.chain_stop = chain_stop

    def start_node(self):
        with open(self.net / "node.log", "ab") as log:
            self.node = subprocess.Popen(
                os.environ["NODE_ARGUMENTS"].split(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            ).pid  # fmt: skip
        (self.net / "node.pid").write_text(str(self.node))

    async def stop_chain(self, rng):
        await self.halt_node(rng.uniform(5, 25))

    async def kill_node(self, rng):
        await self.without_node(rng.uniform(0.5, 10))

    async def stop_chain_long(self, _):
        await self.halt_node(self.chain_stop)

    async def kill_node_long(self, _):
        await self.without_node(self.chain_stop)

    async def halt_node(self, secs):
        os.kill(self.node, signal.SIGSTOP)
        await asyncio.sleep(secs)
        os.kill(self.node, signal.SIGCONT)

    async def without_node(self, secs):
        os.kill(self.node, signal.SIGKILL)
        await asyncio.sleep(secs)
        self.start_node()

    async def kill_engine(self, rng):
        engine = await killed(self.engine / "pid")
        # Its containerd dies with it.
        await killed(self.engine / "run/containerd/containerd.pid")
        await asyncio.sleep(rng.uniform(0.5, 4))
        with open(self.engine / "log", "ab") as log:
            subprocess.Popen(engine, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


async def killed(pid_file):
    """Kills the process of a file and removes the file, which may name another process by the time that
    it is read; gives its command."""
    process, command = Path("/proc", pid_file.read_text().strip()), []
    try:
        command = (process / "cmdline").read_bytes().split(b"\0")[:-1]
        os.kill(int(process.name), signal.SIGKILL)
    except OSError:
        pass  # it is dead already
    await within(10, "the engine dies", lambda: is_dead(process))
    pid_file.unlink()
    return command


GOES_ON = [
    none, kill_agent, kill_publisher, kill_both, cut_link, cut_to_publisher, cut_to_provider, delay, loss,
]  # fmt: skip
CLOCKS = [jump_agent_clock, jump_publisher_clock] if FAKETIME else []
ENDS = [late_agent, late_publisher]
# What cannot be stored is not promised: the lease ends, unless the store had room left.
MAY = [fill_agent_disk, fill_publisher_disk]
LOCAL = {fault.__name__: fault for fault in GOES_ON + CLOCKS + ENDS + MAY}
SHARED = ["stop_chain", "kill_node", "kill_engine"]
# Not among those that are drawn: each takes as long as --chain-stop says.
LONG = ["stop_chain_long", "kill_node_long"]
ENDING = {fault.__name__ for fault in ENDS}
MAY_END = {fault.__name__ for fault in MAY}
