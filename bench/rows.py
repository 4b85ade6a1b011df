"""The rows of the table: what is measured, how, and the goal."""
import shutil
import statistics

import network
import seccomp
from host import Unable
from measure import interleave, ratio, shoot, summary
from row import Result

APART = 0.15                    # seconds: long enough for the kernel to be at rest
PAGE_KIB, LIMIT_TOP_KIB = 4, 16384
TRIES = 3


class Bench:
    def __init__(self, host, contenders, quick, rounds):
        self.host, self.contenders, self.quick = host, contenders, quick
        self.rounds = rounds or (20 if quick else 60)
        self.rounds_apart = rounds or (8 if quick else 25)
        self.many = 60 if quick else 500
        self.floor, self.vzrun = contenders[0], contenders[1]
        self.engines = [c for c in contenders if c.oci]


def compared(row, contenders, rounds, gap, act):
    """Times of one command, as ratios to the floor's of the same run."""
    samples, row.failed = interleave(contenders, rounds, gap, act)
    base = samples.get(contenders[0])
    for c, shots in samples.items():
        row.values[c] = summary(shots)
        if base:
            row.values[c]["ratio"] = ratio(shots, base)
            row.values[c]["cpu ratio"] = ratio(shots, base, 1)
    return [row]


def timed(contender, *commands):
    (shot,), orphans = shoot(contender, *commands)
    return shot.wall, shot.cpu + orphans


def total(shots):
    return sum(s.wall for s in shots), sum(s.cpu for s in shots)


# --- run -------------------------------------------------------------------------------------------

def run_row(b, key, title, goal, contenders, bundle="true", gap=0.0):
    row = Result(key, title, "ratio", "×", goal)
    rounds = b.rounds_apart if gap else b.rounds
    return compared(row, contenders, rounds, gap, lambda c: timed(c, c.run(bundle)))


def run_back(b):
    return run_row(b, "run", "run true, back to back", 1.4, b.contenders)


def run_apart(b):
    return run_row(b, "run-apart", "run true, 150 ms apart", 1.4, [b.floor] + b.engines, gap=APART)


def run_filtered(b):
    title = "run true, with the engines' default seccomp profile, cached"
    lacking = seccomp.lacking()
    if lacking:
        row = Result("run-seccomp", title, "ratio", "×", 1.5)
        row.failed = {c: lacking for c in [b.floor] + b.engines}
        return [row]
    return run_row(b, "run-seccomp", title, 1.5, [b.floor] + b.engines, bundle="seccomp")


# --- exec ------------------------------------------------------------------------------------------

class Target:
    """A running container; the floor joins vzrun's."""

    def __init__(self, engine):
        self.engine, self.name = engine, engine.host.name()
        shoot(engine, engine.create("sleep", self.name), engine.start(self.name))
        self.pid = engine.pid(self.name)

    def gone(self):
        self.engine.say("delete", "-f", self.name)


def exec_row(b, key, title, gap):
    row = Result(key, title, "ratio", "×", 1.5)
    targets, failed = {}, {}
    for c in b.engines:
        try:
            targets[c] = Target(c)
        except Unable as e:
            failed[c] = str(e)
    if b.vzrun in targets:
        def act(c):
            return timed(c, c.exec(targets[b.vzrun] if c is b.floor else targets[c].name))
        compared(row, [b.floor] + list(targets), b.rounds_apart if gap else b.rounds, gap, act)
    for t in targets.values():
        t.gone()
    row.failed.update(failed)
    return [row]


def exec_back(b):
    return exec_row(b, "exec", "exec true, back to back", 0.0)


def exec_apart(b):
    return exec_row(b, "exec-apart", "exec true, 150 ms apart", APART)


# --- the way of an engine ---------------------------------------------------------------------------

def life(b):
    """create, start, delete -f of a running container; "all cpu": with its first process, not waited for."""
    cycle = Result("cycle", "create + start + delete -f", "cpu", "ms CPU", 4.0)
    delete = Result("delete", "delete -f of a running container", "median", "ms", 2.0)

    def act(c):
        name = c.host.name()
        return shoot(c, c.create("sleep", name), c.start(name), c.delete(name))

    samples, failed = interleave(b.engines, b.rounds, 0.0, act)
    cycle.failed, delete.failed = failed, dict(failed)
    for c, taken in samples.items():
        cycle.values[c] = summary([total(shots) for shots, _ in taken])
        cycle.values[c]["all cpu"] = statistics.median(total(shots)[1] + orphans for shots, orphans in taken)
        delete.values[c] = summary([(shots[-1].wall, shots[-1].cpu) for shots, _ in taken])
    return [cycle, delete]


