#!/usr/bin/env bats
# The firewall of a guest: ordered rules, both directions, IPv4 and IPv6, stateful, live; from its own segment, from
# outside and from the host.

load netlab

setup_file() { need_guests busybox && alone netlab; }
setup() { lab_setup; }
teardown() { lab_teardown; }

# rules NAME: the rules as one word each
rules() { vz --json fw ls "$1" | jq -c '[.rules[] | .action + " " + .direction + " " + (.from // .to // "any") + " " + .protocol + " " + ((.port // "any") | tostring)]'; }
chains() { h nft list ruleset | grep -cE 'chain (in|out)_' || true; }

@test "words: what is no rule is refused in one line, and nothing is saved" {
	vz create web --template busybox >/dev/null
	while IFS=$'\t' read -r words message; do
		# shellcheck disable=SC2086
		run vz fw $words
		refuses 2 "$message"
	done <<-'END'
	deny web up	"up": expected in or out
	deny web in --to 10.0.0.1	--to: is for direction "out"
	deny web out --from 10.0.0.1	--from: is for direction "in"
	deny web in --from 10.0.0.1/8	--from: 10.0.0.1/8: has host bits beyond its prefix
	deny web in --from 10.0.0.1;drop	--from: "10.0.0.1;drop" is not an address or subnet
	deny web in --port 0	--port: "0" is not a port or a range FIRST-LAST
	deny web in --port 90-80	--port: "90-80" is not a port or a range FIRST-LAST
	deny web in --port 80,81	--port: "80,81" is not a port or a range FIRST-LAST
	deny web in --proto icmp --port 8	--port: icmp has no ports
	deny web in --at 2	--at: guest "web" has 0 rules, so 1 to 1
	rm web x	"x" is not the number of a rule
	END
	run vz fw deny web in --proto sctp
	[ "$status" -eq 2 ]
	run vz fw rm web 1
	refuses 3 'guest "web" has no rule 1'
	run vz fw deny nobody in
	[ "$status" -eq 3 ]
	[ "$(rules web)" = '[]' ]
	[ "$(jq .vzrun.firewall "$(conf web)")" = null ]
	vz create alone --template busybox --net none >/dev/null
	run vz fw deny alone in
	refuses 5 'guest "alone" has no network: there is nothing to filter'
}

# unseen NETWORK WHY: neither a rule for a guest that is there, nor an interface there for a guest that has rules
unseen() {
	local said="network $1 $2: a guest's firewall does not hold there"

	vz create web --template busybox --net "$1" >/dev/null
	run vz fw deny web in --proto tcp
	refuses 5 "$said"
	[ "$(rules web)" = '[]' ]
	vz create db --template busybox >/dev/null
	vz fw deny db in --proto tcp >/dev/null
	run vz nic add db --network "$1"
	[ "$status" -eq 5 ]
	[[ $output == *"$said"* ]]
	vz destroy web >/dev/null
	vz destroy db >/dev/null
	vz network rm "$1"
}

@test "on a bridge of the host's nothing would hold: refused, whichever comes first" {
	h ip link add name br9 type bridge
	h ip link set br9 up
	vz network create site --bridge br9 --subnet 10.99.0.0/24 --pool 10.99.0.10-10.99.0.20 >/dev/null
	unseen site "is a bridge of the host's"
	h ip link del br9
}

@test "two guests with one MAC address on two networks: the firewall of one outlives that of the other" {
	local mac=02:00:00:00:00:77
	vz network create red --subnet 10.120.0.0/24 >/dev/null
	vz network create blue --subnet 10.121.0.0/24 >/dev/null
	lab_guest web --net red --mac "$mac"
	lab_guest db --net blue --mac "$mac"
	lab_guest near --net blue
	serve "$db" 80
	vz fw deny db in --proto tcp >/dev/null
	vz fw deny web in --proto tcp >/dev/null
	gets silence "$near" "$(addr db)" 80
	# The record of whoever has no part in it need not be sound.
	echo '{' >"$VZRUN_HOME/networks/.guests/elsewhere.json"
	vz fw rm web 1
	rm "$VZRUN_HOME/networks/.guests/elsewhere.json"
	gets silence "$near" "$(addr db)" 80
	vz network check
	vz fw deny web in --proto tcp >/dev/null
	vz destroy -f web
	gets silence "$near" "$(addr db)" 80
	vz network check
	vz fw rm db 1
	[ -z "$(h nft -j list ruleset | jq -r '.nftables[].set | select(.name == "fw_macs").elem[]?')" ]
}

