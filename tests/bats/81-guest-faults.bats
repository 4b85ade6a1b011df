#!/usr/bin/env bats
# A fault at every point of create, start, stop and destroy: a clear error, and nothing left. SIGKILL at every
# point, then `vzrun recover`: nothing left but what the command had finished. Needs the build with fault points.
load guest

setup_file() {
	[ -x "$FAULT" ] || { echo "no $FAULT: make FAULT=1" >&2; return 1; }
	need_guests busybox
}
setup() { guest_setup; traced; LOG=$BATS_TEST_TMPDIR/points; }
teardown() { guest_teardown; }

fz() { "$FAULT" --root "$ROOT" "$@"; }
do_create() { fz create "$G" --template busybox --memory 64M; }
do_start() { fz start "$G"; }
do_stop() { fz stop -k "$G"; }
do_destroy() { fz destroy "$G"; }
before() {
	case $1 in
	create) ;;
	start | destroy) do_create >/dev/null ;;
	stop) do_create >/dev/null && do_start >/dev/null ;;
	esac
}
# How many points the undisturbed command passes: beyond the pivot the child cannot write the log, so the last counts.
points() {
	before "$1"
	VZRUN_FAULT_LOG=$LOG "do_$1" >/dev/null
	fz destroy -f "$G" >/dev/null 2>&1 || true
	sort -n "$LOG" | tail -1 | cut -d' ' -f1
}
# Everything but the guest's own directory and its lease.
runtime_left() { keepers_left; slots_left; groups_left; state_left; mounts; links_left; }
runtime_gone() { [ -z "$(runtime_left)" ]; }
links_left() {
	local bridge
	bridge=$(jq -r .bridge "$VZRUN_HOME/networks/default.json" 2>/dev/null) || return 0
	ip -o link show master "$bridge" 2>/dev/null
}
socket_left() { ls "$VZRUN_HOME/guests/$G/keeper.sock" "$VZRUN_HOME/guests/$G/notify" 2>/dev/null; }
complain() { echo "$1 at $2 of $3: $4"; return 1; }

faults() {
	local n i
	n=$(points "$1")
	[ "$n" -gt 2 ]
	for i in $(seq "$n"); do
		before "$1"
		VZRUN_FAULT=$i run "do_$1"
		if [ "$status" -ne 0 ]; then
			[[ "${lines[0]}" == "vzrun: "*"injected fault: "* ]] || complain "$1: unclear error" "$i" "$n" "$output"
			case $1 in
			create) [ ! -e "$VZRUN_HOME/guests/$G" ] || complain "a guest is left" "$i" "$n" "$output" ;;
			start) wait_for runtime_gone || complain "$(runtime_left)" "$i" "$n" "$output"
			       [ -z "$(socket_left)" ] || complain "$(socket_left)" "$i" "$n" "$output" ;;
			esac
		fi
		# Whatever failed can be tried again, and destroyed.
		if [ -e "$VZRUN_HOME/guests/$G" ]; then
			fz destroy -f "$G" >/dev/null || complain "destroy failed" "$i" "$n" "$output"
		fi
		wait_for guests_gone || complain "$(guests_left)" "$i" "$n" "$output"
	done
}

kills() {
	local n i told=0
	n=$(points "$1")
	for i in $(seq "$n"); do
		before "$1"
		VZRUN_KILL=$i run "do_$1"
		[[ "$output" != *"the keeper died"* ]] || told=$((told + 1))
		# A child that was being made dies of its runtime's death, a moment later.
		[ "$1" = create ] || wait_for eval '! pgrep -f "^$FAULT --root $ROOT start"' || complain "hangs" "$i" "$n" "$output"
		fz recover >/dev/null || complain "recover failed" "$i" "$n" "$output"
		case $1 in
		create) [ ! -e "$VZRUN_HOME/guests/$G" ] || [ -e "$(conf)" ] || complain "half a guest" "$i" "$n" "$output" ;;
		start) # Killed before its init ran: as if never started. Killed after: it runs, and stops.
			if guest_status_is running; then
				fz stop -k "$G" >/dev/null || complain "stop failed" "$i" "$n" "$output"
				fz recover >/dev/null
			fi
			wait_for runtime_gone || complain "$(runtime_left)" "$i" "$n" "$output"
			[ -z "$(socket_left)" ] || complain "$(socket_left)" "$i" "$n" "$output" ;;
		destroy) [ ! -e "$VZRUN_HOME/guests/$G" ] || [ -e "$(conf)" ] || complain "half a guest" "$i" "$n" "$output" ;;
		esac
		[ ! -e "$VZRUN_HOME/guests/$G" ] || fz destroy -f "$G" >/dev/null || complain "destroy failed" "$i" "$n" "$output"
		wait_for guests_gone || complain "$(guests_left)" "$i" "$n" "$output"
	done
	# Who dies is whoever passes the point: of its keeper's death the starter lives to tell.
	[ "$1" != start ] || [ "$told" -gt 10 ] || { echo "the keeper died $told times"; false; }
}

