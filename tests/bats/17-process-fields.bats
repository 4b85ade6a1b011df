#!/usr/bin/env bats
# How the kernel is told to run the processes of a container: seen from inside, of the first one and of others.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() { engine_teardown; }

inside() { sh_ "$1"; go; ok; }
running() { args sleep 300; create "$ID"; vz start "$ID"; }
# fields of proc(5)'s stat: nice 19, rt_priority 40, policy 41
stat_of() { sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f"$2"; }
sched='sed "s/.*) //" /proc/self/stat | cut -d" " -f17,38,39'
needs_rt_budget() {
	local g
	for g in /sys/fs/cgroup/cpu /sys/fs/cgroup/cpu,cpuacct; do
		[ ! -e $g/cpu.rt_runtime_us ] || cfg '.linux.resources.cpu.realtimeRuntime = 20000'
	done
}
process() { jq "$1" <"$B/config.json" | jq '.process' >"$BATS_TEST_TMPDIR/process.json"; }

@test "I/O priority: of the first process, and of those that join" {
	cfg '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 7}'
	inside 'ionice -p $$'
	says "best-effort: prio 7"
	cfg '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE"}'
	inside 'ionice -p $$'
	has idle
	cfg '.process.ioPriority = {class: "IOPRIO_CLASS_RT", priority: 1}'
	running
	run vz exec "$ID" sh -c 'ionice -p $$'
	says "realtime: prio 1"
	process '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 2} | .process.args = ["sh", "-c", "ionice -p $$"]'
	run vz exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	says "best-effort: prio 2"
}

@test "scheduler: SCHED_OTHER and SCHED_BATCH with nice, SCHED_IDLE" {
	cfg '.process.scheduler = {policy: "SCHED_OTHER", nice: 7}'
	inside "$sched"; says "7 0 0"
	cfg '.process.scheduler = {policy: "SCHED_BATCH", nice: -3}'
	inside "$sched"; says "-3 0 3"
	cfg '.process.scheduler = {policy: "SCHED_IDLE"}'
	inside "$sched"; says "0 0 5"
}

@test "scheduler: SCHED_FIFO and SCHED_RR with priority" {
	needs_rt_budget
	cfg '.process.scheduler = {policy: "SCHED_FIFO", priority: 5}'
	inside "$sched"; says "0 5 1"
	cfg '.process.scheduler = {policy: "SCHED_RR", priority: 99}'
	inside "$sched"; says "0 99 2"
}

@test "scheduler: flags: SCHED_FLAG_RESET_ON_FORK" {
	cfg '.process.scheduler = {policy: "SCHED_OTHER", nice: -5, flags: ["SCHED_FLAG_RESET_ON_FORK"]}'
	args sh -c 'sed "s/.*) //" /proc/$$/stat | cut -d" " -f17; : ; (sed "s/.*) //" /proc/self/stat | cut -d" " -f17)'
	go
	says "-5
0"
}

@test "scheduler: SCHED_DEADLINE with its three times" {
	cfg '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 1000000, deadline: 20000000, period: 40000000}'
	args sh -c 'exec sleep 300'
	create; vz start "$ID"
	run chrt -p "$(pid_of)"
	has SCHED_DEADLINE
	has "1000000/20000000/40000000"
	run vz exec "$ID" true
	ok
}

@test "scheduler: a group without real-time budget is named" {
	[ -e /sys/fs/cgroup/cpu/cpu.rt_runtime_us ] || [ -e /sys/fs/cgroup/cpu,cpuacct/cpu.rt_runtime_us ] ||
		skip "kernel: no real-time budgets of groups"
	cfg '.process.scheduler = {policy: "SCHED_FIFO", priority: 5} | .linux.resources.cpu.shares = 100'
	go
	fails 1 "process.scheduler: SCHED_FIFO: Operation not permitted: CAP_SYS_NICE is missing, or the cgroup has no real-time budget (linux.resources.cpu.realtimeRuntime)"
}

@test "scheduler: reaches what joins, in a user namespace too" {
	cfg '.process.scheduler = {policy: "SCHED_BATCH", nice: -4}'
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"; chmod 755 "$BATS_TEST_TMPDIR" "$B"
	running
	[ "$(stat_of "$(pid_of)" 17,39)" = "-4 3" ]
	run vz exec "$ID" sh -c "$sched"
	says "-4 0 3"
}

