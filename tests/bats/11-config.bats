#!/usr/bin/env bats
# Each member of the configuration that is supported, seen from inside.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() { engine_teardown; }

inside() { sh_ "$1"; go; ok; }
users() { cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'; chown -R 100000:100000 "$B/rootfs"; chmod 755 "$BATS_TEST_TMPDIR" "$B"; }

@test "env is what is said, and HOME" {
	cfg '.process.env = ["PATH=/bin", "A=b c", "EMPTY="]'
	args env
	go
	says "PATH=/bin
A=b c
EMPTY=
HOME=/root"
	cfg '.process.env = ["PATH=/bin", "HOME=/mine"]'
	inside 'echo $HOME'
	says /mine
	cfg '.process.user.uid = 1000'
	cfg '.process.env = ["PATH=/bin"]'
	inside 'echo $HOME'
	says /home/user
	rm "$B/rootfs/etc/passwd"
	inside 'echo $HOME'
	says /
	cfg '.process.user.uid = 0'
	inside 'echo $HOME'
	says /
}

@test "cwd, created when missing" {
	cfg '.process.cwd = "/tmp"'
	inside pwd; says /tmp
	cfg '.process.cwd = "/var/new/deep"'
	inside pwd; says /var/new/deep
}

@test "user, group, additional groups, umask" {
	cfg '.process.user = {uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 63}'
	inside 'id -u; id -g; id -G; umask; grep ^Groups /proc/self/status'
	says "1000
1001
1001 5 6
0077
Groups:	5 6 "
	# More than a page of them, which is what is read back of a process before it may go on.
	cfg '.process.user.additionalGids = [range(100000; 101500)]'
	inside 'grep ^Groups /proc/self/status | wc -w'
	says 1501
	cfg '.process.user = {uid: 0, gid: 0}'
	inside 'umask; grep ^Groups /proc/self/status'
	says "0022
Groups:	 "
}

@test "a user or group that the user namespace does not map is told as that, for what joins as well" {
	users
	args true
	cfg '.process.user = {uid: 70000, gid: 0}'
	go
	fails 1 "become user 70000: the user namespace does not map it"
	cfg '.process.user = {uid: 0, gid: 70000}'
	go
	fails 1 "become group 70000: the user namespace does not map it"
	cfg '.process.user = {uid: 0, gid: 0, additionalGids: [5, 70000]}'
	go
	fails 1 "additional groups: the user namespace does not map all of them"
	cfg '.process.user = {uid: 0, gid: 0} | .process.args = ["sleep", "300"]'
	create "$ID"; vz start "$ID"
	run vz exec -u 70000 "$ID" true
	fails 255 "become user 70000: the user namespace does not map it"
}

@test "a process with few descriptors is created, started and joined" {
	cfg '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 16, hard: 16}]'
	args sleep 300
	create; vz start "$ID"
	run vz exec "$ID" sh -c 'ulimit -n'
	says 16
}

@test "rlimits" {
	cfg '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 88}, {type: "RLIMIT_CORE", soft: 0, hard: 0}]'
	inside 'ulimit -n; ulimit -Hn; ulimit -c'
	says "77
88
0"
}

@test "an rlimit that cannot be raised names itself and both numbers" {
	hard=$(ulimit -Hn)
	[ "$hard" != unlimited ] || skip "kernel: no hard limit on descriptors"
	capsh --has-p=cap_sys_resource 2>/dev/null && skip "kernel: we have CAP_SYS_RESOURCE"
	cfg --argjson n $((hard + 1)) '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 10, hard: $n}]'
	go
	# "Operation not permitted" is what Podman reads
	fails 1 "RLIMIT_NOFILE: cannot raise the hard limit from $hard to $((hard + 1)) past fs.nr_open or without \
CAP_SYS_RESOURCE: Operation not permitted"
}

caps() { grep "^Cap$1" <<<"$output" | awk '{ print $2 }'; }
@test "the five capability sets" {
	cfg '.process.capabilities = {bounding: ["CAP_CHOWN","CAP_KILL","CAP_SETUID"], permitted: ["CAP_CHOWN","CAP_KILL"],
	     effective: ["CAP_CHOWN"], inheritable: ["CAP_KILL"], ambient: []}'
	inside 'cat /proc/self/status'
	# root gains permitted and effective from the bounding and inheritable sets at exec
	[ "$(caps Bnd)" = 00000000000000a1 ]
	[ "$(caps Inh)" = 0000000000000020 ]
	[ "$(caps Amb)" = 0000000000000000 ]
	cfg '.process.user.uid = 1000 | .process.capabilities.ambient = ["CAP_KILL"]'
	inside 'cat /proc/self/status'
	[ "$(caps Prm)" = 0000000000000020 ]
	[ "$(caps Eff)" = 0000000000000020 ]
	[ "$(caps Amb)" = 0000000000000020 ]
	cfg 'del(.process.capabilities)'
	inside 'cat /proc/self/status'
	for s in Inh Prm Eff Bnd Amb; do [ "$(caps $s)" = 0000000000000000 ]; done
}

