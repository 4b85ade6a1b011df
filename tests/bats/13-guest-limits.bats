#!/usr/bin/env bats
# Limits of a guest: how they bite, who is blamed, and how they are changed.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; }
teardown() { guest_teardown; }

@test "limits bite: the kernel kills for memory, why names the victim; the guest lives on" {
	running_guest
	run -137 vz exec "$G" sh -c 'dd if=/dev/zero of=/dev/null bs=200M count=1; exit $?'
	wait_for eval '[[ "$(why)" == *"out of memory 1 time since, the kernel killed \"dd\"" ]]'
	guest_status_is running
	vz --json why "$G" | jq -e '[.events[] | select(.event == "oom-kill")] | length == 1 and .[0].victim == "dd"'
}

@test "limits bite: an init killed for memory ends the guest, and why says so" {
	vz create "$G" --template busybox --memory 16M -- sh -c 'dd if=/dev/zero of=/dev/null bs=200M count=1; exit $?'
	vz start "$G" || true
	wait_for guest_status_is stopped
	[[ "$(why)" == "its init exited with status 137, after the kernel had killed \"dd\" for lack of memory"* ]]
	edit '.process.args = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M"]'
	vz start "$G" || true
	wait_for guest_status_is stopped
	[[ "$(why)" == "out of memory: the kernel killed its init (dd)"* ]]
}

@test "limits bite: processes" {
	running_guest --pids 20
	run vz exec "$G" sh -c 'i=0; while [ $i -lt 30 ]; do sleep 9 & i=$((i+1)); done; echo all'
	has "can't fork"
	hasnt all
}

@test "limits bite: processor time" {
	running_guest
	# So little that a busy machine's share of it is more.
	vz set "$G" --cpus 0.02
	vz exec "$G" sh -c 'while :; do :; done' >/dev/null 2>&1 3>&- &
	# Here or there, by layout.
	throttled() { cat /sys/fs/cgroup/{cpu,.}/vzrun-"$G"/cpu.stat | awk '$1 == "nr_throttled" && $2 > 3 { n = 1 } END { exit !n }'; }
	wait_for throttled
	vz set "$G" --cpus 1
	vz stop -k "$G"
	wait
}

@test "a forged group in a guest's state.json is not what set changes, nor what stats counts" {
	kernel_has_cgroup memory || skip "kernel: no memory controller"
	local at path used victim=${G}v
	running_guest --net none
	vz create "$victim" --template busybox --memory 64M --net none >/dev/null
	vz start "$victim" >/dev/null
	limit() { cat /sys/fs/cgroup/memory/vzrun-"$1"/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/vzrun-"$1"/memory.max; }
	count() { vz --json stats "$G" | jq '.guests[0].pids.current'; }
	vz exec "$victim" sh -c 'for i in 1 2 3 4 5 6; do sleep 1000 & done' >/dev/null
	at=$ROOT/$G/state.json
	used=$(count)
	name() { sed -i "s|\"cgroup\":{\"path\":\"[^\"]*\"|\"cgroup\":{\"path\":\"$1\"|" "$at" && grep -qF "\"cgroup\":{\"path\":\"$1\"" "$at"; }
	name "/vzrun-$victim"
	run -0 vz set "$G" --memory 96M --pids 50
	has "state of $G: its records name two cgroups; /vzrun-$G is taken"
	[ "$(limit "$G")" = $((96 << 20)) ]
	[ "$(limit "$victim")" = $((64 << 20)) ]
	[ "$(count)" = "$used" ]
	for path in / /.. ""; do
		name "$path"
		run vz set "$G" --memory 80M
		[ "$status" -ne 0 ]
		has "state of $G is corrupt: state.json: cgroup is not a container's"
	done
	name "/vzrun-$G"
	[ "$(limit "$G")" = $((96 << 20)) ]
	[ "$(limit "$victim")" = $((64 << 20)) ]
}

@test "set: live and saved, --now, --next, --dry-run, swap, a paused guest" {
	kernel_has_cgroup memory || skip "kernel: no memory controller"
	running_guest
	inside() { vz --json show "$G" | jq -r ".config.linux.resources.$1"; }
	live() { cat /sys/fs/cgroup/memory/vzrun-"$G"/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/vzrun-"$G"/memory.max; }
	run vz set "$G" --memory 96M --pids 50 --cpus 0.5
	ok
	[ "$(live)" = $((96 << 20)) ]
	[ "$(inside memory.limit)" = $((96 << 20)) ]
	[ "$(inside pids.limit)" = 50 ]
	[ "$(inside cpu.quota)" = 50000 ]
	vz set "$G" --cpus max
	[ "$(inside cpu.quota)" = -1 ]
	vz set "$G" --memory 80M --now
	[ "$(live)" = $((80 << 20)) ]
	[ "$(inside memory.limit)" = $((96 << 20)) ]
	vz set "$G" --memory 72M --next
	[ "$(live)" = $((80 << 20)) ]
	[ "$(inside memory.limit)" = $((72 << 20)) ]
	vz set "$G" --memory 64M --dry-run
	[ "$(inside memory.limit)" = $((72 << 20)) ]
	vz set "$G" --memory 64M
	vz set "$G" --swap 8M
	[ "$(inside memory.swap)" = $((72 << 20)) ]
	vz set "$G" --memory 80M
	[ "$(inside memory.swap)" = $((88 << 20)) ]
	vz pause "$G"
	guest_status_is paused
	vz set "$G" --memory 70M
	[ "$(live)" = $((70 << 20)) ]
	vz resume "$G"
	run vz set "$G" --memory 4k
	refuses 2 '--memory: less than 1M'
	run vz set "$G"
	refuses 2 'nothing to set'
	run vz set "$G" --now --next --pids 3
	refuses 2 '--now and --next exclude each other'
	# Refused by the kernel: what it took before is as it was.
	vz set "$G" --cpus 0.5
	vz exec "$G" dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null
	run vz set "$G" --cpus 0.3 --memory 1M
	[ "$status" -ne 0 ]
	[[ "$(cat /sys/fs/cgroup/cpu/vzrun-"$G"/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/vzrun-"$G"/cpu.max)" == 50000* ]]
	vz set "$G" --hostname other
	vz restart -k "$G"
	[ "$(vz exec "$G" hostname)" = other ]
	vz stop -k "$G"
	run vz set "$G" --now --pids 3
	refuses 5 "guest \"$G\" is not running: there is nothing to change now"
}
