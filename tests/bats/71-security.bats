#!/usr/bin/env bats
# Attacks of the field, replayed (the numbers are the CVEs they were known by).
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() { engine_teardown; }

inside() { sh_ "$1"; go; ok; }
running() { args sleep 300; create; vz start "$ID"; }
all_caps() {
	local all
	all=$(capsh --print | sed -n 's/^Bounding set =//p' | tr ',' '\n' | tr a-z A-Z | jq -R . | jq -sc .)
	cfg --argjson c "$all" '.process.capabilities = {bounding: $c, effective: $c, permitted: $c} | .process.noNewPrivileges = false'
}

@test "CVE-2019-5736: the runtime's file cannot be written from inside" {
	sum=$(sha256sum <"$VZ")
	all_caps
	# the payload is the runtime itself, by way of a script and directly
	printf '#!/proc/self/exe\n' >"$B/rootfs/bin/evil"; chmod 755 "$B/rootfs/bin/evil"
	cat >"$B/rootfs/attack" <<-'S'
	#!/bin/sh
	n=0
	echo up >/up
	while [ $n -lt 400 ] && [ ! -e /stop ]; do
	  n=$((n + 1))
	  for p in /proc/[0-9]*; do
	    case $(readlink $p/exe 2>/dev/null) in
	    *vzrun*|*memfd*) echo "saw $(readlink $p/exe)" >>/seen
	      { echo overwritten >$p/exe; } 2>/dev/null && echo wrote >>/wrote
	      exec 9<$p/exe && { { echo overwritten >/proc/self/fd/9; } 2>/dev/null && echo wrote >>/wrote
	        mount -o remount,rw,bind /proc/self/fd/9 2>/dev/null && echo remounted >>/wrote; exec 9<&-; } ;;
	    esac
	  done
	done 2>/dev/null
	exit 0
	S
	chmod 755 "$B/rootfs/attack"
	args /attack
	create; vz start "$ID"
	wait_for test -e "$B/rootfs/up"
	for i in 1 2 3 4 5 6 7 8; do
		run timeout 100 "$VZ" --root "$ROOT" exec "$ID" /proc/self/exe --version </dev/null
		run timeout 100 "$VZ" --root "$ROOT" exec "$ID" /bin/evil </dev/null
	done
	touch "$B/rootfs/stop"
	[ ! -e "$B/rootfs/wrote" ]
	[ "$(sha256sum <"$VZ")" = "$sum" ]
}

@test "the running runtime is a copy that nobody can write, whichever way it was made, and not to be traced" {
	traced
	args sleep 300
	ways=(true prctl:error=EPERM:when=1 open_tree:error=EPERM)	# mapped anew, executed again, a sealed memfd
	for way in "${ways[@]}"; do
		by=(); [ "$way" = true ] || by=(strace -o "$BATS_TEST_TMPDIR/trace" -e "inject=$way")
		"${by[@]}" "$VZ" --root "$ROOT" create -b "$B" "$ID" </dev/null >/dev/null
		p=$(pid_of)
		run bash -c "echo x >/proc/$p/exe"
		[ "$status" -ne 0 ]
		[ "$(readlink "/proc/$p/exe")" != "$(realpath "$VZ")" ]
		vz start "$ID"
		vz delete -f "$ID"
	done
	grep -q memfd_create "$BATS_TEST_TMPDIR/trace"
}

@test "CVE-2024-21626: no directory of the host's by way of our descriptors" {
	for n in 3 4 5 6 7 8 9 10 11 12 15 20; do
		cfg --arg d "/proc/self/fd/$n" '.process.cwd = $d'
		args ls -A ../../../..
		go
		[ "$status" = 1 ]
		cfg '.process.cwd = "/"'
		for up in "" /.. /../.. /../../../..; do
			args "/proc/self/fd/$n$up/bin/cat" /etc/hostname
			go
			[ "$status" -ne 0 ] || { echo "fd $n$up: $output"; return 1; }
		done
	done
	ln -s /proc/self/fd/7 "$B/rootfs/wd"
	cfg '.process.cwd = "/wd"'
	args pwd
	go
	[ "$status" = 1 ]
}

