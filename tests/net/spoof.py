#!/usr/bin/env python3
"""spoof.py GROUP: frames forged inside a guest, byte by byte, one table. Each must be dropped and counted by the counter
named, by no other, and be seen neither by the neighbour nor by the host; the honest ones arrive and count nowhere.
Nobody waits: an honest frame sent behind by the same way, on the same processor, tells that what came before is through."""
import os
import select
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import frames as f      # noqa: E402
import lab              # noqa: E402

STRANGER = bytes.fromhex("02deadbeef01")
ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
PATIENCE = 20
SLEUTH = "spoof_nd spoof_ip6"   # it is both
PACKET_OUTGOING = 4
HONEST_VICTIM, HONEST_HOST, HOST_ONLY, UNSEEN = "victim", "host", "host only", "unseen"


class Place:
    """Who is who, for the table."""

    def __init__(self, me, other, gateway):
        self.me, self.other, self.gw = me, other, gateway
        self.mac, self.ip, self.ip6, self.ll = me.ether, me.ip, me.ip6, me.lladdr
        self.vmac, self.vip, self.vip6, self.vll = other.ether, other.ip, other.ip6, other.lladdr

    def eth4(self, packet, src=None, dst=None):
        return f.ether(dst or self.vmac, src or self.mac, f.IP, packet)

    def eth6(self, packet, src=None, dst=None):
        return f.ether(dst or self.vmac, src or self.mac, f.IP6, packet)

    def udp4(self, src=None, dst=None, sport=9, dport=9, **more):
        return f.ip4(src or self.ip, dst or self.vip, f.UDP, f.udp(sport, dport, b"data"), **more)

    def udp6(self, src=None, dst=None, sport=9, dport=9):
        src, dst = src or self.ip6, dst or self.vip6
        return f.ip6(src, dst, f.UDP, f.udp6(src, dst, sport, dport, b"data"))

    def arp(self, op, spa, tpa, sha=None, src=None, dst=f.BROADCAST, tha=bytes(6)):
        return f.ether(dst, src or self.mac, f.ARP, f.arp(op, sha or self.mac, spa, tha, tpa))

    def nd(self, kind, body, src=None, dst=None, mac=None, to=None, wrap=None):
        """An ICMPv6 message; wrap puts something between it and the IPv6 header."""
        src, dst = src or self.ip6, dst or self.vip6
        proto, data = f.ICMP6, f.icmp6(src, dst, kind, body)
        if wrap:
            proto, data = wrap(proto, data)
        return self.eth6(f.ip6(src, dst, proto, data), mac, to or (f.group_mac6(dst) if dst.startswith("ff") else None))


def mac_frames(p):
    yield "spoof_mac", "IPv4 from a MAC address of nobody", p.eth4(p.udp4(), src=STRANGER)
    yield "spoof_mac", "IPv4 from the neighbour's MAC address", p.eth4(p.udp4(), src=p.vmac)
    yield "spoof_mac", "IPv4 from the gateway's MAC address", p.eth4(p.udp4(), src=p.gw)
    yield "spoof_mac", "IPv4, MAC and source of the neighbour", p.eth4(p.udp4(src=p.vip), src=p.vmac)
    # No bridge takes such a frame, so no rule sees it.
    yield UNSEEN, "IPv4 from a multicast MAC address", p.eth4(p.udp4(), src=b"\x03" + p.mac[1:])
    yield UNSEEN, "IPv4 from no MAC address", p.eth4(p.udp4(), src=bytes(6))
    yield "spoof_mac", "IPv6 from a MAC address of nobody", p.eth6(p.udp6(), src=STRANGER)
    yield "spoof_mac", "IPv6 from the gateway's MAC address", p.eth6(p.udp6(), src=p.gw)
    yield "spoof_mac", "ARP from a MAC address of nobody", p.arp(1, p.ip, p.vip, src=STRANGER)
    yield "spoof_mac", "ARP from the neighbour's MAC address", p.arp(1, p.ip, p.vip, src=p.vmac)
    yield "rogue_dhcp", "a DHCP discover from a MAC address of nobody, in its name", discover(p, mac=STRANGER)
    yield "spoof_mac", "to the gateway from a MAC address of nobody", p.eth4(p.udp4(dst="192.0.2.2"), STRANGER, p.gw)
    yield HONEST_VICTIM, "IPv4", p.eth4(p.udp4())
    yield HONEST_VICTIM, "IPv6", p.eth6(p.udp6())
    yield HONEST_VICTIM, "ARP", p.arp(1, p.ip, p.vip)
    yield HONEST_HOST, "to the gateway", p.eth4(p.udp4(dst="192.0.2.2"), dst=p.gw)


