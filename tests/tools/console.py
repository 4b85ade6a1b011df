#!/usr/bin/env python3
"""console.py SOCKET [COLSxROWS FIFO]: receives one terminal master as an engine does, prints what comes from it until it
hangs up; with a size, gives it that when somebody writes to the fifo.
console.py --pty COLSxROWS CMD...: runs CMD on a real terminal, feeds it standard input, prints its output."""
import array, fcntl, os, pty, select, socket, struct, sys, termios


def relay(fd, out=1):
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            return
        if not data:
            return
        os.write(out, data)


def resize(fd, size):
    cols, rows = (int(x) for x in size.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def receive(path, size=None, fifo=None):
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(1)
    c, _ = s.accept()
    msg, anc, _, _ = c.recvmsg(4096, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(anc[0][2][:4])
    os.write(2, b"name: " + msg + b"\n")
    if size:
        open(fifo).read()
        resize(fds[0], size)
    relay(fds[0])


def on_pty(size, cmd):
    feed = sys.stdin.buffer.read()
    pid, fd = pty.fork()
    if pid == 0:
        resize(0, size)
        os.execvp(cmd[0], cmd)
    if feed:
        os.write(fd, feed)
    relay(fd)
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


if sys.argv[1] == "--pty":
    on_pty(sys.argv[2], sys.argv[3:])
else:
    receive(*sys.argv[1:])
