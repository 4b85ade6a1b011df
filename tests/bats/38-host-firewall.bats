#!/usr/bin/env bats
# vzrun-net judge: what the host's own firewall would do to a new connection to a port of the host. Real rules,
# loaded by nft, iptables-nft and iptables-legacy in a network namespace of the test's own. Needs root.

setup() {
	[ "$(id -u)" = 0 ] || { echo "needs root" >&2; return 1; }
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	NET=${VZRUN_LIBEXEC:-${VZRUN_BUILD:-$PWD/build}}/vzrun-net
	unshare -n sleep 300 3>&- &
	NS=$!
	for _ in {1..200}; do
		[ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$NS/ns/net")" ] && return 0
		sleep 0.01
	done
	return 1
}

teardown() { kill -9 "$NS"; wait "$NS" 2>/dev/null || true; }

h() { nsenter -t "$NS" -n -- "$@"; }
judge() { h "$NET" judge <<<"$1"; }

# One link eth0 with 192.0.2.0/24 and 2001:db8::/64 on it, and one port: the members given.
ask() {
	jq -nc --argjson p "{$1}" '{links: [{name: "eth0", onLink: ["192.0.2.0/24", "2001:db8::/64"]}],
		ports: [{port: 8080, count: 1} + $p]}' | h "$NET" judge
}

# verdict MEMBERS: "open", or "drops CHAIN: RULE", or "may CHAIN: RULE"
verdict() {
	# Newer nft writes the burst that is meant where none is given.
	ask "$1" | jq -r '.refused[0] // {} | if .chain then
		(if .sure then "drops " else "may " end) + .chain + ": " + .rule else "open" end' | sed 's/ burst 5 packets//'
}

# is WANT MEMBERS
is() {
	local got

	got=$(verdict "$2")
	[ "$got" = "$1" ] || { h nft -a list ruleset; echo "got:  $got"; echo "want: $1"; return 1; }
}

# in_chain POLICY RULE...: an input chain of these rules
in_chain() {
	h nft flush ruleset
	{
		echo "table inet admin {"
		echo 'set bad { type ipv4_addr; elements = { 203.0.113.7 } }'
		echo 'set none { type ipv4_addr; }'
		echo 'set moving { type ipv4_addr; flags dynamic, timeout; }'
		echo 'map m { type inet_service : verdict; elements = { 8080 : drop } }'
		echo 'chain sub { tcp dport 8080 accept; }'
		echo 'chain drops { drop; }'
		echo "chain input { type filter hook input priority 0; policy $1;"
		printf '%s\n' "${@:2}"
		printf '}\n}\n'
	} | h nft -f -
}

@test "without anybody's rules every port is open" {
	is open '"port": 80'
	is open '"lan": true'
	is open '"udp": true, "count": 100'
}

@test "a policy of drop needs an accept" {
	in_chain drop
	is 'drops inet admin input: policy drop' ''
	is 'drops inet admin input: policy drop' '"lan": true'
	in_chain drop 'tcp dport 8080 accept'
	is open ''
	is 'drops inet admin input: policy drop' '"udp": true'
	is 'drops inet admin input: policy drop' '"port": 8081'
	is 'drops inet admin input: policy drop' '"count": 2'
	in_chain drop 'tcp dport 8080 accept' 'tcp dport 8081-8090 accept'
	is open '"count": 11'
	is 'drops inet admin input: policy drop' '"count": 12'
	in_chain drop 'meta l4proto { tcp, udp } th dport { 22, 8000-9000 } accept'
	is open '"udp": true, "count": 921'
	in_chain drop 'jump sub'
	is open ''
	in_chain drop 'goto sub'
	is open ''
	is 'drops inet admin input: policy drop' '"port": 1'
}

