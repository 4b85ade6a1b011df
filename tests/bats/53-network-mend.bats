#!/usr/bin/env bats
# What somebody may do to the kernel behind vzrun's back (tests/net/mend.py): `network check` says it, `network apply` mends it
# (the rules: the next start, too), transfers go on with the same connections, and what was closed is closed. And network files that
# nobody of good will has written (tests/net/hostile.py). Needs root.
load guest

setup_file() {
	need_guests busybox
	[ -x "$BUILD/tools/nettool" ] || { echo "no nettool: make build/tools/nettool" >&2; return 1; }
}
tried() {
	run python3 "$TOP/tests/net/$1.py" "${@:2}"
	echo "$output"
	[ "$status" -eq 0 ]
	echo "# ${lines[-1]}" >&3
}

@test "rules: flushed, deleted, emptied, preceded by somebody's own" { tried mend rules; }
@test "rules, mended by the next start" { tried mend rules start; }
@test "elements: every set and map emptied" { tried mend elements; }
@test "links: bridge, addresses, ports, routing" { tried mend links; }
@test "changes to running guests while data flows" { tried live; }
@test "hostile files" { tried hostile 17; }