def discover(p, mac=None, dst="255.255.255.255", to=f.BROADCAST, src="0.0.0.0"):
    return p.eth4(f.ip4(src, dst, f.UDP, f.udp(68, 67, f.dhcp(1, 1, mac or p.mac))), mac, to)


def offer(p, dst="255.255.255.255", to=f.BROADCAST, sport=67, **more):
    return p.eth4(f.ip4(p.ip, dst, f.UDP, f.udp(sport, 68, f.dhcp(2, 2, p.vmac, "10.101.0.99", p.ip)), **more), dst=to)


def ip4_frames(p):
    for name, src in (("the neighbour's", p.vip), ("the gateway's", "10.101.0.1"), ("an outsider's", "192.0.2.2"),
                      ("nobody's", "10.101.0.77"), ("0.0.0.0", "0.0.0.0"), ("a loopback", "127.0.0.1"),
                      ("the broadcast", "255.255.255.255"), ("a multicast", "224.0.0.1"), ("another segment's", "10.102.0.2")):
        yield "spoof_ip4", "%s source address, to the neighbour" % name, p.eth4(p.udp4(src=src))
        yield "spoof_ip4", "%s source address, to the gateway" % name, p.eth4(p.udp4(src=src, dst="192.0.2.2"), dst=p.gw)
    yield "spoof_ip4", "the neighbour's, with options", p.eth4(p.udp4(src=p.vip, options=b"\x01" * 40))
    yield "spoof_ip4", "the neighbour's, a later fragment", p.eth4(fragment4(p.udp4(src=p.vip), 100))
    yield "spoof_ip4", "the neighbour's, ICMP redirect", p.eth4(f.ip4(p.vip, p.ip, 1, b"\5\1\0\0" + f.a4(p.ip) + bytes(28)))
    group = f.group_mac4("239.1.1.1")
    report = f.igmp_report("239.1.1.1")
    alert = b"\x94\x04\0\0"
    yield "spoof_ip4", "IGMP report, the neighbour's source", p.eth4(f.ip4(p.vip, "239.1.1.1", 2, report, alert, 1), dst=group)
    yield "spoof_ip4", "IGMP report, source 0.0.0.0", p.eth4(f.ip4("0.0.0.0", "239.1.1.1", 2, report, alert, 1), dst=group)
    yield HONEST_HOST, "IGMP report", p.eth4(f.ip4(p.ip, "239.1.1.1", 2, report, alert, 1), dst=group)
    yield HONEST_VICTIM, "with options", p.eth4(p.udp4(options=b"\x01" * 40))
    yield HONEST_VICTIM, "a later fragment", p.eth4(fragment4(p.udp4(), 100))
    yield HONEST_VICTIM, "broadcast", p.eth4(p.udp4(dst="255.255.255.255"), dst=f.BROADCAST)
    # What is for one host, sent to all, would pass by the host's firewall; a subnet's broadcast goes with it.
    yield "other_proto", "for one host, to all", p.eth4(p.udp4(), dst=f.BROADCAST)
    yield "other_proto", "for one host, to a group", p.eth4(p.udp4(), dst=f.group_mac4("239.7.7.7"))
    yield "other_proto", "the subnet's broadcast", p.eth4(p.udp4(dst="10.101.0.255"), dst=f.BROADCAST)
    yield "other_proto", "IPv6 for one host, to all", p.eth6(p.udp6(), dst=f.BROADCAST)
    yield HONEST_VICTIM, "multicast", p.eth4(p.udp4(dst="239.7.7.7"), dst=f.group_mac4("239.7.7.7"))


def fragment4(packet, offset, more=True):
    flags = (0x2000 if more else 0) | offset // 8
    head = packet[:6] + flags.to_bytes(2, "big") + packet[8:10] + b"\0\0" + packet[12:20]
    return head[:10] + f.checksum(head).to_bytes(2, "big") + head[12:] + packet[20:]


