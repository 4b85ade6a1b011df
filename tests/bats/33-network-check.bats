#!/usr/bin/env bats
# network check and apply: what somebody damaged, by the kernel or in a file, is told and mended. Needs root.
load network
bats_require_minimum_version 1.5.0

setup() { network_setup; }
teardown() { spaces_end; }

table() { h nft list tables | awk '$3 ~ /^vzrun_/ { print $3; exit }'; }

# damaged TEXT COMMAND...: after the command check says TEXT, apply mends it, and it is as it was before
damaged() {
	local text=$1
	shift
	"$@"
	run net check
	[ "$status" -eq 1 ] && [[ $output == *"$text"* ]] || { echo "$*: check: $status: $output"; return 1; }
	[ "$(net check --json | jq '.differences | length')" = "${#lines[@]}" ] || return 1
	run net apply
	[ "$status" -eq 0 ] || { echo "$*: apply: $output"; return 1; }
	run net check
	[ "$status" -eq 0 ] || { echo "$*: check after apply: $output"; return 1; }
	pings "$A" "$(ip4_of b)" && pings "$A" 192.0.2.2 && pings "$A" 2001:db8::2 && not_pings "$A" "$(ip4_of c)"
}

@test "check names each thing that somebody damaged; apply mends it" {
	net create web
	net create db
	guest A a network=web
	guest B b network=web
	guest C c network=db
	run net check
	[ "$status" -eq 0 ]
	[ "$output" = "2 networks are as defined" ]
	t=$(table)
	damaged "nftables" h nft flush ruleset
	damaged "nftables" h nft delete table inet "$t"
	damaged "nftables" h nft flush chain inet "$t" forward
	damaged "nftables" h nft flush set inet "$t" bridges
	damaged "nftables: inet $t: set links has 1 element of nobody's" h nft add element inet "$t" links '{ "vzbr0" . "vzbr1" }'
	damaged "nftables: bridge $t: set macs lacks 3 elements, the first of guest " h nft flush set bridge "$t" macs
	damaged "nftables: bridge $t: set src4 lacks 3 elements" h nft flush map bridge "$t" src4
	damaged "web: bridge vzbr0 is gone" h ip link del vzbr0
	damaged "web: bridge vzbr0 is down" h ip link set vzbr0 down
	damaged "web: bridge vzbr0 has another MAC address than its own" h ip link set vzbr0 address 02:00:00:00:00:99
	damaged "web: bridge vzbr0 lacks its address 10.77.0.1/16" h ip addr del 10.77.0.1/16 dev vzbr0
	damaged "web: the route to 10.77.0.0/16 by vzbr0 is gone" h ip route del 10.77.0.0/16
	damaged "web: port $(port_of a) of a is not in bridge vzbr0" h ip link set "$(port_of a)" nomaster
	damaged "web: port $(port_of a) of a is not in bridge vzbr0" h ip link set "$(port_of a)" master vzbr1
	damaged "web: port $(port_of a) of a is down" h ip link set "$(port_of a)" down
	damaged "web: port $(port_of a) of a is isolated" h bridge link set dev "$(port_of a)" isolated on
	damaged "ipv4/conf/vzbr0/forwarding is 0, not 1" h sysctl -qw net.ipv4.conf.vzbr0.forwarding=0
	damaged "ipv4/conf/up0/forwarding is 0, not 1" h sysctl -qw net.ipv4.conf.up0.forwarding=0
	damaged "ipv6/conf/vzbr0/accept_ra is 1, not 0" h sysctl -qw net.ipv6.conf.vzbr0.accept_ra=1
	damaged "web: bridge vzbr0 is gone" h ip link del vzbr0 type bridge
}

