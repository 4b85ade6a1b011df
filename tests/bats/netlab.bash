# A host with a lan and a world, all of it network namespaces of the test's own: vzrun runs in HOST, whose link eth0
# has 192.0.2.1 and 2001:db8::1; LAN is 192.0.2.50 and 2001:db8::50 on the same link; WORLD is 198.51.100.9 and
# 2001:db8:1::9 behind the router GW. Guests are real ones; their names are the same in all files, and so would their
# control groups be: these files say "alone netlab".
load spaces
load guest

vz() { h "$VZ" --root "$ROOT" "$@"; }

# wire A LINK B LINK: a pair between two namespaces, both ends up
wire() {
	in_ns "$1" ip link add "$2" type veth peer name "$4" netns "/proc/$3/ns/net"
	in_ns "$1" ip link set "$2" up
	in_ns "$3" ip link set "$4" up
}
# addresses SPACE LINK ADDRESS...
addresses() {
	local a
	for a in "${@:3}"; do
		case $a in
		*:*) in_ns "$1" ip addr add "$a" dev "$2" nodad ;;
		*) in_ns "$1" ip addr add "$a" dev "$2" ;;
		esac
	done
}

lab_setup() {
	local s
	PIDS=()
	guest_setup
	for s in HOST GW LAN WORLD; do space "$s"; in_ns "${!s}" ip link set lo up; done
	in_ns "$GW" ip link add name lan type bridge
	in_ns "$GW" ip link set lan up
	wire "$HOST" eth0 "$GW" host0
	wire "$LAN" eth0 "$GW" lan0
	wire "$WORLD" eth0 "$GW" world0
	in_ns "$GW" ip link set host0 master lan
	in_ns "$GW" ip link set lan0 master lan
	in_ns "$GW" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	addresses "$GW" lan 192.0.2.254/24 2001:db8::254/64
	addresses "$GW" world0 198.51.100.254/24 2001:db8:1::254/64
	addresses "$HOST" eth0 192.0.2.1/24 2001:db8::1/64
	addresses "$LAN" eth0 192.0.2.50/24 2001:db8::50/64
	addresses "$WORLD" eth0 198.51.100.9/24 2001:db8:1::9/64
	for s in HOST LAN; do
		in_ns "${!s}" ip route add default via 192.0.2.254
		in_ns "${!s}" ip -6 route add default via 2001:db8::254
	done
	in_ns "$WORLD" ip route add default via 198.51.100.254
	in_ns "$WORLD" ip -6 route add default via 2001:db8:1::254
}

lab_teardown() {
	local r=0 g n

	for g in $(vz ls -q 2>/dev/null); do vz destroy -f "$g" >/dev/null || r=1; done
	for n in $(vz --json network ls 2>/dev/null | jq -r '.networks[].name'); do vz network rm "$n" || r=1; done
	! h nft list tables | grep -q vzrun || { echo "left: $(h nft list tables)"; r=1; }
	[ -z "$(h ip -br link show type bridge)" ] || { echo "left: $(h ip -br link show type bridge)"; r=1; }
	[ -z "$(find "$VZRUN_HOME/networks" -mindepth 1 -maxdepth 1 ! -name .lock ! -name .guests)" ] || {
		echo "left: $(ls -A "$VZRUN_HOME/networks")"; r=1; }
	wait_for guests_gone 2>/dev/null || { echo "left: $(guests_left)"; r=1; }
	end_all
	leaks || r=1
	return "$r"
}

# lab_guest NAME [OPTION...]: a running guest, its init's pid in $NAME
lab_guest() {
	vz create "$1" --template busybox --memory 64M "${@:2}" >/dev/null
	vz start "$1" >/dev/null
	printf -v "$1" %s "$(init_of "$1")"
}
addr() { in_ns "$(init_of "$1")" ip -j addr show eth0 | jq -r '.[0].addr_info[] | select(.family == "inet" and .scope == "global").local'; }
addr6() { in_ns "$(init_of "$1")" ip -j -6 addr show eth0 | jq -r '.[0].addr_info[] | select(.scope == "global").local'; }

# gets WANT PID ADDRESS PORT [udp]
gets() {
	local got n
	# A datagram may be lost, and a busy machine be slow to answer.
	for n in 1 2 3; do
		got=$(dial "${@:2}")
		[ "$got" = silence ] && [ "$1" != silence ] || break
	done
	[ "$got" = "$1" ] || { echo "to $3 port $4 ${5:-tcp}: got $got, want $1"; return 1; }
}
# Nothing is heard of the other side.
shut() {
	local got
	got=$(dial "$@")
	[ "$got" = silence ] || [ "$got" = refused ] || { echo "to $2 port $3 ${4:-tcp}: got $got, want nothing"; return 1; }
}

# Of published ports: what the kernel has, their states, what is saved.
elements() { h nft -j list ruleset | jq -c '[.nftables[].map? // empty | select(.name | test("^(host|lan|world)_|^published")) | .elem // [] | length] | add // 0'; }
state_of() { vz --json port ls "$1" | jq -r '.ports[].state'; }
saved() { jq -c '.vzrun.ports // []' "$(conf "$1")"; }
