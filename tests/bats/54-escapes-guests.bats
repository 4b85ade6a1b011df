#!/usr/bin/env bats
# What root of a guest can reach of the host, beside a container of root's that is not confined at all; and what a guest
# leaves for the host to stumble over.
load guest
load escapes

setup_file() { need_escapes; need_guests busybox; }
setup() { guest_setup; T=$BATS_TEST_TMPDIR; mkdir "$T/victim"; echo precious >"$T/victim/file"; }
teardown() {
	local id
	VZ=$PRODUCT
	unset VZRUN_UNDEFENDED
	vz delete -f "c$G" >/dev/null 2>&1 || true
	guest_teardown
}

# The host's disk is the one that the tests lie on, by whatever name.
disk() { findmnt -no MAJ:MIN -T "$T" | tr -d ' '; }

# Every lever that moves for root without confinement, in $T/free.
free_levers() {
	local all
	make_bundle
	cp "$ESCAPE" "$B/rootfs/bin/escape"
	all=$(capsh --print | sed -n 's/^Bounding set =//p' | tr ',' '\n' | tr a-z A-Z | jq -R . | jq -sc .)
	cfg --argjson c "$all" '.process.capabilities = {bounding: $c, effective: $c, permitted: $c} | .process.noNewPrivileges = false
		| .linux.seccomp = null | .linux.maskedPaths = [] | .linux.readonlyPaths = [] | .linux.resources.devices = [{allow: true, access: "rwm"}]
		| .mounts = [.mounts[] | select(.destination | startswith("/sys/") | not) | if .destination == "/sys" then .options = ["nosuid"] else . end]'
	args escape try "$("$ESCAPE" handle "$T/victim/file")" "$(disk)"
	(cd "$B" && exec "$PRODUCT" --root "$ROOT" run "c$G" </dev/null) >"$T/free"
}
# What moves in the guest of all that moves for the other.
guest_levers() {
	vz exec "$G" sh -c 'cat >/tmp/escape; chmod 755 /tmp/escape' <"$ESCAPE"
	vz exec "$G" /tmp/escape try "$("$ESCAPE" handle "$T/victim/file")" "$(disk)" >"$T/guest"
	sort "$T/free" >"$T/a"; sort "$T/guest" >"$T/b"
	comm -12 "$T/a" "$T/b" | grep ' worked$' || true
}