# brport PORT [ATTRIBUTE SIZE VALUE]...: switches of a bridge's port by number, which bridge(8) may not know yet
brport() {
	h python3 - "$@" <<-'END'
	import socket, struct, sys
	def attr(kind, data):
	    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
	n = iter(map(int, sys.argv[2:]))
	data = attr(12 | 1 << 15, b"".join(attr(kind, value.to_bytes(size, sys.byteorder)) for kind, size, value in zip(n, n, n)))
	m = struct.pack("=BxHiII", socket.AF_BRIDGE, 0, socket.if_nametoindex(sys.argv[1]), 0, 0) + data
	s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
	s.send(struct.pack("=IHHII", 16 + len(m), 19, 5, 1, 0) + m)
	sys.exit(-struct.unpack_from("=i", s.recv(4096), 16)[0])
	END
}

@test "check names switches that somebody turned at a guest's port; apply turns back those that need each other, too" {
	local port

	net create web
	net create db
	guest A a network=web
	guest B b network=web
	guest C c network=db
	port=$(port_of a)
	damaged "web: port $port of a: somebody changed hairpin" h bridge link set dev "$port" hairpin on
	damaged "web: port $port of a: somebody changed learning, flood" h bridge link set dev "$port" learning off flood off
	damaged "web: port $port of a: somebody changed locked" h bridge link set dev "$port" locked on
	[ "$(printf '%s\n' 6.6 "$(uname -r)" | sort -V | head -n 1)" = 6.6 ] || return 0
	damaged "web: port $port of a: somebody changed locked, mab" brport "$port" 39 1 1 40 1 1
	damaged "web: port $port of a: somebody changed neigh_vlan_suppress, backup_nhid" brport "$port" 43 1 1 44 4 7
	brport "$port" 42 4 1
	run net check
	[ "$status" -eq 0 ] || damaged "web: port $port of a: somebody changed mcast_max_groups" true
}

@test "addresses that somebody fixed in a network's bridge are told and go, and the bridge has its own" {
	local port gw

	net create web
	net create db
	guest A a network=web
	guest B b network=web
	guest C c network=db
	port=$(port_of b)
	gw=$(h ip -br link show vzbr0 | awk '{ print $3 }')
	damaged "web: bridge vzbr0: somebody fixed where 02:00:00:00:00:77 is" \
		h bridge fdb add 02:00:00:00:00:77 dev "$port" master static
	damaged "web: bridge vzbr0: somebody fixed where 02:00:00:00:00:77 is" \
		h bridge fdb add 02:00:00:00:00:77 dev "$port" master dynamic sticky
	damaged "web: bridge vzbr0: somebody fixed where $gw is" h bridge fdb replace "$gw" dev "$port" master static
	h bridge fdb show br vzbr0 | grep -q "^$gw dev vzbr0 .*permanent"
	damaged "web: bridge vzbr0 does not know its own address" h bridge fdb del "$gw" dev vzbr0 self
	h bridge fdb show br vzbr0 | grep -q "^$gw dev vzbr0 .*permanent"
}

@test "apply NAME mends that one; other people's tables stay byte for byte" {
	net create web
	net create db
	h nft add table inet admin
	h nft add chain inet admin pass '{ type filter hook forward priority 0; policy accept; }'
	h nft add rule inet admin pass ip daddr 203.0.113.7 drop
	h nft list table inet admin >"$D/admin"
	h ip link set vzbr0 down
	h ip link set vzbr1 down
	net apply db
	run net check db
	[ "$output" = "1 network is as defined" ]
	run net check web
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = "web: bridge vzbr0 is down; try: vzrun network apply web" ]
	h nft list table inet admin | diff "$D/admin" -
}

