#!/usr/bin/env bats
# Every kind of source, made here; what the store keeps, shows, checks and gives back.
load images

setup() { images_setup; }
make_source() { python3 "$BATS_TEST_DIRNAME/60-images.py" "$1" "$2"; }
tree() {
	mkdir -p "$T/tree/etc" "$T/tree/d"
	echo root > "$T/tree/etc/name"
	ln "$T/tree/etc/name" "$T/tree/etc/same"
	ln -s /etc/name "$T/tree/link"
	install -m 4755 /bin/true "$T/tree/d/suid"
	chown 1000:1001 "$T/tree/d"
	touch -d 2001-02-03 "$T/tree/etc/name" "$T/tree/d"
	mkfifo "$T/tree/fifo"
	truncate -s 40M "$T/tree/sparse"
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.note", b"hello")' "$T/tree/etc/name"
	setcap cap_net_raw+ep "$T/tree/d/suid" 2>/dev/null || true
}
xattr() { python3 -c 'import os, sys; print(os.getxattr(sys.argv[1], sys.argv[2]).decode())' "$@"; }
# The layer's path of an image of one layer.
layer() { img resolve "$1" | tail -1; }
same_tree() {
	(cd "$1" && find . -printf '%p %y %m %U %G %s %n %l %TY%Tm%Td\n' | sort | sed 's/^\. .*//; s/ d \(.*\) [0-9]* [0-9]* / d \1 /') > "$T/a"
	(cd "$2" && find . -printf '%p %y %m %U %G %s %n %l %TY%Tm%Td\n' | sort | sed 's/^\. .*//; s/ d \(.*\) [0-9]* [0-9]* / d \1 /') > "$T/b"
	diff "$T/a" "$T/b"
}
refused() {
	run -"$1" img "${@:3}"
	[ "$output" = "vzrun-image: $2" ] || { echo "got:  $output"; echo "want: vzrun-image: $2"; false; }
}

@test "a directory" {
	tree
	run img import "$T/tree"
	[ "$status" -eq 0 ]
	[[ "$output" == tree:latest\ sha256:* ]]
	same_tree "$T/tree" "$(layer tree)"
	[ "$(xattr "$(layer tree)/etc/name" user.note)" = hello ]
	getcap "$T/tree/d/suid" | sed 's,.* ,,' > "$T/a"; getcap "$(layer tree)/d/suid" | sed 's,.* ,,' > "$T/b"
	diff "$T/a" "$T/b"
	[ "$(stat -c %b "$(layer tree)/sparse")" -lt 100 ]
	[ "$(stat -c %a "$S")" = 700 ]
}

@test "a directory twice is the same layer" {
	tree
	img import --ref a:1 "$T/tree"
	img import --ref b:1 "$T/tree"
	[ "$(layer a:1)" = "$(layer b:1)" ]
	[ "$(ls "$S/layers" | wc -l)" -eq 1 ]
}

@test "a tar, plain, gz, xz, zst, with and without ./" {
	tree
	setcap -r "$T/tree/d/suid" 2>/dev/null || true
	tar -C "$T/tree" --xattrs -cf "$T/plain.tar" .
	tar -C "$T/tree" --xattrs -czf "$T/g.tar.gz" etc d link fifo sparse
	xz -k0 -c "$T/plain.tar" > "$T/x.tar.xz"
	zstd -q -c "$T/plain.tar" > "$T/z.tar.zst"
	tar -C "$T/tree" --xattrs -S -cf "$T/hole.tar" .
	for f in plain.tar g.tar.gz x.tar.xz z.tar.zst hole.tar; do
		run img import --ref "t/${f%%.*}:1" "$T/$f"
		[ "$status" -eq 0 ]
		same_tree "$T/tree" "$(layer "t/${f%%.*}:1")"
	done
	[ "$(layer t/plain:1)" = "$(layer t/x:1)" ]
	[ "$(layer t/plain:1)" = "$(layer t/z:1)" ]
	[ "$(stat -c %b "$(layer t/hole:1)/sparse")" -lt 100 ]
	run img verify
	[ "$output" = "all is as its digests say" ]
}

