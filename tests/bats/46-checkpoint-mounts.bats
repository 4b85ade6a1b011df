#!/usr/bin/env bats
# Mounts of a container that is checkpointed or restored: what an image may name of the host, and what lies in a volume.
load criu

setup_file() { need_criu; }
setup() { criu_setup; }
teardown() { engine_teardown; }

restored() { rm -f "$BATS_TEST_TMPDIR/asked"; run v --criu "$BATS_TEST_TMPDIR/criu" restore --image-path "$IMAGE" "$ID"; }

@test "restore: an image names no place of the host that config.json does not give to the container" {
	local at
	asking_criu
	mkdir "$BATS_TEST_TMPDIR/data"
	cfg '.mounts += [{destination:"/data",type:"bind",source:$d,options:["rbind"]}]' --arg d "$BATS_TEST_TMPDIR/data"
	for at in /dev/../etc /data/../../etc /data/.. etc; do
		jq -nc '[$ARGS.positional[]]' --args "$at" >"$IMAGE/external.json"
		restored
		fails 1 "restore: $IMAGE/external.json: \"$at\" is no place of a mount"
		[ ! -e "$BATS_TEST_TMPDIR/asked" ]
	done
	for at in /dev/shm /dev/sda /etc; do
		jq -nc '[$ARGS.positional[]]' --args "$at" >"$IMAGE/external.json"
		restored
		fails 1 "restore: something of the host was mounted at $at, and config.json has no mount there (what a hook has mounted comes back only as one of its mounts)"
		[ ! -e "$BATS_TEST_TMPDIR/asked" ]
	done
	jq -nc '[$ARGS.positional[]]' --args /data >"$IMAGE/external.json"
	restored
	grep -aqF "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/asked"
}

@test "restore: what was mounted inside a volume is looked for inside it, whatever links are there by now" {
	local d=$BATS_TEST_TMPDIR/data
	asking_criu
	mkdir -p "$d/real" "$d/..sub"
	echo mine >"$d/file"
	ln -s /etc "$d/link"
	ln -s real "$d/near"
	cfg '.mounts += [{destination:"/data",type:"bind",source:$d,options:["rbind"]}]' --arg d "$d"
	for at in /data/link /data/link/ssl /data/near; do
		jq -nc '[$ARGS.positional[]]' --args "$at" >"$IMAGE/external.json"
		restored
		[ "$status" -eq 1 ]
		has "restore: what was mounted at $at: in $d: open ${at#/data/}: "
		[ ! -e "$BATS_TEST_TMPDIR/asked" ]
	done
	# What is found is handed over by its descriptor, at a place that the volume's writers do not reach.
	jq -nc '[$ARGS.positional[]]' --args /data/real /data/file /data/..sub >"$IMAGE/external.json"
	restored
	for at in 0 1 2; do grep -aqF "$ROOT/$ID/$at" "$BATS_TEST_TMPDIR/asked"; done
	run ! grep -aF "$d/" "$BATS_TEST_TMPDIR/asked"
}

@test "checkpoint: what is mounted inside a volume comes back with it" {
	works
	local d=$BATS_TEST_TMPDIR/data
	mkdir -p "$d/sub"
	: >"$d/file"
	mount -t tmpfs t "$d/sub"
	echo below >"$d/sub/x"
	echo bound >"$BATS_TEST_TMPDIR/other"
	mount --bind "$BATS_TEST_TMPDIR/other" "$d/file"
	cfg '.mounts += [{destination:"/data",type:"bind",source:$d,options:["rbind","rw"]}]' --arg d "$d"
	counter
	started
	wait_for above 3
	checkpoint
	run v restore -d --image-path "$IMAGE" "$ID"
	local said=$output was=$status in
	in=$(vz exec "$ID" cat /data/sub/x /data/file || true)
	vz delete -f "$ID"
	umount "$d/sub" "$d/file"
	[ "$was" -eq 0 ] || { echo "$said"; return 1; }
	[ "$in" = $'below\nbound' ]
}

@test "restore that fails early leaves a mount on the root where it is" {
	asking_criu
	export IMAGE ID B ROOT VZ BATS_TEST_TMPDIR
	# shellcheck disable=SC2016 # expanded inside
	run unshare -Urm --propagation private sh -c '
		mount -t tmpfs none "$B/rootfs" || exit 9
		echo 0 >/proc/sys/user/max_mnt_namespaces || exit 9
		cd "$B"
		"$VZ" --root "$BATS_TEST_TMPDIR/inner" --criu "$BATS_TEST_TMPDIR/criu" --cgroup-manager disabled \
			restore --image-path "$IMAGE" "$ID"
		echo "status $?"
		grep -cF " $B/rootfs " /proc/self/mountinfo'
	[ "${lines[0]}" = "vzrun: restore: a mount namespace for criu: No space left on device" ]
	[ "${lines[1]}" = "status 1" ]
	[ "${lines[2]}" = 1 ]
}

@test "restore: a bind's destination may go through links of the root, and over a volume" {
	local d=$BATS_TEST_TMPDIR/data
	asking_criu
	mkdir -p "$d/sub" "$B/rootfs/real/conf"
	ln -s /real "$B/rootfs/short"
	ln -s /../../etc "$B/rootfs/out"
	cfg '.mounts += [{destination:"/short//conf/",type:"bind",source:$d},{destination:"/real/conf/sub",type:"bind",source:$s},
		{destination:"/out/x",type:"bind",source:$s}]' --arg d "$d" --arg s "$BATS_TEST_TMPDIR"
	mkdir "$B/rootfs/etc/x"
	jq -nc '[$ARGS.positional[]]' --args /real/conf /real/conf/sub /etc/x >"$IMAGE/external.json"
	restored
	grep -aqF "$d" "$BATS_TEST_TMPDIR/asked"
	run ! grep -aqF "$d/sub" "$BATS_TEST_TMPDIR/asked"
	# Where the link leads is the place of the mount, and the link is not.
	jq -nc '[$ARGS.positional[]]' --args /short/conf >"$IMAGE/external.json"
	restored
	fails 1 "restore: something of the host was mounted at /short/conf, and config.json has no mount there (what a hook has mounted comes back only as one of its mounts)"
}

@test "restore: places to mount on are made where they are gone, on the root and on volumes" {
	local d=$BATS_TEST_TMPDIR/data
	asking_criu
	mkdir -p "$d" "$BATS_TEST_TMPDIR/outside"
	ln -s ../outside "$d/out"
	: >"$BATS_TEST_TMPDIR/file"
	cfg '.mounts += [{destination:"/data",type:"bind",source:$d},{destination:"/data/for/nested",type:"bind",source:$d},
		{destination:"/data/file",type:"bind",source:$f},{destination:"/data/out/x",type:"bind",source:$d},
		{destination:"/mem",type:"tmpfs",source:"t"},{destination:"/mem/below",type:"bind",source:$d}]' \
		--arg d "$d" --arg f "$BATS_TEST_TMPDIR/file"
	echo '[]' >"$IMAGE/external.json"
	restored
	[ -e "$BATS_TEST_TMPDIR/asked" ]
	[ -d "$d/for/nested" ]
	[ -f "$d/file" ]
	[ -d "$B/rootfs/mem" ]
	# A tmpfs brings its own; a link leads nowhere but in the volume.
	[ ! -e "$B/rootfs/mem/below" ]
	[ -z "$(ls "$BATS_TEST_TMPDIR/outside")" ]
}
