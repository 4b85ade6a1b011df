#!/usr/bin/env bats
# Shortcuts between guests of a segment (netns/shortcut.h): what goes by them, what does not, and who is never reached by
# one. What the bridge's hooks see is counted by a table that comes when all is set up.

load netlab

setup_file() {
	need_guests busybox && alone netlab
	[ "$(printf '%s\n' 6.16 "$(uname -r)" | sort -V | head -1)" = 6.16 ] || skip "kernel: $(uname -r): chains know no links that are not there before 6.16"
}
setup() { lab_setup; }
teardown() {
	h nft delete table bridge spy 2>/dev/null || true
	lab_teardown
}

table() { h nft list tables | awk '$2 == "netdev" { print $3 }'; }
# elements SET: how many
elements() { h nft -j list ruleset | jq --arg s "$1" '[.nftables[] | .set? // .map? // empty | select(.family == "netdev" and .name == $s) | .elem // [] | length] | add // 0'; }
watched() { h nft list ruleset | sed -n 's/.*hook ingress devices\? //p' | grep -o 'vz[0-9a-f]\{9\}' | sort | paste -sd ' '; }
port_of() { vz --json network show default | jq -r --arg g "$1" ".users[] | select(.guest == \$g) | .link" | head -1; }
mac() { in_ns "$(init_of "$1")" ip -j link show eth0 | jq -r ".[0].address"; }
number() { h ip -j link show "$(port_of "$1")" | jq ".[0].ifindex"; }

spy() {
	h nft "add table bridge spy; add chain bridge spy forward { type filter hook forward priority 0; };
		add rule bridge spy forward meta l4proto { tcp, udp } counter"
}
# Packets of TCP and UDP that the bridge has forwarded since.
bridged() { h nft -j list chain bridge spy forward | jq '[.nftables[].rule? // empty | .expr[].counter? // empty | .packets] | add'; }

frame() { in_ns "$(init_of "$1")" python3 "$TOP/tests/net/shortcut.py" send eth0 "${@:2}"; }
# hear NAME: in the background, what it gets in $HEARD
hear() {
	HEARD=$BATS_TEST_TMPDIR/heard
	in_ns "$(init_of "$1")" python3 "$TOP/tests/net/shortcut.py" hear eth0 >"$HEARD" 3>&- &
	EAR=$!
	wait_for grep -q ready "$HEARD"
}
# heard: the sources, when the last datagram has come by who may
heard() { timeout 30 tail --pid="$EAR" -f /dev/null && sed 1d "$HEARD"; }

# talk FROM TO ADDRESS: a TCP connection with an answer
talk() {
	in_ns "$(init_of "$2")" timeout 20 busybox nc -ll -p 7000 -e echo here 3>&- &
	PIDS+=($!)
	gets here "$(init_of "$1")" "$3" 7000
}

@test "TCP and UDP of both families go past the bridge; check finds it as it should be" {
	lab_guest web
	lab_guest db
	[ -n "$(table)" ]
	[ "$(elements ways)" = 2 ]
	[ "$(elements direct4)" = 2 ]
	[ "$(elements direct6)" = 4 ]
	[ "$(watched | tr ' ' '\n')" = "$(printf '%s\n' "$(port_of web)" "$(port_of db)" | sort)" ]
	run vz network check
	[ "$status" -eq 0 ]
	spy
	talk web db "$(addr db)"
	talk db web "$(addr6 web)"
	hear db
	frame web "$(mac web)" "$(mac db)" "$(addr web)" "$(addr db)" 9
	frame web "$(mac web)" "$(mac db)" "$(addr6 web)" "$(addr6 db)" 9
	frame web "$(mac web)" "$(mac db)" "$(addr web)" "$(addr db)" 7
	[ "$(heard | sort | uniq -c | awk '{print $1}')" = 2 ]
	[ "$(bridged)" = 0 ]
	# Pings have no ports in IPv6, and go the long way.
	in_ns "$(init_of web)" ping -6 -c 1 -W 5 "$(addr6 db)" >/dev/null
}

