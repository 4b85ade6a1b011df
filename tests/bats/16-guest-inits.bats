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
	run vz stop -t 20s "$G"
	[ "$status" -eq 0 ]
	[ "$output" = "$G stopped" ]
	[[ $(why) == *"stopped by the host, powered off cleanly"* ]]
	grep -qx -- "-h now" "$VZRUN_HOME/guests/$G/disk/upper/shutdown-args"
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