# The host cannot ask the other hosts' guests where they are (they believe nobody else to be the gateway), so what it
# forwards for a guest would not arrive, and what comes by the tunnel would not come by the rules.
@test "the same where a network spans hosts" {
	h ip link add vxprobe type vxlan id 1 dstport 4788 || skip "kernel: no vxlan"
	h ip link del vxprobe
	vz network create far --subnet 10.66.0.0/24 --vxlan 66 --peer 192.0.2.50 >/dev/null
	unseen far "spans hosts"
}

@test "a guest that has both from before is not started, until its rules are gone or it stands elsewhere" {
	local said="network far spans hosts: a guest's firewall does not hold there"

	h ip link add vxprobe type vxlan id 1 dstport 4788 || skip "kernel: no vxlan"
	h ip link del vxprobe
	vz network create far --subnet 10.66.0.0/24 --vxlan 66 --peer 192.0.2.50 >/dev/null
	vz create db --template busybox >/dev/null
	vz fw deny db in --proto tcp >/dev/null
	vz fw deny db out --proto udp >/dev/null
	vz create web --template busybox --net far >/dev/null
	for f in guests/%s/config.json:.vzrun.firewall networks/.guests/%s.json:.firewall; do
		# shellcheck disable=SC2059
		from=$VZRUN_HOME/$(printf "${f%:*}" db) to=$VZRUN_HOME/$(printf "${f%:*}" web)
		jq --argjson rules "$(jq "${f#*:}" "$from")" "${f#*:} = \$rules" "$to" >"$BATS_TEST_TMPDIR/new"
		cat "$BATS_TEST_TMPDIR/new" >"$to"
	done
	run vz start web
	[ "$status" -eq 5 ]
	[[ $output == *"$said"* ]] || { echo "$output"; false; }
	[ "$(vz --json show web | jq -r .status)" = stopped ]
	run vz fw allow web in
	[ "$status" -eq 5 ]
	vz fw rm web 1
	run vz start web
	[[ $output == *"$said"* ]]
	vz fw rm web 1
	vz start web >/dev/null
	vz destroy -f web >/dev/null
	vz destroy db >/dev/null
	vz network rm far
}

@test "order: at a place, removed by number, listed as they stand" {
	vz create web --template busybox >/dev/null
	run vz fw deny web in --proto tcp --port 22
	[ "$output" = "web: rule 1 added: deny in tcp 22" ]
	vz fw allow web in --from 10.0.0.0/8 --at 1 >/dev/null
	vz fw deny web out --to 2001:db8::/32 --proto udp --port 53-99 --at 2 >/dev/null
	[ "$(rules web)" = '["allow in 10.0.0.0/8 any any","deny out 2001:db8::/32 udp 53","deny in any tcp 22"]' ]
	run vz fw ls web
	[ "${lines[2]}" = '2  deny    out        2001:db8::/32  udp    53-99' ]
	vz fw rm web 2 >/dev/null
	[ "$(rules web)" = '["allow in 10.0.0.0/8 any any","deny in any tcp 22"]' ]
	h nft list ruleset | grep -A3 'chain in_' | grep -q 'ip saddr 10.0.0.0/8 return'
	vz fw rm web 1 >/dev/null
	vz fw rm web 1 >/dev/null
	[ "$(chains)" = 0 ]
	[ "$(h nft -j list ruleset | jq -c '[.nftables[] | (.map? // .set?) // empty | select(.name | startswith("fw_")) | .elem // [] | length] | add')" = 0 ]
}

# dial_ll SPACE LINK OF PORT: whether the guest OF answers at its link-local address
dial_ll() {
	in_ns "$1" python3 - "$2" "$(in_ns "${!3}" ip -j link show eth0 | jq -r '.[0].address')" "$4" <<-'END'
	import socket, sys
	m = bytes.fromhex(sys.argv[2].replace(":", ""))
	a = bytes.fromhex("fe80000000000000") + bytes([m[0] ^ 2]) + m[1:3] + b"\xff\xfe" + m[3:]
	s = socket.socket(socket.AF_INET6)
	s.settimeout(2)
	try:
	    s.connect((socket.inet_ntop(socket.AF_INET6, a), int(sys.argv[3]), 0, socket.if_nametoindex(sys.argv[1])))
	    print("reached")
	except OSError:
	    print("silence")
	END
}

# ll_stands SPACE LINK: its link-local address is through with the search for a second one of it, which takes a second or two
ll_stands() { in_ns "$1" ip -6 -j addr show dev "$2" scope link | jq -e 'any(.[].addr_info[]?; .local and (.tentative | not))' >/dev/null; }

@test "by link-local addresses no more comes in or out than by the others" {
	lab_guest web
	lab_guest near
	serve "$web" 80
	serve "$web" 81
	serve "$near" 82
	wait_for ll_stands "$web" eth0
	wait_for ll_stands "$near" eth0
	wait_for ll_stands "$HOST" vzbr0
	[ "$(dial_ll "$near" eth0 web 80)$(dial_ll "$HOST" vzbr0 web 80)$(dial_ll "$web" eth0 near 82)" = reachedreachedreached ]
	vz fw deny web in --proto tcp --port 80 >/dev/null
	[ "$(dial_ll "$near" eth0 web 80)$(dial_ll "$HOST" vzbr0 web 80)" = silencesilence ]
	[ "$(dial_ll "$near" eth0 web 81)$(dial_ll "$HOST" vzbr0 web 81)$(dial_ll "$web" eth0 near 82)" = reachedreachedreached ]
	vz fw deny web out --proto tcp --port 82 >/dev/null
	[ "$(dial_ll "$web" eth0 near 82)" = silence ]
	vz fw rm web 1 >/dev/null
	vz fw rm web 1 >/dev/null
	[ "$(dial_ll "$near" eth0 web 80)$(dial_ll "$web" eth0 near 82)" = reachedreached ]
}

@test "in: from neighbours, from the host, from outside through a published port" {
	lab_guest web
	lab_guest near
	serve "$web" 80
	serve "$web" 81
	serve "$web" 82 udp
	vz port add web 8080:80 --expose world >/dev/null
	gets 198.51.100.9 "$WORLD" 192.0.2.1 8080
	vz fw deny web in --proto tcp --port 80 >/dev/null
	# the first packet of a neighbour may cross the change
	for to in "$(addr web)" "$(addr6 web)"; do
		gets silence "$near" "$to" 80
		gets silence "$HOST" "$to" 80
		[[ $(dial "$near" "$to" 81) == *[.:]* ]]
		[[ $(dial "$HOST" "$to" 81) == *[.:]* ]]
		[[ $(dial "$near" "$to" 82 udp) == *[.:]* ]]
	done
	gets silence "$WORLD" 192.0.2.1 8080
	gets silence "$WORLD" 2001:db8::1 8080
	gets silence "$HOST" 127.0.0.1 8080
	gets silence "$near" 192.0.2.1 8080
	# By source: the neighbour may, nobody else.
	vz fw allow web in --from "$(addr near)" --proto tcp --port 80 --at 1 >/dev/null
	gets "$(addr near)" "$near" "$(addr web)" 80
	gets silence "$near" "$(addr6 web)" 80
	gets silence "$HOST" "$(addr web)" 80
	vz fw allow web in --from 198.51.100.0/24 --at 1 >/dev/null
	gets 198.51.100.9 "$WORLD" 192.0.2.1 8080
	gets silence "$LAN" 192.0.2.1 8080
	for _ in 1 2 3; do vz fw rm web 1 >/dev/null; done
	gets "$(addr6 near)" "$near" "$(addr6 web)" 80
	gets 192.0.2.50 "$LAN" 192.0.2.1 8080
}

@test "out: to neighbours, to outside, to the host; answers come back" {
	lab_guest web
	lab_guest near
	serve "$near" 80
	serve "$WORLD" 80
	serve "$web" 81
	vz port add web 8081:81 --expose world >/dev/null
	gets 192.0.2.1 "$web" 198.51.100.9 80
	gets 2001:db8::1 "$web" 2001:db8:1::9 80
	vz fw allow web out --to 198.51.100.9 --proto tcp --port 80 >/dev/null
	vz fw deny web out >/dev/null
	gets 192.0.2.1 "$web" 198.51.100.9 80
	gets silence "$web" 2001:db8:1::9 80
	gets silence "$web" "$(addr near)" 80
	gets silence "$web" "$(addr6 near)" 80
	in_ns "$web" sh -c '! ping -c 1 -W 1 10.77.0.1' >/dev/null
	# Stateful: what others begin is answered.
	gets 198.51.100.9 "$WORLD" 192.0.2.1 8081
	gets "$(addr near)" "$near" "$(addr web)" 81
	gets "$(addr6 near)" "$near" "$(addr6 web)" 81
	# Others' traffic is nobody's business.
	gets 192.0.2.1 "$near" 198.51.100.9 80
	vz fw rm web 2 >/dev/null
	gets "$(addr web)" "$web" "$(addr near)" 80
}

@test "icmp, families, and everything: deny in, then nothing new comes" {
	lab_guest web
	lab_guest near
	in_ns "$near" ping -c 1 -W 2 "$(addr web)" >/dev/null
	in_ns "$near" ping -c 1 -W 2 "$(addr6 web)" >/dev/null
	vz fw deny web in --proto icmp --from 0.0.0.0/0 >/dev/null
	run in_ns "$near" ping -c 1 -W 1 "$(addr web)"
	[ "$status" -ne 0 ]
	in_ns "$near" ping -c 1 -W 2 "$(addr6 web)" >/dev/null
	vz fw deny web in >/dev/null
	run in_ns "$near" ping -c 1 -W 1 "$(addr6 web)"
	[ "$status" -ne 0 ]
	run h ping -c 1 -W 1 "$(addr6 web)"
	[ "$status" -ne 0 ]
	# Neighbours are still found, and the guest itself may speak.
	in_ns "$web" ping -c 1 -W 2 "$(addr near)" >/dev/null
	in_ns "$web" ip neigh flush all
	in_ns "$web" ping -c 1 -W 2 "$(addr6 near)" >/dev/null
}

@test "it outlasts a stop and a flush, and goes with the guest" {
	lab_guest web
	lab_guest near
	vz fw deny web in --proto tcp --port 80 >/dev/null
	vz stop -k web >/dev/null
	vz start web >/dev/null
	web=$(init_of web)
	serve "$web" 80
	gets silence "$near" "$(addr web)" 80
	h nft flush ruleset
	vz network apply >/dev/null
	gets silence "$near" "$(addr web)" 80
	gets silence "$HOST" "$(addr web)" 80
	vz destroy -f web >/dev/null
	[ "$(chains)" = 0 ]
}

@test "config.json by hand: a start takes the rules over" {
	lab_guest web
	lab_guest near
	vz stop -k web >/dev/null
	jq '.vzrun.firewall = [{"action": "deny", "direction": "in", "protocol": "tcp", "port": 80, "endPort": 90}]' "$(conf web)" >"$BATS_TEST_TMPDIR/c"
	cp "$BATS_TEST_TMPDIR/c" "$(conf web)"
	vz start web >/dev/null
	serve "$(init_of web)" 85
	gets silence "$near" "$(addr web)" 85
}
