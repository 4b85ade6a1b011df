# Shared by the suites of SELinux: enforcing, in the machine of tests/vm (tests/vm/run -l selinux).
load guest

setup_file() {
	[ -e /sys/fs/selinux/enforce ] || return 0
	need_guests busybox
	# Every denial is asked for; the kernel would leave most of them out.
	sysctl -qw kernel.printk_ratelimit=0
	# Who may trace whom is to be SELinux's word alone.
	sysctl -qw kernel.yama.ptrace_scope=0
}
selinux_setup() {
	[ -e /sys/fs/selinux/enforce ] || skip "SELinux is off (tests/vm/run -l selinux)"
	setenforce 1
	guest_setup
	B=
	dmesg -C
}
# Enforcing again, and the host's own policy
selinux_teardown() {
	[ -e /sys/fs/selinux/enforce ] || return 0
	setenforce 1
	[ ! -e "$BATS_TEST_TMPDIR/policy" ] || load_file "$(policy_file)"
	[ -z "$B" ] || engine_teardown
	guest_teardown
	[ ! -e /var/lib/vzrun-selinux ] || { echo "left: $(ls -l /var/lib/vzrun-selinux)"; return 1; }
}
# The helpers with the types that their places give them
as_installed() {
	mkdir "$BATS_TEST_TMPDIR/libexec"
	cp "$BUILD"/vzrun-* "$BATS_TEST_TMPDIR/libexec/"
	chcon -t vzrun_image_exec_t "$BATS_TEST_TMPDIR/libexec/vzrun-image"
	chcon -t vzrun_net_exec_t "$BATS_TEST_TMPDIR/libexec/vzrun-net"
	export VZRUN_LIBEXEC=$BATS_TEST_TMPDIR/libexec
}

policy_file() { echo /etc/selinux/default/policy/policy.*; }
# By one write, as the kernel wants it
load_file() { dd if="$1" of=/sys/fs/selinux/load bs=16M conv=notrunc status=none; }
label_of() { tr -d '\0' <"/proc/$1/attr/current"; }
guest_label() { vz --json show "${1:-$G}" | jq -r .selinuxLabel; }
bare_guest() { vz create "$1" --template busybox --net none "${@:2}" >/dev/null; }
# nothing_denied TYPE: to no process of it, and of no file or process of it
nothing_denied() {
	run sh -c "dmesg | grep 'avc:.*context=[^ ]*:$1:'"
	says ""
}
