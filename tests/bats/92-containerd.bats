#!/usr/bin/env bats
# containerd 1.6 with vzrun as the runtime of its shim, driven by ctr. Its images are made here.
load helpers
load containerd

BOX=docker.io/library/box:latest

setup_file() {
	world_start
	image box
	{
		containerd_config
		echo 'disabled_plugins = ["io.containerd.grpc.v1.cri"]'
	} >"$W/containerd.toml"
	# ctr forgets --runc-binary when it is also told --no-pivot or --uidmap: the shim then looks for runc.
	mkdir "$W/bin"
	ln -s "$VZ" "$W/bin/runc"
	export PATH=$W/bin:$PATH
	containerd_start
	ctr_ images import --snapshotter "$FS" "$W/box.tar" >&2
}
teardown_file() { world_stop; }

setup() { ID=c$BATS_TEST_NUMBER; }
# Each test ends what it began, as its user would; nothing of it stays with the runtime or the kernel.
teardown() {
	local c
	for c in $(ctr_ containers ls -q); do
		end "$c" >/dev/null 2>&1
	done
	wait_for ended_all || { echo "left behind: $(inside ls /run/containerd/runc/"$G") $(world_groups)"; return 1; }
}
ended_all() {
	[ -z "$(inside sh -c "ls /run/containerd/runc/$G 2>/dev/null")" ] && [ -z "$(world_groups | grep -v "/$G\$")" ]
}

cr() { ctr_ run --snapshotter "$FS" --runc-binary "$VZ" "$@"; }
# once [FLAG...] -- CMD...: the output and the status of a container of its own
once() {
	local flags=()
	while [ "$1" != -- ]; do flags+=("$1"); shift; done
	shift
	local try most=-1
	# This ctr closes its ends of the pipes when the task is deleted, and may not have read them by then (containerd
	# 8643): what a short command says to one of them can be lost on a busy machine. So until as much was said twice.
	for try in 1 2 3 4 5 6; do
		run cr --rm "${flags[@]}" $BOX "$ID" "$@"
		[ "${#lines[@]}" -ne "$most" ] || break
		[ "${#lines[@]}" -lt "$most" ] || most=${#lines[@]}
	done
}
# ran CMD...: what it said; the same of what is executed in a task.
ran() {
	local try
	for try in 1 2 3 4 5 6; do
		run "$@"
		[ -z "$output" ] || return 0
	done
}
box() { cr -d --null-io "$@" $BOX "$ID" sleep 1000; }
ex() { ctr_ tasks exec --exec-id "e$RANDOM" "$@"; }
end() {
	ctr_ tasks kill -s KILL "$1" && wait_for task "$1" STOPPED && ctr_ tasks delete "$1"
	ctr_ containers delete "$1"
}
task() { ctr_ tasks ls | awk -v id="$1" -v s="$2" '$1 == id && $3 == s { found = 1 } END { exit !found }'; }
pid() { ctr_ tasks ls | awk -v id="$1" '$1 == id { print $2 }'; }
# of_pid CONTROLLER FILE: what the group of the container's init says, found as the shim finds it
of_pid() { inside python3 "$BATS_TEST_DIRNAME/cgroup-of.py" "$(pid "$ID")" "$1" "$2"; }

@test "run: the output and the status of the command" {
	once -- sh -c 'echo hello; echo oops >&2; exit 7'
	[ "$status" -eq 7 ]
	has hello
	has oops
}

@test "run: environment, directory, user namespaces apart, annotations, mounts, a read-only root" {
	mkdir "$BATS_TEST_TMPDIR/v"
	once --env A=b --cwd /tmp --annotation x=y --read-only --mount "type=bind,src=$BATS_TEST_TMPDIR/v,dst=/mnt,options=rbind:rw" \
		--rootfs-propagation private -- sh -c 'echo $A $(pwd); touch /mnt/f; touch /f'
	[ "$status" -eq 1 ]
	has "b /tmp"
	has "touch: /f: Read-only file system"
	[ -e "$BATS_TEST_TMPDIR/v/f" ]
}

@test "run: capabilities and no_new_privs" {
	once --cap-drop CAP_CHOWN --cap-add CAP_SYS_TIME -- sh -c 'grep -E "^(CapEff|NoNewPrivs)" /proc/self/status; chown 1 /tmp'
	[ "$status" -eq 1 ]
	has "CapEff:	00000000aa0425fa"
	has "NoNewPrivs:	1"
	once --allow-new-privs -- grep NoNewPrivs /proc/self/status
	says "NoNewPrivs:	0"
}

@test "run: an executable that is not there, one that may not be run, a directory that is not there" {
	once -- nothere
	[ "$status" -eq 1 ]
	has 'exec: "nothere": executable file not found in $PATH'
	once -- /nothere
	has 'exec: "/nothere": stat /nothere: no such file or directory'
	once -- /etc
	has 'exec: "/etc": '
	has 'permission denied'
	once --rootfs -- x
	[ "$status" -ne 0 ]
}

@test "run: a terminal, its size and its name" {
	run python3 "$TOP/tests/tools/console.py" --pty 91x27 nsenter -t "$WORLD" -m -n -p -- ctr -a "$W/containerd.sock" -n "$G" run --rm -t \
		--snapshotter "$FS" --runc-binary "$VZ" $BOX "$ID" sh -c 'tty; until stty size | grep "27 91"; do sleep 0.05; done' </dev/null
	has /dev/pts/0
	has "27 91"
}

@test "run: the system call filter, containerd's own and one from a file" {
	once -- sh -c 'grep Seccomp: /proc/self/status; unshare -m true'
	has "Seccomp:	0"
	once --seccomp -- sh -c 'grep Seccomp: /proc/self/status; unshare -m true'
	[ "$status" -eq 1 ]
	has "Seccomp:	2"
	has "Operation not permitted"
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}' \
		>"$BATS_TEST_TMPDIR/s.json"
	once --seccomp --seccomp-profile "$BATS_TEST_TMPDIR/s.json" -- mkdir /tmp/x
	has "No space left on device"
}

