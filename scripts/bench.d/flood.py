"""Floods a development node with transactions that it must refuse, and says what each costs it.

flood.py RPC_PORT NODE_PID [--secs N] [--json]

Of each kind there are so many a second as the node takes, from four connections, none twice. Beside
them, and alone for comparison, valid registrations are sent one after the other; each must get into a
block. The node's processor time is that of /proc.
"""

import argparse
import hashlib
import itertools
import json
import os
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "testnet.d"))

from chain import Node  # noqa: E402

CONNECTIONS = 4
BATCH = 50
# Of the runtime: pallet MinedIdentity, its call `register`, and the difficulty that it starts with.
REGISTER = bytes([20, 0])
DIFFICULTY = 1 << 16
TICKS = os.sysconf("SC_CLK_TCK")
# Seconds in which a node under a flood must answer.
PATIENCE = 60


def compact(number):
    """The SCALE encoding of a length below 2**14."""
    return bytes([number << 2]) if number < 64 else struct.pack("<H", number << 2 | 1)


def prefixed(body):
    return compact(len(body)) + body


def register(role, account, anchor, nonce):
    """A general transaction of version 5: no signature, no fee."""
    # Version of the extensions, immortal, nonce 0, no tip, no metadata hash.
    extensions = bytes([0x45, 0, 0, 0, 0, 0])
    call = REGISTER + bytes([role]) + account + struct.pack("<IQ", anchor, nonce)
    return prefixed(extensions + call)


def has_work(role, account, anchor_hash, nonce):
    work = b"zennet/identity/v1" + bytes([role]) + account + anchor_hash + struct.pack("<Q", nonce)
    return int.from_bytes(hashlib.blake2b(work, digest_size=32).digest(), "big") <= (2**256 - 1) // DIFFICULTY


def mine(role, account, anchor_hash):
    return next(nonce for nonce in itertools.count() if has_work(role, account, anchor_hash, nonce))


def anchor(node):
    """A block that is recent, and will not be undone."""
    number = max(node.best() - 2, 0)
    return number, bytes.fromhex(node.hashes([number])[0][2:])


def kinds(node):
    """What the node must refuse, by what is wrong with it; the number makes each another one."""
    number, anchor_hash = anchor(node)
    account = os.urandom(28)

    def no_work(i):
        # By chance one in 65536 would do.
        who = account + struct.pack("<I", i)
        return register(1, who, number, i + has_work(1, who, anchor_hash, i))

    def old_anchor(i):
        # Refused before any hash is computed.
        return register(1, account + struct.pack("<I", i), 2**32 - 1, i)

    def bad_signature(i):
        # A transfer as wallets send it, version 4, whose sr25519 signature is random.
        signer = bytes([0]) + account + struct.pack("<I", i)
        signature = bytes([1]) + os.urandom(64)
        extensions = bytes([0, 0, 0, 0])
        call = bytes([2, 3, 0]) + bytes(32) + bytes([4])
        return prefixed(bytes([0x84]) + signer + signature + extensions + call)

    def no_transaction(i):
        return prefixed(b"\xff" * 40 + struct.pack("<I", i))

    return {
        "insufficient work": no_work,
        "anchor ahead": old_anchor,
        "transfer, bad signature": bad_signature,
        "no transaction": no_transaction,
    }


class Flood:
    """Sends one kind from several connections until it is told to stop."""

    def __init__(self, port, kind):
        self.sent = 0
        self.accepted = 0
        self.stop = False
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self.send, args=(Node("node", port, patience=PATIENCE), kind, part << 28))
            for part in range(CONNECTIONS)
        ]

    def send(self, node, kind, start):
        while not self.stop:
            transactions = [["0x" + kind(start + i).hex()] for i in range(BATCH)]
            replies = node.batch("author_submitExtrinsic", transactions)
            start += BATCH
            with self.lock:
                self.sent += BATCH
                self.accepted += sum("result" in reply for reply in replies)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        for thread in self.threads:
            thread.join()


def cpu_secs(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def watch(node, pid, secs):
    """Sends valid registrations for a while. Gives what the chain did meanwhile."""
    began, cpu, first = time.monotonic(), cpu_secs(pid), node.best()
    waits = []
    while time.monotonic() - began < secs:
        account = os.urandom(32)
        number, anchor_hash = anchor(node)
        nonce = mine(1, account, anchor_hash)
        sent = time.monotonic()
        node.call("author_submitExtrinsic", "0x" + register(1, account, number, nonce).hex())
        while node.call("author_pendingExtrinsics"):
            if time.monotonic() - sent > 60:
                sys.exit("a valid registration waits for more than a minute")
            time.sleep(0.05)
        waits.append(time.monotonic() - sent)
    took = time.monotonic() - began
    return {
        "cpu": cpu_secs(pid) - cpu,
        "secs": took,
        "blocks_per_sec": (node.best() - first) / took,
        "valid": len(waits),
        "valid_wait_secs": sum(waits) / len(waits),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("pid", type=int)
    parser.add_argument("--secs", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    node = Node("node", options.port, patience=PATIENCE)

    quiet = watch(node, options.pid, options.secs)
    idle = quiet["cpu"] / quiet["secs"]
    print(f"without a flood: {idle * 100:.1f} % of a core, a registration waits {quiet['valid_wait_secs']:.1f} s")
    print(f"{'flood of':24} {'refused/s':>10} {'CPU each, us':>13} {'blocks/s':>9} {'a valid one waits, s':>21}")
    lines = []
    for name, kind in kinds(node).items():
        with Flood(options.port, kind) as flood:
            seen = watch(node, options.pid, options.secs)
            sent = flood.sent
        if flood.accepted:
            sys.exit(f"{flood.accepted} transactions were accepted: {name}")
        line = {
            "flood": name,
            "refused_per_sec": round(sent / seen["secs"]),
            "cpu_micros_each": round((seen["cpu"] - idle * seen["secs"]) / sent * 1e6, 1),
            "blocks_per_sec": round(seen["blocks_per_sec"], 2),
            "valid_wait_secs": round(seen["valid_wait_secs"], 1),
        }
        lines.append(line)
        print(
            f"{name:24} {line['refused_per_sec']:>10} {line['cpu_micros_each']:>13} "
            f"{line['blocks_per_sec']:>9} {line['valid_wait_secs']:>21}"
        )
    if options.json:
        print(json.dumps({"idle_cpu_percent": round(idle * 100, 1), "floods": lines}))


if __name__ == "__main__":
    main()