@test "the default configuration: nothing inheritable, no new privileges" {
	inside 'cat /proc/self/status'
	[ "$(caps Inh)" = 0000000000000000 ]
	[ "$(caps Amb)" = 0000000000000000 ]
	[ "$(caps Bnd)" = 0000000020000420 ]
	has "NoNewPrivs:	1"
	cfg '.process.noNewPrivileges = false'
	inside 'cat /proc/self/status'
	has "NoNewPrivs:	0"
}

@test "oomScoreAdj" {
	cfg '.process.oomScoreAdj = 123'
	inside 'cat /proc/self/oom_score_adj'; says 123
}

@test "host and domain name" {
	cfg '.hostname = "h.example" | .domainname = "d.example"'
	inside 'hostname; cat /proc/sys/kernel/domainname'
	says "h.example
d.example"
}

@test "sysctl, with dots and with slashes" {
	cfg '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4321", "net/ipv4/ip_default_ttl": "77"}'
	inside 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_default_ttl'
	says "1
4321
77"
}

@test "masked paths: files read empty, directories are empty and read-only" {
	mkdir "$B/rootfs/secret"; echo x >"$B/rootfs/secret/f"; echo y >"$B/rootfs/hidden"
	cfg '.linux.maskedPaths += ["/secret", "/hidden", "/not/there"]'
	inside 'cat /hidden; ls /secret; touch /secret/new 2>&1; echo end'
	says "touch: /secret/new: Read-only file system
end"
	[ "$(cat "$B/rootfs/hidden")" = y ]
}

@test "read-only paths and root" {
	mkdir "$B/rootfs/locked"
	cfg '.linux.readonlyPaths += ["/locked", "/not/there"]'
	inside 'touch /locked/x 2>&1; echo 1 2>/dev/null >/proc/sys/kernel/msgmax || echo ro; touch /free && echo rw'
	says "touch: /locked/x: Read-only file system
ro
rw"
	cfg '.root.readonly = true'
	sh_ 'touch /x; touch /dev/x && echo dev'
	go
	says "touch: /x: Read-only file system
dev"
}

@test "the default devices work, others are not there" {
	inside 'cd /dev; echo x >null; head -c 2 zero | od -An -tx1; echo y 2>/dev/null >full || echo full; ls -l random tty urandom | cut -c1; for l in fd stdin core ptmx; do readlink $l; done; ls sda vda mem kmsg 2>/dev/null; echo end'
	says " 00 00
full
c
c
c
/proc/self/fd
/proc/self/fd/0
/proc/kcore
pts/ptmx
end"
}

