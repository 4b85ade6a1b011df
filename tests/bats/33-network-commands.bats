#!/usr/bin/env bats
# network create, ls, show, rm, allow, deny, and what is made when they fail. Needs root.
load network

setup() { network_setup; }
teardown() { spaces_end; }

@test "create chooses what is not given; ls and the file say it" {
	run net create web
	[ "$status" -eq 0 ]
	[[ $output =~ ^web\ created:\ mode\ nat,\ bridge\ vzbr0,\ 10\.77\.0\.0/16,\ fd77:[0-9a-f:]+::/64 ]]
	net create db
	[ "$(jq -r '[.version, .name, .mode, .bridge, .subnet] | join(" ")' "$H/networks/db.json")" = "2 db nat vzbr1 10.78.0.0/16" ]
	# One /48 for all of a home.
	[ "$(jq -r .subnet6 "$H"/networks/*.json | cut -d: -f1-3 | sort -u | wc -l)" = 1 ]
	[ "$(jq -r .subnet6 "$H"/networks/*.json | sort -u | wc -l)" = 2 ]
	net create four --subnet 10.200.0.0/24 --subnet6 none --mtu 1400
	net create six --subnet none --subnet6 fd01::/64 --mode isolated
	[ "$(jq -c '[.subnet, .subnet6]' "$H/networks/four.json" "$H/networks/six.json" | tr -d '\n')" = \
	  '["10.200.0.0/24",null][null,"fd01::/64"]' ]
	h ip -o link show vzbr2 | grep -q " mtu 1400 "
	h ip -o addr show vzbr2 | grep -q "inet 10.200.0.1/24 "
	run net ls
	[ "${#lines[@]}" -eq 5 ]
	[[ ${lines[0]} =~ ^NAME\ +MODE\ +BRIDGE\ +SUBNET\ +SUBNET6\ +LEASES$ ]]
	[[ ${lines[3]} =~ ^six\ +isolated\ +vzbr3\ +-\ +fd01::/64\ +0$ ]]
	[ "$(net ls --json | jq -c '[.schema, (.networks | length), .networks[1].name]')" = '["vzrun/1",4,"four"]' ]
	guest A a network=four
	[ "$(ip4_of a)" = 10.200.0.2 ]
	in_ns "$A" ip -o link show eth0 | grep -q " mtu 1400 "
	[ "$(net ls --json | jq '.networks[] | select(.name == "four").leases')" = 1 ]
}

@test "no user of the host holds up what homes do one after the other" {
	# Whatever of the namespace anybody may open, another user has locked.
	nsenter -t "$HOST" -n setpriv --reuid 65534 --clear-groups --inh-caps -all flock -F /proc/self/ns/net sleep 1000 3>&- &
	PIDS+=("$!")
	while h flock -n /proc/self/ns/net true; do :; done
	run h setpriv --reuid 65534 --clear-groups --inh-caps -all flock -n /proc/sys/net/ipv4/route/flush true
	[ "$status" -ne 0 ]
	net create free
	net rm free
}

