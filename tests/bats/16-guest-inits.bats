#!/usr/bin/env bats
# Inits that are not systemd and not busybox: each is asked to stop in its own way.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; }
teardown() { guest_teardown; }

# A root whose /sbin/init is a program called "init", as sysvinit's is, and whose shutdown tells it to end.
sysv_root() {
	local r=$BATS_TEST_TMPDIR/sysv
	mkdir -p "$r"/{bin,sbin,etc,proc,sys,dev,run,tmp,root}
	cp /bin/busybox "$r/bin/busybox"
	ln -s busybox "$r/bin/sh"
	cp /bin/busybox "$r/sbin/init"
	printf '#!/bin/sh\necho "$@" >/shutdown-args\nexec /bin/busybox poweroff -f\n' >"$r/sbin/shutdown"
	chmod 755 "$r/sbin/shutdown"
	printf '::respawn:/bin/busybox sleep 1000\n' >"$r/etc/inittab"
	echo root:x:0:0:root:/root:/bin/sh >"$r/etc/passwd"
	echo "$r"
}

@test "sysvinit: its own shutdown command is run inside, and reaped" {
	vz create "$G" --rootfs "$(sysv_root)" --net none >/dev/null
	vz start "$G" >/dev/null
	[ "$(basename "$(readlink "/proc/$(init_of)/exe")")" = init ]
	# An upgrade of it does not make another of it.
	vz exec "$G" /bin/busybox sh -c '/bin/busybox cp /sbin/init /sbin/new && /bin/busybox mv /sbin/new /sbin/init'
	[[ $(readlink "/proc/$(init_of)/exe") == *"init (deleted)" ]]
	run vz stop -t 20s "$G"
	[ "$status" -eq 0 ]
	[ "$output" = "$G stopped" ]
	[[ $(why) == *"stopped by the host, powered off cleanly"* ]]
	grep -qx -- "-h now" "$VZRUN_HOME/guests/$G/disk/upper/shutdown-args"
	# The keeper of the next boot sees that one end.
	vz start "$G" >/dev/null
	vz restart -t 20s "$G" >/dev/null
	vz exec "$G" /bin/busybox poweroff -f || true
	wait_for guest_status_is stopped
}

@test "a program that is no init gets the signal of its configuration" {
	vz create "$G" --template busybox --net none -- sh -c 'trap "exit 7" USR1; : >/ready; while :; do sleep 0.1; done' >/dev/null
	edit '.vzrun.stopSignal = "SIGUSR1"'
	vz start "$G" >/dev/null
	wait_for test -e "$VZRUN_HOME/guests/$G/disk/upper/ready"
	run vz stop -t 20s "$G"
	[ "$output" = "$G stopped" ]
	[[ $(why) == *"exited with status 7"* ]]
}

# A root as that of a distribution with this systemd: what tells its version, and an init that stays.
with_systemd() {
	local r
	r=$(sysv_root)
	mkdir -p "$r/usr/lib/$(uname -m)-linux-gnu/systemd"
	: >"$r/usr/lib/$(uname -m)-linux-gnu/systemd/libsystemd-shared-$1.so"
	vz create "$G" --rootfs "$r" --net none >/dev/null
}
cgroup_fs() { vz exec "$G" /bin/busybox awk '$2 == "/sys/fs/cgroup" { print $3 }' /proc/mounts; }

@test "systemd that runs on cgroup v2 alone finds that, also where the host has v1; an older one finds what the host has" {
	local all=tmpfs
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || all=cgroup2
	grep -q ' cgroup2 ' /proc/mounts || skip "no cgroup v2 is mounted on this host"
	with_systemd 257
	vz start "$G" >/dev/null
	[ "$(cgroup_fs)" = $all ]
	vz stop -t 0 "$G"
	# An update inside, which leaves the old one covered in the layer below.
	local dir=$VZRUN_HOME/guests/$G/disk/upper/usr/lib/$(uname -m)-linux-gnu/systemd
	mkdir -p "$dir"
	: >"$dir/libsystemd-shared-258.4.so"
	vz start "$G" >/dev/null
	[ "$(cgroup_fs)" = cgroup2 ]
	# It is the guest's own, to divide as it likes, and no way to the host's.
	vz exec "$G" /bin/sh -c 'echo $$ >/sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/own && echo $$ >/sys/fs/cgroup/own/cgroup.procs && /bin/busybox grep -c ^0::/own /proc/self/cgroup'
}

@test "where no cgroup v2 is mounted, systemd that needs it is refused by name, and what to do is said" {
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || skip "this host has cgroup v2 alone"
	with_systemd 260
	run unshare -m sh -c 'for m in $(awk "\$3 == \"cgroup2\" { print \$2 }" /proc/mounts); do umount -l "$m"; done; exec "$@"' sh \
		"$VZ" --root "$ROOT" start "$G"
	[ "$status" -eq 8 ]
	has "its systemd 260 runs on cgroup v2 only, which is not mounted on this host"
	has "mount -t cgroup2"
}

@test "an image whose directories for kinds of machines lead back to themselves does not keep its guest's start busy" {
	local r
	r=$(sysv_root)
	mkdir -p "$r/usr/lib/a-linux-x" "$r/usr/lib/b-linux-x"
	ln -s .. "$r/usr/lib/a-linux-x/systemd"
	ln -s .. "$r/usr/lib/b-linux-x/systemd"
	vz create "$G" --rootfs "$r" --net none >/dev/null
	vz start "$G"
}