@test "a tar through a pipe" {
	tree
	tar -C "$T/tree" -cf - . | img import --ref piped:1 -
	same_tree "$T/tree" "$(layer piped:1)"
	run -0 bash -c 'tar -C "$1" -cf - . | "$2" image import -' - "$T/tree" "$BUILD/vzrun"
	[[ "$output" == image:latest\ * ]]
	run -2 "$BUILD/vzrun" image import - </dev/null
	[ "$output" = "vzrun: import: -: neither a directory nor an archive" ]
	tar -C "$T/tree" -cf - . >"$T/piped.tar"
	VZRUN_IMAGE_LIMITS=bytes=4096 refused 13 "import: -: larger than 4096 bytes" import - < <(cat "$T/piped.tar")
}

@test "a signal ends an import, and nothing of it is left" {
	tree
	mkfifo "$T/pipe"
	"$BUILD/vzrun" image import - <"$T/pipe" & pid=$!
	exec 8>"$T/pipe"
	tar -C "$T/tree" -cf - . >&8
	for i in $(seq 200); do [ -z "$(ls "$S/tmp" 2>/dev/null)" ] || break; sleep 0.05; done
	[ -n "$(ls "$S/tmp")" ]
	kill -TERM $pid
	ended=0; wait $pid || ended=$?
	[ "$ended" -eq 143 ]
	exec 8>&-
	[ -z "$(ls "$S/tmp")" ]
}

@test "GNU names, long names, names that are not UTF-8" {
	mkdir -p "$T/n/$(printf 'x%.0s' {1..200})/$(printf 'y%.0s' {1..200})"
	touch "$T/n/"$'bad-\xff' "$T/n/"$'e\xcc\x81' "$T/n/"$'\xc3\xa9'
	for f in gnu pax; do
		tar -C "$T/n" --format=$f -cf "$T/$f.tar" .
		img import --ref n/$f:1 "$T/$f.tar"
		same_tree "$T/n" "$(layer n/$f:1)"
	done
}

@test "an OCI layout: layers, whiteouts, opaque directories, its own name" {
	make_source layout "$T/oci"
	run img import "$T/oci"
	[ "$status" -eq 0 ]
	[[ "$output" == example.org/two:1.0\ * ]]
	mapfile -t l < <(img resolve example.org/two:1.0 | tail -n +2)
	[ "${#l[@]}" -eq 2 ]
	[ "$(stat -c '%F %t %T' "${l[1]}/etc/gone")" = "character special file 0 0" ]
	[ "$(stat -c '%F %t %T' "${l[1]}/sub")" = "character special file 0 0" ]
	[ "$(xattr "${l[1]}/opq" trusted.overlay.opaque)" = y ]
	[ "$(xattr "${l[1]}/again" trusted.overlay.opaque)" = y ]
	run img --json resolve example.org/two:1.0
	[ "$(jq -r '.schema+" "+.user+" "+.workdir+" "+.cmd[0]+" "+.env[0]' <<<"$output")" = "vzrun/1 7:8 /etc /bin/a A=b" ]
}

@test "overlayfs and copy show the same tree" {
	make_source layout "$T/oci"
	img import "$T/oci"
	mapfile -t l < <(img resolve example.org/two:1.0 | tail -n +2)
	mkdir "$T/flat" "$T/mnt"
	img copy example.org/two:1.0 "$T/flat"
	unshare -m sh -c "mount -t overlay overlay -o lowerdir=${l[1]}:${l[0]} '$T/mnt' && cd '$T/mnt' && find . -type f -o -type l | sort" > "$T/over"
	(cd "$T/flat" && find . -type f -o -type l | sort) > "$T/copied"
	diff "$T/over" "$T/copied"
	[ "$(cat "$T/copied" | tr '\n' ' ')" = "./again/new ./bin/a ./bin/b ./etc/keep ./etc/over ./opq/above " ]
	[ "$(cat "$T/flat/etc/over")" = new ]
	[ "$(stat -c %h "$T/flat/bin/a")" = 2 ]
	[ "$(python3 -c 'import os, sys; print(os.listxattr(sys.argv[1]))' "$T/flat/opq")" = "[]" ]
	refused 5 "copy to $T/flat: the directory is not empty" copy example.org/two:1.0 "$T/flat"
}

