#!/usr/bin/env bats
# The escapes of the field (docs/security.md has the table), each with the defence and without it.
load helpers
load escapes

setup_file() { need_escapes; }
setup() { escapes_setup; }
teardown() { engine_teardown; }

all_caps() {
	local all
	all=$(capsh --print | sed -n 's/^Bounding set =//p' | tr ',' '\n' | tr a-z A-Z | jq -R . | jq -sc .)
	cfg --argjson c "$all" '.process.capabilities = {bounding: $c, effective: $c, permitted: $c}'
}

@test "R1: the runtime's executable is written over from inside (CVE-2019-5736)" {
	all_caps
	args sleep 300
	# The waiting first process is the runtime itself: a second one holds its executable until it is free.
	overwrite() {
		local whole=$VZ VZ=$T/vzrun.$RANDOM out=$T/out by
		fresh
		cp "$whole" "$VZ"
		rm -f "$T/in"; mkfifo "$T/in"; : >"$out"
		v create "$ID"
		"$VZ" --root "$ROOT" exec "$ID" escape exe 1 <"$T/in" >"$out" 2>&1 3>&- & by=$!
		exec 9>"$T/in"
		wait_for test -s "$out"
		v start "$ID"
		# Who waits for the attacker runs the file, too.
		kill -9 $by; wait $by || true
		exec 9>&-
		wait_for grep -qE 'wrote|write:|/exe:' "$out"
		cat "$out"
		VZ=$PRODUCT v delete -f "$ID"
		[ -n "$(cmp "$whole" "$VZ")" ]
	}
	beats self overwrite
}

@test "R2: a process on its way in is looked into (CVE-2016-9962, CVE-2016-8649)" {
	args true
	look() {
		fresh
		v create "$ID" || return 1
		run vz exec "$ID" readlink /proc/1/exe
		vz delete -f "$ID"
		[ "$status" = 0 ]
	}
	beats dumpable look
}

@test "R2: an evil library, nsswitch.conf or loader of the container is nothing to who joins (CVE-2019-14271)" {
	traced
	running
	mkdir -p "$B/rootfs/lib64" "$B/rootfs/lib/x86_64-linux-gnu"
	for f in lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libnss_files.so.2 lib/x86_64-linux-gnu/libc.so.6 \
		etc/nsswitch.conf etc/ld.so.preload etc/ld.so.cache etc/localtime; do echo evil >"$B/rootfs/$f"; done
	strace -f -qq -o "$T/trace" -e trace=setns,open,openat,openat2,execve "$VZ" --root "$ROOT" exec -u 1000 "$ID" true
	# From the join to the last execve: what is opened by name, and by whom it is executed.
	sed -n '/setns(/,$p' "$T/trace" >"$T/after"
	grep -q '"etc/passwd"\|"/etc/passwd"' "$T/after"		# so that we know what we look at
	run grep -E 'nss|ld\.so|/lib|localtime|gconv' "$T/after"
	[ "$status" = 1 ] || { echo "$output"; return 1; }
	[ "$(grep -c 'execve(' "$T/after")" = 1 ]
	vz delete -f "$ID"
}

# A directory of the host's by a descriptor of ours: every number that one may have.
@test "R3: the working directory is a descriptor of ours (CVE-2024-21626)" {
	args cat "../../../../../../../../../..$T/victim/file"
	by_cwd() {
		local n
		for n in 3 4 5 6 7 8 9 10 11 12 13 14 15; do
			cfg --arg d "/proc/self/fd/$n" '.process.cwd = $d'
			once
			[[ "$output" != *precious* ]] || return 0
		done
		return 1
	}
	beats cwd,in-root by_cwd
	alone_enough cwd,in-root by_cwd
}