@test "a fault at every point of create" { faults create; }
@test "a fault at every point of start" { faults start; }
@test "a fault at every point of stop" { faults stop; }
@test "a fault at every point of destroy" { faults destroy; }
@test "SIGKILL at every point of create, then recover" { kills create; }
@test "SIGKILL at every point of start, then recover" { kills start; }
@test "SIGKILL at every point of stop, then recover" { kills stop; }
@test "SIGKILL at every point of destroy, then recover" { kills destroy; }

@test "what a create that fails cannot take back is found by recover" {
	local i n trace=$BATS_TEST_TMPDIR/trace failed=0
	vz create "$G-first" --template busybox
	strace -e trace=recvfrom -o "$trace" "$VZ" --root "$ROOT" create "$G" --template busybox
	n=$(grep -c recvfrom "$trace")
	vz destroy "$G"
	for i in $(seq "$n"); do
		run strace -e "inject=recvfrom:error=ENOMEM:when=$i+" -o /dev/null "$VZ" --root "$ROOT" create "$G" --template busybox
		if [ "$status" -ne 0 ]; then
			failed=$((failed + 1))
			vz recover
			[ ! -e "$VZRUN_HOME/networks/.guests/$G.json" ] || { echo "at $i of $n its addresses are left: $output"; false; }
			[ ! -e "$VZRUN_HOME/guests/$G" ]
		else
			vz destroy "$G"
		fi
	done
	[ "$failed" -gt 3 ]
}

@test "networks that cannot be looked at are not taken for those of an older vzrun" {
	vz create "$G" --template busybox
	run strace -o /dev/null -e inject=faccessat,faccessat2:error=EIO "$VZ" --root "$ROOT" network ls
	[ "$status" -ne 0 ]
	has "networks/.guests: Input/output error"
	[ ! -e "$VZRUN_HOME/networks/.takeover" ]
	run vz network check
	ok
}

private_files() { find "$VZRUN_HOME" "$ROOT" -name '.*.*' -not -path "$STORE/*"; }
# cut_off COMMAND...: with a number of its own each time for the word %. Killed before each rename by which a new text takes
# the place of an old one; what is left goes with the same command again, or else with recover.
cut_off() {
	local call how n=0 left=0
	try() { n=$((n + 1)); run "$@" "${command[@]/\%/$n}"; }
	local command=("$VZ" --root "$ROOT" "$@")
	try "$I" -o "$seen" list
	for call in $(sed -n 's/^call \([0-9.]*:[0-9]*\) renameat2\?$/\1/p' "$seen"); do
		for how in again recover; do
			try "$I" -o "$seen" kill "$call"
			[ -n "$(private_files)" ] || continue
			left=$((left + 1))
			if [ "$how" = again ]; then try; else run vz recover; fi
			[ "$status" -eq 0 ] || { echo "$* killed at $call, then $how: $output"; return 1; }
			[ -z "$(private_files)" ] || { echo "$* killed at $call, then $how: $(private_files)"; return 1; }
		done
	done
	[ "$left" -gt 0 ] || { echo "$*: nothing was left, ever"; return 1; }
}

