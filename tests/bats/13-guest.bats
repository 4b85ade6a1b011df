#!/usr/bin/env bats
# A busybox guest: its whole life, how it ends and why, its console and its keeper, and everything it refuses.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; }
teardown() { guest_teardown; }

@test "create, start, stop, destroy: what each says" {
	run vz create "$G" --template busybox --memory 64M
	ok
	[[ "$output" =~ ^$G\ created:\ 64M,\ 10\.[0-9.]+,\ fd77:[0-9a-f:]+\.\ Next:\ vzrun\ start\ $G$ ]]
	run vz start "$G"
	ok
	[[ "$output" =~ ^$G\ running:\ up\ after\ [0-9]+\.[0-9]{3}\ s$ ]]
	local c
	for c in "lint $(conf)" "set $G --pids 99" recover "exec --all echo x"; do
		# shellcheck disable=SC2016,SC2086
		run -1 bash -c '"$@" 2>&1 >/dev/full' - "$VZ" --root "$ROOT" $c
		[[ "$output" = "vzrun: write to standard output: "* ]] || { echo "$c: $output"; return 1; }
	done
	# shellcheck disable=SC2016
	run -3 bash -c '"$@" 2>&1 >/dev/full' - "$VZ" --root "$ROOT" --json show none
	[ "${lines[0]}" = 'vzrun: guest "none" does not exist' ]
	# shellcheck disable=SC2016
	run -1 bash -c '"$@" 2>&1 >&-' - "$VZ" --root "$ROOT" ls
	says "vzrun: write to standard output: Bad file descriptor"
	run -2 vz stop -k -t 3 "$G"
	run vz stop "$G"
	says "$G stopped"
	run vz destroy "$G"
	says "$G destroyed"
	[ -z "$(vz ls -q)" ]
	wait_for guests_gone
}

@test "JSON of every command is one object with the schema" {
	local c
	for c in "create $G --template busybox --memory 64M" "start $G" "ls" "show $G" "why $G" "logs $G" "set $G --pids 99" "stop -k $G" \
		 "lint $(conf)" "recover" "network ls" "destroy $G" "network rm default"; do
		# shellcheck disable=SC2086
		run --separate-stderr vz --json $c
		[ "$status" -eq 0 ] || { echo "$c: $output $stderr"; return 1; }
		[ "$(jq -rs 'length, .[0].schema' <<<"$output" | tr '\n' ' ')" = "1 vzrun/1 " ] || { echo "$c: $output"; return 1; }
	done
	run --separate-stderr vz --json show "$G"
	[ "$status" -eq 3 ]
	[ "$(jq -r '.error.code' <<<"$output")" = 3 ]
}

@test "the JSON's members" {
	run vz --json create "$G" --template busybox --memory 64M
	jq -e --arg g "$G" '.name == $g and .status == "created" and (.addresses | length == 2)' <<<"$output"
	run vz --json start "$G"
	jq -e '.status == "running" and .ready and .pid > 1 and .ms > 0' <<<"$output"
	run vz --json ls
	jq -e --arg g "$G" '.guests == [{name: $g, status: "running", pid: .guests[0].pid, image: .guests[0].image,
		selinuxLabel: .guests[0].selinuxLabel, tags: [],
		memory: 67108864, ip: .guests[0].ip, addresses: .guests[0].addresses,
		traffic: .guests[0].traffic}]' <<<"$output"
	run vz --json show "$G"
	jq -e '.config.linux.resources.memory.limit == 67108864 and .status == "running" and (.addresses | length == 2)' <<<"$output"
	run vz --json stop -k "$G"
	jq -e '.status == "stopped" and .killed' <<<"$output"
	run vz --json why "$G"
	jq -e '[.events[].event] == ["created", "started", "ended"]' <<<"$output"
}

@test "what needs a guest that runs says of one that does not what it is, and what to try" {
	local v
	busybox_guest --net none
	vz create "$G-b" --template busybox --net none >/dev/null
	for v in "exec $G true" "enter $G true"; do
		# shellcheck disable=SC2086
		run vz $v
		refuses 125 "guest \"$G\" is stopped"
		has "try    vzrun start $G"
	done
	for v in "pause $G" "resume $G" "kill $G" "ps $G" "checkpoint $G"; do
		# shellcheck disable=SC2086
		run vz $v
		refuses 5 "guest \"$G\" is stopped"
		has "try    vzrun start $G"
	done
	vz start "$G" >/dev/null
	vz pause "$G"
	run vz enter "$G" true
	refuses 125 "guest \"$G\" is paused"
	has "try    vzrun resume $G"
	vz resume "$G"
	run vz set "$G" --pids 0
	refuses 2 "--pids: 0 is no limit that a guest could run with"
	run vz set "$G" --pids 1K
	refuses 2 'set: --pids: "1K" is neither 1 to 4194304 nor -1'
	run vz recover "$G-x"
	refuses 3 "there is neither a guest nor a container \"$G-x\""
	echo '{' >"$(conf "$G-b")"
	run vz port ls
	ok
	has "GUEST  PORT"
	has "vzrun: warning: guest \"$G-b\": config.json:2: parse error"
	run vz lint "$(conf "$G-b")"
	[ "$status" -eq 10 ]
}

