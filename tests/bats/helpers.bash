# Shared by the suites of the OCI engine. Every test has a private state root, home, bundle and ids, and its
# teardown fails the test when anything is left on the host. Broken surroundings fail; only a kernel feature
# that is missing is skipped, by `skip "kernel: ..."`.
bats_require_minimum_version 1.5.0

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Where what is tested was built (make asan-bats: build/asan).
BUILD=${VZRUN_BUILD:-$TOP/build}
VZ=${VZRUN:-$BUILD/vzrun}
sanitized() { [[ $BUILD == */asan ]]; }
# For a test that uses strace: who is traced cannot look for its own leaks.
traced() { export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0; }

# For setup_file: what every test below it rests on.
need_engine() {
	[ "$(id -u)" = 0 ] || { echo "must run as root" >&2; return 1; }
	[ -x "$VZ" ] || { echo "no $VZ: make" >&2; return 1; }
	command -v jq python3 busybox >/dev/null || { echo "missing programs: make deps" >&2; return 1; }
	BUSYBOX=$(command -v busybox)
	! ldd "$BUSYBOX" >/dev/null 2>&1 || { echo "$BUSYBOX is not static: make deps" >&2; return 1; }
	export BUSYBOX
}

# A root filesystem of busybox at $1; the first of a file is made, the others are copies.
make_rootfs() {
	local r=$1 first=$BATS_FILE_TMPDIR/rootfs a
	if [ ! -d "$first" ]; then
		mkdir -p "$first"/{bin,dev,proc,sys,tmp,etc,root,usr/bin,var,mnt}
		cp "$BUSYBOX" "$first/bin/busybox"
		for a in $("$BUSYBOX" --list); do [ "$a" = busybox ] || ln -s busybox "$first/bin/$a"; done
		chmod 1777 "$first/tmp"
		printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n' >"$first/etc/passwd"
		printf 'root:x:0:\nuser:x:1000:\n' >"$first/etc/group"
	fi
	mkdir -p "$(dirname "$r")"
	cp -a "$first" "$r"
}

# The bundle of a test at $B, its configuration edited with jq.
make_bundle() {
	B=${1:-$BATS_TEST_TMPDIR/bundle}
	make_rootfs "$B/rootfs"
	"$VZ" spec -b "$B"
	# No exec keeps a host from denying a raised limit; writable, so that tests can look at what is written.
	cfg '.process.terminal = false | .process.args = ["/bin/true"] | .root.readonly = false | del(.process.rlimits)'
}
cfg() { jq "$@" <"$B/config.json" >"$B/config.new" && mv "$B/config.new" "$B/config.json"; }
args() { cfg '.process.args = $new' --argjson new "$(jq -nc '$ARGS.positional' --args -- "$@")"; }
sh_() { args /bin/sh -c "$1"; }

engine_setup() {
	export VZRUN_HOME=$BATS_TEST_TMPDIR/home
	ROOT=$BATS_TEST_TMPDIR/state
	ID=t$$-$BATS_TEST_NUMBER-$RANDOM
	mkdir -p "$VZRUN_HOME" "$ROOT"
	make_bundle
}

engine_teardown() {
	local id
	for id in $(vz list -q 2>/dev/null); do vz delete -f "$id" >/dev/null 2>&1; done
	leaks
}

vz() { "$VZ" --root "$ROOT" "$@"; }
# vzrun as the engines call it, from the bundle, with no standard input
v() { (cd "$B" && exec "$VZ" --root "$ROOT" "$@" </dev/null); }
# bg run ID, bg start ID: in the background, its pid in $JOB
bg() { (cd "$B" && exec "$VZ" --root "$ROOT" "$@" </dev/null 3>&-) & JOB=$!; }
go() { run v run "${1:-$ID}"; }
create() { v create "${1:-$ID}"; }
status_of() { vz state "${1:-$ID}" | jq -r .status; }
pid_of() { vz state "${1:-$ID}" | jq -r .pid; }

# wait_for CMD...: up to a minute, or $PATIENCE looks; what is waited for is another process
wait_for() {
	local i
	for i in $(seq "${PATIENCE:-2400}"); do "$@" >/dev/null 2>&1 && return 0; sleep 0.025; done
	echo "waited in vain: $*" >&2
	return 1
}
# Without a pid: for the test's own jobs. bats has one too, the clock of BATS_TEST_TIMEOUT.
wait() {
	[ $# -eq 0 ] || { builtin wait "$@"; return; }
	local p
	for p in $(jobs -p); do
		[ "$p" = "${BATS_killer_pid:-}" ] || builtin wait "$p" || true
	done
}
# the status of a background job, as $status
ended() { status=0; wait "$1" || status=$?; }
is() { [ "$(status_of "${2:-$ID}")" = "$1" ]; }
gone() { ! kill -0 "$1" 2>/dev/null || [ "$(awk '{ print $3 }' "/proc/$1/stat")" = Z ]; }

ok() { [ "$status" -eq 0 ] || { echo "status $status: $output"; return 1; }; }
# fails STATUS 'exact text after "vzrun: "'
fails() {
	[ "$status" -eq "$1" ] && [ "$output" = "vzrun: $2" ] && return
	echo "got  $status: $output"
	echo "want $1: vzrun: $2"
	return 1
}
# says TEXT: the output is exactly this
says() { [ "$output" = "$1" ] || { echo "got:  $output"; echo "want: $1"; return 1; }; }
has() { [[ "$output" == *"$1"* ]] || { echo "got: $output"; echo "want in it: $1"; return 1; }; }
hasnt() { [[ "$output" != *"$1"* ]] || { echo "got: $output"; echo "unwanted in it: $1"; return 1; }; }

mounts() { grep -F "$BATS_TEST_TMPDIR" /proc/self/mountinfo || true; }
groups_left() { compgen -G "/sys/fs/cgroup/*/vzrun-t$$-*" || compgen -G "/sys/fs/cgroup/vzrun-t$$-*" || true; }
state_left() { compgen -G "$ROOT/[!.]*" || true; }
# Processes that belong to what this test made. A zombie is nobody's but its parent's.
processes_left() {
	local f
	for f in $(grep -lsE "/vzrun-t$$-" /proc/[0-9]*/cgroup); do
		! grep -qsE '^State:[[:space:]]+[^ZX]' "${f%/cgroup}/status" || echo "${f//[^0-9]/}"
	done
}

nothing_left() {
	[ -z "$(groups_left)" ] && [ -z "$(state_left)" ] && [ -z "$(mounts)" ] && [ -z "$(processes_left)" ]
}
leaks() {
	# PID 1 of a machine may reap and let go up to a second late.
	PATIENCE=600 wait_for nothing_left 2>/dev/null
	local bad=0 what
	for what in groups_left state_left mounts processes_left; do
		[ -z "$($what)" ] || { echo "left behind ($what): $($what)"; bad=1; }
	done
	return $bad
}

kernel_has_cgroup() { grep -qE "^[0-9]+:([^:]*,)?$1(,[^:]*)?:" /proc/self/cgroup || grep -qsw "$1" /sys/fs/cgroup/cgroup.controllers; }
