"""The commands that are swept: what is there before, what is there when one is done, and how it is taken away again."""
import json
import os
import re
import shutil
import subprocess

from lib import host
from lib.host import HOME, STATE, WORK, VZ, Broken, must, run, vz, wait_for

BUNDLE = WORK + "/bundle"
OUT = BUNDLE + "/rootfs/out"

# What a process can see of its confinement. A fault that is survived must not have changed a line of it.
REPORT = r"""
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Cpus_allowed|Mems_allowed):' /proc/self/status
cut -d' ' -f4- /proc/self/mountinfo
ls /proc/self/fd
for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done
pwd; env | sort; id; hostname; ulimit -n; ls -l /dev | sed 's/ *[A-Z][a-z][a-z] .*:[0-9][0-9]//'
cat /proc/self/oom_score_adj /proc/self/cgroup /proc/sys/net/ipv4/ping_group_range
cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/devices/devices.list \
	/sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max 2>/dev/null
rmdir /tmp/x 2>/dev/null; mkdir /tmp/x 2>&1; mkdir /proc/sys/x 2>&1; rmdir /tmp/x
swapoff -a 2>&1; cat /proc/kcore 2>&1 | head -c 10; ip -o addr | sed 's/^[0-9]*: //; s/@if[0-9]*//'
echo end
"""


def namespaces():
    return {os.readlink("/proc/self/ns/" + n) for n in os.listdir("/proc/self/ns")}


def plain(report, names):
    """Without what differs from run to run; which namespaces are the host's stays."""
    own = namespaces()
    report = re.sub(r"\b\w+:\[\d+\]", lambda m: "host's" if m[0] in own else "own", report)
    report = re.sub(r"\b(master|shared|propagate_from):\d+", r"\1", report)
    report = re.sub(r"(lowerdir|upperdir|workdir)=\d+", r"\1", report)
    report = re.sub(r"\b([ug]id)=\d{5,}", r"\1=of its range", report)
    report = re.sub(r"\bfd[0-9a-f:]+/", "unique/", report)
    # A link has its own address when it has been up for a while.
    report = re.sub(r".* inet6 fe80:.*\n", "", report)
    report = report.replace(" tentative", "")
    report = re.sub(r"(pipe|socket|anon_inode):\S+", r"\1", report)
    return re.sub("|".join(names), "ID", report)


class Case:
    """A command and its surroundings. id: a prefix that nobody else's containers and groups have."""
    name = ""
    network = images = guests = False   # what a snapshot looks at besides; a template is needed
    nothing = False     # a failure leaves nothing but what was there before the command
    again = True        # after a failure, the same command succeeds
    follow = False      # all processes are followed to their end
    reused = False      # what it works on serves for the next fault
    beyond = None       # another command, whose calls, which are this one's too, are swept there
    expected = None     # what REPORT says where nothing fails
    untrue = "does not exist"   # what no error may say
    most = 0            # of one process's calls of a name so many, spread evenly; 0: all
    killed = False      # the fault was a SIGKILL

    def __init__(self, prefix):
        self.prefix = prefix
        self.id = prefix + "c"

    def settle(self): """Once, before all."""
    def before(self): """What the command needs."""
    def argv(self): raise NotImplementedError
    def done(self): """None, or what the command said to have done and has not."""
    def half(self): """None, or what a failure must not leave; after recover when it was killed."""
    def renew(self): """Between a failure and the same command again, where what it works on may be gone."""
    def restore(self): """Where reused: whether all is again as before() left it."""
    def after(self): """Takes everything away."""
    def meanwhile(self): """With follow: what ends what the command started."""

    def compare(self, report):
        report = plain(report, [re.escape(self.id)])
        if not report.endswith("end\n"):
            return "the process did not report: %r" % report[-200:]
        if self.expected is None:
            self.expected = report
        if report != self.expected:
            a, b = self.expected.splitlines(), report.splitlines()
            return "confined differently: %s" % ([x for x in b if x not in a] or [x for x in a if x not in b])[:3]
        return None


# --- containers ----------------------------------------------------------------------------------

