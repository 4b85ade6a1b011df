#!/usr/bin/env bats
# SELinux, enforcing: the image helper's own domain (tests/vm/run -l selinux).
load selinux

setup() {
	selinux_setup
	T=$BATS_TEST_TMPDIR
	# As installed; beside it the same program with another type, which is the caller's domain.
	as_installed
	mkdir "$T/plain"
	cp "$BUILD/vzrun-image" "$T/plain/"
	chcon -t bin_t "$T/plain/vzrun-image"
	export VZRUN_HOME=$T/store
}
teardown() { selinux_teardown; }

image() { "$T/libexec/vzrun-image" "$@"; }
plain() { "$T/plain/vzrun-image" "$@"; }

@test "the image helper is in a domain of its own by the type of its file, which its place gives it" {
	local pid d
	mkfifo "$T/fifo"
	for d in libexec:vzrun_image_t plain:unconfined_t; do
		"$T/${d%:*}/vzrun-image" import --ref x:1 - <"$T/fifo" >/dev/null 2>&1 3>&- & pid=$!
		exec 9>"$T/fifo"
		wait_for grep -q vzrun-image "/proc/$pid/comm"
		run ps -o label= -p "$pid"
		[[ $output = *":${d#*:}:"* ]] || { echo "${d%:*}: $output"; false; }
		exec 9>&-
		builtin wait "$pid" || true
	done
	for d in /usr /usr/local; do
		run matchpathcon -n "$d/libexec/vzrun/vzrun-image"
		says system_u:object_r:vzrun_image_exec_t:s0
	done
}

@test "it reads no secret of the host and writes neither /usr nor /etc; without its domain it would" {
	run image import --ref s:1 /etc/shadow
	[ "$status" -ne 0 ]
	has "/etc/shadow"
	has "Permission denied"
	run plain import --ref s:1 /etc/shadow
	[ "$status" -ne 0 ]
	hasnt "Permission denied"
	for d in /usr /etc; do
		run env VZRUN_HOME="$d/t$$-store" "$T/libexec/vzrun-image" ls
		[ "$status" -ne 0 ]
		has "Permission denied"
		[ ! -e "$d/t$$-store" ]
		run env VZRUN_HOME="$d/t$$-store" "$T/plain/vzrun-image" ls
		ok
		rm -r "$d/t$$-store"
	done
}

@test "a template, an import and a guest of it, with nothing denied" {
	vz create "$G" --template busybox --net none >/dev/null
	vz start "$G" >/dev/null
	[ "$(vz exec "$G" echo in)" = in ]
	mkdir -p "$T/tree/etc"
	echo x >"$T/tree/etc/name"
	tar -C "$T/tree" -cf "$T/tree.tar" .
	image import --ref t:1 "$T/tree.tar"
	image import --ref d:1 "$T/tree"
	tar -C "$T/tree" -cf - . | image import --ref p:1 -
	image verify
	image rm t:1
	image prune
	run sh -c 'dmesg | grep "scontext=[^ ]*:vzrun_image_t:"'
	says ""
}
