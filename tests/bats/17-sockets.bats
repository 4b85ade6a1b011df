#!/usr/bin/env bats
# Sockets that are handed over: a pidfd for the caller, those of a service manager, and the one that says ready.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; FD=$TOP/tests/tools/fdsocket.py; }
teardown() { engine_teardown; }

started() { args sleep 300; v run -d "$ID"; }

# ---- descriptors ----

@test "--pidfd-socket: create, run and exec send a pidfd of the process" {
	local s=$BATS_TEST_TMPDIR/s
	args sleep 300
	python3 "$FD" "$s" >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for test -S "$s"
	v create --pidfd-socket "$s" "$ID"
	wait_for grep -q pidfd "$BATS_TEST_TMPDIR/out"
	[[ "$(cat "$BATS_TEST_TMPDIR/out")" = pidfd*"$(pid_of)" ]]
	v start "$ID"
	python3 "$FD" "$s.e" 9 "$B/rootfs/tmp/up" >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for test -S "$s.e"
	run v exec --pidfd-socket "$s.e" "$ID" sh -c 'touch /tmp/up; exec sleep 400'
	[ "$status" -eq 137 ]
	rm "$B/rootfs/tmp/up"
	sh_ 'touch /tmp/up; exec sleep 400'
	python3 "$FD" "$s.r" 9 "$B/rootfs/tmp/up" >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for test -S "$s.r"
	run v run --pidfd-socket="$s.r" "$ID-r"
	[ "$status" -eq 137 ]
	wait
	run v run --pidfd-socket "$s.none" "$ID-n"
	[ "$status" -eq 1 ]
	has "pidfd socket $s.none: "
	[ "$(v list -q)" = "$ID" ]
}

@test "LISTEN_FDS: the service manager's sockets, then --preserve-fds" {
	sh_ 'echo $LISTEN_FDS $LISTEN_PID $$ $LISTEN_FDNAMES; ls -l /proc/self/fd/3 /proc/self/fd/4 | grep -c socket; ls /proc/self/fd'
	run python3 "$FD" --listen 2 "$VZ" --root "$ROOT" run -b "$B" "$ID"
	ok
	[ "${lines[0]}" = "2 1 1 web:web" ]
	[ "${lines[1]}" = 2 ]
	[ "$(tail -n +3 <<<"$output" | tr '\n' ' ')" = "0 1 2 3 4 5 " ]
	started
	run python3 "$FD" --listen 1 "$VZ" --root "$ROOT" exec "$ID" sh -c 'echo $LISTEN_FDS $(($LISTEN_PID - $$)); ls -l /proc/self/fd/3'
	ok
	[ "${lines[0]}" = "1 0" ]
	has socket
	v delete -f "$ID"
	# not for us
	sh_ 'echo "<$LISTEN_FDS>"; ls /proc/self/fd | wc -l'
	LISTEN_FDS=2 LISTEN_PID=1 run v run "$ID"
	ok
	says "<>
4"
	args true
	run bash -c 'LISTEN_FDS=2 LISTEN_PID=$$ exec "$@"' - "$VZ" --root "$ROOT" run -b "$B" "$ID" 3>&-
	[ "$status" -eq 1 ]
	has "LISTEN_FDS=2: descriptor 3 is not open"
}

@test "a socket on which nobody accepts, and where no more can wait: an error by name, and the name is free again" {
	local s=$BATS_TEST_TMPDIR/s why="nobody accepts there, and no more connections can wait: is the program that listens stuck?"
	local holder jobs=() i
	setpriv --pdeathsig KILL python3 "$FD" --full "$s" >"$BATS_TEST_TMPDIR/holder" 3>&- &
	holder=$!
	wait_for grep -q full "$BATS_TEST_TMPDIR/holder"
	args sleep 300
	create
	create "$ID-e"
	vz start "$ID-e"
	sed 's/"terminal": false/"terminal": true/' "$B/config.json" >"$B/tty.json"
	jq --arg s "$s" '.process.noNewPrivileges = false | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $s,
		syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}' "$B/config.json" >"$B/notify.json"
	v create --config tty.json --console-socket "$s" "$ID-a" >"$BATS_TEST_TMPDIR/o0" 2>&1 3>&- & jobs+=($!)
	v create --pidfd-socket "$s" "$ID-b" >"$BATS_TEST_TMPDIR/o1" 2>&1 3>&- & jobs+=($!)
	v create --config notify.json "$ID-c" >"$BATS_TEST_TMPDIR/o2" 2>&1 3>&- & jobs+=($!)
	v exec --pidfd-socket "$s" "$ID-e" sleep 300 >"$BATS_TEST_TMPDIR/o3" 2>&1 3>&- & jobs+=($!)
	for i in "${!jobs[@]}"; do
		ended "${jobs[i]}"
		[ "$status" -eq "$((i == 3 ? 255 : 1))" ] || { echo "$i: $status: $(cat "$BATS_TEST_TMPDIR/o$i")"; return 1; }
	done
	[ "$(cat "$BATS_TEST_TMPDIR/o0")" = "vzrun: console socket $s: $why" ]
	[ "$(cat "$BATS_TEST_TMPDIR/o1")" = "vzrun: pidfd socket $s: $why" ]
	[ "$(cat "$BATS_TEST_TMPDIR/o2")" = "vzrun: failed to connect with seccomp agent: linux.seccomp.listenerPath: $s: $why" ]
	[ "$(cat "$BATS_TEST_TMPDIR/o3")" = "vzrun: pidfd socket $s: $why" ]
	kill "$holder"
	[ "$(vz list -q | sort)" = "$(printf '%s\n' "$ID" "$ID-e" | sort)" ]
	# of the exec nothing is left either
	[ "$(vz ps -f json "$ID-e" | jq length)" = 1 ]
}