@test "levers of the host: what moves without confinement moves in no guest" {
	free_levers
	cat "$T/free"
	# Not all are there in every kernel, but these are.
	for l in core_pattern overcommit remount-proc-sys user-namespace setns io_uring bpf acct swapon clock syslog add_key \
		open-by-handle kmsg; do grep -q "^$l worked" "$T/free" || { echo "$l: not even there"; return 1; }; done
	[ "$(grep -c ' worked$' "$T/free")" -ge 20 ]
	running_guest --net none
	# Its mounts are its own, and so is the namespace of its first process: what lies behind is the kernel's to keep.
	[ "$(guest_levers)" = "remount-proc-sys worked
setns worked" ] || { echo "in a guest: $(guest_levers)"; return 1; }
}

@test "levers of the host: nor in a guest whose root is the host's" {
	free_levers
	running_guest --net none --userns host
	[ -z "$(guest_levers)" ] || { echo "in a guest: $(guest_levers)"; return 1; }
}

@test "without the filter of system calls the guest reaches what it is there against" {
	VZ=$UNDEFENDED
	export VZRUN_UNDEFENDED=filter,audit
	running_guest --net none
	free_levers
	guest_levers >"$T/reached"
	for l in io_uring user-namespace keyctl add_key; do grep -q "^$l worked" "$T/reached" || { cat "$T/reached"; return 1; }; done
}

@test "R5: the host's files for /etc are written where a link of the guest's leads" {
	busybox_guest --net none --userns host --storage dir
	local u=$VZRUN_HOME/guests/$G/rootfs
	mv "$u/etc" "$u/etc2"; ln -s "$T/victim" "$u/etc"
	outside() {
		run vz start --no-wait "$G"
		VZ=$PRODUCT vz stop --kill "$G" >/dev/null 2>&1 || true
		[ -e "$T/victim/hosts" ]
	}
	beats in-root outside
}

@test "what the administrator mounted in a guest's tree is not emptied with it" {
	emptied() {
		VZ=$PRODUCT busybox_guest --net none
		run unshare -m sh -c 'mkdir "$1/mnt" && mount --bind "$2" "$1/mnt" && "$3" --root "$4" destroy -f "$5"' - \
			"$VZRUN_HOME/guests/$G/disk/upper" "$T/victim" "$VZ" "$ROOT" "$G"
		[ ! -e "$VZRUN_HOME/guests/$G" ] || VZ=$PRODUCT vz destroy -f "$G" >/dev/null
		[ ! -e "$T/victim/file" ]
	}
	beats one-mount emptied
}

@test "a volume whose source becomes a link, which another guest that writes there makes of it, is not mounted" {
	mkdir "$T/share" "$T/share/one"
	ln -s share "$T/way"
	vz create "$G" --template busybox --memory 64M --net none --bind "$T/way/one:/one:idmap" >/dev/null
	rm "$T/way"
	inside() {
		rm -rf "$T/share/one"; mkdir "$T/share/one"
		VZ=$PRODUCT vz start "$G" >/dev/null || return 1
		VZ=$PRODUCT vz stop --kill "$G" >/dev/null
		rmdir "$T/share/one"; ln -s ../victim "$T/share/one"
		run vz start "$G"
		[ "$status" -eq 0 ] || return 1
		vz exec "$G" test -e /one/file && VZ=$PRODUCT vz stop --kill "$G" >/dev/null
	}
	beats source-links inside
	run vz start "$G"
	refuses 1 "guest \"$G\" not started: mount /one: source $T/share/one: a symbolic link on the way: give the path that it leads to"
}

@test "a volume that another guest writes does not choose where in the root the next is mounted" {
	mkdir "$T/share" "$T/share/pub" "$T/pub"
	echo "root::0:0:root:/:/bin/planted" >"$T/pub/passwd"
	vz create "$G" --template busybox --memory 64M --net none --bind "$T/share:/vol:idmap" --bind "$T/pub:/vol/pub:idmap" >/dev/null
	rmdir "$T/share/pub"; ln -s ../etc "$T/share/pub"
	replaced() {
		run vz start --no-wait "$G"
		[ "$status" -eq 0 ] || return 1
		VZ=$PRODUCT vz exec "$G" grep planted /etc/passwd && VZ=$PRODUCT vz stop --kill "$G" >/dev/null
	}
	beats volume-links replaced
	run vz start "$G"
	refuses 1 "guest \"$G\" not started: mount /vol/pub: /vol/pub: a symbolic link on the way lies in a volume, where others may write: it is not followed"
	# To a place that is missing, too; a link of the guest's own root may be on the way.
	rm "$T/share/pub"; ln -s ../new "$T/share/pub"
	run ! replaced
	rm "$T/share/pub"
	edit '.mounts[1].destination = "/own/vol/pub" | .linux.maskedPaths = ["/vol/hidden"]'
	mkdir -p "$VZRUN_HOME/guests/$G/disk/upper"
	ln -s / "$VZRUN_HOME/guests/$G/disk/upper/own"
	ln -s ../etc/passwd "$T/share/hidden"
	run ! replaced
	rm "$T/share/hidden"
	vz start "$G" >/dev/null
	vz exec "$G" grep planted /vol/pub/passwd
	[ ! -e "$VZRUN_HOME/guests/$G/disk/upper/new" ]
}

@test "what the kernel counts by user, as message queues, one guest takes from no other" {
	local other=c$G
	# Room for one queue, whoever counts; in the guests, too.
	starved() {
		local r=1
		(ulimit -q 100000; vz start "$G" "$other" >/dev/null) || return 1
		vz exec "$G" sh -c 'rm -f /run/queue /tmp/end; mkfifo /tmp/end'
		vz exec -d "$G" sh -c '/tmp/escape queue </tmp/end >/run/queue'
		vz exec -d "$G" sh -c 'exec sleep 1000 >/tmp/end'
		wait_for vz exec "$G" grep -q queued /run/queue
		vz exec "$other" /tmp/escape queue </dev/null || r=0
		vz stop --kill "$G" "$other" >/dev/null
		return $r
	}
	for g in "$G" "$other"; do
		vz create "$g" --template busybox --memory 64M --net none >/dev/null
		vz start "$g" >/dev/null
		vz exec "$g" sh -c 'cat >/tmp/escape; chmod 755 /tmp/escape' <"$ESCAPE"
		vz stop --kill "$g" >/dev/null
	done
	beats owner starved
}

# In every part of the tree that is the guest's up to 200 groups below one another, and itself in the last.
NEST='for t in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
	cd $t 2>/dev/null && mkdir deep 2>/dev/null || continue
	i=0; while [ $i -lt 200 ]; do cd deep; mkdir deep 2>/dev/null || break; i=$((i + 1)); done
	echo $$ >cgroup.procs
done; touch /run/nested; exec sleep 1000'

@test "groups that a guest nests as deep as it likes hide no process, and are taken away with it" {
	running_guest --net none
	vz exec -d "$G" sh -c "$NEST"
	wait_for vz exec "$G" test -e /run/nested
	vz ps "$G" | grep "sleep 1000"
	run vz stop --kill "$G"
	ok
	says "$G stopped (killed)"
	[ -z "$(groups_left)" ]
	vz start "$G"
}

@test "groups take memory of the kernel that no limit counts: a guest makes no more than 4096, 64 deep, where the kernel knows bounds" {
	local tree
	running_guest --net none
	tree=$(vz exec "$G" sh -c 'for t in /sys/fs/cgroup/unified /sys/fs/cgroup; do [ ! -e $t/cgroup.max.descendants ] || echo $t; done' | head -1)
	[ -n "$tree" ] || skip "host: no tree of cgroup v2"
	[ "$(vz exec "$G" sh -c "cd $tree && "'mkdir $(seq 5000) 2>/dev/null; cat cgroup.stat' | awk '$1 == "nr_descendants" { print $2 }')" = 4096 ]
	vz exec "$G" sh -c "cd $tree && "'rmdir $(seq 5000) 2>/dev/null; for i in $(seq 70); do mkdir d 2>/dev/null && cd d || break; done; pwd' |
		awk -F/ '{ n = gsub("/d", "/d") } END { exit n != 64 }'
	run vz exec "$G" sh -c "echo max >$tree/cgroup.max.descendants"
	[ "$status" -ne 0 ]
	# What config.json has is not changed.
	vz stop --kill "$G" >/dev/null
	edit '.linux.resources.unified = {"cgroup.max.descendants": "7"}'
	vz start "$G" >/dev/null
	[ "$(vz exec "$G" cat "$tree/cgroup.max.descendants")" = 7 ]
}

@test "messages to the notify socket, with descriptors, cost the host nothing when the guest is up, and an end before that" {
	running_guest --net none
	vz exec "$G" sh -c 'cat >/bin/systemd; chmod 755 /bin/systemd' <"$ESCAPE"
	[ "$(vz exec "$G" /bin/systemd notify)" = "taken: 0" ]
	vz stop --kill "$G" >/dev/null
	# An init of systemd's name that never says that it is up.
	edit '.process.args = ["/bin/systemd", "notify"]'
	vz start --no-wait "$G" >/dev/null
	wait_for guest_status_is stopped
	vz logs "$G" | grep -E "taken: 100[01][0-9]"
}

@test "guests, networks and images in a directory of another user's are not root's to believe" {
	busybox_guest --net none
	vz network create "n$$" >/dev/null
	rm "$VZRUN_HOME/images"; mkdir "$VZRUN_HOME/images"
	# foreign DIR COMMAND...: is done although the directory below home is another user's
	foreign() {
		chown 65533 "$VZRUN_HOME/$1"
		run vz "${@:2}"
		chown 0 "$VZRUN_HOME/$1"
		[[ "$output" != *"$VZRUN_HOME${1:+/$1}: it is user 65533's"* ]]
	}
	local d
	for d in "" guests "guests/$G"; do beats state-owner foreign "$d" show "$G"; done
	for d in "" guests; do
		run foreign "$d" create "o$G" --template busybox
		[ "$status" -ne 0 ]
	done
	for d in "" networks; do beats state-owner foreign "$d" network show "n$$"; done
	for d in "" images; do beats state-owner foreign "$d" image ls; done
	foreign networks ls -q
	[ "$status" -eq 0 ]
	vz network rm "n$$"
}

@test "what a guest calls its things does not reach the terminal, and JSON stays JSON" {
	running_guest --net none
	vz exec "$G" sh -c 'rm -f /sbin/init; printf "#!/\377\033[31m\302\2337m\n" >/sbin/init; chmod 755 /sbin/init'
	vz stop --kill "$G" >/dev/null
	run vz start "$G"
	refuses 1 "guest \"$G\" not started: exec /sbin/init: no such file or directory: its interpreter is /??[31m??7m"
	vz --json start "$G" >"$T/json" || true
	jq -e '.error.msg | endswith("its interpreter is /?\u001b[31m\u009b7m")' "$T/json"
	# Its event is not lost to who asks afterwards.
	[[ "$(why)" == *"its interpreter is /?"* ]] || { why; return 1; }
	vz why "$G" >"$T/said"
	grep -F "its interpreter is /??[31m??7m" "$T/said"
	iconv -f UTF-8 -t UTF-8 "$T/said" >/dev/null
	! vz --log "$T/log" --log-format json start "$G" || return 1
	iconv -f UTF-8 -t UTF-8 "$T/log" | tail -1 | jq -e '.msg | contains("its interpreter is /?")'
}
