#!/usr/bin/env bats
# The commands of the OCI group beyond create, start and delete: documents, lists, signals, exec's flags.
load helpers

setup_file() { need_engine; python3 -c 'import jsonschema' || { echo "no python3-jsonschema: make deps" >&2; return 1; }; }
setup() { engine_setup; SCHEMA=$TOP/tests/tools/schema.py; FD=$TOP/tests/tools/fdsocket.py; }
teardown() { engine_teardown; }

started() { args sleep 300; v run -d "$ID"; }
valid() { python3 "$SCHEMA" "$1"; }

# ---- documents ----

@test "features: the specification's schema, without globals, privilege or state" {
	"$VZ" features | valid features-schema.json
	run setpriv --reuid 65534 --clear-groups --inh-caps=-all env -i "$VZ" features
	ok
	jq -e . <<<"$output" >/dev/null
	run "$VZ" features now
	[ "$status" -eq 1 ]
}

@test "features: every list is what the runtime takes" {
	local f o
	f=$("$VZ" features)
	[ "$(jq -r '.ociVersionMax' <<<"$f")" = "$("$VZ" --version | sed -n 's/^spec: //p')" ]
	[ "$(jq -r '.annotations["org.vzrun.commit"]' <<<"$f")" = "$("$VZ" --version | sed -n 's/^commit: //p')" ]
	[ "$(jq -r '.annotations["io.github.seccomp.libseccomp.version"]' <<<"$f")" = "$("$VZ" --version | sed -n 's/^libseccomp: //p')" ]
	jq -e '.hooks | length == 6' <<<"$f"
	jq -e '.linux.namespaces | sort == ["cgroup","ipc","mount","network","pid","time","user","uts"]' <<<"$f"
	[ "$(jq '.linux.capabilities | length' <<<"$f")" = $(($(cat /proc/sys/kernel/cap_last_cap) + 1)) ]
	jq -e '.linux.seccomp.actions | index("SCMP_ACT_NOTIFY")' <<<"$f"
	# each mount option that is listed is taken for an option, and an unknown one goes to the file system
	args true
	for o in $(jq -r '.mountOptions[]' <<<"$f" | grep -vE 'bind|remount|shared|slave|private|unbindable|idmap|nofollow|nolinks|symlink'); do
		cfg --arg o "$o" '.mounts = [.mounts[] | select(.destination == "/proc" or .destination == "/dev")] + [{destination:"/mnt",type:"tmpfs",source:"t",options:[$o]}]'
		go
		[ "$status" -eq 0 ] || { echo "option $o: $output"; return 1; }
	done
	cfg '.mounts[-1].options = ["nonsense"]'
	go
	[ "$status" -eq 1 ]
}

@test "spec and state: their schemas" {
	mkdir "$BATS_TEST_TMPDIR/s" "$BATS_TEST_TMPDIR/r"
	v spec -b "$BATS_TEST_TMPDIR/s"
	valid config-schema.json <"$BATS_TEST_TMPDIR/s/config.json"
	v spec --rootless --bundle "$BATS_TEST_TMPDIR/r"
	valid config-schema.json <"$BATS_TEST_TMPDIR/r/config.json"
	run v spec -b "$BATS_TEST_TMPDIR/s"
	fails 1 "file config.json exists. Remove it first"
	cfg '.annotations = {"a.b": "c"}'
	args sleep 300
	create
	vz state "$ID" | valid state-schema.json
	vz start "$ID"
	vz state "$ID" | valid state-schema.json
	vz state "$ID" | jq -e '.annotations["a.b"] == "c" and .owner == "root"'
	vz kill "$ID" KILL
	wait_for is stopped
	vz state "$ID" | valid state-schema.json
	vz state "$ID" | jq -e '.pid == 0'
}

@test "the schema's own test: what is wrong is found" {
	run python3 "$SCHEMA" features-schema.json <<<'{"ociVersionMin":"1.0.0"}'
	[ "$status" -eq 1 ]
	has ociVersionMax
	run bash -c '"$1" features | jq ".linux.namespaces += [\"nonsense\"]" | python3 "$2" features-schema.json' - "$VZ" "$SCHEMA"
	[ "$status" -eq 1 ]
	has "linux.namespaces.8"
}

