#!/usr/bin/env bats
# Connections that stand when what they came by is taken away: they end, and all others go on.

load netlab

setup_file() {
	need_guests busybox
	alone netlab
}
setup() { lab_setup; }
teardown() { lab_teardown; }

# echoes PID PORT: who connects there hears what he says
echoes() {
	in_bg "$1" python3 -c '
import socket, sys, threading
def talk(c):
    try:
        while d := c.recv(100):
            c.sendall(d)
    except OSError:
        pass
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    threading.Thread(target=talk, args=(s.accept()[0],), daemon=True).start()
' "$2"
	wait_for listens "$1" "$2"
}
listens() { in_ns "$1" ss -Hltn "sport = :$2" | grep -q .; }
# Someone in the background, who ends with the test.
in_bg() {
	nsenter --net="/proc/$1/ns/net" -- "${@:2}" 3>&- &
	PIDS+=($!)
}
# stands NAME PID ADDRESS PORT: a connection from there, which talks and hears
stands() {
	local d=$BATS_TEST_TMPDIR
	mkfifo "$d/$1.say" "$d/$1.hear"
	in_bg "$2" python3 -uc '
import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
with open(sys.argv[3]) as say, open(sys.argv[4], "w") as hear:
    for line in say:
        c.settimeout(float(line))
        try:
            c.sendall(line.encode())
            hear.write("goes\n" if c.recv(100) else "ended\n")
        except OSError:
            hear.write("ended\n")
        hear.flush()
' "$3" "$4" "$d/$1.say" "$d/$1.hear"
	exec {fd}<>"$d/$1.say" {back}<>"$d/$1.hear"
	SAY[$1]=$fd HEAR[$1]=$back
	goes "$1"
}
# Patient where an answer is expected, and not where none is.
says() { echo "$2" >&"${SAY[$1]}"; read -r got <&"${HEAR[$1]}"; [ "$got" = "$3" ] || { echo "$1: $got, not $3"; return 1; }; }
goes() { says "$1" 20 goes; }
ended() { says "$1" 1.5 ended; }

@test "port rm ends what came by the port, and nothing else" {
	declare -A SAY HEAR
	lab_guest web
	echoes "$web" 80
	for p in 8001 8002; do vz port add web $p:80 --expose world >/dev/null; done
	stands one "$WORLD" 192.0.2.1 8001
	stands two "$WORLD" 192.0.2.1 8002
	stands six "$WORLD" 2001:db8::1 8001
	stands own "$HOST" "$(addr web)" 80
	vz port rm web 8001 >/dev/null
	ended one
	ended six
	goes two
	goes own
}

# talks PID PORT: who connects there, or sends there, hears without end
talks() {
	in_bg "$1" python3 -c '
import socket, sys, threading, time
def talk(say):
    try:
        while True:
            say(b"x" * 10)
            time.sleep(0.05)
    except OSError:
        pass
s = socket.create_server(("", int(sys.argv[1])))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("", int(sys.argv[1])))
def datagrams():
    while True:
        a = u.recvfrom(100)[1]
        threading.Thread(target=talk, args=(lambda d: u.sendto(d, a),), daemon=True).start()
threading.Thread(target=datagrams, daemon=True).start()
while True:
    threading.Thread(target=talk, args=(s.accept()[0].sendall,), daemon=True).start()
' "$2"
	wait_for listens "$1" "$2"
}
# listening NAME PID ADDRESS PORT tcp|udp: what comes is in $BATS_TEST_TMPDIR/NAME
listening() {
	in_bg "$2" python3 -uc '
import socket, sys
kind = socket.SOCK_STREAM if sys.argv[4] == "tcp" else socket.SOCK_DGRAM
c = socket.socket(socket.AF_INET, kind)
c.connect((sys.argv[1], int(sys.argv[2])))
if sys.argv[4] == "udp":
    c.send(b"talk")
with open(sys.argv[3], "ab", 0) as f:
    while d := c.recv(1000):
        f.write(d)
' "$3" "$4" "$BATS_TEST_TMPDIR/$1" "$5"
	wait_for test -s "$BATS_TEST_TMPDIR/$1"
}
size() { stat -c %s "$BATS_TEST_TMPDIR/$1"; }
# Nothing comes any more, once what was on its way has arrived.
silent() {
	local i was=-1
	for i in 1 2 3; do
		was=$(size "$1")
		sleep 0.7
		[ "$(size "$1")" != "$was" ] || return 0
	done
	echo "$1 still hears"
	return 1
}

# The port is the same outside and inside: the guest's own packets would open the same connection, outward.
@test "who is reached does not bring back what was ended by talking on" {
	lab_guest web
	talks "$web" 5000
	vz port add web 5000:5000 --expose world >/dev/null
	vz port add web 5000:5000/udp --expose world >/dev/null
	listening tcp "$WORLD" 192.0.2.1 5000 tcp
	listening udp "$WORLD" 192.0.2.1 5000 udp
	vz port rm web 5000/udp >/dev/null
	silent udp
	run silent tcp
	[ "$status" -eq 1 ]
	vz fw deny web in --at 1 >/dev/null
	silent tcp
}