class Container(Case):
    process = REPORT.replace("echo end", "echo end; sync") + "exit 0"
    user_namespace = False

    def settle(self):
        if not os.path.isdir(BUNDLE):
            root = BUNDLE + "/rootfs"
            for d in ("bin", "dev", "proc", "sys", "tmp", "etc", "root"):
                os.makedirs(root + "/" + d)
            busybox = shutil.which("busybox")
            shutil.copy(busybox, root + "/bin/busybox")
            names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
            for n in names:
                if n != "busybox":
                    os.symlink("busybox", root + "/bin/" + n)
            must("spec", "-b", BUNDLE)
        with open(BUNDLE + "/config.json") as f:
            c = json.load(f)
        c["process"].update(terminal=False, args=["/bin/sh", "-c", self.process], oomScoreAdj=77)
        c["root"]["readonly"] = False
        linux = c["linux"]
        linux["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 99},
                              "devices": [{"allow": False, "access": "rwm"}]}
        linux["sysctl"] = {"net.ipv4.ping_group_range": "1 2"}
        linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW",
                            "syscalls": [{"names": ["swapoff"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
        c.pop("hooks", None)
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "user"]
        for k in ("uidMappings", "gidMappings"):
            linux.pop(k, None)
        if self.user_namespace:
            c["hooks"] = {"createRuntime": [{"path": "/bin/true"}], "createContainer": [{"path": "/bin/true"}],
                          "poststop": [{"path": "/bin/true"}]}
            linux["namespaces"].append({"type": "user"})
            linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        with open(BUNDLE + "/config.json", "w") as f:
            json.dump(c, f)
        uid = 100000 if self.user_namespace else 0
        subprocess.run(["chown", "-R", "-h", "%d:%d" % (uid, uid), BUNDLE + "/rootfs"], check=True)

    def create(self):
        must("create", "-b", BUNDLE, self.id)

    def running(self):
        self.create()
        must("start", self.id)
        # Until then its process goes by another name, and would be missed when it changes.
        if not wait_for(lambda: "process sleep" in host.processes()):
            raise Broken("the container's process did not come to its end")

    def status(self):
        rc, out, _ = vz("state", self.id)
        return json.loads(out)["status"] if rc == 0 else "none"

    def reported(self):
        return os.path.exists(OUT) and open(OUT, errors="replace").read().endswith("end\n")

    def report_of_file(self):
        if not wait_for(self.reported):
            return "the container's process did not report"
        with open(OUT, errors="replace") as f:
            return self.compare(f.read())

    def clear(self):
        if os.path.exists(OUT):
            os.unlink(OUT)

    def after(self):
        rc, _, err = vz("delete", "-f", self.id)
        self.clear()
        if rc:
            return "delete -f: " + err.strip()
        return None


class Sleeper(Container):
    process = "{ %s } >/out 2>&1; exec sleep 86400" % REPORT


class Create(Sleeper):
    name = "create"
    nothing = True

    def argv(self): return ["create", "-b", BUNDLE, self.id]
    def renew(self): self.after()

    def done(self):
        s = self.status()
        if s != "created":
            return "created, and is " + s
        rc, _, err = vz("start", self.id)
        return "created, and does not start: " + err.strip() if rc else self.report_of_file()


class CreateUser(Create):
    name = "create (user ns)"
    user_namespace = True


class Start(Sleeper):
    name = "start"
    def before(self): self.create()
    def argv(self): return ["start", self.id]

    def done(self):
        return self.report_of_file() or (None if self.status() == "running" else "started, and is " + self.status())

    def half(self):
        s = self.status()
        return None if s in ("created", "running", "stopped") else "the container is " + s

    def renew(self):
        self.after()
        self.create()


class Run(Container):
    name = "run"
    nothing = True
    def argv(self): return ["run", "-b", BUNDLE, self.id]
    def renew(self): self.after()
    def done(self): return self.compare(self.stdout) or (None if self.status() == "none" else "the container is left")


class RunDetached(Create):
    name = "run -d"
    def argv(self): return ["run", "-d", "-b", BUNDLE, self.id]

    def done(self):
        return self.report_of_file() or (None if self.status() == "running" else "runs, and is " + self.status())


class Exec(Sleeper):
    name = "exec"
    reused = True
    def before(self): self.running()
    def restore(self): return True
    def argv(self): return ["exec", "-e", "A=b", self.id, "/bin/sh", "-c", REPORT]
    def done(self): return self.compare(self.stdout)

    def half(self):
        alone = lambda: json.loads(must("ps", "-f", "json", self.id)).__len__() == 1
        if not wait_for(alone):
            return "a process is left in the container"
        return None if self.status() == "running" else "the container is " + self.status()


def limit(name, v1, v2):
    for path in (v1, v2):
        full = "/sys/fs/cgroup/" + path % name
        if os.path.exists(full):
            return open(full).read().strip()
    return "none"


class Update(Sleeper):
    name = "update"
    reused = True
    def before(self): self.running()
    def restore(self): return must("update", "--memory", str(64 << 20), "--pids-limit", "99", self.id) == ""
    def argv(self): return ["update", "--memory", str(128 << 20), "--pids-limit", "55", self.id]

    def values(self):
        name = "vzrun-" + self.id
        return (limit(name, "memory/%s/memory.limit_in_bytes", "%s/memory.max"),
                limit(name, "pids/%s/pids.max", "%s/pids.max"))

    def done(self):
        return None if self.values() == (str(128 << 20), "55") else "updated, and is %s" % (self.values(),)

    def half(self):
        known = self.values()[0] in (str(64 << 20), str(128 << 20)) and self.values()[1] in ("99", "55")
        return None if known else "limits are %s" % (self.values(),)


class Kill(Sleeper):
    name = "kill"
    def before(self): self.running()
    def argv(self): return ["kill", self.id, "KILL"]
    def done(self): return None if wait_for(lambda: self.status() == "stopped") else "killed, and lives"

    def half(self):
        s = self.status()
        return None if s in ("running", "stopped") else "the container is " + s

    def renew(self):
        self.after()
        self.running()


class Pause(Kill):
    name = "pause"
    reused = True

    def restore(self):
        if self.status() == "paused":
            must("resume", self.id)
        return self.status() == "running"

    def argv(self): return ["pause", self.id]
    def done(self): return None if self.status() == "paused" else "paused, and is " + self.status()

    def half(self):
        s = self.status()
        known = ("running", "paused") if self.killed or self.name == "resume" else ("running",)
        return None if s in known else "the container is " + s


class Resume(Pause):
    name = "resume"

    def before(self):
        self.running()
        must("pause", self.id)

    def restore(self):
        if self.status() == "running":
            must("pause", self.id)
        return self.status() == "paused"

    def renew(self):
        self.after()
        self.before()

    def argv(self): return ["resume", self.id]
    def done(self): return None if self.status() == "running" else "resumed, and is " + self.status()


class Delete(Sleeper):
    name = "delete -f"
    def before(self): self.running()
    def argv(self): return ["delete", "-f", self.id]
    def done(self): return None if self.status() == "none" else "deleted, and is " + self.status()


class State(Sleeper):
    name = "state"
    reused = True
    def restore(self): return True
    def before(self): self.create()
    def argv(self): return ["state", self.id]
    def done(self): return None if '"created"' in self.stdout else "says %r" % self.stdout


class List(State):
    name = "list"
    def argv(self): return ["list"]

    def done(self):
        # What it cannot read it tells, and lists the others.
        told = self.id in self.stderr and self.id not in self.stdout
        return None if told or re.search(self.id + r".*created", self.stdout) else "says %r" % self.stdout


class Ps(State):
    name = "ps"
    def argv(self): return ["ps", self.id]
    def done(self): return None if re.search(r"\d+ .*vzrun", self.stdout) else "says %r" % self.stdout


class Events(State):
    name = "events"
    def argv(self): return ["events", "--stats", self.id]
    def done(self): return None if json.loads(self.stdout)["id"] == self.id else "says %r" % self.stdout


class Recover(Sleeper):
    """After a create that was killed half way."""
    name = "recover"

    def settle(self):
        super().settle()
        rc, _, _ = run([host.INJECT, "-o", "/tmp/calls", "list", VZ, "--root", STATE, "create", "-b", BUNDLE, self.id])
        with open("/tmp/calls") as f:
            calls = [line.split()[1:] for line in f if line.startswith("call 0:")]
        os.unlink("/tmp/calls")
        # The group is there, the process is there, and no state yet.
        self.point = calls[[c for _, c in calls].index("clone3") + 3][0]
        self.after()

    def before(self):
        there = host.processes()
        run([host.INJECT, "-o", "/dev/null", "kill", self.point, VZ, "--root", STATE, "create", "-b", BUNDLE, self.id])
        if not wait_for(lambda: host.processes() == there):
            raise Broken("what a killed create began lives: %s" % (host.processes() - there))

    def argv(self): return ["recover"]

    def done(self):
        return None if not os.path.exists(STATE + "/" + self.id) and not host.groups(self.prefix) else "left something"


CONTAINERS = [Create, CreateUser, Start, Run, RunDetached, Exec, Update, Kill, Pause, Resume, Delete, State, List, Ps, Events,
              Recover]
