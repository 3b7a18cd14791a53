"""Who sits and who does not: votes, missed turns and keys that run twice, with real transactions."""

import json
import time

from network import RPC_PORT, SCRIPTS, Broken, within

from chain import SLOT_SECS, name_of  # isort: skip

XEN = 10**12
# A session of the chain `local` is 30 blocks; who is elected in one sits in the next. A minute more, for
# slots without a block.
TWO_SESSIONS = 2 * 30 * SLOT_SECS + 60
# As the chain `local` has it: ten turns of four, a day that lasts 90 blocks.
TEN_TURNS = 10 * 4 * SLOT_SECS
JAIL = 90 * SLOT_SECS


class Wallet:
    """The chain by the stock wallet library, through one node."""

    def __init__(self, net, name="alice"):
        self.peer = net[name]

    def act(self, *arguments):
        url = f"ws://127.0.0.1:{RPC_PORT}"
        return json.loads(self.peer.inside("node", str(SCRIPTS / "faults.d/act.mjs"), url, *arguments))

    def send(self, suri, call, *arguments):
        return self.act("send", suri, call, json.dumps(arguments))

    def address(self, suri):
        return self.act("address", suri)

    def seated(self):
        block = self.peer.call("chain_getFinalizedHead")
        return {name_of(account) for account in self.peer.seated(block)}

    def waits_for(self, event, suri, since, secs):
        """An event that names an account, in a final block from `since` on."""
        deadline = time.monotonic() + secs
        while time.monotonic() < deadline:
            if found := self.act("events", suri, str(since), event):
                return found[0]
            time.sleep(2 * SLOT_SECS)
        raise Broken(f"no {event} of {suri}: not within {secs} s")


def after(needed):
    """Declares that a fault finds the network as another one leaves it."""

    def declared(fault):
        fault.needs = needed
        return fault

    return declared


def needs_of(fault):
    return getattr(fault, "needs", None)


def fifth_voted_in(net):
    """A fifth stands with keys of its own and is voted in; the member with the fewest votes is out."""
    wallet, eve = Wallet(net), net.peers.get("eve") or net.add("eve")
    eve.start()
    net.catches_up(eve)
    began = time.monotonic()
    keys = eve.call("author_rotateKeysWithOwner", wallet.address("//Eve")["public"])
    wallet.send("//Eve", "session.setKeys", keys["keys"], keys["proof"])
    # A tenth of what its blocks earn, in billionths.
    wallet.send("//Eve", "dpos.stand", str(20_000 * XEN), 100_000_000)
    wallet.send("//Ferdie", "dpos.vote", [wallet.address("//Eve")["address"]], str(1_000_000 * XEN))
    within(TWO_SESSIONS, "Eve sits", lambda: "Eve" in wallet.seated())
    seated = wallet.seated()
    if seated != {"Alice", "Bob", "Charlie", "Eve"}:
        raise Broken(f"seated are {sorted(seated)}")
    secs = round(time.monotonic() - began, 1)
    net.writes(eve)
    net.goes_on(net.living(), blocks=4)
    return {"seated": sorted(seated), "secs_to_sit": secs}


@after(fifth_voted_in)
def fifth_leaves(net):
    """It retires, and is out at the next election; its voter takes the vote back."""
    wallet = Wallet(net)
    wallet.send("//Eve", "dpos.retire")
    wallet.send("//Ferdie", "dpos.unvote")
    within(TWO_SESSIONS, "Eve is out", lambda: "Eve" not in wallet.seated())
    net.goes_on(net.living(), blocks=4)
    return {"seated": sorted(wallet.seated())}


@after(fifth_voted_in)
def database_deleted_warp_elected(net):
    """The fifth, no voter of the first set, loses its database: by warp sync it comes to a proven state of a
    later set, fetches the rest and writes blocks, and its votes count: without them nothing is final."""
    eve, charlie = net["eve"], net["charlie"]
    changes = set_of(net["alice"])
    if not changes:
        raise Broken("the voters are those of the first block")
    back = net.syncs_anew(eve, "warp")
    if set_of(eve) < changes:
        raise Broken(f"{eve.name} is at set {set_of(eve)}, the others at {changes}")
    # Of four voters three must vote.
    charlie.kill()
    went_on = net.goes_on(net.living(), blocks=4)
    charlie.start()
    net.catches_up(charlie)
    return {"changes_of_voters": changes, "back_secs": back, "four_blocks_secs": went_on}


def set_of(peer):
    """How often GRANDPA's voters have changed, in the newest final block."""
    return int.from_bytes(peer.api("GrandpaApi_current_set_id", peer.call("chain_getFinalizedHead")), "little")


def ten_turns_missed(net):
    """Ten turns missed in a row are jail; when its time is over, `unjail` lets it be elected again."""
    wallet, bob = Wallet(net), net["bob"]
    since = net["alice"].final()
    began = time.monotonic()
    bob.kill()
    wallet.waits_for("dpos.Jailed", "//Bob", since, 3 * TEN_TURNS)
    jailed = round(time.monotonic() - began, 1)
    within(TWO_SESSIONS, "Bob is out", lambda: "Bob" not in wallet.seated())
    bob.start()
    net.catches_up(bob)
    try:
        wallet.send("//Bob", "dpos.unjail")
        raise Broken("Bob left the jail at once")
    except Broken as refusal:
        if "failed with Dpos.StillJailed" not in str(refusal):
            raise
    within(2 * JAIL, "Bob leaves the jail", lambda: leaves_jail(wallet))
    within(TWO_SESSIONS, "Bob sits", lambda: "Bob" in wallet.seated())
    net.writes(bob)
    return {"jailed_after_secs": jailed, "back_after_secs": round(time.monotonic() - began, 1)}


def leaves_jail(wallet):
    try:
        return wallet.send("//Bob", "dpos.unjail")
    except Broken:
        time.sleep(SLOT_SECS)
        return None


def keys_run_twice(net):
    """Two nodes with one bookkeeper's keys write two blocks for a turn: it is barred, and pays."""
    wallet = Wallet(net)
    since = net["alice"].final()
    began = time.monotonic()
    copy = net.add("copy", key="charlie")
    copy.start()
    barred = wallet.waits_for("dpos.Barred", "//Charlie", since, 120)
    secs = round(time.monotonic() - began, 1)
    copy.kill()
    within(TWO_SESSIONS, "Charlie is out", lambda: "Charlie" not in wallet.seated())
    net.goes_on(net.living(), blocks=4)
    return {"barred_after_secs": secs, "slashed": barred["data"]["slashed"]}


ELECTIONS = [fifth_voted_in, ten_turns_missed, database_deleted_warp_elected, keys_run_twice, fifth_leaves]
