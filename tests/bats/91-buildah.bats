#!/usr/bin/env bats
# Buildah with vzrun: images are built with it, and its containers run.
load helpers
load podman

setup_file() {
	podman_start
	mkdir "$W/context"
	echo copied >"$W/context/file"
}
teardown_file() { podman_stop; }
setup() { C=; }
teardown() { podman_clean; }

# bud NAME [FLAG...]: from the Containerfile on standard input
bud() {
	cat >"$W/context/Containerfile"
	run b bud --isolation oci -t "localhost/$1" "${@:2}" "$W/context" </dev/null
}
from() { C=$(b from localhost/box); }
in_c() { run b run --isolation oci "$@"; }

@test "bud: RUN after RUN, users, directories, arguments, mounts, multi-stage; what they wrote is in the image" {
	bud built --build-arg WORD=given <<-'END'
		FROM localhost/box AS first
		COPY file /copied
		RUN cat /copied >/one && mkdir /work && chown 1000:1000 /work
		RUN --mount=type=tmpfs,target=/t touch /t/x && grep " /t tmpfs" /proc/mounts
		FROM first
		ARG WORD
		ENV WORD=$WORD
		USER user
		WORKDIR /work
		RUN id -u >who && pwd >>who && echo $WORD >>who
		# The pipes that Buildah leaks are not the container's.
		RUN ls /proc/self/fd | tr '\n' ' ' >fds; echo to the log >/dev/stdout
		USER 0
		RUN rm /one; mknod /null c 1 3 || true
		CMD ["cat", "/work/who", "/work/fds", "/one"]
	END
	ok
	has "to the log"
	run p run --rm localhost/built
	says "1000
/work
given
0 1 2 3 cat: can't open '/one': No such file or directory"
	p rmi -f localhost/built >/dev/null
}

@test "bud: a RUN that fails fails the build with its status; nothing stays" {
	bud bad <<-'END'
		FROM localhost/box
		RUN echo before
		RUN exit 7
	END
	[ "$status" -eq 7 ]
	has before
	has 'while running runtime: exit status 7'
	bud bad <<-'END'
		FROM localhost/box
		RUN ["/nosuch"]
	END
	[ "$status" -ne 0 ]
	has 'exec: "/nosuch": stat /nosuch: no such file or directory'
	# A network that cannot be set up: what was created is deleted, without force, and never started.
	printf '#!/bin/sh\nexit 1\n' >"$W/bin/netavark"
	chmod 755 "$W/bin/netavark"
	sed "s#^\[engine]#&\nhelper_binaries_dir = [\"$W/bin\"]#" "$W/etc/containers.conf" >"$W/no-network.conf"
	CONTAINERS_CONF=$W/no-network.conf bud bad --runtime /usr/local/bin/vzrun --network private <<-'END'
		FROM localhost/box
		RUN echo before
	END
	[ "$status" -ne 0 ]
	has netavark
	[ -z "$(inside ls /run/vzrun)" ]
}

@test "run: status, standard input, both streams, a user, volumes, names, capabilities, no network" {
	from
	in_c "$C" sh -c 'echo out; echo err >&2; exit 3'
	[ "$status" -eq 3 ]
	has out
	has err
	[ "$(echo piped | b run --isolation oci "$C" cat)" = piped ]
	in_c --user 1000:1000 -v "$W/context:/v:ro" --hostname named --cap-drop CAP_CHOWN --cap-add CAP_NET_ADMIN --network none "$C" \
		sh -c 'id -u; cat /v/file; touch /v/x; hostname; grep CapBnd /proc/self/status; ip -o link | wc -l' </dev/null
	has "1000
copied"
	has "touch: /v/x: Read-only file system"
	has "named"
	has "CapBnd:	00000000800415fa"
	in_c "$C" nosuch
	[ "$status" -ne 0 ]
	has 'exec: "nosuch": executable file not found in $PATH'
}

@test "run with a terminal" {
	from
	run python3 "$TOP/tests/tools/console.py" --pty 91x31 nsenter -t "$WORLD" -m -n -p -- buildah run --isolation oci -t "$C" \
		sh -c 'tty; stty size; exit 4' </dev/null
	[ "$status" -eq 4 ]
	has "/dev/pts/0"
	has "31 91"
}

@test "from scratch: mount, copy, configure, commit, run" {
	C=$(b from scratch)
	local m
	m=$(b mount "$C")
	inside cp -a "$W/rootfs/." "$m/"
	b copy "$C" "$W/context/file" /etc/file
	b config --cmd 'cat /etc/file' --env A=b "$C"
	b commit -q "$C" localhost/scratched
	b rm "$C" >/dev/null
	[ "$(p run --rm localhost/scratched)" = copied ]
	p rmi localhost/scratched >/dev/null
}

@test "four builds at once" {
	local i
	printf 'FROM localhost/box\nRUN echo start; sleep 0.2; echo $WORD\nRUN echo end\n' >"$W/context/Parallel"
	for i in 1 2 3 4; do
		b bud --isolation oci --no-cache -f "$W/context/Parallel" -t "localhost/p$i" "$W/context" >"$BATS_TEST_TMPDIR/$i" 2>&1 </dev/null 3>&- &
		eval "j$i=$!"
	done
	for i in 1 2 3 4; do
		eval "ended \$j$i"
		[ "$status" -eq 0 ] || { cat "$BATS_TEST_TMPDIR/$i"; return 1; }
		grep -q "^end" "$BATS_TEST_TMPDIR/$i"
	done
}
