/* resctrl's groups on a tree that looks like it: the kernel's part, files in a new group, is played here. */
#include "base/file.h"
#include "base/scope.h"
#include "cgroups/rdt.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char top[] = "/tmp/vzrun-rdt-XXXXXX";
static int root = -1;
static bool full;

static void put(int dir, const char *name, const char *text)
{
	auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && file_write_all(fd, text, strlen(text)) == 0);
}

/* The libc's, replaced: a directory of resctrl is born with its files, and does not count them when it goes. */
int mkdirat(int dirfd, const char *path, mode_t mode)
{
	if (full) {
		errno = ENOSPC;
		return -1;
	}
	if (syscall(SYS_mkdirat, dirfd, path, mode) < 0)
		return -1;
	auto_close int dir = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(dir, "tasks", "");
	put(dir, "schemata", "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n");
	if (!strstr(path, "mon_groups"))
		syscall(SYS_mkdirat, dir, "mon_groups", 0700);
	return 0;
}

int unlinkat(int dirfd, const char *path, int flags)
{
	auto_close int dir = flags & AT_REMOVEDIR ? openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (dir >= 0) {
		syscall(SYS_unlinkat, dir, "tasks", 0);
		syscall(SYS_unlinkat, dir, "schemata", 0);
		syscall(SYS_unlinkat, dir, "mon_groups", AT_REMOVEDIR);
	}
	return (int)syscall(SYS_unlinkat, dirfd, path, flags);
}

static bool there(const char *path)
{
	return faccessat(root, path, F_OK, 0) == 0;
}

static const char *text(const char *path)
{
	static char t[256];

	return file_peek(root, path, t, sizeof t) < 0 ? "none" : t;
}

static struct rdt run(const struct rdt_conf *c)
{
	struct rdt r;

	CHECK(rdt_plan(root, c, "box", &r) == 0);
	CHECK(rdt_make(root, c, &r) == 0);
	CHECK(rdt_add(root, &r, 4711) == 0);
	return r;
}

TEST(group_of_its_own)
{
	struct rdt_conf c = { .l3 = "L3:0=f", .mb = "MB:0=20" };
	struct rdt r = run(&c);

	CHECK(r.make && r.own);
	CHECK_STR(text("box/tasks"), "4711");
	/* Two writes to a plain file: the last one lies over the first. */
	CHECK(str_starts(text("box/schemata"), "MB:0=20"));
	CHECK(rdt_remove(root, &r) == 0);
	CHECK(!there("box"));
	CHECK(rdt_remove(root, &r) == 0);
}

TEST(without_schemata_nothing_is_written)
{
	struct rdt_conf c = { 0 };
	struct rdt r = run(&c);

	CHECK(str_starts(text("box/schemata"), "    L3:0=7ff"));
	CHECK(rdt_remove(root, &r) == 0 && !there("box"));
}

TEST(group_that_is_there_is_not_ours)
{
	struct rdt_conf c = { 0 };

	CHECK(mkdirat(root, "box", 0700) == 0);
	struct rdt r = run(&c);
	CHECK(!r.make && !r.own);
	CHECK(rdt_remove(root, &r) == 0 && there("box"));
	CHECK(unlinkat(root, "box", AT_REMOVEDIR) == 0);
}

TEST(shared_group_is_made_and_stays)
{
	const char *lines[] = { "L3:0=3", NULL };
	struct rdt_conf c = { .clos = "shared", .schemata = { lines, 1 } };
	struct rdt r = run(&c);

	CHECK(r.make && !r.own);
	CHECK_STR(text("shared/tasks"), "4711");
	CHECK(rdt_remove(root, &r) == 0 && there("shared"));
	CHECK(unlinkat(root, "shared", AT_REMOVEDIR) == 0);
}

TEST(shared_group_must_agree)
{
	static const struct { const char *l3, *mb; bool agrees; } cases[] = {
		{ "L3:0=7ff;1=7FF", NULL, true }, { "L3:1=07ff", "MB:1=100;0=100", true }, { "L3:0=7ff\nMB:0=100", NULL, true },
		{ "L3:0=7fe", NULL, false }, { "L3:2=7ff", NULL, false }, { NULL, "MB:0=10", false }, { "L2:0=1", NULL, false },
		{ "L3", NULL, false },
	};

	CHECK(mkdirat(root, "shared", 0700) == 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rdt_conf c = { .clos = "shared", .l3 = cases[i].l3, .mb = cases[i].mb };
		struct rdt r;

		CHECK(rdt_plan(root, &c, "box", &r) == 0 && !r.make);
		CHECK((rdt_make(root, &c, &r) == 0) == cases[i].agrees);
		CHECK(str_starts(text("shared/schemata"), "    L3:0=7ff"));
	}
	struct rdt_conf c = { .clos = "shared", .mb = "MB:0=10" };
	struct rdt r;
	CHECK(rdt_plan(root, &c, "box", &r) == 0);
	CHECK_FAILS(rdt_make(root, &c, &r), "linux.intelRdt.memBwSchema: the group \"shared\" exists and has another one");
	CHECK(unlinkat(root, "shared", AT_REMOVEDIR) == 0);
}