def arp_frames(p):
    gateway = "10.101.0.1"
    for name, spa in ("the neighbour", p.vip), ("the gateway", gateway), ("nobody", "10.101.0.77"):
        yield "spoof_arp", "request, sender %s" % name, p.arp(1, spa, p.vip)
        yield "spoof_arp", "reply, sender %s" % name, p.arp(2, spa, p.vip, dst=p.vmac, tha=p.vmac)
        yield "spoof_arp", "gratuitous, %s" % name, p.arp(1, spa, spa)
        yield "spoof_arp", "gratuitous reply, %s" % name, p.arp(2, spa, spa, tha=f.BROADCAST)
        yield "spoof_arp", "probe for the address of %s" % name, p.arp(1, "0.0.0.0", spa)
    yield "spoof_arp", "own address at another MAC address", p.arp(2, p.ip, p.vip, sha=STRANGER, dst=p.vmac)
    yield "spoof_arp", "own address at the gateway's MAC address", p.arp(1, p.ip, p.ip, sha=p.gw)
    yield "spoof_arp", "a reply from 0.0.0.0 for its own address", p.arp(2, "0.0.0.0", p.vip)
    short = f.arp(1, p.mac, p.ip, bytes(6), p.vip)
    yield "spoof_arp", "lengths of other addresses", f.ether(f.BROADCAST, p.mac, f.ARP, short[:5] + b"\x10" + short[6:])
    yield "spoof_arp", "of another kind of hardware", f.ether(f.BROADCAST, p.mac, f.ARP, b"\0\6" + short[2:])
    yield "spoof_arp", "of another protocol", f.ether(f.BROADCAST, p.mac, f.ARP, short[:2] + b"\x86\xdd" + short[4:])
    yield "spoof_arp", "an operation that guests have no use for", p.arp(8, p.ip, p.vip)
    yield "other_proto", "reverse ARP", f.ether(f.BROADCAST, p.mac, 0x8035, f.arp(3, p.mac, p.ip, p.mac, "0.0.0.0"))
    yield HONEST_VICTIM, "request", p.arp(1, p.ip, p.vip)
    yield HONEST_VICTIM, "reply", p.arp(2, p.ip, p.vip, dst=p.vmac, tha=p.vmac)
    yield HONEST_VICTIM, "gratuitous", p.arp(1, p.ip, p.ip)
    yield HONEST_VICTIM, "gratuitous reply", p.arp(2, p.ip, p.ip, tha=f.BROADCAST)
    yield HONEST_VICTIM, "probe for its own address", p.arp(1, "0.0.0.0", p.ip)


def ip6_frames(p):
    for name, src in (("the neighbour's", p.vip6), ("the neighbour's link-local", p.vll), ("the gateway's", "fd01::1"),
                      ("the gateway's link-local", lab.link_local(p.gw)), ("an outsider's", "2001:db8::2"), ("::", "::"),
                      ("a loopback", "::1"), ("a multicast", "ff02::5"), ("an IPv4-mapped", "::ffff:10.101.0.3"),
                      ("another segment's", "fd02::2"), ("a link-local of nobody", "fe80::7")):
        yield "spoof_ip6", "%s source address, to the neighbour" % name, p.eth6(p.udp6(src=src))
        yield "spoof_ip6", "%s source address, to the gateway" % name, p.eth6(p.udp6(src=src, dst="2001:db8::2"), dst=p.gw)
        if src != "::":
            yield "spoof_ip6", "%s source address, an echo" % name, p.nd(128, bytes(4), src=src)
    for name, wrap in WRAPS:
        yield "spoof_ip6", "the neighbour's, behind %s" % name, p.nd(128, bytes(4), src=p.vip6, wrap=wrap)
    yield "spoof_ip6", "MLD report, the neighbour's source", mld(p, p.vll)
    yield HONEST_HOST, "MLD report", mld(p, p.ll)
    yield HONEST_HOST, "MLD report from ::", mld(p, "::")
    yield HONEST_VICTIM, "from its own address", p.eth6(p.udp6())
    yield HONEST_VICTIM, "from its link-local address", p.eth6(p.udp6(src=p.ll, dst=p.vll))
    yield HONEST_VICTIM, "multicast", p.eth6(p.udp6(src=p.ll, dst="ff02::7:7"), dst=f.group_mac6("ff02::7:7"))
    yield HONEST_VICTIM, "an echo", p.nd(128, bytes(4))
    yield HONEST_VICTIM, "a long datagram's first fragment", p.eth6(f.ip6(p.ip6, p.vip6, *f.fragment(f.UDP, f.udp6(
        p.ip6, p.vip6, 9, 9, bytes(64))))) 
    yield HONEST_VICTIM, "a later fragment", p.eth6(f.ip6(p.ip6, p.vip6, *f.fragment(f.UDP, bytes(64), 800)))


def mld(p, src):
    proto, data = f.hop_by_hop(f.ICMP6, f.icmp6(src, "ff02::16", 143, f.mld_report("ff02::1:2345")))
    return p.eth6(f.ip6(src, "ff02::16", proto, data, 1), dst=f.group_mac6("ff02::16"))


WRAPS = [("hop-by-hop options", f.hop_by_hop), ("destination options", f.destination_options),
         ("a routing header", f.routing_header), ("a long options header", lambda a, d: f.destination_options(a, d, 30)),
         ("three headers", lambda a, d: f.hop_by_hop(*f.destination_options(*f.routing_header(a, d))))]


