#!/usr/bin/env bats
# The default network: bridge, addresses, leases, firewall, NAT. Everything happens in network namespaces of
# the test's own: one stands for the host, one for the outside, one for each guest. Needs root.

load spaces

setup() { spaces_begin && host_and_outside; }
teardown() { spaces_end; }

tool() { h "$T" "$@"; }

table_of() { h nft list tables | awk '$3 ~ /^vzrun_/ { print $3 }' | sort -u; }

gone() { if "$@" 2>/dev/null; then return 1; fi; }

@test "first use makes definition, bridge, addresses, table; again is the same lease" {
	run tool claim "$H" web1
	[ "$status" -eq 0 ]
	[[ $output =~ ^default\ vzbr0\ vz[0-9a-f]{9}\ eth0\ 10\.77\.0\.2/16\ fd77:[0-9a-f:]+::2/64\ .[26ae]: ]]
	first=$output
	run tool claim "$H" web1
	[ "$output" = "$first" ]
	run tool claim "$H" web2
	[[ $output == *" 10.77.0.3/16 "* ]]
	h ip -o addr show vzbr0 | grep -q "inet 10.77.0.1/16 "
	h ip -o -6 addr show vzbr0 | grep -q "fd77:.*::1/64 scope global"
	[ "$(h ip -o -6 addr show vzbr0 | wc -l)" = 2 ]
	[ "$(stat -c %a "$H/networks/default.json")" = 600 ]
	python3 -m json.tool "$H/networks/default.json" >/dev/null
	run tool list "$H"
	[[ $output =~ ^default\ vzbr0\ nat\ 10\.77\.0\.0/16\ fd77:[0-9a-f:]+::/64\ 2$ ]]
}

@test "guests reach each other and the gateway at once, IPv4 and IPv6" {
	guest A a
	guest B b
	for to in "$(ip4_of b)" "$(ip6_of b)" 10.77.0.1 "$(ip6_of b | sed 's/::.*/::1/')"; do
		pings "$A" "$to"
	done
	in_ns "$A" ip -o link show lo | grep -q "UP,LOWER_UP"
	# One queue at each end, however many processors the host has: a pair of them takes long to make.
	in_ns "$A" ip -d -o link show eth0 | grep -q " numtxqueues 1 numrxqueues 1 "
	h ip -d -o link show "$(port_of a)" | grep -q " numtxqueues 1 numrxqueues 1 "
	in_ns "$A" ip route | grep -q "^default via 10.77.0.1 dev eth0"
	in_ns "$A" ip -6 route | grep -q "^default via fd77:.*::1 dev eth0"
	serve "$B" 80
	[ "$(dial "$A" "$(ip4_of b)" 80)" = "$(ip4_of a)" ]
	[ "$(dial "$A" "$(ip6_of b)" 80)" = "$(ip6_of a)" ]
	[ "$(dial "$HOST" "$(ip4_of b)" 80)" = 10.77.0.1 ]
	in_ns "$A" ip neigh flush all
	h ip neigh flush all
	pings "$HOST" "$(ip6_of a)"
}

@test "a guest reaches the outside under the host's address" {
	guest A a
	serve "$OUT" 80
	pings "$A" 192.0.2.2
	pings "$A" 2001:db8::2
	[ "$(dial "$A" 192.0.2.2 80)" = 192.0.2.1 ]
	[ "$(dial "$A" 2001:db8::2 80)" = 2001:db8::1 ]
}

@test "nothing from outside opens a connection to a guest, route or not" {
	guest A a
	serve "$A" 80
	o ip route add 10.77.0.0/16 via 192.0.2.1
	o ip -6 route add "$(ip6_of a | sed 's/::.*/::/')/64" via 2001:db8::1
	not_pings "$OUT" "$(ip4_of a)"
	not_pings "$OUT" "$(ip6_of a)"
	[ "$(dial "$OUT" "$(ip4_of a)" 80)" = silence ]
	[ "$(dial "$OUT" "$(ip6_of a)" 80)" = silence ]
	# The way is there: without the rules the packets arrive.
	h nft flush chain inet "$(table_of)" forward
	[ "$(dial "$OUT" "$(ip4_of a)" 80)" = 192.0.2.2 ]
	[ "$(dial "$OUT" "$(ip6_of a)" 80)" = 2001:db8::2 ]
}

