#!/usr/bin/env bats
# Idmapped mounts: what the process inside sees of ids on disk, and what is on disk of files made inside.
load helpers

setup_file() { need_engine; }
setup() {
	engine_setup
	H=$BATS_TEST_TMPDIR/host; mkdir "$H"
	chmod 755 "$BATS_TEST_TMPDIR" "$B"
	D=$H/d; mkdir "$D"; echo zero >"$D/zero"; echo five >"$D/five"; chown 5:6 "$D/five"
}
teardown() { engine_teardown; umount_all; }
umount_all() { local m; for m in $(mounts | awk '{ print $5 }' | sort -r); do umount "$m"; done; }

inside() { sh_ "$1"; go; ok; }
mnt() { cfg --arg h "$H" ".mounts += [$1]"; }
bind() { mnt '{destination: "/m", type: "bind", source: ($h + "/d"), options: '"$1}"; }
with_maps() { cfg --argjson m "[{\"containerID\": $1, \"hostID\": $2, \"size\": $3}]" '.mounts[-1] += {uidMappings: $m, gidMappings: $m}'; }
userns() {
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"
}
LIST='stat -c "%n %u:%g" /m /m/zero /m/five'
plain="/m 0:0
/m/zero 0:0
/m/five 5:6"

@test "mappings of the mount, without a user namespace" {
	bind '["bind"]'; with_maps 0 1000 100
	inside "$LIST"
	says "/m 1000:1000
/m/zero 1000:1000
/m/five 1005:1006"
	sh_ 'touch /m/made 2>&1'
	cfg '.process.user = {uid: 1003, gid: 1004}'
	chmod 777 "$D"
	go; ok
	[ "$(stat -c %u:%g "$D/made")" = 3:4 ]
}

@test "an id that no mapping names cannot make files" {
	bind '["bind"]'; with_maps 0 1000 100
	chmod 777 "$D"
	sh_ 'touch /m/made'
	go
	[ "$status" = 1 ]
	has "Value too large"
	[ ! -e "$D/made" ]
}

@test "with the word idmap, too; the mount's own mappings go before the container's" {
	userns
	bind '["bind", "idmap"]'; with_maps 0 100010 10
	inside "$LIST"
	says "/m 10:10
/m/zero 10:10
/m/five 15:16"
}

@test "idmap alone: the container's user namespace; without it the host's ids are nobody's" {
	userns
	bind '["bind", "idmap"]'
	chmod 777 "$D"
	cfg '.process.user = {uid: 7, gid: 8}'
	inside "$LIST; touch /m/made; stat -c %u:%g /m/made"
	says "$plain
7:8"
	[ "$(stat -c %u:%g "$D/made")" = 7:8 ]
	cfg '.mounts[-1].options = ["bind"]'
	inside "$LIST"
	says "/m 65534:65534
/m/zero 65534:65534
/m/five 65534:65534"
}

@test "idmap and a user namespace by path" {
	unshare -U sleep 300 3>&- & local p=$!
	user_ns() { [ "$(readlink "/proc/$p/ns/user")" != "$(readlink /proc/self/ns/user)" ]; }
	wait_for user_ns
	echo "0 200000 65536" >"/proc/$p/gid_map"; echo "0 200000 65536" >"/proc/$p/uid_map"
	cfg --arg n "/proc/$p/ns/user" '.linux.namespaces += [{type: "user", path: $n}]'
	chown -R 200000:200000 "$B/rootfs"
	bind '["bind", "idmap"]'
	sh_ "$LIST"; go
	kill "$p"; wait "$p" || true
	says "$plain"
}

@test "the option's own maps, absolute and relative to the container" {
	bind '["rbind", "idmap=uids=0-1-1#5-50-2;gids=0-2-10"]'
	inside "$LIST"
	says "/m 1:2
/m/zero 1:2
/m/five 50:8"
	userns
	cfg '.mounts[-1].options = ["bind", "idmap=uids=@0-10-1#@5-20-1;gids=@0-30-10"]'
	inside "$LIST"
	says "/m 10:30
/m/zero 10:30
/m/five 20:36"
	# gids are not named: they stay as the container maps them
	cfg '.mounts[-1].options = ["bind", "idmap=uids=@0-10-20"]'
	inside "$LIST"
	says "/m 10:0
/m/zero 10:0
/m/five 15:6"
}

@test "idmap maps one mount, ridmap those below as well" {
	mkdir "$D/sub" "$H/below"; touch "$H/below/f"
	mount --bind "$H/below" "$D/sub"
	bind '["rbind", "idmap=uids=0-1-10;gids=0-1-10"]'
	sh_ 'stat -c %u /m /m/sub /m/sub/f | tr "\n" " "'
	go; ok; says "1 0 0 "
	cfg '.mounts[-1].options = ["rbind", "ridmap=uids=0-1-10;gids=0-1-10"]'
	go; ok; says "1 1 1 "
	cfg '.mounts[-1].options = ["rbind", "ridmap", "ro", "rnosuid"]'; with_maps 0 3 10
	go; ok; says "3 3 3 "
}

