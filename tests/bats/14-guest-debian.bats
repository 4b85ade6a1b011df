#!/usr/bin/env bats
# A Debian guest under systemd, unprivileged and in the host's user namespace; its network; its own limits shown.
load guest

setup_file() { need_guests debian:bookworm; }
setup() { guest_setup; }
teardown() {
	[ -z "${LXCFS:-}" ] || { kill "$LXCFS"; umount -l /var/lib/lxcfs 2>/dev/null; } || true
	guest_teardown
}

debian() { vz create "$1" --template debian:bookworm "${@:2}" >/dev/null && vz start "$1"; }
runs_well() {
	local state
	state=$(vz exec "$1" systemctl is-system-running --wait || true)
	[ "$state" = running ] || { echo "$state"; vz exec "$1" systemctl --failed --no-pager; return 1; }
}
up() { vz exec "$1" true 2>/dev/null && [ "$(vz exec "$1" systemctl is-system-running 2>/dev/null)" = running ]; }

@test "unprivileged: systemd reaches running, and start waits for it" {
	run debian "$G" --memory 512M
	ok
	[[ "$output" == "$G running: up after "* ]]
	runs_well "$G"
	[ "$(vz exec "$G" cat /proc/self/uid_map | awk '{ print ($2 >= 65536), $3 }')" = "1 65536" ]
	vz exec "$G" grep -q bookworm /etc/os-release
	run vz exec "$G" systemd-detect-virt -c
	[ "$output" != none ]
	[ "$(vz exec "$G" systemctl show -p SystemState --value)" = running ]
	vz stop "$G"
	[[ "$(why)" == "stopped by the host, powered off cleanly"* ]]
}

@test "--userns host: systemd reaches running" {
	debian "$G" --userns host
	runs_well "$G"
	[ "$(vz exec "$G" awk '{ print $2, $3 }' /proc/self/uid_map)" = "0 4294967295" ]
	run vz exec "$G" sh -c 'echo 0 >/proc/sys/kernel/core_uses_pid'
	[ "$status" -ne 0 ]
	vz stop "$G"
}

@test "two guests and the host reach each other; hostname, hosts, resolver" {
	local a b gw
	debian "$G"
	debian "$G-b"
	a=$(vz --json show "$G" | jq -r .ip)
	b=$(vz --json show "$G-b" | jq -r .ip)
	vz exec "$G" ping -c 1 -W 5 "$b"
	vz exec "$G-b" ping -c 1 -W 5 "$a"
	gw=$(vz exec "$G" ip -4 route show default | awk '{ print $3 }')
	vz exec "$G" ping -c 1 -W 5 "$gw"
	vz exec "$G" ping -6 -c 1 -W 5 "$(vz exec "$G-b" ip -6 -o addr show dev eth0 scope global | awk '{ sub("/.*", "", $4); print $4 }')"
	ping -c 1 -W 5 "$a"
	[ "$(vz exec "$G" hostname)" = "$G" ]
	[ "$(vz exec "$G" cat /etc/hostname)" = "$G" ]
	vz exec "$G" getent hosts "$G"
	vz exec "$G" grep -q "^$a[[:space:]]$G$" /etc/hosts
	vz exec "$G" grep -q '^nameserver' /etc/resolv.conf
}

@test "reboot and power-off from inside" {
	local before
	debian "$G" --net none
	before=$(init_of)
	vz exec "$G" systemctl reboot
	wait_for eval '[ "$(init_of)" != '"$before"' ]'
	wait_for up "$G"
	vz exec "$G" systemctl poweroff
	wait_for guest_status_is stopped
	[[ "$(why)" == "powered off from inside"* ]]
	vz --json why "$G" | jq -e '[.events[].event] | contains(["created", "started", "ready", "ended"])'
}

@test "free, /proc/cpuinfo and uptime show the guest's own (lxcfs); a dead lxcfs keeps no guest from starting" {
	command -v lxcfs >/dev/null || { echo "missing programs: make deps" >&2; return 1; }
	mountpoint -q /var/lib/lxcfs && skip "kernel: an lxcfs of the host's own is at /var/lib/lxcfs"
	mkdir -p /var/lib/lxcfs
	lxcfs --enable-cfs -l -p "$BATS_TEST_TMPDIR/pid" /var/lib/lxcfs >/dev/null 2>&1 3>&- &
	LXCFS=$!
	wait_for test -e /var/lib/lxcfs/proc/meminfo
	debian "$G" --memory 512M --cpus 1 --net none
	runs_well "$G"
	[ "$(vz exec "$G" free -m | awk '/^Mem/ { print $2 }')" = 512 ]
	[ "$(vz exec "$G" grep -c ^processor /proc/cpuinfo)" = 1 ]
	[ "$(vz exec "$G" getconf _NPROCESSORS_ONLN)" = 1 ]
	local up
	up=$(cut -d. -f1 /proc/uptime)
	[ "$(vz exec "$G" cut -d. -f1 /proc/uptime)" -lt "$up" ]
	vz stop "$G"
	kill -9 "$LXCFS"
	wait_for eval '! ls /var/lib/lxcfs'
	vz start "$G"
	runs_well "$G"
	vz exec "$G" cat /proc/uptime
}
