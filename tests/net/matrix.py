#!/usr/bin/env python3
"""Who reaches whom, in every family: one table. matrix.py POLICY makes the networks, guests, host and outside,
says the policy's words, and tries every cell of it with packets. A cell that must be blocked names its guard: with that
taken away the same packets arrive (so the cell can fail), and after `vzrun network apply` they do not."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import lab          # noqa: E402
import probes       # noqa: E402

# Guards: F the forward chain, D that and a bridge that routes nothing (mode isolated), I input, B the bridge's table, P the port's isolation, S bridges of their own, A: the
# host answers for an address only on the link that has it. +: arrives. .: there is no such thing.
KINDS = "echo4 tcp4 tcp4-81 udp4 arp multicast4 echo6 tcp6 tcp6-81 udp6 multicast6 link-local"
OPEN = "          + + + + + +  + + + + + +"
CLOSED = "        F F F F S S  F F F F S S"
DARK = "        D D D D S S  D D D D S S"
HOST = "          + I I I + I  + I I I I I"
POLICIES = {
    "closed": [],
    "allow": ["allow green blue"],
    "allow-port": ["allow green blue --port 80/tcp"],
    "denied-again": ["allow green blue", "allow green blue --port 80/tcp", "deny green blue --port 80/tcp",
                     "deny green blue"],
    "outside": ["allow outside green", "allow outside paths"],
    "outside-port": ["allow outside green --port 80/tcp"],
    "outside-denied": ["allow outside green", "deny outside green"],
}
TABLE = [
    # of one segment
    ("closed", "green1", "green2", OPEN),
    ("closed", "dark1", "dark2", OPEN),
    # ports closed to each other: on the bridge, and by the way of the gateway
    ("closed", "cell1", "cell2", "P P P P P P  P P P P P P"),
    ("closed", "cell1-by-gateway", "cell2", "F F F F . .  F F F F . ."),
    # a routed network: its guests reach each other through the host, and have no link in common
    ("closed", "paths1", "paths2", "+ + + + P P  + + + + P P"),
    # segments
    ("closed", "green1", "blue1", CLOSED),
    ("closed", "blue1", "green1", CLOSED),
    ("closed", "green1", "dark1", DARK),
    ("closed", "green1", "paths1", CLOSED),
    ("closed", "paths1", "green1", "F F F F . S  F F F F S S"),
    ("closed", "green1", "cell1", CLOSED),
    # a guest on both that forwards
    ("closed", "green1-by-both", "blue1", "B B B B . .  B B B B . ."),
    # the host
    ("closed", "green1", "host-on-green", HOST),
    ("closed", "cell1", "host-on-cell", HOST),
    ("closed", "paths1", "host-on-paths", HOST),
    ("closed", "green1", "host-on-blue", "I I I I A .  I I I I . ."),
    ("closed", "green1", "host-outside", "I I I I A .  I I I I . ."),
    ("closed", "paths1", "host-on-blue", "I I I I A .  I I I I . ."),
    ("closed", "host-on-green", "green1", OPEN),
    ("closed", "host-on-paths", "paths1", "+ + + + + +  + + + + + +"),
    # the outside
    ("closed", "green1", "outside", "+ + + + S S  + + + + S S"),
    ("closed", "cell1", "outside", "+ + + + S S  + + + + S S"),
    ("closed", "paths1", "outside", "+ + + + S S  + + + + S S"),
    ("closed", "dark1", "outside", DARK),
    ("closed", "outside", "green1", CLOSED),
    ("closed", "outside", "dark1", DARK),
    ("closed", "outside", "paths1", CLOSED),
    ("closed", "outside", "host-on-green", "+ + + + . .  + + + + . ."),

    ("allow", "green1", "blue1", "+ + + + S S  + + + + S S"),
    ("allow", "blue1", "green1", CLOSED),
    ("allow", "green1", "dark1", DARK),
    ("allow", "outside", "blue1", CLOSED),
    ("allow", "green1", "host-on-blue", "I I I I A .  I I I I . ."),
    ("allow-port", "green1", "blue1", "F + F F S S  F + F F S S"),
    ("allow-port", "blue1", "green1", CLOSED),
    ("denied-again", "green1", "blue1", CLOSED),
    ("denied-again", "blue1", "green1", CLOSED),
    ("denied-again", "green1", "green2", OPEN),
    ("outside", "outside", "green1", "+ + + + S S  + + + + S S"),
    ("outside", "outside", "paths1", "+ + + + S S  + + + + S S"),
    ("outside", "outside", "blue1", CLOSED),
    ("outside", "blue1", "green1", CLOSED),
    ("outside-port", "outside", "green1", "F + F F S S  F + F F S S"),
    ("outside-port", "outside", "paths1", CLOSED),
    ("outside-denied", "outside", "green1", CLOSED),
]
NETWORKS = {
    "green": "--subnet 10.101.0.0/24 --subnet6 fd01::/64",
    "blue": "--subnet 10.102.0.0/24 --subnet6 fd02::/64",
    "dark": "--subnet 10.103.0.0/24 --subnet6 fd03::/64 --mode isolated",
    "cell": "--subnet 10.104.0.0/24 --subnet6 fd04::/64 --isolate-ports",
    "paths": "--subnet 10.105.0.0/24 --subnet6 fd05::/64 --mode routed",
}
GUESTS = {"green1": "green", "green2": "green", "blue1": "blue", "dark1": "dark", "dark2": "dark", "cell1": "cell",
          "cell2": "cell", "paths1": "paths", "paths2": "paths"}


class Matrix:
    def __init__(self, place):
        self.lab = place
        for name, words in NETWORKS.items():
            place.network(name, *words.split())
        self.guests = {name: place.guest(name, "network=" + net) for name, net in GUESTS.items()}
        self.guests["both"] = place.guest("both", "network=green", "network=blue")
        self.bridges = {g.nic.network: g.nic.bridge for g in self.guests.values()}
        self.routes()
        self.ends = {name: probes.End(name, g, g.link, g.nic.ip, g.nic.ip6) for name, g in self.guests.items()}
        for i, (net, bridge) in enumerate(sorted(self.bridges.items())):
            at = list(NETWORKS).index(net) + 1
            self.ends["host-on-" + net] = probes.End("host-on-" + net, place.host, bridge, "10.10%d.0.1" % at,
                                                     "fd0%d::1" % at, host=True)
        self.ends["host-outside"] = probes.End("host-outside", place.host, "up0", place.HOST4, place.HOST6, host=True)
        self.ends["outside"] = probes.End("outside", place.out, "out0", place.OUTSIDE4, place.OUTSIDE6)

    def routes(self):
        """Ways that do not depend on anybody's good will: the outside's to all networks, isolated ones' to the gateway."""
        p = self.lab
        p.out.run("ip", "route", "add", "10.96.0.0/12", "via", p.HOST4)
        p.out.run("ip", "-6", "route", "add", "fd00::/12", "via", p.HOST6)
        for name in "dark1", "dark2":
            self.guests[name].run("ip", "route", "replace", "default", "via", "10.103.0.1")
            self.guests[name].run("ip", "-6", "route", "replace", "default", "via", "fd03::1")
        for both in [self.guests["both"]]:
            both.sysctl("net.ipv4.ip_forward", 1)
            both.sysctl("net.ipv6.conf.all.forwarding", 1)

    def by(self, words):
        """The source of a row, after its way has been prepared: NAME, NAME-by-gateway, NAME-by-both."""
        name, _, way = words.partition("-by-")
        return self.ends[name], way

    def way(self, way, src, dst, add):
        """Routes of the two guests' own for the row, there and back, or their end."""
        if not way:
            return
        word = "replace" if add else "del"
        hops = [("10.104.0.1", "fd04::1")] * 2 if way == "gateway" else [(n.ip, n.ip6) for n in self.guests["both"].nics]
        for one, other, (four, six) in zip((src, dst), (dst, src), hops):
            one.space.run("ip", "route", word, other.ip + "/32", "via", four)
            one.space.run("ip", "-6", "route", word, other.ip6 + "/128", "via", six)

    # --- guards ------------------------------------------------------------------------------------------

    def flush(self, chain):
        self.lab.host.run("nft", "flush", "chain", "inet", self.lab.table("inet"), chain)

    def port_of(self, end):
        return "up0" if end.name == "outside" else self.guests[end.name].nic.port

    def bridge_of(self, end):
        return self.guests[end.name].nic.bridge

    def take_away(self, guard, src, dst):
        h = self.lab.host
        if guard in "FDI":
            self.flush({"F": "forward", "D": "forward", "I": "input"}[guard])
        if guard == "D":
            h.sysctl("net.ipv4.conf.%s.forwarding" % self.bridges["dark"], 1)
            for word in "forwarding", "force_forwarding":       # the latter from Linux 6.17 on
                h.call("sysctl", "-qw", "net.ipv6.conf.%s.%s=1" % (self.bridges["dark"], word))
        if guard == "B":
            h.run("nft", "delete", "table", "bridge", self.lab.table("bridge"))
        elif guard == "P":
            for e in src, dst:
                h.run("bridge", "link", "set", "dev", self.port_of(e), "isolated", "off")
        elif guard == "A":
            h.sysctl("net.ipv4.conf.%s.arp_ignore" % self.bridge_of(src), 0)
        elif guard == "S":
            moved, into = (src, dst) if src.name == "outside" else (dst, src)
            h.run("ip", "link", "set", self.port_of(moved), "master", self.bridge_of(into))
            for e in moved, into:
                h.run("bridge", "link", "set", "dev", self.port_of(e), "isolated", "off")

    def mend(self, guard, src, dst):
        if guard == "S" and "outside" in (src.name, dst.name):
            self.lab.host.run("ip", "link", "set", "up0", "nomaster")
        self.lab.vzrun("network", "apply")

    # --- the run -----------------------------------------------------------------------------------------

    def cells(self, rows):
        """{(from, to, kind): (kind, source end, destination end, guard)}"""
        found = {}
        for _, src, dst, marks in rows:
            for kind, mark in zip(KINDS.split(), marks.split(), strict=True):
                if mark != ".":
                    found[src, dst, kind] = (kind, self.by(src)[0], self.ends[dst], mark)
        return found

    def attempt(self, cells, arrives):
        """Those that behave otherwise. Rows with a way of their own go one after the other: they share routes."""
        wrong = []
        groups = {}
        for key, c in cells.items():
            groups.setdefault((key[0], key[1]) if "-by-" in key[0] else None, {})[key] = c
        for rows, group in groups.items():
            way = rows and self.by(rows[0])[1]
            if rows:
                self.way(way, self.ends[self.by(rows[0])[0].name], self.ends[rows[1]], True)
            want = {key: (k, s, d, arrives(mark)) for key, (k, s, d, mark) in group.items()}
            got = probes.run(want, list(self.ends.values()))
            if rows:
                self.way(way, self.ends[self.by(rows[0])[0].name], self.ends[rows[1]], False)
            wrong += [(key, got[key]) for key in want if got[key] != want[key][3]]
        return wrong


