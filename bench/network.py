"""The rows of networks: what one costs a start and a stop, with few guests and with many; what many cost; and
what goes through, against the same way made by hand. Hosts are network namespaces."""
import json
import shutil
import statistics
import subprocess
import time

from host import Unable
from measure import shoot
from row import Result
from spaces import Space, join

FEW = 10
SECOND = 1
TRIES = 20
APART = 0.15                    # seconds
GUEST_PORT, PUBLISHED = 5201, 8080
SMALL = 18                      # bytes: a frame of 60


class Yard:
    """A host with guests of vzrun, in a network namespace, with a home of its own."""

    def __init__(self, b):
        self.b, self.space, self.guests = b, Space(), []
        self.home = b.host.path("net-home")
        self.say("image", "template", "busybox")

    def words(self, *more):
        return [self.b.vzrun.path, "--root", self.b.host.run_dir + "/net", "--home", self.home, *more]

    def say(self, *more):
        return self.space.run(*self.words(*more), env=self.b.host.environment())

    def shoot(self, *more):
        """(wall, CPU) of one command."""
        with self.space:
            (shot,), orphans = shoot(self.b.vzrun, self.words(*more))
        return shot.wall, shot.cpu + orphans

    def guest(self, name, *more):
        took = self.shoot("create", name, "--template", "busybox", "--memory", "16M", *more, "/bin/sleep", "1000000")
        self.guests.append(name)
        return took

    def fill(self, n):
        """So many guests more, that do not run: what each took."""
        return [self.guest(self.b.host.name()) for _ in range(n)]

    def pid(self, name):
        return json.loads(self.say("--json", "show", name))["pid"]

    def address(self, name):
        return json.loads(self.say("--json", "show", name))["ip"]

    def rules(self):
        n = 0
        for line in self.space.run("nft", "list", "ruleset").splitlines():
            n += line.startswith("\t\t") and not line.startswith(("\t\t\t", "\t\ttype", "\t\telements", "\t\tflags"))
        return n

    def end(self):
        try:
            for i in range(0, len(self.guests), 100):
                self.say("destroy", "-f", *self.guests[i:i + 100])
        finally:
            self.space.end()
            shutil.rmtree(self.home, ignore_errors=True)


def within(b, rows, act):
    """act(yard), its failure the rows'."""
    y = None
    try:
        y = Yard(b)
        act(y)
    except (Unable, OSError, KeyError, ValueError) as e:
        for r in rows:
            r.failed[b.vzrun] = str(e)
            r.values.pop(b.vzrun, None)
    finally:
        if y:
            y.end()
    return rows


# --- start and stop ------------------------------------------------------------------------------------

def start_stop(y, rounds):
    """{without, with: ([start], [stop])} in ms, one after the other in each round."""
    pair = {}
    for word in "none", "default":
        pair[word] = y.b.host.name()
        y.guest(pair[word], "--net", word)
    took = {word: ([], []) for word in pair}
    for i in range(-2, rounds):
        for word, name in sorted(pair.items(), key=lambda p: (i % 2) ^ (p[0] == "none")):
            # The kernel takes a namespace of before down in the background, under the lock that links are made under.
            time.sleep(APART)
            shots = y.shoot("start", name), y.shoot("stop", "-k", name)
            for to, shot in zip(took[word], shots):
                if i >= 0:
                    to.append(shot)
    return took


def beyond(took, which):
    """What the network adds: the median of the differences within a round, of time and of CPU time."""
    def differences(of):
        return [w[of] - o[of] for w, o in zip(took["default"][which], took["none"][which])]
    return {"more": statistics.median(differences(0)), "more cpu": statistics.median(differences(1)),
            "more, least": min(w for w, _ in took["default"][which]) - min(w for w, _ in took["none"][which]),
            "with": statistics.median(w for w, _ in took["default"][which]),
            "without": statistics.median(w for w, _ in took["none"][which])}


def starts(b):
    many = b.many * 2
    few = Result("net-start", "start with a network, beyond one without, %d guests" % FEW, "more", "ms", 1.0)
    lots = Result("net-start-many", "start with a network, beyond one without, %d guests" % many, "more", "ms", 1.0)
    growth = Result("net-start-growth", "the same, %d guests against %d" % (many, FEW), "growth", "×", 1.2)
    stop = Result("net-stop", "stop with a network, beyond one without", "more", "ms", 0.3)

    def act(y):
        y.fill(FEW)
        took = start_stop(y, b.rounds)
        few.values[b.vzrun], stop.values[b.vzrun] = beyond(took, 0), beyond(took, 1)
        y.fill(many - FEW)
        took = start_stop(y, b.rounds)
        lots.values[b.vzrun] = beyond(took, 0)
        growth.values[b.vzrun] = {"growth": lots.values[b.vzrun]["more"] / max(few.values[b.vzrun]["more"], 0.01)}
    return within(b, [few, lots, growth, stop], act)


