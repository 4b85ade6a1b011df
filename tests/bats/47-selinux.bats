#!/usr/bin/env bats
# SELinux, enforcing: in the machine of tests/vm (tests/vm/run -l selinux).
load selinux

setup() { selinux_setup; }
teardown() { selinux_teardown; }

T=system_u:system_r:vzrun_t:s0 F=system_u:object_r:vzrun_file_t:s0

# The host's directory $2 at $3 of guest $1, from its next start on
bind() {
	jq --arg s "$2" --arg d "$3" \
		'.mounts += [{destination: $d, source: $s, type: "bind", options: ["bind", "rw"]}]' \
		<"$(conf "$1")" >"$BATS_TEST_TMPDIR/new.json"
	cp "$BATS_TEST_TMPDIR/new.json" "$(conf "$1")"
}

# What every guest may execute
shared() {
	mkdir -p "$BATS_TEST_TMPDIR/shared"
	cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/shared/busybox"
	cp "$TOP/build/tools/reach" "$BATS_TEST_TMPDIR/shared/"
	echo "$BATS_TEST_TMPDIR/shared:/shared:z"
}

@test "processLabel and mountLabel of a bundle, seen from inside" {
	make_bundle
	ID=t$$-$BATS_TEST_NUMBER
	chcon -R "$F:c7,c8" "$B/rootfs"
	cfg --arg p "$T:c7,c8" --arg m "$F:c7,c8" '.process.selinuxLabel = $p | .linux.mountLabel = $m'
	sh_ 'tr -d "\0" </proc/self/attr/current; echo; grep -c context= /proc/mounts; touch /dev/shm/x; sleep 300'
	vz run -d -b "$B" "$ID" </dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 || { cat "$BATS_TEST_TMPDIR/out"; false; }
	pid=$(vz state "$ID" | jq -r .pid)
	[ "$(tr -d '\0' <"/proc/$pid/attr/current")" = "$T:c7,c8" ]
	wait_for test -e "/proc/$pid/root/dev/shm/x"
	[ "$(stat -c %C "/proc/$pid/root/dev/shm/x")" = "$F:c7,c8" ]
	[ "$(stat -c %C "/proc/$pid/root/dev/mqueue")" = "$F:c7,c8" ]
}

@test "a label that was lost on the way is found before the exec; one spelled otherwise than the kernel does is not" {
	make_bundle
	ID=t$$-$BATS_TEST_NUMBER
	chcon -R "$F" "$B/rootfs"
	cfg --arg p "$T:c8,c7,c9" '.process.selinuxLabel = $p'
	args cat /proc/self/attr/current
	run vz run -b "$B" "$ID" </dev/null
	has "$T:c7.c9"
	VZRUN_UNDEFENDED=label run "$FAULT" --root "$ROOT" run -b "$B" "$ID" </dev/null
	fails 1 "confinement: the SELinux label of what is executed would be \"\", not \"$T:c8,c7,c9\""
}

@test "a guest has a label of its own on its processes and files, and what it says arrives" {
	bare_guest "$G"
	vz start "$G" >/dev/null
	label=$(guest_label)
	[[ $label =~ ^"$T":c[0-9]+,c[0-9]+$ ]]
	[ "$(label_of "$(init_of)")" = "$label" ]
	# Our pipes have all categories, as those of an administrator's shell; the guest's processes have two.
	[[ $(id -Z) = *:s0-s0:c0.c1023 ]]
	[ "$(vz exec "$G" cat /proc/self/attr/current | tr -d '\0')" = "$label" ]
	[ "$(echo in | vz exec "$G" cat)" = in ]
	[ "$(stat -c %C "/proc/$(init_of)/root/etc/passwd")" = "$F:${label#"$T":}" ]
	[ "$(vz ls --json | jq -r --arg g "$G" '.guests[] | select(.name == $g) | .selinuxLabel')" = "$label" ]
	vz exec "$G" sh -c 'echo x >/root/x; mkdir /tmp/d; mount -t tmpfs t /tmp/d; echo y >/tmp/d/y; cat /root/x /tmp/d/y' |
		diff - <(printf 'x\ny\n')
	# A file of the host's is not the guest's to write to: said, not swallowed.
	run bash -c "'$VZ' --root '$ROOT' exec '$G' echo lost 2>&1 >'$BATS_TEST_TMPDIR/file'"
	[[ $output = *"SELinux keeps the process from its standard output"* ]]
	vz stop -k "$G" >/dev/null
	vz start "$G" >/dev/null
	[ "$(guest_label)" = "$label" ]
}

