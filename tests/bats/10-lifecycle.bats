#!/usr/bin/env bats
# Every command of the OCI group, every state, and the words that engines match.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() { engine_teardown; }

sleeper() { args /bin/sleep 300; }
created() { sleeper; create "$@"; }
running() { created "$@"; vz start "${1:-$ID}"; }

@test "create, start, stop, delete: the states in between" {
	created
	[ "$(status_of)" = created ]
	vz start "$ID"
	[ "$(status_of)" = running ]
	vz kill "$ID" KILL
	wait_for is stopped
	[ "$(pid_of)" = 0 ]
	vz delete "$ID"
	run -1 vz state "$ID"
	fails 1 "container \"$ID\" does not exist"
}

@test "a created container has not executed anything" {
	sh_ 'echo ran >/mark; sleep 300'
	create
	[ ! -e "$B/rootfs/mark" ]
	vz start "$ID"
	wait_for test -e "$B/rootfs/mark"
}

@test "an empty cgroupsPath is none" {
	cfg '.linux.cgroupsPath = ""'
	sh_ 'sleep 300'
	create
	grep -q "/vzrun-$ID\$" "/proc/$(pid_of)/cgroup"
}

@test "slashes in a row, and at the end of a cgroupsPath, are left out" {
	cfg --arg p "//vzrun-$ID///y//" '.linux.cgroupsPath = $p'
	running
	grep -q ":/vzrun-$ID/y\$" "/proc/$(pid_of)/cgroup"
	vz delete -f "$ID"
	find /sys/fs/cgroup -depth -type d -name "vzrun-$ID" -exec rmdir {} +
}

@test "two dots in a name are no way up" {
	cfg --arg p "/vzrun-$ID..y" '.linux.cgroupsPath = $p'
	running "$ID..x"
	[ "$(status_of "$ID..x")" = running ]
	vz delete -f "$ID..x"
	wait_for nothing_left
}

@test "creating twice is refused and leaves the first alone" {
	running
	run v create "$ID"
	fails 1 "container with given ID already exists: \"$ID\""
	[ "$(status_of)" = running ]
}

@test "starting twice is refused" {
	running
	run vz start "$ID"
	fails 1 "cannot start an already running container"
}

@test "starting what has stopped is refused" {
	args /bin/true
	create
	vz start "$ID"
	wait_for is stopped
	run vz start "$ID"
	fails 1 "cannot start a container that has stopped"
}

@test "delete of a running container is refused, with -f it is gone" {
	running
	pid=$(pid_of)
	run vz delete "$ID"
	fails 1 "cannot delete container $ID that is not stopped: running"
	vz delete -f "$ID"
	gone "$pid"
	wait_for nothing_left
}

@test "a created container ends by the signals that ask a process to, before and after a filter" {
	local how
	for how in true:HUP false:INT true:QUIT false:TERM; do
		cfg --argjson n "${how%:*}" '.process.noNewPrivileges = $n
			| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["swapon"], action: "SCMP_ACT_ERRNO"}]}'
		created
		v kill "$ID" "${how#*:}"
		wait_for is stopped
		v delete "$ID"
	done
	# What it becomes handles what it likes.
	running
	v kill "$ID" TERM
	is running
}

@test "delete of a created container ends it" {
	local pid
	created
	pid=$(pid_of)
	run v delete "$ID"
	ok
	says ""
	gone "$pid"
	wait_for nothing_left
}

@test "an unknown id: delete -f succeeds, all others say it does not exist" {
	run vz delete -f "$ID"
	ok
	says ""
	for c in "delete" "start" "state" "kill" "pause" "resume" "ps"; do
		run vz "$c" "$ID"
		fails 1 "container \"$ID\" does not exist"
	done
	run vz exec "$ID" true
	fails 255 "container \"$ID\" does not exist"
}

@test "an unknown id below a root that does not exist" {
	run "$VZ" --root "$BATS_TEST_TMPDIR/none" state "$ID"
	fails 1 "container \"$ID\" does not exist"
	run "$VZ" --root "$BATS_TEST_TMPDIR/none" delete -f "$ID"
	ok
	run "$VZ" --root "$BATS_TEST_TMPDIR/none" list -q
	fails 1 "open $BATS_TEST_TMPDIR/none: No such file or directory"
	run "$VZ" --root "$BATS_TEST_TMPDIR/none" exec "$ID" true
	fails 255 "container \"$ID\" does not exist"
	[ ! -e "$BATS_TEST_TMPDIR/none" ]
}

@test "run gives the status of the process" {
	for n in 0 1 7 126 255; do
		sh_ "exit $n"
		run v run "$ID"
		[ "$status" = "$n" ]
		says ""
	done
	# Under a caller that lets the kernel reap its children, too.
	sh_ 'exit 7'
	run env --ignore-signal=CHLD "$VZ" --root "$ROOT" run -b "$B" "$ID"
	[ "$status" = 7 ]
	sh_ 'kill -TERM $$; sleep 5'
	args /bin/sh -c 'trap "exit 9" TERM; kill -TERM $$; sleep 5'
	run v run "$ID"
	[ "$status" = 9 ]
}

