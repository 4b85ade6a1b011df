#!/usr/bin/env bats
# SELinux, enforcing: the keeper's own domain (tests/vm/run -l selinux).
load selinux

setup() {
	selinux_setup
	as_installed
	T=$BATS_TEST_TMPDIR
}
teardown() { selinux_teardown; }

is_keepers() { [ "$(label_of "$(keeper_of)")" = "$(guest_label | sed s/:vzrun_t:/:vzrun_keeper_t:/)" ]; }
rebooted() { [ "$(grep -c '"event":"started"' "$VZRUN_HOME/guests/${1:-$G}/events")" -ge "$2" ]; }
wait_for_boot() { wait_for rebooted "$1" "$2" && wait_for guest_status_is running "$1"; }

@test "the keeper is in its domain, with its guest's categories, over start, reboot from inside, logs, its own death and stop" {
	vz create "$G" --template busybox --memory 64M --tag x >/dev/null
	vz start "$G" >/dev/null
	is_keepers
	[ "$(vz exec "$G" echo in)" = in ]
	run python3 "$PTY" '?leaves it' '!\n' '?#' '!echo mark$((6 * 7))\n' '?mark42' '!\x1d' -- "$VZ" --root "$ROOT" console "$G"
	has mark42
	vz logs "$G" | grep -q mark42
	vz exec "$G" reboot
	wait_for_boot "$G" 2
	is_keepers
	[ "$(vz exec "$G" echo again)" = again ]
	# What it wrote is everybody's of the host: the next keeper reads it.
	[ -z "$(find "$VZRUN_HOME/networks" "$VZRUN_HOME/guests/$G/events" /run/vzrun-ids ! -context '*:s0' -print)" ]
	kill -9 "$(keeper_of)"
	wait_for not_kept
	vz recover >/dev/null
	vz restart "$G" >/dev/null
	is_keepers
	vz exec "$G" poweroff
	wait_for guest_status_is stopped
	vz start "$G" >/dev/null
	vz stop "$G" >/dev/null
	wait_for not_kept
	nothing_denied vzrun_keeper_t
}
not_kept() { [ -z "$(keepers_left)" ]; }

@test "a guest of --userns host and --storage dir, volumes, ports, devices, and a network with names whose server the keeper starts" {
	mkdir "$T/vol"
	echo vol >"$T/vol/f"
	vz network create n$$ --dns yes >/dev/null
	vz create "$G" --template busybox --memory 64M --cpus 0.5 --net n$$ --bind "$T/vol:/vol:Z" >/dev/null
	vz create "$G-b" --template busybox --storage dir --userns host --features tun --features fuse --features nesting --net n$$ >/dev/null
	vz port add "$G" 8088:80 >/dev/null
	kill "$(pgrep -f "dnsmasq .*/[0-9a-f]*.n$$/pid")"
	vz start "$G" >/dev/null
	[[ $(label_of "$(pgrep -f "dnsmasq .*/[0-9a-f]*.n$$/pid")") = *:vzrun_keeper_t:* ]]
	vz start "$G-b" >/dev/null
	[ "$(vz exec "$G" cat /vol/f)" = vol ]
	vz exec "$G" nslookup "$G-b" >/dev/null
	vz exec "$G-b" sh -c 'mkdir /tmp/t; mount -t tmpfs t /tmp/t; echo x >/root/x; reboot'
	wait_for_boot "$G-b" 2
	[ "$(vz exec "$G-b" cat /root/x)" = x ]
	# Who takes more than there is: the kernel's log names it, and the keeper reads that.
	run vz exec "$G" dd if=/dev/zero of=/dev/shm/x bs=1M count=200
	wait_for grep -q '"event":"oom-kill"' "$VZRUN_HOME/guests/$G/events"
	vz why "$G" | grep -q 'killed "dd"'
	vz stop "$G" "$G-b" >/dev/null
	vz destroy "$G" >/dev/null
	vz destroy "$G-b" >/dev/null
	vz network rm n$$ >/dev/null
	nothing_denied vzrun_keeper_t
}

attempts() { python3 "$BATS_TEST_DIRNAME/47-selinux-keeper.py" "$@"; }

# Where an administrator has them.
in_place() {
	VZRUN_HOME=/var/lib/t$$-home ROOT=/run/t$$-root
	mkdir -m 700 "$VZRUN_HOME"
	ln -s "$STORE/images" "$VZRUN_HOME/images"
}

@test "the domain keeps secrets, /etc, devices, programs, other guests and their records, and the way back; without it all is reached" {
	local of t types="cert_t dnssec_t ipsec_key_file_t krb5_keytab_t ssh_home_t sshd_key_t tls_privkey_t user_home_t"
	local own="guest config record state " all
	all="shadow $types /etc /usr /boot /root disk program guest config record filters state away forged guests home trace networks "
	in_place
	mkdir "$T/secrets" "$VZRUN_HOME/networks"
	for t in $types; do
		echo "$t" >"$T/secrets/$t"
		chcon -t "$t" "$T/secrets/$t"
	done
	vz create "$G" --template busybox --storage dir --userns host --net none >/dev/null
	vz create "$G-b" --template busybox --net none >/dev/null
	vz start "$G" >/dev/null
	vz start "$G-b" >/dev/null
	of=("$VZRUN_HOME/guests/$G" "$ROOT/$G" "$(init_of)" "$T/secrets")
	run attempts "${of[@]}"
	says "$all"
	run attempts "${of[@]}" "$(label_of "$(keeper_of "$G-b")")"
	says "networks "
	# Its own guest's are the keeper's to use.
	run attempts "${of[@]}" "$(label_of "$(keeper_of "$G\$")")"
	says "${own}networks "
	vz why "$G-b" | grep -q 'SELinux kept "python3" from'
	vz destroy -f "$G" "$G-b" >/dev/null
	rm -r "$VZRUN_HOME" "$ROOT"
}

@test "no domain where the guest has no label of ours, or hooks: they run as the administrator does" {
	printf '#!/bin/sh\ntr -d "\\0" </proc/self/attr/current >%s\n' "$T/hook.label" >"$T/hook"
	chmod 755 "$T/hook"
	vz create "$G" --template busybox --net none --selinux none >/dev/null
	vz start "$G" >/dev/null
	[ "$(label_of "$(keeper_of)")" = "$(id -Z)" ]
	vz destroy -f "$G" >/dev/null
	vz create "$G" --template busybox --net none >/dev/null
	edit --arg h "$T/hook" '.hooks.createRuntime = [{path: $h}]'
	vz start "$G" >/dev/null
	[ "$(label_of "$(keeper_of)")" = "$(id -Z)" ]
	[ "$(cat "$T/hook.label")" = "$(id -Z)" ]
}

@test "a policy of an earlier module, without the keeper's type, is refused by name" {
	sed s/vzrun_keeper_t/vzrun_nobody_t/g "$(policy_file)" >"$T/policy"
	load_file "$T/policy"
	run vz create "$G" --template busybox --net none
	refuses 8 "SELinux is on, and its policy has no vzrun_keeper_t, the type of their keepers"
	has "semodule -i "
	[ ! -e "$VZRUN_HOME/guests/$G" ]
}
