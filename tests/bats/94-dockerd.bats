#!/usr/bin/env bats
# dockerd 20.10 with packaging/docker/daemon.json, driven by docker.
load dockerd

setup_file() { dockerd_begin; }
teardown_file() { world_stop; }
setup() { dockerd_setup; }
teardown() { dockerd_teardown; }

# on_pty COLSxROWS ARGS...: docker with a terminal
on_pty() {
	local size=$1
	shift
	DOCKER_CONFIG=$W/cfg DOCKER_HOST=unix://$W/dockerd.sock python3 "$TOP/tests/tools/console.py" --pty "$size" /usr/bin/docker "$@"
}
of_pid() { inside python3 "$BATS_TEST_DIRNAME/cgroup-of.py" "$(of .State.Pid)" "$1" "$2"; }
# All that dockerd knows of, as far as this host grants them
all_caps() {
	local known=0x3fffffffff
	[[ "$(dockerd --version)" == *" 20."* ]] || known=-1
	printf %016x $((0x$(awk '/CapBnd/ { print $2 }' /proc/self/status) & known))
}
v2() { inside test -e /sys/fs/cgroup/cgroup.controllers; }

@test "it is vzrun that runs, by default and by name; runc's own runs beside it" {
	is_ .HostConfig.Runtime vzrun "$(d create box true)"
	run d info --format '{{.DefaultRuntime}} {{(index .Runtimes "vzrun").Path}}'
	says "vzrun $VZ"
	box
	[ -e "$W/dockerd.x/runtime-runc/moby/$(of .Id)/journal" ]
	run d info --format '{{.RuncCommit.ID}}'
	says "$("$VZ" --version | sed -n 's/^commit: //p')"
	once --runtime runc box echo hello
	says hello
}

@test "run: output, status, environment, user, directory, host name, labels, an entry point" {
	once box sh -c 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	has out
	has err
	once -e A=b -u 1000:1000 -w /tmp -h there --domainname example.org box sh -c 'echo $A $(id -u) $(id -g) $(pwd) $(hostname)'
	says "b 1000 1000 /tmp there"
	once --entrypoint /bin/echo box hello
	says hello
	run bash -c 'echo in | DOCKER_HOST=unix://$1 /usr/bin/docker run --rm -i box cat' - "$W/dockerd.sock"
	says in
}

@test "run: 127 for what is not there, 126 for what cannot be executed, 125 for what Docker refuses" {
	run -127 d run --rm box nothere
	[ "$status" -eq 127 ]
	has 'exec: "nothere": executable file not found in $PATH'
	run -127 d run --rm box /nothere
	[ "$status" -eq 127 ]
	has 'exec: "/nothere": stat /nothere: no such file or directory'
	once box /etc
	[ "$status" -eq 126 ]
	has 'exec: "/etc": is a directory: permission denied'
	once box /etc/passwd
	[ "$status" -eq 126 ]
	has 'exec: "/etc/passwd": permission denied'
	once -w /etc/passwd box true
	[ "$status" -ne 0 ]
	has "/etc/passwd"
	once --ulimit nofile=9:1 box true
	[ "$status" -eq 125 ]
	has nofile
	once -v "$BATS_TEST_TMPDIR:/etc/passwd" box true
	[ "$status" -ne 0 ]
	has "Are you trying to mount a directory onto a file"
	once --cgroup-parent relative/../.. box true
	[ "$status" -eq 125 ]
	once --sysctl kernel.nothere=1 --ipc host box true
	[ "$status" -eq 125 ]
}

@test "run: a terminal, its size, the status" {
	run on_pty 91x27 run --rm -it box sh -c 'tty; until stty size | grep "27 91"; do sleep 0.05; done' </dev/null
	has /dev/pts/0
	has "27 91"
}

