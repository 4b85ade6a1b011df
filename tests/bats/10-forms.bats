#!/usr/bin/env bats
# What every command of the OCI group takes and prints: paths, ids, forms, logs, a configuration to begin with.
load helpers

setup_file() { need_engine; }
setup() { engine_setup; }
teardown() { engine_teardown; }

sleeper() { args /bin/sleep 300; }
created() { sleeper; create "$@"; }
running() { created "$@"; vz start "${1:-$ID}"; }

@test "--pid-file relative to the caller's directory" {
	sleeper
	mkdir "$BATS_TEST_TMPDIR/here"
	(cd "$BATS_TEST_TMPDIR/here" && vz create -b "$B" --pid-file p "$ID" </dev/null)
	[ "$(cat "$BATS_TEST_TMPDIR/here/p")" = "$(pid_of)" ]
}

@test "a relative --root and --bundle" {
	sleeper
	cd "$BATS_TEST_TMPDIR"
	"$VZ" --root state create --bundle bundle "$ID" </dev/null
	[ "$(vz state "$ID" | jq -r .bundle)" = "$(realpath "$B")" ]
}

@test "ids of 64 hex digits, and the whole grammar" {
	for id in "$(head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n')" "0$ID" "_$ID" "+$ID" "$ID.b-c_d+e" "${ID}A"; do
		sleeper
		create "$id"
		[ "$(vz state "$id" | jq -r .id)" = "$id" ]
		vz delete -f "$id"
	done
}

@test "ids that are none are refused and nothing is made" {
	for id in . .. a/b ../x .hidden 'a b' 'a:b' "$(printf 'x%.0s' {1..1100})"; do
		run v create "$id"
		fails 1 "invalid container ID format: \"${id:0:1024}\"" || [[ "$output" == "vzrun: invalid container ID format"* ]]
		run vz delete "$id"
		[ "$status" = 1 ]
	done
	run v create ""
	[ "$status" = 1 ]
	[ -z "$(state_left)" ]
}

@test "state, list and ps: form" {
	cfg '.annotations = {"org.example.a": "1"}'
	running
	run vz state "$ID"
	[ "$(jq -r 'keys | sort | join(" ")' <<<"$output")" = "annotations bundle created id ociVersion owner pid rootfs status" ]
	[ "$(jq -r .rootfs <<<"$output")" = "$(realpath "$B")/rootfs" ]
	[ "$(jq -r .owner <<<"$output")" = root ]
	[ "$(jq -r '.annotations["org.example.a"]' <<<"$output")" = 1 ]
	[[ "$(jq -r .created <<<"$output")" =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{9}Z$ ]]
	run vz list
	[[ "${lines[0]}" =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER ]]
	[[ "${lines[1]}" =~ ^$ID\ +$(pid_of)\ +running\ +$(realpath "$B")\ +[0-9T:.Z-]+\ +root ]]
	run vz list -q
	says "$ID"
	[ "$(vz list -f json | jq -r '.[0].id')" = "$ID" ]
	[ "$(vz list --format json | jq length)" = 1 ]
	[ "$(vz ps --format json "$ID")" = "[$(pid_of)]" ]
	run vz ps "$ID"
	[[ "${lines[0]}" == *PID* ]]
	[[ "${lines[1]}" == *"sleep 300"* ]]
	run vz ps "$ID" -o pid,comm
	[[ "${lines[1]}" == *"$(pid_of) sleep"* ]]
}

@test "an empty list" {
	[ "$(vz list -f json)" = "[]" ]
	run vz list
	[[ "$output" =~ ^ID ]]
	[ "${#lines[@]}" = 1 ]
}

@test "a log that the caller may not write is one failure more to an engine, and a permission to others" {
	local command
	mkdir -m 700 "$BATS_TEST_TMPDIR/not-ours"
	chown 1 "$BATS_TEST_TMPDIR/not-ours"
	for command in "1 state" "1 exec" "7 show"; do
		run setpriv --bounding-set -dac_override,-dac_read_search "$VZ" --root "$ROOT" --log "$BATS_TEST_TMPDIR/not-ours/log" \
			"${command#* }" "$ID"
		fails "${command% *}" "open log $BATS_TEST_TMPDIR/not-ours/log: Permission denied"
	done
}

