# The cgroups layer alone, by build/tools/cgtool: limits bite, freezing freezes, nothing is left.
# Needs root. Runs on v1, hybrid and v2 hosts alike; what a host lacks is a counted skip that names it.

setup_file() {
	[ "$(id -u)" = 0 ] || { echo "must run as root" >&2; return 1; }
	export CGTOOL=${VZRUN_BUILD:-$BATS_TEST_DIRNAME/../../build}/tools/cgtool
	[ -x "$CGTOOL" ] || { echo "no $CGTOOL: make build/tools/cgtool" >&2; return 1; }
	export LAYOUT
	LAYOUT=$("$CGTOOL" host | head -1)
}

setup() { G=/vzt$$-$BATS_TEST_NUMBER/a; }

teardown() {
	"$CGTOOL" kill "$G" 2>/dev/null || true
	"$CGTOOL" remove "$G" 2>/dev/null || true
	"$CGTOOL" thaw "${G%/*}" 2>/dev/null || true
	"$CGTOOL" kill "${G%/*}" 2>/dev/null || true
	"$CGTOOL" remove "${G%/*}" 2>/dev/null || true
	local left
	left=$(find /sys/fs/cgroup -type d -path "*/vzt$$-$BATS_TEST_NUMBER*" 2>/dev/null)
	[ -z "$left" ] || { echo "left: $left" >&2; return 1; }
}

cg() { run "$CGTOOL" "$@"; }
stat() { "$CGTOOL" stats "$G" | sed -n "s/^$1 //p"; }
# file FILE: its text, in whichever hierarchy has it
file() {
	local d
	for d in $("$CGTOOL" dirs "$G"); do [ -e "$d/$1" ] && { cat "$d/$1"; return; }; done
	echo "no $1" >&2
	return 1
}
v2() { [ "$LAYOUT" = v2 ]; }
pick() { if v2; then echo "$2"; else echo "$1"; fi; }	# v1 name, v2 name
# wait_for CMD: up to a minute; the thing under test is another process
wait_for() { local i; for i in $(seq 1200); do "$@" && return; sleep 0.05; done; echo "waited in vain: $*" >&2; return 1; }
has_pids() { [ -n "$("$CGTOOL" pids "$G")" ]; }
background() { "$CGTOOL" exec "$G" "$@" >/dev/null 2>&1 3>&- & wait_for has_pids; }

@test "a group is made in every hierarchy, joined, and removed" {
	cg create "$G"
	[ "$status" = 0 ]
	[ "$output" = "$G" ]
	cg exec "$G" cat /proc/self/cgroup
	[ "$status" = 0 ]
	echo "$output"
	[ "$(grep -c ":$G\$" <<<"$output")" = "$("$CGTOOL" host | tail -n +2 | wc -l)" ]
	cg remove "$G"
	[ "$status" = 0 ]
	cg remove "$G"
	[ "$status" = 1 ]
	[[ "$output" = "cgroup $G: in no hierarchy of this host" ]]
}

@test "a relative path lies below (v2: beside) our own group" {
	cg create "rel$$"
	[ "$status" = 0 ]
	local stored=$output
	cg exec "$stored" cat /proc/self/cgroup
	[ "$status" = 0 ]
	[[ "$output" != *$'\n0::/\n'* ]]
	cg remove "$stored"
	[ "$status" = 0 ]
	[ -z "$(find /sys/fs/cgroup -name "rel$$")" ]
}

@test "a group that holds processes is not made a second time, an empty one is taken over" {
	"$CGTOOL" create "$G"
	cg create "$G"
	[ "$status" = 0 ]
	background sleep 100
	cg create "$G"
	[ "$status" = 1 ]
	[[ "$output" = *"container's cgroup is not empty: "*"exists and holds processes"* ]]
}

@test "the memory limit kills, and is counted" {
	"$CGTOOL" create "$G" '{"memory":{"limit":20971520,"swap":20971520}}'
	[ "$(stat mem_limit)" = 20971520 ]
	cg exec "$G" sh -c 'head -c 100000000 /dev/zero | tail -c 90000000 >/dev/null'
	[ "$status" -ne 0 ]
	[ "$(stat oom_kills)" -ge 1 ]
}