@test "apply cuts nothing: a connection outlives a flushed ruleset and a bridge that is made again" {
	net create web
	guest A a network=web
	# Sends a byte whenever it is told to, and says when it has come back.
	in_ns "$OUT" python3 -c '
import socket
s = socket.create_server(("", 7))
c, a = s.accept()
while True:
    b = c.recv(1)
    if not b: break
    c.sendall(b)
' 3>&- &
	PIDS+=("$!")
	mkfifo "$D/tell" "$D/hear"
	in_ns "$A" python3 -c '
import socket, sys, time
for i in range(200):
    try:
        c = socket.create_connection(("192.0.2.2", 7), timeout=20)
        break
    except ConnectionRefusedError:
        time.sleep(0.02)
tell = open(sys.argv[1]); hear = open(sys.argv[2], "w")
for line in tell:
    c.sendall(b"x")
    hear.write("back\n" if c.recv(1) == b"x" else "cut\n"); hear.flush()
' "$D/tell" "$D/hear" 3>&- &
	PIDS+=("$!")
	exec 8>"$D/tell" 9<"$D/hear"
	again() { echo >&8; read -r -t 30 answer <&9; [ "$answer" = back ]; }
	again
	net apply
	again
	h nft flush ruleset
	net apply
	again
	h ip link del vzbr0
	net apply
	again
	exec 8>&- 9<&-
}

