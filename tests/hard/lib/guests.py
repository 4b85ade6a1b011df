"""The commands of guests, networks and images that are swept."""
import json
import os
import subprocess

from lib import host
from lib.cases import Case, REPORT, limit
from lib.host import HOME, STATE, WORK, VZ, Broken, must, run, vz, wait_for


class Guest(Case):
    guests = network = True

    def create(self): must("create", self.id, "--template", "busybox", "--memory", "64M")

    def up(self):
        self.create()
        must("start", self.id)

    def settle_in(self):
        """Up, and with what a guest has from its first end on: it is as it was after each fault, and serves for the next."""
        must("start", self.id)
        must("stop", "-k", self.id)
        must("start", self.id)

    def status(self):
        rc, out, _ = vz("--json", "show", self.id)
        return json.loads(out)["status"] if rc == 0 else "none"

    def report(self):
        rc, out, err = vz("exec", self.id, "/bin/sh", "-c", REPORT)
        return "exec: " + err.strip() if rc else self.compare(out)

    def compare(self, report):
        """Its addresses are those on record, whichever were free."""
        with open(HOME + "/networks/.guests/%s.json" % self.id) as f:
            for nic in json.load(f)["nics"]:
                for family in "ip", "ip6":
                    report = report.replace(" %s/" % nic[family], " its own/")
        return super().compare(report)

    def there(self): return os.path.exists(HOME + "/guests/" + self.id)
    def whole(self): return os.path.exists(HOME + "/guests/%s/config.json" % self.id)

    def half(self):
        return "half a guest: %s" % os.listdir(HOME + "/guests/" + self.id) if self.there() and not self.whole() else None

    def after(self):
        if not self.there():
            return None
        rc, _, err = vz("destroy", "-f", self.id)
        return "destroy -f: " + err.strip() if rc else None


class GuestCreate(Guest):
    name = "guest create"
    nothing = True
    def argv(self): return ["create", self.id, "--template", "busybox", "--memory", "64M"]

    def done(self):
        rc, _, err = vz("start", self.id)
        return "created, and does not start: " + err.strip() if rc else self.report()

    def renew(self): self.after()


class GuestStart(Guest):
    name = "guest start"
    def before(self): self.create()
    def argv(self): return ["start", self.id]
    def done(self): return self.report() if self.status() == "running" else "started, and is " + self.status()

    def half(self):
        # Of one that was told to have failed, the keeper may be clearing up.
        at_rest = wait_for(lambda: self.status() in ("stopped", "running"))
        return super().half() or (None if at_rest else "the guest is " + self.status())

    def renew(self):
        if self.status() == "running":
            must("stop", "-k", self.id)


class GuestStop(GuestStart):
    """Of an init that ends when it is asked to: busybox's own sleeps for two seconds."""
    name = "guest stop"
    reused = True

    def before(self):
        self.create()
        path = HOME + "/guests/%s/config.json" % self.id
        with open(path) as f:
            c = json.load(f)
        c["process"]["args"] = ["/bin/sh", "-c", "trap exit TERM; sleep 86400 & wait"]
        c["vzrun"]["stopSignal"] = "SIGTERM"
        with open(path, "w") as f:
            json.dump(c, f)
        self.settle_in()

    def restore(self):
        if self.status() == "stopped":
            must("start", self.id)
        return self.status() == "running"

    def argv(self): return ["stop", "-t", "20s", self.id]
    def done(self): return None if self.status() == "stopped" else "stopped, and is " + self.status()

    def renew(self):
        if self.status() != "running":
            must("start", self.id)


class GuestKill(GuestStop):
    name = "guest stop -k"
    def argv(self): return ["stop", "-k", self.id]


class GuestDestroy(Guest):
    name = "guest destroy"

    def half(self):
        # What was begun goes on: without its config.json it is no guest any more, and recover ends it.
        if self.there() and not self.whole():
            must("recover")
        return super().half()

    def before(self): self.create()
    def argv(self): return ["destroy", self.id]
    def done(self): return "destroyed, and is there" if self.there() else None

    def renew(self):
        if not self.there():
            self.create()