@test "what clashes or is no definition is refused in one line, and changes nothing" {
	net create web --subnet 10.99.0.0/16 --subnet6 fd99::/64
	refused 4 "network web exists already" create web
	refused 12 "network x: subnet 10.99.7.0/24 clashes with 10.99.0.0/16 of network web" create x --subnet 10.99.7.0/24
	refused 12 "network x: subnet fd99::/64 clashes with fd99::/64 of network web" create x --subnet6 fd99::/64
	refused 12 "network x: subnet 192.0.2.128/25 clashes with the host's route to 192.0.2.0/24 by up0" \
		create x --subnet 192.0.2.128/25
	refused 12 "network x: subnet 2001:db8::/48 clashes with the host's route to 2001:db8::/64 by up0" \
		create x --subnet6 2001:db8::/48
	refused 2 "network x: subnet: 10.1.2.3/24: has host bits beyond its prefix" create x --subnet 10.1.2.3/24
	refused 2 "network x: subnet: 10.1.2.0: expected ADDRESS/PREFIX" create x --subnet 10.1.2.0
	refused 2 "network x: subnet6: 10.1.2.0/24: not an IPv6 subnet" create x --subnet6 10.1.2.0/24
	refused 2 "network x: subnet: 127.0.0.0/8: not for guests: this host's own, the link's or everybody's" create x --subnet 127.0.0.0/8
	refused 2 "network x: subnet: missing" create x --subnet none
	refused 2 "network x: pool: 10.2.0.2 is not in the network's subnet" create x --subnet 10.1.0.0/24 --pool 10.2.0.2-10.2.0.9
	refused 2 "network x: pool: only of a subnet that is given" create x --pool 10.2.0.2-10.2.0.9
	refused 2 "network x: gateway: only with mode bridge; else the host is the gateway" create x --gateway 10.1.0.1
	refused 2 "network x: vlan: only with mode bridge" create x --vlan 7
	refused 2 "network x: bridge: missing: mode bridge takes an existing one" create x --mode bridge
	refused 2 "network x: bridge: only with mode bridge; else the network has its own" create x --mode nat --bridge up0
	refused 3 "network x: bridge nope does not exist" create x --bridge nope
	refused 10 "network x: bridge: up0 is no bridge" create x --bridge up0
	refused 10 "network x: bridge: vzbr0 is that of another network of vzrun" create x --bridge vzbr0
	refused 2 "network create: --mtu: 1000 is out of range (1280 to 65535)" create x --mtu 1000
	refused 2 'network create: --mode: "host" is not one of nat|routed|isolated|bridge' create x --mode host
	refused 2 "--peer: only with --vxlan" create x --peer 192.0.2.2
	refused 2 'network outside: name: "outside" is not a name for a network' create outside
	refused 2 'network ../x: name: "../x" is not a name for a network' create ../x
	refused 2 "network x\" drop;: name: \"x\" drop;\" is not a name for a network" create 'x" drop;'
	refused 3 "network nope does not exist" show nope
	refused 3 "network nope does not exist" check nope
	refused 3 "network nope does not exist" apply nope
	refused 3 "network nope does not exist" rm nope
}

@test "rm is refused while in use, and says by whom; afterwards nothing is left" {
	everything >"$D/before"
	net create web
	guest A a network=web
	guest B b network=web
	run net rm web
	[ "$status" -eq 5 ]
	[[ $output == "vzrun: network web is in use by "[ab]", "[ab] ]]
	kill -9 "$A" "$B"
	h "$T" teardown "$H" a
	h "$T" release "$H" a
	refused 5 "network web is in use by b" rm web
	h "$T" teardown "$H" b
	h "$T" release "$H" b
	net rm web
	(cd "$H/networks" && [ -z "$(find . -mindepth 1 ! -name .lock ! -name .guests)" ])
	rm -rf "$H"
	everything | diff "$D/before" -
}

@test "allow opens one way, by port and protocol; deny takes exactly that back" {
	net create web
	net create db
	guest A a network=web
	guest B b network=db
	serve "$B" 80
	serve "$B" 90
	serve "$A" 80
	closed "$A" "$(ip4_of b)" 80
	net allow web db --port 80-85
	reaches "$A" "$(ip4_of b)" 80
	reaches "$A" "$(ip6_of b)" 80
	closed "$A" "$(ip4_of b)" 90
	closed "$B" "$(ip4_of a)" 80
	not_pings "$A" "$(ip4_of b)"
	refused 3 "network db: nothing allows web port 80/tcp" deny web db --port 80
	refused 3 "network db: nothing allows web all of it" deny web db
	net deny web db --port 80-85
	closed "$A" "$(ip4_of b)" 80
	net allow web db
	net allow web db
	[ "$(jq '.allow | length' "$H/networks/db.json")" = 1 ]
	reaches "$A" "$(ip4_of b)" 90
	pings "$A" "$(ip4_of b)"
	pings "$A" "$(ip6_of b)"
	closed "$B" "$(ip4_of a)" 80
	net deny web db
	closed "$A" "$(ip4_of b)" 90
	[ "$(jq .allow "$H/networks/db.json")" = null ]
}

