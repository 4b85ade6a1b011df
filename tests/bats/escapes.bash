# Attacks that are shown twice: against the product, which they must not harm, and against a build of the same sources
# in which one defence is left out (VZRUN_UNDEFENDED, base/fault.h), where they must work.
PRODUCT=$VZ
UNDEFENDED=$BUILD/fault/vzrun
ESCAPE=$TOP/build/tools/escape

need_escapes() {
	need_engine
	[ -x "$UNDEFENDED" ] || { echo "no $UNDEFENDED: make FAULT=1 all" >&2; return 1; }
	[ -x "$ESCAPE" ] || { echo "no $ESCAPE: make build/tools/escape" >&2; return 1; }
}

# attack TIMES: made up to so many times; succeeds when it worked. What it did is cleaned up by its next run.
attack() {
	local i
	for i in $(seq "$1"); do ! "${@:2}" || return 0; done
	return 1
}

# beats DEFENCES ATTACK...: the attack fails, and works without these. A race (ROUNDS > 1) is run so often against the
# product, and until it is won where nothing is there against it.
beats() {
	local defences=$1
	shift
	VZ=$PRODUCT
	! attack "${ROUNDS:-1}" "$@" || { echo "the attack works: $*"; return 1; }
	VZ=$UNDEFENDED
	export VZRUN_UNDEFENDED=$defences
	attack $((${ROUNDS:-1} > 1 ? 1000 : 1)) "$@" || {
		echo "the attack fails without $defences, too: this checks nothing: $*"; return 1; }
	unset VZRUN_UNDEFENDED
	VZ=$PRODUCT
}

# alone_enough DEFENCES ATTACK...: each of these defences defeats it without the others
alone_enough() {
	local one
	VZ=$UNDEFENDED
	for one in ${1//,/ }; do
		export VZRUN_UNDEFENDED=$one
		! attack "${ROUNDS:-1}" "${@:2}" || { echo "without $one alone the attack works: ${*:2}"; return 1; }
	done
	unset VZRUN_UNDEFENDED
	VZ=$PRODUCT
}

# Each attack has an id of its own: what one left would fail the next.
fresh() { ID=t$$-$BATS_TEST_NUMBER-$RANDOM$RANDOM; }
# one run of the bundle, with $output and $status
once() { fresh; run v run "$ID"; }

# A file of the host that is to stay as it is, and the attacker in the bundle.
escapes_setup() {
	engine_setup
	T=$BATS_TEST_TMPDIR
	mkdir "$T/victim"
	echo precious >"$T/victim/file"
	cp "$ESCAPE" "$B/rootfs/bin/escape"
}
running() { fresh; args sleep 300; v create "$ID" && v start "$ID"; }