@test "of the host a guest sees the gateway's echo and nothing else" {
	guest A a
	serve "$HOST" 8080
	[ "$(dial "$OUT" 192.0.2.1 8080)" = 192.0.2.2 ]
	[ "$(dial "$A" 10.77.0.1 8080)" = refused ]
	[ "$(dial "$A" "$(ip6_of a | sed 's/::.*/::1/')" 8080)" = refused ]
	[ "$(dial "$A" 192.0.2.1 8080)" = refused ]
	not_pings "$A" 192.0.2.1
	not_pings "$A" 2001:db8::1
	pings "$A" 10.77.0.1
}

# Another segment, as a later "network create" will write it.
segment() {
	cat >"$H/networks/$1.json" <<-EOF
	{"version":1,"name":"$1","mode":"$2","bridge":"$3","subnet":"$4","subnet6":"$5","leases":[]}
	EOF
}

rules() {
	local chain

	for chain in forward input output postrouting; do
		h nft -a list chain inet "$1" "$chain"
	done
	for chain in prerouting from4 from_arp from6 icmp6 watched; do
		h nft -a list chain bridge "$1" "$chain"
	done
}

@test "segments are closed to each other; a network more adds elements, no rules" {
	guest A a
	t=$(table_of)
	rules "$t" >"$D/before"
	segment blue nat vzblue 10.99.0.0/16 fd99::/64
	guest B b network=blue
	rules "$t" | diff "$D/before" -
	pings "$B" 10.99.0.1
	pings "$B" 192.0.2.2
	for to in "$(ip4_of b)" "$(ip6_of b)" 10.99.0.1 fd99::1; do
		not_pings "$A" "$to"
	done
	not_pings "$B" "$(ip4_of a)"
	not_pings "$B" 10.77.0.1
	# One guest on both.
	guest C c "" network=blue,name=lan
	pings "$C" "$(ip4_of a)"
	pings "$C" "$(ip4_of b)"
	[ "$(in_ns "$C" ip route | grep -c ^default)" = 1 ]
}

@test "an isolated network leads nowhere" {
	tool claim "$H" x >/dev/null
	segment dark isolated vzdark 10.98.0.0/16 fd98::/64
	guest A a network=dark
	guest B b network=dark
	pings "$A" "$(ip4_of b)"
	pings "$A" "$(ip6_of b)"
	in_ns "$A" ip route add default via 10.98.0.1
	not_pings "$A" 192.0.2.2
}

@test "a flushed ruleset, an emptied chain, a lost bridge are mended by the next claim" {
	guest A a
	guest B b
	h nft flush ruleset
	tool claim "$H" a >/dev/null
	[ -n "$(table_of)" ]
	pings "$A" 192.0.2.2
	h nft flush chain inet "$(table_of)" forward
	tool claim "$H" a >/dev/null
	h nft list chain inet "$(table_of)" forward | grep -q drop
	h nft delete element inet "$(table_of)" outward '{ "vzbr0" }'
	h nft delete element inet "$(table_of)" bridges '{ "vzbr0" }'
	tool claim "$H" a >/dev/null
	pings "$A" 192.0.2.2
	h sysctl -qw net.ipv4.conf.vzbr0.forwarding=0
	tool claim "$H" a >/dev/null
	pings "$A" 192.0.2.2
	h ip link del vzbr0
	guest C c
	pings "$C" 10.77.0.1
	pings "$C" 192.0.2.2
}

