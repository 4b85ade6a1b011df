#!/usr/bin/env bats
# Namespaces by path, in the combinations that engines make and the kernel takes: pods, sandboxes, shared users.
load helpers

setup_file() { need_engine; }
setup() {
	engine_setup
	chmod 755 "$BATS_TEST_TMPDIR" "$B"
}
teardown() { engine_teardown; }

declare -gA FILE=([network]=net [mount]=mnt [pid]=pid [ipc]=ipc [uts]=uts [user]=user [cgroup]=cgroup [time]=time)
MAP='[{containerID: 0, hostID: 100000, size: 65536}]'
# holder NAME TYPE...: a container that has new namespaces of these types (and a mount namespace), asleep; $HOLDER its pid
holder() {
	local name=$1 t; shift
	config "$@"
	args sleep 300
	v create "$ID-$name"; vz start "$ID-$name"
	HOLDER=$(pid_of "$ID-$name")
}
# config TYPE[=PATH]...: exactly these namespaces, and mount; no mounts that their owner could not make
config() {
	local w
	cfg '.linux.namespaces = [] | del(.linux.uidMappings, .linux.gidMappings, .linux.timeOffsets, .hostname) | .linux.maskedPaths = [] | .linux.readonlyPaths = [] |
	     .mounts = [{destination: "/proc", type: "proc", source: "proc"}, {destination: "/dev", type: "tmpfs", source: "tmpfs"}]'
	for w in "$@"; do
		case $w in
		*=*) cfg --arg t "${w%%=*}" --arg p "${w#*=}" '.linux.namespaces += [{type: $t, path: $p}]' ;;
		*) cfg --arg t "$w" '.linux.namespaces += [{type: $t}]' ;;
		esac
		[ "$w" != user ] || cfg ".linux.uidMappings = $MAP | .linux.gidMappings = $MAP"
	done
	case " $*" in *" mount"*) ;; *) cfg '.linux.namespaces += [{type: "mount"}]' ;; esac
	case " $*" in *" user"*) chown -R 100000:100000 "$B/rootfs" ;; esac
	# a procfs needs a pid namespace of one's own
	case " $*" in *" pid "* | *" pid") ;; *) cfg '.mounts[0] = {destination: "/proc", type: "bind", source: "/proc", options: ["rbind"]}' ;; esac
}
# shares TYPE...: a container's first process and one that joins it are in the holder's namespaces of these types,
# and in others than the holder's of the rest
shares() {
	local t who pid
	sh_ 'sleep 300'
	v create "$ID-app"; vz start "$ID-app"
	pid=$(pid_of "$ID-app")
	vz exec --detach --pid-file "$BATS_TEST_TMPDIR/pid" "$ID-app" sleep 300
	for who in "$pid" "$(cat "$BATS_TEST_TMPDIR/pid")"; do
		for t in "$@"; do
			[ "$(readlink "/proc/$who/ns/${FILE[$t]}")" = "$(readlink "/proc/$HOLDER/ns/${FILE[$t]}")" ] ||
				{ echo "$t of $who differs"; return 1; }
		done
	done
	for t in "${!FILE[@]}"; do
		case " $* " in *" $t "*) continue ;; esac
		[ "$(readlink "/proc/$pid/ns/${FILE[$t]}")" = "$(readlink "/proc/$(cat "$BATS_TEST_TMPDIR/pid")/ns/${FILE[$t]}")" ] ||
			{ echo "$t of the two differs"; return 1; }
	done
	kill -KILL "$(cat "$BATS_TEST_TMPDIR/pid")"
	vz delete -f "$ID-app"
}
at() { local t; for t in "$@"; do echo "$t=/proc/$HOLDER/ns/${FILE[$t]}"; done; }

@test "each type alone, by path" {
	holder h pid network ipc uts cgroup time
	for t in pid network ipc uts cgroup time; do
		config $(at "$t") $([ $t = pid ] || echo pid)
		shares "$t"
	done
}

@test "a sandbox as Kubernetes makes it: network, ipc and uts shared; with and without the pid namespace" {
	holder h pid network ipc uts
	config $(at network ipc uts) pid cgroup
	shares network ipc uts
	config $(at network ipc uts pid) cgroup
	shares network ipc uts pid
}

@test "a pod as Podman makes it: with a user namespace, all by path" {
	holder h user pid network ipc uts cgroup
	config $(at user network ipc uts) pid cgroup
	shares user network ipc uts
	config $(at user network ipc uts pid cgroup)
	shares user network ipc uts pid cgroup
}

@test "a user namespace by path alone, with new ones that it owns" {
	holder h user pid network
	config $(at user) pid network ipc uts cgroup
	cfg '.hostname = "inside"'
	sh_ 'hostname; ip link set lo mtu 1234 && cat /sys/class/net/lo/mtu 2>/dev/null; readlink /proc/self/ns/user'
	cfg '.process.capabilities.bounding += ["CAP_NET_ADMIN"] | .process.capabilities.effective += ["CAP_NET_ADMIN"] | .process.capabilities.permitted += ["CAP_NET_ADMIN"]'
	run v run "$ID-app"
	has inside
	has "$(readlink "/proc/$HOLDER/ns/user")"
	config $(at user) pid
	shares user
}

