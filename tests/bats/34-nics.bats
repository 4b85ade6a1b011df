#!/usr/bin/env bats
# Network interfaces of guests: several, of each kind, given and taken while they run, with addresses, MAC and rates
# that change under a connection; their traffic, counted over stops. The host is a network namespace of the test's own.
load nics

setup_file() {
	need_guests busybox
	command -v iperf3 >/dev/null || { echo "no iperf3: make deps" >&2; return 1; }
	[ -x "$FAULT" ] || { echo "no $FAULT: make FAULT=1" >&2; return 1; }
}
setup() { nics_setup; }
teardown() { nics_teardown; }

# Everything that a change of the guest's NICs may touch.
state() {
	cat "$(conf "$G")" "$(record)"
	cat "$VZRUN_HOME/guests/$G/links.json" 2>/dev/null || true
	in_guest "$G" ip -o link | sed 's/^[0-9]*: //; s/@.*>/ /; s/qdisc.*link/link/'
	in_guest "$G" ip -o addr | grep -v fe80 | sed 's/^[0-9]*: //' | sort
	in_guest "$G" ip route | sort
	h ip -o link | sed 's/^[0-9]*: //; s/NO-CARRIER,//; s/LOWER_UP//; s/@if[0-9]*//; s/M-DOWN//; s/state.*link/link/; s/ link-netnsid.*//' | sort
	h ip -o addr | grep -v fe80 | sed 's/^[0-9]*: //' | sort
	h nft list tables
	h nft list set bridge "$(table)" macs
	h nft list map bridge "$(table)" src4
	h nft list set bridge "$(table)" rate_out
}
table() { h nft list tables bridge | awk '$3 ~ /^vzrun_/ { print $3 }'; }
# unchanged CLASS COMMAND...: it fails so, and nothing is other than it was
unchanged() {
	state >"$BATS_TEST_TMPDIR/before"
	run vz "${@:2}"
	[ "$status" -eq "$1" ] || { echo "status $status: $output"; return 1; }
	state | diff "$BATS_TEST_TMPDIR/before" -
}