@test "allow: ports that overlap are all of them, and each is taken back alone" {
	local port
	net create web
	net create db
	guest A a network=web
	guest B b network=db
	for port in 80 85 95 96; do serve "$B" "$port"; done
	net allow --port 80-90 web db
	net allow --port 85 web db
	net allow --port 85-95 web db
	net allow --port 80-90/udp web db
	for port in 80 85 95; do reaches "$A" "$(ip4_of b)" "$port"; done
	closed "$A" "$(ip4_of b)" 96
	net check
	net apply
	net deny --port 80-90 web db
	closed "$A" "$(ip4_of b)" 80
	for port in 85 95; do reaches "$A" "$(ip4_of b)" "$port"; done
	net deny --port 85-95 web db
	reaches "$A" "$(ip4_of b)" 85
	closed "$A" "$(ip4_of b)" 95
	net check
	# So too in a file that is edited by hand.
	jq '.allow += [{ "from": "outside", "port": "1000-2000" }, { "from": "outside", "port": "1500-3000" }]' "$H/networks/db.json" >"$D/new"
	cp "$D/new" "$H/networks/db.json"
	net apply
	net check
}

@test "allow outside: from the outside to a guest, by port" {
	net create web --mode routed
	guest A a network=web
	serve "$A" 80
	serve "$A" 90
	in_ns "$OUT" ip route add "$(jq -r .subnet "$H/networks/web.json")" via 192.0.2.1
	in_ns "$OUT" ip -6 route add "$(jq -r .subnet6 "$H/networks/web.json")" via 2001:db8::1
	closed "$OUT" "$(ip4_of a)" 80
	net allow outside web --port 80
	reaches "$OUT" "$(ip4_of a)" 80
	reaches "$OUT" "$(ip6_of a)" 80
	closed "$OUT" "$(ip4_of a)" 90
	net deny outside web --port 80
	closed "$OUT" "$(ip4_of a)" 80
}

@test "what cannot be allowed: no such network, itself, one that leads nowhere; ports of evil" {
	net create web
	net create dark --mode isolated
	refused 3 "network nope does not exist" allow nope web
	refused 3 "network nope does not exist" allow web nope
	refused 3 'network x" drop does not exist' allow 'x" drop' web
	refused 2 "FROM and TO are the same network" allow web web
	refused 10 "network dark is of mode isolated: the host does not route what comes from it" allow dark web
	refused 10 "network dark: allow: not with mode isolated, which leads nowhere" allow web dark
	for p in 0 65536 90-80 80- -1 '80 accept' 80-90-100 ''; do
		refused 2 "--port: \"$p\" is not a port, nor FIRST-LAST (1 to 65535)" allow outside web "--port=$p"
	done
	refused 2 '--port: "80/sctp": the protocol is tcp or udp' allow outside web --port 80/sctp
}

@test "a network that goes takes along what others allow it" {
	net create web
	net create db
	net allow web db --port 80
	net allow outside db --port 81
	net rm web
	[ "$(jq -c '[.allow[].from]' "$H/networks/db.json")" = '["outside"]' ]
	net check
	net create web
	[ "$(jq -c '[.allow[].from]' "$H/networks/db.json")" = '["outside"]' ]
}

@test "what a link's alias says of another home is believed of a bridge of vzrun's alone" {
	everything >"$D/before"
	net create web
	h ip link set up0 alias "vzrun:0123456789abcdef:x:$D/none"
	run net rm web
	[ "$output" = "web removed" ]
	h ip link set up0 alias ""
	everything | diff "$D/before" -
}

