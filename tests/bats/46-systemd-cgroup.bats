#!/usr/bin/env bats
# systemd's cgroup driver: units, their properties, what is left. Needs systemd as PID 1; what needs none is at the end.
load helpers

setup_file() { need_engine; }

setup() {
	engine_setup
	N=t$$-$BATS_TEST_NUMBER-$RANDOM
	UNIT=vzrun-$N.scope
	ID=$N
}

teardown() {
	local id
	for id in $(vz list -q 2>/dev/null); do vz --systemd-cgroup delete -f "$id" >/dev/null 2>&1; done
	leaks
	[ ! -d /run/systemd/system ] || {
		wait_for units_gone
		! systemctl list-units --all --plain --no-legend | grep "$N"
	}
}

units_gone() { ! systemctl list-units --all --plain --no-legend | grep -q "$N"; }
need_systemd() { [ -d /run/systemd/system ] || skip "host: systemd is not PID 1"; }
s() { v --systemd-cgroup "$@"; }
prop() { systemctl show "${2:-$UNIT}" -P "$1"; }
# the directory of the unit in the tree that has the memory controller
group() {
	local at=/sys/fs/cgroup
	[ -e $at/cgroup.controllers ] || at=$at/memory
	echo "$at$(prop ControlGroup "${1:-}")"
}
detached() { s run -d "${1:-$ID}" >"$BATS_TEST_TMPDIR/said" 2>&1 || { cat "$BATS_TEST_TMPDIR/said"; return 1; }; }
sleeper() { args sleep 4242; }

@test "a scope with the limits as systemd's properties and in the kernel; gone after delete" {
	need_systemd
	sleeper
	cfg '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 33}, cpu: {shares: 512, quota: 25000, period: 100000}}'
	detached
	[ "$(prop ActiveState)" = active ]
	[ "$(prop Slice)" = system.slice ]
	[ "$(prop Delegate)" = yes ]
	[ "$(prop Description)" = "vzrun container $ID" ]
	[ "$(prop TasksMax)" = 33 ]
	[ "$(prop CPUQuotaPerSecUSec)" = 250ms ]
	[ "$(cat "$(group)"/pids.max 2>/dev/null || cat "/sys/fs/cgroup/pids$(prop ControlGroup)/pids.max")" = 33 ]
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		[ "$(prop MemoryMax)" = 67108864 ]
		[ "$(cat "$(group)/memory.max")" = 67108864 ]
		[ "$(cat "$(group)/cpu.max")" = "25000 100000" ]
		[ "$(cat "$(group)/cpu.weight")" = "$(prop CPUWeight)" ]
		[ "$(cat "$(group)/cgroup.procs")" = "$(pid_of)" ]
	else
		[ "$(prop MemoryLimit)" = 67108864 ]
		[ "$(cat "$(group)/memory.limit_in_bytes")" = 67108864 ]
		grep -qx "$(pid_of)" "$(group)/cgroup.procs"
		# those that systemd does not manage
		grep -q ":freezer:$(prop ControlGroup)$" "/proc/$(pid_of)/cgroup"
	fi
	[ "$(vz state "$ID" | jq -r .status)" = running ]
	# what is to be undone is on record, whoever asks
	v delete -f "$ID"
	[ "$(prop LoadState)" = not-found ]
}

@test "slice:prefix:name makes its slices; the container may be run, executed in, paused, killed and listed" {
	need_systemd
	sleeper
	cfg --arg p "vzt-a${N//-/_}.slice:pre:$N" '.linux.cgroupsPath = $p'
	detached
	UNIT=pre-$N.scope
	[ "$(prop ControlGroup)" = "/vzt.slice/vzt-a${N//-/_}.slice/$UNIT" ]
	[ "$(v exec "$ID" cat /proc/self/cgroup | tail -1 | cut -d: -f3)" = / ]
	v exec -d --pid-file "$B/pid" "$ID" sleep 4243
	grep -qF "/$UNIT" "/proc/$(cat "$B/pid")/cgroup"
	[ "$(v ps -f json "$ID" 2>/dev/null | jq length)" = 2 ]
	v pause "$ID"; is paused
	v resume "$ID"; is running
	v kill "$ID" KILL
	wait_for is stopped
	s delete "$ID"
	systemctl stop vzt.slice
}

