"""Transfers that run while something is done to the network: one TCP connection each, that must not be cut."""
import os
import select
import socket
import time

PATIENCE = 30.0
CHUNK = b"x" * 65536


class Flow:
    """A connection from one namespace to an address that another one serves; data both ways."""

    def __init__(self, name, frm, to, address, port, dial=None):
        self.name = name
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = to.socket(family, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(1)
        self.near = frm.socket(family, socket.SOCK_STREAM)
        self.near.settimeout(PATIENCE)
        self.near.connect(dial or (address, port))
        server.settimeout(PATIENCE)
        self.far, self.peer = server.accept()
        server.close()
        for s in self.near, self.far:
            s.setblocking(False)
        self.moved = {self.near: 0, self.far: 0}

    def close(self):
        self.near.close()
        self.far.close()


def pump(flows, enough):
    """Until every flow has moved so many bytes more in both directions. Names of those that did not, or were cut."""
    goal = {f: {s: n + enough for s, n in f.moved.items()} for f in flows}
    ends = {s: f for f in flows for s in f.moved}
    cut, until = set(), time.monotonic() + PATIENCE
    while time.monotonic() < until:
        open_ = [s for s, f in ends.items() if f not in cut]
        if all(f in cut or all(f.moved[s] >= n for s, n in goal[f].items()) for f in flows):
            break
        r, w, _ = select.select(open_, open_, [], 1)
        for s in r:
            try:
                data = s.recv(1 << 20)
            except OSError:
                data = b""
            if not data:
                cut.add(ends[s])
            ends[s].moved[s] += len(data)
        for s in w:
            try:
                s.send(CHUNK)
            except BlockingIOError:
                pass
            except OSError:
                cut.add(ends[s])
    return sorted(f.name for f in flows if f in cut or any(f.moved[s] < n for s, n in goal[f].items()))


class Pumped:
    """Moves data in a process of its own while the block runs."""

    def __init__(self, flows):
        self.flows = flows

    def __enter__(self):
        self.pid = os.fork()
        if self.pid == 0:
            while not pump(self.flows, 1 << 20):
                pass
            os._exit(0)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
