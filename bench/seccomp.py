"""A seccomp profile of the size and shape of the engines' default, and the least program that enforces it.

The names are those of the kernel headers, for the three architectures of x86-64, without what an engine
denies. The floor compiles no profile: it attaches this program, a search tree over ranges of numbers."""
import os
import platform
import re
import struct

HEADERS = "/usr/include/x86_64-linux-gnu/asm/unistd_%s.h"
# architecture: header, audit number, bit of every number
ARCHITECTURES = {
    "SCMP_ARCH_X86_64": ("64", 0xC000003E, 0),
    "SCMP_ARCH_X32": ("x32", 0xC000003E, 0x40000000),
    "SCMP_ARCH_X86": ("32", 0x40000003, 0),
}
# What came later is unknown to the libraries of the peers.
NEWEST = 448
DENIED = set("""
    acct add_key afs_syscall bdflush bpf break clock_adjtime clock_adjtime64 clock_settime
    clock_settime64 create_module delete_module finit_module fsconfig fsmount fsopen fspick ftime
    get_kernel_syms getpmsg gtty idle init_module ioperm iopl kcmp kexec_file_load kexec_load keyctl
    lock lookup_dcookie mbind migrate_pages mount mount_setattr move_mount move_pages mpx nfsservctl
    open_by_handle_at open_tree perf_event_open personality pivot_root process_vm_readv
    process_vm_writev prof profil ptrace putpmsg query_module quotactl quotactl_fd reboot request_key
    security set_mempolicy set_mempolicy_home_node setns settimeofday stime stty swapoff swapon _sysctl
    sysfs syslog tuxcall ulimit umount umount2 unshare uselib userfaultfd ustat vhangup vm86 vm86old
    vserver
    """.split())
PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF]
ENOSYS, EPERM = 38, 1

LOAD, EQUAL, AT_LEAST, JUMP, RETURN = 0x20, 0x15, 0x35, 0x05, 0x06
NUMBER, ARCH, ARG0_LOW, ARG0_HIGH = 0, 4, 16, 20
ALLOW, REFUSE_ENOSYS, REFUSE_EPERM = 0x7FFF0000, 0x00050000 | ENOSYS, 0x00050000 | EPERM


def lacking():
    """Why there is no profile here, or nothing."""
    if platform.machine() != "x86_64":
        return "the profile is written for x86-64"
    missing = [h for h, _, _ in ARCHITECTURES.values() if not os.path.exists(HEADERS % h)]
    return "no %s (Debian: linux-libc-dev)" % (HEADERS % missing[0]) if missing else ""


def numbers(header, bit):
    with open(HEADERS % header) as f:
        text = f.read()
    pairs = re.findall(r"#define __NR_(\w+)\s+\(?(?:__X32_SYSCALL_BIT \+ )?(\d+)\)?", text)
    return {name: int(n) | bit for name, n in pairs if int(n) <= NEWEST or 512 <= int(n) < 1024}


def profile():
    """The section linux.seccomp of a configuration."""
    names = set()
    for header, _, bit in ARCHITECTURES.values():
        names |= set(numbers(header, bit))
    denied = (names & DENIED) - {"personality"}
    rules = [{"names": sorted(names - DENIED), "action": "SCMP_ACT_ALLOW"},
             {"names": sorted(denied), "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM}]
    for value in PERSONALITIES:
        rules.append({"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                      "args": [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"}]})
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": ENOSYS,
            "architectures": list(ARCHITECTURES), "syscalls": rules}


def op(code, k, yes=0, no=0):
    return [struct.pack("=HBBI", code, yes, no, k)]


def personality():
    body = op(LOAD, ARG0_HIGH) + op(EQUAL, 0, 0, len(PERSONALITIES) + 1) + op(LOAD, ARG0_LOW)
    for i, value in enumerate(PERSONALITIES):
        body += op(EQUAL, value, len(PERSONALITIES) - i, 0)
    return body + op(RETURN, REFUSE_ENOSYS) + op(RETURN, ALLOW)


def leaf(what):
    return personality() if what == "personality" else op(RETURN, what)


def verdict(name):
    if name == "personality":
        return name
    return REFUSE_EPERM if name in DENIED else ALLOW


def ranges(table):
    """[(first number, verdict)] in order, neighbours with the same verdict joined."""
    named = {n: verdict(name) for name, n in table.items()}
    points = sorted({0} | set(named) | {n + 1 for n in named})
    out = []
    for n in points:
        what = named.get(n, REFUSE_ENOSYS)
        if not out or out[-1][1] != what:
            out.append((n, what))
    return out


def choose(test, yes, no):
    """Jumps of more than 255 need an instruction of their own."""
    code, k = test
    if len(no) <= 255:
        return op(code, k, len(no), 0) + no + yes
    return op(code, k, 0, 1) + op(JUMP, len(no)) + no + yes


def tree(parts):
    if len(parts) == 1:
        return leaf(parts[0][1])
    half = len(parts) // 2
    return choose((AT_LEAST, parts[half][0]), tree(parts[half:]), tree(parts[:half]))


def program():
    """The raw filter: an array of struct sock_filter."""
    trees = {}
    for name, (header, _, bit) in ARCHITECTURES.items():
        trees[name] = tree(ranges(numbers(header, bit)))
    _, x86_64, _ = ARCHITECTURES["SCMP_ARCH_X86_64"]
    _, x86, _ = ARCHITECTURES["SCMP_ARCH_X86"]
    _, _, x32_bit = ARCHITECTURES["SCMP_ARCH_X32"]
    long_mode = op(LOAD, NUMBER) + choose((AT_LEAST, x32_bit), trees["SCMP_ARCH_X32"],
                                          trees["SCMP_ARCH_X86_64"])
    rest = choose((EQUAL, x86), op(LOAD, NUMBER) + trees["SCMP_ARCH_X86"], op(RETURN, REFUSE_EPERM))
    return b"".join(op(LOAD, ARCH) + choose((EQUAL, x86_64), long_mode, rest))
