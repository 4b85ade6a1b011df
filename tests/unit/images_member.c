#include "images/member.h"
#include "images/probe.h"
#include "tests/unit/unit.h"

#include <sys/sysmacros.h>

static struct member m;

static int decide(const char *path, enum tar_type type, const char *link, bool devices)
{
	const struct member_rules rules = { &limits_default, devices, false };
	const struct tar_entry e = { .path = path, .type = type, .link = link, .rdev = makedev(1, 3) };

	return member_decide(&e, &rules, &m);
}

static void is(const char *path, enum tar_type type, enum member_what what, const char *clean)
{
	CHECK(decide(path, type, type == TAR_SYMLINK ? "x" : NULL, false) == 0);
	CHECK(m.what == what);
	CHECK_STR(m.path, clean);
}

TEST(paths)
{
	is("a/b", TAR_FILE, MEMBER_MAKE, "a/b");
	is("./a//b/./c", TAR_FILE, MEMBER_MAKE, "a/b/c");
	is("///a", TAR_FILE, MEMBER_MAKE, "a");
	is("./", TAR_DIR, MEMBER_MAKE, ".");
	is("/", TAR_DIR, MEMBER_MAKE, ".");
	is("a/", TAR_DIR, MEMBER_MAKE, "a");
	is("...", TAR_FILE, MEMBER_MAKE, "...");
	is("..a/b..", TAR_FILE, MEMBER_MAKE, "..a/b..");
	CHECK_FAILS(decide("", TAR_FILE, NULL, false), "a member with an empty name");
	CHECK_FAILS(decide("a/../b", TAR_FILE, NULL, false), "a/../b: \"..\" in a name");
	CHECK_FAILS(decide("/..", TAR_DIR, NULL, false), "/..: \"..\" in a name");
	CHECK_FAILS(decide(".", TAR_SYMLINK, "/", false), ".: the root is not a directory");
	CHECK_FAILS(decide("a\n\x1b/..", TAR_FILE, NULL, false), "a\\x0a\\x1b/..: \"..\" in a name");
	CHECK(err_class() == ERR_IMAGE);
}

TEST(whiteouts)
{
	is("a/.wh.b", TAR_FILE, MEMBER_WHITEOUT, "a/b");
	is(".wh.b", TAR_FILE, MEMBER_WHITEOUT, "b");
	is("./.wh.b", TAR_FILE, MEMBER_WHITEOUT, "b");
	is("a/b/.wh..wh..opq", TAR_FILE, MEMBER_OPAQUE, "a/b");
	is(".wh..wh.plnk", TAR_DIR, MEMBER_SKIP, ".wh..wh.plnk");
	is("a/.wh..wh.orph", TAR_FILE, MEMBER_SKIP, "a/.wh..wh.orph");
	is("a/.wh...b", TAR_FILE, MEMBER_WHITEOUT, "a/..b");
	is("a/.whx", TAR_FILE, MEMBER_MAKE, "a/.whx");
	CHECK_FAILS(decide(".wh..wh..opq", TAR_FILE, NULL, false), ".wh..wh..opq: hides the whole root");
	CHECK_FAILS(decide("a/.wh.", TAR_FILE, NULL, false), "a/.wh.: a whiteout of \"\"");
	CHECK_FAILS(decide("a/.wh..", TAR_FILE, NULL, false), "a/.wh..: a whiteout of \".\"");
	CHECK_FAILS(decide("a/.wh...", TAR_FILE, NULL, false), "a/.wh...: a whiteout of \"..\"");
	CHECK_FAILS(decide("a/.wh.b/c", TAR_FILE, NULL, false), "a/.wh.b/c: below a whiteout");
}

TEST(kinds)
{
	is("dev/null", TAR_CHAR, MEMBER_SKIP, "dev/null");
	is("./dev/x/y", TAR_BLOCK, MEMBER_SKIP, "dev/x/y");
	is("p", TAR_FIFO, MEMBER_MAKE, "p");
	CHECK(decide("dev/null", TAR_CHAR, NULL, true) == 0 && m.what == MEMBER_MAKE);
	CHECK_FAILS(decide("dev", TAR_CHAR, NULL, false), "dev: a device node");
	CHECK_FAILS(decide("devel/x", TAR_CHAR, NULL, false), "devel/x: a device node");
	CHECK_FAILS(decide("a", TAR_OTHER, NULL, false), "a: of unknown type");
	CHECK(decide("a", TAR_HARDLINK, "/./b//c", false) == 0);
	CHECK_STR(m.link, "b/c");
	CHECK_FAILS(decide("a", TAR_HARDLINK, "../b", false),
		    "a: hard link out of the layer: ../b: \"..\" in a name");
	CHECK(decide("a", TAR_SYMLINK, "../../b", false) == 0);
	CHECK_STR(m.link, "../../b");
	CHECK_FAILS(decide("a", TAR_SYMLINK, "", false), "a: a link target of 0 bytes");
}