# A connection from guest $1 to address $2 in the network of guest $3: echoes, one line for each line of the pipe.
connection() {
	exec_in "$G$3" python3 -c '
import socket, sys
s = socket.create_server((sys.argv[1], 7), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
open(sys.argv[2], "w").close()
c, a = s.accept()
while d := c.recv(100):
    c.sendall(d)
' "$2" "$BATS_TEST_TMPDIR/ready" 3>&- &
	SPACES+=($!)
	wait_for test -e "$BATS_TEST_TMPDIR/ready"
	coproc CONN { exec_in "$G$1" python3 -u -c '
import socket, sys
c = socket.create_connection((sys.argv[1], 7), timeout=10)
for line in sys.stdin:
    c.sendall(line.encode())
    print(c.recv(100).decode(), end="", flush=True)
' "$2" 3>&-; }
	SPACES+=("$CONN_PID")
}
echoes() {
	local got
	echo "$1" >&"${CONN[1]}" && read -r -t 15 got <&"${CONN[0]}" && [ "$got" = "$1" ]
}

@test "several networks at create: an interface each, one default route, addresses by --ip" {
	run vz create "$G" --template busybox --memory 64M --net red --net blue --net red --ip 10.120.0.9 \
		--ip 10.121.0.5/24,net=blue --mac 02:00:00:00:00:05,net=blue --rate 50M:20M,net=blue
	ok
	[ "$(jq -c .vzrun.networks "$(conf)")" = '[{"network":"red","ip":"10.120.0.9"},'`
		`'{"network":"blue","ip":"10.121.0.5/24","mac":"02:00:00:00:00:05","rate":"50M:20M"},{"network":"red"}]' ]
	vz start "$G" >/dev/null
	[ "$(addresses)" = $'eth0 10.120.0.9/24\neth1 10.121.0.5/24\neth2 10.120.0.2/24' ]
	[[ "$(routes)" == "default via 10.120.0.1 dev eth0"* ]]
	[ "$(nic '' eth1 mac)" = 02:00:00:00:00:05 ]
	[ "$(nic '' eth1 rate)" = 50M:20M ]
	guest_on -b --net blue
	pings "$G" "$(nic -b eth0 ip | cut -d/ -f1)"
	pings "$G-b" 10.121.0.5
	pings "$G-b" "$(nic '' eth1 ip6 | cut -d/ -f1)"
}

@test "what create refuses about networks, and nothing is left" {
	refused() { run vz create "$G" --template busybox "${@:3}"; refuses "$1" "$2"; }
	refused 2 '--ip: 10.0.0.300 is not an IPv4 address' --net red --ip 10.0.0.300
	refused 2 '--ip: 10.120.0.5/33: the prefix must be 1 to 32' --net red --ip 10.120.0.5/33
	refused 10 'address 10.120.0.5/16: the prefix of network red is /24' --net red --ip 10.120.0.5/16
	refused 10 'address 10.121.0.5 is not in network red (10.120.0.0/24)' --net red --ip 10.121.0.5
	refused 12 'address 10.120.0.1 of network red (10.120.0.0/24) is not for guests' --net red --ip 10.120.0.1
	refused 2 '--ip: 10.120.0.5,net=blue: there is no interface on network blue' --net red --ip 10.120.0.5,net=blue
	refused 2 '--ip: 10.120.0.5,gw=x: expected VALUE[,net=NETWORK]' --net red --ip 10.120.0.5,gw=x
	refused 2 '--ip: 10.120.0.6: there is no further interface on a network' --net red --ip 10.120.0.5 --ip 10.120.0.6
	refused 2 '--mac: 01:00:5e:00:00:01 is a group address' --net red --mac 01:00:5e:00:00:01
	refused 2 '--rate: 10X: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max' --net red --rate 10X
	refused 2 '--rate: 10M::1K: the burst is less than 64K, the largest packet' --net red --rate 10M::1K
	refused 2 '--net: none stands alone' --net red --net none
	refused 2 '--net: "a b;reboot" is not the name of a network' --net 'a b;reboot'
	refused 3 'network green does not exist' --net green
	refused 2 '--dns: ns1 is not the address of a server' --net red --dns ns1
	[ -z "$(ls "$VZRUN_HOME/guests" "$VZRUN_HOME/networks/.guests" 2>/dev/null | grep -v ":$")" ]
}

@test "nic add and rm on a running guest: live and saved, while a connection runs; numbers stay" {
	guest_on '' --net red
	guest_on -b --net red
	connection '' 10.120.0.3 -b
	echoes before
	run vz nic add "$G" --network blue --name lan0 --ip 10.121.0.7
	says "$G: lan0 added"
	run vz nic add "$G" --network blue
	says "$G: eth2 added"
	[ "$(addresses)" = $'eth0 10.120.0.2/24\nlan0 10.121.0.7/24\neth2 10.121.0.2/24' ]
	in_guest "$G" ip -o link show lan0 | grep -q LOWER_UP
	h ping -c 1 -W 3 -n 10.121.0.7 >/dev/null
	echoes between
	run vz nic rm "$G" lan0
	says "$G: lan0 removed"
	[ "$(addresses)" = $'eth0 10.120.0.2/24\neth2 10.121.0.2/24' ]
	not grep 10.121.0.7 "$(record)"
	echoes after
	[ "$(jq -c .vzrun.networks "$(conf)")" = '[{"network":"red"},{"network":"blue","index":2}]' ]
	vz restart -k "$G" >/dev/null
	[ "$(addresses)" = $'eth0 10.120.0.2/24\neth2 10.121.0.2/24' ]
	[[ "$(routes)" == "default via 10.120.0.1 dev eth0"* ]]
	run vz --json nic rm "$G" eth2
	jq -e --arg g "$G" '.name == $g and .interface == "eth2" and .saved' <<<"$output"
}

@test "nic add and rm on a stopped guest, and of the first interface: the next one has the default route" {
	vz create "$G" --template busybox --memory 64M --net red >/dev/null
	vz nic add "$G" --network blue
	[ "$(jq -c .vzrun.networks "$(conf)")" = '[{"network":"red"},{"network":"blue"}]' ]
	[ "$(nic '' eth1 ip)" = 10.121.0.2/24 ]
	vz start "$G" >/dev/null
	[[ "$(routes)" == "default via 10.120.0.1 dev eth0"* ]]
	vz nic rm "$G" eth0
	[[ "$(routes)" == "default via 10.121.0.1 dev eth1"* ]]
	vz stop -k "$G" >/dev/null
	vz nic rm "$G" eth1
	[ "$(jq -c .vzrun.networks "$(conf)")" = '[]' ]
	vz start "$G" >/dev/null
	[ -z "$(addresses)" ]
	run vz nic add "$G" --network red
	says "$G: eth0 added"
	[[ "$(routes)" == "default via 10.120.0.1 dev eth0"* ]]
}

@test "what nic refuses changes nothing" {
	guest_on '' --net red
	guest_on -b --net red --ip 10.120.0.9
	unchanged 12 nic add "$G" --network red --ip 10.120.0.9
	[ "${lines[0]}" = "vzrun: address 10.120.0.9 of network red is in use by $G-b" ]
	unchanged 3 nic add "$G" --network green
	unchanged 2 nic add "$G" --network red --name eth0
	[ "${lines[0]}" = "vzrun: --name: eth0 is given twice" ]
	unchanged 2 nic add "$G" --network red --name 'a/b'
	unchanged 2 nic add "$G" --network red --macvlan lo
	unchanged 3 nic add "$G" --macvlan nope
	[ "${lines[0]}" = "vzrun: macvlan eth1: this host has no link nope" ]
	unchanged 3 nic add "$G" --physical nope
	unchanged 2 nic add "$G" --macvlan lo --ip 10.0.0.1
	unchanged 2 nic add "$G" --macvlan lo --rate 1M
	unchanged 2 nic add "$G" --network red --now --next
	unchanged 3 nic rm "$G" eth7
	[ "${lines[0]}" = "vzrun: guest \"$G\" has no network interface eth7" ]
	# A link of the guest's own of that name: found out in the kernel only.
	in_guest "$G" ip link add eth1 type veth peer name other
	unchanged 4 nic add "$G" --network blue
	[[ "${lines[0]}" =~ ^vzrun:\ port\ vz[0-9a-f]+:\ the\ guest\ already\ has\ a\ link\ eth1$ ]]
}

@test "a fault at any point of a change changes nothing" {
	local n what
	guest_on '' --net red
	h ip link add p0 type veth peer name p1
	for what in "nic add $G --network blue --rate 10M" "nic add $G --macvlan p0" "nic add $G --physical p0" \
		    "set $G --ip 10.120.0.77 --mac 02:00:00:00:00:77 --rate 5M" "nic rm $G eth0"; do
		for n in $(seq 100); do
			state >"$BATS_TEST_TMPDIR/before"
			# shellcheck disable=SC2086
			run h env VZRUN_FAULT=$n "$FAULT" --root "$ROOT" $what --now
			[ "$status" -ne 0 ] || break
			has "injected fault" || return 1
			state | diff "$BATS_TEST_TMPDIR/before" - || { echo "$what: fault $n: $output"; return 1; }
		done
		[ "$n" -gt 3 ] && [ "$n" -lt 100 ] || { echo "$what: $n points"; return 1; }
		vz restart -k "$G" >/dev/null
	done
}

@test "set --ip under a connection: it goes on, the default route stays, the neighbours know at once" {
	guest_on '' --net red
	guest_on -b --net red
	guest_on -c --net red
	connection -b "$(nic '' eth0 ip6 | cut -d/ -f1)" ''
	echoes before
	pings "$G-b" 10.120.0.2
	in_guest "$G" ip route add 203.0.113.0/24 via 10.120.0.1
	run vz set "$G" --ip 10.120.0.50
	says "  vzrun.networks[0].ip = 10.120.0.50"
	echoes after
	[ "$(addresses)" = "eth0 10.120.0.50/24" ]
	[[ "$(routes)" == "default via 10.120.0.1 dev eth0"* ]]
	[ -n "$(in_guest "$G" ip route show 203.0.113.0/24)" ]
	pings "$G-b" 10.120.0.50
	not in_guest "$G-b" ping -c 1 -W 1 -n 10.120.0.2
	# Its former address is another guest's now, and b remembers the former holder.
	in_guest "$G-b" ip neigh replace 10.120.0.2 lladdr "$(nic '' eth0 mac)" dev eth0 nud stale
	vz set "$G-c" --ip 10.120.0.2 >/dev/null
	wait_for eval 'in_guest "$G-b" ip neigh show 10.120.0.2 | grep -q "$(nic -c eth0 mac)"'
	pings "$G-b" 10.120.0.2
	unchanged 12 set "$G" --ip 10.120.0.2
	[ "${lines[0]}" = "vzrun: address 10.120.0.2 of network red is in use by $G-c" ]
	unchanged 10 set "$G" --ip 10.9.9.9
	unchanged 2 set "$G" --ip 10.120.0.51,net=blue
	echoes still
	vz restart -k "$G" >/dev/null
	[ "$(addresses)" = "eth0 10.120.0.50/24" ]
}

@test "set --ip-del, auto, --mac, both families" {
	guest_on '' --net red
	local ip6
	ip6=$(nic '' eth0 ip6 | cut -d/ -f1)
	run vz set "$G" --ip-del 10.120.0.9
	refuses 3 "--ip-del: the guest has no address 10.120.0.9"
	vz set "$G" --ip-del 10.120.0.2 >/dev/null
	[ -z "$(addresses)" ]
	[ ! -e "$VZRUN_HOME/networks/red.d/10.120.0.2" ]
	h ping -6 -c 1 -W 3 -n "$ip6" >/dev/null
	vz set "$G" --ip auto >/dev/null
	[ "$(addresses)" = "eth0 10.120.0.2/24" ]
	[[ "$(routes)" == "default via 10.120.0.1 dev eth0"* ]]
	vz set "$G" --ip "${ip6%::*}::99" >/dev/null
	[ "$(nic '' eth0 ip6)" = "${ip6%::*}::99/64" ]
	[ "$(nic '' eth0 ip)" = 10.120.0.2/24 ]
	h ping -6 -c 1 -W 3 -n "${ip6%::*}::99" >/dev/null
	vz set "$G" --mac 02:00:00:00:00:77 >/dev/null
	in_guest "$G" ip link show eth0 | grep -q 02:00:00:00:00:77
	[ "$(in_guest "$G" ip -o -6 addr show scope link dev eth0 | awk '{ print $4 }')" = fe80::ff:fe00:77/64 ]
	h ping -c 1 -W 3 -n 10.120.0.2 >/dev/null
	h ping -6 -c 1 -W 3 -n "${ip6%::*}::99" >/dev/null
	# What it was may not be used any more.
	in_guest "$G" ip addr add 10.120.0.66/24 dev eth0
	not in_guest "$G" ping -c 1 -W 1 -n -I 10.120.0.66 10.120.0.1
	# Where no subnet is on the link, the way to the gateway goes with the address that it was reached from.
	vz network create far --mode routed --subnet 10.122.0.0/24 >/dev/null
	guest_on -r --net far
	guest_on -s --net far
	ip6=$(nic -s eth0 ip6 | cut -d/ -f1)
	vz set "$G-r" --ip 10.122.0.9 --ip "${ip6%::*}::99" >/dev/null
	vz nic add "$G-r" --network red >/dev/null
	vz set "$G-r" --ip 10.122.0.10,net=far --mac 02:00:00:00:00:78,net=far >/dev/null
	[[ "$(routes -r)" == "default via 10.122.0.1 dev eth0"* ]]
	pings "$G-r" "$(nic -s eth0 ip | cut -d/ -f1)"
	pings "$G-r" "$ip6"
}

@test "--now is not saved, --next is not yet done, --dry-run is neither" {
	guest_on '' --net red
	vz set "$G" --now --ip 10.120.0.50 >/dev/null
	[ "$(addresses)" = "eth0 10.120.0.50/24" ]
	[ "$(jq -c .vzrun.networks "$(conf)")" = '[{"network":"red"}]' ]
	vz set "$G" --next --ip 10.120.0.60 >/dev/null
	[ "$(addresses)" = "eth0 10.120.0.50/24" ]
	vz set "$G" --dry-run --ip 10.120.0.70 >/dev/null
	vz create "$G-b" --template busybox --net red --ip 10.120.0.9 >/dev/null
	unchanged 12 set "$G" --next --ip 10.120.0.9
	unchanged 3 nic add "$G" --next --network green
	vz nic add "$G" --now --network blue >/dev/null
	[ "$(nic '' eth1 network)" = blue ]
	vz nic add "$G" --next --network blue --name soon >/dev/null
	[ -z "$(nic '' soon network)" ]
	vz restart -k "$G" >/dev/null
	[ "$(addresses | cut -d' ' -f1 | tr '\n' ' ')" = "eth0 soon " ]
	[ "$(nic '' eth0 ip)" = 10.120.0.60/24 ]
	vz stop -k "$G" >/dev/null
	run vz set "$G" --now --ip 10.120.0.70
	refuses 5 "guest \"$G\" is not running: there is nothing to change now"
}

# perf [-R]: Mbit/s that a TCP stream reaches, from the guest, or to it
perf() { in_guest "$G" iperf3 -c 10.120.0.9 -t 4 -O 1 -J "$@" | jq '.end.sum_received.bits_per_second / 1e6 | floor'; }
between() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ] || { echo "$1 Mbit/s is not $2 to $3"; return 1; }; }