@test "a guest of another segment is not reached by its addresses" {
	vz network create red --subnet 10.91.0.0/24 >/dev/null
	lab_guest web
	lab_guest db --net red
	lab_guest red2 --net red
	hear db
	frame web "$(mac web)" "$(mac db)" "$(addr web)" "$(addr db)" 9
	frame web "$(mac web)" "$(mac db)" "$(addr6 web)" "$(addr6 db)" 9
	frame red2 "$(mac red2)" "$(mac db)" "$(addr red2)" "$(addr db)" 9
	frame red2 "$(mac red2)" "$(mac db)" "$(addr red2)" "$(addr db)" 7
	[ "$(heard)" = "$(mac red2)" ]
}

@test "under another's MAC or IP address nothing goes by it, nor with a tag, nor DHCP" {
	lab_guest web
	lab_guest db
	lab_guest mail
	hear db
	frame web "$(mac mail)" "$(mac db)" "$(addr mail)" "$(addr db)" 9
	frame web "$(mac web)" "$(mac db)" "$(addr mail)" "$(addr db)" 9
	frame web "$(mac mail)" "$(mac db)" "$(addr web)" "$(addr db)" 9
	frame web "$(mac web)" "$(mac db)" "$(addr6 mail)" "$(addr6 db)" 9
	frame web "$(mac web)" "$(mac db)" "$(addr web)" "$(addr db)" 9 5
	frame web "$(mac web)" "$(mac db)" "$(addr web)" "$(addr db)" 67
	frame web "$(mac web)" "$(mac db)" "$(addr web)" "$(addr db)" 68
	frame web "$(mac web)" "$(mac db)" "$(addr6 web)" "$(addr6 db)" 546
	frame mail "$(mac mail)" "$(mac db)" "$(addr mail)" "$(addr db)" 7
	[ -z "$(heard)" ]
	[ "$(vz --json network show default | jq '.drops | .spoof_mac + .spoof_ip4 + .spoof_ip6 + .rogue_dhcp + .other_proto')" -ge 8 ]
}

@test "a firewall and a rate out end them at once, and taken back they are there again" {
	lab_guest web
	lab_guest db
	talk web db "$(addr db)"
	vz fw deny db in --proto tcp >/dev/null
	[ "$(elements ways)" = 1 ]
	[ "$(elements direct4)" = 1 ]
	shut "$(init_of web)" "$(addr db)" 7000
	vz network check
	vz fw rm db 1 >/dev/null
	[ "$(elements ways)" = 2 ]
	[ "$(elements direct4)" = 2 ]
	vz set web --rate 100M:50M >/dev/null
	# It is reached as before.
	[ "$(elements ways)" = 2 ]
	[ "$(elements direct4)" = 1 ]
	vz set web --rate max >/dev/null
	[ "$(elements direct4)" = 2 ]
	vz network check
	spy
	talk web db "$(addr db)"
	[ "$(bridged)" = 0 ]
}

@test "live: another address, another MAC address, one NIC more and less" {
	lab_guest web
	lab_guest db
	vz set web --ip 10.77.0.50 >/dev/null
	h nft list ruleset | grep -q "$(mac web) . 10.77.0.50"
	[ "$(elements direct4)" = 2 ]
	vz set web --mac 02:00:00:00:00:05 >/dev/null
	[ "$(elements ways)" = 2 ]
	vz nic add web --network default >/dev/null
	[ "$(elements ways)" = 3 ]
	vz nic rm web eth1 >/dev/null
	[ "$(elements ways)" = 2 ]
	[ "$(watched | wc -w)" = 2 ]
	vz network check
	spy
	talk db web 10.77.0.50
	[ "$(bridged)" = 0 ]
}

@test "a port has its number again at the next start; with the guest all of it goes" {
	local n

	lab_guest web
	lab_guest db
	n=$(number web)
	vz stop -k web >/dev/null
	vz network check
	vz start web >/dev/null
	[ "$(number web)" = "$n" ]
	vz network check
	# Somebody else has it: another one.
	vz stop -k web >/dev/null
	h ip link add zz0 index "$n" type bridge
	vz start web >/dev/null
	[ "$(number web)" != "$n" ]
	vz network check
	spy
	talk db web "$(addr web)"
	[ "$(bridged)" = 0 ]
	h nft delete table bridge spy
	h ip link del zz0
	vz destroy -f web >/dev/null
	[ "$(elements ways)" = 1 ]
	[ "$(elements direct4)" = 1 ]
	[ "$(watched)" = "$(port_of db)" ]
	vz destroy -f db >/dev/null
	[ "$(elements ways)" = 0 ]
	[ -z "$(watched)" ]
}

