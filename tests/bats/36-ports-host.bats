#!/usr/bin/env bats
# Published ports beside what the host has of its own: its firewall, and processes that listen.

load netlab

setup_file() {
	need_guests busybox
	alone netlab
}
setup() { lab_setup; }
teardown() { lab_teardown; }

@test "a process of the host that listens there is not robbed" {
	vz create web --template busybox >/dev/null
	serve "$HOST" 8080
	serve "$HOST" 5353 udp
	run vz port add web 8080:80
	refuses 12 'port 8080/tcp is in use by a process of this host'
	run vz port add web 8070-8090:70-90 --expose world
	refuses 12 'port 8080/tcp is in use by a process of this host'
	run vz port add web '[2001:db8::1]:8080:80'
	refuses 12 'port 8080/tcp is in use by a process of this host'
	run vz port add web 5353:80/udp
	refuses 12 'port 5353/udp is in use by a process of this host'
	vz port add web 8080:80/udp >/dev/null
	[ "$(saved web | jq length)" = 1 ]
	# One that came while the guest was down keeps it.
	vz port add web 9090:80 --expose world >/dev/null
	serve "$HOST" 9090
	run vz start web
	[ "$status" -eq 0 ]
	[[ $output == *'warning: web: port 9090/tcp stays closed: port 9090/tcp is in use by a process of this host'* ]]
	gets 198.51.100.9 "$WORLD" 192.0.2.1 9090
	[ "$(state_of web | tr '\n' ' ')" = "open closed " ]
}

@test "the host's own firewall: what it drops in forward and before, is dropped" {
	lab_guest web
	serve "$web" 80
	vz port add web 8080:80 --expose world >/dev/null
	for hook in "prerouting -450 8080" "prerouting -150 8080" "forward -200 80" "forward -10 80" "forward 0 80" "forward 300 80" "postrouting 50 80"; do
		read -r chain prio port <<<"$hook"
		h nft -f - <<-END
		table inet admin { chain c { type filter hook $chain priority $prio; policy accept; tcp dport $port drop; }
		}
		END
		h nft list table inet admin >"$BATS_TEST_TMPDIR/before"
		gets silence "$WORLD" 192.0.2.1 8080
		gets silence "$WORLD" 2001:db8::1 8080
		h nft list table inet admin | diff "$BATS_TEST_TMPDIR/before" -
		h nft delete table inet admin
		gets 198.51.100.9 "$WORLD" 192.0.2.1 8080
	done
	h iptables-nft -A FORWARD -p tcp --dport 80 -j DROP
	gets silence "$WORLD" 192.0.2.1 8080
	h iptables-nft -F FORWARD
	h iptables-nft -P FORWARD DROP
	gets silence "$WORLD" 192.0.2.1 8080
	h iptables-nft -P FORWARD ACCEPT
	h iptables-nft -t raw -A PREROUTING -p tcp --dport 8080 -j DROP
	gets silence "$WORLD" 192.0.2.1 8080
	h iptables-nft -t raw -F
	gets 198.51.100.9 "$WORLD" 192.0.2.1 8080
}

@test "network check tells of a port whose verdict changed, and apply follows; the lan moves" {
	lab_guest web
	serve "$web" 80
	vz port add web 8080:80 --expose world >/dev/null
	vz port add web 8081:80 --expose lan >/dev/null
	vz network check >/dev/null
	h nft add table inet admin
	h nft add chain inet admin input '{ type filter hook input priority 0; policy accept; }'
	h nft add rule inet admin input tcp dport 8080 reject
	run vz network check
	[ "$status" -ne 0 ]
	has 'port 8080/tcp of web, published for world: chain "inet admin input" drops what comes by eth0: tcp dport 8080 reject'
	gets 198.51.100.9 "$WORLD" 192.0.2.1 8080
	vz network apply >/dev/null
	vz network check >/dev/null
	gets refused "$WORLD" 192.0.2.1 8080
	gets 192.0.2.50 "$LAN" 192.0.2.1 8081
	h nft delete table inet admin
	run vz network check
	has "port 8080/tcp of web, published for world: it is closed, and the host's firewall would let it through"
	vz network apply >/dev/null
	gets 198.51.100.9 "$WORLD" 192.0.2.1 8080
	addresses "$HOST" eth0 203.0.113.1/24
	addresses "$LAN" eth0 203.0.113.50/24
	shut "$LAN" 203.0.113.1 8081
	run vz network check
	has "the host's own links have other subnets than what ports for lan know"
	vz network apply >/dev/null
	gets 203.0.113.50 "$LAN" 203.0.113.1 8081
	# Everything is a function of the files.
	h nft flush ruleset
	# The bridge with its switch for 127.0.0.1, too, which is turned while the network is being brought up.
	h ip link del vzbr0
	vz network apply >/dev/null
	gets 198.51.100.9 "$WORLD" 192.0.2.1 8080
	gets 192.0.2.50 "$LAN" 192.0.2.1 8081
	shut "$WORLD" 192.0.2.1 8081
}

@test "the host's own firewall: what it would drop in input, is not opened behind its back" {
	lab_guest web
	serve "$web" 80
	# Its name only begins as those of ours.
	h nft -f - <<-END
	table inet vzrunner { chain input { type filter hook input priority 0; policy drop
		iifname "lo" accept
		ct state established,related accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
		ip saddr 192.0.2.0/24 tcp dport 8081 accept
		ip6 saddr 2001:db8::/64 tcp dport 8081 accept
		tcp dport { 8082, 8083-8090 } accept
	}
	}
	END
	h nft list table inet vzrunner >"$BATS_TEST_TMPDIR/before"
	run vz port add web 8080:80 --expose world
	refuses 5 'port 8080/tcp not published for world: chain "inet vzrunner input" drops what comes by eth0: policy drop'
	run vz port add web 8080:80 --expose lan
	[ "$status" -eq 5 ]
	[ "$(saved web)" = '[]' ]
	[ "$(elements)" = 0 ]
	vz port add web 8080:80 >/dev/null
	gets 10.77.0.1 "$HOST" 127.0.0.1 8080
	run vz port add web 8081:80 --expose world
	[ "$status" -eq 5 ]
	vz port add web 8081:80 --expose lan >/dev/null
	gets 192.0.2.50 "$LAN" 192.0.2.1 8081
	vz port add web 8082-8090:82-90 --expose world >/dev/null
	serve "$web" 82
	gets 198.51.100.9 "$WORLD" 192.0.2.1 8082
	h nft list table inet vzrunner | diff "$BATS_TEST_TMPDIR/before" -
	# A rule that came while the guest was down.
	vz stop -k web >/dev/null
	h nft insert rule inet vzrunner input tcp dport 8082 drop
	run vz start web
	[ "$status" -eq 0 ]
	[[ $output == *'warning: web: port 8082-8090/tcp is not open for world: chain "inet vzrunner input" drops what comes by eth0: tcp dport 8082 drop'* ]]
	[ "$(state_of web | tr '\n' ' ')" = "open open host only " ]
	shut "$WORLD" 192.0.2.1 8082
	serve "$(init_of web)" 82
	gets 10.77.0.1 "$HOST" 127.0.0.1 8082
	h nft delete table inet vzrunner
}
