#!/usr/bin/env python3
"""live.py: changes to running guests while data flows between them: none cuts a connection that it is not about, each
does what it says, and all of it is there again after a restart."""
import json
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import flows    # noqa: E402
import lab      # noqa: E402

TAG = "tlive%d" % os.getpid()


class Running(lab.Space):
    """The namespace of a guest that runs."""

    def __init__(self, place, name, network):
        self.lab, self.guest = place, name
        place.vzrun("create", name, "--template", "busybox", "--memory", "64M", "--net", network)
        place.vzrun("start", name)
        self.enter()

    def enter(self):
        self.pid = self.show()["pid"]
        self.fd = os.open("/proc/%d/ns/net" % self.pid, os.O_RDONLY | os.O_CLOEXEC)

    def show(self):
        return json.loads(self.lab.vzrun("--json", "show", self.guest))

    def addresses(self):
        said = json.loads(self.run("ip", "-j", "addr"))
        return {(a["ifname"], i["local"]) for a in said for i in a["addr_info"] if i["family"] == "inet"}

    def pings(self, to):
        return self.call("ping", "-c", "1", "-W", "5", to).returncode == 0

    def end(self):
        os.close(self.fd)


def speed(flow):
    """Bytes a second of one direction, over one second after a burst is over."""
    flows.pump([flow], 1 << 20)
    before, begun = flow.moved[flow.far], time.monotonic()
    flows.pump([flow], 3 << 20)
    return (flow.moved[flow.far] - before) / (time.monotonic() - begun)


def steps(p):
    """(what, do, does it hold afterwards)"""
    v, one, two = p.lab.vzrun, p.one, p.two
    yield ("an interface more", lambda: v("nic", "add", one.guest, "--network", "blue", "--ip", "10.102.0.50"),
           lambda: one.pings(p.blue.ip) and ("eth1", "10.102.0.50") in one.addresses())
    yield ("its address changes", lambda: v("set", one.guest, "--ip", "10.102.0.51,net=blue"),
           lambda: one.pings(p.blue.ip) and ("eth1", "10.102.0.51") in one.addresses())
    yield ("the old address is another's", lambda: v("nic", "add", two.guest, "--network", "blue", "--ip", "10.102.0.50"),
           lambda: two.pings(p.blue.ip) and two.pings("10.102.0.51"))
    yield ("its MAC address changes", lambda: v("set", one.guest, "--mac", "02:00:00:00:77:77,net=blue"),
           lambda: one.pings(p.blue.ip) and "02:00:00:00:77:77" in one.run("ip", "link", "show", "eth1"))
    yield "a rate", lambda: v("set", two.guest, "--rate", "40M,net=green"), lambda: speed(p.flows[0]) < 40e6 / 8 * 1.5
    yield "no rate", lambda: v("set", two.guest, "--rate", "max,net=green"), lambda: speed(p.flows[0]) > 40e6 / 8 * 1.5
    yield ("a rate out", lambda: v("set", one.guest, "--rate", "max:40M,net=green"),
           lambda: speed(p.flows[0]) < 40e6 / 8 * 1.5)
    yield "no rate out", lambda: v("set", one.guest, "--rate", "max,net=green"), lambda: speed(p.flows[0]) > 40e6 / 8 * 1.5
    yield "opened", lambda: v("network", "allow", "green", "blue"), lambda: one.pings(p.blue.ip)
    yield "closed", lambda: v("network", "deny", "green", "blue"), lambda: True
    yield "applied", lambda: v("network", "apply"), lambda: one.pings(two.ip)
    yield ("a guest comes and goes", lambda: (p.lab.guest("passing", "network=green"), p.lab.tool("release", p.lab.home,
                                                                                                  "passing")),
           lambda: one.pings(two.ip))
    yield ("the interface goes", lambda: v("nic", "rm", one.guest, "eth1"),
           lambda: not any(name == "eth1" for name, _ in one.addresses()))
    yield ("and comes with a name", lambda: v("nic", "add", one.guest, "--network", "blue", "--name", "lan", "--ip",
                                              "10.102.0.51"), lambda: one.pings(p.blue.ip))


class Place:
    def __init__(self, place):
        self.lab = place
        place.network("green", "--subnet", "10.101.0.0/24", "--subnet6", "fd01::/64")
        place.network("blue", "--subnet", "10.102.0.0/24", "--subnet6", "fd02::/64")
        self.one, self.two = Running(place, TAG + "-1", "green"), Running(place, TAG + "-2", "green")
        self.blue = place.guest("blue1", "network=blue").nic
        for g in self.one, self.two:
            g.ip = next(ip for name, ip in g.addresses() if name == "eth0")
        self.flows = [flows.Flow("within the segment", self.one, self.two, self.two.ip, 5001),
                      flows.Flow("to the outside", self.one, place.out, place.OUTSIDE4, 5003)]

    def check(self):
        p = self.lab.host.call(lab.VZRUN, "--root", self.lab.dir + "/state", "network", "check")
        return "" if p.returncode == 0 else (p.stdout + p.stderr).strip()


def run(p):
    bad = n = 0
    for what, do, holds in steps(p):
        wrong = []
        with flows.Pumped(p.flows):
            do()
        if not holds():
            wrong.append("it does not hold")
        wrong += ["cut: " + name for name in flows.pump(p.flows, 1 << 18)]
        wrong += [w for w in [p.check()] if w]
        for w in wrong:
            print("%s: %s" % (what, w))
        bad += len(wrong)
        n += 1
    was = {g: g.addresses() for g in (p.one, p.two)}
    for g in was:
        p.lab.vzrun("restart", g.guest)
        g.enter()
        if g.addresses() != was[g]:
            print("after a restart: %s, not %s" % (sorted(g.addresses()), sorted(was[g])))
            bad += 1
    print("live: %d changes, %d wrong" % (n, bad))
    return bad


def main():
    with lab.Lab() as place:
        store = os.environ.get("VZRUN_TEST_STORE", "/var/tmp/vzrun-test-store")
        os.symlink(store + "/images", place.home + "/images")
        try:
            return run(Place(place)) != 0
        finally:
            for i in "12":
                place.host.call(lab.VZRUN, "--root", place.dir + "/state", "destroy", "-f", "%s-%s" % (TAG, i))


if __name__ == "__main__":
    sys.exit(main())
