#!/usr/bin/env bats
# Layers made to get out, to mislead or to fill the disk. Each is refused by its own line, nothing outside is
# written, and nothing is left in the store. The table is 61-hostile.py.
load images

setup() {
	images_setup
	export OUTSIDE="$T/outside"
	mkdir -p "$OUTSIDE" "$T/cases"
	echo precious > "$OUTSIDE/victim"
	chmod 600 "$OUTSIDE/victim"
	touch -d 2001-01-01 "$OUTSIDE/victim" "$OUTSIDE"
	BEFORE=$(state)
}
state() { find "$OUTSIDE" -printf '%p %y %m %n %s %T@\n'; cat "$OUTSIDE/victim"; ls -la /pwned "$T/pwned" "$S/pwned" 2>/dev/null || true; }
clean_store() { [ -z "$(cd "$S" && ls layers blobs/sha256 refs tmp | grep -v ':$')" ]; }

# NAME: an archive below cases; its exact line, or any one line of the archive's when the table leaves it open.
check() {
	local tar="$T/cases/$1.tar" want
	want=$(cat "$T/cases/$1.want")
	VZRUN_IMAGE_LIMITS=$(cat "$T/cases/$1.limits") run img import --ref evil:1 "$tar"
	if [ "$status" -ne 13 ] || { [ -n "$want" ] && [ "$output" != "vzrun-image: import: $tar: $want" ]; } ||
		[ "${#lines[@]}" -ne 1 ] || [[ "$output" == *"killed by signal"* ]]; then
		printf '%s: status %s\n got  %s\n want vzrun-image: import: %s: %s\n' "$1" "$status" "$output" "$tar" "$want"
		return 1
	fi
	clean_store || { echo "$1: left in the store:"; find "$S"; return 1; }
	[ "$(state)" = "$BEFORE" ] || { echo "$1: something outside changed"; state; return 1; }
}

