"""Runs leases under faults; see scripts/chaos, which prepares the chain and the lanes."""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from faults import ENDING, FAKETIME, LOCAL, LONG, MAY_END, SHARED, Machinery
from lane import WATCHED, Broken, Lane, Lost, output, within

HERE = Path(__file__).resolve().parent
# Seconds that a lane which is ready for a shared fault waits for the others.
LONGEST_WAIT = 900


# ---- one run ----


async def run(lane, name, rng, shared, chain_stop):
    """One lease under one fault; gives what was measured."""
    await within(60, "the provider is idle", lane.is_idle)
    await lane.note_past()
    # It may have to wait for other lanes.
    lasts = 2 * LONGEST_WAIT + (2 * chain_stop if name in LONG else 0)
    await lane.order(patience=6 if name == "late_agent" else 40, lasts=lasts)
    await lane.begin_work()
    await lane.goes_on(20)
    container = await lane.container()
    arrived = await lane.best_voucher() or 0
    await asyncio.sleep(rng.uniform(0, 2))
    measured = {}
    if name in LONG:
        measured = await watched(lane, shared)
    elif shared:
        await shared()
    else:
        await LOCAL[name](lane, rng)
    if name in ENDING or name in MAY_END and not await lane.is_served():
        paid = await ended(lane, name)
        if paid < arrived:
            raise Broken(f"{paid} was paid of {arrived} that had arrived")
        return measured
    measured["back_secs"] = round(await lane.goes_on(60), 2)
    if await lane.container() != container:
        raise Lost("it is another container")
    settled = await lane.end()
    if settled["paid"] != settled["signed"]:
        raise Broken(f"{settled['paid']} was paid of {settled['signed']} that was signed")
    if not settled["agreed"]:
        raise Broken("the readings do not agree")
    past = await within(20, "the provider files the lease", lane.filed)
    if past["settled"] != settled["paid"]:
        raise Broken(f"the provider says {past['settled']}, the publisher {settled['paid']}")
    return measured


async def watched(lane, shared):
    """A long fault of all lanes, during which this one's machine works and is paid."""
    over = asyncio.Event()
    watching = asyncio.create_task(lane.watch_payments(over))
    try:
        await shared()
    finally:
        over.set()
    return await watching


async def ended(lane, name):
    """After a fault that ends the lease: what the provider was paid, which is its best voucher."""
    if name == "late_publisher":
        await lane.start("resume")
        await asyncio.wait_for(lane.process.wait(), 200)
    elif name == "late_agent":
        await asyncio.wait_for(lane.process.wait(), 200)
    past = await within(120, "the provider settles", lane.filed)
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
    local = [name for name in allowed if name in LOCAL]
    return rng, together if together not in LOCAL or not local else rng.choice(local)


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


class Round:
    """One run in each lane. A shared fault hits all of them at once, when the last is ready for it; other
    lanes do not wait for each other."""

    def __init__(self, numbers, machinery, options, allowed):
        lanes = options.lanes
        self.plans = [(number, *plan(options.seed, number, lanes, allowed)) for number in numbers]
        name = self.plans[0][2]
        self.shared = None if name in LOCAL else name
        self.chance = random.Random(f"{options.seed}/round {numbers[0] // lanes}/{name}")
        self.machinery, self.chain_stop = machinery, options.chain_stop
        self.over, self.ready = asyncio.Event(), set()

    async def arrive(self, number):
        """The last lane that is ready for a shared fault, or broke before it, brings it about."""
        before = len(self.ready)
        self.ready.add(number)
        if self.shared and before < len(self.ready) == len(self.plans):
            await getattr(self.machinery, self.shared)(self.chance)
            self.over.set()

    async def run_in(self, lane):
        """The lane's run; gives what came of it."""
        number, rng, name = self.plans[lane.number - 1]

        async def hit():
            await self.arrive(number)
            await asyncio.wait_for(self.over.wait(), LONGEST_WAIT + self.chain_stop)

        began, wrong, measured = time.monotonic(), None, {}
        try:
            measured = await run(lane, name, rng, hit if self.shared else None, self.chain_stop)
        except Exception as error:  # whatever it is, the other runs go on
            wrong = error
            await self.arrive(number)
            await clean_up(lane)
        secs = time.monotonic() - began
        said = f"FAIL: {str(wrong) or type(wrong).__name__}" if wrong else "ok"
        print(f"run {number:4} {name:22} {secs:5.1f} s  {said}", file=sys.stderr, flush=True)
        return {"run": number, "fault": name, "wrong": wrong, "secs": secs, **measured}


