#!/usr/bin/env python3
"""Counts the primes in a range: primes.py LOW HIGH counts LOW <= p < HIGH.

A sieve of Eratosthenes over segments, so that memory stays small.
"""

import sys

SEGMENT = 1 << 18


def small_primes(limit):
    sieve = bytearray([1]) * (limit + 1)
    sieve[:2] = b"\0\0"
    for n in range(2, int(limit**0.5) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n in range(limit + 1) if sieve[n]]


def count(low, high):
    primes = small_primes(int(high**0.5) + 1)
    found = 0
    for start in range(max(low, 2), high, SEGMENT):
        end = min(start + SEGMENT, high)
        sieve = bytearray([1]) * (end - start)
        for p in primes:
            if p * p >= end:
                break
            first = max(p * p, (start + p - 1) // p * p)
            sieve[first - start :: p] = bytes(len(range(first, end, p)))
        found += sum(sieve)
    return found


if __name__ == "__main__":
    print(count(int(sys.argv[1]), int(sys.argv[2])))
