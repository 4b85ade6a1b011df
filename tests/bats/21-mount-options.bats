#!/usr/bin/env bats
# Options of mounts, each seen from inside; what cannot work is refused with the one line that says so.
load mounts

setup_file() { need_engine; }
setup() { mounts_setup; }
teardown() { mounts_teardown; }

# ---- options of the superblock ----

@test "superblock options reach the file system" {
	local o
	for o in sync dirsync lazytime; do
		tmpfs "[\"$o\"]"
		of
		[[ ",${output##* }," == *",$o,"* ]] || { echo "$o: $output"; return 1; }
	done
	tmpfs '["sync", "async", "lazytime", "nolazytime"]'
	of
	hasnt sync; hasnt lazytime
}

@test "words of mount(8), and what every mount is anyway, change nothing" {
	tmpfs '["defaults", "nomand", "silent", "loud", "noiversion", "x-systemd.automount", "X-note=1"]'
	attrs
	says rw,relatime
}

@test "mandatory locks, which kernels have no more, are told and left out" {
	tmpfs '["mand"]'
	go
	ok; says 'vzrun: warning: mount option "mand" is left out: kernels since 5.15 have no mandatory locks'
}

@test "bits of mount(2) that a file system has not are told and left out" {
	local o
	for o in iversion acl noacl; do
		tmpfs "[\"$o\", \"size=64k\"]"
		of
		has "vzrun: warning: mount option \"$o\" is left out: the file system has no such thing"; has size=64k
	done
}

@test "an option that is unknown is the file system's, whose answer names it" {
	tmpfs '["sizze=5"]'
	go
	[ "$status" = 1 ]
	[[ "$output" = 'vzrun: mount /m: option "sizze=5": Invalid argument'* ]]
	has "Unknown parameter 'sizze'"
	tmpfs '["size=lots"]'
	go
	has 'option "size=lots": Invalid argument'; has "Bad value for 'size'"
	mnt '{destination: "/m", type: "nofs", source: "t"}'
	go
	fails 1 'mount /m: file system "nofs": No such device'
}

@test "a bind mount takes no options of a file system" {
	mkdir "$H/d"
	local o
	for o in size=5 rsync nobarrier; do
		bind "[\"bind\", \"$o\"]"
		go
		fails 1 "mounts[$N] (/m): option \"$o\": bind mounts cannot have any filesystem-specific options applied"
	done
	bind '["bind", "async", "defaults", "x-note"]'
	inside true
}

@test "a bind mount keeps its file system's superblock: what is said of that is told and left out" {
	mkdir "$H/d"
	local o
	for o in sync dirsync lazytime iversion acl; do
		bind "[\"bind\", \"$o\"]"
		go
		ok; says "vzrun: warning: mount /m: option \"$o\" is left out: a bind mount keeps its file system's"
	done
}

@test "options that only one kind of mount has" {
	mkdir "$H/d"
	bind '["bind", "tmpcopyup"]'
	go; fails 1 "mounts[$N] (/m): option \"tmpcopyup\": only a tmpfs starts with what it covers"
	tmpfs '["copy-symlink"]'
	go; fails 1 "mounts[$N] (/m): option \"copy-symlink\": only for bind mounts"
	tmpfs '["dest-nofollow"]'
	go; fails 1 "mounts[$N] (/m): option \"dest-nofollow\": only for bind mounts"
}

# ---- attributes ----

@test "recursive attributes, each and its contrary" {
	mkdir -p "$H/d/sub"
	mount --bind "$H/d" "$H/d"; mount -t tmpfs t "$H/d/sub"
	both() { inside "awk '\$5 ~ \"^/m\" { printf \"%s \", \$6 }' /proc/self/mountinfo"; }
	local o a b
	for o in ro nosuid nodev noexec noatime nodiratime nosymfollow; do
		bind "[\"rbind\", \"r$o\"]"
		both; read -r a b <<<"$output"
		[[ ",$a," == *",$o,"* && ",$b," == *",$o,"* ]] || { echo "r$o: $output"; return 1; }
		bind "[\"rbind\", \"$o\"]"
		both; read -r a b <<<"$output"
		[[ ",$a," == *",$o,"* && ",$b," != *",$o,"* ]] || { echo "$o: $output"; return 1; }
	done
	mount -o remount,bind,ro,nosuid,nodev,noexec,noatime "$H/d"
	mount -o remount,bind,ro,nosuid,nodev,noexec,noatime "$H/d/sub"
	bind '["rbind", "rrw", "rsuid", "rdev", "rexec", "ratime", "rdiratime", "rsymfollow"]'
	both; says "rw,relatime rw,relatime "
	bind '["rbind", "rstrictatime"]'
	both; hasnt atime
	for o in rnostrictatime rnorelatime; do
		bind "[\"rbind\", \"$o\"]"
		both; [ "$(grep -o relatime <<<"$output" | wc -l)" = 2 ]
	done
	# the top's own word does not reach below, and what was there stays
	bind '["rbind", "rw"]'
	both; says "rw,nosuid,nodev,noexec,noatime ro,nosuid,nodev,noexec,noatime "
}

