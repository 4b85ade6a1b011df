#!/usr/bin/env bats
# An ordinary user where systemd runs, on cgroup v2: groups of his own by his manager or below a delegated one, and
# Podman as he uses it. Needs systemd as PID 1.
load helpers

setup_file() {
	need_engine
	[ -d /run/systemd/system ] && [ -e /sys/fs/cgroup/cgroup.controllers ] || return 0
	export WHO=vzt$$
	useradd --create-home --home-dir "/var/tmp/$WHO" --shell /bin/sh "$WHO"
	UID_=$(id -u "$WHO")
	export UID_
	grep -q "^$WHO:" /etc/subuid || usermod --add-subuids 3000000-3065535 --add-subgids 3000000-3065535 "$WHO"
	systemctl start "user@$UID_.service"
}

teardown_file() {
	[ -n "${WHO:-}" ] || return 0
	systemctl stop "user@$UID_.service" "user-runtime-dir@$UID_.service"
	userdel "$WHO"
	rm -rf "/var/tmp/${WHO:?}"
}

setup() {
	[ -n "${WHO:-}" ] || skip "host: systemd is not PID 1, or not on cgroup v2"
	D=/var/tmp/$WHO/t
	mkdir "$D" "$D/b"
	cp "$VZ" "$(dirname "$VZ")/vzrun-systemd" "$D/"
	make_rootfs "$D/b/rootfs"
	C=$D/b/config.json
	chown -R "$WHO:" "$D"
	u "$D/vzrun" spec --rootless -b "$D/b"
	local su sg
	su=$(awk -F: -v n="$WHO" '$1 == n { print $2 }' /etc/subuid)
	sg=$(awk -F: -v n="$WHO" '$1 == n { print $2 }' /etc/subgid)
	edit --argjson u "$UID_" --argjson g "$(id -g "$WHO")" --argjson su "$su" --argjson sg "$sg" \
		'.process.terminal = false | .process.rlimits = [] | .process.args = ["sleep", "4242"]
		| .linux.uidMappings = [{containerID: 0, hostID: $u, size: 1}, {containerID: 1, hostID: $su, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: $g, size: 1}, {containerID: 1, hostID: $sg, size: 65536}]'
	OWN=/sys/fs/cgroup/user.slice/user-$UID_.slice/user@$UID_.service
}

teardown() {
	[ -n "${WHO:-}" ] || return 0
	local id
	for id in $(u "$D/vzrun" list -q 2>/dev/null); do u "$D/vzrun" --systemd-cgroup delete -f "$id" 2>/dev/null || true; done
	[ ! -e "$D/pasta.pid" ] || kill "$(cat "$D/pasta.pid")"
	[ -z "${VZRUN_VM:-}" ] || ip link del vztd 2>/dev/null || true
	if pgrep -f "^$D/|sleep 4242" >/dev/null; then echo "processes are left"; return 1; fi
	rm -rf "$D"
}

u() {
	(cd "$D/b" && exec setpriv --reuid "$WHO" --regid "$(id -g "$WHO")" --init-groups env -i "HOME=/var/tmp/$WHO" "USER=$WHO" \
		"PATH=$PATH" "XDG_RUNTIME_DIR=/run/user/$UID_" "$@" </dev/null 3>&-)
}
edit() { jq "$@" <"$C" >"$D/new.json"; cat "$D/new.json" >"$C"; }
prop() { u systemctl --user show "$1" -P "$2"; }
pid() { u "$D/vzrun" state r | jq .pid; }

@test "the user's manager makes the scope; limits, exec, ps, pause, update, kill and delete" {
	edit '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 33}}'
	u "$D/vzrun" --systemd-cgroup run -d r >/dev/null 2>&1
	[ "$(prop vzrun-r.scope Slice)" = user.slice ]
	local g=$OWN/user.slice/vzrun-r.scope
	[ "$(cat "$g/memory.max")" = 67108864 ]
	[ "$(cat "$g/pids.max")" = 33 ]
	[ "$(cat "$g/cgroup.procs")" = "$(pid)" ]
	u "$D/vzrun" exec -d --pid-file "$D/pid" r sleep 4242
	grep -qF "/vzrun-r.scope" "/proc/$(cat "$D/pid")/cgroup"
	[ "$(u "$D/vzrun" exec r cat /proc/self/cgroup)" = 0::/ ]
	[ "$(u "$D/vzrun" ps -f json r | jq length)" = 2 ]
	u "$D/vzrun" update --pids-limit 44 r
	[ "$(cat "$g/pids.max")" = 44 ]
	[ "$(prop vzrun-r.scope TasksMax)" = 44 ]
	u "$D/vzrun" pause r
	[ "$(u "$D/vzrun" state r | jq -r .status)" = paused ]
	u "$D/vzrun" resume r
	u "$D/vzrun" kill r KILL
	wait_for stopped
	u "$D/vzrun" delete r
	[ ! -e "$g" ]
	[ "$(prop vzrun-r.scope LoadState)" = not-found ]
}
stopped() { [ "$(u "$D/vzrun" state r | jq -r .status)" = stopped ]; }

@test "root of an engine's user namespace reaches the user's bus" {
	edit 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))
		| .linux.resources = {pids: {limit: 21}} | .linux.cgroupsPath = "user.slice:eng:r" | .process.args = ["cat", "/proc/self/cgroup"]
		| .linux.namespaces |= map(select(.type != "cgroup"))'
	run u unshare -Urm --map-auto "$D/vzrun" --systemd-cgroup run r
	ok
	has "/user@$UID_.service/user.slice/eng-r.scope"
}

