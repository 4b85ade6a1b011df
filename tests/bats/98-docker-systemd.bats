#!/usr/bin/env bats
# Docker as a unit of systemd's: on cgroup v2 its default is systemd's cgroup driver.
load helpers
load containerd
load machine

setup_file() {
	on_machine || return 0
	machine_install
	command -v dockerd containerd >/dev/null || return 0
	export G=vzt DOCKER_HOST=unix:///run/docker.sock
	image box
	mkdir -p /etc/docker
	jq '. + {"live-restore": true}' "$TOP/packaging/docker/daemon.json" >/etc/docker/daemon.json
	patient containerd
	patient docker
	systemctl daemon-reload
	systemctl start docker
	d load -q -i "$W/box.tar"
}
teardown_file() {
	[ -n "${G:-}" ] || return 0
	d rmi -f box >/dev/null
	systemctl stop docker.service docker.socket containerd
	rm /etc/docker/daemon.json
}

setup() {
	need_machine
	[ -n "${G:-}" ] || skip "host: no Docker in this machine (tests/vm/run -e)"
	N=d$BATS_TEST_NUMBER
}
teardown() {
	[ -n "${G:-}" ] || return 0
	d ps -aq | xargs -r /usr/bin/docker rm -f >/dev/null
	wait_for nothing || { echo "left behind: $(left)"; return 1; }
}
left() {
	systemctl list-units --all --plain --no-legend 'docker-*.scope'
	ls /run/docker/runtime-runc/moby 2>/dev/null
}
nothing() { [ -z "$(left)" ]; }

d() { /usr/bin/docker "$@" 3>&- 4>&-; }
box() { d run -d --name "$N" "$@" box sleep 1000 >/dev/null; }
of() { d inspect -f "{{$1}}" "$N"; }
is_() { [ "$(of "$1")" = "$2" ]; }
scope() { echo "docker-$(of .Id).scope"; }

@test "info: systemd's driver and vzrun, by packaging's daemon.json alone" {
	run d info --format '{{.CgroupDriver}} {{.CgroupVersion}} {{.DefaultRuntime}} {{(index .Runtimes "vzrun").Path}}'
	says "systemd 2 vzrun /usr/local/bin/vzrun"
}

@test "a scope in system.slice with the limits; exec, top, stats, pause, update, stop; the unit goes with it" {
	box --memory 64m --cpus 0.5 --pids-limit 50
	local u
	u=$(scope)
	[ "$(prop "$u" Slice)" = system.slice ]
	bites "$u" 67108864 50000 50
	run d exec "$N" cat /proc/self/cgroup
	says "0::/"
	run d top "$N"
	has "sleep 1000"
	run d stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' "$N"
	has "/ 64MiB 1"
	d pause "$N"
	[ "$(cat "$(group_of "$u")/cgroup.freeze")" = 1 ]
	d unpause "$N"
	d update --memory 48m --memory-swap 96m --cpus 0.25 --pids-limit 60 "$N"
	bites "$u" 50331648 25000 60
	systemctl daemon-reload
	bites "$u" 50331648 25000 60
	d exec -d "$N" sh -c 'while :; do :; done'
	wait_for throttled "$u"
	d stop -t 0 "$N"
	is_ .State.ExitCode 137
	wait_for unit_gone "$u"
	d start "$N"
	bites "$u" 50331648 25000 60
}

# Of a process beside the first: whether the kill of the first one is told depends, with any runtime, on who is faster, the
# engine or systemd, which removes an empty scope and memory.events with it (moby issue 41929).
@test "a slice for a parent; out of memory in the scope is told as such" {
	local from=$EPOCHSECONDS
	box --cgroup-parent vzt-docker.slice --memory 16m --memory-swap 16m
	[ "$(prop "$(scope)" Slice)" = vzt-docker.slice ]
	run d exec "$N" tail /dev/zero
	[ "$status" -eq 137 ]
	oom() { d events --since "$from" --until "$EPOCHSECONDS" --filter event=oom --filter "container=$N" | grep -q "container oom"; }
	wait_for oom
	d stop -t 0 "$N"
	is_ .State.OOMKilled true
	d rm -f "$N"
	systemctl stop vzt.slice
}

@test "Docker is started again: containers are in scopes of their own and go on" {
	box
	local p
	p=$(of .State.Pid)
	systemctl restart docker
	is_ .State.Pid "$p"
	d exec "$N" true
}

@test "a published port by Docker's bridge, a health check, 127 for what is not there" {
	d run -d --name "$N" -p 127.0.0.1:8080:80 --health-cmd true --health-interval 1s box \
		sh -c 'while :; do echo published | nc -l -p 80; done' >/dev/null
	got() { [ "$(busybox nc -w 5 127.0.0.1 8080 </dev/null)" = published ]; }
	wait_for got
	wait_for is_ .State.Health.Status healthy
	run -127 d run --rm box nothere
	has 'executable file not found in $PATH'
}
