#!/usr/bin/env bats
# Guests suspended and brought back. Where CRIU does not run on the kernel: what is refused before it is asked.
load helpers
load guest

setup_file() {
	need_guests busybox
	command -v criu >/dev/null || { echo "no criu: make deps" >&2; return 1; }
}
setup() { guest_setup; }
teardown() { guest_teardown; }

works() {
	criu check >/dev/null 2>&1 || skip "kernel: criu does not run on it ($(criu check 2>&1 | grep -om1 'Error.*'))"
	# criu's restore raises its own limit of descriptors first.
	((0x$(awk '/CapEff/ { print $2 }' /proc/self/status) >> 24 & 1)) || skip "host: no CAP_SYS_RESOURCE, which criu needs"
}
home() { echo "$VZRUN_HOME/guests/$G"; }
# criu's part of a talk, where it does not run: it goes as $CRIU_THEN says. deaf: it dies before it hears a word; early:
# its caller dies in the middle; reboot: the guest reboots meanwhile; kill: its caller dies after the last notice
fake_criu() {
	export CRIU_DIR=$VZRUN_HOME/guests/$G CRIU_THEN=$1
	cat >"$BATS_TEST_TMPDIR/criu" <<-'END'
		#!/usr/bin/env python3
		import os, signal, socket, sys
		if sys.argv[1] == "check": sys.exit(0)
		here, then = os.environ["CRIU_DIR"], os.environ["CRIU_THEN"]
		if then == "deaf":
		    open(here + "/dump.log", "w").write("(00.000001) Error (criu/x.c:1): no memory at all\n")
		    sys.exit(1)
		talk = socket.socket(fileno=int(sys.argv[2]))
		talk.recv(1 << 16)
		if then == "early":
		    os.kill(os.getppid(), signal.SIGKILL)
		    sys.exit(1)
		if then == "reboot":
		    os.system(os.environ["CRIU_REBOOT"])
		    sys.exit(1)
		open(here + "/checkpoint.new/tty-info.img", "wb").write(bytes(8))
		open(here + "/leads-a-group", "w").write(str(os.getpgrp() == os.getpid()))
		name = b"post-dump"
		talk.send(bytes([8, 6, 16, 1, 42, len(name) + 2, 10, len(name)]) + name)
		talk.recv(1 << 16)
		os.system("ls -l /var/lib/vzrun-ids >" + here + "/held-by-now")
		if then == "kill": os.kill(os.getppid(), signal.SIGKILL)
	END
	chmod +x "$BATS_TEST_TMPDIR/criu"
}
# a process that counts, on its own; what it says is its count
count() { vz exec "$G" cat /run/n; }
above() { [ "$(count)" -gt "$1" ]; }
counting() {
	vz exec "$G" sh -c 'setsid sh -c "echo \$\$ >/run/pid; i=0; while :; do i=\$((i+1)); echo \$i >/run/n.new; mv /run/n.new /run/n; sleep 0.1; done" \
		>/dev/null 2>&1 </dev/null &'
	wait_for above 2
}
mounts_of() { awk '{ print $5, $6 }' "/proc/$(init_of)/mountinfo" | sort; }
said() { vz logs "$G" | grep -q "$1"; }
suspended() {
	run vz checkpoint "$G"
	ok
	says "$G suspended. Next: vzrun restore $G"
}
restored() {
	run vz restore "$G"
	ok
	has "$G running: restored after "
}

@test "refused by name: what has no checkpoint, what does not run, options that are not for guests" {
	busybox_guest --net none
	run vz checkpoint "$G"
	refuses 5 "guest \"$G\" is stopped"
	run vz restore "$G"
	refuses 5 "guest \"$G\" has no checkpoint"
	has "try    vzrun start $G"
	run vz checkpoint --discard "$G"
	refuses 5 "guest \"$G\" has no checkpoint"
	for o in --leave-running --pre-dump --image-path=/tmp/x --lazy-pages; do
		run vz checkpoint "$o" "$G"
		refuses 2 "${o%=*} is not for guests"
	done
	run vz restore --console-socket /x "$G"
	refuses 2 "--console-socket is not for guests"
	run vz checkpoint --discard nobody
	refuses 3 'guest "nobody" does not exist'
	vz start "$G" >/dev/null
	run vz --criu /nonexistent/criu checkpoint "$G"
	refuses 15 "guest \"$G\" not checkpointed: checkpoint and restore need criu: /nonexistent/criu is not installed"
	guest_status_is running
	[ ! -e "$(home)/checkpoint" ]
	[ ! -e "$(home)/checkpoint.new" ]
	vz pause "$G"
	run vz checkpoint "$G"
	refuses 5 "guest \"$G\" is paused"
	vz resume "$G"
}

