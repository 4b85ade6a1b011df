#!/usr/bin/env bats
# A busybox guest: its whole life, what bites, how it ends and why, edits by hand, and everything it refuses.
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
	run vz stop "$G"
	says "$G stopped"
	run vz destroy "$G"
	says "$G destroyed"
	[ -z "$(vz ls -q)" ]
	guests_gone
}

@test "JSON of every command is one object with the schema" {
	local c
	for c in "create $G --template busybox --memory 64M" "start $G" "ls" "show $G" "why $G" "logs $G" "set $G --pids 99" "stop -k $G" \
		 "lint $(conf)" "recover" "network ls" "destroy $G"; do
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
		memory: 67108864, ip: .guests[0].ip,
		traffic: .guests[0].traffic}]' <<<"$output"
	run vz --json show "$G"
	jq -e '.config.linux.resources.memory.limit == 67108864 and .status == "running"' <<<"$output"
	run vz --json stop -k "$G"
	jq -e '.status == "stopped" and .killed' <<<"$output"
	run vz --json why "$G"
	jq -e '[.events[].event] == ["created", "started", "ended"]' <<<"$output"
}

@test "several names: every one gets its turn, each failure is said, the first one is the status" {
	busybox_guest --net none
	vz create "$G-b" --template busybox --net none
	run vz start nobody-x "$G" "$G-b" "$G-b"
	[ "$status" -eq 1 ]
	has 'vzrun: container "nobody-x" does not exist'
	[ "$(grep -c ' running: up after ' <<<"$output")" = 2 ]
	[[ "${lines[-2]}" == "$G running"* ]]
	[[ "${lines[-1]}" == "$G-b running"* ]]
	# what the others said is nothing that a keeper has
	run ls -l "/proc/$(keeper_of "$G-b")/fd"
	ok
	hasnt memfd
	hasnt pipe:
	vz stop -k "$G"
	run vz stop -k "$G" "$G-b"
	[ "$status" -eq 5 ]
	has "guest \"$G\" is not running"
	has "$G-b stopped (killed)"
	guest_status_is stopped "$G-b"
	run --separate-stderr vz --json set --pids 99 "$G" nobody-x "$G-b"
	[ "$status" -eq 3 ]
	jq -e --arg a "$G" --arg b "$G-b" '.schema == "vzrun/1" and ([.guests[].name] == [$a, "nobody-x", $b]) and
		.guests[1].error.code == 3 and .guests[0].changed == .guests[2].changed' <<<"$output"
	run vz --json destroy "$G" "$G-b"
	jq -e --arg a "$G" --arg b "$G-b" '[.guests[] | .name, .status] == [$a, "destroyed", $b, "destroyed"]' <<<"$output"
}

