# Shared by the suites of guests' network interfaces. The host is a network namespace of the test's own, with two networks.
load guest

nics_setup() {
	guest_setup
	SPACES=()
	space HOST
	h ip link set lo up
	vz network create red --subnet 10.120.0.0/24 >/dev/null
	vz network create blue --subnet 10.121.0.0/24 >/dev/null
}
nics_teardown() {
	local n bad=0
	for n in $(vz ls -q); do vz destroy -f "$n" >/dev/null; done
	for n in $(vz --json network ls | jq -r '.networks[].name'); do vz network rm "$n" >/dev/null || bad=1; done
	guest_teardown || bad=1
	kill -9 "${SPACES[@]}" 2>/dev/null
	return $bad
}

# A network namespace, held by a process whose number goes into the variable $1.
space() {
	unshare -n sleep 1000 3>&- &
	SPACES+=($!)
	printf -v "$1" %s $!
	disown
	wait_for apart "$!"
}
apart() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
in_ns() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
h() { in_ns "$HOST" "$@"; }
vz() { in_ns "$HOST" "$VZ" --root "$ROOT" "$@"; }
# In the network of a guest, with the host's programs.
in_guest() { in_ns "$(init_of "$1")" "${@:2}"; }
# The same in the background: the process itself, not a shell around it, is what teardown kills.
exec_in() { exec nsenter --net="/proc/$(init_of "$1")/ns/net" -- "${@:2}"; }
guest_on() { vz create "$G$1" --template busybox --memory 64M "${@:2}" >/dev/null && vz start "$G$1" >/dev/null; }
nic() { vz --json nic ls "$G$1" | jq -r --arg i "$2" ".interfaces[] | select(.interface == \$i).$3"; }
# not COMMAND...: a "!" alone fails no test.
not() { if "$@" >/dev/null 2>&1; then echo "came true: $*"; return 1; fi; }
pings() { in_guest "$1" ping -c 1 -W 3 -n "$2" >/dev/null; }
addresses() { in_guest "$G$1" ip -o -4 addr show scope global | awk '{ print $2, $4 }'; }
routes() { in_guest "$G$1" ip route show default; }
record() { echo "$VZRUN_HOME/networks/.guests/$G$1.json"; }
