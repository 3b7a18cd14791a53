"""Bookkeepers in network namespaces with a cable each, and what is demanded of all of them at any time.

    alice ─┐                    ┌─ charlie
           ├─ left ─    ─ right ┤
    bob ───┘                    └─ dave

Two bridges that nothing joins: normally all cables end in the left one.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "testnet.d"))

from chain import NoAnswer, Node  # noqa: E402

SCRIPTS = Path(__file__).resolve().parent.parent
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
RPC_PORT = 9944


class Broken(Exception):
    """What is demanded of the network does not hold."""


def within(secs, what, holds):
    """Waits until `holds` gives something true; gives that."""
    deadline = time.monotonic() + secs
    while True:
        try:
            found = holds()
        except NoAnswer:
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise Broken(f"{what}: not within {secs} s")
        time.sleep(0.1)


def run(*command):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


class Peer(Node):
    """A node of the network, alive or not."""

    def __init__(self, network, number, name, key=None):
        super().__init__(name, RPC_PORT, f"zf-{name}")
        self.network, self.number, self.process = network, number, None
        # Whose development keys it has; nobody's if nothing.
        self.key = key
        self.address = f"10.214.0.{number}"
        self.folder = network.folder / name
        self.log = network.folder / f"{name}.log"
        self.cable = f"zf{number}"
        # Whether it may lack old blocks, since it did not sync all.
        self.partial = False
        self.lay_cable()
        node_key = network.folder / f"{name}.key"
        program = os.environ["NODE_BIN"]
        subprocess.run([program, "key", "generate-node-key", "--file", node_key], check=True, capture_output=True)
        told = subprocess.run([program, "key", "inspect-node-key", "--file", node_key], check=True, capture_output=True)
        self.multiaddr = f"/ip4/{self.address}/tcp/30333/p2p/{told.stdout.decode().strip()}"

    def lay_cable(self):
        run("ip", "netns", "add", self.namespace)
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "wire", "netns", self.namespace)
        run("ip", "link", "set", self.cable, "master", "left", "up")
        run("ip", "-n", self.namespace, "addr", "add", f"{self.address}/24", "dev", "wire")
        run("ip", "-n", self.namespace, "link", "set", "wire", "up")
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")

    def start(self, *more, environment=None, wait=True):
        arguments = [
            os.environ["NODE_BIN"], "--chain", self.network.spec, "--name", self.name, "--validator",
            "--base-path", self.folder, "--node-key-file", self.network.folder / f"{self.name}.key",
            "--listen-addr", f"/ip4/{self.address}/tcp/30333", "--rpc-port", str(RPC_PORT), "--no-prometheus",
            "--no-telemetry", "--no-mdns", *more, "--bootnodes", *self.network.multiaddrs(self),
        ]  # fmt: skip
        if self.key:
            arguments.insert(1, f"--{self.key}")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip
        if wait:
            within(120, f"{self.name} answers", self.answers)

    def kill(self, how=signal.SIGKILL):
        """`ip netns exec` becomes the node, so this is the node's own process."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
        self.process = None
        if self.connection:
            self.connection.close()
        self.connection = None

    def lives(self):
        return self.process is not None and self.process.poll() is None

    def is_cut(self):
        run("ip", "link", "set", self.cable, "down")

    def is_joined(self, bridge="left"):
        run("ip", "link", "set", self.cable, "master", bridge, "up")

    def forget(self):
        """Removes its database; its keys stay."""
        for database in (self.folder / "chains").glob("*/paritydb"):
            shutil.rmtree(database)

    def said_since(self, position):
        """What it has written to its log since the log had so many bytes."""
        with open(self.log, "rb") as log:
            log.seek(position)
            return log.read().decode(errors="replace")

    def inside(self, *command):
        """A program in the node's namespace; gives what it prints."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        if done.returncode:
            raise Broken(f"{Path(command[0]).name} {command[1]}: {done.stderr.strip()[-500:]}")
        return done.stdout


class Network:
    """All nodes, and what was ever final on any of them."""

    def __init__(self, folder):
        self.folder, self.peers, self.final_hashes = Path(folder), {}, {}
        self.spec = self.folder / "spec.json"
        self.compared = 0

    def begin(self, names):
        for bridge in ("left", "right"):
            run("ip", "link", "add", bridge, "type", "bridge")
            run("ip", "link", "set", bridge, "up")
        with open(self.spec, "wb") as spec:
            subprocess.run(
                [os.environ["NODE_BIN"], "export-chain-spec", "--chain", "local", "--raw"],
                check=True, stdout=spec, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        for name in names:
            self.add(name, key=name)
        for peer in self.peers.values():
            peer.start(wait=False)
        for peer in self.peers.values():
            within(120, f"{peer.name} answers", peer.answers)
        within(60, "the chain begins", lambda: self["alice"].final() > 1)

    def add(self, name, key=None):
        self.peers[name] = Peer(self, len(self.peers) + 1, name, key)
        return self.peers[name]

    def __getitem__(self, name):
        return self.peers[name]

    def multiaddrs(self, own):
        return [peer.multiaddr for peer in self.peers.values() if peer is not own]

    def living(self, *without):
        return [peer for peer in self.peers.values() if peer.lives() and peer.name not in without]

    def end(self):
        for peer in self.peers.values():
            peer.kill(signal.SIGTERM)

    # ---- what is waited for ----

    def goes_on(self, peers, blocks=4, secs=120):
        """So many further blocks are final on all of these; gives the seconds that it took."""
        began = time.monotonic()
        goal = max(peer.final() for peer in peers) + blocks
        for peer in peers:
            within(secs, f"{peer.name} has #{goal} final", lambda: peer.final() >= goal)  # noqa: B023
        return round(time.monotonic() - began, 1)

    def stands(self, peers, secs):
        """Nothing more becomes final on any of these for so long. What was under way may still."""
        time.sleep(3)
        before = [peer.final() for peer in peers]
        deadline = time.monotonic() + secs
        while time.monotonic() < deadline:
            time.sleep(0.5)
            if [peer.final() for peer in peers] != before:
                raise Broken("a part without two thirds finalised blocks")
        return before

    def catches_up(self, peer, secs=90):
        """It has final what is final on the others by now; gives the seconds that it took."""
        began = time.monotonic()
        goal = max(other.final() for other in self.living(peer.name))
        within(secs, f"{peer.name} catches up to #{goal}", lambda: peer.final() >= goal)
        return round(time.monotonic() - began, 1)

    def writes(self, peer, secs=60):
        """One of the blocks from now on is by this bookkeeper."""
        watcher = self.living(peer.name)[0]
        since = watcher.best()

        def wrote():
            news = watcher.best() - since
            return news > 0 and peer.name.capitalize() in watcher.authors(news)[0]

        within(secs, f"{peer.name} writes a block", wrote)

    def syncs_anew(self, peer, how):
        """A bookkeeper loses its database, gets all blocks by this way of syncing, and writes blocks; gives
        the seconds until it had final what was final on the others."""
        peer.kill()
        peer.forget()
        position, began = peer.log.stat().st_size, time.monotonic()
        peer.start("--sync", how)
        if peer.final() > 0:
            raise Broken("its database is there still")
        # Old blocks come last.
        peer.partial = how == "warp"
        self.catches_up(peer)
        back = round(time.monotonic() - began, 1)
        within(60, "all old blocks are there", lambda: None not in peer.hashes(list(range(peer.final() + 1))))
        peer.partial = False
        if ("State sync is complete" in peer.said_since(position)) != (how == "warp"):
            raise Broken(f"it did not sync by {how}")
        self.writes(peer)
        return back

    # ---- what must hold after each step ----

    def agree(self):
        """No two nodes ever finalised different blocks at one height, and none takes one back."""
        for peer in self.living():
            final = peer.final()
            hashes = peer.hashes(list(range(final + 1)))
            for number, found in enumerate(hashes):
                if found is None and peer.partial:
                    continue
                known = self.final_hashes.setdefault(number, found)
                if found != known:
                    raise Broken(f"conflicting finalised blocks at #{number}: {known} and, on {peer.name}, {found}")
                self.compared += 1

    def supply_is_whole(self):
        peer = self.living()[0]
        told = peer.inside("python3", str(SCRIPTS / "supply.py"), f"http://127.0.0.1:{RPC_PORT}")
        if told.strip() != "true":
            raise Broken("the supply is not whole")
