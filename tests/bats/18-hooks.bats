#!/usr/bin/env bats
# Hooks of the six kinds: where, when, with what, and what a failure does.
load helpers

setup_file() { need_engine; }
setup() {
	engine_setup
	L=$BATS_TEST_TMPDIR/log
	: >"$L"
}
teardown() { engine_teardown; }

# hook KIND 'shell text': one more hook of the kind on the host, with a PATH
hook() {
	local f=$BATS_TEST_TMPDIR/$1.$((++HOOKS))
	printf '#!/bin/sh\n%s\n' "$2" >"$f"; chmod 755 "$f"
	cfg --arg k "$1" --arg f "$f" '.hooks[$k] += [{path: $f, env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]'
}
# inside_hook 'shell text': a startContainer hook, in the container
inside_hook() {
	printf '#!/bin/sh\n%s\n' "$1" >"$B/rootfs/hook.$((++HOOKS))"; chmod 755 "$B/rootfs/hook.$HOOKS"
	cfg --arg f "/hook.$HOOKS" '.hooks.startContainer += [{path: $f, env: ["PATH=/bin"]}]'
}
logged() { [ "$(cat "$L")" = "$1" ] || { echo "log: $(cat "$L")"; echo "want: $1"; return 1; }; }
sleeper() { args sleep 300; }

@test "six kinds, in order, each with the state on its standard input" {
	for k in prestart createRuntime createContainer poststart poststop; do
		hook $k "{ printf '%s ' $k; jq -r '[.id, .status, (.pid > 0), .bundle, .ociVersion, .annotations.a] | join(\" \")'; } >>$L"
	done
	inside_hook 'read l; echo "$l" >/inside'
	cfg '.annotations = {a: "100%"}'
	sleeper
	create
	logged "prestart $ID creating true $B 1.3.0 100%
createRuntime $ID creating true $B 1.3.0 100%
createContainer $ID creating true $B 1.3.0 100%"
	[ ! -e "$B/rootfs/inside" ]
	pid=$(pid_of)
	vz start "$ID"
	[ "$(jq -r '.id, .status, .pid, .annotations.a' "$B/rootfs/inside" | tr '\n' ' ')" = "$ID created $pid 100% " ]
	vz kill "$ID" KILL; wait_for is stopped
	: >"$L.x"; sed -n '4,$p' "$L" >"$L.x"
	[ "$(cat "$L.x")" = "poststart $ID running true $B 1.3.0 100%" ]
	vz delete "$ID"
	[ "$(sed -n 5p "$L")" = "poststop $ID stopped false $B 1.3.0 100%" ]
}

@test "the pid in the state is the first process's, as the host sees it" {
	for k in prestart createRuntime createContainer poststart; do hook $k "jq .pid >>$L"; done
	sleeper
	create; vz start "$ID"
	[ "$(sort -u "$L")" = "$(pid_of)" ]
}

@test "what hooks make is to be read by all, and written by their user only" {
	for k in prestart createRuntime createContainer poststart poststop; do hook $k "umask >>$L"; done
	inside_hook 'umask >/inside'
	cfg '.process.user.umask = 7'
	go; ok
	logged "0022
0022
0022
0022
0022"
	[ "$(cat "$B/rootfs/inside")" = 0007 ]
}

@test "run: all kinds, poststart after the process began, poststop at its end" {
	for k in prestart createRuntime createContainer poststart poststop; do hook $k "echo $k >>$L"; done
	hook poststart 'p=$(jq .pid); [ "$(readlink /proc/$p/exe | sed "s/.*\///")" = busybox ] && touch '"$B/rootfs/go"
	sh_ 'while [ ! -e /go ]; do sleep 0.05; done'
	go; ok
	logged "prestart
createRuntime
createContainer
poststart
poststop"
}

@test "several of a kind run in their order" {
	for i in 1 2 3; do hook createRuntime "echo r$i >>$L"; hook createContainer "echo c$i >>$L"; hook poststop "echo s$i >>$L"; done
	args true
	go; ok
	[ "$(tr '\n' ' ' <"$L")" = "r1 r2 r3 c1 c2 c3 s1 s2 s3 " ]
}

@test "namespaces: the runtime's for prestart, createRuntime, poststart, poststop; the container's for the others" {
	for k in prestart createRuntime createContainer poststart poststop; do
		hook $k "for n in mnt net uts pid; do readlink /proc/self/ns/\$n; done | md5sum >>$L"
	done
	# of the container's own processes, its mount namespace too
	hook poststart "p=\$(jq .pid); for n in mnt net uts pid; do readlink /proc/\$p/ns/\$n; done | md5sum >>$L; touch $B/rootfs/go"
	sh_ 'while [ ! -e /go ]; do sleep 0.05; done'
	go; ok
	ours=$(for n in mnt net uts pid; do readlink /proc/self/ns/$n; done | md5sum)
	for i in 1 2 4 6; do [ "$(sed -n ${i}p "$L")" = "$ours" ]; done
	[ "$(sed -n 3p "$L")" != "$ours" ]
	[ "$(sed -n 3p "$L")" = "$(sed -n 5p "$L")" ]
}

