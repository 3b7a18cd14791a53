"""Times a command again and again: latency.py COUNT COMMAND...; prints milliseconds, one a line."""
import subprocess
import sys
import time

count, command = int(sys.argv[1]), sys.argv[2:]
failures = 0
for _ in range(count):
    began = time.monotonic()
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60)
    failures += ended.returncode != 0
    print(f"{(time.monotonic() - began) * 1000:.2f}")
if failures:
    sys.exit(f"{failures} of {count} failed")
