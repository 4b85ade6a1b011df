#!/usr/bin/env bats
# Mounts as the configuration asks, and roots that want them somewhere else (rules R4 to R6).
load helpers

setup_file() { need_engine; }
setup() { engine_setup; H=$BATS_TEST_TMPDIR/host; mkdir "$H"; }
teardown() { engine_teardown; }

inside() { sh_ "$1"; go; ok; }
mnt() { cfg --arg h "$H" ".mounts += [$1]"; }
# What mountinfo says of /m: the mount's options, " - ", the file system's
of() { inside "awk '\$5 == \"/m\" { print \$6, \$7, \$0 }' /proc/self/mountinfo"; }

@test "bind mounts: files, directories, read-only, below what is missing" {
	echo text >"$H/f"; mkdir "$H/d"; echo deep >"$H/d/x"
	mnt '{destination: "/new/dir", type: "bind", source: ($h + "/d"), options: ["bind", "ro"]}, {destination: "/new/file", type: "bind", source: ($h + "/f"), options: ["bind"]}'
	inside 'cat /new/dir/x /new/file; touch /new/dir/y 2>&1; echo more >>/new/file'
	says "deep
text
touch: /new/dir/y: Read-only file system"
	[ "$(tail -1 "$H/f")" = more ]
}

@test "destinations may be as long as a path" {
	local n; n=$(printf 'n%.0s' $(seq 200))
	cfg --arg d "/dev/$n/$n/null" '.linux.devices += [{path: $d, type: "c", major: 1, minor: 3}]'
	mnt "{destination: \"/dev/$n/$n/f\", type: \"bind\", source: \"/etc/hosts\", options: [\"bind\"]}"
	inside "ls /dev/$n/$n"
	says "f
null"
}

@test "a relative source is the bundle's" {
	mkdir "$B/data"; echo here >"$B/data/f"
	mnt '{destination: "/m", type: "bind", source: "data", options: ["bind"]}'
	inside 'cat /m/f'; says here
}

@test "every attribute of the option table" {
	local o
	for o in ro nosuid nodev noexec noatime nodiratime relatime strictatime nosymfollow; do
		cp "$B/config.json" "$B/keep"
		mnt '{destination: "/m", type: "tmpfs", source: "t", options: ["'$o'"]}'
		of
		case $o in
		strictatime) hasnt relatime; hasnt noatime ;;
		*) [[ ",${output%% *}," == *",$o,"* ]] || { echo "$o: $output"; return 1; } ;;
		esac
		mv "$B/keep" "$B/config.json"
	done
	for o in rw suid dev exec atime diratime norelatime symfollow defaults async nostrictatime; do
		cp "$B/config.json" "$B/keep"
		mnt '{destination: "/m", type: "tmpfs", source: "t", options: ["nosuid", "'$o'"]}'
		of
		has relatime	# as the kernel chooses, and so it is without one of these words, too
		mv "$B/keep" "$B/config.json"
	done
}

@test "the last word wins" {
	mnt '{destination: "/m", type: "tmpfs", source: "t", options: ["ro", "nosuid", "rw", "suid", "noatime", "strictatime"]}'
	of
	[[ "$output" == "rw shared"* || "$output" == "rw -"* || "$output" == "rw "* ]]
}

