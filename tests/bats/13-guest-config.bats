#!/usr/bin/env bats
# A guest's file: edits by hand, what is wrong in it, and what it can ask for: storage, ids, features, binds.
load guest

setup_file() { need_guests busybox; }
setup() { guest_setup; }
teardown() { guest_teardown; }

@test "a file that says which guest it is is not believed, and the guest can be stopped" {
	busybox_guest --net none
	edit '.annotations = {"org.vzrun.guest": "other", "a": "b"}'
	vz start "$G"
	[ "$(vz state "$G" | jq -c .annotations)" = "{\"org.vzrun.guest\":\"$G\",\"a\":\"b\"}" ]
	vz stop -k "$G"
}

@test "what an image says and no guest could start with is told by create; an empty signal is none" {
	local f=$BATS_TEST_TMPDIR/rootfs c
	mkdir -p "$f/sbin"
	# image CONFIG: a docker archive of one layer, with names as those have
	image() {
		local d c
		rm -rf "$BATS_TEST_TMPDIR/saved" && mkdir "$BATS_TEST_TMPDIR/saved" && cd "$BATS_TEST_TMPDIR/saved" || return 1
		tar -C "$f" -cf layer.tar sbin
		d=$(sha256sum <layer.tar | cut -d' ' -f1)
		mv layer.tar "$d.tar"
		echo "{\"os\":\"linux\",\"config\":$1,\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$d\"]}}" >c.json
		c=$(sha256sum <c.json | cut -d' ' -f1)
		mv c.json "$c.json"
		echo "[{\"Config\":\"$c.json\",\"RepoTags\":[\"says:1\"],\"Layers\":[\"$d.tar\"]}]" >manifest.json
		tar -cf ../saved.tar ./*
		cd "$OLDPWD" || return 1
	}
	rm "$VZRUN_HOME/images"
	for c in '{"StopSignal":"SIGFOO"}' '{"Env":["NAMELESS"]}' '{"Cmd":[""]}'; do
		image "$c"
		run -10 vz create "$G" --rootfs "$BATS_TEST_TMPDIR/saved.tar" --net none
		[[ "${lines[0]}" = "vzrun: guest \"$G\" not created: config.json: "* ]]
		[ -z "$(vz ls -q)" ]
	done
	image '{"StopSignal":""}'
	vz create "$G" --rootfs "$BATS_TEST_TMPDIR/saved.tar" --net none
	guest_status_is stopped
}

@test "edits by hand that are wrong: the place, status 10, nothing started" {
	busybox_guest
	cp "$(conf)" "$BATS_TEST_TMPDIR/good.json"
	# EDIT <tab> the end of the line
	while IFS=$'\t' read -r e want; do
		cp "$BATS_TEST_TMPDIR/good.json" "$(conf)"
		edit "$e"
		run vz start "$G"
		[ "$status" -eq 10 ] && [[ "${lines[0]}" == "vzrun: guest \"$G\""*"config.json: $want" ]] || {
			echo "$e"; echo "got  $status: $output"; echo "want 10: config.json: $want"; return 1; }
	done <<-'END'
	.linux.resources.memory.limit = "big"	linux.resources.memory.limit: expected an integer
	.linux.resources.pids = 3	linux.resources.pids: expected an object
	.process.cwd = "tmp"	process: cwd: "tmp" is not absolute
	.process.user.uid = -1	process.user.uid: expected an unsigned integer
	.hostname = 3	hostname: expected a string
	.hostname = "a b"	hostname: "a b" is not a host name
	.vzrun.userns = "everybody"	vzrun.userns: unknown value "everybody" (auto, host, or a first id from 65536 on)
	.vzrun.layers = []	vzrun.layers: missing for storage "overlay"
	.vzrun.storage = "zfs"	vzrun.storage: unknown value "zfs" (overlay or dir)
	.vzrun.features = ["kvm"]	vzrun.features[0]: unknown value "kvm" (nesting, fuse, tun, i386)
	.vzrun.stopSignal = "SIGNOTHING"	vzrun.stopSignal: unknown value "SIGNOTHING"
	.vzrun.networks = [{"ip": "1.2.3"}]	vzrun.networks[0].ip: 1.2.3 is not an IPv4 address
	.vzrun.ports = [{"port": 80}]	vzrun.ports[0].guestPort: missing
	.vzrun.ports = [{"port": 80, "guestPort": 80, "address": "a; drop"}]	vzrun.ports[0].address: "a; drop" is not an address
	.vzrun.firewall = [{"action": "allow"}]	vzrun.firewall[0].direction: missing
	.vzrun.firewall = [{"action": "allow", "direction": "in", "from": "a"}]	vzrun.firewall[0].from: "a" is not an address or subnet
	.vzrun.networks = [{"network": "other"}]	vzrun.networks: network other does not exist
	.linux.resources.memory.limit = -5	linux.resources: memory.limit: -5 is not in the range -1 to 9223372036854775807
	.linux.resources.cpu = {"quota": 10}	linux.resources: cpu.quota: 10 is below 1000
	del(.vzrun)	vzrun: missing
	END
	printf '{ "ociVersion": "1.2.0",\n  "process": }\n' >"$(conf)"
	run vz start "$G"
	[ "$status" -eq 10 ]
	has 'config.json:2'
	run vz ls
	has broken
	run vz why "$G"
	ok
	[ -z "$(groups_left)$(state_left)$(keepers_left)" ]
}

@test "a broken file keeps no running guest from being stopped, and destroyed" {
	running_guest
	echo '{' >"$(conf)"
	vz stop -k "$G"
	vz destroy "$G"
}

@test "lint: good, unknown keys, wrong places" {
	busybox_guest
	run vz lint "$(conf)"
	says "$(conf): good"
	edit '.colour = 1 | .vzrun.taste = "sweet" | .linux.resources.memory.limits = 3'
	run vz lint "$(conf)"
	[ "$status" -eq 1 ]
	has "$(conf): colour: unknown, ignored"
	has "$(conf): vzrun.taste: unknown, ignored"
	has "$(conf): linux.resources.memory.limits: unknown, ignored"
	edit '.vzrun.features = ["kvm"]'
	run vz lint "$(conf)"
	refuses 10 "$(conf): vzrun.features[0]: unknown value \"kvm\" (nesting, fuse, tun, i386)"
	printf '{"ociVersion":"1.0.0","a\\u001b]0;b\\n":1,"root":{"path":"x"},"linux":{"namespaces":[{"type":"mount"}]}}' >"$BATS_TEST_TMPDIR/c"
	run vz lint "$BATS_TEST_TMPDIR/c"
	says "$BATS_TEST_TMPDIR/c: a?]0;b?: unknown, ignored"
	run vz lint "$G"
	has "  try    vzrun lint $(conf)"
	run vz lint /nonexistent.json
	refuses 3 "open /nonexistent.json: No such file or directory"
}

@test "storage dir, a first id of one's own, features, no network" {
	busybox_guest --storage dir --userns 1000000 --features fuse --features tun --net none
	vz start "$G"
	[ "$(vz exec "$G" cat /proc/self/uid_map | tr -s ' ')" = " 0 1000000 65536" ]
	vz exec "$G" sh -c 'exec 3<>/dev/net/tun; exec 4<>/dev/fuse; touch /made'
	[ "$(stat -c %u "$VZRUN_HOME/guests/$G/rootfs/made")" = 0 ]
	[ "$(vz exec "$G" ls /sys/class/net)" = lo ]
	vz stop -k "$G"
}

@test "the device of tunnels is closed to a guest that has not the feature" {
	grep -qw tun /proc/misc || skip "kernel: no tun"
	[ -d /sys/fs/cgroup/devices ] || [ -e /sys/fs/cgroup/cgroup.controllers ] || skip "kernel: no cgroups for devices"
	busybox_guest --net none
	mknod -m 666 "$VZRUN_HOME/tun" c 10 200
	edit --arg f "$VZRUN_HOME/tun" '.mounts += [{destination: "/dev/net/tun", type: "bind", source: $f, options: ["bind"]}]'
	vz start "$G"
	run vz exec "$G" sh -c 'exec 3<>/dev/net/tun'
	[ "$status" -ne 0 ]
	has "Operation not permitted"
	vz stop -k "$G"
}

@test "a range of user ids that another guest has is refused" {
	busybox_guest --userns 1000000 --net none
	vz create "$G-b" --template busybox --userns 1040000 --net none
	vz start "$G"
	run vz start "$G-b"
	refuses 9 "guest \"$G-b\" not started: user ids from 1040000 on are in use by another guest"
	vz stop -k "$G"
	vz start "$G-b"
}

@test "what was written stays; two guests of an image do not see each other's files" {
	running_guest
	vz exec "$G" sh -c 'echo kept >/root/f'
	vz restart -k "$G"
	[ "$(vz exec "$G" cat /root/f)" = kept ]
	vz create "$G-b" --template busybox
	vz start "$G-b"
	run vz exec "$G-b" cat /root/f
	[ "$status" -ne 0 ]
	[ "$(vz exec "$G" awk '{ print $2; exit }' /proc/self/uid_map)" != "$(vz exec "$G-b" awk '{ print $2; exit }' /proc/self/uid_map)" ]
}

@test "a home that is moved takes its guests along, those with whole paths of layers if these are there" {
	local home=$VZRUN_HOME
	busybox_guest --net none
	[ "$(jq '.vzrun.layers | map(contains("/")) | any' "$(conf)")" = false ]
	mv "$home" "$home.moved"
	VZRUN_HOME=$home.moved
	vz start "$G"
	vz restart -k "$G"
	vz stop -k "$G"
	edit --arg d "$STORE/images/layers" '.vzrun.layers |= map("\($d)/\(.)")'
	vz start "$G"
	vz image prune
	[ -e "$(jq -r '.vzrun.layers[0]' "$(conf)")" ]
}

@test "as many layers as an image may have, in their order" {
	local d=$BATS_TEST_TMPDIR/layers i
	busybox_guest --net none
	for i in $(seq 255); do mkdir -p "$d/$i/m$i"; echo "$i" >"$d/$i/last"; done
	chmod -R go+rX "$BATS_TEST_TMPDIR"
	edit --arg d "$d" '.vzrun.layers += [range(1; 256) | "\($d)/\(.)"]'
	vz start "$G" >/dev/null
	[ "$(vz exec "$G" sh -c 'ls -d /m* | wc -l; cat /last')" = "$(printf '256\n255')" ]
}

@test "a create that a signal ends is undone; one that was killed is named" {
	local pid rc=0 fifo=$BATS_TEST_TMPDIR/fifo
	mkfifo "$fifo"
	exec 8<>"$fifo"
	"$VZ" --root "$ROOT" create "$G" --rootfs "$fifo" >"$fifo.says" 2>&1 3>&- 8>&- & pid=$!
	wait_for [ -e "$VZRUN_HOME/guests/$G" ]
	kill -TERM "$pid"
	wait "$pid" || rc=$?
	[ "$rc" -eq 143 ]
	[ ! -e "$VZRUN_HOME/guests/$G" ]
	[ ! -s "$fifo.says" ]
	"$VZ" --root "$ROOT" create "$G" --rootfs "$fifo" >/dev/null 2>&1 3>&- 8>&- & pid=$!
	wait_for [ -e "$VZRUN_HOME/guests/$G" ]
	kill -KILL "$pid"
	wait "$pid" || :
	exec 8>&-
	run vz create "$G" --template busybox
	refuses 4 "guest \"$G\" already exists"
	has "vzrun recover $G"
	run vz recover "$G"
	says "recovered: 1"
}

@test "--bind: the host's directory, read-only or with the guest's own ids; what is no bind is refused" {
	mkdir "$BATS_TEST_TMPDIR/src"
	echo hi >"$BATS_TEST_TMPDIR/src/f"
	run vz create "$G" --template busybox --net none --bind src:/x
	refuses 2 '--bind: "src:/x" is not /SOURCE:/DESTINATION[:OPTION,...]'
	run vz create "$G" --template busybox --bind /tmp:/x:ro,foo
	refuses 2 '--bind: "/tmp:/x:ro,foo": unknown option "foo"'
	run vz create "$G" --template busybox --net none --bind /tmp:/x/..//proc/
	refuses 2 '--bind: /x/..//proc/: only a procfs may be bound on /proc'
	run vz create "$G" --template busybox --net none --bind /tmp:/proc/fs
	refuses 2 '--bind: /proc/fs: a mount below /proc is refused, but for a few files'
	run vz create "$G" --template busybox --net none --bind /tmp:/proc/cpuinfo
	refuses 2 '--bind: /proc/cpuinfo: directory /tmp cannot cover a file'
	for at in / /dev /dev/../dev/ /dev/console /dev/pts /run /run/host; do
		run vz create "$G" --template busybox --net none --bind "/tmp:$at"
		refuses 2 "--bind: $at: a guest has one of its own"
	done
	run vz create "$G" --template busybox --net none --bind "$BATS_TEST_TMPDIR/none:/x"
	refuses 3 "--bind: $BATS_TEST_TMPDIR/none: No such file or directory"
	[ ! -e "$VZRUN_HOME/guests/$G" ]
	vz create "$G" --template busybox --net none --bind "$BATS_TEST_TMPDIR/src:/ro:ro,z" \
		--bind "$BATS_TEST_TMPDIR/src:/own:idmap" >/dev/null
	vz start "$G" >/dev/null
	[ "$(vz exec "$G" cat /ro/f)" = hi ]
	run vz exec "$G" touch /ro/x
	[[ $output = *"Read-only file system"* ]]
	vz exec "$G" touch /own/x
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/src/x")" = 0 ]
}
