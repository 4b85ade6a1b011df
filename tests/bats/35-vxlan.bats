#!/usr/bin/env bats
# One segment on two hosts. Each host is a network namespace with a VZRUN_HOME of its own; the link between them stands
# for the network. Needs root.

setup() {
	[ "$(id -u)" = 0 ] || { echo "needs root" >&2; return 1; }
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export VZRUN_LIBEXEC=${VZRUN_LIBEXEC:-$PWD/build}
	# No dnsmasq: it would outlive the namespaces (38-names.bats is about it).
	export VZRUN_DNSMASQ=/nonexistent
	VZ=${VZRUN:-$PWD/build/vzrun}
	T=${NETTOOL:-$PWD/build/tools/nettool}
	D=$(mktemp -d "${BATS_TMPDIR:-/tmp}/vzvx.XXXXXX")
	PIDS=()
	space ONE
	space TWO
	in_ns "$ONE" ip link add up0 type veth peer name up0 netns "$TWO"
	local i=1 p
	for p in "$ONE" "$TWO"; do
		in_ns "$p" ip link set lo up
		in_ns "$p" ip addr add 192.0.2.$i/24 dev up0
		in_ns "$p" ip addr add 2001:db8::$i/64 dev up0 nodad
		in_ns "$p" ip link set up0 up
		i=$((i + 1))
	done
	if ! in_ns "$ONE" ip link add vxprobe type vxlan id 1 dstport 4788; then
		skip "kernel: no vxlan"
	fi
	in_ns "$ONE" ip link del vxprobe
}

teardown() {
	local p

	for p in "${PIDS[@]}"; do
		kill -9 "$p" 2>/dev/null
	done
	rm -rf "$D"
}

# A namespace held by a sleeping process, its pid in the variable $1.
space() {
	local want

	unshare -n sleep 300 3>&- &
	PIDS+=("$!")
	printf -v "$1" %s "$!"
	want=$(readlink /proc/self/ns/net)
	for _ in {1..200}; do
		[ "$(readlink "/proc/$!/ns/net")" = "$want" ] || return 0
		sleep 0.01
	done
	return 1
}

in_ns() { nsenter -t "$1" -n -- "${@:2}"; }
one() { in_ns "$ONE" env VZRUN_HOME="$D/one" "$VZ" "$@"; }
two() { in_ns "$TWO" env VZRUN_HOME="$D/two" "$VZ" "$@"; }

# guest VAR one|two NAME [NIC]: a guest of network seg on that host
guest() {
	local host=$ONE

	[ "$2" = one ] || host=$TWO
	space "$1"
	in_ns "$host" "$T" up "$D/$2" "$3" "${!1}" "network=seg${4:+,$4}" >"$D/$3.ports"
}
ip4_of() { awk 'NR == 1 { sub("/.*", "", $5); print $5 }' "$D/$1.ports"; }
ip6_of() { awk 'NR == 1 { sub("/.*", "", $6); print $6 }' "$D/$1.ports"; }
mac_of() { awk 'NR == 1 { print $7 }' "$D/$1.ports"; }
port_of() { awk 'NR == 1 { print $3 }' "$D/$1.ports"; }
tunnel_of() { in_ns "$1" ip -o link show type vxlan | sed -E 's/^[0-9]+: ([^:@]+).*/\1/'; }

mtu_of() { in_ns "$1" ip -o link show "$2" | sed -E 's/.* mtu ([0-9]+) .*/\1/'; }
link_mac() { in_ns "$1" ip -o link show "$2" | sed -E 's/.*ether ([0-9a-f:]+) .*/\1/'; }

pings() { in_ns "$1" ping -c 1 -W 3 "${@:2}" >/dev/null; }
not_pings() { ! in_ns "$1" ping -c 1 -W 1 "${@:2}" >/dev/null 2>&1; }