@test "forwarding goes with the last network that needs it, though another home has one that does not" {
	everything >"$D/before"
	net create web
	h env VZRUN_HOME="$D/other" "$VZ" network create db --mode isolated --subnet 10.99.0.0/24 >/dev/null
	[ "$(h cat /proc/sys/net/ipv4/conf/up0/forwarding)" = 1 ]
	net rm web
	[ "$(h cat /proc/sys/net/ipv4/conf/up0/forwarding)" = 0 ]
	h env VZRUN_HOME="$D/other" "$VZ" network check
	h env VZRUN_HOME="$D/other" "$VZ" network rm db
	everything | diff "$D/before" -
}

@test "show: definition, who is there, how the kernel has it" {
	net create web --subnet 10.99.0.0/24 --pool 10.99.0.10-10.99.0.20
	net create db
	net allow db web --port 53/udp
	guest A a network=web
	run net show web
	[ "$status" -eq 0 ]
	[[ $output == *"subnet    10.99.0.0/24"* ]]
	[[ $output == *"allow     db port 53/udp"* ]]
	[[ $output == *"a      0    10.99.0.10"* ]]
	[[ $output == *"The kernel has it as defined."* ]]
	net show web --json >"$D/json"
	[ "$(jq -c '[.schema, .network.pool, .differences, .users[0].guest, .users[0].ip]' "$D/json")" = \
	  '["vzrun/1","10.99.0.10-10.99.0.20",[],"a","10.99.0.10"]' ]
	[ "$(jq -r '.users[0].link' "$D/json")" = "$(port_of a)" ]
	h ip link set "$(port_of a)" down
	run net show web
	[[ $output == *"web: port $(port_of a) of a is down; try: vzrun network apply web"* ]]
}

@test "mode bridge: ports on a bridge of the administrator's, of which nothing else changes" {
	h ip link add br0 type bridge no_linklocal_learn 1
	h ip link set br0 up mtu 1400
	h ip link add lan0 type veth peer name lan1 netns "$OUT"
	h ip link set lan0 up master br0
	in_ns "$OUT" ip addr add 10.5.0.1/24 dev lan1
	in_ns "$OUT" ip link set lan1 up mtu 1400
	h ip -d link show br0 | sed 's/<.*>//; s/state [A-Z]*//; s/_timer *[0-9.]*//g' >"$D/bridge"
	h ip addr show br0 | grep 'inet ' >"$D/addr" || true
	refused 10 "network lan: mtu: bridge br0 has 1400, and so have its ports" create lan --bridge br0 --mtu 1500
	refused 2 "network lan: dns: not with mode bridge, where the host has no address of ours" create lan --bridge br0 --dns on
	refused 2 "network lan: gateway: 10.6.0.1 is not in the network's subnet" create lan --bridge br0 \
		--subnet 10.5.0.0/24 --gateway 10.6.0.1
	run net create lan --bridge br0 --subnet 10.5.0.0/24 --pool 10.5.0.10-10.5.0.20 --gateway 10.5.0.1
	[ "$status" -eq 0 ]
	[ "$output" = "lan created: mode bridge, bridge br0, 10.5.0.0/24" ]
	refused 12 "network two: subnet 10.5.0.0/24 clashes with 10.5.0.0/24 of network lan" create two --bridge br0 --subnet 10.5.0.0/24
	guest A a network=lan
	guest B b network=lan
	[ "$(ip4_of a)" = 10.5.0.10 ]
	in_ns "$A" ip -o link show eth0 | grep -q " mtu 1400 "
	pings "$A" "$(ip4_of b)"
	pings "$A" 10.5.0.1
	in_ns "$A" ip route | grep -q "^default via 10.5.0.1 "
	net check
	refused 10 "network lan: allow: not with mode bridge, which the host does not route" allow outside lan
	h ip link set "$(port_of a)" nomaster
	run net check
	[ "$output" = "lan: port $(port_of a) of a is not in bridge br0; try: vzrun network apply lan" ]
	net apply
	pings "$A" "$(ip4_of b)"
	kill -9 "$A" "$B"
	for g in a b; do
		h "$T" teardown "$H" $g
		h "$T" release "$H" $g
	done
	h ip link set br0 down
	run net check
	[ "$status" -eq 1 ]
	[ "$output" = "lan: bridge br0 is down; try: the bridge is yours: set it right, or remove the network" ]
	h ip link set br0 up
	net rm lan
	h ip -d link show br0 | sed 's/<.*>//; s/state [A-Z]*//; s/_timer *[0-9.]*//g' | diff "$D/bridge" -
	h ip addr show br0 | grep 'inet ' | diff "$D/addr" -
}

