#!/usr/bin/env bats
# What the integration suites of runc and crun, and those who wrote configurations for these two, take for granted,
# and no specification says.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() {
	vz delete -f "$ID" >/dev/null 2>&1 || true
	rmdir "/sys/fs/cgroup/freezer/vzrun-t$$-frozen" /sys/fs/cgroup/*/vzrun-t$$-pod/{one,} 2>/dev/null || true
	engine_teardown
}

running() { args sleep 300; create; v start "$ID"; }

@test "environment: the last of a name counts, an empty HOME is none" {
	cfg '.process.env = ["A=1", "HOME=/one", "A=", "PATH=/bin", "HOME=", "A=2"] | .process.args = ["env"]'
	go; ok; says $'PATH=/bin\nA=2\nHOME=/root'
	cfg '.process.env = ["HOME=", "HOME=/two", "PATH=/bin"]'
	go; ok; says $'HOME=/two\nPATH=/bin'
	# A name is the whole of what is before the sign.
	cfg '.process.env = ["AB=1", "A=2", "PATH=/bin", "HOME=/"]'
	go; ok; says $'AB=1\nA=2\nPATH=/bin\nHOME=/'
}

@test "startContainer hooks without an environment have the process's, and no other hooks" {
	cfg '.process.env = ["ONE=two", "PATH=/bin"] | .root.readonly = false
		| .hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "env >/env"]},
			{path: "/bin/sh", args: ["sh", "-c", "/bin/busybox env >/own"], env: ["X=y"]}]'
	go; ok
	grep -qx ONE=two "$B/rootfs/env"
	grep -qx HOME=/root "$B/rootfs/env"
	grep -qx X=y "$B/rootfs/own"
	run grep ONE= "$B/rootfs/own"; [ "$status" -eq 1 ]
	cfg 'del(.hooks.startContainer) | .hooks.createContainer = [{path: "/bin/sh", args: ["sh", "-c", "[ -z \"$ONE\" ]"]}]'
	go; ok
}

@test "a hook that a signal ended says which" {
	cfg '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "kill -SYS $$"]}]'
	go; fails 1 "error running createRuntime hook #0: /bin/sh: exit status 159 (bad system call)"
}

@test "working directory: entered with the runtime's rights, where the user's are not enough" {
	chown 42 "$B/rootfs/root"
	chmod 700 "$B/rootfs/root"
	cfg '.process.cwd = "/root" | .process.user = {uid: 7, gid: 7}'
	args pwd
	go; ok; says /root
	cfg '.process.cwd = "/root" | .process.user = {uid: 42, gid: 42}'
	running
	run v exec --user 0 "$ID" pwd; ok; says /root
}

@test "a user namespace in which nobody is 0" {
	chown -R 100000:200000 "$B/rootfs"
	chmod 711 "$BATS_TEST_TMPDIR" "$B"
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{hostID: 100000, containerID: 1000, size: 1}]
		| .linux.gidMappings = [{hostID: 200000, containerID: 1000, size: 1}] | .process.user = {uid: 1000, gid: 1000}
		| (.mounts[] | select(.destination == "/dev/pts") | .options) -= ["gid=5"]'
	sh_ 'id -u; id -g; tr -s " " </proc/self/uid_map; grep CapEff /proc/self/status; touch /tmp/mine && stat -c %u /tmp/mine'
	go; ok; says $'1000\n1000\n 1000 100000 1\nCapEff:\t0000000000000000\n1000'
	[ "$(stat -c %u "$B/rootfs/tmp/mine")" = 100000 ]
	running
	run v exec "$ID" sh -c 'id -u; id -g'; ok; says $'1000\n1000'
}

@test "CPU affinity is the cgroup's, not that of whoever called" {
	local all first
	all=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
	first=${all%%[-,]*}
	[ "$all" != "$first" ] || skip "kernel: one CPU"
	args sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status
	run bash -c "cd '$B' && exec taskset -c $first '$VZ' --root '$ROOT' run '$ID' </dev/null"; ok; says "$all"
	running
	run taskset -c "$first" "$VZ" --root "$ROOT" exec "$ID" sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status
	ok; says "$all"
}

@test "a pipe for process.json and resources: its writer is waited for" {
	running
	local gate=$BATS_TEST_TMPDIR/gate
	mkfifo "$gate"
	bg exec -p <(cat "$gate"; echo '{"args": ["echo", "piped"], "cwd": "/", "env": ["PATH=/bin"]}') "$ID" >"$BATS_TEST_TMPDIR/out" 2>&1
	wait_for pgrep -f "exec -p /dev/fd/[0-9]+ $ID"
	echo >"$gate"
	ended "$JOB"
	[ "$status" -eq 0 ] || { cat "$BATS_TEST_TMPDIR/out"; return 1; }
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = piped ]
	kernel_has_cgroup pids || return 0
	run v update -r <(echo '{"pids": {"limit": 77}}') "$ID"; ok
}

@test "a named fifo as bundle's config.json, process.json and resources: a writer that comes later is waited for" {
	local f=$BATS_TEST_TMPDIR/fifo
	waits() { grep -qa "^$VZ" "/proc/$JOB/cmdline" && [ "$(awk '{ print $3 }' "/proc/$JOB/stat")" = S ]; }
	# later TEXT COMMAND...
	later() {
		local text=$1
		bg "${@:2}" >"$BATS_TEST_TMPDIR/out" 2>&1
		wait_for waits
		printf '%s' "$text" >"$f"
		ended "$JOB"
		output=$(cat "$BATS_TEST_TMPDIR/out")
		ok
	}
	args sleep 300
	mkfifo "$f"
	local config; config=$(cat "$B/config.json")
	rm "$B/config.json"; ln -s "$f" "$B/config.json"
	later "$config" create "$ID"
	rm "$B/config.json"; printf '%s' "$config" >"$B/config.json"
	run v start "$ID"; ok
	later '{"args": ["echo", "piped"], "cwd": "/", "env": ["PATH=/bin"]}' exec -p "$f" "$ID"; says piped
	kernel_has_cgroup pids || return 0
	later '{"pids": {"limit": 77}}' update -r "$f" "$ID"
}

@test "list: by name; a root that was named and is not there is an error" {
	local id
	args sleep 300
	for id in c a b; do create "$ID$id"; done
	run vz list -q; ok; says "${ID}a"$'\n'"${ID}b"$'\n'"${ID}c"
	[ "$(vz list -f json | jq -r '.[].id' | tr '\n' ' ')" = "${ID}a ${ID}b ${ID}c " ]
	run "$VZ" --root "$ROOT/none" list; fails 1 "open $ROOT/none: No such file or directory"
	run env -u XDG_RUNTIME_DIR unshare -m sh -c "mount -t tmpfs none /run && exec '$VZ' list -q"; ok; says ""
}

@test "a group that is frozen is refused: nobody would come out of it" {
	local dir=/sys/fs/cgroup/freezer/vzrun-t$$-frozen
	grep -qE '^[0-9]+:([^:]*,)?freezer:' /proc/self/cgroup || skip "kernel: no freezer of cgroup v1"
	mkdir "$dir"
	echo FROZEN >"$dir/freezer.state"
	cfg --arg p "/vzrun-t$$-frozen" '.linux.cgroupsPath = $p'
	go; fails 1 "container's cgroup unexpectedly frozen: $dir"
	create && return 1
	echo THAWED >"$dir/freezer.state"
	go; ok
}

@test "--no-pivot leaves no whole procfs below, by which a user namespace inside could mount one without masks" {
	cfg '.process.capabilities |= map_values(. + ["CAP_SETFCAP"])'
	sh_ 'unshare -mrpf sh -c "mount -t proc none /mnt && ls /mnt"'
	run v run --no-pivot "$ID"; [ "$status" -eq 1 ]; has "mount: permission denied"
	sh_ 'cat /proc/self/comm; ls -d /sys/kernel'
	run v run --no-pivot "$ID"; ok; says $'cat\n/sys/kernel'
}

@test "--no-pivot: nor does one that the host has elsewhere allow it, under whatever name" {
	cfg '.process.capabilities |= map_values(. + ["CAP_SETFCAP"])'
	local at="$BATS_TEST_TMPDIR/a procfs" sys=$BATS_TEST_TMPDIR/sys
	mkdir "$at" "$sys"
	host() {
		run unshare -m sh -c 'mount --make-rprivate / && mount -t proc p "$1" && mount -t proc p "$1" && mount -t sysfs s "$2" &&
			cd "$3" && shift 3 && exec "$@"' sh "$at" "$sys" "$B" "$VZ" --root "$ROOT" run --no-pivot "$ID"
	}
	sh_ 'unshare -mrpf sh -c "mount -t proc none /mnt && ls /mnt"'
	host; [ "$status" -eq 1 ]; has "mount: permission denied"
	sh_ 'unshare -mrpnf sh -c "mount -t sysfs none /mnt && ls /mnt"'
	host; [ "$status" -eq 1 ]; has "mount: permission denied"
}

@test "capabilities: one that cannot be ambient is told, but for root, to whom it is nothing; exec --cap gives one that the container lets inherit" {
	cfg '.process.capabilities = {inheritable: ["CAP_KILL"], permitted: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"],
		bounding: ["CAP_KILL", "CAP_CHOWN"], ambient: ["CAP_KILL", "CAP_CHOWN"]}'
	args grep CapAmb /proc/self/status
	go; ok; says $'CapAmb:\t0000000000000020'
	cfg '.process.user = {uid: 7, gid: 7} | .process.capabilities.ambient += ["CAP_FOWNER"]'
	go; ok; has "can't raise ambient capability CAP_CHOWN, CAP_FOWNER: not both inheritable and permitted"; has $'CapAmb:\t0000000000000020'
	cfg '.process.user = {uid: 0, gid: 0}'
	cfg '.process.capabilities.ambient = []'
	running
	run v exec --cap CAP_KILL "$ID" grep CapAmb /proc/self/status; ok; says $'CapAmb:\t0000000000000020'
}

@test "scheduler: a nice value beside SCHED_FIFO is told and left out; memory policy: an empty one is none" {
	cfg '.process.scheduler = {policy: "SCHED_FIFO", priority: 1, nice: 19}'
	go; has "process.scheduler.nice: has no meaning for SCHED_FIFO"
	cfg 'del(.process.scheduler) | .linux.memoryPolicy = {}'
	go; ok
}

@test "what is mounted over the root is the root: a bind, a tmpfs that starts with what it covers" {
	cp -a "$B/rootfs" "$B/other"
	echo other >"$B/other/here"
	cfg --arg s "$B/other" '.root.readonly = true | .mounts = [{destination: "/", type: "bind", source: $s, options: ["bind"]}] + .mounts'
	sh_ 'cat /here; cat /proc/self/comm; touch /new 2>/dev/null || echo read-only; echo x 2>/dev/null >/proc/sys/vm/swappiness || echo "not mine"'
	go; ok; says $'other\ncat\nread-only\nnot mine'
	run v run --no-pivot "$ID"; ok; says $'other\ncat\nread-only\nnot mine'
	[ ! -e "$B/other/new" ]
	cfg '.root.readonly = false | .mounts[0] = {destination: "/.", type: "tmpfs", source: "t", options: ["tmpcopyup", "size=64m"]}'
	sh_ 'echo new >/new; cat /new; stat -f -c %T /'
	go; ok; says $'new\ntmpfs'
	[ ! -e "$B/rootfs/new" ]
	# Mounted last it would cover what the configuration asks for.
	cfg '.mounts = .mounts[1:] + [.mounts[0]]'
	go; [ "$status" -eq 1 ]; has "confinement: nothing is mounted on "
}

@test "a new user namespace without maps has the process's ids, which are the caller's" {
	cfg '.linux.namespaces += [{type: "user"}] | (.mounts[] | select(.destination == "/dev/pts") | .options) -= ["gid=5"]'
	sh_ 'id -u; id -g; tr -s " " </proc/self/uid_map; tr -s " " </proc/self/gid_map'
	go; ok; says $'0\n0\n 0 0 1\n 0 0 1'
	cfg '.process.user = {uid: 7, gid: 8}'
	go; ok; says $'7\n8\n 7 0 1\n 8 0 1'
}

@test "the host's name is a field of its own, not a sysctl; a capability that is effective has to be permitted" {
	cfg '.linux.sysctl = {"kernel.hostname": "x"}'
	go; fails 1 'config.json: linux.sysctl.kernel.hostname: is not allowed: the field "hostname" says it'
	cfg '.linux.sysctl = {"kernel/domainname": "x"} | .process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"],
		permitted: ["CAP_KILL"], effective: ["CAP_KILL", "CAP_CHOWN"]}'
	sh_ 'cat /proc/sys/kernel/domainname; grep CapEff /proc/self/status'
	go; ok
	says $'vzrun: warning: capability CAP_CHOWN is effective only where it is permitted\nx\nCapEff:\t0000000000000020'
}

@test "created and paused: not started, and resumed as created" {
	kernel_has_cgroup freezer || [ -e /sys/fs/cgroup/cgroup.freeze ] || skip "kernel: no freezer"
	args sleep 300
	create
	v pause "$ID"
	is paused
	run v start "$ID"; fails 1 "cannot start a container in the paused state"
	run v checkpoint "$ID"; fails 1 "Container cannot be checkpointed in created state"
	v resume "$ID"
	is created
	v start "$ID"
	is running
}

@test "a mount of type cgroup2 is the tree of v2, whatever the host has beside it" {
	grep -q ' cgroup2 ' /proc/mounts || skip "host: no cgroup v2 is mounted"
	cfg '.linux.namespaces |= map(select(.type != "cgroup")) + [{type: "cgroup"}]
		| .mounts |= map(select(.destination != "/sys/fs/cgroup"))
		+ [{destination: "/sys/fs/cgroup", type: "cgroup2", source: "cgroup", options: ["ro", "nosuid"]}]'
	sh_ 'stat -f -c %T /sys/fs/cgroup; grep -c " cgroup " /proc/mounts; grep " /sys/fs/cgroup " /proc/self/mountinfo | cut -d" " -f4,6;
		grep -qx $$ /sys/fs/cgroup/cgroup.procs && echo mine; mkdir /sys/fs/cgroup/x'
	go
	[ "$status" -eq 1 ]
	has $'\n0\n/ ro,nosuid,nodev,noexec,relatime\nmine\n'; has "Read-only file system"
}

@test "run.oci.keep_original_groups: the process has the groups of whoever called, with a user namespace, too" {
	groups_of() {
		run bash -c "cd '$B' && exec setpriv --groups 7,8 '$VZ' --root '$ROOT' $1 </dev/null"; ok
	}
	args sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status
	groups_of "run $ID"; says ""
	cfg '.annotations["run.oci.keep_original_groups"] = "1"'
	groups_of "run $ID"; says "7 8 "
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{hostID: 100000, containerID: 0, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	chmod 711 "$BATS_TEST_TMPDIR" "$B"
	groups_of "run $ID"; says "65534 65534 "
	running
	groups_of "exec $ID sed -n s/^Groups:.//p /proc/self/status"; says "65534 65534 "
	vz features | jq -e '.potentiallyUnsafeConfigAnnotations | index("run.oci.keep_original_groups")'
}

@test "startContainer hooks are under the container's filter, with no_new_privs, too" {
	local new
	for new in true false; do
		cfg --argjson new $new '.process.noNewPrivileges = $new | .root.readonly = false
			| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL"}]}
			| .hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "/bin/busybox mkdir /tmp/made"]}]'
		go; fails 1 "error running startContainer hook #0: /bin/sh: exit status 159 (bad system call)"
		[ ! -e "$B/rootfs/tmp/made" ]
	done
}

@test "cpuset: groups above that somebody made and left without CPUs get theirs" {
	local top=/sys/fs/cgroup/cpuset
	grep -qE '^[0-9]+:([^:]*,)?cpuset:' /proc/self/cgroup || skip "kernel: no cpuset of cgroup v1"
	# Whoever made it may have set that those below inherit.
	[ "$(cat $top/cgroup.clone_children)" = 0 ] || skip "host: groups of cpuset are made with CPUs"
	mkdir -p "$top/vzrun-t$$-pod/one"
	cfg --arg p "/vzrun-t$$-pod/one/two" '.linux.cgroupsPath = $p'
	running
	[ "$(cat "$top/vzrun-t$$-pod/one/two/cpuset.cpus")" = "$(cat $top/cpuset.cpus)" ]
}

@test "z, Z and U among the options of a bind: the engine's, which has done what they ask for" {
	mkdir "$BATS_TEST_TMPDIR/volume"
	echo here >"$BATS_TEST_TMPDIR/volume/file"
	cfg --arg s "$BATS_TEST_TMPDIR/volume" '.mounts += [{destination: "/mnt", type: "bind", source: $s, options: ["rbind", "z", "Z", "U", "ro"]}]'
	args cat /mnt/file
	go; ok; says here
	vz features | jq -e '.mountOptions | index("z") == null'
}

@test "a filter that is older than faccessat2: programs are found and executed, files that are none refused" {
	local errno
	for errno in 1 38; do
		cfg --argjson e $errno '.process.noNewPrivileges = false | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
			syscalls: [{names: ["faccessat2"], action: "SCMP_ACT_ERRNO", errnoRet: $e}]}'
		args echo found; go; ok; says found
		args /etc/passwd; chmod 644 "$B/rootfs/etc/passwd"
		go; fails 1 'exec: "/etc/passwd": permission denied'
	done
}