@test "a new user namespace, and others by path that the host owns" {
	holder h pid network ipc uts cgroup time
	for set in "network" "network ipc uts" "network ipc uts cgroup" "time" "network ipc uts cgroup time"; do
		config $(at $set) user pid
		shares $set
	done
	config $(at network ipc uts) user pid
	sh_ 'id -u; tr -s " " </proc/self/uid_map; readlink /proc/self/ns/net'
	run v run "$ID-app"
	ok
	says "0
 0 100000 65536
$(readlink "/proc/$HOLDER/ns/net")"
}

@test "a new user namespace in a pid namespace by path" {
	holder h pid
	config $(at pid) user
	shares pid
}

@test "a user namespace of one container, the network of another" {
	holder a user pid network
	user=$HOLDER
	holder b pid network ipc
	config "user=/proc/$user/ns/user" $(at network ipc) pid
	shares network ipc
	sh_ 'readlink /proc/self/ns/user'
	run v run "$ID-app"
	says "$(readlink "/proc/$user/ns/user")"
}

@test "a user namespace by path, a network namespace of yet another user namespace" {
	holder a user pid
	user=$HOLDER
	MAP=${MAP/100000/300000}
	chown -R 300000:300000 "$B/rootfs"
	holder b user pid network
	config "user=/proc/$user/ns/user" $(at network) pid
	sh_ 'readlink /proc/self/ns/user; readlink /proc/self/ns/net'
	run v run "$ID-app"
	ok
	says "$(readlink "/proc/$user/ns/user")
$(readlink "/proc/$HOLDER/ns/net")"
}

@test "a mount namespace by path, with and without a user namespace" {
	holder h pid network
	config $(at mount network) pid
	cfg '.mounts = []'
	touch "$B/rootfs/here"
	args ls /here
	run v run "$ID-app"
	ok; says /here
	vz delete -f "$ID-h"
	holder h user pid network
	config $(at user mount network pid)
	cfg '.mounts = []'
	args ls /here
	run v run "$ID-app"
	ok; says /here
}

@test "time: offsets inside, for what joins, and by path" {
	[ -e /proc/self/ns/time ] || skip "kernel: no time namespaces"
	config pid time
	cfg '.linux.timeOffsets = {boottime: {secs: 5000000, nanosecs: 500}, monotonic: {secs: -5, nanosecs: 3}}'
	args sleep 300
	v create "$ID-h"; vz start "$ID-h"
	HOLDER=$(pid_of "$ID-h")
	run cat "/proc/$HOLDER/timens_offsets"
	[ "$(tr -s ' ' <<<"$output" | sort)" = "boottime 5000000 500
monotonic -5 3" ]
	up() { [ "$1" -gt 5000000 ] && [ "$1" -lt 100000000 ]; }
	up "$(vz exec "$ID-h" cut -d. -f1 /proc/uptime)"
	config $(at time) pid
	args cut -d. -f1 /proc/uptime
	run v run "$ID-app"
	up "$output"
	config $(at time) pid user
	args cut -d. -f1 /proc/uptime
	run v run "$ID-app"
	up "$output"
	[ "$(cut -d. -f1 /proc/uptime)" -lt 5000000 ]
}

@test "the host name is set in a uts namespace by path, not in the host's" {
	holder h pid uts
	config $(at uts) pid
	cfg '.hostname = "changed"'
	args hostname
	run v run "$ID-app"
	ok; says changed
	[ "$(nsenter -t "$HOLDER" -u hostname)" = changed ]
	[ "$(hostname)" != changed ]
}

@test "paths that are no such namespaces" {
	holder h pid network
	config "network=/proc/$HOLDER/ns/pid" pid
	go
	fails 1 "/proc/$HOLDER/ns/pid is a pid namespace, not network"
	config "user=/proc/self/ns/user" pid
	go
	fails 1 "join the user namespace: Invalid argument"
	config "network=/proc/999999999/ns/net" pid
	go
	fails 1 "open namespace /proc/999999999/ns/net: No such file or directory"
}

# The runtime brings it up beside the child where it may; else, and for hooks inside, the child does.
@test "loopback is up: as root, without the right to trace, and for a hook inside" {
	sh_ 'ip link show lo'
	run -0 v run "$ID"
	[[ "$output" == *UP,LOWER_UP* ]]
	run -0 capsh --drop=cap_sys_ptrace -- -c 'cd "$1" && exec "$2" --root "$3" run "$4" </dev/null' - "$B" "$VZ" "$ROOT" "$ID"
	[[ "$output" == *UP,LOWER_UP* ]]
	cfg '.hooks.createContainer = [{path: "/bin/sh", args: ["sh", "-c", "ip link show lo >'"$B"'/seen"]}]'
	run -0 v run "$ID"
	grep -q "UP,LOWER_UP" "$B/seen"
}
