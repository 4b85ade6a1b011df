"""Network namespaces that stand for hosts: the machine's own network is not touched."""
import ctypes
import os
import signal
import subprocess

from host import Unable

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class Space:
    """Held by a process that sleeps, and dies with us."""

    def __init__(self):
        r, w = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._hold(w)
        os.close(w)
        there = os.read(r, 1)
        os.close(r)
        if not there:
            os.waitpid(self.pid, 0)
            raise Unable("no network namespace")
        self.fd = os.open("/proc/%d/ns/net" % self.pid, os.O_RDONLY | os.O_CLOEXEC)
        self.run("ip", "link", "set", "lo", "up")
        # A module that some hosts have and others have not; what it costs is measured by a row of its own.
        self.bridge_rules(False)

    @staticmethod
    def _hold(ready):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if libc.unshare(CLONE_NEWNET) == 0:
            os.write(ready, b"x")
            os.close(ready)
            while True:
                signal.pause()
        os._exit(1)

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if libc.setns(self.fd, CLONE_NEWNET) < 0:
            raise Unable("setns: " + os.strerror(ctypes.get_errno()))
        return self

    def __exit__(self, *_):
        libc.setns(self.home, CLONE_NEWNET)
        os.close(self.home)

    def run(self, *words, **more):
        with self:
            r = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False,
                               stdin=subprocess.DEVNULL, **more)
        if r.returncode != 0:
            lines = (r.stderr or r.stdout).strip().splitlines()
            raise Unable("%s: %s" % (" ".join(map(str, words)), lines[0] if lines else r.returncode))
        return r.stdout

    def start(self, *words):
        with self:
            return subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)

    def bridge_rules(self, on):
        """br_netfilter: what is bridged passes the rules for IP. False where it is not loaded."""
        try:
            for family in "ip", "ip6", "arp":
                self.run("sysctl", "-qw", "net.bridge.bridge-nf-call-%stables=%d" % (family, on))
        except Unable:
            return False
        return True

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def join(a, name_a, address_a, b, name_b, address_b, *more):
    """A veth pair between two namespaces, both ends up, each with an address or none."""
    a.run("ip", "link", "add", name_a, "type", "veth", "peer", "name", name_b, "netns", b.pid, *more)
    for space, name, address in (a, name_a, address_a), (b, name_b, address_b):
        if address:
            space.run("ip", "addr", "add", address, "dev", name)
        space.run("ip", "link", "set", name, "up")
