#!/usr/bin/env bats
# One segment on two machines, each with its kernel and its vzrun: tests/vm/run -2. The guests stay for all tests.
load guest
load pair

NONE="machine: there is no other (tests/vm/run -2)"

setup_file() {
	is_pair || return 0
	need_engine
	PATIENCE=1200 wait_for other_answers
	local m n
	for m in a b; do
		at $m modprobe vxlan
		host $m image template busybox
	done
	host a network create seg --subnet 10.66.0.0/24 --subnet6 fd66::/64 --pool 10.66.0.2-10.66.0.99 --vxlan 66 --peer 192.0.2.2 --dns yes
	host b network create seg --subnet 10.66.0.0/24 --subnet6 fd66::/64 --pool 10.66.0.100-10.66.0.199 --vxlan 66 --peer 192.0.2.1 --dns yes
	# Another tenant's, on both, by the other family.
	host a network create foe --subnet 10.67.0.0/24 --subnet6 none --pool 10.67.0.2-10.67.0.99 --vxlan 67 --peer 2001:db8::2
	host b network create foe --subnet 10.67.0.0/24 --subnet6 none --pool 10.67.0.100-10.67.0.199 --vxlan 67 --peer 2001:db8::1
	for m in a b; do
		for n in seg foe; do
			host $m create $n$m --template busybox --net $n -- /bin/busybox httpd -f -p 80 -h /
			host $m start $n$m
		done
	done
}
teardown_file() {
	is_pair || return 0
	local m n
	for m in a b; do
		host $m destroy -f seg$m foe$m
		for n in seg foe; do host $m network rm $n; done
		at $m rm -rf /root/pair
		[ -z "$(at $m ip -o link show type vxlan)$(at $m ip -o link show type bridge)" ] || { at $m ip -o link; return 1; }
		[ -z "$(at $m nft list tables)" ]
	done
}
setup() { is_pair || skip "$NONE"; }

# host a|b WORDS...: vzrun of that machine
host() { at "$1" "$VZ" --root /run/vzrun-pair --home /root/pair "${@:2}"; }
# in_guest NAME WORDS...: inside the guest, whose machine is its name's last letter
in_guest() { host "${1: -1}" exec "$1" "${@:2}"; }
# of NAME FIELD: what show says of a guest; its IPv6 address
of() { host "${1: -1}" --json show "$1" | jq -er ".$2"; }
ip6_of() { host "${1: -1}" --json network show "${1%?}" | jq -er --arg g "$1" '.users[] | select(.guest == $g).ip6'; }
# The host's own ping in the guest's network namespace: busybox's does not forbid fragments.
ping_of() { at "${1: -1}" nsenter -t "$(of "$1" pid)" -n ping -c 1 -W 20 "${@:2}"; }
closed() {
	run ! at "${1: -1}" nsenter -t "$(of "$1" pid)" -n ping -c 2 -i 0.5 -W 3 "$2"
	[[ $output == *"2 packets transmitted, 0 received"* ]] || { echo "$output"; return 1; }
}
# sum NAME [ADDRESS]: of the guest's file, or of what it gets of that name from there
sum() {
	if [ $# -gt 1 ]; then
		in_guest "$1" sh -c "wget -qO- 'http://$2/file' | sha256sum" | cut -d' ' -f1
	else
		in_guest "$1" sha256sum /file | cut -d' ' -f1
	fi
}

@test "the guests of two machines reach each other, by both families" {
	[ "$(of sega ip) $(of segb ip)" = "10.66.0.2 10.66.0.100" ]
	for to in "$(of segb ip)" "$(ip6_of segb)"; do in_guest sega ping -c 1 -W 20 "$to"; done
	for to in "$(of sega ip)" "$(ip6_of sega)"; do in_guest segb ping -c 1 -W 20 "$to"; done
	# The other tenant's tunnel goes by IPv6.
	in_guest foea ping -c 1 -W 20 "$(of foeb ip)"
}

@test "TCP carries a file both ways, whole" {
	local g
	for g in sega segb; do
		in_guest $g sh -c 'dd if=/dev/urandom of=/file bs=64k count=32 2>/dev/null'
	done
	[ "$(sum sega "$(of segb ip)")" = "$(sum segb)" ]
	[ "$(sum segb "[$(ip6_of sega)]")" = "$(sum sega)" ]
	[ "$(sum sega)" != "$(sum segb)" ]
}

@test "the MTU is what the way carries, at both ends: a packet of that size crosses in one piece, no larger one is sent" {
	local g fragments
	fragments() { at "$1" sed -n 's/^Ip: \([0-9].*\)/\1/p' /proc/net/snmp | awk '{ print $19 }'; }
	for g in sega segb; do [ "$(in_guest $g cat /sys/class/net/eth0/mtu)" = 1450 ]; done
	for g in foea foeb; do [ "$(in_guest $g cat /sys/class/net/eth0/mtu)" = 1430 ]; done
	before="$(fragments a) $(fragments b)"
	ping_of sega -M "do" -s 1422 "$(of segb ip)"
	ping_of segb -M "do" -s 1402 "$(ip6_of sega)"
	ping_of foea -M "do" -s 1402 "$(of foeb ip)"
	run ! ping_of sega -M "do" -s 1423 "$(of segb ip)"
	[[ $output == *"message too long, mtu=1450"* ]]
	[ "$(fragments a) $(fragments b)" = "$before" ]
}

@test "names and the gateway are those of the own machine" {
	local g m other mac
	for g in sega segb; do
		m=${g: -1}
		[ "$(in_guest $g nslookup "$g" | awk '/^Name/ { found = 1 } found && /^Address/ { print $2; exit }')" = "$(of $g ip)" ]
		in_guest $g ping -c 1 -W 20 10.66.0.1
		mac=$(at "$m" cat "/sys/class/net/$(host "$m" --json network show seg | jq -r .network.bridge)/address")
		at "$m" nsenter -t "$(of $g pid)" -n ip neigh show 10.66.0.1 | grep -F " $mac "
	done
}

@test "another tenant's segment stays closed, through the tunnel and by the hosts' own routes" {
	closed sega "$(of foea ip)"
	closed sega "$(of foeb ip)"
	closed foeb "$(of sega ip)"
	# A host that routes there by its own way: it is the other host's word that counts.
	at a ip route add "$(of foeb ip)/32" via 192.0.2.2
	closed sega "$(of foeb ip)"
	run ! at a ping -c 2 -i 0.5 -W 3 "$(of foeb ip)"
	host b network allow outside foe
	at a ping -c 1 -W 20 "$(of foeb ip)"
	host b network deny outside foe
	run ! at a ping -c 2 -i 0.5 -W 3 "$(of foeb ip)"
	at a ip route del "$(of foeb ip)/32" via 192.0.2.2
}

@test "a tunnel that is gone is found by check on its machine and mended by apply; the segment is whole again" {
	local t
	t=$(other ip -d -o link show type vxlan | sed -nE 's/^[0-9]+: ([^:@]+).* id 66 .*/\1/p')
	other ip link del "$t"
	closed sega "$(of segb ip)"
	run host b network check seg
	[ "$status" -eq 1 ]
	[[ $output == *"seg: tunnel $t is gone"* ]]
	host b network apply seg
	host b network check
	in_guest sega ping -c 1 -W 20 "$(of segb ip)"
}
