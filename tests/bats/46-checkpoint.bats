#!/usr/bin/env bats
# Checkpoint and restore. Where CRIU does not run on the kernel, that it is said in one line.
load criu

setup_file() { need_criu; }
setup() { criu_setup; }
teardown() { engine_teardown; }

@test "criu missing, or not working on this kernel: one line with its reason, nothing changed" {
	counter
	started
	run v --criu /nonexistent/criu checkpoint --image-path "$IMAGE" "$ID"
	fails 1 "checkpoint and restore need criu: /nonexistent/criu is not installed"
	is running
	[ ! -e "$IMAGE" ]
	printf '#!/bin/sh\necho "Error (criu/x.c:1): the moon is full" >&2\nexit 1\n' >"$BATS_TEST_TMPDIR/criu"
	chmod +x "$BATS_TEST_TMPDIR/criu"
	run v --criu "$BATS_TEST_TMPDIR/criu" checkpoint --image-path "$IMAGE" "$ID"
	fails 1 "criu does not work on this host: the moon is full (criu check)"
	mkdir "$IMAGE"
	run v --criu "$BATS_TEST_TMPDIR/criu" restore --image-path "$IMAGE" "$ID-2"
	fails 1 "criu does not work on this host: the moon is full (criu check)"
	criu check >/dev/null 2>&1 || {
		checkpoint
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		has "vzrun: criu does not work on this host: "
	}
	is running
}

@test "what cannot be dumped is refused by name" {
	counter
	create
	checkpoint
	fails 1 "Container cannot be checkpointed in created state"
	run v checkpoint --image-path "$IMAGE" nobody
	fails 1 'container "nobody" does not exist'
	run v checkpoint --empty-ns uts "$ID"
	fails 1 'namespace "uts" is not supported'
	run v checkpoint --status-fd 77 "$ID"
	[ "$status" -eq 1 ]
	has "invalid --status-fd argument 77"
	vz start "$ID"
	works
	run v checkpoint --image-path "$IMAGE" --page-server nowhere "$ID"
	fails 1 "Use --page-server ADDRESS:PORT to specify page server"
	run v checkpoint --image-path "$IMAGE" --manage-cgroups-mode hard "$ID"
	fails 1 'Invalid manage-cgroups-mode value "hard"'
	run v checkpoint --image-path "$IMAGE" --parent-path /tmp "$ID"
	fails 1 "--parent-path must be relative"
	is running
}

@test "checkpoint, then restore: it goes on where it stood, with its mounts, limits and identity" {
	works
	mkdir "$BATS_TEST_TMPDIR/data"
	echo seen >"$BATS_TEST_TMPDIR/data/file"
	cfg '.mounts += [{destination:"/data",type:"bind",source:$d,options:["rbind","rw"]}]
		| .linux.resources.pids.limit = 77 | .linux.cgroupsPath = "/vzrun-" + $id' \
		--arg d "$BATS_TEST_TMPDIR/data" --arg id "$ID"
	counter
	started
	wait_for above 3
	checkpoint --work-path "$BATS_TEST_TMPDIR/work"
	ok
	[ -s "$BATS_TEST_TMPDIR/work/dump.log" ]
	[ -s "$IMAGE/pstree.img" ]
	run v state "$ID"
	fails 1 "container \"$ID\" does not exist"
	leaks
	local n
	n=$(cat "$B/rootfs/tmp/n" 2>/dev/null || echo 3)
	v restore -d --image-path "$IMAGE" --pid-file "$BATS_TEST_TMPDIR/pid" "$ID" >/dev/null 2>&1
	is running
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" = "$(pid_of)" ]
	wait_for above "$n"
	[ "$(vz exec "$ID" cat /data/file)" = seen ]
	[ "$(cat /sys/fs/cgroup/vzrun-"$ID"/pids.max /sys/fs/cgroup/pids/vzrun-"$ID"/pids.max 2>/dev/null)" = 77 ]
	grep -q "vzrun-$ID" "/proc/$(pid_of)/cgroup"
	# the verbs work on it as on any
	vz pause "$ID"
	is paused
	vz resume "$ID"
	[ "$(vz ps -f json "$ID" | jq length)" -ge 1 ]
	vz kill "$ID" KILL
	wait_for is stopped
	vz delete "$ID"
}

