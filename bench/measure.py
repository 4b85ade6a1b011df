"""Takes times: every contender once a round, in random order, and each round a comparison of its own.

A machine's load drifts; contenders that run side by side share the drift. So the figure to trust is the
median, over the rounds, of a contender's time divided by the floor's time in the same round."""
import os
import random
import statistics
import subprocess
import time

from host import Interrupted, Unable

WARM_UP = 2
PATIENCE = 10           # seconds that an interrupted runtime has to finish


class Shot:
    """What one command took."""

    def __init__(self, line):
        ns, us, kib, status = line.split()
        self.wall, self.cpu, self.rss, self.status = int(ns) / 1e6, int(us) / 1e3, int(kib), int(status)


def reason(text, status):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "status %d" % status


def finish(p):
    """The session is its own, so that no signal meets a runtime in the middle of its work."""
    try:
        p.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        p.kill()


def shoot(contender, *commands):
    """Runs the commands one after another; ([Shot], CPU of what they left and what ended meanwhile)."""
    host = contender.host
    words = []
    Interrupted.look()
    for c in commands:
        words += ([";"] if words else []) + c
    r, w = os.pipe()
    argv = [host.timer] + (["-c"] if contender.cover else []) + [str(w)] + words
    with open(host.path("stderr"), "w+b") as err:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                             pass_fds=[w], env=host.environment(), start_new_session=True)
        os.close(w)
        with p, open(r) as f:
            try:
                lines = f.read().splitlines()
            except Interrupted:
                finish(p)
                raise
        err.seek(0)
        said = err.read().decode(errors="replace")
    if p.returncode != 0:
        raise Unable(reason(said, Shot(lines[-1]).status if lines else p.returncode))
    return [Shot(line) for line in lines[:-1]], int(lines[-1]) / 1e3


def interleave(contenders, rounds, gap, act):
    """{contender: [what act(contender) returned, a round]}, {contender: why it does not run}."""
    results, failed = {c: [] for c in contenders}, {}
    for i in range(-WARM_UP, rounds):
        for c in random.sample(contenders, len(contenders)):
            if c in failed:
                continue
            if gap:
                time.sleep(gap)
            try:
                got = act(c)
            except Unable as e:
                failed[c] = str(e)
                continue
            if i >= 0:
                results[c].append(got)
    return {c: v for c, v in results.items() if c not in failed}, failed


def summary(shots):
    """min, median and CPU of a list of (wall, CPU), in ms."""
    return {"min": min(w for w, _ in shots), "median": statistics.median(w for w, _ in shots),
            "cpu": statistics.median(c for _, c in shots)}


def ratio(shots, base, of=0):
    return statistics.median(s[of] / b[of] for s, b in zip(shots, base))