@test "a damaged file: check and ls go on with the others, apply says the place" {
	net create web
	net create db
	jq '.allow = [{ "from": "web", "port": "99999" }]' "$H/networks/db.json" >"$D/new"
	cp "$D/new" "$H/networks/db.json"
	place="networks/db.json: allow[0]: port: 99999 is not a port, nor FIRST-LAST (1 to 65535)"
	run net check
	[ "$status" -eq 1 ]
	[ "$output" = "db: $place; try: set the file right, then: vzrun network apply db" ]
	run net ls
	[ "$status" -eq 0 ]
	[[ ${lines[1]} == "db    damaged"* ]]
	[ "$(net ls --json | jq -r .networks[0].damaged)" = "$place" ]
	refused 10 "$place" show db
	refused 10 "$place" rm db
	h ip link set vzbr0 down
	run net apply
	[ "$status" -eq 5 ]
	[[ $output == *"vzrun: network db: $place
  try    set the file right, then: vzrun network apply db" ]]
	# The other one is mended all the same.
	h ip -o link show vzbr0 | grep -q ",UP"
	jq 'del(.allow)' "$D/new" >"$H/networks/db.json"
	net apply
}

@test "a damaged file keeps no other network from its rules: its own is closed until the file is right" {
	net create web
	net create db --vxlan 66 --peer 192.0.2.2
	net allow outside db
	net allow web db
	guest A a network=web
	guest B b network=db
	serve "$B" 80
	o ip route add "$(ip4_of b)" via 192.0.2.1
	reaches "$OUT" "$(ip4_of b)" 80
	reaches "$A" "$(ip4_of b)" 80
	cp "$H/networks/db.json" "$D/good"
	echo '{' >"$H/networks/db.json"
	# What stands is left alone, and others are changed.
	net allow outside web --port 80
	reaches "$OUT" "$(ip4_of b)" 80
	# As after a boot, but with everything else in place.
	h nft flush ruleset
	run net allow outside web --port 80
	[ "$status" -eq 0 ]
	[[ $output == *"warning: network db is closed until its file is set right: networks/db.json: "* ]] || { echo "$output"; false; }
	guest C c network=web
	pings "$C" 192.0.2.2
	pings "$C" "$(ip4_of a)"
	serve "$C" 80
	o ip route add "$(ip4_of c)" via 192.0.2.1
	reaches "$OUT" "$(ip4_of c)" 80
	closed "$OUT" "$(ip4_of b)" 80
	closed "$A" "$(ip4_of b)" 80
	closed "$B" "$(ip4_of c)" 80
	not_pings "$B" 192.0.2.2
	[ -z "$(h ip -o link show type vxlan)" ]
	cp "$D/good" "$H/networks/db.json"
	net apply
	net check
	reaches "$OUT" "$(ip4_of b)" 80
	reaches "$A" "$(ip4_of b)" 80
}

@test "beside a damaged file networks come and go, and nobody is let in by it later" {
	net create web
	net create db --subnet 10.66.0.0/24
	net allow web db
	net allow outside db --port 80
	jq '.mtu = 7' "$H/networks/db.json" >"$D/new"
	cp "$D/new" "$H/networks/db.json"
	place="networks/db.json: mtu: "
	run net create x
	[ "$status" -eq 0 ]
	[[ $output == *"warning: network db is damaged, what is left of it counts: $place"* ]] || { echo "$output"; false; }
	[ "$(jq -r .bridge "$H/networks/x.json")" = vzbr2 ]
	run net create y --subnet 10.66.0.0/25
	[ "$status" -eq 12 ]
	[[ $output == *"vzrun: network y: subnet 10.66.0.0/25 clashes with 10.66.0.0/24 of network db" ]]
	[ ! -e "$H/networks/y.json" ]
	run net rm web
	[ "$status" -eq 0 ]
	[[ $output == *"warning: network db is closed until its file is set right: $place"* ]] || { echo "$output"; false; }
	[ "$(jq -c '[.allow[].from]' "$H/networks/db.json")" = '["outside"]' ]
	[ "$(jq .mtu "$H/networks/db.json")" = 7 ]
	# Its name and its bridge's name again.
	run net create web
	[ "$(jq -r .bridge "$H/networks/web.json")" = vzbr0 ]
	jq 'del(.mtu)' "$H/networks/db.json" >"$D/new"
	cp "$D/new" "$H/networks/db.json"
	net apply
	net check
	guest A a network=web
	guest B b network=db
	serve "$B" 80
	closed "$A" "$(ip4_of b)" 80
	echo '{' >"$H/networks/db.json"
	run net rm x
	[ "$status" -eq 0 ]
	[[ $output == *"warning: network db: what its file lets x do is to be taken out by hand: "* ]] || { echo "$output"; false; }
	cp "$D/new" "$H/networks/db.json"
	net apply
	net check
}

@test "a damaged record: check says the place and goes on" {
	net create web
	guest A a network=web
	cp "$H/networks/.guests/a.json" "$D/good"
	jq '.nics[0].ip = "10.1.2.300"' "$D/good" >"$H/networks/.guests/a.json"
	run net check
	[ "$status" -eq 1 ]
	[[ $output == "web: networks/.guests/a.json: nics[0]"* ]]
	[ "${#lines[@]}" -eq 1 ]
	cp "$D/good" "$H/networks/.guests/a.json"
	net check
}

@test "a file edited by hand comes into force with apply" {
	net create web
	net create db
	guest A a network=web
	guest B b network=db
	serve "$B" 80
	closed "$A" "$(ip4_of b)" 80
	jq '.allow = [{ "from": "web", "port": "80" }]' "$H/networks/db.json" >"$D/new"
	cp "$D/new" "$H/networks/db.json"
	net apply
	reaches "$A" "$(ip4_of b)" 80
	jq '.allow = [{ "from": "nobody" }]' "$D/new" >"$H/networks/db.json"
	run net check
	[ "$status" -eq 1 ]
	[[ $output == *"db: allow[0]: network nobody does not exist; try: vzrun network deny nobody db"* ]]
	net deny nobody db
	net apply
	closed "$A" "$(ip4_of b)" 80
}

@test "a link that leads out and is renamed: its switches are known by it, and go back" {
	net create web
	h ip link set up0 down
	h ip link set up0 name wan0
	h ip link set wan0 up
	h ip route add default via 192.0.2.2
	h sysctl -qw net.ipv4.conf.wan0.forwarding=0
	run net check
	[ "$status" -eq 1 ]
	[[ $output == *"/proc/sys/net/ipv4/conf/wan0/forwarding is 0, not 1"* ]]
	net apply
	net check
	net rm web
	run h sh -c 'grep -ls 1 /proc/sys/net/ipv4/conf/wan0/forwarding /proc/sys/net/ipv6/conf/wan0/force_forwarding'
	[ "$output" = "" ] || { echo "$output"; false; }
}

@test "two links that exchange their names, of which one leads out: its switches go back, the other's stay" {
	h ip link add spare type veth peer name out1 netns "$OUT"
	net create web
	h ip link set up0 down
	h ip link set spare down
	h ip link set up0 name x
	h ip link set spare name up0
	h ip link set x name spare
	h ip link set spare up
	[ "$(h cat /proc/sys/net/ipv4/conf/spare/forwarding)" = 1 ]
	net rm web
	run h sh -c 'grep -ls 1 /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/force_forwarding'
	[ "$output" = "" ] || { echo "$output"; false; }
}

@test "a file edited to mode isolated: what was switched on for it goes back to what it was" {
	switches() { h sh -c 'grep . /proc/sys/net/ipv4/conf/up0/forwarding /proc/sys/net/ipv6/conf/*/*forwarding' | grep -v vzbr; }
	switches >"$D/before"
	net create web
	jq '.mode = "isolated"' "$H/networks/web.json" >"$D/new"
	cp "$D/new" "$H/networks/web.json"
	run net check
	[ "$status" -eq 1 ]
	[[ $output == *"/proc/sys/net/ipv4/conf/up0/forwarding is 1, not 0"* ]]
	net apply
	net check
	switches | diff "$D/before" -
	jq '.mode = "nat"' "$D/new" >"$H/networks/web.json"
	net apply
	net check
	[ "$(h cat /proc/sys/net/ipv4/conf/up0/forwarding)" = 1 ]
	net rm web
	switches | diff "$D/before" -
}

@test "a network that goes, after files were edited by hand: whoever comes by its bridge's name is closed" {
	local edited
	for edited in own other bridge; do
		net create web
		net create db
		net create old
		[ "$edited" != own ] || net allow web old
		[ "$edited" != other ] || net allow old web
		case $edited in
		bridge) jq '.bridge = "vzbr1"' "$H/networks/old.json" >"$D/new" && cp "$D/new" "$H/networks/old.json" ;;
		*) for n in web old; do jq 'del(.allow)' "$H/networks/$n.json" >"$D/new" && cp "$D/new" "$H/networks/$n.json"; done ;;
		esac
		# No apply.
		net rm old
		net check
		net create new
		[ "$(bridge_of new)" = vzbr2 ]
		[ -z "$(h nft list set inet "$(table)" links | grep -o 'vzbr2" . "vzbr0\|vzbr0" . "vzbr2')" ]
		net check
		for n in web db new; do net rm "$n"; done
	done
}

