#!/usr/bin/env bats
# One segment on two hosts. Each host is a network namespace with a VZRUN_HOME of its own; the link between them stands
# for the network. Needs root.

load spaces
bats_require_minimum_version 1.5.0

setup() {
	spaces_begin
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

teardown() { spaces_end; }

one() { in_ns "$ONE" env VZRUN_HOME="$D/one" "$VZ" "$@"; }
two() { in_ns "$TWO" env VZRUN_HOME="$D/two" "$VZ" "$@"; }

# guest VAR one|two NAME [NIC]: a guest of network seg on that host
guest() {
	local host=$ONE

	[ "$2" = one ] || host=$TWO
	space "$1"
	in_ns "$host" "$T" up "$D/$2" "$3" "${!1}" "network=seg${4:+,$4}" >"$D/$3.ports"
}
mac_of() { awk 'NR == 1 { print $7 }' "$D/$1.ports"; }
tunnel_of() { in_ns "$1" ip -o link show type vxlan | sed -E 's/^[0-9]+: ([^:@]+).*/\1/'; }

mtu_of() { in_ns "$1" ip -o link show "$2" | sed -E 's/.* mtu ([0-9]+) .*/\1/'; }
link_mac() { in_ns "$1" ip -o link show "$2" | sed -E 's/.*ether ([0-9a-f:]+) .*/\1/'; }


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

# stranger ADDRESS: the second host, without vzrun, with a tunnel of its own from that address, and 10.66.0.50 behind it
stranger() {
	in_ns "$TWO" ip link del evil 2>/dev/null || true
	in_ns "$TWO" ip addr replace "$1/24" dev up0
	in_ns "$TWO" ip link add evil type vxlan id 66 dstport 4789 local "$1" remote 192.0.2.1
	in_ns "$TWO" ip addr add 10.66.0.50/24 dev evil
	in_ns "$TWO" ip link set evil up
}

# claims KIND MAC: a frame out of `evil` that says to be the gateway: arp, na (its addresses), frame (its MAC)
claims() {
	in_ns "$TWO" python3 -c '
import socket, struct, sys
kind, mac = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
own = bytes.fromhex("020000000066")
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("evil", 0))
all = b"\xff" * 6
if kind == "arp":
    f = all + own + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x800, 6, 4, 2) + own + socket.inet_aton("10.66.0.1") \
        + all + socket.inet_aton("10.66.0.1")
