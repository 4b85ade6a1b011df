#!/usr/bin/env bats
# What is on record is believed only as far as it agrees with the rest; what cannot be confined is refused.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() { engine_teardown; }

running() { args sleep 300; create; vz start "$ID"; }
is_hierarchy() { mountpoint -q "$1" && [ -e "$1/cgroup.procs" ]; }
a_hierarchy() {
	local at
	for at in /sys/fs/cgroup/pids /sys/fs/cgroup/unified /sys/fs/cgroup; do ! is_hierarchy "$at" || break; done
	echo "$at"
}
# jq's numbers have 53 bits, and the process would be another.
forge() {
	local birth
	birth=$(grep -o '"startTime":[0-9]*' "$ROOT/$ID/state.json")
	jq -c "$1" "$ROOT/$ID/state.json" | sed "s/\"startTime\":[0-9]*/$birth/" >"$B/forged"
	cp "$B/forged" "$ROOT/$ID/state.json"
}
age() {
	forge '.version = 1 | .cgroup.hiers = 3 | .cgroup.made = 3'
	sed -i 's/^made [^ ]* [^ ]*/made 3 3/' "$ROOT/$ID/journal"
}
# Without a pid namespace its second process outlives the first: SECOND.
running_two() {
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	args sh -c 'sleep 300 & exec sleep 301'
	create; vz start "$ID"
	wait_for pgrep -f '^sleep 300$' -P "$(pid_of)"
	SECOND=$(pgrep -f '^sleep 300$' -P "$(pid_of)")
}

@test "a forged cgroup in state.json is never aimed at" {
	local path victim at groups=()
	running
	sleep 300 3>&- & victim=$!
	for at in /sys/fs/cgroup/{pids,freezer,unified} /sys/fs/cgroup; do
		is_hierarchy "$at" || continue
		groups+=("$at/vzrun-t$$-victim")
		mkdir "${groups[-1]}"
		echo "$victim" >"${groups[-1]}/cgroup.procs"
	done
	cp "$ROOT/$ID/state.json" "$B/good"
	for path in "" / /. /.. "/../../../tmp" "/vzrun-t$$-victim"; do
		cp "$B/good" "$ROOT/$ID/state.json"
		forge ".cgroup.path = \"$path\""
		run vz kill --all "$ID" KILL || true
		run vz pause "$ID" || true
		run vz resume "$ID" || true
		[[ "$(sed 's/^[^)]*) //' "/proc/$victim/stat")" = S* ]] || { echo "killed or frozen by path '$path'"; return 1; }
	done
	vz delete -f "$ID"
	kill -0 "$victim"
	kill -KILL "$victim"; wait_for gone "$victim"
	wait_for rmdir "${groups[@]}"
	[ -z "$(state_left)" ]
}