@test "with systemd's driver: out of a scope and into one of its own, with the limits; no unit stays" {
	[ -d /run/systemd/system ] || skip "host: systemd is not PID 1"
	works
	local n u=vzrun-$ID.scope at=/sys/fs/cgroup
	[ -e $at/cgroup.controllers ] || at=$at/pids
	no_unit() { [ "$(systemctl show "$u" -P LoadState)" = not-found ]; }
	cfg '.linux.resources.pids.limit = 77'
	counter
	v --systemd-cgroup run -d "$ID" >/dev/null 2>&1
	wait_for above 3
	run v --systemd-cgroup checkpoint --image-path "$IMAGE" "$ID"
	ok
	wait_for no_unit
	n=$(cat "$B/rootfs/tmp/n")
	v --systemd-cgroup restore -d --image-path "$IMAGE" "$ID" >/dev/null 2>&1
	wait_for above "$n"
	at+=$(systemctl show "$u" -P ControlGroup)
	[ "$(systemctl show "$u" -P TasksMax -P Delegate | sort | xargs)" = "77 yes" ]
	[ "$(cat "$at/pids.max")" = 77 ]
	grep -qx "$(pid_of)" "$at/cgroup.procs"
	# neither criu nor the anchor: the shell and what it has started
	[ "$(wc -l <"$at/cgroup.procs")" -le 2 ]
	v delete -f "$ID"
	wait_for no_unit
}

@test "under another id, in another group, and twice from one image" {
	works
	counter
	started
	wait_for above 3
	checkpoint --leave-running
	ok
	is running
	v restore -d --image-path "$IMAGE" "$ID-b" >/dev/null 2>&1
	wait_for above 3 "$ID-b"
	[ "$(pid_of "$ID-b")" != "$(pid_of)" ]
	vz delete -f "$ID-b"
	v restore -d --image-path "$IMAGE" "$ID-c" >/dev/null 2>&1
	wait_for above 3 "$ID-c"
	run v restore -d --image-path "$IMAGE" "$ID-c"
	[ "$status" -eq 1 ]
	has "container with given ID already exists"
	vz delete -f "$ID-c"
}

@test "in the foreground: the status of the restored process, and it is deleted" {
	works
	sh_ 'while [ ! -e /go ]; do sleep 0.05; done; exit 7'
	started
	checkpoint
	ok
	bg restore --image-path "$IMAGE" "$ID"
	wait_for is running
	touch "$B/rootfs/go"
	ended "$JOB"
	[ "$status" -eq 7 ]
	run v state "$ID"
	[ "$status" -eq 1 ]
}

@test "pre-dump, then a dump that has it for its parent" {
	works
	tracks
	counter
	started
	wait_for above 3
	mkdir "$BATS_TEST_TMPDIR/images"
	run v checkpoint --pre-dump --image-path "$BATS_TEST_TMPDIR/images/pre" "$ID"
	ok
	is running
	run v checkpoint --image-path "$BATS_TEST_TMPDIR/images/full" --parent-path ../pre "$ID"
	ok
	v restore -d --image-path "$BATS_TEST_TMPDIR/images/full" "$ID" >/dev/null 2>&1
	wait_for above 3
}

# A server on the container's own address, who is asked over a connection that stays; each answer is the next number.
talkers() {
	cat >"$B/rootfs/bin/server" <<-'END'
		#!/bin/sh
		i=0
		while read -r x; do i=$((i+1)); echo $i; done
	END
	cat >"$B/rootfs/bin/client" <<-'END'
		#!/bin/sh
		ip link set lo up
		ip addr add 10.9.8.7/32 dev lo
		nc -ll -p 7000 -e /bin/server &
		until grep -qs ':1B58 ' /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done
		mkfifo /in
		nc 10.9.8.7 7000 </in >/answers &
		exec 3>/in
		while :; do echo x >&3; sleep 0.05; done
	END
	chmod +x "$B"/rootfs/bin/{server,client}
	cfg '.process.capabilities[] |= (. + ["CAP_NET_ADMIN"] | unique)'
	args /bin/client
}
answers() { [ "$(tail -n 1 "$B/rootfs/answers" 2>/dev/null || echo 0)" -gt "$1" ]; }

@test "its network comes back up: address, listener and connection, by way of a pre-dump" {
	works
	tracks
	local last
	talkers
	mkdir "$BATS_TEST_TMPDIR/images"
	started
	wait_for answers 3
	run v checkpoint --pre-dump --tcp-established --image-path "$BATS_TEST_TMPDIR/images/pre" "$ID"
	ok
	is running
	run v checkpoint --tcp-established --image-path "$BATS_TEST_TMPDIR/images/full" --parent-path ../pre "$ID"
	ok
	last=$(tail -n 1 "$B/rootfs/answers")
	v restore -d --tcp-established --image-path "$BATS_TEST_TMPDIR/images/full" "$ID" >/dev/null 2>&1
	wait_for answers "$((last + 3))"
	run vz exec "$ID" ip -o addr show lo
	has 10.9.8.7/32
	# One server that went on, not one that began anew.
	[ "$(sort -n "$B/rootfs/answers" | uniq -d)" = "" ]
}