@test "--all: the guests that the command is for; 16 when some fail; destroy wants --yes" {
	run vz start --all
	ok
	[ -z "$output" ]
	run vz --json stop --all
	jq -e '.guests == []' <<<"$output"
	busybox_guest --net none
	vz create "$G-b" --template busybox --net none
	vz start "$G-b"
	run vz start --all
	ok
	[[ "$output" == "$G running"* ]]
	vz stop -k "$G-b"
	run vz restart -k --all
	ok
	[[ "$output" == "$G running"* ]]
	run vz show --all
	has "$G-b"
	[ "$(grep -c ^name <<<"$output")" = 2 ]
	vz start "$G-b"
	# whose state cannot be told is not left out in silence
	mv "$ROOT/$G/state.json" "$ROOT/$G/kept"
	ln -s state.json "$ROOT/$G/state.json"
	run vz stop -k --all
	[ "$status" -eq 16 ]
	has "$G-b stopped (killed)"
	has "state of $G: open "
	run vz checkpoint --all
	[ "$status" -eq 1 ]
	has "state of $G: open "
	mv "$ROOT/$G/kept" "$ROOT/$G/state.json"
	vz start "$G-b"
	vz stop -k "$G"
	run vz destroy --all
	refuses 2 'destroy: --all and --tag need --yes'
	has "it would destroy $G, $G-b"
	run vz destroy --all --yes
	[ "$status" -eq 16 ]
	has "$G destroyed"
	has "guest \"$G-b\" is running"
	run vz destroy --all --yes
	[ "$status" -eq 5 ]
	run vz destroy --all --yes -f
	says "$G-b destroyed"
	[ -z "$(vz ls -q)" ]
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

@test "of several guests: exec, logs, nic, fw, port, set, recover; a terminal is one guest's" {
	local a=$G b=$G-b c=$G-c g
	for g in "$a" "$b" "$c"; do vz create "$g" --template busybox --net none --tag web >/dev/null; done
	vz start "$a" "$b" >/dev/null
	# of those that run, in the order of the names, none has the caller's input
	run vz exec --tag web sh -c 'hostname; cat; echo -e "\377" >&1; exit 0' <<<"not for them"
	ok
	says "==> $a <=="$'\n'"$a"$'\n\377\n'"==> $b <=="$'\n'"$b"$'\n\377'
	run vz exec --all sh -c '[ "$(hostname)" = '"$a"' ]'
	[ "$status" -eq 16 ]
	run --separate-stderr vz --json exec --all sh -c 'echo "$(hostname) \"$1\""; [ "$(hostname)" = '"$a"' ]' - x
	[ "$status" -eq 16 ]
	jq -e --arg a "$a" --arg b "$b" '.guests == [{ name: $a, status: 0, output: ($a + " \"x\"\n"), errors: "" },
		{ name: $b, status: 1, output: ($b + " \"x\"\n"), errors: "" }]' <<<"$output"
	run -127 vz exec --all nothing-of-it
	has 'exec: "nothing-of-it": executable file not found'
	for o in --tty --pid-file=/x --console-socket=/x --preserve-fds=1; do
		run vz exec --all "$o" true
		refuses 2 "exec: ${o%=*} is for one guest, not for --all and --tag"
	done
	run vz enter --tag web
	refuses 2 "enter: --all and --tag are not for it: it gives the terminal to one guest"
	run vz console --all
	refuses 2 "console: --all and --tag are not for it: it gives the terminal to one guest"
	run vz set --all --pids 70
	ok
	[ "$(grep -A1 "^==> $c <==\$" <<<"$output" | tail -1)" = "  linux.resources.pids.limit = 70" ]
	[ "$(grep -c '^==> ' <<<"$output")" = 3 ]
	wait_for eval '[ "$(vz logs --tag web | grep -c "^==> ")" = 2 ]'
	run vz --json logs "$a" "$c"
	jq -e --arg c "$c" '.guests | length == 2 and .[1] == { name: $c, lines: [] }' <<<"$output"
	run vz nic add --all
	ok
	says "$a: eth0 added"$'\n'"$b: eth0 added"$'\n'"$c: eth0 added"
	run vz --json nic ls --all
	jq -e '[.guests[].interfaces[].interface] == ["eth0", "eth0", "eth0"]' <<<"$output"
	[ "$(vz nic ls --tag web | grep -c '^eth0  network  default')" = 3 ]
	run vz fw allow --tag web in --proto tcp --port 80
	ok
	run vz fw ls "$a" "$c"
	[ "$(grep -c '^1  allow   in         any   tcp    80$' <<<"$output")" = 2 ]
	[ "$(grep '^==> ' <<<"$output" | xargs)" = "==> $a <== ==> $c <==" ]
	run vz nic rm --all eth0
	ok
	[ "$(grep -c ': eth0 removed$' <<<"$output")" = 3 ]
	run vz port rm --all 80:80
	[ "$status" -ne 0 ]
	[ "$(grep -c "^vzrun: guest \"$G" <<<"$output")" = 3 ]
	vz stop -k --all >/dev/null
	for g in "$a" "$b" "$c"; do mkdir "$VZRUN_HOME/guests/$g/checkpoint.new"; done
	run vz recover "$a" "$b"
	says "recovered: 2"
	run vz --json recover --tag web
	jq -e '.recovered == 1' <<<"$output"
	mkdir "$VZRUN_HOME/guests/$a/checkpoint.new"
	# What others left counts, too.
	run vz recover --all
	[[ "$output" =~ ^"recovered: "[1-9] ]]
	[ ! -e "$VZRUN_HOME/guests/$a/checkpoint.new" ]
}