@test "a firewall ends them whatever became of the file and the bridge meanwhile; so does the end of a guest" {
	local file=$VZRUN_HOME/networks/default.json

	lab_guest web
	lab_guest db
	lab_guest mail
	cp "$file" "$BATS_TEST_TMPDIR/was"
	# Edited, and not applied.
	jq '.shortcut = false' "$BATS_TEST_TMPDIR/was" >"$file"
	vz fw deny db in --proto tcp >/dev/null
	[ "$(elements ways)" = 2 ]
	[ "$(elements direct4)" = 2 ]
	shut "$(init_of web)" "$(addr db)" 7000
	cp "$BATS_TEST_TMPDIR/was" "$file"
	vz fw rm db 1 >/dev/null
	[ "$(elements ways)" = 3 ]
	# Not to be read.
	echo '{' >"$file"
	vz fw deny db in --proto tcp >/dev/null
	[ "$(elements ways)" = 2 ]
	[ "$(elements direct4)" = 2 ]
	vz destroy -f mail >/dev/null
	[ "$(elements ways)" -le 1 ]
	[ "$(elements direct4)" -le 1 ]
	cp "$BATS_TEST_TMPDIR/was" "$file"
	vz fw rm db 1 >/dev/null
	vz network apply >/dev/null
	vz network check
	# The bridge has another name, or is another one.
	h ip link set vzbr0 name zz0
	run vz network check
	[ "$status" -eq 1 ]
	[[ $output != *"nobody's"* ]]
	vz fw deny db in --proto tcp >/dev/null
	[ "$(elements ways)" = 1 ]
	[ "$(elements direct4)" = 1 ]
	h ip link del zz0
	vz network apply >/dev/null
	vz fw rm db 1 >/dev/null
	[ "$(elements ways)" = 2 ]
	# Of a port that is gone nobody knows the segment: all is made anew.
	vz stop -k db >/dev/null
	echo '{' >"$file"
	vz fw deny db in --proto tcp >/dev/null
	cp "$BATS_TEST_TMPDIR/was" "$file"
	[ "$(h nft list ruleset | grep -c "$(jq -r '.nics[0].mac' "$VZRUN_HOME/networks/.guests/db.json") :")" = 0 ]
	vz network apply >/dev/null
	vz network check
}

@test "whichever question to the kernel fails: who says that there is a firewall has ended them" {
	local file=$VZRUN_HOME/networks/default.json call

	lab_guest web
	lab_guest db
	cp "$file" "$BATS_TEST_TMPDIR/was"
	jq '.shortcut = false' "$file" >"$BATS_TEST_TMPDIR/is"
	deny() { h "$TOP/build/tools/inject" -o "$BATS_TEST_TMPDIR/calls" "$@" "$VZ" --root "$ROOT" fw deny db in --proto tcp; }
	cp "$BATS_TEST_TMPDIR/is" "$file"
	deny list >/dev/null
	[ "$(grep -c sendmsg "$BATS_TEST_TMPDIR/calls")" -gt 5 ]
	cp "$BATS_TEST_TMPDIR/was" "$file"
	vz fw rm db 1 >/dev/null
	for call in $(awk '$3 == "sendmsg" && $2 ~ /^0:/ { print $2 }' "$BATS_TEST_TMPDIR/calls"); do
		cp "$BATS_TEST_TMPDIR/is" "$file"
		if deny fail "$call" ENOBUFS >/dev/null 2>&1; then
			[ "$(elements ways)" -le 1 ]
			cp "$BATS_TEST_TMPDIR/was" "$file"
			vz fw rm db 1 >/dev/null
		fi
		cp "$BATS_TEST_TMPDIR/was" "$file"
	done
	vz network apply >/dev/null
	vz network check
}