@test "what it has made of its network itself is refused by name, and it runs on" {
	running_guest
	vz exec "$G" ip addr add 10.9.9.9/32 dev lo
	run vz checkpoint "$G"
	refuses 8 "guest \"$G\" not checkpointed: its network has what a checkpoint does not carry: address 10.9.9.9"
	vz exec "$G" ip addr del 10.9.9.9/32 dev lo
	vz exec "$G" ip route add 10.9.9.0/24 dev eth0
	run vz checkpoint "$G"
	refuses 8 "guest \"$G\" not checkpointed: its network has what a checkpoint does not carry: route 10.9.9.0/24"
	vz exec "$G" ip route del 10.9.9.0/24 dev eth0
	nsenter -n -t "$(init_of)" ip rule add priority 77 table 7
	run vz checkpoint "$G"
	refuses 8 "guest \"$G\" not checkpointed: its network has what a checkpoint does not carry: routing rule 77"
	nsenter -n -t "$(init_of)" ip rule del priority 77
	nsenter -n -t "$(init_of)" nft 'add table ip mine; add chain ip mine c { type filter hook input priority 0; policy drop; }'
	run vz checkpoint "$G"
	refuses 8 "guest \"$G\" not checkpointed: its network has what a checkpoint does not carry: policy of the nftables chain c"
	nsenter -n -t "$(init_of)" nft 'delete table ip mine; add table inet my; add chain inet my c; add rule inet my c drop'
	run vz checkpoint "$G"
	refuses 8 "guest \"$G\" not checkpointed: its network has what a checkpoint does not carry: rules of nftables in table my"
	nsenter -n -t "$(init_of)" nft delete table inet my
	nsenter -n -t "$(init_of)" ip link add name its type veth peer name other
	run vz checkpoint "$G"
	[ "$status" -eq 8 ]
	has "its network has what a checkpoint does not carry: link "
	guest_status_is running
	[ ! -e "$(home)/checkpoint" ]
}

@test "what it has mounted from outside itself is refused by name, its own is not" {
	running_guest --net none
	fake_criu fail
	vz exec "$G" sh -c 'mkdir /run/a && mount -t tmpfs own /run/a && touch /run/b && mount --bind /dev/null /run/b'
	run vz --criu "$BATS_TEST_TMPDIR/criu" checkpoint "$G"
	refuses 8 "guest \"$G\" not checkpointed: what was mounted inside at /run/b (devtmpfs) is not carried by a checkpoint"
	guest_status_is running
	[ ! -e "$(home)/checkpoint" ]
	[ ! -e "$(home)/checkpoint.new" ]
	vz exec "$G" umount /run/b
	run vz --criu "$BATS_TEST_TMPDIR/criu" checkpoint "$G"
	refuses 15 "guest \"$G\" not checkpointed: criu ended without an answer"
	guest_status_is running
	[ ! -e "$(home)/checkpoint" ]
	# Ctrl-C is not for it
	[ "$(cat "$(home)/leads-a-group")" = True ]
}

@test "criu that dies before it hears a word: its own words, and the guest runs on" {
	running_guest --net none
	fake_criu deaf
	run vz --criu "$BATS_TEST_TMPDIR/criu" checkpoint "$G"
	refuses 15 "guest \"$G\" not checkpointed: criu ended without an answer: no memory at all ($(home)/dump.log)"
	guest_status_is running
	[ ! -e "$(home)/checkpoint.new" ]
}

@test "killed in the middle: the guest runs on, and recover takes away what was written" {
	running_guest --net none
	fake_criu early
	run vz --criu "$BATS_TEST_TMPDIR/criu" checkpoint "$G"
	[ "$status" -eq 137 ]
	[ -e "$(home)/checkpoint.new" ]
	run vz recover "$G"
	says "recovered: 1"
	[ ! -e "$(home)/checkpoint.new" ]
	guest_status_is running
	run vz recover "$G"
	says "nothing to recover"
}

