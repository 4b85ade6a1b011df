#!/usr/bin/env bats
# runc's command line, row by row, on vzrun and, where it runs, on runc itself: every option, exit codes, and the words
# that engines look for.
#   A row:  STATUS | ARGUMENTS [| EXTENDED REGULAR EXPRESSION IN THE OUTPUT]
# "vz:" before a status: only ours, with the reason on the line above. @ID, @B and @OTHER are the test's own.
load helpers

COMMANDS="checkpoint create delete events exec kill list pause ps restore resume run spec start state update features"

setup_file() { need_engine; command -v runc >/dev/null || { echo "no runc: make deps" >&2; return 1; }; }
setup() {
	engine_setup
	args sleep 300
	RUNC_ROOT=$BATS_TEST_TMPDIR/runc
	mkdir "$RUNC_ROOT" "$BATS_TEST_TMPDIR/empty"
	# Some kernels do not run it: then the rows are for us alone.
	BOTH=
	if runc --root "$RUNC_ROOT" run -b "$B" -d "$ID-probe" >/dev/null 2>&1 </dev/null 3>&-; then BOTH=1; fi
	runc --root "$RUNC_ROOT" delete -f "$ID-probe" >/dev/null 2>&1 || true
}
teardown() {
	local i
	for i in $(runc --root "$RUNC_ROOT" list -q); do runc --root "$RUNC_ROOT" delete -f "$i"; done
	engine_teardown
}

