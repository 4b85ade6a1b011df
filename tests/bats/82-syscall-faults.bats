#!/usr/bin/env bats
# A sample of tests/hard/faults, the same every time: system calls of every command fail, or are the last of their
# process; nothing may leak, hang, crash or be half done. `make test-hard PART=faults` takes all of them.
load helpers

setup_file() {
	need_engine
	[ -x "$TOP/build/tools/inject" ] || { echo "no build/tools/inject: make build/tools/inject" >&2; return 1; }
}

setup() { traced; }
teardown() { [ -z "${B:-}" ] || engine_teardown; }

# sweep N COMMAND,...: every command was swept, and no fault of N each was a bad one
sweep() {
	run "$TOP/tests/hard/faults" --jobs 1 --sample "$1" --only "$2"
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	local name
	while read -r name; do
		grep -qE "^${name//[()]/.}( +[1-9][0-9]*){3} " <<<"$output" || { echo "$name was not swept: $output"; return 1; }
	done < <(tr ',' '\n' <<<"$2")
}

@test "the injector: a call of a child's, by ancestry and number; what was hit is told" {
	I=$TOP/build/tools/inject
	seen=$BATS_TEST_TMPDIR/seen
	"$I" -o "$seen" list "$VZ" version | cat >/dev/null
	n=$(grep -n ' openat$' "$seen" | head -1 | cut -d: -f1)
	[ "$n" -gt 0 ]
	run "$I" -o "$seen" kill "0:$n" "$VZ" version
	[ "$status" -eq 137 ]
	[ "$(cat "$seen")" = "hit 0:$n openat" ]
	last=$("$I" -o "$seen" list "$VZ" version | cat >/dev/null; grep -E ' writev?$' "$seen" | tail -1 | cut -d' ' -f2)
	run "$I" -o "$seen" fail "$last" ENOSPC "$VZ" version
	[ "$status" -eq 1 ]
	has "write to standard output: No space left on device"
}

@test "what a process said before it hung up is heard, also where it left something of ours unread" {
	engine_setup
	args sleep 300
	v create "$ID"
	v start "$ID"
	I=$TOP/build/tools/inject
	seen=$BATS_TEST_TMPDIR/seen
	"$I" -o "$seen" list "$VZ" --root "$ROOT" exec "$ID" true
	call=$(sed -n 's/^call \(0\.1\.1:[0-9]*\) recvmsg$/\1/p' "$seen" | tail -1)
	# the first of the two, who has one thing to say
	first=$(sed -n 's/^call \(0\.1:[0-9]*\) sendmsg$/\1/p' "$seen" | tail -1)
	run "$I" -o "$seen" fail "$call" EMFILE "$VZ" --root "$ROOT" exec "$ID" true
	[ "$(cat "$seen")" = "hit $call recvmsg" ]
	fails 255 "receive a message: Too many open files"
	run "$I" -o "$seen" fail "$first" EPERM "$VZ" --root "$ROOT" exec "$ID" true
	fails 255 'say "pid": send a message: Operation not permitted'
}

@test "who gets no memory at all still says so" {
	engine_setup
	run strace -o /dev/null -e inject=mmap,brk:error=ENOMEM "$VZ" --root "$ROOT" create -b "$B" "$ID"
	[ "$status" -ne 0 ]
	[[ "$output" = "vzrun: "*[mM]emory* ]]
}

@test "a container that could not read the runtime's last word is created all the same" {
	engine_setup
	args sleep 300
	I=$TOP/build/tools/inject
	seen=$BATS_TEST_TMPDIR/seen
	# to its process's end, which outlives the command
	slowly() { "$I" -w -o "$seen" "$@" "$VZ" --root "$ROOT" create -b "$B" "$ID" </dev/null >"$B/said" 2>&1 3>&- & JOB=$!; }
	slowly list
	wait_for is created
	vz delete -f "$ID"
	ended "$JOB"
	call=$(sed -n 's/^call \(0\.1:[0-9]*\) recvmsg$/\1/p' "$seen" | tail -1)
	slowly fail "$call" EIO
	wait_for is created
	vz start "$ID"
	is running
	vz delete -f "$ID"
	ended "$JOB"
	[ "$(cat "$seen")" = "hit $call recvmsg" ]
}

