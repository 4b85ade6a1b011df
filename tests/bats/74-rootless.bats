#!/usr/bin/env bats
# A user without any privilege: only its own id is mapped, no cgroup is its own.
load helpers

setup_file() { need_engine; }

setup() {
	# bats's own directory is root's alone
	D=$(mktemp -d /tmp/vzrun-rootless.XXXXXX)
	mkdir "$D/run" "$D/b"
	cp "$VZ" "$D/vzrun"
	make_rootfs "$D/b/rootfs"
	chown -R 65534:65534 "$D"
	chmod 755 "$D" "$D/vzrun"
	chmod 700 "$D/run"
	u "$D/vzrun" spec --rootless -b "$D/b"
	C=$D/b/config.json
}

teardown() {
	u "$D/vzrun" delete -f r 2>/dev/null || true
	if pgrep -f "^$D/|sleep 4242" >/dev/null; then echo "processes are left"; return 1; fi
	rm -rf "$D"
}

u() { (cd "$D/b" && XDG_RUNTIME_DIR=$D/run exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@" </dev/null 3>&-); }
edit() { jq "$@" <"$C" >"$D/new.json"; cat "$D/new.json" >"$C"; }

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

@test "a limit that the user cannot set is refused by name" {
	edit '.process.terminal = false | .process.args = ["true"] | .linux.resources = {memory: {limit: 33554432}}'
	run u "$D/vzrun" run r
	[ "$status" -eq 1 ]
	[[ "$output" == *memory* ]]
	[ ! -e "$D/run/vzrun/r" ]
}