@test "a config.json that somebody moved away is told, and recover does not take the guest for half made" {
	busybox_guest --net none
	mv "$(conf)" "$BATS_TEST_TMPDIR/kept"
	run vz start "$G"
	refuses 10 "guest \"$G\" has lost its config.json"
	run vz recover "$G"
	ok
	has "guest \"$G\" has lost its config.json, and is left as it is"
	has "nothing to recover"
	# its events were rotated just before
	mv "$VZRUN_HOME/guests/$G/events" "$VZRUN_HOME/guests/$G/events.1"
	run vz recover
	has "guest \"$G\" has lost its config.json, and is left as it is"
	[ -d "$VZRUN_HOME/guests/$G/disk" ]
	mv "$BATS_TEST_TMPDIR/kept" "$(conf)"
	vz start "$G" >/dev/null
	vz stop -k "$G" >/dev/null
	rm "$(conf)"
	run vz destroy "$G"
	ok
	[ ! -e "$VZRUN_HOME/guests/$G" ]
}

@test "the words of the wrong state, the unknown and the existing guest" {
	busybox_guest
	run vz create "$G" --template busybox
	refuses 4 "guest \"$G\" already exists"
	run vz stop "$G"
	refuses 5 "guest \"$G\" is not running"
	run vz console "$G"
	refuses 5 "guest \"$G\" is not running"
	vz start "$G"
	run vz start "$G"
	refuses 5 "guest \"$G\" is already running"
	run vz destroy "$G"
	refuses 5 "guest \"$G\" is running"
	local c
	for c in stop restart destroy console logs "set --pids 9" show why; do
		# shellcheck disable=SC2086
		run vz $c nobody-x
		refuses 3 'guest "nobody-x" does not exist'
	done
	run flock "$VZRUN_HOME/guests/$G" "$VZ" --root "$ROOT" set "$G" --pids 9
	refuses 6 "guest \"$G\" is locked by another command"
}

@test "names, sizes, addresses and words that are refused: status 2 and one line, nothing made" {
	local n
	for n in A a_b -a a- .a 'a b' "$(printf 'x%.0s' {1..64})" ..; do
		run vz create --template busybox -- "$n"
		[ "$status" -eq 2 ] || { echo "$n: $status $output"; return 1; }
	done
	refused() { run vz create "$G" "${@:2}"; refuses 2 "$1"; }
	refused 'create: --memory: "12Q" is not a size (as 512M or 1.5G)' --template busybox --memory 12Q
	refused '--memory: less than 1M' --template busybox --memory 4k
	refused '--swap: needs --memory' --template busybox --swap 4M
	refused '--memory: too large' --template busybox --memory 9000P
	refused '--swap: too large' --template busybox --memory 8000P --swap 8000P
	refused '--cpus: "two" is not a number of processors' --template busybox --cpus two
	refused '--cpus: "0.001" is less than 0.01' --template busybox --cpus 0.001
	refused '--userns: "root" is neither auto, host nor a first id from 65536 on' --template busybox --userns root
	refused '--userns: "1000" is neither auto, host nor a first id from 65536 on' --template busybox --userns 1000
	refused '--features: "kvm" is unknown (nesting, fuse, tun, i386)' --template busybox --features kvm
	refused '--hostname: "a b" is not a host name' --template busybox --hostname 'a b'
	refused 'give one of --image, --rootfs and --template' --template busybox --image x
	refused '--pid-file is not for guests' --template busybox --pid-file x
	run vz create "$G" --template busybox --ip 10.0.0.300
	[ "$status" -ne 0 ]
	[ "$status" -le 16 ]
	has '10.0.0.300'
	run vz create "$G" --template busybox --mac zz
	has 'zz'
	run vz create "$G" --image nowhere:1
	[ "$status" -eq 3 ]
	has nowhere:1
	run vz create "$G" --template plan9
	[ "$status" -ne 0 ]
	run vz create "$G" --rootfs /nonexistent
	[ "$status" -ne 0 ]
	has /nonexistent
	[ -z "$(ls "$VZRUN_HOME/guests" 2>/dev/null)" ]
	[ -z "$(leases_left)" ]
}