@test "exec: status, output, user, directory, environment, standard input, privileged, detached, in a terminal" {
	box
	run d exec "$N" sh -c 'echo out; exit 9'
	[ "$status" -eq 9 ]
	says out
	run d exec -u 1000 -w /tmp -e A=b "$N" sh -c 'id -u; pwd; echo $A; grep CapEff /proc/self/status'
	says $'1000\n/tmp\nb\nCapEff:\t0000000000000000'
	run d exec "$N" grep CapEff /proc/self/status
	says $'CapEff:\t00000000a80425fb'
	run d exec --privileged "$N" grep CapEff /proc/self/status
	says "CapEff:	$(all_caps)"
	run bash -c 'echo in | DOCKER_HOST=unix://$1 /usr/bin/docker exec -i $2 cat' - "$W/dockerd.sock" "$N"
	says in
	d exec -d "$N" sleep 999
	wait_for inside pgrep -f 'sleep 999'
	run on_pty 91x27 exec -it "$N" sh -c 'tty; until stty size | grep "27 91"; do sleep 0.05; done' </dev/null
	has /dev/pts/
	has "27 91"
	# 126 for both is dockerd's own way up to 20.10.
	local missing=127
	[[ "$(dockerd --version)" != *" 20."* ]] || missing=126
	run -$missing d exec "$N" nothere
	has 'exec: "nothere": executable file not found in $PATH'
	run d exec "$N" /etc
	[ "$status" -eq 126 ]
	has 'permission denied'
}

@test "stop, kill, restart, wait: signals and statuses" {
	d run -d --name "$N" box sh -c 'trap "exit 3" TERM; trap "exit 4" USR1; touch /up; while :; do sleep 0.05; done' >/dev/null
	wait_for d exec "$N" test -e /up
	d stop -t 30 "$N"
	is_ .State.ExitCode 3
	d restart "$N"
	is_ .State.Running true
	wait_for d exec "$N" test -e /up
	d kill -s USR1 "$N"
	run d wait "$N"
	says 4
	d start "$N"
	d restart -t 30 "$N"
	d kill "$N"
	run d wait "$N"
	says 137
	run d kill "$N"
	[ "$status" -ne 0 ]
	has "is not running"
}

@test "pause and unpause; an exec into the paused; the paused removed" {
	box
	d pause "$N"
	is_ .State.Status paused
	run d exec "$N" true
	[ "$status" -ne 0 ]
	has "is paused"
	d unpause "$N"
	d exec "$N" true
	d pause "$N"
	d rm -f "$N"
}

@test "limits, and their change while it runs, in the init's groups" {
	box --memory 64m --cpus 0.5 --cpu-shares 512 --pids-limit 50 --cpuset-cpus 0 --memory-reservation 32m --blkio-weight 300 --oom-score-adj 500
	run d exec "$N" grep Cpus_allowed_list /proc/self/status
	says $'Cpus_allowed_list:\t0'
	run d exec "$N" cat /proc/1/oom_score_adj /proc/self/oom_score_adj
	says $'500\n500'
	if v2; then
		[ "$(of_pid memory memory.max)" = 67108864 ]
		[ "$(of_pid pids pids.max)" = 50 ]
		d update --memory 128m --memory-swap 256m --cpus 0.25 --pids-limit 60 "$N"
		[ "$(of_pid memory memory.max)" = 134217728 ]
		[ "$(of_pid cpu cpu.max)" = "25000 100000" ]
		[ "$(of_pid pids pids.max)" = 60 ]
	else
		[ "$(of_pid memory memory.limit_in_bytes)" = 67108864 ]
		[ "$(of_pid memory memory.soft_limit_in_bytes)" = 33554432 ]
		[ "$(of_pid cpu cpu.cfs_quota_us)" = 50000 ]
		[ "$(of_pid cpu cpu.shares)" = 512 ]
		[ "$(of_pid pids pids.max)" = 50 ]
		d update --memory 128m --memory-swap 256m --cpus 0.25 --cpu-shares 256 --pids-limit 60 "$N"
		[ "$(of_pid memory memory.limit_in_bytes)" = 134217728 ]
		[ "$(of_pid cpu cpu.cfs_quota_us)" = 25000 ]
		[ "$(of_pid cpu cpu.shares)" = 256 ]
		[ "$(of_pid pids pids.max)" = 60 ]
	fi
	run d update --cpuset-cpus 4000 "$N"
	[ "$status" -ne 0 ]
}