@test "what the kernel has against shortcuts is no failure of a create or a firewall: they go, and the rules follow" {
	local t

	lab_guest web
	lab_guest db
	t=$(table)
	# The same names of other types.
	strange() {
		h nft delete table netdev "$t" 2>/dev/null || true
		h nft "add table netdev $t; add set netdev $t direct4 { type ipv4_addr; };
			add set netdev $t direct6 { type ipv6_addr; }; add map netdev $t ways { type ether_addr : mark; }"
	}
	strange
	vz create mail --template busybox >/dev/null
	[ -z "$(table)" ]
	strange
	vz fw deny db in --proto tcp >/dev/null
	[ -z "$(table)" ]
	shut "$(init_of web)" "$(addr db)" 7000
	strange
	vz destroy -f mail >/dev/null
	[ -z "$(table)" ]
	vz network apply >/dev/null
	vz network check
}

@test "check of one network tells of the links of its guests" {
	local t chain

	vz network create red --subnet 10.91.0.0/24 >/dev/null
	lab_guest web
	lab_guest db --net red
	t=$(table)
	chain=$(port_of web)
	chain=ingress_${chain:9:1}
	h nft flush chain netdev "$t" "$chain"
	h nft delete chain netdev "$t" "$chain"
	run vz network check default
	[ "$status" -eq 1 ]
	[[ $output == *"does not see 1 link, the first $(port_of web)"* ]]
	run vz network check red
	[[ $output != *"does not see"* ]]
	vz network apply >/dev/null
	vz network check
}

@test "where the kernel does not tell what others have, there are none" {
	local call

	vz create web --template busybox >/dev/null
	vz create db --template busybox >/dev/null
	vz fw deny db in --proto tcp >/dev/null
	allow() { h "$TOP/build/tools/inject" -o "$BATS_TEST_TMPDIR/calls" "$@" "$VZ" --root "$ROOT" fw rm db 1; }
	h nft add table bridge theirs
	allow list >/dev/null
	for call in $(awk '$3 == "sendmsg" && $2 ~ /^0:/ { print $2 }' "$BATS_TEST_TMPDIR/calls"); do
		vz fw deny db in --proto tcp >/dev/null
		allow fail "$call" ENOBUFS >/dev/null 2>&1 || vz fw rm db 1 >/dev/null
		[ -z "$(table)" ]
	done
	h nft delete table bridge theirs
	vz network apply >/dev/null
	vz network check
}

@test "who is killed while the rules are made anew leaves no shortcut that the file does not want" {
	local file=$VZRUN_HOME/networks/default.json fault=$TOP/build/fault/vzrun n=0

	[ -x "$fault" ] || skip "no build/fault/vzrun"
	vz create web --template busybox >/dev/null
	vz create db --template busybox >/dev/null
	jq '.shortcut = false' "$file" >"$BATS_TEST_TMPDIR/is"
	cp "$file" "$BATS_TEST_TMPDIR/was"
	cp "$BATS_TEST_TMPDIR/is" "$file"
	while ! h env VZRUN_KILL=$((++n)) "$fault" --root "$ROOT" network apply >/dev/null 2>&1; do
		[ "$n" -lt 30 ]
		vz create mail --template busybox >/dev/null
		[ "$(elements direct4)" = 0 ]
		vz destroy -f mail >/dev/null
		cp "$BATS_TEST_TMPDIR/was" "$file"
		vz network apply >/dev/null
		[ "$(elements direct4)" = 2 ]
		cp "$BATS_TEST_TMPDIR/is" "$file"
	done
	[ "$n" -gt 1 ]
	vz network check
}

@test "where a command was killed before its elements followed, the next one makes good" {
	local fault=$TOP/build/fault/vzrun n=0

	[ -x "$fault" ] || skip "no build/fault/vzrun"
	lab_guest web
	lab_guest db
	while ! h env VZRUN_KILL=$((++n)) "$fault" --root "$ROOT" fw deny db in --proto tcp >/dev/null 2>&1; do
		[ "$n" -lt 30 ]
		vz fw deny db in --proto udp >/dev/null
		[ "$(elements ways)" = 1 ]
		[ "$(elements direct4)" = 1 ]
		while vz fw rm db 1 >/dev/null 2>&1; do :; done
		[ "$(elements ways)" = 2 ]
	done
	[ "$n" -gt 4 ]
	vz network check
}

