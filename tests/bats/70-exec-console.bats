#!/usr/bin/env bats
# Terminals, descriptors, and who a joining process is.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; TOOL=$TOP/tests/tools/console.py; }
teardown() { engine_teardown; }

running() { args sleep 300; create; vz start "$ID"; }
inside() { sh_ "$1"; go; ok; }
pty() { python3 "$TOOL" --pty "$1" "${@:2}" | tr -d '\r'; }

@test "run with a terminal: a controlling one, of its own, with our size" {
	cfg '.process.terminal = true'
	sh_ 'tty; stty size; ls -l /dev/console | cut -c1; echo x >/dev/tty; tty </dev/console >/dev/null && echo console; cat /proc/self/stat | cut -d" " -f6,7'
	run pty 101x33 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
	has "/dev/pts/0
33 101
c
x
console"
}

@test "consoleSize is the terminal's size" {
	cfg '.process.terminal = true | .process.consoleSize = {height: 12, width: 34}'
	sh_ 'stty size'
	S=$BATS_TEST_TMPDIR/s
	python3 "$TOOL" "$S" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- & JOB=$!
	wait_for test -S "$S"
	v create --console-socket "$S" "$ID"
	vz start "$ID"
	wait_for grep -q '12 34' "$BATS_TEST_TMPDIR/out"
	vz delete -f "$ID"
	ended "$JOB"
}

@test "a terminal gives the status and what was written last" {
	cfg '.process.terminal = true'
	sh_ 'seq 2000; exit 5'
	run bash -c "python3 '$TOOL' --pty 80x24 '$VZ' --root '$ROOT' run -b '$B' '$ID' </dev/null | tail -1 | tr -d '\r'; exit \${PIPESTATUS[0]}"
	[ "$status" = 5 ]
	says 2000
}

@test "who writes to a terminal without an end, and reads what comes back, waits for nobody" {
	cfg '.process.terminal = true'
	sh_ 'tee /dev/stderr | md5sum'
	seq 200000 >"$BATS_TEST_TMPDIR/in"
	run bash -c "{ cat '$BATS_TEST_TMPDIR/in'; printf '\004'; } | '$VZ' --root '$ROOT' run -b '$B' '$ID' | tail -1"
	says "$(md5sum <"$BATS_TEST_TMPDIR/in")"
}

@test "a line ends as the caller's terminal has it: with one carriage return, and with none in a file" {
	cfg '.process.terminal = true | .process.args = ["echo", "line"]'
	python3 "$TOOL" --pty 80x24 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out"
	[ "$(od -An -c <"$BATS_TEST_TMPDIR/out" | tr -d ' ')" = 'line\r\n' ]
	v run "$ID" >"$BATS_TEST_TMPDIR/out"
	[ "$(od -An -c <"$BATS_TEST_TMPDIR/out" | tr -d ' ')" = 'line\n' ]
}

@test "what is typed arrives, control characters too" {
	cfg '.process.terminal = true'
	sh_ 'trap "echo interrupted; exit 3" INT; echo ready; read x; echo "got $x"; while :; do sleep 0.1; done'
	run python3 - "$VZ" "$ROOT" "$B" "$ID" <<'P'
import os, pty, sys
vz, root, b, i = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(vz, [vz, "--root", root, "run", "-b", b, i])
out = b""
def until(word):
    global out
    while word not in out:
        out += os.read(fd, 1000)
until(b"ready")
os.write(fd, b"hello\n")
until(b"got hello")
os.write(fd, b"\x03")
until(b"interrupted")
_, s = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(s))
P
	[ "$status" = 3 ]
}

@test "create with a console socket" {
	cfg '.process.terminal = true'
	sh_ 'tty; echo bye'
	S=$BATS_TEST_TMPDIR/$(printf 'd%.0s' {1..60})/$(printf 's%.0s' {1..60})
	mkdir -p "$(dirname "$S")"
	(cd "$(dirname "$S")" && exec python3 "$TOOL" "$(basename "$S")" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&-) & JOB=$!
	wait_for test -S "$S"
	v create --console-socket "$S" "$ID"
	vz start "$ID"
	wait_for grep -q bye "$BATS_TEST_TMPDIR/out"
	grep -q "^name: /dev/ptmx" "$BATS_TEST_TMPDIR/out"
	grep -q "/dev/pts/0" "$BATS_TEST_TMPDIR/out"
	vz delete -f "$ID"
	ended "$JOB"
}

