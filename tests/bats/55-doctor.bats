#!/usr/bin/env bats
# doctor: what the host has, what a container exposes. Each row is made to fail by a bundle that is open there.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; ID=t$$-$BATS_TEST_NUMBER-$RANDOM; }
teardown() {
	local id
	for id in $(vz list -q 2>/dev/null); do [ -e "$VZRUN_HOME/guests/$id" ] || vz delete -f "$id"; done
	guest_teardown
}

# A container that waits; its configuration edited by the arguments for jq.
waiting() {
	[ -e "$BATS_TEST_TMPDIR/bundle" ] || make_bundle
	args sleep 1000
	[ $# -eq 0 ] || cfg "$@"
	create
	vz start "$ID"
}
look() { run --separate-stderr vz --json doctor --inside "${1:-$ID}"; ok; }
# row NAME [FIELD]: of the last look
row() { jq -r --arg r "$1" ".rows[] | select(.row == \$r).${2:-count}" <<<"$output"; }
count() { [ "$(row "$1")" "$2" "$3" ] || { echo "$1: $(row "$1"), want $2 $3: $(row "$1" findings)"; return 1; }; }
finds() { row "$1" 'findings[]' | grep -qF -- "$2" || { echo "$1 has not $2: $(row "$1" findings | head -20)"; return 1; }; }

@test "the host: a line each, what lacks is named with what to do" {
	run vz doctor
	[ "$status" = 0 ] || [ "$status" = 8 ]
	for what in kernel user-namespaces idmapped-mounts overlay cgroups seccomp lsm bridge veth nftables vzrun-image \
		vzrun-net vzrun-systemd vzrun-probe lxcfs criu; do
		grep -qE "^$what +(ok|partly|lacks) " <<<"$output" || { echo "no $what: $output"; return 1; }
	done
	run --separate-stderr vz --json doctor
	[ "$(jq -r .schema <<<"$output")" = vzrun/1 ]
	[ "$(jq '[.checks[] | select(.state != "ok" and .remedy == null)] | length' <<<"$output")" = 0 ]
	run vz doctor --report "$BATS_TEST_TMPDIR/none"
	refuses 3 "open $BATS_TEST_TMPDIR/none: No such file or directory"
}

@test "the host: a helper that is not there, a namespace that may not be made" {
	VZRUN_LIBEXEC=$BATS_TEST_TMPDIR run vz doctor
	[ "$status" = 8 ]
	has "this host lacks vzrun-image, vzrun-net"
	grep -qE "^vzrun-image +lacks .* make install" <<<"$output"
	VZRUN_LIBEXEC=$BATS_TEST_TMPDIR run --separate-stderr vz --json doctor
	[ "$status" = 8 ]
	[ "$(jq -r '.checks[] | select(.name == "vzrun-net").state' <<<"$output")" = lacks ]
	PATH=/nowhere run "$VZ" doctor
	grep -qE "^lxcfs +lacks +no lxcfs in PATH .* apt-get install lxcfs" <<<"$output"
	run unshare -U -r "$VZ" doctor
	grep -qE "^tun +lacks|^tun +ok" <<<"$output"
}

@test "a default guest: every row closed or as it is meant, and the table says so" {
	[ -e /proc/self/ns/time ] || skip "kernel: no time namespaces"
	running_guest --net none
	look "$G"
	[ "$(jq -r '[.rows[] | select(.verdict == "exposed").row] | join(" ")' <<<"$output")" = "" ] ||
		{ jq -c '.rows[] | select(.verdict == "exposed")' <<<"$output"; return 1; }
	for r in host-capability no-filter foreign-abi interface terminal-injection proc-writable sys-writable \
		host-name host-path host-namespace cgroup-path foreign-process kernel-log mknod nested device; do
		count $r -eq 0
	done
	count syscall -gt 200
	count syscall -lt 310
	# Its clocks are its own, with or without lxcfs.
	count host-namespace -eq 0
	! row host-figure 'findings[]' | grep -qE '^uptime|^boot' || return 1
	boot=$(vz exec "$G" cat /proc/sys/kernel/random/boot_id)
	[[ "$boot" =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	vz restart "$G" >/dev/null
	[ "$(vz exec "$G" cat /proc/sys/kernel/random/boot_id)" != "$boot" ]
	look "$G"
	count capability -gt 10
	[ "$(jq '([.rows[] | .count * .weight] | add) == .score' <<<"$output")" = true ]
	run vz doctor --inside "$G"
	ok
	has "(fewer is better)"
	grep -qE "^mknod +0 +[0-9]+ +closed +-$" <<<"$output"
}

@test "a guest with more features exposes more, and how much" {
	running_guest --net none --features nesting
	look "$G"
	count nested -gt 0
	count interface -gt 0
	[ "$(row nested verdict)" = exposed ]
}

@test "capabilities: more, inheritable, ambient" {
	waiting '.process.capabilities = {}'
	look
	count host-capability -eq 0
	count inherited-capability -eq 0
	vz delete -f "$ID"
	waiting '["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_NET_ADMIN"] as $c | .process.capabilities =
		{bounding: $c, permitted: $c, effective: $c, inheritable: ["CAP_MKNOD"], ambient: ["CAP_MKNOD"]}'
	look
	count host-capability -eq 3
	finds host-capability "CAP_SYS_ADMIN effective,permitted,bounding"
	count inherited-capability -eq 1
	finds inherited-capability "CAP_MKNOD effective,permitted,bounding,inheritable,ambient"
	count mknod -ge 1
	count kernel-surface -gt 3
}

@test "seccomp and no_new_privs" {
	waiting 'del(.linux.seccomp) | .process.noNewPrivileges = false'
	look
	count no-filter -eq 1
	count new-privileges -eq 1
	count terminal-injection -eq 2
	all=$(row syscall)
	vz delete -f "$ID"
	waiting '.process.noNewPrivileges = true | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["ptrace", "unshare", "sync", "vfork", "modify_ldt"], action: "SCMP_ACT_ERRNO"},
			{names: ["swapon"], action: "SCMP_ACT_KILL_PROCESS"},
			{names: ["ioctl"], action: "SCMP_ACT_ERRNO", args: [{index: 1, value: 21522, op: "SCMP_CMP_EQ"}]}]}'
	look
	count no-filter -eq 0
	count new-privileges -eq 0
	count terminal-injection -eq 1
	finds terminal-injection TIOCLINUX
	for call in ptrace unshare vfork modify_ldt swapon; do
		! row syscall 'findings[]' | grep -qx "$call" || { echo "$call is reached"; return 1; }
	done
	for call in read exit exit_group pause fork rt_sigreturn kill execve clone; do finds syscall "$call"; done
	[ "$(row syscall)" -lt "$all" ]
}

@test "a filter that knows no execveat keeps the probe from nothing" {
	waiting '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["execveat"], action: "SCMP_ACT_ERRNO"}]}'
	look
	count no-filter -eq 0
	! row syscall 'findings[]' | grep -qx execveat || return 1
}

@test "/proc and /sys: writable, telling" {
	waiting
	look
	count sys-writable -eq 0
	told=$(row host-information)
	! row host-information 'findings[]' | grep -qx /proc/timer_list || return 1
	vz delete -f "$ID"
	waiting '.linux.maskedPaths = [] | .linux.readonlyPaths = [] |
		(.mounts[] | select(.destination == "/sys").options) |= map(select(. != "ro"))'
	look
	count sys-writable -gt 0
	finds proc-writable /proc/sys/vm/swappiness
	finds host-information /proc/timer_list
	[ "$(row host-information)" -gt "$told" ]
}

@test "namespaces and host name, processes, mounts and groups of the host" {
	waiting
	look
	[ "$(row host-namespace 'findings[]' | grep -c net)" = 0 ]
	count host-name -eq 0
	vz delete -f "$ID"
	waiting '.linux.namespaces |= map(select(.type | IN("mount"))) | del(.hostname) |
		.mounts += [{destination: "/mnt", type: "bind", source: "/usr", options: ["bind", "ro"]}]'
	look
	for n in net pid ipc uts; do finds host-namespace $n; done
	count foreign-process -gt 3
	count host-name -eq 1
	finds host-path "/mnt: /usr"
	finds host-figure "boot id"
}

@test "devices and the kernel's log" {
	waiting
	look
	count device -eq 0
	vz delete -f "$ID"
	waiting '.linux.devices = [{path: "/dev/kmsg", type: "c", major: 1, minor: 11, fileMode: 438}] |
		.linux.resources.devices = [{allow: true, access: "rwm"}] |
		["CAP_SYSLOG"] as $c | .process.capabilities = {bounding: $c, permitted: $c, effective: $c}'
	look
	finds device /dev/kmsg
	count kernel-log -eq 2
}

@test "memory: the limit, or more than it" {
	kernel_has_cgroup memory || skip "kernel: no memory controller"
	waiting '.linux.resources.memory = {limit: 67108864}'
	look
	finds host-figure "above the limit 67108864"
}

@test "where it cannot look the probe says so, and not that all is closed" {
	waiting '.mounts |= map(select(.destination != "/proc")) | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	run vz doctor --inside "$ID"
	refuses 8 "$ID: the probe cannot tell: no procfs at /proc"
	vz delete -f "$ID"
	rm -r "$B"
	waiting '.process.noNewPrivileges = true | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW",
		syscalls: [{names: ["clone", "clone3", "fork"], action: "SCMP_ACT_ERRNO"}]}'
	run vz doctor --inside "$ID"
	refuses 8 "$ID: the probe cannot tell: fork: Operation not permitted"
}

