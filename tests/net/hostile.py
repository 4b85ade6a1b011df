#!/usr/bin/env python3
"""hostile.py: every text and number of a network's file and of an owner's record replaced by what should not be there,
and odd things in their places. Each command says one clear line or goes through; none crashes, none leaves a rule, a link
or a file behind that the text put there."""
import copy
import json
import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import lab      # noqa: E402

TEXTS = ["", " ", "x" * 300, "a b", "green\n", 'x"; flush ruleset; #', "x }; add table inet pwned; {", "../../etc/passwd", "a/b",
         ".", "..", "-x", "$(id)", "`id`", "%s%n", "\u202e", "é", "vzbr0\u0000", "lo", "up0", "inet pwned", "0.0.0.0/0", "::/0",
         "10.101.0.0/33", "10.101.0.5/24", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "fe80::/10", "ff00::/8",
         "::ffff:10.0.0.0/120", "10.101.0.0", "10.101.0.300", "10.101.0.1", "010.101.0.2", "10.101.0.2 ", "0x0a650002",
         "fd01::g", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00", "02:00", "80-70", "0", "65536", "-1", "1e3"]
OTHERS = [None, True, -1, 0, 1 << 40, 1.5, [], {}, [None], {"x": 1}]
FORBIDDEN = "pwned", "flush", "`", "$("


def leaves(value, at=()):
    """Paths of all that can be replaced."""
    if at:
        yield at
    if isinstance(value, dict):
        for k, v in value.items():
            yield from leaves(v, at + (k,))
    if isinstance(value, list):
        for k, v in enumerate(value):
            yield from leaves(v, at + (k,))


def replaced(value, at, by):
    new = copy.deepcopy(value)
    spot = new
    for k in at[:-1]:
        spot = spot[k]
    spot[at[-1]] = by
    return new


class Target:
    def __init__(self, place):
        self.lab = place
        place.network("green", "--subnet", "10.101.0.0/24", "--subnet6", "fd01::/64", "--pool", "10.101.0.10-10.101.0.99")
        place.network("blue", "--subnet", "10.102.0.0/24", "--isolate-ports")
        place.vzrun("network", "allow", "blue", "green", "--port", "80")
        place.vzrun("network", "allow", "outside", "green")
        place.tool("claim", place.home, "g1", "network=green", "network=blue")
        self.dir = place.home + "/networks"
        self.kept = place.dir + "/kept"
        shutil.copytree(self.dir, self.kept, symlinks=True)
        self.before = self.seen()

    def seen(self):
        h = self.lab.host
        return h.run("nft", "list", "ruleset"), h.run("ip", "-br", "link"), h.run("ip", "-br", "addr")

    def restore(self):
        shutil.rmtree(self.dir)
        shutil.copytree(self.kept, self.dir, symlinks=True)

    def commands(self):
        v = [lab.VZRUN, "--root", self.lab.dir + "/state"]
        return [v + ["network", "ls"], v + ["network", "show", "green"], v + ["--json", "network", "show", "green"],
                v + ["network", "check"], v + ["network", "apply"],
                [lab.NETTOOL, "claim", self.lab.home, "g1", "network=green", "network=blue"],
                [lab.NETTOOL, "claim", self.lab.home, "g2", "network=green"],
                v + ["network", "allow", "blue", "green", "--port", "81"], v + ["network", "rm", "green"]]

    def attempt(self, what):
        """All commands with what lies there now; what is wrong with them."""
        wrong = []
        for words in self.commands():
            p = self.lab.host.call(*words)
            says = p.stderr.strip().splitlines()
            name = " ".join(words[-3:])
            if p.returncode < 0 or p.returncode > 16:
                wrong.append("%s: status %d: %s" % (name, p.returncode, p.stderr[:200]))
            elif p.returncode and (not (says or p.stdout) or any(len(s) > 400 for s in says)):
                wrong.append("%s: status %d, says: %s" % (name, p.returncode, p.stderr[:500] or "nothing"))
            if any(c < " " and c not in "\n\t" or c == "\x7f" for c in p.stdout + p.stderr):
                wrong.append("%s: control characters: %r" % (name, (p.stdout + p.stderr)[:200]))
        rules = self.lab.host.run("nft", "list", "ruleset") + self.lab.host.run("ip", "-br", "link")
        wrong += ["in the kernel: " + word for word in FORBIDDEN if word in rules]
        if "up0" not in rules or os.path.exists("/tmp/pwned"):
            wrong.append("the host's link is gone")
        return ["%s: %s" % (what, w) for w in wrong]

    def whole_again(self):
        """With the right files back, apply brings back the right kernel."""
        self.restore()
        self.lab.vzrun("network", "apply")
        wrong = []
        for name, was, now in zip(("rules", "links", "addresses"), self.before, self.seen()):
            # Elements are listed in no order.
            old, new = (x.translate(str.maketrans("", "", "{},")).replace("elements =", "") for x in (was, now))
            old, new = (sorted(" ".join(line.split()) for line in x.splitlines()) for x in (old, new))
            if old != new:
                wrong.append("%s are not as they were: came %s, went %s" % (name, [x for x in new if x not in old], [x for x in old if x not in new]))
        p = self.lab.host.call(lab.VZRUN, "--root", self.lab.dir + "/state", "network", "check")
        if p.returncode:
            wrong.append("check: " + (p.stdout + p.stderr).strip())
        return wrong


def files(t):
    """The two kinds of files, each leaf by each text."""
    for name in "green.json", ".guests/g1.json":
        with open(t.kept + "/" + name) as fd:
            whole = json.load(fd)
        for at in leaves(whole):
            for by in TEXTS + OTHERS:
                yield "%s: %s: %r" % (name, ".".join(map(str, at)), by), name, json.dumps(replaced(whole, at, by))
        text = json.dumps(whole)
        for cut in range(0, len(text), 37):
            yield "%s cut after %d" % (name, cut), name, text[:cut]
        yield "%s: deep" % name, name, "[" * 100000
        yield "%s: long" % name, name, '{"name":"' + "x" * (1 << 22) + '"}'
        yield "%s: twice" % name, name, text + text
        yield "%s: nothing" % name, name, ""
        yield "%s: zeros" % name, name, "\0" * 4096


def things(t):
    """What is no file, in places where one is expected."""
    for name in "green.json", ".guests/g1.json", "new.json", ".guests/new.json", "green.d", ".guests", "green.d/10.101.0.77":
        path = t.dir + "/" + name

        def at(make, path=path):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
            make(path)
        yield "%s is a FIFO" % name, lambda at=at: at(os.mkfifo)
        yield "%s is a directory" % name, lambda at=at: at(os.mkdir)
        yield "%s is a link to itself" % name, lambda at=at: at(lambda p: os.symlink(os.path.basename(p), p))
        yield "%s is a link to /etc/passwd" % name, lambda at=at: at(lambda p: os.symlink("/etc/passwd", p))
        yield "%s is a link to /dev/zero" % name, lambda at=at: at(lambda p: os.symlink("/dev/zero", p))
        yield "%s is a long link" % name, lambda at=at: at(lambda p: os.symlink("x" * 3000, p))
        yield "%s is a link with evil text" % name, lambda at=at: at(lambda p: os.symlink('x"; flush ruleset/9', p))
        yield "%s is an empty file" % name, lambda at=at: at(lambda p: open(p, "w").close())


def main(every):
    bad = n = 0
    with lab.Lab() as place:
        t = Target(place)
        for what, name, text in list(files(t))[::every]:
            with open(t.dir + "/" + name, "w") as fd:
                fd.write(text)
            for w in t.attempt(what):
                print(w)
                bad += 1
            n += 1
            t.restore()
        for what, make in things(t):
            make()
            for w in t.attempt(what):
                print(w)
                bad += 1
            n += 1
            t.restore()
        for w in t.whole_again():
            print("afterwards: " + w)
            bad += 1
    print("%d hostile files, %d wrong" % (n, bad))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