@test "words of others, and of a guest that is not there: what vzrun has, or nothing" {
	for c in export rename rescue migrate; do
		run v $c
		[ "${lines[0]}" = "vzrun: unknown command \"$c\"" ]
	done
	run v suspend
	[ "${lines[0]}" = 'vzrun: unknown command "suspend" (did you mean checkpoint?)' ]
	mkdir "$BATS_TEST_TMPDIR/empty"
	cd "$BATS_TEST_TMPDIR/empty"
	run "$VZ" --root "$BATS_TEST_TMPDIR/none" restore typo
	fails 1 'open config.json: No such file or directory (of a bundle; there is no guest "typo" either)'
	run setpriv --reuid 65534 --clear-groups "$VZ" --home "$BATS_TEST_TMPDIR/none" image ls
	[ "$status" -eq 7 ]
	[ "${lines[1]}" = "  try    as root" ]
}

# ---- list, ps, kill ----

@test "list: runc's table, JSON and ids" {
	run v list
	[[ "$output" =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
	[ "$(v list --format json)" = "[]" ]
	started
	run v list
	[[ "${lines[1]}" =~ ^$ID\ +[0-9]+\ +running\ +$B\ +20[0-9T:.-]+Z\ +root$ ]]
	v list -f json | jq -e --arg id "$ID" '.[0].id == $id and .[0].status == "running" and .[0].pid > 0'
	[ "$(v list --quiet)" = "$ID" ]
	[ "$(v list --quiet --format json)" = "$ID" ]
	[ "$(v --json list --quiet | jq -c .)" = "[\"$ID\"]" ]
	run v list -f yaml
	[ "$status" -eq 1 ]
}

@test "ps: ps -ef filtered, other options of ps, host pids as JSON" {
	started
	v exec -d "$ID" sleep 77 >/dev/null 2>&1
	run v ps "$ID"
	ok
	[[ "${lines[0]}" =~ ^UID\ +PID\ +PPID ]]
	[ "${#lines[@]}" -eq 3 ]
	has "sleep 77"
	run v ps "$ID" -o pid,comm
	[ "${#lines[@]}" -eq 3 ]
	# Many words, of which the last counts.
	run v ps "$ID" $(printf -- '-e %.0s' {1..70}) -o pid,comm
	ok
	[[ ${lines[0]} != *TTY* ]]
	run v ps "$ID" aux
	[[ "${lines[0]}" =~ ^USER\ +PID ]]
	run v ps "$ID" -o comm
	[ "$status" -eq 1 ]
	has "couldn't find PID field in ps output"
	[ "$(v ps -f json "$ID" | jq 'length')" = 2 ]
	v ps --format=json "$ID" | jq -e --argjson p "$(pid_of)" 'index($p)'
}

@test "ps without a cgroup: the processes of the pid namespace" {
	args sleep 300
	v --cgroup-manager disabled run -d "$ID"
	v exec -d "$ID" sleep 77 >/dev/null 2>&1
	[ "$(v ps -f json "$ID" | jq 'length')" = 2 ]
	[ ! -e "/sys/fs/cgroup/vzrun-$ID" ]
	[ -z "$(compgen -G "/sys/fs/cgroup/*/vzrun-$ID")" ]
}

@test "kill: names, numbers, 0, --all" {
	sh_ 'trap "echo usr1 >>/tmp/log" USR1; trap "echo term >>/tmp/log" TERM; touch /tmp/up; while :; do sleep 0.05; done'
	v run -d "$ID"
	wait_for test -e "$B/rootfs/tmp/up"
	v kill "$ID" 0
	v kill "$ID" SIGUSR1
	wait_for grep -qx usr1 "$B/rootfs/tmp/log"
	v kill "$ID"
	wait_for grep -qx term "$B/rootfs/tmp/log"
	v kill --all "$ID" KILL
	wait_for is stopped
	v kill --all "$ID" 9
	v kill -a "$ID" TERM
	run v kill "$ID" 0
	fails 1 "container not running"
	run v kill "$ID" FOO
	fails 1 'unknown signal "FOO"'
}

@test "kill -9 in a pid namespace of others kills all that is the container's" {
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	sh_ 'sleep 301 & sleep 302 & wait'
	v run -d "$ID"
	three() { [ "$(v ps -f json "$ID" | jq length)" = 3 ]; }
	wait_for three
	local pids
	pids=$(v ps -f json "$ID" | jq -r '.[]')
	v kill "$ID" KILL
	for p in $pids; do wait_for gone "$p"; done
	wait_for is stopped
	run v kill "$ID" KILL
	fails 1 "container not running"
}

@test "kill -9 reaches what outlived the first process" {
	cfg '.linux.namespaces |= map(select(.type != "pid"))'
	sh_ 'sleep 301 & exit 0'
	v run -d "$ID"
	wait_for is stopped
	[ "$(v ps -f json "$ID" | jq length)" = 1 ]
	run v kill "$ID" TERM
	fails 1 "container not running"
	v kill "$ID" KILL
	empty() { [ "$(v ps -f json "$ID")" = "[]" ]; }
	wait_for empty
	v delete "$ID"
}

@test "pause and resume say what runc says" {
	started
	v pause "$ID"
	run v pause "$ID"
	fails 1 "container not running or created: paused"
	run v exec "$ID" true
	fails 255 "cannot exec in a paused container (use --ignore-paused to override)"
	run v delete "$ID"
	fails 1 "cannot delete container $ID that is not stopped: paused"
	v resume "$ID"
	run v resume "$ID"
	fails 1 "container not paused"
}

# ---- run, create ----

@test "run -d that cannot start leaves nothing; --keep keeps" {
	args /nothing
	run v run -d "$ID"
	fails 1 'exec: "/nothing": stat /nothing: no such file or directory'
	[ "$(v list -q)" = "" ]
	args true
	v run --keep "$ID"
	is stopped
	run v run "$ID"
	fails 1 "container with given ID already exists: \"$ID\""
}

@test "create --config: the configuration from another file" {
	mv "$B/config.json" "$BATS_TEST_TMPDIR/other.json"
	run v run "$ID"
	[ "$status" -eq 1 ]
	jq '.process.args = ["echo", "other"]' "$BATS_TEST_TMPDIR/other.json" >"$B/here.json"
	run v run --config here.json "$ID"
	ok
	says other
	run v create --config "$BATS_TEST_TMPDIR/none.json" "$ID"
	[ "$status" -eq 1 ]
	has "none.json"
	echo '{' >"$B/broken.json"
	run v create --config broken.json "$ID"
	[ "$status" -eq 1 ]
	has "broken.json"
}

@test "no cgroup where limits are asked for: said, and none is made" {
	cfg '.linux.resources.memory.limit = 67108864'
	args true
	run v --cgroup-manager disabled run "$ID"
	ok
	says "vzrun: warning: no cgroup is made (--cgroup-manager disabled): linux.resources is not applied"
	run v --log-level error --cgroup-manager disabled run "$ID"
	ok
	says ""
	cfg 'del(.linux.resources.memory)'
	run v --cgroup-manager disabled run "$ID"
	ok
	says ""
}

@test "--no-new-keyring stays in the caller's session" {
	grep -q keyring /proc/keys 2>/dev/null || skip "kernel: no keys"
	sh_ 'cat /proc/self/status >/dev/null; cat /proc/keys | grep -c "_ses" || true'
	cfg '.linux.maskedPaths = []'
	run v run "$ID"
	ok
	run v run --no-new-keyring "$ID"
	ok
}

# ---- exec ----

@test "exec: user, groups, environment, directory, capabilities" {
	started
	run v exec -u 1000:1001 -g 5 -additional-gids=6 "$ID" id
	says "uid=1000(user) gid=1001 groups=5,6,1001" || says "uid=1000(user) gid=1001 groups=5,6"
	run v exec -e A=1 --env B=2 -cwd /tmp "$ID" sh -c 'echo $A $B $PWD'
	says "1 2 /tmp"
	cfg '.process.capabilities = {}'
	v delete -f "$ID"
	v run -d "$ID"
	run v exec --cap CAP_KILL --cap CAP_CHOWN "$ID" grep Cap /proc/self/status
	ok
	for set in Prm Eff Bnd; do has "Cap$set:	0000000000000021"; done
	for set in Inh Amb; do has "Cap$set:	0000000000000000"; done
}

@test "exec --process: the file says all; what is not the process's still counts" {
	started
	jq '.process | .args = ["sh", "-c", "echo $X; pwd; id -u"] | .env = ["X=file", "PATH=/bin"] | .cwd = "/tmp" | .user = {uid:7,gid:7}' \
		"$B/config.json" >"$BATS_TEST_TMPDIR/p"
	run v exec --process "$BATS_TEST_TMPDIR/p" -e X=flag --cwd / -u 0 --pid-file "$BATS_TEST_TMPDIR/pid" "$ID"
	ok
	says "file
/tmp
7"
	[ "$(cat "$BATS_TEST_TMPDIR/pid")" -gt 0 ]
	# What it says nothing of confines it as the container.
	jq '.process | .args = ["grep", "Cap[PEB]", "/proc/self/status"] | .env = ["PATH=/bin"] | del(.capabilities)' \
		"$B/config.json" >"$BATS_TEST_TMPDIR/p"
	run v exec --process "$BATS_TEST_TMPDIR/p" "$ID"
	ok
	[ "$output" = "$(v exec "$ID" grep 'Cap[PEB]' /proc/self/status)" ]
	[[ $output != *"CapBnd:	0000000000000000"* ]]
	run v exec "$ID"
	fails 255 "process args cannot be empty"
	echo '{"cwd":"/"}' >"$BATS_TEST_TMPDIR/p"
	run v exec -p "$BATS_TEST_TMPDIR/p" "$ID"
	[ "$status" -eq 255 ]
	has "args: missing or empty"
}

@test "exec --cgroup: a group below, of all hierarchies or of those that are named" {
	kernel_has_cgroup pids || skip "kernel: no pids controller"
	cfg '.linux.cgroupsPath = "/vzrun-" + $id' --arg id "$ID"
	started
	local d v2=
	[ ! -e /sys/fs/cgroup/cgroup.controllers ] || v2=1
	for d in /sys/fs/cgroup/*/vzrun-"$ID" /sys/fs/cgroup/vzrun-"$ID"; do
		# a set of CPUs of its own would have to be filled first
		[ ! -d "$d" ] || [ -e "$d/cpuset.cpus_exclusive" ] || [ -e "$d/cpuset.cpu_exclusive" ] || mkdir "$d/below"
	done
	run v exec --cgroup below "$ID" grep -c /below /proc/self/cgroup
	ok
	[ "$output" -ge 1 ]
	run v exec --cgroup=/below "$ID" grep -c /below /proc/self/cgroup
	ok
	run v exec --cgroup none "$ID" true
	has "error adding pid of the new process to cgroups: no such file or directory: the container has no group none below its own"
	run v exec --cgroup ../x "$ID" true
	[ "$status" -eq 255 ]
	run v exec --cgroup a:b:c "$ID" true
	fails 255 "invalid --cgroup argument: a:b:c"
	if [ -z "$v2" ]; then
		run v exec --cgroup pids:below "$ID" cat /proc/self/cgroup
		ok
		[ "$(grep -c /below <<<"$output")" -eq 1 ]
		grep -qE ':pids:.*/below$' <<<"$output"
		run v exec --cgroup pids,memory:/below "$ID" grep -c /below /proc/self/cgroup
		says 2
		run v exec --cgroup pids:below --cgroup memory:below "$ID" grep -c /below /proc/self/cgroup
		says 2
		run v exec --cgroup pids:below --cgroup below "$ID" true
		fails 255 "invalid --cgroup argument: below (missing <controller>: prefix)"
		run v exec --cgroup pids:below --cgroup pids:below "$ID" true
		fails 255 "invalid --cgroup argument: pids:below: a controller is specified multiple times"
		run v exec --cgroup nonsense:below "$ID" true
		fails 255 "invalid --cgroup argument: nonsense:below: unknown controller or none of the container's"
		run v exec --cgroup pids:none "$ID" true
		[ "$status" -eq 255 ]
		has "No such file or directory"
	fi
}

@test "exec --ignore-paused waits in the paused container, and runs when it goes on" {
	started
	v pause "$ID"
	bg exec --ignore-paused "$ID" true
	two() { [ "$(v ps -f json "$ID" | jq length)" = 2 ]; }
	wait_for two
	kill -0 "$JOB"
	v resume "$ID"
	ended "$JOB"
	[ "$status" -eq 0 ]
}