@test "a whiteout, and then something below it: a new directory, with nothing of the lower one" {
	make_source covered "$T/oci"
	img import "$T/oci"
	mkdir "$T/flat"
	img copy covered:1 "$T/flat"
	[ "$(cd "$T/flat" && find sub again -type f | sort | tr '\n' ' ')" = "again/new sub/deep/new " ]
	for d in sub again; do [ "$(xattr "$(layer covered:1)/$d" trusted.overlay.opaque)" = y ]; done
}

@test "what an image says of itself neither commands the terminal nor takes a template's place" {
	make_source boastful "$T/oci"
	run -13 img import "$T/oci"
	[ "${lines[0]}" = "vzrun-image: $T/oci: calls itself template/debian:bookworm, which is a template's name" ]
	[ -z "$(ls "$S/refs")" ]
	img import --ref other:1 "$T/oci"
	run -0 img ls
	[[ "${lines[1]}" == *"?]0;mine???31m?false:1 sha256:0" ]]
	[ "${#lines[@]}" -eq 2 ]
	# nor puts words into the mouth of what refuses it
	sed -i 's,^{"schemaVersion": 2\, "mediaType": "[^"]*",{"schemaVersion": 2\, "mediaType": "x\\n  try    false",' "$T/oci/index.json"
	run -13 img import "$T/oci"
	[ "$output" = "vzrun-image: import: $T/oci: index.json: media type \"x?  try    false\" is not an index" ]
}

@test "an OCI archive, and an index within an index" {
	make_source nested "$T/multi"
	tar -C "$T/multi" -cf "$T/multi.tar" oci-layout blobs index.json
	run img import "$T/multi.tar"
	[ "$status" -eq 0 ]
	[[ "$output" == multi:v7\ * ]]
	[ "$(cat "$(layer multi:v7)/etc/keep")" = lower ]
}

@test "an image for another machine, an archive of several" {
	make_source foreign "$T/foreign"
	refused 13 "import: $T/foreign: no image for linux/amd64" import "$T/foreign"
	make_source several "$T/several"
	refused 13 "import: $T/several: holds 2 images
  try    --ref with the name of one of them, such as one:1" import "$T/several"
	run -0 img import --ref two:1 "$T/several"
}

@test "a layer that occurs twice is mounted once" {
	make_source twice "$T/twice"
	img import "$T/twice"
	[ "$(img --json resolve twice:1 | jq '.layers|length')" = 2 ]
}

@test "a docker archive" {
	make_source saved "$T/saved"
	tar -C "$T/saved" -cf "$T/saved.tar" .
	run img import "$T/saved.tar"
	[ "$status" -eq 0 ]
	[[ "$output" == saved/app:2\ * ]]
	[ "$(img --json resolve saved/app:2 | jq -r '.entrypoint[0]')" = /bin/b ]
	[ "$(img --json resolve saved/app:2 | jq '.layers|length')" = 2 ]
}

@test "a docker archive of a builder without a daemon: digests as names, compressed layers" {
	make_source packed "$T/saved"
	tar -C "$T/saved" -cf "$T/saved.tar" .
	run img import "$T/saved.tar"
	[[ "$output" == saved/app:2\ * ]]
	[ "$(img --json resolve saved/app:2 | jq '.layers|length')" = 2 ]
}