@test "a connection that is not asked to be kept refuses the dump, and the container goes on" {
	works
	talkers
	started
	wait_for answers 3
	checkpoint
	[ "$status" -eq 1 ]
	has "criu failed"
	is running
	wait_for answers "$(($(tail -n 1 "$B/rootfs/answers") + 3))"
}

@test "a network namespace by path is joined again, with its link to the host" {
	works
	local net=$BATS_TEST_TMPDIR/net r=0
	touch "$net"
	unshare --net="$net" ip link set lo up
	nsenter --net="$net" ip addr add 10.9.8.1/32 dev lo
	cfg '(.linux.namespaces[] | select(.type == "network")).path = $n' --arg n "$net"
	counter
	started
	wait_for above 3
	checkpoint
	ok
	v restore -d --image-path "$IMAGE" "$ID" >/dev/null 2>&1 && wait_for above 3 || r=1
	[ "$(readlink "/proc/$(pid_of)/ns/net")" = "net:[$(stat -Lc %i "$net")]" ] || r=1
	[[ "$(vz exec "$ID" ip -o addr show lo)" == *10.9.8.1/32* ]] || r=1
	vz delete -f "$ID"
	umount "$net"
	return $r
}

@test "a container under busybox's init: PID 1, its services, and what they respawn" {
	works
	printf '#!/bin/sh\ni=0\nwhile :; do i=$((i+1)); echo $i >/tmp/n.new; mv /tmp/n.new /tmp/n; sleep 0.05; done\n' >"$B/rootfs/bin/service"
	chmod +x "$B/rootfs/bin/service"
	printf '::respawn:/bin/service\n' >"$B/rootfs/etc/inittab"
	args /bin/init
	started
	wait_for above 3
	checkpoint
	ok
	local last
	last=$(cat "$B/rootfs/tmp/n")
	v restore -d --image-path "$IMAGE" "$ID" >/dev/null 2>&1
	wait_for above "$last"
	[ "$(vz exec "$ID" cat /proc/1/comm)" = init ]
	vz exec "$ID" sh -c 'rm /tmp/n; killall -9 service'
	wait_for above 0
}

@test "a terminal comes back over the console socket" {
	works
	cfg '.process.terminal = true'
	sh_ 'while read x; do echo "got $x"; done'
	local tool=$TOP/tests/tools/console.py s=$BATS_TEST_TMPDIR/s
	python3 "$tool" "$s" >/dev/null 2>&1 3>&- &
	wait_for test -S "$s"
	v run -d --console-socket "$s" "$ID"
	checkpoint
	ok
	wait
	rm -f "$s"
	python3 "$tool" "$s" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	wait_for test -S "$s"
	v restore -d --console-socket "$s" --image-path "$IMAGE" "$ID"
	vz exec "$ID" sh -c 'echo hello >/dev/console'
	wait_for grep -q hello "$BATS_TEST_TMPDIR/out"
	vz delete -f "$ID"
	wait
}

@test "a restore that fails leaves nothing and says criu's reason" {
	works
	counter
	started
	checkpoint
	ok
	rm "$IMAGE"/core-*.img
	run v restore -d --image-path "$IMAGE" "$ID"
	[ "$status" -eq 1 ]
	has "criu failed"
	has "restore.log"
	run v state "$ID"
	fails 1 "container \"$ID\" does not exist"
	leaks
	run v restore -d --image-path "$BATS_TEST_TMPDIR/none" "$ID"
	[ "$status" -eq 1 ]
	has "open $BATS_TEST_TMPDIR/none: No such file or directory"
}

@test "checkpoint: the name is held until the container is gone" {
	traced
	# a criu of the test's own that says that it has dumped, when it may
	cat >"$BATS_TEST_TMPDIR/criu" <<-END
		#!/usr/bin/python3
		import os, socket, sys, time
		if sys.argv[1] != "check":
		    s = socket.socket(fileno=3)
		    s.recv(65536)
		    open("$BATS_TEST_TMPDIR/asked", "w").close()
		    while not os.path.exists("$BATS_TEST_TMPDIR/go"):
		        time.sleep(0.02)
		    s.send(bytes([0x08, 1, 0x10, 1]))
	END
	chmod +x "$BATS_TEST_TMPDIR/criu"
	counter
	started
	# should it take the lock again, it comes late
	strace -f -o /dev/null -e trace=flock -e inject=flock:delay_enter=500000:when=2+ "$VZ" --root "$ROOT" \
		--criu "$BATS_TEST_TMPDIR/criu" checkpoint --image-path "$IMAGE" "$ID" </dev/null 3>&- &
	local dump=$!
	wait_for test -e "$BATS_TEST_TMPDIR/asked"
	# who waits for the name gets it when nothing is there any more
	flock "$ROOT/$ID" sh -c 'ls "$1" >"$2" 2>/dev/null; true' - "$ROOT/$ID" "$BATS_TEST_TMPDIR/found" 3>&- &
	JOB=$!
	waits() { grep -qE "^[0-9]+: -> FLOCK .* $JOB " /proc/locks; }
	wait_for waits
	touch "$BATS_TEST_TMPDIR/go"
	ended "$dump"
	[ "$status" -eq 0 ]
	ended "$JOB"
	[ ! -s "$BATS_TEST_TMPDIR/found" ]
}

