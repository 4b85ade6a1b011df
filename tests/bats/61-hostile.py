#!/usr/bin/env python3
"""Hostile layers for 61-hostile.bats: writes NAME.tar, NAME.want (the error line) and NAME.limits below argv[1]."""
import bz2, gzip, io, os, struct, sys, tarfile

OUT = sys.argv[1]
TYPES = {"f": tarfile.REGTYPE, "d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "c": tarfile.CHRTYPE,
         "b": tarfile.BLKTYPE, "p": tarfile.FIFOTYPE}


def tar(members, fmt=tarfile.PAX_FORMAT):
    """A member is (name, kind, value): value is content, target, or (major, minor); a fourth item: pax headers."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt, encoding="utf-8", errors="surrogateescape") as t:
        for m in members:
            i = tarfile.TarInfo(m[0])
            i.type, i.mode = TYPES[m[1]], 0o755
            data = b""
            if m[1] in "lh":
                i.linkname = m[2]
            elif m[1] in "cb":
                i.devmajor, i.devminor = m[2]
            elif m[1] == "f":
                data = m[2].encode() if isinstance(m[2], str) else m[2]
            i.size = len(data)
            i.pax_headers = m[3] if len(m) > 3 else {}
            t.addfile(i, io.BytesIO(data))
    return out.getvalue()


def raw_header(name, size, typeflag=b"0", link=b""):
    h = bytearray(512)
    h[0:len(name)] = name
    h[100:108], h[108:116], h[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    h[124:136] = b"%011o\0" % size if size < 8 ** 11 else b"\x80" + size.to_bytes(11, "big")
    h[136:148], h[148:156], h[156:157] = b"00000000000\0", b"        ", typeflag
    h[157:157 + len(link)] = link
    h[257:265] = b"ustar\00000"
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def case(name, data, want, limits=""):
    open(f"{OUT}/{name}.tar", "wb").write(data)
    open(f"{OUT}/{name}.want", "w", errors="surrogateescape").write(want or "")
    open(f"{OUT}/{name}.limits", "w").write(limits)


def members(name, ms, want, limits="", **kw):
    case(name, tar(ms, **kw), want, limits)


def x(key, value):
    return {"SCHILY.xattr." + key: value}


W = os.environ["OUTSIDE"]          # a directory outside that everything here aims at
CAP2 = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0).decode("latin1")

# Out of the layer by name.
members("dotdot", [("../pwned", "f", "x")], '../pwned: ".." in a name')
members("dotdot-inside", [("a", "d", ""), ("a/../../pwned", "f", "x")], 'a/../../pwned: ".." in a name')
members("dotdot-end", [("a/..", "d", "")], 'a/../: ".." in a name')
members("dotdot-dir", [("..", "d", "")], '../: ".." in a name')
members("dotdot-whiteout", [("a/../.wh.x", "f", "")], 'a/../.wh.x: ".." in a name')
# Through a symbolic link that came with it.
members("link-write", [("a", "l", W), ("a/pwned", "f", "x")],
        "a/pwned: its directory a is no directory of the layer")
members("link-write-relative", [("a", "l", "../../../../../../../../.." + W), ("a/pwned", "f", "x")],
        "a/pwned: its directory a is no directory of the layer")
members("link-write-root", [("a", "l", "/"), ("a/pwned", "f", "x")],
        "a/pwned: its directory a is no directory of the layer")
members("link-deep", [("d", "d", ""), ("d/a", "l", W), ("d/a/b/c/pwned", "f", "x")],
        "d/a/b/c/pwned: its directory d/a/b/c is no directory of the layer")
members("link-dir", [("a", "l", W), ("a", "d", "")], "a: given twice, then as a directory")
members("link-dir-slash", [("a", "l", W), ("a/", "d", "")], "a: given twice, then as a directory")
members("link-chain", [("a", "l", "b"), ("b", "l", W), ("a/pwned", "f", "x")],
        "a/pwned: its directory a is no directory of the layer")
members("link-within", [("real", "d", ""), ("a", "l", "real"), ("a/f", "f", "x")],
        "a/f: its directory a is no directory of the layer")
members("link-proc", [("a", "l", "/proc/self/root"), ("a/pwned", "f", "x")],
        "a/pwned: its directory a is no directory of the layer")
members("link-whiteout", [("a", "l", W), ("a/.wh.victim", "f", "")], "a/victim: its directory a is no directory of the layer")
members("link-opaque", [("a", "l", W), ("a/.wh..wh..opq", "f", "")], "a: its directory a is no directory of the layer")
members("link-fifo", [("a", "l", W), ("a/p", "p", "")], "a/p: its directory a is no directory of the layer")
members("file-as-dir", [("a", "f", "x"), ("a/b", "f", "x")], "a/b: its directory a is no directory of the layer")
members("parent-replaced", [("a", "d", ""), ("a/f", "f", "x"), ("a", "l", W), ("a/pwned", "f", "x")],
        "a: given twice, first as a directory")
members("dir-by-file", [("a", "d", ""), ("a", "f", "x")], "a: given twice, first as a directory")
members("file-by-dir", [("a", "f", "x"), ("a", "d", "")], "a: given twice, then as a directory")
members("root-link", [(".", "l", W)], ".: the root is not a directory")
# Hard links.
members("hard-out", [("a", "h", "../../../../.." + W + "/victim")],
        f'a: hard link out of the layer: ../../../../..{W}/victim: ".." in a name')
members("hard-absolute", [("a", "h", W + "/victim")], f"a: hard link to {W[1:]}/victim, which is no file of the layer")
members("hard-missing", [("a", "h", "etc/shadow")], "a: hard link to etc/shadow, which is no file of the layer")
members("hard-self", [("a", "h", "a")], "a: hard link to a, which is no file of the layer")
members("hard-dir", [("d", "d", ""), ("a", "h", "d")], "a: hard link to d, which is no file of the layer")
members("hard-through", [("l", "l", W), ("a", "h", "l/victim")], "a: hard link to l/victim, which is no file of the layer")
members("hard-whiteout", [(".wh.w", "f", ""), ("a", "h", "w")], "a: hard link to w, which is no file of the layer")
# Devices.
members("device", [("mem", "c", (1, 1))], "mem: a device node")
members("device-block", [("d", "d", ""), ("d/sda", "b", (8, 0))], "d/sda: a device node")
members("device-sneaky", [("devx", "c", (1, 1))], "devx: a device node")
members("device-whiteout", [("etc", "c", (0, 0))], "etc: a device node")
# Whiteouts.
members("wh-root", [(".wh.", "f", "")], '.wh.: a whiteout of ""')
members("wh-dot", [(".wh..", "f", "")], '.wh..: a whiteout of "."')
members("wh-dotdot", [("a", "d", ""), ("a/.wh...", "f", "")], 'a/.wh...: a whiteout of ".."')
members("wh-opaque-root", [(".wh..wh..opq", "f", "")], ".wh..wh..opq: hides the whole root")
members("wh-opaque-root2", [("./.wh..wh..opq", "f", "")], "./.wh..wh..opq: hides the whole root")
members("wh-below", [(".wh.a/b", "f", "x")], ".wh.a/b: below a whiteout")
members("wh-then-link", [(".wh.a", "f", ""), ("a", "l", "/etc"), ("a/b", "f", "x")], "a/b: its directory a is no directory of the layer")
members("wh-opaque-on-file", [("a", "f", "x"), ("a/.wh..wh..opq", "f", "")], "a: its directory a is no directory of the layer")
# Attributes.
for n, key in (("overlay", "trusted.overlay.opaque"), ("redirect", "trusted.overlay.redirect"), ("trusted", "trusted.x"),
               ("user-overlay", "user.overlay.redirect"), ("selinux", "security.selinux"), ("ima", "security.ima"),
               ("evm", "security.evm"), ("system", "system.sockprotoname")):
    members("xattr-" + n, [("a", "f", "x", x(key, "y"))], f"a: extended attribute {key}")
members("xattr-dir", [("a", "d", "", x("trusted.overlay.opaque", "y"))], "a: extended attribute trusted.overlay.opaque")
members("xattr-link", [("a", "l", "b", x("trusted.overlay.opaque", "y"))], "a: extended attribute trusted.overlay.opaque")
members("xattr-cap", [("a", "f", "x", x("security.capability", "short"))], "a: security.capability is not of version 2")
members("xattr-cap3", [("a", "f", "x", x("security.capability", "\0\0\0\x03" + "\x01" * 20))],
        "a: security.capability is not of version 2")
members("xattr-many", [("a", "f", "x", {f"SCHILY.xattr.user.k{i}": "v" for i in range(65)})],
        "a: more than 64 extended attributes or 65536 bytes of them")
members("xattr-big", [("a", "f", "x", x("user.k", "v" * 65536))], "a: more than 64 extended attributes or 65536 bytes of them")
# Names.
members("name-long", [("n" * 300, "f", "x")], "n" * 161 + "...: name longer than 255 bytes")
members("name-10k", [("n" * 10000, "f", "x")], "n" * 161 + "...: path longer than 4095 bytes")
members("name-10k-gnu", [("n" * 10000, "f", "x")], "n" * 161 + "...: path longer than 4095 bytes", fmt=tarfile.GNU_FORMAT)
members("name-control", [("a\x1b]0;pwned\x07/../b", "f", "x")], 'a\\x1b]0;pwned\\x07/../b: ".." in a name')
members("deep", [("/".join(["d"] * 300), "d", "")], ("d/" * 81)[:161] + "...: nested deeper than 256")
members("link-target-long", [("a", "l", "t" * 5000)], "a: a link target of 5000 bytes")
members("owner-negative", [("a", "f", "x", {"uid": "-1"})], "a: owner -1:0 out of range")
members("owner-large", [("a", "f", "x", {"uid": "4294967295"})], "a: owner 4294967295:0 out of range")
# Bombs.
case("bomb-gzip", gzip.compress(tar([("z", "f", bytes(4 << 20))]), 9), "z: archive: expands more than 100 times",
     "ratio=100,ratio-from=1M")
case("bomb-gzip-tail", gzip.compress(tar([("z", "f", "x")]) + bytes(8 << 20), 9), "archive: expands more than 100 times",
     "ratio=100,ratio-from=1M")
case("bomb-twice", gzip.compress(gzip.compress(tar([("z", "f", "x")]))), "archive: compressed more than once")
case("bomb-bytes", gzip.compress(tar([("z", "f", "x")]) + os.urandom(1 << 14) * 160), "archive: more than 1048576 bytes uncompressed", "bytes=1M")
case("bomb-sparse", tar([("z", "f", b"1\n0\n1\n".ljust(512, b"\0") + b"x", {
    "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "z", "GNU.sparse.realsize": str(1 << 50)})]),
    "z: the files are larger than 34359738368 bytes together")
case("bomb-size", raw_header(b"z", 1 << 60), "z: the files are larger than 34359738368 bytes together")
case("bomb-sum", tar([(f"z{i}", "f", bytes(400 << 10)) for i in range(4)]), None, "bytes=1M")
members("bomb-entries", [(f"f{i}", "f", "") for i in range(60)], "archive: more than 50 members", "entries=50")
# Broken ones: after a good file, so that something was written already.
GOOD = tar([("good", "f", "x" * 2000)])[:512 * 5]
case("cut", GOOD[:900], None)
case("cut-gzip", gzip.compress(tar([("good", "f", os.urandom(20000))]))[:9000], None)
case("garbage", GOOD + b"\xff" * 2048, None)
case("nothing", bytes(0), "archive: empty")
case("bzip2", bz2.compress(tar([("a", "f", "x")])), None)
