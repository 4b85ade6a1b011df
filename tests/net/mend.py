#!/usr/bin/env python3
"""mend.py GROUP: what somebody may do to the kernel behind vzrun's back, one table. `network check` says what is
wrong, `network apply` (or the next guest) puts it right, `check` is content again; transfers that ran before go on with
the same connection, and what was closed is closed."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import flows        # noqa: E402
import lab          # noqa: E402
import probes       # noqa: E402


def nft(m, *words):
    m.lab.host.run("nft", *words)


def inet(m):
    return "inet", m.lab.table("inet")


def bridge(m):
    return "bridge", m.lab.table("bridge")


# A start looks at the kernel's number of what a chain has and what leads to it; where elements lead, it says nothing.
UNCOUNTED = "published_lan", "watched", "from_ll"


def chains(m, family, by):
    said = json.loads(m.lab.host.run("nft", "-j", "list", "table", *family(m)))["nftables"]
    return [x["chain"]["name"] for x in said
            if "chain" in x and (by == "apply" or x["chain"]["name"] not in UNCOUNTED)]


def filled(m, family):
    """Sets and maps with something in them that we have put there; those that packets fill have a size."""
    said = json.loads(m.lab.host.run("nft", "-j", "list", "table", *family(m)))["nftables"]
    return [(kind, x[kind]["name"]) for x in said for kind in ("set", "map")
            if kind in x and x[kind].get("elem") and "size" not in x[kind]]


def rules(m, by):
    yield "the whole ruleset is flushed", lambda: nft(m, "flush", "ruleset")
    yield "the inet table is deleted", lambda: nft(m, "delete", "table", *inet(m))
    yield "the bridge table is deleted", lambda: nft(m, "delete", "table", *bridge(m))
    for family, chain in (inet, "input"), (bridge, "prerouting"):
        yield "the %s table is switched off" % family.__name__, lambda f=family: nft(
            m, "add", "table", *f(m), "{ flags dormant; }")
        yield "%s: what chain %s does not match is dropped" % (family.__name__, chain), lambda f=family, c=chain: nft(
            m, "add", "chain", *f(m), c, "{ policy drop; }")
        yield "%s: chain %s hangs on no hook" % (family.__name__, chain), lambda f=family, c=chain: unhooked(m, f, c)
    for family in inet, bridge:
        for chain in chains(m, family, by):
            yield "%s: chain %s is emptied" % (family.__name__, chain), lambda c=chain, f=family: nft(
                m, "flush", "chain", *f(m), c)
    for family in inet, bridge:
        for chain in chains(m, family, by):
            yield "%s: somebody's rule begins %s" % (family.__name__, chain), lambda c=chain, f=family: nft(
                m, "insert", "rule", *f(m), c, "accept")


def unhooked(m, family, chain):
    """As many rules as before, on no hook."""
    listed = json.loads(m.lab.host.run("nft", "-j", "list", "chain", *family(m), chain))["nftables"]
    at = " ".join(family(m)) + " " + chain
    nft(m, "; ".join(["flush chain " + at, "delete chain " + at, "add chain " + at] +
                     ["add rule %s accept" % at for x in listed if "rule" in x]))


def elements(m, by):
    for family in inet, bridge:
        for kind, name in filled(m, family):
            yield "%s: %s is emptied" % (family.__name__, name), lambda k=kind, n=name, f=family: nft(m, "flush", k, *f(m), n)


def late_way(host):
    host.run("ip", "link", "add", "late0", "type", "veth", "peer", "name", "late1")
    host.run("ip", "addr", "add", "203.0.113.1/24", "dev", "late0")
    for link in "late0", "late1":
        host.run("ip", "link", "set", link, "up")


def in_vrf(host, bridge):
    host.run("ip", "link", "add", "vrf7", "type", "vrf", "table", 77)
    host.run("ip", "link", "set", bridge, "master", "vrf7")


def links(m, by):
    green, host = m.green1.nic, m.lab.host
    yield "the bridge is removed", lambda: host.run("ip", "link", "del", green.bridge)
    yield "the bridge is down", lambda: host.run("ip", "link", "set", green.bridge, "down")
    yield "its IPv4 address is deleted", lambda: host.run("ip", "addr", "del", "10.101.0.1/24", "dev", green.bridge)
    yield "its IPv6 address is deleted", lambda: host.run("ip", "addr", "del", "fd01::1/64", "dev", green.bridge)
    yield "it learns from link-local frames", lambda: host.run("ip", "link", "set", green.bridge, "type", "bridge",
                                                                "no_linklocal_learn", "0")
    yield "a guest's port has left it", lambda: host.run("ip", "link", "set", green.port, "nomaster")
    yield "a guest's port has no group", lambda: host.run("ip", "link", "set", green.port, "group", "default")
    yield "a guest's port speaks ARP", lambda: host.run("ip", "link", "set", green.port, "arp", "on")
    yield "a guest's port is down", lambda: host.run("ip", "link", "set", green.port, "down")
    yield "a port is not isolated any more", lambda: host.run("bridge", "link", "set", "dev", m.cell1.nic.port,
                                                               "isolated", "off")
    port = "bridge", "link", "set", "dev", green.port
    for switch in "learning", "flood", "mcast_flood", "bcast_flood":
        yield "a guest's port has %s off" % switch, lambda s=switch: host.run(*port, s, "off")
    for switch in ("locked", "hairpin", "guard", "root_block", "fastleave", "mcast_to_unicast", "neigh_suppress",
                   "vlan_tunnel"):
        yield "a guest's port has %s on" % switch, lambda s=switch: host.run(*port, s, "on")
    for switch in "proxy_arp", "proxy_arp_wifi":
        yield "a guest's port has %s on" % switch, lambda s=switch: host.run(
            "ip", "link", "set", green.port, "type", "bridge_slave", s, "on")
    yield "groups go to a guest's port unasked", lambda: host.run(*port, "mcast_router", "2")
    yield "a guest's port forwards LLDP", lambda: host.run("ip", "link", "set", green.port, "type", "bridge_slave",
                                                          "group_fwd_mask", "0x4000")
    yield "a guest's port has another's as its backup", lambda: host.run(*port, "backup_port", m.green2.nic.port)
    fix = "bridge", "fdb", "replace", m.green2.nic.mac
    yield "a guest's address is fixed at another's port", lambda: host.run(*fix, "dev", green.port, "master", "static")
    yield "the host takes a guest's frames by its port", lambda: host.run(*fix, "dev", green.port, "master", "local")
    yield "the host takes a guest's frames", lambda: host.run(*fix, "dev", green.bridge, "self", "local")
    yield "a guest's port lets nothing pass", lambda: host.run("bridge", "link", "set", "dev", green.port, "state", "0")
    for switch, value in ("stp_state", 1), ("vlan_filtering", 1), ("group_fwd_mask", 16384), ("ageing_time", 0):
        yield "the bridge has %s %d" % (switch, value), lambda s=switch, v=value: host.run(
            "ip", "link", "set", green.bridge, "type", "bridge", s, v)
    yield "the bridge does not speak ARP", lambda: host.run("ip", "link", "set", green.bridge, "arp", "off")
    yield "the bridge is in a VRF", lambda: in_vrf(host, green.bridge)
    yield "the bridge has another MTU", lambda: host.run("ip", "link", "set", green.bridge, "mtu", 1300)
    for key in "ipv4/conf/%s/proxy_arp", "ipv4/conf/%s/accept_source_route", "ipv6/conf/%s/proxy_ndp", "ipv6/conf/%s/disable_ipv6":
        yield key % green.bridge, lambda k=key: host.sysctl("net/" + k % green.bridge, 1)
    yield "IPv4 is not routed", lambda: host.sysctl("net.ipv4.conf.%s.forwarding" % green.bridge, 0)
    yield "a way out came later", lambda: late_way(host)
    yield "IPv6 is not routed", lambda: host.sysctl("net.ipv6.conf.all.forwarding", 0)


GROUPS = {"rules": rules, "elements": elements, "links": links}


class Mend:
    def __init__(self, place):
        self.lab = place
        place.network("green", "--subnet", "10.101.0.0/24", "--subnet6", "fd01::/64")
        place.network("blue", "--subnet", "10.102.0.0/24", "--subnet6", "fd02::/64")
        place.network("cell", "--subnet", "10.104.0.0/24", "--subnet6", "fd04::/64", "--isolate-ports")
        self.green1, self.green2 = place.guest("green1", "network=green"), place.guest("green2", "network=green")
        self.blue1 = place.guest("blue1", "network=blue")
        self.cell1, self.cell2 = place.guest("cell1", "network=cell"), place.guest("cell2", "network=cell")
        place.vzrun("network", "allow", "green", "blue", "--port", "80")
        self.ends = {n: probes.End(n, g, g.link, g.nic.ip, g.nic.ip6) for n, g in (
            ("green1", self.green1), ("green2", self.green2), ("blue1", self.blue1), ("cell1", self.cell1),
            ("cell2", self.cell2))}
        self.flows = [
            flows.Flow("within the segment", self.green1, self.green2, self.green2.nic.ip, 5001),
            flows.Flow("within the segment, IPv6", self.green1, self.green2, self.green2.nic.ip6, 5001),
            flows.Flow("to the outside", self.green1, place.out, place.OUTSIDE4, 5003),
            flows.Flow("to the outside, IPv6", self.green1, place.out, place.OUTSIDE6, 5003)]

    def closed(self):
        """What is open is open, what is closed is closed: names of those that are not."""
        want = {}
        for kind, opened in (("echo4", False), ("tcp4", True), ("tcp4-81", False), ("echo6", False), ("tcp6", True)):
            want["green1", "blue1", kind] = (kind, self.ends["green1"], self.ends["blue1"], opened)
            want["blue1", "green1", kind] = (kind, self.ends["blue1"], self.ends["green1"], False)
            want["cell1", "cell2", kind] = (kind, self.ends["cell1"], self.ends["cell2"], False)
        want["green1", "green2", "arp"] = ("arp", self.ends["green1"], self.ends["green2"], True)
        got = probes.run(want, list(self.ends.values()))
        return ["%s -> %s %s" % k for k in want if got[k] != want[k][3]]

    def check(self):
        p = self.lab.host.call(lab.VZRUN, "--root", self.lab.dir + "/state", "network", "check")
        return p.returncode, (p.stdout + p.stderr).strip()


def attempt(m, name, disturb, by):
    """What went wrong with one of the table; None: this kernel has nothing of the kind."""
    wrong = []
    try:
        disturb()
    except lab.Failed as e:
        # Without VRFs, or VLANs of bridges, nobody can do it.
        if "not supported" not in str(e) and "Unknown device type" not in str(e):
            raise
        return None
    status, said = m.check()
    if status == 0 or not said:
        wrong.append("check did not say it")
    if by == "apply":
        m.lab.vzrun("network", "apply")
    else:
        # The next start of a guest of each network.
        for net in "green", "blue", "cell":
            m.lab.tool("claim", m.lab.home, "late-" + net, "network=" + net)
    status, said = m.check()
    if status:
        wrong.append("%s did not mend it: %s" % (by, said))
    stopped = flows.pump(m.flows, 1 << 18)
    wrong += ["cut: " + s for s in stopped]
    wrong += ["not as it was: " + s for s in m.closed()]
    return ["%s: %s" % (name, w) for w in wrong]


def main(group, by):
    bad = n = 0
    lacking = []
    with lab.Lab() as place:
        m = Mend(place)
        status, said = m.check()
        if status:
            print("before anything was done, check says: " + said)
            bad += 1
        bad += len(flows.pump(m.flows, 1 << 18))
        for name, disturb in list(GROUPS[group](m, by)):
            wrong = attempt(m, name, disturb, by)
            if wrong is None:
                lacking.append(name)
                continue
            n += 1
            bad += len(wrong)
            for w in wrong:
                print(w)
    print("%s, mended by %s: %d disturbances, %d wrong%s" % (
        group, by, n, bad, "; not on this kernel: " + ", ".join(lacking) if lacking else ""))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "apply"))