@test "other people's tables stay as they were, and their drop drops" {
	h nft add table inet admin
	h nft add chain inet admin pass '{ type filter hook forward priority 0; policy accept; }'
	h nft list table inet admin >"$D/before"
	guest A a
	pings "$A" 192.0.2.2
	h nft add rule inet admin pass ip daddr 192.0.2.2 drop
	not_pings "$A" 192.0.2.2
	h nft flush chain inet admin pass
	tool release "$H" a
	tool remove "$H" default
	h nft list ruleset | diff "$D/before" -
}

@test "addresses: duplicates 12, foreign 10, no such network 3, names of evil 10" {
	tool claim "$H" a ip=10.77.0.9 >/dev/null
	run tool claim "$H" b ip=10.77.0.9
	[ "$status" -eq 12 ]
	[ "$output" = "nettool: address 10.77.0.9 of network default is in use by a" ]
	run tool claim "$H" b ip=10.1.2.3
	[ "$status" -eq 10 ]
	run tool claim "$H" b network=nope
	[ "$status" -eq 3 ]
	[ "$output" = "nettool: network nope does not exist" ]
	run tool claim "$H" b 'network=x"; drop'
	[ "$status" -eq 10 ]
	run tool claim "$H" b ip=10.77.0.10 ip=10.77.0.9
	[ "$status" -eq 12 ]
	# Nothing of the refused ones stays.
	[[ $(tool list "$H") == *" 1" ]]
	# Another address for the same guest replaces the lease.
	tool claim "$H" a ip=10.77.0.11 >/dev/null
	tool claim "$H" b ip=10.77.0.9 >/dev/null
	[[ $(tool list "$H") == *" 2" ]]
}

@test "40 parallel first claims: all succeed, no address twice" {
	tool_path=$T
	h bash -c 'for i in {1..40}; do "$1" claim "$2" g$i >"$3/p$i" 2>&1 & p+=($!); done
		for x in "${p[@]}"; do wait $x || exit 1; done' - "$tool_path" "$H" "$D" 3>&-
	[ "$(cat "$D"/p* | awk '{ print $5 }' | sort -u | wc -l)" = 40 ]
	[ "$(cat "$D"/p* | awk '{ print $6 }' | sort -u | wc -l)" = 40 ]
	[ "$(cat "$D"/p* | awk '{ print $7 }' | sort -u | wc -l)" = 40 ]
	[[ $(tool list "$H") == *" 40" ]]
	[ "$(h nft list chain inet "$(table_of)" forward | grep -c drop)" = 10 ]
	[ "$(cat "$D"/p* | awk '{ print $5 }' | sort -t. -k4n | tail -1)" = 10.77.0.41/16 ]
}

switches() { h sh -c 'cat /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/*forwarding'; }

@test "a guest that comes back with IPv6 off on its link is not heard of by it, and with it on has its address" {
	tool claim "$H" a >/dev/null
	h nft -f - <<-'EOF'
		table bridge heard {
			chain here {
				type filter hook prerouting priority -400
				ether type ip6 counter
			}
		}
	EOF
	space A
	printf 'ipv6/conf/eth0/disable_ipv6=1\nipv4/ip_default_ttl=77\n' >"$D/settings"
	tool again "$H" a "$A" "$D/settings" >/dev/null
	sleep 1
	h nft list table bridge heard | grep -q 'counter packets 0 '
	[ "$(in_ns "$A" ip -o -6 addr show dev eth0)" = "" ]
	[ "$(in_ns "$A" cat /proc/sys/net/ipv4/ip_default_ttl)" = 77 ]
	pings "$A" 10.77.0.1
	space B
	in_ns "$B" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	printf 'ipv6/conf/default/disable_ipv6=1\nipv6/conf/eth0/disable_ipv6=0\n' >"$D/settings"
	tool again "$H" b "$B" "$D/settings" >"$D/b.ports"
	in_ns "$B" ip -o -6 addr show dev eth0 scope global | grep -q "$(ip6_of b)"
	pings "$B" "$(ip6_of b | sed 's/::.*/::1/')"
	h nft delete table bridge heard
}