@test "a size that comes beside the start is there when the program looks" {
	local S=$BATS_TEST_TMPDIR/s f=$BATS_TEST_TMPDIR/fifo t=$BATS_TEST_TMPDIR/trace
	traced
	cfg '.process.terminal = true'
	sh_ 'stty size; echo bye'
	mkfifo "$f"
	python3 "$TOOL" "$S" 91x27 "$f" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- & JOB=$!
	wait_for test -S "$S"
	v create --console-socket "$S" "$ID"
	strace -qq -o "$t" -e trace=rt_sigtimedwait,execveat -e inject=rt_sigtimedwait:delay_enter=1000000 \
		-p "$(vz state "$ID" | jq .pid)" 3>&- & local tracer=$!
	wait_for grep -q "^TracerPid:[[:space:]]*$tracer\$" "/proc/$(vz state "$ID" | jq .pid)/status"
	vz start "$ID" & local starter=$!
	wait_for test -s "$t"
	echo >"$f"
	wait "$starter"
	wait_for grep -q bye "$BATS_TEST_TMPDIR/out"
	grep -q "^27 91" "$BATS_TEST_TMPDIR/out"
	vz delete -f "$ID"
	ended "$JOB"
	wait "$tracer" || true
}

@test "a size that comes beside an exec is there when the program looks" {
	local S=$BATS_TEST_TMPDIR/s f=$BATS_TEST_TMPDIR/fifo t=$BATS_TEST_TMPDIR/trace tracer
	traced
	running
	mkfifo "$f"
	python3 "$TOOL" "$S" 91x27 "$f" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- & JOB=$!
	wait_for test -S "$S"
	strace -f -qq -o "$t" -e trace=rt_sigtimedwait -e inject=rt_sigtimedwait:delay_enter=1000000 \
		"$VZ" --root "$ROOT" exec -t --console-socket "$S" "$ID" sh -c 'stty size; echo bye' </dev/null 3>&- & tracer=$!
	wait_for test -s "$t"
	echo >"$f"
	wait "$tracer"
	wait_for grep -q bye "$BATS_TEST_TMPDIR/out"
	grep -q "^27 91" "$BATS_TEST_TMPDIR/out"
	ended "$JOB"
}

@test "console sockets where they have no place" {
	run v create --console-socket /nowhere "$ID"
	fails 1 "cannot use console socket if vzrun will not detach or allocate tty"
	cfg '.process.terminal = true'
	run v create "$ID"
	fails 1 "cannot allocate tty if vzrun will detach without setting console socket"
	run v create --console-socket /nowhere/s "$ID"
	fails 1 "console socket /nowhere/s: No such file or directory"
	[ -z "$(state_left)" ]
	args sleep 300
	cfg '.process.terminal = false'
	create; vz start "$ID"
	run vz exec -d -t "$ID" sh
	fails 255 "cannot allocate tty if vzrun will detach without setting console socket"
	run vz exec -d --console-socket /nowhere "$ID" true
	fails 255 "cannot use console socket if vzrun will not detach or allocate tty"
}

@test "exec -t" {
	running
	run pty 90x20 "$VZ" --root "$ROOT" exec -t "$ID" sh -c 'tty; stty size; exit 4' </dev/null
	says "/dev/pts/0
20 90"
	run bash -c "python3 '$TOOL' --pty 9x9 '$VZ' --root '$ROOT' exec -t '$ID' sh -c 'exit 4' </dev/null"
	[ "$status" = 4 ]
}

@test "a program that never reads its terminal makes nobody deaf to signals" {
	running
	yes | exec "$VZ" --root "$ROOT" exec -t "$ID" sh -c 'stty raw -echo; trap "exit 3" TERM; sleep 300 & wait' >/dev/null 2>&1 3>&- & JOB=$!
	# As much as goes into a terminal, and no more.
	full() { local was=$now; now=$(awk '/^rchar/ { print $2 }' "/proc/$JOB/io"); [ "$now" -gt 16384 ] && [ "$now" = "$was" ]; }
	now=0
	wait_for full
	kill "$JOB"
	ended "$JOB"
	[ "$status" -eq 3 ]
}