@test "recursive attributes reach the mounts below" {
	mkdir -p "$H/d/sub"
	mount -t tmpfs t "$H/d/sub"
	mnt '{destination: "/m", type: "bind", source: ($h + "/d"), options: ["rbind", "rro"]}'
	inside 'touch /m/x 2>&1; touch /m/sub/x 2>&1; echo end'
	mnt '{destination: "/n", type: "bind", source: ($h + "/d"), options: ["rbind", "ro"]}'
	sh_ 'touch /n/sub/x && echo written'
	first=$output
	go; second=$output
	umount "$H/d/sub"
	[ "$first" = "touch: /m/x: Read-only file system
touch: /m/sub/x: Read-only file system
end" ]
	[ "$second" = written ]
}

@test "propagation: private by default, slave receives, shared both" {
	mkdir "$H/p"
	mount --bind "$H/p" "$H/p"; mount --make-shared "$H/p"
	mkdir "$H/p/x"
	mnt '{destination: "/priv", type: "bind", source: ($h + "/p"), options: ["rbind"]}, {destination: "/slave", type: "bind", source: ($h + "/p"), options: ["rbind", "rslave"]}'
	cfg '.linux.rootfsPropagation = "rslave"'
	sh_ 'echo up >/up; while [ ! -e /go ]; do sleep 0.05; done; ls /priv/x /slave/x'
	bg run "$ID" >"$BATS_TEST_TMPDIR/out" 2>&1
	wait_for test -e "$B/rootfs/up"
	mount -t tmpfs t "$H/p/x"; touch "$H/p/x/seen" "$B/rootfs/go"
	ended "$JOB"
	umount "$H/p/x"; umount "$H/p"
	cat "$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = "/priv/x:

/slave/x:
seen" ]
}

@test "nothing that is mounted inside is seen outside" {
	cfg '.process.capabilities |= map_values(. + ["CAP_SYS_ADMIN"])'
	inside 'mount -t tmpfs t /mnt && echo mounted; grep -c " /mnt " /proc/self/mountinfo'
	says "mounted
1"
	[ -z "$(mounts)" ]
}

@test "file systems: tmpfs with data, devpts, mqueue, sysfs, proc with options" {
	mnt '{destination: "/m", type: "tmpfs", source: "t", options: ["size=64k", "mode=1750", "uid=7"]}'
	inside 'stat -c "%a %u" /m; df -k /m | tail -1 | awk "{ print \$2 }"; ls /dev/pts /dev/mqueue >/dev/null && ls -d /sys/class'
	says "1750 7
64
/sys/class"
}

@test "remount changes what is there" {
	mnt '{destination: "/m", type: "tmpfs", source: "t"}, {destination: "/m", source: "t", type: "tmpfs", options: ["remount", "ro", "bind"]}'
	inside 'touch /m/x 2>&1'  || true
	says "touch: /m/x: Read-only file system"
}

@test "cgroups inside: our own only, read-only" {
	inside 'grep -c " /sys/fs/cgroup" /proc/self/mountinfo; cat /proc/self/cgroup | cut -d: -f3 | sort -u; find /sys/fs/cgroup -name "cgroup.procs" -maxdepth 2 | head -1 | while read f; do echo 1 2>&1 >"$f" || echo ro; done'
	has /
	hasnt "vzrun-"
	has "ro"
}

@test "/proc, /sys and /dev of the image as links are refused, and nothing is written elsewhere" {
	for d in proc sys dev; do
		rm -rf "$B/rootfs/$d" "$B/rootfs/elsewhere"
		mkdir "$B/rootfs/elsewhere"
		ln -s /elsewhere "$B/rootfs/$d"
		go
		[ "$status" = 1 ]
		has "symbolic link"
		[ -z "$(ls -A "$B/rootfs/elsewhere")" ]
		rm "$B/rootfs/$d"; mkdir "$B/rootfs/$d"
	done
}

@test "/dev of the image is a link to a volume of the host: no node is made there" {
	cfg --arg h "$H" '.mounts |= map(select(.destination | startswith("/dev") | not)) | .mounts += [{destination: "/vol", type: "bind", source: $h, options: ["rbind"]}]'
	rmdir "$B/rootfs/dev"; ln -s /vol "$B/rootfs/dev"
	touch "$H/ptmx"
	go
	[ "$status" = 1 ]
	has "symbolic link"
	[ "$(ls -A "$H")" = ptmx ]
}

@test "links in the middle of a destination stay inside the root" {
	ln -s / "$B/rootfs/top"; ln -s ../../../../../.. "$B/rootfs/up"; ln -s "$H" "$B/rootfs/abs"
	mkdir "$H/in"; echo volume >"$H/in/f"
	mnt '{destination: "/top/a", type: "bind", source: ($h + "/in"), options: ["bind"]}, {destination: "/up/b", type: "bind", source: ($h + "/in"), options: ["bind"]}, {destination: "/c/../../../d", type: "bind", source: ($h + "/in"), options: ["bind"]}'
	inside 'cat /a/f /b/f /d/f'
	says "volume
volume
volume"
	[ ! -e /a ]
	[ ! -e /b ]
	[ ! -e /d ]
	# An absolute link means inside the root, where that path is made or missing: never the host's.
	mnt '{destination: "/abs/made", type: "bind", source: ($h + "/in"), options: ["bind"]}'
	go
	[ ! -e "$H/made" ]
}

# As many images have /etc/resolv.conf, and engines bind a file there.
@test "a dangling link is a destination: what it leads to is made in the root, and nowhere else" {
	mkdir -p "$B/rootfs/etc"
	ln -sf ../run/made-by-vzrun/stub "$B/rootfs/etc/resolv.conf"
	ln -s /etc/made-by-vzrun/d "$B/rootfs/dangling"
	ln -s ../../../../../../../../../etc/made-by-vzrun-2 "$B/rootfs/upwards"
	mkdir "$H/d"; echo text | tee "$H/f" >"$H/d/g"
	mnt '{destination: "/etc/resolv.conf", type: "bind", source: ($h + "/f"), options: ["bind"]},
	     {destination: "/dangling", type: "bind", source: ($h + "/d"), options: ["bind"]},
	     {destination: "/upwards/sub", type: "bind", source: ($h + "/f"), options: ["bind"]}'
	inside 'cat /etc/resolv.conf /dangling/g /upwards/sub; readlink /etc/resolv.conf'
	says "text
text
text
../run/made-by-vzrun/stub"
	[ -e "$B/rootfs/etc/made-by-vzrun-2/sub" ]
	[ -d "$B/rootfs/etc/made-by-vzrun/d" ]
	[ ! -e /etc/made-by-vzrun ]
	[ ! -e /etc/made-by-vzrun-2 ]
	[ ! -e /run/made-by-vzrun ]
}

@test "a link into /proc as destination is refused" {
	ln -s /proc/sys "$B/rootfs/x"
	ln -s /proc/self/attr "$B/rootfs/y"
	mnt '{destination: "/x", type: "tmpfs", source: "t"}'
	go; fails 1 "mount /x: the destination leads into a procfs"
	cfg '.mounts[-1].destination = "/y/current"'
	go; [ "$status" = 1 ]
}

@test "the few files of /proc that may be covered" {
	echo "MemTotal: 1 kB" >"$H/meminfo"
	mnt '{destination: "/proc/meminfo", type: "bind", source: ($h + "/meminfo"), options: ["bind", "ro"]}'
	inside 'cat /proc/meminfo'; says "MemTotal: 1 kB"
}

@test "the host's /proc may be bound where the pid namespace is the host's" {
	cfg '.linux.namespaces |= map(select(.type != "pid")) | .mounts[0] = {destination: "/proc", type: "bind", source: "/proc", options: ["rbind", "nosuid"]}'
	inside 'test -d /proc/1 && echo there'
	has there
}

@test "a procfs may be looked at elsewhere, but is no place for others' mounts" {
	mnt '{destination: "/host/proc", type: "bind", source: "/proc", options: ["rbind", "ro"]}'
	inside 'grep -c btime /host/proc/stat; (echo >/host/proc/sys/kernel/msgmax) 2>&1; true'
	says "1
/bin/sh: can't create /host/proc/sys/kernel/msgmax: Read-only file system"
	mnt '{destination: "/host/proc/sys", type: "tmpfs", source: "t"}'
	run v run "$ID"
	fails 1 'mount /host/proc/sys: the destination leads into a procfs'
}

@test "/dev/ptmx is the container's own, also where a configuration lists the host's, as engines do for all devices" {
	cfg '.linux.devices = [{path: "/dev/ptmx", type: "c", major: 5, minor: 2}]'
	inside 'readlink /dev/ptmx'; says pts/ptmx
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chmod 755 "$BATS_TEST_TMPDIR" "$B"
	inside 'readlink /dev/ptmx'; says pts/ptmx
}

@test "nodes of the image do not stand in for the default devices" {
	cfg '.mounts |= map(select(.destination | startswith("/dev") | not))'
	echo evil >"$B/rootfs/dev/null"
	go
	fails 1 "device /dev/null: something else is there already"
	rm "$B/rootfs/dev/null"; ln -s /etc/passwd "$B/rootfs/dev/null"
	go
	fails 1 "device /dev/null: something else is there already"
	[ -L "$B/rootfs/dev/null" ]
}

@test "masks come from the host's own null device, whatever the image has" {
	cfg '.mounts |= map(select(.destination | startswith("/dev") | not)) | .linux.maskedPaths = ["/hidden", "/etc"]'
	echo secret >"$B/rootfs/hidden"
	inside 'cat /hidden; ls /etc; echo x >/hidden; cat /hidden'
	says ""
	[ "$(cat "$B/rootfs/hidden")" = secret ]
}

@test "masks cover each other, and what is read-only below them" {
	cfg '.linux.maskedPaths = ["/sys/fs/cgroup", "/sys"] | .linux.readonlyPaths = ["/sys/fs"]'
	inside 'ls /sys; echo end'
	says end
}

@test "masks cannot be taken off" {
	echo secret >"$B/rootfs/hidden"
	cfg '.linux.maskedPaths += ["/hidden"] | .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"; chmod 755 "$BATS_TEST_TMPDIR" "$B"
	inside 'umount /hidden 2>/dev/null; cat /hidden; unshare -Ur true 2>/dev/null; unshare -Urm sh -c "umount /hidden; cat /hidden" 2>/dev/null; echo end'
	hasnt secret
}

@test "--no-pivot: leaving the chroot does not reach the host" {
	cfg '.process.capabilities |= map_values(. + ["CAP_SYS_CHROOT"])'
	sh_ 'mkdir -p /j; cat /etc/passwd | head -1; chroot /j /bin/true 2>/dev/null; ls / | tr "\n" " "'
	run v run --no-pivot "$ID"
	ok
	has "bin"
	hasnt "boot"
	# the classical way out: chroot below, cwd above
	cp "$BATS_TEST_DIRNAME/../tools/unchroot.py" "$BATS_TEST_TMPDIR/" 2>/dev/null || true
}

@test "rootfsPropagation private and unbindable" {
	for p in private rprivate slave rslave shared rshared unbindable; do
		cfg --arg p "$p" '.linux.rootfsPropagation = $p'
		args /bin/true
		go; ok
	done
}

@test "a source that is a link, with copy-symlink and without" {
	echo target >"$H/t"; ln -s t "$H/l"
	mnt '{destination: "/m", type: "bind", source: ($h + "/l"), options: ["bind"]}'
	inside 'cat /m'; says target
}

@test "without openat2 it works the same, links included" {
	traced
	command -v strace >/dev/null
	ln -s / "$B/rootfs/top"; mkdir "$H/in"; echo volume >"$H/in/f"
	mnt '{destination: "/top/a", type: "bind", source: ($h + "/in"), options: ["bind"]}'
	sh_ 'cat /a/f'
	run v run "$ID"
	says volume
	cd "$B"
	run strace -f -qq -o /dev/null -e trace=openat2 -e inject=openat2:error=ENOSYS "$VZ" --root "$ROOT" run "$ID-s" </dev/null
	says volume
	rm -rf "$B/rootfs/proc"; ln -s /elsewhere "$B/rootfs/proc"
	run strace -f -qq -o /dev/null -e trace=openat2 -e inject=openat2:error=ENOSYS "$VZ" --root "$ROOT" run "$ID-s" </dev/null
	[ "$status" = 1 ]
}

@test "a read-only /sys of one container leaves another's in the same network writable" {
	unshare -n sleep 1000 3>&- &
	local holder=$!
	cfg --arg p "/proc/$holder/ns/net" '.linux.namespaces |= map(if .type == "network" then .path = $p else . end)'
	wait_for sh -c "[ \$(readlink /proc/$holder/ns/net) != $(readlink /proc/self/ns/net) ]"
	args sleep 1000
	create
	vz start "$ID"
	run vz exec "$ID" grep -o ' /sys sysfs r[ow],' /proc/mounts
	says " /sys sysfs ro,"
	args grep -o ' /sys sysfs r[ow],' /proc/mounts
	cfg '.mounts |= map(if .type == "sysfs" then .options -= ["ro"] else . end)'
	go "$ID-b"
	kill $holder
	says " /sys sysfs rw,"
}

@test "a read-only /dev and a read-only tmpfs have first what is mounted and made in them" {
	cfg '(.mounts[] | select(.destination == "/dev") | .options) += ["ro"]'
	mnt '{destination: "/t", type: "tmpfs", source: "t", options: ["ro"]}, {destination: "/t/sub", type: "tmpfs", source: "t", options: ["ro", "mode=755"]},
	     {destination: "/t/again", type: "tmpfs", source: "t", options: ["ro"]}, {destination: "/t/again", options: ["remount", "rw"]},
	     {destination: "/t/f", type: "bind", source: ($h + "/f"), options: ["bind"]}'
	echo text >"$H/f"
	inside 'cat /t/f; : >/dev/null && ls /dev/pts/ptmx /dev/shm -d; touch /dev/x /t/x /t/sub/x /t/again/x /dev/shm/x 2>&1
		awk '"'"'$5 ~ "^/t$|^/t/|^/dev$" { sub(",.*", "", $6); print $5, $6 }'"'"' /proc/self/mountinfo'
	says "text
/dev/pts/ptmx
/dev/shm
touch: /dev/x: Read-only file system
touch: /t/x: Read-only file system
touch: /t/sub/x: Read-only file system
/dev ro
/t ro
/t/sub ro
/t/again rw
/t/f rw"
	# With a terminal, whose /dev/console is made last.
	cfg '.process.terminal = true'
	run script -qec "$VZ --root $ROOT run -b $B $ID" /dev/null </dev/null
	has "/dev ro"
}