@test "tags: given, shown, changed, chosen by, refused" {
	busybox_guest --tag web --tag blue
	vz create "$G-b" --template busybox --net none --tag web
	vz create "$G-c" --template busybox --net none
	[ "$(vz --json show "$G" | jq -c .tags)" = '["web","blue"]' ]
	[[ "$(vz show "$G")" == *"tags      web, blue"* ]]
	[ "$(vz ls -q --tag web | xargs)" = "$G $G-b" ]
	[ "$(vz ls -q --tag web --tag blue)" = "$G" ]
	[ "$(vz --json ls --tag web | jq -c '[.guests[].tags]')" = '[["web","blue"],["web"]]' ]
	[ "$(vz --json stats --tag blue | jq -r '.guests[].name')" = "$G" ]
	[ "$(vz ls -q "$G-c" "$G-b" | xargs)" = "$G-c $G-b" ]
	run vz set --tag web --pids 77 --tag-add green --tag-add web
	ok
	[ "$(jq -c '.vzrun.tags, .linux.resources.pids.limit' "$(conf "$G-b")" | xargs)" = '[web,green] 77' ]
	[ "$(jq -c '.vzrun.tags, .linux.resources.pids.limit' "$(conf "$G-c")" | xargs)" = 'null 4096' ]
	vz set "$G-b" --tag-del web --tag-del green
	[ "$(jq .vzrun.tags "$(conf "$G-b")")" = null ]
	run vz set "$G-b" --tag-del web
	refuses 3 '--tag-del: there is no tag "web"'
	run vz set "$G-b" --tag-add web --now
	refuses 2 '--tag-add, --tag-del: tags are saved, and nothing is changed now'
	run vz fw deny --tag blue in --proto tcp
	says "$G: rule 1 added: deny in tcp"
	run vz start --tag web
	ok
	[[ "$output" == "$G running"* ]]
	run vz start --tag web
	ok
	run vz stop --tag none
	refuses 3 'no guest has the tag "none"'
	run vz stop --tag web --all
	refuses 2 '--all and --tag exclude each other'
	run vz stop "$G" --all
	refuses 2 'stop: too many arguments; usage: vzrun stop [OPTION...] NAME...'
	run vz start --tag 'a b'
	refuses 2 '--tag: "a b" is not a tag (a-z, 0-9, '"'.' and '-' between)"
	run vz create "$G-d" --template busybox --tag A
	refuses 2 '--tag: "A" is not a tag (a-z, 0-9, '"'.' and '-' between)"
	vz stop -k "$G"
	edit '.vzrun.tags = ["-"]'
	run vz show "$G"
	refuses 10 "guest \"$G\": config.json: vzrun.tags: \"-\" is not a tag (a-z, 0-9, '.' and '-' between)"
	run vz set --tag web --pids 9
	has 'not chosen: '
	edit '.vzrun.tags = ["web"]'
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
	refused '--cpus: "two" is not a number of processors' --template busybox --cpus two
	refused '--cpus: "0.001" is less than 0.01' --template busybox --cpus 0.001
	refused '--userns: "root" is neither auto, host nor a first id from 65536 on' --template busybox --userns root
	refused '--userns: "1000" is neither auto, host nor a first id from 65536 on' --template busybox --userns 1000
	refused '--features: "kvm" is unknown (nesting, fuse, tun, i386)' --template busybox --features kvm
	refused '--hostname: "a b" is not a host name' --template busybox --hostname 'a b'
	refused 'give one of --image, --rootfs and --template' --template busybox --image x
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
	done
	run vz exec "$G" env
	hasnt NOTIFY_SOCKET
	has container=vzrun
	vz stop -k "$G"
	run -125 vz exec "$G" true
	run -125 vz enter "$G" true
}