@test "a terminal that nobody reads holds nobody: the container ends, and is deleted" {
	running
	python3 -c 'import os, pty, sys
m, s = pty.openpty()
os.set_inheritable(m, True)
os.dup2(s, 1)
os.execvp(sys.argv[1], sys.argv[1:])' "$VZ" --root "$ROOT" exec -t "$ID" yes </dev/null 3>&- & JOB=$!
	full() { local was=$now; now=$(awk '/^wchar/ { print $2 }' "/proc/$JOB/io"); [ "$now" -gt 2048 ] && [ "$now" = "$was" ]; }
	now=0
	wait_for full
	vz delete -f "$ID"
	kill -9 "$JOB"
	ended "$JOB"
}

@test "whoever read the terminal's output is gone: the program hears of it, as of a broken pipe" {
	headed() { run bash -c 'timeout -k 1 20 "$@" </dev/null | head -n 1; exit "${PIPESTATUS[0]}"' - "$VZ" --root "$ROOT" "$@"; }
	cfg '.process.terminal = true'
	sh_ 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done; exit 7'
	headed run -b "$B" "$ID"
	[ "$status" = 7 ]
	cfg '.process.terminal = false'
	running
	headed exec -t "$ID" sh -c 'while :; do echo more; done'
	[ "$status" = 129 ]
	# The signal that the runtime got for its own write is not passed on: by it this would end with 141.
	headed exec -t "$ID" sh -c 'trap "" HUP; i=0; while [ $i -lt 20000 ]; do echo more 2>/dev/null; i=$((i + 1)); done; exit 8'
	[ "$status" = 8 ]
	[ "$(status_of)" = running ]
}

@test "a terminal's output that cannot be written holds nobody" {
	running
	run bash -c 'timeout -k 1 20 "$@" </dev/null >/dev/full' - "$VZ" --root "$ROOT" exec -t "$ID" sh -c 'while :; do echo more; done'
	[ "$status" = 129 ]
}

@test "what runs past the end of its terminal can be interrupted at the caller's" {
	running
	run python3 - "$VZ" --root "$ROOT" exec -t "$ID" sh -c 'trap "" HUP; trap "exit 9" INT; echo one; while :; do sleep 0.1; echo more 2>/dev/null; done' <<-'E'
	import os, pty, subprocess, sys, termios, time
	m, s = pty.openpty()
	r, w = os.pipe()
	def own():
	    os.setsid()
	    import fcntl
	    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
	p = subprocess.Popen(sys.argv[1:], stdin=s, stdout=w, preexec_fn=own)
	os.close(w)
	os.read(r, 100)
	os.close(r)
	while not termios.tcgetattr(s)[3] & termios.ISIG:
	    if p.poll() is not None: sys.exit(100)
	    time.sleep(0.01)
	for _ in range(100):
	    os.write(m, b"\x03")
	    try: sys.exit(p.wait(0.2))
	    except subprocess.TimeoutExpired: pass
	p.kill()
	sys.exit(101)
	E
	[ "$status" = 9 ]
}

@test "exec -d -t with a console socket" {
	running
	S=$BATS_TEST_TMPDIR/s
	python3 "$TOOL" "$S" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- & JOB=$!
	wait_for test -S "$S"
	vz exec -d -t --console-socket "$S" "$ID" sh -c 'echo from exec'
	wait_for grep -q 'from exec' "$BATS_TEST_TMPDIR/out"
	ended "$JOB"
}

@test "the terminal belongs to the user" {
	cfg '.process.terminal = true | .process.user = {uid: 1000, gid: 1000}'
	sh_ 'stat -c %u $(tty); echo hi >$(tty)'
	run pty 80x24 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
	says "1000
hi"
}

@test "a terminal without devpts is refused by name" {
	cfg '.process.terminal = true | .mounts |= map(select(.destination != "/dev/pts"))'
	run pty 80x24 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
	has "terminal: a devpts must be mounted on /dev/pts"
}

