#!/usr/bin/env python3
# What a process can do to the host and to a guest, each as a word.
#   47-selinux-keeper.py ROOT PID [LABEL]	the guest's root and init; the label that it takes before
import ctypes, mmap, os, sys

root, pid = sys.argv[1], int(sys.argv[2])
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
    **{d: lambda d=d: write(d + "/t-keeper") for d in ("/etc", "/usr", "/boot", "/root")},
    "disk": lambda: os.close(os.open("/dev/vda", os.O_RDONLY)),
    "program": lambda: execute("/bin/true"),
    "guest": lambda: read(root + "/etc/passwd"),
    "trace": trace,
    "records": lambda: write(os.environ["VZRUN_HOME"] + "/t-keeper"),
}
said = mmap.mmap(-1, 4096)


def try_all():
    if len(sys.argv) > 3:
        with open("/proc/self/attr/current") as f:
            before = f.read().rstrip("\0")
        enter(sys.argv[3])
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
