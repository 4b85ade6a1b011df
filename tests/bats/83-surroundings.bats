#!/usr/bin/env bats
# What fails around vzrun: no room, no inodes, nothing that may be written, records that went or came from elsewhere,
# no processes to be had, a lxcfs that hangs, guests that flood. Refused in one line or done; nothing left; others live on.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; F=$BATS_TEST_TMPDIR/small; FUSE=$BATS_TEST_TMPDIR/fuse.pid; }
teardown() {
	[ ! -s "$FUSE" ] || kill -KILL "$(cat "$FUSE")"
	local id
	rm -f "$F/ballast"
	mkdir -p "$ROOT"
	for id in $(vz ls -q 2>/dev/null); do vz destroy -f "$id" >/dev/null; done
	for id in $(vz list -q 2>/dev/null); do vz delete -f "$id" >/dev/null; done
	# With the home its record would go, and the bridge stay.
	[ ! -e "$VZRUN_HOME/networks/default.json" ] || vz network rm default
	while mountpoint -q "$F"; do umount "$F"; done
	guest_teardown
}

# small OPTIONS: home and state on a tmpfs of their own
small() {
	mkdir -p "$F"
	mount -t tmpfs -o "$1" tmpfs "$F"
	export VZRUN_HOME=$F/home
	ROOT=$F/state
	(umask 077; mkdir -p "$VZRUN_HOME" "$ROOT")
	ln -s "$STORE/images" "$VZRUN_HOME/images"
}
fill() { dd if=/dev/zero of="$F/ballast" bs=4k status=none 2>/dev/null || true; [ -s "$F/ballast" ]; }
# one line, with these words in it
refused_with() { [ "$status" -ne 0 ] && [[ "${lines[0]}" == "vzrun: "*"$1"* ]] || { echo "got $status: $output"; return 1; }; }
answers() { [ "$(vz exec "$1" echo yes)" = yes ]; }

@test "a full disk: nothing is begun, and what runs is stopped and destroyed" {
	small size=2m
	running_guest --net none
	fill
	run vz create "$G-b" --template busybox --net none
	refused_with "No space left on device"
	[ "$(vz ls -q)" = "$G" ]
	run -14 vz set "$G" --memory 80M
	refused_with "No space left on device"
	answers "$G"
	vz stop -k "$G"
	# Whether or not there is room for the record of it.
	run vz start "$G"
	[ "$status" -eq 0 ] || refused_with "No space left on device"
	vz destroy -f "$G"
	[ -z "$(vz ls -q)" ]
	rm "$F/ballast"
	running_guest --net none
	answers "$G"
	vz destroy -f "$G"
}

@test "a full disk: an address that could not be put on record is nobody's" {
	small size=2m
	running_guest
	before=$(find "$VZRUN_HOME/networks/" -type l | sort)
	fill
	run vz nic add "$G"
	refused_with "No space left on device"
	run vz set "$G" --ip auto
	[ "$(find "$VZRUN_HOME/networks/" -type l | sort)" = "$before" ]
	rm "$F/ballast"
	vz network check
}

@test "a full disk under --root: create leaves nothing, delete works, and then create" {
	small size=1m
	make_bundle
	args sleep 300
	ID=$G
	create
	fill
	run v create "$G-b"
	refused_with "No space left on device"
	[ "$(vz list -q)" = "$G" ]
	[ -z "$(compgen -G "/sys/fs/cgroup/*/vzrun-$G-b")" ]
	vz delete -f "$G"
	rm "$F/ballast"
	create
	vz delete -f "$G"
}

@test "no inodes: the same" {
	small size=8m,nr_inodes=80
	running_guest --net none
	for i in $(seq 80); do : >"$F/home/x$i" || break; done 2>/dev/null
	run vz create "$G-b" --template busybox --net none
	refused_with "No space left on device"
	[ "$(vz ls -q)" = "$G" ]
	answers "$G"
	vz stop -k "$G"
	vz destroy -f "$G"
	rm "$F"/home/x*
	running_guest --net none
	vz destroy -f "$G"
}

@test "read-only home and state: what only looks works, the rest says why" {
	small size=8m
	running_guest --net none
	# The keeper has its log open there: a mount of its own, on top.
	mount --bind "$F" "$F"
	mount -o remount,bind,ro "$F"
	[ "$(vz ls -q)" = "$G" ]
	guest_status_is running
	vz why "$G" | grep -q "it was started"
	answers "$G"
	run vz create "$G-b" --template busybox --net none
	refused_with "Read-only file system"
	run vz set "$G" --memory 80M
	refused_with "Read-only file system"
	[ "$(vz state "$G" | jq -r .status)" = running ]
	umount "$F"
	vz stop -k "$G"
	vz destroy "$G"
}

@test "a whole home and a whole state root vanished: one line each, and new ones are made" {
	busybox_guest --net none
	rm -rf "${ROOT:?}" "${VZRUN_HOME:?}"
	run vz ls -q
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run vz list -q
	fails 1 "open $ROOT: No such file or directory"
	run vz start "$G"
	refused_with "$G"
	run vz recover
	[ "$status" -eq 0 ]
	(umask 077; mkdir -p "$VZRUN_HOME")
	ln -s "$STORE/images" "$VZRUN_HOME/images"
	running_guest --net none
	vz destroy -f "$G"
}

@test "the record of a guest that runs vanished: it is told, killed and destroyed, and no group is left" {
	running_guest --net none
	rm -rf "${ROOT:?}/$G"
	run vz stop "$G"
	[ "$status" -eq 5 ]
	refused_with "guest \"$G\" runs, and the record of its container is gone"
	vz stop -k "$G"
	[ -z "$(ls -d /sys/fs/cgroup/*/"vzrun-$G" 2>/dev/null)" ]
	vz start "$G"
	rm -rf "${ROOT:?}/$G"
	vz destroy -f "$G"
	[ -z "$(ls -d /sys/fs/cgroup/*/"vzrun-$G" 2>/dev/null)" ]
}

