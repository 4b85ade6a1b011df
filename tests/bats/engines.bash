# Real engines for the suites of the nineties, each in a world of its own: a mount, a network and a pid namespace with a
# reaping first process, and an empty /run. What an engine keeps is below $W; when the world's first process is killed,
# the kernel ends every daemon, shim and container and drops every mount. What is left to look after is the cgroups.

export_world() {
	export W=$BATS_FILE_TMPDIR/w G=vzt$$
	mkdir -p "$W"
}

# world_make PROGRAM...: the first thing of setup_file. bats' own descriptors must stay out: it waits for whoever holds them.
world_make() {
	need_engine || return 1
	local p
	for p in docker-init "$@"; do
		command -v "$p" >/dev/null || { echo "no $p: make deps" >&2; return 1; }
	done
	export_world
	setsid unshare -m -n -p -f --mount-proc --propagation private /bin/sh -c '
		mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/lock && ip link set lo up &&
		: >"$1/up" && exec docker-init -s -- sleep infinity' - "$W" >"$W/world.log" 2>&1 </dev/null 3>&- 4>&- &
	export WORLD_PARENT=$!
	wait_for test -e "$W/up" || { cat "$W/world.log"; return 1; }
	WORLD=$(pgrep -P $WORLD_PARENT) && export WORLD
}

# Overlays of overlays do not exist: where temporary files lie on one, an engine must copy.
world_has_overlay() {
	mkdir -p "$W/lower" "$W/upper" "$W/work" "$W/merged"
	inside mount -t overlay overlay -o "lowerdir=$W/lower,upperdir=$W/upper,workdir=$W/work" "$W/merged" 2>/dev/null &&
		inside umount "$W/merged"
}

# CMD in the world
inside() { nsenter -t "$WORLD" -m -n -p -- "$@" 3>&- 4>&-; }

# daemon NAME CMD...: in the background; its pid is kept, its output goes to $W/NAME.log
daemon() {
	local name=$1
	shift
	setsid nsenter -t "$WORLD" -m -n -p -- "$@" >>"$W/$name.log" 2>&1 </dev/null 3>&- 4>&- &
	echo $! >"$W/$name.nsenter"
}
daemon_pid() { pgrep -P "$(cat "$W/$1.nsenter")"; }
# daemon_end NAME SIGNAL
daemon_end() {
	local p
	p=$(daemon_pid "$1")
	kill -"$2" "$p"
	wait_for gone "$p"
}

world_stop() {
	[ -n "${WORLD:-}" ] || return 0
	kill -KILL "$WORLD" 2>/dev/null
	wait_for gone "$WORLD_PARENT"
	wait_for world_groups_removed || { echo "left behind: $(world_groups)"; return 1; }
	! grep -F "$W" /proc/self/mountinfo
}
# Groups of the world, the deepest first
world_groups() { find /sys/fs/cgroup -depth -type d -path "*/$G*" 2>/dev/null; }
world_groups_removed() {
	world_groups | xargs -r rmdir 2>/dev/null
	[ -z "$(world_groups)" ]
}