cpus_of() { taskset -cp "$1" | sed 's/.*: //'; }
@test "execCPUAffinity: for what joins, not for the first process" {
	[ "$(nproc)" -gt 1 ] || skip "kernel: one CPU"
	all=$(cpus_of $$) one=${all##*[,-]}
	cfg --arg c "$one" '.process.execCPUAffinity = {initial: $c, final: $c}'
	running
	[ "$(cpus_of "$(pid_of)")" = "$all" ]
	run vz exec "$ID" sh -c 'grep Cpus_allowed_list /proc/self/status'
	says "Cpus_allowed_list:	$one"
	# only where to begin: then the container's own
	process ".process.execCPUAffinity = {initial: \"$one\"} | .process.args = [\"grep\", \"Cpus_allowed_list\", \"/proc/self/status\"]"
	run vz exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	has "$(grep Cpus_allowed_list /proc/self/status)"
	process '.process.execCPUAffinity = {final: "0"} | .process.args = ["grep", "Cpus_allowed_list", "/proc/self/status"]'
	run vz exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	says "Cpus_allowed_list:	0"
	process '.process.execCPUAffinity = {final: "8000"} | .process.args = ["true"]'
	run vz exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	fails 255 "process.execCPUAffinity.final: run on CPUs 8000: Invalid argument"
	process '.process.execCPUAffinity = {initial: "8000"} | .process.args = ["true"]'
	run vz exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	fails 255 "process.execCPUAffinity.initial: run on CPUs 8000: Invalid argument"
	process '.process.execCPUAffinity = {initial: "1-0"} | .process.args = ["true"]'
	run vz exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	fails 255 "$BATS_TEST_TMPDIR/process.json: execCPUAffinity.initial: \"1-0\" is no list such as 0-3,7"
}

@test "execCPUAffinity: the runtime itself runs on the initial CPUs while it joins" {
	[ "$(nproc)" -gt 1 ] || skip "kernel: one CPU"
	all=$(cpus_of $$) one=${all##*[,-]}
	running
	process ".process.execCPUAffinity = {initial: \"$one\"} | .process.args = [\"sleep\", \"300\"]"
	bg exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	wait_for pgrep -P "$JOB"
	[ "$(cpus_of "$JOB")" = "$one" ]
	[ "$(cpus_of "$(pgrep -P "$JOB")")" = "$all" ]
	kill -KILL "$JOB"
}

policy() { awk '{ print $2; exit }' "/proc/$1/numa_maps"; }
@test "memory policy: of the first process, and of those that join" {
	[ -e /proc/self/numa_maps ] || skip "kernel: no NUMA"
	for p in '{mode: "MPOL_BIND", nodes: "0"}=bind:0' '{mode: "MPOL_INTERLEAVE", nodes: "0", flags: ["MPOL_F_RELATIVE_NODES"]}=interleave=relative:0' \
		 '{mode: "MPOL_PREFERRED", nodes: "0"}=prefer:0' '{mode: "MPOL_LOCAL"}=local' '{mode: "MPOL_DEFAULT"}=default' \
		 '{mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"]}=bind=static:0' '{mode: "MPOL_PREFERRED"}=local'; do
		cfg ".linux.memoryPolicy = ${p%%\}=*}}"
		inside 'cut -d" " -f2 /proc/self/numa_maps | head -1'
		says "${p#*\}=}"
	done
	cfg '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0"}'
	running
	[ "$(policy "$(pid_of)")" = bind:0 ]
	run vz exec "$ID" sh -c 'cut -d" " -f2 /proc/self/numa_maps | head -1'
	says bind:0
}

@test "memory policy: nodes that are not there" {
	[ -e /proc/self/numa_maps ] || skip "kernel: no NUMA"
	cfg '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "1000"}'
	go
	fails 1 "linux.memoryPolicy: MPOL_BIND on nodes 1000: Invalid argument: no such nodes for this container, or a mode that the kernel does not know"
}

@test "personality reaches what joins" {
	cfg '.linux.personality = {domain: "LINUX32"}'
	running
	run vz exec "$ID" uname -m
	says i686
	process '.process.args = ["uname", "-m"]'
	run vz exec --process "$BATS_TEST_TMPDIR/process.json" "$ID"
	says i686
	vz delete -f "$ID"
	cfg '.linux.personality = {domain: "LINUX", flags: []}'
	inside 'uname -m'
	says "$(uname -m)"
}

# ---- seccomp notification ----
agent() {
	SOCK=$BATS_TEST_TMPDIR/a.sock LOG=$BATS_TEST_TMPDIR/agent.log
	rm -f "$SOCK" "$LOG"
	python3 "$TOP/tests/tools/agent.py" "$SOCK" "$LOG" "$1" 3>&- & AGENT=$!
	wait_for grep -q ready "$LOG"
	cfg --arg s "$SOCK" '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: $s, listenerMetadata: "a % \"b\"",
		syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY"}]} | .annotations = {"x.y": "50%d"}'
}
# said N FILTER: of the N-th state that the agent got
# The agent is another process: what it was sent it may not have written yet.
said() {
	wait_for heard "$1"
	grep ^state "$LOG" | sed -n "$1p" | sed 's/^state //; s/ fds [0-9]*$//' | jq -r "$2"
}
heard() { [ "$(grep -c ^state "$LOG")" -ge "$1" ]; }

@test "seccomp notification: the agent gets the listener, the state and the calls, and answers them" {
	agent 17
	sh_ 'mkdir /x; touch /y && echo touched'
	go
	has "File exists"
	has touched
	[ "$(said 1 '.fds[0], .metadata, .state.id, .state.status, .state.bundle, .state.annotations["x.y"], (.pid == .state.pid), .ociVersion == .state.ociVersion')" = "seccompFd
a % \"b\"
$ID
created
$B
50%d
true
true" ]
	grep -q ' fds 1$' "$LOG"
	[ "$(grep -c ^call "$LOG")" = 1 ]
	kill "$AGENT"
}

@test "seccomp notification: create and start, exec; with and without no_new_privs" {
	agent continue
	for nnp in true false; do
		: >"$LOG"
		cfg ".process.noNewPrivileges = $nnp"
		args sleep 300
		create
		[ $nnp = true ] || wait_for heard 1
		[ $nnp = false ] || [ "$(grep -c ^state "$LOG")" = 0 ]
		vz start "$ID"
		[ "$(said 1 .state.status)" = "$([ $nnp = true ] && echo created || echo creating)" ]
		[ "$(said 1 .pid)" = "$(pid_of)" ]
		run vz exec "$ID" mkdir "/tmp/$nnp"
		ok
		[ -d "$B/rootfs/tmp/$nnp" ]
		[ "$(said 2 .state.status)" = running ]
		[ "$(said 2 .state.pid)" = "$(pid_of)" ]
		[ "$(said 2 '.pid != .state.pid')" = true ]
		grep -q ^call "$LOG"
		vz delete -f "$ID"
	done
	kill "$AGENT"
}

@test "seccomp notification: calls that the runtime itself makes on the way to exec" {
	agent continue
	for nnp in true false; do
		cfg ".process.noNewPrivileges = $nnp | .linux.seccomp.syscalls[0].names = [\"sendmsg\", \"recvmsg\", \"close\", \"wait4\", \"execve\", \"chdir\", \"capset\", \"mkdir\"]"
		sh_ 'mkdir /x && echo made; rmdir /x'
		go
		ok; says made
	done
	kill "$AGENT"
}

@test "seccomp notification: without an agent nothing runs" {
	agent continue
	kill "$AGENT"; wait "$AGENT" || true
	sh_ 'touch /ran'
	for nnp in true false; do
		cfg ".process.noNewPrivileges = $nnp"
		go
		fails 1 "failed to connect with seccomp agent: linux.seccomp.listenerPath: $SOCK: connect to a.sock: Connection refused"
		[ ! -e "$B/rootfs/ran" ]
	done
	cfg '.process.noNewPrivileges = true'
	create
	run vz start "$ID"
	fails 1 "failed to connect with seccomp agent: linux.seccomp.listenerPath: $SOCK: connect to a.sock: Connection refused"
	wait_for is stopped
	[ ! -e "$B/rootfs/ran" ]
	vz delete "$ID"
	rm "$SOCK"
	go
	fails 1 "failed to connect with seccomp agent: linux.seccomp.listenerPath: $SOCK: No such file or directory"
	cfg --arg f "$B/config.json" '.linux.seccomp.listenerPath = $f'
	go
	fails 1 "failed to connect with seccomp agent: linux.seccomp.listenerPath: $B/config.json is not a socket"
}

@test "seccomp notification: a listenerPath that no rule uses is not used" {
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/no/where", syscalls: []}'
	args true
	go
	ok
}

@test "seccomp: flags and defaultErrnoRet" {
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 17, flags: ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], syscalls: [
	     {names: ["read", "write", "open", "openat", "close", "execve", "brk", "mmap", "munmap", "mprotect", "arch_prctl", "set_tid_address", "set_robust_list", "rseq",
	      "prlimit64", "readlink", "getrandom", "fstat", "newfstatat", "stat", "lstat", "exit", "exit_group", "rt_sigaction", "rt_sigprocmask", "getuid", "getgid", "geteuid", "getegid", "getpid", "getppid", "getcwd", "fcntl",
	      "prctl", "wait4", "clone", "vfork", "fork", "ioctl", "uname", "umask", "rt_sigreturn"], action: "SCMP_ACT_ALLOW"}]}'
	inside 'mkdir /x; exit 0'
	has "File exists"
	agent 13
	cfg '.linux.seccomp.flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"]'
	sh_ 'mkdir /x'
	go
	has "Permission denied"
	kill "$AGENT"
}

# ---- labels ----
@test "labels where no such module is active: said, once each, and the container runs" {
	[ ! -d /sys/fs/selinux/booleans ] || skip "kernel: SELinux is active"
	[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ] || skip "kernel: AppArmor is active"
	cfg '.process.selinuxLabel = "system_u:system_r:container_t:s0:c1,c2" | .process.apparmorProfile = "some-profile" | .linux.mountLabel = "system_u:object_r:container_file_t:s0:c1,c2"'
	args echo ran
	go; ok
	[ "$(grep -c 'SELinux is off on this host: "system_u:system_r:container_t:s0:c1,c2" has no effect' <<<"$output")" = 1 ]
	[ "$(grep -c 'SELinux is off on this host: "system_u:object_r:container_file_t:s0:c1,c2" has no effect' <<<"$output")" = 1 ]
	[ "$(grep -c 'AppArmor is off on this host: "some-profile" has no effect' <<<"$output")" = 1 ]
	has ran
	# Of exec an empty one is none, and what joins has the container's own.
	running
	run vz exec --apparmor "" --process-label= "$ID" true
	ok
	has 'AppArmor is off on this host: "some-profile" has no effect'
	has 'SELinux is off on this host: "system_u:system_r:container_t:s0:c1,c2" has no effect'
	vz delete -f "$ID"
	cfg 'del(.process.selinuxLabel, .process.apparmorProfile, .linux.mountLabel)'
	running
	run vz exec --apparmor other --process-label a:b:c:s0 "$ID" echo joined
	ok
	has 'AppArmor is off on this host: "other" has no effect'
	has 'SELinux is off on this host: "a:b:c:s0" has no effect'
	has joined
}

@test "a container cannot pretend that the module is there" {
	[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ] || skip "kernel: AppArmor is active"
	mkdir -p "$B/rootfs/sys/module/apparmor/parameters"; echo Y >"$B/rootfs/sys/module/apparmor/parameters/enabled"
	cfg '.process.apparmorProfile = "some-profile" | .mounts |= map(select(.destination | startswith("/sys") | not))'
	args echo ran
	go; ok
	has "AppArmor is off on this host"
	has ran
}

@test "labels that are none" {
	cfg '.process.apparmorProfile = "a\"b"'
	go
	fails 1 'AppArmor profile "a"b": character 2 is not allowed'
	cfg 'del(.process.apparmorProfile) | .process.selinuxLabel = "a\nb"'
	go
	[ "$status" = 1 ]
	has 'character 2 is not allowed'
}

@test "seccomp: a filter that allows nothing, not even to end, leaves no process that asks for ever" {
	cfg '.process.noNewPrivileges = true | .linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO"}'
	go
	[ "$status" -ne 0 ]
}