def whole_fragment(after, data):
    return f.fragment(after, data, 0, False)


def first_fragment(after, data):
    return f.fragment(after, data)


def options_fragment(after, data):
    """Its upper header is for the next fragment."""
    return f.fragment(60, bytes([after, 3]) + bytes(6))


FRAGMENTS = [("an atomic fragment", whole_fragment), ("a first fragment", first_fragment)]


def nd_frames(p):
    own, foreign = f.lladdr_option(2, p.mac), f.lladdr_option(2, STRANGER)
    yield "spoof_nd", "advertisement for the neighbour", p.nd(f.NA, f.na(p.vip6, own), dst=ALL_NODES)
    yield "spoof_nd", "advertisement for the neighbour's link-local", p.nd(f.NA, f.na(p.vll, own), src=p.ll, dst=ALL_NODES)
    yield "spoof_nd", "advertisement for the gateway", p.nd(f.NA, f.na("fd01::1", own))
    yield "spoof_nd", "advertisement for the gateway, without option", p.nd(f.NA, f.na("fd01::1"))
    yield "spoof_nd", "advertisement for nobody", p.nd(f.NA, f.na("fd01::77", own))
    yield "spoof_nd", "advertisement, its own, of another MAC address", p.nd(f.NA, f.na(p.ip6, foreign), dst=ALL_NODES)
    yield "spoof_nd", "the same behind another option", p.nd(f.NA, f.na(p.ip6, b"\x0e\x01nonce!" + foreign), dst=ALL_NODES)
    for name, wrap in WRAPS + FRAGMENTS:
        yield "spoof_nd", "advertisement for the neighbour behind %s" % name, p.nd(f.NA, f.na(p.vip6, own), wrap=wrap)
    target, mac = f.solicited(p.vip6)
    sllao, foreign_s = f.lladdr_option(1, p.mac), f.lladdr_option(1, STRANGER)
    yield "spoof_nd", "solicitation with another MAC address", p.nd(f.NS, f.ns(p.vip6, foreign_s), dst=target, to=mac)
    yield "spoof_nd", "solicitation with the gateway's", p.nd(f.NS, f.ns(p.vip6, f.lladdr_option(1, p.gw)), dst=target, to=mac)
    yield "spoof_nd", "the same behind another option", p.nd(f.NS, f.ns(p.vip6, b"\x0e\x01nonce!" + foreign_s), dst=target, to=mac)
    yield SLEUTH, "detection for the neighbour's address", p.nd(f.NS, f.ns(p.vip6), src="::", dst=target, to=mac)
    yield SLEUTH, "detection for the neighbour's, to itself", p.nd(f.NS, f.ns(p.vip6), src="::")
    gateway = f.solicited("fd01::1")
    yield SLEUTH, "detection for the gateway's address", p.nd(f.NS, f.ns("fd01::1"), src="::", dst=gateway[0], to=gateway[1])
    for name, wrap in WRAPS + FRAGMENTS:
        yield SLEUTH, "detection for the neighbour's behind %s" % name, p.nd(f.NS, f.ns(p.vip6), src="::", dst=target, to=mac,
                                                                             wrap=wrap)
    yield SLEUTH, "solicitation from the neighbour's address", p.nd(f.NS, f.ns("fd01::1", sllao), src=p.vip6)
    yield SLEUTH, "solicitation from the gateway's address", p.nd(f.NS, f.ns(p.vip6, sllao), src="fd01::1")
    yield SLEUTH, "advertisement from the neighbour's address", p.nd(f.NA, f.na(p.ip6, own), src=p.vip6, dst=ALL_NODES)
    yield "spoof_nd", "router solicitation with another MAC address", p.nd(f.RS, bytes(4) + foreign_s, src=p.ll, dst=ALL_ROUTERS)
    yield "other_proto", "a message of which the rest is to follow", p.eth6(f.ip6(p.ip6, p.vip6, *options_fragment(f.ICMP6, b"")))
    yield HONEST_VICTIM, "solicitation", p.nd(f.NS, f.ns(p.vip6, sllao), dst=target, to=mac)
    yield HONEST_VICTIM, "solicitation from the link-local address", p.nd(f.NS, f.ns(p.vll, sllao), src=p.ll, dst=p.vll)
    yield HONEST_VICTIM, "advertisement", p.nd(f.NA, f.na(p.ip6, own), dst=ALL_NODES)
    yield HONEST_VICTIM, "advertisement, asked for, without option", p.nd(f.NA, f.na(p.ip6))
    yield HONEST_VICTIM, "advertisement of the link-local address", p.nd(f.NA, f.na(p.ll, own), src=p.ll, dst=ALL_NODES)
    group, mac = f.solicited(p.ip6)
    yield HONEST_HOST, "detection for its own address", p.nd(f.NS, f.ns(p.ip6), src="::", dst=group, to=mac)
    group, mac = f.solicited(p.ll)
    yield HONEST_HOST, "detection for its own, with a nonce", p.nd(f.NS, f.ns(p.ll, b"\x0e\x01nonce!"), src="::", dst=group, to=mac)
    yield HONEST_HOST, "router solicitation", p.nd(f.RS, bytes(4) + sllao, src=p.ll, dst=ALL_ROUTERS)


