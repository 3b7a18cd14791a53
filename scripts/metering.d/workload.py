"""Known work inside a container, by its own account: a line of words asks, a line of JSON answers.

    cpu SECS | write MIB | read MIB | hold MIB SECS | exchange ADDRESS MIB | serve PORT |
    send ADDRESS MIB
"""

import json
import mmap
import os
import resource
import socket
import sys
import time

MIB = 1 << 20
PAGE = 4096
FILE = "/known-work"


def own_cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu(secs):
    """Processor time in both modes, seconds."""
    began = own_cpu()
    while own_cpu() - began < float(secs):
        sum(range(100_000))
    return {"cpu_micros": round((own_cpu() - began) * 1e6)}


def faults():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_minflt + used.ru_majflt


def buffer():
    """One MiB that may be written directly; random, since some disks do not write zeros."""
    memory = mmap.mmap(-1, MIB)
    memory.write(os.urandom(MIB))
    return memory


def write(mib):
    memory, written = buffer(), 0
    handle = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_DIRECT)
    for _ in range(int(mib)):
        written += os.write(handle, memory)
    os.close(handle)
    return {"disk_write_bytes": written}


def read(mib):
    memory, got = buffer(), 0
    handle = os.open(FILE, os.O_RDONLY | os.O_DIRECT)
    for _ in range(int(mib)):
        got += os.readv(handle, [memory])
    os.close(handle)
    return {"disk_read_bytes": got}


class Held:
    """Memory in pieces, and its integral over time."""

    def __init__(self, piece):
        self.piece, self.pieces, self.area, self.at = piece, [], 0, time.monotonic()

    def count(self):
        now = time.monotonic()
        self.area += len(self.pieces) * self.piece * (now - self.at)
        self.at = now

    def grow(self):
        self.count()
        memory = mmap.mmap(-1, self.piece)
        for at in range(0, self.piece, PAGE):
            memory[at] = 1
        self.pieces.append(memory)

    def shrink(self):
        self.count()
        self.pieces.pop().close()


def hold(mib, secs):
    """Grows and shrinks over a second each: what is sampled sees slopes better than steps."""
    held, faulted = Held(4 * MIB), faults()
    steps = int(mib) // 4
    for _ in range(steps):
        held.grow()
        time.sleep(1 / steps)
    faulted = faults() - faulted
    time.sleep(float(secs))
    for _ in range(steps):
        held.shrink()
        time.sleep(1 / steps)
    return {"memory_byte_secs": round(held.area), "page_faults": faulted}


def receive(peer, size):
    left = size
    while left and (got := len(peer.recv(min(left, MIB)))):
        left -= got
    return size - left


def exchange(address, mib):
    """Sends to a peer and receives as much; the payload, without any header."""
    size = int(mib) * MIB
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), 20) as peer:
        peer.sendall(size.to_bytes(8, "big"))
        peer.sendall(bytes(size))
        got = receive(peer, size)
    return {"net_tx_bytes": size + 8, "net_rx_bytes": got}


def send(address, mib):
    """Sends datagrams, a MiB in about a second, whoever takes them."""
    host, port = address.split(":")
    left = int(mib) * MIB
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while left > 0:
            for _ in range(15):
                left -= sender.sendto(bytes(1400), (host, int(port)))
            time.sleep(0.02)
    return {}


def serve(port):
    listener = socket.create_server(("0.0.0.0", int(port)))
    print(json.dumps({"port": int(port)}), flush=True)
    while True:
        peer, _ = listener.accept()
        with peer:
            size = int.from_bytes(peer.recv(8, socket.MSG_WAITALL), "big")
            receive(peer, size)
            peer.sendall(bytes(size))


WORK = {work.__name__: work for work in (cpu, write, read, hold, exchange, send, serve)}

for line in sys.stdin:
    name, *arguments = line.split()
    print(json.dumps(WORK[name](*arguments)), flush=True)
