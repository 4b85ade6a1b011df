#!/usr/bin/env bats
# `update` and `events`, on whatever cgroup layout the host has.
load helpers

setup_file() { need_engine; }
setup() {
	engine_setup
	sh_ 'while :; do sleep 1; done'
	cfg '.linux.cgroupsPath = "/vzrun-" + $id' --arg id "$ID"
}
teardown() { engine_teardown; }

memory() { kernel_has_cgroup memory || skip "kernel: no memory controller"; }
# knob V1-FILE V2-FILE: what the container's group has there
knob() {
	local f
	for f in /sys/fs/cgroup/*/vzrun-"$ID/$1" /sys/fs/cgroup/vzrun-"$ID/$2"; do [ ! -e "$f" ] || { cat "$f"; return; }; done
	echo "no $1, no $2"
	return 1
}
mem() { knob memory.limit_in_bytes memory.max; }
# "memory and swap together", as v1 and OCI count
memsw() {
	local f=/sys/fs/cgroup/memory/vzrun-$ID/memory.memsw.limit_in_bytes
	if [ -e "$f" ]; then cat "$f"; return; fi
	local s
	s=$(knob - memory.swap.max)
	if [ "$s" = max ]; then echo max; else echo $((s + $(mem))); fi
}
unlimited() { [ "$1" = max ] || [ "$1" = 9223372036854771712 ]; }
started() { v run -d "$ID"; }
update() { run v update "$@" "$ID"; }

@test "update: each limit from its flag, written live" {
	memory
	started
	update --memory 64M --memory-reservation=32m --memory-swap 128MiB
	ok
	[ "$(mem)" = 67108864 ]
	[ "$(memsw)" = 134217728 ]
	[ "$(knob memory.soft_limit_in_bytes memory.low)" = 33554432 ]
	update --cpu-quota 20000 --cpu-period 50000
	ok
	[ "$(knob cpu.cfs_quota_us cpu.max)" = 20000 ] || [ "$(knob - cpu.max)" = "20000 50000" ]
	update -cpu-share 512 --pids-limit=33 --cpuset-cpus 0 --cpuset-mems 0
	ok
	[ "$(knob cpu.shares cpu.weight)" = 512 ] || [ "$(knob - cpu.weight)" = 59 ]
	[ "$(knob pids.max pids.max)" = 33 ]
	[ "$(knob cpuset.cpus cpuset.cpus) $(knob cpuset.mems cpuset.mems)" = "0 0" ]
	update --cpu-burst 10000
	ok
	[ "$(knob cpu.cfs_burst_us cpu.max.burst)" = 10000 ]
	update --cpu-idle 1
	ok
	[ "$(knob cpu.idle cpu.idle)" = 1 ]
}

@test "update: what is not named stays; -1 lifts; memory -1 lifts swap too" {
	memory
	started
	v update --memory 64M --memory-swap 96M --pids-limit 20 "$ID"
	update --memory 48M
	ok
	[ "$(mem) $(memsw) $(knob pids.max pids.max)" = "50331648 100663296 20" ]
	update --memory-swap 128M
	ok
	[ "$(mem) $(memsw)" = "50331648 134217728" ]
	update --memory=-1 --pids-limit -1 --cpu-quota -1
	ok
	unlimited "$(mem)"
	unlimited "$(memsw)"
	[ "$(knob pids.max pids.max)" = max ]
	# As in a file, whatever is negative.
	update --pids-limit 20 --cpu-quota 20000
	ok
	update --pids-limit -7 --cpu-quota=-5
	ok
	[ "$(knob pids.max pids.max)" = max ]
	[ "$(knob cpu.cfs_quota_us cpu.max)" = -1 ] || [[ "$(knob - cpu.max)" == max* ]]
}

@test "update: bytes go to the group in any order, up and down" {
	memory
	started
	local m
	for m in 64M:64M 256M:512M 32M:32M 128M:128M; do
		update --memory "${m%:*}" --memory-swap "${m#*:}"
		ok
		m=${m//M/}
		[ "$(mem) $(memsw)" = "$((${m%:*} << 20)) $((${m#*:} << 20))" ]
	done
}

@test "update: resources from a file and from standard input, runc's three spellings" {
	memory
	started
	echo '{"memory":{"limit":67108864},"pids":{"limit":44},"cpu":{"shares":256}}' >"$BATS_TEST_TMPDIR/r"
	update -r "$BATS_TEST_TMPDIR/r"
	ok
	[ "$(mem) $(knob pids.max pids.max)" = "67108864 44" ]
	vz update --resources - "$ID" <<<'{"memory":{"limit":50331648},"unknown":{"x":1}}'
	[ "$(mem)" = 50331648 ]
	vz update --resources=- "$ID" <<<'{"pids":{"limit":55}}'
	[ "$(mem) $(knob pids.max pids.max)" = "50331648 55" ]
	# what engines send for "leave it"
	vz update -r - "$ID" <<<'{"memory":{"limit":0,"swap":0},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"pids":{"limit":0},"blockIO":{"weight":0}}'
	[ "$(mem) $(knob pids.max pids.max)" = "50331648 55" ]
	run v update -r "$BATS_TEST_TMPDIR/r" --memory 1G "$ID"
	ok
	says "vzrun: warning: update: --resources is given, other limits are ignored"
	[ "$(mem)" = 67108864 ]
}

@test "update: device rules replace the former ones, the default devices stay" {
	kernel_has_cgroup devices || [ -e /sys/fs/cgroup/cgroup.controllers ] || skip "kernel: no device groups"
	cfg '.linux.devices = [{path:"/dev/nothing",type:"c",major:9,minor:99,fileMode:438}]'
	started
	# nothing drives it: who may open it is told just that
	run v exec "$ID" sh -c 'exec 3</dev/nothing'
	has "not permitted"
	vz update -r - "$ID" <<<'{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":9,"minor":99,"access":"rw"}]}'
	run v exec "$ID" sh -c 'head -c1 /dev/zero >/dev/null || exit; exec 3</dev/nothing'
	has "No such device"
	vz update -r - "$ID" <<<'{"devices":[{"allow":false,"access":"rwm"}]}'
	run v exec "$ID" sh -c 'head -c1 /dev/zero >/dev/null || exit; exec 3</dev/nothing'
	has "not permitted"
}

@test "update: whole or not at all" {
	memory
	started
	v update --memory 64M --memory-swap 96M --cpu-share 300 --pids-limit 20 "$ID"
	local before after
	before="$(mem) $(memsw) $(knob cpu.shares cpu.weight) $(knob pids.max pids.max) $(knob cpuset.cpus cpuset.cpus.effective)"
	# the CPU set is written before memory and after the shares
	update --cpu-share 600 --cpuset-cpus 0 --memory-swap 100M --memory 99M --pids-limit 99 --blkio-weight 9
	fails 1 "resources: blockIO.weight: 9 is below 10"
	vz update -r - "$ID" <<<'{"cpu":{"shares":600,"cpus":"0"},"memory":{"limit":104857600,"swap":209715200},"pids":{"limit":9223372036854775807}}' && return 1
	after="$(mem) $(memsw) $(knob cpu.shares cpu.weight) $(knob pids.max pids.max) $(knob cpuset.cpus cpuset.cpus.effective)"
	[ "$before" = "$after" ] || { echo "$before / $after"; return 1; }
}

@test "update: what is wrong is refused by name, with its place" {
	started
	update --memory 1q
	fails 1 'update: --memory: "1q" is not a size (as 512M or 1.5G)'
	update --cpu-idle 2
	[ "$status" -eq 1 ]
	has "--cpu-idle: "
	update --cpuset-cpus 1-
	fails 1 'resources: cpu.cpus: "1-" is no list such as 0-3,7'
	update --memory 64M --memory-swap 32M
	fails 1 "resources: memory.swap: 33554432 is less than memory.limit 67108864: it counts memory and swap together"
	run vz update -r - "$ID" <<<'{"memory":{"limit":"x"}}'
	fails 1 "standard input: resources: memory.limit: expected an integer"
	run vz update -r - "$ID" <<<'{"memory"'
	[ "$status" -eq 1 ]
	has "standard input"
	update -r "$BATS_TEST_TMPDIR/none"
	fails 1 "open $BATS_TEST_TMPDIR/none: No such file or directory"
	[ -d /sys/fs/resctrl/info ] || {
		update --l3-cache-schema "L3:0=f"
		fails 1 "Intel RDT/CAT: l3 cache schema is not enabled"
		update --mem-bw-schema "MB:0=50"
		fails 1 "Intel RDT/MBA: memory bandwidth schema is not enabled"
	}
	update --kernel-memory 1M
	ok
	says "vzrun: warning: Setting --kernel-memory is ignored and will be removed"
}

@test "update: created, paused, stopped, unknown" {
	memory
	create
	update --memory 64M
	ok
	v start "$ID"
	v pause "$ID"
	update --memory 60M --pids-limit 9
	ok
	[ "$(mem)" = 62914560 ]
	is paused
	v resume "$ID"
	v kill "$ID" KILL
	wait_for is stopped
	update --memory 64M
	fails 1 "container not running"
	run v update --memory 64M nobody
	fails 1 'container "nobody" does not exist'
}

@test "update: a container without a cgroup says so" {
	v --cgroup-manager disabled run -d "$ID"
	update --memory 64M
	fails 1 "container $ID has no cgroup: its limits cannot be changed"
}

@test "update: the limit bites in what already runs" {
	kernel_has_cgroup pids || skip "kernel: no pids controller"
	started
	v exec "$ID" sh -c 'for i in 1 2 3 4 5 6; do sleep 1 & done; wait'
	v update --pids-limit 5 "$ID"
	run v exec "$ID" sh -c 'for i in 1 2 3 4 5 6; do sleep 9 & done; wait'
	[ "$status" -ne 0 ]
	has "fork"
}

# ---- events ----

@test "events --stats: runc's members, with what the kernel counts" {
	memory
	cfg '.linux.resources.memory.limit = 67108864 | .linux.resources.pids = {limit: 77}'
	started
	v exec "$ID" sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo x >/dev/null'
	v events --stats "$ID" >"$BATS_TEST_TMPDIR/s"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/s")" = 1 ]
	jq -e --arg id "$ID" '.type == "stats" and .id == $id' "$BATS_TEST_TMPDIR/s"
	jq -e '.data | keys == ["blkio","cpu","cpuset","hugetlb","intel_rdt","memory","network_interfaces","pids"]' \
		"$BATS_TEST_TMPDIR/s"
	jq -e '.data.cpu.usage | .total > 1000000 and .user > 0 and (.kernel | type) == "number"' "$BATS_TEST_TMPDIR/s"
	jq -e '.data.cpu.throttling | type == "object"' "$BATS_TEST_TMPDIR/s"
	jq -e '.data.memory.usage | .limit == 67108864 and .usage > 4096 and .failcnt >= 0' "$BATS_TEST_TMPDIR/s"
	jq -e '.data.memory | has("swap") and has("kernel") and has("kernelTCP") and (.raw | length > 10)' \
		"$BATS_TEST_TMPDIR/s"
	jq -e '.data.memory.raw | all(.[]; type == "number")' "$BATS_TEST_TMPDIR/s"
	jq -e '.data.pids.current >= 1 and .data.pids.limit == 77' "$BATS_TEST_TMPDIR/s"
	jq -e '.data.cpuset.cpus | length >= 1' "$BATS_TEST_TMPDIR/s"
	[ "$(jq -r '.data.memory.raw | keys[]' "$BATS_TEST_TMPDIR/s" | sort)" = \
		"$(knob memory.stat memory.stat | cut -d' ' -f1 | sort)" ]
}

@test "events --stats: v1 counts each CPU" {
	kernel_has_cgroup cpuacct || skip "kernel: no v1 cpuacct controller"
	started
	v events --stats "$ID" | jq -e --argjson n "$(wc -w <<<"$(cat /sys/fs/cgroup/cpuacct/cpuacct.usage_percpu)")" \
		'.data.cpu.usage | (.percpu | length) == $n and (.percpu | add) <= .total * 2 and
		 (.percpu_user | length) == $n and (.percpu_kernel | length) == $n'
}

@test "events --stats: the interfaces of the container's own network namespace" {
	started
	v exec "$ID" sh -c 'ip link set lo up; ping -c 3 -i 0.1 127.0.0.1' >/dev/null 2>&1 || true
	v events --stats "$ID" | jq -e '.data.network_interfaces == [.data.network_interfaces[] | select(.Name == "lo")]
		and (.data.network_interfaces[0] | keys | length) == 9'
	v delete -f "$ID"
	cfg '.linux.namespaces |= map(select(.type != "network"))'
	started
	v events --stats "$ID" | jq -e '.data.network_interfaces == null'
}

@test "events: a line an interval, and it ends with the container" {
	started
	bg events --interval 100ms "$ID" >"$BATS_TEST_TMPDIR/e"
	lines3() { [ "$(wc -l <"$BATS_TEST_TMPDIR/e")" -ge 3 ]; }
	wait_for lines3
	v kill "$ID" KILL
	ended "$JOB"
	[ "$status" -eq 0 ]
	jq -se 'all(.[]; .type == "stats")' "$BATS_TEST_TMPDIR/e"
}

@test "events: out of memory is told when it happens" {
	memory
	cfg '.linux.resources.memory = {limit: 20971520, swap: 20971520}'
	started
	bg events --interval 1h "$ID" >"$BATS_TEST_TMPDIR/e"
	listening() { ls -l "/proc/$JOB/fd" | grep -qE "eventfd|memory.events"; }
	wait_for listening
	# The kernel may kill a second one while the first is dying: not the container's first process.
	v exec "$ID" sh -c 'echo 1000 >/proc/self/oom_score_adj; x=$(head -c 60000000 /dev/zero | tr "\0" x)' || true
	wait_for test -s "$BATS_TEST_TMPDIR/e"
	is running
	v kill "$ID" KILL
	ended "$JOB"
	[ "$status" -eq 0 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/e")" = "{\"type\":\"oom\",\"id\":\"$ID\"}" ]
}

@test "events: a container whose first process is the victim" {
	memory
	cfg '.linux.resources.memory = {limit: 20971520, swap: 20971520}'
	sh_ 'while [ ! -e /go ]; do sleep 0.05; done; exec tail /dev/zero'
	started
	bg events --interval 1h "$ID" >"$BATS_TEST_TMPDIR/e"
	listening() { ls -l "/proc/$JOB/fd" | grep -qE "eventfd|memory.events"; }
	wait_for listening
	touch "$B/rootfs/go"
	ended "$JOB"
	[ "$status" -eq 0 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/e")" = "{\"type\":\"oom\",\"id\":\"$ID\"}" ]
}

@test "events: neither a stopped nor an unknown container, nor an interval of nothing" {
	run v events --stats nobody
	fails 1 'container "nobody" does not exist'
	args true
	v run --keep "$ID"
	run v events "$ID"
	fails 1 "container with id $ID is not running"
	run v events --interval 0s "$ID"
	fails 1 "duration interval must be greater than 0"
}

@test "a limit in a hierarchy that the container was not in brings all of it there, and delete takes the group away" {
	kernel_has_cgroup cpuset || skip "kernel: no cpuset controller"
	[ -d /sys/fs/cgroup/cpuset ] || skip "cgroup v2: there is one hierarchy"
	cfg 'del(.linux.cgroupsPath)'
	sh_ 'sleep 300 & sleep 300'
	v create "$ID"
	vz start "$ID"
	[ ! -e "/sys/fs/cgroup/cpuset/vzrun-$ID" ]
	vz update --cpuset-cpus 0 "$ID"
	[ "$(cat "/sys/fs/cgroup/cpuset/vzrun-$ID/cpuset.cpus")" = 0 ]
	both() { [ "$(wc -l <"/sys/fs/cgroup/cpuset/vzrun-$ID/cgroup.procs")" = 2 ]; }
	wait_for both
	vz exec "$ID" /bin/sh -c 'grep Cpus_allowed_list /proc/self/status' | grep -qE '[[:space:]]0$'
	vz delete -f "$ID"
	[ ! -e "/sys/fs/cgroup/cpuset/vzrun-$ID" ]
}

@test "a limit in a further hierarchy reaches what is forked meanwhile" {
	kernel_has_cgroup cpuset || skip "kernel: no cpuset controller"
	[ -d /sys/fs/cgroup/cpuset ] || skip "cgroup v2: there is one hierarchy"
	cfg 'del(.linux.cgroupsPath)'
	sh_ 'for i in 1 2 3 4 5 6 7 8; do (while :; do /bin/true; done) & done; wait'
	v create "$ID"
	vz start "$ID"
	vz update --cpuset-cpus 0 "$ID"
	# whoever is a child of one inside is inside: nobody of the group is left in the root of cpuset
	for p in $(cat "/sys/fs/cgroup/pids/vzrun-$ID/cgroup.procs"); do
		# Who is about to end is shown in the root of each: not outside of one alone.
		if grep -qsE ":cpuset:/$" "/proc/$p/cgroup" && grep -qsE ":pids:/." "/proc/$p/cgroup"; then
			echo "outside: $p"
			return 1
		fi
	done
	vz delete -f "$ID"
}
