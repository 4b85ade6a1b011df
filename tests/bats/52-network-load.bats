#!/usr/bin/env bats
# Networks under load and under fire: many at once, killed between any two steps, other people's rules around them,
# changes while data flows. The host is a network namespace of the test's own. Needs root.
load guest

setup_file() {
	need_guests busybox
	[ -x "$FAULT" ] || { echo "no $FAULT: make FAULT=1" >&2; return 1; }
	[ -x "$BUILD/tools/nettool" ] || { echo "no nettool: make build/tools/nettool" >&2; return 1; }
}
setup() {
	guest_setup
	unshare -n sleep 1000 3>&- & HOST=$!
	disown
	wait_for other_namespace
	h ip link set lo up
	h ip link add up0 type veth peer name up1
	h ip addr add 192.0.2.1/24 dev up0
	h ip link set up0 up
	h ip link set up1 up
	h nft -f - <<-'RULES'
	table inet admin {
		set friends { type ipv4_addr; elements = { 192.0.2.7, 192.0.2.9 } }
		counter drops { packets 7 bytes 700 }
		chain forward { type filter hook forward priority 0; policy accept;
			ip saddr @friends accept comment "vzrun"
		}
	}
	table bridge vzrunner { chain c { type filter hook forward priority 0; policy accept; }; }
	table ip nat { chain PREROUTING { type nat hook prerouting priority -100; policy accept; }; }
	RULES
	snapshot >"$BATS_TEST_TMPDIR/before"
}
teardown() {
	local n
	for n in $(vz ls -q); do vz destroy -f "$n" >/dev/null; done
	for n in $(networks); do vz network rm "$n" >/dev/null; done
	guest_teardown
	local bad=$?
	kill -9 "$HOST"
	return $bad
}