@test "an out-of-memory event is heard" {
	"$CGTOOL" create "$G" '{"memory":{"limit":20971520,"swap":20971520}}'
	"$CGTOOL" oom "$G" >"$BATS_TEST_TMPDIR/oom" 3>&- &
	local oom=$!
	wait_for grep -q ready "$BATS_TEST_TMPDIR/oom"
	"$CGTOOL" exec "$G" sh -c 'head -c 100000000 /dev/zero | tail -c 90000000 >/dev/null' || true
	wait "$oom"
}

@test "memory and swap go up and down on a live group" {
	"$CGTOOL" create "$G" '{"memory":{"limit":20971520,"swap":20971520}}'
	"$CGTOOL" apply "$G" '{"memory":{"limit":104857600,"swap":209715200}}'
	[ "$(stat mem_limit)" = 104857600 ]
	"$CGTOOL" apply "$G" '{"memory":{"limit":10485760,"swap":10485760}}'
	[ "$(stat mem_limit)" = 10485760 ]
	"$CGTOOL" apply "$G" '{"memory":{"limit":-1}}'
	[ "$(stat mem_limit)" = 18446744073709551615 ]
}

@test "a limit below use is refused when that is asked for" {
	"$CGTOOL" create "$G" '{"memory":{"limit":104857600}}'
	background sh -c 'x=$(head -c 8000000 /dev/zero | tr "\0" x); sleep 100'
	used() { [ "$(stat mem_usage)" -gt 8000000 ]; }
	wait_for used
	cg apply "$G" '{"memory":{"limit":4194304,"checkBeforeUpdate":true}}'
	[ "$status" = 1 ]
	[[ "$output" = "memory limit: 4194304 bytes for "*" bytes are in use"* ]]
}

@test "the process limit bites" {
	"$CGTOOL" create "$G" '{"pids":{"limit":8}}'
	[ "$(stat pids_limit)" = 8 ]
	cg exec "$G" sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 9 & done; wait'
	[[ "$output" = *[Ff]ork* ]]
}

@test "the CPU quota bites, and throttling is counted" {
	# So little that a busy machine's share of it is more.
	"$CGTOOL" create "$G" '{"cpu":{"quota":2000,"period":100000,"shares":512}}'
	[ "$(file "$(pick cpu.shares cpu.weight)")" = "$(pick 512 59)" ]
	background sh -c 'while :; do :; done'
	throttled() { [ "$(stat cpu_throttled)" -ge 3 ]; }
	wait_for throttled
	# Unlimited it would be up to 100 ms a period; a slice that is handed out may be 5 ms.
	[ "$(stat cpu_total_ns)" -gt 0 ]
	local used=$(stat cpu_total_ns)
	[ "$used" -lt $((($(stat cpu_periods) + 2) * 20000000)) ]
}

@test "quota, period and burst change on a live group in any order" {
	"$CGTOOL" create "$G" '{"cpu":{"quota":20000,"period":100000,"burst":20000}}'
	"$CGTOOL" apply "$G" '{"cpu":{"quota":5000,"burst":1000,"period":50000}}'
	"$CGTOOL" apply "$G" '{"cpu":{"quota":50000,"burst":50000}}'
	"$CGTOOL" apply "$G" '{"cpu":{"period":40000}}'
	if v2; then
		[ "$(file cpu.max)" = "50000 40000" ]
	else
		[ "$(file cpu.cfs_quota_us) $(file cpu.cfs_period_us)" = "50000 40000" ]
	fi
	"$CGTOOL" apply "$G" '{"cpu":{"quota":-1}}'
}

@test "a CPU set holds, and one that does not exist is refused by name" {
	"$CGTOOL" create "$G" '{"cpu":{"cpus":"0"}}'
	cg exec "$G" grep Cpus_allowed_list /proc/self/status
	[[ "$output" = *$'\t'0 ]]
	if v2; then return; fi
	cg apply "$G" '{"cpu":{"cpus":"999"}}'
	[ "$status" = 1 ]
	[[ "$output" = "CPU set: write \"999\" to "*"/cpuset.cpus: "* ]]
}