@test "rates: a stream reaches them and no more, in and out, and they change under a transfer" {
	guest_on '' --net red --rate 40M:20M
	in_ns "$HOST" nft list set bridge "$(table)" rate_out | grep -q 'over 2500000 bytes/second'
	guest_on -b --net red --ip 10.120.0.9
	exec_in "$G-b" iperf3 -s >/dev/null 2>&1 3>&- & SPACES+=($!)
	wait_for eval 'in_guest "$G-b" ss -ltn | grep -q 5201'
	between "$(perf)" 14 24
	between "$(perf -R)" 30 44
	in_guest "$G" iperf3 -c 10.120.0.9 -t 9 -i 1 -J >"$BATS_TEST_TMPDIR/live" 3>&- & local w=$!
	sleep 3
	vz set "$G" --rate 40M:5M >/dev/null
	ended "$w"
	[ "$(jq '[.intervals[5:8][].sum.bits_per_second] | add / 3e6 | floor' "$BATS_TEST_TMPDIR/live")" -le 10 ]
	[ "$(jq '[.intervals[1:3][].sum.bits_per_second] | add / 2e6 | floor' "$BATS_TEST_TMPDIR/live")" -ge 12 ]
	vz restart -k "$G" >/dev/null
	[ "$(nic '' eth0 rate)" = 40M:5M ]
	h tc qdisc show dev "$(nic '' eth0 hostLink)" | grep -q 'tbf.* rate 40Mbit'
	vz set "$G" --rate max >/dev/null
	[[ "$(h tc qdisc show dev "$(nic '' eth0 hostLink)")" != *tbf* ]]
	[[ "$(h nft list set bridge "$(table)" rate_out)" != *'"vz'* ]]
	between "$(perf)" 100 1000000
}