@test "what a writer that was killed between two names leaves is taken over by the next, or swept by recover" {
	[ -x "$TOP/build/tools/inject" ] || { echo "no build/tools/inject: make build/tools/inject" >&2; return 1; }
	I=$TOP/build/tools/inject
	seen=$BATS_TEST_TMPDIR/seen
	vz create "$G" --template busybox >/dev/null
	cut_off set "$G" --pids 20%
	cut_off set "$G" --rate %M
	# A file that is not written again by anybody.
	run "$I" -o "$seen" list "$VZ" --root "$ROOT" set "$G" --memory 65M
	run "$I" -o "$seen" kill "$(sed -n 's/^call \([0-9.]*:[0-9]*\) renameat$/\1/p' "$seen" | tail -1)" "$VZ" --root "$ROOT" set "$G" --memory 66M
	[ "$(private_files)" = "$VZRUN_HOME/guests/$G/.config.json.vzrun-new" ]
	run vz recover "$G"
	says "recovered: 1"
	[ -z "$(private_files)" ]
	run vz recover "$G"
	says "nothing to recover"
}

@test "links of addresses whose record was not written when the command was killed are swept by recover" {
	local I=$TOP/build/tools/inject seen=$BATS_TEST_TMPDIR/seen links call
	links() { find "$VZRUN_HOME/networks/default.d" -type l ! -name '.*' | sort; }
	vz create "$G" --template busybox >/dev/null
	links=$(links)
	"$I" -o "$seen" list "$VZ" --root "$ROOT" nic add "$G" >/dev/null
	vz nic rm "$G" eth1 >/dev/null
	[ "$(links)" = "$links" ]
	call=$(sed -n 's/^call \(0:[0-9]*\) renameat$/\1/p' "$seen" | head -1)
	run -137 "$I" -o "$seen" kill "$call" "$VZ" --root "$ROOT" nic add "$G"
	[ "$(links)" != "$links" ]
	vz recover >/dev/null
	[ "$(links)" = "$links" ]
}

# In $LOG, the calls of a start that is not the first, which makes more.
calls_of_start() {
	I=$TOP/build/tools/inject
	[ -x "$I" ] || { echo "no $I: make build/tools/inject" >&2; return 1; }
	busybox_guest
	vz start "$G"
	vz stop -k "$G"
	"$I" -o "$LOG" list "$VZ" --root "$ROOT" start "$G" | cat
	vz stop -k "$G"
}

@test "what the keeper warns of is heard by who starts the guest, and is on record" {
	calls_of_start
	local point heard=0
	for point in $(sed -n 's/^call \(0\.1:[0-9]*\) mkdir$/\1/p' "$LOG"); do
		run --separate-stderr "$I" -o "$BATS_TEST_TMPDIR/hit" fail "$point" EPERM "$VZ" --root "$ROOT" start "$G"
		vz stop -k "$G" >/dev/null 2>&1 || continue
		[[ "$stderr" == *"vzrun: warning: cgroup "*"-$G is not made: Operation not permitted"* ]] || continue
		vz --json why "$G" | jq -e --arg w "${stderr#vzrun: warning: }" '[.events[] | select(.event == "warning").detail] | index($w)'
		heard=$((heard + 1))
	done
	[ "$heard" -gt 0 ]
}

@test "a word of the keeper's that is lost is no end of it: start returns, and the guest is what start says" {
	calls_of_start
	local point lost=0 pid
	for point in $(sed -n 's/^call \(0\.1:[0-9]*\) sendto$/\1/p' "$LOG"); do
		run --separate-stderr "$I" -o "$BATS_TEST_TMPDIR/hit" fail "$point" ENOSPC "$VZ" --root "$ROOT" --json start "$G"
		if [ "$status" -eq 0 ]; then
			pid=$(jq .pid <<<"$output")
			[ "$pid" = "$(init_of)" ]
			lost=$((lost + 1))
		else
			guest_status_is stopped
		fi
		vz stop -k "$G" >/dev/null 2>&1 || guest_status_is stopped
	done
	[ "$lost" -gt 1 ]
}

@test "a create whose directory was taken away before it had its lock takes no other's" {
	busybox_guest --net none
	vz destroy "$G"
	strace -o /dev/null -e trace=mkdirat -e inject=mkdirat:delay_exit=3000000 "$VZ" --root "$ROOT" create "$G" \
		--template busybox --net none >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	JOB=$!
	wait_for test -d "$VZRUN_HOME/guests/$G"
	vz recover "$G"
	running_guest --net none
	ended "$JOB"
	[ "$status" -ne 0 ]
	grep -q "guest \"$G\" already exists" "$BATS_TEST_TMPDIR/said" || { cat "$BATS_TEST_TMPDIR/said"; false; }
	guest_status_is running
	[ -d "$VZRUN_HOME/guests/$G/disk/upper" ]
}