@test "it reboots from inside while it is checkpointed: the checkpoint is told to have failed, and it comes up" {
	local pid
	running_guest --net none
	pid=$(init_of)
	export CRIU_REBOOT="nsenter -t $pid -a reboot -f; while kill -0 $pid 2>/dev/null; do sleep 0.1; done"
	fake_criu reboot
	run vz --criu "$BATS_TEST_TMPDIR/criu" checkpoint "$G"
	refuses 15 "guest \"$G\" not checkpointed: it ended or rebooted meanwhile: criu ended without an answer"
	again() { guest_status_is running && [ "$(init_of)" != "$pid" ]; }
	wait_for again
	[ ! -e "$(home)/checkpoint" ]
	[ ! -e "$(home)/checkpoint.new" ]
	vz --json why "$G" | jq -e '.events | map(select(.detail == "rebooted from inside")) | length == 1'
}

@test "killed when the checkpoint has its name: its processes do not run beside it" {
	local pid base
	running_guest
	vz exec "$G" sh -c 'echo 77 >/proc/sys/net/ipv4/ip_default_ttl'
	fake_criu kill
	pid=$(init_of)
	base=$(awk '{ print $2 }' "/proc/$pid/uid_map")
	run vz --criu "$BATS_TEST_TMPDIR/criu" checkpoint "$G"
	[ "$status" -eq 137 ]
	wait_for guest_status_is suspended
	run kill -0 "$pid"
	[ "$status" -ne 0 ]
	# whether or not its keeper lives to do it
	grep -F -- "-> $(home)/checkpoint" "$(home)/held-by-now"
	# what a restore makes anew is on record, and nobody takes it meanwhile
	grep -qx 'ipv4/ip_default_ttl=77' "$(home)/checkpoint/sysctls"
	wait_for eval '[ -z "$(slots_left; keepers_left)" ]'
	[ "$(readlink "/var/lib/vzrun-ids/$base")" = "$(home)/checkpoint" ]
	run vz recover "$G"
	says "nothing to recover"
	vz recover >/dev/null
	vz create "$G-b" --template busybox --net none --userns "$base" >/dev/null
	run vz start "$G-b"
	refuses 9 "guest \"$G-b\" not started: user ids from $base on are in use by another guest, which is suspended"
	for change in "set $G --ip auto" "nic add $G" "nic rm $G eth0"; do
		# shellcheck disable=SC2086
		run vz $change
		refuses 5 "guest \"$G\" is suspended: its processes have the interfaces that it had"
	done
	run vz set "$G" --dns 192.0.2.53
	says '  vzrun.dns = ["192.0.2.53"] (at the next start)'
	[[ "$(why)" == "suspended: its processes are in a checkpoint, vzrun restore $G"* ]]
	run vz start "$G"
	refuses 5 "guest \"$G\" is suspended: its processes are in a checkpoint"
	vz checkpoint --discard "$G"
	guest_status_is stopped
	[ ! -L "/var/lib/vzrun-ids/$base" ]
	vz start "$G-b" >/dev/null
	vz destroy -f "$G-b"
}

@test "the hold on its ids is on the disk before its processes are ended, and so is the directory of holds" {
	traced
	running_guest --net none
	fake_criu kill
	run strace -y -o "$BATS_TEST_TMPDIR/trace" -e trace=fsync "$VZ" --root "$ROOT" --criu "$BATS_TEST_TMPDIR/criu" checkpoint "$G"
	[ "$status" -eq 137 ]
	wait_for guest_status_is suspended
	grep -q '^fsync([0-9]*</var/lib/vzrun-ids>) *= 0' "$BATS_TEST_TMPDIR/trace"
	grep -q '^fsync([0-9]*</var/lib>) *= 0' "$BATS_TEST_TMPDIR/trace"
	vz checkpoint --discard "$G"
}