async def main(options):
    lanes = [Lane(number) for number in range(1, options.lanes + 1)]
    for lane in lanes:
        await lane.proxy.start()
    machinery = Machinery(options.chain_stop)
    allowed = [options.fault] if options.fault else drawn(options.skip)
    if not FAKETIME:
        print("libfaketime is not installed: clocks do not jump", file=sys.stderr)
    began = time.monotonic()
    numbers = [options.run] if options.run is not None else list(range(options.n))
    parts = [numbers[start : start + len(lanes)] for start in range(0, len(numbers), len(lanes))]
    rounds = [Round(part, machinery, options, allowed) for part in parts]

    async def all_of(lane):
        return [await round.run_in(lane) for round in rounds if lane.number <= len(round.plans)]

    results = sum(await asyncio.gather(*map(all_of, lanes)), [])
    supply = await output("python3", HERE.parent / "supply.py", f"http://127.0.0.1:{os.environ['RPC_PORT']}")
    total = summary(results, (supply or "").strip() == "true", options, time.monotonic() - began)
    (lanes[0].net / "result").write_text(json.dumps(total))


def drawn(skipped):
    """Faults that runs draw from."""
    return [name for name in list(LOCAL) + SHARED if name not in skipped]


def middle(figures):
    return sorted(figures)[len(figures) // 2] if figures else None


def summary(results, supply, options, secs):
    """All figures; prints those of each fault as a table."""
    by_fault = {}
    print(f"{'fault':22} {'runs':>5} {'settled':>8} {'lost':>5} {'run s':>7} {'back s':>7} {'at most':>8}", file=sys.stderr)
    for name in sorted({result["fault"] for result in results}):
        own = [result for result in results if result["fault"] == name]
        back = [result["back_secs"] for result in own if "back_secs" in result]
        row = by_fault[name] = {
            "runs": len(own),
            "settled": sum(result["wrong"] is None for result in own),
            "lost_containers": sum(isinstance(result["wrong"], Lost) for result in own),
            "median_secs": round(middle([result["secs"] for result in own]), 1),
            "median_back_secs": middle(back),
            "longest_back_secs": max(back, default=None),
        }
        if name in LONG:
            row["watched"] = [{key: result.get(key) for key in WATCHED} for result in own]
        cells = ["-" if value is None else value for value in list(row.values())[:6]]
        print("{:22} {:>5} {:>8} {:>5} {:>7} {:>7} {:>8}".format(name, *cells), file=sys.stderr)
    failed = sorted(result["run"] for result in results if result["wrong"] is not None)
    narrowed = "".join(f" --skip {name}" for name in options.skip) + (f" --fault {options.fault}" if options.fault else "")
    for number in failed:
        again = f"scripts/chaos --seed {options.seed} --lanes {options.lanes}{narrowed} --run {number}"
        print(f"once more: {again}", file=sys.stderr)
    return {
        "runs": len(results),
        "settled": len(results) - len(failed),
        "lost_containers": sum(row["lost_containers"] for row in by_fault.values()),
        "supply_conserved": supply,
        "by_fault": by_fault,
        "seed": options.seed,
        "failed": failed,
        "secs": round(secs),
    }


def arguments():
    everything = list(LOCAL) + SHARED
    parser = argparse.ArgumentParser(prog="scripts/chaos")
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", type=int)
    parser.add_argument("--fault", choices=everything + LONG)
    parser.add_argument("--skip", action="append", default=[], choices=everything)
    parser.add_argument("--chain-stop", type=int, default=600, help="seconds of stop_chain_long and kill_node_long")
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true")
    # For scripts/chaos, which must know before the lanes are made.
    parser.add_argument("--print-lanes", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.n < 1 or not 1 <= options.lanes <= 50 or not 0 < options.chain_stop <= 86400:
        parser.error("-n is at least 1, --lanes 1 to 50, --chain-stop above 0 and at most a day")
    return options


if __name__ == "__main__":
    options = arguments()
    if options.list:
        print("\n".join(list(LOCAL) + SHARED + LONG))
    elif options.print_lanes:
        print(options.lanes)
    else:
        asyncio.run(main(options))
