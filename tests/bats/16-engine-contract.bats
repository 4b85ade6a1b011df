#!/usr/bin/env bats
# How engines call a runtime, line by line, each in the surroundings in which it calls.
# A line of a table:  STATUS | ARGUMENTS [| EXTENDED REGULAR EXPRESSION OF THE WHOLE OUTPUT]
# @ROOT @B @ID @PIDFILE @LOG @SOCK @PROC @RES are the test's own; "<RES" feeds the file to standard input.
load helpers

setup_file() { need_engine; }
setup() {
	engine_setup
	ln -s "$VZ" "$BATS_TEST_TMPDIR/runtime"
	PIDFILE=$BATS_TEST_TMPDIR/pidfile LOG=$BATS_TEST_TMPDIR/log.json SOCK=$BATS_TEST_TMPDIR/sock
	PROC=$BATS_TEST_TMPDIR/process.json RES=$BATS_TEST_TMPDIR/resources.json
	args sleep 300
	jq '.process | .args = ["sleep", "300"]' "$B/config.json" >"$PROC"
	jq '.process | .args = ["/nothing"]' "$B/config.json" >"$PROC.none"
	jq '.process | .args = ["/etc"]' "$B/config.json" >"$PROC.dir"
	jq '.process | .args = ["nothing"]' "$B/config.json" >"$PROC.path"
	jq '.process | .args = ["tty"] | .terminal = true' "$B/config.json" >"$PROC.tty"
	echo '{"pids":{"limit":50},"memory":{"limit":104857600}}' >"$RES"
}
teardown() { engine_teardown; }

podman() { cd / && exec env -i PATH="$PATH" XDG_RUNTIME_DIR= "$BATS_TEST_TMPDIR/runtime" --root "$ROOT" "$@"; }
# its own pipes are left open for us
buildah() {
	exec 5</dev/zero 9>/dev/null 17</
	cd / && exec "$VZ" --root "$ROOT" "$@"
}
shim() {
	cd "$B" && exec setpriv --pdeathsig KILL python3 -c '
import os, socket, sys
a, b = socket.socketpair()
os.dup2(a.fileno(), 3)
os.set_inheritable(3, True)
os.execv(sys.argv[1], sys.argv[1:])' "$VZ" --root "$ROOT" --log "$LOG" --log-format json "$@"
}
bare() { exec "$VZ" "$@"; }

filled() { sed "s#@ROOT#$ROOT#g; s#@B#$B#g; s#@ID#$ID#g; s#@PIDFILE#$PIDFILE#g; s#@LOG#$LOG#g; s#@SOCK#$SOCK#g; s#@PROC#$PROC#g; s#@RES#$RES#g"; }

