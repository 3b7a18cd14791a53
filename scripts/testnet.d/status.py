"""How a test network is: its nodes, seats and agents.

Usage: status.py LAYOUT [--follow BLOCKS] [--json]. LAYOUT names a node a line, `node NAME RPC_PORT
PROMETHEUS_PORT`, and agents, `agent NAME METRICS_PORT`. Exits 3 when no node answers, 1 when one does
not or when nothing is final.
"""

import argparse
import http.client
import json
import statistics
import sys
import time

from chain import SESSION, SLOT_SECS, NoAnswer, Node, Refused, keys, name_of

# Blocks in which seats are counted and whose times are looked at.
WINDOW = 32


def figures_at(port):
    return f"http://127.0.0.1:{port}/metrics"


def row_of(name, rpc, prometheus, authorities, wrote):
    """What one node says of itself."""
    node = Node(name, rpc)
    row = {"name": name, "rpc": f"ws://127.0.0.1:{rpc}", "prometheus": figures_at(prometheus)}
    try:
        row["peers"] = node.call("system_health")["peers"]
        row["best"], row["final"] = node.best(), node.final()
        row["roles"] = node.call("system_nodeRoles")
        row["seats"] = [
            account for key, account in authorities if node.call("author_hasKey", f"0x{key}", "aura")
        ]  # fmt: skip
        row["wrote"] = sum(wrote.count(seat) for seat in row["seats"])
        row["runs"] = True
    except NoAnswer:
        row["runs"] = False
    return row


def agent_row(name, port):
    """What an agent tells Prometheus of its leases."""
    row = {"name": name, "prometheus": figures_at(port), "runs": False}
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return row
    figures = [line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#"]
    total = lambda start: sum(float(value) for key, value in figures if key.startswith(start))  # noqa: E731
    return row | {
        "runs": True,
        "best": int(total('zennet_chain_block{head="best"}')),
        "leases": int(total("zennet_leases{")),
        "ended": int(total("zennet_leases_ended_total")),
        "paid_xen": total("zennet_paid_xen_total"),
    }


def follow(node, blocks):
    """Watches the node's heads for so many blocks; gives how far and how long finality is behind."""
    born, secs, behind = {}, [], []
    first = seen = node.best()
    final = node.final()
    deadline = time.monotonic() + 3 * SLOT_SECS * blocks + 30
    while seen < first + blocks and time.monotonic() < deadline:
        time.sleep(0.05)
        now, best, head = time.monotonic(), node.best(), node.final()
        for number in range(seen + 1, best + 1):
            born[number] = now
        secs += [now - born[number] for number in range(final + 1, head + 1) if number in born]
        if best > seen:
            # When a block comes, the distance is greatest.
            behind.append(best - head)
        seen, final = max(seen, best), max(final, head)
    return {
        "blocks": seen - first,
        "behind_blocks": {"median": statistics.median(behind), "worst": max(behind)} if behind else None,
        "finality_secs": {"p50": round(statistics.median(secs), 2), "worst": round(max(secs), 2)} if secs else None,
    }


def look(layout, follow_blocks):
    nodes = [line[1:] for line in layout if line[0] == "node"]
    ask = next((node for node in (Node(n, int(p)) for n, p, _ in nodes) if node.answers()), None)
    found = {}
    authorities, wrote = [], []
    if ask:
        seated = [name_of(account) for account in ask.seated()]
        authorities = list(zip(keys(ask.api("AuraApi_authorities")), seated))
        if follow_blocks:
            found["followed"] = follow(ask, follow_blocks)
        wrote, times = ask.authors(WINDOW)
        steps = [(later - earlier) / 1000 for earlier, later in zip(times, times[1:])]
        found["seated"], found["looked_at"] = seated, len(wrote)
        found["session"] = int.from_bytes(ask.storage(SESSION), "little")
        found["block_secs"] = (
            {"mean": round(statistics.mean(steps), 3), "longest": max(steps)} if steps else None
        )  # fmt: skip
    found["nodes"] = [row_of(name, int(rpc), prometheus, authorities, wrote) for name, rpc, prometheus in nodes]
    found["agents"] = [agent_row(name, int(port)) for kind, name, port, *_ in layout if kind == "agent"]
    return found


def show(found):
    head = f"{'node':10} {'role':11} {'best':>8} {'final':>8} {'peers':>5}  {'seat':8} {'wrote':>7}"
    print(f"{head}  RPC and Prometheus")
    for row in found["nodes"]:
        if not row["runs"]:
            print(f"{row['name']:10} does not run")
            continue
        role = "bookkeeper" if row["seats"] else "full node"
        seat, wrote = ",".join(row["seats"]) or "-", f"{row['wrote']}/{found['looked_at']}" if row["seats"] else "-"
        print(
            f"{row['name']:10} {role:11} {'#' + str(row['best']):>8} {'#' + str(row['final']):>8} {row['peers']:>5}"
            f"  {seat:8} {wrote:>7}  {row['rpc']}  {row['prometheus']}"
        )
    for row in found["agents"]:
        said = "does not run"
        if row["runs"]:
            said = (
                f"{'provider':11} {'#' + str(row['best']):>8}  {row['leases']} leases, {row['ended']} ended, "
                f"{row['paid_xen']:.6f} XEN earned  {row['prometheus']}"
            )
        print(f"{row['name']:10} {said}")
    if found.get("block_secs"):
        times = found["block_secs"]
        print(f"session {found['session']}; seated: {', '.join(found['seated'])}")
        longest = f"the longest wait {times['longest']:.2f} s"
        print(f"blocks every {times['mean']:.2f} s, {longest}, of the newest {found['looked_at']}")
    if found.get("followed"):
        told = found["followed"]
        blocks, secs = told["behind_blocks"], told["finality_secs"]
        if blocks and secs:
            print(
                f"over {told['blocks']} blocks: final after {secs['p50']:.2f} s, {secs['worst']:.2f} s at most; "
                f"{blocks['median']:g} blocks behind when one comes, {blocks['worst']} at most"
            )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("layout")
    parser.add_argument("--follow", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with open(options.layout, encoding="utf-8") as file:
        layout = [line.split() for line in file]
    try:
        found = look(layout, options.follow)
    except (NoAnswer, Refused) as error:
        sys.exit(f"the network cannot be looked at: {error}")
    print(json.dumps(found)) if options.json else show(found)
    running = [row for row in found["nodes"] if row["runs"]]
    if not running:
        sys.exit(3)
    if len(running) < len(found["nodes"]) or not any(row["final"] for row in running):
        sys.exit(1)


if __name__ == "__main__":
    main()