other_namespace() { [ "$(readlink "/proc/$HOST/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
h() { nsenter --net="/proc/$HOST/ns/net" -- "$@"; }
vz() { nsenter --net="/proc/$HOST/ns/net" -- "$VZ" --root "$ROOT" "$@"; }
fz() { nsenter --net="/proc/$HOST/ns/net" -- "$FAULT" --root "$ROOT" "$@"; }
foreign() { local f; for f in inet:admin bridge:vzrunner ip:nat; do h nft -a list table "${f%:*}" "${f#*:}"; done; }
snapshot() {
	h ip -o link | sed 's/^[0-9]*: //; s/state.*//' | sort
	h ip -o addr | sed 's/^[0-9]*: //' | grep -v fe80 | sort
	h ip route; h ip -6 route | grep -v fe80 || true
	h nft -a list ruleset | awk -f "$BATS_TEST_DIRNAME/../net/standing.awk"
	h sh -c 'grep . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/*forwarding'
}
unchanged() { snapshot | diff "$BATS_TEST_TMPDIR/before" -; }
# A link goes with its guest's namespace, which the kernel takes apart after the last process is gone.
same() { PATIENCE=100 wait_for unchanged || { unchanged; false; }; }
networks() { vz --json network ls | jq -r '.networks[].name'; }
# Of networks, on disk.
held() { find "$VZRUN_HOME/networks" -mindepth 1 ! -name .lock ! -name .guests 2>/dev/null; }
# all N COMMAND...: at once, %s is the number; their statuses sorted, a line each
all() {
	local i n=$1 pids=() s got=
	shift
	for i in $(seq "$n"); do
		vz "${@//%s/$i}" >"$BATS_TEST_TMPDIR/said.$i" 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do s=0; wait "$i" || s=$?; got+=$s$'\n'; done
	sort -n <<<"${got%?}" | uniq -c | awk '{ print $1 "x" $2 }'
}

# From inside, by the guest's own tools.
inside() { vz exec "$G-$1" "${@:2}" >/dev/null 2>&1; }
blocked() { ! inside "$@"; }
address() { vz --json ls | jq -r --arg g "$G-$1" '.guests[] | select(.name == $g).ip'; }

@test "real guests, their own ping, arping, wget and nc: a segment is whole, and closed until it is opened" {
	local g
	vz network create red --subnet 10.120.0.0/24 >/dev/null
	vz network create blue --subnet 10.121.0.0/24 >/dev/null
	vz network create cell --subnet 10.122.0.0/24 --isolate-ports >/dev/null
	for g in red1:red red2:red blue1:blue cell1:cell cell2:cell; do
		vz create "$G-${g%:*}" --template busybox --memory 64M --net "${g#*:}" >/dev/null
		vz start "$G-${g%:*}" >/dev/null
		vz exec "$G-${g%:*}" sh -c 'echo here >/tmp/word; httpd -p 80 -h /tmp'
	done
	inside red1 ping -c 1 -W 10 "$(address red2)"
	inside red1 arping -c 1 -w 10 -I eth0 "$(address red2)"
	[ "$(vz exec "$G-red1" wget -qO- "http://$(address red2)/word")" = here ]
	inside red1 ping -c 1 -W 10 10.120.0.1
	for g in blue1 cell1; do
		blocked red1 ping -c 1 -W 1 "$(address $g)"
		blocked red1 arping -c 1 -w 1 -I eth0 "$(address $g)"
		blocked red1 nc -v -w 1 "$(address $g)" 80 </dev/null
	done
	blocked red1 ping -c 1 -W 1 10.121.0.1
	blocked red1 ping -c 1 -W 1 192.0.2.1
	blocked cell1 ping -c 1 -W 1 "$(address cell2)"
	blocked cell1 arping -c 1 -w 1 -I eth0 "$(address cell2)"
	inside cell1 ping -c 1 -W 10 10.122.0.1
	vz network allow red blue --port 80
	[ "$(vz exec "$G-red1" wget -qO- "http://$(address blue1)/word")" = here ]
	blocked red1 ping -c 1 -W 1 "$(address blue1)"
	blocked blue1 nc -v -w 1 "$(address red1)" 80 </dev/null
	vz network deny red blue --port 80
	blocked red1 nc -v -w 1 "$(address blue1)" 80 </dev/null
	for g in red1 red2 blue1 cell1 cell2; do vz destroy -f "$G-$g" >/dev/null; done
	for g in red blue cell; do vz network rm $g; done
	same
	[ -z "$(held)" ]
}

@test "forty creates with one address: one has it, thirty-nine hear who, and nothing of them is left" {
	vz network create red --subnet 10.120.0.0/24 >/dev/null
	run all 40 create "$G-%s" --template busybox --net red --ip 10.120.0.50
	says $'1x0\n39x12'
	local winner
	winner=$(vz ls -q)
	[ "$(wc -w <<<"$winner")" = 1 ]
	[ "$(grep -hc "^vzrun: address 10.120.0.50 of network red is in use by $winner$" "$BATS_TEST_TMPDIR"/said.* | grep -c 1)" = 39 ]
	vz create "$G-next" --template busybox --net red
	[ "$(vz --json ls | jq -r --arg g "$G-next" '.guests[] | select(.name == $g).ip')" = 10.120.0.2 ]
}

@test "forty creates at once on one network: forty addresses, the lowest forty" {
	vz network create red --subnet 10.120.0.0/24 >/dev/null
	run all 40 create "$G-%s" --template busybox --net red
	says 40x0
	run vz --json ls
	[ "$(jq -r '.guests[].ip' <<<"$output" | sort -t. -k4n | sed -n '1p;40p' | tr '\n' ' ')" = "10.120.0.2 10.120.0.41 " ]
	[ "$(jq -r '.guests[].ip' <<<"$output" | sort -u | wc -l)" = 40 ]
	run all 40 destroy "$G-%s"
	says 40x0
}

@test "forty networks made at once: forty subnets; forty of one name: one" {
	run all 40 network create "n%s"
	says 40x0
	[ "$(vz --json network ls | jq -r '.networks[].subnet' | sort -u | wc -l)" = 40 ]
	run all 40 network create same
	says $'1x0\n39x4'
	run all 40 network rm "n%s"
	says 40x0
	vz network rm same
	same
}

@test "a network that is removed while guests are made on it: one or the other" {
	local i a b
	for i in $(seq 15); do
		vz network create red --subnet 10.120.0.0/24 >/dev/null
		vz create "$G-$i" --template busybox --net red >"$BATS_TEST_TMPDIR/a" 2>&1 3>&- & a=$!
		vz network rm red >"$BATS_TEST_TMPDIR/b" 2>&1 3>&- & b=$!
		ended "$a"; local made=$status
		ended "$b"; local gone=$status
		case "$made $gone" in
		"0 5") vz destroy "$G-$i" >/dev/null; vz network rm red >/dev/null ;;
		"3 0") ;;
		*) echo "create $made: $(cat "$BATS_TEST_TMPDIR/a"); rm $gone: $(cat "$BATS_TEST_TMPDIR/b")"; false ;;
		esac
		[ -z "$(vz ls -q)" ]
	done
	same
	[ -z "$(held)" ]
}

# What each command needs before, is, needs to be done again after it was killed, and is undone by.
declare -gA BEFORE=(
	[create-network]=true
	[rm-network]='vz network create red --subnet 10.120.0.0/24'
	[allow]='vz network create red && vz network create blue'
	[deny]='vz network create red && vz network create blue && vz network allow red blue'
	[apply]='vz network create red && vz network create blue && lose_tables'
	[create]='vz network create red --subnet 10.120.0.0/24'
	[destroy]='vz network create red --subnet 10.120.0.0/24 && vz create $G --template busybox --net red --ip 10.120.0.9'
)
BEFORE[start]="${BEFORE[destroy]}"
BEFORE[nic-add]="${BEFORE[destroy]} && vz start \$G && vz network create blue --subnet 10.121.0.0/24"
BEFORE[nic-rm]="${BEFORE[nic-add]} && vz nic add \$G --network blue --ip 10.121.0.9"
BEFORE[set-ip]="${BEFORE[nic-add]}"
BEFORE[stop]="${BEFORE[nic-add]}"
declare -gA COMMAND=(
	[create-network]='network create red --subnet 10.120.0.0/24 --isolate-ports'
	[rm-network]='network rm red'
	[allow]='network allow red blue --port 80'
	[deny]='network deny red blue'
	[apply]='network apply'
	[create]='create $G --template busybox --net red --ip 10.120.0.9'
	[destroy]='destroy $G'
	[start]='start $G'
	[stop]='stop -k $G'
	[nic-add]='nic add $G --network blue --ip 10.121.0.9 --name lan'
	[nic-rm]='nic rm $G eth1'
	[set-ip]='set $G --ip 10.120.0.77'
)
lose_tables() {
	local n
	h nft list tables | awk '$3 ~ /^vzrun_/ { print "delete", $0 }' | h nft -f -
	for n in $(networks); do h ip link del "$(vz --json network ls | jq -r --arg n "$n" '.networks[] | select(.name == $n).bridge')"; done
}

# kills WHAT: SIGKILL at each point in turn. The next command of the same words goes through, or says that it is done; what
# `network check` then sees is whole; and taken away, everything is as it was.
kills() {
	local n rc
	for n in $(seq 200); do
		eval "${BEFORE[$1]}" >/dev/null
		rc=0
		eval "VZRUN_KILL=$n fz ${COMMAND[$1]}" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- || rc=$?
		# A child may be killed for its command, which says that the guest was not started.
		! grep -q "not started: " "$BATS_TEST_TMPDIR/out" || rc=137
		[ "$rc" = 0 ] || [ "$rc" = 137 ] || { echo "$1 at $n: status $rc: $(cat "$BATS_TEST_TMPDIR/out")"; return 1; }
		if [ "$rc" = 137 ]; then
			vz recover >/dev/null
			rc=0
			eval "vz ${COMMAND[$1]}" >"$BATS_TEST_TMPDIR/out" 2>&1 || rc=$?
			case $rc in
			# A name that went half way is taken out by the network's next change, or by apply.
			0) [ "$1" != nic-rm ] || vz network apply >/dev/null ;;
			3) [ "$1" = deny ] || vz network apply >/dev/null ;;
			# It was done, or is begun: the kill came late.
			4 | 5) vz network apply >"$BATS_TEST_TMPDIR/out" || { cat "$BATS_TEST_TMPDIR/out"; return 1; } ;;
			*) echo "$1 again after $n: status $rc: $(cat "$BATS_TEST_TMPDIR/out")"; return 1 ;;
			esac
			rc=137
		fi
		run vz network check
		[ "$status" -eq 0 ] || { echo "check after $1 killed at $n: $output"; return 1; }
		run foreign
		says "$(cat "$BATS_TEST_TMPDIR/foreign")"
		[ ! -e "$VZRUN_HOME/guests/$G" ] || vz destroy -f "$G" >/dev/null
		for net in $(networks); do vz network rm "$net" >/dev/null || return 1; done
		same || { echo "$1 killed at $n: left"; return 1; }
		[ -z "$(held)" ] || { echo "$1 killed at $n: $(held)"; return 1; }
		[ "$rc" != 0 ] || break
	done
	[ "$n" -gt 1 ]
	echo "# $1: killed at $((n - 1)) points" >&3
}

