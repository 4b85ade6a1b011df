"""Packets from one end to another, all at a time: which arrive and are answered. An end is a place with addresses;
it answers on TCP and UDP ports 80 and 81."""
import errno
import itertools
import os
import select
import socket
import struct
import time

import frames as f
import lab

GROUP4, GROUP6, GROUP_PORT = "239.7.7.7", "ff02::7:7", 7777
OPEN, SHUT = 80, 81             # the port that a rule opens, and another one
RECEIVED = 10.0                 # patience with what has to arrive: a machine may be busy
NOTHING = 1.2                   # what is to be blocked gets so long, and is sent twice
AGAIN = 0.5
numbers = itertools.count(os.getpid() & 0xFFFF)


class End:
    def __init__(self, name, space, link, ip=None, ip6=None, host=False):
        self.name, self.space, self.link, self.ip, self.ip6, self.host = name, space, link, ip, ip6, host
        with space:
            self.index = socket.if_nametoindex(link)
        raw = space.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        raw.bind((link, 0))
        self.mac = raw.getsockname()[4]
        raw.close()
        self.fe80 = self.link_local()
        self.servers = []
        for port in OPEN, SHUT:
            for family, address in (socket.AF_INET, ip), (socket.AF_INET6, ip6):
                if address:
                    self.serve(family, (address, port))

    def link_local(self):
        with self.space, open("/proc/thread-self/net/if_inet6") as lines:
            found = [w[0] for w in map(str.split, lines) if w[5] == self.link and w[3] == "20"]
        return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(found[0])) if found else lab.link_local(self.mac)

    def serve(self, family, address):
        for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
            s = self.space.socket(family, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind(address)
            if kind == socket.SOCK_STREAM:
                s.listen(64)
            self.servers.append(s)

    def answer(self, s):
        try:
            if s.type == socket.SOCK_STREAM:
                s.accept()[0].close()
            else:
                data, who = s.recvfrom(2000)
                s.sendto(data, who)
        except OSError:
            pass


class Probe:
    """done: it went there, and where there is an answer, the answer came back."""
    receiver = None

    def __init__(self, src, dst):
        self.src, self.dst, self.done, self.over = src, dst, False, False
        # Of its own, also for connection tracking: what passed once must not let the next one pass.
        self.number = next(numbers) & 0xFFFF
        self.token = b"vzprobe%08d." % self.number
        self.sock = self.open()

    def fileno(self):
        return self.sock.fileno()

    def send(self):
        raise NotImplementedError

    def got(self):
        raise NotImplementedError

    def close(self):
        self.sock.close()

    def wants(self):
        return (self.sock,), ()


class Echo(Probe):
    family, proto, request, reply = socket.AF_INET, socket.IPPROTO_ICMP, 8, 0

    def to(self):
        return (self.dst.ip, 0)

    def open(self):
        return self.src.space.socket(self.family, socket.SOCK_RAW, self.proto)

    def send(self):
        m = struct.pack("!BBHHH", self.request, 0, 0, self.number, 1) + self.token
        # The kernel fills in ICMPv6's.
        m = m[:2] + struct.pack("!H", f.checksum(m)) + m[4:]
        self.sock.sendto(m, self.to())

    def got(self):
        data, who = self.sock.recvfrom(2000)
        data = data[20:] if self.family == socket.AF_INET else data
        if data[0] == self.reply and data.endswith(self.token) and who[0].split("%")[0] == self.to()[0]:
            self.done = True


class Echo6(Echo):
    family, proto, request, reply = socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129

    def to(self):
        return (self.dst.ip6, 0, 0, 0)


class LinkLocal(Echo6):
    def to(self):
        return (self.dst.fe80, 0, 0, self.src.index)


def connected(sock):
    try:
        return bool(sock.getpeername())
    except OSError:
        return False


class Tcp(Probe):
    family, port = socket.AF_INET, OPEN

    def to(self):
        return (self.dst.ip if self.family == socket.AF_INET else self.dst.ip6, self.port)

    def open(self):
        return self.src.space.socket(self.family, socket.SOCK_STREAM)

    def send(self):
        """Once: the kernel repeats it."""
        if self.over or getattr(self, "begun", False):
            return
        self.begun = True
        e = self.sock.connect_ex(self.to())
        if e not in (0, errno.EINPROGRESS):
            self.over = True

    def wants(self):
        return (), (() if self.over or self.done else (self.sock,))

    def got(self):
        e = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        # What is not connected, and has no error, had one that was told already.
        self.done = e == 0 and connected(self.sock)
        self.over = not self.done


class Tcp6(Tcp):
    family = socket.AF_INET6


class TcpShut(Tcp):
    port = SHUT


class Tcp6Shut(Tcp6):
    port = SHUT


class Udp(Tcp):
    """There and back; a refusal is an error of the next call."""

    def open(self):
        return self.src.space.socket(self.family, socket.SOCK_DGRAM)

    def wants(self):
        return (self.sock,), ()

    def send(self):
        self.sock.connect(self.to())
        self.sock.send(self.token)

    def got(self):
        self.done = self.sock.recv(2000) == self.token


class Udp6(Udp):
    family = socket.AF_INET6


class Arp(Probe):
    """Who has the other's address? On the asker's own link."""

    def open(self):
        return self.src.space.packet(self.src.link)

    def send(self):
        ask = f.arp(1, self.src.mac, self.src.ip, bytes(6), self.dst.ip)
        self.sock.send(f.ether(f.BROADCAST, self.src.mac, f.ARP, ask))

    def got(self):
        d = self.sock.recv(2000)
        if d[12:14] == b"\x08\x06" and d[20:22] == b"\0\x02" and d[28:32] == f.a4(self.dst.ip):
            self.done = True


class Multicast(Probe):
    """A datagram to a group. A guest sees it on its link; the host takes part in the group on its bridge."""

    def open(self):
        self.out = self.src.space.packet(self.src.link, 0)
        return self.receiver_of() if self.dst.host else self.dst.space.packet(self.dst.link)

    def receiver_of(self):
        s = self.dst.space.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", GROUP_PORT))
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     struct.pack("@4s4si", f.a4(GROUP4), bytes(4), self.dst.index))
        return s

    def send(self):
        d = f.ip4(self.src.ip, GROUP4, f.UDP, f.udp(GROUP_PORT, GROUP_PORT, self.token))
        self.out.send(f.ether(f.group_mac4(GROUP4), self.src.mac, f.IP, d))

    def got(self):
        if self.token in self.sock.recv(2000):
            self.done = True

    def close(self):
        self.out.close()
        self.sock.close()