@test "R3: the program is found by way of a descriptor of ours (CVE-2024-21626)" {
	cp "$ESCAPE" "$T/victim/program"
	by_exe() {
		local n
		for n in 3 4 5 6 7 8 9 10 11 12 13 14 15; do
			args "/proc/self/fd/$n/../../../../../../../../../..$T/victim/program" hello
			once
			[[ "$output" != *"escape: wrong words"* ]] || return 0
		done
		return 1
	}
	beats descriptors by_exe
	# Ours may be where a caller who passes descriptors left a gap.
	in_a_gap() {
		local n
		for n in 3 4 5 6 7 8 9 10 11 12 13 14 15; do
			args "/proc/self/fd/$n/../../../../../../../../../..$T/victim/program" hello
			fresh
			run bash -c 'for i in {3..17}; do eval "exec $i<&-"; done; exec 18</dev/null
				cd "$1" && exec "$2" --root "$3" run --preserve-fds 16 "$4" </dev/null' - "$B" "$VZ" "$ROOT" "$ID"
			[[ "$output" != *"escape: wrong words"* ]] || return 0
		done
		return 1
	}
	beats descriptors in_a_gap
	by_stream() {
		args cat /proc/self/fd/0/../victim/file
		fresh
		run bash -c 'cd "$1" && exec "$2" --root "$3" run "$4" <"$5"' - "$B" "$VZ" "$ROOT" "$ID" "$T/victim"
		has precious
	}
	beats streams by_stream
}

@test "a record of another user's is not obeyed: it names whom to kill and which hooks to run" {
	foreign() {
		running
		chown 65533 "$ROOT/$ID"
		run vz delete -f "$ID"
		[ -e "$ROOT/$ID" ] || return 0
		[ "${lines[0]}" = "vzrun: state of $ID: it is user 65533's" ] || return 0
		chown 0 "$ROOT/$ID"
		VZ=$PRODUCT vz delete -f "$ID"
		return 1
	}
	beats state-owner foreign
}

@test "R4: a lookalike of procfs takes the sysctl that is meant for the kernel (CVE-2019-16884, CVE-2025-52881)" {
	mkdir -p "$T/proc/sys/kernel"
	cfg --arg p "$T/proc" --arg v "$T/victim" '.mounts = [.mounts[] | select(.destination != "/proc")] + [{destination: "/proc", type: "bind",
		source: $p, options: ["rbind"]}, {destination: "/mnt", type: "bind", source: $v, options: ["rbind"]}] | .linux.maskedPaths = [] | .linux.readonlyPaths = []
		| .linux.sysctl = {"kernel.domainname": "redirected"}'
	args true
	redirect() {
		echo >"$T/victim/file"
		ln -sfn /mnt/file "$T/proc/sys/kernel/domainname"
		once
		grep -q redirected "$T/victim/file"
	}
	beats places,procfs,no-links redirect
	alone_enough places,procfs redirect
}

@test "R5: a destination that is a link leads the set-up out of the root (CVE-2021-30465, CVE-2024-45310)" {
	cfg '.mounts += [{destination: "/data/made/by/us", type: "tmpfs", source: "t"}]'
	args true
	make_outside() {
		rm -rf "$T/victim/made" "$B/rootfs/data"
		ln -s "$T/victim" "$B/rootfs/data"
		once
		[ -e "$T/victim/made" ]
	}
	beats in-root make_outside
	rm -rf "$T/victim/made"
}

@test "R5: /proc/self/root in a link is no way out either" {
	cfg '.mounts += [{destination: "/data/made/by/us", type: "tmpfs", source: "t"}]'
	args true
	make_outside() {
		rm -rf "$T/victim/made" "$B/rootfs/data"
		ln -s "/proc/self/root$T/victim" "$B/rootfs/data"
		once
		[ -e "$T/victim/made" ]
	}
	beats in-root make_outside
	rm -rf "$T/victim/made"
}

@test "R5: the working directory is made through a link" {
	cfg '.process.cwd = "/w/made"'
	args true
	ln -s "$T/victim" "$B/rootfs/w"
	make_cwd() {
		rm -rf "$T/victim/made"
		once
		[ -e "$T/victim/made" ]
	}
	beats in-root make_cwd
}