# --- many ----------------------------------------------------------------------------------------------

def grown(each, edge):
    return statistics.median(w for w, _ in each[-edge:]) / statistics.median(w for w, _ in each[:edge])


def per_unit(y, n, *words):
    """Median time of a command that looks at n things, for each of them, in µs."""
    return statistics.median(y.shoot(*words)[0] for _ in range(7)) * 1e3 / n


def scaling(b, key, title, n, add, looks):
    """Adds n by add(y, how many), and looks at a tenth of them and at all of them: what each costs."""
    edge = max(n // 10, 5)
    rows = [Result(key, "%d %s: the last %d added against the first" % (n, title, edge), "growth", "×", 1.2)]
    rows += [Result("%s-%s" % (key, words[-1]), "%d %s: %s, for each, against %d" % (n, title, " ".join(words), edge),
                    "growth", "×", 1.2) for words in looks]
    rows.append(Result(key + "-rules", "%d %s: more rules than with %d" % (n, title, edge), "more", "rules", 0))

    def act(y):
        v = b.vzrun
        each = add(y, edge)
        first, rules = [per_unit(y, edge, *w) for w in looks], y.rules()
        each += add(y, n - edge)
        rows[0].values[v] = {"growth": grown(each, edge), "each, ms": statistics.median(w for w, _ in each)}
        for row, one, words in zip(rows[1:], first, looks):
            last = per_unit(y, n, *words)
            row.values[v] = {"growth": last / one, "each, µs": last}
        rows[-1].values[v] = {"more": y.rules() - rules, "rules": rules}
    return within(b, rows, act)


def many_guests(b):
    return scaling(b, "net-guests", "guests on a bridge", b.many * 2, lambda y, n: y.fill(n),
                   [("ls",), ("network", "check")])


def many_networks(b):
    def add(y, n):
        return [y.shoot("network", "create", "n%s" % b.host.name().rpartition("-")[2]) for _ in range(n)]
    return scaling(b, "net-networks", "networks", b.many // 2, add, [("network", "ls"), ("network", "check")])


# --- what goes through -----------------------------------------------------------------------------------

class Bare:
    """Two ends on a bridge that nobody guards."""

    def __init__(self):
        self.host, self.a, self.b = Space(), Space(), Space()
        self.host.run("ip", "link", "add", "br0", "type", "bridge")
        self.host.run("ip", "addr", "add", "10.200.0.1/24", "dev", "br0")
        self.host.run("ip", "link", "set", "br0", "up")
        for i, end in enumerate((self.a, self.b), 2):
            join(self.host, "port%d" % i, None, end, "eth0", "10.200.0.%d/24" % i)
            self.host.run("ip", "link", "set", "port%d" % i, "master", "br0")
            end.run("ip", "route", "add", "default", "via", "10.200.0.1")
        self.address = "10.200.0.3"

    def publish(self, out):
        """A port as one writes it by hand."""
        join(self.host, "up0", "192.0.2.1/24", out, "out0", "192.0.2.2/24")
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.host.run("nft", "add table ip hand; add chain ip hand pre { type nat hook prerouting priority dstnat; };"
                      "add rule ip hand pre iifname up0 tcp dport %d dnat to %s:%d;"
                      "add chain ip hand forward { type filter hook forward priority filter; policy drop; };"
                      "add rule ip hand forward ct state established,related accept;"
                      "add rule ip hand forward oifname br0 ip daddr %s tcp dport %d accept"
                      % (PUBLISHED, self.address, GUEST_PORT, self.address, GUEST_PORT))

    def end(self):
        for s in self.a, self.b, self.host:
            s.end()


class Inside:
    """The namespace of a guest that runs, in the manner of Space."""

    def __init__(self, yard, name):
        self.pid, self.yard = yard.pid(name), yard

    def words(self, *words):
        return ["nsenter", "--net=/proc/%d/ns/net" % self.pid, "--", *words]

    def run(self, *words):
        return self.yard.space.run(*self.words(*words))

    def start(self, *words):
        return self.yard.space.start(*self.words(*words))


def iperf(frm, to, address, port, *how):
    """What was received, in iperf3's words. A server for each: one that has just served is busy for a while."""
    if not shutil.which("iperf3"):
        raise Unable("iperf3 is not installed")
    server = to.start("iperf3", "-s", "-1", "-p", str(GUEST_PORT))
    try:
        for _ in range(TRIES):
            try:
                said = json.loads(frm.run("timeout", "20", "iperf3", "-c", address, "-p", str(port), "-t", str(SECOND), "-J", *how))
                return said["end"]["sum_received"]
            except (Unable, KeyError):
                # It does not listen yet.
                time.sleep(0.1)
        raise Unable("iperf3 to %s does not succeed" % address)
    finally:
        server.kill()
        server.wait()


def stream(frm, to, address, port=GUEST_PORT):
    """Gbit/s of one TCP stream."""
    return iperf(frm, to, address, port)["bits_per_second"] / 1e9


def datagrams(frm, to, address):
    """Thousands of small datagrams a second that iperf3 sends and receives."""
    got = iperf(frm, to, address, GUEST_PORT, "-u", "-b", "0", "-l", str(SMALL))
    return (got["packets"] - got["lost_packets"]) / got["seconds"] / 1e3


def packets(b, frm, to, address):
    """The same by a program that does nothing else: nearly all of it is the kernel's time."""
    out = subprocess.run([b.host.build + "/bench/packets", str(frm.pid), str(to.pid), address, str(SMALL),
                          str(int(SECOND * 1e3))], capture_output=True, text=True, check=False)
    if out.returncode != 0:
        raise Unable(out.stderr.strip())
    return int(out.stdout) / 1e3


def share(row, b, rounds, unit, ours, bare):
    """The median of what goes through ours, divided by what goes through the other in the same round."""
    pairs = []
    for i in range(rounds):
        first, second = (ours, bare) if i % 2 else (bare, ours)
        got = {f: f() for f in (first, second)}
        pairs.append((got[ours], got[bare]))
    row.values[b.vzrun] = {"share": statistics.median(o / w for o, w in pairs),
                           unit: statistics.median(o for o, _ in pairs),
                           "bare " + unit: statistics.median(w for _, w in pairs)}


def running(y, *more):
    name = y.b.host.name()
    y.guest(name, *more)
    y.say("start", name)
    return name


def through(b):
    rounds = 3 if b.quick else 15
    rows = {key: Result(key, title, "share", "×", goal, least=True) for key, title, goal in (
        ("net-tcp", "guest to guest, one TCP stream, against a bare bridge", 0.95),
        ("net-udp", "guest to guest, small datagrams a second by iperf3, against a bare bridge", 0.95),
        ("net-pps", "guest to guest, small packets a second, against a bare bridge", 0.95),
        ("net-tcp-nf", "the same stream, where br_netfilter is loaded", 0.95),
        ("net-port", "through a published port, against a rule by hand", 0.9))}

    def act(y):
        bare, out, ended = Bare(), Space(), Space()
        try:
            # Before the network: routing is switched on for the links that stand when it is made.
            join(y.space, "up0", "192.0.2.1/24", out, "out0", "192.0.2.2/24")
            names = [running(y), running(y)]
            a, c = Inside(y, names[0]), Inside(y, names[1])
            to = y.address(names[1])
            share(rows["net-tcp"], b, rounds, "Gbit/s", lambda: stream(a, c, to), lambda: stream(bare.a, bare.b, bare.address))
            share(rows["net-udp"], b, rounds, "kpps", lambda: datagrams(a, c, to),
                  lambda: datagrams(bare.a, bare.b, bare.address))
            share(rows["net-pps"], b, rounds, "kpps", lambda: packets(b, a, c, to),
                  lambda: packets(b, bare.a, bare.b, bare.address))
            if y.space.bridge_rules(True) and bare.host.bridge_rules(True):
                share(rows["net-tcp-nf"], b, rounds, "Gbit/s", lambda: stream(a, c, to),
                      lambda: stream(bare.a, bare.b, bare.address))
                y.space.bridge_rules(False)
                bare.host.bridge_rules(False)
            else:
                rows["net-tcp-nf"].failed[b.vzrun] = "br_netfilter is not loaded"
            bare.publish(ended)
            y.say("port", "add", names[1], "%d:%d" % (PUBLISHED, GUEST_PORT), "--expose", "world")
            share(rows["net-port"], b, rounds, "Gbit/s", lambda: stream(out, c, "192.0.2.1", PUBLISHED),
                  lambda: stream(ended, bare.b, "192.0.2.1", PUBLISHED))
        finally:
            for s in bare, out, ended:
                s.end()

    y = None
    try:
        y = Yard(b)
        act(y)
    except (Unable, OSError, KeyError, ValueError) as e:
        for r in rows.values():
            if b.vzrun not in r.values:
                r.failed.setdefault(b.vzrun, str(e))
    finally:
        if y:
            y.end()
    return list(rows.values())


ROWS = [
    (("net-start", "net-start-many", "net-start-growth", "net-stop"), starts),
    (("net-guests", "net-guests-ls", "net-guests-check", "net-guests-rules"), many_guests),
    (("net-networks", "net-networks-ls", "net-networks-check", "net-networks-rules"), many_networks),
    (("net-tcp", "net-udp", "net-pps", "net-tcp-nf", "net-port"), through),
]
