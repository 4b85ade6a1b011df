#!/usr/bin/env python3
# What a process can do to the host and to a guest, each as a word.
#   47-selinux-keeper.py DIR STATE PID SECRETS [LABEL]
#	the guest's directory, that of its state, its init; files of the host's that each have the type of their name; the
#	label that it takes before
import ctypes, mmap, os, sys

guest, state, pid, secrets = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
home = os.environ["VZRUN_HOME"]
libc = ctypes.CDLL(None, use_errno=True)
SEIZE = 0x4206


def enter(label):
    with open("/proc/self/attr/current", "w") as f:
        f.write(label)


def read(path):
    with open(path) as f:
        f.read()


def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)


def directory(path):
    os.mkdir(path)
    os.rmdir(path)


def away(path):
    os.rename(path, path + ".away")
    os.rename(path + ".away", path)


# Its errno by the status.
def execute(path):
    child = os.fork()
    if child == 0:
        try:
            os.execv(path, [path])
        except OSError as e:
            os._exit(e.errno)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, path)


# Seized it goes on, and when the tracer ends it is let go.
def trace():
    if libc.ptrace(SEIZE, pid, None, None):
        raise OSError(ctypes.get_errno(), "ptrace")


attempts = {
    "shadow": lambda: read("/etc/shadow"),
    **{t: lambda t=t: read(secrets + "/" + t) for t in sorted(os.listdir(secrets))},
    **{d: lambda d=d: write(d + "/t-keeper") for d in ("/etc", "/usr", "/boot", "/root")},
    "disk": lambda: os.close(os.open("/dev/vda", os.O_RDONLY)),
    "program": lambda: execute("/bin/true"),
    "guest": lambda: read(guest + "/rootfs/etc/passwd"),
    "config": lambda: os.close(os.open(guest + "/config.json", os.O_RDWR)),
    "record": lambda: write(guest + "/t-keeper"),
    "filters": lambda: write(os.path.dirname(state) + "/.seccomp/t-keeper"),
    "state": lambda: write(state + "/t-keeper"),
    "away": lambda: away(guest),
    "forged": lambda: directory(home + "/guests/t-keeper"),
    "guests": lambda: away(home + "/guests"),
    "home": lambda: away(home),
    "trace": trace,
    "networks": lambda: write(home + "/networks/t-keeper"),
}
said = mmap.mmap(-1, 4096)


def try_all():
    if len(sys.argv) > 5:
        with open("/proc/self/attr/current") as f:
            before = f.read().rstrip("\0")
        enter(sys.argv[5])
        attempts["out"] = lambda: enter(before)
    for word, what in attempts.items():
        try:
            what()
            said.write(word.encode() + b" ")
        except PermissionError:
            pass
    os._exit(0)


# A child's memory tells: in the other domain nothing may be written to whoever reads us.
child = os.fork()
if child == 0:
    try_all()
if os.waitpid(child, 0)[1]:
    sys.exit("the attempts ended before their time")
print(said[:].rstrip(b"\0").decode())
