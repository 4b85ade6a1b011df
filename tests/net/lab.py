"""A host, the outside and guests, each a network namespace of this process's own; what vzrun does is done in
the one that stands for the host, so the machine's own network is never touched. Everything dies with the process."""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ.get("VZRUN_BUILD", TOP + "/build")
NETTOOL = os.environ.get("NETTOOL", BUILD + "/tools/nettool")
VZRUN = os.environ.get("VZRUN", BUILD + "/vzrun")
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def check(r, what):
    if r < 0:
        e = ctypes.get_errno()
        raise OSError(e, what + ": " + os.strerror(e))


class Space:
    """A network namespace, held by a process that sleeps."""

    def __init__(self):
        r, w = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.close(r)
            os.setsid()
            if libc.unshare(CLONE_NEWNET) == 0:
                os.write(w, b"x")
                os.close(w)
                while True:
                    signal.pause()
            os._exit(1)
        os.close(w)
        there = os.read(r, 1)
        os.close(r)
        if not there:
            raise Failed("no network namespace")
        self.fd = os.open("/proc/%d/ns/net" % self.pid, os.O_RDONLY | os.O_CLOEXEC)
        self.run("ip", "link", "set", "lo", "up")

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        check(libc.setns(self.fd, CLONE_NEWNET), "setns")
        return self

    def __exit__(self, *_):
        check(libc.setns(self.home, CLONE_NEWNET), "setns back")
        os.close(self.home)

    def call(self, *words, **more):
        return subprocess.run(["nsenter", "--net=/proc/%d/ns/net" % self.pid, "--", *map(str, words)], check=False,
                              capture_output=True, text=True, stdin=more.pop("stdin", subprocess.DEVNULL), **more)

    def start(self, *words, **more):
        return subprocess.Popen(["nsenter", "--net=/proc/%d/ns/net" % self.pid, "--", *map(str, words)], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def run(self, *words, **more):
        p = self.call(*words, **more)
        if p.returncode != 0:
            raise Failed("%s: %s" % (" ".join(map(str, words)), (p.stderr or p.stdout).strip()))
        return p.stdout

    def socket(self, *how):
        """It stays in this namespace."""
        with self:
            s = socket.socket(*how)
        s.setblocking(False)
        return s

    def packet(self, link, proto=3):
        """Sends and sees whole frames."""
        s = self.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        # Offloaded tags are put back into the frame's text by PACKET_AUXDATA's reader; big enough for bursts.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        s.setsockopt(263, 8, 1)
        s.bind((link, proto))
        return s

    def own_link_local(self, link):
        """At once: duplicate address detection takes a second and is not what is tested."""
        s = self.packet(link, 0)
        mac = s.getsockname()[4]
        s.close()
        self.run("ip", "-6", "addr", "replace", link_local(mac) + "/64", "dev", link, "nodad")

    def sysctl(self, name, value):
        self.run("sysctl", "-qw", "%s=%s" % (name, value))

    def end(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.fd)


class Nic:
    def __init__(self, line):
        self.network, self.bridge, self.port, self.name, ip, ip6, self.mac = line.split()
        self.ip, self.ip6 = ip.split("/")[0], ip6.split("/")[0]
        self.ether = bytes.fromhex(self.mac.replace(":", ""))
        self.lladdr = link_local(self.ether)


def link_local(ether):
    return socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + bytes([ether[0] ^ 2]) + ether[1:3] +
                            b"\xff\xfe" + ether[3:])


class Guest(Space):
    """Joined by the real code, to the networks named."""

    def __init__(self, lab, name, *nics):
        super().__init__()
        self.lab, self.guest = lab, name
        said = lab.tool("up", lab.home, name, self.pid, *nics)
        self.nics = [Nic(line) for line in said.splitlines()]
        self.nic = self.nics[0]
        for n in self.nics:
            self.own_link_local(n.name)

    @property
    def link(self):
        return self.nic.name


class Lab:
    OUTSIDE4, OUTSIDE6 = "192.0.2.2", "2001:db8::2"
    HOST4, HOST6 = "192.0.2.1", "2001:db8::1"

    def __init__(self, outside=True, bridge_nf=False):
        self.dir = tempfile.mkdtemp(prefix="vznet.")
        self.home = self.dir + "/home"
        os.makedirs(self.home, 0o700)
        os.environ.setdefault("VZRUN_LIBEXEC", BUILD)
        os.environ["VZRUN_HOME"] = self.home
        # None: it would outlive the namespaces (38-names.bats is about it).
        os.environ["VZRUN_DNSMASQ"] = "/nonexistent"
        self.host, self.spaces = Space(), []
        self.out = None
        # Where br_netfilter is loaded, as Docker wants it, what is bridged passes the rules for IP too.
        for word in "iptables", "ip6tables", "arptables":
            self.host.call("sysctl", "-qw", "net.bridge.bridge-nf-call-%s=%d" % (word, bridge_nf))
        if outside:
            self.make_outside()

    def make_outside(self):
        h, o = self.host, Space()
        self.out = o
        h.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "out0", "netns", o.pid)
        for space, link, a4, a6 in (h, "up0", self.HOST4, self.HOST6), (o, "out0", self.OUTSIDE4, self.OUTSIDE6):
            space.run("ip", "addr", "add", a4 + "/24", "dev", link)
            space.run("ip", "addr", "add", a6 + "/64", "dev", link, "nodad")
            space.run("ip", "link", "set", link, "up")
            space.own_link_local(link)
        h.run("ip", "route", "add", "default", "via", self.OUTSIDE4)
        h.run("ip", "-6", "route", "add", "default", "via", self.OUTSIDE6)

    def tool(self, *words):
        return self.host.run(NETTOOL, *words)

    def vzrun(self, *words):
        return self.host.run(VZRUN, "--root", self.dir + "/state", *words)

    def network(self, name, *words):
        self.vzrun("network", "create", name, *words)

    def guest(self, name, *nics):
        g = Guest(self, name, *nics)
        self.spaces.append(g)
        return g

    # --- nftables --------------------------------------------------------------------------------------

    def tables(self, family):
        said = json.loads(self.host.run("nft", "-j", "list", "tables", family))["nftables"]
        return [t["table"]["name"] for t in said if "table" in t and t["table"]["name"].startswith("vzrun")]

    def table(self, family):
        found = self.tables(family)
        if len(found) != 1:
            raise Failed("tables of family %s: %s" % (family, found or "none"))
        return found[0]

    def counters(self):
        """{name: packets} of the named counters."""
        said = json.loads(self.host.run("nft", "-j", "list", "counters"))["nftables"]
        return {c["counter"]["name"]: c["counter"]["packets"] for c in said
                if "counter" in c and c["counter"]["table"].startswith("vzrun")}

    def rules(self):
        """How many rules there are, in vzrun's tables."""
        n = 0
        for family in "inet", "bridge":
            for t in self.tables(family):
                said = json.loads(self.host.run("nft", "-j", "list", "table", family, t))["nftables"]
                n += sum(1 for x in said if "rule" in x)
        return n

    def end(self):
        for s in self.spaces + [self.host, self.out]:
            if s:
                s.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
