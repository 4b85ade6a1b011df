# Shared by the suites of guests. Every test has a home and a state root of its own; the image store is one for
# all, kept between runs: layers are never written again, and the store has its own locks.
load helpers

STORE=${VZRUN_TEST_STORE:-/var/tmp/vzrun-test-store}
PTY=$BATS_TEST_DIRNAME/guest-pty.py
FAULT=$BUILD/fault/vzrun

# need_guests TEMPLATE...
need_guests() {
	local t
	need_engine
	(umask 077; mkdir -p "$STORE")
	for t in "$@"; do
		VZRUN_HOME=$STORE "$VZ" image template "$t" >/dev/null || { echo "no template $t" >&2; return 1; }
	done
}

# alone NAME: in setup_file; of the files that say it with one NAME (of a .bash file here) one runs at a time
alone() {
	exec 6<"$BATS_TEST_DIRNAME/$1.bash"
	flock 6
}
guest_setup() {
	exec 6>&-
	export VZRUN_HOME=$BATS_TEST_TMPDIR/home
	ROOT=$BATS_TEST_TMPDIR/state
	G=t$$-$BATS_TEST_NUMBER
	(umask 077; mkdir -p "$VZRUN_HOME" "$ROOT")
	ln -s "$STORE/images" "$VZRUN_HOME/images"
}

guest_teardown() {
	local g bridge index
	for g in $(vz ls -q 2>/dev/null); do vz resume "$g" >/dev/null 2>&1; vz destroy -f "$g" >/dev/null; done
	bridge=$(jq -r .bridge "$VZRUN_HOME/networks/default.json" 2>/dev/null)
	# Another test's network may take the name at once: the number tells.
	index=$(cat "/sys/class/net/${bridge:-none}/ifindex" 2>/dev/null)
	[ -z "$bridge" ] || vz network rm default || return 1
	[ -z "$index" ] || [ "$(cat "/sys/class/net/$bridge/ifindex" 2>/dev/null)" != "$index" ] || {
		echo "bridge $bridge is left"; return 1; }
	PATIENCE=600 wait_for guests_gone 2>/dev/null || { echo "left: $(guests_left)"; return 1; }
	leaks
}

# The keeper's pid, when it is alone: what it forks for a moment has its name.
one_keeper() { [ "$(pgrep -fc "^vzrun-keeper ${1:-$G}")" = 1 ]; }
keeper_of() { wait_for one_keeper "$@" && pgrep -f "^vzrun-keeper ${1:-$G}"; }
# What no guest of this test may leave behind when it is down.
keepers_left() { pgrep -f "^vzrun-keeper $G" || true; }
# A range of user ids that nobody holds and no process uses. Opened to read: flock(1) would make the file anew.
slots_left() {
	local f
	for f in /run/vzrun-ids/*; do
		[ -s "$f" ] && ! kill -0 "$(cut -d' ' -f1 "$f" 2>/dev/null)" 2>/dev/null || continue
		(exec 9<"$f" && flock -n 9) 2>/dev/null && [ -e "$f" ] && echo "$f"
	done
	return 0
}
leases_left() { jq -r '.leases[]?.guest' "$VZRUN_HOME"/networks/*.json 2>/dev/null; }
# After a command that takes all of a run away. Its keeper ends when it has told of that, and nobody waits for its memory
# to go; a range may be one that another file's test has just left.
run_left_nothing() {
	[ -z "$(groups_left; state_left)" ] || { groups_left; state_left; return 1; }
	wait_for eval '[ -z "$(keepers_left; slots_left)" ]'
}
guests_left() { keepers_left; slots_left; leases_left; groups_left; state_left; mounts; ls "$VZRUN_HOME/guests" 2>/dev/null; }
guests_gone() { [ -z "$(guests_left)" ]; }

conf() { echo "$VZRUN_HOME/guests/${1:-$G}/config.json"; }
edit() { jq "$@" <"$(conf)" >"$BATS_TEST_TMPDIR/new.json" && cp "$BATS_TEST_TMPDIR/new.json" "$(conf)"; }
busybox_guest() { vz create "$G" --template busybox --memory 64M "$@" >/dev/null; }
running_guest() { busybox_guest "$@" && vz start "$G" >/dev/null; }
guest_status_is() { [ "$(vz --json show "${2:-$G}" | jq -r .status)" = "$1" ]; }
init_of() { vz --json show "${1:-$G}" | jq -r .pid; }
why() { vz --json why "${1:-$G}" | jq -r .why; }
# refuses CLASS 'first line': the exit class and the whole first line, "vzrun: " before it
refuses() {
	[ "$status" -eq "$1" ] && [ "${lines[0]}" = "vzrun: $2" ] && return
	echo "got  $status: $output"
	echo "want $1: vzrun: $2"
	return 1
}
