#!/usr/bin/env bats
# SELinux, enforcing, beside a policy with the types of container-selinux: an engine's labels in bundles, and vzrun's own
# guests. In the machine of tests/vm (tests/vm/run -l selinux), whose policy has tests/vm/container.cil.
load selinux

setup() {
	selinux_setup
	make_bundle
	ID=t$$-$BATS_TEST_NUMBER-c
}
teardown() { selinux_teardown; }

C=system_u:system_r:container_t:s0 F=system_u:object_r:container_file_t:s0
# labelled CATEGORIES: the bundle as an engine labels it
labelled() {
	chcon -R "$F:$1" "$B/rootfs"
	cfg --arg p "$C:$1" --arg m "$F:$1" '.process.selinuxLabel = $p | .linux.mountLabel = $m'
}
# As an engine's daemon runs it: its type, no categories, a pipe of its own for the output.
engine() {
	runcon system_u:system_r:container_runtime_t:s0 bash -c 'set -o pipefail; "$@" 2>&1 </dev/null | cat' - \
		"$VZ" --root "$ROOT" "$@"
}

@test "vzrun's module beside the types of container-selinux: both are in the policy" {
	for label in "$C" "$F" system_u:system_r:vzrun_t:s0 system_u:object_r:vzrun_file_t:s0; do
		printf '%s\0' "$label" >/sys/fs/selinux/context
	done
}

@test "an engine's labels of a bundle: on the process, its mounts and exec, for an engine's domain and an administrator's" {
	labelled c1,c2
	sh_ 'tr -d "\0" </proc/self/attr/current; echo; touch /dev/shm/x /root/y && echo written'
	mkdir -p "$B/rootfs/root"
	chcon "$F:c1,c2" "$B/rootfs/root"
	run engine run -b "$B" "$ID"
	ok
	has "$C:c1,c2"
	has written
	[ "$(stat -c %C "$B/rootfs/root/y")" = "$F:c1,c2" ]
	# An administrator's pipe has all categories, and this policy gives nobody the right to make it the container's.
	rm "$B/rootfs/root/y"
	run vz run -b "$B" "$ID" </dev/null
	ok
	has "SELinux keeps the process from its standard output"
	[ "$(stat -c %C "$B/rootfs/root/y")" = "$F:c1,c2" ]
	sh_ 'touch /dev/shm/x; sleep 300'
	# It keeps its output, which is no pipe's: nobody would see the end of that.
	runcon system_u:system_r:container_runtime_t:s0 "$VZ" --root "$ROOT" run -d -b "$B" "$ID" </dev/null >/dev/null 2>&1
	local pid
	pid=$(vz state "$ID" | jq -r .pid)
	[ "$(tr -d '\0' <"/proc/$pid/attr/current")" = "$C:c1,c2" ]
	wait_for test -e "/proc/$pid/root/dev/shm/x"
	[ "$(stat -c %C "/proc/$pid/root/dev/shm/x")" = "$F:c1,c2" ]
	run engine exec "$ID" cat /proc/self/attr/current
	has "$C:c1,c2"
	vz delete -f "$ID"
}

@test "Podman's label=nested: the label is that of a mount's root, and files in it may be given others" {
	local pid
	labelled c1,c2
	sh_ 'touch /dev/shm/x; sleep 300'
	# nested KIND: a container with the annotation, its shared memory's options among the mounts
	nested() {
		[ -z "$1" ] || cfg --arg k "$1" '.annotations["run.oci.mount_context_type"] = $k'
		runcon system_u:system_r:container_runtime_t:s0 "$VZ" --root "$ROOT" run -d -b "$B" "$ID" </dev/null >/dev/null 2>&1
		pid=$(vz state "$ID" | jq -r .pid)
		wait_for test -e "/proc/$pid/root/dev/shm/x"
		run grep -oE '[a-z]*context="[^"]*"' <(grep ' /dev/shm ' "/proc/$pid/mounts")
	}
	nested ''
	says "context=\"$F:c1,c2\""
	run chcon "$F:c3,c4" "/proc/$pid/root/dev/shm/x"
	[ "$status" -ne 0 ]
	vz delete -f "$ID"
	nested rootcontext
	says "rootcontext=\"$F:c1,c2\""
	[ "$(stat -c %C "/proc/$pid/root/dev/shm")" = "$F:c1,c2" ]
	chcon "$F:c3,c4" "/proc/$pid/root/dev/shm/x"
	vz delete -f "$ID"
	cfg '.annotations["run.oci.mount_context_type"] = "size=1,context"'
	run engine run -b "$B" "$ID"
	has 'linux.mountLabel: "size=1,context" is not one of context, rootcontext, fscontext, defcontext'
}

@test "containers of an engine and guests of vzrun are kept from each other and from the host by the policy alone" {
	mkdir "$BATS_TEST_TMPDIR"/{host,other,guest}
	for d in host other guest; do echo "secret-$d" >"$BATS_TEST_TMPDIR/$d/f"; done
	chcon -R "$F:c3,c4" "$BATS_TEST_TMPDIR/other"
	vz create "$G" --template busybox --net none --userns host --bind "$BATS_TEST_TMPDIR/guest:/guest:Z" \
		--bind "$BATS_TEST_TMPDIR/other:/other" >/dev/null
	vz start "$G" >/dev/null
	[ "$(vz exec "$G" cat /guest/f)" = secret-guest ]
	run vz exec "$G" cat /other/f
	[ "$status" -ne 0 ]
	has "Permission denied"
	labelled c1,c2
	for d in host other guest; do
		cfg --arg s "$BATS_TEST_TMPDIR/$d" --arg d "/$d" '.mounts += [{destination: $d, source: $s, type: "bind", options: ["rbind"]}]'
	done
	sh_ 'for d in host other guest; do cat /$d/f; done; true'
	run engine run -b "$B" "$ID"
	ok
	hasnt secret
	# And all of it without the policy.
	setenforce 0
	run engine run -b "$B" "$ID"
	ok
	for d in host other guest; do has "secret-$d"; done
	run vz exec "$G" cat /other/f
	says secret-other
}

@test "a type that the policy lacks is refused by name, of a process and of mounts" {
	cfg '.process.selinuxLabel = "system_u:system_r:spc_nosuch_t:s0:c1,c2"'
	args true
	run engine run -b "$B" "$ID"
	[ "$status" -ne 0 ]
	has 'SELinux label "system_u:system_r:spc_nosuch_t:s0:c1,c2" is not valid in the host'\''s policy'
	labelled c1,c2
	cfg '.linux.mountLabel = "system_u:object_r:nosuch_file_t:s0"'
	run engine run -b "$B" "$ID"
	[ "$status" -ne 0 ]
	has nosuch_file_t
	[ -z "$(state_left)" ]
}