# What a process of label $1 in all namespaces of guest $G can do to it and its host; $2: a word of this round
attempts() {
	local in=(vz exec --process-label "$1" "$G") victim
	victim=$(vz exec "$G" /shared/reach victim "reach-$2")
	"${in[@]}" /shared/busybox cat /root/secret 2>/dev/null | grep -q secret && echo read
	"${in[@]}" /shared/busybox sh -c 'echo message | /shared/busybox logger' 2>/dev/null
	# The log's own process writes it: what it got before the next one is in it by then.
	vz exec "$G" sh -c 'logger end-'"$2"'; n=0; until grep -q "end-'"$2"'" /root/log || [ $((n += 1)) -gt 300 ]; do :; done; grep -q message /root/log' && echo connect
	vz exec "$G" sh -c ': >/root/log'
	"${in[@]}" /shared/busybox cat /host/secret 2>/dev/null | grep -q host && echo host
	"${in[@]}" /shared/reach try "$victim" "reach-$2"
	return 0
}

@test "guests with the host's user ids: no reading, tracing, connecting, signalling between them, nor of the host's files" {
	local all="environ maps root ptrace memory shm abstract signal"
	mkdir "$BATS_TEST_TMPDIR/host"
	echo host >"$BATS_TEST_TMPDIR/host/secret"
	bare_guest "$G" --userns host --bind "$(shared)"
	bare_guest "$G-b" --userns host
	bind "$G" "$BATS_TEST_TMPDIR/host" /host
	vz start "$G" >/dev/null
	vz start "$G-b" >/dev/null
	other=$(guest_label "$G-b")
	[ "$other" != "$(guest_label)" ]
	vz exec "$G" sh -c 'echo secret >/root/secret; syslogd -O /root/log; n=0; until [ -S /dev/log ] || [ $((n += 1)) -gt 300 ]; do :; done'
	run attempts "$other" one
	[ "$output" = "" ]
	# And all of it but the host's file to the guest itself, and all of it to the other one without the policy.
	run attempts "$(guest_label)" two
	[ "${lines[*]}" = "read connect $all" ]
	setenforce 0
	run attempts "$other" three
	[ "${lines[*]}" = "read connect host $all" ]
}

# tests/vm/image puts it there, with the label that the policy's file contexts give it.
DEBIAN=/var/lib/vzrun/images/layers/debian

@test "a Debian guest under systemd: running, and nothing was kept from it" {
	[ "$(stat -c %C "$DEBIAN/usr/bin/bash")" = system_u:object_r:vzrun_ro_file_t:s0 ]
	bare_guest "$G" --memory 512M
	edit --arg d "$DEBIAN" '.vzrun.layers = [$d] | .process.args = ["/lib/systemd/systemd"]'
	vz start "$G" --timeout 15m
	# Pipes only: a file of the test's would be a denial.
	run vz exec "$G" systemctl is-system-running --wait
	[ "$output" = running ] || { echo "$output"; run vz exec "$G" systemctl --failed; echo "$output"; false; }
	[ "$(label_of "$(init_of)")" = "$(guest_label)" ]
	# A service that is shut in with all that systemd has for it; a program of the guest's own writing.
	run vz exec "$G" sh -c 'mkdir -p /run/systemd/system && cat >/run/systemd/system/closed.service &&
		systemctl daemon-reload && systemctl start closed' <<-'UNIT'
		[Service]
		Type=oneshot
		PrivateTmp=yes
		PrivateDevices=yes
		ProtectSystem=strict
		ProtectHome=yes
		ProtectKernelTunables=yes
		ProtectControlGroups=yes
		ProtectKernelLogs=yes
		ProtectProc=invisible
		ExecStart=/bin/sh -c '! touch /usr/x && touch /tmp/x && ! touch /proc/sys/kernel/hostname'
	UNIT
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	run vz exec "$G" sh -c 'cp /bin/echo /root/own && /root/own ran'
	[ "$output" = ran ]
	[ "$(vz --json why "$G" | jq '.denials | length')" = 0 ] || { vz why "$G"; false; }
}