elif kind == "na":
    src = socket.inet_pton(socket.AF_INET6, "fd66::1"); dst = socket.inet_pton(socket.AF_INET6, "ff02::1")
    m = struct.pack(">BBHI", 136, 0, 0, 0x20000000) + src + b"\x02\x01" + own
    c = src + dst + struct.pack(">II", len(m), 58) + m
    n = sum(struct.unpack(">%dH" % (len(c) // 2), c))
    while n >> 16: n = (n & 0xffff) + (n >> 16)
    m = m[:2] + struct.pack(">H", ~n & 0xffff) + m[4:]
    f = bytes.fromhex("333300000001") + own + b"\x86\xdd" + struct.pack(">IHBB", 0x60000000, len(m), 58, 255) + src + dst + m
else:
    f = all + mac + b"\x08\x00" + bytes.fromhex("4500001c0000000040110000") + socket.inet_aton("10.66.0.50") \
        + socket.inet_aton("10.66.0.2") + struct.pack(">HHHH", 9, 9, 8, 0)
for i in range(3): s.send(f)
' "$1" "$2"
}
drops() { one network show seg --json | jq "[.drops | to_entries[].value] | add"; }

@test "of all who send to the tunnel's port the peers alone get in" {
	one network create seg --subnet 10.66.0.0/24 --vxlan 66 --peer 192.0.2.2
	guest A one a
	stranger 192.0.2.77
	not_pings "$TWO" -I evil "$(ip4_of a)"
	stranger 192.0.2.2
	pings "$TWO" -I evil "$(ip4_of a)"
	# Another network number is nobody's.
	in_ns "$TWO" ip link del evil
	in_ns "$TWO" ip link add evil type vxlan id 67 dstport 4789 local 192.0.2.2 remote 192.0.2.1
	in_ns "$TWO" ip addr add 10.66.0.50/24 dev evil
	in_ns "$TWO" ip link set evil up
	not_pings "$TWO" -I evil "$(ip4_of a)"
}

@test "who claims to be the gateway on the tunnel is not believed, and counted" {
	one network create seg --subnet 10.66.0.0/24 --subnet6 fd66::/64 --vxlan 66 --peer 192.0.2.2
	guest A one a
	stranger 192.0.2.2
	pings "$TWO" -I evil "$(ip4_of a)"
	gw=$(link_mac "$ONE" vzbr0)
	pings "$A" 10.66.0.1
	pings "$A" fd66::1
	for kind in arp frame; do
		before=$(drops)
		claims $kind "$gw"
		[ "$(drops)" -ge $((before + 3)) ]
	done
	claims na "$gw"
	in_ns "$A" ip neigh show 10.66.0.1 | grep -q " $gw "
	in_ns "$A" ip -6 neigh show fd66::1 | grep -q " $gw "
	# The bridge still knows its own address as its own; where the tunnel believes it to be, no frame goes to.
	run in_ns "$ONE" bridge fdb show br vzbr0
	[ "$status" -eq 0 ]
	[ "$(grep -c "^$gw dev vt.* master " <<<"$output")" = 0 ]
	pings "$A" 10.66.0.1
}

# kept ADDRESS TEXT [SECONDS]: a datagram to port 4000 of the host in a frame that bridges keep to themselves, out of `evil`,
# reaches it
kept() {
	local heard=$D/heard.$RANDOM

	in_ns "$ONE" timeout "${3:-2}" python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 4000)); open(sys.argv[1] + ".ready", "w")
while s.recv(100) != sys.argv[2].encode(): pass
open(sys.argv[1], "w")' "$heard" "$2" 3>&- &
	until [ -e "$heard.ready" ]; do sleep 0.02; done
	in_ns "$TWO" python3 -c '
import socket, struct, sys
data = sys.argv[2].encode()
h = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(data), 1, 0, 64, 17, 0) + socket.inet_aton("203.0.113.9") + socket.inet_aton(sys.argv[1])
n = sum(struct.unpack(">10H", h)); n = (n & 0xffff) + (n >> 16)
f = h[:10] + struct.pack(">H", ~n & 0xffff) + h[12:] + struct.pack(">HHHH", 9, 4000, 8 + len(data), 0) + data
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("evil", 0))
for last in range(16):
    s.send(bytes.fromhex("0180c20000%02x" % last) + bytes.fromhex("020000000066") + b"\x08\x00" + f)' "$1" "$2"
	builtin wait "$!" || true
	[ -e "$heard" ]
}

@test "frames that bridges keep to themselves lead from the tunnel to nothing of the host's, as from a guest's port" {
	one network create seg --subnet 10.66.0.0/24 --vxlan 66 --peer 192.0.2.2
	guest A one a
	stranger 192.0.2.2
	pings "$TWO" -I evil "$(ip4_of a)"
	in_ns "$ONE" sysctl -qw net.ipv4.conf.all.rp_filter=0
	t=$(tunnel_of "$ONE")
	run ! kept 192.0.2.1 guarded
	in_ns "$ONE" ip link set "$t" group default
	run one network check
	[ "$status" -eq 1 ]
	[[ $output == "seg: tunnel $t lets frames to the host past its bridge"* ]]
	kept 192.0.2.1 open
	one network apply
	one network check
	run ! kept 192.0.2.1 mended
	pings "$TWO" -I evil "$(ip4_of a)"
}

