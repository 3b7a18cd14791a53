"""Compares a Grafana dashboard with what a running program tells Prometheus.

Usage: dashboard.py DASHBOARD METRICS_URL. Prints each name of a figure that the dashboard shows and the
program does not have; exits 1 when there is one.
"""

import json
import re
import sys
import urllib.request

NAME = re.compile(r"\b(?:substrate|zennet|process)_[a-z0-9_]+")


def shown(dashboard):
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return {name for query in queries for name in NAME.findall(query)}


def exported(text):
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {re.split(r"[{ ]", line, maxsplit=1)[0] for line in lines}


def main(path, url):
    with open(path, encoding="utf-8") as file:
        names = shown(json.load(file))
    if not names:
        sys.exit(f"{path} shows nothing")
    with urllib.request.urlopen(url, timeout=10) as answer:
        missing = names - exported(answer.read().decode())
    for name in sorted(missing):
        print(name)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
