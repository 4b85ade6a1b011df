#!/usr/bin/env bats
# Users without any privilege: one who can map only himself, one with ranges in /etc/subuid and /etc/subgid, and root of
# a user namespace that an engine made. On v1 none of them has a cgroup.
load helpers

setup_file() {
	need_engine
	command -v newuidmap unshare >/dev/null || { echo "missing programs: make deps" >&2; return 1; }
	export RANGED=vzt$$
	useradd --no-create-home --shell /bin/sh "$RANGED"
	grep -q "^$RANGED:" /etc/subuid || usermod --add-subuids 3000000-3065535 --add-subgids 3000000-3065535 "$RANGED"
}

teardown_file() { userdel "$RANGED"; }

setup() {
	WHO=65534
	# bats's own directory is root's alone
	D=$(mktemp -d /tmp/vzrun-rootless.XXXXXX)
	mkdir "$D/run" "$D/b"
	cp "$VZ" "$D/vzrun"
	make_rootfs "$D/b/rootfs"
	chmod 755 "$D" "$D/vzrun"
	chmod 700 "$D/run"
	C=$D/b/config.json
	become 65534
}

teardown() {
	local id
	for id in $(u "$D/vzrun" list -q 2>/dev/null); do u "$D/vzrun" delete -f "$id" 2>/dev/null || true; done
	if pgrep -f "^$D/|sleep 4242" >/dev/null; then echo "processes are left"; return 1; fi
	rm -rf "$D"
}

# become USER: whose bundle and state it is from now on
become() {
	WHO=$1
	chown -R "$(id -u "$WHO" 2>/dev/null || echo "$WHO"):$(id -g "$WHO" 2>/dev/null || echo "$WHO")" "$D"
	rm -f "$C"
	u "$D/vzrun" spec --rootless -b "$D/b"
	edit '.process.terminal = false | .process.rlimits = []'
}
ranged() {
	become "$RANGED"
	edit --argjson u "$(id -u "$RANGED")" --argjson g "$(id -g "$RANGED")" \
		--argjson su "$(awk -F: -v n="$RANGED" '$1 == n { print $2 }' /etc/subuid)" \
		--argjson sg "$(awk -F: -v n="$RANGED" '$1 == n { print $2 }' /etc/subgid)" \
		'.linux.uidMappings = [{containerID: 0, hostID: $u, size: 1}, {containerID: 1, hostID: $su, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: $g, size: 1}, {containerID: 1, hostID: $sg, size: 65536}]'
}
u() {
	(cd "$D/b" && XDG_RUNTIME_DIR=$D/run exec setpriv --reuid "$WHO" --regid "$(id -g "$WHO" 2>/dev/null || echo "$WHO")" \
		--clear-groups "$@" </dev/null 3>&-)
}
edit() { jq "$@" <"$C" >"$D/new.json"; cat "$D/new.json" >"$C"; }
v1() { [ ! -e /sys/fs/cgroup/cgroup.controllers ]; }

@test "a user namespace that the kernel refuses is told with the reason" {
	# shellcheck disable=SC2016 # expanded inside
	run unshare -m --propagation private sh -c 'mkdir "$1/root" && mount --rbind / "$1/root" && exec chroot "$1/root" \
		setpriv --reuid 65534 --regid 65534 --clear-groups "$1/vzrun" --root "$1/run" run -b "$1/b" x' - "$D"
	fails 1 "clone the container's first process: Operation not permitted: a chroot, an id that is not mapped or a filter keeps user namespaces from being made"
}

@test "run: root inside, the user outside, its own id and nothing more" {
	edit '.process.terminal = false | .process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map; ls /dev/null; grep CapBnd /proc/self/status"]'
	run u "$D/vzrun" run r
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 0 ]
	[[ "${lines[1]}" =~ ^\ +0\ +65534\ +1$ ]]
	[ "${lines[2]}" = /dev/null ]
	[[ "${lines[3]}" == *0000000020000420 ]]
}

@test "create, start, exec, kill, delete; the state is the user's" {
	edit '.process.terminal = false | .process.args = ["sleep", "4242"]'
	u "$D/vzrun" run -d r >/dev/null 2>&1
	[ "$(u "$D/vzrun" exec r id -u)" = 0 ]
	[ "$(u "$D/vzrun" list --format json | jq -r '.[0].status')" = running ]
	[ "$(stat -c %U "$D/run/vzrun/r")" = nobody ]
	u "$D/vzrun" kill r KILL
	u "$D/vzrun" delete -f r
	[ ! -e "$D/run/vzrun/r" ]
}