@test "a file that was edited holds from the next start on" {
	local file=$VZRUN_HOME/networks/default.json

	lab_guest web
	lab_guest db
	jq '.shortcut = false' "$file" >"$BATS_TEST_TMPDIR/is"
	cp "$BATS_TEST_TMPDIR/is" "$file"
	run vz network check
	[ "$status" -eq 1 ]
	vz stop -k db >/dev/null
	vz start db >/dev/null
	[ "$(elements ways)" = 0 ]
	[ "$(elements direct4)" = 0 ]
	talk web db "$(addr db)"
	vz network check
}

@test "none on ports that are isolated, routed, or of a network without" {
	vz network create a --isolate-ports >/dev/null
	vz network create b --mode routed >/dev/null
	vz network create c --shortcut off >/dev/null
	[ "$(jq .shortcut "$VZRUN_HOME/networks/c.json")" = false ]
	lab_guest web --net a --net b --net c
	lab_guest db --net a --net b --net c
	[ -z "$(table)" ] || { [ "$(elements ways)" = 0 ] && [ -z "$(watched)" ]; }
	vz network check
}

@test "words: where there can be none it is refused to want them" {
	run vz network create x --mode routed --shortcut on
	refuses 2 'network x: shortcut: not with mode routed'
	run vz network create x --isolate-ports --shortcut on
	refuses 2 'network x: shortcut: not with isolatePorts'
	[ "$(vz --json network ls | jq '.networks | length')" = 0 ]
}

@test "where others have rules for what is bridged there are none; check tells, apply and a start mend" {
	lab_guest web
	lab_guest db
	h nft add table bridge theirs
	run vz network check
	[ "$status" -eq 1 ]
	[[ $output == *"is not seen by nftables table bridge theirs"* ]]
	vz network apply >/dev/null
	[ -z "$(table)" ]
	vz network check
	h nft delete table bridge theirs
	run vz network check
	[ "$status" -eq 1 ]
	[[ $output == *"there is no table netdev"* ]]
	vz network apply >/dev/null
	[ "$(elements ways)" = 2 ]
	h nft add table bridge theirs
	vz stop -k web >/dev/null
	vz start web >/dev/null
	[ -z "$(table)" ]
	h nft delete table bridge theirs
	vz network apply >/dev/null
	# Rules for IP count where br_netfilter brings bridged packets to them.
	h nft add table ip theirs
	if h sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 2>/dev/null; then
		run vz network check
		[ "$status" -eq 1 ]
		[[ $output == *"is not seen by nftables table ip theirs"* ]]
		h sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
	fi
	vz network check
}

@test "ebtables of before nftables count as rules of others; br_netfilter asked of the bridge alone is undone" {
	lab_guest web
	lab_guest db
	loaded() { h unshare -m sh -c 'mount -t tmpfs none /sys/module && mkdir /sys/module/ebtables && exec "$@"' sh "$VZ" --root "$ROOT" "$@"; }
	run loaded network check
	[ "$status" -eq 1 ]
	[[ $output == *"is not seen by ebtables"* ]]
	loaded network apply >/dev/null
	[ -z "$(table)" ]
	loaded network check
	vz network apply >/dev/null
	[ "$(elements ways)" = 2 ]
	h ip link set vzbr0 type bridge nf_call_iptables 1 nf_call_ip6tables 1 || skip "kernel: no br_netfilter"
	run vz network check
	[ "$status" -eq 1 ]
	[[ $output == *"nf_call_iptables, nf_call_ip6tables"* ]]
	vz network apply >/dev/null
	vz network check
}

@test "check tells what somebody took, and apply gives it back" {
	local t

	lab_guest web
	lab_guest db
	t=$(table)
	h nft flush map netdev "$t" ways
	run vz network check
	[ "$status" -eq 1 ]
	[[ $output == *"netdev $t: set ways lacks 2 elements"* ]]
	vz network apply >/dev/null
	h nft flush chain netdev "$t" shortcut
	run vz network check
	[[ $output == *"netdev $t has not the rules that it should have"* ]]
	vz network apply >/dev/null
	h nft delete table netdev "$t"
	run vz network check
	[[ $output == *"there is no table netdev $t"* ]]
	vz network apply >/dev/null
	vz network check
	h ip link set "$(port_of web)" group 5
	run vz network check
	[ "$status" -eq 1 ]
	vz network apply >/dev/null
	vz network check
	spy
	talk web db "$(addr db)"
	[ "$(bridged)" = 0 ]
}