@test "in a user namespace the attributes of the source stay" {
	userns
	mkdir -p "$H/d"; mount -t tmpfs -o nosuid,nodev,noexec,mode=755 t "$H/d"
	bind '["bind", "ro"]'
	attrs
	says ro,nosuid,nodev,noexec,relatime
	bind '["rbind", "rro"]'
	attrs
	says ro,nosuid,nodev,noexec,relatime
	mnt '{destination: "/m", type: "bind", source: ($h + "/d"), options: ["bind"]}, {destination: "/m", options: ["remount", "bind", "ro"]}'
	attrs
	says ro,nosuid,nodev,noexec,relatime
}

@test "nosymfollow: links of the mount are not followed" {
	mkdir "$H/d"; echo text >"$H/d/f"; ln -s f "$H/d/l"
	bind '["bind", "nosymfollow"]'
	inside 'cat /m/f; cat /m/l 2>&1; readlink /m/l' || true
	says "text
cat: can't open '/m/l': Too many levels of symbolic links
f"
}

# ---- remount ----

@test "remount of the mount, and of its file system" {
	mnt '{destination: "/m", type: "tmpfs", source: "t", options: ["size=64k"]}, {destination: "/m", options: ["remount", "size=128k", "nosuid"]}'
	of
	[[ "$output" == "rw,nosuid,relatime"*"size=128k"* ]]
	mnt '{destination: "/m", type: "tmpfs", source: "t"}, {destination: "/m", options: ["remount", "ro"]}'
	of
	[[ "$output" == ro,* && "${output##* }" == ro,* ]] || { echo "$output"; return 1; }
	mnt '{destination: "/m", type: "tmpfs", source: "t"}, {destination: "/m", options: ["remount", "bind", "ro"]}'
	of
	[[ "$output" == ro,* && "${output##* }" == rw,* ]] || { echo "$output"; return 1; }
	mnt '{destination: "/m", type: "tmpfs", source: "t"}, {destination: "/m", options: ["remount", "sizze=1"]}'
	go; has "option \"sizze=1\": Invalid argument (tmpfs: Unknown parameter 'sizze')"
	mnt '{destination: "/nowhere", options: ["remount", "bind", "ro"]}'
	go; fails 1 "remount /nowhere: open /nowhere in the root: No such file or directory"
}

# ---- sources and destinations of binds ----

@test "a file on a directory, a directory on a file: said which is which, and that the type is wrong" {
	mkdir "$H/d" "$B/rootfs/dir"; echo x >"$H/f"; echo y >"$B/rootfs/file"
	mnt '{destination: "/file", type: "bind", source: ($h + "/d"), options: ["bind"]}'
	go
	fails 1 "mount /file: directory $H/d cannot cover a file: Not a directory"
	mnt '{destination: "/dir", type: "bind", source: ($h + "/f"), options: ["bind"]}'
	go
	fails 1 "mount /dir: file $H/f cannot cover a directory: Not a directory"
	mnt '{destination: "/m", type: "bind", source: ($h + "/missing"), options: ["bind"]}'
	go
	fails 1 "mount /m: source $H/missing: No such file or directory"
}

@test "copy-symlink makes the link, src-nofollow binds it, dest-nofollow covers it" {
	echo host >"$H/t"; ln -s t "$H/l"; ln -s /etc/passwd "$B/rootfs/dl"
	mnt '{destination: "/new/l", type: "bind", source: ($h + "/l"), options: ["bind", "copy-symlink"]}'
	inside 'readlink /new/l'; says t
	go; ok; says t
	[ "$(readlink "$B/rootfs/new/l")" = t ]
	mnt '{destination: "/new/f", type: "bind", source: ($h + "/t"), options: ["bind", "copy-symlink"]}'
	inside 'cat /new/f'; says host
	echo other >"$B/rootfs/there"
	mnt '{destination: "/there", type: "bind", source: ($h + "/l"), options: ["bind", "copy-symlink"]}'
	go; fails 1 "mount /there: something else is there already"
	mnt '{destination: "/dl", type: "bind", source: ($h + "/t"), options: ["bind", "dest-nofollow"]}'
	inside 'cat /dl; head -c 4 /etc/passwd'; says "host
root"
	mnt '{destination: "/dl", type: "bind", source: ($h + "/t"), options: ["bind"]}'
	inside 'cat /etc/passwd'; says host
	[ "$(head -c 4 "$B/rootfs/etc/passwd")" = root ]
}

