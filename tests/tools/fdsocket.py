#!/usr/bin/env python3
"""fdsocket.py SOCKET: receives one descriptor as an engine does, says its name and what it is.
With a signal's number behind it: sends that to the
pidfd that came, once a file is there (third argument). fdsocket.py --listen N CMD...: runs CMD with N
listening sockets from descriptor 3 on, as a service manager does. fdsocket.py --full SOCKET: listens, accepts nobody, and
fills the places where connections wait; says "full" and stays until it is killed. fdsocket.py --notified SOCKET: says each
datagram that comes, as a service manager would read it, until it is killed."""
import array
import os
import signal
import socket
import sys
import time


def receive(path, sig, when):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(1)
    c, _ = s.accept()
    msg, anc, _, _ = c.recvmsg(4096, socket.CMSG_SPACE(4))
    fd = array.array("i", anc[0][2][:4])[0]
    with open("/proc/self/fdinfo/%d" % fd) as f:
        pid = [line.split()[1] for line in f if line.startswith("Pid:")]
    print(msg.decode(), os.readlink("/proc/self/fd/%d" % fd), *pid, flush=True)
    while when and not os.path.exists(when):
        time.sleep(0.02)
    if sig:
        signal.pidfd_send_signal(fd, int(sig))


def listen(n, cmd):
    for i in range(n):
        s = socket.socket(socket.AF_UNIX)
        s.bind("\0vzrun-test-%d-%d" % (os.getpid(), i))
        s.listen(1)
        keep = os.dup2(s.fileno(), 100 + i, inheritable=False)
        s.close()
        os.dup2(keep, 50 + i)
    for i in range(n):
        os.dup2(50 + i, 3 + i, inheritable=True)
    os.closerange(3 + n, 200)
    os.environ.update(LISTEN_FDS=str(n), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=":".join(["web"] * n))
    os.execvp(cmd[0], cmd)


def full(path):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(0)
    waiting = []
    while True:
        c = socket.socket(socket.AF_UNIX)
        c.setblocking(False)
        try:
            c.connect(path)
        except BlockingIOError:
            break
        waiting.append(c)
    print("full", flush=True)
    signal.pause()


def notified(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind("\0" + path[1:] if path[0] == "@" else path)
    print("listening", flush=True)
    while True:
        msg, anc, _, _ = s.recvmsg(4096, socket.CMSG_SPACE(16))
        for _, _, data in anc:
            os.close(array.array("i", data[:4])[0])
        print(msg.decode(), flush=True)


if sys.argv[1] == "--notified":
    notified(sys.argv[2])
elif sys.argv[1] == "--full":
    full(sys.argv[2])
elif sys.argv[1] == "--listen":
    listen(int(sys.argv[2]), sys.argv[3:])
else:
    receive(*(sys.argv[1:] + ["", ""])[:3])