@test "two homes on one host: two bridges, two subnets, two tables, the same guest name" {
	switches >"$D/before"
	guest A a
	first=$H H=$D/second
	space B
	tool up "$H" a "$B" >"$D/b.ports"
	[[ $(tool list "$H") == "default vzbr1 nat 10.78.0.0/16 "* ]]
	[ "$(table_of | wc -l)" = 2 ]
	pings "$B" 10.78.0.1
	pings "$B" 192.0.2.2
	not_pings "$A" 10.78.0.2
	not_pings "$B" 10.77.0.2
	tool teardown "$H" a
	tool release "$H" a
	tool remove "$H" default
	pings "$A" 192.0.2.2
	[ "$(table_of | wc -l)" = 1 ]
	# The home that switched routing on goes first.
	tool claim "$H" b >/dev/null
	tool release "$first" a
	tool remove "$first" default
	H=$D/second
	guest C c
	pings "$C" 192.0.2.2
	pings "$C" 2001:db8::2
	# What it was like before the first, the last one knows.
	tool teardown "$first" a
	tool teardown "$H" c
	for who in b c; do tool release "$H" "$who"; done
	tool remove "$H" default
	switches | diff "$D/before" -
}

@test "names and subnets in use are left alone: vzbr1, 10.78" {
	h ip link add vzbr0 type bridge
	h ip route add 10.77.3.0/24 via 192.0.2.2
	run tool claim "$H" a
	[[ $output == "default vzbr1 "*" 10.78.0.2/16 "* ]]
	# After a reboot: another one was first.
	h ip link del vzbr1
	h ip link add vzbr1 type bridge
	run tool claim "$H" a
	[[ $output == *"the name vzbr1 is taken, its bridge is vzbr2 now"* ]]
	h ip link del vzbr2
	h ip route add 10.78.3.0/24 via 192.0.2.2
	run tool claim "$H" a
	[ "$status" -eq 12 ]
	[[ $output == *"network default: subnet 10.78.0.0/16 clashes with the host's route to 10.78.3.0/24 by up0"* ]]
	gone h ip link show vzbr2
}

@test "a guest that restarts at once; leftovers are removed by name" {
	guest A a
	port=$(awk '{ print $3 }' "$D/a.ports")
	h ip link show "$port" >/dev/null
	space B
	# The first pair still stands, its namespace too: the guest's names are its own.
	tool up "$H" a "$B" >/dev/null
	pings "$B" 10.77.0.1
	tool teardown "$H" a
	gone h ip link show "$port"
	tool teardown "$H" a
}

@test "20 guests at once" {
	for i in {1..20}; do
		space "G$i"
	done
	for i in {1..20}; do
		v=G$i
		tool up "$H" "g$i" "${!v}" >"$D/g$i.ports" 3>&- &
		jobs[i]=$!
	done
	for i in {1..20}; do
		wait "${jobs[i]}"
	done
	for i in {2..20}; do
		pings "$G1" "$(ip4_of "g$i")"
	done
}

