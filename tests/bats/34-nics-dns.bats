#!/usr/bin/env bats
# set --dns: what stands in a guest's resolv.conf, live and saved, whatever the guest has put there.
load nics

setup_file() { need_guests busybox; }
setup() { nics_setup; }
teardown() { nics_teardown; }

resolv() { vz exec "$G" cat /etc/resolv.conf; }

@test "set --dns: the guest's resolv.conf, live and saved, back to the network's by auto" {
	local servers=$'nameserver 192.0.2.53\nnameserver 2001:db8::53'
	guest_on '' --net red
	run vz set "$G" --dns 192.0.2.53 --dns 2001:db8::53
	says '  vzrun.dns = ["192.0.2.53","2001:db8::53"]'
	[ "$(resolv)" = "$servers" ]
	[ "$(vz exec "$G" stat -c '%u %g %a' /etc/resolv.conf)" = '0 0 644' ]
	vz restart -k "$G" >/dev/null
	[ "$(resolv)" = "$servers" ]
	vz set "$G" --dns 192.0.2.54 --next >/dev/null
	[ "$(resolv)" = "$servers" ]
	vz set "$G" --dns 192.0.2.55 --now >/dev/null
	[ "$(resolv)" = 'nameserver 192.0.2.55' ]
	[ "$(jq -c .vzrun.dns "$(conf)")" = '["192.0.2.54"]' ]
	vz set "$G" --dns auto >/dev/null
	not grep -F 192.0.2.5 <(resolv)
	# A stopped guest's is written by the next start.
	vz stop -k "$G" >/dev/null
	run vz set "$G" --dns 192.0.2.53 --now
	refuses 5 "guest \"$G\" is not running: there is nothing to change now"
	vz set "$G" --dns 192.0.2.56 >/dev/null
	vz start "$G" >/dev/null
	[ "$(resolv)" = 'nameserver 192.0.2.56' ]
	vz stop -k "$G" >/dev/null
	vz set "$G" --dns auto >/dev/null
	vz start "$G" >/dev/null
	not grep -F 192.0.2.5 <(resolv)
}

@test "set --dns: ids above 2^31; no servers to write; a file system that does not exchange files" {
	local I=$TOP/build/tools/inject seen=$BATS_TEST_TMPDIR/seen call was
	[ -x "$I" ] || { echo "no $I: make build/tools/inject" >&2; return 1; }
	guest_on '' --net none --userns 3000000000
	vz set "$G" --dns 192.0.2.53 >/dev/null
	[ "$(resolv)" = 'nameserver 192.0.2.53' ]
	[ "$(vz exec "$G" stat -c '%u %g %a' /etc/resolv.conf)" = '0 0 644' ]
	in_ns "$HOST" "$I" -o "$seen" list "$VZ" --root "$ROOT" set "$G" --dns 192.0.2.54 >/dev/null
	was=$(cat "$(conf)")
	call=$(sed -n 's/^call \([0-9.]*:[0-9]*\) renameat2$/\1/p' "$seen" | head -1)
	run in_ns "$HOST" "$I" -o "$seen" fail "$call" EINVAL "$VZ" --root "$ROOT" set "$G" --dns 192.0.2.55
	refuses 8 "guest \"$G\": replace /etc/resolv.conf: its file system does not exchange files (RENAME_EXCHANGE); set it with --next"
	[ "$(resolv)" = 'nameserver 192.0.2.54' ]
	[ "$(cat "$(conf)")" = "$was" ]
	[ -z "$(vz exec "$G" ls -a /etc | grep vzrun)" ]
	run vz set "$G" --dns auto --now
	refuses 5 "guest \"$G\" has no resolv.conf of ours to change now"
	run vz set "$G" --dns auto
	says $'  vzrun.dns = ["auto"]\n  vzrun.dns (at the next start)'
}

@test "set --dns leads nowhere by what the guest has put in its place; a failure puts all back" {
	local secret="$BATS_TEST_TMPDIR/secret"
	guest_on '' --net red
	in_etc() { vz exec "$G" sh -c "cd /etc && $1"; }
	echo untouched >"$secret"
	# Links out of its root, absolute and by "..", of the file and of the directory; the name of the file beside it, too.
	in_etc "ln -sf '$secret' resolv.conf; ln -s '$secret' .vzrun-resolv.conf"
	vz set "$G" --dns 192.0.2.53 >/dev/null
	[ "$(resolv)" = 'nameserver 192.0.2.53' ]
	in_etc "ln -sf ../../../../../../../../$secret resolv.conf"
	vz set "$G" --dns 192.0.2.54 >/dev/null
	[ "$(resolv)" = 'nameserver 192.0.2.54' ]
	vz exec "$G" sh -c "mv /etc /was; mkdir -p '$BATS_TEST_TMPDIR'; ln -s '$BATS_TEST_TMPDIR' /etc"
	vz set "$G" --dns 192.0.2.55 >/dev/null
	[ "$(resolv)" = 'nameserver 192.0.2.55' ]
	[ ! -e "$BATS_TEST_TMPDIR/resolv.conf" ]
	vz exec "$G" sh -c "ln -sfn /proc/1/root /etc"
	run vz set "$G" --dns 192.0.2.56
	refuses 1 "guest \"$G\": open /etc/ in the root: Too many levels of symbolic links"
	vz exec "$G" sh -c "rm /etc; mv /was /etc"
	[ "$(cat "$secret")" = untouched ]
	# What stands in the way is said, and stays.
	in_etc "rm -f resolv.conf; mkdir resolv.conf; touch resolv.conf/mine"
	run vz set "$G" --dns 192.0.2.56
	refuses 1 "guest \"$G\": replace /etc/resolv.conf: a directory is there"
	vz exec "$G" test -e /etc/resolv.conf/mine
	# Of a change that fails nothing is left: a link stays the link that it was.
	in_etc "rm -r resolv.conf; ln -s ../run/mine resolv.conf"
	chattr +i "$(conf)" 2>/dev/null || skip "the file system has no immutable files"
	run vz set "$G" --dns 192.0.2.57
	chattr -i "$(conf)"
	[ "$status" -eq 7 ]
	[ "$(vz exec "$G" readlink /etc/resolv.conf)" = ../run/mine ]
	[ "$(jq -c .vzrun.dns "$(conf)")" = '["192.0.2.55"]' ]
	[ -z "$(vz exec "$G" ls -a /etc | grep vzrun)" ]
}