def line(key, what):
    return "%-18s -> %-14s %-11s %s" % (key[0], key[1], key[2], what)


def complain(wrong, when):
    for key, arrived in wrong:
        print(line(key, "%s: %s" % (when, "arrived" if arrived else "did not arrive")))
    return len(wrong)


def main(policy, bridge_nf):
    rows = [r for r in TABLE if r[0] == policy]
    with lab.Lab(bridge_nf=bridge_nf) as place:
        m = Matrix(place)
        for words in POLICIES[policy]:
            place.vzrun("network", *words.split())
        cells = m.cells(rows)
        bad = complain(m.attempt(cells, lambda mark: mark == "+"), "policy " + policy)
        taken = {}
        for key, c in cells.items():
            if c[3] != "+":
                taken.setdefault((c[3],) + ((key[0], key[1]) if c[3] in "SPA" else ()), {})[key] = c
        for guard, some in taken.items():
            if bridge_nf and guard[0] in "PS":      # there the rules for IP close it, too
                continue
            src, dst = next((c[1], c[2]) for c in some.values())
            m.take_away(guard[0], src, dst)
            bad += complain(m.attempt(some, lambda mark: True), "without " + guard[0])
            m.mend(guard[0], src, dst)
        bad += complain(m.attempt(cells, lambda mark: mark == "+"), "after apply")
        print("%s: %d cells, %d of them blocked, %d guards taken away" %
              (policy, len(cells), sum(c[3] != "+" for c in cells.values()), len(taken)))
    return bad != 0


def complete():
    """Every pair of the issue stands in the table, open and closed, with every kind."""
    short = [r for r in TABLE if len(r[3].split()) != len(KINDS.split())]
    for r in short:
        print("a short row: %s" % (r,))
    return bool(short)


if __name__ == "__main__":
    sys.exit(complete() if sys.argv[1] == "--check" else main(sys.argv[1], "--bridge-nf" in sys.argv))