@test "out of memory is told as such; the limit of processes holds" {
	run d run --name "$N" --memory 16m --memory-swap 16m box tail /dev/zero
	[ "$status" -eq 137 ]
	is_ .State.OOMKilled true
	once --pids-limit 5 box sh -c 'for i in 1 2 3 4 5 6; do sleep 9 & done; wait'
	has "can't fork"
}

@test "stats, top, logs, diff, cp in both directions" {
	d run -d --name "$N" --memory 64m box sh -c 'echo line; touch /made; exec sleep 1000' >/dev/null
	wait_for d exec "$N" sh -c '[ "$(cat /proc/1/comm)" = sleep ]'
	run d stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' "$N"
	has "/ 64MiB 1"
	hasnt "0B /"
	run d top "$N"
	has "sleep 1000"
	run d logs "$N"
	says line
	run d diff "$N"
	has "A /made"
	echo there >"$BATS_TEST_TMPDIR/f"
	d cp "$BATS_TEST_TMPDIR/f" "$N:/tmp/f"
	run d exec "$N" cat /tmp/f
	says there
	d cp "$N:/etc/passwd" "$BATS_TEST_TMPDIR/p"
	grep -q ^root: "$BATS_TEST_TMPDIR/p"
}

@test "an init of Docker's own reaps and passes signals on" {
	d run -d --init --name "$N" box sh -c 'trap "exit 6" TERM; touch /up; while :; do sleep 0.05; done' >/dev/null
	run d exec "$N" cat /proc/1/comm
	says docker-init
	wait_for d exec "$N" test -e /up
	d stop -t 30 "$N"
	is_ .State.ExitCode 6
}

@test "privileged: capabilities, devices, writable /sys and groups, no system call filter" {
	once --privileged box sh -c 'grep -E "^(CapEff|Seccomp):" /proc/self/status; ls /dev/loop-control; mount -t tmpfs t /mnt && echo mounted; grep -E " /sys(/fs/cgroup/pids)? " /proc/mounts'
	ok
	has "CapEff:	$(all_caps)"
	has "Seccomp:	0"
	has /dev/loop-control
	has mounted
	has "sysfs /sys sysfs rw"
	hasnt " ro,"
}

@test "capabilities, no_new_privs, the filter of system calls" {
	once --cap-add SYS_TIME --cap-drop CHOWN box grep CapEff /proc/self/status
	says $'CapEff:\t00000000aa0425fa'
	once --cap-drop ALL box sh -c 'chown 1 /tmp'
	[ "$status" -ne 0 ]
	once --security-opt no-new-privileges box grep NoNewPrivs /proc/self/status
	says $'NoNewPrivs:\t1'
	once box sh -c 'grep ^Seccomp: /proc/self/status; unshare -m true'
	has "Seccomp:	2"
	has "Operation not permitted"
	once --security-opt seccomp=unconfined box grep ^Seccomp: /proc/self/status
	says $'Seccomp:\t0'
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}' \
		>"$BATS_TEST_TMPDIR/s.json"
	once --security-opt "seccomp=$BATS_TEST_TMPDIR/s.json" box mkdir /tmp/x
	has "No space left on device"
}

