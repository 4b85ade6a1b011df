"""slow-systemd.py SOCKET VERSION STOP: a message bus with a systemd on it for one client, as long as that stays. It tells
its version and stops a unit (there is none of the name) after so many seconds, or never."""
import socket
import struct
import sys
import time

RETURN, ERROR = 2, 3
MEMBER, ERROR_NAME, REPLY_SERIAL, SIGNATURE = 3, 4, 5, 8


def pad(b, n):
    return b + bytes(-len(b) % n)


def string(s):
    return struct.pack("<I", len(s)) + s + b"\0"


def field(code, signature, value):
    return bytes([code, len(signature)]) + signature + b"\0" + value


def message(kind, serial, to, fields, body=b""):
    head = b""
    for f in [field(REPLY_SERIAL, b"u", struct.pack("<I", to)), *fields]:
        head = pad(head, 8) + f
    return pad(struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), serial, len(head)) + head, 8) + body


def signed(signature):
    return field(SIGNATURE, b"g", bytes([len(signature)]) + signature + b"\0")


def member_of(head):
    """The one field that is of interest: a string."""
    at = head.index(bytes([MEMBER, 1]) + b"s\0") + 4
    n = struct.unpack_from("<I", head, at)[0]
    return head[at + 4:at + 4 + n].decode()


class Client:
    def __init__(self, path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        self.s, _ = listener.accept()
        self.kept, self.serial = b"", 0

    def need(self, n):
        while len(self.kept) < n:
            more = self.s.recv(1 << 16)
            if not more:
                sys.exit(0)
            self.kept += more
        taken, self.kept = self.kept[:n], self.kept[n:]
        return taken

    def line(self):
        at = b""
        while not at.endswith(b"\r\n"):
            at += self.need(1)
        return at

    def authenticate(self):
        self.need(1)
        while True:
            word = self.line().split()[0]
            if word == b"BEGIN":
                return
            self.s.sendall({b"AUTH": b"OK 0123456789abcdef0123456789abcdef\r\n", b"DATA": b"OK 0123456789abcdef0123456789abcdef\r\n",
                            b"NEGOTIATE_UNIX_FD": b"AGREE_UNIX_FD\r\n"}[word])

    def call(self):
        fixed = self.need(16)
        n, serial, fields = struct.unpack_from("<III", fixed, 4)
        head = self.need(fields + -fields % 8)
        self.need(n)
        return serial, member_of(head)

    def answer(self, kind, to, fields=(), body=b""):
        self.serial += 1
        self.s.sendall(message(kind, self.serial, to, fields, body))


def main(path, version, stop):
    c = Client(path)
    c.authenticate()
    while True:
        serial, member = c.call()
        delay = {"Get": version, "StopUnit": stop}.get(member, "0")
        if delay == "never":
            continue
        time.sleep(float(delay))
        if member == "Hello":
            c.answer(RETURN, serial, [signed(b"s")], string(b":1.1"))
        elif member == "Get":
            c.answer(RETURN, serial, [signed(b"v")], pad(b"\1s\0", 4) + string(b"252"))
        elif member == "StopUnit":
            c.answer(ERROR, serial, [field(ERROR_NAME, b"s", string(b"org.freedesktop.systemd1.NoSuchUnit"))])
        else:
            c.answer(RETURN, serial)


main(*sys.argv[1:])
