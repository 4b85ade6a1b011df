#!/usr/bin/env bats
# Podman with vzrun: the life of containers, as their user sees it.
load helpers
load podman

setup_file() { podman_start; }
teardown_file() { podman_stop; }
teardown() { podman_clean; }

pty() { python3 "$TOP/tests/tools/console.py" --pty 101x33 nsenter -t "$WORLD" -m -n -p -- podman "$@" | tr -d '\r'; }

@test "info: vzrun is what runs, found by the drop-ins, its version read" {
	run p info
	has "name: vzrun"
	has "path: /usr/local/bin/vzrun"
	has "vzrun version $("$VZ" --version | sed -n 's/^vzrun version //p')"
}

@test "run: output, both streams, the status; nothing stays" {
	once -- sh -c 'echo out; echo err >&2; exit 7'
	[ "$status" -eq 7 ]
	[ "$(sort <<<"$output")" = "err
out" ]
	once -- sh -c 'kill -9 $$; echo PID 1 is safe from itself'
	ok
	# The user of the container opens the engine's pipes by name.
	once -u user -- sh -c 'echo out >/dev/stdout; echo err >/dev/stderr'
	[ "$(sort <<<"$output")" = "err
out" ]
	[ -z "$(podman_left)" ]
}

@test "run: what cannot be executed gives 126 and 127, and says why" {
	WANT=127 once -- /nonexistent
	says 'Error: vzrun: exec: "/nonexistent": stat /nonexistent: no such file or directory: OCI runtime attempted to invoke a command that was not found'
	WANT=127 once -- nonexistent
	has 'exec: "nonexistent": executable file not found in $PATH'
	WANT=126 once -- /etc
	has 'exec: "/etc": is a directory: permission denied: OCI permission denied'
	WANT=126 once -- /etc/passwd
	has 'exec: "/etc/passwd": permission denied: OCI permission denied'
	once --cpu-rt-runtime 77 --cpu-rt-period 7 -- true
	[ "$status" -eq 126 ]
	has 'Error: OCI runtime error: vzrun: '
	hasnt "goroutine"
	once --nosuchoption -- true
	[ "$status" -eq 125 ]
}

@test "run -i: what is piped in arrives whole and ends" {
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	p run --rm -i localhost/box cat <"$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/in"
	[ "$(echo hello | p run --rm -i localhost/box sh -c 'cat; echo end')" = "hello
end" ]
}

@test "run -it, exec -it: a terminal of the caller's size, what is typed, the status" {
	run pty run --rm -it localhost/box sh -c 'read x; tty; stty size; echo "got $x"' <<<"word"
	has "/dev/pts/0"
	has "33 101"
	has "got word"
	run python3 "$TOP/tests/tools/console.py" --pty 80x24 nsenter -t "$WORLD" -m -n -p -- podman run --rm -it -u 1000 localhost/box sh -c 'echo >/dev/tty && exit 5' </dev/null
	[ "$status" -eq 5 ]
	box a
	run pty exec -it a sh -c "tty; stty size" </dev/null
	has "/dev/pts/0"
	has "33 101"
}

@test "-d, logs, wait, start -a, restart, the exit code in inspect" {
	p run -d --name a localhost/box sh -c 'echo one; echo two >&2; exit 3' >/dev/null
	[ "$(p wait a)" = 3 ]
	[ "$(p logs a 2>&1 | sort)" = "one
two" ]
	[ "$(p inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.OCIRuntime}}' a)" = "exited 3 vzrun" ]
	run p start -a a
	[ "$status" -eq 3 ]
	p rm a
	box a
	[ "$(p exec a sh -c 'echo $$')" != 1 ]
	p restart -t 0 a
	in_state a running
	[ "$(p inspect -f '{{.State.Pid}}' a)" -gt 1 ]
}

@test "init, create, start: the states on the way; a command that is missing" {
	p create --name a localhost/box sh -c 'echo ran; exit 2'
	in_state a created
	p init a
	in_state a initialized
	run p exec a true
	[ "$status" -ne 0 ]
	run p start -a a
	[ "$status" -eq 2 ]
	says ran
	p create --name b localhost/box /nosuch
	run p start b
	[ "$status" -eq 125 ]
	has 'exec: "/nosuch": stat /nosuch: no such file or directory'
	in_state b created
}

@test "exec: status, user, directory, environment, privileges, in the background" {
	box a
	run p exec a sh -c 'exit 9'
	[ "$status" -eq 9 ]
	run -127 p exec a nosuch
	has 'exec: "nosuch": executable file not found in $PATH'
	run p exec a /etc
	[ "$status" -eq 126 ]
	run -127 p exec -w /nowhere a true
	has 'chdir to cwd ("/nowhere")'
	run p exec -u user -w /tmp -e A=1 a sh -c 'id -u; id -g; pwd; echo $A; grep CapEff /proc/self/status; echo ok >/dev/stderr'
	says "1000
1000
/tmp
1
CapEff:	0000000000000000
ok"
	run p exec --privileged a grep -E 'CapEff|NoNewPrivs' /proc/self/status
	has "CapEff:	$(awk '/CapBnd/ { print $2 }' /proc/self/status)"
	has "NoNewPrivs:	0"
	[ "$(echo piped | p exec -i a cat)" = piped ]
	p exec -d a sh -c 'echo done >/tmp/done'
	wait_for p exec a grep done /tmp/done
	# Every process of it is in the container's group.
	[ "$(p exec a cat /proc/self/cgroup)" = "$(p exec a cat /proc/1/cgroup)" ]
}

@test "kill with signals, stop by the stop signal, KILL after its time, an init of Podman's" {
	p run -d --name a localhost/box sh -c 'trap "echo hup" HUP; trap "echo bye; exit 4" TERM; echo up; while :; do sleep 0.05; done' >/dev/null
	wait_for logged a up
	p kill -s HUP a
	wait_for logged a hup
	p stop -t 10 a
	[ "$(p inspect -f '{{.State.ExitCode}}' a)" = 4 ]
	logged a bye
	run p kill a
	[ "$status" -eq 125 ]
	p run -d --name b --stop-signal INT localhost/box sh -c 'trap "" INT TERM; echo up; while :; do sleep 0.05; done' >/dev/null
	wait_for logged b up
	p stop -t 1 b
	[ "$(p inspect -f '{{.State.ExitCode}}' b)" = 137 ]
	p run -d --name c --init localhost/box sleep 1000 >/dev/null
	run p exec c cat /proc/1/cmdline
	has podman-init
	p stop -t 10 c
	[ "$(p inspect -f '{{.State.ExitCode}}' c)" = 143 ]
}

@test "pause, unpause, exec and kill of what is paused" {
	p run -d --name a localhost/box sh -c 'while :; do echo x; sleep 0.02; done' >/dev/null
	wait_for logged a x
	p pause a
	in_state a paused
	# What it wrote before may still be on its way; then there is no more.
	local n
	silent() { n=$(p logs a | wc -l); sleep 0.2; [ "$(p logs a | wc -l)" = "$n" ]; }
	wait_for silent
	run p exec a true
	[ "$status" -ne 0 ]
	p unpause a
	wait_for eval '[ "$(p logs a | wc -l)" -gt '"$n"' ]'
	p pause a
	# A frozen process dies of KILL at once.
	p kill a
	[ "$(p wait a)" = 137 ]
}

@test "update: limits of a running container, seen inside" {
	box a --memory 64m --cpus 1.5
	p update --memory 48m --cpus 0.5 --cpuset-cpus 0 --cpu-shares 300 a
	run p exec a sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max cpu/cpu.cfs_quota_us cpu.max cpuset/cpuset.cpus cpuset.cpus cpu/cpu.shares 2>/dev/null; grep Cpus_allowed_list /proc/self/status'
	has 50331648
	has 50000
	has "Cpus_allowed_list:	0"
	run p update --memory 1k a
	[ "$status" -ne 0 ]
}

@test "top, stats, diff, port, commit, cp in and out, running and stopped" {
	box a --memory 64m
	run p top a pid user args
	has "1           root        sleep 1000"
	[ "$(p stats --no-stream --format '{{.Name}} {{.PIDS}}' a)" = "a 1" ]
	[[ "$(p stats --no-stream --format '{{.MemUsage}}' a)" =~ ^[0-9.]+kB\ /\ 67.11MB$ ]]
	echo in >"$W/in"
	p cp "$W/in" a:/tmp/in
	[ "$(p exec a cat /tmp/in)" = in ]
	p exec a sh -c 'echo out >/tmp/out'
	p cp a:/tmp/out "$W/out"
	[ "$(cat "$W/out")" = out ]
	run p container diff a
	has "A /tmp/out"
	p stop -t 0 a
	p cp "$W/in" a:/tmp/in2
	p cp a:/tmp/in2 "$W/out"
	[ "$(cat "$W/out")" = in ]
	p commit -q a localhost/committed
	[ "$(p run --rm localhost/committed cat /tmp/out)" = out ]
	p rmi localhost/committed
	run p system df
	ok
}

@test "restart policy, health check, a time limit" {
	p run -d --name a --restart on-failure:2 localhost/box sh -c 'echo run; exit 1' >/dev/null
	wait_for eval '[ "$(p inspect -f "{{.RestartCount}} {{.State.Status}}" a)" = "2 exited" ]'
	[ "$(p logs a | grep -c run)" = 3 ]
	box b --health-cmd 'test -e /healthy' --health-interval disable
	run p healthcheck run b
	[ "$status" -eq 1 ]
	p exec b touch /healthy
	p healthcheck run b
	[ "$(p inspect -f '{{.State.Health.Status}}' b)" = healthy ]
	once --timeout 1 -- sleep 1000
	[ "$status" -ne 0 ]
}

@test "out of memory is a kill that the user sees" {
	once --memory 16m --memory-swap 16m -- sh -c 'x=a; while :; do x=$x$x; done'
	[ "$status" -eq 137 ]
}

@test "the monitor dies: the container can be removed, nothing of it stays" {
	box a
	local m=$(p inspect -f '{{.State.ConmonPid}}' a)
	inside kill -KILL "$m"
	run p ps -a --format '{{.Names}}'
	has a
	# 5.4 gives up at first, with any runtime.
	p rm -f -t 0 a || p rm -f -t 0 a
	# Podman 4 forgets to delete it, whatever the runtime. It is seen, and goes.
	if [ -n "$(inside vzrun list -q)" ]; then
		run inside vzrun list
		has " stopped "
		inside vzrun delete "$(inside vzrun list -q)"
	fi
	[ -z "$(podman_left)" ]
}

@test "twenty runs at once" {
	local i
	for i in $(seq 20); do
		p run --rm localhost/box sh -c "echo $i; exit $i" >"$BATS_TEST_TMPDIR/$i" 2>&1 </dev/null 3>&- &
		eval "j$i=$!"
	done
	for i in $(seq 20); do
		eval "ended \$j$i"
		[ "$status" -eq "$i" ] || { echo "$i: $status"; cat "$BATS_TEST_TMPDIR/$i"; return 1; }
		[ "$(cat "$BATS_TEST_TMPDIR/$i")" = "$i" ]
	done
	[ -z "$(podman_left)" ]
}
