#!/usr/bin/env bats
# Names and DHCP of a network: one dnsmasq each. Real guests ask with their own resolver, and by packets made by hand.
load guest

NAMES=$BATS_TEST_DIRNAME/38-names.py

setup_file() {
	need_guests busybox
	command -v dnsmasq >/dev/null || [ -x /usr/sbin/dnsmasq ] || { echo "no dnsmasq: make deps" >&2; return 1; }
	# Networks that come and go half-made in the host's own namespace: a bridge's name may be the next one's.
	alone guest
}

setup() {
	guest_setup
	A=$G-a B=$G-b C=$G-c
	HOME_ID=
}

teardown() {
	local g n
	for g in $(vz ls -q 2>/dev/null); do vz destroy -f "$g" >/dev/null; done
	if [ -n "${UPSTREAM:-}" ]; then kill "$UPSTREAM"; fi
	if [ -n "${HOLDS:-}" ]; then kill "$HOLDS" 2>/dev/null || true; fi
	for n in "$VZRUN_HOME"/networks/*.json; do
		n=$(basename "$n" .json)
		[ "$n" = '*' ] || [ "$n" = default ] || vz network rm "$n" || return 1
	done
	guest_teardown
	[ -z "$(runs)" ] || { echo "dnsmasq is left: $(runs)"; return 1; }
	! ls -d /run/vzrun-dns/*."$N" 2>/dev/null || return 1
}

# Names of networks that no other test has.
network() { N=n$$-$BATS_TEST_NUMBER; vz network create "$N${2:-}" --dns yes "${@:3}" >/dev/null; printf -v "$1" %s "$N${2:-}"; }
# on GUEST NETWORK...: it runs, with a NIC on each
on() {
	vz create "$1" --template busybox --memory 64M >/dev/null
	jq '.vzrun.networks = [$ARGS.positional[] | { network: . }]' --args "${@:2}" <"$(conf "$1")" >"$BATS_TEST_TMPDIR/n.json"
	cp "$BATS_TEST_TMPDIR/n.json" "$(conf "$1")"
	vz start "$1" >/dev/null
}
runs() { pgrep -f "^[^ ]*dnsmasq .*/run/vzrun-dns/[0-9a-f]*\.n$$-$BATS_TEST_NUMBER" || true; }
run_dir() { echo /run/vzrun-dns/*."$1"; }
pid_of_dns() { cut -d' ' -f1 "$(run_dir "$1")/run"; }
gateway() { jq -r .subnet "$VZRUN_HOME/networks/$1.json" | sed 's|0/.*|1|'; }
gateway6() { jq -r .subnet6 "$VZRUN_HOME/networks/$1.json" | sed 's|/.*|1|'; }
address() { vz exec "$1" ip -o -4 addr show eth0 | awk '{ sub("/.*", "", $4); print $4 }'; }
address6() { vz exec "$1" ip -o -6 addr show eth0 scope global | awk '{ sub("/.*", "", $4); print $4 }'; }
within() { nsenter -t "$(init_of "$1")" -n "${@:2}"; }
ask() { within "$1" python3 "$NAMES" dns "${@:2}"; }
# is WANT GOT...
same() { [ "$1" = "$2" ] || { echo "got:  $2"; echo "want: $1"; return 1; }; }

@test "guests find each other by name, in both families and back" {
	network NET
	on "$A" "$NET"
	on "$B" "$NET"
	gw=$(gateway "$NET") gw6=$(gateway6 "$NET")
	vz exec "$A" cat /etc/resolv.conf | grep -qx "nameserver $gw"
	vz exec "$A" cat /etc/resolv.conf | grep -qx "nameserver $gw6"
	vz exec "$A" cat /etc/resolv.conf | grep -q "^search $NET"
	vz exec "$A" ping -c 1 -W 2 "$B"
	vz exec "$A" ping -6 -c 1 -W 2 "$B.$NET"
	vz exec "$B" nslookup "$A.$NET" "$gw" | grep -qF "$(address "$A")"
	for server in "$gw" "$gw6"; do
		same "$(address "$B")" "$(ask "$A" "$server" "$B")"
		same "$(address "$B")" "$(ask "$A" "$server" "$B.$NET")"
		same "$(address6 "$B")" "$(ask "$A" "$server" "$B" AAAA)"
		same "$B.$NET" "$(ask "$A" "$server" "$(address "$B")" PTR)"
		same "$B.$NET" "$(ask "$A" "$server" "$(address6 "$B")" PTR)"
		same NXDOMAIN "$(ask "$A" "$server" "nobody.$NET")"
	done
	# And by TCP, of which nobody holds more than its part.
	for server in "$gw" "$gw6"; do
		nsenter -t "$(init_of "$B")" -n python3 "$NAMES" hold "$server" "$BATS_TEST_TMPDIR/held" 3>&- &
		HOLDS=$!
		wait_for test -e "$BATS_TEST_TMPDIR/held"
		same 4 "$(cat "$BATS_TEST_TMPDIR/held")"
		run within "$A" dig +tcp +short +time=2 +tries=1 @"$server" "$B"
		same "$(address "$B")" "$output"
		kill "$HOLDS"
		rm "$BATS_TEST_TMPDIR/held"
	done
	run within "$A" dig +tcp +short +time=2 @"$gw" "$B"
	same "$(address "$B")" "$output"
}

@test "it is its own user, in a session of its own, on the gateway's addresses, and holds nothing of ours" {
	network NET
	p=$(pid_of_dns "$NET")
	same "$p" "$(runs)"
	[ "$(stat -c %U "/proc/$p")" != root ]
	[ "$(awk '{ print $6 }' "/proc/$p/stat")" != "$(awk '{ print $6 }' /proc/$$/stat)" ]
	[ "$(readlink "/proc/$p/cwd")" = / ]
	run find "/proc/$p/fd" -printf '%l\n'
	hasnt "$BATS_TEST_TMPDIR"
	hasnt .lock
	hasnt inotify
	for fd in 0 1 2; do [ "$(readlink "/proc/$p/fd/$fd")" = /dev/null ]; done
	run bash -c "ss -lntuHp | grep pid=$p, | awk '{ print \$5 }' | sort"
	br=$(jq -r .bridge "$VZRUN_HOME/networks/$NET.json")
	same "$(for a in "$(gateway "$NET")" "[$(gateway6 "$NET")]" "[fe80::1]%$br"; do echo "$a:53"; echo "$a:53"; done | cat - \
		<(echo "0.0.0.0%$br:67") <(echo "[::]%$br:547") | sort)" "$output"
	# Nobody but its user reads what it answers.
	[ "$(stat -c %a "$(run_dir "$NET")")" = 750 ]
	run setpriv --reuid 12345 --regid 12345 --clear-groups cat "$(run_dir "$NET")/hosts"
	[ "$status" -ne 0 ]
}

@test "another segment's names, and the host, are not told" {
	network NET
	network OTHER -x
	on "$A" "$NET"
	on "$B" "$OTHER"
	same NXDOMAIN "$(ask "$A" "$(gateway "$NET")" "$B")"
	same "$(address "$B")" "$(ask "$B" "$(gateway "$OTHER")" "$B.$OTHER")"
	# Nor does the other network's dnsmasq answer.
	[ "$(ask "$A" "$(gateway "$OTHER")" "$B")" = SILENCE ]
	same NXDOMAIN "$(ask "$A" "$(gateway "$NET")" "$(hostname)")"
	# Another port of the gateway stays closed.
	run vz network why "$A" host:54/udp
	[ "$status" -eq 1 ] || { echo "$output"; return 1; }
	run vz network why "$A" host:53
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

@test "names follow what is held, without a new start" {
	network NET
	on "$A" "$NET"
	p=$(pid_of_dns "$NET")
	gw=$(gateway "$NET")
	same NXDOMAIN "$(ask "$A" "$gw" "$B")"
	on "$B" "$NET"
	same "$(address "$B")" "$(ask "$A" "$gw" "$B")"
	first=$(address "$B")
	vz stop "$B" >/dev/null
	same "$first" "$(ask "$A" "$gw" "$B")"
	vz destroy "$B" >/dev/null
	same NXDOMAIN "$(ask "$A" "$gw" "$B")"
	same NXDOMAIN "$(ask "$A" "$gw" "$first" PTR)"
	on "$C" "$NET"
	same "$first" "$(address "$C")"
	same "$C.$NET" "$(ask "$A" "$gw" "$first" PTR)"
	same "$p" "$(pid_of_dns "$NET")"
}

@test "what is not here is asked of the host's resolvers, and nothing of an isolated network" {
	mkdir "$BATS_TEST_TMPDIR/u"
	python3 "$NAMES" upstream 127.0.0.77 "$BATS_TEST_TMPDIR/u/log" "$BATS_TEST_TMPDIR/u/ready" 3>&- &
	UPSTREAM=$!
	wait_for test -e "$BATS_TEST_TMPDIR/u/ready"
	echo "nameserver 127.0.0.77" >"$BATS_TEST_TMPDIR/u/resolv.conf"
	# The host of this test has its own resolv.conf.
	cat >"$BATS_TEST_TMPDIR/vz" <<-END
		#!/bin/sh
		exec unshare -m sh -c 'mount --bind "$BATS_TEST_TMPDIR/u/resolv.conf" /etc/resolv.conf && exec "$VZ" "\$@"' vz "\$@"
	END
	chmod +x "$BATS_TEST_TMPDIR/vz"
	VZ=$BATS_TEST_TMPDIR/vz
	network NET
	network CLOSED -x --mode isolated
	on "$A" "$NET"
	on "$B" "$CLOSED"
	same 203.0.113.9 "$(ask "$A" "$(gateway "$NET")" www.example.net)"
	same REFUSED "$(ask "$B" "$(gateway "$CLOSED")" www.example.com)"
	same "$(address "$B")" "$(ask "$B" "$(gateway "$CLOSED")" "$B")"
	# Own names, plain names and own addresses never leave the host.
	same NXDOMAIN "$(ask "$A" "$(gateway "$NET")" "nobody.$NET")"
	same NXDOMAIN "$(ask "$A" "$(gateway "$NET")" nobody)"
	same NXDOMAIN "$(ask "$A" "$(gateway "$NET")" "$(address "$A" | sed 's/[0-9]*$/251/')" PTR)"
	same www.example.net "$(sort -u "$BATS_TEST_TMPDIR/u/log")"
	# Other resolvers are noticed with the next command.
	echo "nameserver 127.0.0.78" >"$BATS_TEST_TMPDIR/u/resolv.conf"
	run vz network check "$NET"
	[ "$status" -eq 1 ]
	has "dnsmasq asks other resolvers than the host has"
	vz stop "$A" >/dev/null
	vz start "$A" >/dev/null
	grep -qx server=127.0.0.78 "$(run_dir "$NET")/servers"
	vz network check "$NET"
}

@test "DHCP: each MAC address gets the guest's own address, nobody else any; names of clients are not believed" {
	network NET
	on "$A" "$NET"
	on "$B" "$NET"
	gw=$(gateway "$NET")
	same "$(address "$A") 255.255.0.0 $gw $gw $gw $NET" "$(within "$A" python3 "$NAMES" dhcp eth0 '' imposter)"
	same "$(address "$B") 255.255.0.0 $gw $gw $gw $NET" "$(within "$B" python3 "$NAMES" dhcp eth0)"
	same NXDOMAIN "$(ask "$A" "$gw" imposter)"
	same NXDOMAIN "$(ask "$A" "$gw" "imposter.$NET")"
	# A client that is not on record, however it says so.
	same nothing "$(within "$A" python3 "$NAMES" dhcp eth0 02:11:22:33:44:55)"
	# udhcpc, as a distribution's scripts run it.
	run vz exec "$A" sh -c 'printf "#!/bin/sh\necho \$1 \$ip\n" >/tmp/s && chmod +x /tmp/s && udhcpc -q -n -t 2 -i eth0 -s /tmp/s 2>/dev/null'
	has "bound $(address "$A")"
}

@test "DHCPv6 gives the guest's own address" {
	network NET
	on "$A" "$NET"
	same "$(address6 "$A")" "$(within "$A" python3 "$NAMES" dhcp6 eth0)"
}

@test "DHCPv6: a neighbour's refusal of an address does not keep it from who has it" {
	network NET
	on "$A" "$NET"
	on "$B" "$NET"
	held=$(address6 "$B")
	same "$held" "$(within "$B" python3 "$NAMES" dhcp6 eth0)"
	within "$A" python3 "$NAMES" refuse6 eth0 "$(within "$B" ip -j link show eth0 | jq -r '.[0].address')" "$held"
	same "$held" "$(within "$B" python3 "$NAMES" dhcp6 eth0)"
	same "$(address6 "$A")" "$(within "$A" python3 "$NAMES" dhcp6 eth0)"
}

@test "a guest's own rules do not keep its address from it: DHCP, a renewal, DHCPv6" {
	network NET
	on "$A" "$NET"
	a=$(address "$A") a6=$(address6 "$A")
	vz fw deny "$A" in >/dev/null
	vz fw deny "$A" out >/dev/null
	same "$a" "$(within "$A" python3 "$NAMES" dhcp eth0 | cut -d' ' -f1)"
	same "$a6" "$(within "$A" python3 "$NAMES" dhcp6 eth0)"
	# A client that holds its address asks the server by its own.
	vz exec "$A" sh -c 'printf "#!/bin/sh\necho \$1 >>/tmp/heard\n" >/tmp/s && chmod +x /tmp/s && udhcpc -i eth0 -s /tmp/s -p /tmp/pid 2>/dev/null >&2'
	vz exec "$A" sh -c 'kill -USR1 $(cat /tmp/pid)'
	wait_for vz exec "$A" grep -x renew /tmp/heard
	# Nothing else of the host has come to be open.
	same SILENCE "$(ask "$A" "$(gateway "$NET")" "$A")"
}

@test "routed: guests without a segment in common have names and DHCP all the same" {
	network NET '' --mode routed
	on "$A" "$NET"
	on "$B" "$NET"
	gw=$(gateway "$NET")
	same "$(address "$B")" "$(ask "$A" "$gw" "$B")"
	same "$(address "$A") 255.255.255.255 $gw $gw $gw $NET" "$(within "$A" python3 "$NAMES" dhcp eth0)"
	vz exec "$A" ping -c 1 -W 2 "$B"
}

@test "an address that was leased by DHCP is given to its next holder at once" {
	network NET
	on "$A" "$NET"
	on "$B" "$NET"
	held=$(address "$B")
	same "$held" "$(within "$B" python3 "$NAMES" dhcp eth0 | cut -d' ' -f1)"
	vz destroy -f "$B" >/dev/null
	on "$C" "$NET"
	same "$held" "$(address "$C")"
	same "$held" "$(within "$C" python3 "$NAMES" dhcp eth0 | cut -d' ' -f1)"
}

@test "killed, it runs again with the next start; check says so, apply starts it" {
	network NET
	on "$A" "$NET"
	gw=$(gateway "$NET")
	vz network check "$NET"
	kill -9 "$(pid_of_dns "$NET")"
	wait_for gone "$(pid_of_dns "$NET")"
	run vz network check "$NET"
	[ "$status" -eq 1 ]
	has "dnsmasq does not run: no names, no DHCP"
	vz network apply "$NET"
	same "$(address "$A")" "$(ask "$A" "$gw" "$A")"
	vz network check "$NET"
	kill -9 "$(pid_of_dns "$NET")"
	wait_for gone "$(pid_of_dns "$NET")"
	vz stop "$A" >/dev/null
	vz start "$A" >/dev/null
	same "$(address "$A")" "$(ask "$A" "$gw" "$A")"
	# Everything of it gone, as after a boot.
	kill -9 "$(pid_of_dns "$NET")"
	rm -r "$(run_dir "$NET")"
	on "$B" "$NET"
	same "$(address "$A")" "$(ask "$B" "$gw" "$A")"
	# A file that somebody edited.
	sed -i 1d "$(run_dir "$NET")/hosts"
	run vz network check "$NET"
	[ "$status" -eq 1 ]
	has "dnsmasq has other names or addresses than the guests"
	vz network apply "$NET"
	vz network check "$NET"
}

@test "a bridge that was deleted: apply brings back names, too" {
	network NET
	on "$A" "$NET"
	ip link del "$(jq -r .bridge "$VZRUN_HOME/networks/$NET.json")"
	vz network apply "$NET"
	same "$(address "$A")" "$(ask "$A" "$(gateway "$NET")" "$A")"
	same "$(address "$A")" "$(within "$A" python3 "$NAMES" dhcp eth0 | cut -d' ' -f1)"
	vz network check "$NET"
}

@test "the last network takes the directory of all along" {
	N=n$$-$BATS_TEST_NUMBER
	unshare -m --propagation private bash -c '
		mount -t tmpfs none /run && set -e
		"$1" network create "$2" --dns yes >/dev/null && "$1" network create "$2-b" --dns yes >/dev/null
		"$1" network rm "$2" && [ -d /run/vzrun-dns ] && "$1" network rm "$2-b" && [ ! -e /run/vzrun-dns ]' - "$VZ" "$N"
}

@test "no room for what dnsmasq reads: the directory of all does not stay" {
	N=n$$-$BATS_TEST_NUMBER
	run unshare -m --propagation private bash -c '
		mount -t tmpfs -o nr_inodes=2 none /run || exit
		"$1" network create "$2" --dns yes; status=$?
		[ ! -e /run/vzrun-dns ] || echo "it is left"
		exit "$status"' - "$VZ" "$N"
	[ "$status" -eq 1 ]
	[[ $output == "vzrun: network $N: names: create directory /run/vzrun-dns/"*".$N: No space left on device" ]]
}

@test "asked for and not there: refused by name, and nothing is left; not asked for: a network without" {
	N=n$$-$BATS_TEST_NUMBER
	VZRUN_DNSMASQ=$BATS_TEST_TMPDIR/none run vz network create "$N" --dns yes
	refuses 8 "network $N: names: dnsmasq: VZRUN_DNSMASQ=$BATS_TEST_TMPDIR/none is no program"
	[ ! -e "$VZRUN_HOME/networks/$N.json" ]
	[ -z "$(ls -d /run/vzrun-dns/*."$N" 2>/dev/null)" ]
	VZRUN_DNSMASQ=$BATS_TEST_TMPDIR/none vz network create "$N"
	[ "$(jq .dns "$VZRUN_HOME/networks/$N.json")" != true ]
	on "$A" "$N"
	vz destroy -f "$A" >/dev/null
	vz network rm "$N"
	# One that cannot start says why, and where nobody asked for it that is no reason to refuse.
	printf '#!/bin/sh\necho "dnsmasq: port 53 is taken" >&2\nexit 2\n' >"$BATS_TEST_TMPDIR/bad"
	chmod +x "$BATS_TEST_TMPDIR/bad"
	VZRUN_DNSMASQ=$BATS_TEST_TMPDIR/bad run vz network create "$N" --dns yes
	[ "$status" -ne 0 ]
	has "network $N: names: dnsmasq: port 53 is taken"
	VZRUN_DNSMASQ=$BATS_TEST_TMPDIR/bad run vz network create "$N"
	ok
	has "network $N has no names: network $N: names: dnsmasq: port 53 is taken"
}

@test "by itself a new network has names, and the network of guests without one has none" {
	N=n$$-$BATS_TEST_NUMBER
	vz network create "$N" >/dev/null
	[ "$(jq .dns "$VZRUN_HOME/networks/$N.json")" = true ]
	[ -n "$(runs)" ]
	vz create "$A" --template busybox --memory 64M >/dev/null
	[ "$(jq .dns "$VZRUN_HOME/networks/default.json")" != true ]
}

@test "killed between any two steps, the next command finishes" {
	[ -x "$FAULT" ] || { echo "no $FAULT: make FAULT=1" >&2; return 1; }
	N=n$$-$BATS_TEST_NUMBER
	n=0
	while :; do
		n=$((n + 1))
		if VZRUN_KILL=$n "$FAULT" --root "$ROOT" network create "$N" --dns yes >/dev/null 2>&1 3>&-; then break; fi
		if [ -e "$VZRUN_HOME/networks/$N.json" ]; then
			vz network apply "$N" >/dev/null
			[ "$(runs | wc -l)" = 1 ] || { echo "point $n: $(runs)"; return 1; }
			vz network check "$N"
			vz network rm "$N"
		fi
		[ -z "$(runs)" ] || { echo "point $n: left: $(runs)"; return 1; }
	done
	[ "$n" -gt 8 ]
	[ "$(runs | wc -l)" = 1 ]
}
