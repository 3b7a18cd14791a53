#!/usr/bin/env python3
"""Sums every account of a chain and compares it with the fixed supply.

Usage: supply.py URL. Prints `true` when free and reserved coin of all accounts together, that of
the fees' account included, are the total issuance, and that is ten billion XEN. Of a new chain
the first fees may be too little for an account; they are counted from where they wait.
"""

import json
import sys
import urllib.request

SUPPLY = 10_000_000_000 * 10**12
# twox128("System") + twox128("Account"), twox128("Balances") + twox128("TotalIssuance"),
# twox128("Dpos") + twox128("CarriedFees")
ACCOUNTS = "0x26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9"
ISSUANCE = "0xc2261276cc9d1f8598ea4b6a74b15c2f57c875e4cff74148e4628f264b974c80"
CARRIED = "0xc2d79890d09027e164e972bd920b2be3bf1eb099b3f6307027baebfdec5367d8"


def call(url, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    request = urllib.request.Request(
        url, body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        reply = json.load(answer)
    if "error" in reply:
        sys.exit(f"{method}: {reply['error']['message']}")
    return reply["result"]


def number(data, offset):
    return int.from_bytes(data[offset : offset + 16], "little")


def main(url):
    block = call(url, "chain_getBlockHash")
    total, start = 0, None
    while True:
        keys = call(url, "state_getKeysPaged", ACCOUNTS, 500, start, block)
        if not keys:
            break
        for change in call(url, "state_queryStorageAt", keys, block):
            for _, value in change["changes"]:
                # nonce, consumers, providers and sufficients are four bytes each.
                data = bytes.fromhex(value[2:])
                total += number(data, 16) + number(data, 32)
        start = keys[-1]
    carried = call(url, "state_getStorage", CARRIED, block)
    if carried:
        total += number(bytes.fromhex(carried[2:]), 0)
    issuance = number(bytes.fromhex(call(url, "state_getStorage", ISSUANCE, block)[2:]), 0)
    print("true" if total == issuance == SUPPLY else "false")
    if not total == issuance == SUPPLY:
        print(f"accounts {total}, issuance {issuance}, supply {SUPPLY}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