@test "exec and enter: the command's status, 125, 126, 127, 128+n" {
	running_guest
	local c
	for c in exec enter; do
		run -0 vz $c "$G" true
		run -7 vz $c "$G" sh -c 'exit 7'
		run -143 vz $c "$G" sh -c 'kill -TERM $$'
		run -127 vz $c "$G" no-such-program
		has 'executable file not found'
		run -127 vz $c "$G" /no/such
		run -126 vz $c "$G" /etc/passwd
		run -126 vz $c "$G" /etc
		vz exec "$G" sh -c 'echo "#!/no/such" >/tmp/s; chmod 755 /tmp/s'
		run -127 vz $c "$G" /tmp/s
		has 'exec /tmp/s: no such file or directory: its interpreter is /no/such'
	done
	[ "$(vz exec -u nobody "$G" id -u)" = 65534 ]
	run -125 vz exec -u stranger "$G" id
	has "--user: guest \"$G\" has no user \"stranger\" in its /etc/passwd"
	[ "$(echo read | vz exec -i "$G" cat)" = read ]
	run vz exec "$G" env
	hasnt NOTIFY_SOCKET
	has container=vzrun
	vz stop -k "$G"
	run -125 vz exec "$G" true
	run -125 vz enter "$G" true
}

@test "stop of a paused guest" {
	running_guest
	vz pause "$G"
	vz stop "$G"
	[[ "$(why)" == "stopped by the host, powered off cleanly"* ]]
}

@test "an init that does not hear yet is asked again" {
	vz create "$G" --template busybox --memory 16M -- /bin/sh -c 'sleep 0.5; trap "exit 7" USR2; while :; do sleep 0.1; done'
	vz start "$G"
	run vz stop "$G"
	says "$G stopped"
	[[ "$(why)" == *"status 7"* ]]
}

@test "ends from inside and from the host, each with its reason" {
	running_guest
	vz exec "$G" poweroff
	wait_for guest_status_is stopped
	[[ "$(why)" == "powered off from inside ("* ]]
	vz start "$G"
	vz exec "$G" halt
	wait_for guest_status_is stopped
	[[ "$(why)" == "powered off from inside ("* ]]
	vz start "$G"
	kill -9 "$(init_of)"
	wait_for guest_status_is stopped
	[[ "$(why)" == "killed from the host by SIGKILL ("* ]]
	vz start "$G"
	vz stop -k "$G"
	[[ "$(why)" == "killed by the host ("* ]]
}

@test "reboot from inside: another init, the same address, an edit counts" {
	running_guest
	local before
	before=$(init_of)
	edit '.hostname = "edited"'
	vz exec "$G" reboot
	wait_for eval '[ "$(init_of)" != '"$before"' ] && guest_status_is running'
	[ "$(vz exec "$G" hostname)" = edited ]
	vz --json why "$G" | jq -e '[.events[] | select(.detail == "rebooted from inside")] | length == 1'
	vz stop "$G"
}

@test "a guest that reboots without end is given up" {
	busybox_guest
	edit '.process.args = ["reboot", "-f"]'
	vz start "$G" || true
	wait_for guest_status_is stopped
	[[ "$(why)" == "it rebooted ten times in a row"* ]]
	vz --json why "$G" | jq -e '[.events[] | select(.detail == "rebooted from inside")] | length == 10'
}

@test "an init that exits, and one that ignores the request to stop" {
	vz create "$G" --template busybox -- sh -c 'exit 3'
	vz start "$G" || true
	wait_for guest_status_is stopped
	[[ "$(why)" == "its init exited with status 3 ("* ]]
	edit '.process.args = ["sh", "-c", "trap : TERM; while :; do sleep 9; done"]'
	vz start "$G"
	run vz stop --timeout 300ms "$G"
	says "$G stopped (killed)"
	[[ "$(why)" == "killed by the host: it did not stop in time ("* ]]
	edit '.vzrun.stopTimeout = 30 | .vzrun.stopSignal = "USR1" | .process.args = ["sh", "-c", "trap \"exit 5\" USR1; : >/ready; while :; do sleep 0.1; done"]'
	vz start "$G"
	wait_for test -e "$VZRUN_HOME/guests/$G/disk/upper/ready"
	vz stop "$G"
	[[ "$(why)" == "stopped by the host: its init exited with status 5 ("* ]]
}