@test "a unit that is there already is refused by name and left alone" {
	need_systemd
	sleeper
	systemd-run -q --unit "$UNIT" --scope sleep 4244 & JOB=$!
	wait_for systemctl is-active -q "$UNIT"
	run s run -d "$ID"
	[ "$status" -eq 1 ]
	has "$UNIT"
	systemctl is-active -q "$UNIT"
	systemctl stop "$UNIT"
	wait "$JOB" || true
}

@test "update goes to systemd and to the kernel, exactly as asked; a reload of systemd takes nothing back" {
	need_systemd
	sleeper
	cfg '.linux.resources = {pids: {limit: 33}, cpu: {shares: 512}}'
	detached
	v update --pids-limit 55 --cpu-quota 25001 --cpu-period 100000 --memory 64M "$ID"
	[ "$(prop TasksMax)" = 55 ]
	[ "$(prop CPUQuotaPerSecUSec)" = 260ms ]
	systemctl daemon-reload
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		[ "$(prop MemoryMax)" = 67108864 ]
		[ "$(cat "$(group)/memory.max")" = 67108864 ]
		[ "$(cat "$(group)/pids.max")" = 55 ]
	else
		[ "$(cat "$(group)/memory.limit_in_bytes")" = 67108864 ]
	fi
	v update --cpu-quota 50001 "$ID"
	[[ "$(cat "$(group)/cpu.max" 2>/dev/null || cat "/sys/fs/cgroup/cpu$(prop ControlGroup)/cpu.cfs_quota_us")" == 50001* ]]
}

@test "update of a period alone, or of a quota alone: the other stays what it was, for systemd too" {
	need_systemd
	sleeper
	cfg '.linux.resources = {cpu: {quota: 30000, period: 50000}}'
	detached
	# QUOTA PERIOD SHARE: what the kernel has, and what systemd makes of it
	is() {
		local d=/sys/fs/cgroup/cpu$(prop ControlGroup) now
		now=$(cat "$(group)/cpu.max" 2>/dev/null || echo "$(cat "$d/cpu.cfs_quota_us") $(cat "$d/cpu.cfs_period_us")")
		[ "$now" = "$1 $2" ] || { echo "got: $now, want: $1 $2"; return 1; }
		[ "$(prop CPUQuotaPerSecUSec)" = "$3" ] || { prop CPUQuotaPerSecUSec; return 1; }
	}
	is 30000 50000 600ms
	v update --cpu-period 100000 "$ID"
	is 30000 100000 300ms
	v update --cpu-period 50000 "$ID"
	v update --cpu-quota 40000 "$ID"
	is 40000 50000 800ms
	systemctl daemon-reload
	is 40000 50000 800ms
}

@test "update of memory alone: memory and swap together stay what they were, for systemd too" {
	need_systemd
	[ -e /sys/fs/cgroup/cgroup.controllers ] || skip "host: memory and swap are one limit on cgroup v1"
	sleeper
	cfg '.linux.resources = {memory: {limit: 67108864, swap: 134217728}}'
	detached
	[ "$(cat "$(group)/memory.swap.max")" = 67108864 ]
	for m in 96 48; do
		v update --memory ${m}M "$ID"
		[ "$(cat "$(group)/memory.max")" = $((m << 20)) ]
		[ "$(cat "$(group)/memory.swap.max")" = $(((128 - m) << 20)) ]
		[ "$(prop MemorySwapMax)" = $(((128 - m) << 20)) ]
		systemctl daemon-reload
		[ "$(cat "$(group)/memory.swap.max")" = $(((128 - m) << 20)) ]
	done
	v update --memory -1 "$ID"
	[ "$(prop MemorySwapMax)" = infinity ]
	[ "$(cat "$(group)/memory.swap.max")" = max ]
}

