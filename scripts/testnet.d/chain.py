"""A chain as its nodes tell of it: JSON-RPC over HTTP, and the few values that are read here."""

import ctypes
import http.client
import json
import os
import socket

SLOT_SECS = 2
# Accounts of the development keys, by public key (sr25519).
NAMES = {
    "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d": "Alice",
    "8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48": "Bob",
    "90b5ab205c6974c9ea841be688864633dc9ca8a357843eeacf2314649965fe22": "Charlie",
    "306721211d5404bd9da88e0204360a1a9ab8b87c66c1bc2fcdd37f3c2222cc20": "Dave",
    "e659a7a1628cdd93febc04a4e0646ea20e9f5f0ce097d9a05290d4a9e054df4e": "Eve",
    "1cbd2d43530a44705ad088af313e18f80b53ef16b36177cd4b77b846f2a5f07c": "Ferdie",
}
# twox128 of the pallet and twox128 of the item.
VALIDATORS = "0xcec5070d609dd3497f72bde07fc96ba088dcde934c658227ee1dfafcd6e16903"
SESSION = "0xcec5070d609dd3497f72bde07fc96ba072763800a36a99fdfc7c10f6415f6ee6"
NOW = "0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb"
CLONE_NEWNET = 0x40000000


class NoAnswer(Exception):
    """A node does not answer."""


class Refused(Exception):
    """A node answers with an error."""


class Connection(http.client.HTTPConnection):
    """One that is made inside a network namespace, in which its socket then stays."""

    def __init__(self, port, namespace, patience):
        super().__init__("127.0.0.1", port, timeout=patience)
        self.namespace = namespace

    def connect(self):
        if not self.namespace:
            return super().connect()
        libc = ctypes.CDLL(None, use_errno=True)
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
        try:
            if libc.setns(there, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            super().connect()
        finally:
            libc.setns(own, CLONE_NEWNET)
            os.close(there)
            os.close(own)
        return None


def request(method, params, number=1):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


class Node:
    """A node that is asked by JSON-RPC, over one connection, which is kept. It is waited for so many
    seconds for each answer."""

    def __init__(self, name, port, namespace=None, patience=5):
        self.name, self.port, self.namespace, self.patience = name, port, namespace, patience
        self.connection = None

    def call(self, method, *params):
        reply = self.ask(request(method, params))
        if "error" in reply:
            raise Refused(f"{self.name}: {method}: {reply['error']['message']}")
        return reply["result"]

    def batch(self, method, calls):
        """Several calls of one method at once, by their parameters; the replies have a result or an error."""
        replies = self.ask([request(method, params, i) for i, params in enumerate(calls)])
        if isinstance(replies, dict):
            raise Refused(f"{self.name}: {method}: {replies['error']['message']}")
        return replies

    def ask(self, body):
        """The node's answer; one more try on a new connection, since an idle one may be gone."""
        body = json.dumps(body)
        for last in (False, True):
            fresh = self.connection is None
            if fresh:
                self.connection = Connection(self.port, self.namespace, self.patience)
            try:
                self.connection.request("POST", "/", body, {"Content-Type": "application/json"})
                return json.loads(self.connection.getresponse().read())
            except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
                self.connection.close()
                self.connection = None
                if fresh or last:
                    raise NoAnswer(f"{self.name}: {error}") from error
        raise NoAnswer(self.name)

    def answers(self):
        try:
            return self.call("system_health")
        except NoAnswer:
            return None

    def best(self):
        return int(self.call("chain_getHeader")["number"], 16)

    def final(self):
        return int(self.call("chain_getHeader", self.call("chain_getFinalizedHead"))["number"], 16)

    def hashes(self, numbers):
        """Hashes of blocks by their numbers; nothing for what the node does not have."""
        return self.call("chain_getBlockHash", numbers) if numbers else []

    def storage(self, key, block=None):
        value = self.call("state_getStorage", key, *([block] if block else []))
        return bytes.fromhex(value[2:]) if value else b""

    def api(self, function, block=None):
        value = self.call("state_call", function, "0x", *([block] if block else []))
        return bytes.fromhex(value[2:])

    def seated(self, block=None):
        """Accounts of the bookkeepers, in the order of their turns."""
        return keys(self.storage(VALIDATORS, block))

    def authors(self, count):
        """Names of those who wrote the newest `count` blocks, oldest first, and the times of these
        blocks in milliseconds."""
        best = self.best()
        hashes = self.hashes(list(range(max(1, best - count + 1), best + 1)))
        names, times = [], []
        for block in hashes:
            if slot := slot_of(self.call("chain_getHeader", block)):
                seated = self.seated(block)
                names.append(name_of(seated[slot % len(seated)]))
                times.append(int.from_bytes(self.storage(NOW, block)[:8], "little"))
        return names, times


def keys(data):
    """A SCALE vector of at most 63 keys of 32 bytes."""
    return [data[1 + 32 * i : 33 + 32 * i].hex() for i in range(data[0] >> 2)] if data else []


def name_of(account):
    return NAMES.get(account, f"0x{account[:8]}…")


def slot_of(header):
    """The slot in which a block was written, by its Aura digest."""
    for log in header["digest"]["logs"]:
        data = bytes.fromhex(log[2:])
        # A PreRuntime item of the engine `aura`: eight bytes with their length before them.
        if data[:6] == b"\x06aura\x20":
            return int.from_bytes(data[6:14], "little")
    return None


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
