# Shared by the suites of the image helper: a home, and T to make sources in.
bats_require_minimum_version 1.5.0

images_setup() {
	BUILD="${VZRUN_BUILD:-$BATS_TEST_DIRNAME/../../build}"
	export VZRUN_HOME="$BATS_TEST_TMPDIR/home"
	T="$BATS_TEST_TMPDIR"
	S="$VZRUN_HOME/images"
	[ -x "$BUILD/vzrun-image" ] || { echo "no $BUILD/vzrun-image: make" >&2; return 1; }
	[ "$(id -u)" -eq 0 ] || { echo "must run as root" >&2; return 1; }
}
img() { "$BUILD/vzrun-image" "$@"; }