@test "descriptors that we inherited do not reach the container" {
	sh_ 'ls /proc/self/fd'
	run bash -c "cd '$B' && exec 5</etc/passwd 9</ 200>/dev/null && '$VZ' --root '$ROOT' run '$ID' </dev/null"
	says "0
1
2
3"
	args sleep 300
	create; vz start "$ID"
	run bash -c "exec 5</etc/passwd 9</ && '$VZ' --root '$ROOT' exec '$ID' ls /proc/self/fd </dev/null"
	says "0
1
2
3"
	run ls -l "/proc/$(pid_of)/fd"
	hasnt "$B"
	hasnt "$ROOT"
}

@test "--preserve-fds passes exactly those" {
	echo three >"$BATS_TEST_TMPDIR/3"; echo four >"$BATS_TEST_TMPDIR/4"
	sh_ 'cat <&3; cat <&4; ls /proc/self/fd | tr "\n" " "'
	run bash -c "cd '$B' && exec 3<'$BATS_TEST_TMPDIR/3' 4<'$BATS_TEST_TMPDIR/4' 5</ && '$VZ' --root '$ROOT' run --preserve-fds 2 '$ID' </dev/null"
	says "three
four
0 1 2 3 4 5 "
	args sleep 300
	create; vz start "$ID"
	run bash -c "exec 3<'$BATS_TEST_TMPDIR/3' 4</ && '$VZ' --root '$ROOT' exec --preserve-fds 1 '$ID' cat /proc/self/fd/3 </dev/null"
	says three
}

@test "--preserve-fds of what is not open is refused: it would be one of ours" {
	run bash -c "cd '$B' && exec 3<&- 4<&- && '$VZ' --root '$ROOT' run --preserve-fds 1 '$ID' </dev/null"
	fails 1 "--preserve-fds 1: preserved-fd 0 is missing: descriptor 3 is not open"
	args sleep 300
	create; vz start "$ID"
	run bash -c "exec 3<&- && '$VZ' --root '$ROOT' exec --preserve-fds 1 '$ID' true </dev/null"
	fails 255 "--preserve-fds 1: preserved-fd 0 is missing: descriptor 3 is not open"
	[ -z "$(state_left | grep -v "$ID")" ]
}

@test "--preserve-fds with gaps: what is missing stays missing, and is none of ours" {
	echo six >"$BATS_TEST_TMPDIR/6"
	sh_ 'cat <&6; ls /proc/self/fd | tr "\n" " "'
	run bash -c "cd '$B' && exec 3<&- 4<&- 5<&- 6<'$BATS_TEST_TMPDIR/6' && '$VZ' --root '$ROOT' run --preserve-fds 4 '$ID' </dev/null"
	says "six
0 1 2 3 6 "
	args sleep 300
	create; vz start "$ID"
	run bash -c "exec 3<&- 4<&- 5<&- 6<'$BATS_TEST_TMPDIR/6' && '$VZ' --root '$ROOT' --log '$BATS_TEST_TMPDIR/log' \
		exec --preserve-fds 4 '$ID' sh -c 'cat <&6; ls /proc/self/fd | tr \"\\n\" \" \"' </dev/null"
	says "six
0 1 2 3 6 "
}

@test "closed standard descriptors do not become ours" {
	sh_ 'ls -l /proc/self/fd | grep -c /dev/null'
	run bash -c "cd '$B' && '$VZ' --root '$ROOT' run '$ID' <&-"
	ok
	run bash -c "cd '$B' && '$VZ' --root '$ROOT' run '$ID' <&- >&- 2>&-"
	[ "$status" = 0 ]
}

@test "exec -u: numbers in range and nothing else" {
	running
	run vz exec -u 1000 "$ID" id -u; says 1000
	run vz exec -u 1000:5 "$ID" sh -c 'id -u; id -g'; says "1000
5"
	run vz exec -u 1000 -g 7 -g 8 "$ID" id -G; says "0 7 8"
	for u in 4294967296 -1 4294967295 18446744073709551616 0x0 " 0" "+0" "" ":" "1:" ":1" "1:-1" "1:4294967296" root 1.0 "0 "; do
		run vz exec "--user=$u" "$ID" id -u
		[ "$status" = 255 ] || { echo "-u '$u': $output"; return 1; }
	done
	run vz exec -u 4294967296 "$ID" id -u
	fails 255 '--user: "4294967296" is not a user id'
}

