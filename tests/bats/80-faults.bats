#!/usr/bin/env bats
# A failure injected at every point of every command, and SIGKILL at every point: nothing may be left.
load helpers

setup_file() {
	need_engine
	[ -x "$BUILD/fault/vzrun" ] || { echo "no build/fault/vzrun: make FAULT=1" >&2; return 1; }
}
setup() { engine_setup; F=$BUILD/fault/vzrun; args sleep 300; }
teardown() { engine_teardown; }

f() { (cd "$B" && exec "$F" --root "$ROOT" "$@" </dev/null); }
# What the first process passes once `create` has let go of it is no part of create, whether or not it is on the list yet.
points() {
	local list=$BATS_TEST_TMPDIR/points
	: >"$list"
	VZRUN_FAULT_LOG=$list f "$@" >/dev/null 2>&1 || true
	[ "$1" != create ] || sed -i '/ wait for the start$/,$d' "$list"
	wc -l <"$list"
}
name() { sed -n "$1p" "$BATS_TEST_TMPDIR/points"; }
clean() { wait_for nothing_left 2>/dev/null || { echo "point $1 ($(name "$1")): left $(state_left) $(groups_left) $(processes_left)"; return 1; }; }
# one line on standard error that names the fault
told() { [ "$status" -ne 0 ] && [[ "$output" == *"injected fault: "* ]] && [ "${#lines[@]}" = 1 ] || { echo "point $1 ($(name "$1")): $status: $output"; return 1; }; }

@test "create: every point fails clearly and leaves nothing" {
	n=$(points create "$ID"); vz delete -f "$ID"
	[ "$n" -gt 30 ]
	for i in $(seq "$n"); do
		VZRUN_FAULT=$i run f create "$ID"
		told "$i"
		clean "$i"
	done
}

@test "create: killed at every point, delete -f leaves nothing" {
	n=$(points create "$ID"); vz delete -f "$ID"
	for i in $(seq "$n"); do
		VZRUN_KILL=$i run f create "$ID"
		[ "$status" -ne 0 ] || { echo "point $i ($(name "$i")) did not kill"; false; }
		vz delete -f "$ID"
		clean "$i"
		v create "$ID"
		vz delete -f "$ID"
	done
}

@test "create with idmapped and copied-up mounts: failed and killed at every point" {
	mkdir -p "$BATS_TEST_TMPDIR/vol" "$B/rootfs/data/sub"; echo text >"$B/rootfs/data/sub/f"
	cfg --arg v "$BATS_TEST_TMPDIR/vol" '.mounts += [{destination: "/data", type: "tmpfs", source: "t", options: ["tmpcopyup"]},
		{destination: "/v", type: "bind", source: $v, options: ["bind", "idmap=uids=0-1-9;gids=0-1-9"]}]'
	n=$(points create "$ID"); vz delete -f "$ID"
	grep -q "ids of a mount" "$BATS_TEST_TMPDIR/points"
	for i in $(seq "$n"); do
		VZRUN_FAULT=$i run f create "$ID"
		told "$i"
		clean "$i"
		VZRUN_KILL=$i run f create "$ID"
		[ "$status" -ne 0 ]
		vz delete -f "$ID"
		clean "$i"
		# nor the process that held the mount's user namespace
		wait_for eval '! pgrep -f -- "--root $ROOT "'
	done
}

@test "run: every point fails clearly and leaves nothing" {
	args /bin/true
	n=$(points run "$ID")
	for i in $(seq "$n"); do
		VZRUN_FAULT=$i run f run "$ID"
		[ "$status" -ne 0 ] || { echo "point $i ($(name "$i")): status 0"; false; }
		vz delete -f "$ID"
		clean "$i"
	done
}

@test "run: killed at every point, delete -f leaves nothing" {
	n=$(points create "$ID"); vz delete -f "$ID"
	args /bin/true
	for i in $(seq "$((n + 10))"); do
		VZRUN_KILL=$i run f run "$ID"
		vz delete -f "$ID"
		clean "$i"
	done
}

@test "with hooks and a user namespace, too" {
	cfg '.hooks = {createRuntime: [{path: "/bin/true"}], createContainer: [{path: "/bin/true"}]} | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"
	n=$(points create "$ID"); vz delete -f "$ID"
	for i in $(seq "$n"); do
		VZRUN_FAULT=$i run f create "$ID"
		told "$i"
		VZRUN_KILL=$i run f create "$ID"
		vz delete -f "$ID"
		clean "$i"
	done
}

@test "exec: every point, failed and killed; the container lives on" {
	create; vz start "$ID"
	n=$(points exec "$ID" true)
	[ "$n" -gt 30 ]
	for i in $(seq "$n"); do
		VZRUN_FAULT=$i run f exec "$ID" true
		told "$i"
		[ "$status" = 255 ]
		VZRUN_KILL=$i run f exec "$ID" true
	done
	one() { [ "$(vz ps -f json "$ID" | jq length)" = 1 ]; }
	wait_for one
	[ "$(status_of)" = running ]
}

@test "start and delete: failed and killed at every point, delete -f ends it" {
	create
	n=$(points start "$ID"); vz delete -f "$ID"
	for i in $(seq "$n"); do
		for how in FAULT KILL; do
			create
			run env "VZRUN_$how=$i" "$F" --root "$ROOT" start "$ID"
			vz delete -f "$ID"
			clean "$i"
		done
	done
	create; n=$(points delete -f "$ID")
	for i in $(seq "$n"); do
		for how in FAULT KILL; do
			create
			run env "VZRUN_$how=$i" "$F" --root "$ROOT" delete -f "$ID"
			vz delete -f "$ID"
			clean "$i"
		done
	done
}

@test "killed at any moment, by time" {
	for i in $(seq 60); do
		timeout -s KILL "0.$(printf %03d $((i / 4 + 1)))" "$VZ" --root "$ROOT" create -b "$B" "$ID" </dev/null >/dev/null 2>&1 || true
		vz delete -f "$ID"
	done
	wait_for nothing_left
}

@test "40 at once: created, started, deleted, all of them" {
	for i in $(seq 40); do
		(v create "$ID-$i" && vz start "$ID-$i" && vz delete -f "$ID-$i") 3>&- >"$BATS_TEST_TMPDIR/out.$i" 2>&1 &
		P[i]=$!
	done
	for i in $(seq 40); do
		ended "${P[i]}"
		[ "$status" = 0 ] || { echo "$i: $(cat "$BATS_TEST_TMPDIR/out.$i")"; bad=1; }
	done
	[ -z "$bad" ]
	wait_for nothing_left
}

@test "one id created by 8 and deleted by 4 at once leaves nothing, or one that works" {
	for round in $(seq 12); do
		for i in 1 2 3 4 5 6 7 8; do v create "$ID" >/dev/null 2>&1 3>&- & P[i]=$!; done
		for i in 9 10 11 12; do vz delete -f "$ID" >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- & P[i]=$!; done
		for i in $(seq 12); do
			ended "${P[i]}"
			[ "$i" -lt 9 ] || [ "$status" = 0 ] || { cat "$BATS_TEST_TMPDIR/out.$i"; false; }
		done
		[ "$(vz list -q | wc -l)" -le 1 ]
		[ -z "$(vz list -q)" ] || [ "$(status_of)" = created ]
		vz delete -f "$ID"
		wait_for nothing_left || { groups_left; state_left; processes_left; false; }
	done
}
