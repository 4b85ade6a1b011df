#!/usr/bin/env python3
"""ways.py NAME: ways around the rules, by what a host may have switched on for somebody else. Each is tried, does not
lead through, and does once its guard is taken away."""
import os
import select
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import frames as f      # noqa: E402
import lab              # noqa: E402

GROUP = "239.7.7.7"
LINK_LOCAL = [bytes([1, 0x80, 0xc2, 0, 0, last]) for last in range(16)]
SILENCE, PATIENCE = 0.5, 10.0
MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC = 200, 202, 204
VXLAN_PORT, VNI = 4789, 77


class Place:
    def __init__(self, place):
        self.lab, self.host = place, place.host
        place.network("green", "--subnet", "10.101.0.0/24", "--subnet6", "fd01::/64")
        place.network("blue", "--subnet", "10.102.0.0/24", "--subnet6", "fd02::/64")
        place.vzrun("network", "allow", "green", "blue")
        place.vzrun("network", "deny", "green", "blue")
        self.green, self.blue = place.guest("green1", "network=green"), place.guest("blue1", "network=blue")
        self.raw = self.green.packet(self.green.link, 0)
        self.gateway = mac_of(place.host, self.green.nic.bridge)

    def without(self, guard):
        """A chain, or what a command took care of."""
        if isinstance(guard, str):
            self.host.run("nft", "flush", "chain", "inet", self.lab.table("inet"), guard)
        else:
            guard()

    def by_gateway(self, packet):
        return f.ether(self.gateway, self.green.nic.ether, f.IP, packet)


def mac_of(space, link):
    s = space.packet(link, 0)
    mac = s.getsockname()[4]
    s.close()
    return mac


def arrives(send, sock, token, patience):
    """Sent again and again for that long: is it seen?"""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        send()
        while select.select([sock], [], [], 0.2)[0]:
            data, who = sock.recvfrom(4000)
            if token in data and (len(who) < 3 or who[2] != 4):
                return True
    return False


def udp(space, address, port):
    s = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, port))
    return s


# Each: what to send, where it must not be seen, its mark, how to take the guard away.

def localnet(p):
    """The host's loopback, where packets for it are let in by interfaces."""
    for link in "all", p.green.nic.bridge:
        p.host.sysctl("net.ipv4.conf.%s.route_localnet" % link, 1)
    packet = f.ip4(p.green.nic.ip, "127.0.0.1", f.UDP, f.udp(9, 53, b"to-loopback"))
    return lambda: p.raw.send(p.by_gateway(packet)), udp(p.host, "127.0.0.1", 53), b"to-loopback", "input"


def source_route(p):
    """Loose source routing, where the host does it."""
    for link in "all", p.green.nic.bridge:
        p.host.sysctl("net.ipv4.conf.%s.accept_source_route" % link, 1)
        p.host.sysctl("net.ipv4.conf.%s.forwarding" % link, 1)
    option = b"\x83\x07\x04" + f.a4(p.blue.nic.ip) + b"\0"
    packet = f.ip4(p.green.nic.ip, "10.101.0.1", f.UDP, f.udp(9, 9, b"by-source-route"), option)
    return lambda: p.raw.send(p.by_gateway(packet)), p.blue.packet(p.blue.link), b"by-source-route", "forward"


def echo(data, kind=8):
    body = struct.pack("!BBHHH", kind, 0, 0, 77, 1) + data
    return body[:2] + struct.pack("!H", f.checksum(body)) + body[4:]


def known(space, link, send, answer):
    """Sent until it is answered: the kernel knows the connection then."""
    if not arrives(send, space.packet(link), answer, PATIENCE):
        raise lab.Failed("no answer")


def by_source(p, space, own, link, src, to):
    """An echo that was answered, and the same with a list of hops, by that link."""
    for word in "all", link:
        p.host.sysctl("net.ipv4.conf.%s.accept_source_route" % word, 1)
    out, mine = space.packet(own, 0), mac_of(p.host, link)
    option = b"\x83\x07\x04" + f.a4(p.blue.nic.ip) + b"\0"

    def frame(data, options=b""):
        return f.ether(mine, out.getsockname()[4], f.IP, f.ip4(src, to, 1, echo(data), options))

    known(space, own, lambda: out.send(frame(b"first")), echo(b"first", 0))
    return (lambda: out.send(frame(b"by-source-route", option)), p.blue.packet(p.blue.link), b"by-source-route",
            "steered")