@test "createContainer hooks run before the pivot: the mounts are there, the host's files too" {
	cfg '.mounts += [{destination: "/mnt", type: "tmpfs", source: "tmpfs"}]'
	hook createContainer "echo from the hook >mnt/file; pwd >>$L; [ -e $TOP/Makefile ]"
	args cat /mnt/file
	go; ok
	says "from the hook"
	logged "$B/rootfs"
}

@test "createRuntime hooks see the container's mounts nowhere, its namespaces by pid" {
	hook createRuntime "p=\$(jq .pid); nsenter -t \$p -n ip link set lo mtu 4321"
	args cat /sys/class/net/lo/mtu
	go; ok
	says 4321
}

@test "where they start: the bundle; createContainer in the root; startContainer in the process's directory" {
	for k in prestart createRuntime poststart poststop; do hook $k "pwd >>$L"; done
	inside_hook 'pwd >/where'
	cfg '.process.cwd = "/tmp"'
	sleeper
	v create "$ID"
	(cd / && vz start "$ID" && vz delete -f "$ID")
	logged "$B
$B
$B
$B"
	[ "$(cat "$B/rootfs/where")" = /tmp ]
}

@test "startContainer hooks run in the container, as its user, before the process and at the start" {
	cfg '.process.user = {uid: 1000, gid: 1000}'
	chmod 1777 "$B/rootfs"
	inside_hook 'id -u >/who; echo $$ >>/who'
	args cat /who
	create
	[ ! -e "$B/rootfs/who" ]
	vz start "$ID" >"$BATS_TEST_TMPDIR/out"
	wait_for is stopped
	[ "$(head -1 "$B/rootfs/who")" = 1000 ]
	vz delete "$ID"
}

@test "arguments, environment: what is said and nothing else; where nothing is said, the caller's" {
	cfg --arg l "$L" '.hooks.createRuntime = [{path: "/bin/sh", args: ["zero", "-c", ("echo $0 $1 >" + $l + "; env | grep -vE \"^(PWD|SHLVL|_)=\" >>" + $l), "one", "two"], env: ["A=b c"]}]'
	args true
	SECRET=1 go; ok
	logged "one two
A=b c"
	# Many look for their programs in PATH.
	cfg --arg l "$L" '.hooks |= ({prestart: 1, createRuntime: 1, poststart: 1, poststop: 1} | map_values([
		{path: "/bin/sh", args: ["sh", "-c", ("echo $SECRET $PATH >>" + $l)]}]))'
	: >"$L"
	SECRET=1 go; ok
	logged "$(for i in 1 2 3 4; do echo "1 $PATH"; done)"
	# Inside nothing is known of the host's.
	cfg 'del(.hooks) | .hooks.createContainer = [{path: "/bin/sh", args: ["sh", "-c", "[ -z \"$SECRET\" ]"]}]'
	SECRET=1 go; ok
	cfg 'del(.hooks)'
	printf '#!/bin/sh\necho $# $0 >%s\n' "$L" >"$BATS_TEST_TMPDIR/bare"; chmod 755 "$BATS_TEST_TMPDIR/bare"
	cfg --arg f "$BATS_TEST_TMPDIR/bare" '.hooks.createRuntime = [{path: $f}]'
	go; ok
	logged "0 $BATS_TEST_TMPDIR/bare"
}

@test "descriptors: three, whatever we hold or were given; output goes to nobody" {
	for k in prestart createRuntime createContainer poststart poststop; do
		hook $k "for i in 3 4 5 6 7 8 9 11 12 13 14 15 16 17 18 19 20; do [ ! -e /proc/self/fd/\$i ] || echo $k \$i >>$L; done; echo noise; echo noise >&2"
	done
	inside_hook 'for i in 3 4 5 6 7 8 9 11 12 13 14 15 16 17 18 19 20; do [ ! -e /proc/self/fd/$i ] || echo $i >>/fds; done; echo noise'
	args echo payload
	run v run "$ID" 7</etc/passwd
	ok; says payload
	logged ""
	[ ! -e "$B/rootfs/fds" ]
}

gone_after() { [ -z "$(state_left)$(groups_left)" ] || { echo "left: $(state_left) $(groups_left)"; return 1; }; }
@test "a failure while creating: an error, nothing is left, and poststop hooks run" {
	for k in prestart createRuntime createContainer; do
		cfg 'del(.hooks)'; : >"$L"
		hook $k 'echo no luck >&2; exit 3'
		hook $k "echo never >>$L"
		hook poststop "jq -r '[.id, .status, has(\"pid\")] | join(\" \")' >>$L"
		sleeper
		run v create "$ID"
		[ "$status" = 1 ]
		[[ "$output" == "vzrun: error running $k hook #0: $BATS_TEST_TMPDIR/$k."*": exit status 3: no luck" ]]
		logged "$ID stopped false"
		gone_after
	done
	# Under a caller that lets the kernel reap its children, too.
	run env --ignore-signal=CHLD "$VZ" --root "$ROOT" create -b "$B" "$ID"
	[ "$status" = 1 ]
	has 'exit status 3: no luck'
	gone_after
}