@test "devices of the configuration: node, mode, owner, fifo" {
	cfg '.linux.devices = [{path: "/dev/mynull", type: "c", major: 1, minor: 3, fileMode: 384, uid: 7, gid: 8},
	     {path: "/dev/sub/pipe", type: "p", fileMode: 420}]'
	inside 'stat -c "%F %a %u %g %t:%T" /dev/mynull; stat -c "%F %a" /dev/sub/pipe; echo x >/dev/null'
	says "character special file 600 7 8 1:3
fifo 644"
}

@test "device rules: what is not allowed cannot be opened" {
	kernel_has_cgroup devices || [ ! -e /sys/fs/cgroup/devices ] || skip "kernel: no devices controller"
	cfg '.linux.devices = [{path: "/dev/mem2", type: "c", major: 1, minor: 1}] | .process.capabilities.bounding += ["CAP_MKNOD"]'
	inside 'head -c1 /dev/mem2 2>&1; head -c1 /dev/zero | od -An -tx1'
	has "Operation not permitted"
	has " 00"
	cfg '.linux.resources.devices += [{allow: true, type: "c", major: 1, minor: 5, access: "r"}]'
	inside 'head -c1 /dev/zero | od -An -tx1'
	says " 00"
}

ns_of() { readlink "/proc/self/ns/$1"; }
@test "namespaces: new ones differ from ours, absent ones are ours" {
	inside 'for n in pid net ipc uts mnt cgroup; do readlink /proc/self/ns/$n; done'
	for n in pid net ipc uts mnt cgroup; do hasnt "$(ns_of $n)"; done
	cfg '.linux.namespaces |= map(select(.type == "mount" or .type == "pid")) | del(.hostname)'
	inside 'for n in net ipc uts cgroup; do readlink /proc/self/ns/$n; done'
	says "$(for n in net ipc uts cgroup; do ns_of $n; done)"
}

@test "namespaces by path: all of another container's" {
	args sleep 300
	create "$ID"; vz start "$ID"
	pid=$(pid_of)
	cfg --arg p "/proc/$pid/ns/" 'del(.hostname) | .linux.namespaces = [["pid","pid"],["network","net"],["ipc","ipc"],["uts","uts"],["cgroup","cgroup"]] | .linux.namespaces |= map({type: .[0], path: ($p + .[1])}) | .linux.namespaces += [{type: "mount"}]'
	sh_ 'for n in pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done; ps | grep -c "[s]leep 300$"'
	go "$ID-b"
	ok
	says "$(for n in pid net ipc uts cgroup; do readlink "/proc/$pid/ns/$n"; done)
1"
}

@test "a mount namespace by path brings its own root" {
	args sleep 300
	create "$ID"; vz start "$ID"
	cfg --arg p "/proc/$(pid_of)/ns/mnt" '.linux.namespaces |= map(if .type == "mount" then .path = $p else . end) | .mounts = [] | del(.linux.maskedPaths, .linux.readonlyPaths)'
	touch "$B/rootfs/here"
	args ls /here
	run v run "$ID-b"
	ok
	says /here
}

@test "a user namespace: ids, files, devices, exec" {
	users
	inside 'id -u; cat /proc/self/uid_map | tr -s " "; stat -c %u /bin/busybox; touch /made && echo made; head -c1 /dev/zero | od -An -tx1; hostname'
	says "0
 0 100000 65536
0
made
 00
vzrun"
	[ "$(stat -c %u "$B/rootfs/made")" = 100000 ]
	args sleep 300
	create; vz start "$ID"
	run vz exec "$ID" sh -c 'id -u; cut -c1-30 /proc/self/uid_map | tr -s " "; readlink /proc/self/ns/user'
	ok
	[ "${lines[2]}" = "$(readlink "/proc/$(pid_of)/ns/user")" ]
	[ "${lines[0]}" = 0 ]
}