# contract ENGINE <TABLE: runs every line, and fails at the first that differs
contract() {
	local want line re in status output
	while IFS='|' read -r want line re; do
		[ -n "${want// /}" ] || continue
		in=/dev/null
		[[ "$line" != *'<RES'* ]] || { in=$RES line=${line/<RES/}; }
		# A file, not a pipe: what is detached keeps it open.
		status=0
		# shellcheck disable=SC2086
		("$1" $line <"$in" >"$BATS_TEST_TMPDIR/output" 2>&1 3>&-) || status=$?
		output=$(<"$BATS_TEST_TMPDIR/output")
		re=${re# } re=${re% }
		if [ "$status" -ne "${want// /}" ] || { [ -n "$re" ] && ! [[ "$output" =~ ^$re$ ]]; }; then
			echo "line:   $line"
			echo "got:    $status: $output"
			echo "wanted: $want: $re"
			return 1
		fi
	done < <(filled)
}
last_error() { grep '"level":"error"' "$LOG" | tail -1 | jq -r .msg; }

@test "Podman, through conmon" {
	contract podman <<-'T'
		0 | --version | vzrun version [0-9.]+.*commit: [^ ]+.*spec: 1\.[0-9]\.[0-9].*libseccomp: .*
		1 | state @ID | .*container "@ID" does not exist
		0 | delete --force @ID
		0 | --log-format=json --log @LOG create --bundle @B --pid-file @PIDFILE --no-new-keyring @ID
		0 | state @ID | .*"status": "created".*
		0 | start @ID
		0 | --log-format=json --log @LOG exec --pid-file @PIDFILE.e --process @PROC --detach @ID
		0 | pause @ID
		0 | state @ID | .*"status": "paused".*
		255 | --log-format=json --log @LOG exec --pid-file @PIDFILE.e --process @PROC --detach @ID | .*cannot exec in a paused container.*
		0 | resume @ID
		0 | update --resources=@RES @ID
		0 | checkpoint --help | .*
		1 | restore --lsm-mount-context | .*flag needs an argument: --lsm-mount-context.*
		0 | kill @ID 0
		0 | kill @ID 15
		0 | kill --all @ID 9
		0 | delete --force @ID
		0 | delete --force @ID
		0 | --log-format=json --log @LOG create --bundle @B --pid-file @PIDFILE --no-pivot --preserve-fds 0 @ID
		0 | delete --force @ID
	T
	[ -s "$PIDFILE" ]
	[ -s "$PIDFILE.e" ]
	run processes_left
	says ''
}

@test "Podman: a terminal over the console socket" {
	local tool=$TOP/tests/tools/console.py
	cfg '.process.terminal = true | .process.args = ["/bin/sh", "-c", "tty; sleep 300"]'
	python3 "$tool" "$SOCK" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	wait_for test -S "$SOCK"
	contract podman <<-'T'
		0 | --log-format=json --log @LOG create --bundle @B --pid-file @PIDFILE --console-socket @SOCK @ID
		0 | start @ID
	T
	wait_for grep -q /dev/pts/0 "$BATS_TEST_TMPDIR/out"
	python3 "$tool" "$SOCK.e" >"$BATS_TEST_TMPDIR/out.e" 2>&1 3>&- &
	wait_for test -S "$SOCK.e"
	contract podman <<-'T'
		0 | --log-format=json --log @LOG exec --pid-file @PIDFILE.e --process @PROC.tty --detach --tty --console-socket @SOCK.e @ID
		255 | --log-format=json --log @LOG exec --pid-file @PIDFILE.e --process @PROC.tty --detach --tty @ID | .*cannot allocate tty if .* will detach without setting console socket
	T
	wait_for grep -q /dev/pts/1 "$BATS_TEST_TMPDIR/out.e"
	contract podman <<-'T'
		0 | delete --force @ID
	T
	wait
}

@test "Podman sorts errors by text: 126, 127" {
	contract podman <<-'T'
		0 | --log-format=json --log @LOG create --bundle @B --pid-file @PIDFILE @ID
		0 | start @ID
		255 | --log-format=json --log @LOG exec --pid-file @PIDFILE.e --process @PROC.none --detach @ID | .*[Nn]o such file or directory.*
		255 | --log-format=json --log @LOG exec --pid-file @PIDFILE.e --process @PROC.path --detach @ID | .*executable file not found in.*
		255 | --log-format=json --log @LOG exec --pid-file @PIDFILE.e --process @PROC.dir --detach @ID | .*[Pp]ermission denied.*
		0 | delete --force @ID
	T
	[[ "$(last_error)" == *"permission denied"* ]]
}

@test "Buildah, and the pipes that it leaves open" {
	contract buildah <<-'T'
		0 | create --bundle @B --pid-file @PIDFILE @ID
		0 | state @ID | .*"status": "created".*
		0 | start @ID
		0 | kill @ID KILL
	T
	wait_for is stopped
	contract buildah <<-'T'
		0 | delete @ID
		1 | delete @ID | .*does not exist
	T
	# nothing of what was open for us reaches the container
	sh_ 'ls /proc/self/fd | wc -l; cat /proc/self/comm'
	run buildah run --bundle "$B" "$ID"
	ok
	says "4
cat"
}

@test "containerd's shim" {
	contract shim <<-'T'
		0 | delete --force @ID
		0 | create --bundle @B --pid-file @PIDFILE @ID
		0 | start @ID
		1 | start @ID | .*cannot start an already running container
		0 | exec --process @PROC --detach --pid-file @PIDFILE.e @ID
		0 | ps --format json @ID | \[[0-9]+,[0-9]+\]
		0 | pause @ID
		0 | ps --format json @ID | \[[0-9]+,[0-9]+\]
		0 | resume @ID
		0 | update --resources - @ID <RES
		0 | update --resources=- @ID <RES
		0 | kill @ID 0
		1 | delete @ID | .*cannot delete container @ID that is not stopped: running
		1 | create --bundle @B --pid-file @PIDFILE @ID | .*container with given ID already exists.*
		0 | kill --all @ID 9
	T
	wait_for is stopped
	contract shim <<-'T'
		0 | kill --all @ID 9
		1 | kill @ID 9 | .*container not running
		1 | kill @ID 15 | .*container not running
		0 | ps --format json @ID | \[\]
		1 | start @ID | .*cannot start a container that has stopped
		255 | exec --process @PROC --detach --pid-file @PIDFILE.e @ID | .*cannot exec in a stopped container
		1 | pause @ID | .*container not running or created: stopped
		1 | resume @ID | .*container not paused
		0 | delete @ID
		0 | delete --force @ID
		1 | kill @ID 9 | .*container "@ID" does not exist
		1 | delete @ID | .*container "@ID" does not exist
		1 | state @ID | .*container "@ID" does not exist
	T
	[ "$(last_error)" = "container \"$ID\" does not exist" ]
	[ "$(cat "$PIDFILE")" -gt 0 ]
}

@test "containerd's shim: the other flags of create, and a relative pid file" {
	contract shim <<-'T'
		0 | create --bundle @B --pid-file init.pid --no-pivot --no-new-keyring @ID
		0 | start @ID
		0 | delete --force @ID
	T
	[ "$(cat "$B/init.pid")" -gt 0 ]
	run bare features
	ok
	jq -e .linux <<<"$output" >/dev/null
}

@test "the log: appended, a line each, in JSON or text; the last error is the message" {
	contract shim <<-'T'
		1 | start @ID
		1 | --debug state @ID
		0 | --debug create --bundle @B @ID
		0 | delete --force @ID
		1 | kill @ID NOSUCH
	T
	jq -se 'all(.[]; (keys - ["level","msg","time"]) == [] and (.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$")))' "$LOG"
	jq -se 'any(.[]; .level == "debug")' "$LOG"
	[ "$(last_error)" = 'unknown signal "NOSUCH"' ]
	run "$VZ" --root "$ROOT" --log "$LOG.txt" state "$ID"
	grep -qxE "time=\"[0-9TZ:.+-]+\" level=error msg=\"container .\"$ID.\" does not exist\"" "$LOG.txt"
	[ "$(stat -c %a "$LOG")" = 644 ] || [ "$(stat -c %a "$LOG")" = 600 ]
}

@test "Docker maps runc's wording: 127, 127, 126" {
	for a in '["nothing"]' '["/nothing"]' '["/etc"]'; do
		cfg ".process.args = $a"
		run v run "$ID"
		[ "$status" -eq 1 ]
		case $a in
		*'"nothing'*) has 'exec: "nothing": executable file not found in $PATH' ;;
		*'/nothing'*) has 'exec: "/nothing": stat /nothing: no such file or directory' ;;
		*) has 'exec: "/etc": is a directory: permission denied' ;;
		esac
	done
}