@test "recover takes no guest away that was finished meanwhile" {
	busybox_guest --net none
	vz destroy "$G"
	mkdir -m 700 "$VZRUN_HOME/guests/$G"
	strace -o "$BATS_TEST_TMPDIR/calls" -e trace=flock -e inject=flock:delay_exit=4000000:when=2 \
		"$VZ" --root "$ROOT" recover "$G" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	JOB=$!
	wait_for grep -q LOCK_EX "$BATS_TEST_TMPDIR/calls"
	sleep 0.5
	vz destroy -f "$G"
	running_guest --net none
	ended "$JOB"
	guest_status_is running || { cat "$BATS_TEST_TMPDIR/said" "$BATS_TEST_TMPDIR/calls"; false; }
}

@test "a guest that cannot be waited for has its time to stop" {
	running_guest --net none
	run strace -o /dev/null -e trace=poll -e inject=poll:error=ENOMEM:when=5..11 "$VZ" --root "$ROOT" stop -t 5 "$G"
	ok
	run vz why "$G"
	has "stopped by the host"
	hasnt "killed by the host"
}

@test "start takes no keeper for gone that it could not ask" {
	local keeper
	running_guest --net none
	keeper=$(keeper_of)
	kill -STOP "$keeper"
	kill -KILL "$(init_of)"
	wait_for guest_status_is starting
	run strace -o /dev/null -e trace=connect -e inject=connect:error=ENOMEM "$VZ" --root "$ROOT" start "$G"
	kill -CONT "$keeper"
	refuses 1 "keeper of guest \"$G\": connect to keeper.sock: Cannot allocate memory"
	wait_for guest_status_is stopped
	# What it was told was lost, and it cannot ask again.
	run strace -o /dev/null -e trace=connect,recvfrom -e inject=recvfrom:error=ENOMEM:when=1 \
		-e inject=connect:error=EMFILE "$VZ" --root "$ROOT" start "$G"
	[ "$status" -ne 0 ]
	has "guest \"$G\" may have started: keeper of guest \"$G\": connect to keeper.sock: Too many open files"
	wait_for guest_status_is running
}

@test "stop asks no keeper of a later boot" {
	local first
	running_guest --net none
	first=$(init_of)
	strace -o "$BATS_TEST_TMPDIR/calls" -e trace=connect,pidfd_send_signal -e inject=connect:error=ENOMEM:when=1 \
		-e inject=pidfd_send_signal:delay_exit=4000000 "$VZ" --root "$ROOT" stop -k "$G" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	JOB=$!
	wait_for guest_status_is stopped
	vz start "$G"
	SECONDS=0
	ended "$JOB"
	[ "$status" -eq 0 ] || { cat "$BATS_TEST_TMPDIR/said"; false; }
	[ "$SECONDS" -lt 9 ] || { cat "$BATS_TEST_TMPDIR/calls"; false; }
	guest_status_is running
	[ "$(init_of)" != "$first" ]
}

@test "a keeper that could not be reached is not lost, and stop waits until it has cleared up" {
	local keeper
	running_guest --net none
	keeper=$(keeper_of)
	run strace -o /dev/null -e trace=connect -e inject=connect:error=ENOMEM "$VZ" --root "$ROOT" console "$G"
	refuses 1 "keeper of guest \"$G\": connect to keeper.sock: Cannot allocate memory"
	kill -STOP "$keeper"
	strace -o /dev/null -e trace=connect -e inject=connect:error=ENOMEM:when=1 \
		"$VZ" --root "$ROOT" stop -k "$G" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	JOB=$!
	sleep 1
	kill -0 "$JOB" || { cat "$BATS_TEST_TMPDIR/said"; vz ls; kill -CONT "$keeper"; return 1; }
	kill -CONT "$keeper"
	ended "$JOB"
	[ "$status" -eq 0 ]
	guest_status_is stopped
}