@test "one rule after another: what is decided, and what is not" {
	while IFS='~' read -r rule port want; do
		in_chain accept "$rule"
		is "${want/RULE/$rule}" "$port" || { echo "rule: $rule"; return 1; }
	done <<-'END'
	drop~~drops inet admin input: RULE
	reject with icmpx type port-unreachable~~drops inet admin input: reject
	tcp dport 8080 drop~~drops inet admin input: RULE
	tcp dport 8080 drop~"udp": true~open
	tcp dport != 8080 drop~~open
	tcp dport != 8080 drop~"udp": true~open
	tcp dport 8081 drop~~open
	tcp dport 8081 drop~"count": 2~drops inet admin input: RULE
	tcp dport < 1024 drop~~may inet admin input: RULE
	udp dport 8080 drop~~open
	iifname "eth0" drop~~drops inet admin input: RULE
	iifname "eth1" drop~~open
	iifname "eth*" drop~~drops inet admin input: RULE
	iifname != "lo" tcp dport 8080 reject~~drops inet admin input: RULE
	iif "lo" drop~~open
	ct state invalid drop~~open
	ct state { new, untracked } drop~~drops inet admin input: ct state { new, untracked } drop
	ct state new tcp dport 8080 drop~~drops inet admin input: RULE
	ct state vmap { established : accept, related : accept, invalid : drop }~~open
	ct state established,related drop~~open
	ct status dnat drop~~open
	ip saddr 10.0.0.0/8 drop~~may inet admin input: RULE
	ip saddr 10.0.0.0/8 drop~"lan": true~open
	ip saddr 192.0.2.0/24 drop~"lan": true~drops inet admin input: RULE
	ip saddr 192.0.0.0/16 drop~"lan": true~drops inet admin input: RULE
	ip saddr 192.0.2.7 drop~"lan": true~may inet admin input: RULE
	ip saddr != 192.0.2.0/24 drop~"lan": true~open
	ip6 saddr 2001:db8::/32 drop~"lan": true~drops inet admin input: RULE
	ip6 saddr 2001:db8::/32 drop~"lan": true, "address": "192.0.2.1"~open
	ip saddr @bad drop~~may inet admin input: RULE
	ip saddr @bad drop~"lan": true~open
	ip saddr @none drop~~open
	ip saddr @moving drop~~may inet admin input: RULE
	ip daddr 192.0.2.1 drop~"address": "192.0.2.1"~drops inet admin input: RULE
	ip daddr 192.0.2.1 drop~"address": "192.0.2.2"~open
	ip daddr 192.0.2.1 drop~~may inet admin input: RULE
	iifname . tcp dport { "eth0" . 8080 } drop~~drops inet admin input: RULE
	iifname . tcp dport { "eth0" . 8081 } drop~~open
	tcp dport vmap { 22 : accept, 8080 : drop }~~drops inet admin input: tcp dport vmap { 22 : accept, 8080 : drop }
	tcp dport vmap { 22 : drop, 8080 : accept }~~open
	tcp dport vmap @m~~drops inet admin input: RULE
	tcp dport vmap @m~"port": 22~open
	tcp flags syn drop~~drops inet admin input: RULE
	tcp flags & (fin|syn|rst|ack) != syn ct state new drop~~open
	tcp flags & (fin|syn) == fin|syn drop~~open
	limit rate over 10/second drop~~may inet admin input: limit rate over 10/second drop
	meta mark 0x1 drop~~may inet admin input: meta mark 0x00000001 drop
	meta nfproto ipv4 tcp dport 8080 drop~~drops inet admin input: RULE
	meta nfproto ipv6 tcp dport 8080 drop~"address": "192.0.2.1"~open
	ip protocol icmp drop~~open
	icmp type echo-request drop~~open
	fib daddr type local drop~~drops inet admin input: RULE
	fib daddr type { broadcast, multicast } drop~~open
	jump drops~~drops inet admin input: drop
	tcp dport 22 jump drops~~open
	counter log prefix "x"~~open
	meta pkttype { broadcast, multicast } drop~~open
	tcp sport 1024-65535 drop~~may inet admin input: RULE
	add @moving { ip saddr limit rate over 3/minute } drop~~may inet admin input: add @moving { ip saddr limit rate over 3/minute } drop
	END
}