@test "--bind: z labels for all guests, Z for one; never the host's own directories" {
	mkdir "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/all"
	echo x | tee "$BATS_TEST_TMPDIR/one/f" >"$BATS_TEST_TMPDIR/all/f"
	bare_guest "$G-b" --userns host --bind "$BATS_TEST_TMPDIR/all:/all:z" --bind "$BATS_TEST_TMPDIR/one:/one:ro"
	bare_guest "$G" --userns host --bind "$BATS_TEST_TMPDIR/all:/all:z" --bind "$BATS_TEST_TMPDIR/one:/one:Z"
	[ "$(stat -c %C "$BATS_TEST_TMPDIR/all/f")" = "$F" ]
	vz start "$G" >/dev/null
	vz start "$G-b" >/dev/null
	[ "$(vz exec "$G" cat /all/f /one/f)" = $'x\nx' ]
	[ "$(vz exec "$G-b" cat /all/f)" = x ]
	run vz exec "$G-b" cat /one/f
	[ "$status" -ne 0 ]
	[[ $output = *"Permission denied"* ]]
	run vz create "$G-c" --template busybox --net none --bind /etc:/e:Z
	refuses 2 '--bind: /etc: "Z" would take the host'\''s own label from it'
	# By another name, too; and what is mounted below a volume keeps its label.
	ln -s /etc "$BATS_TEST_TMPDIR/link"
	mkdir "$BATS_TEST_TMPDIR/mount" "$BATS_TEST_TMPDIR/one/hosts"
	mount --bind /etc "$BATS_TEST_TMPDIR/mount"
	run vz create "$G-c" --template busybox --net none --bind "$BATS_TEST_TMPDIR/link:/e:z"
	refuses 2 "--bind: /etc: \"z\" would take the host's own label from it"
	run vz create "$G-c" --template busybox --net none --bind "$BATS_TEST_TMPDIR/mount:/e:z"
	refuses 2 "--bind: $BATS_TEST_TMPDIR/mount: \"z\" would take the host's own label from it"
	umount "$BATS_TEST_TMPDIR/mount"
	mount --bind /etc "$BATS_TEST_TMPDIR/one/hosts"
	bare_guest "$G-d" --bind "$BATS_TEST_TMPDIR/one:/one:z"
	umount "$BATS_TEST_TMPDIR/one/hosts"
	[ "$(stat -c %C "$BATS_TEST_TMPDIR/one/f")" = "$F" ]
	[[ $(stat -c %C /etc/passwd) = *:etc_t:* ]]
	run vz create "$G-c" --template busybox --net none --selinux none --bind "$BATS_TEST_TMPDIR/one:/e:Z"
	refuses 2 "--bind: $BATS_TEST_TMPDIR/one: \"Z\" needs a guest with a label (--selinux none was given)"
	[ ! -e "$VZRUN_HOME/guests/$G-c" ]
}

@test "--selinux none: no label, and the host's files are read" {
	mkdir "$BATS_TEST_TMPDIR/host"
	echo host >"$BATS_TEST_TMPDIR/host/secret"
	bare_guest "$G" --userns host --selinux none
	bind "$G" "$BATS_TEST_TMPDIR/host" /host
	vz start "$G" >/dev/null
	[ "$(guest_label)" = null ]
	[ ! -e /var/lib/vzrun-selinux ]
	[ "$(label_of "$(init_of)")" = "$(id -Z)" ]
	[ "$(vz exec "$G" cat /host/secret)" = host ]
}

@test "a label that the policy lacks is refused by name; one that it has is taken" {
	run vz create "$G" --template busybox --net none --selinux system_u:system_r:nosuch_t:s0
	refuses 10 'SELinux label "system_u:system_r:nosuch_t:s0" is not valid in the host'\''s policy'
	run vz create "$G" --template busybox --net none --selinux yes
	refuses 2 '--selinux: "yes" is neither auto, none nor a label'
	[ ! -e "$VZRUN_HOME/guests/$G" ]
	bare_guest "$G" --selinux "$T:c1,c2"
	vz start "$G" >/dev/null
	[ "$(label_of "$(init_of)")" = "$T:c1,c2" ]
}

@test "pairs of categories: each guest's own over parallel creations, and given back" {
	for i in 1 2 3 4 5 6; do bare_guest "$G-$i" & done
	wait
	for i in 1 2 3 4 5 6; do guest_label "$G-$i"; done >"$BATS_TEST_TMPDIR/labels"
	[ "$(grep -c "^$T:c" "$BATS_TEST_TMPDIR/labels")" -eq 6 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/labels" | wc -l)" -eq 6 ]
	[ "$(ls /var/lib/vzrun-selinux | wc -l)" -eq 6 ]
	vz destroy "$G-1" >/dev/null
	[ "$(ls /var/lib/vzrun-selinux | wc -l)" -eq 5 ]
	# A guest that vanished without a word: recover gives its pair back.
	rm -r "$VZRUN_HOME/guests/$G-2"
	vz recover >/dev/null
	[ "$(ls /var/lib/vzrun-selinux | wc -l)" -eq 4 ]
}