@test "a limit that the user cannot set: named in a warning on v1, refused by name on v2" {
	edit '.process.args = ["echo", "ran"] | .linux.resources = {memory: {limit: 33554432}, pids: {limit: 20}}'
	run u "$D/vzrun" run r
	if v1; then
		[ "$status" -eq 0 ]
		echo "$output"
		[ "${lines[0]}" = "vzrun: warning: no cgroup can be made by this user (cgroup v1): not set: memory limit, process limit" ]
		[ "${lines[1]}" = ran ]
	else
		[ "$status" -eq 1 ]
		[[ "$output" == *memory* ]]
	fi
	[ ! -e "$D/run/vzrun/r" ]
	run u "$D/vzrun" --rootless true run r
	[ "$status" -eq 0 ]
	has "not set: memory limit, process limit"
	run u "$D/vzrun" --rootless false run r
	[ "$status" -eq 1 ]
	has " limit: create cgroup "
}

@test "ranges: newuidmap and newgidmap map them; any id inside may be had" {
	ranged
	edit '.process.args = ["sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map; touch /tmp/x && chown 7:8 /tmp/x && stat -c %u:%g /tmp/x"]
		| .root.readonly = false | .process.capabilities |= map_values(. + ["CAP_CHOWN"])'
	run u "$D/vzrun" run r
	ok
	[ "${#lines[@]}" -eq 5 ]
	[[ "${lines[0]}" =~ ^\ +0\ +$(id -u "$RANGED")\ +1$ ]]
	[[ "${lines[1]}" =~ ^\ +1\ +[0-9]+\ +65536$ ]]
	[ "${lines[4]}" = 7:8 ]
	[ "$(stat -c %u "$D/b/rootfs/tmp/x")" = $(($(awk -F: -v n="$RANGED" '$1 == n { print $2 }' /etc/subuid) + 6)) ]
}

@test "ranges that are not the user's are refused, with what the helper says" {
	ranged
	edit '.process.args = ["true"] | .linux.uidMappings[1].hostID = 1'
	run u "$D/vzrun" run r
	[ "$status" -eq 1 ]
	has "vzrun: newuidmap: uid range"
	[ ! -e "$D/run/vzrun/r" ]
}

@test "a process of another user in the container: exec, ps, kill --all reach it" {
	ranged
	edit '.process.args = ["sh", "-c", "sleep 4242 & exec sleep 4242"]'
	u "$D/vzrun" run -d r >/dev/null 2>&1
	u "$D/vzrun" exec -d -u 1000:1000 r sleep 4242
	[ "$(u "$D/vzrun" exec -u 1000:1000 r id -u)" = 1000 ]
	wait_for three
	u "$D/vzrun" kill --all r KILL
	wait_for stopped
	u "$D/vzrun" delete r
}
three() { [ "$(u "$D/vzrun" ps -f json r | jq length)" = 3 ]; }
stopped() { [ "$(u "$D/vzrun" state r | jq -r .status)" = stopped ]; }

@test "pause without a cgroup is refused by name" {
	v1 || skip "host: cgroup v2"
	edit '.process.args = ["sleep", "4242"]'
	u "$D/vzrun" run -d r >/dev/null 2>&1
	run u "$D/vzrun" pause r
	[ "$status" -eq 1 ]
	has "container r has no cgroup: it cannot be paused"
}

@test "a terminal" {
	ranged
	edit '.process.terminal = true | .process.args = ["tty"]'
	run u script -qec "$D/vzrun run r" /dev/null
	ok
	has /dev/pts/0
}

@test "root of a user namespace of the user's: with and without a user namespace of the container's own" {
	ranged
	edit '.process.args = ["sh", "-c", "id -u; echo >/dev/null && wc -l </proc/self/uid_map"]'
	cp "$C" "$D/own.json"
	edit 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))'
	run u unshare -Urm --map-auto "$D/vzrun" run r
	ok
	[ "${lines[0]}" = 0 ]
	run u unshare -Ur "$D/vzrun" run r
	ok
	[ "${lines[0]}" = 0 ]
	[ ! -e "$D/run/vzrun/r" ]
	jq '.linux.uidMappings = [{containerID: 0, hostID: 1, size: 100}] | .linux.gidMappings = .linux.uidMappings' <"$D/own.json" >"$D/new.json"
	cat "$D/new.json" >"$C"
	chmod 755 "$D/run" "$D/b"
	run u unshare -Urm --map-auto "$D/vzrun" run r
	ok
	[ "${lines[0]}" = 0 ]
}

