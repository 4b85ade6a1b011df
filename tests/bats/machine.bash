# For the suites 96 to 98: engines at their own places, with packaging/'s files at theirs and systemd's cgroup driver, on
# a machine that is nobody's: the one of tests/vm. Elsewhere each of their tests is skipped.

on_machine() { [ -n "${VZRUN_VM:-}" ] && [ -d /run/systemd/system ] && [ -e /sys/fs/cgroup/cgroup.controllers ]; }
need_machine() { on_machine || skip "host: not the machine of tests/vm (systemd, cgroup v2, engines at their own places)"; }

# vzrun where packaging/ says that it is
machine_install() {
	need_engine || return 1
	cp "$VZ" "$(dirname "$VZ")"/vzrun-* /usr/local/bin/
	export W=$BATS_FILE_TMPDIR/w
	mkdir -p "$W"
}
# patient UNIT: on an emulated machine it may start for as long as it takes
patient() {
	mkdir -p "/run/systemd/system/$1.service.d"
	printf '[Service]\nTimeoutStartSec=infinity\n' >"/run/systemd/system/$1.service.d/patient.conf"
}
# Where the other suites have a world, here is the machine.
inside() { "$@" 3>&- 4>&-; }

prop() { systemctl show "$1" -P "$2"; }
unit_gone() { [ "$(prop "$1" LoadState)" = not-found ]; }
group_of() { echo "/sys/fs/cgroup$(prop "$1" ControlGroup)"; }
# throttled UNIT: its processes were held back by their quota
throttled() { [ "$(awk '$1 == "nr_throttled" { print $2 }' "$(group_of "$1")/cpu.stat")" -gt 0 ]; }
# bites UNIT BYTES QUOTA TASKS: systemd's properties and the kernel's files, alike
bites() {
	local g want got
	g=$(group_of "$1")
	want="$2 $2 $3 $4 $4"
	got="$(prop "$1" MemoryMax) $(cat "$g/memory.max") $(cut -d' ' -f1 "$g/cpu.max") $(prop "$1" TasksMax) $(cat "$g/pids.max")"
	[ "$got" = "$want" ] || { echo "$1: got $got, want $want"; return 1; }
}