@test "tampered blobs are refused, whichever it is" {
	make_source layout "$T/oci"
	for b in "$T"/oci/blobs/sha256/*; do
		rm -rf "$T/bad" && cp -r "$T/oci" "$T/bad"
		f="$T/bad/blobs/sha256/$(basename "$b")"
		printf X | dd of="$f" bs=1 seek=20 conv=notrunc status=none
		d="sha256:$(basename "$b")" now="sha256:$(sha256sum < "$f" | cut -d' ' -f1)"
		run -13 img import "$T/bad"
		[[ "$output" == "vzrun-image: import: $T/bad: "*"blob $d: its content is $now" ]] || { echo "$output"; false; }
		rm "$f"
		run -13 img import "$T/bad"
		[[ "$output" == *"blob $d: missing" ]]
		cp "$b" "$f" && echo >> "$f"
		run -13 img import "$T/bad"
		[[ "$output" == *"blob $d: larger than $(stat -c %s "$b") bytes" ]]
	done
	[ -z "$(ls "$S/layers" "$S/blobs/sha256" "$S/refs" "$S/tmp" | grep -v :)" ]
}

@test "a link among the blobs leads nowhere outside" {
	make_source layout "$T/oci"
	b=$(ls "$T/oci/blobs/sha256" | head -1)
	mv "$T/oci/blobs/sha256/$b" "$T/elsewhere"
	ln -s "$T/elsewhere" "$T/oci/blobs/sha256/$b"
	run -13 img import "$T/oci"
	[[ "$output" == *"blob sha256:$b: missing" ]]
}

@test "a store that rots says so" {
	tree
	img import --ref rot:1 "$T/tree"
	big=$(ls -S "$S/blobs/sha256" | head -1)
	printf X | dd of="$S/blobs/sha256/$big" bs=1 seek=30 conv=notrunc status=none
	run -13 img verify
	[[ "$output" == "rot:1: blob sha256:$big: its content is sha256:"* ]]
	# Not unpacked again from such a blob either.
	rm -r "$(layer rot:1)"
	run -13 img resolve rot:1
	[[ "$output" == *"blob sha256:$big: its content is sha256:"* ]]
	rm "$S/blobs/sha256/$big"
	run -13 img resolve rot:1
	[[ "$output" == *"blob sha256:$big: missing from the image store" ]]
}

@test "a layer that is gone is unpacked again" {
	tree
	img import --ref back:1 "$T/tree"
	l=$(layer back:1)
	rm -r "$l"
	[ "$(layer back:1)" = "$l" ]
	same_tree "$T/tree" "$l"
}

@test "tag, ls, rm, prune: nothing in use is removed" {
	tree
	img import --ref one:1 "$T/tree"
	img tag one:1 two:2
	run img ls
	[ "${#lines[@]}" -eq 3 ]
	[[ "${lines[0]}" == REF* && "${lines[1]}" == one:1* && "${lines[2]}" == two:2* ]]
	[ "$(img --json ls | jq -r '.schema + .images[1].ref')" = vzrun/1two:2 ]
	l=$(layer one:1)
	mkdir -p "$VZRUN_HOME/guests/web"
	echo "{\"ociVersion\":\"1.0.0\",\"vzrun\":{\"layers\":[\"$l\"]}}" > "$VZRUN_HOME/guests/web/config.json"
	img rm one:1 two:2
	[ -d "$l" ]
	[ -z "$(ls "$S/blobs/sha256")" ]
	refused 3 "image one:1: not in the store" rm one:1
	echo "{" > "$VZRUN_HOME/guests/web/config.json"
	run img prune
	[ "$status" -ne 0 ]
	[[ "$output" == "vzrun-image: prune: guests/web: "* ]]
	[ -d "$l" ]
	rm -r "$VZRUN_HOME/guests/web"
	img prune
	[ ! -e "$l" ]
}

@test "by digest" {
	tree
	d=$(img import --ref dig:1 "$T/tree" | cut -d' ' -f2)
	run -0 img resolve "dig@$d"
	refused 3 "image dig@sha256:$(printf '0%.0s' {1..64}): not in the store" resolve "dig@sha256:$(printf '0%.0s' {1..64})"
	refused 3 "image other@$d: not in the store" resolve "other@$d"
}

@test "forty at once" {
	tree
	for i in $(seq 40); do img import --ref "p/$((i % 7)):1" "$T/tree" > "$T/out.$i" 2>&1 & p[$i]=$!; done
	for i in $(seq 40); do wait "${p[$i]}" || { cat "$T/out.$i"; false; }; done
	for i in $(seq 40); do img resolve "p/$((i % 7)):1" > "$T/out.$i" 2>&1 & p[$i]=$!; done
	for i in $(seq 40); do wait "${p[$i]}" || { cat "$T/out.$i"; false; }; done
	[ "$(ls "$S/layers" | wc -l)" -eq 1 ]
	[ -z "$(ls "$S/tmp")" ]
}

@test "forty want the template at once" {
	[ -x /bin/busybox ] || skip "no busybox"
	for i in $(seq 40); do img template busybox > "$T/out.$i" 2>&1 & p[$i]=$!; done
	for i in $(seq 40); do wait "${p[$i]}" || { cat "$T/out.$i"; false; }; done
	[ "$(sort -u "$T"/out.* | wc -l)" -eq 1 ]
}

@test "kill -9 leaves only what the next command removes" {
	tree
	for i in $(seq 400); do cp "$T/tree/d/suid" "$T/tree/f$i"; done
	img import --ref done:1 "$T/tree"
	full=$(find "$S/layers" | wc -l)
	for ms in 005 010 020 030 050 080 120 200; do
		rm -rf "$S"
		exec 8> >(exec cat > /dev/null); reader=$!
		"$BUILD/vzrun-image" import --ref k:1 "$T/tree" >&8 2>&1 & pid=$!
		exec 8>&-
		sleep 0.$ms
		kill -9 $pid 2>/dev/null || true
		wait $pid || true
		# Its children hold the pipe too, and a busy machine takes its time to end them.
		wait $reader
		for l in "$S"/layers/*; do [ ! -d "$l" ] || [ "$(find "$S/layers" | wc -l)" -eq "$full" ]; done
		img template busybox
		[ -z "$(ls "$S/tmp")" ]
		img prune
		img verify
	done
}

@test "SIGINT, and words that make no sense" {
	refused 2 "no command given"
	refused 2 "fetch: no such command" fetch
	refused 2 "--what: no such option" ls --what
	refused 2 "usage: vzrun-image tag REF NEW" tag a
	refused 3 "import $T/none: No such file or directory" import "$T/none"
	: > "$T/empty.tar"
	refused 13 "import: $T/empty.tar: archive: empty" import "$T/empty.tar"
	head -c 5000 /dev/urandom > "$T/noise"
	run -13 img import "$T/noise"
	refused 2 'reference "Big": "Big" is not a name (lower-case letters and digits, single separators between)' import --ref Big "$T/noise"
	run -1 bash -c '"$0" ls 2>&1 >/dev/full' "$BUILD/vzrun-image"
	[ "$output" = "vzrun-image: write to standard output: No space left on device" ]
	run -3 img --json resolve nothing:1
	[ "$(jq -r '.error.msg' <<<"$output")" = "image nothing:1: not in the store" ]
	run -2 "$BUILD/vzrun" image tag a
	[ "${lines[0]}" = "vzrun: image tag: too few arguments; usage: vzrun image tag REF NEW" ]
	run -3 "$BUILD/vzrun" image rm nothing:1
	[ "$output" = "vzrun: image nothing:1: not in the store" ]
	run -0 "$BUILD/vzrun" help image import
	[[ "$output" == *"--allow-devices"* ]]
}

@test "the busybox template" {
	[ -x /bin/busybox ] || skip "no busybox"
	img template busybox
	l=$(layer template/busybox)
	[ "$(readlink "$l/sbin/init")" = /bin/busybox ]
	[ "$(unshare -m --pid --fork chroot "$l" /bin/sh -c 'echo $((6*7)); ls /etc | wc -l')" = "42
7" ]
	VZRUN_BUSYBOX=/bin/ls refused 8 "/bin/ls is dynamically linked; the template needs a static one
  try    apt-get install busybox-static" --home "$T/h2" template busybox
}

@test "template names never become options" {
	for n in debian:--foo debian:-x "debian:a b" debian: debian:../x debian:A "debian:x;y" 'debian:$(x)'; do
		run -2 img template "$n"
		[[ "$output" == "vzrun-image: template \"$n\": \""*"\" is not a suite" ]] || { echo "$output"; false; }
	done
	refused 2 'template "ubuntu": neither debian:SUITE nor busybox' template ubuntu
	refused 2 'template "debian:bookworm/kde": no such variant (minbase, system)' template debian:bookworm/kde
	VZRUN_MMDEBSTRAP=/nonexistent refused 8 "template debian:bookworm: mmdebstrap is not installed
  try    apt-get install mmdebstrap" template debian:bookworm
}