@test "a failure of something else once hooks ran: poststop hooks run" {
	hook createRuntime "echo made >>$L"
	hook poststop "echo undone >>$L"
	args /nothing/there
	run v create "$ID"
	[ "$status" = 1 ]
	logged "made
undone"
	gone_after
}

@test "a configuration that is refused runs no hook" {
	hook createRuntime "echo made >>$L"
	hook poststop "echo undone >>$L"
	cfg '.process.cwd = "relative"'
	run v create "$ID"
	[ "$status" = 1 ]
	logged ""
}

@test "a startContainer hook that fails: the container is taken down, poststop hooks run" {
	cfg '.hooks.startContainer = [{path: "/bin/false"}]'
	hook poststop "echo stopped >>$L"
	args touch /ran
	create
	run vz start "$ID"
	fails 1 "error running startContainer hook #0: /bin/false: exit status 1"
	logged stopped
	gone_after
	[ ! -e "$B/rootfs/ran" ]
	go
	fails 1 "error running startContainer hook #0: /bin/false: exit status 1"
	gone_after
	cfg '.hooks.startContainer = [{path: "/bin/nope"}]'
	go
	fails 1 "error running startContainer hook #0: run /bin/nope: No such file or directory"
	gone_after
}

@test "a poststart hook that fails: an error, the container is stopped and taken down, poststop hooks run" {
	hook poststart "echo begun >>$L; exit 1"
	hook poststart "echo never >>$L"
	hook poststop "echo stopped >>$L"
	sleeper
	create
	pid=$(pid_of)
	run vz start "$ID"
	[ "$status" = 1 ]
	has "error running poststart hook #0: "
	logged "begun
stopped"
	wait_for gone "$pid"
	gone_after
	go
	[ "$status" = 1 ]
	has "error running poststart hook #0: "
	gone_after
}

@test "a poststop hook that fails is told, and the others run" {
	cfg '.hooks.poststop = [{path: "/bin/false"}]'
	hook poststop "echo second >>$L"
	args true
	go; ok
	has "warning: error running poststop hook #0: /bin/false: exit status 1"
	logged second
	create
	run vz delete -f "$ID"
	ok
	has "poststop hook #0"
}

@test "a program that cannot be started for the process leaves a container that has stopped" {
	hook poststop "echo stopped >>$L"
	args /bin/prog
	printf '#!/nowhere\n' >"$B/rootfs/bin/prog"; chmod 755 "$B/rootfs/bin/prog"
	create
	run vz start "$ID"
	[ "$status" = 1 ]
	wait_for is stopped
	logged ""
	vz delete "$ID"
	logged stopped
}

@test "timeout: the hook and what it started are killed" {
	hook createRuntime "sleep 1000 & echo \$! >$L; sleep 1000"
	cfg '.hooks.createRuntime[0].timeout = 1'
	args true
	go
	[ "$status" = 1 ]
	has "did not end within 1000 ms"
	wait_for gone "$(cat "$L")"
	gone_after
}

@test "timeout: a hook inside, too" {
	inside_hook 'sleep 1000'
	cfg '.hooks.startContainer[0].timeout = 1'
	args true
	go
	fails 1 "error running startContainer hook #0: /hook.1 did not end within 1000 ms"
}

@test "delete -f does not wait for a hook inside that hangs" {
	inside_hook 'echo up >/up; sleep 1000'
	hook poststop "echo stopped >>$L"
	sleeper
	create
	bg start "$ID"
	wait_for test -e "$B/rootfs/up"
	timeout 100 "$VZ" --root "$ROOT" delete -f "$ID"
	ended "$JOB"
	[ "$status" = 1 ]
	logged stopped
}

@test "a user namespace: createContainer hooks have its root's rights, createRuntime hooks the host's" {
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"; chmod 755 "$BATS_TEST_TMPDIR" "$B"; chmod 666 "$L"
	hook createRuntime "cut -c1-33 /proc/self/uid_map | tr -s ' ' >>$L"
	cfg '.hooks.createContainer = [{path: "/bin/sh", args: ["sh", "-c", "cut -c1-33 /proc/self/uid_map | tr -s \" \" >map"], env: ["PATH=/bin:/usr/bin"]}]'
	args true
	go; ok
	logged "$(cut -c1-33 /proc/self/uid_map | tr -s ' ')"
	[ "$(cat "$B/rootfs/map")" = " 0 100000 65536" ]
}