# one PROGRAM ROOT ID STATUS ARGUMENTS EXPRESSION: a file takes the output, as what is detached keeps it open
one() {
	local line=${5//@ID/$3} re=${6//@ID/$3} got=0 out=$BATS_TEST_TMPDIR/output said
	line=${line//@B/$B}
	line=${line//@OTHER/$BATS_TEST_TMPDIR/empty}
	# shellcheck disable=SC2086
	(cd "$B" && exec "$1" --root "$2" $line >"$out" 2>&1 </dev/null 3>&-) || got=$?
	said=$(sed "s/\\\\\"/\"/g" "$out")	# its log quotes quotes
	[ "$got" -eq "$4" ] && { [ -z "$re" ] || grep -qiE -- "$re" <<<"$said"; } && return
	echo "$1 $line"
	echo "got    $got: $said"
	echo "wanted $4: $re"
	return 1
}
# rows <TABLE: the first that differs fails
rows() {
	local want line re mine
	while IFS='|' read -r want line re; do
		want=${want// /} mine=
		case $want in ''|'#'*) continue ;; vz:*) mine=1 want=${want#vz:} ;; esac
		line=${line# } re=${re# }
		one "$VZ" "$ROOT" "$ID" "$want" "${line% }" "${re% }" || return 1
		[ -z "$BOTH" ] || [ -n "$mine" ] || one runc "$RUNC_ROOT" "$ID-r" "$want" "${line% }" "${re% }" || return 1
	done
}

# "name value|" of each option that a help text lists
options_of() { sed -nE 's/^ +(-[a-z], )?--([a-z0-9-]+)( [^ ]+)?(, -[a-z]( [^ ]+)?)?(  .*|$)/\2\3\5/p' | awk '{ print $1, (NF > 1) }' | sort -u; }
letters_of() { sed -nE 's/^ +--[a-z-]+( value)?, -([a-z])( value)?  .*/\2/p; s/^ +-([a-z]), --.*/\1/p' | sort -u; }

@test "every command and every option of runc's, with or without a value as there" {
	local c o missing=
	# "h" is help's other name
	for c in $(runc --help | sed -nE '/^COMMANDS/,/^GLOBAL/s/^   ([a-z]+)(, h)? .*/\1/p') h; do
		"$VZ" "$c" --help >/dev/null || missing+="$c "
	done
	for c in "" $COMMANDS; do
		# shellcheck disable=SC2086
		o=$(comm -23 <(runc $c --help | options_of) <("$VZ" $c --help | options_of))
		[ -z "$o" ] || missing+="$c: $o "
		# shellcheck disable=SC2086
		o=$(comm -23 <(runc $c --help | letters_of) <("$VZ" $c --help | letters_of))
		[ -z "$o" ] || missing+="$c: -$o "
	done
	[ -z "$missing" ] || { echo "missing: $missing"; return 1; }
	# the reading itself: something was compared
	[ "$(runc update --help | options_of | wc -l)" -ge 15 ]
	[ "$("$VZ" exec --help | letters_of | wc -l)" -ge 7 ]
}

@test "too few words, too many, unknown ones: 1 for every command" {
	local c
	for c in checkpoint create delete events exec kill pause ps restore resume run start state update; do
		rows <<<"1 | $c"
	done
	for c in $COMMANDS; do rows <<<"1 | $c --nope @ID"; done
	for c in delete events pause resume start state update run; do rows <<<"1 | $c @ID extra"; done
	rows <<-'T'
		1 | list extra
		1 | spec extra
		1 | features extra
		1 | kill @ID TERM extra
		1 | create @ID extra
		1 | exec --preserve-fds x @ID true
		1 | events --interval abc @ID
		# Before the command it is the administrator's voice as much as an engine's: 2, as for his own commands.
		vz:2 | --nope list | unknown option --nope
		vz:2 | --log-format yaml list | log-format
		vz:2 | --log-level loud list | log-level
		vz:2 | nope | unknown command
	T
}

@test "no such container: the words that engines look for" {
	local c
	for c in checkpoint delete pause resume start state update kill ps "events --stats"; do
		rows <<<"1 | $c nobody | container .*does not exist"
	done
	rows <<-'T'
		255 | exec nobody true | container .*does not exist
		255 | exec --ignore-paused nobody true | container .*does not exist
		0 | delete -f nobody
		0 | delete --force nobody
		1 | create a/b | invalid container ID format
		1 | run .. | invalid container ID format
		1 | run -b /nothing @ID | no such file or directory
		1 | create -b @OTHER @ID | config\.json
		1 | spec -b /nothing | no such file or directory
		1 | spec | file config.json exists. Remove it first
	T
}

@test "a life: create, start, exec, pause, update, kill, delete, in all forms of a flag" {
	rows <<-'T'
		0 | create @ID
		1 | create @ID | container with given ID already exists
		1 | run @ID | container with given ID already exists
		0 | state @ID | "status": "created"
		0 | start @ID
		1 | start @ID | cannot start an already running container
		0 | state @ID | "status": "running"
		0 | list | ^ID +PID +STATUS +BUNDLE +CREATED +OWNER
		0 | list -q | @ID
		0 | list --quiet=true
		0 | list -f json | "status":"running"
		0 | list -format=table
		1 | list -f yaml
		0 | exec @ID true
		1 | exec
		255 | exec @ID | process args cannot be empty
		255 | exec @ID nothere | exec: "nothere": executable file not found in \$PATH
		255 | exec @ID /nothere | exec: "/nothere": stat /nothere: no such file or directory
		255 | exec @ID /etc | exec: "/etc": (is a directory|.*permission denied)
		255 | exec -p /nothing @ID | /nothing: no such file or directory
		127 | exec @ID sh -c nothere
		0 | exec --cwd /tmp @ID pwd | ^/tmp
		0 | exec -cwd=/tmp @ID pwd | ^/tmp
		0 | exec -e A=b -e C=d @ID env | ^C=d
		0 | exec --env C=d @ID env | ^C=d
		# Ours takes both names of one option together.
		vz:0 | exec -e A=b --env C=d @ID env | ^A=b
		0 | exec -u 1:2 -g 5 -g 6 @ID id | uid=1.* gid=2.* groups=5.*6
		0 | exec --user 1:2 --additional-gids 6 @ID id | groups=6
		255 | exec -u abc @ID id
		255 | exec --user 1:x @ID id
		0 | exec --cap CAP_NOPE @ID true | CAP_NOPE
		0 | exec --no-new-privs @ID true
		0 | exec --preserve-fds=0 @ID true
		# A terminal of ours is enough: runc wants one that controls it, whatever standard input is.
		vz:0 | exec -t @ID true
		0 | exec -d @ID sleep 300
		0 | ps @ID | PID
		0 | ps -f json @ID | ^\[[0-9]+,[0-9]+\]
		1 | ps -f yaml @ID
		0 | kill @ID 0
		0 | kill -a @ID 0
		0 | kill --all=true @ID 0
		1 | kill @ID FOO | unknown signal "FOO"
		1 | kill @ID 99
		1 | kill @ID -1
		0 | pause @ID
		1 | pause @ID | container not running
		0 | state @ID | "status": "paused"
		255 | exec @ID true | cannot exec in a paused container \(use --ignore-paused to override\)
		1 | delete @ID | cannot delete container .* that is not stopped: paused
		0 | resume @ID
		1 | resume @ID | container not paused
		0 | update --pids-limit 50 @ID
		0 | update @ID
		1 | update --memory x @ID
		1 | update --cpu-quota abc @ID
		1 | update -r /nothing @ID | /nothing: no such file or directory
		1 | update --cpu-share 1 @ID | cpu.?shares
		# What the kernel takes from nobody is refused before anything is written; runc leaves it out on hosts without the file.
		vz:1 | update --blkio-weight 5 @ID | 5 is below 10
		0 | events --stats @ID | ^\{"type":"stats","id":"@ID
		1 | events --interval 0 @ID | duration interval must be greater than 0
		1 | delete @ID | cannot delete container .* that is not stopped: running
		0 | delete -force @ID
		1 | state @ID | does not exist
		0 | run -d @ID
		0 | delete -f=true @ID
		0 | run -detach -b=@B --no-pivot --no-new-keyring --pid-file @OTHER/pid @ID
		0 | delete --force=true @ID
		0 | create -bundle . -preserve-fds 0 @ID
		0 | delete -f @ID
		# An empty value is none.
		0 | --log= create --bundle= --pid-file= --console-socket= @ID
		0 | start @ID
		0 | exec --cwd= --pid-file= --process= --process-label= --apparmor= @ID true
		0 | update --resources= --cpuset-cpus= @ID
		0 | delete -f @ID
	T
}

@test "the first words: version and help" {
	rows <<-'T'
		0 | --version | spec: 1\.
		0 | -v | commit: 
		0 | -version | libseccomp: 
		0 | --help | create
		0 | -h | create
		0 | help | create
		0 | h | create
		0 | help create | console-socket
		0 | create --help | console-socket
		0 | create -h | console-socket
		0 | checkpoint --help | image-path
	T
}
