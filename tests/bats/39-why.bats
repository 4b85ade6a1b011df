#!/usr/bin/env bats
# `network why`: would a packet pass, and what stops it. Real guests, real packets, nftables of ours and of others.
load guest

setup_file() { need_guests busybox && alone guest; }

setup() {
	guest_setup
	A=$G-a B=$G-b C=$G-c
	vz network create blue --dns no >/dev/null
	vz network create red --dns no >/dev/null
	on "$A" blue
	on "$B" blue
	on "$C" red
}

teardown() {
	local g
	for g in $(vz ls -q 2>/dev/null); do vz destroy -f "$g" >/dev/null; done
	if [ -n "${OWN:-}" ]; then ip addr del "$OWN/32" dev lo; fi
	if [ -n "${FOREIGN:-}" ]; then nft delete table inet "$FOREIGN"; fi
	vz network rm blue red
	why_left
	guest_teardown
}

# on GUEST NETWORK...: it runs, with a NIC on each
on() {
	local g=$1
	vz create "$g" --template busybox --memory 64M >/dev/null
	jq '.vzrun.networks = [$ARGS.positional[] | { network: . }]' --args "${@:2}" <"$(conf "$g")" >"$BATS_TEST_TMPDIR/n.json"
	cp "$BATS_TEST_TMPDIR/n.json" "$(conf "$g")"
	vz start "$g" >/dev/null
}
serve() { vz exec "$1" httpd -p "$2" -h /tmp; }
address() { vz exec "$1" ip -o -4 addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }'; }
# Nothing of a question stays: no table, no link.
why_left() {
	! nft list tables | grep vzrun_why || return 1
	! ip -o link | grep vzwhy || return 1
}
passes() { [ "$status" -eq 0 ] && [ "${lines[0]}" = "passes: $1" ] || { echo "got $status: $output"; return 1; }; }
stopped() { [ "$status" -eq 1 ] && [ "${lines[0]}" = "does not pass: $1" ] || { echo "got $status: $output"; return 1; }; }

@test "within a segment: an echo, a port that listens and one that does not, in both families" {
	serve "$B" 80
	for family in -4 -6; do
		run vz network why $family "$A" "$B"
		passes "$B answers"
		run vz network why $family "$A" "$B:80"
		passes "port 80 of $B answers"
		run vz network why $family "$A" "$B:81"
		passes "it arrives; nothing listens on port 81 of $B"
		run vz network why $family "$A" "$B:81/udp"
		passes "it arrives; nothing listens on port 81 of $B"
	done
	why_left
}

@test "no program at the other end hears of it" {
	vz exec "$B" sh -c 'echo "echo heard >>/tmp/heard" >/tmp/hear && chmod 755 /tmp/hear'
	vz exec -d "$B" sh -c 'nc -ll -p 7 -e sh /tmp/hear'
	wait_for vz network why "$A" "$B:7"
	for _ in 1 2 3; do vz network why "$A" "$B:7" | grep -q "^passes: port 7 of $B answers"; done
	run vz exec "$B" cat /tmp/heard
	[ "$status" -ne 0 ]
	# A real connection is heard.
	vz exec "$A" sh -c "nc -w 1 $(address "$B") 7 </dev/null"
	wait_for vz exec "$B" grep heard /tmp/heard
}

@test "segments are closed: the rule, the reason and what opens them" {
	serve "$C" 80
	run vz network why "$A" "$C:80"
	stopped "network blue may not open connections to network red"
	[[ $output == *"table inet vzrun_"*", chain forward, handle "*": "*drop* ]]
	[ "${lines[-1]}" = "  try     vzrun network allow --port 80 blue red" ]
	run vz network why -6 "$A" "$C"
	stopped "network blue may not open connections to network red"
	eval "$(vz network why "$A" "$C:80" | sed -n 's/^  try     vzrun/vz/p')"
	run vz network why "$A" "$C:80"
	passes "port 80 of $C answers"
	run vz network why "$A" "$C:81"
	stopped "network blue may not open connections to network red"
	run vz network why "$C" "$A:80"
	stopped "network red may not open connections to network blue"
}

@test "the host and the outside, each way" {
	serve "$B" 80
	run vz network why host "$B:80"
	passes "port 80 of $B answers"
	run vz network why "$B" host
	passes "host answers"
	run vz network why "$B" host:22
	[ "$status" -eq 1 ]
	has "chain input"
	run vz network why outside "$B:80"
	stopped "the outside may not open connections to network blue"
	run vz network why -6 outside "$B"
	stopped "the outside may not open connections to network blue"
	vz network allow outside blue
	run vz network why outside "$B:80"
	passes "port 80 of $B answers"
	why_left
}