@test "chains that see the packet before it is translated are left to themselves; later ones are asked" {
	h nft add table inet admin
	h nft add chain inet admin early '{ type filter hook prerouting priority raw; policy drop; }'
	h nft add chain inet admin forward '{ type filter hook forward priority 0; policy drop; }'
	h nft add chain inet admin output '{ type filter hook output priority 0; policy drop; }'
	is open ''
	h nft add chain inet admin late '{ type filter hook prerouting priority 0; policy accept; }'
	h nft add rule inet admin late tcp dport 8080 drop
	is 'drops inet admin late: tcp dport 8080 drop' ''
	is open '"port": 80'
}

@test "every table is asked, families by themselves; vzrun's own are not" {
	h nft add table ip6 six
	h nft add chain ip6 six input '{ type filter hook input priority 10; policy drop; }'
	is 'drops ip6 six input: policy drop' ''
	is open '"address": "192.0.2.1"'
	h nft add rule ip6 six input tcp dport 8080 accept
	is open ''
	h nft add table ip vzrun_0123abcd
	h nft add chain ip vzrun_0123abcd input '{ type filter hook input priority 0; policy drop; }'
	is open ''
	h nft add table ip vzrun_other
	h nft add chain ip vzrun_other input '{ type filter hook input priority 0; policy drop; }'
	is 'drops ip vzrun_other input: policy drop' ''
}

@test "iptables-nft: its own words for it" {
	h iptables-nft -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	h iptables-nft -A INPUT -m conntrack --ctstate INVALID -j DROP
	h iptables-nft -A INPUT -i lo -j ACCEPT
	h iptables-nft -A INPUT -p tcp -m multiport --dports 80,8080 -m comment --comment 'web; drop' -j ACCEPT
	h iptables-nft -A INPUT -m limit --limit 3/min -j LOG --log-prefix x
	h iptables-nft -P INPUT DROP
	is open '"address": "192.0.2.1"'
	is 'drops ip filter INPUT: policy drop' '"port": 81, "address": "192.0.2.1"'
	h iptables-nft -A INPUT -p udp --dport 8000:9000 -j REJECT
	is 'drops ip filter INPUT: udp dport 8000-9000 counter packets 0 bytes 0 reject' '"udp": true'
	h iptables-nft -I INPUT -m recent --name x --rcheck -j DROP
	run verdict '"address": "192.0.2.1"'
	[[ $output == "may ip filter INPUT: "* ]]
}

@test "iptables-legacy: rules in INPUT are not read, so they may drop" {
	h iptables-legacy -t filter -L >/dev/null || skip "kernel: no ip_tables"
	is open ''
	h iptables-legacy -A FORWARD -j DROP
	h iptables-legacy -A OUTPUT -j ACCEPT
	is open ''
	h iptables-legacy -P INPUT DROP
	is 'may iptables-legacy filter INPUT: rules of the older kind, which are not read' ''
	h iptables-legacy -P INPUT ACCEPT
	is open ''
	h iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT
	is 'may iptables-legacy filter INPUT: rules of the older kind, which are not read' ''
	h iptables-legacy -F INPUT
	h ip6tables-legacy -P INPUT DROP
	is open '"address": "192.0.2.1"'
	is 'may ip6tables-legacy filter INPUT: rules of the older kind, which are not read' '"address": "2001:db8::1"'
}

@test "several links, several ports: each by itself; rules stay as they were" {
	in_chain drop 'iifname "eth0" accept' 'iifname "eth1" tcp dport 1 accept'
	h nft list ruleset >"$BATS_TEST_TMPDIR/before"
	run judge '{"links":[{"name":"eth0"},{"name":"eth1"}],"ports":[{"port":1,"count":1},{"port":2,"count":1}]}'
	[ "$status" -eq 0 ]
	[ "$output" = '{"refused":[{"port":1,"link":"eth1","chain":"inet admin input","rule":"policy drop","sure":true}]}' ]
	h nft list ruleset | diff "$BATS_TEST_TMPDIR/before" -
}
