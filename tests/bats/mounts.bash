# Shared by the suites of mounts: one mount at a time beside those of every bundle, seen from inside.
load helpers

mounts_setup() {
	engine_setup
	H=$BATS_TEST_TMPDIR/host; mkdir "$H"
	chmod 755 "$BATS_TEST_TMPDIR" "$B"
	N=$(jq '.mounts | length' "$B/config.json")
}
mounts_teardown() { umount_all; engine_teardown; }
umount_all() { local m; for m in $(mounts | awk '{ print $5 }' | sort -r); do umount "$m"; done; }

inside() { sh_ "$1"; go; ok; }
mnt() { cfg --arg h "$H" ".mounts = .mounts[:$N] + [$1]"; }
tmpfs() { mnt '{destination: "/m", type: "tmpfs", source: "t", options: '"$1}"; }
bind() { mnt '{destination: "/m", type: "bind", source: ($h + "/d"), options: '"$1}"; }
userns() {
	cfg '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 "$B/rootfs"
}
# mountinfo of /m inside: "ATTRIBUTES TAGS - TYPE SOURCE SUPERBLOCK"
of() { inside "awk '\$5 == \"/m\" { \$1 = \$2 = \$3 = \$4 = \$5 = \"\"; print }' /proc/self/mountinfo"; output=${output#"${output%%[! ]*}"}; }
attrs() { of; output=${output%% *}; }