@test "a group of a lost record that cannot be removed is told" {
	running_guest --net none
	rm -rf "${ROOT:?}/$G"
	local group pid
	group=$(ls -d /sys/fs/cgroup/pids/"vzrun-$G" /sys/fs/cgroup/"vzrun-$G" 2>/dev/null | head -1)
	sleep 600 3>&- 6>&- &
	pid=$!
	echo "$pid" >"$group/cgroup.procs"
	vz stop -k "$G"
	run jq -r 'select(.event == "cleanup-failed").detail' "$VZRUN_HOME/guests/$G/events"
	kill "$pid"; wait "$pid" || true
	rmdir "$group"
	[[ "$output" == *"$group: process $pid (sleep) is still inside"* ]] || { echo "$output"; false; }
}

@test "recover: what could not be looked at is no half of a guest, and an empty directory of ids is gone" {
	local inject=$TOP/build/tools/inject calls=$BATS_TEST_TMPDIR/calls point n=0
	[ -x "$inject" ] || { echo "no build/tools/inject: make build/tools/inject" >&2; return 1; }
	busybox_guest --net none
	"$inject" -o "$calls" list "$VZ" --root "$ROOT" recover
	for point in $(sed -nE 's/^call (0:[0-9]+) (faccessat2?|access|openat|flock|newfstatat)$/\1/p' "$calls"); do
		run "$inject" -o "$calls" fail "$point" EIO "$VZ" --root "$ROOT" recover
		[ -e "$VZRUN_HOME/guests/$G/config.json" ] || { cat "$calls"; return 1; }
		n=$((n + 1))
	done
	[ "$n" -ge 5 ]
	# Without the claims of others, too.
	run unshare -m sh -c 'mount -t tmpfs none /var/lib && mount -t tmpfs none /run && mkdir /run/vzrun-ids && "$@" && [ ! -e /run/vzrun-ids ]' \
		- "$VZ" --root "$ROOT" recover
	[ "$status" -eq 0 ]
	[ "$output" = "recovered: 1" ]
}

@test "a state of a later version is refused by name; delete -f ends its container" {
	make_bundle
	args sleep 300
	ID=$G
	create
	vz start "$G"
	pid=$(pid_of)
	jq '.version = 99' "$ROOT/$G/state.json" >"$BATS_TEST_TMPDIR/s" && cp "$BATS_TEST_TMPDIR/s" "$ROOT/$G/state.json"
	for c in "state" "kill" "pause" "delete"; do
		run vz $c "$G"
		refused_with "version 99"
		kill -0 "$pid"
	done
	vz delete -f "$G"
	wait_for gone "$pid"
}

@test "a clock that jumped: with all that counts from the boot a day ahead, a container is the same one" {
	[ -e /proc/self/ns/time ] || skip "kernel: no time namespaces"
	make_bundle
	args sleep 300
	ID=$G
	create
	vz start "$G"
	ahead() { unshare -T --boottime "$1" --monotonic "$1" -- "$VZ" --root "$ROOT" "${@:2}"; }
	[ "$(ahead 86400 state "$G" | jq -r .status)" = running ]
	[ "$(ahead 86400 exec "$G" echo yes)" = yes ]
	run ahead 86400 delete "$G"
	refused_with "not stopped"
	ahead 86400 kill "$G" KILL
	wait_for is stopped
	ahead 100 delete "$G"
}