@test "as many processes as there may be, and settings of its network: as they were" {
	works
	local n
	running_guest --net none
	counting
	vz exec "$G" sh -c 'echo 77 >/proc/sys/net/ipv4/ip_default_ttl; echo "4096 8192 16384" >/proc/sys/net/ipv4/tcp_rmem'
	n=$(vz --json ps "$G" | jq length)
	vz set "$G" --pids "$((n + 1))"
	suspended
	jq '.linux.resources.pids.limit = '"$n" "$(home)/config.json" >"$(home)/new" && mv "$(home)/new" "$(home)/config.json"
	restored
	[ "$(cat "$(grep -o '/.*' "/proc/$(init_of)/cgroup" | head -1 | sed 's,^,/sys/fs/cgroup,; s,/init.scope$,,')/pids.max")" = "$n" ]
	vz set "$G" --pids 100
	[ "$(vz exec "$G" cat /proc/sys/net/ipv4/ip_default_ttl)" = 77 ]
	[ "$(vz exec "$G" cat /proc/sys/net/ipv4/tcp_rmem | tr '\t' ' ')" = "4096 8192 16384" ]
	[ -z "$(find /var/lib/vzrun-ids -lname "$VZRUN_HOME/*" 2>/dev/null)" ]
}

@test "suspended and brought back: processes, console, clocks, network, ports, limits, mounts" {
	works
	local before n boot ip up pid
	running_guest
	counting
	before=$(mounts_of)
	boot=$(vz exec "$G" cat /proc/sys/kernel/random/boot_id)
	ip=$(vz exec "$G" ip -o addr show eth0 | sed 's/.* \(inet6\? [^ ]*\).*/\1/' | sort)
	up=$(vz exec "$G" cut -d. -f1 /proc/uptime)
	n=$(count)
	pid=$(vz exec "$G" cat /run/pid)
	suspended
	guest_status_is suspended
	[[ "$(why)" == "suspended: its processes are in a checkpoint, vzrun restore $G"* ]]
	run_left_nothing
	run vz start "$G"
	refuses 5 "guest \"$G\" is suspended: its processes are in a checkpoint"
	has "vzrun restore $G   |   vzrun checkpoint --discard $G"
	restored
	guest_status_is running
	[ ! -e "$(home)/checkpoint" ]
	[ ! -e "$(home)/checkpoint.spent" ]
	wait_for above "$n"
	vz exec "$G" kill -0 "$pid"
	diff <(echo "$before") <(mounts_of)
	[ "$(vz exec "$G" cat /proc/sys/kernel/random/boot_id)" = "$boot" ]
	[ "$(vz exec "$G" ip -o addr show eth0 | sed 's/.* \(inet6\? [^ ]*\).*/\1/' | sort)" = "$ip" ]
	[ "$(vz exec "$G" cut -d. -f1 /proc/uptime)" -ge "$up" ]
	vz exec "$G" sh -c 'ping -c 1 -W 20 $(ip route | sed -n "s/^default via \([^ ]*\).*/\1/p")'
	vz network check default
	[ "$(vz exec "$G" cat /sys/fs/cgroup/memory.max 2>/dev/null || vz exec "$G" cat /sys/fs/cgroup/memory/memory.limit_in_bytes)" = 67108864 ]
	vz --json why "$G" | jq -e '.events | map(select(.detail == "from its checkpoint")) | length == 1'
	# its console's shell is the same one, with its terminal
	(echo 'echo con-$((40+2)); tty'; wait_for said con-42) | vz console "$G" >/dev/null
	wait_for said /dev/pts/0
	# what runs once more goes the same way again, and ends as any
	n=$(count)
	suspended
	restored
	wait_for above "$n"
	vz stop -t 60s "$G"
	[ "$(why)" != "${why#stopped by the host}" ] || why
	vz start "$G" >/dev/null
}

@test "a failed dump lets it run on; a failed restore keeps the checkpoint" {
	works
	local n
	running_guest --net none
	counting
	# a process that joined is not below its init, and would be lost
	vz exec "$G" sh -c 'echo $$ >/run/joined; exec sleep 1000' 3>&- &
	wait_for vz exec "$G" test -s /run/joined
	run vz checkpoint "$G"
	[ "$status" -eq 5 ]
	has "guest \"$G\" not checkpointed: process "
	has " runs in it by exec or enter, and is none that its init has started"
	guest_status_is running
	[ ! -e "$(home)/checkpoint" ]
	[ ! -e "$(home)/checkpoint.new" ]
	vz exec "$G" sh -c 'kill $(cat /run/joined)'
	wait
	n=$(count)
	suspended
	mv "$(home)/checkpoint/pstree.img" "$(home)/"
	run vz restore "$G"
	[ "$status" -eq 15 ]
	has "guest \"$G\" not started: criu "
	guest_status_is suspended
	mv "$(home)/pstree.img" "$(home)/checkpoint/"
	# the range of ids that its processes have is another's now
	jq '.vzrun.userns = "host"' "$(home)/config.json" >"$(home)/new" && mv "$(home)/new" "$(home)/config.json"
	run vz restore "$G"
	[ "$status" -eq 10 ]
	has "vzrun.userns: is not what it was when the guest was checkpointed"
	jq 'del(.vzrun.userns)' "$(home)/config.json" >"$(home)/new" && mv "$(home)/new" "$(home)/config.json"
	restored
	wait_for above "$n"
}

kept() { [ -n "$(keepers_left)" ]; }
log_says() { grep -q "$1" "$(home)/restore.log" 2>/dev/null || guest_status_is running; }
settled() { guest_status_is suspended || guest_status_is stopped || guest_status_is running; }

@test "its keeper killed at three places of a restore: nothing is left, and what has its checkpoint goes on once" {
	works
	local n at
	running_guest --net none
	counting
	n=$(count)
	suspended
	for at in kept "log_says ." "log_says Restoring"; do
		rm -f "$(home)/restore.log"
		vz restore "$G" >/dev/null 2>&1 3>&- &
		# shellcheck disable=SC2086
		wait_for $at
		# shellcheck disable=SC2046
		kill -9 $(keepers_left) || true
		builtin wait $! || true
		vz recover >/dev/null
		wait_for settled
		# Either nobody runs and it may be restored, or it was restored.
		if guest_status_is running; then
			wait_for above "$n"
			n=$(count)
			suspended
		fi
		guest_status_is suspended
		[ -z "$(slots_left; groups_left)" ]
		run vz recover
		says "nothing to recover"
	done
	restored
	wait_for above "$n"
}

@test "--all and --tag: those that run are suspended, those that are suspended go on" {
	works
	running_guest --net none --tag web
	vz create "$G-b" --template busybox --net none --tag web >/dev/null
	vz create "$G-c" --template busybox --net none >/dev/null
	vz start "$G-b" >/dev/null
	run vz checkpoint --all
	ok
	says "$G suspended. Next: vzrun restore $G"$'\n'"$G-b suspended. Next: vzrun restore $G-b"
	guest_status_is suspended "$G-b"
	run vz start --all
	ok
	[[ "$output" == "$G-c running"* ]]
	run vz restore --tag web
	ok
	[ "$(grep -c ' running: restored after ' <<<"$output")" = 2 ]
	run vz restore --all
	ok
	[ -z "$output" ]
	vz checkpoint --tag web >/dev/null
	run vz checkpoint --discard "$G" "$G-b"
	ok
	[ -z "$(find /var/lib/vzrun-ids -lname "$VZRUN_HOME/*" 2>/dev/null)" ]
}

@test "given up, or destroyed: nothing of the checkpoint is left" {
	works
	running_guest --net none
	suspended
	run vz checkpoint --discard "$G"
	ok
	guest_status_is stopped
	[ ! -e "$(home)/checkpoint" ]
	vz start "$G" >/dev/null
	suspended
	vz destroy "$G"
	[ ! -e "$(home)" ]
}

@test "a root of its own by directory, a volume, and a guest in the host's user namespace" {
	works
	local n
	mkdir "$BATS_TEST_TMPDIR/data"
	echo seen >"$BATS_TEST_TMPDIR/data/file"
	running_guest --net none --storage dir --bind "$BATS_TEST_TMPDIR/data:/data:idmap"
	counting
	vz exec "$G" sh -c 'echo more >/data/of-it'
	n=$(count)
	suspended
	restored
	wait_for above "$n"
	[ "$(vz exec "$G" cat /data/file)" = seen ]
	[ "$(vz exec "$G" stat -c %u /data/of-it)" = 0 ]
	vz exec "$G" sh -c 'echo still >/data/of-it'
	vz destroy -f "$G"
	running_guest --net none --userns host
	counting
	n=$(count)
	suspended
	restored
	wait_for above "$n"
}

@test "what was restored is known by its birth as what was started" {
	local once='.startTime > 4611686018427387904' unique
	running_guest --net none
	# Where the kernel gives it but once.
	unique=$(jq "$once" "$ROOT/$G/state.json")
	vz --criu "$TOP/tests/hard/lib/criu" checkpoint "$G"
	vz --criu "$TOP/tests/hard/lib/criu" restore "$G"
	[ "$(jq "$once" "$ROOT/$G/state.json")" = "$unique" ]
	vz stop -k "$G"
}
