#!/usr/bin/env bats
# The same of what a container could share with the host: groups, mounts, keys, ids, sysctls, terminals, sockets, records.
load helpers
load escapes

setup_file() { need_escapes; }
setup() { escapes_setup; }
teardown() { engine_teardown; }

@test "R8: the group's place on the host is seen without a cgroup namespace" {
	args cat /proc/self/cgroup
	seen() { once; [[ "$output" == *"$ID"* ]]; }
	beats cgroup-namespace seen
}

@test "R8: what the container mounts comes up on the host" {
	args true
	propagates() {
		fresh
		run unshare -m --propagation shared sh -c 'cd "$1" && "$2" --root "$3" run "$4" </dev/null; grep "$1" /proc/self/mountinfo' \
			- "$B" "$VZ" "$ROOT" "$ID"
		[[ "$output" == *"$B/rootfs/proc "* ]]
	}
	beats private propagates
}

@test "R8: the caller's session keyring, and one that another container made of the same name" {
	grep -q keyring /proc/keys 2>/dev/null || skip "kernel: no keys"
	args escape key
	cfg '.linux.seccomp = null'
	caller() {
		fresh
		run "$ESCAPE" session - "$VZ" --root "$ROOT" run -b "$B" "$ID" </dev/null
		[[ "$output" == *secret* ]]
	}
	beats keyring caller
	named() {
		fresh
		"$ESCAPE" session "$ID" sleep 300 3>&- & local p=$!
		wait_for sh -c "grep -q ' $ID: ' /proc/keys"
		run v run "$ID"
		kill $p; wait $p || true
		[[ "$output" == *secret* ]]
	}
	beats keyring-name named
}

@test "R9: a user id that is cut to 32 bits is root (CVE-2026-30892)" {
	cfg '.process.user = {uid: 1000, gid: 1000}'
	running
	as_root() {
		local u
		for u in 4294967296 -1 -4294967296; do
			run vz exec -u "$u" "$ID" id -u
			[ "$output" != 0 ] || return 0
		done
		return 1
	}
	beats exec-user as_root
	vz delete -f "$ID"
}

@test "R9: a sysctl of the host's, or a way to one" {
	local was; was=$(cat /proc/sys/vm/stat_interval)
	args true
	host_sysctl() {
		local k r=1
		for k in vm.stat_interval net/../vm/stat_interval kernel.hostname/../../vm/stat_interval; do
			cfg --arg k "$k" '.linux.sysctl = {($k): "7"}'
			once
			[ "$(cat /proc/sys/vm/stat_interval)" != 7 ] || r=0
			echo "$was" >/proc/sys/vm/stat_interval
		done
		return $r
	}
	beats sysctl-names host_sysctl
	# Of a namespace that is joined, and is the caller's; one that is made here stands for the host's.
	cfg '.linux.sysctl = {"net/ipv4/ip_default_ttl": "7"}
		| (.linux.namespaces[] | select(.type == "network")).path = "/proc/self/ns/net"'
	callers_sysctl() {
		fresh
		[ "$(unshare -n sh -c '"$@" >/dev/null 2>&1; cat /proc/sys/net/ipv4/ip_default_ttl' - \
			"$VZ" --root "$ROOT" run -b "$B" "$ID")" = 7 ]
	}
	beats sysctl-names callers_sysctl
}

@test "R10: characters are pushed into the caller's terminal (CVE-2016-10124, CVE-2017-5226)" {
	[ "$(cat /proc/sys/dev/tty/legacy_tiocsti 2>/dev/null || echo 1)" = 1 ] || skip "kernel: TIOCSTI is off"
	cfg '.linux.seccomp = null'
	args escape type whoami
	push() {
		fresh
		run python3 - "$VZ" "$ROOT" "$B" "$ID" <<-'P'
		import fcntl, os, pty, sys, termios
		vz, root, bundle, id = sys.argv[1:]
		pid, master = pty.fork()
		if pid == 0:
		    os.execv(vz, [vz, "--root", root, "run", "-b", bundle, id])
		said = b""
		while b"whoami" not in said:
		    try: got = os.read(master, 4096)
		    except OSError: break
		    if not got: break
		    said += got
		os.waitpid(pid, 0)
		print("pushed" if b"whoami" in said else "nothing")
		P
		[ "$output" = pushed ]
	}
	beats session push
}

@test "R12: no set-user-id program, no abstract socket, nothing that listens" {
	running
	[ -z "$(find "$BUILD"/vzrun "$BUILD"/vzrun-* -maxdepth 0 -perm /6000 2>/dev/null)" ]
	abstract() { awk '$8 ~ /^@/ { print $8 }' /proc/net/unix | sort; }
	ours() { for p in $(pgrep -x vzrun; pgrep -x vzrun-keeper); do ls -l "/proc/$p/fd" 2>/dev/null; done | grep -c socket: || true; }
	python3 -c 'import socket, time; s = socket.socket(socket.AF_UNIX); s.bind("\0vzrun-planted"); s.listen(); time.sleep(600)' 3>&- &
	wait_for sh -c 'grep -q @vzrun-planted /proc/net/unix'
	[ "$(abstract | grep -c vzrun)" = 1 ]		# such a one would be seen
	kill $!; wait $! || true
	[ "$(abstract | grep -c vzrun)" = 0 ]
	vz delete -f "$ID"
}

@test "R14: a fifo as /etc/passwd is read, and answered by the attacker (CVE-2024-9676)" {
	cfg '.process.env = ["PATH=/bin"]'
	sh_ 'echo home $HOME'
	rm "$B/rootfs/etc/passwd"; mkfifo "$B/rootfs/etc/passwd"
	fed() {
		fresh
		sh -c 'echo root:x:0:0::/fed:/bin/sh >"$1"' - "$B/rootfs/etc/passwd" 3>&- & local p=$!
		run v run "$ID"
		kill $p 2>/dev/null; wait $p 2>/dev/null || true
		[[ "$output" == *"home /fed"* ]]
	}
	beats guest-files fed
}

@test "R14: a passwd that leads out of the root" {
	cfg '.process.env = ["PATH=/bin"]'
	sh_ 'echo home $HOME'
	echo "root:x:0:0::/of-the-host:/bin/sh" >"$T/victim/file"
	ln -sf "$T/victim/file" "$B/rootfs/etc/passwd"
	# In the container's own root the same name is another file: what is opened is never the host's.
	mkdir -p "$B/rootfs$T/victim"; echo "root:x:0:0::/of-the-container:/bin/sh" >"$B/rootfs$T/victim/file"
	once
	says "home /of-the-container"
}

@test "R15: a pid that is another process by now is not signalled" {
	args true
	stale() {
		local victim
		fresh
		v run --keep "$ID"
		sleep 300 3>&- & victim=$!
		jq --argjson p "$victim" '.pid = $p' "$ROOT/$ID/state.json" >"$T/new" && cp "$T/new" "$ROOT/$ID/state.json"
		run vz kill "$ID" TERM
		[ "$status" = 0 ] || kill -9 "$victim"
		ended "$victim"
		VZRUN_UNDEFENDED='' vz delete -f "$ID"
		[ "$status" = 143 ]
	}
	beats birth stale
}