@test "limits bite: the kernel kills for memory, why names the victim; the guest lives on" {
	running_guest
	run -137 vz exec "$G" sh -c 'dd if=/dev/zero of=/dev/null bs=200M count=1; exit $?'
	wait_for eval '[[ "$(why)" == *"out of memory 1 time since, the kernel killed \"dd\"" ]]'
	guest_status_is running
	vz --json why "$G" | jq -e '[.events[] | select(.event == "oom-kill")] | length == 1 and .[0].victim == "dd"'
}

@test "limits bite: an init killed for memory ends the guest, and why says so" {
	vz create "$G" --template busybox --memory 16M -- sh -c 'dd if=/dev/zero of=/dev/null bs=200M count=1; exit $?'
	vz start "$G" || true
	wait_for guest_status_is stopped
	[[ "$(why)" == "its init exited with status 137, after the kernel had killed \"dd\" for lack of memory"* ]]
	edit '.process.args = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M"]'
	vz start "$G" || true
	wait_for guest_status_is stopped
	[[ "$(why)" == "out of memory: the kernel killed its init (dd)"* ]]
}

@test "limits bite: processes" {
	running_guest --pids 20
	run vz exec "$G" sh -c 'i=0; while [ $i -lt 30 ]; do sleep 9 & i=$((i+1)); done; echo all'
	has "can't fork"
	hasnt all
}

@test "limits bite: processor time" {
	running_guest
	# So little that a busy machine's share of it is more.
	vz set "$G" --cpus 0.02
	vz exec "$G" sh -c 'while :; do :; done' >/dev/null 2>&1 3>&- &
	# Here or there, by layout.
	throttled() { cat /sys/fs/cgroup/{cpu,.}/vzrun-"$G"/cpu.stat | awk '$1 == "nr_throttled" && $2 > 3 { n = 1 } END { exit !n }'; }
	wait_for throttled
	vz set "$G" --cpus 1
	vz stop -k "$G"
	wait
}

@test "set: live and saved, --now, --next, --dry-run, swap, a paused guest" {
	kernel_has_cgroup memory || skip "kernel: no memory controller"
	running_guest
	inside() { vz --json show "$G" | jq -r ".config.linux.resources.$1"; }
	live() { cat /sys/fs/cgroup/memory/vzrun-"$G"/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/vzrun-"$G"/memory.max; }
	run vz set "$G" --memory 96M --pids 50 --cpus 0.5
	ok
	[ "$(live)" = $((96 << 20)) ]
	[ "$(inside memory.limit)" = $((96 << 20)) ]
	[ "$(inside pids.limit)" = 50 ]
	[ "$(inside cpu.quota)" = 50000 ]
	vz set "$G" --memory 80M --now
	[ "$(live)" = $((80 << 20)) ]
	[ "$(inside memory.limit)" = $((96 << 20)) ]
	vz set "$G" --memory 72M --next
	[ "$(live)" = $((80 << 20)) ]
	[ "$(inside memory.limit)" = $((72 << 20)) ]
	vz set "$G" --memory 64M --dry-run
	[ "$(inside memory.limit)" = $((72 << 20)) ]
	vz set "$G" --memory 64M
	vz set "$G" --swap 8M
	[ "$(inside memory.swap)" = $((72 << 20)) ]
	vz set "$G" --memory 80M
	[ "$(inside memory.swap)" = $((88 << 20)) ]
	vz pause "$G"
	guest_status_is paused
	vz set "$G" --memory 70M
	[ "$(live)" = $((70 << 20)) ]
	vz resume "$G"
	run vz set "$G" --memory 4k
	refuses 2 '--memory: less than 1M'
	run vz set "$G"
	refuses 2 'nothing to set'
	run vz set "$G" --now --next --pids 3
	refuses 2 '--now and --next exclude each other'
	vz set "$G" --hostname other
	vz restart -k "$G"
	[ "$(vz exec "$G" hostname)" = other ]
	vz stop -k "$G"
	run vz set "$G" --now --pids 3
	refuses 5 "guest \"$G\" is not running: there is nothing to change now"
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
	[[ "$(why)" == "killed by the host: it did not stop in time ("* ]]
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
	[ -z "$(groups_left)$(state_left)$(keepers_left)" ]
}

