#!/usr/bin/env bats
# Defences that rest on an order of steps, raced: two names of the image, or of a guest's tree, change places all the
# while, as another container that shares them could do it. Each is run 1,000 times (tests/hard/escapes); what the
# same attacks do at the right moment, without a race, is in tests/bats/54-escapes*.
BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../bats
load guest
load escapes

setup_file() { need_escapes; need_guests busybox; }
setup() {
	guest_setup
	make_bundle
	T=$BATS_TEST_TMPDIR
	ROUNDS=${ESCAPE_ROUNDS:-1000}
	mkdir "$T/victim"
	echo precious >"$T/victim/file"
	cp "$ESCAPE" "$B/rootfs/bin/escape"
}
teardown() { unswap; unset VZRUN_UNDEFENDED; VZ=$PRODUCT; engine_teardown_all; }
engine_teardown_all() {
	local id
	for id in $(vz list -q 2>/dev/null); do vz delete -f "$id" >/dev/null 2>&1; done
	guest_teardown
}

# For the length of a test; the attacker is one process.
swapping() { "$ESCAPE" swap "$@" 3>&- 6>&- & SWAP=$!; }
unswap() { [ -z "${SWAP:-}" ] || { kill "$SWAP"; wait "$SWAP" 2>/dev/null || true; SWAP=; }; }

made_outside() { once; [ "$status" -le 1 ] || { echo "$output"; exit 1; }; [ -e "$T/victim/made" ]; }

@test "a destination is swapped for a link while it is mounted on (CVE-2021-30465, CVE-2024-45310)" {
	mkdir -p "$B/rootfs/data"; ln -s "$T/victim" "$B/rootfs/link"
	cfg '.mounts += [{destination: "/data/made/by/us", type: "tmpfs", source: "t"}]'
	args true
	swapping "$B/rootfs/data" "$B/rootfs/link"
	beats in-root made_outside
	rm -rf "$T/victim/made"
}

@test "the working directory is swapped for a link while it is made" {
	mkdir -p "$B/rootfs/w"; ln -s "$T/victim" "$B/rootfs/link"
	cfg '.process.cwd = "/w/made"'
	args true
	swapping "$B/rootfs/w" "$B/rootfs/link"
	beats in-root made_outside
	rm -rf "$T/victim/made"
}

@test "/dev is swapped for a link to a volume while devices, links and masks are made (CVE-2025-31133, CVE-2025-52565)" {
	mkdir -p "$T/volume"; rm -rf "$B/rootfs/dev"; mkdir "$B/rootfs/dev"; ln -s /vol "$B/rootfs/link"
	cfg --arg v "$T/volume" '.mounts = [.mounts[] | select(.destination | startswith("/dev") | not)]
		+ [{destination: "/vol", type: "bind", source: $v, options: ["rbind"]}]'
	args true
	into_volume() { once; [ "$status" -le 1 ] || { echo "$output"; exit 1; }; [ -n "$(ls -A "$T/volume")" ]; }
	swapping "$B/rootfs/dev" "$B/rootfs/link"
	beats special-places,no-links into_volume
}

@test "/proc of the image is swapped for another directory while its files are masked and made read-only" {
	mkdir "$B/rootfs/other"
	cfg '.linux.maskedPaths = ["/proc/keys", "/proc/timer_list"] | .linux.readonlyPaths = ["/proc/sys", "/proc/sysrq-trigger"]'
	sh_ 'for p in /proc /other; do [ -e $p/uptime ] && (exec 9>>$p/sys/vm/overcommit_memory) 2>/dev/null && echo open; done; true'
	open_levers() { once; [[ "$output" == *open* ]]; }
	swapping "$B/rootfs/proc" "$B/rootfs/other"
	beats proc-mount open_levers
}

@test "files become links to the host's while a tmpfs is filled with them (CVE-2018-15664)" {
	mkdir "$B/rootfs/data"; echo own >"$B/rootfs/data/a"; ln -s "$T/victim/file" "$B/rootfs/data/.b"
	cfg '.mounts += [{destination: "/data", type: "tmpfs", source: "t", options: ["tmpcopyup"]}]'
	sh_ 'for f in /data/a /data/.b; do [ -L $f ] || cat $f; done'
	copied() { once; [[ "$output" == *precious* ]]; }
	swapping "$B/rootfs/data/a" "$B/rootfs/data/.b"
	beats nofollow,same-file copied
}

