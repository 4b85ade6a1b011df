#!/usr/bin/env bats
# Checkpoint and restore. Where CRIU does not run on the kernel, that it is said in one line.
load helpers

setup_file() {
	need_engine
	command -v criu >/dev/null || { echo "no criu: make deps" >&2; return 1; }
}
setup() {
	engine_setup
	IMAGE=$BATS_TEST_TMPDIR/image
	exec 0</dev/null
}
teardown() { engine_teardown; }

works() { criu check >/dev/null 2>&1 || skip "kernel: criu does not run on it ($(criu check 2>&1 | grep -om1 'Error.*'))"; }
# a counter that goes on where it stood
counter() { sh_ 'i=0; while :; do i=$((i+1)); echo $i >/tmp/n.new; mv /tmp/n.new /tmp/n; sleep 0.05; done'; }
count() { vz exec "${1:-$ID}" cat /tmp/n; }
above() { [ "$(count "$2")" -gt "$1" ]; }
started() { v run -d "$ID" >/dev/null 2>&1; }
checkpoint() { run v checkpoint --image-path "$IMAGE" "$@" "$ID"; }

@test "criu missing, or not working on this kernel: one line with its reason, nothing changed" {
	counter
	started
	run v --criu /nonexistent/criu checkpoint --image-path "$IMAGE" "$ID"
	fails 1 "checkpoint and restore need criu: /nonexistent/criu is not installed"
	is running
	[ ! -e "$IMAGE" ]
	printf '#!/bin/sh\necho "Error (criu/x.c:1): the moon is full" >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/criu"
	chmod +x "$BATS_TEST_TMPDIR/criu"
	run v --criu "$BATS_TEST_TMPDIR/criu" checkpoint --image-path "$IMAGE" "$ID"
	fails 1 "criu does not work on this host: the moon is full (criu check)"
	mkdir "$IMAGE"
	run v --criu "$BATS_TEST_TMPDIR/criu" restore --image-path "$IMAGE" "$ID-2"
	fails 1 "criu does not work on this host: the moon is full (criu check)"
	criu check >/dev/null 2>&1 || {
		checkpoint
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		has "vzrun: criu does not work on this host: "
	}
	is running
}

@test "what cannot be dumped is refused by name" {
	counter
	create
	checkpoint
	fails 1 "Container cannot be checkpointed in created state"
	run v checkpoint --image-path "$IMAGE" nobody
	fails 1 'container "nobody" does not exist'
	run v checkpoint --empty-ns uts "$ID"
	fails 1 'namespace "uts" is not supported'
	run v checkpoint --status-fd 77 "$ID"
	[ "$status" -eq 1 ]
	has "invalid --status-fd argument 77"
	vz start "$ID"
	works
	run v checkpoint --image-path "$IMAGE" --page-server nowhere "$ID"
	fails 1 "Use --page-server ADDRESS:PORT to specify page server"
	run v checkpoint --image-path "$IMAGE" --manage-cgroups-mode hard "$ID"
	fails 1 'Invalid manage-cgroups-mode value "hard"'
	run v checkpoint --image-path "$IMAGE" --parent-path /tmp "$ID"
	fails 1 "--parent-path must be relative"
	is running
}

@test "checkpoint, then restore: it goes on where it stood, with its mounts, limits and identity" {
	works
	mkdir "$BATS_TEST_TMPDIR/data"
	echo seen >"$BATS_TEST_TMPDIR/data/file"
	cfg '.mounts += [{destination:"/data",type:"bind",source:$d,options:["rbind","rw"]}]
		| .linux.resources.pids.limit = 77 | .linux.cgroupsPath = "/vzrun-" + $id' \
		--arg d "$BATS_TEST_TMPDIR/data" --arg id "$ID"
	counter
	started
	wait_for above 3
	checkpoint --work-path "$BATS_TEST_TMPDIR/work"
	ok
	[ -s "$BATS_TEST_TMPDIR/work/dump.log" ]
	[ -s "$IMAGE/pstree.img" ]
	run v state "$ID"
	fails 1 "container \"$ID\" does not exist"
	leaks
	local n
	n=$(cat "$B/rootfs/tmp/n" 2>/dev/null || echo 3)
	v restore -d --image-path "$IMAGE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" >/dev/null 2>&1
	is running
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$(pid_of)" ]
	wait_for above "$n"
	[ "$(vz exec "$ID" cat /data/file)" = seen ]
	[ "$(cat /sys/fs/cgroup/vzrun-"$ID"/pids.max /sys/fs/cgroup/pids/vzrun-"$ID"/pids.max 2>/dev/null)" = 77 ]
	grep -q "vzrun-$ID" "/proc/$(pid_of)/cgroup"
	# the verbs work on it as on any
	vz pause "$ID"
	is paused
	vz resume "$ID"
	[ "$(vz ps -f json "$ID" | jq length)" -ge 1 ]
	vz kill "$ID" KILL
	wait_for is stopped
	vz delete "$ID"
}

@test "under another id, in another group, and twice from one image" {
	works
	counter
	started
	wait_for above 3
	checkpoint --leave-running
	ok
	is running
	v restore -d --image-path "$IMAGE" "$ID-b" >/dev/null 2>&1
	wait_for above 3 "$ID-b"
	[ "$(pid_of "$ID-b")" != "$(pid_of)" ]
	vz delete -f "$ID-b"
	v restore -d --image-path "$IMAGE" "$ID-c" >/dev/null 2>&1
	wait_for above 3 "$ID-c"
	run v restore -d --image-path "$IMAGE" "$ID-c"
	[ "$status" -eq 1 ]
	has "container with given ID already exists"
	vz delete -f "$ID-c"
}

