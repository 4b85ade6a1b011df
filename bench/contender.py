"""Those who are measured, and the words they are called with."""
import json
import os
import re
import shutil
import subprocess


class Contender:
    """One that only runs a command."""
    oci = False
    cover = False           # shown no v2 controllers on a hybrid host

    def __init__(self, host, name, path):
        self.host, self.name, self.path = host, name, path
        self.version = self._version()

    def _version(self):
        words = subprocess.run([self.path, "--version"], capture_output=True, text=True, check=False,
                               env=self.host.environment()).stdout
        found = re.search(r"\d+\.\d[\w.]*", words)
        return found.group(0) if found else ""

    def label(self):
        return ("%s %s" % (self.name, self.version)).strip()

    def run(self, bundle, **_):
        raise NotImplementedError


class Floor(Contender):
    def _version(self):
        return ""

    def run(self, bundle, limit=None):
        words = [self.path, "run"] + self.host.cgroups.new(self.host.name())
        if limit:
            words += ["-m", str(limit)]
        if bundle == "seccomp":
            words += ["-s", self.host.path("filter")]
        return words + [self.host.rootfs, "/bin/true"]

    def exec(self, other):
        """Joins a container of another's."""
        return [self.path, "exec"] + self.host.cgroups.of(other.pid) + [str(other.pid), "/bin/true"]


class Oci(Contender):
    oci = True

    def __init__(self, host, name, path):
        super().__init__(host, name, path)
        self.cover = name == "crun" and host.cgroups.hybrid
        self.root = os.path.join(host.run_dir, name)
        os.makedirs(self.root, mode=0o700)
        host.cleaners.append(self.delete_all)

    def words(self, *more):
        return [self.path, "--root", self.root, *more]

    def run(self, bundle, limit=None):
        return self.words("run", "-b", self.host.path(bundle), self.host.name())

    def create(self, bundle, name):
        return self.words("create", "-b", self.host.path(bundle), name)

    def start(self, name):
        return self.words("start", name)

    def exec(self, name):
        return self.words("exec", name, "/bin/true")

    def delete(self, name):
        return self.words("delete", "-f", name)

    def list(self):
        return self.words("list")

    def say(self, *more):
        r = subprocess.run(self.words(*more), capture_output=True, text=True, check=False,
                           stdin=subprocess.DEVNULL, env=self.host.environment())
        return r.stdout if r.returncode == 0 else ""

    def pid(self, name):
        return json.loads(self.say("state", name))["pid"]

    def delete_all(self):
        for name in self.say("list", "-q").split():
            self.say("delete", "-f", name)


class Bwrap(Contender):
    """No cgroups, masks or read-only paths: not the same container, for comparison only."""

    def run(self, bundle, limit=None):
        return [self.path, "--ro-bind", self.host.rootfs, "/", "--proc", "/proc", "--dev", "/dev",
                "--unshare-all", "--cap-drop", "ALL", "--hostname", "bwrap", "/bin/true"]


class Lxc(Contender):
    def __init__(self, host, name, path):
        super().__init__(host, name, path)
        self.config = host.path("lxc.conf")
        os.makedirs(host.path("lxc"))
        with open(self.config, "w") as f:
            f.write("lxc.rootfs.path = dir:%s\nlxc.net.0.type = empty\n"
                    "lxc.mount.auto = proc:mixed sys:ro cgroup:ro\n"
                    "lxc.autodev = 1\nlxc.uts.name = lxc\nlxc.tty.max = 0\nlxc.pty.max = 1\n"
                    # LXC leaves this group behind: by its name it is removed with ours.
                    "lxc.cgroup.dir.monitor.pivot = %s-lxc\n" % (host.rootfs, host.tag))

    def run(self, bundle, limit=None):
        return [self.path, "-q", "-P", self.host.path("lxc"), "-n", self.host.name(), "-f", self.config,
                "--", "/bin/true"]


PEERS = [("crun", "crun", Oci), ("runc", "runc", Oci), ("bwrap", "bwrap", Bwrap), ("lxc", "lxc-execute", Lxc)]


def find(host, peers=True):
    """The floor and vzrun, and those of the peers that are installed."""
    found = [Floor(host, "floor", host.floor), Oci(host, "vzrun", host.vzrun)]
    for name, program, kind in PEERS if peers else []:
        path = shutil.which(program)
        if path:
            found.append(kind(host, name, path))
    return found
