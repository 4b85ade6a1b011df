# Shared by the suites of checkpoint and restore.
load helpers

need_criu() {
	need_engine
	command -v criu >/dev/null || { echo "no criu: make deps" >&2; return 1; }
}
criu_setup() {
	engine_setup
	IMAGE=$BATS_TEST_TMPDIR/image
	exec 0</dev/null
}

works() { criu check >/dev/null 2>&1 || skip "kernel: criu does not run on it ($(criu check 2>&1 | grep -om1 'Error.*'))"; }
tracks() { criu check --feature mem_dirty_track >/dev/null 2>&1 || skip "kernel: no soft-dirty pages, by which a pre-dump knows what changed"; }
# A criu of the test's own: it says that it works, keeps what it is asked, and ends.
asking_criu() {
	cat >"$BATS_TEST_TMPDIR/criu" <<-END
		#!/usr/bin/python3
		import socket, sys
		if sys.argv[1] != "check":
		    open("$BATS_TEST_TMPDIR/asked", "wb").write(socket.socket(fileno=3).recv(65536))
		    sys.exit(1)
	END
	chmod +x "$BATS_TEST_TMPDIR/criu"
	mkdir "$IMAGE"
}
# a counter that goes on where it stood
counter() { sh_ 'i=0; while :; do i=$((i+1)); echo $i >/tmp/n.new; mv /tmp/n.new /tmp/n; sleep 0.05; done'; }
count() { vz exec "${1:-$ID}" cat /tmp/n; }
above() { [ "$(count "$2")" -gt "$1" ]; }
started() { v run -d "$ID" >/dev/null 2>&1; }
checkpoint() { run v checkpoint --image-path "$IMAGE" "$@" "$ID"; }