class GuestSet(Guest):
    name = "guest set"
    reused = True
    at_first = ["--memory", "64M", "--pids", "222", "--rate", "50M"]

    def before(self):
        self.up()
        self.restore()

    def restore(self): return must("set", self.id, *self.at_first) is not None
    def argv(self): return ["set", self.id, "--memory", "96M", "--pids", "333", "--rate", "100M"]

    def values(self):
        return must("exec", self.id, "/bin/sh", "-c", "grep MemTotal /proc/meminfo; cat /sys/fs/cgroup/pids/pids.max "
                    "/sys/fs/cgroup/memory/memory.limit_in_bytes 2>&1; :")

    def done(self):
        with open(HOME + "/guests/%s/config.json" % self.id) as f:
            text = f.read()
        group = "/sys/fs/cgroup/memory/vzrun-%s/memory.limit_in_bytes" % self.id
        if os.path.exists(group) and open(group).read().strip() != str(96 << 20):
            return "set, and the memory limit is " + open(group).read().strip()
        return None if str(96 << 20) in text and "333" in text else "set, and not saved"

    def half(self): return super().half() or (None if self.status() == "running" else "the guest is " + self.status())


class GuestExec(Guest):
    name = "guest exec"
    reused = True

    def before(self):
        self.up()
        must(*self.argv())      # it leaves what it looked for

    def restore(self): return True
    def argv(self): return ["exec", self.id, "/bin/sh", "-c", REPORT]
    def done(self): return self.compare(self.stdout)
    def half(self): return None if self.status() == "running" else "the guest is " + self.status()


class PortAdd(Guest):
    name = "port add"
    reused = True
    def before(self): self.up()

    def restore(self):
        vz("port", "rm", self.id, "8080:80")
        return "8080" not in must("--json", "port", "ls", self.id)

    def argv(self): return ["port", "add", self.id, "8080:80"]
    def done(self): return None if "8080" in must("--json", "port", "ls", self.id) else "added, and not there"

    def renew(self): vz("port", "rm", self.id, "8080:80")


class GuestCheckpoint(Guest):
    """By a criu of ours (lib/criu), which every kernel has."""
    name = "guest checkpoint"
    reused = True
    untrue = "does not exist|is not running"
    most = 100      # it has every setting below /proc/sys/net in its hands
    criu = ["--criu", os.path.join(os.path.dirname(__file__), "criu")]

    def before(self):
        self.create()
        self.settle_in()

    def argv(self): return [*self.criu, "checkpoint", self.id]
    def done(self): return None if self.status() == "suspended" else "suspended, and is " + self.status()

    def restore(self):
        if self.status() == "suspended":
            must("checkpoint", "--discard", self.id)
        if self.status() == "stopped":
            must("start", self.id)
        return self.status() == "running"

    def renew(self): self.restore()

    def half(self):
        s = self.status()
        return super().half() or (None if s in ("running", "suspended") else "the guest is " + s)


class GuestRestore(GuestCheckpoint):
    name = "guest restore"
    untrue = Guest.untrue

    def before(self):
        self.create()
        self.restore()

    def argv(self): return [*self.criu, "restore", self.id]

    def done(self):
        if self.status() != "running":
            return "restored, and is " + self.status()
        pid = json.loads(must("state", self.id))["pid"]
        links = subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "-o", "addr"], capture_output=True, text=True).stdout
        with open(HOME + "/networks/.guests/%s.json" % self.id) as f:
            lost = [nic["ip"] for nic in json.load(f)["nics"] if " %s/" % nic["ip"] not in links]
        if lost:
            return "restored, and without " + lost[0]
        memory = limit("vzrun-" + self.id, "memory/%s/memory.limit_in_bytes", "%s/memory.max")
        return None if memory == str(64 << 20) else "restored, and its limit of memory is " + memory

    def restore(self):
        # What that criu has begun is no guest that could be checkpointed.
        if self.status() == "running":
            must("stop", "-k", self.id)
        if self.status() == "stopped":
            must("start", self.id)
            must(*super().argv())
        return self.status() == "suspended"

    def half(self):
        # What ran for a moment is not there a second time: who is killed then has lost it.
        known = ("running", "suspended", "stopped") if self.killed else ("running", "suspended")
        s = self.status()
        return Guest.half(self) or (None if s in known else "the guest is " + s)


