# Shared by the suites of dockerd: one that has vzrun by packaging/docker/daemon.json.
load helpers
load containerd

dockerd_begin() {
	world_start
	[ -x /usr/bin/docker ] || { echo "no /usr/bin/docker: make deps" >&2; return 1; }
	image box
	sed "s#/usr/local/bin/vzrun#$VZ#" "$TOP/packaging/docker/daemon.json" >"$W/daemon.json"
	dockerd_start dockerd --live-restore
	d load -q -i "$W/box.tar"
}
# dockerd_start NAME FLAG...: its data in $W/NAME, or below $AT
dockerd_start() {
	local name=$1
	shift
	daemon "$name" dockerd --config-file "$W/daemon.json" --data-root "${AT:-$W}/$name" --exec-root "${AT:-$W}/$name.x" --pidfile "$W/$name.pid" \
		--host "unix://$W/$name.sock" --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$G" --shutdown-timeout 1 "$@"
	wait_for d version || { tail -30 "$W/$name.log"; return 1; }
}

dockerd_setup() { N=d$BATS_TEST_NUMBER-$RANDOM; }
dockerd_teardown() {
	d ps -aq | xargs -r env DOCKER_HOST="unix://$W/dockerd.sock" /usr/bin/docker rm -f >/dev/null
	wait_for ended_all || { echo "left behind: $(states) $(world_groups)"; return 1; }
}
# dockerd has all runtimes of containerd's shim keep their states in one place.
states() { ls "$W/dockerd.x/runtime-runc/moby" 2>/dev/null || true; }
ended_all() {
	[ -z "$(states)" ] && ! world_groups | grep -qv "/$G\$"
}

d() { DOCKER_CONFIG=$W/cfg DOCKER_HOST=unix://$W/${DD:-dockerd}.sock /usr/bin/docker "$@" 3>&- 4>&-; }
once() { run d run --rm "$@"; }
box() { d run -d --name "$N" "$@" box sleep 1000 >/dev/null; }
of() { d inspect -f "{{$1}}" "${2:-$N}"; }
is_() { [ "$(of "$1" "${3:-$N}")" = "$2" ]; }