def source_route_known(p):
    """Source routing of what belongs to a connection with the host."""
    return by_source(p, p.green, p.green.link, p.green.nic.bridge, p.green.nic.ip, "10.101.0.1")


def source_route_outside(p):
    """The same, from outside."""
    return by_source(p, p.lab.out, "out0", "up0", p.lab.OUTSIDE4, p.lab.HOST4)


def segment_route(p):
    """The same of IPv6: segment routing (RFC 8754), where the host does it."""
    for link in "all", p.green.nic.bridge:
        p.host.sysctl("net.ipv6.conf.%s.seg6_enabled" % link, 1)
    src, gateway = p.green.nic.ip6, "fd01::1"

    def send(data, *wrap):
        proto, body = f.ICMP6, f.icmp6(src, gateway, 128, struct.pack("!HH", 77, 1) + data)
        for segments in wrap:
            head = struct.pack("!BBBBBBH", proto, 2 * len(segments), 4, 1, len(segments) - 1, 0, 0)
            proto, body = 43, head + b"".join(map(f.a6, segments)) + body
        p.raw.send(f.ether(p.gateway, p.green.nic.ether, f.IP6, f.ip6(src, gateway, proto, body)))

    known(p.green, p.green.link, lambda: send(b"first"), f.icmp6(gateway, src, 129, struct.pack("!HH", 77, 1) + b"first"))
    return (lambda: send(b"by-segments", [p.blue.nic.ip6, gateway]), p.blue.packet(p.blue.link), b"by-segments",
            "steered")


def multicast_router(p):
    """Multicast, where the host routes it between all its links."""
    router = p.host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
    router.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
    for i, link in enumerate((p.green.nic.bridge, p.blue.nic.bridge)):
        with p.host:
            index = socket.if_nametoindex(link)
        # A link by its index, threshold 1.
        router.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF, struct.pack("@HBBIi4s", i, 8, 1, 0, index, bytes(4)))
    ttls = bytes([0, 1]) + bytes(30)
    router.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC, struct.pack("@4s4sH32s2xIIIi", f.a4(p.green.nic.ip), f.a4(GROUP), 0,
                                                                  ttls, 0, 0, 0, 0))
    packet = f.ip4(p.green.nic.ip, GROUP, f.UDP, f.udp(9, 9, b"to-the-group"))
    p.router = router
    return (lambda: p.raw.send(f.ether(f.group_mac4(GROUP), p.green.nic.ether, f.IP, packet)),
            p.blue.packet(p.blue.link), b"to-the-group", "forward")


def forged_outside(p):
    """From outside with a source of a segment that is let in."""
    p.lab.vzrun("network", "allow", "green", "blue")
    out = p.lab.out.packet("out0", 0)
    packet = f.ip4(p.green.nic.ip, p.blue.nic.ip, f.UDP, f.udp(9, 9, b"forged-outside"))
    frame = f.ether(mac_of(p.host, "up0"), mac_of(p.lab.out, "out0"), f.IP, packet)
    for link in "all", "up0":
        p.host.sysctl("net.ipv4.conf.%s.rp_filter" % link, 0)
    return lambda: out.send(frame), p.blue.packet(p.blue.link), b"forged-outside", "forward"


def vxlan(inner):
    return f.udp(5555, VXLAN_PORT, struct.pack("!II", 0x08000000, VNI << 8) + inner)


def wide(p):
    """A segment that goes on at 192.0.2.2, and a guest on it."""
    p.lab.network("wide", "--subnet", "10.106.0.0/24", "--subnet6", "none", "--vxlan", str(VNI), "--peer", p.lab.OUTSIDE4)
    return p.lab.guest("wide1", "network=wide")


def inner(text):
    return f.ether(f.BROADCAST, bytes.fromhex("02aaaaaaaa01"), f.IP, f.ip4("10.106.0.9", "10.106.0.255", f.UDP,
                                                                            f.udp(9, 9, text)))