@test "mode bridge: a bridge that is deceived by link-local frames is told of, and is the administrator's to mend" {
	local says="bridge br0 learns from link-local frames: a guest can take its neighbours' traffic"
	h ip link add br0 type bridge
	h ip link set br0 up
	run net create lan --bridge br0 --subnet 10.5.0.0/24
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "vzrun: warning: network lan: $says; against it: ip link set br0 type bridge no_linklocal_learn 1" ]
	run net check
	[ "$status" -eq 1 ]
	[ "$output" = "lan: $says; try: ip link set br0 type bridge no_linklocal_learn 1" ]
	h ip link set br0 type bridge no_linklocal_learn 1
	net check
}

@test "VLAN access ports: refused by name where the bridge or the kernel cannot, else in that VLAN alone" {
	if h ip link add br0 type bridge vlan_filtering 1 no_linklocal_learn 1 2>/dev/null; then
		h ip link add br1 type bridge
		h ip link set br0 up
		refused 8 "network lan: vlan: bridge br1 does not filter VLANs (vlan_filtering is 0)" create lan --bridge br1 --vlan 7
		h ip link add br2 type bridge vlan_filtering 1 vlan_default_pvid 0 no_linklocal_learn 1
		h ip link set br2 up
		refused 10 "network lan: vlan: bridge br2 filters VLANs, and a new port is in none: --vlan says which" create lan --bridge br2
		net create in2 --bridge br2 --vlan 7
		net rm in2
		net create lan --bridge br0 --vlan 7 --subnet 10.5.0.0/24 --pool 10.5.0.10-10.5.0.20
		net create lan8 --bridge br0 --vlan 8 --subnet 10.5.0.0/24 --pool 10.5.0.30-10.5.0.40
		guest A a network=lan
		guest B b network=lan
		guest C c network=lan8
		pings "$A" "$(ip4_of b)"
		not_pings "$A" "$(ip4_of c)"
		[ "$(h bridge -j vlan show dev "$(port_of a)" | jq -c '[.[0].vlans[] | .vlan]')" = "[7]" ]
		net check
		h bridge vlan add vid 9 dev "$(port_of a)"
		run net check
		[[ $output == "lan: port $(port_of a) of a is not in VLAN 7 alone;"* ]]
		h bridge vlan add vid 2-6 dev "$(port_of a)"
		h bridge vlan del vid 7 dev "$(port_of a)"
		net apply
		net check
		[ "$(h bridge -j vlan show dev "$(port_of a)" | jq -c '[.[0].vlans[] | .vlan]')" = "[7]" ]
		pings "$A" "$(ip4_of b)"
		not_pings "$A" "$(ip4_of c)"
	else
		h ip link add br0 type bridge
		refused 8 "network lan: vlan: this kernel's bridges do not filter VLANs (CONFIG_BRIDGE_VLAN_FILTERING)" \
			create lan --bridge br0 --vlan 7
		skip "kernel: bridges do not filter VLANs (the refusal was seen)"
	fi
}

@test "isolated ports: guests of one network do not reach each other, but the way out" {
	net create web --isolate-ports
	guest A a network=web
	guest B b network=web
	h ip -d link show "$(port_of a)" | grep -q " isolated on "
	not_pings "$A" "$(ip4_of b)"
	not_pings "$A" "$(ip6_of b)"
	pings "$A" 192.0.2.2
	h bridge link set dev "$(port_of a)" isolated off
	run net check
	[ "$output" = "web: port $(port_of a) of a is not isolated; try: vzrun network apply web" ]
	net apply
	not_pings "$A" "$(ip4_of b)"
}