@test "annotations are properties: seconds become microseconds, what has no grammar is refused with its place" {
	need_systemd
	sleeper
	cfg '.annotations = {"org.systemd.property.TimeoutStopSec": "uint64 17", "org.systemd.property.CollectMode": "'"'"'inactive'"'"'",
		"org.systemd.property.After": "[\"basic.target\"]", "org.other": "x"}'
	detached
	[ "$(prop TimeoutStopUSec)" = 17s ]
	[ "$(prop CollectMode)" = inactive ]
	[[ " $(prop After) " == *" basic.target "* ]]
	s delete -f "$ID"
	cfg '.annotations = {"org.systemd.property.TimeoutStopSec": "soon"}'
	run s run "$ID"
	[ "$status" -eq 1 ]
	has 'annotation org.systemd.property.TimeoutStopSec: "soon" is no value that is known here'
	cfg '.annotations = {"org.systemd.property.NoSuchThing": "true"}'
	run s run "$ID"
	[ "$status" -eq 1 ]
	has NoSuchThing
}

@test "devices: systemd's list and ours agree" {
	need_systemd
	sh_ 'cat /dev/kmsg >/dev/null 2>&1; echo "kmsg $?"; head -c1 /dev/zero | wc -c'
	cfg '.linux.devices = [{path: "/dev/kmsg", type: "c", major: 1, minor: 11, fileMode: 438}]
		| .linux.resources.devices = [{allow: false, access: "rwm"}]'
	run s run "$ID"
	ok
	[[ "$output" == *"kmsg 1"* ]]
	[ "${lines[1]}" = 1 ]
	sleeper
	detached
	[ "$(prop DevicePolicy)" = strict ]
	[[ "$(prop DeviceAllow)" == *"char-136 rwm"* ]]
}

@test "no process of ours but the container's stays in the scope; a limit of one process starts" {
	need_systemd
	sleeper
	cfg '.linux.resources = {pids: {limit: 1}}'
	detached
	[ "$(v ps -f json "$ID" | jq -c .)" = "[$(pid_of)]" ]
	[ "$(prop TasksMax)" = 1 ]
}

@test "a container that ends by itself leaves no unit; its delete is success" {
	need_systemd
	args true
	s create "$ID"
	s start "$ID"
	wait_for is stopped
	wait_for units_gone
	s delete "$ID"
}

@test "killed at any point of the creation, recover or delete -f leaves neither unit nor group" {
	need_systemd
	sleeper
	[ -x "$BUILD/fault/vzrun" ] || skip "host: no build/fault/vzrun"
	local f=$BUILD/fault/vzrun n points
	[ -x "$f" ] || { echo "no $f: make FAULT=1"; return 1; }
	(cd "$B" && VZRUN_FAULT_LOG=$BATS_TEST_TMPDIR/log "$f" --root "$ROOT" --systemd-cgroup create "$ID" </dev/null >/dev/null 2>&1)
	s delete -f "$ID"
	grep -q "talk to systemd" "$BATS_TEST_TMPDIR/log"
	points=$(sed -n 's/ talk to systemd//p' "$BATS_TEST_TMPDIR/log" | head -1)
	# around the talk, and every third point of the rest
	for n in $points $((points + 1)) $((points + 2)) $(seq $((points + 3)) 3 "$(wc -l <"$BATS_TEST_TMPDIR/log")"); do
		(cd "$B" && VZRUN_KILL=$n "$f" --root "$ROOT" --systemd-cgroup create "$ID" </dev/null >/dev/null 2>&1) || true
		s delete -f "$ID"
		wait_for units_gone || { echo "killed at $n: $(sed -n "${n}p" "$BATS_TEST_TMPDIR/log")"; return 1; }
		[ -z "$(state_left)" ]
	done
}

@test "a state that names a stranger's unit, without a journal that agrees, stops nothing of his" {
	need_systemd
	sleeper
	detached
	systemd-run -q --unit "other-$N.scope" --scope sleep 4244 & JOB=$!
	wait_for systemctl is-active -q "other-$N.scope"
	rm "$ROOT/$ID/journal"
	jq --arg u "other-$N.scope" '.cgroup.unit = $u' <"$ROOT/$ID/state.json" >"$B/state"
	cat "$B/state" >"$ROOT/$ID/state.json"
	v delete -f "$ID" || true
	systemctl is-active -q "other-$N.scope"
	systemctl stop "other-$N.scope"
	wait "$JOB" || true
	v delete -f "$ID" || true
	rm -rf "${ROOT:?}/$ID"
}