@test "devices: only what the rules allow, and an update replaces them" {
	"$CGTOOL" create "$G" '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":5,"access":"r"}]}'
	cg exec "$G" sh -c 'echo x >/dev/null && head -c1 /dev/zero >/dev/null && ! head -c1 /dev/urandom && ! echo x >/dev/zero && ! mknod /tmp/vzt-null-$$ c 1 9'
	[ "$status" = 0 ]
	"$CGTOOL" apply "$G" '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":9,"access":"r"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"}]}'
	cg exec "$G" sh -c 'head -c1 /dev/urandom >/dev/null && echo x >/dev/null && ! head -c1 /dev/zero'
	[ "$status" = 0 ]
	"$CGTOOL" apply "$G" '{"devices":[{"allow":true,"access":"rwm"}]}'
	cg exec "$G" sh -c 'head -c1 /dev/urandom >/dev/null && head -c1 /dev/zero >/dev/null'
	[ "$status" = 0 ]
}

@test "devices: one rule to read and one to write are both" {
	"$CGTOOL" create "$G" '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"access":"r"},{"allow":true,"type":"c","major":1,"minor":3,"access":"w"}]}'
	cg exec "$G" sh -c 'exec 3<>/dev/null && head -c1 /dev/zero >/dev/null && ! (exec 3<>/dev/zero)'
	[ "$status" = 0 ]
}

@test "freeze stops, thaw goes on" {
	"$CGTOOL" create "$G"
	background sh -c "while :; do echo x >>$BATS_TEST_TMPDIR/log; sleep 0.01; done"
	wait_for test -s "$BATS_TEST_TMPDIR/log"
	"$CGTOOL" freeze "$G"
	[ "$("$CGTOOL" frozen "$G")" = 1 ]
	local n m
	n=$(wc -c <"$BATS_TEST_TMPDIR/log")
	sleep 0.3
	m=$(wc -c <"$BATS_TEST_TMPDIR/log")
	[ "$n" = "$m" ]
	"$CGTOOL" thaw "$G"
	[ "$("$CGTOOL" frozen "$G")" = 0 ]
	more() { [ "$(wc -c <"$BATS_TEST_TMPDIR/log")" -gt "$m" ]; }
	wait_for more
}

@test "thaw below a frozen group does not wait for what cannot come" {
	"$CGTOOL" create "$G"
	background sleep 100
	"$CGTOOL" freeze "$G"
	"$CGTOOL" freeze "${G%/*}"
	# Who is traced cannot look for its own leaks.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 run strace -qq -e trace=poll,clock_nanosleep "$CGTOOL" thaw "$G"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$("$CGTOOL" frozen "$G")" = 1 ]
	"$CGTOOL" thaw "${G%/*}"
	[ "$("$CGTOOL" frozen "$G")" = 0 ]
}

@test "kill reaches a frozen group, a group below, and beats a fork bomb" {
	"$CGTOOL" create "$G" '{"pids":{"limit":100}}'
	background bash -c 'f() { while :; do f & sleep 0.01; done; }; f'
	"$CGTOOL" create "$G/below"
	"$CGTOOL" exec "$G/below" sleep 100 >/dev/null 2>&1 3>&- &
	"$CGTOOL" freeze "$G"
	"$CGTOOL" kill "$G"
	cg remove "$G"
	echo "$output"
	[ "$status" = 0 ]
}

@test "another signal reaches every process once" {
	"$CGTOOL" create "$G"
	background sh -c "trap 'echo term >>$BATS_TEST_TMPDIR/log' TERM; touch $BATS_TEST_TMPDIR/up; while :; do sleep 0.05; done"
	wait_for test -e "$BATS_TEST_TMPDIR/up"
	"$CGTOOL" kill "$G" 15
	wait_for test -s "$BATS_TEST_TMPDIR/log"
	[ "$(cat "$BATS_TEST_TMPDIR/log")" = term ]
}

@test "remove names the process that is still inside" {
	"$CGTOOL" create "$G"
	background sleep 100
	cg remove "$G"
	[ "$status" = 1 ]
	[[ "$output" = "remove cgroup "*": process "*" (sleep) is still inside"* ]]
}