@test "ids of 64 digits, bundles of 200 characters" {
	local long=$BATS_TEST_TMPDIR/$(printf 'x%.0s' $(seq 200))
	mkdir -p "$long"
	mv "$B" "$long/b"
	B=$long/b
	ID=$(printf 'f%.0s' $(seq 50))$(printf %014d $$)
	cfg '.linux.cgroupsPath = "/vzrun-" + $id' --arg id "t$$-$BATS_TEST_NUMBER"
	contract shim <<-'T'
		0 | create --bundle @B --pid-file @PIDFILE @ID
		0 | start @ID
		0 | state @ID | .*"id": "@ID".*
		0 | delete --force @ID
	T
}

@test "every flag with one dash and two, with = and apart" {
	local o
	contract bare <<-'T'
		0 | -root @ROOT -log-format=json --log=@LOG create -bundle=@B -pid-file @PIDFILE @ID
		0 | --root=@ROOT start @ID
		0 | -root=@ROOT exec -d=true -process=@PROC -pid-file=@PIDFILE.e @ID
		0 | --root @ROOT ps -format=json @ID | \[[0-9]+,[0-9]+\]
		0 | --root @ROOT ps -f json @ID | \[[0-9]+,[0-9]+\]
		0 | --root @ROOT list -format json | \[.*"@ID".*\]
		0 | --root @ROOT list -q | .*@ID.*
		0 | --root @ROOT events -stats @ID | \{"type":"stats".*\}
		0 | --root @ROOT update -pids-limit=20 -memory 90M @ID
		0 | --root @ROOT exec -e A=1 -env=B=2 -cwd /tmp -u 0:0 -user=0 -g 5 -additional-gids=7 -cap CAP_KILL @ID sh -c env | .*A=1.*B=2.*
		0 | --root @ROOT kill -all @ID KILL
		0 | --root @ROOT delete -force=true @ID
	T
}

@test "help of every command is exit 0, an unknown flag is 1 with its name" {
	local c
	for c in checkpoint create delete events exec features kill list pause ps restore resume run spec start state update; do
		run "$VZ" "$c" --help
		ok
		has "$c"
		run "$VZ" "$c" --nonsense
		[ "$status" -eq 1 ] || [ "$status" -eq 255 ]
		has nonsense
	done
}
