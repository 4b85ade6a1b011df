#!/usr/bin/env bats
# Podman as root where systemd runs: its default there is systemd's cgroup driver, and vzrun is what packaging/ makes it.
load helpers
load machine

# Of a service's it makes no groups for its monitors; it is called as an administrator does.
unset INVOCATION_ID

setup_file() {
	on_machine || return 0
	machine_install
	command -v podman >/dev/null || { echo "no podman in the machine" >&2; return 1; }
	mkdir -p /etc/containers/containers.conf.d
	cp "$TOP"/packaging/podman/*.conf /etc/containers/containers.conf.d/
	make_rootfs "$BATS_FILE_TMPDIR/box"
	tar -C "$BATS_FILE_TMPDIR/box" --numeric-owner -cf "$BATS_FILE_TMPDIR/box.tar" .
	podman import -q -c 'CMD ["/bin/sh"]' -c 'ENV PATH=/bin:/usr/bin:/sbin' "$BATS_FILE_TMPDIR/box.tar" localhost/box >&2
	podman import -q -c 'CMD ["/bin/sleep", "100000"]' "$BATS_FILE_TMPDIR/box.tar" localhost/pause >&2
}
teardown_file() {
	! on_machine || podman rmi -fa >/dev/null
	rm -f /etc/containers/containers.conf.d/{50,60}-vzrun*.conf
}

setup() { need_machine; }
teardown() {
	on_machine || return 0
	podman pod rm -fa -t 0 >/dev/null
	podman rm -fa -t 0 >/dev/null
	wait_for nothing || { echo "left behind: $(units) $(ls /run/vzrun)"; return 1; }
}
units() { systemctl list-units --all --plain --no-legend '*libpod*' '*.timer' | grep -E 'libpod|[0-9a-f]{64}'; }
nothing() { [ -z "$(units)" ] && [ -z "$(ls /run/vzrun 2>/dev/null)" ]; }

p() { podman --log-level=error "$@" 3>&-; }
# box NAME [FLAG...]: one that stays
box() { p run -d --name "$1" --network none "${@:2}" localhost/box sleep 1000 >/dev/null; }
of() { p inspect -f "{{$2}}" "$1"; }
scope() { echo "libpod-$(of "$1" .Id).scope"; }
is_() { [ "$(of "$1" "$2")" = "$3" ]; }

@test "info: systemd's driver and vzrun, by the drop-ins alone" {
	run p info --format '{{.Host.CgroupManager}} {{.Host.CgroupsVersion}} {{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}'
	says "systemd v2 vzrun /usr/local/bin/vzrun"
}

@test "a scope in machine.slice with the limits; exec, top, stats, pause, kill and stop; the unit goes with it" {
	box a --memory 64m --cpus 0.5 --pids-limit 50 --cpu-shares 512
	local u
	u=$(scope a)
	[ "$(prop "$u" Slice)" = machine.slice ]
	[ "$(prop "$u" Delegate)" = yes ]
	bites "$u" 67108864 50000 50
	[ "$(cat "$(group_of "$u")/cpu.weight")" = "$(prop "$u" CPUWeight)" ]
	[ "$(cat "$(group_of "$u")/cgroup.procs")" = "$(of a .State.Pid)" ]
	[ "$(p exec a cat /proc/self/cgroup)" = "0::/" ]
	p exec -d a sleep 999
	run p top a args
	has "sleep 1000"
	has "sleep 999"
	run p stats --no-stream --format '{{.MemUsage}} {{.PIDS}}' a
	[[ "$output" =~ ^[0-9.]+[kM]B\ /\ 67.11MB\ 2$ ]]
	p pause a >/dev/null
	is_ a .State.Status paused
	[ "$(cat "$(group_of "$u")/cgroup.freeze")" = 1 ]
	p unpause a >/dev/null
	p exec a sh -c 'while :; do :; done' & JOB=$!
	wait_for throttled "$u"
	p kill -s USR1 a >/dev/null
	p stop -t 0 a >/dev/null
	is_ a .State.ExitCode 137
	wait_for unit_gone "$u"
	ended $JOB
	p start a >/dev/null
	bites "$u" 67108864 50000 50
	p restart -t 0 a >/dev/null
	bites "$u" 67108864 50000 50
}

@test "update: systemd's properties and the kernel's files, while it runs; a reload of systemd takes nothing back" {
	box a --memory 64m --cpus 0.5 --pids-limit 50
	local u
	u=$(scope a)
	p update --memory 48m --cpus 0.25 a >/dev/null
	bites "$u" 50331648 25000 50
	systemctl daemon-reload
	bites "$u" 50331648 25000 50
}

# OOMKilled is not told there by this Podman, whatever the runtime: its monitor looks too late.
@test "out of memory in the scope is a kill that the user sees" {
	run p run --name a --network none --memory 16m --memory-swap 16m localhost/box tail /dev/zero
	[ "$status" -eq 137 ]
}

@test "a pod: a slice of its own with its limits, a scope for each; both go" {
	p pod create --name pod --network none --infra-image localhost/pause --memory 256m --cpus 1.5 >/dev/null
	p run -d --pod pod --name a localhost/box sleep 1000 >/dev/null
	p run -d --pod pod --name b localhost/box sleep 2000 >/dev/null
	local s g
	s=$(prop "$(scope a)" Slice)
	g=$(group_of "$s")
	[[ "$s" = machine-libpod_pod_*.slice ]]
	[ "$(prop "$(scope b)" Slice)" = "$s" ]
	[ "$(cat "$g/memory.max")" = 268435456 ]
	[ "$(cat "$g/cpu.max")" = "150000 100000" ]
	run p pod stats --no-stream --format '{{.Name}}' pod
	has a
	p pod pause pod >/dev/null
	is_ a .State.Status paused
	p pod unpause pod >/dev/null
	p pod stop -t 0 pod >/dev/null
	is_ b .State.Status exited
	p pod rm -f pod >/dev/null
	wait_for test ! -e "$g"
}

@test "a health check by a timer of systemd's" {
	box a --health-cmd 'test -e /healthy' --health-interval 2s --health-retries 1
	wait_for is_ a .State.Health.Status unhealthy
	p exec a touch /healthy
	wait_for is_ a .State.Health.Status healthy
}

@test "generate systemd: a unit that runs the container, ready when it is, and stops it" {
	box a
	p generate systemd --new --name a >/etc/systemd/system/vzt-a.service 2>/dev/null
	p rm -f -t 0 a >/dev/null
	systemctl daemon-reload
	systemctl start vzt-a.service
	p exec a true
	[ "$(prop "$(scope a)" Slice)" = machine.slice ]
	[ "$(prop vzt-a.service MainPID)" = "$(of a .State.ConmonPid)" ]
	systemctl stop vzt-a.service
	run p container exists a
	[ "$status" -eq 1 ]
	rm /etc/systemd/system/vzt-a.service
	systemctl daemon-reload
}

@test "sdnotify=container: the unit is up when the container says so, and not before" {
	systemd-run -q --unit vzt-n --collect --no-block --property Type=notify --property NotifyAccess=all \
		--property TimeoutStartSec=infinity podman run --rm --name a --network none --sdnotify container \
		-v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro -v "$BATS_TEST_TMPDIR:/gate" localhost/box sh -c 'until [ -e /gate/go ]; do sleep 0.1; done; /usr/bin/systemd-notify --ready; sleep 1000'
	wait_for is_ a .State.Status running
	[ "$(prop vzt-n ActiveState)" = activating ]
	touch "$BATS_TEST_TMPDIR/go"
	wait_for systemctl is-active -q vzt-n
	p stop -t 0 a >/dev/null
	wait_for unit_gone vzt-n
}

@test "--cgroup-parent, --cgroups=no-conmon and disabled" {
	box a --cgroup-parent vzt-parent.slice
	[ "$(prop "$(scope a)" ControlGroup)" = "/vzt.slice/vzt-parent.slice/$(scope a)" ]
	grep -q libpod-conmon "/proc/$(of a .State.ConmonPid)/cgroup"
	box b --cgroups=no-conmon
	[ "$(cat "/proc/$(of b .State.ConmonPid)/cgroup")" = "$(cat /proc/self/cgroup)" ]
	box c --cgroups=disabled
	[ "$(cat "/proc/$(of c .State.Pid)/cgroup")" = "$(cat /proc/self/cgroup)" ]
	p rm -f -t 0 a >/dev/null
	systemctl stop vzt.slice
}

@test "networks: netavark's bridge with a published port, slirp4netns" {
	p run -d --name a -p 127.0.0.1:8080:80 localhost/box sh -c 'while :; do echo published | nc -l -p 80; done' >/dev/null
	got() { [ "$(busybox nc -w 5 127.0.0.1 8080 </dev/null)" = published ]; }
	wait_for got
	run p run --rm localhost/box ip -o -4 a show eth0
	has "inet 10.88."
	run p run --rm --network slirp4netns localhost/box ls /sys/class/net
	has tap0
}

@test "checkpoint and restore: the same processes go on, in a scope with the limits" {
	criu check >/dev/null 2>&1 || skip "kernel: criu check fails"
	p run -d --name a --network none --memory 64m --pids-limit 50 localhost/box sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/n; sleep 0.1; done' >/dev/null
	wait_for p exec a test -s /n
	local n u
	u=$(scope a)
	run p container checkpoint a
	ok
	is_ a .State.Checkpointed true
	wait_for unit_gone "$u"
	p cp a:/n "$BATS_TEST_TMPDIR/n"
	n=$(cat "$BATS_TEST_TMPDIR/n")
	run p container restore a
	ok
	more() { [ "$(p exec a cat /n)" -gt "$n" ]; }
	wait_for more
	[ "$(prop "$u" Slice)" = machine.slice ]
	[ "$(cat "$(group_of "$u")/memory.max")" = 67108864 ]
	p container checkpoint -e "$BATS_TEST_TMPDIR/c.tar" a >/dev/null
	p rm -f a >/dev/null
	p container restore -i "$BATS_TEST_TMPDIR/c.tar" -n b >/dev/null
	p exec b true
}

@test "system df, and what cannot be executed" {
	box a
	run p system df --format '{{.Type}} {{.Active}}'
	has "Containers 1"
	run -127 p run --rm --network none localhost/box nothere
	has 'executable file not found in $PATH'
	run p run --rm --network none localhost/box /etc
	[ "$status" -eq 126 ]
}

@test "an init with a user namespace has its group to make others in" {
	grep -q '^containers:' /etc/subuid || { echo containers:2147483647:2147483648 >>/etc/subuid; echo containers:2147483647:2147483648 >>/etc/subgid; }
	run p run --rm --network none --userns auto:size=1000 --systemd always localhost/box \
		sh -c 'mkdir /sys/fs/cgroup/own && echo $$ >/sys/fs/cgroup/own/cgroup.procs && echo made'
	[ "$output" = made ] || { echo "$output"; return 1; }
}
