#!/usr/bin/env bats
# Idmapped volumes as Podman asks for them; the results are crun's.
load helpers
load podman

MAPS=(--uidmap 0:100000:5000 --gidmap 0:200000:5000)
setup_file() { podman_start; mkdir "$W/vol"; echo text >"$W/vol/f"; chown 5:6 "$W/vol/f"; }
teardown_file() { podman_stop; }
teardown() { podman_clean; }

# same FLAG... -- CMD...: with vzrun as with crun
same() {
	local want
	once --runtime crun "$@"; want="$status $output"
	once "$@"
	# Newer ones need more of the host than this one grants, and then compare with nothing.
	[[ "$want" == 126\ * ]] || [ "$status $output" = "$want" ] || { echo "vzrun: $status $output"; echo "crun:  $want"; return 1; }
}

@test "idmap: the container's maps, its own, relative to the container" {
	same "${MAPS[@]}" -v "$W/vol:/v:idmap" -- stat -c %u:%g /v /v/f
	says "0:0
5:6"
	same "${MAPS[@]}" -v "$W/vol:/v:idmap=uids=0-100010-20;gids=0-200020-20" -- stat -c %u:%g /v /v/f
	says "10:20
15:26"
	same "${MAPS[@]}" -v "$W/vol:/v:idmap=uids=@0-30-1#@5-40-2;gids=@0-50-20" -- stat -c %u:%g /v /v/f
	says "30:50
40:56"
	same -v "$W/vol:/v:idmap=uids=0-7-10;gids=0-8-10,ro" -- stat -c %u:%g /v /v/f
	says "7:8
12:14"
	# crun takes no option that names but one kind of ids; since 5 Podman makes mappings of it, which want both.
	case $(podman --version) in
	*" 4."*) ;;
	*) once -v "$W/vol:/v:idmap=uids=0-7-10" -- true; has "mounts[0].gidMappings: missing"; return 0 ;;
	esac
	once -v "$W/vol:/v:idmap=uids=0-7-10" -- stat -c %u:%g /v /v/f
	says "7:0
12:6"
	once "${MAPS[@]}" -v "$W/vol:/v:idmap=uids=@0-7-10" -- stat -c %u:%g /v /v/f
	says "7:0
12:6"
}