@test "a bridge that was renamed, or that the file says another name of, is the network's under its name" {
	net create web
	net create db
	guest A a network=web
	pings "$A" 192.0.2.2
	h ip link set vzbr0 down
	h ip link set vzbr0 name lan7
	h ip link set lan7 up
	run net check
	[ "$status" -eq 1 ]
	[[ ${lines[0]} == "web: bridge vzbr0 is gone; try: vzrun network apply web" ]]
	run net apply
	[ "$status" -eq 0 ]
	[[ $output == *"warning: network web: its bridge is not vzbr0, but lan7"* ]]
	[ "$(bridge_of web)" = lan7 ]
	net check
	pings "$A" 192.0.2.2
	pings "$A" 2001:db8::2
	# A name that is another network's.
	jq '.bridge = "vzbr1"' "$H/networks/web.json" >"$D/new"
	cp "$D/new" "$H/networks/web.json"
	net apply
	[ "$(bridge_of web)" = lan7 ]
	net check
	pings "$A" 192.0.2.2
	h "$T" teardown "$H" a
	h "$T" release "$H" a
	cp "$D/new" "$H/networks/web.json"
	net rm web
	[ -z "$(h ip -br link show lan7 2>/dev/null)" ]
	[ -n "$(h ip -br link show vzbr1)" ]
	net check
}