# segment 4|6: network seg on both hosts, each with its half of the addresses
segment() {
	local a=192.0.2.1 b=192.0.2.2

	[ "$1" = 4 ] || a=2001:db8::1 b=2001:db8::2
	one network create seg --subnet 10.66.0.0/24 --subnet6 fd66::/64 --pool 10.66.0.2-10.66.0.99 --vxlan 66 --peer $b
	two network create seg --subnet 10.66.0.0/24 --subnet6 fd66::/64 --pool 10.66.0.100-10.66.0.199 --vxlan 66 --peer $a
}

# big PID SIZE ADDRESS: one packet of exactly SIZE bytes of IP, not to be fragmented, gets there and back
big() {
	local head=28

	[[ $3 != *:* ]] || head=48
	pings "$1" -M "do" -s $(($2 - head)) "$3"
}

each_other() {
	local mtu=$1 g

	for g in A B; do
		[ "$(mtu_of "${!g}" eth0)" = "$mtu" ]
	done
	for to in "$(ip4_of b)" "$(ip6_of b)"; do
		pings "$A" "$to"
		big "$A" "$mtu" "$to"
	done
	pings "$B" "$(ip4_of a)"
}

@test "guests of two hosts are on one segment; the MTU is right at both ends (IPv4 between the hosts)" {
	segment 4
	guest A one a
	guest B two b
	[ "$(ip4_of a)" = 10.66.0.2 ]
	[ "$(ip4_of b)" = 10.66.0.100 ]
	[ "$(ip6_of b)" = fd66::64 ]
	each_other 1450
}

@test "the same over IPv6" {
	segment 6
	guest A one a
	guest B two b
	each_other 1430
}

@test "the MTU follows the way to the peers; more than it takes is refused" {
	in_ns "$ONE" ip link set up0 mtu 9000
	in_ns "$TWO" ip link set up0 mtu 9000
	run one network create seg --subnet 10.66.0.0/24 --mtu 8951 --vxlan 66 --peer 192.0.2.2
	[ "$status" -eq 10 ]
	[ "$output" = "vzrun: network seg: mtu: the way to the peers takes at most 8950" ]
	segment 4
	guest A one a
	guest B two b
	each_other 8950
}

@test "each guest's gateway is its own host; the other's does not answer through the tunnel" {
	segment 4
	guest A one a
	guest B two b
	pings "$A" 10.66.0.1
	pings "$B" 10.66.0.1
	# Whoever answers, it is the own bridge.
	for g in A B; do
		[ "$g" = A ] && host=$ONE || host=$TWO
		in_ns "${!g}" ip neigh flush all
		pings "${!g}" 10.66.0.1
		in_ns "${!g}" ip neigh show 10.66.0.1 | grep -q " $(link_mac "$host" vzbr0) "
	done
}

@test "what a tunnel cannot be: peers without a way, this host itself, a VNI in use" {
	run one network create seg --subnet 10.66.0.0/24 --vxlan 66 --peer 198.51.100.1
	[ "$status" -eq 10 ]
	[ "$output" = "vzrun: network seg: vxlan: peers[0]: the host has no route to 198.51.100.1" ]
	run one network create seg --subnet 10.66.0.0/24 --vxlan 66 --peer 192.0.2.2 --peer 192.0.2.1
	[ "$status" -eq 10 ]
	[ "$output" = "vzrun: network seg: vxlan: peers[1]: 192.0.2.1 is this host's own address" ]
	[ ! -e "$D/one/networks/seg.json" ]
	segment 4
	run one network create other --vxlan 66 --peer 192.0.2.2
	[ "$status" -eq 12 ]
	[ "$output" = "vzrun: network other: vxlan: VNI 66 on port 4789 is in use on this host" ]
	[ ! -e "$D/one/networks/other.json" ]
	[ "$(in_ns "$ONE" ip -o link show type bridge | wc -l)" = 1 ]
}

@test "removed, nothing is left" {
	in_ns "$ONE" ip -o link >"$D/before"
	segment 4
	[ -n "$(tunnel_of "$ONE")" ]
	one network rm seg
	in_ns "$ONE" ip -o link | diff "$D/before" -
	[ -z "$(in_ns "$ONE" nft list tables)" ]
}
