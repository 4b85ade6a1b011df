#!/usr/bin/env bats
# What dockerd does by itself: builds, looks after health and restarts, lives on without its daemon, maps users.
load dockerd

setup_file() { dockerd_begin; }
teardown_file() { world_stop; }
setup() { dockerd_setup; }
teardown() { dockerd_teardown; }

@test "build: RUN, COPY, USER, and what fails in one" {
	mkdir "$BATS_TEST_TMPDIR/b"
	echo data >"$BATS_TEST_TMPDIR/b/f"
	cat >"$BATS_TEST_TMPDIR/b/Dockerfile" <<-'END'
		FROM box
		ENV A=b
		RUN echo $A >/made && chown 1000 /made
		COPY f /f
		USER 1000
		RUN id -u >/tmp/uid
		CMD ["cat", "/made", "/f", "/tmp/uid"]
	END
	DOCKER_BUILDKIT=0 d build -q -t built "$BATS_TEST_TMPDIR/b"
	once built
	says $'b\ndata\n1000'
	printf 'FROM box\nRUN exit 5\n' >"$BATS_TEST_TMPDIR/b/Dockerfile"
	DOCKER_BUILDKIT=0 run d build -q "$BATS_TEST_TMPDIR/b"
	[ "$status" -ne 0 ]
	has "returned a non-zero code: 5"
	d rmi -f built >/dev/null
}

@test "a health check" {
	box --health-cmd 'test -e /healthy' --health-interval 100ms --health-retries 1
	wait_for is_ .State.Health.Status unhealthy
	d exec "$N" touch /healthy
	wait_for is_ .State.Health.Status healthy
}

@test "restart policies: after a failure, and always" {
	d run -d --name "$N" --restart on-failure:2 box sh -c 'exit 1' >/dev/null
	wait_for is_ .RestartCount 2
	wait_for is_ .State.Status exited
	d rm -f "$N"
	box --restart always
	local p
	p=$(of .State.Pid)
	inside kill -KILL "$p"
	wait_for is_ .RestartCount 1
	wait_for is_ .State.Running true
	[ "$(of .State.Pid)" != "$p" ]
}

@test "twenty at once" {
	local i jobs=()
	for i in $(seq 20); do
		d run --rm box sh -c "echo $i; exit $i" >"$BATS_TEST_TMPDIR/$i" 2>&1 &
		jobs+=($!)
	done
	for i in $(seq 20); do
		ended "${jobs[i - 1]}"
		[ "$status" -eq "$i" ] && [ "$(cat "$BATS_TEST_TMPDIR/$i")" = "$i" ] || { cat "$BATS_TEST_TMPDIR/$i"; return 1; }
	done
}

@test "live restore: dockerd ends and is started again, by TERM and by KILL; containers go on" {
	box
	local p s
	p=$(of .State.Pid)
	for s in TERM KILL; do
		daemon_end dockerd $s
		inside kill -0 "$p"
		dockerd_start dockerd --live-restore
		[ "$(of .State.Pid)" = "$p" ]
		d exec "$N" true
	done
	d stop -t 0 "$N"
}

# The last two: a dockerd without a bridge removes the other's.
@test "build by BuildKit, which runs whatever is called runc" {
	mkdir "$BATS_TEST_TMPDIR/b" "$W/bin"
	ln -s "$VZ" "$W/bin/runc"
	cat >"$BATS_TEST_TMPDIR/b/Dockerfile" <<-'END'
		FROM box AS first
		RUN echo made >/made && id -u && cat /proc/self/status | grep ^Seccomp: >/seccomp
		FROM box
		COPY --from=first /made /seccomp /
		RUN --mount=type=cache,target=/cache touch /cache/x && ! nothere
		USER 1000
		RUN id -u >/tmp/uid
	END
	export DD=kit
	PATH=$W/bin:$PATH dockerd_start kit --bridge none
	d load -q -i "$W/box.tar"
	DOCKER_BUILDKIT=1 run d build --network none -t built "$BATS_TEST_TMPDIR/b"
	ok
	run d run --rm --network none built cat /made /seccomp /tmp/uid
	says $'made\nSeccomp:\t2\n1000'
	printf 'FROM box\nRUN exit 5\n' >"$BATS_TEST_TMPDIR/b/Dockerfile"
	DOCKER_BUILDKIT=1 run d build --network none "$BATS_TEST_TMPDIR/b"
	[ "$status" -ne 0 ]
	has "exit code: 5"
	daemon_end kit TERM
	world_groups | grep /buildkit\$ | xargs -r rmdir
}

@test "user namespaces: a second dockerd with --userns-remap" {
	echo daemon:300000:65536 >"$W/subid"
	inside mount --bind "$W/subid" /etc/subuid
	inside mount --bind "$W/subid" /etc/subgid
	export DD=remapped
	# Everything above its data must be open to the mapped root: where a directory is not, dockerd makes others beside it.
	mkdir "$W/remapped"
	inside mkdir /run/remapped
	inside mount --bind "$W/remapped" /run/remapped
	AT=/run dockerd_start remapped --userns-remap daemon --bridge none
	d load -q -i "$W/box.tar"
	once box sh -c 'tr -s " " </proc/self/uid_map; id -u; touch /f && stat -c %u /f; grep ^Seccomp: /proc/self/status; cat /proc/1/cgroup >/dev/null && echo ok'
	says $' 0 300000 65536\n0\n0\nSeccomp:\t2\nok'
	box --memory 64m
	run d exec "$N" id -u
	says 0
	[ "$(inside stat -c %u "/proc/$(of .State.Pid)")" = 300000 ]
	once --userns host box cat /proc/self/uid_map
	[[ $output =~ 0[[:space:]]+0[[:space:]]+4294967295 ]]
	once -v /run/remapped:/w:ro --tmpfs /t --read-only --pids-limit 100 box true
	ok
	d rm -f "$N"
	run ! compgen -G "$BATS_RUN_TMPDIR.*"
	daemon_end remapped TERM
}