@test "killed between any two steps: a network made" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills create-network; }
@test "killed between any two steps: a network removed" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills rm-network; }
@test "killed between any two steps: what was lost, made again" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills apply; }
@test "killed between any two steps: opened" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills allow; }
@test "killed between any two steps: closed" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills deny; }
@test "killed between any two steps: a guest made" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills create; }
@test "killed between any two steps: a guest destroyed" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills destroy; }
@test "killed between any two steps: a guest started" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills start; }
@test "killed between any two steps: a guest stopped" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills stop; }
@test "killed between any two steps: an interface more" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills nic-add; }
@test "killed between any two steps: an interface less" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills nic-rm; }
@test "killed between any two steps: another address" { foreign >"$BATS_TEST_TMPDIR/foreign"; kills set-ip; }

# Whoever was killed while an address changed: what its record has, nobody else is given.
@test "killed while an address changes: no two guests have one" {
	foreign >"$BATS_TEST_TMPDIR/foreign"
	for n in $(seq 60); do
		eval "${BEFORE[set-ip]}" >/dev/null
		rc=0
		eval "VZRUN_KILL=$n fz ${COMMAND[set-ip]}" >/dev/null 2>&1 3>&- || rc=$?
		vz create "$G-a" --template busybox --net red >/dev/null
		vz create "$G-b" --template busybox --net red --ip 10.120.0.77 >/dev/null 2>&1 || true
		vz create "$G-c" --template busybox --net red --ip 10.120.0.9 >/dev/null 2>&1 || true
		run bash -c "jq -r '.nics[].ip' '$VZRUN_HOME'/networks/.guests/*.json | sort | uniq -d"
		[ -z "$output" ] || { echo "killed at $n: twice: $output"; return 1; }
		for g in "$G" "$G-a" "$G-b" "$G-c"; do [ ! -e "$VZRUN_HOME/guests/$g" ] || vz destroy -f "$g" >/dev/null; done
		for net in $(networks); do vz network rm "$net" >/dev/null || return 1; done
		[ "$rc" != 0 ] || break
	done
	[ "$n" -gt 1 ]
}