class Keeper(Guest):
    """The keeper, from when the guest is up to its end."""
    name = "keeper"
    follow = True
    beyond = GuestStart
    def before(self): self.create()
    def argv(self): return ["start", self.id]
    def renew(self): self.meanwhile()

    def meanwhile(self):
        if self.status() == "running":
            vz("stop", "-k", self.id)


class GuestRecover(Guest):
    """A guest, and beside it one whose create was killed half way."""
    name = "guest recover"

    def settle(self):
        # Beside another, as then, up to where config.json gets its name.
        self.create()
        _, _, calls = self.inject("list")
        self.point = [p for p, name in calls if p.startswith("0:") and name == "linkat"][0]
        self.after()

    def inject(self, *what):
        """Of the create of the half."""
        argv = ["create", self.half_id, "--template", "busybox", "--memory", "64M"]
        rc, _, err = run([host.INJECT, "-o", "/tmp/calls", *what, VZ, "--root", STATE, *argv])
        with open("/tmp/calls") as f:
            calls = [line.split()[1:] for line in f]
        os.unlink("/tmp/calls")
        return rc, err, calls

    def before(self):
        self.create()
        there = host.processes()
        rc, err, _ = self.inject("kill", self.point)
        wait_for(lambda: host.processes() == there)
        if rc != 137 or not os.path.exists(self.half_dir):
            raise Broken("no half guest: status %d: %s" % (rc, err))

    @property
    def half_id(self): return self.id + "-half"
    @property
    def half_dir(self): return HOME + "/guests/" + self.half_id

    def argv(self): return ["recover"]
    def done(self): return self.half() or ("the half is left" if os.path.exists(self.half_dir) else None)
    def half(self): return None if self.whole() else "recover took a whole guest away"

    def after(self):
        if os.path.exists(self.half_dir):
            must("destroy", "-f", self.half_id)
        return super().after()


class NetworkCreate(Case):
    name = "network create"
    network = nothing = True

    def argv(self): return ["network", "create", "--subnet", "10.99.7.0/24", "--subnet6", "none", self.id]
    def there(self): return os.path.exists(HOME + "/networks/%s.json" % self.id)

    def done(self):
        if not self.there():
            return "created, and not there"
        rc, out, err = vz("network", "check")
        return "created, and check says: " + (out + err).strip() if rc else None

    def renew(self): self.after()

    def after(self):
        if not self.there():
            return None
        rc, _, err = vz("network", "rm", self.id)
        return "network rm: " + err.strip() if rc else None


class NetworkRemove(NetworkCreate):
    name = "network rm"
    nothing = False
    def before(self): must(*super().argv())
    def argv(self): return ["network", "rm", self.id]
    def done(self): return "removed, and there" if self.there() else None

    def renew(self):
        if not self.there():
            self.before()


class ImageImport(Case):
    name = "image import"
    images = nothing = True
    ref = "swept:1"
    archive = WORK + "/image.tar.gz"

    def settle(self):
        top = WORK + "/tree"
        os.makedirs(top + "/etc", exist_ok=True)
        with open(top + "/etc/name", "w") as f:
            f.write("swept\n" * 5000)
        if not os.path.lexists(top + "/link"):
            os.symlink("etc/name", top + "/link")
        subprocess.run(["tar", "-C", top, "-czf", self.archive, "."], check=True)

    def argv(self): return ["image", "import", "--ref", self.ref, self.archive]
    def there(self): return self.ref in must("image", "ls")

    def done(self):
        if not self.there():
            return "imported, and not there"
        rc, out, err = vz("image", "verify", self.ref)
        return "imported, and verify says: " + (out + err).strip() if rc else None

    def after(self):
        if self.there():
            must("image", "rm", self.ref)
        rc, _, err = vz("image", "prune")
        return "image prune: " + err.strip() if rc else None


class ImageRemove(ImageImport):
    name = "image rm"
    nothing = False
    def before(self): must(*super().argv())
    def argv(self): return ["image", "rm", self.ref]
    def done(self): return "removed, and there" if self.there() else None

    def renew(self):
        if not self.there():
            self.before()


GUESTS = [GuestCreate, GuestStart, GuestStop, GuestKill, GuestDestroy, GuestSet, GuestExec, PortAdd, GuestCheckpoint,
          GuestRestore, Keeper, GuestRecover, NetworkCreate, NetworkRemove, ImageImport, ImageRemove]