@test "exec: capabilities as the container's, more when asked, no_new_privs" {
	running
	run vz exec "$ID" grep CapBnd /proc/self/status
	says "CapBnd:	0000000020000420"
	run vz exec --cap CAP_CHOWN "$ID" grep CapBnd /proc/self/status
	says "CapBnd:	0000000020000421"
	run vz exec --cap CAP_NOPE --cap CAP_CHOWN "$ID" grep CapBnd /proc/self/status
	ok
	says 'vzrun: warning: process.capabilities: "CAP_NOPE" is no capability of this kernel: left out
CapBnd:	0000000020000421'
	run vz exec "$ID" grep -E 'NoNewPrivs' /proc/self/status
	says "NoNewPrivs:	1"
}

@test "exec runs in every namespace and the group of the container" {
	running
	p=$(pid_of)
	run vz exec "$ID" sh -c 'for n in pid net ipc uts mnt cgroup user; do readlink /proc/self/ns/$n; done; cut -d: -f3 /proc/self/cgroup | sort -u'
	says "$(for n in pid net ipc uts mnt cgroup user; do readlink "/proc/$p/ns/$n"; done)
/"
	vz exec -d --pid-file "$BATS_TEST_TMPDIR/p" "$ID" sleep 100
	[ "$(cat "/proc/$p/cgroup")" = "$(cat "/proc/$(cat "$BATS_TEST_TMPDIR/p")/cgroup")" ]
}

@test "exec in a created container" {
	args sleep 300
	create
	run vz exec "$ID" echo there
	says there
}

@test "exec --cwd: missing, a file, relative" {
	running
	run vz exec --cwd /nowhere "$ID" true
	fails 255 'chdir to cwd ("/nowhere") set in config.json failed: No such file or directory'
	run vz exec --cwd relative "$ID" true
	fails 255 'cwd: "relative" is not absolute'
}

@test "/dev/stdout and /dev/stderr of another user, who opens the caller's pipes by name" {
	cfg '.process.user = {uid: 1000, gid: 1000}'
	sh_ 'echo out >/dev/stdout; echo err >/dev/stderr'
	[ "$(v run "$ID" 2>&1 | sort)" = "err
out" ]
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chmod 755 "$BATS_TEST_TMPDIR" "$B"
	[ "$(v run "$ID" 2>&1 | sort)" = "err
out" ]
	running
	[ "$(vz exec -u 5 "$ID" sh -c 'echo again >/dev/stdout' | cat)" = again ]
	# A file is the caller's, and stays so.
	vz exec -u 5 "$ID" true >"$BATS_TEST_TMPDIR/file"
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/file")" = 0 ]
}

@test "no process holds the host's /dev/null, whose mode root inside could change" {
	sh_ 'chmod 777 /proc/self/fd/0; stat -c %a /dev/null; sleep 300'
	v run -d "$ID" >"$BATS_TEST_TMPDIR/out"
	wait_for grep -q 777 "$BATS_TEST_TMPDIR/out"
	[ "$(stat -c %a /dev/null)" = 666 ]
	vz exec "$ID" chmod 444 /proc/self/fd/0 </dev/null
	[ "$(stat -c %a /dev/null)" = 666 ]
	run vz exec "$ID" stat -c %a /dev/null
	says 444
}

# `run` puts a container on record while it is still being built.
@test "exec waits for a container that is on record but not ready" {
	traced
	args sleep 300
	touch "$B/rootfs/inside"
	strace -f -o /dev/null -e inject=pivot_root:delay_enter=1000000 \
		"$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null >/dev/null 2>&1 3>&- &
	wait_for test -e "$ROOT/$ID/state.json"
	[ "$(vz state "$ID" | jq -r .status)" = running ]
	run vz exec "$ID" /bin/ls /inside
	ok
	[ "$output" = /inside ]
	vz delete -f "$ID"
	wait
}
