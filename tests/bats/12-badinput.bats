#!/usr/bin/env bats
# Configurations that are refused: one line each, exactly, before anything is made.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() { engine_teardown; }

# bad 'jq edit' 'the whole message'; one that begins with ~ is a pattern. All of a test are tried.
bad() {
	cp "$B/config.json" "$B/good"
	cfg "$1"
	text "$(cat "$B/config.json")" "$2" || echo "edit: $1"
	mv "$B/good" "$B/config.json"
}
# text 'file text' 'message'
text() {
	printf %s "$1" >"$B/config.json"
	refused "$2"
}
refused() {
	run v create "$ID"
	[ "$status" -ne 0 ] || vz delete -f "$ID"
	if { [[ "$1" = "~"* ]] && [ "$status" = 1 ] && [ "${#lines[@]}" = 1 ] && [[ "$output" == vzrun:\ ${1#\~} ]]; } ||
	   { [[ "$1" != "~"* ]] && fails 1 "$1"; }; then
		[ -z "$(state_left)$(groups_left)" ] || { echo "left: $(state_left)$(groups_left)"; BAD=1; }
		return 0
	fi
	[[ "$1" != "~"* ]] || { echo "got  $status: $output"; echo "want 1: $1"; }
	BAD=1
	return 1
}

@test "not JSON, or JSON that readers disagree on" {
	text '' 'config.json:1: parse error: premature EOF'
	text '{"a":1,}' '~config.json:1: *'
	text '[1]' '~config.json:*'
	text '{"ociVersion":"1.0.0","ociVersion":"1.1.0"}' 'config.json: ociVersion: given twice'
	text '{"ociVersion":"1.0\u0000.0"}' '~config.json:1: *'
	python3 -c 'print("[" * 100000)' >"$B/config.json"
	run v create "$ID"
	[ "$status" = 1 ]
	[[ "$output" == "vzrun: config.json:1: "* ]]
	head -c 17000000 /dev/zero | tr '\0' ' ' >"$B/config.json"
	run v create "$ID"
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 1 ]
	rm "$B/config.json"; mkfifo "$B/config.json"
	echo '[1]' >"$B/config.json" 3>&- &
	run v create "$ID"
	[ "$status" = 1 ]
	[[ "$output" == "vzrun: config.json:"* ]]
	wait
	[ -z "$BAD" ]
}

@test "the version and the top" {
	bad 'del(.ociVersion)' 'config.json: ociVersion: missing'
	bad '.ociVersion = "4294967297.0.0"' 'config.json: ociVersion: "4294967297.0.0" is not a version'
	bad '.ociVersion = "1.-0. 0"' 'config.json: ociVersion: "1.-0. 0" is not a version'
	bad '.ociVersion = "2.0.0"' 'config.json: ociVersion: 2.0.0 is not supported (1.0 to 1.3.0 are)'
	bad '.ociVersion = "one"' 'config.json: ociVersion: "one" is not a version'
	bad '.ociVersion = "1.0.2.3"' 'config.json: ociVersion: "1.0.2.3" is not a version'
	bad '.ociVersion = 1' 'config.json: ociVersion: expected a string'
	bad 'del(.process)' 'config.json: process: missing'
	bad 'del(.root)' 'config.json: root: missing'
	bad 'del(.root.path)' 'config.json: root.path: missing'
	bad '.root.path = ""' 'config.json: root.path: empty'
	bad '.root.path = "nowhere"' 'root filesystem nowhere: No such file or directory'
	bad '.root.path = "config.json"' 'root filesystem config.json: not a directory'
	bad '.hostname = "x" | .linux.namespaces |= map(select(.type != "uts"))' 'config.json: hostname: needs a uts namespace in linux.namespaces'
	[ -z "$BAD" ]
}

@test "process" {
	bad '.process.consoleSize = {height: 24}' 'config.json: process: consoleSize.width: missing'
	bad '.process.consoleSize = {height: 65536, width: 80}' 'config.json: process: consoleSize.height: 65536 is too large (at most 65535)'
	bad '.process.consoleSize = {height: 24, width: 4294967295}' 'config.json: process: consoleSize.width: 4294967295 is too large (at most 65535)'
	bad 'del(.process.cwd)' 'config.json: process.cwd: missing'
	bad '.process.cwd = "relative"' 'config.json: process: cwd: "relative" is not absolute'
	bad '.process.args = []' 'config.json: process: args: missing or empty'
	bad 'del(.process.args)' 'config.json: process: args: missing or empty'
	bad '.process.args = [1]' 'config.json: process.args[0]: expected a string'
	bad '.process.args = "sh"' 'config.json: process.args: expected an array of strings'
	bad '.process.env = ["NOVALUE"]' 'config.json: process: env[0]: "NOVALUE" is not NAME=VALUE'
	bad '.process.user.uid = -1' '~config.json: process.user.uid: *'
	bad '.process.user.uid = 4294967296' '~config.json: process.user.uid: *'
	bad '.process.user.uid = 1.5' '~config.json: process.user.uid: *'
	bad '.process.user.uid = "0"' '~config.json: process.user.uid: *'
	bad '.process.user.umask = 512' 'config.json: process: user.umask: must be at most 0777'
	bad '.process.oomScoreAdj = 1001' 'config.json: process: oomScoreAdj: must be -1000 to 1000'
	bad '.process.rlimits = [{type: "RLIMIT_NOPE", soft: 1, hard: 1}]' 'config.json: process: rlimits[0].type: unknown value "RLIMIT_NOPE"'
	bad '.process.rlimits = [{type: "RLIMIT_CPU", soft: 2, hard: 1}]' 'config.json: process: rlimits[0].soft: is above hard'
	bad '.process.rlimits = [{type: "RLIMIT_CPU", soft: 1, hard: 1}, {type: "RLIMIT_CPU", soft: 1, hard: 1}]' 'config.json: process: rlimits[1].type: RLIMIT_CPU is given twice'
	bad '.process.terminal = true' 'cannot allocate tty if vzrun will detach without setting console socket'
	[ -z "$BAD" ]
}

@test "scheduler, I/O priority, affinity, memory policy" {
	bad '.process.scheduler = {}' 'config.json: process.scheduler.policy: missing'
	bad '.process.scheduler = {policy: "X"}' 'config.json: process.scheduler.policy: unknown value "X"'
	bad '.process.scheduler = {policy: "SCHED_ISO"}' 'config.json: process: scheduler.policy: Linux has no SCHED_ISO'
	bad '.process.scheduler = {policy: "SCHED_FIFO"}' 'config.json: process: scheduler.priority: must be 1 to 99 for SCHED_FIFO'
	bad '.process.scheduler = {policy: "SCHED_OTHER", priority: 5}' 'config.json: process: scheduler.priority: has no meaning for SCHED_OTHER'
	bad '.process.scheduler = {policy: "SCHED_OTHER", nice: -21}' 'config.json: process: scheduler.nice: must be -20 to 19'
	bad '.process.scheduler = {policy: "SCHED_OTHER", flags: ["SCHED_FLAG_X"]}' 'config.json: process: scheduler.flags[0]: unknown value "SCHED_FLAG_X"'
	bad '.process.scheduler = {policy: "SCHED_OTHER", flags: ["SCHED_FLAG_RECLAIM"]}' 'config.json: process: scheduler.flags: SCHED_FLAG_RECLAIM: has no meaning for SCHED_OTHER'
	bad '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 2000, deadline: 1500}' 'config.json: process: scheduler.deadline: 1500 is less than runtime'
	bad '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 2000, deadline: 3000, period: 2500}' 'config.json: process: scheduler.period: 2500 is less than deadline'
	bad '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: -1}' '~config.json: process.scheduler.runtime: *'
	bad '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 2000, deadline: 3000} | .hooks.startContainer = [{path: "/bin/true"}]' 'config.json: process.scheduler.flags: startContainer hooks need SCHED_FLAG_RESET_ON_FORK'
	bad '.process.ioPriority = {priority: 4}' 'config.json: process.ioPriority.class: missing'
	bad '.process.ioPriority = {class: "IOPRIO_CLASS_NONE", priority: 4}' 'config.json: process.ioPriority.class: unknown value "IOPRIO_CLASS_NONE"'
	bad '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 8}' 'config.json: process: ioPriority.priority: must be 0 to 7'
	bad '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: -1}' 'config.json: process: ioPriority.priority: must be 0 to 7'
	bad '.process.execCPUAffinity = {initial: "a"}' 'config.json: process: execCPUAffinity.initial: "a" is no list such as 0-3,7'
	bad '.process.execCPUAffinity = {final: "9000"}' 'config.json: process: execCPUAffinity.final: "9000" goes beyond 8191'
	bad '.process.execCPUAffinity = {final: 1}' 'config.json: process.execCPUAffinity.final: expected a string'
	bad '.linux.memoryPolicy = {nodes: "0"}' 'config.json: linux.memoryPolicy.mode: invalid memory policy mode: missing'
	bad '.linux.memoryPolicy = {mode: "MPOL_X"}' 'config.json: linux.memoryPolicy.mode: invalid memory policy mode: "MPOL_X"'
	bad '.linux.memoryPolicy = {mode: "MPOL_BIND"}' 'config.json: linux.memoryPolicy.nodes: missing, MPOL_BIND needs it'
	bad '.linux.memoryPolicy = {mode: "MPOL_DEFAULT", nodes: "0"}' 'config.json: linux.memoryPolicy.nodes: MPOL_DEFAULT takes none (set_mempolicy: invalid argument)'
	bad '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "1,"}' 'config.json: invalid memory policy node: linux.memoryPolicy.nodes: "1," is no list such as 0-3,7'
	bad '.linux.memoryPolicy = {mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_X"]}' 'config.json: invalid memory policy flag: linux.memoryPolicy.flags[0]: unknown value "MPOL_F_X"'
	[ -z "$BAD" ]
}

@test "network devices and resctrl" {
	bad '.linux.netDevices = {"a/b": {}}' 'config.json: linux.netDevices: "a/b": is not the name of a network device'
	bad '.linux.netDevices = {"sixteenletters00": {}}' 'config.json: linux.netDevices: "sixteenletters00": is not the name of a network device'
	bad '.linux.netDevices = {a: {name: "%s"}}' 'config.json: linux.netDevices: a.name: "%s" is not the name of a network device'
	bad '.linux.netDevices = {a: {name: "e%d%d"}}' 'config.json: linux.netDevices: a.name: "e%d%d" is not the name of a network device'
	bad '.linux.netDevices = {a: {name: "x"}, b: {name: "x"}}' "config.json: linux.netDevices: b.name: \"x\" is a's too"
	bad '.linux.netDevices = {a: {}} | .linux.namespaces |= map(select(.type != "network"))' 'config.json: linux.netDevices: unable to move network devices without a NET namespace'
	bad '.linux.netDevices = {nosuchdev: {name: "eth0"}}' 'linux.netDevices.nosuchdev: there is no such network device'
	bad '.linux.netDevices = {lo: {name: "eth0"}}' '~linux.netDevices.lo: lo cannot be moved: *'
	bad '.linux.intelRdt = {closID: "a/b"}' 'config.json: linux.intelRdt: closID: "a/b" is not the name of a group'
	bad '.linux.intelRdt = {memBwSchema: "L3:0=1"}' 'config.json: linux.intelRdt: memBwSchema: must be one line that begins with "MB:"'
	bad '.linux.intelRdt = {schemata: ["L3:0=1\nMB:0=1"]}' 'config.json: linux.intelRdt: schemata[0]: must be one line'
	[ -d /sys/fs/resctrl/info ] || bad '.linux.intelRdt = {closID: "x"}' '~linux.intelRdt: no resctrl file system*/sys/fs/resctrl*'
	[ -z "$BAD" ]
}

@test "namespaces and maps" {
	bad '.linux.namespaces += [{type: "nope"}]' 'config.json: linux.namespaces[6].type: unknown value "nope"'
	bad '.linux.namespaces += [{type: "pid"}]' 'config.json: linux.namespaces[6]: pid is given twice'
	bad '.linux.namespaces[0].path = "proc/self/ns/pid"' 'config.json: linux.namespaces[0].path: must be absolute'
	bad '.linux.namespaces[0].path = "/nowhere"' 'open namespace /nowhere: No such file or directory'
	bad '.linux.namespaces[0].path = "/etc/passwd"' '/etc/passwd is not a namespace'
	bad '.linux.namespaces[0].path = "/proc/self/ns/net"' '/proc/self/ns/net is a network namespace, not pid'
	bad '.linux.namespaces += [{type: "user"}] | .linux.gidMappings = [{containerID: 0, hostID: 0, size: 1}]' 'config.json: linux.uidMappings: missing, the new user namespace needs it'
	bad '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}]' 'config.json: linux.gidMappings: missing, the new user namespace needs it'
	bad '.linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}]' 'config.json: linux.uidMappings: needs a user namespace in linux.namespaces'
	bad '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 0}] | .linux.gidMappings = .linux.uidMappings' 'config.json: linux.uidMappings[0].size: must not be 0'
	bad '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 1, size: 4294967295}] | .linux.gidMappings = .linux.uidMappings' 'config.json: linux.uidMappings[0]: reaches beyond the last id'
	bad '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 1, size: 9}, {containerID: 5, hostID: 100, size: 9}] | .linux.gidMappings = .linux.uidMappings' 'config.json: linux.uidMappings[1]: overlaps linux.uidMappings[0]'
	bad '.linux.timeOffsets = {boottime: {secs: 1}}' 'config.json: linux.timeOffsets: needs a new time namespace in linux.namespaces'
	bad '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {realtime: {secs: 1}}' '~*linux.timeOffsets*realtime*'
	[ -z "$BAD" ]
}

@test "mounts" {
	bad '.mounts += [{type: "tmpfs"}]' 'config.json: mounts[7].destination: missing'
	bad '.mounts += [{destination: ""}]' 'config.json: mounts[7].destination: empty'
	bad '.mounts += [{destination: "/x"}]' 'mounts[7] (/x): type: missing (or options without "bind")'
	bad '.mounts += [{destination: "/x", type: "bind"}]' 'mounts[7] (/x): source: missing for a bind mount'
	bad '.mounts += [{destination: "/x", type: "bind", source: "/nowhere"}]' 'mount /x: source /nowhere: No such file or directory'
	bad '.mounts += [{destination: "/x", type: "nosuchfs"}]' 'mount /x: file system "nosuchfs": No such device'
	bad '.mounts += [{destination: "/x", type: "tmpfs", options: ["nosuchoption"]}]' '~mount /x: option "nosuchoption"*'
	bad '.mounts += [{destination: "/proc/sys", type: "tmpfs"}]' 'mounts[7] (/proc/sys): a mount below /proc is refused, but for a few files'
	bad '.mounts += [{destination: "//proc/./sys/../sys", type: "tmpfs"}]' 'mounts[7] (//proc/./sys/../sys): a mount below /proc is refused, but for a few files'
	bad '.mounts += [{destination: "proc/../proc/self/attr", type: "tmpfs"}]' 'mounts[7] (proc/../proc/self/attr): a mount below /proc is refused, but for a few files'
	bad '.mounts[0].type = "tmpfs"' 'mounts[0] (/proc): only a procfs may be mounted on /proc, not tmpfs'
	bad '.mounts[0] = {destination: "/proc", type: "bind", source: "/tmp"}' 'mount /proc: only a procfs may be bound on /proc'
	bad '.mounts += [{destination: "/", type: "proc"}]' 'mounts[7] (/): the root cannot be a file system of type proc'
	bad '.mounts += [{destination: "/x/..", type: "sysfs"}]' 'mounts[7] (/x/..): the root cannot be a file system of type sysfs'
	bad '.mounts += [{destination: "/x", type: "bind", source: "/tmp", uidMappings: [{containerID: 0, hostID: 0, size: 1}]}]' 'config.json: mounts[7].gidMappings: missing'
	bad '.linux.rootfsPropagation = "sideways"' 'config.json: linux.rootfsPropagation: unknown value "sideways"'
	[ -z "$BAD" ]
}

@test "sysctl, devices, hooks" {
	bad '.linux.sysctl = {"kernel.core_pattern": "|/x"}' 'config.json: linux.sysctl.kernel.core_pattern: belongs to the host, not to a namespace'
	bad '.linux.sysctl = {"vm.overcommit_memory": "1"}' 'config.json: linux.sysctl.vm.overcommit_memory: belongs to the host, not to a namespace'
	bad '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .linux.namespaces |= map(select(.type != "network"))' 'config.json: linux.sysctl.net.ipv4.ip_forward: needs a network namespace in linux.namespaces'
	bad '.linux.sysctl = {"net.ipv4.ip_default_ttl": "64"} | (.linux.namespaces[] | select(.type == "network")).path = "/proc/self/ns/net"' 'linux.sysctl.net.ipv4.ip_default_ttl: the network namespace in linux.namespaces is the caller'"'"'s own'
	bad '.linux.sysctl = {"net/../kernel/core_pattern": "x"}' 'config.json: linux.sysctl.net/../kernel/core_pattern: not a sysctl name'
	bad '.linux.sysctl = {"net.ipv4.nope": "x"}' '~sysctl net.ipv4.nope: *No such file or directory'
	bad '.linux.devices = [{path: "dev/x", type: "c", major: 1, minor: 3}]' 'config.json: linux.devices[0].path: must be absolute'
	bad '.linux.devices = [{path: "/dev/x", type: "z", major: 1, minor: 3}]' 'config.json: linux.devices[0].type: unknown value "z"'
	bad '.linux.devices = [{path: "/dev/x", type: "c"}]' 'config.json: linux.devices[0].major: missing'
	bad '.linux.devices = [{path: "/dev/x", type: "c", major: -1, minor: 0}]' 'config.json: linux.devices[0].major: must be 0 to 4095'
	bad '.hooks = {prestart: [{path: "relative"}]}' 'config.json: hooks.prestart[0].path: must be absolute'
	bad '.hooks = {prestart: [{args: ["x"]}]}' 'config.json: hooks.prestart[0].path: missing'
	bad '.hooks = {poststop: [{path: "/bin/true", timeout: 0}]}' 'config.json: hooks.poststop[0].timeout: must be 1 to 86400 seconds'
	bad '.linux.maskedPaths = ["/x", ""]' 'config.json: linux.maskedPaths[1]: empty'
	bad '.linux.readonlyPaths = [""]' 'config.json: linux.readonlyPaths[0]: empty'
	[ -z "$BAD" ]
}

@test "seccomp and resources" {
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_NOPE"}' 'config.json: linux.seccomp.defaultAction: unknown value "SCMP_ACT_NOPE"'
	bad '.linux.seccomp = {}' 'config.json: linux.seccomp.defaultAction: missing'
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["read"], action: "SCMP_ACT_ERRNO", args: [{index: 6, value: 0, op: "SCMP_CMP_EQ"}]}]}' 'config.json: linux.seccomp: syscalls[0].args[0].index: 6 is too large (at most 5)'
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: "x"}' 'config.json: linux.seccomp: listenerPath: must be absolute'
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerMetadata: "x"}' 'config.json: linux.seccomp: listenerMetadata: needs listenerPath'
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_NOTIFY", listenerPath: "/x"}' 'config.json: linux.seccomp: defaultAction: SCMP_ACT_NOTIFY cannot be the default'
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}' 'config.json: linux.seccomp: syscalls[0].action: SCMP_ACT_NOTIFY needs listenerPath'
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/x", syscalls: [{names: ["write"], action: "SCMP_ACT_NOTIFY"}]}' 'config.json: linux.seccomp: syscalls[0].action: SCMP_ACT_NOTIFY cannot be used for the write syscall: by it the listener is handed over'
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_X"]}' 'config.json: linux.seccomp: flags[0]: unknown value "SECCOMP_X"'
	bad '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", defaultErrnoRet: 1}' 'config.json: linux.seccomp: defaultErrnoRet: SCMP_ACT_ALLOW returns no errno'
	bad '.linux.cgroupsPath = "/a/../b"' '~config.json: linux.cgroupsPath: *'
	bad '.linux.resources.memory = {limit: "1G"}' '~config.json: linux.resources.memory.limit: *'
	bad '.linux.personality = {domain: "BSD"}' 'config.json: linux.personality.domain: unknown value "BSD"'
	[ -z "$BAD" ]
}