def rogue_frames(p):
    advert = f.ra(p.mac)
    yield "rogue_ra", "router advertisement", p.nd(f.RA, advert, src=p.ll, dst=ALL_NODES)
    yield "rogue_ra", "router advertisement to the neighbour", p.nd(f.RA, advert, src=p.ll, dst=p.vll)
    yield "rogue_ra", "router advertisement from the gateway's address", p.nd(f.RA, advert, src=lab.link_local(p.gw), dst=ALL_NODES)
    yield "rogue_ra", "redirect", p.nd(f.REDIRECT, f.redirect(p.ip6, "2001:db8::2", p.mac), src=p.ll)
    yield "rogue_ra", "redirect from the gateway's address", p.nd(f.REDIRECT, f.redirect(p.ip6, "2001:db8::2", p.mac),
                                                                  src=lab.link_local(p.gw))
    for name, wrap in WRAPS + FRAGMENTS:
        yield "rogue_ra", "router advertisement behind %s" % name, p.nd(f.RA, advert, src=p.ll, dst=ALL_NODES, wrap=wrap)
    yield "rogue_dhcp", "DHCP offer", offer(p)
    yield "rogue_dhcp", "DHCP offer to the neighbour", offer(p, dst=p.vip, to=p.vmac)
    yield "rogue_dhcp", "DHCP offer from another port", offer(p, sport=9999)
    yield "rogue_dhcp", "DHCP offer from another port to the neighbour", offer(p, dst=p.vip, to=p.vmac, sport=68)
    yield "rogue_dhcp", "DHCP offer behind options", offer(p, options=b"\x01" * 36)
    yield "rogue_dhcp", "DHCP offer, first fragment", p.eth4(fragment4(f.ip4(p.ip, p.vip, f.UDP, f.udp(67, 68, f.dhcp(
        2, 2, p.vmac))), 0))
    advertise = p.udp6(src=p.ll, dst=p.vll, sport=547, dport=546)
    # A client that reads frames by itself may look at less of a header than the kernel does.
    frame = offer(p, dst=p.vip, to=p.vmac)
    yield "rogue_dhcp", "DHCP offer in a header of another version", frame[:14] + bytes([0x05]) + frame[15:]
    yield "rogue_dhcp", "DHCP offer in a header that says more than is there", frame[:16] + b"\xff\xff" + frame[18:]
    yield "rogue_dhcp", "DHCPv6 advertise", p.eth6(advertise)
    yield "rogue_dhcp", "DHCPv6 advertise from another port", p.eth6(p.udp6(src=p.ll, dst=p.vll, sport=9999, dport=546))
    wrapped = f.destination_options(f.UDP, f.udp6(p.ll, p.vll, 547, 546, b"data"))
    yield "rogue_dhcp", "DHCPv6 advertise behind options", p.eth6(f.ip6(p.ll, p.vll, *wrapped))
    rest = f.ip6(p.ip6, p.vip6, *options_fragment(f.UDP, b""))
    yield "rogue_dhcp", "a first fragment whose ports are in the next, which says DHCPv6 advertise", p.eth6(rest)
    for name, kind in ("discover", 1), ("decline", 4), ("release", 7):
        theirs = f.udp(68, 67, f.dhcp(1, kind, p.vmac))
        yield "rogue_dhcp", "DHCP %s for the neighbour" % name, p.eth4(f.ip4(p.ip, "10.101.0.1", f.UDP, theirs), dst=p.gw)
        yield "rogue_dhcp", "DHCP %s for the neighbour, to all" % name, p.eth4(f.ip4(
            "0.0.0.0", "255.255.255.255", f.UDP, theirs), dst=f.BROADCAST)
        yield "rogue_dhcp", "DHCP %s, cut before whose it is" % name, p.eth4(fragment4(f.ip4(
            p.ip, "10.101.0.1", f.UDP, theirs[:32]), 0), dst=p.gw)
    yield HOST_ONLY, "DHCP discover", discover(p)
    yield "spoof_ip4", "DHCP discover to the neighbour alone", discover(p, dst=p.vip, to=p.vmac)
    yield HONEST_HOST, "DHCP request, renewing", discover(p, dst="10.101.0.1", to=p.gw, src=p.ip)
    solicit = p.udp6(src=p.ll, dst="ff02::1:2", sport=546, dport=547)
    yield HONEST_HOST, "DHCPv6 solicit", p.eth6(solicit, dst=f.group_mac6("ff02::1:2"))


    yield from querier_frames(p)


