#!/usr/bin/env python3
"""Runs a command on a real pseudo-terminal. guest-pty.py STEP... -- COMMAND...
STEP: "?TEXT" waits for TEXT, "!TEXT" types it (\\n, \\xNN as in Python), "@ROWSxCOLS" resizes.
Prints what was seen; exits with the command's status, 99 when TEXT did not come within 15 s."""
import fcntl, os, pty, select, struct, sys, termios, time

cut = sys.argv.index("--")
steps, command = sys.argv[1:cut], sys.argv[cut + 1:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen, mark = b"", 0


def read(seconds):
    global seen
    if select.select([fd], [], [], seconds)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        seen += data
        return bool(data)
    return True


for step in steps:
    what, text = step[0], step[1:].encode().decode("unicode_escape").encode("latin1")
    if what == "!":
        os.write(fd, text)
    elif what == "@":
        rows, cols = map(int, text.split(b"x"))
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    else:
        end = time.time() + 15
        while text not in seen[mark:]:
            if time.time() > end or not read(0.2):
                sys.stdout.write(seen.decode("utf-8", "replace") + "\nmissing: %r\n" % text)
                os.kill(pid, 9)
                sys.exit(99)
        mark = seen.index(text, mark) + len(text)
while read(0.5) and select.select([fd], [], [], 0)[0]:
    pass
end = time.time() + 15
while time.time() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    read(0.1)
else:
    os.kill(pid, 9)
    sys.exit(98)
sys.stdout.write(seen.decode("utf-8", "replace"))
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
