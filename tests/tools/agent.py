#!/usr/bin/env python3
"""A seccomp agent. agent.py SOCKET LOG ANSWER: takes container process states, one a connection, writes each to LOG
as a line, and answers every system call that is asked about with ANSWER: an error number, or "continue". Calls are
logged as "call NR pid PID"."""
import array, fcntl, json, select, socket, struct, sys, threading

RECV, SEND = 0xC0502100, 0xC0182101


def serve(listener, log, answer):
    while True:
        p = select.poll()
        p.register(listener, select.POLLIN)
        if any(e & (select.POLLHUP | select.POLLERR) for _, e in p.poll()):
            return
        b = bytearray(80)
        try:
            fcntl.ioctl(listener, RECV, b)
        except OSError:
            continue
        ident, pid, _, nr = struct.unpack_from("=QIIi", b)
        log(f"call {nr} pid {pid}")
        if answer == "continue":
            reply = struct.pack("=QqiI", ident, 0, 0, 1)
        else:
            reply = struct.pack("=QqiI", ident, 0, -int(answer), 0)
        try:
            fcntl.ioctl(listener, SEND, reply)
        except OSError:
            pass


def take(conn, log, answer):
    data, fds = b"", []
    while True:
        part, anc, _, _ = conn.recvmsg(65536, socket.CMSG_SPACE(64))
        for level, kind, raw in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                a = array.array("i")
                a.frombytes(raw)
                fds += a
        if not part:
            break
        data += part
    log("state " + json.dumps(json.loads(data)) + f" fds {len(fds)}")
    serve(fds[0], log, answer)


def main():
    path, logfile, answer = sys.argv[1:]
    out, lock = open(logfile, "a"), threading.Lock()

    def log(text):
        with lock:
            print(text, file=out, flush=True)

    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(path)
    s.listen(8)
    log("ready")
    while True:
        conn, _ = s.accept()
        threading.Thread(target=take, args=(conn, log, answer), daemon=True).start()


main()