@test "a file, a read-only mount, several mounts with the same and other maps" {
	mnt '{destination: "/f", type: "bind", source: ($h + "/d/five"), options: ["bind", "ro", "idmap=uids=5-1-1;gids=6-2-1"]}'
	mnt '{destination: "/a", type: "bind", source: ($h + "/d"), options: ["bind", "ro", "idmap=uids=0-1-10;gids=0-1-10"]}'
	mnt '{destination: "/b", type: "bind", source: ($h + "/d"), options: ["bind", "idmap=uids=0-1-10;gids=0-1-10"]}'
	mnt '{destination: "/c", type: "bind", source: ($h + "/d"), options: ["bind", "idmap=uids=0-8-10;gids=0-1-10"]}'
	inside 'stat -c %u:%g /f /a/five /b/five /c/five; cat /f; touch /a/x 2>&1'  || true
	says "1:2
6:7
6:7
13:7
five
touch: /a/x: Read-only file system"
}

@test "a new tmpfs is idmapped" {
	mnt '{destination: "/m", type: "tmpfs", source: "t", options: ["mode=777", "idmap=uids=0-1000-10;gids=0-1000-10"]}'
	cfg '.process.user = {uid: 1001, gid: 1002}'
	sh_ 'stat -c %u:%g /m; touch /m/f; stat -c %u:%g /m/f'
	go
	[ "$output" != 'vzrun: mount /m: idmap: file system "tmpfs": idmapped mounts are not supported' ] ||
		skip "kernel: a tmpfs is not idmapped before Linux 6.3"
	ok
	says "1000:1000
1001:1002"
}

@test "a file system that cannot be idmapped is named, with the destination" {
	mnt '{destination: "/m", type: "bind", source: "/sys/kernel", options: ["bind", "idmap=uids=0-1-1;gids=0-1-1"]}'
	go
	fails 1 'mount /m: idmap: file system "sysfs": idmapped mounts are not supported'
	cfg '.mounts[-1] = {destination: "/m", type: "mqueue", source: "m", options: ["idmap=uids=0-1-1;gids=0-1-1"]}'
	go
	fails 1 'mount /m: idmap: file system "mqueue": idmapped mounts are not supported'
	[ -z "$(state_left)$(groups_left)" ]
}

@test "what is contradictory or missing is refused before anything is made" {
	local n
	n=$(jq '.mounts | length' "$B/config.json")
	bind '["bind", "idmap"]'
	go; fails 1 "mounts[$n] (/m): idmap: needs uidMappings and gidMappings, or a user namespace of the container"
	cfg '.mounts[-1].uidMappings = [{containerID: 0, hostID: 1, size: 1}]'
	go; fails 1 "config.json: mounts[$n].gidMappings: missing"
	cfg '.mounts[-1] |= del(.uidMappings)'
	cfg '.mounts[-1].gidMappings = [{containerID: 0, hostID: 1, size: 1}]'
	go; fails 1 "config.json: mounts[$n].uidMappings: missing"
	cfg '.mounts[-1].uidMappings = [{containerID: 0, hostID: 1, size: 0}]'
	go; fails 1 "config.json: mounts[$n].uidMappings[0].size: must not be 0"
	cfg '.mounts[-1] |= del(.uidMappings, .gidMappings) | .mounts[-1].options = ["bind", "idmap=uids=0-1"]'
	go; fails 1 "mounts[$n] (/m): idmap: uids: \"0-1\" is not FROM-TO-SIZE"
	cfg '.mounts[-1].options = ["bind", "idmap=uids=@0-1-1"]'
	go; fails 1 "mounts[$n] (/m): idmap: uids: id 1 is not mapped in the container's user namespace"
	cfg '.mounts[-1] = {destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["idmap=uids=0-1-1;gids=0-1-1"]}'
	go; fails 1 "mounts[$n] (/sys/fs/cgroup): idmap: only a bind mount or a new file system can be idmapped"
	[ ! -e "$ROOT/$ID" ]
}

@test "the kernel refuses overlapping maps: said with the destination, nothing is left" {
	bind '["bind", "idmap=uids=0-1-10#5-20-10;gids=0-1-1"]'
	go
	[ "$status" = 1 ]
	[[ "$output" = "vzrun: mount /m: idmap: write /proc/"*"/uid_map: Invalid argument" ]]
}

@test "an idmapped source that is a link is resolved on the host, by the host's rights, and no further" {
	ln -s d "$H/l"
	mnt '{destination: "/m", type: "bind", source: ($h + "/l"), options: ["bind", "idmap=uids=0-1-10;gids=0-1-10"]}'
	inside "$LIST"
	says "/m 1:1
/m/zero 1:1
/m/five 6:7"
	# a destination that leads out of the root means a place inside of it, which is made there
	ln -s "$H" "$B/rootfs/out"
	cfg '.mounts[-1].destination = "/out/new"'
	inside 'stat -c %u:%g /out/new/five'
	says 6:7
	[ -d "$B/rootfs$H/new" ]
	[ ! -e "$H/new" ]
	[ "$(stat -c %u:%g "$D/five")" = 5:6 ]
}

@test "the short-lived user namespace is gone, and no mapping is left on the host" {
	bind '["bind", "idmap=uids=0-1-10;gids=0-1-10"]'
	args sleep 300
	create; vz start "$ID"
	local p; p=$(pid_of)
	# no descriptor of it in the process, nor a process that holds it
	[ -z "$(ls -l "/proc/$p/fd" | grep -E 'user:|mnt:')" ]
	[ "$(stat -c %u:%g "$D/five")" = 5:6 ]
	vz delete -f "$ID"
}

@test "message queues in a user namespace belong to its root" {
	userns
	inside 'stat -c %u:%g /dev/mqueue; readlink /proc/self/ns/ipc'
	[ "${lines[0]}" = 0:0 ]
	[ "${lines[1]}" != "$(readlink /proc/self/ns/ipc)" ]
}