@test "routing is on only where it is needed, and goes back to what it was" {
	h ip link add idle0 type veth peer name idle1
	switches >"$D/before"
	guest A a
	[ "$(h cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	[ "$(h cat /proc/sys/net/ipv4/conf/idle0/forwarding)" = 0 ]
	[ "$(h cat /proc/sys/net/ipv4/conf/up0/forwarding)" = 1 ]
	run tool remove "$H" default
	[ "$status" -eq 5 ]
	[ "$output" = "nettool: network default is in use by a" ]
	kill -9 "$A"
	tool teardown "$H" a
	tool release "$H" a
	tool release "$H" a
	tool remove "$H" default
	switches | diff "$D/before" -
	[ -z "$(table_of)" ]
	gone h ip link show vzbr0
	[ -z "$(find "$H/networks" -mindepth 1 ! -name .lock ! -name .guests)" ]
	run tool remove "$H" default
	[ "$status" -eq 3 ]
}

@test "routing that the administrator switched on meanwhile stays" {
	tool claim "$H" a >/dev/null
	h sysctl -qw net.ipv4.ip_forward=1
	tool release "$H" a
	tool remove "$H" default
	[ "$(h cat /proc/sys/net/ipv4/conf/up0/forwarding)" = 1 ]
}

@test "without the helper: one line, exit 8, nothing left" {
	VZRUN_LIBEXEC=/nonexistent run tool claim "$H" a
	[ "$status" -eq 8 ]
	[ "${lines[0]}" = "nettool: firewall: vzrun-net: not found in /nonexistent" ]
	gone h ip link show vzbr0
	[ ! -e "$H/networks/default.json" ]
	[ ! -e "$H/networks/.forwarding" ]
	tool claim "$H" a >/dev/null
}

@test "a damaged file is an error that names the place; nothing changes" {
	tool claim "$H" a >/dev/null
	sed -i 's/"10.77.0.2"/"10.77.0.300"/' "$H/networks/.guests/a.json"
	run tool claim "$H" a
	[ "$status" -eq 10 ]
	[ "$output" = "nettool: networks/.guests/a.json: nics[0]: ip: 10.77.0.300 is not an IPv4 address" ]
	tool claim "$H" b >/dev/null
	echo '{' >"$H/networks/default.json"
	run tool claim "$H" b
	[ "$status" -eq 10 ]
	[ "$(cat "$H/networks/default.json")" = "{" ]
}

@test "vzrun-net: hostile words never reach a rule" {
	req() { printf '{"table":"%s","action":"create","elements":["%s"]}' "$@"; }
	dry() { run "$VZRUN_LIBEXEC/vzrun-net" apply --dry-run < <(req "$@"); }
	link=767a62723000$(printf '0%.0s' {1..20})
	dry t "bridges $link - - web 0123456789abcdef"
	[ "$status" -eq 0 ]
	[[ ${lines[-1]} == 'add element inet t bridges { "vzbr0" comment "web 0123456789abcdef" }' ]]
	dry t "nat4 0a4d0000-0a4dffff - -"
	[[ ${lines[-1]} == 'add element inet t nat4 { 10.77.0.0-10.77.255.255 }' ]]
	dry t "rate_out $link - 1000/65536"
	[[ ${lines[-1]} == 'add element bridge t rate_out { "vzbr0" limit rate over 1000 bytes/second burst 65536 bytes }' ]]
	dry t "src6 ${link}020000000001""0000fd770000000000000000000000000002 goto:watched - "
	[[ ${lines[-1]} == 'add element bridge t src6 { "vzbr0" . 02:00:00:00:00:01 . fd77::2 : goto watched }' ]]
	quote=2279ff0000$(printf '0%.0s' {1..22})
	for bad in 't;x|bridges '"$link"' - -' '-t|bridges '"$link"' - -' 't|bridges } - -' 't|bridges -' 't|bridges' 't|' \
	           't|nosuch '"$link"' - -' "t|bridges $quote - -" "t|bridges ${link}00 - -" "t|bridges $link accept -" \
	           "t|bridges $link - - a; drop" "t|bridges $link - - a\\\" }" "t|bridges $link - 5" "t|bridges $link - 5/x" \
	           "t|src4 ${link}0200000000010000""0a4d0002 goto:a;b -" "t|src4 ${link}0200000000010000""0a4d0002 - -" \
	           "t|nat4 0a4d0000-0a4d - -"; do
		dry "${bad%%|*}" "${bad#*|}"
		[ "$status" -ne 0 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == "vzrun-net: stdin: "* ]]
	done
}

@test "a guest whose configuration switches IPv6 off keeps IPv4" {
	space A
	in_ns "$A" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
	tool up "$H" a "$A" >/dev/null
	pings "$A" 10.77.0.1
	pings "$A" 192.0.2.2
	[ -z "$(in_ns "$A" ip -6 addr show eth0)" ]
}