# ---- readiness ----

# The rest of a message of busybox's logger to /dev/log is a line of its own.
says_ready='ln -s "$NOTIFY_SOCKET" /dev/log; logger "$(printf "x\nREADY=0\nMAINPID=1")"; while [ ! -e /go ]; do sleep 0.02; done; logger "$(printf "x\nREADY=1")"; touch /told'
# manager SOCKET: hears what is said at it, into $BATS_TEST_TMPDIR/heard
manager() {
	export NOTIFY_SOCKET=$1
	setpriv --pdeathsig KILL python3 "$FD" --notified "$1" >"$BATS_TEST_TMPDIR/heard" 3>&- &
	MANAGER=$!
	wait_for grep -q listening "$BATS_TEST_TMPDIR/heard"
}
heard() { sed 1d "$BATS_TEST_TMPDIR/heard"; }

@test "NOTIFY_SOCKET: create gives the container a socket, start returns when it is ready and has said so" {
	local s
	for s in "$BATS_TEST_TMPDIR/n" "@vzrun-$$-$BATS_TEST_NUMBER"; do
		manager "$s"
		rm -f "$B"/rootfs/{go,told}
		sh_ "echo \$NOTIFY_SOCKET >/env; $says_ready; exec sleep 300"
		create
		bg start "$ID"
		wait_for is running
		kill -0 "$JOB"
		[ -z "$(heard)" ]
		touch "$B/rootfs/go"
		ended "$JOB"
		[ "$status" -eq 0 ]
		[ "$(cat "$B/rootfs/env")" = /run/notify/notify.sock ]
		[ "$(heard | head -2)" = "READY=1
MAINPID=$(pid_of)" ]
		# what is waited for is that both were read
		[ "$(heard | sed -n 3p)" = BARRIER=1 ]
		[[ "$(vz exec "$ID" env)" != *NOTIFY_SOCKET* ]]
		run vz exec "$ID" touch /run/notify/x
		[ "$status" -ne 0 ]
		vz delete -f "$ID"
		kill "$MANAGER"
	done
}

@test "NOTIFY_SOCKET: run in the foreground is the main process itself; detached it is the container's" {
	manager "$BATS_TEST_TMPDIR/n"
	sh_ "$says_ready"
	touch "$B/rootfs/go"
	bg run "$ID"
	wait_for grep -q MAINPID "$BATS_TEST_TMPDIR/heard"
	[ "$(heard)" = "READY=1
MAINPID=$JOB" ]
	ended "$JOB"
	[ "$status" -eq 0 ]
	rm "$B"/rootfs/{told,dev/log} 2>/dev/null || true
	sh_ "$says_ready; exec sleep 300"
	# in a user namespace too
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	v run -d "$ID" >/dev/null 2>&1
	[ "$(heard | sed -n 4p)" = "MAINPID=$(pid_of)" ]
	[ -e "$B/rootfs/told" ]
}

@test "NOTIFY_SOCKET: who ends without a word is not waited for; nobody there, and none asked for" {
	manager "$BATS_TEST_TMPDIR/n"
	args true
	run v run "$ID"
	ok
	create
	v start "$ID"
	[ -z "$(heard)" ]
	vz delete -f "$ID"
	kill "$MANAGER"
	rm "$NOTIFY_SOCKET"
	touch "$B/rootfs/go"
	sh_ "$says_ready"
	run v run "$ID"
	ok
	says "vzrun: warning: NOTIFY_SOCKET $NOTIFY_SOCKET: No such file or directory"
	unset NOTIFY_SOCKET
	sh_ 'env; ls /run'
	run v run "$ID"
	hasnt NOTIFY
}
