#!/usr/bin/env bats
# What the processes of an exec for several guests write: whose it is, how much of it, and what of it a guest decides.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; }
teardown() { guest_teardown; }

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