@test "a file whose subnet is another network's keeps nobody else from the rules" {
	net create web
	net create db
	guest A a network=web
	cp "$H/networks/db.json" "$D/good"
	jq '.subnet = "10.77.5.0/24"' "$D/good" >"$H/networks/db.json"
	run net apply
	[ "$status" -eq 5 ]
	[[ $output == *"network db: subnet 10.77.5.0/24 clashes with the host's route to 10.77.0.0/16 by vzbr0"* ]]
	# As after a boot.
	h nft flush ruleset
	guest B b network=web
	pings "$A" "$(ip4_of b)"
	pings "$B" 192.0.2.2
	net create x
	net allow outside web
	cp "$D/good" "$H/networks/db.json"
	net apply
	net check
}

@test "a file whose subnets were edited: the old ones go from the bridge, what others gave it stays" {
	net create web --subnet 10.99.0.0/24 --subnet6 fd99::/64
	h ip addr add 10.98.0.7/24 dev vzbr0
	h ip addr add 10.97.0.1/32 dev vzbr0
	# Nor one that a network of that subnet would have.
	h ip addr add 10.96.0.1/24 dev vzbr0
	jq '.subnet = "10.99.0.0/25" | .subnet6 = "fd98::/64"' "$H/networks/web.json" >"$D/new"
	cp "$D/new" "$H/networks/web.json"
	run net check
	[ "$status" -eq 1 ]
	[[ $output == *"web: bridge vzbr0 has the address 10.99.0.1/24 of another subnet than its file says; try: vzrun network apply web"* ]]
	[[ $output == *"web: bridge vzbr0 has the address fd99::1/64 of another subnet"* ]]
	net apply
	net check
	[ "$(h ip -o addr show dev vzbr0 | awk '{ print $4 }' | sort | tr '\n' ' ')" = \
		"10.96.0.1/24 10.97.0.1/32 10.98.0.7/24 10.99.0.1/25 fd98::1/64 fe80::1/64 " ]
	[ -z "$(h ip route show 10.99.0.0/24; h ip -6 route show fd99::/64)" ]
	# Of addresses that were set again it is still known whose they are.
	jq '.subnet = "10.95.0.0/24" | del(.subnet6)' "$H/networks/web.json" >"$D/new"
	cp "$D/new" "$H/networks/web.json"
	net apply
	net check
	[ "$(h ip -o addr show dev vzbr0 | awk '{ print $4 }' | sort | tr '\n' ' ')" = \
		"10.95.0.1/24 10.96.0.1/24 10.97.0.1/32 10.98.0.7/24 " ]
}

@test "a bridge that was given another MAC address goes with its network; a stranger of its name stays" {
	net create web
	h ip link set vzbr0 address 02:00:00:00:00:99
	net rm web
	run ! h ip link show vzbr0
	net create web
	h ip link del vzbr0
	h ip link add vzbr0 type bridge
	net rm web
	h ip link show vzbr0
}

@test "a bridge that has another name and another MAC address is known by its alias" {
	net create web
	guest A a network=web
	h ip link set vzbr0 down
	h ip link set vzbr0 name lan7 address 02:00:00:00:00:99
	h ip link set lan7 up
	run net apply
	[ "$status" -eq 0 ]
	[ "$(bridge_of web)" = lan7 ]
	run ! h ip link show vzbr0
	net check
	pings "$A" 192.0.2.2
	pings "$A" 2001:db8::2
	h "$T" teardown "$H" a
	h "$T" release "$H" a
	h ip link set lan7 down
	h ip link set lan7 name lan8 address 02:00:00:00:00:99
	net rm web
	run ! h ip link show lan8
}

