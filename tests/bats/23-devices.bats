#!/usr/bin/env bats
# What is in /dev: the default devices and links, linux.devices with their modes and owners, and what is in the way.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; chmod 755 "$BATS_TEST_TMPDIR" "$B"; H=$BATS_TEST_TMPDIR/host; mkdir "$H"; }
teardown() { engine_teardown; }

inside() { sh_ "$1"; go; ok; }
dev() { cfg ".linux.devices = [$1]"; }
userns() {
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"
}
FUSE='{path: "/dev/fuse", type: "c", major: 10, minor: 229'
need_fuse() { [ -c /dev/fuse ] || skip "kernel: no fuse"; }

@test "the default devices and links" {
	inside 'cd /dev; for n in null zero full random urandom tty; do stat -c "%n %F %a %u:%g %t:%T" $n; done; for l in fd stdin stdout stderr core ptmx; do echo "$l $(readlink $l)"; done; echo x >null; head -c 2 zero | od -An -tx1; echo x 2>&1 >full || true'
	says "null character special file 666 0:0 1:3
zero character special file 666 0:0 1:5
full character special file 666 0:0 1:7
random character special file 666 0:0 1:8
urandom character special file 666 0:0 1:9
tty character special file 666 0:0 5:0
fd /proc/self/fd
stdin /proc/self/fd/0
stdout /proc/self/fd/1
stderr /proc/self/fd/2
core /proc/kcore
ptmx pts/ptmx
 00 00
sh: write error: No space left on device"
}

@test "linux.devices: type, number, mode with set-id and sticky bits, owner, below what is missing" {
	dev '{path: "/dev/a/b/c", type: "c", major: 10, minor: 229, fileMode: 1664, uid: 3, gid: 4}, {path: "/disk", type: "b", major: 7, minor: 5, fileMode: 416}, {path: "/dev/u", type: "u", major: 10, minor: 200}, {path: "/dev/pipe", type: "p", fileMode: 438, uid: 5, gid: 6, major: 1, minor: 2}, {path: "/dev/suid", type: "c", major: 10, minor: 229, fileMode: 3565}'
	inside 'for n in /dev/a/b/c /disk /dev/u /dev/pipe /dev/suid; do stat -c "%n %F %a %u:%g %t:%T" $n; done; echo through >/dev/pipe & cat /dev/pipe'
	says "/dev/a/b/c character special file 3200 3:4 a:e5
/disk block special file 640 0:0 7:5
/dev/u character special file 666 0:0 a:c8
/dev/pipe fifo 666 5:6 0:0
/dev/suid character special file 6755 0:0 a:e5
through"
}

@test "linux.devices takes the place of a default device" {
	dev '{path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 384, uid: 9}, {path: "/dev/ptmx", type: "c", major: 5, minor: 2}'
	inside 'stat -c "%a %u" /dev/null; readlink /dev/ptmx'
	says "600 9
pts/ptmx"
}

@test "in a user namespace the host's nodes are bound, a fifo is made" {
	need_fuse
	userns
	dev "$FUSE}, {path: \"/dev/pipe\", type: \"p\", uid: 5, gid: 6}"
	inside 'stat -c "%F %t:%T" /dev/fuse /dev/null; stat -c "%F %u:%g" /dev/pipe; chmod 600 /dev/fuse 2>&1; head -c 0 /dev/null && echo opens'
	says "character special file a:e5
character special file 1:3
fifo 5:6
chmod: /dev/fuse: Read-only file system
opens"
	dev '{path: "/dev/zero", type: "c", major: 1, minor: 3}'
	go; fails 1 "device /dev/zero: the host's /dev/zero is not device 1:3"
	dev '{path: "/dev/nowhere", type: "c", major: 10, minor: 229}'
	if [ ! -e /dev/char/10:229 ]; then
		go; fails 1 "device /dev/nowhere: the host's /dev/nowhere: No such file or directory"
	fi
}

@test "in a user namespace another name finds the host's node by its number" {
	need_fuse
	userns
	dev '{path: "/dev/renamed", type: "c", major: 10, minor: 229}, {path: "/dev/liar", type: "c", major: 1, minor: 7}'
	sh_ 'stat -c "%F %t:%T" /dev/renamed'
	cat >"$BATS_TEST_TMPDIR/script" <<-S
	set -e
	mount -t tmpfs t "$H"; for n in null zero full random urandom tty fuse; do cp -a /dev/\$n "$H/"; done
	mkdir "$H/char" "$H/pts" "$H/shm"; ln -s ../fuse "$H/char/10:229"; ln -s ../null "$H/char/1:7"
	mount --bind "$H" /dev
	cd "$B"; exec "$VZ" --root "$ROOT" run "$ID" </dev/null
	S
	run unshare -m --propagation private bash "$BATS_TEST_TMPDIR/script"
	# a link that leads to another device is no way to it
	fails 1 "device /dev/liar: the host's /dev/liar: No such file or directory"
	cfg '.linux.devices |= .[:1]'
	run unshare -m --propagation private bash "$BATS_TEST_TMPDIR/script"
	ok; says "character special file a:e5"
}

