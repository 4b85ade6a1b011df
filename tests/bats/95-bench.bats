#!/usr/bin/env bats
# bench/: it works, it leaves nothing, and its floor really does what vzrun's default configuration asks for.
# No time is judged here.
load helpers

FLOOR=$TOP/build/bench/floor

setup_file() { need_engine; [ -x "$TOP/build/bench/floor" ] || { echo "no build/bench/floor: make bench" >&2; return 1; }; }
setup() {
	engine_setup
	export TMPDIR=$BATS_TEST_TMPDIR
	cfg '.root.readonly = true'
}
teardown() { engine_teardown; }

bench() { exec "$TOP/bench/bench" --vzrun "$VZ" "$@"; }
tagged() {
	compgen -G "$TMPDIR/vzbench$1*" || compgen -G "/run/vzbench$1-*" || compgen -G "/dev/shm/vzbench$1-*" ||
		compgen -G "/sys/fs/cgroup/*/*vzbench$1-*" || compgen -G "/sys/fs/cgroup/*vzbench$1-*"
}
several() { [ "$(find /sys/fs/cgroup -maxdepth 2 -name "*vzbench$JOB-*" | wc -l)" -gt 5 ]; }

# The floor's groups, as words for it: named so that the teardown sees what stays.
floor_groups() {
	local c
	if kernel_has_cgroup pids && [ -d /sys/fs/cgroup/pids ]; then
		for c in pids memory cpu; do echo "-g /sys/fs/cgroup/$c/vzrun-$ID"; done
	else
		echo "-u /sys/fs/cgroup/vzrun-$ID"
	fi
}
# shellcheck disable=SC2046
floor_run() { "$FLOOR" run $(floor_groups) "$B/rootfs" "$@"; }

# mount point and rw or ro; a mask's own flag, and vzrun's further hierarchies, are left aside
world='
	awk "{ split(\$6, o, \",\"); print \$5, o[1] }" /proc/self/mountinfo |
		grep -vE "^/sys/fs/cgroup/(devices|unified|freezer|systemd) " |
		sed -E "s,^(/proc/(acpi|asound|interrupts|kcore|keys|latency_stats|sched_debug|scsi|timer_.*)|/sys/(firmware|devices/.*)) r[ow],\1,"
	grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status
	wc -c /proc/interrupts /proc/keys
	ls /sys/firmware
	ls -l /dev | awk "NR > 1 { print \$1, \$5, \$6, \$NF }" | grep ^c
	find /dev | sort
	ulimit -n; ulimit -Hn
	cat /proc/net/dev | wc -l; ls /proc | grep -E "^[0-9]+$" | head -1
'

@test "the floor makes the container that the default configuration describes" {
	args /bin/sh -c "$world"
	cfg '.process.rlimits = [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]'
	go
	ok
	local mine=$output
	run floor_run /bin/sh -c "$world"
	ok
	diff <(sort <<<"$mine") <(sort <<<"$output")
}

# How many groups, seen through the container's own mount of them, have the process that looks.
seat='for f in /sys/fs/cgroup/pids/tasks /sys/fs/cgroup/memory/tasks /sys/fs/cgroup/cpu/tasks /sys/fs/cgroup/cgroup.procs; do
	grep -qsx $$ $f && echo "in $f"; done'
seats() {
	if [ -d /sys/fs/cgroup/pids ]; then
		printf 'in /sys/fs/cgroup/%s/tasks\n' pids memory cpu
	else
		echo 'in /sys/fs/cgroup/cgroup.procs'
	fi
}

@test "the floor runs in groups of its own and removes them" {
	run floor_run /bin/sh -c "$seat; true"
	ok
	says "$(seats)"
	[ -z "$(groups_left)" ]
}

@test "the floor's exec is in all namespaces and groups of the container" {
	args sleep 1000
	create; v start "$ID"
	local pid groups=() g d
	pid=$(pid_of)
	if [ -d /sys/fs/cgroup/pids ]; then
		for d in pids memory cpu; do groups+=(-g "/sys/fs/cgroup/$d/vzrun-$ID"); done
	else
		groups=(-u "/sys/fs/cgroup/vzrun-$ID")
	fi
	run "$FLOOR" exec "${groups[@]}" "$pid" /bin/sh -c "$seat"'
		for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done
		grep -E "^Cap(Eff|Bnd)|^NoNewPrivs" /proc/self/status'
	ok
	has "$(seats)"
	for g in cgroup ipc mnt net pid uts; do has "$(readlink "/proc/$pid/ns/$g")"; done
	has $'CapEff:\t0000000020000420' ; has $'CapBnd:\t0000000020000420' ; has $'NoNewPrivs:\t1'
}

@test "a filter of the bench is enforced: in the floor as in vzrun" {
	[ "$(uname -m)" = x86_64 ] || skip "kernel: the profile is x86-64's"
	(cd "$TOP/bench" && python3 -B -c 'import json, sys, seccomp
open(sys.argv[1], "wb").write(seccomp.program()); json.dump(seccomp.profile(), open(sys.argv[2], "w"))' \
		"$BATS_TEST_TMPDIR/filter" "$BATS_TEST_TMPDIR/profile")
	local try='mount -t tmpfs x /tmp 2>&1; unshare -U true 2>&1; setarch linux32 true 2>&1; setarch i386 true && echo yes; grep Seccomp: /proc/self/status'
	sh_ "$try"
	cfg '.linux.seccomp = $p[0]' --slurpfile p "$BATS_TEST_TMPDIR/profile"
	go
	local mine=$output
	has $'Seccomp:\t2'
	# shellcheck disable=SC2046
	run "$FLOOR" run $(floor_groups) -s "$BATS_TEST_TMPDIR/filter" "$B/rootfs" /bin/sh -c "$try"
	says "$mine"
}

@test "bench measures, and leaves nothing" {
	bench --quick --no-peers -n 1 --only run --only run-seccomp --only exec --only cycle --only delete --only rss \
		--only syscalls --json "$BATS_TEST_TMPDIR/out.json" --markdown >"$BATS_TEST_TMPDIR/out.md" 3>&- & JOB=$!
	ended "$JOB"
	ok
	run jq -r '.rows[] | "\(.row) \(.figure) \(.values | keys | join(",")) \(.does_not_run | length) \(.values.vzrun[.figure] > 0)"' \
		"$BATS_TEST_TMPDIR/out.json"
	says 'run ratio floor,vzrun 0 true
run-seccomp ratio floor,vzrun 0 true
exec ratio floor,vzrun 0 true
cycle cpu vzrun 0 true
delete median vzrun 0 true
syscalls calls floor,vzrun 0 true
rss MiB floor,vzrun 0 true'
	grep -F '| run true, back to back | ≤ 1.4 × | 1.00 (' "$BATS_TEST_TMPDIR/out.md"
	[ -z "$(tagged "$JOB")" ]
}

@test "bench interrupted in the middle of its containers leaves nothing" {
	bench --no-peers --only list >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- & JOB=$!
	wait_for tagged "$JOB"
	wait_for several
	kill -TERM "$JOB"
	ended "$JOB"
	[ "$status" -eq 130 ] || { cat "$BATS_TEST_TMPDIR/said"; false; }
	[ -z "$(tagged "$JOB")" ]
	run cat "$BATS_TEST_TMPDIR/said"
	hasnt 'left behind'
}
