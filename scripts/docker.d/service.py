"""What docker/compose.yaml says of a service, as arguments of `docker run`, one a line: options, then the
image, then the program's own arguments. Ports and volumes are the caller's.

Usage: service.py SERVICE. Variables are taken from the environment, as the compose file's defaults say.
"""

import os
import re
import shlex
import sys
from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parent.parent.parent / "docker/compose.yaml"
# A variable, with what stands for it when it is unset or empty; that may hold a further variable.
VARIABLE = re.compile(r"\$\{(\w+)(?::-((?:[^${}]|\$\{\w+\})*))?\}")
LISTS = {
    "cap_drop": "--cap-drop",
    "cap_add": "--cap-add",
    "security_opt": "--security-opt",
    "devices": "--device",
    "device_cgroup_rules": "--device-cgroup-rule",
}
WORDS = {"network_mode": "--network", "pid": "--pid", "cgroup": "--cgroupns", "stop_signal": "--stop-signal"}
# What the caller sees to, or what only goes on after a restart.
OTHERS = {"image", "command", "ports", "volumes", "restart", "stop_grace_period"}


def expanded(text):
    def value(found):
        return os.environ.get(found[1]) or expanded(found[2] or "")

    return VARIABLE.sub(value, text)


def arguments(service):
    found = []
    for key, value in service.items():
        if key in LISTS:
            found += [f"{LISTS[key]}={expanded(one)}" for one in value]
        elif key in WORDS:
            found.append(f"{WORDS[key]}={expanded(value)}")
        elif key == "environment":
            found += [f"--env={name}={expanded(one)}" for name, one in value.items()]
        elif key not in OTHERS:
            sys.exit(f"{FILE}: {key} is not known here")
    return [*found, service["image"], *shlex.split(expanded(service["command"]))]


if __name__ == "__main__":
    text = FILE.read_text(encoding="utf-8")
    print("\n".join(arguments(yaml.safe_load(text)["services"][sys.argv[1]])))
