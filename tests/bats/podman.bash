# Podman and Buildah for the suites 90 and 91: a world of their own, the drop-ins of packaging/podman as they are, vzrun
# where these say that it is installed, storage and configuration below $W, images made here.
load engines

podman_start() {
	world_make podman buildah conmon catatonit crun runc || return 1
	inside mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
	inside cp "$VZ" /usr/local/bin/vzrun
	# crun gives what it has for its standard input to the container's root, be it the host's null device.
	inside sh -c 'mknod -m 666 /run/null c 1 3 && mount --bind /run/null /dev/null'
	mkdir -p "$W"/{etc/containers.conf.d,tmp,home,bin}
	cp "$TOP"/packaging/podman/*.conf "$W/etc/containers.conf.d/"
	podman_conf
	inside mount --bind "$W/etc" /etc/containers
	export HOME=$W/home TMPDIR=$W/tmp PODMAN_IGNORE_CGROUPSV1_WARNING=1
	unset XDG_RUNTIME_DIR CONTAINERS_CONF CONTAINERS_STORAGE_CONF CONTAINER_HOST
	podman_images >&2
}

podman_conf() {
	local driver=vfs
	! world_has_overlay || driver=overlay
	cat >"$W/etc/containers.conf" <<-END
		[containers]
		# Without CAP_SYS_RESOURCE nobody may have more. Alike: kube play takes one for the other.
		default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
		netns = "none"
		log_driver = "k8s-file"
		[network]
		network_backend = "netavark"
		network_config_dir = "$W/networks"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		infra_image = "localhost/pause"
		tmp_dir = "$W/libpod"
		volume_path = "$W/volumes"
		[engine.runtimes]
		crun = ["$W/bin/crun"]
	END
	printf '[storage]\ndriver = "%s"\ngraphroot = "%s"\nrunroot = "%s"\n' $driver "$W/graph" "$W/run" >"$W/etc/storage.conf"
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$W/etc/policy.json"
	echo 'unqualified-search-registries = []' >"$W/etc/registries.conf"
	# crun refuses v1 with a v2 tree that has controllers; a peer that cannot run compares with nothing.
	cat >"$W/bin/crun" <<-'END'
		#!/bin/sh
		[ -e /sys/fs/cgroup/unified/cgroup.controllers ] || exec /usr/bin/crun "$@"
		exec unshare -m sh -c 'mount --bind /dev/null /sys/fs/cgroup/unified/cgroup.controllers && exec crun "$@"' crun "$@"
	END
	chmod 755 "$W/bin/crun"
}

podman_images() {
	make_rootfs "$W/rootfs"
	mkdir "$W/pause"
	cp "$(command -v catatonit)" "$W/pause/catatonit"
	tar -C "$W/rootfs" --numeric-owner --sort=name -cf "$W/box.tar" .
	tar -C "$W/pause" --numeric-owner -cf "$W/pause.tar" .
	p import -q -c 'CMD ["/bin/sh"]' -c 'ENV PATH=/bin:/usr/bin:/sbin' "$W/box.tar" localhost/box
	p import -q -c 'ENTRYPOINT ["/catatonit", "-P"]' "$W/pause.tar" localhost/pause
}

p() { inside podman "$@"; }
b() { inside buildah "$@"; }
# once [FLAG...] -- CMD...: a container of its own, its output and status; WANT: the status it must have
once() {
	local flags=()
	while [ "$1" != -- ]; do flags+=("$1"); shift; done
	shift
	run ${WANT:+-$WANT} p run --rm "${flags[@]}" localhost/box "$@" </dev/null
	# The group of its monitors is all Podmans' of the host: another may have removed it just then.
	output=$(grep -v 'level=warning msg="Failed to add conmon to cgroupfs sandbox cgroup' <<<"$output" || true)
}
# box NAME [FLAG...]: one that stays
box() { p run -d --name "$1" "${@:2}" localhost/box sleep 1000 >/dev/null; }
in_state() { [ "$(p inspect -f '{{.State.Status}}' "$1")" = "$2" ]; }
logged() { p logs "$1" 2>&1 | grep -q "$2"; }
# peers FLAG... -- CMD...: the result, but for the order of lines, is the same with vzrun and with the runtimes that it stands in for
peers() {
	local r want
	once "$@"
	want="$status $(sort <<<"$output")"
	for r in crun runc; do
		once --runtime $r "$@"
		[ "$status $(sort <<<"$output")" = "$want" ] || { echo "vzrun: $want"; echo "$r: $status $output"; return 1; }
	done
}

# What a test may not leave: containers, their monitors and processes, groups, states, mounts
podman_left() {
	inside sh -c '
		podman ps -aq --external
		ps -eo pid=,comm=,args= | grep -vE "^ *[0-9]+ (ps|sh|grep|docker-init|sleep +sleep infinity)"
		ls /run/vzrun 2>/dev/null
		grep -F "$1" /proc/self/mountinfo | grep -vE " ($1/graph|$1/graph/overlay|/usr/local/bin|/etc/containers) "
	' - "$W"
	podman_groups
}
# Groups of containers of this world, by the ids that Podman gave
podman_groups() {
	jq -r 'select(.Type == "container") | .ID' "$W/libpod/events/events.log" | sort -u >"$W/ids"
	find /sys/fs/cgroup -depth -type d -path '*/libpod*' 2>/dev/null | grep -Ff "$W/ids"
	return 0
}
podman_clean() {
	[ -n "$(podman_left)" ] || return 0
	inside sh -c 'podman pod rm -fa -t 0; podman rm -fa -t 0; buildah rm -a' >/dev/null 2>&1
	local i
	for i in $(seq 20); do
		[ -n "$(podman_left)" ] || return 0
		sleep 0.2
	done
	echo "left behind:"
	podman_left
	return 1
}
podman_stop() {
	local bad=0
	world_stop || bad=1
	# Podman never removes its parents' groups; they go when nobody else uses them.
	find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} + 2>/dev/null
	return $bad
}