@test "a user namespace by path, with new others that it owns" {
	users
	args sleep 300
	create; vz start "$ID"
	cfg --arg p "/proc/$(pid_of)/ns/user" '.linux.namespaces |= map(if .type == "user" then .path = $p else . end) | del(.linux.uidMappings, .linux.gidMappings)'
	sh_ 'readlink /proc/self/ns/user; id -u; hostname; ip link show lo'
	run v run "$ID-b"
	ok
	[ "${lines[0]}" = "$(readlink "/proc/$(pid_of)/ns/user")" ]
	[ "${lines[1]}" = 0 ]
	has "UP,LOWER_UP"
}

@test "user and pid namespaces by path" {
	users
	args sleep 300
	create; vz start "$ID"
	cfg --arg p "/proc/$(pid_of)/ns/" '.linux.namespaces |= map(if .type == "user" then .path = $p + "user" elif .type == "pid" then .path = $p + "pid" else . end) | del(.linux.uidMappings, .linux.gidMappings)'
	sh_ 'readlink /proc/self/ns/pid; ps | grep -c "[s]leep 300$"'
	run v run "$ID-b"
	ok
	[ "${lines[0]}" = "$(readlink "/proc/$(pid_of)/ns/pid")" ]
}

@test "time offsets" {
	[ -e /proc/self/ns/time ] || skip "kernel: no time namespaces"
	cfg '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000, nanosecs: 5}, monotonic: {secs: 7}}'
	inside 'cut -d. -f1 /proc/uptime'
	[ "$output" -gt 1000000 ]
	[ "$(ns_of time)" = "$(readlink /proc/$$/ns/time)" ]
}

@test "personality" {
	cfg '.linux.personality = {domain: "LINUX32"}'
	inside 'uname -m'
	says i686
}

@test "seccomp: actions, arguments, error numbers" {
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], syscalls: [
	     {names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}, 
	     {names: ["kill"], action: "SCMP_ACT_ERRNO", errnoRet: 3, args: [{index: 1, value: 10, op: "SCMP_CMP_EQ"}]},
	     {names: ["chmod", "fchmodat"], action: "SCMP_ACT_KILL_PROCESS"}]}'
	inside 'mkdir /x; kill -10 1; kill -0 1 && echo sent; (chmod 777 /tmp); echo $?; grep -E "^Seccomp:" /proc/self/status'
	has "can't create directory '/x': Operation not permitted"
	has "No such process"
	has sent
	has "159"
	has "Seccomp:	2"
	cfg '.process.noNewPrivileges = false'
	inside 'mkdir /x'  || [ "$status" = 1 ]
	has "Operation not permitted"
	cfg '.process.user.uid = 1000'
	sh_ 'mkdir /tmp/x'
	go
	has "Operation not permitted"
}

@test "seccomp: a filter under which nothing can begin is told as that" {
	local nnp filter
	for nnp in true false; do
		for filter in '{defaultAction: "SCMP_ACT_ERRNO"}' '{defaultAction: "SCMP_ACT_KILL_PROCESS"}' \
			'{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["execve"], action: "SCMP_ACT_KILL"}]}'; do
			cfg --argjson nnp $nnp ".process.noNewPrivileges = \$nnp | .linux.seccomp = $filter"
			go; fails 1 'exec: "/bin/true": operation not permitted: the system-call filter refuses execve(2)'
		done
	done
	# By its arguments it may still let one pass.
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["execve"], action: "SCMP_ACT_ERRNO",
		args: [{index: 0, value: 0, op: "SCMP_CMP_EQ"}]}]}'
	go; ok
}

@test "seccomp reaches exec" {
	cfg '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'
	args sleep 300
	create; vz start "$ID"
	run vz exec "$ID" mkdir /x
	has "Operation not permitted"
	vz delete -f "$ID"
	cfg '.process.noNewPrivileges = false'
	create; vz start "$ID"
	run vz exec "$ID" mkdir /x
	has "Operation not permitted"
	run vz exec -u 1000:1000 "$ID" mkdir /tmp/x
	has "Operation not permitted"
}
