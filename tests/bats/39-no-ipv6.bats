#!/usr/bin/env bats
# Networks that have IPv6, on a host where it is off: for the whole kernel (ipv6.disable=1: tests/vm/run -a ipv6.disable=1;
# elsewhere /proc/sys/net/ipv6 is covered, by which it is known), or by sysctl. Needs root.
load spaces
bats_require_minimum_version 1.5.0

setup() {
	spaces_begin
	space HOST
	h ip link set lo up
}
teardown() { spaces_end; }

# shellcheck disable=SC2016
dark() { h unshare -m sh -c '[ ! -e /proc/sys/net/ipv6 ] || mount -t tmpfs none /proc/sys/net/ipv6; exec "$@"' sh "$@"; }
off() { dark env VZRUN_HOME="$H" "$VZ" "$@"; }
on() { h env VZRUN_HOME="$H" "$VZ" "$@"; }
# guest VAR NAME [NIC...]: what is said goes to its file, too
guest() {
	space "$1"
	dark "$T" up "$H" "$2" "${!1}" "${@:3}" >"$D/$2.ports" 2>"$D/$2.said"
}
# The home of a host that had IPv6 when it was made.
had_ipv6() {
	off network create web --subnet 10.77.0.0/16
	jq '.subnet6 = "fd77::/64"' "$H/networks/web.json" >"$D/web.json"
	off network rm web
	cp "$D/web.json" "$H/networks/"
}
ip4_only() { [[ "$(in_ns "$1" ip -o addr show dev "$2" | grep -v ' fe80:')" = *" $3 "* ]] && [ -z "$(in_ns "$1" ip -6 -o addr show dev "$2" scope global)" ]; }

@test "a network that has IPv6 gives IPv4 alone where the kernel has no other, and says so once" {
	had_ipv6
	guest A a network=web
	grep -q "network web: this kernel has no IPv6: its guests have IPv4 alone" "$D/a.said"
	guest B b network=web
	[ ! -s "$D/b.said" ]
	ip4_only "$A" eth0 10.77.0.2/16
	ip4_only "$HOST" vzbr0 10.77.0.1/16
	pings "$A" 10.77.0.3
	pings "$A" 10.77.0.1
	run off network check
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	h ip addr del 10.77.0.1/16 dev vzbr0
	off network apply
	run off network check
	[ "$status" -eq 0 ]
	ip4_only "$HOST" vzbr0 10.77.0.1/16
	pings "$A" 10.77.0.1
	# What they have of it stays theirs.
	[ "$(jq -r .nics[0].ip6 "$H/networks/.guests/b.json")" = fd77::3 ]
	[ -e /proc/sys/net/ipv6 ] || return 0
	run on network check
	[ "$status" -eq 1 ]
	[[ $output == *"web: bridge vzbr0 lacks its address fd77::1/64"* ]]
	on network apply
	on network check
}

@test "guests' IPv6 alone is refused where the kernel has none, and so is a new network of it" {
	had_ipv6
	jq 'del(.subnet)' "$D/web.json" >"$H/networks/web.json"
	space A
	run dark "$T" up "$H" a "$A" network=web
	[ "$status" -eq 8 ]
	[[ $output == *"network web: this kernel has no IPv6"* ]]
	run off network create new --subnet6 fd78::/64
	[ "$status" -eq 8 ]
	[ "${lines[0]}" = "vzrun: network new: this kernel has no IPv6" ]
	[[ $output == *"ipv6.disable=1"* ]]
	[ ! -e "$H/networks/new.json" ]
}

@test "IPv6 that is off by sysctl is on within a network: create, start, check, apply" {
	[ -e /proc/sys/net/ipv6 ] || skip "kernel: no IPv6"
	h sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	on network create web --subnet 10.77.0.0/16 --subnet6 fd77::/64
	h ip link add up0 type veth peer name up1
	h ip link set up0 up
	space A
	h "$T" up "$H" a "$A" network=web >"$D/a.ports"
	pings "$A" fd77::1
	on network check
	# Behind the bridge alone.
	[ -z "$(h ip -6 -o addr show dev up0)$(h ip -6 -o addr show dev lo)" ]
	# And off once more, while it stands.
	h sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	run on network check
	[ "$status" -eq 1 ]
	[[ $output == *"/proc/sys/net/ipv6/conf/vzbr0/disable_ipv6 is 1, not 0"* ]]
	on network apply
	on network check
	pings "$A" fd77::1
	# A guest that has it off has IPv4.
	space B
	in_ns "$B" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	h "$T" up "$H" b "$B" network=web >"$D/b.ports"
	ip4_only "$B" eth0 10.77.0.3/16
	pings "$B" 10.77.0.1
}
