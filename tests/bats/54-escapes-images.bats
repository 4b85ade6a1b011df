#!/usr/bin/env bats
# Layers that lead out (61-hostile.bats has seventy of them, each with the line that refuses it): here what each would do
# where a defence is missing. Two stand behind one another: what a member may be called, and a process that has no other
# root than the layer.
load helpers
load escapes

setup_file() { need_escapes; }
setup() {
	T=$BATS_TEST_TMPDIR
	export VZRUN_HOME=$T/home
	mkdir "$T/victim"
	echo precious >"$T/victim/file"
	UP=../../../../../../../../../..$T/victim
}
# layer: members from standard input, "NAME KIND VALUE" each (f, d, l, h, c; x: a file with the attribute VALUE=y)
layer() {
	python3 - "$T/layer.tar" "$@" <<-'P'
	import io, sys, tarfile
	kinds = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "c": tarfile.CHRTYPE,
	         "x": tarfile.REGTYPE}
	t = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
	for name, kind, value in zip(*[iter(sys.argv[2:])] * 3):
	    i = tarfile.TarInfo(name)
	    i.type, i.mode, data = kinds[kind], 0o755, b""
	    if kind in "lh": i.linkname = value
	    elif kind == "c": i.devmajor, i.devminor = 1, 1
	    elif kind == "x": i.pax_headers = {"SCHILY.xattr." + value: "y"}
	    elif kind == "f": data = value.encode()
	    i.size = len(data)
	    t.addfile(i, io.BytesIO(data))
	t.close()
	P
}
import() { rm -rf "$VZRUN_HOME"; run "$VZ-image" import --ref evil:1 "$T/layer.tar"; }
in_store() { find "$VZRUN_HOME/images/layers" -name "$1" 2>/dev/null; }

@test "a file is written through a symbolic link of the layer (CVE-2014-6407)" {
	layer a l "$T/victim" a/pwned f x
	through() { import; [ -e "$T/victim/pwned" ]; }
	beats no-links,confine through
	rm "$T/victim/pwned"
	alone_enough no-links,confine through
}

@test "a file is written above the layer by its name (CVE-2014-9357)" {
	layer "$UP/pwned" f x
	above() { import; [ -e "$T/victim/pwned" ]; }
	beats member-names,no-links,confine above
	rm "$T/victim/pwned"
	alone_enough member-names,confine above
}

@test "a file of the host's is linked into the layer" {
	layer mine h "$UP/file"
	linked() { import; [ "$(stat -c %h "$T/victim/file")" -gt 1 ]; }
	beats member-names,no-links,confine linked
	rm -rf "$VZRUN_HOME"
	alone_enough member-names,confine linked
}

@test "a device node comes with the layer" {
	layer mem c -
	node() { import; [ -c "$(in_store mem)" ]; }
	beats member-devices,confine node
	alone_enough member-devices,confine node
}

@test "an attribute of the layer sends overlayfs elsewhere" {
	layer d x user.overlay.redirect
	redirect() { import; [ -n "$(in_store d)" ] && getfattr -m - "$(in_store d)" 2>/dev/null | grep -q user.overlay; }
	beats member-attributes redirect
}

@test "an archive that expands a thousand times" {
	python3 -c 'import io, tarfile; t = tarfile.open("'"$T"'/layer.tar", "w:gz"); i = tarfile.TarInfo("z"); i.size = 32 << 20
t.addfile(i, io.BytesIO(bytes(i.size))); t.close()'
	bomb() { import; [ "$status" = 0 ]; }
	VZ=$PRODUCT
	VZRUN_IMAGE_LIMITS=ratio=100,ratio-from=1M run ! attack 1 bomb
	attack 1 bomb || { echo "$output"; return 1; }
}
