#!/usr/bin/env bats
# "vzrun.networks" of a plain bundle: claimed at create, given back at delete, whatever happens in between. The host
# is a network namespace of the test's own. Needs root.
load helpers

setup_file() { need_engine; }
setup() {
	engine_setup
	export VZRUN_LIBEXEC=${VZRUN_LIBEXEC:-$BUILD}
	unshare -n sleep 600 3>&- &
	HOST=$!
	wait_for eval '[ "$(readlink "/proc/$HOST/ns/net")" != "$(readlink /proc/self/ns/net)" ]'
	h ip link set lo up
	cfg '.vzrun = {networks: [{}]}'
	args sleep 1000
}
teardown() {
	local id
	for id in $(n list -q 2>/dev/null); do n delete -f "$id" >/dev/null 2>&1; done
	kill -9 "$HOST"
	leaks
}
h() { nsenter -t "$HOST" -n -- "$@"; }
n() { (cd "$B" && exec nsenter -t "$HOST" -n -- "${ENGINE:-$VZ}" --root "${STATE:-$ROOT}" "$@" </dev/null); }
records() { ls "$VZRUN_HOME/networks/.guests"; }
links() { find "$VZRUN_HOME/networks" -type l | wc -l; }
table() { h nft list tables | awk '/bridge/ { print $3 }'; }
ports() { h nft list set bridge "$(table)" ports; }
inside() { nsenter -t "$(n state "$ID" | jq .pid)" -n -- "$@"; }
no_port() { [ -z "$(h ip -o link | grep ': vz[0-9a-f]\{9\}')" ]; }
# The kernel takes a pair apart with its namespace, a moment later.
nothing_held() { [ -z "$(records)" ] && [ "$(links)" = 0 ] && ! ports | grep -q elements && wait_for no_port; }

@test "create has it, delete gives it back; state and recover need no word of it" {
	n create "$ID"
	[ "$(records)" = "$ID@$(records | sed 's/.*@//')" ]
	[ "$(links)" = 3 ]
	ports | grep -q "comment \"$ID@"
	inside ip -o addr show eth0 | grep -q "inet 10.77.0.2/16"
	inside ip -o -6 addr show eth0 | grep -q "inet6 fd77:.*::2/64"
	inside ping -c 1 -W 2 10.77.0.1
	n start "$ID"
	inside ping -c 1 -W 2 10.77.0.1
	n kill "$ID" KILL
	wait_for eval '[ "$(n state "$ID" | jq -r .status)" = stopped ]'
	[ "$(links)" = 3 ]
	n delete "$ID"
	nothing_held
}

@test "run gives it back, too; a VZRUN_HOME of another moment is not asked" {
	args ip -o addr show eth0
	run n run "$ID"
	ok
	has "inet 10.77.0.2/16"
	nothing_held
	args sleep 1000
	n create "$ID"
	VZRUN_HOME=/nonexistent n delete -f "$ID"
	nothing_held
}

@test "several networks, addresses and names that are asked for; the same id below two roots" {
	n network create blue --subnet 10.99.0.0/24 --subnet6 none
	cfg '.vzrun.networks = [{ip: "10.77.0.9", mac: "02:00:00:00:00:09"}, {network: "blue", name: "lan", ip: "10.99.0.7"}]'
	n create "$ID"
	inside ip -o link show eth0 | grep -q 02:00:00:00:00:09
	inside ip -o addr show lan | grep -q "inet 10.99.0.7/24"
	mkdir "$BATS_TEST_TMPDIR/other"
	cfg '.linux.cgroupsPath = "/vzrun-'"$ID"'-other"'
	STATE=$BATS_TEST_TMPDIR/other run n create "$ID"
	[ "$status" -ne 0 ]
	has "vzrun.networks: address 10.77.0.9 of network default is in use by $ID@"
	cfg '.vzrun.networks = [{}]'
	STATE=$BATS_TEST_TMPDIR/other n create --pid-file "$BATS_TEST_TMPDIR/pid" "$ID"
	[ "$(records | wc -l)" = 2 ]
	nsenter -t "$(cat "$BATS_TEST_TMPDIR/pid")" -n -- ping -c 1 -W 2 10.77.0.9
	run n network rm blue
	[ "$status" -eq 5 ]
	has "is in use by $ID@"
	STATE=$BATS_TEST_TMPDIR/other n delete -f "$ID"
	n delete -f "$ID"
	nothing_held
	n network rm blue
}

