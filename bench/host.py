"""What a measurement runs in: a private directory, bundles, the floor's groups; nothing of it stays."""
import glob
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import seccomp

CONTROLLERS = ("pids", "memory", "cpu")
CGROUPS = "/sys/fs/cgroup"
PAYLOADS = {"true": ["/bin/true"], "sleep": ["/bin/sleep", "1000000"]}


class Unable(Exception):
    """Something does not run here; the text says why."""


def load():
    return os.getloadavg()[0]


def mounts():
    """(mount point, type, options of the superblock) of everything that is mounted."""
    with open("/proc/self/mountinfo") as f:
        for line in f:
            left, right = line.rstrip("\n").split(" - ", 1)
            kind, _, options = right.split(" ", 2)
            yield left.split(" ")[4], kind, options.split(",")


class Interrupted(BaseException):
    """By a signal. Not KeyboardInterrupt, for which subprocess has rules of its own."""
    come = False    # what is raised while Python takes an object away is lost there: who goes on looks here

    @classmethod
    def look(cls):
        if cls.come:
            raise cls


class Cgroups:
    """Where the three controllers are: in v1 hierarchies (a hybrid host too), or in v2."""

    def __init__(self):
        self.v1, self.v2 = {}, None
        for at, kind, options in mounts():
            if kind == "cgroup2":
                self.v2 = at
            for name in CONTROLLERS:
                if kind == "cgroup" and name in options:
                    self.v1.setdefault(name, at)
        if not self.v1 and not self.v2:
            raise Unable("no cgroup hierarchy is mounted")
        self.hybrid = bool(self.v1) and self.v2 is not None

    def new(self, name):
        """The floor's words for groups of its own."""
        if not self.v1:
            return ["-u", "%s/%s" % (self.v2, name)]
        return [w for at in dict.fromkeys(self.v1.values()) for w in ("-g", "%s/%s" % (at, name))]

    def of(self, pid):
        """The floor's words for the groups of a process."""
        paths = {}
        with open("/proc/%d/cgroup" % pid) as f:
            for line in f:
                _, names, path = line.rstrip("\n").split(":", 2)
                paths.update((name, path) for name in names.split(","))
        if not self.v1:
            return ["-u", self.v2 + paths[""]]
        return [w for d in dict.fromkeys(at + paths[name] for name, at in self.v1.items()) for w in ("-g", d)]


class Host:
    def __init__(self, build, vzrun):
        self.build, self.vzrun = build, vzrun
        self.timer, self.floor = build + "/bench/timer", build + "/bench/floor"
        self.tag = "vzbench%d" % os.getpid()
        self.numbers = itertools.count()
        self.cgroups = Cgroups()
        self.cleaners = []
        self.dir = tempfile.mkdtemp(prefix=self.tag + "-")
        os.chmod(self.dir, 0o755)
        self.run_dir = tempfile.mkdtemp(prefix=self.tag + "-", dir=self._tmpfs())
        self.rootfs = self.dir + "/rootfs"

    def prepare(self):
        self._make_rootfs()
        self._make_bundles()

    def _tmpfs(self):
        """Where states lie: in memory, as /run does on a host."""
        kinds = {at: kind for at, kind, _ in mounts()}
        return next((d for d in ("/run", "/dev/shm") if kinds.get(d) == "tmpfs"), self.dir)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def name(self):
        """A name that nothing else has; whatever bears the tag is removed at the end."""
        return "%s-%d" % (self.tag, next(self.numbers))

    def environment(self):
        # A network costs what it costs without names: dnsmasq is a program of others.
        return {"PATH": os.environ.get("PATH", os.defpath), "VZRUN_HOME": self.path("home"),
                "VZRUN_DNSMASQ": "/nonexistent",
                "LC_ALL": "C", "HOME": self.dir}

    def _make_rootfs(self):
        busybox = shutil.which("busybox")
        if not busybox:
            raise Unable("no busybox (Debian: busybox-static)")
        for d in ("bin", "dev", "proc", "sys", "tmp", "etc", "root", "usr/bin", "sbin"):
            os.makedirs(self.path("rootfs", d))
        shutil.copy(busybox, self.path("rootfs/bin/busybox"))
        for word in ("sh", "true", "sleep"):
            os.symlink("busybox", self.path("rootfs/bin", word))
        if subprocess.run(["ldd", busybox], capture_output=True, check=False).returncode == 0:
            raise Unable("%s is not static (Debian: busybox-static)" % busybox)

    def _make_bundles(self):
        os.makedirs(self.path("home"))
        os.makedirs(self.path("spec"))
        subprocess.run([self.vzrun, "spec", "-b", self.path("spec")], check=True, env=self.environment())
        with open(self.path("spec/config.json")) as f:
            self.config = json.load(f)
        # There is nothing in it that is newer, and old peers take nothing else.
        self.config["ociVersion"] = "1.0.2"
        self.config["process"]["terminal"] = False
        self.config["root"]["path"] = self.rootfs
        for name in PAYLOADS:
            self.bundle(name, name)
        if not seccomp.lacking():
            filtered = {"seccomp": seccomp.profile()}
            self.bundle("seccomp", "true", filtered)
            with open(self.path("filter"), "wb") as f:
                f.write(seccomp.program())

    def bundle(self, name, payload, linux=None):
        config = dict(self.config, process=dict(self.config["process"], args=PAYLOADS[payload]))
        config["linux"] = dict(self.config["linux"], **(linux or {}))
        os.makedirs(self.path(name), exist_ok=True)
        with open(self.path(name, "config.json"), "w") as f:
            json.dump(config, f, indent=1)
        return self.path(name)

    # --- the end ---------------------------------------------------------------------------------

    def groups(self):
        """What bears the tag, and what is below it."""
        tops = [d for depth in ("*", "*/*", "*/*/*") for d in glob.glob("%s/%s" % (CGROUPS, depth))
                if self.tag in os.path.basename(d)]
        return sorted({d for top in tops for d, _, _ in os.walk(top)}, key=len)

    def kill_all(self):
        """Whoever is in a group of ours."""
        for d in self.groups():
            try:
                with open(d + "/cgroup.procs") as f:
                    pids = [int(line) for line in f]
            except OSError:
                continue
            for pid in pids:
                try:
                    fd = os.pidfd_open(pid)
                    with open("/proc/%d/cgroup" % pid) as f:
                        if self.tag in f.read():
                            signal.pidfd_send_signal(fd, signal.SIGKILL)
                    os.close(fd)
                except OSError:
                    pass

    def _remove_groups(self):
        for d in reversed(self.groups()):
            try:
                os.rmdir(d)
            except OSError:
                pass

    def clean(self):
        """Removes everything; returns what could not be removed."""
        self.kill_all()
        for cleaner in self.cleaners:
            cleaner()
        # The dead leave their groups when they are reaped, which PID 1 of a machine may do late.
        for _ in range(100):
            self._remove_groups()
            if not self.groups():
                break
            time.sleep(0.05)
        for d in (self.run_dir, self.dir):
            shutil.rmtree(d, ignore_errors=True)
        left = [d for d in (self.run_dir, self.dir) if os.path.exists(d)]
        return left + self.groups() + [at for at, _, _ in mounts() if self.tag in at]