# --- size ------------------------------------------------------------------------------------------

def starts(c, kib):
    c.host.bundle("limit", "true", {"resources": dict(c.host.config["linux"].get("resources", {}),
                                                      memory={"limit": kib * 1024})})
    try:
        for _ in range(TRIES):
            shoot(c, c.run("limit", limit=kib * 1024))
    except Unable:
        return False
    finally:
        if c.oci:
            c.delete_all()
    return True


def smallest_limit(b):
    row = Result("limit", "smallest memory limit that starts", "KiB", "KiB", 220)
    for c in [b.floor] + b.engines:
        low, high = 0, LIMIT_TOP_KIB
        if not starts(c, high):
            row.failed[c] = "does not start with a limit of %d KiB" % high
            continue
        while high - low > PAGE_KIB:
            middle = (low + high) // 2 // PAGE_KIB * PAGE_KIB
            low, high = (low, middle) if starts(c, middle) else (middle, high)
        row.values[c] = {"KiB": high}
    return [row]


def system_calls(b):
    row = Result("syscalls", "system calls of one run", "calls", "calls", 300)
    out = b.host.path("calls")
    for c in [b.floor] + b.engines:
        if not shutil.which("strace"):
            row.failed[c] = "strace is not installed"
            continue
        try:
            shoot(c, c.run("true"))
            shoot(c, ["strace", "-f", "-c", "-o", out] + c.run("true"))
            with open(out) as f:
                row.values[c] = {"calls": int(f.read().splitlines()[-1].split()[3])}
        except (Unable, OSError, ValueError, IndexError) as e:
            row.failed[c] = str(e)
    return [row]


def peak_memory(b):
    row = Result("rss", "peak resident memory of a run", "MiB", "MiB", 1.6)
    for c in [b.floor] + b.engines:
        try:
            row.values[c] = {"MiB": max(shoot(c, c.run("true"))[0][0].rss for _ in range(TRIES)) / 1024}
        except Unable as e:
            row.failed[c] = str(e)
    return [row]


# --- many ------------------------------------------------------------------------------------------

def fill(c, n):
    """(wall, CPU) of create + start for each of n containers, of list for some."""
    each = []
    for _ in range(n):
        name = c.host.name()
        shots, _ = shoot(c, c.create("sleep", name), c.start(name))
        each.append(total(shots))
    return each, [timed(c, c.list()) for _ in range(2 * TRIES + 1)]


def grown(each, edge, of):
    return statistics.median(e[of] for e in each[-edge:]) / statistics.median(e[of] for e in each[:edge])


def many(b):
    n = b.many
    edge = max(n // 10, 5)
    listed = Result("list", "%d running: list" % n, "median", "ms", 10.0)
    start = Result("start-many", "%d running: create + start, each" % n, "median", "ms", 4.0)
    title = "%d running: the last %d starts against the first %d" % (n, edge, edge)
    growth = Result("growth", title, "growth", "×", 1.2)
    for c in b.engines:
        try:
            each, lists = fill(c, n)
            listed.values[c], start.values[c] = summary(lists), summary(each)
            growth.values[c] = {"growth": grown(each, edge, 0), "cpu growth": grown(each, edge, 1)}
        except Unable as e:
            for row in (listed, start, growth):
                row.failed[c] = str(e)
        finally:
            b.host.kill_all()
            c.delete_all()
    return [listed, start, growth]


# what --only takes: the rows that one measurement gives
ROWS = [
    (("run",), run_back),
    (("run-apart",), run_apart),
    (("run-seccomp",), run_filtered),
    (("exec",), exec_back),
    (("exec-apart",), exec_apart),
    (("cycle", "delete"), life),
    (("limit",), smallest_limit),
    (("syscalls",), system_calls),
    (("rss",), peak_memory),
    (("list", "start-many", "growth"), many),
] + network.ROWS
