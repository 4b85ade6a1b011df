#!/usr/bin/env bats
# A tmpfs over a directory of the image: what it takes over from it, with tmpcopyup all that is in it.
load mounts

setup_file() { need_engine; }
setup() { mounts_setup; }
teardown() { mounts_teardown; }

@test "a tmpfs looks like the directory that it covers, unless its options say otherwise" {
	mkdir "$B/rootfs/a" "$B/rootfs/b"; chmod 2710 "$B/rootfs/a"; chmod 1777 "$B/rootfs/b"
	mnt '{destination: "/a", type: "tmpfs", source: "t"}, {destination: "/b", type: "tmpfs", source: "t", options: ["mode=0700"]}, {destination: "/c", type: "tmpfs", source: "t"}'
	inside 'stat -c %a /a /b /c'
	says "2710
700
1777"
}

@test "tmpcopyup: content, owners, modes, links, times and attributes" {
	local d=$B/rootfs/data
	mkdir -p "$d/sub/deep" "$d/empty"; chmod 1770 "$d/sub"; chmod 751 "$d"; chown 3:4 "$d"
	echo text >"$d/f"; chown 5:6 "$d/f"; chmod 4711 "$d/f"; touch -d @1000000000 "$d/f"
	ln "$d/f" "$d/sub/deep/hard"; ln -s ../f "$d/sub/soft"; ln -s /nowhere "$d/dangling"
	mkfifo -m 640 "$d/fifo"; mknod -m 666 "$d/null" c 1 3
	truncate -s 1T "$d/holes"; printf end | dd of="$d/holes" bs=1 seek=1000000 conv=notrunc 2>/dev/null
	echo cap >"$d/cap"; setcap cap_net_raw=ep "$d/cap"
	printf 'y%.0s' $(seq 300000) >"$d/big"
	cfg '.process.capabilities |= map_values(. + ["CAP_DAC_OVERRIDE"])'
	tmpfs '["tmpcopyup"]'; cfg '.mounts[-1].destination = "/data"'
	inside 'cd /data; stat -c "%n %F %a %u:%g %h" . * sub/* sub/deep/* | grep -v holes; stat -c %Y f; stat -c "%s" holes; readlink sub/soft; readlink dangling; cat sub/soft; dd if=holes bs=1 skip=1000000 count=3 2>/dev/null; echo; [ $(du -k holes | cut -f1) -lt 64 ] && echo sparse; [ f -ef sub/deep/hard ] && echo same; md5sum <big; echo new >f; echo made >made'
	local sum; sum=$(md5sum <"$d/big")
	says ". directory 751 3:4 4
big regular file 644 0:0 1
cap regular file 644 0:0 1
dangling symbolic link 777 0:0 1
empty directory 755 0:0 2
f regular file 4711 5:6 2
fifo fifo 640 0:0 1
sub directory 1770 0:0 3
sub/deep directory 755 0:0 2
sub/soft symbolic link 777 0:0 1
sub/deep/hard regular file 4711 5:6 2
1000000000
1099511627776
../f
/nowhere
text
end
sparse
same
$sum"
	# the image's own stay as they are
	[ "$(cat "$d/f")" = text ]; [ ! -e "$d/made" ]
	args sleep 300
	create; vz start "$ID"
	[[ "$(getcap "/proc/$(pid_of)/root/data/cap")" == *cap_net_raw* ]]
	vz delete -f "$ID"
}

@test "tmpcopyup: read-only, in a user namespace, of what is missing, with modes and owners of its own" {
	mkdir -p "$B/rootfs/data/d"; echo text >"$B/rootfs/data/d/f"; chown 9:9 "$B/rootfs/data"
	cfg '.process.capabilities |= map_values(. + ["CAP_DAC_OVERRIDE"])'
	tmpfs '["tmpcopyup", "ro", "mode=0700", "uid=7", "gid=8"]'; cfg '.mounts[-1].destination = "/data"'
	inside 'cat /data/d/f; touch /data/x 2>/dev/null || echo ro; stat -c "%a %u:%g" /data'
	says "text
ro
700 7:8"
	tmpfs '["tmpcopyup"]'; cfg '.mounts[-1].destination = "/missing/dir"'
	inside 'ls -A /missing/dir; touch /missing/dir/x; ls /missing/dir'
	says x
	[ -z "$(ls -A "$B/rootfs/missing/dir")" ]
	tmpfs '["tmpcopyup"]'; cfg '.mounts[-1].destination = "/data"'
	userns
	chown 100005:100006 "$B/rootfs/data/d/f"
	inside 'cat /data/d/f; stat -c %u:%g /data/d/f'
	says "text
5:6"
}

@test "tmpcopyup: what the image does not mean well neither hangs nor leads out" {
	local d=$B/rootfs/data p i
	mkdir "$d"; mkfifo "$d/fifo"; ln -s /etc "$d/etc"; ln -s "$H" "$d/host"; ln -s . "$d/loop"
	echo secret >"$H/secret"; ln -s "$H/secret" "$d/secret"
	python3 -c 'import socket,sys,os; os.chdir(sys.argv[1]); socket.socket(socket.AF_UNIX).bind("sock")' "$d"
	tmpfs '["tmpcopyup"]'; cfg '.mounts[-1].destination = "/data"'
	inside 'cd /data; ls -F; cat secret 2>/dev/null; ls host 2>/dev/null; true'
	says "etc@
fifo|
host@
loop@
secret@
sock="
	# the directory is a link out of the root: its target inside is what is covered and copied
	ln -s "$H" "$B/rootfs/away"; mkdir -p "$B/rootfs$H"; echo inner >"$B/rootfs$H/inner"
	cfg '.mounts[-1].destination = "/away"'
	inside "ls $H /away/"
	hasnt secret; has inner
	[ "$(ls "$H")" = secret ]
	# deeper than anyone needs
	p=$d; for i in $(seq 200); do p=$p/x; done; mkdir -p "$p"
	cfg '.mounts[-1].destination = "/data"'
	go
	fails 1 "mount /data: tmpcopyup: more than 128 directories deep"
	[ -z "$(state_left)$(groups_left)" ]
}

@test "tmpcopyup: what is mounted below is not copied; the size of the tmpfs is the limit" {
	mkdir -p "$B/rootfs/data/vol" "$H/d"; echo big >"$H/d/huge"; echo f >"$B/rootfs/data/f"
	mnt '{destination: "/data/vol", type: "bind", source: ($h + "/d"), options: ["bind"]}, {destination: "/data", type: "tmpfs", source: "t", options: ["tmpcopyup"]}'
	inside 'ls /data'
	says f
	head -c 300000 /dev/zero | tr '\0' x >"$B/rootfs/data/f"
	mnt '{destination: "/data", type: "tmpfs", source: "t", options: ["tmpcopyup", "size=64k"]}'
	go
	fails 1 "mount /data: tmpcopyup: copy f: No space left on device"
	[ -z "$(state_left)$(groups_left)" ]
}