@test "the host is out of processes: every command is refused in one line, and nothing is left" {
	kernel_has_cgroup pids || skip "kernel: no pids controller"
	local top=/sys/fs/cgroup/pids
	[ -d "$top" ] || { top=/sys/fs/cgroup; echo +pids >"$top/cgroup.subtree_control" 2>/dev/null || true; }
	[ -e "$top/cgroup.procs" ] || skip "kernel: no pids hierarchy that is mounted"
	busybox_guest --net none
	make_bundle
	args true
	few=$top/vzrun-$G-few
	mkdir "$few"
	[ -e "$few/pids.max" ] || { rmdir "$few"; skip "kernel: no pids controller in $top"; }
	within() { (echo "$BASHPID" >"$few/cgroup.procs" && echo "$1" >"$few/pids.max" && cd "$B" && exec "$VZ" --root "$ROOT" "${@:2}" </dev/null) >"$said" 2>&1; }
	# A file: what is created would hold a pipe open.
	said=$BATS_TEST_TMPDIR/said
	bad=0
	for n in 1 2 3; do
		for c in "create $G-c" "run $G-c" "start --timeout 20s $G"; do
			status=0
			within "$n" $c 3>&- || status=$?
			output=$(cat "$said")
			if [ "$status" -ne 0 ]; then
				[[ "$output" == "vzrun: "*"Resource temporarily unavailable"* ]] || { echo "$n, $c: $status: $output"; bad=1; }
				[ -z "$(vz list -q)" ] || { echo "$n, $c: left $(vz list -q)"; bad=1; }
			elif [[ "$c" == start* ]]; then
				vz stop -k "$G" >/dev/null
			fi
			vz delete -f "$G-c"
		done
	done
	wait_for rmdir "$few"
	[ $bad = 0 ]
	vz start "$G"
	answers "$G"
}

@test "a fork bomb and a memory bomb inside: another guest answers, and so does the host" {
	running_guest --net none --pids 60
	vz create "$G-b" --template busybox --memory 64M --net none >/dev/null
	vz start "$G-b" >/dev/null
	vz exec -d "$G" /bin/sh -c 'while :; do /bin/sh -c "x=x; while :; do x=\$x\$x; done"; done' 2>/dev/null
	vz exec -d "$G" /bin/sh -c 'bomb() { bomb | bomb & }; bomb' 2>/dev/null
	for i in $(seq 20); do answers "$G-b"; done
	[ "$(vz --json stats "$G-b" | jq length)" -gt 0 ]
	vz destroy -f "$G"
	answers "$G-b"
	vz destroy -f "$G-b"
}

@test "a thousand signals at a guest's init, at its keeper and at a run in the foreground: none is upset" {
	running_guest --net none
	pid=$(init_of)
	keeper=$(keeper_of)
	for i in $(seq 1000); do kill -URG "$pid"; kill -WINCH "$pid"; kill -URG "$keeper"; kill -CHLD "$keeper"; done
	answers "$G"
	[ "$(keeper_of)" = "$keeper" ]
	vz stop -k "$G"
	make_bundle
	ID=$G-c
	sh_ 'n=0; trap "n=\$((n + 1))" USR1; echo ready >/ready; while [ ! -e /end ]; do sleep 0.1; done; [ $n -gt 0 ] && exit 7'
	bg run "$ID"
	wait_for [ -s "$B/rootfs/ready" ]
	for i in $(seq 1000); do kill -USR1 "$JOB"; kill -WINCH "$JOB"; done
	: >"$B/rootfs/end"
	ended "$JOB"
	[ "$status" -eq 7 ]
}

@test "a console that is flooded and that nobody reads: the keeper stays small, the log bounded, stop is not held up" {
	running_guest --net none
	keeper=$(keeper_of)
	before=$(awk '/^VmRSS/ { print $2 }' "/proc/$keeper/status")
	# A client that looks on and reads nothing.
	python3 - "$VZ" "$ROOT" "$G" <<-'P' &
		import os, pty, signal, sys, time
		pid, fd = pty.fork()
		if pid == 0:
		    os.execv(sys.argv[1], [sys.argv[1], "--root", sys.argv[2], "console", sys.argv[3]])
		os.read(fd, 1)
		os.kill(pid, signal.SIGSTOP)
		try:
		    signal.pause()
		finally:
		    os.kill(pid, signal.SIGKILL)
	P
	client=$!
	vz exec "$G" /bin/sh -c 'dd if=/dev/zero bs=64k count=3200 2>/dev/null | tr "\0" "x" | fold -w 70 >/dev/console'
	after=$(awk '/^VmRSS/ { print $2 }' "/proc/$keeper/status")
	[ $((after - before)) -lt 2048 ] || { echo "from $before to $after kB"; false; }
	[ "$(du -sk "$VZRUN_HOME/guests/$G" | cut -f1)" -lt 16384 ] || { du -ak "$VZRUN_HOME/guests/$G" | sort -n | tail -5; false; }
	vz exec -d "$G" /bin/sh -c 'yes >/dev/console'
	vz stop -k "$G"
	kill "$client"
	wait "$client" || true
	pkill -P "$client" || true
}

@test "a lxcfs that is stopped: no command hangs on it" {
	command -v lxcfs >/dev/null || { echo "no lxcfs: make deps" >&2; false; }
	[ -c /dev/fuse ] || skip "kernel: no FUSE"
	! mountpoint -q /var/lib/lxcfs || skip "kernel: this host's own lxcfs is in use"
	busybox_guest --net none
	run unshare -m --propagation private "$BATS_TEST_DIRNAME/83-lxcfs.bash" "$VZ" "$ROOT" "$G" "$FUSE"
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	[ "$(grep -c ' ok$' <<<"$output")" -eq 9 ] || { echo "$output"; false; }
}