@test "members that nobody knows are ignored, null is absent" {
	cfg '.unknown = {a: [1]} | .process.later = true | .hostname = null | .linux.newThing = 1'
	go
	ok
}

@test "what makes a record too large to be read again is refused, and leaves nothing" {
	# Two bytes each here, six in the record.
	python3 - "$B/config.json" <<-'END'
		import json, sys
		c = json.load(open(sys.argv[1]))
		c["process"]["env"].append("A=" + "\b" * 3000000)
		json.dump(c, open(sys.argv[1], "w"))
	END
	go
	[ "$status" -eq 1 ]
	[[ "$output" =~ ^"vzrun: config.json: process: too large, it takes 180"[0-9]*" bytes"$ ]]
	[ -z "$(state_left)" ]
	python3 - "$B/config.json" <<-'END'
		import json, sys
		c = json.load(open(sys.argv[1]))
		c["process"]["env"].pop()
		c["annotations"] = {"a": "\b" * 3000000}
		json.dump(c, open(sys.argv[1], "w"))
	END
	go
	[ "$status" -eq 1 ]
	[[ "$output" =~ ^"vzrun: write state.json: too large, annotations and hooks take 180"[0-9]*" bytes"$ ]]
	[ -z "$(state_left)" ]
}

@test "without descriptors enough nothing is made, and the name is not taken" {
	local n made=0
	for n in $(seq 5 30); do
		run bash -c 'ulimit -n "$1"; exec "${@:2}" </dev/null 3>&-' - "$n" "$VZ" --root "$ROOT" run -b "$B" "$ID"
		[ "$status" -ne 0 ] || made=$((made + 1))
		[ -z "$(state_left)$(groups_left)" ] || { echo "$n: left $(state_left) $(groups_left): $output"; false; }
	done
	[ "$made" -gt 0 ]
	[ "$made" -lt 26 ]
}
