#!/usr/bin/env bats
# What is on record is believed only as far as it agrees with the rest; what cannot be confined is refused.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() { engine_teardown; }

running() { args sleep 300; create; vz start "$ID"; }
forge() { jq -c "$1" "$ROOT/$ID/state.json" >"$B/forged" && cp "$B/forged" "$ROOT/$ID/state.json"; }

@test "a forged cgroup in state.json is never aimed at" {
	local path victim
	running
	mkdir -p "/sys/fs/cgroup/pids/vzrun-t$$-victim"
	sleep 300 3>&- & victim=$!
	echo "$victim" >"/sys/fs/cgroup/pids/vzrun-t$$-victim/cgroup.procs"
	cp "$ROOT/$ID/state.json" "$B/good"
	for path in "" / /. /.. "/../../../tmp" "/vzrun-t$$-victim"; do
		cp "$B/good" "$ROOT/$ID/state.json"
		forge ".cgroup.path = \"$path\""
		run vz kill --all "$ID" KILL || true
		kill -0 "$victim" || { echo "killed by path '$path'"; return 1; }
	done
	vz delete -f "$ID"
	kill -0 "$victim"
	kill -KILL "$victim"; wait_for gone "$victim"
	wait_for rmdir "/sys/fs/cgroup/pids/vzrun-t$$-victim"
	[ -z "$(state_left)" ]
}

@test "delete -f without any record takes down what the id names" {
	local pid
	running
	pid=$(pid_of)
	rm "$ROOT/$ID/state.json" "$ROOT/$ID/journal"
	vz delete -f "$ID"
	gone "$pid"
	[ -z "$(groups_left)$(state_left)" ]
}

@test "delete -f of a state that lost its cgroup uses the journal's" {
	local pid
	running
	pid=$(pid_of)
	forge 'del(.cgroup)'
	vz delete -f "$ID"
	gone "$pid"
	[ -z "$(groups_left)$(state_left)" ]
}

@test "exec is refused when the container's filter is gone" {
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["swapon"], action: "SCMP_ACT_ERRNO"}]}'
	running
	rm "$ROOT/$ID/seccomp"
	run vz exec "$ID" true
	[ "$status" -ne 0 ]
	has "system-call filter"
}

@test "the last id of 32 bits is not root" {
	cfg '.process.user = {uid: 4294967295, gid: 0}'
	go
	fails 1 "config.json: process: user.uid: 4294967295 is not an id"
	cfg '.process.user = {uid: 0, gid: 0, additionalGids: [1, 4294967295]}'
	go
	fails 1 "config.json: process: user.additionalGids[1]: 4294967295 is not an id"
}

@test "a container without mounts of its own is refused" {
	cfg '.linux.namespaces |= map(select(.type != "mount"))'
	go
	fails 1 "config.json: linux.namespaces: a mount namespace is missing"
}

@test "masks do not fail open when the host's null device is not one" {
	sh_ 'cat /proc/keys'
	run unshare -m bash -c 'mount --make-rprivate / && touch "$1/plain" && mount --bind "$1/plain" /dev/null &&
		cd "$1" && exec "$2" --root "$3" run "$4" <&-' - "$B" "$VZ" "$ROOT" "$ID"
	[ "$status" -ne 0 ]
	has "/dev/null is not device 1:3"
}


@test "a container in the foreground can be paused, resumed and deleted by others" {
	args sleep 300
	bg run "$ID"
	wait_for is running
	vz pause "$ID"
	is paused
	vz resume "$ID"
	vz delete -f "$ID"
	ended "$JOB"
	[ -z "$(groups_left)$(state_left)" ]
}