@test "rates: what a guest says before it has an address counts as well" {
	local kind bridge before
	guest_on '' --net red --rate max:1M
	bridge=$(jq -r .bridge "$VZRUN_HOME/networks/red.json")
	heard() { h ip -s -j link show "$bridge" | jq '.[0].stats64.rx.bytes / 1000 | floor'; }
	for kind in discover detection report; do
		before=$(heard)
		# 3 MB at once, where 1 Mbit/s passes, and 100 ms of it before.
		in_guest "$G" env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$BATS_TEST_DIRNAME/../net" python3 -c '
import socket, sys
import frames as f
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
mac, room = s.getsockname()[4], bytes(1000)
own = "fe80::%02x%02x:%02xff:fe%02x:%02x%02x" % (mac[0] ^ 2, *mac[1:])
def six(dst, proto, data):
    return f.ether(f.group_mac6(dst), mac, f.IP6, f.ip6("::", dst, proto, data))
frame = {
    "discover": f.ether(f.BROADCAST, mac, f.IP, f.ip4("0.0.0.0", "255.255.255.255", f.UDP, f.udp(68, 67, f.dhcp(1, 1, mac) + room))),
    "detection": six("ff02::1", f.ICMP6, f.icmp6("::", "ff02::1", f.NS, f.ns(own, b"\x0e\x7d" + bytes(998)))),
    "report": six("ff02::16", f.ICMP6, f.icmp6("::", "ff02::16", 143, f.mld_report("ff02::1:2345") + room)),
}[sys.argv[1]]
for i in range(3000):
    s.send(frame)' "$kind"
		between "$(($(heard) - before))" 10 2500
	done
}