def querier_frames(p):
    """Who asks for members of groups, and then is the one that gets what is sent to them."""
    alert, unheard4, unheard6 = b"\x94\x04\0\0", f.group_mac4("239.9.9.9"), f.group_mac6("ff02::9:9")
    for name, group, to, mac in (("all groups", "0.0.0.0", "224.0.0.1", None), ("a group", "239.1.1.1", "239.1.1.1", None),
                                 ("all groups, to a group of nobody", "0.0.0.0", "224.0.0.1", unheard4)):
        query = f.ip4(p.ip, to, 2, f.igmp_query(group), alert, 1)
        yield "rogue_ra", "IGMP query of %s" % name, p.eth4(query, dst=mac or f.group_mac4(to))
        yield "rogue_ra", "the same, a later fragment", p.eth4(fragment4(query, 8), dst=mac or f.group_mac4(to))
    for name, group, to, mac in (("all groups", "::", ALL_NODES, None), ("a group", "ff02::1:2345", "ff02::1:2345", None),
                                 ("all groups, to a group of nobody", "::", ALL_NODES, unheard6)):
        proto, data = f.hop_by_hop(f.ICMP6, f.icmp6(p.ll, to, 130, f.mld_query(group)))
        yield "rogue_ra", "MLD query of %s" % name, p.eth6(f.ip6(p.ll, to, proto, data, 1), dst=mac or f.group_mac6(to))
        proto, data = f.hop_by_hop(*f.authentication(f.ICMP6, f.icmp6(p.ll, to, 130, f.mld_query(group))))
        yield "rogue_ra", "the same, authenticated", p.eth6(f.ip6(p.ll, to, proto, data, 1), dst=mac or f.group_mac6(to))
    # Greetings of routers of groups: PIM's, and those of RFC 4286.
    hello = b"\x20\0" + f.checksum(b"\x20\0\0\0").to_bytes(2, "big")
    yield "rogue_ra", "PIM hello", p.eth4(f.ip4(p.ip, "224.0.0.13", 103, hello, ttl=1), dst=f.group_mac4("224.0.0.13"))
    advert = b"\x30\x14" + f.checksum(b"\x30\x14\0\0" + bytes(4)).to_bytes(2, "big") + bytes(4)
    yield "rogue_ra", "IGMP router advertisement", p.eth4(f.ip4(p.ip, "224.0.0.106", 2, advert, alert, 1),
                                                          dst=f.group_mac4("224.0.0.106"))
    proto, data = f.hop_by_hop(f.ICMP6, f.icmp6(p.ll, "ff02::6a", 151, bytes(4), 20))
    yield "rogue_ra", "MLD router advertisement", p.eth6(f.ip6(p.ll, "ff02::6a", proto, data, 1), dst=f.group_mac6("ff02::6a"))
    leave = f.igmp_report("239.1.1.1")
    leave = b"\x17\0" + f.checksum(b"\x17\0\0\0" + leave[4:]).to_bytes(2, "big") + leave[4:]
    yield HONEST_HOST, "IGMP leave", p.eth4(f.ip4(p.ip, "224.0.0.2", 2, leave, alert, 1), dst=f.group_mac4("224.0.0.2"))


TAGS = [("802.1Q", [(0x8100, 5)]), ("802.1Q of VLAN 0", [(0x8100, 0)]), ("802.1Q of VLAN 1", [(0x8100, 1)]),
        ("802.1ad", [(0x88A8, 5)]), ("802.1ad and 802.1Q", [(0x88A8, 5), (0x8100, 6)]), ("old Q-in-Q", [(0x9100, 5)]),
        ("two of 802.1Q", [(0x8100, 5), (0x8100, 6)])]


def tagged_frames(p):
    for name, tags in TAGS:
        for what, frame in (("IPv4", p.eth4(p.udp4())), ("IPv4, the neighbour's source", p.eth4(p.udp4(src=p.vip))),
                            ("IPv6", p.eth6(p.udp6())), ("IPv6, the neighbour's source", p.eth6(p.udp6(src=p.vip6))),
                            ("ARP", p.arp(1, p.ip, p.vip)), ("ARP, sender the gateway", p.arp(1, "10.101.0.1", p.vip)),
                            ("router advertisement", p.nd(f.RA, f.ra(p.mac), src=p.ll, dst=ALL_NODES)),
                            ("another MAC address", p.eth4(p.udp4(), src=STRANGER))):
            yield "other_proto", "%s: %s" % (name, what), f.tagged(frame, *tags)
    yield HONEST_VICTIM, "without a tag", p.eth4(p.udp4())


