#!/usr/bin/env bats
# What the integration suites of runc and crun, and those who wrote configurations for these two, take for granted,
# and no specification says.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() {
	rmdir "/sys/fs/cgroup/freezer/vzrun-t$$-frozen" 2>/dev/null || true
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

@test "capabilities: one that cannot be ambient is told; exec --cap gives one that the container lets inherit" {
	cfg '.process.capabilities = {inheritable: ["CAP_KILL"], permitted: ["CAP_KILL", "CAP_CHOWN"], effective: ["CAP_KILL"],
		bounding: ["CAP_KILL", "CAP_CHOWN"], ambient: ["CAP_KILL", "CAP_CHOWN"]}'
	args grep CapAmb /proc/self/status
	go; ok; has "can't raise ambient capability CAP_CHOWN: it is not both inheritable and permitted"; has $'CapAmb:\t0000000000000020'
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