@test "checkpoint of a paused container: criu is told the freezer that holds it" {
	local d held=
	asking_criu
	counter
	# Who is given a group by name is in it in all hierarchies, and two of them may have a freezer.
	cfg '.linux.cgroupsPath = "/vzrun-" + $id' --arg id "$ID"
	started
	v pause "$ID"
	run v --criu "$BATS_TEST_TMPDIR/criu" checkpoint --image-path "$IMAGE" "$ID"
	[ "$status" -eq 1 ]
	for d in $(grep -aoE '/sys/fs/cgroup[[:alnum:]/._,-]*' "$BATS_TEST_TMPDIR/asked"); do
		! grep -qsxE 'frozen 1|FROZEN' "$d/cgroup.events" "$d/freezer.state" || held=$d
	done
	[ -n "$held" ]
	is paused
	v resume "$ID"
}

@test "a paused container is dumped, and goes on when it is resumed or restored" {
	works
	counter
	cfg '.linux.cgroupsPath = "/vzrun-" + $id' --arg id "$ID"
	started
	wait_for above 3
	v pause "$ID"
	checkpoint --leave-running
	[ "$status" -eq 0 ]
	is paused
	v resume "$ID"
	wait_for above "$(count)"
	v pause "$ID"
	IMAGE+=2
	checkpoint
	[ "$status" -eq 0 ]
	v restore -d --image-path "$IMAGE" "$ID" >/dev/null 2>&1
	is running
	wait_for above "$(count)"
}

@test "groups that are mounted without a namespace of them: criu is told the container's own" {
	asking_criu
	cfg '.linux.namespaces |= map(select(.type != "cgroup")) | .linux.cgroupsPath = "/vzrun-" + $id' --arg id "$ID"
	counter
	started
	run v --criu "$BATS_TEST_TMPDIR/criu" checkpoint --image-path "$IMAGE" "$ID"
	[ "$status" -eq 1 ]
	jq -e 'any(startswith("/sys/fs/cgroup"))' "$IMAGE/external.json"
	rm "$BATS_TEST_TMPDIR/asked"
	vz delete -f "$ID"
	cfg '.linux.cgroupsPath += "-new"'
	run v --criu "$BATS_TEST_TMPDIR/criu" restore --image-path "$IMAGE" "$ID"
	[ "$status" -eq 1 ]
	grep -aq "/sys/fs/cgroup.*/vzrun-$ID-new" "$BATS_TEST_TMPDIR/asked"
}

@test "groups that are mounted without a namespace of them are seen again, and are the new ones" {
	works
	local before
	cfg '.linux.namespaces |= map(select(.type != "cgroup")) | .linux.cgroupsPath = "/vzrun-" + $id' --arg id "$ID"
	counter
	started
	groups() { vz exec "$ID" awk '/ \/sys\/fs\/cgroup/ { print $4, $5, $6 }' /proc/self/mountinfo | sort; }
	before=$(groups)
	checkpoint
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	cfg '.linux.cgroupsPath += "-new"'
	v restore -d --image-path "$IMAGE" "$ID" >/dev/null 2>&1
	diff <(groups) <(sed "s#/vzrun-$ID#&-new#" <<<"$before")
}

@test "why criu failed is not that it may raise no limit, which it says and goes on" {
	asking_criu
	sed -i "s#^    sys.exit(1)#    open('$IMAGE/dump.log', 'w').write('Error (criu/util.c:1): rlimit: no\\\\nError (criu/x.c:2): the moon is full\\\\n'); sys.exit(1)#" \
		"$BATS_TEST_TMPDIR/criu"
	counter
	started
	run v --criu "$BATS_TEST_TMPDIR/criu" checkpoint --image-path "$IMAGE" "$ID"
	fails 1 "criu ended without an answer: the moon is full ($IMAGE/dump.log)"
}
