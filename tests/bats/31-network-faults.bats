#!/usr/bin/env bats
# The network part of a start, failing or killed at each fault point in turn. A failure leaves nothing of its
# own; after a kill the undo of the caller (teardown, release, remove) leaves nothing. Needs root.

setup() {
	[ "$(id -u)" = 0 ] || { echo "needs root" >&2; return 1; }
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	local build=${VZRUN_BUILD:-$PWD/build}
	export VZRUN_LIBEXEC=${VZRUN_LIBEXEC:-$build}
	T=$build/fault/tools/nettool
	[ -x "$T" ] || { echo "no $T: make FAULT=1 $T" >&2; return 1; }
	D=$(mktemp -d "${BATS_TMPDIR:-/tmp}/vznet.XXXXXX")
	unshare -n sleep 300 3>&- &
	HOST=$!
	unshare -n sleep 300 3>&- &
	GUEST=$!
	for _ in {1..2000}; do
		[ "$(readlink "/proc/$HOST/ns/net" "/proc/$GUEST/ns/net" /proc/self/ns/net | sort -u | wc -l)" != 3 ] || break
		sleep 0.02
	done
	nsenter -t "$GUEST" -n -- ip link set lo up
	h ip link add up0 type veth peer name up1
	h ip addr add 192.0.2.1/24 dev up0
	h ip link set up0 up
	h ip link set up1 up
	# The kernel tells of a carrier a moment later.
	until h ip -o link show up0 | grep -q "state UP"; do sleep 0.05; done
	snapshot >"$D/before"
}

teardown() {
	kill -9 "$HOST" "$GUEST"
	rm -rf "$D"
}

h() { nsenter -t "$HOST" -n -- "$@"; }

snapshot() {
	h ip -o link | sed 's/^[0-9]*: //; s/state.*//' | sort
	h ip -o addr | sed 's/^[0-9]*: //' | grep -v fe80 | sort
	h nft list ruleset | awk -f "$BATS_TEST_DIRNAME/../net/standing.awk"
	h sh -c 'grep . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/*forwarding'
	nsenter -t "$GUEST" -n -- ip -o link | sed 's/^[0-9]*: //; s/ qdisc.*//'
}

same() { snapshot | diff "$D/before" -; }

# sweep VARIABLE: one run a point, until a run meets none
sweep() {
	local n rc

	for n in {1..100}; do
		rc=0
		h env "$1=$n" VZRUN_FAULT_LOG="$D/log" "$T" up "$D/home" a "$GUEST" >"$D/out" 2>&1 || rc=$?
		"undo_$1" "$n" "$rc" || { echo "$1=$n: $(tail -1 "$D/log")"; cat "$D/out"; return 1; }
		[ "$rc" -ne 0 ] || break
	done
	[ "$n" -gt 6 ]
	echo "# $1: $((n - 1)) points" >&3
}

undo_VZRUN_FAULT() {
	if [ "$2" -ne 0 ]; then
		grep -q "injected fault" "$D/out" || return 1
		# The step that failed left no link; leases are the caller's to release.
		! h ip -o link | grep -q ": vz[0-9a-f]\{9\}" || return 1
	fi
	clean
}

undo_VZRUN_KILL() {
	[ "$2" -eq 0 ] || [ "$2" -eq 137 ] || return 1
	clean
}

clean() {
	h "$T" teardown "$D/home" a && h "$T" release "$D/home" a || return 1
	h "$T" remove "$D/home" default 2>"$D/err" || grep -q "does not exist" "$D/err" || return 1
	same && [ -z "$(find "$D/home/networks" -mindepth 1 ! -name .lock ! -name .guests)" ]
}

@test "a fault at each point leaves nothing" { sweep VZRUN_FAULT; }
@test "killed at each point, everything is taken back" { sweep VZRUN_KILL; }

@test "killed at each point, the next start succeeds" {
	for n in {1..100}; do
		rc=0
		h env "VZRUN_KILL=$n" "$T" up "$D/home" a "$GUEST" >"$D/out" 2>&1 || rc=$?
		[ "$rc" -ne 0 ] || break
		h "$T" teardown "$D/home" a
		h "$T" up "$D/home" a "$GUEST" >"$D/out" 2>&1 || { echo "after $n:"; cat "$D/out"; false; }
		nsenter -t "$GUEST" -n -- ping -c 1 -W 2 10.77.0.1 >/dev/null
		clean
	done
	[ "$n" -gt 6 ]
}

@test "a helper ends with who called it, whose lock is another's then" {
	mkfifo "$D/request"
	exec 8<>"$D/request"
	for name in vzrun-net vzrun-systemd vzrun-image; do
		[ -x "$VZRUN_LIBEXEC/$name" ] || continue
		case $name in
		vzrun-net) words=(apply) ;;
		vzrun-systemd) words=(unit) ;;
		vzrun-image) words=(--home "$D/home" import /dev/stdin) ;;
		esac
		sh -c 'env VZRUN_HELPER_OF=$$ "$@" <"$0" & echo $! >"$0.pid"; wait' "$D/request" "$VZRUN_LIBEXEC/$name" "${words[@]}" 3>&- 8>&- 2>/dev/null &
		caller=$!
		for _ in {1..500}; do
			[ ! -s "$D/request.pid" ] || [ "$(cat "/proc/$(cat "$D/request.pid")/comm" 2>/dev/null)" != "${name:0:15}" ] || break
			sleep 0.02
		done
		helper=$(cat "$D/request.pid")
		[ "$(cat "/proc/$helper/comm")" = "${name:0:15}" ]
		kill -9 "$caller"
		for _ in {1..500}; do [ -e "/proc/$helper" ] || break; sleep 0.02; done
		[ ! -e "/proc/$helper" ]
		rm -f "$D/request.pid"
	done
	exec 8>&-
}