class Multicast6(Multicast):
    def receiver_of(self):
        s = self.dst.space.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", GROUP_PORT))
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, struct.pack("@16si", f.a6(GROUP6), self.dst.index))
        return s

    def send(self):
        src = self.src.fe80
        d = f.ip6(src, GROUP6, f.UDP, f.udp6(src, GROUP6, GROUP_PORT, GROUP_PORT, self.token), hops=1)
        self.out.send(f.ether(f.group_mac6(GROUP6), self.src.mac, f.IP6, d))


KINDS = {"echo4": Echo, "tcp4": Tcp, "tcp4-81": TcpShut, "udp4": Udp, "arp": Arp, "multicast4": Multicast,
         "echo6": Echo6, "tcp6": Tcp6, "tcp6-81": Tcp6Shut, "udp6": Udp6, "multicast6": Multicast6,
         "link-local": LinkLocal}


def turn(probes, ends, until):
    """Moves whatever can move before that time."""
    servers = {s: e for e in ends for s in e.servers}
    open_ = [p for p in probes if not p.done]
    reads = {s: p for p in open_ for s in p.wants()[0]}
    writes = {s: p for p in open_ for s in p.wants()[1]}
    r, w, _ = select.select(list(servers) + list(reads), list(writes), [], max(0.0, until - time.monotonic()))
    for s in r + w:
        try:
            if s in servers:
                servers[s].answer(s)
            else:
                (reads.get(s) or writes[s]).got()
        except OSError:         # a refusal
            pass


def run(cells, ends):
    """cells: {key: (kind, source, destination, should it arrive)}. {key: did it}."""
    probes = {key: KINDS[kind](src, dst) for key, (kind, src, dst, _) in cells.items()}
    begun, sent = time.monotonic(), 0
    while True:
        now = time.monotonic() - begun
        missing = [p for key, p in probes.items() if cells[key][3] and not p.done]
        if now > RECEIVED or (now > NOTHING and not missing):
            break
        if now >= sent * AGAIN:
            for p in probes.values():
                if not p.done:
                    try:
                        p.send()
                    except OSError:         # no route: nothing arrives
                        pass
            sent += 1
        turn(probes.values(), ends, begun + min(sent * AGAIN, RECEIVED if missing else max(NOTHING, now)))
    for p in probes.values():
        p.close()
    return {key: p.done for key, p in probes.items()}