@test "a rule of somebody else is quoted, whatever it is called" {
	FOREIGN=other$$
	nft -f - <<-END
		table inet $FOREIGN {
			chain ours {
				tcp dport 8080 counter drop comment "not today"
			}
			chain mine {
				type filter hook forward priority 10
				jump ours
			}
		}
	END
	vz network allow blue red
	run vz network why "$A" "$C:8080"
	stopped "somebody else's rule of this host stops it: table inet $FOREIGN, chain ours"
	has 'tcp dport 8080 counter packets 1 '
	has 'drop comment "not today"'
	run vz --json network why "$A" "$C:8080"
	[ "$status" -eq 1 ]
	[ "$(jq -r '.rule | .family + .table + .chain' <<<"$output")" = "inet${FOREIGN}ours" ]
	[ "$(jq -r .passes <<<"$output")" = false ]
	# Its answer is stopped.
	serve "$C" 80
	nft add rule inet "$FOREIGN" ours tcp sport 80 drop
	run vz network why "$A" "$C:80"
	stopped "it arrives, but its answer does not: somebody else's rule of this host stops it: table inet $FOREIGN, chain ours"
}

@test "a policy that drops is named" {
	FOREIGN=other$$
	vz network allow blue red
	nft -f - <<-END
		table inet $FOREIGN {
			chain closed {
				type filter hook forward priority 10; policy drop
				iifname != "$(jq -r .bridge "$VZRUN_HOME/networks/blue.json")" accept
			}
		}
	END
	run vz network why "$A" "$C"
	stopped "somebody else's rule of this host stops it: table inet $FOREIGN, chain closed"
	has "policy drop"
}

@test "before a packet: stopped, link down, no address, no route" {
	vz exec "$A" ip route del default
	run vz network why "$A" 192.0.2.1
	stopped "$A sends nothing: it has no route there"
	vz exec "$A" ip -6 addr flush dev eth0
	run vz network why -6 "$A" "$B"
	stopped "$A sends nothing: it has no IPv6 address"
	vz exec "$A" ip link set eth0 down
	run vz network why "$A" "$B"
	stopped "$A sends nothing: its link eth0 is down"
	vz stop "$C" >/dev/null
	run vz network why "$B" "$C"
	stopped "$C is not running"
	run vz network why "$C" "$B"
	stopped "$C is not running"
}

@test "nobody there, and the sender's own firewall" {
	free=$(address "$B" | sed 's/[0-9]*$/250/')
	run vz network why "$A" "$free"
	stopped "nobody answers for $free on eth0"
	nsenter -t "$(init_of "$A")" -n nft -f - <<-END
		table ip own {
			chain out {
				type filter hook output priority 0
				tcp dport 25 drop
			}
		}
	END
	run vz network why "$A" "$B:25"
	stopped "$A's own firewall keeps it from being sent"
}

@test "an address that is not the sender's own, found out before and after the neighbour is known" {
	own=$(address "$A") other=$(address "$A" | sed 's/[0-9]*$/77/')
	net=$(jq -r .subnet "$VZRUN_HOME/networks/blue.json")
	vz exec "$A" ip addr add "$other/${net#*/}" dev eth0
	vz exec "$A" ip route replace "$net" dev eth0 src "$other"
	run vz network why "$A" "$B"
	stopped "the sender speaks for an address that it was not given"
	has "chain from_arp"
	vz exec "$A" ping -c 5 -W 5 -I "$own" "$(address "$B")"
	run vz network why "$A" "$B"
	stopped "the sender uses an address that it was not given"
	has "table bridge vzrun_"
}

@test "the firewall of a guest, and a port that is published" {
	serve "$B" 80
	vz fw deny "$B" in --proto tcp --port 80 >/dev/null
	run vz network why "$A" "$B:80"
	stopped "the firewall of $B does not let it in"
	[ "${lines[-1]}" = "  try     vzrun fw ls $B" ]
	run vz network why "$A" "$B:81"
	passes "it arrives; nothing listens on port 81 of $B"
	vz fw deny "$A" out --proto icmp >/dev/null
	run vz network why "$A" "$C"
	stopped "the firewall of $A does not let it out"
	vz fw rm "$B" 1 >/dev/null
	# A host has an address for the outside; this one may have none.
	ip addr add 198.51.100.39/32 dev lo
	OWN=198.51.100.39
	vz port add "$B" $OWN:18080:80 --expose world >/dev/null
	run vz network why outside $OWN:18080
	passes "port 18080 of $OWN answers"
	run vz network why outside $OWN:18081
	passes "it arrives; nothing listens on port 18081 of $OWN"
}

@test "killed at any time it leaves no table and no link" {
	for delay in 0.002 0.005 0.01 0.02 0.04 0.3; do
		(exec timeout -s KILL $delay "$VZ" --root "$ROOT" network why outside "$(address "$B" | sed 's/[0-9]*$/250/')" \
			>/dev/null 2>&1 3>&-) || true
	done
	wait_for why_left
}

@test "questions that make no sense" {
	run vz network why nobody "$A"
	refuses 3 "guest nobody does not exist"
	run vz network why "$A" nobody:80
	refuses 3 "nobody is neither a guest nor an address"
	for bad in 0 65536 x 80/sctp ''; do
		run vz network why "$A" "$B:$bad"
		[ "$status" -eq 2 ] || { echo "$bad: $status: $output"; return 1; }
	done
	run vz network why "$A" '[fd77::1'
	[ "$status" -eq 2 ]
	run vz network why host host
	[ "$status" -eq 2 ]
	run vz network why -4 -6 "$A" "$B"
	[ "$status" -eq 2 ]
}