@test "what else is in a network's bridge is told, and is the administrator's to take out" {
	local port
	net create web
	net create far --vxlan 7 --peer 192.0.2.2 --subnet 10.66.0.0/24
	guest A a network=web
	net check
	h ip link add eno7 type veth peer name eno8
	h ip link set eno7 master vzbr0 up
	run net check
	[ "$status" -eq 1 ]
	[ "$output" = "web: bridge vzbr0 has a port eno7, which is no guest's; try: ip link set eno7 nomaster" ]
	run net apply
	[ "$status" -eq 5 ]
	h ip -o link show eno7 | grep -q ' master vzbr0 '
	h ip link set eno7 nomaster
	net check
	port=$(port_of a)
	h ip link set "$port" down
	h ip link set "$port" name lost0
	h ip link set lost0 up
	run net check
	[ "$status" -eq 1 ]
	[ "$output" = "web: bridge vzbr0 has a port lost0, which somebody renamed: a guest's, whom nothing keeps from spoofing; try: restart the guest behind it" ]
	h ip link set lost0 down
	h ip link set lost0 name "$port"
	h ip link set "$port" up
	net check
	# Of a stranger's bridge by the network's name nothing is said but that.
	h ip link del vzbr0
	h ip link add vzbr0 type bridge
	h ip link set eno7 master vzbr0
	run net check web
	[[ $output == *"link vzbr0 is not this network's bridge, but somebody else's"* ]]
	[[ $output != *eno7* ]]
}

@test "bridges in a VRF are as closed as out of it; who comes by one is outside" {
	h ip link add vrf7 type vrf table 77 2>/dev/null || skip "kernel: no VRFs"
	h ip link set vrf7 up
	h sysctl -qw net.ipv4.tcp_l3mdev_accept=1 net.ipv4.conf.vrf7.forwarding=1
	net create web
	net create db
	guest A a network=web
	guest C c network=db
	serve "$HOST" 7777
	serve "$C" 80
	h ip link set vzbr0 master vrf7
	h ip link set vzbr1 master vrf7
	[ "$(dial "$A" 10.77.0.1 7777)" = refused ]
	closed "$A" 192.0.2.1 7777
	closed "$A" "$(ip4_of c)" 80
	closed "$A" "$(ip6_of c)" 80
	run net check
	[[ $output == *"web: bridge vzbr0 is a part of another link"* ]]
	net apply
	net check
	pings "$A" 192.0.2.2
	# The way out is in one, and a route leads from there to the bridge.
	h ip link set up0 master vrf7
	h ip route add 10.77.0.0/16 dev vzbr0 vrf vrf7
	h ip route add 192.0.2.0/24 dev up0
	o ip route add 10.77.0.0/16 via 192.0.2.1
	serve "$A" 80
	closed "$OUT" "$(ip4_of a)" 80
	net allow outside web --port 80
	reaches "$OUT" "$(ip4_of a)" 80
}

@test "an old gateway's address goes alone: what was set within its subnet stays" {
	net create web --subnet 10.99.0.0/24 --subnet6 none
	h sysctl -qw net.ipv4.conf.all.promote_secondaries=0 net.ipv4.conf.vzbr0.promote_secondaries=0
	h ip addr add 10.99.0.7/24 dev vzbr0
	jq '.subnet = "10.98.0.0/24"' "$H/networks/web.json" >"$D/new"
	cp "$D/new" "$H/networks/web.json"
	net apply
	net check
	[ "$(h ip -o addr show dev vzbr0 | awk '{ print $4 }' | sort | tr '\n' ' ')" = "10.98.0.1/24 10.99.0.7/24 " ]
	[ "$(h sysctl -n net.ipv4.conf.vzbr0.promote_secondaries)" = 0 ]
}

