#!/usr/bin/env bats
# What a guest may not send: frames forged from inside, byte by byte (tests/net/spoof.py). Each is dropped, counted by
# the counter of its kind and by no other, and seen neither by the neighbour nor by the host; honest frames of the same
# form arrive. Needs root.
load helpers

setup_file() {
	[ "$(id -u)" = 0 ] || { echo "must run as root" >&2; return 1; }
	[ -x "$BUILD/tools/nettool" ] || { echo "no nettool: make build/tools/nettool" >&2; return 1; }
}
spoof() {
	run python3 "$TOP/tests/net/spoof.py" "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	echo "# ${lines[-1]}" >&3
}

@test "MAC addresses of others" { spoof mac; }
@test "IPv4 sources of others" { spoof ip4; }
@test "ARP for others: requests, replies, gratuitous, probes" { spoof arp; }
@test "IPv6 sources of others, behind extension headers too" { spoof ip6; }
@test "neighbour discovery for others, behind headers, in fragments" { spoof nd; }
@test "router advertisements, redirects, DHCP servers" { spoof rogue; }
@test "tagged frames" { spoof tagged; }
@test "other protocols" { spoof other; }
@test "frames shorter than their headers" { spoof short; }

# What a host may have switched on for somebody else leads through nothing of ours (tests/net/ways.py).
way() {
	run python3 "$TOP/tests/net/ways.py" "$1"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "the host's loopback, where packets for it are let in" { way localnet; }
@test "source routing, where the host does it" { way source-route; }
@test "source routing of an answered echo, where the host does it" { way source-route-known; }
@test "source routing of an answered echo, from outside" { way source-route-outside; }
@test "segment routing of an answered echo, where the host does it" { way segment-route; }
@test "multicast, where the host routes it" { way multicast-router; }
@test "from outside with the source of a segment that is let in" { way forged-outside; }
@test "a tunnel's frame from a stranger" { way tunnel-stranger; }
@test "a tunnel's frame from a guest" { way tunnel-guest; }
@test "a frame wrapped by a guest for a tunnel's other end" { way tunnel-wrapped; }
@test "packets of no connection leave the host under no guest's address" { way untranslated; }
@test "what has no ports, to the other end of a tunnel of the host's" { way without-ports; }
@test "what has no ports, IPv6" { way without-ports6; }
@test "a guest that speaks to the outside from a port of the host's" { way port-shadow; }
@test "a guest that asks for hundreds of neighbours who are not there" { way neighbours; }
@test "an error about a connection of another segment's" { way error-to-guest; }
@test "an error about a connection of another segment's, IPv6" { way error-to-guest6; }
@test "an error about a connection of the host's" { way error-to-host; }
@test "IP to the host in frames that bridges keep to themselves" { way link-local-ip; }
@test "IPv6 in such frames" { way link-local-ip6; }
@test "ARP in such frames" { way link-local-arp; }
@test "IP to the host by a port that has left its bridge" { way port-left; }
@test "a neighbour's MAC address in frames that bridges keep to themselves" { way link-local-frames; }

@test "forged frames all the time: starts, stops, and what is made anew meanwhile" {
	run python3 "$TOP/tests/net/race.py"
	echo "$output"
	[ "$status" -eq 0 ]
}
