#!/usr/bin/env bats
# Who reaches whom: every pair of guests, host and outside in every family, closed and opened, by real packets. The
# table is in tests/net/matrix.py; a cell that must be blocked has been seen to pass without its guard. Needs root.
load helpers

setup_file() {
	[ "$(id -u)" = 0 ] || { echo "must run as root" >&2; return 1; }
	[ -x "$BUILD/tools/nettool" ] || { echo "no nettool: make build/tools/nettool" >&2; return 1; }
}
matrix() {
	run python3 "$TOP/tests/net/matrix.py" "$@"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ] || echo "# ${lines[-1]}" >&3
}

@test "the table is whole" { matrix --check; }
@test "closed: segments, isolated ports, routed neighbours, host, outside" { matrix closed; }
@test "closed, where what is bridged passes the rules for IP too" { matrix closed --bridge-nf; }
@test "opened to another segment, one way" { matrix allow; }
@test "opened for one port" { matrix allow-port; }
@test "closed again" { matrix denied-again; }
@test "opened to the outside" { matrix outside; }
@test "opened to the outside for one port" { matrix outside-port; }
@test "closed to the outside again" { matrix outside-denied; }
