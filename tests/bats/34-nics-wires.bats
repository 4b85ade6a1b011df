#!/usr/bin/env bats
# Interfaces of a guest that are not a network's: macvlan, ipvlan, and a physical one that is lent.
load nics

setup_file() { need_guests busybox; }
setup() { nics_setup; }
teardown() { nics_teardown; }

# A wire to another machine: p0 here, p1 there, 10.99.0.1.
wire() {
	space THERE
	h ip link add p0 type veth peer name p1 netns "$THERE"
	h ip link set p0 alias "the administrator's"
	h ip link property add dev p0 altname uplink
	h ip addr add 10.99.0.7/24 dev p0
	h ip addr add fd99::7/64 dev p0 nodad
	# A line to one neighbour; what some manager of networks sets.
	h ip addr add 10.98.0.7 peer 10.98.0.8/32 dev p0
	h ip addr add 10.97.0.7/24 brd + dev p0 metric 300
	h ip addr add fd97::7/64 dev p0 nodad noprefixroute
	h ip link set p0 up
	in_ns "$THERE" ip addr add 10.99.0.1/24 dev p1
	in_ns "$THERE" ip link set p1 up
}
wire_state() {
	h ip -o link show p0 | sed 's/^[0-9]*: //; s/state.*mode/mode/'
	h ip -o addr show p0 | grep -v fe80 | sed 's/^[0-9]*: //'
}

as_it_was() { diff <(wire_state) - <<<"$was"; }

@test "physical: with all its other names, however many the guest took off" {
	wire
	for i in {1..150}; do echo "link property add dev p0 altname other$i"; done >"$BATS_TEST_TMPDIR/names"
	h ip -batch "$BATS_TEST_TMPDIR/names"
	local was
	was=$(wire_state)
	guest_on '' --net red
	vz nic add "$G" --physical p0 --name phys0 >/dev/null
	sed 's/add dev p0/del dev phys0/' "$BATS_TEST_TMPDIR/names" >"$BATS_TEST_TMPDIR/off"
	in_guest "$G" ip -batch "$BATS_TEST_TMPDIR/off"
	vz nic rm "$G" phys0 >/dev/null
	as_it_was
}

@test "physical: addresses of IPv6 come back in their order, wherever the kernel puts a new one, and whichever are there" {
	local was i order
	wire
	for i in 1 2 3; do h ip addr add fd96::$i/64 dev p0 nodad; done
	was=$(wire_state)
	guest_on '' --net red
	vz nic add "$G" --physical p0 --name phys0 >/dev/null
	vz nic rm "$G" phys0 >/dev/null
	as_it_was
	h ip addr add fd95::1/64 dev p0 nodad
	# Not the order in which a kernel has them that puts a new one before, or behind, the others.
	for order in "1 2 3" "3 2 1" "2 3 1" "1"; do
		for i in 1 2 3; do h ip addr del fd96::$i/64 dev p0; done
		for i in $order; do h ip addr add fd96::$i/64 dev p0 nodad; done
		h "$BUILD/tools/nettool" giveback p0 10.96.0.7/24 fd96::2/64 fd96::3/64 fd96::1/64
		[ "$(h ip -o addr show p0 | grep -o 'fd96::./64' | tr -d '\n')" = fd96::2/64fd96::3/64fd96::1/64 ]
		[[ "$(h ip -o addr show p0)" = *10.96.0.7/24*fd95::1/64* ]]
	done
}

@test "macvlan: live, over a restart, gone with the guest" {
	wire
	guest_on '' --net red
	vz nic add "$G" --macvlan p0 --ip 10.99.0.5/24 --name mv0 >/dev/null
	pings "$G" 10.99.0.1
	[ "$(nic '' mv0 kind)" = macvlan ]
	vz restart -k "$G" >/dev/null
	pings "$G" 10.99.0.1
	[[ "$(routes)" == "default via 10.120.0.1 dev eth0"* ]]
	vz nic rm "$G" mv0 >/dev/null
	not in_guest "$G" ip link show mv0
	[ ! -e "$VZRUN_HOME/guests/$G/links.json" ]
}

@test "macvlan: the namespace that somebody holds keeps no MAC address from the next boot" {
	wire
	guest_on '' --net red
	vz nic add "$G" --macvlan p0 --ip 10.99.0.5/24 --name mv0 >/dev/null
	nsenter --net="/proc/$(init_of "$G")/ns/net" sleep 100 3>&- &
	SPACES+=($!)
	disown
	wait_for apart "$!"
	vz restart -k "$G" >/dev/null
	pings "$G" 10.99.0.1
}