@test "run: privileged has every capability of the host's, its devices and a writable /sys" {
	once --privileged -- sh -c 'grep CapEff /proc/self/status; grep -c " /proc/kcore " /proc/mounts; mount -t tmpfs t /mnt && echo mounted; grep " /sys " /proc/mounts'
	ok
	has "CapEff:	$(awk '/CapBnd/ { print $2 }' /proc/self/status)"
	has mounted
	has "sysfs /sys sysfs rw"
}

@test "run: the host's network, and namespaces by path" {
	once --net-host -- readlink /proc/self/ns/net
	says "$(inside readlink /proc/self/ns/net)"
	once -- readlink /proc/self/ns/net
	[ "$output" != "$(inside readlink /proc/self/ns/net)" ]
	box
	local p=$(pid "$ID") first=$ID
	ID=${ID}b
	once --with-ns "pid:/proc/$p/ns/pid" --with-ns "network:/proc/$p/ns/net" -- sh -c 'readlink /proc/self/ns/net; ps'
	ok
	has "$(inside readlink "/proc/$p/ns/net")"
	has "sleep 1000"
}

@test "run: a user namespace" {
	once --uidmap 0:300000:65536 --gidmap 0:300000:65536 -- sh -c 'cat /proc/self/uid_map; id -u; stat -c %u /bin; touch /tmp/f && stat -c %u /tmp/f'
	ok
	[ "$(echo "$output" | tr -s ' ')" = " 0 300000 65536
0
0
0" ]
}

@test "run: a root directory of one's own, without pivot_root too" {
	make_rootfs "$BATS_TEST_TMPDIR/r"
	echo mine >"$BATS_TEST_TMPDIR/r/etc/mine"
	run cr --rm --rootfs "$BATS_TEST_TMPDIR/r" "$ID" cat /etc/mine
	says mine
	run cr --rm --no-pivot --rootfs "$BATS_TEST_TMPDIR/r" "$ID" cat /etc/mine
	says mine
}

@test "run: devices" {
	once --device /dev/loop-control -- sh -c 'ls /dev; : <>/dev/loop-control && echo opened'
	ok
	has loop-control
	has opened
	once -- sh -c 'mknod /tmp/k c 1 11; : <>/tmp/k'
	[ "$status" -ne 0 ]
}

@test "detached: listed, its processes, signals, exit status, deletion" {
	cr -d --null-io --pid-file "$BATS_TEST_TMPDIR/pid" $BOX "$ID" sh -c 'trap "exit 5" TERM; touch /tmp/up; while :; do sleep 0.05; done'
	task "$ID" RUNNING
	wait_for ex "$ID" test -e /tmp/up
	inside test -e "/run/containerd/runc/$G/$ID/journal"
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$(pid "$ID")" ]
	run ctr_ tasks ps "$ID"
	has "$(pid "$ID")"
	run ctr_ tasks delete "$ID"
	[ "$status" -ne 0 ]
	has "must be stopped"
	ctr_ tasks kill "$ID"
	wait_for task "$ID" STOPPED
	run ctr_ tasks delete "$ID"
	has "exit code 5"
	run ctr_ tasks kill "$ID"
	[ "$status" -ne 0 ]
	has "not found"
}

@test "detached: started again after its end" {
	box
	ctr_ tasks kill -s KILL "$ID"
	wait_for task "$ID" STOPPED
	run ctr_ tasks delete "$ID"
	has "exit code 137"
	ctr_ tasks start -d --null-io "$ID"
	task "$ID" RUNNING
}

@test "exec: status, output, user, directory, standard input, in the background" {
	box
	ran ex "$ID" sh -c 'echo out; exit 9'
	[ "$status" -eq 9 ]
	says out
	ran ex --user 1000:1000 --cwd /tmp "$ID" sh -c 'id -u; id -g; pwd; cat /proc/1/comm'
	says $'1000\n1000\n/tmp\nsleep'
	ran bash -c 'echo from outside | nsenter -t "$1" -m -n -p -- ctr -a "$2" -n "$3" tasks exec --exec-id i "$4" cat' - \
		"$WORLD" "$W/containerd.sock" "$G" "$ID"
	says "from outside"
	ctr_ tasks exec -d --exec-id bg "$ID" sleep 999
	wait_for inside pgrep -f 'sleep 999'
}

@test "exec: a terminal" {
	box
	run python3 "$TOP/tests/tools/console.py" --pty 91x27 nsenter -t "$WORLD" -m -n -p -- \
		ctr -a "$W/containerd.sock" -n "$G" tasks exec -t --exec-id t "$ID" sh -c 'tty; until stty size | grep "27 91"; do sleep 0.05; done' </dev/null
	has /dev/pts/
	has "27 91"
}

@test "exec: what cannot be executed is named, and the container goes on" {
	box
	ran ex "$ID" nothere
	[ "$status" -ne 0 ]
	has 'exec: "nothere": executable file not found in $PATH'
	ran ex "$ID" /nothere
	has 'stat /nothere: no such file or directory'
	ran ex "$ID" /etc
	has 'permission denied'
	ran ex --cwd /nothere "$ID" true
	[ "$status" -ne 0 ]
	has /nothere
	task "$ID" RUNNING
}

@test "pause and resume; an exec and a kill of the paused" {
	box
	ctr_ tasks pause "$ID"
	task "$ID" PAUSED
	ran ex "$ID" true
	[ "$status" -ne 0 ]
	has paused
	ctr_ tasks resume "$ID"
	task "$ID" RUNNING
	ex "$ID" true
	ctr_ tasks pause "$ID"
	ctr_ tasks kill -s KILL "$ID"
	ctr_ tasks resume "$ID" || true
	wait_for task "$ID" STOPPED
}

@test "metrics are those of the init's groups, whose limits were asked for" {
	cr -d --null-io --memory-limit 33554432 --cpu-quota 50000 --cpu-period 100000 --cpu-shares 512 $BOX "$ID" \
		sh -c 'dd if=/dev/zero of=/dev/null bs=1M count=200 2>/dev/null; exec sleep 1000'
	wait_for ex "$ID" sh -c '[ "$(cat /proc/1/comm)" = sleep ]'
	run ctr_ tasks metrics --format json "$ID"
	ok
	local m=$output
	if inside test -e /sys/fs/cgroup/cgroup.controllers; then
		jq -e '.memory.usage > 0 and .memory.usage_limit == 33554432 and .cpu.usage_usec > 0 and .pids.current == 1' <<<"$m"
	else
		jq -e '.memory.usage.usage > 0 and .memory.usage.limit == 33554432 and .cpu.usage.total > 0 and .pids.current == 1' <<<"$m"
		[ "$(of_pid cpu cpu.cfs_quota_us)" = 50000 ]
		[ "$(of_pid cpu cpu.shares)" = 512 ]
		[ "$(of_pid memory memory.limit_in_bytes)" = 33554432 ]
	fi
}

@test "the groups are the engine's: /NAMESPACE/ID in each hierarchy, or what --cgroup says" {
	box
	local f=/proc/$(pid "$ID")/cgroup c
	for c in cpu cpuacct cpuset memory devices freezer blkio pids; do
		! inside grep -qE ":([^:]*,)?$c(,[^:]*)?:" "$f" || inside grep -qE ":([^:]*,)?$c(,[^:]*)?:/$G/$ID\$" "$f"
	done
	end "$ID"
	box --cgroup "/$G/other/here"
	inside grep -qE ":/$G/other/here\$" "/proc/$(pid "$ID")/cgroup"
	end "$ID"
	world_groups | grep /other\$ | xargs -r rmdir
}

@test "out of memory: the status, and containerd's event" {
	inside ctr -a "$W/containerd.sock" -n "$G" events >"$BATS_TEST_TMPDIR/events" 2>&1 &
	local job=$!
	once --memory-limit 16777216 -- sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=200; exec tail /dev/zero'
	[ "$status" -eq 137 ]
	wait_for grep -q /tasks/oom "$BATS_TEST_TMPDIR/events"
	pkill -P $job
	builtin wait $job || true
}

@test "a checkpoint, or why there is none; the container goes on" {
	box
	run ctr_ tasks checkpoint "$ID"
	if criu check >/dev/null 2>&1; then
		ok
	else
		[ "$status" -ne 0 ]
		has "criu does not work on this host: "
	fi
	task "$ID" RUNNING
}

@test "systemd's cgroup manager is refused by name where systemd does not run" {
	once --runc-systemd-cgroup --cgroup "system.slice:$G:x" -- true
	[ ! -d /run/systemd/system ] || skip "systemd runs here"
	[ "$status" -ne 0 ]
	has "cgroup manager systemd: systemd is not running here"
}

@test "many at once" {
	local i jobs=()
	for i in $(seq 20); do
		cr --rm $BOX "$ID-$i" sh -c "echo $i; exit $i" >"$BATS_TEST_TMPDIR/$i" 2>&1 &
		jobs+=($!)
	done
	for i in $(seq 20); do
		ended "${jobs[i - 1]}"
		[ "$status" -eq "$i" ] || { cat "$BATS_TEST_TMPDIR/$i"; return 1; }
		[ "$(cat "$BATS_TEST_TMPDIR/$i")" = "$i" ]
	done
}

@test "many execs at once into one" {
	box
	local i jobs=()
	for i in $(seq 20); do
		ctr_ tasks exec --exec-id "m$i" "$ID" sh -c "exit $i" 2>"$BATS_TEST_TMPDIR/$i" &
		jobs+=($!)
	done
	for i in $(seq 20); do
		ended "${jobs[i - 1]}"
		[ "$status" -eq "$i" ] || { cat "$BATS_TEST_TMPDIR/$i"; return 1; }
	done
}

@test "a container whose init dies takes its other processes along, and the shim hears of it" {
	cr -d --null-io $BOX "$ID" sh -c 'sleep 998 & sleep 998 & exec sleep 1000'
	wait_for sh -c "[ \$(nsenter -t $WORLD -m -p -- pgrep -fc 'sleep 998') = 2 ]"
	inside kill -KILL "$(pid "$ID")"
	wait_for task "$ID" STOPPED
	wait_for eval "! inside pgrep -f 'sleep 998'"
}

@test "with the host's pid namespace, the end of the first process ends the others" {
	box --with-ns pid:/proc/1/ns/pid
	ctr_ tasks exec -d --exec-id bg "$ID" sleep 997
	wait_for inside pgrep -f 'sleep 997'
	ctr_ tasks kill -s KILL -a "$ID"
	wait_for task "$ID" STOPPED
	wait_for eval "! inside pgrep -f 'sleep 997'"
}

@test "containerd is ended and started again, by TERM and by KILL: containers go on and obey" {
	box
	local p=$(pid "$ID") s
	for s in TERM KILL; do
		daemon_end containerd $s
		inside kill -0 "$p"
		containerd_start
		task "$ID" RUNNING
		[ "$(pid "$ID")" = "$p" ]
		ex "$ID" true
	done
	ctr_ tasks kill -s KILL "$ID"
	wait_for task "$ID" STOPPED
}

@test "the shim is killed: containerd has the runtime clean up" {
	box
	local p=$(pid "$ID")
	inside pkill -KILL -f "containerd-shim-runc-v2.* -id $ID "
	wait_for sh -c "! nsenter -t $WORLD -m -p -- kill -0 $p"
	wait_for sh -c "! nsenter -t $WORLD -m -- ls /run/containerd/runc/$G/$ID"
}
