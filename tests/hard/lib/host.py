"""A host of our own for sweeps: namespaces in which everything that is there is ours, and what there is in them."""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
VZ = os.environ.get("VZRUN", os.path.join(os.environ.get("VZRUN_BUILD", os.path.join(TOP, "build")), "vzrun"))
INJECT = os.path.join(TOP, "build", "tools", "inject")
WORK = "/tmp/w"
STATE, HOME = WORK + "/state", WORK + "/home"
LASTING = "/var/lib/vzrun-ids"
CGROUPS = "/sys/fs/cgroup"
PATIENCE = 30       # seconds until something that should be gone is called left

inherited = set()

os.environ["VZRUN_HOME"] = HOME


class Broken(Exception):
    """The surroundings do not work: no verdict."""


def enter(argv):
    """Runs argv again as the first process of namespaces of its own; does not come back."""
    os.execvp("unshare", ["unshare", "-mpniu", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
                          sys.executable] + argv)


def mount(*args):
    subprocess.run(["mount", *args], check=True)


def mount_points():
    with open("/proc/self/mountinfo") as f:
        return [line.split()[4] for line in f]


def furnish():
    """In those namespaces: /tmp, /run, /dev/shm and /sys are ours, cgroups are the host's."""
    for d in ("/run", "/dev/shm"):
        mount("-t", "tmpfs", "tmpfs", d)
    project = os.open(TOP, os.O_PATH | os.O_DIRECTORY)
    mount("-t", "tmpfs", "tmpfs", "/tmp")
    if TOP.startswith("/tmp/"):
        os.makedirs(TOP)
        # mount(8) would make the name of it, which is covered.
        mount("-c", "--bind", "/proc/%d/fd/%d" % (os.getpid(), project), TOP)
    os.close(project)
    os.makedirs("/tmp/keep")
    mount("--rbind", CGROUPS, "/tmp/keep")
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("--rbind", "/tmp/keep", CGROUPS)
    subprocess.run(["umount", "-R", "/tmp/keep"], check=True)
    os.rmdir("/tmp/keep")
    # What is written there lasts longer than a boot.
    for d in ("/tmp/upper", "/tmp/work"):
        os.mkdir(d)
    mount("-t", "overlay", "-o", "lowerdir=/var/lib,upperdir=/tmp/upper,workdir=/tmp/work", "overlay", "/var/lib")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.umask(0o022)
    for d in (STATE, HOME):
        os.makedirs(d, 0o700)
    # Others' mounts, which may go while we look.
    inherited.update(mount_points())


def reap():
    """We are the first process: what lost its parent is ours to bury."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def wait_for(what, seconds=PATIENCE):
    end, nap = time.monotonic() + seconds, 0.002
    while not what():
        reap()
        if time.monotonic() > end:
            return False
        time.sleep(nap)
        nap = min(nap * 1.5, 0.1)
    return True


def run(argv, timeout=60, env=None, cwd=None):
    """Status, standard output, standard error. Files, not pipes: what lives on would hold a pipe open. New ones: what
    lives on may still write."""
    for f in ("/tmp/out", "/tmp/err"):
        if os.path.exists(f):
            os.unlink(f)
    with open("/tmp/out", "w+b") as out, open("/tmp/err", "w+b") as err:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd,
                             env={**os.environ, **env} if env else None)
        try:
            rc = p.wait(timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            rc = 124
        reap()
        out.seek(0), err.seek(0)
        return rc, out.read().decode(errors="replace"), err.read().decode(errors="replace")


def vz(*args, **kw):
    return run([VZ, "--root", STATE, *args], **kw)


def must(*args, **kw):
    rc, out, err = vz(*args, **kw)
    if rc:
        raise Broken("vzrun %s: status %d: %s" % (" ".join(args), rc, err.strip()))
    return out


# --- what there is -------------------------------------------------------------------------------

def processes():
    """name -> how many, of all but us; the dead that nobody buried yet are nobody's."""
    found = Counter()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if pid == "1":
            continue
        try:
            with open("/proc/%s/stat" % pid) as f:
                text = f.read()
        except OSError:
            continue
        if text.rpartition(")")[2].split()[0] not in "ZX":
            found["process " + text.partition("(")[2].rpartition(")")[0]] += 1
    return found


def calm():
    """What a killed command leaves behind dies of its death, and holds its locks until then."""
    last = None
    while last != (now := processes()):
        last = now
        time.sleep(0.03)


def groups(prefix):
    found = []
    tops = [CGROUPS] + [os.path.join(CGROUPS, d) for d in os.listdir(CGROUPS)]
    for top in filter(os.path.isdir, tops):
        for name in os.listdir(top):
            if prefix in name:
                found += [d for d, _, _ in os.walk(os.path.join(top, name))]
    return found


def tree(top, skip=()):
    for d, dirs, files in os.walk(top):
        dirs[:] = [x for x in dirs if os.path.join(d, x) not in skip]
        yield from (os.path.join(d, x) for x in dirs + files)


def snapshot(prefix, network=False, images=False):
    """Everything that a command could leave, as a bag of lines."""
    found = processes()
    found.update("mount " + p for p in mount_points() if p not in inherited)
    found.update("group " + g for g in groups(prefix))
    for top in ("/run", "/dev/shm", LASTING, STATE, HOME):
        # Compiled filters are kept for the next start, a few: no leak.
        found.update("file " + p for p in tree(top, (STATE + "/.seccomp",) if images else (STATE + "/.seccomp", HOME + "/images")))
    found.update("file " + p for p in os.listdir("/tmp"))
    with open("/proc/net/dev") as f:
        found.update("link " + line.partition(":")[0].strip() for line in f if ":" in line)
    if network:
        rules = subprocess.run(["nft", "-s", "list", "ruleset"], capture_output=True, text=True).stdout
        # What packets fill is no command's.
        rules = subprocess.run(["awk", "-f", TOP + "/tests/net/standing.awk"], input=rules, capture_output=True, text=True,
                               check=True).stdout
        found.update("nft " + re.sub(r"\s+", " ", line) for line in rules.splitlines())
        for kind in ("ipv4", "ipv6"):
            top = "/proc/sys/net/%s/conf" % kind
            for name in os.listdir(top):
                try:
                    with open("%s/%s/forwarding" % (top, name)) as f:
                        found["forwarding %s %s %s" % (kind, name, f.read().strip())] += 1
                except OSError:     # the link went meanwhile
                    pass
    return found


def difference(before, after):
    return ["+ " + x for x in (after - before)] + ["- " + x for x in (before - after)]


def scrub(prefix):
    """After a verdict: a host as it was, whatever it takes."""
    for _ in range(200):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if pid != "1":
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except OSError:
                    pass
        reap()
        if not processes():
            break
        time.sleep(0.01)
    for g in sorted(groups(prefix), reverse=True):
        try:
            os.rmdir(g)
        except OSError:
            pass
    subprocess.run(["nft", "flush", "ruleset"])
    with open("/proc/net/dev") as f:
        links = [line.partition(":")[0].strip() for line in f if ":" in line]
    for link in links:
        if link != "lo":
            subprocess.run(["ip", "link", "del", link], stderr=subprocess.DEVNULL)
    libc = ctypes.CDLL(None)
    with open("/proc/self/mountinfo") as f:
        for line in reversed(f.readlines()):
            if line.split()[4].startswith(WORK):
                libc.umount2(line.split()[4].encode(), 2)
    for top in (STATE, HOME, "/run", "/dev/shm"):
        for name in os.listdir(top):
            if os.path.join(top, name) != HOME + "/images":
                path = os.path.join(top, name)
                shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