# on MACHINE COMMAND...: where /etc/machine-id says so
on() {
	printf '%032d\n' "$1" >"$BATS_TEST_TMPDIR/machine-id"
	# shellcheck disable=SC2016
	h unshare -m sh -c 'mount --bind "$0" /etc/machine-id && exec "$@"' "$BATS_TEST_TMPDIR/machine-id" "$VZ" --root "$ROOT" "${@:2}"
}

@test "guests of one name on two machines share no MAC address on a wire that both are on" {
	local m macs=()
	[ -e /etc/machine-id ] || skip "host: no /etc/machine-id"
	wire
	for m in 1 2; do
		on "$m" create "$G" --template busybox --memory 64M --net red >/dev/null
		on "$m" nic add "$G" --macvlan p0 --ip 10.99.0.5/24 --name mv0 >/dev/null
		on "$m" start "$G" >/dev/null
		macs+=("$(nic '' eth0 mac)" "$(in_guest "$G" ip -j link show mv0 | jq -r '.[].address')")
		vz destroy -f "$G" >/dev/null
	done
	[ "$(printf '%s\n' "${macs[@]}" | grep -c ^..:..:..:..:..:..$)" -eq 4 ]
	[ "$(printf '%s\n' "${macs[@]}" | sort -u | wc -l)" -eq 4 ]
}

@test "ipvlan: works, or the kernel that lacks it is named" {
	wire
	guest_on '' --net red
	run vz nic add "$G" --ipvlan p0 --ip 10.99.0.5/24
	if [ "$status" -eq 8 ]; then
		says "vzrun: ipvlan eth1: this kernel has no ipvlan"
		[[ "$(state)" != *10.99.0.5* ]]
		skip "kernel: no ipvlan"
	fi
	ok
	pings "$G" 10.99.0.1
}

@test "a physical interface goes in, and comes back with all that it was: rm, stop, without a keeper" {
	wire
	local was keeper init stop
	was=$(wire_state)
	guest_on '' --net red
	vz nic add "$G" --physical p0 --ip 10.99.0.5/24 --name phys0 >/dev/null
	not h ip link show p0
	pings "$G" 10.99.0.1
	vz nic rm "$G" phys0 >/dev/null
	as_it_was
	vz nic add "$G" --physical p0 --ip 10.99.0.5/24 --name phys0 >/dev/null
	# By names that are taken on the host the guest could keep it, and by many that no command lists links any more.
	in_guest "$G" ip link property add dev phys0 altname "$(jq -r .bridge "$VZRUN_HOME/networks/red.json")"
	vz nic rm "$G" phys0 >/dev/null
	as_it_was
	vz nic add "$G" --physical p0 --ip 10.99.0.5/24 --name phys0 >/dev/null
	in_guest "$G" ip link property del dev phys0 altname uplink
	for _ in {1..450}; do echo "link property add dev phys0 altname $(printf 'x%.0s' {1..100})$RANDOM$RANDOM"; done >"$BATS_TEST_TMPDIR/names"
	in_guest "$G" ip -force -batch "$BATS_TEST_TMPDIR/names" 2>/dev/null || true
	[ "$(in_guest "$G" ip -o link show phys0 | grep -o altname | wc -l)" -gt 300 ]
	vz network check
	vz stop -k "$G" >/dev/null
	as_it_was
	vz start "$G" >/dev/null
	# What the guest did to it does not come back.
	in_guest "$G" sh -c 'ip link set phys0 down; ip link set phys0 name evil mtu 1300 address 02:00:00:00:00:99 alias x'
	vz stop -k "$G" >/dev/null
	as_it_was
	vz start "$G" >/dev/null
	pings "$G" 10.99.0.1
	kill -9 "$(keeper_of)"
	vz stop -k "$G" >/dev/null
	as_it_was
	# Killed when it has been asked: what it has not cleared up is done for it.
	vz start "$G" >/dev/null
	keeper=$(keeper_of) init=$(init_of "$G")
	kill -STOP "$keeper"
	vz stop -k "$G" >/dev/null 3>&- &
	stop=$!
	until grep -q '^State:.Z' "/proc/$init/status"; do sleep 0.05; done
	kill -9 "$keeper"
	builtin wait "$stop"
	as_it_was
	# Its name is somebody else's meanwhile: it is back, and that is said.
	vz start "$G" >/dev/null
	h ip link add p0 type bridge
	vz stop -k "$G" >/dev/null
	h ip link show phys0 >/dev/null
	vz --json why "$G" | jq -e '[.events[] | select(.event == "link-lost")][0].detail == "physical p0 is back as phys0: its name is taken"'
	h ip link del p0
	h ip link del phys0
	run vz start "$G"
	refuses 3 "guest \"$G\" not started: physical p0: this host has no such link"
}