# sweep VARIABLE: create, failing or killed at each point in turn
sweep() {
	local n rc

	for n in {1..100}; do
		rc=0
		h env VZRUN_HOME="$H" "$1=$n" "$FAULTY" network create web >"$D/out" 2>&1 || rc=$?
		"after_$1" "$rc" || { echo "$1=$n ($rc)"; cat "$D/out"; return 1; }
		[ "$rc" -ne 0 ] || break
	done
	[ "$n" -gt 5 ]
	echo "# $1: $((n - 1)) points" >&3
}

after_VZRUN_FAULT() {
	[ "$1" -ne 0 ] || return 0
	grep -q "injected fault" "$D/out" && [ ! -e "$H/networks/web.json" ] && everything | diff "$D/was" -
}

# Killed: there is no network, or one that apply finishes; rm takes away either.
after_VZRUN_KILL() {
	[ "$1" -eq 0 ] || [ "$1" -eq 137 ] || return 1
	if [ -e "$H/networks/web.json" ]; then
		net apply >/dev/null && net check >/dev/null || return 1
		guest G g network=web
		pings "$G" 192.0.2.2 || return 1
		kill -9 "$G"
		h "$T" teardown "$H" g && h "$T" release "$H" g && net rm web || return 1
	fi
	everything | diff "$D/was" -
}

@test "create, failing at each point, leaves nothing" {
	[ -x "$FAULTY" ] || make -s FAULT=1 all >&2
	net create other
	everything >"$D/was"
	sweep VZRUN_FAULT
}

@test "create, killed at each point, is finished by apply or taken away by rm" {
	[ -x "$FAULTY" ] || make -s FAULT=1 all >&2
	net create other
	everything >"$D/was"
	sweep VZRUN_KILL
}

@test "allow, failing at each point, leaves the file as it was" {
	[ -x "$FAULTY" ] || make -s FAULT=1 all >&2
	net create web
	net create db
	# Long: what is put back is not what happens to lie there yet.
	jq '.allow = [range(1; 1000) | { from: "web", port: tostring }]' "$H/networks/db.json" >"$D/db"
	cp "$D/db" "$H/networks/db.json"
	net apply
	for n in {1..100}; do
		rc=0
		h env VZRUN_HOME="$H" "VZRUN_FAULT=$n" "$FAULTY" network allow --port 2000 web db >"$D/out" 2>&1 || rc=$?
		[ "$rc" -ne 0 ] || break
		grep -q "injected fault" "$D/out"
		cmp "$D/db" "$H/networks/db.json"
	done
	[ "$n" -gt 1 ]
}

@test "rm, killed at each point, is finished by rm" {
	[ -x "$FAULTY" ] || make -s FAULT=1 all >&2
	net create other
	everything >"$D/was"
	for n in {1..100}; do
		net create web >/dev/null
		net allow web other
		rc=0
		h env VZRUN_HOME="$H" "VZRUN_KILL=$n" "$FAULTY" network rm web || rc=$?
		[ "$rc" -ne 0 ] || break
		[ "$rc" -eq 137 ]
		[ ! -e "$H/networks/web.json" ] || net rm web
		everything | diff "$D/was" -
	done
}

@test "20 creates at once: 20 networks, no subnet and no bridge twice" {
	for i in {1..20}; do
		net create "n$i" >"$D/out.$i" 2>&1 3>&- &
		jobs[i]=$!
	done
	for i in {1..20}; do
		wait "${jobs[i]}" || { cat "$D/out.$i"; false; }
	done
	for k in bridge subnet subnet6; do
		[ "$(jq -r ".$k" "$H"/networks/*.json | sort -u | wc -l)" = 20 ]
	done
	net check
}

@test "one of a hundred networks is removed" {
	for i in {1..100}; do
		net create "n$i" >/dev/null
	done
	net rm n50
	net check
}
