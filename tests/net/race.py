#!/usr/bin/env python3
"""race.py: a guest that sends forged frames all the time, before it has a link, while it gets and loses it, and while
the rules, the bridge and the networks are made anew. Nobody sees one; all do once the rules are gone."""
import os
import select
import signal
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import frames as f      # noqa: E402
import lab              # noqa: E402

MARK = b"<forged>"
STRANGER = bytes.fromhex("02deadbeef01")
STARTS, CHANGES, PATIENCE, PACKET_OUTGOING = 15, 5, 10.0, 4


def forged(mac, victim, gateway, other):
    data = f.udp(9, 9, MARK)
    advert = f.icmp6("fe80::66", "ff02::1", f.RA, f.ra(mac) + MARK)
    return (f.ether(victim.ether, STRANGER, f.IP, f.ip4("10.101.0.99", victim.ip, f.UDP, data)),
            f.ether(victim.ether, mac, f.IP, f.ip4("10.101.0.1", victim.ip, f.UDP, data)),
            f.ether(gateway, mac, f.IP, f.ip4("10.101.0.1", other.ip, f.UDP, data)),
            f.ether(gateway, STRANGER, f.IP, f.ip4("10.102.0.99", other.ip, f.UDP, data)),
            f.ether(f.group_mac6("ff02::1"), mac, f.IP6, f.ip6("fe80::66", "ff02::1", f.ICMP6, advert)),
            f.ether(f.BROADCAST, STRANGER, f.ARP, f.arp(2, STRANGER, "10.101.0.1", STRANGER, "10.101.0.1") + MARK))


class Sender:
    """A process in the space that sends on eth0 whenever there is one."""

    def __init__(self, space, *who):
        self.pid = os.fork()
        if self.pid:
            return
        lab.libc.prctl(lab.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.nice(5)
        try:
            lab.check(lab.libc.setns(space.fd, lab.CLONE_NEWNET), "setns")
            while True:
                self.send(who)
        finally:
            os._exit(1)

    @staticmethod
    def send(who):
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
                s.bind(("eth0", 0))
                s.settimeout(1)
                frames = forged(s.getsockname()[4], *who)
                while True:
                    for frame in frames:
                        s.send(frame)
        except OSError:
            pass    # no link, not up yet, or gone

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Range:
    def __init__(self, place):
        self.lab, self.bad = place, 0
        place.network("green", "--subnet", "10.101.0.0/24", "--subnet6", "fd01::/64")
        place.network("blue", "--subnet", "10.102.0.0/24", "--subnet6", "fd02::/64")
        self.victim, self.other = place.guest("victim", "network=green"), place.guest("other", "network=blue")
        self.bridge = self.victim.nic.bridge
        gateway = place.host.packet(self.bridge, 0)
        self.who = self.victim.nic, gateway.getsockname()[4], self.other.nic
        gateway.close()
        self.ears = {"the neighbour": self.victim.packet(self.victim.link),
                     "another segment": self.other.packet(self.other.link),
                     "the host's uplink": place.host.packet("up0")}
        self.listen()

    def listen(self):
        """At the bridge, which may be another one."""
        self.ears["the host"] = self.lab.host.packet(self.bridge)

    def seen(self):
        found = set()
        for name, s in self.ears.items():
            while select.select([s], [], [], 0)[0]:
                try:
                    frame, address = s.recvfrom(4000)
                except OSError:     # of a bridge that went
                    break
                if MARK in frame and address[2] != PACKET_OUTGOING:
                    found.add(name)
        return found

    def judge(self, when):
        found = self.seen()
        if found:
            print("%s: seen by %s" % (when, ", ".join(sorted(found))))
            self.bad += 1

    def dropped(self):
        return sum(self.lab.counters().values())

    def more(self, before):
        """Until some more were sent, and dropped."""
        until = time.monotonic() + PATIENCE
        while self.dropped() <= before:
            if time.monotonic() > until:
                raise lab.Failed("nothing was sent")

    def starts(self):
        for i in range(STARTS):
            space, name = lab.Space(), "mallory%d" % i
            sender, before = Sender(space, *self.who), self.dropped()
            self.lab.tool("up", self.lab.home, name, space.pid, "network=green")
            self.more(before)
            self.lab.tool("teardown", self.lab.home, name)
            self.judge("a start and a stop")
            sender.end()
            self.lab.tool("release", self.lab.home, name)
            space.end()

    def changes(self):
        host, vzrun = self.lab.host, self.lab.vzrun
        sender = Sender(self.lab.guest("mallory", "network=green"), *self.who)
        for _ in range(CHANGES):
            for family, chain in ("inet", "lan"), ("bridge", "watched"):
                before = self.dropped()
                host.run("nft", "add", "rule", family, self.lab.table(family), chain, "accept")
                vzrun("network", "apply")
                self.judge("apply, of a table that differs")
                self.more(min(before, self.dropped()))
            vzrun("network", "allow", "green", "blue", "--port", "1")
            vzrun("network", "deny", "green", "blue", "--port", "1")
            self.judge("allow, deny")
            host.run("ip", "link", "del", self.bridge)
            vzrun("network", "apply")
            self.listen()
            self.more(self.dropped())
            self.judge("a bridge that is made again")
        for family in "inet", "bridge":
            host.run("nft", "flush", "table", family, self.lab.table(family))
        until, found = time.monotonic() + PATIENCE, set()
        while not {"the neighbour", "another segment", "the host"} <= found and time.monotonic() < until:
            found |= self.seen()
        if not {"the neighbour", "another segment", "the host"} <= found:
            print("without rules seen by %s alone: nothing was shown" % (", ".join(found) or "nobody"))
            self.bad += 1
        sender.end()


def main():
    with lab.Lab() as place:
        r = Range(place)
        r.starts()
        r.changes()
    print("race: %d wrong" % r.bad)
    return r.bad != 0


if __name__ == "__main__":
    sys.exit(main())