def tunnel_stranger(p):
    """A frame in a tunnel from an address that is no peer's."""
    guest = wide(p)
    frame = f.ether(mac_of(p.host, "up0"), mac_of(p.lab.out, "out0"), f.IP,
                    f.ip4("192.0.2.66", p.lab.HOST4, f.UDP, vxlan(inner(b"by-a-stranger"))))
    out = p.lab.out.packet("out0", 0)
    return lambda: out.send(frame), guest.packet(guest.link), b"by-a-stranger", "input"


def tunnel_guest(p):
    """A frame in a tunnel that a guest of another segment sends to the host."""
    guest = wide(p)
    packet = f.ip4(p.green.nic.ip, p.lab.HOST4, f.UDP, vxlan(inner(b"by-a-guest")))
    return lambda: p.raw.send(p.by_gateway(packet)), guest.packet(guest.link), b"by-a-guest", "input"


def tunnel_wrapped(p):
    """A frame that a guest has wrapped for the tunnel's other end, and would send it under the host's address."""
    wide(p)
    packets = [f.ip4(p.green.nic.ip, p.lab.OUTSIDE4, f.UDP, data) for data in (
        # Of another network: from then on the connection is known.
        f.udp(5555, VXLAN_PORT, struct.pack("!II", 0x08000000, 1 << 8) + bytes(40)), vxlan(inner(b"wrapped-by-a-guest")))]
    return (lambda: [p.raw.send(p.by_gateway(packet)) for packet in packets], p.lab.out.packet("out0"),
            b"wrapped-by-a-guest", "to_peer")


def untranslated(p):
    """Of no connection, so that it would leave under the guest's own address."""
    head = struct.pack("!HHIIBBHHH", 4000, 80, 1, 0, 5 << 4, 4, 0, 0, 0)
    packet = f.ip4(p.green.nic.ip, p.lab.OUTSIDE4, 6, head + b"reset-of-nothing")
    return lambda: p.raw.send(p.by_gateway(packet)), p.lab.out.packet("out0"), b"reset-of-nothing", "forward"


def port_shadow(p):
    """What the outside sends to a port of the host's, from where a guest has sent something under that very port."""
    outside, seen = p.lab.out.packet("out0", 0), p.lab.out.packet("out0")
    ports, listening = iter(range(5000, 9000)), iter(range(53, 4000))
    up, out = mac_of(p.host, "up0"), mac_of(p.lab.out, "out0")

    # Who has been translated once is translated so again: another one each time.
    def send():
        there, port = next(ports), next(listening)
        p.raw.send(p.by_gateway(f.ip4(p.green.nic.ip, p.lab.OUTSIDE4, f.UDP, f.udp(port, there, b"mine"))))
        if arrives(lambda: None, seen, b"mine", PATIENCE):
            outside.send(f.ether(up, out, f.IP, f.ip4(p.lab.OUTSIDE4, p.lab.HOST4, f.UDP, f.udp(there, port, b"for-the-host"))))

    def guard():
        t = p.lab.table("inet")
        p.host.run("nft", "flush", "chain", "inet", t, "postrouting")
        p.host.run("nft", "add", "rule", "inet", t, "postrouting", "ip", "saddr", "@nat4", "masquerade")
    return send, p.green.packet(p.green.link), b"for-the-host", guard


def without_ports(p):
    """IP in IP to whom the host may have a tunnel of its own with: it would leave under the host's address."""
    packet = f.ip4(p.green.nic.ip, p.lab.OUTSIDE4, 4, f.ip4("10.9.9.9", "10.9.9.8", f.UDP, f.udp(9, 9, b"in-a-tunnel")))
    return lambda: p.raw.send(p.by_gateway(packet)), p.lab.out.packet("out0"), b"in-a-tunnel", "forward"


def without_ports6(p):
    """GRE over IPv6."""
    packet = f.ip6(p.green.nic.ip6, p.lab.OUTSIDE6, 47, b"\0\0\x08\0" + b"in-a-tunnel")
    return (lambda: p.raw.send(f.ether(p.gateway, p.green.nic.ether, f.IP6, packet)), p.lab.out.packet("out0"), b"in-a-tunnel",
            "forward")