@test "the probe changes nothing, and is nobody's to write" {
	waiting '.process.args = ["/bin/sh", "-c", "while [ ! -e /stop ]; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *memfd*) echo $p >>/seen; { echo x >$p/exe; } 2>/dev/null && echo wrote >>/wrote;; esac; done; done 2>/dev/null; sleep 1000"]'
	before=$(vz exec "$ID" sh -c 'cat /proc/1/mountinfo; ls -a / /tmp /dev /root; hostname; umask; cat /proc/sys/net/ipv4/ip_forward')
	for i in 1 2 3 4; do look; done
	touch "$B/rootfs/stop"
	after=$(vz exec "$ID" sh -c 'cat /proc/1/mountinfo; ls -a / /tmp /dev /root; hostname; umask; cat /proc/sys/net/ipv4/ip_forward')
	[ -e "$B/rootfs/seen" ]
	[ ! -e "$B/rootfs/wrote" ]
	[ "$(grep -vx -e seen -e stop <<<"$after")" = "$(grep -vx -e seen <<<"$before")" ]
	[ "$(vz exec "$ID" sh -c 'ls -d /proc/[0-9]* | wc -l')" -le 5 ]
}

@test "reports from elsewhere, and bad ones" {
	"$BUILD/vzrun-probe" >"$BATS_TEST_TMPDIR/report"
	run --separate-stderr vz --json doctor --report "$BATS_TEST_TMPDIR/report"
	ok
	count host-namespace -eq 8
	sed -i '$d' "$BATS_TEST_TMPDIR/report"
	run vz doctor --report "$BATS_TEST_TMPDIR/report"
	refuses 10 "$BATS_TEST_TMPDIR/report: the probe's report: cut: it has no end"
	run vz doctor --report /dev/null
	refuses 10 "/dev/null: the probe's report: not one of vzrun-probe 1"
	run vz doctor --report /dev/null --inside x
	[ "$status" = 2 ]
	run vz doctor --inside "$ID"
	[ "$status" = 3 ]
	busybox_guest --net none
	run vz doctor --inside "$G"
	refuses 5 "guest \"$G\" is not running"
	VZRUN_LIBEXEC=$BATS_TEST_TMPDIR run vz doctor --inside "$G"
	[ "$status" = 5 ]
}