def other_frames(p):
    for name, kind in (("EAPOL", 0x888E), ("LLDP", 0x88CC), ("IPX", 0x8137), ("MPLS", 0x8847), ("PPPoE discovery", 0x8863),
                       ("PPPoE session", 0x8864), ("loopback", 0x9000), ("AppleTalk", 0x809B), ("PTP", 0x88F7),
                       ("ATA over Ethernet", 0x88A2), ("TRILL", 0x22F3), ("MACsec", 0x88E5), ("nothing known", 0xBEEF)):
        for to, dst in ("the neighbour", p.vmac), ("all", f.BROADCAST):
            yield "other_proto", "%s to %s" % (name, to), f.ether(dst, p.mac, kind, b"\x02" * 40)
        yield "other_proto", "%s from another MAC address" % name, f.ether(p.vmac, STRANGER, kind, b"\x02" * 40)
    bpdu = b"\x42\x42\x03" + bytes(35)
    yield "other_proto", "802.3 with LLC", f.ether(p.vmac, p.mac, 38, bpdu)
    yield "other_proto", "802.3 with SNAP and IPv4 in it", f.ether(p.vmac, p.mac, 100, b"\xaa\xaa\x03\0\0\0\x08\0" + p.udp4())
    yield "other_proto", "802.3 with SNAP and ARP in it", f.ether(f.BROADCAST, p.mac, 36, b"\xaa\xaa\x03\0\0\0\x08\x06" + f.arp(
        1, p.mac, p.vip, bytes(6), p.vip))
    yield "other_proto", "802.3 with LLC and IPv4 in it", f.ether(p.vmac, p.mac, 60, b"\x06\x06\x03" + p.udp4() + bytes(10))
    # To these groups a bridge never forwards, whoever sends: no rule is asked.
    for name, low, kind in ("EAPOL", 3, 0x888E), ("LLDP", 14, 0x88CC), ("pause", 1, 0x8808):
        group = bytes.fromhex("0180c2000000")[:5] + bytes([low])
        yield UNSEEN, "%s to its group" % name, f.ether(group, p.mac, kind, b"\x02" * 40)
    yield "other_proto", "spanning tree to its group", f.ether(bytes.fromhex("0180c2000000"), p.mac, 38, bpdu)
    yield HONEST_VICTIM, "IPv4", p.eth4(p.udp4())


def cut(frame, n):
    """So many bytes behind the Ethernet header."""
    return frame[:14 + n]


def short_frames(p):
    whole4, whole6 = p.eth4(p.udp4()), p.eth6(p.udp6())
    for n in 0, 1, 8, 15:
        yield "spoof_ip4 rogue_dhcp", "IPv4 of %d bytes" % n, cut(whole4, n)
    for n in 0, 1, 8, 23:
        yield "spoof_ip6 other_proto", "IPv6 of %d bytes" % n, cut(whole6, n)
    for n in 0, 1, 8, 17:
        yield "spoof_arp spoof_mac", "ARP of %d bytes" % n, cut(p.arp(1, p.ip, p.vip), n)
    for n in 1, 4, 8, 23:
        m = f.icmp6(p.ip6, p.vip6, f.NA, f.na(p.vip6))[:n]
        yield "spoof_nd", "advertisement of %d bytes" % n, cut(p.eth6(f.ip6(p.ip6, p.vip6, f.ICMP6, m)), 40 + n)
    m = f.icmp6(p.ll, p.vll, f.RA, f.ra(p.mac))[:1]
    yield "rogue_ra", "router advertisement of one byte", cut(p.eth6(f.ip6(p.ll, p.vll, f.ICMP6, m)), 41)
    for kind, name in (f.NA, "advertisement"), (f.NS, "solicitation"):
        for n in 1, 4, 8, 23:
            m = p.nd(kind, f.na(p.vip6, f.lladdr_option(2, p.mac)))
            yield "spoof_nd other_proto", "%s cut after %d bytes" % (name, n), cut(m, 40 + n)
    yield "rogue_ra other_proto", "router advertisement of one byte", cut(p.nd(f.RA, f.ra(p.mac), src=p.ll, dst=ALL_NODES), 41)
    yield HONEST_VICTIM, "the shortest datagram", cut(p.eth4(f.ip4(p.ip, p.vip, f.UDP, f.udp(9, 9, b""))), 28)


