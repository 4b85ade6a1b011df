"""Frames put together byte by byte: what a kernel would not send for us."""
import itertools
import socket
import struct

BROADCAST = b"\xff" * 6
IP, ARP, IP6 = 0x0800, 0x0806, 0x86DD
ICMP6, UDP = 58, 17
RS, RA, NS, NA, REDIRECT = 133, 134, 135, 136, 137
# No two packets are the same: IPv4's identification, IPv6's flow label.
serial = itertools.count(1)


def a4(text):
    return socket.inet_pton(socket.AF_INET, text)


def a6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def ether(dst, src, kind, data):
    """Padded as a card would."""
    return (dst + src + struct.pack("!H", kind) + data).ljust(60, b"\0")


def tagged(frame, *tags):
    """802.1Q, 802.1ad: (ethertype, id) from the outermost on."""
    return frame[:12] + b"".join(struct.pack("!HH", kind, vid) for kind, vid in tags) + frame[12:]


# --- IPv4 ----------------------------------------------------------------------------------------------

def ip4(src, dst, proto, data, options=b"", ttl=64):
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(data), next(serial), 0,
                       ttl, proto, 0, a4(src), a4(dst)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + data


def udp(sport, dport, data):
    """Without a checksum, which IPv4 allows."""
    return struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data


def udp6(src, dst, sport, dport, data):
    u = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    s = checksum(a6(src) + a6(dst) + struct.pack("!II", len(u), UDP) + u)
    return u[:6] + struct.pack("!H", s or 0xFFFF) + u[8:]


def arp(op, sha, spa, tha, tpa):
    return struct.pack("!HHBBH6s4s6s4s", 1, IP, 6, 4, op, sha, a4(spa), tha, a4(tpa))


def igmp_report(group):
    body = struct.pack("!BBH4s", 0x16, 0, 0, a4(group))
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def igmp_query(group):
    body = struct.pack("!BBH4s", 0x11, 1, 0, a4(group))
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def dhcp(op, kind, mac, yiaddr="0.0.0.0", server="0.0.0.0"):
    """A message of the kind (1: discover, 2: offer)."""
    return (struct.pack("!BBBBIHH4s4s4s4s", op, 1, 6, 0, 0x1234, 0, 0x8000, bytes(4), a4(yiaddr), a4(server), bytes(4)) +
            mac.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63" + bytes([53, 1, kind, 255]))


# --- IPv6 ----------------------------------------------------------------------------------------------

def ip6(src, dst, proto, data, hops=255):
    return struct.pack("!IHBB16s16s", 6 << 28 | next(serial), len(data), proto, hops, a6(src), a6(dst)) + data


def icmp6(src, dst, kind, body, code=0):
    m = struct.pack("!BBH", kind, code, 0) + body
    s = checksum(a6(src) + a6(dst) + struct.pack("!II", len(m), ICMP6) + m)
    return m[:2] + struct.pack("!H", s) + m[4:]


def lladdr_option(kind, mac):
    """1: the source's, 2: the target's."""
    return bytes([kind, 1]) + mac


def ns(target, option=b""):
    return bytes(4) + a6(target) + option


def na(target, option=b"", flags=0x60000000):
    return struct.pack("!I", flags) + a6(target) + option


def ra(mac):
    prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 3600, 3600, 0, a6("2001:db8:bad::"))
    return struct.pack("!BBHII", 64, 0, 1800, 0, 0) + lladdr_option(1, mac) + prefix


def redirect(target, destination, mac):
    return bytes(4) + a6(target) + a6(destination) + lladdr_option(2, mac)


def mld_report(group):
    """Version 2, one record: from now on everything of the group."""
    return struct.pack("!HHBBH16s", 0, 1, 4, 0, 0, a6(group))


def mld_query(group):
    """Version 1, to be answered within a millisecond."""
    return struct.pack("!HH16s", 1, 0, a6(group))


def solicited(address):
    """The group that a neighbour solicitation for the address goes to, and its MAC address."""
    low = a6(address)[13:]
    return socket.inet_ntop(socket.AF_INET6, b"\xff\x02" + bytes(9) + b"\x01\xff" + low), b"\x33\x33\xff" + low


def group_mac6(group):
    return b"\x33\x33" + a6(group)[12:]


def group_mac4(group):
    g = a4(group)
    return b"\x01\x00\x5e" + bytes([g[1] & 0x7F]) + g[2:]


# Extension headers before data of protocol `after`: (protocol to name before them, bytes)

def hop_by_hop(after, data):
    """A router alert, as MLD has."""
    return 0, bytes([after, 0, 5, 2, 0, 0, 1, 0]) + data


def destination_options(after, data, words=0):
    return 60, bytes([after, words, 1, 4 + 8 * words]) + bytes(4 + 8 * words) + data


def routing_header(after, data, kind=0, via="2001:db8::7"):
    return 43, bytes([after, 2, kind, 1]) + bytes(4) + a6(via) + data


def authentication(after, data):
    """Of no association: an end has no use for it."""
    return 51, struct.pack("!BBHII", after, 4, 0, 1, 1) + bytes(12) + data


def fragment(after, data, offset=0, more=True, ident=0x77):
    return 44, struct.pack("!BBHI", after, 0, offset | (1 if more else 0), ident) + data
