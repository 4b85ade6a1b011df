#!/usr/bin/env bash
# For 83-surroundings, in a mount namespace of its own: VZRUN ROOT GUEST PIDFILE. Every command with a lxcfs that is stopped.
set -eu
vz() { "$VZ" --root "$ROOT" "$@"; }
VZ=$1 ROOT=$2 G=$3
mkdir -p /var/lib/lxcfs
lxcfs -f --enable-cfs -p "$4.own" /var/lib/lxcfs >/dev/null 2>&1 3>&- &
echo $! >"$4"
for _ in $(seq 600); do ! mountpoint -q /var/lib/lxcfs || break; sleep 0.05; done
vz start "$G"
vz exec "$G" grep -E '^MemTotal: +65536 kB' /proc/meminfo
kill -STOP "$(cat "$4")"
for c in ls "show $G" "why $G" "exec $G true" "set $G --memory 80M" "stop -k $G" "start $G" recover "destroy -f $G"; do
	# shellcheck disable=SC2086
	timeout -s KILL 60 "$VZ" --root "$ROOT" $c >/dev/null
	echo "$c ok"
done
kill -KILL "$(cat "$4")"
rm "$4"
