# Real engines for the suites 92 to 94, each in a world of its own: a mount, a network and a pid namespace with a reaping
# first process, and an empty /run. What a daemon keeps is below $W; when the world's first process is killed, the kernel
# ends every daemon, shim and container and drops every mount. What is left to look after is the cgroups, below /$G.

export_world() {
	export W=$BATS_FILE_TMPDIR/w G=vzt$$ FS=native
	mkdir -p "$W"
}

# The first thing of setup_file. bats' own descriptors must stay out: it waits for whoever holds them.
world_start() {
	need_engine || return 1
	local p
	for p in containerd ctr containerd-shim-runc-v2 dockerd docker-init; do
		command -v $p >/dev/null || { echo "no $p: make deps" >&2; return 1; }
	done
	export_world
	setsid unshare -m -n -p -f --mount-proc --propagation private /bin/sh -c '
		mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/lock && ip link set lo up &&
		: >"$1/up" && exec docker-init -s -- sleep infinity' - "$W" >"$W/world.log" 2>&1 </dev/null 3>&- 4>&- &
	export WORLD_PARENT=$!
	wait_for test -e "$W/up" || { cat "$W/world.log"; return 1; }
	WORLD=$(pgrep -P $WORLD_PARENT) && export WORLD
	# Overlays of overlays do not exist: where temporary files lie on one, snapshots are copies.
	mkdir -p "$W/lower" "$W/upper" "$W/work" "$W/merged"
	! inside mount -t overlay overlay -o "lowerdir=$W/lower,upperdir=$W/upper,workdir=$W/work" "$W/merged" 2>/dev/null || {
		inside umount "$W/merged"
		export FS=overlayfs
	}
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

# image NAME [jq filter of the image's configuration]: a docker-archive at $W/NAME.tar of one layer, busybox
image() {
	local name=$1 d=$W/image/$1 layer
	mkdir -p "$d"
	[ -d "$W/rootfs" ] || make_rootfs "$W/rootfs"
	tar -C "$W/rootfs" --numeric-owner --sort=name -cf "$d/layer.tar" .
	layer=$(sha256sum <"$d/layer.tar")
	jq -n --arg l "sha256:${layer%% *}" '{architecture: "amd64", os: "linux", created: "2024-01-01T00:00:00Z",
		config: {Env: ["PATH=/bin:/usr/bin:/sbin"], Cmd: ["/bin/sh"]}, rootfs: {type: "layers", diff_ids: [$l]},
		history: [{created: "2024-01-01T00:00:00Z", created_by: "busybox"}]} | '"${2:-.}" >"$d/config.json"
	jq -n --arg n "docker.io/library/$name:latest" \
		'[{Config: "config.json", RepoTags: [$n], Layers: ["layer.tar"]}]' >"$d/manifest.json"
	tar -C "$d" -cf "$W/$name.tar" manifest.json config.json layer.tar
	rm -r "$d"
}

# containerd with the configuration $W/containerd.toml, when it answers
containerd_start() {
	daemon containerd containerd --config "$W/containerd.toml"
	wait_for inside ctr -a "$W/containerd.sock" version || { tail -30 "$W/containerd.log"; return 1; }
}
containerd_config() {
	cat <<-END
		version = 2
		root = "$W/containerd.root"
		state = "$W/containerd.state"
		[grpc]
		address = "$W/containerd.sock"
	END
}
ctr_() { inside ctr -a "$W/containerd.sock" -n "${NS:-$G}" "$@"; }