@test "rbind with ro: the top alone; bind leaves out what is mounted below" {
	mkdir -p "$H/d/sub"; mount -t tmpfs t "$H/d/sub"; touch "$H/d/sub/below"
	bind '["rbind", "ro"]'
	inside 'touch /m/x 2>/dev/null || echo ro; touch /m/sub/x && ls /m/sub'
	says "ro
below
x"
	bind '["bind"]'
	inside 'ls -A /m/sub'
	says ""
}

# ---- propagation ----

# A container that waits for /go, with a shared mount of the host's as /m; then HOST is mounted on the host's side
# and inside SH runs. Everything in a private mount namespace.
propagate() {
	mkdir -p "$H/d/x"
	bind "$1"
	cfg --arg p "$2" '.linux.rootfsPropagation = (if $p == "" then null else $p end) | .process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
	sh_ 'echo up >/up; while [ ! -e /go ]; do sleep 0.05; done; [ -e /m/x/host ] && echo came; mkdir -p /m/y; mount -t tmpfs t /m/y; touch /m/y/inside; echo up >/up2; while [ ! -e /go2 ]; do sleep 0.05; done'
	rm -f "$B"/rootfs/{up,up2,go,go2}
	cat >"$BATS_TEST_TMPDIR/script" <<-S
	set -e
	mount --make-rprivate /
	mount --bind "$H/d" "$H/d"; mount --make-rshared "$H/d"
	cd "$B"
	"$VZ" --root "$ROOT" run "$ID" </dev/null & job=\$!
	wait_for() { for i in \$(seq 400); do [ -e "\$1" ] && return; sleep 0.025; done; exit 9; }
	wait_for "$B/rootfs/up"
	mount -t tmpfs t "$H/d/x"; touch "$H/d/x/host"; touch "$B/rootfs/go"
	wait_for "$B/rootfs/up2"
	[ ! -e "$H/d/y/inside" ] || echo went
	touch "$B/rootfs/go2"
	wait \$job
	S
	run unshare -m --propagation private bash "$BATS_TEST_TMPDIR/script"
	ok
}

@test "propagation of a bind: which way mounts go" {
	propagate '["rbind"]' ""; says ""
	propagate '["rbind", "rprivate"]' "rshared"; says ""
	propagate '["rbind", "rslave"]' ""; says came
	propagate '["rbind", "rslave"]' "rslave"; says came
	propagate '["rbind", "rshared"]' "rshared"; says "came
went"
	propagate '["bind", "shared"]' "shared"; says "came
went"
	# shared inside alone, where the root is not shared with the host
	propagate '["rbind", "rshared"]' ""; says came
	propagate '["rbind", "rshared"]' "rprivate"; says came
	propagate '["rbind", "runbindable"]' ""; says ""
}

@test "propagation of a bind in a user namespace: never out to the host" {
	mkdir -p "$H/d/y"; chown -R 100000:100000 "$H/d"
	userns
	propagate '["rbind", "rshared"]' rshared; says came
	propagate '["rbind", "rslave"]' ""; says came
	propagate '["rbind"]' ""; says ""
}

@test "propagation tags of every value, on mounts and on the root" {
	local p tag
	mkdir "$H/d"; mount --bind "$H/d" "$H/d"; mount --make-private "$H/d"
	for p in private rprivate slave rslave; do bind "[\"rbind\", \"$p\"]"; of; [[ "$output" != *shared:* && "$output" != *master:* ]]; done
	for p in shared rshared; do bind "[\"rbind\", \"$p\"]"; of; [[ "$output" == *shared:* ]]; done
	for p in unbindable runbindable; do bind "[\"rbind\", \"$p\"]"; of; [[ "$output" == *unbindable* ]]; done
	mnt '{destination: "/m", type: "tmpfs", source: "t", options: ["shared"]}'
	of; [[ "$output" == *shared:* ]]
	sh_ 'awk "\$5 == \"/\" { print \$7 }" /proc/self/mountinfo'
	while read -r p tag; do
		cfg --arg p "$p" '.linux.rootfsPropagation = $p'
		go; ok
		[[ "$output" == $tag* ]] || { echo "$p: $output"; return 1; }
	done <<-'T'
	private -
	rprivate -
	slave -
	rslave -
	shared shared:
	rshared shared:
	unbindable unbindable
	runbindable unbindable
	T
	cfg '.linux.rootfsPropagation = "most"'
	go; fails 1 'config.json: linux.rootfsPropagation: unknown value "most"'
}

