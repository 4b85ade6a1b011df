#!/usr/bin/env python3
"""Frames of one guest to another, as the kernel would not send them, and who of them is heard.
send LINK SOURCE-MAC DESTINATION-MAC SOURCE DESTINATION PORT [TAG]: one datagram.
hear LINK: "ready", then the source of each such datagram; ends by the one to port 7."""
import os
import socket
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import frames as f      # noqa: E402

MARK = b"by a shortcut, or not"
END = 7
PACKET_OUTGOING = 4


def ether(mac):
    return bytes.fromhex(mac.replace(":", ""))


def send(link, source, destination, src, dst, port, tag=None):
    six = ":" in src
    udp = f.udp6(src, dst, 9, int(port), MARK) if six else f.udp(9, int(port), MARK)
    packet = f.ip6(src, dst, f.UDP, udp) if six else f.ip4(src, dst, f.UDP, udp)
    frame = f.ether(ether(destination), ether(source), f.IP6 if six else f.IP, packet)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((link, 0))
    s.send(f.tagged(frame, (0x8100, int(tag))) if tag else frame)


def hear(link):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((link, 3))
    s.settimeout(20)
    print("ready", flush=True)
    while True:
        data, (_, _, kind, *_) = s.recvfrom(2048)
        at = data.find(MARK)
        # Not what it answers itself.
        if at < 8 or kind == PACKET_OUTGOING:
            continue
        if struct.unpack("!H", data[at - 6:at - 4])[0] == END:
            return
        print(data[6:12].hex(":"), flush=True)


{"send": send, "hear": hear}[sys.argv[1]](*sys.argv[2:])