@test "a file becomes a link to the host's while a tree is imported as an image" {
	mkdir "$T/tree"; echo own >"$T/tree/a"; ln -s "$T/victim/file" "$T/b"
	VZRUN_HOME=$T/store
	imported() {
		rm -rf "$T/store"
		run "$VZ-image" import --ref race:1 "$T/tree"
		[ "$status" = 0 ] && grep -qsr precious "$T/store/images/layers"
	}
	swapping "$T/tree/a" "$T/b"
	beats nofollow imported
}

@test "passwd becomes a link to the host's while exec reads it (CVE-2024-9676)" {
	echo "root:x:0:0::/of-the-host:/bin/sh" >"$T/victim/file"
	ln -s "$T/victim/file" "$B/rootfs/etc/other"
	cfg '.process.env = ["PATH=/bin"]'
	args true
	# Looked up by the host's name, in the child's view of it before the pivot, or not at all.
	leaked() { fresh; sh_ 'echo $HOME'; run v run "$ID"; [[ "$output" == *of-the-host* ]]; }
	swapping "$B/rootfs/etc/passwd" "$B/rootfs/etc/other"
	attack "$ROUNDS" leaked && return 1
	true
}

@test "the runtime's executable is hunted for by a process inside while others join (CVE-2019-5736)" {
	local all whole copy
	all=$(capsh --print | sed -n 's/^Bounding set =//p' | tr ',' '\n' | tr a-z A-Z | jq -R . | jq -sc .)
	cfg --argjson c "$all" '.process.capabilities = {bounding: $c, effective: $c, permitted: $c}'
	args sh -c 'escape hunt >/hunted 2>&1'
	overwritten() {
		local whole=$VZ VZ=$T/vzrun i r=1
		rm -f "$B/rootfs/stop" "$VZ"
		cp "$whole" "$VZ"
		# It holds what is executed inside, too, and writes to that.
		cp --remove-destination "$(command -v busybox)" "$B/rootfs/bin/busybox"
		fresh
		v create "$ID"; v start "$ID"
		wait_for grep -qs up "$B/rootfs/hunted"
		for i in $(seq "$JOINS"); do v exec "$ID" true || true; cmp -s "$whole" "$VZ" || { r=0; break; }; done
		touch "$B/rootfs/stop"
		# It has been seen, and held: that is no hunt that found nothing.
		grep -q saw "$B/rootfs/hunted" || r=2
		VZ=$PRODUCT vz delete -f "$ID"
		return $r
	}
	JOINS=$((ROUNDS * 2)) ROUNDS=1
	local r=0
	overwritten || r=$?
	[ "$r" = 1 ] || { echo "the hunt: $r"; cat "$B/rootfs/hunted"; return 1; }
	beats self overwritten
}

@test "directories become links to the host's while a guest's tree is removed" {
	removed() {
		local u=$VZRUN_HOME/guests/$G/disk/upper
		echo precious >"$T/victim/file"
		VZ=$PRODUCT busybox_guest --net none
		mkdir "$u/a"; ln -s "$T/victim" "$u/b"
		swapping "$u/a" "$u/b"
		run vz destroy -f "$G"
		unswap
		[ ! -e "$VZRUN_HOME/guests/$G" ] || VZ=$PRODUCT vz destroy -f "$G" >/dev/null
		[ ! -e "$T/victim/file" ]
	}
	beats nofollow,one-mount removed
}

@test "/etc becomes a link to the host's while a guest's files are written there" {
	busybox_guest --net none --userns host --storage dir
	local u=$VZRUN_HOME/guests/$G/rootfs
	[ -d "$u/etc" ]
	ln -s "$T/victim" "$u/link"
	outside() {
		run vz start --no-wait "$G"
		VZ=$PRODUCT vz stop --kill "$G" >/dev/null 2>&1 || true
		[ -e "$T/victim/hosts" ] || [ -e "$T/victim/hostname" ]
	}
	swapping "$u/etc" "$u/link"
	beats in-root outside
}
