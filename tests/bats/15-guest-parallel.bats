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

# storm ROUNDS [kill]: sixteen commands at a time on one guest; kill: every second one is killed in the middle, and recover
# follows. Every one of the others does its work or says in one line what it found.
whole() { vz recover >/dev/null && ! vz ls | grep -qE 'broken|unknown'; }
storm() {
	local round i s c out=$BATS_TEST_TMPDIR/out
	local verbs=("create $G --template busybox" "start $G" "start $G" "start --no-wait $G" "stop -k $G" "stop -t 1s $G" "restart -k $G"
		"destroy $G" "destroy -f $G" "set $G --memory 64M" "set $G --ip auto" "nic add $G" "nic rm $G eth1" "port add $G 18999:80"
		"port rm $G 18999:80" "fw allow $G in" "exec $G true" "enter $G true" "pause $G" "resume $G" "kill $G KILL" "recover"
		"checkpoint --discard $G" "restore $G" "why $G" "stats" "logs $G")
	for round in $(seq "$1"); do
		vz create "$G" --template busybox >/dev/null 2>&1 || true
		local pids=() said=()
		for i in $(seq 0 15); do
			c=${verbs[(round * 7 + i * (2 * (round % 13) + 1)) % ${#verbs[@]}]}
			said+=("$c")
			# shellcheck disable=SC2086
			"$VZ" --root "$ROOT" $c >"$out.$i" 2>&1 3>&- </dev/null &
			pids+=($!)
		done
		for i in $(seq 0 2 15); do
			[ "${2:-}" != kill ] || kill -9 "${pids[i]}" 2>/dev/null || true
		done
		for i in $(seq 0 15); do
			s=0; wait "${pids[i]}" || s=$?
			# 137: killed here, or by the guest's end what ran in it
			case $s in
			0 | 137) ;;
			1 | 3 | 4 | 5 | 6 | 12 | 125 | 255) grep -q '^vzrun: ' "$out.$i" || { echo "${said[i]}: $s: $(cat "$out.$i")"; return 1; } ;;
			*) echo "${said[i]}: $s: $(cat "$out.$i")"; return 1 ;;
			esac
		done
		[ "${2:-}" = kill ] || continue
		# A child of what was killed may be on its way out, and has the lock till then.
		wait_for whole
	done
	vz resume "$G" >/dev/null 2>&1 || true
	[ -z "$(vz ls -q)" ] || vz destroy -f "$G" >/dev/null
	wait_for whole
	vz network check >/dev/null
	[ -z "$(find "$VZRUN_HOME/networks/" -type l ! -name '.*')" ]
	[ -z "$(ls -A "$VZRUN_HOME/guests" "$VZRUN_HOME/networks/.guests" | grep -v ':$')" ]
}

@test "sixteen commands at a time on one guest: each does its work or says what it found" { storm 10; }
@test "sixteen commands at a time on one guest, half of them killed: recover leaves nothing" { storm 10 kill; }