TEST(bare_clos_must_be_there)
{
	struct rdt_conf c = { .clos = "gold" };
	struct rdt r;

	CHECK_FAILS(rdt_plan(root, &c, "box", &r),
		    "linux.intelRdt.closID: there is no group \"gold\", and no schemata to make it");
	CHECK(mkdirat(root, "gold", 0700) == 0);
	r = run(&c);
	CHECK_STR(text("gold/tasks"), "4711");
	CHECK(rdt_remove(root, &r) == 0 && there("gold"));
	CHECK(unlinkat(root, "gold", AT_REMOVEDIR) == 0);
}

TEST(roots_own_group)
{
	struct rdt_conf c = { .clos = "/", .monitoring = true };
	struct rdt r = run(&c);

	CHECK_STR(text("tasks"), "4711");
	CHECK_STR(text("mon_groups/box/tasks"), "4711");
	CHECK(rdt_remove(root, &r) == 0 && !there("mon_groups/box"));
}

TEST(monitoring)
{
	struct rdt_conf c = { .monitoring = true };
	struct rdt r = run(&c);

	CHECK_STR(text("box/mon_groups/box/tasks"), "4711");
	CHECK(rdt_remove(root, &r) == 0 && !there("box"));
	c.clos = "gold";
	CHECK(mkdirat(root, "gold", 0700) == 0);
	r = run(&c);
	CHECK_STR(text("gold/mon_groups/box/tasks"), "4711");
	CHECK(rdt_remove(root, &r) == 0 && !there("gold/mon_groups/box") && there("gold"));
	CHECK(unlinkat(root, "gold", AT_REMOVEDIR) == 0);
}

TEST(what_fails_leaves_nothing)
{
	struct rdt_conf c = { .monitoring = true };
	struct rdt r;

	CHECK(rdt_plan(root, &c, "box", &r) == 0);
	full = true;
	CHECK_FAILS(rdt_make(root, &c, &r), "linux.intelRdt: make the group box: No space left on device");
	full = false;
	CHECK(!there("box"));
}

static int check(const char *clos, const char *l3, const char *mb)
{
	struct rdt_conf c = { .clos = clos, .l3 = l3, .mb = mb };

	return rdt_check(&c);
}

TEST(grammar)
{
	CHECK(check(NULL, NULL, NULL) == 0 && check("/", NULL, NULL) == 0 && check("a-b.c", "L3:0=1", "MB:0=1") == 0);
	CHECK_FAILS(check("", NULL, NULL), "closID: \"\" is not the name of a group");
	CHECK_FAILS(check("..", NULL, NULL), "closID: \"..\" is not the name of a group");
	CHECK_FAILS(check("a/b", NULL, NULL), "closID: \"a/b\" is not the name of a group");
	CHECK_FAILS(check("info", NULL, NULL), "closID: \"info\" is not the name of a group");
	CHECK_FAILS(check(NULL, "", NULL), "l3CacheSchema: empty");
	CHECK_FAILS(check(NULL, NULL, "L3:0=1"), "memBwSchema: must be one line that begins with \"MB:\"");
	CHECK_FAILS(check(NULL, NULL, "MB:0=1\nL3:0=1"), "memBwSchema: must be one line that begins with \"MB:\"");
}

static const struct unit units[] = {
	UNIT(group_of_its_own), UNIT(without_schemata_nothing_is_written), UNIT(group_that_is_there_is_not_ours),
	UNIT(shared_group_is_made_and_stays), UNIT(shared_group_must_agree), UNIT(bare_clos_must_be_there),
	UNIT(roots_own_group), UNIT(monitoring), UNIT(what_fails_leaves_nothing), UNIT(grammar),
};

int main(void)
{
	int bad;

	if (!mkdtemp(top))
		return 1;
	root = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(root, "tasks", "");
	put(root, "schemata", "");
	syscall(SYS_mkdirat, root, "mon_groups", 0700);
	bad = unit_main(units, sizeof units / sizeof *units);
	syscall(SYS_unlinkat, root, "tasks", 0);
	syscall(SYS_unlinkat, root, "schemata", 0);
	syscall(SYS_unlinkat, root, "mon_groups", AT_REMOVEDIR);
	return bad | rmdir(top);
}