@test "every hostile layer is refused by its own line" {
	python3 "$BATS_TEST_DIRNAME/61-hostile.py" "$T/cases"
	bad=0 n=0
	for f in "$T"/cases/*.tar; do
		n=$((n + 1))
		check "$(basename "$f" .tar)" || bad=$((bad + 1))
	done
	echo "$n cases, $bad bad"
	[ "$n" -gt 70 ]
	[ "$bad" -eq 0 ]
}

@test "the same layer inside an OCI layout is refused too, and a good one before it does not stay" {
	python3 "$BATS_TEST_DIRNAME/61-hostile.py" "$T/cases"
	python3 - "$BATS_TEST_DIRNAME/60-images.py" "$T/oci" "$T/cases/link-write.tar" <<'P'
import sys
src, at, evil = sys.argv[1:]
sys.argv = ["x", "layout", at + ".unused"]
exec(compile(open(src).read(), src, "exec"))
o = Layout(at)
o.write([named(o.image([layer(LOWER), open(evil, "rb").read()]), "evil:1")])
P
	run -13 img import "$T/oci"
	[ "$output" = "vzrun-image: import: $T/oci: layers[1]: layer: a/pwned: its directory a is no directory of the layer" ] || { echo "$output"; false; }
	clean_store
	[ "$(state)" = "$BEFORE" ]
}

@test "an archive of blobs cannot lead out either" {
	mkdir "$T/o"
	echo '{"imageLayoutVersion":"1.0.0"}' > "$T/o/oci-layout"
	ln -s "$OUTSIDE/victim" "$T/o/index.json"
	tar -C "$T/o" -cf "$T/o.tar" oci-layout index.json
	run -13 img import "$T/o.tar"
	[[ "$output" == "vzrun-image: import: $T/o.tar: "*"index.json"*"No such file or directory" ]] || { echo "$output"; false; }
	[ "$(state)" = "$BEFORE" ]
	clean_store
}

@test "a directory with names that a layer cannot have" {
	mkdir -p "$T/d/etc"
	touch "$T/d/etc/.wh.x"
	run -13 img import "$T/d"
	[ "$output" = "vzrun-image: import: $T/d: ./etc/.wh.x: a layer would take this name for a whiteout" ] || { echo "$output"; false; }
	clean_store
}

@test "what is unusual but harmless is kept: setuid, capability, ACL, the last of two files, devices below dev left out" {
	python3 - "$T/fine.tar" <<'P'
import io, struct, sys, tarfile
t = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
def add(name, kind, data=b"", mode=0o644, pax={}, **kw):
    i = tarfile.TarInfo(name)
    i.type, i.mode, i.size, i.pax_headers = kind, mode, len(data), pax
    for k, v in kw.items():
        setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
cap = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0).decode("latin1")
add("/abs", tarfile.REGTYPE, b"absolute")
add("./suid", tarfile.REGTYPE, b"x", 0o6755)
add("ping", tarfile.REGTYPE, b"x", 0o755, {"SCHILY.xattr.security.capability": cap})
add("two", tarfile.REGTYPE, b"first")
add("two", tarfile.REGTYPE, b"second")
add("deep/er/f", tarfile.REGTYPE, b"no parents")
add("out", tarfile.SYMTYPE, linkname="../../../../etc/passwd")
add("dev", tarfile.DIRTYPE, mode=0o755)
add("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3)
add("mac", tarfile.REGTYPE, b"x", 0o644, {"SCHILY.xattr.com.apple.quarantine": "q"})
t.close()
P
	img import --ref fine:1 "$T/fine.tar"
	l=$(img resolve fine:1 | tail -1)
	[ "$(cat "$l/abs")$(cat "$l/two")$(cat "$l/deep/er/f")" = "absolutesecondno parents" ]
	[ "$(stat -c %a "$l/suid")" = 6755 ]
	getcap "$l/ping" | grep -q cap_net_raw
	[ "$(readlink "$l/out")" = ../../../../etc/passwd ]
	[ ! -e "$l/dev/null" ]
	[ "$(state)" = "$BEFORE" ]
}

@test "device nodes, when they are asked for" {
	mkdir -p "$T/d/x"
	mknod "$T/d/x/zero" c 1 5
	run -13 img import --ref dev:1 "$T/d"
	[ "$output" = "vzrun-image: import: $T/d: ./x/zero: a device node" ]
	img import --ref dev:1 --allow-devices "$T/d"
	[ "$(stat -c '%F %t %T' "$(img resolve dev:1 | tail -1)/x/zero")" = "character special file 1 5" ]
	python3 - "$T" <<'P'
import sys, tarfile
for name, n in ("bits", 4096), ("digits", 2 ** 32 + 1):
    with tarfile.open("%s/%s.tar" % (sys.argv[1], name), "w", format=tarfile.GNU_FORMAT) as t:
        i = tarfile.TarInfo("x")
        i.type, i.devmajor, i.devminor = tarfile.BLKTYPE, n, 1
        t.addfile(i)
P
	run -13 img import --ref dev:2 --allow-devices "$T/bits.tar"
	[ "$output" = "vzrun-image: import: $T/bits.tar: x: device 4096:1: the kernel has no such number" ]
	run -13 img import --ref dev:2 --allow-devices "$T/digits.tar"
	[[ "$output" = *"x: device 4294967295:1: the kernel has no such number" ]]
}

@test "the extractor has its own root, no network, few capabilities" {
	# Large enough to be looked at while it works.
	mkdir "$T/d"
	head -c 300M /dev/urandom > "$T/d/big"
	tar -C "$T/d" -cf - big | zstd -q -1 > "$T/big.tar.zst"
	"$BUILD/vzrun-image" import --ref slow:1 "$T/big.tar.zst" & pid=$!
	caps=
	for i in $(seq 3000); do
		[ -d /proc/$pid ] || break
		for c in $(pgrep -P $pid); do
			grep -q '^CapEff:.000000008000001b' /proc/$c/status 2>/dev/null || continue
			kill -STOP $c
			caps=$(awk '/^Cap(Inh|Prm|Eff|Bnd|Amb)|^NoNewPrivs/ {printf "%s ", $2}' /proc/$c/status)
			root=$(ls -A /proc/$c/root)
			net=$(readlink /proc/$c/ns/net) pidns=$(readlink /proc/$c/ns/pid)
			mounts=$(wc -l < /proc/$c/mountinfo)
			fds=$(ls -l /proc/$c/fd | grep -c -- '->')
			kill -CONT $c
			break 2
		done
	done
	kill -9 $pid || true
	wait $pid || true
	zero=0000000000000000
	[ "$caps" = "$zero 000000008000001b 000000008000001b $zero $zero 1 " ] || { echo "caps $caps"; false; }
	[ "$root" = "big" ] || [ -z "$root" ] || { echo "root $root"; false; }
	[ "$net" != "$(readlink /proc/self/ns/net)" ]
	[ "$pidns" != "$(readlink /proc/self/ns/pid)" ]
	[ "$mounts" -eq 1 ]
	[ "$fds" -le 8 ]
}
