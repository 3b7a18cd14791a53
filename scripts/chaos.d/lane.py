"""A lane: a provider and a publisher with a proxy between them, and what is asked of them."""

import asyncio
import json
import os
import signal
import subprocess
import time
from pathlib import Path

# What is measured during a long fault.
WATCHED = ["watched_secs", "vouchers", "longest_pause_secs"]
# A machine that works is paid every two seconds; the rest is for a host that is busy.
LONGEST_PAUSE = 20


class Broken(Exception):
    """What a run demands does not hold."""


class Lost(Broken):
    """A machine that is paid for is gone, or what it did is."""


async def within(secs, what, holds, error=Broken):
    """Waits until an async condition gives something true; gives that."""
    deadline = time.monotonic() + secs
    while True:
        found = await holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise error(f"{what} not within {secs} s")
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


async def is_dead(process):
    """Whether a process of /proc is gone, or waits to be noticed by its parent."""
    try:
        return (process / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


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
        self.past = None
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

    async def order(self, patience, lasts):
        await self.start(
            "submit", "-n", "1", "-m", "64M", "--cpus", "0.2", "--disk", "64M", "--for", f"{lasts}s",
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
            raise Lost("the machine's data is gone")
        progress, self.beats = count > self.beats, count
        return progress

    async def goes_on(self, secs=30):
        """The machine works and is paid; gives the seconds until ssh showed that it works."""
        began = time.monotonic()
        await within(secs, "the work goes on", self.works_on, Lost)
        back = time.monotonic() - began
        before = await self.vouchers()

        async def more():
            return await self.vouchers() > before

        await within(secs, "payment goes on", more)
        return back

    async def container(self):
        """The machine's container and its first process: the same for as long as it lives."""
        names = [f"zennet-{path.name}" for path in (self.provider_toml.parent / "data/machines").iterdir()]
        text = await output("docker", "inspect", "-f", "{{.Id}} {{.State.Pid}}", *names)
        if not text or not names:
            raise Lost("the container is gone")
        return text

    async def watch_payments(self, over):
        """Until `over` is set the machine works and is paid; gives how many vouchers there were, the
        seconds of that time and the longest time without one."""
        began = last = time.monotonic()
        first = seen = await self.vouchers()
        longest = asked = 0.0
        while not over.is_set():
            await asyncio.sleep(0.5)
            now, count = time.monotonic(), await self.vouchers()
            longest = max(longest, now - last)
            if count > seen:
                seen, last = count, now
            if now - asked > 20:
                asked = now
                await within(20, "the work goes on", self.works_on, Lost)
        if longest > LONGEST_PAUSE:
            raise Broken(f"no voucher came for {longest:.1f} s")
        return dict(zip(WATCHED, (round(time.monotonic() - began), seen - first, round(longest, 1))))

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
        await within(10, "the agent dies", lambda: is_dead(Path(f"/proc/{self.agent_pid}")))

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

    async def note_past(self):
        """What was filed until now is not of this run."""
        self.past = await self.last_past()

    async def filed(self):
        """The record of this run's lease, once it is settled."""
        past = await self.last_past()
        return past if past != self.past and past["settled"] is not None and await self.is_idle() else None