@test "run gives 128+n for a signal" {
	sleeper
	bg run "$ID"
	wait_for is running
	vz kill "$ID" KILL
	ended "$JOB"
	[ "$status" = 137 ]
}

@test "run passes standard input and output" {
	args /bin/cat
	run bash -c "cd '$B'; echo hello | '$VZ' --root '$ROOT' run '$ID'"
	ok
	says hello
}

@test "run forwards signals" {
	sh_ 'trap "exit 11" TERM; echo up >/up; while :; do sleep 0.1; done'
	bg run "$ID"
	pid=$JOB
	wait_for test -e "$B/rootfs/up"
	kill -TERM $pid
	ended "$pid"
	[ "$status" = 11 ]
}

@test "run -d returns while the container runs" {
	sleeper
	v run -d "$ID" >/dev/null 2>&1
	[ "$(status_of)" = running ]
}

@test "run --keep keeps what ended" {
	v run --keep "$ID"
	[ "$(status_of)" = stopped ]
	vz delete "$ID"
}

@test "kill by name, by short name, by number, in any case" {
	sh_ 'trap "echo usr1 >>/got" USR1; trap "echo usr2 >>/got" USR2; trap "echo hup >>/got" HUP; echo up >/up
	     while :; do sleep 0.05; done'
	create
	vz start "$ID"
	wait_for test -e "$B/rootfs/up"
	count() { [ "$(wc -l <"$B/rootfs/got")" = "$1" ]; }
	vz kill "$ID" SIGUSR1; wait_for count 1
	vz kill "$ID" USR2; wait_for count 2
	vz kill "$ID" 1; wait_for count 3
	vz kill "$ID" sigusr1; wait_for count 4
	[ "$(tr '\n' ' ' <"$B/rootfs/got")" = "usr1 usr2 hup usr1 " ]
	run vz kill "$ID" NOSUCH
	fails 1 'unknown signal "NOSUCH"'
	run vz kill "$ID" 99
	fails 1 'unknown signal "99"'
	run vz kill "$ID" -- -9
	fails 1 'unknown signal "-9"'
}

@test "kill of what has stopped" {
	v run --keep "$ID"
	run vz kill "$ID" KILL
	fails 1 "container not running"
	run vz kill --all "$ID" KILL
	ok
}

@test "kill defaults to TERM" {
	sh_ 'trap "echo term >/got; exit 0" TERM; echo up >/up; while :; do sleep 0.05; done'
	create
	vz start "$ID"
	wait_for test -e "$B/rootfs/up"
	vz kill "$ID"
	wait_for is stopped
	[ "$(cat "$B/rootfs/got")" = term ]
}

@test "kill --all reaches every process, without a pid namespace of its own too" {
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	sh_ 'for i in $(seq 300); do sleep 300 & done; echo up >/up; wait'
	create
	vz start "$ID"
	wait_for test -e "$B/rootfs/up"
	[ "$(vz ps -f json "$ID" | jq length)" = 301 ]
	# More than there may be descriptors.
	(ulimit -n 200; vz kill --all "$ID" TERM)
	wait_for is stopped
	empty() { [ "$(vz ps -f json "$ID" | jq length)" = 0 ]; }
	wait_for empty
}

@test "delete -f without a pid namespace leaves no process" {
	cfg 'del(.linux.namespaces[] | select(.type == "pid"))'
	sh_ 'sleep 300 & sleep 300 & echo up >/up; wait'
	create
	vz start "$ID"
	wait_for test -e "$B/rootfs/up"
	vz delete -f "$ID"
	[ -z "$(processes_left)" ]
}

@test "pause and resume" {
	kernel_has_cgroup freezer || [ -e /sys/fs/cgroup/cgroup.freeze ] || skip "kernel: no freezer"
	sh_ 'i=0; while :; do i=$((i + 1)); echo $i >/n; done'
	create
	vz start "$ID"
	wait_for test -s "$B/rootfs/n"
	vz pause "$ID"
	[ "$(status_of)" = paused ]
	[ "$(vz list -f json | jq -r --arg id "$ID" '.[] | select(.id == $id).status')" = paused ]
	run vz pause "$ID"
	fails 1 "container not running or created: paused"
	a=$(cat "$B/rootfs/n"); sleep 0.2; [ "$(cat "$B/rootfs/n")" = "$a" ]
	run vz exec "$ID" true
	fails 255 "cannot exec in a paused container (use --ignore-paused to override)"
	vz resume "$ID"
	[ "$(status_of)" = running ]
	run vz resume "$ID"
	fails 1 "container not paused"
}

@test "a paused container is killed and deleted" {
	running
	vz pause "$ID"
	vz kill "$ID" KILL
	wait_for is stopped
	vz delete "$ID"
	running
	vz pause "$ID"
	vz delete -f "$ID"
	wait_for nothing_left
}