@test "rates: of a guest on a bridge of the host's, whose addresses are its own business" {
	h ip link add br9 type bridge no_linklocal_learn 1
	h ip addr add 10.55.0.1/24 dev br9
	h ip link set br9 up
	vz network create site --bridge br9 >/dev/null
	guest_on '' --net site --rate max:1M
	in_guest "$G" ip addr add 10.55.0.2/24 dev eth0
	# 3 MB at once, where 1 Mbit/s passes, and 100 ms of it before.
	in_guest "$G" python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(3000):
    s.sendto(bytes(1000), ("10.55.0.1", 9))'
	between "$(h ip -s -j link show br9 | jq '.[0].stats64.rx.bytes / 1000 | floor')" 10 2500
	vz destroy -f "$G" >/dev/null
	vz network rm site
	h ip link del br9
}

total() { vz --json stats "$G" | jq ".guests[0].network.$1"; }

@test "traffic: counted in both directions, over stop, start, restart, a removed interface, a killed keeper" {
	guest_on '' --net red
	h ping -c 5 -i 0.01 -s 1000 -n 10.120.0.2 >/dev/null
	[ "$(total in.bytes)" -ge 5000 ]
	[ "$(total out.bytes)" -ge 5000 ]
	local before
	before=$(total in.bytes)
	vz stop -k "$G" >/dev/null
	[ "$(total in.bytes)" -ge "$before" ]
	before=$(total in.bytes)
	[ "$(vz --json show "$G" | jq .traffic.in.bytes)" = "$before" ]
	[ "$(vz --json ls | jq '.guests[0].traffic.in.bytes')" = "$before" ]
	vz start "$G" >/dev/null
	h ping -c 5 -i 0.01 -s 1000 -n 10.120.0.2 >/dev/null
	[ "$(total in.bytes)" -ge $((before + 5000)) ]
	vz nic add "$G" --network blue --ip 10.121.0.9 >/dev/null
	h ping -c 5 -i 0.01 -s 1000 -n 10.121.0.9 >/dev/null
	[ "$(total 'interfaces[] | select(.interface == "eth1").in.bytes')" -ge 5000 ]
	vz nic rm "$G" eth1 >/dev/null
	[ "$(total 'interfaces[] | select(.interface == "removed").in.bytes')" -ge 5000 ]
	before=$(total in.bytes)
	[ "$before" -ge 15000 ]
	vz restart -k "$G" >/dev/null
	[ "$(total in.bytes)" -ge "$before" ]
	kill -9 "$(keeper_of)"
	h ping -c 5 -i 0.01 -s 1000 -n 10.120.0.2 >/dev/null
	vz stop -k "$G" >/dev/null
	[ "$(total in.bytes)" -ge $((before + 5000)) ]
	# Stats only read.
	sum() { cksum "$VZRUN_HOME/guests/$G/traffic.json"; }
	before=$(sum)
	vz stats >/dev/null
	[ "$(sum)" = "$before" ]
	echo '{"version":2}' >"$VZRUN_HOME/guests/$G/traffic.json"
	run vz stats "$G"
	refuses 8 "traffic.json: version: 2 is newer than this vzrun (1)"
}

@test "stats: one object a guest, cpu, memory, processes, disk and network" {
	guest_on '' --net red
	vz create "$G-b" --template busybox --net none >/dev/null
	run vz --json stats
	jq -e '.guests | length == 2 and (.[0] | .cpu.totalNs > 0 and .memory.usage > 0 and .memory.limit == 67108864
		and .pids.current >= 1 and .pids.limit == 4096 and (.io | has("readBytes")) and .network.in.packets >= 0)
		and (.[1] | .status == "stopped" and (has("cpu") | not) and .network.interfaces == [])' <<<"$output"
	run vz stats "$G"
	[[ "${lines[0]}" =~ ^NAME\ +STATUS\ +CPU-SECONDS\ +MEMORY\ +PIDS\ +READ\ +WRITTEN\ +NET-IN\ +NET-OUT$ ]]
	[[ "${lines[1]}" =~ ^$G\ +running\ +[0-9.]+\  ]]
	run vz stats nobody
	[ "$status" -eq 3 ]
}