@test "never started, and a start that fails" {
	busybox_guest
	[ "$(why)" = "it was never started" ]
	edit '.process.args = ["/no/init"]'
	run vz start "$G"
	[ "$status" -ne 0 ]
	has "guest \"$G\" not started: exec: \"/no/init\""
	[[ "$(why)" == "it could not start: exec: \"/no/init\""* ]]
	run_left_nothing
}

@test "logs: what the console said, the last lines, bounded" {
	vz create "$G" --template busybox -- sh -c 'i=0; while [ $i -lt 60000 ]; do echo "line $i of the console, which is long enough to fill it"; i=$((i+1)); done; echo end; exec sleep 1000'
	vz start "$G"
	wait_for eval 'vz logs -n 1 "$G" | grep -q end'
	run vz logs -n 2 "$G"
	[ "${lines[0]}" = "line 59999 of the console, which is long enough to fill it"$'\r' ]
	[ "${lines[1]}" = end$'\r' ]
	[ "$(vz logs --tail 1 "$G")" = end$'\r' ]
	[ "$(cat "$VZRUN_HOME/guests/$G"/console.log* | wc -c)" -le $((2 << 20)) ]
	vz stop -k "$G"
	# as where the keeper begins another file while we read
	echo once >"$VZRUN_HOME/guests/$G/console.log"
	ln -f "$VZRUN_HOME/guests/$G/console.log" "$VZRUN_HOME/guests/$G/console.log.1"
	[ "$(vz logs "$G")" = once ]
}

@test "logs -f: what comes, over a new file and a cut character, until the guest is down" {
	vz create "$G" --template busybox --net none -- sh -c 'echo begun; while ! [ -e /more ]; do sleep 0.05; done
		printf "\303"; sleep 0.5; printf "\244\n"; i=0; while [ $i -lt 30000 ]; do echo "line $i of the console, which is long enough to fill it"; i=$((i+1)); done
		echo end'
	vz start "$G"
	wait_for eval 'vz logs "$G" | grep -q begun'
	"$VZ" --root "$ROOT" logs -f "$G" >"$BATS_TEST_TMPDIR/followed" 3>&- & pid=$!
	wait_for grep -q begun "$BATS_TEST_TMPDIR/followed"
	vz exec "$G" touch /more
	builtin wait $pid
	[ "$(tr -d '\r' <"$BATS_TEST_TMPDIR/followed" | head -2)" = $'begun\nä' ]
	[ "$(tr -d '\r' <"$BATS_TEST_TMPDIR/followed" | tail -1)" = end ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/followed")" = 30003 ]
	run -2 vz logs -f "$G" "$G-b"
	run -2 vz --json logs -f "$G"
}

@test "logs -f on a terminal: an end of line that comes in two pieces is one, and nothing at the end is held back" {
	local log=$VZRUN_HOME/guests/$G/console.log
	vz create "$G" --template busybox --net none -- sh -c 'echo begun; exec sleep 1000'
	vz start "$G"
	python3 "$PTY" '?begun' '?two' -- "$VZ" --root "$ROOT" logs -f "$G" >"$BATS_TEST_TMPDIR/followed" 3>&- & pid=$!
	sleep 0.5
	printf 'one\r' >>"$log"
	sleep 0.3
	printf '\ntwo\n\303' >>"$log"
	vz stop -k "$G"
	builtin wait $pid
	[ "$(tr -d '\r' <"$BATS_TEST_TMPDIR/followed")" = $'begun\none\ntwo\n?' ]
}

@test "logs in JSON are UTF-8 whatever the console said" {
	vz create "$G" --template busybox --net none -- sh -c 'printf "a\377b \303\244 \355\240\200 \360\200\n\302\233c\033d\n\nlast"; sleep 99'
	vz start "$G"
	wait_for eval '[ -s "$VZRUN_HOME/guests/$G/console.log" ]'
	[ "$(vz --json logs "$G" | python3 -c 'import json, sys; print(json.loads(sys.stdin.buffer.read().decode("utf-8"))["lines"][0])')" = 'a?b ä ??? ??' ]
	[ "$(vz --json logs "$G" | jq -c '.lines[2:]')" = '["","last"]' ]
	run python3 "$PTY" '???c?d' -- "$VZ" --root "$ROOT" logs "$G"
	ok
}

@test "console: a real terminal, typed and read, size passed on, Ctrl-] leaves" {
	running_guest
	edit '.process.args = ["sh"]'
	vz restart -k "$G"
	run python3 "$PTY" '?leaves it' '!\n' '?#' '!stty size; echo a$((40+2))z\n' '?a42z' '@33x77' '!stty size\n' '!\x1d' \
		-- "$VZ" --root "$ROOT" console "$G"
	ok
	guest_status_is running
	run python3 "$PTY" '?leaves it' '@31x71' '!\n' '?#' '!stty size\n' '?31 71' '!\x1d' -- "$VZ" --root "$ROOT" console "$G"
	ok
	# Ended from outside it leaves the terminal as it found it.
	run python3 "$PTY" '?leaves it' '?as it was' -- \
		sh -c 'timeout --foreground 4 "$@"; stty -a | grep -qw -e -icanon || echo as it was' sh "$VZ" --root "$ROOT" console "$G"
	ok
}

