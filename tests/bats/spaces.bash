# Network namespaces that stand for hosts, guests and the outside; who serves and who dials in them. Whatever is started
# here is in PIDS, and ends with spaces_end.

# spaces_begin: a directory D, a home H, the programs; as root, in the project's folder
spaces_begin() {
	[ "$(id -u)" = 0 ] || { echo "needs root" >&2; return 1; }
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	BUILD=${VZRUN_BUILD:-$PWD/build}
	export VZRUN_LIBEXEC=${VZRUN_LIBEXEC:-$BUILD}
	# No dnsmasq: it would outlive the namespaces (38-names.bats is about it).
	export VZRUN_DNSMASQ=/nonexistent
	VZ=${VZRUN:-$BUILD/vzrun}
	T=$BUILD/tools/nettool
	D=$(mktemp -d "${BATS_TMPDIR:-/tmp}/vznet.XXXXXX")
	H=$D/home
	PIDS=()
}
spaces_end() {
	end_all
	if pgrep -f "$D/" >/dev/null; then
		echo "processes are left"; pgrep -af "$D/"; return 1
	fi
	rm -rf "$D"
}
end_all() {
	local p

	{
		for p in "${PIDS[@]}"; do kill -9 "$p"; builtin wait "$p"; done
	} 2>/dev/null
	PIDS=()
}

# space VAR: a namespace held by a sleeping process, its pid in the variable
space() {
	local mine

	mine=$(readlink /proc/self/ns/net)
	unshare -n sleep 600 3>&- &
	PIDS+=("$!")
	printf -v "$1" %s "$!"
	for _ in {1..2000}; do
		[ "$(readlink "/proc/$!/ns/net")" = "$mine" ] || return 0
		sleep 0.02
	done
	return 1
}

in_ns() { nsenter -t "$1" -n -- "${@:2}"; }
h() { in_ns "$HOST" "$@"; }
o() { in_ns "$OUT" "$@"; }

# HOST and OUT, with a link between them: 192.0.2.1 is the host as the outside sees it, 192.0.2.2 its way out
host_and_outside() {
	space HOST
	space OUT
	h ip link set lo up
	h ip link add up0 type veth peer name out0 netns "$OUT"
	h ip addr add 192.0.2.1/24 dev up0
	h ip addr add 2001:db8::1/64 dev up0 nodad
	h ip link set up0 up
	h ip route add default via 192.0.2.2
	h ip -6 route add default via 2001:db8::2
	o ip link set lo up
	o ip addr add 192.0.2.2/24 dev out0
	o ip addr add 2001:db8::2/64 dev out0 nodad
	o ip link set out0 up
}

# guest VAR NAME [NIC...]: a namespace with the network that nettool makes for a guest of that name on HOST
guest() {
	space "$1"
	h "$T" up "$H" "$2" "${!1}" "${@:3}" >"$D/$2.ports"
}
ip4_of() { awk 'NR == 1 { sub("/.*", "", $5); print $5 }' "$D/$1.ports"; }
ip6_of() { awk 'NR == 1 { sub("/.*", "", $6); print $6 }' "$D/$1.ports"; }
port_of() { awk 'NR == 1 { print $3 }' "$D/$1.ports"; }

pings() { in_ns "$1" ping -c 1 -W 3 "${@:2}" >/dev/null; }
not_pings() { ! in_ns "$1" ping -c 1 -W 1 "${@:2}" >/dev/null 2>&1; }

# serve PID PORT [udp]: answers with the address that it is asked from, on all addresses, IPv4 and IPv6
serve() {
	local ready
	ready=$(mktemp -u "${BATS_TEST_TMPDIR:-$D}/ready.XXXXXX")
	# The process itself, not a shell around it: it is what is killed in the end.
	nsenter -t "$1" -n -- python3 -c '
import socket, sys
udp = sys.argv[3:] == ["udp"]
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::", int(sys.argv[1])))
if not udp:
    s.listen(50)
open(sys.argv[2], "w").close()
name = lambda a: a[0].replace("::ffff:", "").encode()
while udp:
    _, a = s.recvfrom(100)
    s.sendto(name(a), a)
while True:
    c, a = s.accept()
    c.sendall(name(a))
    c.close()
' "$2" "$ready" "${@:3}" 3>&- &
	PIDS+=("$!")
	for _ in {1..2000}; do
		[ ! -e "$ready" ] || return 0
		sleep 0.02
	done
	return 1
}

# dial PID ADDRESS PORT [udp]: what the server says; "refused" or "silence" when it does not
dial() {
	in_ns "$1" python3 -c '
import socket, sys
udp = sys.argv[3:] == ["udp"]
try:
    f = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    c = socket.socket(f, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    c.settimeout(1.5)
    c.connect((sys.argv[1], int(sys.argv[2])))
    if udp:
        c.send(b"x")
    print(c.recv(100).decode())
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("silence")
' "${@:2}"
}
