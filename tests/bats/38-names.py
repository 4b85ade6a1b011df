#!/usr/bin/env python3
"""Small speakers of DNS and DHCP for tests/bats/38-names.bats; each prints one line, or nothing after a second or two.

dns SERVER NAME [A|AAAA|PTR]   the answer: addresses or a name, or its status (NXDOMAIN, REFUSED, SERVFAIL, EMPTY)
upstream ADDRESS LOG READY     a resolver: every A is 203.0.113.9; questions are written to LOG
dhcp LINK [MAC] [NAME]         asks by IPv4 in this namespace: address, netmask, router, server, name server, domain
dhcp6 LINK                     asks by IPv6: the address
hold SERVER READY              connections over which nothing is said, until there is no other: how many is written to READY
refuse6 LINK MAC ADDRESS       says by IPv6, as who has that MAC address, that the address is no good; straight, and as a relay
"""
import os, random, socket, struct, sys, time

TYPES = {'A': 1, 'PTR': 12, 'AAAA': 28}


def encode(name):
    return b''.join(bytes([len(p)]) + p.encode() for p in name.rstrip('.').split('.')) + b'\0'


def decode(p, at):
    out, jumped = [], None
    while p[at]:
        if p[at] & 0xc0:
            jumped = jumped or at + 2
            at = (p[at] & 0x3f) << 8 | p[at + 1]
            continue
        out.append(p[at + 1:at + 1 + p[at]].decode())
        at += 1 + p[at]
    return '.'.join(out), jumped or at + 1


def dns(server, name, kind='A'):
    if kind == 'PTR' and ':' in name:
        name = '.'.join(reversed(socket.inet_pton(socket.AF_INET6, name).hex())) + '.ip6.arpa'
    elif kind == 'PTR':
        name = '.'.join(reversed(name.split('.'))) + '.in-addr.arpa'
    s = socket.socket(socket.AF_INET6 if ':' in server else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.connect((server, 53))
    q = random.randrange(65536)
    s.send(struct.pack('>6H', q, 0x100, 1, 0, 0, 0) + encode(name) + struct.pack('>2H', TYPES[kind], 1))
    try:
        p = s.recv(4096)
    except OSError:
        return 'SILENCE'
    flags, _, n = struct.unpack('>3H', p[2:8])
    if flags & 15:
        return {2: 'SERVFAIL', 3: 'NXDOMAIN', 5: 'REFUSED'}.get(flags & 15, str(flags & 15))
    at, out = decode(p, 12)[1] + 4, []
    for _ in range(n):
        at = decode(p, at)[1]
        t, _, _, size = struct.unpack('>2HIH', p[at:at + 10])
        at += 10
        if t == 1:
            out.append(socket.inet_ntoa(p[at:at + 4]))
        elif t == 28:
            out.append(socket.inet_ntop(socket.AF_INET6, p[at:at + 16]))
        elif t == 12:
            out.append(decode(p, at)[0])
        at += size
    return ' '.join(sorted(out)) or 'EMPTY'


def upstream(address, log, ready):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 53))
    open(ready, 'w').close()
    while True:
        p, who = s.recvfrom(4096)
        name, at = decode(p, 12)
        with open(log, 'a') as f:
            f.write(name + '\n')
        kind = struct.unpack('>H', p[at:at + 2])[0]
        answer = b'' if kind != 1 else b'\xc0\x0c' + struct.pack('>2HIH', 1, 1, 60, 4) + socket.inet_aton('203.0.113.9')
        s.sendto(p[:2] + struct.pack('>5H', 0x8180, 1, 1 if answer else 0, 0, 0) + p[12:at + 4] + answer, who)


