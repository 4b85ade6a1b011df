#!/usr/bin/env bats
# Commands for several guests: by name, all, by tag; and what the processes of an exec for several write: whose it is, how
# much of it, and what of it a guest decides.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; }
teardown() { guest_teardown; }

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
	for o in --tty --interactive --pid-file=/x --console-socket=/x --preserve-fds=1; do
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
	[ "$(vz --json ls -q --tag web | jq -c .guests)" = "[{\"name\":\"$G\"},{\"name\":\"$G-b\"}]" ]
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

@test "show has the limits, in the words and units of set" {
	busybox_guest --net none --swap 32M --cpus 1.5 --pids 50 --hostname other
	run vz show "$G"
	has $'\nhostname  other\nmemory    64M\nswap      32M\ncpus      1.5\npids      50\nconfig '
	vz set "$G" --cpus -1 --pids -1
	vz set "$G" --memory -1
	run vz show "$G"
	has $'\nmemory    no limit\nconfig '
}

# two_run: $a and $b
two_run() {
	a=$G b=$G-b
	busybox_guest --net none
	vz create "$b" --template busybox --memory 64M --net none >/dev/null
	vz start "$a" "$b" >/dev/null
}
# the object is one, and of each guest says what a guest's process has no part in
is_of_two() {
	jq -e --arg a "$a" --arg b "$b" '[.guests[].name] == [$a, $b] and
		all(.guests[]; keys - ["truncated"] == ["errors", "name", "output", "status"])' "$1" >/dev/null
}

@test "exec of several: what a guest's process leaves running writes into no record, and nothing waits for it" {
	local f=$BATS_TEST_TMPDIR/out
	two_run
	vz --json exec --all sh -c 'yes "\"}]}" & echo mine; exit 0' >"$f"
	is_of_two "$f"
	jq -e 'all(.guests[]; .status == 0 and (.output | test("mine\n")))' "$f" >/dev/null
	vz --json exec --all sh -c 'yes "\"}]}" >&2 & exit 3' >"$f" && return 1
	is_of_two "$f"
	jq -e 'all(.guests[]; .status == 3 and .output == "")' "$f" >/dev/null
	# one that is silent
	run vz exec --all sh -c 'sleep 1000 & hostname'
	says "==> $a <=="$'\n'"$a"$'\n'"==> $b <=="$'\n'"$b"
}

@test "exec of several: no size that a guest's process gives its output is copied" {
	two_run
	vz exec --all sh -c 'truncate -s 100M /proc/self/fd/1; echo x' >"$BATS_TEST_TMPDIR/out" 2>&1
	[ "$(wc -c <"$BATS_TEST_TMPDIR/out")" -lt 10000 ]
	[ "$(grep -c '^x$' "$BATS_TEST_TMPDIR/out")" = 2 ]
}

@test "exec of several: of more than 16 MiB the rest is cut, and told" {
	local f=$BATS_TEST_TMPDIR/out
	two_run
	vz --json exec --all sh -c 'head -c 17000000 /dev/zero; echo err >&2; exit 0' >"$f"
	is_of_two "$f"
	jq -e 'all(.guests[]; .status == 0 and .truncated and .errors == "err\n" and .output[-3:] == "???" and
		(.output | length) == 16777216)' "$f" >/dev/null
	run --separate-stderr eval 'vz exec --all sh -c "head -c 17000000 /dev/zero" | tr "\0" x | wc -c'
	[ "$output" -eq $((2 * (16777216 + 1) + ${#a} + ${#b} + 2 * 9)) ]
	[ "$stderr" = "vzrun: warning: $a: it wrote more than 16 MiB: the rest is not shown
vzrun: warning: $b: it wrote more than 16 MiB: the rest is not shown" ]
}

@test "exec of several: standard error has its place and is nobody's terminal; what is detached writes nowhere" {
	two_run
	run vz exec --all sh -c 'echo err >&2; hostname; readlink /proc/self/fd/2 | cut -d: -f1'
	says "==> $a <=="$'\n'"$a"$'\npipe\nerr\n'"==> $b <=="$'\n'"$b"$'\npipe\nerr'
	run --separate-stderr vz exec --all sh -c 'echo err >&2'
	[ "$stderr" = $'err\nerr' ]
	[ "$output" = "==> $a <=="$'\n'"==> $b <==" ]
	run --separate-stderr vz --json exec --all sh -c 'printf "\377\0e" >&2'
	[ -z "$stderr" ]
	jq -e 'all(.guests[]; .errors == "??e" and .output == "" and (has("truncated") | not))' <<<"$output"
	# the command's own failure is an object of its own
	run -127 --separate-stderr vz --json exec --all nothing-of-it
	jq -e '[.guests[].error.code] == [127, 127]' <<<"$output"
	vz exec --all -d sleep 1000
	run vz exec --all sh -c 'for f in 0 1 2; do stat -Lc %t:%T "/proc/$(pidof sleep)/fd/$f"; done'
	says "==> $a <=="$'\n1:3\n1:3\n1:3\n'"==> $b <=="$'\n1:3\n1:3\n1:3'
	run -127 --separate-stderr vz --json exec --all -d nothing-of-it
	jq -e '[.guests[].error.code] == [127, 127]' <<<"$output"
}