@test "an address that may be an old gateway's or not is told, and stays" {
	net create web --subnet 10.99.0.0/24 --subnet6 fd99::/64
	# As before Linux 5.18.
	h ip addr flush dev vzbr0
	h ip addr add 10.99.0.1/24 dev vzbr0
	h ip addr add fd99::1/64 dev vzbr0 nodad
	h ip addr add fe80::1/64 dev vzbr0 nodad
	h ip addr add 10.97.0.7/24 dev vzbr0
	net check
	jq '.subnet = "10.98.0.0/24"' "$H/networks/web.json" >"$D/new"
	cp "$D/new" "$H/networks/web.json"
	run net apply
	[ "$status" -eq 5 ]
	[[ $output == *"vzrun: network web: bridge vzbr0 has the address 10.99.0.1/24, a former gateway's or somebody's own"* ]]
	[[ $output == *"  try    if it is not yours: ip addr del 10.99.0.1/24 dev vzbr0   |   if it is: ip addr change 10.99.0.1/24 dev vzbr0 metric 1" ]]
	# It does not forget.
	run net check
	[ "$output" = "web: bridge vzbr0 has the address 10.99.0.1/24, a former gateway's or somebody's own; try: if it is not yours: ip addr del 10.99.0.1/24 dev vzbr0   |   if it is: ip addr change 10.99.0.1/24 dev vzbr0 metric 1" ]
	# Somebody says that it is his: it stays, and ours have their mark from now on.
	h ip addr change 10.99.0.1/24 dev vzbr0 metric 1
	h ip -6 addr add fd98::1/64 dev vzbr0 nodad
	h ip -6 addr change fd98::1/64 dev vzbr0 metric 1
	net check
	net apply
	net check
	[[ "$(h ip -o addr show dev vzbr0)" == *" 10.99.0.1/24 metric 1 "* ]]
	h ip addr del 10.99.0.1/24 dev vzbr0
	h ip -6 addr del fd98::1/64 dev vzbr0
	net check
	[ "$(h ip -o addr show dev vzbr0 | awk '{ print $4 }' | sort | tr '\n' ' ')" = \
		"10.97.0.7/24 10.98.0.1/24 fd99::1/64 fe80::1/64 " ]
}

@test "apply tells what it cannot mend once, and what to try" {
	local i
	for i in 0 1; do
		h ip link add "br$i" type bridge
		h ip link set "br$i" up
		net create "lan$i" --bridge "br$i" --subnet "192.0.2.$((16 * i))/28" 2>/dev/null
	done
	net create web
	h ip link del br0
	h ip link del br1
	h ip link set vzbr0 mtu 1400
	run net apply
	[ "$status" -eq 5 ]
	[ "$output" = "web: bridge vzbr0 has MTU 1400, not 1500
lan1: bridge br1 is gone; try: the bridge is yours: set it right, or remove the network
vzrun: network lan0: bridge br0 is gone
  try    the bridge is yours: set it right, or remove the network" ]
	h ip link show vzbr0 | grep -q 'mtu 1500'
}

@test "a new network clashes with what the other files say, whoever edited them since they were read" {
	local i said
	for i in {1..200}; do
		net create "n$i" --subnet 10.200.$i.0/24 --subnet6 none
		[ ! -e "$H/networks/.others" ] || break
	done
	# What was read of the first is kept by now.
	grep -qa n1 "$H/networks/.others"
	said=$(stat -c %y "$H/networks/n1.json")
	sed -i 's/10\.200\.1\./10.201.1./; s/"vzbr0"/"vzbr9"/' "$H/networks/n1.json"
	touch -d "$said" "$H/networks/n1.json"
	refused 12 "network x: subnet 10.201.1.0/24 clashes with 10.201.1.0/24 of network n1" create x --subnet 10.201.1.0/24
	for i in {1..10}; do net create "m$i"; done
	[ "$(bridge_of n1)" = vzbr9 ]
	[ "$(jq -r .bridge "$H"/networks/*.json | sort | uniq -d)" = "" ]
}

@test "nothing in the tables is called like a word of nftables, newer ones' too" {
	local n names
	net create web
	guest A a network=web
	names=$(h nft -j list ruleset | jq -r '.nftables[][] | .name? // empty' | grep -v '^vzrun_' | sort -u)
	[ -n "$names" ]
	for n in erspan geneve gre gretap tunnel vxlan xfrm; do
		run ! grep -qxF "$n" <<<"$names"
	done
}
