#!/usr/bin/env bats
# AppArmor: a guest's own profile from start to stop and what it forbids that nothing else does; profiles by name; a
# bundle's apparmorProfile. On most hosts only what is refused for the lack of it; the rest in the machine of
# tests/vm/run -l apparmor.
load guest

POLICY=/sys/kernel/security/apparmor

setup_file() { need_guests busybox; }
setup() { guest_setup; engine_bundle; }
teardown() {
	rm -f "$BATS_TEST_TMPDIR/profile"
	guest_teardown
	[ -z "$(own_profile)" ] || { echo "left: $(own_profile)"; return 1; }
}

on() { [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; }
need_apparmor() { on || skip "kernel: AppArmor is off"; }
engine_bundle() { B=$BATS_TEST_TMPDIR/bundle ID=t$$-$BATS_TEST_NUMBER-c; }
# The guest's own profile, as long as it is loaded.
own_profile() { sed -n "s/^\(vzrun-${1:-$G}-[0-9a-f]\{16\}\) (enforce)$/\1/p" $POLICY/profiles 2>/dev/null; }
label_of() { tr -d '\0' <"/proc/$1/attr/current"; }
# A profile of the administrator's: everything but a directory named so.
load_profile() {
	printf 'profile %s flags=(attach_disconnected) { file, network, capability, mount, umount, signal, ptrace, audit deny /tmp/no/** w, }\n' \
		"$1" | apparmor_parser --replace --skip-cache --quiet
}
drop_profile() { printf %s "$1" >$POLICY/.remove; }
# A guest that is one process, of the host's ids, with nothing before its /proc and /sys but what AppArmor says.
bare_guest() {
	local name=$1; shift
	vz create "$name" --template busybox --memory 64M --net none --userns host "$@" -- /bin/sh -c 'exec sleep 100000' >/dev/null
	edit_of "$name" '.linux.maskedPaths = [] | .linux.readonlyPaths = []'
}
edit_of() { jq "$2" <"$(conf "$1")" >"$BATS_TEST_TMPDIR/new.json" && cp "$BATS_TEST_TMPDIR/new.json" "$(conf "$1")"; }
in_guest() { run vz exec "$G" /bin/sh -c "$1"; }

@test "where AppArmor is off: a profile by name is refused, auto and none are not" {
	! on || skip "kernel: AppArmor is on"
	run vz create "$G" --template busybox --net none --apparmor web
	refuses 8 '--apparmor: AppArmor profile "web": AppArmor is off on this host'
	guests_gone
	running_guest --net none --apparmor auto
	edit '.vzrun.apparmor = "web"'
	vz stop -k "$G"
	run vz start "$G"
	refuses 8 "guest \"$G\" not started: config.json: vzrun.apparmor: AppArmor profile \"web\": AppArmor is off on this host"
	edit '.vzrun.apparmor = "none"'
	vz start "$G"
}

@test "a guest's own profile: for its init, exec and enter, from start to stop" {
	need_apparmor
	busybox_guest --net none
	[ -z "$(own_profile)" ]
	vz start "$G"
	local p
	p=$(own_profile)
	[ -n "$p" ]
	[ "$(label_of "$(init_of)")" = "$p (enforce)" ]
	in_guest 'cat /proc/self/attr/current'
	says "$p (enforce)"
	run vz enter "$G" cat /proc/self/attr/current
	says "$p (enforce)"
	run vz show "$G"
	has "apparmor  auto"
	vz stop "$G"
	[ -z "$(own_profile)" ]
}

@test "a guest that reboots from inside has its profile again" {
	need_apparmor
	running_guest --net none
	local first p
	first=$(init_of) p=$(own_profile)
	vz exec "$G" /sbin/reboot
	wait_for eval '[ "$(init_of)" != "$first" ] && guest_status_is running'
	[ "$(label_of "$(init_of)")" = "$p (enforce)" ]
}

@test "two guests have two profiles, and so has the same name in another home" {
	need_apparmor
	running_guest --net none
	vz create "$G-b" --template busybox --net none
	vz start "$G-b"
	[ "$(own_profile)" != "$(own_profile "$G-b")" ]
	vz stop -k "$G"
	[ -z "$(own_profile)" ]
	[ "$(label_of "$(init_of "$G-b")")" = "$(own_profile "$G-b") (enforce)" ]
}

@test "none: no profile; by name: the administrator's, which stays his; not loaded: refused" {
	need_apparmor
	running_guest --net none --apparmor none
	[ "$(label_of "$(init_of)")" = unconfined ]
	vz destroy -f "$G"
	run vz create "$G" --template busybox --net none --apparmor "$G-mine"
	refuses 8 "--apparmor: AppArmor profile \"$G-mine\" is not loaded"
	load_profile "$G-mine"
	running_guest --net none --apparmor "$G-mine"
	[ "$(label_of "$(init_of)")" = "$G-mine (enforce)" ]
	in_guest 'mkdir /tmp/no && echo x >/tmp/no/x'
	[ "$status" -ne 0 ]
	has "Permission denied"
	vz stop -k "$G"
	grep -q "^$G-mine (enforce)$" $POLICY/profiles
	drop_profile "$G-mine"
	run vz start "$G"
	refuses 8 "guest \"$G\" not started: config.json: vzrun.apparmor: AppArmor profile \"$G-mine\" is not loaded"
}

@test "without apparmor_parser, auto is none" {
	need_apparmor
	busybox_guest --net none
	unshare -m sh -c 'mount --make-rprivate / && mount --bind /dev/null /usr/sbin/apparmor_parser && exec "$@"' - \
		"$VZ" --root "$ROOT" start "$G"
	[ "$(label_of "$(init_of)")" = unconfined ]
}

@test "what reaches the host cannot be written, unmasked and by the host's root; the guest's own can" {
	need_apparmor
	local f was
	bare_guest "$G"
	bare_guest "$G-b" --apparmor none
	vz start "$G"
	vz start "$G-b"
	was=$(cat /proc/sys/kernel/core_pattern)
	for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/swappiness /proc/sysrq-trigger \
		 /proc/sys/fs/suid_dumpable /proc/irq/default_smp_affinity; do
		in_guest ": >$f"
		[ "$status" -ne 0 ] || { echo "written: $f"; return 1; }
		has "Permission denied"
		run vz exec "$G-b" /bin/sh -c ": >$f"
		ok
	done
	[ "$(cat /proc/sys/kernel/core_pattern)" = "$was" ]
	in_guest 'head -c 1 /proc/kcore'
	has "Permission denied"
	for f in /proc/sys/kernel/hostname /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_default_ttl /proc/self/oom_score_adj; do
		in_guest "cat $f >/tmp/v && cat /tmp/v >$f"
		ok
	done
}

@test "mounts: what an init makes works, what holds the host's is denied, and only by the profile" {
	need_apparmor
	local m
	running_guest --net none
	vz create "$G-b" --template busybox --net none --apparmor none
	vz start "$G-b"
	in_guest 'mkdir -p /mnt/a /mnt/b && mount -t tmpfs t /mnt/a && mkdir /mnt/a/x && mount --bind /mnt/a /mnt/b && [ -d /mnt/b/x ] &&
		mount -o remount,bind,ro /mnt/b && ! touch /mnt/b/y && umount /mnt/b && mount --make-rprivate / && mount --make-rslave / &&
		mount --rbind / /mnt/b && umount -l /mnt/b && mount --move /mnt/a /mnt/b && umount /mnt/b &&
		mount -t mqueue q /mnt/a && umount /mnt/a && mount -t devpts -o newinstance d /mnt/a && umount /mnt/a'
	ok
	# The kernel itself refuses them to a user namespace, too, with another word (EPERM).
	for m in bpf cgroup debugfs; do
		in_guest "mount -t $m x /mnt/a"
		[ "$status" -ne 0 ] || { echo "mounted: $m"; return 1; }
		has "Permission denied"
		run vz exec "$G-b" /bin/sh -c "mkdir -p /mnt/a && mount -t $m x /mnt/a"
		hasnt "Permission denied"
	done
}

@test "why tells what was denied, with the record and what to do; nothing of an earlier guest of that name" {
	need_apparmor
	sysctl -qw kernel.printk_ratelimit=0
	bare_guest "$G"
	vz start "$G"
	[ "$(vz --json why "$G" | jq '.denials | length')" = 0 ] || { vz why "$G"; false; }
	in_guest 'echo x >/proc/sysrq-trigger'
	run vz why "$G"
	has "  AppArmor kept \"sh\" from open (wc) of \"/proc/sysrq-trigger\""
	has "apparmor=\"DENIED\" operation=\"open\""
	has "profile=\"$(own_profile)\""
	has "  try   a profile that allows it, or none: \"apparmor\": \"PROFILE\" or \"none\" in the vzrun object of $(conf "$G")"
	vz stop -k "$G"
	vz --json why "$G" | jq -e '.denials | length == 2'
	vz create "$G-b" --template busybox --net none >/dev/null
	vz start "$G-b"
	run vz exec "$G-b" sh -c 'mkdir -p /mnt/a; mount -t bpf x /mnt/a'
	run vz why "$G-b"
	has "  AppArmor kept \"mount\" from mount of \"/mnt/a/\""
	hasnt "sysrq-trigger"
	vz destroy "$G"
	# Denials have whole seconds.
	local second
	second=$(date +%s)
	wait_for eval '[ "$(date +%s)" -gt '"$second"' ]'
	bare_guest "$G"
	[ "$(vz --json why "$G" | jq '.denials | length')" = 0 ] || { vz why "$G"; false; }
	# An administrator's profile.
	load_profile "$G-mine"
	edit '.vzrun.apparmor = "'"$G"'-mine"'
	vz start "$G"
	in_guest 'mkdir /tmp/no && echo x >/tmp/no/x'
	run vz why "$G"
	vz stop -k "$G"
	drop_profile "$G-mine"
	has "AppArmor kept \"sh\" from mknod (c) of \"/tmp/no/x\""
}

# The machine's own Debian as a guest's layer: hard links, and a configuration of its own.
debian_layer() {
	local d=$BATS_TEST_TMPDIR/debian
	mkdir -p "$d"/{proc,sys,dev,run,tmp,root,mnt,home,var/{lib,log,tmp,cache},usr/{lib,share}}
	cp -al /usr/{bin,sbin,lib64} "$d/usr/"
	find /usr/lib -mindepth 1 -maxdepth 1 ! -name modules -exec cp -al {} "$d/usr/lib/" \;
	# Without the bus's own files logind waits for it for ever.
	cp -al /usr/share/dbus-1 "$d/usr/share/"
	cp -a /etc "$d/etc"
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$d/"
	rm -f "$d"/etc/systemd/system/vzrun-test.service "$d/etc/fstab"
	: >"$d/etc/machine-id"
	cat >"$d/etc/systemd/system/closed.service" <<-'UNIT'
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		PrivateTmp=yes
		PrivateDevices=yes
		ProtectSystem=strict
		ProtectHome=yes
		ProtectKernelTunables=yes
		ProtectControlGroups=yes
		ExecStart=/bin/sh -c '! touch /usr/x && touch /tmp/x && ! touch /proc/sys/kernel/hostname'
	UNIT
	ln -sf /lib/systemd/system/multi-user.target "$d/etc/systemd/system/default.target"
	echo "$d"
}
failed_units() { vz exec "$1" systemctl --failed --plain --no-legend | awk '{ print $1 }' | sort; }

@test "a Debian guest under systemd: up, and no unit fails for the profile" {
	need_apparmor
	[ -x /lib/systemd/systemd ] || skip "no systemd on this host"
	local g d
	d=$(debian_layer)
	for g in "$G" "$G-b"; do
		vz create "$g" --template busybox --memory 512M --net none >/dev/null
		edit_of "$g" ".vzrun.layers = [\"$d\"] | .process.args = [\"/lib/systemd/systemd\"]"
	done
	edit_of "$G-b" '.vzrun.apparmor = "none"'
	vz start "$G" --timeout 15m
	vz exec "$G" systemctl is-active multi-user.target
	[ "$(label_of "$(init_of)")" = "$(own_profile) (enforce)" ]
	# A service that is shut in with all that systemd has for it.
	vz exec "$G" systemctl start closed.service
	failed_units "$G" >"$BATS_TEST_TMPDIR/with"
	vz stop -k "$G"
	vz start "$G-b" --timeout 15m
	failed_units "$G-b" | diff - "$BATS_TEST_TMPDIR/with"
}

@test "no signal and no ptrace to another profile, with every capability and the host's pids" {
	need_apparmor
	local g p
	bare_guest "$G"
	bare_guest "$G-b" --apparmor none
	for g in "$G" "$G-b"; do
		edit_of "$g" '.linux.namespaces = [{type: "mount"}, {type: "ipc"}, {type: "uts"}, {type: "network"}, {type: "cgroup"}] |
			.process.capabilities = (["CAP_KILL", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"] |
				{bounding: ., effective: ., permitted: .})'
		vz start "$g"
	done
	for p in "$(init_of "$G-b")" $$; do
		in_guest "kill -0 $p"
		[ "$status" -ne 0 ]
		has "Permission denied"
		in_guest "cat /proc/$p/environ"
		has "Permission denied"
		run vz exec "$G-b" /bin/sh -c "kill -0 $p && cat /proc/$p/environ >/dev/null"
		ok
	done
	in_guest "kill -0 $(init_of) && cat /proc/$(init_of)/environ"
	ok
	# The host reaches everybody.
	kill -0 "$(init_of)"
	cat "/proc/$(init_of)/environ" >/dev/null
}

@test "a start that fails leaves no profile" {
	need_apparmor
	vz create "$G" --template busybox --net none -- /no/such/init
	run vz start "$G"
	[ "$status" -ne 0 ]
	[ -z "$(own_profile)" ]
	edit '.process.args = ["/sbin/init"]'
	local at n log=$BATS_TEST_TMPDIR/points
	VZRUN_FAULT_LOG=$log "$FAULT" --root "$ROOT" start "$G"
	vz stop -k "$G"
	for at in "load the profile" container init; do
		n=$(sed -n "s/^\([0-9]*\) $at$/\1/p" "$log" | head -1)
		VZRUN_FAULT=$n run "$FAULT" --root "$ROOT" start "$G"
		[ "$status" -ne 0 ] || { echo "no failure at: $at"; return 1; }
		[ -z "$(own_profile)" ]
	done
}

# Keeper and init are dead, and nobody cleared up.
killed_guest() {
	running_guest --net none
	local init
	init=$(init_of)
	kill -9 "$(keeper_of)"
	wait_for eval '[ -z "$(keepers_left)" ]'
	# The guest lives, and its profile with it.
	vz recover
	[ "$(label_of "$init")" = "$(own_profile) (enforce)" ]
	kill -9 "$init"
	wait_for gone "$init"
	[ -n "$(own_profile)" ]
}

@test "a killed guest's profile goes with recover" {
	need_apparmor
	killed_guest
	vz recover
	[ -z "$(own_profile)" ]
}

@test "a killed guest's profile goes with destroy, and is the next start's" {
	need_apparmor
	killed_guest
	vz start "$G"
	[ "$(label_of "$(init_of)")" = "$(own_profile) (enforce)" ]
	vz destroy -f "$G"
	killed_guest
	vz destroy "$G"
	[ -z "$(own_profile)" ]
}

@test "a bundle's apparmorProfile bites, for exec too; one that is not loaded is refused" {
	need_apparmor
	make_bundle
	cfg --arg p "$ID-p" '.process.apparmorProfile = $p'
	sh_ 'cat /proc/self/attr/current; mkdir /tmp/no; echo x >/tmp/no/x'
	go
	[ "$status" -ne 0 ]
	has "AppArmor profile \"$ID-p\": the kernel knows none of that name (is it loaded?)"
	load_profile "$ID-p"
	go
	[ "$status" -ne 0 ]
	has "$ID-p (enforce)"
	has "Permission denied"
	args sleep 1000
	create
	v start "$ID"
	run v exec "$ID" cat /proc/self/attr/current
	says "$ID-p (enforce)"
	load_profile "$ID-other"
	run v exec --apparmor "$ID-other" "$ID" cat /proc/self/attr/current
	says "$ID-other (enforce)"
	vz delete -f "$ID"
	cfg 'del(.process.apparmorProfile)'
	sh_ 'mkdir /tmp/no; echo x >/tmp/no/y'
	go
	ok
	drop_profile "$ID-p"
	drop_profile "$ID-other"
}

@test "a profile that was lost on the way is found before the exec" {
	need_apparmor
	make_bundle
	load_profile "$ID-p"
	cfg --arg p "$ID-p" '.process.apparmorProfile = $p'
	args cat /proc/self/attr/current
	VZRUN_UNDEFENDED=label run "$FAULT" --root "$ROOT" run -b "$B" "$ID" </dev/null
	fails 1 "confinement: the AppArmor profile of what is executed would be \"\", not \"$ID-p\""
	VZRUN_UNDEFENDED=label,audit run "$FAULT" --root "$ROOT" run -b "$B" "$ID" </dev/null
	says "unconfined"
	drop_profile "$ID-p"
}