@test "what is wrong is named by its place, and nothing is made" {
	wrong() {
		local place=$1
		cfg "$2"
		run n create "$ID"
		[ "$status" -ne 0 ]
		has "$place"
		[ "${#lines[@]}" -le 3 ]
		[ ! -e "$ROOT/$ID" ]
	}
	wrong 'vzrun.networks[0].ip: 10.0.0.300 is not an IPv4 address' '.vzrun.networks = [{ip: "10.0.0.300"}]'
	wrong 'vzrun.networks[1].network: not the name of a network' '.vzrun.networks = [{}, {network: "\"; drop"}]'
	wrong 'vzrun.networks: expected an array' '.vzrun.networks = 5'
	wrong 'vzrun.networks: network nope does not exist' '.vzrun.networks = [{network: "nope"}]'
	wrong 'vzrun.networks[0].kind: a link of the host' '.vzrun.networks = [{kind: "physical", parent: "up0"}]'
	wrong 'config.json: vzrun.firewall: is for guests' '.vzrun.networks = [{}] | .vzrun.firewall = [{action: "deny"}]'
	wrong 'vzrun.networks: needs a new network namespace' 'del(.vzrun.firewall) | .vzrun.networks = [{}] | .linux.namespaces |= map(select(.type != "network"))'
	[ ! -e "$VZRUN_HOME/networks/.guests" ] || [ -z "$(records)" ]
}

@test "linux.netDevices stays the specification's" {
	h ip link add dev0 type veth peer name dev1
	cfg '.linux.netDevices = {dev0: {name: "given"}}'
	n create "$ID"
	inside ip link show given
	inside ip link show eth0
	n delete -f "$ID"
	nothing_held
}

@test "create, failed and killed at each point: delete -f leaves nothing, and the id is free" {
	[ -x "$BUILD/fault/vzrun" ] || { echo "no $BUILD/fault/vzrun: make FAULT=1 all" >&2; return 1; }
	# The network is there: what is swept is the container.
	n create "$ID"
	n delete -f "$ID"
	local how point rc
	for how in FAULT KILL; do
		for point in $(seq 200); do
			rc=0
			(cd "$B" && exec nsenter -t "$HOST" -n -- env "VZRUN_$how=$point" VZRUN_LIBEXEC="$BUILD/fault" \
				"$BUILD/fault/vzrun" --root "$ROOT" create "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1) || rc=$?
			[ "$rc" -ne 0 ] || break
			[ "$how" = KILL ] || [ ! -e "$ROOT/$ID" ] || { echo "$how=$point"; cat "$BATS_TEST_TMPDIR/out"; return 1; }
			n delete -f "$ID" || { echo "$how=$point"; return 1; }
			nothing_held || { echo "$how=$point left: $(records) $(links) $(ports)"; return 1; }
		done
		[ "$point" -gt 20 ]
		echo "# $how: $((point - 1)) points" >&3
		n delete -f "$ID"
		nothing_held
	done
}

@test "delete, killed at each point: the next one finishes" {
	[ -x "$BUILD/fault/vzrun" ] || { echo "no $BUILD/fault/vzrun: make FAULT=1 all" >&2; return 1; }
	local point rc
	for point in $(seq 100); do
		n create "$ID"
		rc=0
		(cd "$B" && exec nsenter -t "$HOST" -n -- env "VZRUN_KILL=$point" VZRUN_LIBEXEC="$BUILD/fault" \
			"$BUILD/fault/vzrun" --root "$ROOT" delete -f "$ID" </dev/null >/dev/null 2>&1) || rc=$?
		n delete -f "$ID"
		nothing_held || { echo "KILL=$point left: $(records) $(links) $(ports)"; return 1; }
		[ "$rc" -ne 0 ] || break
	done
	[ "$point" -gt 3 ]
	echo "# $((point - 1)) points" >&3
}