def neighbours(p):
    """Behind so many who are not there that the kernel would have no room to ask for somebody who is."""
    other = p.lab.guest("green2", "network=green")
    # More than a queue takes at once.
    p.raw.setblocking(True)
    src, s = p.green.nic.ip6, other.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((other.nic.ip6, 4000))

    def frame(dst):
        return f.ether(p.gateway, p.green.nic.ether, f.IP6,
                       f.ip6(src, dst, f.UDP, f.udp6(src, dst, 9, 4000, b"who-is-there")))
    frames = [frame("fd01::aa:%x" % i) for i in range(700)] + [frame(other.nic.ip6)]
    return lambda: [p.raw.send(each) for each in frames], s, b"who-is-there", "asking"


def icmp_error(about):
    body = struct.pack("!BBHHH", 3, 4, 0, 0, 600) + about
    return body[:2] + struct.pack("!H", f.checksum(body)) + body[4:]


def icmp6_error(src, dst, about):
    body = struct.pack("!BBHI", 2, 0, 0, 1280) + about
    s = f.checksum(f.a6(src) + f.a6(dst) + struct.pack("!II", len(body), f.ICMP6) + body)
    return f.ip6(src, dst, f.ICMP6, body[:2] + struct.pack("!H", s) + body[4:])


def flow(place, space, family, here, there):
    """A datagram from port 4000 to port 5000 of the outside: the kernel knows the connection then."""
    out, own = (s.socket(family, socket.SOCK_DGRAM) for s in (place.out, space))
    out.bind((there, 5000))
    own.bind((here, 4000))
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        own.sendto(b"hello", (there, 5000))
        if select.select([out], [], [], 0.2)[0]:
            return out.recvfrom(100)[1][1]
    raise lab.Failed("no datagram comes to the outside")


def error_to_guest(p):
    """An error about another segment's connection, which the host translates back to its guest."""
    port = flow(p.lab, p.blue, socket.AF_INET, p.blue.nic.ip, p.lab.OUTSIDE4)
    about = f.ip4(p.lab.HOST4, p.lab.OUTSIDE4, f.UDP, f.udp(port, 5000, b"forged-error"))
    packet = f.ip4(p.green.nic.ip, p.lab.HOST4, 1, icmp_error(about))
    return lambda: p.raw.send(p.by_gateway(packet)), p.blue.packet(p.blue.link), b"forged-error", "forward"


def error_to_guest6(p):
    """The same, IPv6."""
    port = flow(p.lab, p.blue, socket.AF_INET6, p.blue.nic.ip6, p.lab.OUTSIDE6)
    about = f.ip6(p.lab.HOST6, p.lab.OUTSIDE6, f.UDP, f.udp6(p.lab.HOST6, p.lab.OUTSIDE6, port, 5000, b"forged-error"))
    packet = f.ether(p.gateway, p.green.nic.ether, f.IP6, icmp6_error(p.green.nic.ip6, p.lab.HOST6, about))
    return lambda: p.raw.send(packet), p.blue.packet(p.blue.link), b"forged-error", "forward"


def error_to_host(p):
    """An error about a connection of the host's own."""
    flow(p.lab, p.host, socket.AF_INET, p.lab.HOST4, p.lab.OUTSIDE4)
    about = f.ip4(p.lab.HOST4, p.lab.OUTSIDE4, f.UDP, f.udp(4000, 5000, b"forged-error"))
    packet = f.ip4(p.green.nic.ip, p.lab.HOST4, 1, icmp_error(about))
    heard = p.host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    return lambda: p.raw.send(p.by_gateway(packet)), heard, b"forged-error", "input"


def link_local_frames(p):
    """LINK_LOCAL and 802.1X with a neighbour's MAC address, so that the bridge sends the neighbour's frames here."""
    other = p.lab.guest("green2", "network=green")
    raw, asked = other.packet(other.link, 0), udp(p.host, "10.101.0.1", 4000)

    def send():
        # The neighbour speaks, and is where it was.
        p.raw.send(p.by_gateway(f.ip4(p.green.nic.ip, "10.101.0.1", f.UDP, f.udp(9, 9, b"here"))))
        for last in 0x03, 0x0e:
            raw.send(f.ether(bytes([1, 0x80, 0xc2, 0, 0, last]), p.green.nic.ether, 0x88cc, bytes(46)))
        asked.sendto(b"for-the-neighbour", (p.green.nic.ip, 4001))

    return send, other.packet(other.link), b"for-the-neighbour", lambda: p.host.run(
        "ip", "link", "set", p.green.nic.bridge, "type", "bridge", "no_linklocal_learn", "0")


