#!/usr/bin/env bats
# Forty guests at once.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; }
teardown() { guest_teardown; }

# each COMMAND...: for all forty at a time; %s is the name. Every one must succeed.
each() {
	local i p pids=() bad=0 log=$BATS_TEST_TMPDIR/log
	for i in $(seq 40); do
		vz "${@//%s/$G-$i}" >"$log.$i" 2>&1 &
		pids+=($!)
	done
	for i in $(seq 40); do
		wait "${pids[i - 1]}" || { bad=1; echo "$i: $(cat "$log.$i")"; }
	done
	return $bad
}
timed() {
	local t=$EPOCHREALTIME
	each "$@"
	echo "# 40 x $1: $(((${EPOCHREALTIME/./} - ${t/./}) / 1000)) ms" >&3
}

@test "40 guests are made, started, run in, stopped and destroyed in parallel" {
	timed create %s --template busybox --memory 32M
	[ "$(vz ls -q | wc -l)" = 40 ]
	[ "$(vz --json ls | jq -r '[.guests[].ip] | unique | length')" = 40 ]
	timed start %s
	[ "$(vz --json ls | jq '[.guests[] | select(.status == "running")] | length')" = 40 ]
	forty_keepers() { [ "$(pgrep -fc "^vzrun-keeper $G-")" = 40 ]; }
	wait_for forty_keepers
	[ "$(for i in $(seq 40); do vz exec "$G-$i" awk '{ print $2 }' /proc/self/uid_map; done | sort -u | wc -l)" = 40 ]
	timed exec %s true
	timed stop -k %s
	[ "$(vz --json ls | jq '[.guests[] | select(.status == "stopped")] | length')" = 40 ]
	timed destroy %s
	[ -z "$(vz ls -q)" ]
	wait_for guests_gone
}

@test "forty that create the same name: one wins, the others say that it exists" {
	local i p pids=() won=0 lost=0 s
	for i in $(seq 40); do
		vz create "$G" --template busybox --net none >/dev/null 2>&1 &
		pids+=($!)
	done
	for p in "${pids[@]}"; do
		s=0; wait "$p" || s=$?
		case $s in 0) won=$((won + 1)) ;; 4) lost=$((lost + 1)) ;; *) echo "status $s" ;; esac
	done
	[ "$won" = 1 ]
	[ "$lost" = 39 ]
}
