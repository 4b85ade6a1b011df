#!/usr/bin/env bats
# Network devices of the host that are lent to a container.
load helpers

setup_file() { need_engine; command -v ip nsenter >/dev/null || { echo "missing programs: make deps" >&2; return 1; }; }
setup() {
	engine_setup
	A=vz$((BASHPID % 100000))a P=vz$((BASHPID % 100000))p
	ip link add "$A" type veth peer name "$P" || skip "kernel: no veth"
	ip link set "$A" mtu 1400
}
teardown() {
	engine_teardown
	ip link delete "$A" 2>/dev/null || ip link delete "$P" 2>/dev/null || true
}

inside() { sh_ "$1"; go; ok; }
devices() { cfg --arg a "$A" --argjson d "$1" '.linux.netDevices = {($a): $d}'; }
has_caps() { cfg '.process.capabilities.bounding += ["CAP_NET_ADMIN"]'; }
on_host() { ip -o addr show "$1" 2>/dev/null; }

@test "a device is there under its own name, up, with its MAC and MTU, and gone from the host" {
	mac=$(cat "/sys/class/net/$A/address")
	devices '{}'
	sh_ "cat /sys/class/net/$A/address /sys/class/net/$A/mtu; ip link show $A | grep -o '[<,]UP[,>]'; sleep 300"
	bg run "$ID" >"$BATS_TEST_TMPDIR/out"
	wait_for grep -q UP "$BATS_TEST_TMPDIR/out"
	[ "$(head -2 "$BATS_TEST_TMPDIR/out")" = "$mac
1400" ]
	[ ! -e "/sys/class/net/$A" ]
	vz kill "$ID" KILL
	ended "$JOB"
}

@test "its permanent global addresses of both families go with it, under a new name" {
	ip addr add 10.98.7.2/24 brd 10.98.7.255 dev "$A"
	ip addr add 10.98.7.3/24 dev "$A"
	ip addr add 10.98.8.1 peer 10.98.8.2/32 dev "$A"
	ip addr add 10.98.9.1/24 scope link dev "$A"
	ip addr add fd98::5/64 dev "$A" nodad
	ip addr add 10.98.7.9/24 valid_lft 1000 preferred_lft 1000 dev "$A"
	devices '{"name": "lan"}'
	inside 'ip -o addr show lan | tr -s " "'
	has "inet 10.98.7.2/24 brd 10.98.7.255 scope global lan"
	has "inet 10.98.7.3/24 scope global secondary lan"
	has "inet 10.98.8.1 peer 10.98.8.2/32 scope global lan"
	has "inet6 fd98::5/64 scope global"
	hasnt 10.98.9.1
	hasnt 10.98.7.9
}

@test "a name with %d is numbered inside" {
	devices '{"name": "eth%d"}'
	cfg --arg p "$P" '.linux.netDevices += {($p): {name: "eth%d"}}'
	inside 'ls /sys/class/net'
	says "eth0
eth1
lo"
}

@test "a name that is taken inside: the device stays as it was" {
	ip addr add 10.98.7.2/24 dev "$A"; ip link set "$A" up
	before=$(on_host "$A")
	devices '{"name": "lo"}'
	go
	fails 1 "linux.netDevices.$A: the name \"lo\" is taken there"
	[ "$(on_host "$A")" = "$before" ]
}

@test "a creation that fails later brings the devices back, as they were" {
	ip addr add 10.98.7.2/24 dev "$A"; ip addr add fd98::5/64 dev "$A" nodad; ip link set "$A" up
	devices '{"name": "lan"}'
	cfg --arg p "$P" '.linux.netDevices += {($p): {name: "wan"}}'
	for edit in '.hooks.createRuntime = [{path: "/bin/false"}]' '.process.args = ["/nothing"]' \
		    '.hooks.createRuntime = [] | .linux.netDevices.nosuchdev = {}'; do
		cfg "$edit"
		run v create "$ID"
		[ "$status" = 1 ]
		on_host "$A" | grep -q 10.98.7.2/24
		on_host "$A" | grep -q fd98::5/64
		ip link show "$A" | grep -q '[<,]UP[,>]'
		ip link show "$P" | grep -q "[<,]UP[,>]" && return 1
		nothing_left
	done
}

@test "killed at any point of the creation: the devices come back, as they were, or are the container's" {
	local f=$BUILD/fault/vzrun log=$BATS_TEST_TMPDIR/log n first
	[ -x "$f" ] || { echo "no $f: make FAULT=1"; return 1; }
	ip addr add 10.98.7.2/24 dev "$A"; ip link set "$A" up
	devices '{"name": "lan"}'
	sh_ 'sleep 300'
	faulty() { (cd "$B" && exec env "$1" "$f" --root "$ROOT" create "$ID" </dev/null >/dev/null 2>&1 3>&-); }
	faulty VZRUN_FAULT_LOG="$log"
	[ ! -e "/sys/class/net/$A" ]
	# What has a container in its place is the kernel's; here it goes back by hand.
	back() { nsenter -t "$(pid_of)" -n ip link set lan netns 1 name "$A" && ip addr add 10.98.7.2/24 dev "$A" && ip link set "$A" up; }
	back
	remake() { ip link add "$A" type veth peer name "$P" && ip addr add 10.98.7.2/24 dev "$A" && ip link set "$A" up; }
	vz delete -f "$ID"
	as_it_was() { on_host "$A" | grep -q 10.98.7.2/24 && ip link show "$A" | grep -q '[<,]UP[,>]'; }
	first=$(sed -n 's/ device moved$//p' "$log" | head -1)
	for n in $(seq "$first" "$(wc -l <"$log")"); do
		# Of the runtime, or of the container's process: then the runtime rolls back. Which comes when is chance.
		run faulty VZRUN_KILL="$n"
		# A process that was killed after it was ready took them along: they were its container's.
		[ "$status" -ne 0 ] || back 2>/dev/null || wait_for remake
		wait_for as_it_was || { echo "killed at $n: $(sed -n "${n}p" "$log")"; return 1; }
		vz delete -f "$ID"
		wait_for nothing_left
	done
}

@test "a network namespace by path: the device stays in it when the container ends" {
	ip netns add "$ID"
	devices '{"name": "lan"}'
	cfg --arg n "/var/run/netns/$ID" '.linux.namespaces |= map(if .type == "network" then .path = $n else . end)'
	inside 'cat /sys/class/net/lan/mtu'
	says 1400
	run ip netns exec "$ID" ls /sys/class/net
	has lan
	ip netns delete "$ID"
}

@test "a user namespace" {
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"; chmod 755 "$BATS_TEST_TMPDIR" "$B"
	ip addr add 10.98.7.2/24 dev "$A"
	devices '{"name": "lan"}'
	inside 'ip -o addr show lan'
	has 10.98.7.2/24
}

@test "devices that do not move are named" {
	ip link add "$ID" type bridge 2>/dev/null || skip "kernel: no bridges"
	ip link delete "$ID"
	cfg '.linux.netDevices = {lo: {name: "x"}}'
	go
	[ "$status" = 1 ]
	has "linux.netDevices.lo: lo cannot be moved"
}