@test "root of a user namespace of the user's: new network and time namespaces, another container's pid namespace" {
	ranged
	edit 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user")) + [{type: "network"}]'
	edit '.process.args = ["sh", "-c", "grep -c 127.0.0.1 /proc/net/fib_trie"]'
	run u unshare -Ur "$D/vzrun" run r
	ok; says 2
	if [ -e /proc/self/ns/time ]; then
		edit '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 864000000}}
			| .process.args = ["sh", "-c", "cut -d. -f1 /proc/uptime"]'
		run u unshare -Ur "$D/vzrun" run r
		ok
		[ "$output" -gt 864000000 ]
	fi
	edit '.process.args = ["sh", "-c", "while :; do sleep 4242; done"]'
	cat >"$D/join" <<-END
		trap '"$D/vzrun" delete -f one' EXIT
		"$D/vzrun" run -d one >/dev/null
		pid=\$("$D/vzrun" state one | jq .pid)
		jq --arg p "/proc/\$pid/ns/pid" '.linux.namespaces |= map(if .type == "pid" then .path = \$p else . end)
			| .process.args = ["sh", "-c", "echo here; grep -c . /proc/1/cmdline; cut -d. -f1 /proc/uptime"]' <"$C" >"$D/b/next"
		mv "$D/b/next" "$C"
		"$D/vzrun" run two
		"$D/vzrun" exec one sh -c 'echo \$\$'
	END
	run u unshare -Ur sh "$D/join"
	ok
	[ "${lines[0]} ${lines[1]}" = "here 1" ]
	[ "${lines[3]}" -gt 1 ]
}

@test "a user namespace joined by path" {
	ranged
	edit '.process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map"]'
	(cd "$D/b" && exec setpriv --reuid "$RANGED" --regid "$(id -g "$RANGED")" --clear-groups unshare -Ur --map-auto sleep 4242 3>&-) &
	JOB=$!
	wait_for holds_namespace "$JOB"
	edit --arg p "/proc/$JOB/ns/user" 'del(.linux.uidMappings, .linux.gidMappings)
		| .linux.namespaces |= map(if .type == "user" then .path = $p else . end)'
	run u "$D/vzrun" run r
	kill "$JOB"
	wait "$JOB" || true
	ok
	[ "${lines[0]}" = 0 ]
	[ "${#lines[@]}" -eq 3 ]
}
holds_namespace() { [ "$(wc -l <"/proc/$1/uid_map")" = 2 ]; }

@test "exec from where the kernel lets nobody into the group (v2): outside of it, and said" {
	local tree=/sys/fs/cgroup/unified
	v1 || tree=/sys/fs/cgroup
	[ -e "$tree/cgroup.procs" ] || skip "kernel: no cgroup v2 tree is mounted"
	local own=$tree/vzt$$
	mkdir "$own"
	chown -R "$WHO" "$own"
	edit '.process.args = ["sleep", "4242"] | del(.linux.resources) | .linux.namespaces |= map(select(.type != "cgroup"))'
	within() { (echo $BASHPID >"$own/cgroup.procs" && u "$@"); }
	within "$D/vzrun" run -d r >/dev/null 2>&1 || { rmdir "$own"; return 1; }
	local group inside
	group=$(awk -F: '$1 == 0 { print $3 }' "/proc/$(u "$D/vzrun" state r | jq .pid)/cgroup")
	run within "$D/vzrun" exec r cat /proc/self/cgroup
	inside=$output
	run u "$D/vzrun" exec r cat /proc/self/cgroup
	u "$D/vzrun" delete -f r
	wait_for rmdir "$own"
	[ "$group" = "/vzt$$/vzrun-r" ]
	ok
	has "vzrun: warning: r: the process runs outside of the container's cgroup: $tree/cgroup.procs is not ours to write"
	hasnt "0::/vzt$$"
	[[ "$inside" == *"0::/vzt$$/vzrun-r"* ]]
	[[ "$inside" != *warning* ]]
}