@test "CVE-2024-21626 on exec" {
	running
	for n in 3 4 5 6 7 8 9 10 11 12 15 20; do
		run vz exec --cwd "/proc/self/fd/$n" "$ID" ls -A ../../..
		[ "$status" = 255 ]
		for up in "" /.. /../../..; do
			run vz exec "$ID" "/proc/self/fd/$n$up/bin/cat" /etc/hostname
			[ "$status" = 255 ] || { echo "fd $n$up: $output"; return 1; }
		done
	done
}

@test "CVE-2016-9962: a joining process is not traced, its descriptors not listed" {
	all_caps
	cat >"$B/rootfs/watch" <<-'S'
	#!/bin/sh
	echo up >/up
	while [ ! -e /stop ]; do
	  for p in /proc/[0-9]*; do
	    [ "$(cat $p/comm 2>/dev/null)" = vzrun ] || continue
	    for f in $p/fd/*; do
	      case $(readlink $f 2>/dev/null) in ''|socket:*|pipe:*|/dev/null|/dev/pts/*|anon_inode:*) ;; *) echo "$f $(readlink $f)" >>/leaked ;; esac
	    done
	  done
	done
	S
	chmod 755 "$B/rootfs/watch"
	args /watch
	create; vz start "$ID"
	wait_for test -e "$B/rootfs/up"
	for i in $(seq 30); do vz exec "$ID" true </dev/null >/dev/null 2>&1; done
	touch "$B/rootfs/stop"
	wait_for is stopped
	# even with every capability nothing of the host is there to be stolen
	if [ -e "$B/rootfs/leaked" ]; then
		sort -u "$B/rootfs/leaked"
		run ! grep -E "$BATS_TEST_TMPDIR| /proc$| /$|/sys/fs/cgroup" "$B/rootfs/leaked"
	fi
}

@test "CVE-2024-9676: a fifo, a device, a huge or linked passwd" {
	cfg '.process.env = ["PATH=/bin"]'
	rm "$B/rootfs/etc/passwd"; mkfifo "$B/rootfs/etc/passwd"
	sh_ 'echo $HOME'
	run timeout 100 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
	ok
	says /
	rm "$B/rootfs/etc/passwd"; truncate -s 3G "$B/rootfs/etc/passwd"
	go; ok
	rm "$B/rootfs/etc/passwd"; ln -s /dev/zero "$B/rootfs/etc/passwd"
	run timeout 100 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
	ok
	rm "$B/rootfs/etc/passwd"; ln -s ../../../../../etc/shadow "$B/rootfs/etc/passwd"
	go; ok
	rm "$B/rootfs/etc/passwd"; mkfifo "$B/rootfs/etc/passwd"
	running
	run timeout 100 "$VZ" --root "$ROOT" exec "$ID" true </dev/null
	ok
}

@test "programs that are no regular files do not hang us" {
	mkfifo "$B/rootfs/fifo"; chmod 777 "$B/rootfs/fifo"
	args /fifo
	run timeout 100 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
	fails 1 'exec: "/fifo": permission denied'
}

@test "CVE-2022-29162: inheritable and ambient are empty unless asked" {
	running
	run vz exec --cap CAP_NET_ADMIN "$ID" grep -E 'Cap(Inh|Amb)' /proc/self/status
	says "CapInh:	0000000000000000
CapAmb:	0000000000000000"
}

@test "levers of the host: sysctl, sysrq, core_pattern, uevent, release_agent are read-only or masked" {
	inside 'for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/overcommit_memory /proc/irq/default_smp_affinity /sys/kernel/uevent_helper /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/*/*/release_agent /sys/fs/cgroup/*/cgroup.procs; do
	  [ -e $f ] || continue
	  { echo x >$f; } 2>/dev/null && echo "wrote $f"
	done; echo end'
	says end
}

@test "nothing can be mounted or unmounted, no node made, no module loaded" {
	inside 'mount -t tmpfs t /mnt 2>/dev/null && echo mounted; umount /proc/sys 2>/dev/null && echo unmounted; mknod /n c 1 1 2>/dev/null && echo node; mount -o remount,rw /proc/sys 2>/dev/null && echo remounted; chroot / true 2>/dev/null && echo chrooted; echo end'
	says end
}

@test "a symbolic link as a state directory or configuration of another's is not followed" {
	mkdir "$BATS_TEST_TMPDIR/victim"; touch "$BATS_TEST_TMPDIR/victim/state.json"
	ln -s "$BATS_TEST_TMPDIR/victim" "$ROOT/$ID"
	run v create "$ID"
	[ "$status" = 1 ]
	run vz delete -f "$ID"
	[ -e "$BATS_TEST_TMPDIR/victim/state.json" ]
	rm "$ROOT/$ID"
}

@test "modes: state is the owner's alone" {
	rmdir "$ROOT"
	running
	[ "$(stat -c %a "$ROOT")" = 700 ]
	[ "$(stat -c %a "$ROOT/$ID")" = 700 ]
	[ -z "$(find "$ROOT" -type f -perm /077)" ]
}

@test "corrupt state is told; delete -f takes the process down or says that it cannot" {
	local t
	for t in '' '{' '{}' 'null' '[]' '{"version":1}' '{"version":99}' '\0\0\0\0'; do
		running
		p=$(pid_of)
		printf "$t" >"$ROOT/$ID/state.json"
		run vz state "$ID"
		[ "$status" = 1 ]; [ "${#lines[@]}" = 1 ]
		run vz list -q
		ok
		run vz delete "$ID"
		[ "$status" = 1 ]
		run vz delete -f "$ID"
		[ "$status" = 0 ] || { echo "'$t': $output"; return 1; }
		wait_for gone "$p"
		[ -z "$(state_left)$(groups_left)" ]
	done
}

@test "a pid that was reused is not ours" {
	v run --keep "$ID"
	jq '.pid = 1' "$ROOT/$ID/state.json" >"$ROOT/x"; mv "$ROOT/x" "$ROOT/$ID/state.json"
	[ "$(status_of)" = stopped ]
	run vz kill "$ID" KILL
	fails 1 "container not running"
	vz delete -f "$ID"
}

# swap A B: until the test ends two names of the image change places, as a second container on it could do
swap() {
	python3 - "$1" "$2" 3>&- <<-'P' &
	import ctypes, os, sys
	libc = ctypes.CDLL(None)
	a, b = sys.argv[1].encode(), sys.argv[2].encode()
	parent = os.getppid()
	while os.getppid() == parent:
	    libc.renameat2(-100, a, -100, b, 2)
	P
	SWAP=$!
}
unswap() { kill "$SWAP"; wait "$SWAP" 2>/dev/null || true; }

@test "CVE-2021-30465: a destination that is swapped for a link while it is mounted on never leads out" {
	local H=$BATS_TEST_TMPDIR/host i before
	mkdir -p "$H/d" "$B/rootfs/data/sub" "$BATS_TEST_TMPDIR/victim/sub"; echo volume >"$H/d/f"
	echo precious >"$BATS_TEST_TMPDIR/victim/sub/x"
	ln -s "$BATS_TEST_TMPDIR/victim" "$B/rootfs/evil"
	cfg --arg s "$H/d" '.mounts += [
		{destination: "/data/sub", type: "tmpfs", source: "t", options: ["tmpcopyup"]},
		{destination: "/data/sub/b", type: "bind", source: $s, options: ["bind", "idmap=uids=0-1-9;gids=0-1-9"]},
		{destination: "/data/l", type: "bind", source: $s, options: ["bind", "dest-nofollow"]}]
		| .linux.devices = [{path: "/data/node", type: "p"}]'
	sh_ 'cat /data/sub/x /data/sub/b/f 2>/dev/null; true'
	before=$(find "$BATS_TEST_TMPDIR/victim" | sort)
	swap "$B/rootfs/data" "$B/rootfs/evil"
	for i in $(seq 25); do
		run timeout 100 "$VZ" --root "$ROOT" run -b "$B" "$ID-$i" </dev/null
		[ "$status" -le 1 ] || break
		[[ "$output" != *precious* ]] || break
	done
	unswap
	echo "$i: $status: $output"
	[ "$i" = 25 ]
	[ "$(find "$BATS_TEST_TMPDIR/victim" | sort)" = "$before" ]
}

@test "tmpcopyup of files that become fifos, devices and links meanwhile" {
	local d=$B/rootfs/data i
	mkdir "$d"; echo text >"$d/a"; mkfifo "$d/.fifo"; echo secret >"$BATS_TEST_TMPDIR/secret"
	ln -s "$BATS_TEST_TMPDIR/secret" "$d/.link"
	cfg '.mounts += [{destination: "/data", type: "tmpfs", source: "t", options: ["tmpcopyup"]}]'
	sh_ 'for f in /data/a /data/.fifo /data/.link; do [ ! -f $f ] || cat $f; done'
	for other in .fifo .link; do
		swap "$d/a" "$d/$other"
		for i in $(seq 15); do
			run timeout 100 "$VZ" --root "$ROOT" run -b "$B" "$ID-$i" </dev/null
			[ "$status" -le 1 ] && [[ "$output" != *secret* ]] || break
		done
		unswap
		echo "$other $i: $status: $output"
		[ "$i" = 15 ]
	done
}

@test "a user namespace's root cannot take the mapping of an idmapped volume for rights on the host" {
	local D=$BATS_TEST_TMPDIR/vol
	mkdir "$D"; chmod 755 "$BATS_TEST_TMPDIR" "$B"; echo host >"$D/owned"; chmod 600 "$D/owned"; chown 1000:1000 "$D"
	cp "$BUSYBOX" "$D/plant"
	cfg --arg d "$D" '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings
		| .mounts += [{destination: "/m", type: "bind", source: $d, options: ["bind", "idmap=uids=@1000-0-10;gids=@1000-0-10"]}]'
	chown -R 100000:100000 "$B/rootfs"
	all_caps
	# ids that the map does not name are nobody's: not readable, not to be taken over, no set-id file of theirs
	inside 'cat /m/owned 2>/dev/null && echo read; chown 0 /m/owned 2>/dev/null && echo taken; chmod 4755 /m/plant 2>/dev/null && echo planted; cp /bin/busybox /m/own; chmod 4755 /m/own; echo end'
	says end
	[ "$(stat -c %u "$D/own")" = 1000 ]
	[ "$(stat -c %a:%u "$D/plant")" != 4755:0 ]
}

@test "a volume cannot be made writable again, nor its mapping changed, without the capability for it" {
	local D=$BATS_TEST_TMPDIR/vol
	mkdir "$D"; chmod 777 "$D"
	cfg --arg d "$D" '.mounts += [{destination: "/m", type: "bind", source: $d, options: ["rbind", "ro", "rnosuid", "idmap=uids=0-0-9;gids=0-0-9"]}]'
	inside 'mount -o remount,bind,rw /m 2>/dev/null && echo rw; touch /m/x 2>/dev/null && echo wrote; umount /m 2>/dev/null && echo gone; echo end'
	says end
	[ -z "$(ls -A "$D")" ]
}

@test "a destination that is swapped below a long-option mount takes no other mount of the container away" {
	traced
	local vol=$BATS_TEST_TMPDIR/vol low=$BATS_TEST_TMPDIR/low long trace=$BATS_TEST_TMPDIR/trace
	long=$(printf 'x%.0s' $(seq 240))
	mkdir -p "$vol/dst" "$low/a/$long" "$low/b"
	cfg '.mounts += [{destination:"/vol",source:$v,type:"bind",options:["bind"]},
		{destination:"/data",source:"tmpfs",type:"tmpfs",options:["mode=755"]},
		{destination:"/vol/dst",source:"overlay",type:"overlay",options:[$o]}]' \
		--arg v "$vol" --arg o "lowerdir=$low/a/$long:$low/b"
	args cat /proc/self/mountinfo
	go
	ok
	has " /vol/dst "
	# The mount(2) is held back at its return, until the name leads to the other one.
	strace -f -qq -o "$trace" -e trace=mount -e inject=mount:delay_exit=2000000:when=1 \
		"$VZ" --root "$ROOT" run -b "$B" "$ID-s" >"$BATS_TEST_TMPDIR/out" 2>&1 </dev/null 3>&- &
	wait_for grep -q 'mount("overlay"' "$trace"
	mv "$vol/dst" "$vol/old"
	ln -s /data "$vol/dst"
	ended $!
	output=$(cat "$BATS_TEST_TMPDIR/out")
	[ "$status" -ne 0 ] || has " /data "
	[ "$status" -eq 0 ] || has "mount /vol/dst: the destination changed meanwhile"
}