@test "a shared root and a shared parent of it: our mounts are not seen on the host" {
	cfg '.linux.rootfsPropagation = "rshared" | .process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
	sh_ 'mount -t tmpfs t /mnt; grep -c . /proc/self/mountinfo >/dev/null; echo mounted'
	cat >"$BATS_TEST_TMPDIR/script" <<-S
	set -e
	mount --bind "$B" "$B"; mount --make-rshared /
	cd "$B"
	grep -c . /proc/self/mountinfo >"$BATS_TEST_TMPDIR/before"
	"$VZ" --root "$ROOT" create "$ID" </dev/null
	grep -c . /proc/self/mountinfo >"$BATS_TEST_TMPDIR/created"
	"$VZ" --root "$ROOT" start "$ID"
	"$VZ" --root "$ROOT" delete -f "$ID"
	grep -c . /proc/self/mountinfo >"$BATS_TEST_TMPDIR/after"
	S
	run unshare -m --propagation private bash "$BATS_TEST_TMPDIR/script"
	ok
	cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/created"
	cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "options too long for fsconfig: an overlay of layers far down, with attributes, in a user namespace too" {
	local far=$H/$(printf 'a%.0s' {1..200})/$(printf 'b%.0s' {1..200})
	mkdir -p "$far"/{one,two,upper,work} "$H/ov"; echo 1 >"$far/one/f"; echo 2 >"$far/two/g"
	mount -t overlay o -o "lowerdir=$far/one:$far/two,upperdir=$far/upper,workdir=$far/work" "$H/ov" 2>/dev/null ||
		skip "kernel: no overlay on the file system of $BATS_TEST_TMPDIR"
	umount "$H/ov"
	mnt '{destination: "/o", type: "overlay", source: "overlay", options: ["nodev", "noexec", "lowerdir='"$far/one:$far/two"'", "upperdir='"$far/upper"'", "workdir='"$far/work"'"]}'
	inside 'cat /o/f /o/g; echo 3 >/o/h; grep -c " /o .*nodev.*noexec" /proc/self/mountinfo; grep -c " /o " /proc/mounts'
	says "1
2
1
1"
	[ "$(cat "$far/upper/h")" = 3 ]
	cfg '.mounts[-1].options = ["ro", "lowerdir='"$far/one:$far/two"'"] | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chmod 755 "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "$BATS_TEST_TMPDIR" "$B"
	inside 'cat /o/f /o/g; touch /o/x 2>&1 || true'
	says "1
2
touch: /o/x: Read-only file system"
}

@test "a mount label where SELinux is off is said once, and nothing else changes" {
	[ ! -e /sys/fs/selinux/enforce ] || skip "kernel: SELinux is on"
	cfg '.linux.mountLabel = "system_u:object_r:container_file_t:s0:c1,c2"'
	tmpfs '[]'
	sh_ 'echo runs'
	run v run "$ID"
	ok
	has runs
	[ "$(grep -c 'SELinux is off on this host: "system_u:object_r:container_file_t:s0:c1,c2" has no effect' <<<"$output")" = 1 ]
}

@test "a mount label where SELinux is on: on new file systems, not on those that have their own" {
	[ -e /sys/fs/selinux/enforce ] || skip "kernel: SELinux is off"
	cfg '.linux.mountLabel = "system_u:object_r:container_file_t:s0:c1,c2"'
	tmpfs '[]'
	args sleep 300
	create; vz start "$ID"
	local p m; p=$(pid_of)
	for m in m dev/pts dev/shm dev/mqueue; do
		[ "$(stat -c %C "/proc/$p/root/$m")" = system_u:object_r:container_file_t:s0:c1,c2 ] || { stat -c '%n %C' "/proc/$p/root/$m"; return 1; }
	done
	[[ "$(stat -c %C "/proc/$p/root/proc")" != *container_file_t* ]]
	vz delete -f "$ID"
}
