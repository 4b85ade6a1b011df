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
		run timeout 10 "$VZ" --root "$ROOT" exec "$ID" /proc/self/exe --version </dev/null
		run timeout 10 "$VZ" --root "$ROOT" exec "$ID" /bin/evil </dev/null
	done
	touch "$B/rootfs/stop"
	[ ! -e "$B/rootfs/wrote" ]
	[ "$(sha256sum <"$VZ")" = "$sum" ]
}

@test "the running runtime is a copy that nobody can write, and not to be traced" {
	args sleep 300
	create
	p=$(pid_of)
	exe=$(readlink "/proc/$p/exe")
	[[ "$exe" != "$(realpath "$VZ")" ]] || [ -n "$(findmnt -no OPTIONS "/proc/$p/exe" 2>/dev/null)" ] || true
	run bash -c "echo x >/proc/$p/exe"
	[ "$status" -ne 0 ]
	vz start "$ID"
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
		! grep -E "$BATS_TEST_TMPDIR| /proc$| /$|/sys/fs/cgroup" "$B/rootfs/leaked"
	fi
}

@test "CVE-2024-9676: a fifo, a device, a huge or linked passwd" {
	cfg '.process.env = ["PATH=/bin"]'
	rm "$B/rootfs/etc/passwd"; mkfifo "$B/rootfs/etc/passwd"
	sh_ 'echo $HOME'
	run timeout 10 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
	ok
	says /root
	rm "$B/rootfs/etc/passwd"; truncate -s 3G "$B/rootfs/etc/passwd"
	go; ok
	rm "$B/rootfs/etc/passwd"; ln -s /dev/zero "$B/rootfs/etc/passwd"
	run timeout 10 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
	ok
	rm "$B/rootfs/etc/passwd"; ln -s ../../../../../etc/shadow "$B/rootfs/etc/passwd"
	go; ok
	rm "$B/rootfs/etc/passwd"; mkfifo "$B/rootfs/etc/passwd"
	running
	run timeout 10 "$VZ" --root "$ROOT" exec "$ID" true </dev/null
	ok
}

@test "programs that are no regular files do not hang us" {
	mkfifo "$B/rootfs/fifo"; chmod 777 "$B/rootfs/fifo"
	args /fifo
	run timeout 10 "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
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
