"""What may go wrong with bookkeepers, one function each; see scripts/faults, which gives them a network."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import traceback

from elections import ELECTIONS, needs_of
from network import FAKETIME, RPC_PORT, Broken, Network, within

from chain import SLOT_SECS, NoAnswer, Refused  # isort: skip

XEN = 10**12


# ---- faults that need no transaction by a wallet ----


def one_cut_off(net):
    """Three of four go on; the fourth finalises nothing meanwhile, and catches up."""
    dave, others = net["dave"], net.living("dave")
    dave.is_cut()
    time.sleep(2 * SLOT_SECS)
    stood = dave.final()
    went_on = net.goes_on(others, blocks=5)
    if dave.final() > stood + 1:
        raise Broken("who was cut off finalised blocks")
    dave.is_joined()
    return {"five_blocks_secs": went_on, "back_secs": net.catches_up(dave)}


def two_and_two(net):
    """Neither half finalises; both write blocks. Healed, they agree, and what was paid meanwhile is paid."""
    left, right = [net["alice"], net["bob"]], [net["charlie"], net["dave"]]
    bank = Bank(net, "alice")
    for peer in right:
        peer.is_joined("right")
    net.stands(left + right, 1)
    payment = bank.begins_to_pay()
    finals = net.stands(left + right, 8)
    tips = [half[0].hashes([half[0].best()])[0] for half in (left, right)]
    wrote = [half[0].best() - max(finals) for half in (left, right)]
    if tips[0] == tips[1] or min(wrote) < 2:
        raise Broken(f"the halves wrote {wrote} blocks, tips {tips}")
    for peer in right:
        peer.is_joined()
    began = time.monotonic()
    net.goes_on(left + right, blocks=1, secs=90)
    back = round(time.monotonic() - began, 1)
    bank.has_paid(payment)
    return {"blocks_not_final": wrote, "back_secs": back}


def killed_in_turn(net, names=("alice", "bob", "charlie", "dave")):
    """Each is killed with the chain going on without it, and started again."""
    back = {}
    for name in names:
        peer = net[name]
        peer.kill()
        net.goes_on(net.living(), blocks=3)
        began = time.monotonic()
        peer.start()
        net.catches_up(peer)
        back[name] = round(time.monotonic() - began, 1)
    return {"back_secs": back}


def one_killed(net):
    """As `killed_in_turn`, of one alone."""
    return killed_in_turn(net, ["bob"])


def database_deleted(net):
    """Who lost its database syncs every block again."""
    return {"back_secs": net.syncs_anew(net["dave"], "full")}


def database_deleted_warp(net):
    """Who lost its database jumps to a proven state (warp sync), writes blocks, and fetches the rest."""
    return {"back_secs": net.syncs_anew(net["dave"], "warp")}


def clock_skewed(net):
    """A clock that is a second wrong does not matter; with one that is a minute wrong a bookkeeper is as
    good as absent, until its clock is right again."""
    if not FAKETIME:
        raise Broken("libfaketime is not installed; scripts/setup does it")
    dave, others, measured = net["dave"], net.living("dave"), {}
    for secs in (1, -1):
        restart(dave, secs)
        net.writes(dave)
        net.catches_up(dave)
    for secs in (60, -60):
        restart(dave, secs)
        since = others[0].best()
        went_on = net.goes_on(others, blocks=5)
        wrote, _ = others[0].authors(others[0].best() - since)
        if "Dave" in wrote:
            raise Broken(f"a block from {secs:+} s was taken")
        began = time.monotonic()
        restart(dave, 0)
        net.catches_up(dave, 180)
        net.writes(dave, 180)
        back = round(time.monotonic() - began, 1)
        measured[f"{secs:+}_secs"] = {"five_blocks_secs": went_on, "writes_again_secs": back}
    return measured


def restart(peer, clock_secs):
    """With a clock that is wrong by so many seconds."""
    peer.kill(signal.SIGTERM)
    wrong = {
        "LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{clock_secs:+}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
    }  # fmt: skip
    peer.start(environment=wrong if clock_secs else None)


class Bank:
    """Ferdie, who pays Eve through a node of the network."""

    def __init__(self, net, name):
        self.peer, self.folder = net[name], net.folder
        for who in ("Ferdie", "Eve"):
            if not (self.folder / who).exists():
                self.cli(who, "init", "--node", f"ws://127.0.0.1:{RPC_PORT}", "--suri", f"//{who}")
        self.payee = json.loads(self.cli("Eve", "--json", "account", "address"))["address"]
        self.before = None

    def cli(self, who, *arguments):
        return self.peer.inside(os.environ["CLI_BIN"], "--dir", str(self.folder / who), *arguments)

    def received(self):
        return json.loads(self.cli("Eve", "--json", "account", "balance", self.payee))["free"]

    def begins_to_pay(self):
        self.before = self.received()
        command = [os.environ["CLI_BIN"], "--dir", self.folder / "Ferdie", "account", "transfer", self.payee, "1"]
        return subprocess.Popen(
            ["ip", "netns", "exec", self.peer.namespace, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def has_paid(self, payment):
        within(60, "the payment is made", lambda: self.received() == self.before + XEN)
        if payment.wait(60):
            raise Broken(f"the payment ended with status {payment.returncode}")


# ---- the course ----

QUICK = [one_cut_off, two_and_two, one_killed, database_deleted_warp]
FULL = [one_cut_off, two_and_two, killed_in_turn, database_deleted, database_deleted_warp, clock_skewed, *ELECTIONS]
# In the order in which they run: some find what others leave. Nobody is killed right after another's warp
# sync: who asks for the round of the others while its voter begins anew is silent for most of a minute.
FAULTS = {fault.__name__: fault for fault in [one_cut_off, two_and_two, one_killed, *FULL]}


def course_of(chosen):
    """These faults, each once, and those that they need before them."""
    needs = {needs_of(fault): fault for fault in chosen if needs_of(fault)}
    for needed, fault in needs.items():
        if needed not in chosen:
            print(f"   {fault.__name__} needs {needed.__name__}, which runs first", file=sys.stderr, flush=True)
    return [fault for fault in FAULTS.values() if fault in chosen or fault in needs]


def after_what(fault):
    needed = needs_of(fault)
    return f" Runs after {needed.__name__}." if needed else ""


def tried(net, fault):
    """Runs a fault, and looks at what must hold after it; gives what there is to tell of it."""
    began, wrong, measured = time.monotonic(), None, {}
    try:
        net.agree()
        measured = fault(net)
        net.goes_on(net.living(), blocks=1)
        net.agree()
        net.supply_is_whole()
    except (Broken, NoAnswer, Refused, OSError, subprocess.SubprocessError) as error:
        wrong = f"{type(error).__name__}: {error}"
    except Exception as error:  # a mistake here must not pass for an outcome
        wrong = f"{error!r}"
        traceback.print_exc()
    secs = round(time.monotonic() - began, 1)
    print(f"{'FAIL' if wrong else 'ok'} {fault.__name__} ({secs} s)", file=sys.stderr, flush=True)
    if wrong:
        print(f"   {wrong}", file=sys.stderr, flush=True)
    return {"fault": fault.__name__, "held": wrong is None, "wrong": wrong, "secs": secs, **measured}


def show(results):
    """A table of what was measured, as docs/measurements keeps it."""
    print("| fault | held | s | measured |\n|---|---|---|---|")
    for result in results:
        told = {key: value for key, value in result.items() if key not in ("fault", "held", "wrong", "secs")}
        words = "; ".join(f"{key.replace('_', ' ')}: {plain(value)}" for key, value in told.items())
        print(f"| {result['fault']} | {'yes' if result['held'] else 'no'} | {result['secs']} | {words} |")


def plain(value):
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(one)}" for key, one in value.items())
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)


def main():
    parser = argparse.ArgumentParser(prog="scripts/faults")
    parser.add_argument("faults", nargs="*", metavar="FAULT")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, fault in FAULTS.items():
            print(f"{name:30} {' '.join(fault.__doc__.split())}{after_what(fault)}")
        return
    for name in options.faults:
        if name not in FAULTS:
            parser.error(f"there is no fault {name}; --list tells what there is")
    chosen = course_of([FAULTS[name] for name in options.faults] or (QUICK if options.quick else FULL))
    net = Network(os.environ["NET"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        net.begin(["alice", "bob", "charlie", "dave"])
        results = [tried(net, fault) for fault in chosen]
    finally:
        net.end()
    show(results)
    total = {
        "faults": len(results),
        "held": sum(result["held"] for result in results),
        "heights_final": len(net.final_hashes),
        "hashes_compared": net.compared,
        "conflicts": sum("conflicting" in (result["wrong"] or "") for result in results),
        "secs": round(time.monotonic() - began),
        "by_fault": {result.pop("fault"): result for result in results},
    }
    print(json.dumps(total) if options.json else f"{total['held']} of {total['faults']} held", flush=True)
    sys.exit(0 if total["held"] == total["faults"] else 1)


if __name__ == "__main__":
    main()