@test "a forged unit in state.json is never told systemd" {
	running
	forge '.cgroup.unit = "vzrun-none-of-ours.scope"'
	run -0 vz update --cpu-share 512 "$ID"
	has "state of $ID: cgroup.unit is not what was made"
	vz delete -f "$ID"
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

@test "hierarchies that others mount and unmount meanwhile do not lead a record to other groups" {
	is_hierarchy /sys/fs/cgroup/freezer || skip "kernel: no cgroup v1"
	args sleep 300
	mkdir "$B/before" "$B/after"
	# They are the whole kernel's, and go with the mounts.
	cat >"$B/turn" <<-'E'
		set -e
		v() { "$VZ" --root "$ROOT" "$@"; }
		cd "$B"
		mount -t cgroup -o none,name=vzrun-before cgroup before
		v create "$ID" </dev/null >/dev/null 2>&1
		v start "$ID"
		umount before
		v exec "$ID" true
		mount -t cgroup -o none,name=vzrun-after cgroup after
		v exec "$ID" true
		v pause "$ID"
		v state "$ID"
		v delete -f "$ID"
	E
	run env VZ="$VZ" ROOT="$ROOT" B="$B" ID="$ID" unshare -m sh "$B/turn"
	ok
	has '"status": "paused"'
	[ -z "$(groups_left)$(state_left)" ]
}

@test "the record of an older vzrun is refused by name, and delete -f takes the container down" {
	local p
	running
	p=$(pid_of)
	age
	run vz state "$ID"
	fails 1 "state of $ID has version 1, this vzrun knows 2"
	run vz delete "$ID"
	fails 1 "state of $ID has version 1, this vzrun knows 2"
	kill -0 "$p"
	run vz recover
	ok
	kill -0 "$p"
	run vz delete -f "$ID"
	ok
	gone "$p"
	[ -z "$(groups_left)$(state_left)" ]
	running_two
	age
	run vz delete -f "$ID"
	ok
	gone "$SECOND"
	[ -z "$(groups_left)$(state_left)" ]
}

@test "where it cannot be told which boot this is no process is taken for dead" {
	local word
	running
	for word in state delete; do
		# shellcheck disable=SC2016
		run unshare -m sh -c 'mount --bind /dev/null /proc/sys/kernel/random/boot_id && exec "$0" --root "$1" "$2" "$3"' \
			"$VZ" "$ROOT" "$word" "$ID"
		if [ "$(jq '.startTime >= 9223372036854775808' "$ROOT/$ID/state.json")" = true ]; then
			fails 1 "look whether process $(pid_of) lives: Input/output error"
		fi
		is running
	done
}

@test "delete of a container whose journal is gone leaves no process of it, and keeps the record until then" {
	local pid
	running_two
	pid=$SECOND
	rm "$ROOT/$ID/journal"
	run vz delete -f "$ID"
	[ "$status" -ne 0 ]
	has "process $pid (sleep) is still inside"
	is stopped
	kill -KILL "$pid"; wait_for gone "$pid"
	vz delete "$ID"
	[ -z "$(groups_left)$(state_left)" ]
}

@test "what an earlier one left in the groups is none of the next one's" {
	local at where=()
	for at in /sys/fs/cgroup/pids /sys/fs/cgroup/unified /sys/fs/cgroup; do
		is_hierarchy "$at" || continue
		where+=("$at/vzrun-$ID")
		mkdir -p "$at/vzrun-$ID/init.scope/below"
		chown -R 1234 "$at/vzrun-$ID"
		[ ! -e "$at/vzrun-$ID/pids.max" ] || echo 9 >"$at/vzrun-$ID/pids.max"
	done
	running
	for at in "${where[@]}"; do
		[ ! -e "$at/init.scope" ]
		[ "$(stat -c %u "$at" "$at/cgroup.procs" | sort -u)" = 0 ]
		[ ! -e "$at/pids.max" ] || [ "$(<"$at/pids.max")" = max ]
	done
	vz delete -f "$ID"
	[ -z "$(groups_left)$(state_left)" ]
}

@test "what lives in a group by the id's name is killed only by who says so" {
	local at p
	at=$(a_hierarchy)/vzrun-$ID
	mkdir "$at"
	sleep 300 3>&- & p=$!
	echo "$p" >"$at/cgroup.procs"
	# create says who it is
	run v create "$ID"
	[ "$status" -ne 0 ]
	has "container's cgroup is not empty: "
	has "exists and holds processes: $p (sleep)"
	# Killed between the claim and the first line of the journal, here or below another root.
	mkdir "$ROOT/$ID"
	run vz recover
	[ "$status" -ne 0 ]
	has "process $p (sleep) is still inside"
	# Killed while it looked for its group.
	printf 'step 1\ncgroup /vzrun-%s\n' "$ID" >"$ROOT/$ID/journal"
	run vz delete "$ID"
	[ "$status" -ne 0 ]
	has "process $p (sleep) is still inside"
	[ -e "$ROOT/$ID/journal" ]
	kill -0 "$p"
	rm "$ROOT/$ID/journal"
	vz delete -f "$ID"
	wait_for gone "$p"
	[ -z "$(groups_left)$(state_left)" ]
}

@test "only in groups of a container's own making somebody is killed" {
	is_hierarchy /sys/fs/cgroup/unified && is_hierarchy /sys/fs/cgroup/pids || skip "kernel: no hybrid cgroups"
	local group=/vzrun-t$$-engine p
	mkdir "/sys/fs/cgroup/unified$group"
	cfg --arg g "$group" '.linux.cgroupsPath = $g | .linux.namespaces |= map(select(.type != "pid"))'
	args sh -c 'sleep 300 & exec sleep 301'
	create; vz start "$ID"
	wait_for pgrep -f '^sleep 300$' -P "$(pid_of)"
	sleep 302 3>&- & p=$!
	echo "$p" >"/sys/fs/cgroup/unified$group/cgroup.procs"
	vz delete -f "$ID"
	kill -0 "$p"
	kill "$p"; wait_for gone "$p"
	wait_for rmdir "/sys/fs/cgroup/unified$group"
	[ -z "$(groups_left)$(state_left)" ]
}

@test "a create whose claim was deleted before it had its lock takes no other's" {
	args sleep 300
	(cd "$B" && exec strace -o /dev/null -e trace=mkdirat -e inject=mkdirat:delay_exit=3000000 \
		"$VZ" --root "$ROOT" create "$ID" </dev/null >"$B/said" 2>&1 3>&-) & JOB=$!
	wait_for test -d "$ROOT/$ID"
	vz delete -f "$ID"
	create; vz start "$ID"
	ended "$JOB"
	[ "$status" -ne 0 ]
	grep -q "container with given ID already exists: \"$ID\"" "$B/said" || { cat "$B/said"; false; }
	is running
}

# run_slowly COUNT ENTER|EXIT: run -d, which rests at its flock(2) of this number
run_slowly() {
	(cd "$B" && exec strace -o /dev/null -e trace=flock -e "inject=flock:delay_$2=3000000:when=$1" \
		"$VZ" --root "$ROOT" run -d "$ID" </dev/null >"$B/said" 2>&1 3>&-) & JOB=$!
}

@test "a run -d starts what it made, not what another made by then under its id" {
	args sleep 300
	run_slowly 2 exit
	wait_for test -e "$ROOT/$ID/state.json"
	vz delete -f "$ID"
	create
	ended "$JOB"
	is created
}

@test "a run -d that fails when another has its id leaves that one alone" {
	args sleep 300
	cfg '.hooks.startContainer = [{path: "/bin/false"}]'
	run_slowly 3 enter
	wait_for is stopped
	vz delete -f "$ID"
	create
	ended "$JOB"
	[ "$status" -ne 0 ]
	is created
}

@test "a run -d that is killed before the word to go leaves no lock" {
	args sleep 300
	run sh -c 'cd "$1" && strace -o /dev/null -e trace=connect -e inject=connect:signal=KILL "$2" --root "$3" run -d "$4" \
		</dev/null >/dev/null 2>&1 3>&-' - "$B" "$VZ" "$ROOT" "$ID"
	[ "$status" -ne 0 ]
	is created
	timeout 10 "$VZ" --root "$ROOT" delete -f "$ID"
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

@test "a container that is being taken away does not exist for who looks at it meanwhile" {
	local pid job said jobs=() name
	running
	pid=$(pid_of)
	look() { (exec 9<&-; exec "$VZ" --root "$ROOT" "$@" >"$B/said-$1" 2>&1 3>&-) & jobs+=("$!"); }
	waits() { grep -q "^73 " "/proc/$1/syscall"; }
	[ "$(uname -m)" = x86_64 ] || skip "the number of flock(2)"
	# delete has the lock ...
	exec 9<"$ROOT/$ID"
	flock 9
	look exec "$ID" true
	wait_for waits "${jobs[0]}"
	# ... and takes one file after the other.
	rm "$ROOT/$ID"/*
	for name in state ps kill events; do
		look "$name" "$ID"
		wait_for waits "${jobs[-1]}"
	done
	rmdir "$ROOT/$ID"
	kill -KILL "$pid"; wait_for gone "$pid"
	exec 9<&-
	for job in "${jobs[@]}"; do
		ended "$job"
		[ "$status" -ne 0 ]
	done
	for said in "$B"/said-*; do
		grep -qF "container \"$ID\" does not exist" "$said" || { echo "$said: $(<"$said")"; false; }
	done
	for name in $(groups_left); do wait_for rmdir "$name"; done
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