@test "slices of their own: a name in .slice is one" {
	need_systemd
	sleeper
	cfg --arg p "system.slice:x:vzt${N//-/_}.slice" '.linux.cgroupsPath = $p | .linux.resources = {pids: {limit: 20}}'
	detached
	UNIT=vzt${N//-/_}.slice
	[ "$(prop ControlGroup)" = "/$UNIT" ]
	grep -qF "/$UNIT" "/proc/$(pid_of)/cgroup"
	s delete -f "$ID"
	[ "$(prop LoadState)" = not-found ] || [ "$(prop ActiveState)" = inactive ]
}

@test "paths of another grammar are refused by name" {
	need_systemd
	local p
	for p in /vzrun/x a:b x.slice:a:b:c ':a:' 'no-slice:a:b' '../x.slice:a:b' 'a--b.slice:a:b' 'system.slice:a b:c' \
		'-x.slice:a:b' 'system.slice:a:x/y'; do
		cfg --arg p "$p" '.linux.cgroupsPath = $p'
		run s run "$ID"
		[ "$status" -eq 1 ] || { echo "$p: $status $output"; return 1; }
		has "cgroupsPath"
	done
}

@test "features tells of the driver where its helper is installed" {
	[ "$(v features | jq -c '.linux.cgroup | [.systemd, .systemdUser]')" = "[true,true]" ]
	[ "$(VZRUN_LIBEXEC=/nowhere v features | jq -c '.linux.cgroup | [.systemd, .systemdUser]')" = "[false,false]" ]
}

# helper ACTION...: the helper alone, on a bus of the test's
helper() {
	echo '{"action": "stop", "unit": "x.scope"}' |
		DBUS_SYSTEM_BUS_ADDRESS=unix:path=$BATS_TEST_TMPDIR/bus "$(dirname "$VZ")/vzrun-systemd" unit
}

@test "a bus that does not answer is given two seconds and named; so is one that is not there or hangs up" {
	run helper
	[ "$status" -eq 8 ]
	has "no bus at unix:path=$BATS_TEST_TMPDIR/bus: No such file or directory"
	python3 - "$BATS_TEST_TMPDIR/bus" <<-'P' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)
		c, _ = s.accept()
		c.recv(1 << 16)
		s.accept()[0].close()
	P
	JOB=$!
	wait_for test -S "$BATS_TEST_TMPDIR/bus"
	run helper
	[ "$status" -eq 11 ]
	has "no bus at unix:path=$BATS_TEST_TMPDIR/bus: no answer within 2 s"
	run helper
	[ "$status" -eq 8 ]
	has "no bus at unix:path=$BATS_TEST_TMPDIR/bus: "
	wait "$JOB"
}

# slow_systemd VERSION STOP: a bus whose systemd tells its version and stops a unit after so many seconds, or never
slow_systemd() {
	rm -f "$BATS_TEST_TMPDIR/bus"
	python3 "$BATS_TEST_DIRNAME/slow-systemd.py" "$BATS_TEST_TMPDIR/bus" "$@" 3>&- &
	JOB=$!
	wait_for test -S "$BATS_TEST_TMPDIR/bus"
}

@test "systemd's first word has two seconds; once it has said it, a busy one is waited for" {
	slow_systemd never 0
	run helper
	[ "$status" -eq 11 ]
	has "version of systemd: systemd did not answer within 2 s"
	wait "$JOB"
	slow_systemd 0 3
	run helper
	ok
	wait "$JOB"
}

@test "without systemd the driver is refused at once, and says what is missing" {
	[ ! -d /run/systemd/system ] || skip "host: systemd is PID 1"
	run s run "$ID"
	[ "$status" -eq 1 ]
	has "cgroup manager systemd: systemd is not running here (there is no /run/systemd/system)"
	[ -z "$(state_left)" ]
}

@test "without its helper the driver is refused, and says where it was looked for" {
	need_systemd
	VZRUN_LIBEXEC=/nowhere run s run "$ID"
	[ "$status" -eq 1 ]
	has "vzrun-systemd: not found in /nowhere"
	[ -z "$(state_left)" ]
}