@test "v2: a group with processes gives no controllers, is told so and stays as it was" {
	v2 || skip "controllers are in v1 hierarchies here"
	"$CGTOOL" create "$G"
	background sleep 100
	cg create "$G/below" '{"memory":{"limit":10485760}}'
	[ "$status" = 1 ]
	[ "${lines[0]}" = "memory limit: enable the memory controller in /sys/fs/cgroup$G/cgroup.subtree_control: Device or resource busy" ]
	[[ "${lines[1]}" = *"holds processes"* ]]
	"$CGTOOL" create "$G/below"
	[ "$(file cgroup.type)" = domain ]
	[ -z "$(file cgroup.subtree_control)" ]
}

@test "unified: written verbatim, an unknown file refused by name" {
	[ "$LAYOUT" != v1 ] || skip "this host has no cgroup v2 tree"
	"$CGTOOL" create "$G" '{"unified":{"cgroup.max.depth":"7"}}'
	[ "$(file cgroup.max.depth)" = 7 ]
	cg apply "$G" '{"unified":{"cgroup.nonsense":"7"}}'
	[ "$status" = 1 ]
	[[ "$output" = "unified.cgroup.nonsense: there is no "* ]]
}

@test "a huge page limit" {
	[ -d /sys/kernel/mm/hugepages/hugepages-2048kB ] || skip "no 2 MiB pages"
	"$CGTOOL" create "$G" '{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}' || skip "no hugetlb controller"
	[ "$(file hugetlb.2MB.max || file hugetlb.2MB.limit_in_bytes)" = 4194304 ]
}

@test "a controller that is not there is refused by name, and nothing is made" {
	cg create "$G" '{"network":{"classID":4097}}'
	[ "$status" = 1 ] || skip "this host has net_cls"
	[[ "$output" = "network class: "*"net_cls controller"* ]]
	cg create "$G" '{"memory":{"limit":1048576},"cpu":{"cpus":"9999"}}'
	v2 || [ "$status" = 1 ]
}

@test "a hierarchy that is read-only is left out and told; where a limit needs it, it is refused" {
	[ -d /sys/fs/cgroup/pids ] || skip "kernel: no cgroup v1 pids"
	# shellcheck disable=SC2016
	read_only() { run unshare -m sh -c 'mount -o remount,bind,ro /sys/fs/cgroup/pids && exec "$@"' - "$CGTOOL" "$@"; }
	read_only create "$G"
	[ "$status" = 0 ]
	[ "$output" = "vzrun: warning: cgroup /sys/fs/cgroup/pids$G is not made: Read-only file system
$G" ]
	"$CGTOOL" remove "$G"
	read_only create "$G" '{"pids":{"limit":9}}'
	[ "$status" = 1 ]
	[[ "$output" = "process limit: create cgroup /sys/fs/cgroup/pids$G: Read-only file system"* ]]
	cg remove "$G"
	[ "$status" = 1 ]
}

@test "a hierarchy that is mounted nowhere has no group; where a limit needs it, it is refused" {
	[ -d /sys/fs/cgroup/pids ] || skip "kernel: no cgroup v1 pids"
	local at
	for at in unified pids; do
		mountpoint -q "/sys/fs/cgroup/$at" || continue
		# shellcheck disable=SC2016
		without() { run unshare -m sh -c 'umount "/sys/fs/cgroup/$0" && exec "$@"' "$at" "$CGTOOL" "$@"; }
		without create "$G"
		[ "$status" = 0 ]
		[ "$output" = "$G" ]
		[ ! -e "/sys/fs/cgroup/$at$G" ]
		[ -e "/sys/fs/cgroup/memory$G" ]
		without remove "$G"
		[ "$status" = 0 ]
		"$CGTOOL" remove "${G%/*}"
	done
	without create "$G" '{"pids":{"limit":9}}'
	[ "$status" = 1 ]
	[[ "$output" = "process limit: "*pids* ]]
}

@test "delegation: the guest's root makes groups of its own" {
	[ "$LAYOUT" != v1 ] || skip "this host has no cgroup v2 tree"
	"$CGTOOL" create "$G"
	"$CGTOOL" delegate "$G" 4242
	local d
	for d in $("$CGTOOL" dirs "$G" | grep -E 'systemd|unified|^/sys/fs/cgroup/vzt'); do
		[ "$(command stat -c %u "$d" "$d/cgroup.procs" | sort -u)" = 4242 ]
		setpriv --reuid 4242 --clear-groups mkdir "$d/own"
	done
	"$CGTOOL" remove "$G"
}