@test "--log in text and JSON, appended, with debug lines" {
	local log=$BATS_TEST_TMPDIR/log
	run vz --log "$log" state "$ID"
	run vz --log "$log" --log-format=json state "$ID"
	[ "$(wc -l <"$log")" = 2 ]
	grep -q 'level=error msg="container \\"'"$ID"'\\" does not exist"' "$log"
	tail -1 "$log" | jq -e '.level == "error" and (.msg | contains("does not exist")) and (.time | length > 18)'
	rm "$log"
	cd "$B"
	vz --log "$log" --log-level error run "$ID" </dev/null
	[ ! -s "$log" ]
	run vz --log "$log" --log-level=error state "$ID"
	grep -q level=error "$log"
	rm "$log"
	vz --log "$log" --log-format json --log-level debug run "$ID" </dev/null
	jq -e 'select(.level == "debug")' "$log" >/dev/null
	rm "$log"
	vz --log "$log" --log-format json --debug run "$ID" </dev/null
	jq -e 'select(.level == "debug")' "$log" >/dev/null
	[ -z "$(jq -c 'select(.level == "error")' "$log")" ]
}

@test "with a log, warnings go to it alone: an engine's standard error is the container's" {
	local log=$BATS_TEST_TMPDIR/log
	cfg '.process.capabilities |= map_values(. + ["CAP_SYS_TIME"] | unique)'
	args echo hello
	cd "$B"
	run setpriv --bounding-set -sys_time "$VZ" --root "$ROOT" run "$ID" </dev/null
	ok
	has "vzrun: warning: capability CAP_SYS_TIME"
	run setpriv --bounding-set -sys_time "$VZ" --root "$ROOT" --log "$log" run "$ID-b" </dev/null
	says hello
	grep -q 'level=warning msg="capability CAP_SYS_TIME' "$log"
}

@test "errors of a container's process reach the log" {
	local log=$BATS_TEST_TMPDIR/log
	args /nope
	run v --log "$log" --log-format json run "$ID"
	[ "$(tail -1 "$log" | jq -r .msg)" = 'exec: "/nope": stat /nope: no such file or directory' ]
}

@test "spec writes a configuration that runs, and does not overwrite" {
	mkdir "$BATS_TEST_TMPDIR/new"
	make_rootfs "$BATS_TEST_TMPDIR/new/rootfs"
	cd "$BATS_TEST_TMPDIR/new"
	"$VZ" spec
	run "$VZ" spec
	fails 1 "file config.json exists. Remove it first"
	B=$PWD
	cfg '.process.terminal = false | .process.args = ["echo", "hi"] | .process.rlimits[0].hard = 512 | .process.rlimits[0].soft = 512'
	run vz run "$ID" </dev/null
	says hi
	mkdir "$BATS_TEST_TMPDIR/less"
	"$VZ" spec --rootless -b "$BATS_TEST_TMPDIR/less"
	jq -e '.linux.uidMappings[0].containerID == 0' "$BATS_TEST_TMPDIR/less/config.json"
}

@test "the bundle is not there, or has no configuration" {
	run v create --memory 1G "$ID"
	fails 1 "create: a guest's options need --image, --rootfs or --template"
	run v start --no-wait "$ID"
	fails 3 "guest \"$ID\" does not exist
  try    vzrun ls"
	run -2 v start --timeout x "$ID"
	run vz create -b "$BATS_TEST_TMPDIR/nowhere" "$ID"
	fails 1 "bundle $BATS_TEST_TMPDIR/nowhere: No such file or directory"
	mkdir "$BATS_TEST_TMPDIR/empty"
	run vz create -b "$BATS_TEST_TMPDIR/empty" "$ID"
	[ "$status" = 1 ]
	has "config.json: No such file or directory"
}