@test "--storage dir: labelled once, links not followed" {
	bare_guest "$G" --storage dir
	root=$VZRUN_HOME/guests/$G/rootfs
	level=${F}:$(guest_label | cut -d: -f5)
	[ "$(find "$root" -printf '%Z\n' | sort -u)" = "$level" ]
	vz start "$G" >/dev/null
	vz exec "$G" sh -c 'echo x >/root/x'
	[ "$(stat -c %C "$root/root/x")" = "$level" ]
	vz stop -k "$G" >/dev/null
	# What lost its label keeps it lost: only another label than the recorded one is put on again.
	touch "$BATS_TEST_TMPDIR/outside"
	before=$(stat -c %C "$BATS_TEST_TMPDIR/outside")
	ln -s "$BATS_TEST_TMPDIR/outside" "$root/link"
	rm "$VZRUN_HOME/guests/$G/label"
	vz start "$G" >/dev/null
	[ "$(guest_label)" = "$T:${level#"$F":}" ]
	[ "$(stat -c %C "$root/link")" = "$level" ]
	[ "$(stat -c %C "$BATS_TEST_TMPDIR/outside")" = "$before" ]
	# Nor is it restorecon's to take.
	[ "$(matchpathcon -n /var/lib/vzrun/guests/g/rootfs/etc)" = "<<none>>" ]
}

# Pipes only: a file of the test's would be a denial.
inside() { (set -o pipefail; vz exec "$1" sh -c "$2" 2>&1 | cat); }

@test "several guests at once: exec, set, restart, what is refused, with nothing denied" {
	local g
	bare_guest "$G" --memory 64M
	bare_guest "$G-b" --memory 64M --userns host
	vz start --all >/dev/null
	run vz exec --all sh -c 'hostname; tr -d "\0" </proc/self/attr/current; echo; echo err >&2'
	ok
	for g in "$G" "$G-b"; do
		has "$g"
		has "$(guest_label "$g")"
	done
	[ "$(grep -c err <<<"$output")" = 2 ]
	# What is larger than any pipe; and what no guest's process of the other could have written.
	vz --json exec --all sh -c 'head -c 300000 /dev/zero | tr "\0" x; hostname' |
		jq -e --arg a "$G" '.guests | length == 2 and all(.output | length > 300000) and any(.output | endswith($a + "\n"))'
	vz exec --all -d sh -c 'echo from-d >/root/d; exec sleep 1000'
	for g in "$G" "$G-b"; do wait_for inside "$g" 'grep -q from-d /root/d'; done
	vz set "$G" --memory 96M --pids 77 --dns 192.0.2.53
	[ "$(inside "$G" 'cat /sys/fs/cgroup/memory.max')" = $((96 << 20)) ]
	vz restart --all >/dev/null
	inside "$G" 'grep -q 192.0.2.53 /etc/resolv.conf'
	# criu's mounts would be without the label.
	run vz checkpoint "$G"
	[ "$status" -eq 8 ]
	has "guest \"$G\" not checkpointed: under SELinux a guest cannot be checkpointed: its label ($(guest_label)) is not"
	guest_status_is running
	[ ! -e "$VZRUN_HOME/guests/$G/checkpoint" ]
	[ ! -e "$VZRUN_HOME/guests/$G/checkpoint.new" ]
	vz stop --all >/dev/null
	nothing_denied vzrun_t
	nothing_denied vzrun_keeper_t
}

@test "why tells what was denied, with the record" {
	mkdir "$BATS_TEST_TMPDIR/host"
	echo host >"$BATS_TEST_TMPDIR/host/secret"
	bare_guest "$G"
	bind "$G" "$BATS_TEST_TMPDIR/host" /host
	vz start "$G" >/dev/null
	run vz exec "$G" ls /host
	[ "$status" -ne 0 ]
	run vz why "$G"
	[[ $output =~ SELinux\ kept\ \"ls\"\ from\ [a-z\ ]+\ of\ the\ dir\ \"/?host\" ]]
	[[ $output = *"avc:  denied  {"*"scontext=$(guest_label)"* ]]
	vz --json why "$G" | jq -e '.denials | length > 0'
}
