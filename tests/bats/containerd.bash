# containerd and what stands on it, for the suites 92 to 94.
load engines

world_start() {
	world_make containerd ctr containerd-shim-runc-v2 dockerd || return 1
	export FS=native
	! world_has_overlay || FS=overlayfs
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
		version = ${1:-2}
		root = "$W/containerd.root"
		state = "$W/containerd.state"
		[grpc]
		address = "$W/containerd.sock"
	END
}
ctr_() { inside ctr -a "$W/containerd.sock" -n "${NS:-$G}" "$@"; }