def by_port(p, dst, kind, data, sock, token):
    """Frames to these addresses, which come in at the guest's port, not at its bridge."""
    def guards():
        p.host.run("ip", "link", "set", p.green.nic.port, "group", "default", "arp", "on")
        p.host.run("nft", "flush", "chain", "bridge", p.lab.table("bridge"), "input")
    sent = [f.ether(d, p.green.nic.ether, kind, data) for d in dst]
    return lambda: [p.raw.send(frame) for frame in sent], sock, token, guards


def link_local_ip(p):
    """IP of any source to the host, in frames that bridges keep to themselves."""
    packet = f.ip4("203.0.113.9", p.lab.HOST4, f.UDP, f.udp(9, 4000, b"in-a-link-local-frame"))
    return by_port(p, LINK_LOCAL, f.IP, packet, udp(p.host, p.lab.HOST4, 4000), b"in-a-link-local-frame")


def link_local_ip6(p):
    """The same, IPv6."""
    src, dst = "2001:db8:77::9", p.lab.HOST6
    s = p.host.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((dst, 4000))
    return by_port(p, LINK_LOCAL, f.IP6, f.ip6(src, dst, f.UDP, f.udp6(src, dst, 9, 4000, b"in-a-link-local-frame")), s,
                   b"in-a-link-local-frame")


def link_local_arp(p):
    """ARP of anybody, which the host learns and answers."""
    stranger = bytes.fromhex("02deadbeef01")
    return by_port(p, LINK_LOCAL, f.ARP, f.arp(1, stranger, "203.0.113.9", bytes(6), "10.101.0.1"), p.green.packet(p.green.link),
                   stranger + f.a4("203.0.113.9"))


def port_left(p):
    """IP of any source to the host, by a port that somebody has taken out of its bridge."""
    p.host.run("ip", "link", "set", p.green.nic.port, "nomaster")
    packet = f.ip4("203.0.113.9", p.lab.HOST4, f.UDP, f.udp(9, 4000, b"past-the-bridge"))
    return by_port(p, [mac_of(p.host, p.green.nic.port)], f.IP, packet, udp(p.host, p.lab.HOST4, 4000), b"past-the-bridge")


WAYS = {w.__name__.replace("_", "-"): w for w in (localnet, source_route, source_route_known, source_route_outside,
                                                  segment_route, multicast_router, forged_outside,
                                                  tunnel_stranger, tunnel_guest, tunnel_wrapped, untranslated, port_shadow,
                                                  without_ports, without_ports6,
                                                  neighbours, error_to_guest, error_to_guest6,
                                                  error_to_host, link_local_frames, link_local_ip, link_local_ip6,
                                                  link_local_arp, port_left)}


# Those that a counter of their own tells of.
COUNTED = {"source-route": "detour", "source-route-known": "detour", "source-route-outside": "detour", "segment-route": "detour",
           "link-local-ip": "other_proto", "port-left": "detour", "tunnel-stranger": "rogue_tunnel", "tunnel-guest": "rogue_tunnel",
           "tunnel-wrapped": "rogue_tunnel", "untranslated": "no_connection", "without-ports": "no_ports",
           "without-ports6": "no_ports", "neighbours": "flood", "error-to-guest": "rogue_error", "error-to-guest6": "rogue_error",
           "error-to-host": "rogue_error"}


def main(name):
    bad = 0
    with lab.Lab() as place:
        p = Place(place)
        send, sock, token, guard = WAYS[name](p)
        if arrives(send, sock, token, SILENCE):
            print("it leads through")
            bad += 1
        if name in COUNTED and not place.counters()[COUNTED[name]]:
            print("%s has not counted it" % COUNTED[name])
            bad += 1
        p.without(guard)
        if not arrives(send, sock, token, PATIENCE):
            print("it leads nowhere without its guard: nothing was shown")
            bad += 1
        place.vzrun("network", "apply")
        while select.select([sock], [], [], 0)[0]:
            sock.recv(4000)
        if arrives(send, sock, token, SILENCE):
            print("it leads through after apply")
            bad += 1
    print("%s: %d wrong" % (name, bad))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