def ip_checksum(b):
    s = sum(struct.unpack('>%dH' % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def dhcp(link, mac=None, name=None):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    s.bind((link, 0))
    own = s.getsockname()[4]
    chaddr = bytes.fromhex(mac.replace(':', '')) if mac else own
    xid = random.randbytes(4)

    def ask(kind, more):
        options = b'\x63\x82\x53\x63\x35\x01' + bytes([kind]) + more + b'\x37\x05\x01\x03\x06\x0f\x79'
        if name:
            options += b'\x0c' + bytes([len(name)]) + name.encode()
        boot = struct.pack('>4B4sHH', 1, 1, 6, 0, xid, 0, 0) + bytes(16) + chaddr + bytes(10) + bytes(192) + options + b'\xff'
        udp = struct.pack('>4H', 68, 67, 8 + len(boot), 0) + boot
        ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes(4), b'\xff' * 4)
        ip = ip[:10] + struct.pack('>H', ip_checksum(ip)) + ip[12:]
        s.send(b'\xff' * 6 + own + b'\x08\x00' + ip + udp)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            s.settimeout(max(0.01, end - time.monotonic()))
            try:
                p = s.recv(4096)
            except OSError:
                return None
            if p[23] == 17 and p[36:38] == b'\x00\x44' and p[46:50] == xid:
                return p[42:]
        return None

    def options_of(p):
        at, out = 240, {}
        while at < len(p) and p[at] != 255:
            if p[at]:
                out[p[at]] = p[at + 2:at + 2 + p[at + 1]]
                at += 1 + p[at + 1]
            at += 1
        return out

    offer = ask(1, b'')
    if not offer:
        return 'nothing'
    o = options_of(offer)
    ack = ask(3, b'\x32\x04' + offer[16:20] + b'\x36\x04' + o[54])
    if not ack:
        return 'offer only'
    o = options_of(ack)
    if o[53] != b'\x05':
        return 'refused'
    addr = lambda k: socket.inet_ntoa(o[k][:4]) if k in o else '-'
    return ' '.join([socket.inet_ntoa(ack[16:20]), addr(1), addr(3), addr(54), addr(6),
                     o[15].decode() if 15 in o else '-'])


def dhcp6_socket(link):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
    s.bind(('::', 546))
    s.settimeout(2)
    return s, socket.if_nametoindex(link)


def dhcp6(link):
    s, index = dhcp6_socket(link)
    p = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    p.bind((link, 0))
    duid = b'\x00\x03\x00\x01' + p.getsockname()[4]

    def ask(kind, more):
        xid = random.randbytes(3)
        m = bytes([kind]) + xid + struct.pack('>HH', 1, len(duid)) + duid + more
        s.sendto(m, ('ff02::1:2', 547, 0, index))
        while True:
            try:
                p = s.recv(4096)
            except OSError:
                return None
            if p[1:4] != xid:
                continue
            at, out = 4, {}
            while at + 4 <= len(p):
                k, n = struct.unpack('>HH', p[at:at + 4])
                out[k] = p[at + 4:at + 4 + n]
                at += 4 + n
            return out

    ia = struct.pack('>HHIII', 3, 12, 1, 0, 0)
    o = ask(1, ia)
    if not o or 3 not in o or len(o[3]) < 40:
        return 'nothing'
    o = ask(3, struct.pack('>HH', 2, len(o[2])) + o[2] + struct.pack('>HH', 3, len(o[3])) + o[3])
    if not o or 3 not in o or len(o[3]) < 40:
        return 'offer only'
    return socket.inet_ntop(socket.AF_INET6, o[3][16:32])


def hold(server, ready):
    held = []
    try:
        while len(held) < 64:
            held.append(socket.create_connection((server, 53), 5))
    except OSError:
        pass
    with open(ready + '.new', 'w') as f:
        print(len(held), file=f)
    os.rename(ready + '.new', ready)
    time.sleep(3600)


def option6(kind, data):
    return struct.pack('>HH', kind, len(data)) + data


def refuse6(link, mac, address):
    s, index = dhcp6_socket(link)
    ether, at = bytes.fromhex(mac.replace(':', '')), socket.inet_pton(socket.AF_INET6, address)
    own = b'\xfe\x80' + bytes(6) + bytes([ether[0] ^ 2]) + ether[1:3] + b'\xff\xfe' + ether[3:]
    s.sendto(b'\x01abc' + option6(1, b'\0\3\0\1' + bytes(6)) + option6(3, struct.pack('>3I', 1, 0, 0)),
             ('ff02::1:2', 547, 0, index))
    p, at_option = s.recv(4096), 4
    while p[at_option:at_option + 2] != b'\0\2':
        at_option += 4 + struct.unpack('>H', p[at_option + 2:at_option + 4])[0]
    server = p[at_option:at_option + 4 + struct.unpack('>H', p[at_option + 2:at_option + 4])[0]]
    said = b'\x09xyz' + option6(1, b'\0\3\0\1' + ether) + server + \
        option6(3, struct.pack('>3I', 1, 0, 0) + option6(5, at + struct.pack('>2I', 0, 0)))
    for m in said, b'\x0c\0' + at + own + option6(79, b'\0\1' + ether) + option6(9, said):
        s.sendto(m, ('ff02::1:2', 547, 0, index))
    # What was said before is heard before.
    s.settimeout(0.5)
    try:
        while True:
            s.recv(4096)
    except OSError:
        return ''


if __name__ == '__main__':
    print({'dns': dns, 'upstream': upstream, 'dhcp': dhcp, 'dhcp6': dhcp6, 'hold': hold, 'refuse6': refuse6}[sys.argv[1]](*sys.argv[2:]))