@test "in the foreground: the status of the restored process, and it is deleted" {
	works
	sh_ 'while [ ! -e /go ]; do sleep 0.05; done; exit 7'
	started
	checkpoint
	ok
	bg restore --image-path "$IMAGE" "$ID"
	wait_for is running
	touch "$B/rootfs/go"
	ended "$JOB"
	[ "$status" -eq 7 ]
	run v state "$ID"
	[ "$status" -eq 1 ]
}

@test "pre-dump, then a dump that has it for its parent" {
	works
	counter
	started
	wait_for above 3
	mkdir "$BATS_TEST_TMPDIR/images"
	run v checkpoint --pre-dump --image-path "$BATS_TEST_TMPDIR/images/pre" "$ID"
	ok
	is running
	run v checkpoint --image-path "$BATS_TEST_TMPDIR/images/full" --parent-path ../pre "$ID"
	ok
	v restore -d --image-path "$BATS_TEST_TMPDIR/images/full" "$ID" >/dev/null 2>&1
	wait_for above 3
}

@test "a terminal comes back over the console socket" {
	works
	cfg '.process.terminal = true'
	sh_ 'while read x; do echo "got $x"; done'
	local tool=$TOP/tests/tools/console.py s=$BATS_TEST_TMPDIR/s
	python3 "$tool" "$s" >/dev/null 2>&1 3>&- &
	wait_for test -S "$s"
	v run -d --console-socket "$s" "$ID"
	checkpoint
	ok
	wait
	rm -f "$s"
	python3 "$tool" "$s" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	wait_for test -S "$s"
	v restore -d --console-socket "$s" --image-path "$IMAGE" "$ID"
	vz exec "$ID" sh -c 'echo hello >/dev/console'
	wait_for grep -q hello "$BATS_TEST_TMPDIR/out"
	vz delete -f "$ID"
	wait
}

@test "a restore that fails leaves nothing and says criu's reason" {
	works
	counter
	started
	checkpoint
	ok
	rm "$IMAGE"/core-*.img
	run v restore -d --image-path "$IMAGE" "$ID"
	[ "$status" -eq 1 ]
	has "criu failed"
	has "restore.log"
	run v state "$ID"
	fails 1 "container \"$ID\" does not exist"
	leaks
	run v restore -d --image-path "$BATS_TEST_TMPDIR/none" "$ID"
	[ "$status" -eq 1 ]
	has "open $BATS_TEST_TMPDIR/none: No such file or directory"
}

# A criu of the test's own: it says that it works, keeps what it is asked, and ends.
asking_criu() {
	cat >"$BATS_TEST_TMPDIR/criu" <<-END
		#!/usr/bin/python3
		import socket, sys
		if sys.argv[1] != "check":
		    open("$BATS_TEST_TMPDIR/asked", "wb").write(socket.socket(fileno=3).recv(65536))
		    sys.exit(1)
	END
	chmod +x "$BATS_TEST_TMPDIR/criu"
	mkdir "$IMAGE"
}
restored() { rm -f "$BATS_TEST_TMPDIR/asked"; run v --criu "$BATS_TEST_TMPDIR/criu" restore --image-path "$IMAGE" "$ID"; }

@test "restore: an image names no place of the host that config.json does not give to the container" {
	local at
	asking_criu
	mkdir "$BATS_TEST_TMPDIR/data"
	cfg '.mounts += [{destination:"/data",type:"bind",source:$d,options:["rbind"]}]' --arg d "$BATS_TEST_TMPDIR/data"
	for at in /dev/../etc /data/../../etc /data/.. etc; do
		jq -nc '[$ARGS.positional[]]' --args "$at" >"$IMAGE/external.json"
		restored
		fails 1 "restore: $IMAGE/external.json: \"$at\" is no place of a mount"
		[ ! -e "$BATS_TEST_TMPDIR/asked" ]
	done
	for at in /dev/shm /dev/sda /etc; do
		jq -nc '[$ARGS.positional[]]' --args "$at" >"$IMAGE/external.json"
		restored
		fails 1 "restore: something of the host was mounted at $at, and config.json has no mount there"
		[ ! -e "$BATS_TEST_TMPDIR/asked" ]
	done
	jq -nc '[$ARGS.positional[]]' --args /data /data/..sub >"$IMAGE/external.json"
	restored
	grep -aqF "$BATS_TEST_TMPDIR/data/..sub" "$BATS_TEST_TMPDIR/asked"
}

@test "restore that fails early leaves a mount on the root where it is" {
	asking_criu
	export IMAGE ID B ROOT VZ BATS_TEST_TMPDIR
	# shellcheck disable=SC2016 # expanded inside
	run unshare -Urm --propagation private sh -c '
		mount -t tmpfs none "$B/rootfs" || exit 9
		echo 0 >/proc/sys/user/max_mnt_namespaces || exit 9
		cd "$B"
		"$VZ" --root "$BATS_TEST_TMPDIR/inner" --criu "$BATS_TEST_TMPDIR/criu" --cgroup-manager disabled \
			restore --image-path "$IMAGE" "$ID"
		echo "status $?"
		grep -cF " $B/rootfs " /proc/self/mountinfo'
	[ "${lines[0]}" = "vzrun: restore: a mount namespace for criu: No space left on device" ]
	[ "${lines[1]}" = "status 1" ]
	[ "${lines[2]}" = 1 ]
}