@test "logs: what the console said, the last lines, bounded" {
	vz create "$G" --template busybox -- sh -c 'i=0; while [ $i -lt 60000 ]; do echo "line $i of the console, which is long enough to fill it"; i=$((i+1)); done; echo end; exec sleep 1000'
	vz start "$G"
	wait_for eval 'vz logs -n 1 "$G" | grep -q end'
	run vz logs -n 2 "$G"
	[ "${lines[0]}" = "line 59999 of the console, which is long enough to fill it"$'\r' ]
	[ "${lines[1]}" = end$'\r' ]
	[ "$(cat "$VZRUN_HOME/guests/$G"/console.log* | wc -c)" -le $((2 << 20)) ]
	vz stop -k "$G"
}

@test "logs in JSON are UTF-8 whatever the console said" {
	vz create "$G" --template busybox --net none -- sh -c 'printf "a\377b \303\244 \355\240\200 \360\200\n"; sleep 99'
	vz start "$G"
	wait_for eval '[ -s "$VZRUN_HOME/guests/$G/console.log" ]'
	[ "$(vz --json logs "$G" | python3 -c 'import json, sys; print(json.loads(sys.stdin.buffer.read().decode("utf-8"))["lines"][0])')" = 'a?b ä ??? ??' ]
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
	wait_for eval '[ "$(private)" -lt 400 ]'
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
	guests_gone
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

@test "edits by hand that are wrong: the place, status 10, nothing started" {
	busybox_guest
	cp "$(conf)" "$BATS_TEST_TMPDIR/good.json"
	# EDIT <tab> the end of the line
	while IFS=$'\t' read -r e want; do
		cp "$BATS_TEST_TMPDIR/good.json" "$(conf)"
		edit "$e"
		run vz start "$G"
		[ "$status" -eq 10 ] && [[ "${lines[0]}" == "vzrun: guest \"$G\""*"config.json: $want" ]] || {
			echo "$e"; echo "got  $status: $output"; echo "want 10: config.json: $want"; return 1; }
	done <<-'END'
	.linux.resources.memory.limit = "big"	linux.resources.memory.limit: expected an integer
	.linux.resources.pids = 3	linux.resources.pids: expected an object
	.process.cwd = "tmp"	process: cwd: "tmp" is not absolute
	.process.user.uid = -1	process.user.uid: expected an unsigned integer
	.hostname = 3	hostname: expected a string
	.hostname = "a b"	hostname: "a b" is not a host name
	.vzrun.userns = "everybody"	vzrun.userns: unknown value "everybody" (auto, host, or a first id from 65536 on)
	.vzrun.layers = []	vzrun.layers: missing for storage "overlay"
	.vzrun.storage = "zfs"	vzrun.storage: unknown value "zfs" (overlay or dir)
	.vzrun.features = ["kvm"]	vzrun.features[0]: unknown value "kvm" (nesting, fuse, tun, i386)
	.vzrun.stopSignal = "SIGNOTHING"	vzrun.stopSignal: unknown value "SIGNOTHING"
	.vzrun.networks = [{"ip": "1.2.3"}]	vzrun.networks[0].ip: 1.2.3 is not an IPv4 address
	.vzrun.ports = [{"port": 80}]	vzrun.ports[0].guestPort: missing
	.vzrun.ports = [{"port": 80, "guestPort": 80, "address": "a; drop"}]	vzrun.ports[0].address: "a; drop" is not an address
	.vzrun.firewall = [{"action": "allow"}]	vzrun.firewall[0].direction: missing
	.vzrun.firewall = [{"action": "allow", "direction": "in", "from": "a"}]	vzrun.firewall[0].from: "a" is not an address or subnet
	.vzrun.networks = [{"network": "other"}]	vzrun.networks: network other does not exist
	.linux.resources.memory.limit = -5	linux.resources: memory.limit: -5 is not in the range -1 to 9223372036854775807
	.linux.resources.cpu = {"quota": 10}	linux.resources: cpu.quota: 10 is below 1000
	del(.vzrun)	vzrun: missing
	END
	printf '{ "ociVersion": "1.2.0",\n  "process": }\n' >"$(conf)"
	run vz start "$G"
	[ "$status" -eq 10 ]
	has 'config.json:2'
	run vz ls
	has broken
	run vz why "$G"
	ok
	[ -z "$(groups_left)$(state_left)$(keepers_left)" ]
}

@test "a broken file keeps no running guest from being stopped, and destroyed" {
	running_guest
	echo '{' >"$(conf)"
	vz stop -k "$G"
	vz destroy "$G"
}

@test "lint: good, unknown keys, wrong places" {
	busybox_guest
	run vz lint "$(conf)"
	says "$(conf): good"
	edit '.colour = 1 | .vzrun.taste = "sweet" | .linux.resources.memory.limits = 3'
	run vz lint "$(conf)"
	ok
	has "$(conf): colour: unknown, ignored"
	has "$(conf): vzrun.taste: unknown, ignored"
	has "$(conf): linux.resources.memory.limits: unknown, ignored"
	edit '.vzrun.features = ["kvm"]'
	run vz lint "$(conf)"
	refuses 10 "$(conf): vzrun.features[0]: unknown value \"kvm\" (nesting, fuse, tun, i386)"
	run vz lint /nonexistent.json
	[ "$status" -ne 0 ]
}

@test "storage dir, a first id of one's own, features, no network" {
	busybox_guest --storage dir --userns 1000000 --features fuse --features tun --net none
	vz start "$G"
	[ "$(vz exec "$G" cat /proc/self/uid_map | tr -s ' ')" = " 0 1000000 65536" ]
	vz exec "$G" sh -c 'exec 3<>/dev/net/tun; exec 4<>/dev/fuse; touch /made'
	[ "$(stat -c %u "$VZRUN_HOME/guests/$G/rootfs/made")" = 0 ]
	[ "$(vz exec "$G" ls /sys/class/net)" = lo ]
	vz stop -k "$G"
}

@test "a range of user ids that another guest has is refused" {
	busybox_guest --userns 1000000 --net none
	vz create "$G-b" --template busybox --userns 1040000 --net none
	vz start "$G"
	run vz start "$G-b"
	refuses 9 "guest \"$G-b\" not started: user ids from 1040000 on are in use by another guest"
	vz stop -k "$G"
	vz start "$G-b"
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

@test "what was written stays; two guests of an image do not see each other's files" {
	running_guest
	vz exec "$G" sh -c 'echo kept >/root/f'
	vz restart -k "$G"
	[ "$(vz exec "$G" cat /root/f)" = kept ]
	vz create "$G-b" --template busybox
	vz start "$G-b"
	run vz exec "$G-b" cat /root/f
	[ "$status" -ne 0 ]
	[ "$(vz exec "$G" awk '{ print $2; exit }' /proc/self/uid_map)" != "$(vz exec "$G-b" awk '{ print $2; exit }' /proc/self/uid_map)" ]
}

@test "--bind: the host's directory, read-only or with the guest's own ids; what is no bind is refused" {
	mkdir "$BATS_TEST_TMPDIR/src"
	echo hi >"$BATS_TEST_TMPDIR/src/f"
	run vz create "$G" --template busybox --net none --bind src:/x
	refuses 2 '--bind: "src:/x" is not /SOURCE:/DESTINATION[:OPTION,...]'
	run vz create "$G" --template busybox --net none --bind "$BATS_TEST_TMPDIR/none:/x"
	refuses 1 "--bind: $BATS_TEST_TMPDIR/none: No such file or directory"
	[ ! -e "$VZRUN_HOME/guests/$G" ]
	vz create "$G" --template busybox --net none --bind "$BATS_TEST_TMPDIR/src:/ro:ro,z" \
		--bind "$BATS_TEST_TMPDIR/src:/own:idmap" >/dev/null
	vz start "$G" >/dev/null
	[ "$(vz exec "$G" cat /ro/f)" = hi ]
	run vz exec "$G" touch /ro/x
	[[ $output = *"Read-only file system"* ]]
	vz exec "$G" touch /own/x
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/src/x")" = 0 ]
}