@test "exec: status, environment, directory" {
	running
	run vz exec "$ID" true; ok
	run vz exec "$ID" sh -c 'exit 3'
	[ "$status" = 3 ]
	run vz exec "$ID" sh -c 'kill -9 $$'
	[ "$status" = 137 ]
	run vz exec -e A=1 --env B=2 --cwd /tmp "$ID" sh -c 'echo $A$B $PWD'
	says "12 /tmp"
	run vz exec "$ID" no-such-program
	fails 255 'exec: "no-such-program": executable file not found in $PATH'
	run vz exec "$ID" /no/such
	fails 255 'exec: "/no/such": stat /no/such: no such file or directory'
	run vz exec "$ID" /etc
	fails 255 'exec: "/etc": is a directory: permission denied'
	run vz exec "$ID" /etc/passwd
	fails 255 'exec: "/etc/passwd": permission denied'
	run vz exec "$ID"
	fails 255 'process args cannot be empty'
}

@test "exec -d and --pid-file" {
	running
	vz exec -d --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" sleep 200
	kill -0 "$(cat "$BATS_TEST_TMPDIR/pid")"
	[ "$(tr '\0' ' ' <"/proc/$(cat "$BATS_TEST_TMPDIR/pid")/cmdline")" = "sleep 200 " ]
}

@test "exec --process takes the whole section" {
	running
	jq '.process | .args = ["sh", "-c", "echo $X; id -u"] | .env += ["X=from file"] | .user = {uid: 1000, gid: 1000}' \
		"$B/config.json" >"$BATS_TEST_TMPDIR/p.json"
	run vz exec --process "$BATS_TEST_TMPDIR/p.json" "$ID"
	ok
	says "from file
1000"
}

@test "exec in a stopped container" {
	v run --keep "$ID"
	run vz exec "$ID" true
	fails 255 "cannot exec in a stopped container"
}

@test "what cannot be executed, as engines match it" {
	args "";           run v run "$ID"; fails 1 'exec: "": executable file not found in $PATH'
	args nope;         run v run "$ID"; fails 1 'exec: "nope": executable file not found in $PATH'
	args /nope;        run v run "$ID"; fails 1 'exec: "/nope": stat /nope: no such file or directory'
	args /etc;         run v run "$ID"; fails 1 'exec: "/etc": is a directory: permission denied'
	args /etc/passwd;  run v run "$ID"; fails 1 'exec: "/etc/passwd": permission denied'
	printf '#!/bin/nope\n' >"$B/rootfs/script"; chmod 755 "$B/rootfs/script"
	args /script;      run v run "$ID"; fails 1 'exec /script: no such file or directory: its interpreter is /bin/nope'
	echo nonsense >"$B/rootfs/bad"; chmod 755 "$B/rootfs/bad"
	args /bad;         run v run "$ID"; fails 1 'exec: "/bad": exec format error: neither a program nor a script'
	args nope;         run v create "$ID"; fails 1 'exec: "nope": executable file not found in $PATH'
	wait_for nothing_left
}

@test "a container whose first process dies alone is stopped" {
	running
	kill -9 "$(pid_of)"
	wait_for is stopped
	vz delete "$ID"
}

@test "start killed after its word: the container runs or has stopped, and can be deleted" {
	created
	timeout -s KILL 0.002 "$VZ" --root "$ROOT" start "$ID" || true
	vz delete -f "$ID"
	wait_for nothing_left
}

@test "resources of the kernel are limited and shown by stats" {
	kernel_has_cgroup pids || skip "kernel: no pids controller"
	cfg '.linux.resources.pids.limit = 7'
	sh_ 'i=0; while [ $i -lt 12 ]; do sleep 5 & i=$((i+1)); done; echo all'
	go
	hasnt all
}

@test "cgroup managers: what is not there is refused by name, disabled makes none" {
	args /bin/true
	run v --systemd-cgroup run "$ID"
	[ -d /run/systemd/system ] ||
		fails 1 "cgroup manager systemd: systemd is not running here (there is no /run/systemd/system)"
	sh_ 'cat /proc/self/cgroup'
	run v --cgroup-manager disabled run "$ID"
	ok
	hasnt "vzrun-$ID"
}

@test "a container without a group sees the one it is in, read-only, whatever its configuration says" {
	cfg '.mounts |= map(if .type == "cgroup" then .options = [] else . end)'
	sh_ 'cd /sys/fs/cgroup; set -- cgroup.procs */cgroup.procs; for f; do [ -e $f ] && last=$f; done; echo $last; (echo 1 >$last) 2>&1; true'
	run v --cgroup-manager disabled run "$ID"
	ok
	has cgroup.procs
	has "Read-only file system"
}

@test "run, whose container somebody took down, leaves the next one of its name alone" {
	sleeper
	"$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null >/dev/null 2>&1 3>&- & first=$!
	wait_for is running
	kill -STOP "$first"
	vz delete -f "$ID"
	vz run -d -b "$B" "$ID" </dev/null >/dev/null 2>&1 3>&-
	second=$(pid_of)
	kill -CONT "$first"
	wait "$first" || true
	[ "$(status_of)" = running ]
	[ "$(pid_of)" = "$second" ]
}