@test "the host's /dev, however it is spelled, stays as it is" {
	local d before
	before=$(ls -l /dev | sha256sum)
	for d in /dev //dev /dev/ /dev/. /x/../dev; do
		cfg --arg d "$d" '.mounts |= map(select(.destination | test("^/+(dev|x/)") | not)) | .mounts += [{destination: $d, type: "bind", source: "/dev", options: ["rbind"]}] | .linux.devices = [{path: "/dev/made-by-vzrun", type: "p"}]'
		inside '[ -e /dev/made-by-vzrun ] || echo none'
		says none
		[ "$(ls -l /dev | sha256sum)" = "$before" ]
	done
}

@test "a device of the image with the right number stays, anything else in its place is refused" {
	cfg '.mounts |= map(select(.destination | startswith("/dev") | not))'
	mknod -m 600 "$B/rootfs/dev/null" c 1 3
	inside 'stat -c %a /dev/null; stat -c %t:%T /dev/zero'
	says "600
1:5"
	local make
	for make in 'mknod X c 1 5' 'mknod X b 1 3' 'mkfifo X' 'touch X' 'mkdir X' 'ln -s /etc/passwd X' 'ln -s null X'; do
		rm -rf "$B/rootfs/dev/null"
		eval "${make//X/$B/rootfs/dev/null}"
		go
		fails 1 "device /dev/null: something else is there already"
	done
	rm -rf "$B/rootfs/dev"; mkdir "$B/rootfs/dev"; ln -s "$H" "$B/rootfs/dev/sub"
	dev '{path: "/dev/sub/n", type: "c", major: 1, minor: 3}'
	go; [ "$status" = 1 ]; has 'device /dev/sub/n: "sub" of the root filesystem is a symbolic link, which is refused here'
	[ -z "$(ls -A "$H")" ]
}

@test "a terminal's console is not bound over what the image has there" {
	cfg '.process.terminal = true | .mounts |= map(select(.destination | startswith("/dev") | not)) | .mounts += [{destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"]}]'
	ln -s /etc/passwd "$B/rootfs/dev/console"
	cd "$B"
	run timeout 100 python3 "$TOP/tests/tools/console.py" --pty 80x24 "$VZ" --root "$ROOT" run "$ID" </dev/null
	has "symbolic link"
	head -1 "$B/rootfs/etc/passwd" | grep -q root
}

@test "numbers, types and paths that are none are refused with their place" {
	dev '{path: "/dev/x", type: "c", major: 4096, minor: 0}'
	go; fails 1 "config.json: linux.devices[0].major: must be 0 to 4095"
	dev '{path: "/dev/x", type: "c", major: 1}'
	go; fails 1 "config.json: linux.devices[0].minor: missing"
	dev '{path: "/dev/x", type: "s", major: 1, minor: 1}'
	go; fails 1 'config.json: linux.devices[0].type: unknown value "s"'
	dev '{path: "dev/x", type: "p"}'
	go; fails 1 "config.json: linux.devices[0].path: must be absolute"
	dev '{path: "/proc/x", type: "p"}'
	go; fails 1 "device /proc/x: the path leads into a procfs"
}

@test "of devices with one path the first is made, as by runc" {
	dev '{path: "/dev/x", type: "c", major: 1, minor: 5}'
	cfg '.linux.devices += [{path: "/dev//x", type: "c", major: 1, minor: 5}]'
	args stat -c %t:%T /dev/x
	go; ok; says 1:5
	cfg '.linux.devices += [{path: "/dev/x", type: "c", major: 1, minor: 3}]'
	go; ok
	says "vzrun: warning: linux.devices: /dev/x is there twice, and the first is made
1:5"
}

@test "a device in a user namespace: other rights than the host's node has are said" {
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
	     | .linux.gidMappings = .linux.uidMappings
	     | .linux.devices = [{path: "/dev/zero", type: "c", major: 1, minor: 5, fileMode: 384, uid: 1000}]'
	chown -R 100000:100000 "$B/rootfs"
	args /bin/stat -c %a /dev/zero
	run v run "$ID"
	[ "$status" -eq 0 ]
	has "device /dev/zero: in a user namespace it is the host's node: mode 0666 and its owner, not 0600 and 1000:0"
	cfg '.linux.devices[0] |= (.fileMode = 438 | .uid = 0)'
	run v run "$ID"
	says 666
}