@test "enter: a login shell on a real terminal, its status" {
	running_guest
	run python3 "$PTY" '?#' '!tty; echo $0 $HOME q$((1+1))\n' '?/dev/pts/' '?q2' '!exit 5\n' -- "$VZ" --root "$ROOT" enter "$G"
	[ "$status" -eq 5 ]
	has '/bin/sh /root q2'
}

@test "the keeper: its name, its memory, no descriptor of the caller's" {
	running_guest
	local k
	k=$(keeper_of)
	[ "$(cat "/proc/$k/comm")" = vzrun-keeper ]
	# Pages of the program count as private whenever nobody else happens to run it: what it wrote is its own.
	private() { awk '/^Private_Dirty/ { print $2 }' "/proc/$k/smaps_rollup"; }
	sanitized || wait_for eval '[ "$(private)" -lt 400 ]'
	[ -z "$(find "/proc/$k/fd" -lname 'pipe:*')" ]
	# Whoever reads our output is not kept waiting.
	[ "$(vz restart -k "$G" | wc -l)" = 1 ]
}

@test "a keeper that is killed: the guest runs on, and every command works" {
	running_guest
	kill -9 "$(keeper_of)"
	wait_for eval '[ -z "$(keepers_left)" ]'
	guest_status_is running
	[[ "$(why)" == *"its keeper was killed"* ]]
	vz exec "$G" true
	run vz start "$G"
	refuses 5 "guest \"$G\" is already running"
	run vz console "$G"
	refuses 5 "guest \"$G\" has lost its keeper"
	run vz recover
	guest_status_is running
	vz stop "$G"
	[[ "$(why)" == "stopped by the host; it had no keeper"* ]]
	[ ! -e "$VZRUN_HOME/guests/$G/keeper.sock" ]
	run_left_nothing
	vz start "$G"
	kill -9 "$(keeper_of)" "$(init_of)"
	wait_for guest_status_is stopped
	[[ "$(why)" == "nobody saw how it ended"* ]]
	run vz recover
	ok
	run_left_nothing
	[ ! -e "$VZRUN_HOME/guests/$G/keeper.sock" ]
	vz start "$G"
	kill -9 "$(keeper_of)"
	vz destroy -f "$G"
	wait_for guests_gone
}

@test "empty groups by its name, which something else has left, go with it" {
	local top tops=(/sys/fs/cgroup) made=0
	[ -e /sys/fs/cgroup/cgroup.procs ] || tops=(/sys/fs/cgroup/*)
	for top in "${tops[@]}"; do
		[ -e "$top/cgroup.procs" ] || continue
		mkdir "$top/vzrun-$G"
		made=$((made + 1))
	done
	[ "$made" -gt 0 ]
	running_guest --net none
	[ "$(groups_left | wc -l)" -ge "$made" ]
	vz destroy -f "$G" >/dev/null
	[ -z "$(groups_left)" ] || { groups_left; return 1; }
}

@test "stops in parallel, and a start beside a stop: one guest, no leftovers" {
	local i
	running_guest
	for i in 1 2 3 4; do vz stop -k "$G" >/dev/null 2>&1 & done
	wait
	guest_status_is stopped
	for i in 1 2 3 4 5 6; do
		vz start "$G" >/dev/null 2>&1 &
		vz stop -k "$G" >/dev/null 2>&1 &
		vz start "$G" >/dev/null 2>&1 &
	done
	wait
	vz stop -k "$G" >/dev/null 2>&1 || true
	guest_status_is stopped
	run_left_nothing
	vz start "$G"
	wait_for one_keeper
}

@test "the record of what happened is bounded" {
	busybox_guest --net none
	head -c 300000 /dev/zero | tr '\0' '\n' >>"$VZRUN_HOME/guests/$G/events"
	vz start "$G"
	vz stop -k "$G"
	[ "$(stat -c %s "$VZRUN_HOME/guests/$G/events")" -lt 1000 ]
	[ -e "$VZRUN_HOME/guests/$G/events.1" ]
	[[ "$(why)" == "killed by the host"* ]]
	vz --json why "$G" | jq -e '[.events[].event] == ["created", "started", "ended"]'
}
