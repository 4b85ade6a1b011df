#!/usr/bin/env python3
"""cgroup-of.py PID CONTROLLER FILE: prints FILE of the cgroup that /proc/PID/cgroup names for CONTROLLER (v1 or v2)."""
import sys

pid, controller, name = sys.argv[1:]
v2 = None
for line in open(f"/proc/{pid}/cgroup"):
    _, names, path = line.rstrip("\n").split(":", 2)
    if controller in names.split(","):
        print(open(f"/sys/fs/cgroup/{controller}{path}/{name}").read(), end="")
        break
    if not names:
        v2 = path
else:
    print(open(f"/sys/fs/cgroup{v2}/{name}").read(), end="")