@test "check and apply know the tunnel: its link, its peers, its state" {
	segment 4
	guest A one a
	guest B two b
	pings "$A" "$(ip4_of b)"
	one network check
	t=$(tunnel_of "$ONE")
	mend() {
		run one network check
		[ "$status" -eq 1 ] && [[ $output == *"$1"* ]] || { echo "$output"; return 1; }
		one network apply
		one network check
		pings "$A" "$(ip4_of b)"
	}
	in_ns "$ONE" ip link del "$t"
	mend "seg: tunnel $t is gone"
	in_ns "$ONE" ip link set "$t" down
	in_ns "$ONE" ip link set "$t" name elsewhere
	in_ns "$ONE" ip link set elsewhere up
	mend "seg: tunnel $t is gone"
	in_ns "$ONE" ip link set "$t" down
	mend "seg: tunnel $t is down"
	in_ns "$ONE" ip link set "$t" nomaster
	mend "seg: tunnel $t is not in the network's bridge"
	in_ns "$ONE" bridge fdb del 00:00:00:00:00:00 dev "$t" dst 192.0.2.2
	mend "seg: tunnel $t has other peers"
	in_ns "$ONE" bridge fdb append 00:00:00:00:00:00 dev "$t" dst 192.0.2.99
	mend "seg: tunnel $t has other peers"
	in_ns "$ONE" bridge fdb append 00:00:00:00:00:00 dev "$t" dst 192.0.2.2 port 4790 vni 67
	mend "seg: tunnel $t has other peers"
	in_ns "$ONE" ip link del "$t"
	in_ns "$ONE" ip link add "$t" type vxlan id 99 dstport 4789
	mend "seg: tunnel $t is not what it was made as"
	in_ns "$ONE" ip link del vzbr0
	mend "seg: bridge vzbr0 is gone"
	# Another way to the peer, which takes less.
	in_ns "$ONE" ip link set up0 mtu 1400
	run one network check
	[ "$status" -eq 1 ]
	[[ $output == *"seg: the way to the peers takes packets of 1350 bytes, less than the MTU (1450)"* ]]
}

@test "addresses that somebody put at a host in the tunnel's own list are told and go, those learned from peers stay" {
	segment 4
	guest A one a
	guest B two b
	t=$(tunnel_of "$ONE")
	led() {
		local mac=$1

		shift
		in_ns "$ONE" bridge fdb replace "$mac" dev "$t" "$@"
		run one network check
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" = 1 ]
		[[ $output == "seg: tunnel $t has addresses that somebody put at a host"* ]] || { echo "$*: $output"; return 1; }
		one network apply
		one network check
		run in_ns "$ONE" bridge fdb show dev "$t"
		[[ $output != *192.0.2.9* && $output != *02:00:00:00:00:77* ]] || { echo "$*: $output"; return 1; }
		pings "$A" "$(ip4_of b)"
	}
	led "$(mac_of b)" dst 192.0.2.99
	led "$(mac_of b)" dst 192.0.2.99 port 4790 vni 67
	led "$(mac_of b)" dst 192.0.2.99 dynamic
	led 02:00:00:00:00:77 dst 192.0.2.2
	in_ns "$ONE" bridge fdb append 02:00:00:00:00:77 dev "$t" dst 192.0.2.99
	led 02:00:00:00:00:77 dst 192.0.2.98
	in_ns "$ONE" ip nexthop add id 12 via 192.0.2.99 fdb
	in_ns "$ONE" ip nexthop add id 10 group 12 fdb
	led 02:00:00:00:00:77 nhid 10
	in_ns "$ONE" bridge fdb show dev "$t" | grep -q "^$(mac_of b) dst 192.0.2.2 self"
	for i in {1..600}; do echo "fdb add 02:00:00:00:$((i / 100)):$((i % 100)) dev $t dst 192.0.2.99"; done >"$D/many"
	in_ns "$ONE" bridge -batch "$D/many"
	led 02:00:00:00:00:77 dst 192.0.2.99
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
	[ "$output" = "vzrun: network other: vxlan: VNI 66 on port 4789 is that of network seg" ]
	one network check
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