@test "R5: /dev of the image is a link to a volume, and the devices are made there (CVE-2026-41579, CVE-2026-47766)" {
	mkdir "$T/volume"
	cfg --arg v "$T/volume" '.mounts = [{destination: "/vol", type: "bind", source: $v, options: ["rbind"]}] | .linux.maskedPaths = []
		| .linux.readonlyPaths = []'
	args true
	rm -rf "$B/rootfs/dev"; ln -s /vol "$B/rootfs/dev"
	devices() {
		rm -rf "$T/volume"/*
		once
		[ -n "$(ls -A "$T/volume")" ]
	}
	beats special-places devices
}

@test "R5: /sys of the image is a link, and what is mounted there covers something else (CVE-2023-27561)" {
	mkdir -p "$B/rootfs/real"; echo own >"$B/rootfs/real/file"
	cfg '.mounts = [.mounts[] | select(.destination | startswith("/sys") | not)] + [{destination: "/sys/x", type: "tmpfs", source: "t"}]'
	args true
	rm -rf "$B/rootfs/sys"; ln -s /real "$B/rootfs/sys"
	covered() {
		rmdir "$B/rootfs/real/x" 2>/dev/null
		once
		[ -d "$B/rootfs/real/x" ]
	}
	beats special-places covered
}

@test "R6: /dev/null of the image is bound over what is to be masked (CVE-2025-31133)" {
	# The hook is the attacker: it comes at the moment that he would have to win.
	cfg --arg n "$B/rootfs/dev/null" '.mounts = [.mounts[] | select(.destination | startswith("/dev") | not)]
		| .hooks = {createRuntime: [{path: "/bin/sh", args: ["sh", "-c", "rm -f \($n) && ln -s ../proc/sys/kernel/domainname \($n)"]}]}
		| .linux.maskedPaths = ["/proc/keys"] | .domainname = "taken"'
	args cat /proc/keys
	masks() {
		rm -rf "$B/rootfs/dev"; mkdir "$B/rootfs/dev"
		once
		[[ "$output" == *taken* ]]
	}
	beats mask-source masks
}

@test "R6: /proc and /sys of the image are moved away before their files are masked, and an empty directory has the name" {
	# As whoever shares the image can; a hook does it at the very moment.
	local at
	cat >"$T/move" <<-'M'
		#!/bin/sh
		[ -e "$1.moved" ] || { mv "$1" "$1.moved" && mkdir "$1"; }
	M
	chmod 755 "$T/move"
	cfg '.linux.maskedPaths = ["/proc/timer_list", "/sys/kernel"] | .linux.readonlyPaths = []
		| del(.mounts[] | select(.destination == "/sys/fs/cgroup"))
		| (.mounts[] | select(.destination == "/sys").options) -= ["ro"]'
	for at in proc sys; do
		cfg --arg at "$B/rootfs/$at" --arg run "$T/move" '.hooks.createRuntime = [{path: $run, args: ["move", $at]}]'
		sh_ 'for f in /proc.moved/timer_list /sys.moved/kernel/notes; do [ -s $f ] || [ -n "$(head -c1 $f)" ] && echo open; done; true'
		unmasked() {
			rm -rf "$B/rootfs/$at.moved"; mkdir -p "$B/rootfs/$at"
			once; [[ "$output" == *open* ]]
		}
		beats proc-mount unmasked
	done
}

@test "R7: capabilities that a file takes from the inheritable set (CVE-2022-29162, CVE-2022-27650)" {
	mkdir "$B/rootfs/caps"; cp "$BUSYBOX" "$B/rootfs/caps/busybox"
	setcap cap_net_raw=ei "$B/rootfs/caps/busybox"
	cfg '.process.capabilities = {bounding: ["CAP_NET_RAW"], permitted: ["CAP_NET_RAW"], effective: ["CAP_NET_RAW"]}
		| .process.noNewPrivileges = false | .process.user = {uid: 1000, gid: 1000}'
	args /caps/busybox grep CapEff /proc/self/status
	inherit() { once; [[ "$output" == *0000000000002000 ]]; }
	beats inheritable,audit inherit
}

@test "R7: the groups of whoever called stay with the process" {
	chgrp 4242 "$T/victim/file"; chmod 040 "$T/victim/file"
	cfg --arg v "$T/victim" '.mounts += [{destination: "/mnt", type: "bind", source: $v, options: ["rbind", "ro"]}]
		| .process.user = {uid: 1000, gid: 1000} | .process.capabilities = {}'
	args cat /mnt/file
	chmod 755 "$T/victim"
	by_group() {
		fresh
		output=$(cd "$B" && setpriv --groups 4242 "$VZ" --root "$ROOT" run "$ID" </dev/null 2>&1)
		[[ "$output" == *precious* ]]
	}
	beats groups by_group
}

@test "R7, R11: a set-user-id file of the image, where no_new_privs was lost on the way" {
	chmod 4755 "$B/rootfs/bin/escape"
	cfg '.process.user = {uid: 1000, gid: 1000} | .process.noNewPrivileges = true'
	args escape id
	become() { once; [ "$output" = 0 ]; }
	beats no-new-privs,audit become
	# The audit alone finds it, and nothing of the container's runs.
	export VZRUN_UNDEFENDED=no-new-privs
	VZ=$UNDEFENDED
	once
	fails 1 "confinement: no_new_privs is 0, not 1 as planned"
	unset VZRUN_UNDEFENDED
}

@test "R11: a filter that was lost on the way, and inheritable capabilities, are found before the exec" {
	cfg '.process.noNewPrivileges = true | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["chroot"], action: "SCMP_ACT_ERRNO"}]}'
	VZ=$UNDEFENDED
	export VZRUN_UNDEFENDED=inheritable
	once
	[ "$status" = 1 ]
	has "confinement: "
	has "is among the inheritable capabilities, against the plan"
	cfg '.process.noNewPrivileges = false'
	export VZRUN_UNDEFENDED=filter
	once
	fails 1 "confinement: the mode of seccomp is 0, not 2 as planned"
	unset VZRUN_UNDEFENDED
}

@test "R11: what must be read-only, and is not any more, is found before the exec: paths, mounts, the root" {
	local f=/proc/sys/kernel/domainname
	VZ=$UNDEFENDED
	args true
	fires() { VZRUN_UNDEFENDED=read-only once; fails 1 "confinement: $1 is not read-only, against the plan"; }
	fires /sys
	cfg '.mounts = [.mounts[] | .options = ((.options // []) - ["ro"])]'
	fires "$(jq -r '.linux.readonlyPaths[0]' "$B/config.json")"
	cfg '.linux.readonlyPaths = [] | .linux.maskedPaths = [] | .root.readonly = true'
	fires "the root"
	# By way of a link of the image's, and where two are mounted at one place.
	mkdir -p "$B/rootfs/mnt" "$B/rootfs/home"
	ln -s ../mnt "$B/rootfs/home/link"
	cfg --arg v "$T/victim" '.root.readonly = false | .mounts += [{destination: "/home/link", type: "bind", source: $v, options: ["rbind", "ro"]}]'
	fires /home/link
	cfg '.mounts += [{destination: "/home/link", type: "tmpfs", source: "t", options: ["ro"]}]'
	fires /home/link
	# What a later row says counts.
	cfg '.mounts += [{destination: "/home/link", type: "tmpfs", source: "t", options: []}]'
	VZRUN_UNDEFENDED=read-only once
	ok
	# Nobody but the audit is in the way of who writes there.
	cfg --arg f "$f" '.mounts = [.mounts[] | select(.destination != "/home/link")] | .linux.readonlyPaths = [$f]'
	sh_ "echo lost >$f; cat $f"
	write() { once; [[ $output = *lost* ]]; }
	beats read-only,audit write
}

@test "R11: a process that is not in its group is found before the exec, of run and of exec" {
	VZ=$UNDEFENDED
	args true
	VZRUN_UNDEFENDED=cgroup once
	[ "$status" = 1 ]
	has "confinement: the process is in group "
	VZRUN_UNDEFENDED=cgroup,audit once
	ok
	VZ=$PRODUCT
	running
	VZRUN_UNDEFENDED=cgroup run "$UNDEFENDED" --root "$ROOT" exec "$ID" true
	[ "$status" != 0 ]
	has "confinement: the process is in group "
	run v exec "$ID" true
	ok
	v delete -f "$ID"
}

@test "in the product no word of all this is left" {
	run strings -a "$UNDEFENDED"
	has VZRUN_UNDEFENDED
	for p in vzrun vzrun-image vzrun-net vzrun-systemd; do
		run strings -a "$BUILD/$p"
		ok
		run ! grep -E 'VZRUN_UNDEFENDED|VZRUN_FAULT' <<<"$output"
	done
}