@test "a bus that is not there is named" {
	run u env XDG_RUNTIME_DIR=/nowhere "$D/vzrun" --root "$D/root" --systemd-cgroup run r
	[ "$status" -eq 1 ]
	has "cgroup manager systemd: no bus at /nowhere/bus: No such file or directory"
}

@test "cgroupfs below a delegated scope: a group beside our own, with its limits" {
	edit '.linux.resources = {memory: {limit: 67108864}, pids: {limit: 33}} | .process.args = ["sh", "-c", "cat /proc/self/cgroup"]
		| .linux.namespaces |= map(select(.type != "cgroup"))'
	run u systemd-run --user --scope -q -p Delegate=yes "$D/vzrun" run r
	ok
	has "/user@$UID_.service/app.slice/vzrun-r"
	edit '.process.args = ["sleep", "4242"]'
	u systemd-run --user --scope -q -p Delegate=yes "$D/vzrun" run -d r >/dev/null 2>&1
	[ "$(cat "$OWN/app.slice/vzrun-r/memory.max")" = 67108864 ]
	[ "$(cat "$OWN/app.slice/vzrun-r/pids.max")" = 33 ]
	u systemd-run --user --scope -q "$D/vzrun" exec r true
	# from outside of what is the user's own the kernel lets nobody in: outside of the group, and said
	run u "$D/vzrun" exec r cat /proc/self/cgroup
	ok
	has "vzrun: warning: r: the process runs outside of the container's cgroup: "
	has "/cgroup.procs is not ours to write"
	hasnt "0::/user.slice/user-$UID_.slice/user@$UID_.service/app.slice/vzrun-r"
	u "$D/vzrun" delete -f r
	[ ! -e "$OWN/app.slice/vzrun-r" ]
}

podman() { u podman --runtime "$D/vzrun" --log-level=error "$@"; }

@test "Podman, rootless, with systemd's driver: run, network by slirp4netns, exec, limits, pause, top, rm" {
	command -v podman slirp4netns >/dev/null || skip "host: no podman"
	tar -C "$D/b/rootfs" -cf "$D/image.tar" .
	podman import -q "$D/image.tar" bb >/dev/null
	run podman run --rm --network none bb id -u
	ok; says 0
	run podman run --rm --network slirp4netns bb ls /sys/class/net
	ok; has tap0
	podman run -d --name c --network none --memory 64m --pids-limit 55 bb sleep 4242 >/dev/null
	local id g
	id=$(podman inspect c -f '{{.Id}}')
	g=$OWN/user.slice/libpod-$id.scope
	[ "$(cat "$g/memory.max" "$g/container/memory.max" 2>/dev/null | head -1)" = 67108864 ]
	[ "$(podman exec --user 7 c id -u)" = 7 ]
	grep -q libpod "/proc/$(podman inspect c -f '{{.State.Pid}}')/cgroup"
	podman top c | grep -q sleep
	podman pause c >/dev/null
	[ "$(podman inspect c -f '{{.State.Status}}')" = paused ]
	podman unpause c >/dev/null
	podman stats --no-stream c | grep -q "64M\|67.11MB"
	podman rm -f -t 0 c >/dev/null
	[ ! -e "$g" ]
	podman rmi -f bb >/dev/null
}

@test "where the user's bus does not run, the manager's own socket is asked" {
	u systemctl --user stop dbus.socket dbus.service
	u "$D/vzrun" --systemd-cgroup run -d r >"$D/said" 2>&1 || { cat "$D/said"; return 1; }
	[ "$(sed s/^0::// "/proc/$(pid)/cgroup")" = "${OWN#/sys/fs/cgroup}/user.slice/vzrun-r.scope" ]
	u "$D/vzrun" --systemd-cgroup delete -f r
	# Whoever spells its address in another way means the same.
	u env "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere;unix:path=/run/user/$UID_/bus,guid=0123" \
		"$D/vzrun" --systemd-cgroup run -d r >"$D/said" 2>&1 || { cat "$D/said"; return 1; }
	u "$D/vzrun" --systemd-cgroup delete -f r
	# A bus that somebody names is that one.
	run u env DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere "$D/vzrun" --systemd-cgroup run -d r
	[ "$status" -eq 1 ]
	has "no bus at unix:path=/nowhere: "
	u systemctl --user start dbus.socket
}

@test "pasta, without any privilege, is a network for a container of the user's" {
	[ -n "${VZRUN_VM:-}" ] || skip "host: not the machine of tests/vm, whose network may be changed"
	# What it copies: there is no way outward in the machine.
	ip link add vztd type dummy
	ip addr add 192.0.2.9/24 dev vztd
	ip link set vztd up
	ip route add default via 192.0.2.1 dev vztd
	edit '.linux.namespaces |= map(select(.type != "network")) + [{type: "network"}]'
	u "$D/vzrun" --systemd-cgroup run -d r >"$D/said" 2>&1 || { cat "$D/said"; return 1; }
	# An ignored SIGPIPE, as services have it, it takes for a failure.
	u env --default-signal=PIPE pasta --config-net -P "$D/pasta.pid" "$(pid)" >/dev/null 2>&1
	run u "$D/vzrun" exec r ip -o -4 addr show vztd
	has "inet 192.0.2.9/24"
	# the gateway's address is the host's loopback
	busybox nc -l -p 8099 <<<outside >/dev/null 3>&- & JOB=$!
	got() { [ "$(u "$D/vzrun" exec r nc -w 5 192.0.2.1 8099)" = outside ]; }
	wait_for got
	wait "$JOB"
}