GROUPS = {"mac": mac_frames, "ip4": ip4_frames, "arp": arp_frames, "ip6": ip6_frames, "nd": nd_frames,
          "rogue": rogue_frames, "tagged": tagged_frames, "other": other_frames, "short": short_frames}


class Range:
    """Where the frames fly: a guest that forges, its neighbour, the host."""

    def __init__(self, place):
        self.lab = place
        place.network("green", "--subnet", "10.101.0.0/24", "--subnet6", "fd01::/64")
        self.me, self.other = place.guest("mallory", "network=green"), place.guest("victim", "network=green")
        self.out = self.me.packet(self.me.link, 0)
        self.seen = {"victim": self.other.packet(self.other.link), "host": place.host.packet(self.me.nic.bridge)}
        s = place.host.packet(self.me.nic.bridge, 0)
        self.place = Place(self.me.nic, self.other.nic, s.getsockname()[4])
        s.close()
        self.n = 0

    def mark(self):
        self.n += 1
        return b"<%06d>" % self.n

    def fence(self):
        """{where: frames seen there until honest ones sent now arrived}"""
        p, got = self.place, {}
        for where, ip, mac in ("victim", p.vip, p.vmac), ("host", "10.101.0.1", p.gw):
            end = self.mark()
            self.out.send(p.eth4(f.ip4(p.ip, ip, f.UDP, f.udp(9, 9, end)), dst=mac))
            got[where] = self.collect(self.seen[where], end)
        return got

    @staticmethod
    def collect(sock, end):
        got = []
        until = time.monotonic() + PATIENCE
        while select.select([sock], [], [], max(0, until - time.monotonic()))[0]:
            frame, address = sock.recvfrom(4000)
            if address[2] == PACKET_OUTGOING:
                continue
            if end in frame:
                return got
            got.append(frame)
        raise lab.Failed("an honest frame did not arrive")

    def fly(self, frame):
        """Where it was seen; what was counted meanwhile."""
        before = self.lab.counters()
        frame, sign = self.sign(frame)
        self.out.send(frame)
        got = self.fence()
        after = self.lab.counters()
        counted = {name: n - before.get(name, 0) for name, n in after.items() if n != before.get(name, 0)}
        return [where for where, frames in got.items() if any(sign in g[:4 + len(sign) + 22] for g in frames)], counted

    def sign(self, frame):
        """By what it is known again. A bridge takes padding away, a kernel the first tag."""
        at = 12
        while frame[at:at + 2] in (b"\x81\0", b"\x88\xa8", b"\x91\0"):
            at += 4
        packet = frame[at + 2:]
        if len(frame) < 60:
            return frame, frame[:14] + packet
        if frame[at:at + 2] == b"\x08\0":
            return frame, packet[:int.from_bytes(packet[2:4], "big")]
        if frame[at:at + 2] == b"\x86\xdd":
            return frame, packet[:40 + int.from_bytes(packet[4:6], "big")]
        mark = self.mark()
        return frame + mark, packet + mark


def judge(want, there, counted):
    """What is wrong, or nothing."""
    if want in (HONEST_VICTIM, HONEST_HOST, HOST_ONLY):
        if counted:
            return "counted: %s" % counted
        if want == HOST_ONLY:
            return "" if there == ["host"] else "seen by %s, not by the host alone" % (there or "nobody")
        return "" if want in there else "not seen by the " + want
    if there:
        return "seen by %s" % " and ".join(there)
    if want == UNSEEN:
        return ""
    good = any(counted == {name: 1} for name in want.split())
    return "" if good else "counted %s, not %s once" % (counted or "nowhere", want)


def main(group):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    bad = n = 0
    with lab.Lab(outside=False) as place:
        r = Range(place)
        r.fence()
        for want, name, frame in GROUPS[group](r.place):
            wrong = judge(want, *r.fly(frame))
            n += 1
            if wrong:
                bad += 1
                print("%s: %s" % (name, wrong))
        bad += unharmed(r)
    print("%s: %d frames, %d wrong" % (group, n, bad))
    return bad != 0


def unharmed(r):
    """The victim knows its neighbours by their right MAC addresses, and no router but its gateway."""
    right = {r.me.nic.ip: r.me.nic.mac, r.me.nic.ip6: r.me.nic.mac, r.me.nic.lladdr: r.me.nic.mac}
    bad = 0
    for words in r.other.run("ip", "neigh").splitlines():
        w = words.split()
        if "lladdr" in w and w[0] in right and w[w.index("lladdr") + 1] != right[w[0]]:
            print("the victim believes: " + words)
            bad += 1
    for words in r.other.run("ip", "-6", "route").splitlines():
        if "proto ra" in words:
            print("the victim has a route: " + words)
            bad += 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