@test "fw ends what its rules refuse now, in both directions, and nothing else" {
	declare -A SAY HEAR
	lab_guest web
	for p in 80 81; do echoes "$web" $p; vz port add web 80$p:$p --expose world >/dev/null; done
	echoes "$LAN" 90
	echoes "$WORLD" 90
	stands in80 "$WORLD" 192.0.2.1 8080
	stands in81 "$WORLD" 192.0.2.1 8081
	stands lan80 "$LAN" 192.0.2.1 8080
	stands out "$web" 198.51.100.9 90
	stands out-lan "$web" 192.0.2.50 90
	vz fw deny web in --proto tcp --port 80 --from 198.51.100.0/24 >/dev/null
	ended in80
	for c in in81 lan80 out out-lan; do goes $c; done
	vz fw deny web out --to 192.0.2.50 >/dev/null
	ended out-lan
	for c in in81 lan80 out; do goes $c; done
	# The first rule that matches decides.
	vz fw allow web in --proto tcp --port 81 --at 1 >/dev/null
	vz fw deny web in >/dev/null
	ended lan80
	for c in in81 out; do goes $c; done
}

# Until the first rule they are bridged, and where that does not pass the IP hooks nothing of the host's knows of them.
@test "the first fw rule ends what neighbours began before, whichever end speaks; what comes then goes by the rules" {
	declare -A SAY HEAR
	for s in bridge-nf-call-iptables bridge-nf-call-ip6tables; do
		! h test -e /proc/sys/net/bridge/$s || h sysctl -qw net.bridge.$s=0
	done
	lab_guest web
	lab_guest db
	talks "$db" 5000
	echoes "$db" 90
	echoes "$WORLD" 90
	listening before "$web" "$(addr db)" 5000 tcp
	stands out "$db" 198.51.100.9 90
	vz fw deny db in --proto tcp --port 5000 >/dev/null
	silent before
	goes out
	shut "$web" "$(addr db)" 5000
	stands four "$web" "$(addr db)" 90
	stands six "$web" "$(addr6 db)" 90
	# One rule more is no first rule.
	vz fw deny db in --proto tcp --port 5001 >/dev/null
	for c in four six out; do goes $c; done
}

@test "network deny ends what was opened by it, and nothing else" {
	declare -A SAY HEAR
	vz network create red >/dev/null
	vz network create blue >/dev/null
	lab_guest r --net red
	lab_guest b --net blue
	for p in 80 81; do echoes "$b" $p; done
	vz port add b 8080:80 --expose world >/dev/null
	vz network allow red blue --port 80 >/dev/null
	vz network allow red blue --port 81 >/dev/null
	stands r80 "$r" "$(addr b)" 80
	stands r81 "$r" "$(addr b)" 81
	stands six "$r" "$(addr6 b)" 80
	stands port "$WORLD" 192.0.2.1 8080
	vz network deny red blue --port 80 >/dev/null
	ended r80
	ended six
	goes r81
	goes port
	# From outside, which has a route.
	in_ns "$LAN" ip route add "$(addr b)" via 192.0.2.1
	vz network allow outside blue --port 80 >/dev/null
	stands direct "$LAN" "$(addr b)" 80
	stands host "$HOST" "$(addr b)" 80
	vz network deny outside blue --port 80 >/dev/null
	ended direct
	for c in host r81 port; do goes $c; done
}

# answers NAME [FIFO]: one datagram to 192.0.2.50, port 5000, and once more when somebody opens FIFO
answers() {
	in_bg "$LAN" python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.0.2.50", 5000))
open(sys.argv[1], "w").close()
d, a = s.recvfrom(100)
s.sendto(b"answer", a)
if sys.argv[2:]:
    open(sys.argv[2]).read()
    s.sendto(b"late", a)
' "$BATS_TEST_TMPDIR/$1" "${@:2}"
	wait_for test -e "$BATS_TEST_TMPDIR/$1"
}
# asks PID: from port 4000, and is answered
asks() {
	in_ns "$1" python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.bind(("", 4000))
s.sendto(b"question", ("192.0.2.50", 5000))
assert s.recv(100) == b"answer"'
}

@test "an address comes to its next holder without anybody's connections" {
	vz network create red --subnet 10.120.0.0/24 --subnet6 none >/dev/null
	lab_guest old --net red --ip 10.120.0.9
	mkfifo "$BATS_TEST_TMPDIR/go"
	answers before "$BATS_TEST_TMPDIR/go"
	# The kernel knows the connection: who answers is let in.
	asks "$old"
	vz nic rm old eth0
	lab_guest new --net red --ip 10.120.0.9
	in_ns "$new" python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1.5)
s.bind(("", 4000))
open(sys.argv[1], "w").close()
try:
    print("came:", s.recv(100))
except TimeoutError:
    print("nothing")' "$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/heard"
	[ "$(cat "$BATS_TEST_TMPDIR/heard")" = nothing ]
	# And it may open the very same one.
	answers after
	asks "$new"
}