# told CALL ERROR WORD: of all calls of that name in a run one, made to fail, ends it with this word and status
told() {
	local point
	"$I" -o "$seen" list "$VZ" --root "$ROOT" run -b "$B" "$ID"
	for point in $(sed -n "s/^call \\(0[.0-9]*:[0-9]*\\) $1\$/\\1/p" "$seen"); do
		run "$I" -o "$seen" fail "$point" "$2" "$VZ" --root "$ROOT" run -b "$B" "$ID"
		[[ "$status" -eq 0 || "$output" != *"$3"* ]] || return 0
	done
	echo "no $1 that fails is told by $3"
	return 1
}

@test "a security module that cannot be looked at is not one that is off: nothing runs without the label it was to have" {
	[ ! -e /sys/fs/selinux/context ] && [ ! -e /sys/module/apparmor/parameters/enabled ] || skip "host: it has one"
	engine_setup
	I=$TOP/build/tools/inject
	seen=$BATS_TEST_TMPDIR/seen
	args true
	cfg '.process.selinuxLabel = "system_u:system_r:none_t:s0"'
	go
	says "vzrun: warning: SELinux is off on this host: \"system_u:system_r:none_t:s0\" has no effect"
	told statfs ENOMEM "open /sys/fs/selinux/context: "
	cfg '.process |= (del(.selinuxLabel) | .apparmorProfile = "none")'
	told openat EMFILE 'AppArmor profile "none": '
}

@test "what cannot be looked at is not said to be missing, or forbidden" {
	engine_setup
	I=$TOP/build/tools/inject
	seen=$BATS_TEST_TMPDIR/seen
	args true
	told faccessat2 ENOMEM 'exec: "true": Cannot allocate memory'
	args /bin/true
	told faccessat2 EIO 'exec: "/bin/true": Input/output error'
	# of the container's process, which opens its bundle anew
	local points point
	"$I" -o "$seen" list "$VZ" --root "$ROOT" run -b "$B" "$ID"
	# Beside it another process makes calls, too.
	point=$(grep '^call 0\.1:' "$seen" | grep -B1 ' open_tree$' | sed -n 's/^call \(0\.1:[0-9]*\) openat$/\1/p' | head -1)
	[ -n "$point" ]
	run "$I" -o "$seen" fail "$point" EIO "$VZ" --root "$ROOT" run -b "$B" "$ID"
	fails 1 "bundle $B: Input/output error"
	export VZRUN_HOME=$BATS_TEST_TMPDIR/home
	mkdir -p "$VZRUN_HOME/guests/$ID"
	"$I" -o "$seen" list "$VZ" --root "$ROOT" start "$ID" || true
	points=$(sed -n 's/^call \(0:[0-9]*\) openat$/\1/p' "$seen")
	[ -n "$points" ]
	for point in $points; do
		run "$I" -o "$seen" fail "$point" EMFILE "$VZ" --root "$ROOT" start "$ID"
		[ "$status" -ne 0 ]
		hasnt "does not exist"
	done
}

@test "containers made: a sample of system calls failed and killed" {
	sweep 8 "create,create (user ns),start,run,run -d,exec"
}

@test "containers kept and removed: a sample of system calls failed and killed" {
	sweep 8 "update,kill,pause,resume,delete -f,ps,events,recover"
}

@test "guests: a sample of system calls failed and killed" {
	sweep 4 "guest create,guest start,guest stop,guest destroy"
}

@test "guests that run: a sample of system calls failed and killed" {
	sweep 4 "guest set,guest exec,guest recover,port add"
}

@test "networks and images: a sample of system calls failed and killed" {
	sweep 8 "network create,network rm,image import,image rm"
}