TEST(fake_whiteout)
{
	const struct member_rules rules = { &limits_default, true, false };
	const struct tar_entry e = { .path = "etc", .type = TAR_CHAR };

	CHECK_FAILS(member_decide(&e, &rules, &m), "etc: a character device 0:0");
}

TEST(impossible_devices)
{
	const struct member_rules rules = { &limits_default, true, false };
	struct tar_entry e = { .path = "x", .type = TAR_BLOCK, .rdev = makedev(4095, 1048575) };

	CHECK(member_decide(&e, &rules, &m) == 0);
	e.rdev = makedev(4096, 0);
	CHECK_FAILS(member_decide(&e, &rules, &m), "x: device 4096:0: the kernel has no such number");
	e.rdev = makedev(1, 1048576);
	CHECK_FAILS(member_decide(&e, &rules, &m), "x: device 1:1048576: the kernel has no such number");
	CHECK(err_class() == ERR_IMAGE);
}

TEST(attributes)
{
	static const char v2[20] = "\x01\x00\x00\x02", v3[24] = "\x01\x00\x00\x03";

	CHECK(member_xattr("f", "user.x", "", 0) == 1);
	CHECK(member_xattr("f", "security.capability", v2, sizeof v2) == 1);
	CHECK(member_xattr("f", "system.posix_acl_access", "", 0) == 1);
	CHECK(member_xattr("f", "com.apple.x", "", 0) == 0);
	CHECK(member_xattr("f", "user.", "", 0) == 0);
	CHECK_FAILS(member_xattr("f", "security.capability", v3, sizeof v3),
		    "f: security.capability is not of version 2");
	CHECK_FAILS(member_xattr("f", "security.capability", v3, 20),
		    "f: security.capability is not of version 2");
	CHECK_FAILS(member_xattr("f", "trusted.overlay.opaque", "y", 1),
		    "f: extended attribute trusted.overlay.opaque");
	CHECK_FAILS(member_xattr("f", "user.overlay.opaque", "y", 1),
		    "f: extended attribute user.overlay.opaque");
	CHECK_FAILS(member_xattr("f", "security.selinux", "y", 1), "f: extended attribute security.selinux");
}

TEST(limits)
{
	struct limits l;

	CHECK(limits_parse("bytes=1M,depth=3", &l) == 0 && l.bytes == 1 << 20 && l.depth == 3 &&
	      l.entries == 2000000);
	CHECK_FAILS(limits_parse("bytes=64G", &l), "limit bytes=64G: not a number up to 34359738368");
	CHECK_FAILS(limits_parse("byte=1", &l), "limit \"byte=1\": no such limit");
	CHECK_FAILS(limits_parse("entries=0", &l), "limit entries=0: not a number up to 2000000");
}

static enum archive_kind kind(const char *const *names)
{
	struct probe p = { 0 };

	while (*names && probe_name(&p, *names))
		names++;
	return probe_kind(&p);
}
#define KIND(...) kind((const char *const[]){ __VA_ARGS__, NULL })
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

TEST(what_an_archive_is)
{
	CHECK(KIND("./", "./oci-layout", "./blobs/", "./blobs/sha256/x", "./index.json") == ARCHIVE_OCI);
	CHECK(KIND("blobs/sha256/x", "index.json", "manifest.json", "oci-layout", "repositories") ==
	      ARCHIVE_OCI);
	CHECK(KIND(HEX64 "/layer.tar", HEX64 ".json", "manifest.json") == ARCHIVE_DOCKER);
	CHECK(KIND("./bin", "index.json", "oci-layout") == ARCHIVE_ROOTFS);
	CHECK(KIND("etc/", "manifest.json") == ARCHIVE_ROOTFS);
	CHECK(KIND("index.json") == ARCHIVE_ROOTFS);
	CHECK(KIND("./") == ARCHIVE_ROOTFS);
}

UNIT_MAIN(UNIT(paths), UNIT(whiteouts), UNIT(kinds), UNIT(fake_whiteout), UNIT(impossible_devices), UNIT(attributes),
	  UNIT(limits), UNIT(what_an_archive_is))