@test "a read-only root, tmpfs, volumes, shared memory, ulimits, sysctls, devices" {
	mkdir "$BATS_TEST_TMPDIR/v"
	once --read-only --tmpfs /t:size=1m,mode=1770 -v "$BATS_TEST_TMPDIR/v:/rw" -v "$BATS_TEST_TMPDIR/v:/ro:ro" -v named:/n --shm-size 2m \
		--ulimit nofile=512:1024 --ulimit core=0 --sysctl net.ipv4.ip_forward=0 --device /dev/loop-control:/dev/x:r box sh -c 'exec 2>&1
		touch /f; touch /ro/f; touch /rw/f /n/f && echo volumes
		df -k /t /dev/shm | awk "NR > 1 { print \$2 }"; stat -c %a /t; ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward
		: </dev/x && echo read; (: >/dev/x) 2>/dev/null && echo written; [ -c /dev/x ] && echo there'
	says "touch: /f: Read-only file system
touch: /ro/f: Read-only file system
volumes
1024
2048
1770
512
1024
0
read
there"
	[ -e "$BATS_TEST_TMPDIR/v/f" ]
	d volume rm named
}

@test "mount propagation, and a volume that is a peer of the host's" {
	local v=$W/vol$BATS_TEST_NUMBER
	mkdir -p "$v"
	inside mount -t tmpfs tmpfs "$v"
	inside mount --make-rshared "$v"
	inside mkdir "$v/a" "$v/b"
	d run -d --privileged --name "$N" -v "$v:/s:rshared" -v "$v:/p:rprivate" -v "$v:/l:rslave" box sleep 1000
	d exec "$N" mount -t tmpfs fromguest /s/a
	inside grep -q "fromguest $v/a" /proc/mounts
	inside mount -t tmpfs fromhost "$v/b"
	run d exec "$N" sh -c 'awk "\$1 ~ /^from/ { print \$1, \$2 }" /proc/mounts | sort'
	says $'fromguest /l/a\nfromguest /s/a\nfromhost /l/b\nfromhost /s/b'
}

@test "networks: Docker's bridge and its names, none, the host's, another container's; a published port" {
	d network create --internal "n$N"
	d run -d --name "$N" --network "n$N" box sh -c 'while :; do echo served | nc -l -p 80; done' >/dev/null
	once --network "n$N" box sh -c "until nc -w 2 $N 80; do sleep 0.05; done"
	says served
	d rm -f "$N"
	d network rm "n$N"
	once --network none box sh -c 'ls /sys/class/net'
	says lo
	once --network host box readlink /proc/self/ns/net
	says "$(inside readlink /proc/self/ns/net)"
	d run -d --name "$N" -p 127.0.0.1:8080:80 box sh -c 'while :; do echo published | nc -l -p 80; done' >/dev/null
	once --network "container:$N" box sh -c 'until nc -w 2 127.0.0.1 80; do sleep 0.05; done'
	says published
	run inside sh -c 'until busybox nc -w 2 127.0.0.1 8080 | grep .; do sleep 0.05; done'
	says published
}

@test "namespaces: another container's processes and memory, the host's" {
	d run -d --name "$N" --ipc shareable box sleep 991 >/dev/null
	once --pid "container:$N" --ipc "container:$N" box sh -c 'ps; readlink /proc/self/ns/ipc'
	has "sleep 991"
	has "$(inside readlink "/proc/$(of .State.Pid)/ns/ipc")"
	once --pid host --uts host --ipc host --cgroupns host box sh -c 'ps; readlink /proc/self/ns/uts'
	has dockerd
	has "$(inside readlink /proc/self/ns/uts)"
	d rm -f "$N"
	d run -d --name "$N" --pid host box sh -c 'sleep 992 & sleep 992' >/dev/null
	wait_for inside pgrep -f 'sleep 992'
	d rm -f "$N"
	wait_for eval "! inside pgrep -f 'sleep 992'"
}

@test "the group's parent, and the group's own namespace" {
	box --cgroup-parent "/$G/other" --cgroupns private
	inside grep -qE ":/$G/other/$(of .Id)\$" "/proc/$(of .State.Pid)/cgroup"
	run d exec "$N" sh -c 'cut -d: -f3 /proc/self/cgroup | sort -u'
	says /
	d rm -f "$N"
	world_groups | grep /other\$ | xargs -r rmdir
}
