#include "base/file.h"
#include "base/scope.h"
#include "runtime/child/mount.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

/* tests/golden/NAME.json, planned, is NAME.plan. VZRUN_GOLDEN=write writes them anew, for the eye. */
static void golden(int dir, const char *json, unsigned flags)
{
	auto_spec struct spec s = { 0 };
	struct mnt_plan p = { 0 };
	auto_buf struct buf b = { 0 };
	auto_free char *want = NULL;
	char name[256];

	snprintf(name, sizeof name, "%.*s.plan", (int)strcspn(json, "."), json);
	CHECK(spec_load(dir, json, &s) == 0);
	if (unit_failed)
		return;
	if (mnt_plan_spec(&s, flags, &p) < 0)
		buf_printf(&b, "error: %s\n", err_text());
	else
		mnt_plan_print(&b, &p);
	if (getenv("VZRUN_GOLDEN"))
		CHECK(file_write_atomic(dir, name, b.p, b.n, 0644) == 0);
	CHECK(file_read(dir, name, &want, NULL) == 0);
	CHECK_STR(buf_text(&b), want ? want : "");
	if (unit_failed)
		printf("# %s\n", json);
	mnt_plan_free(&p);
}

TEST(golden_plans)
{
	auto_close int dir = open("tests/golden", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = opendir("tests/golden");
	int n = 0;

	CHECK(dir >= 0 && d);
	for (struct dirent *e; d && (e = readdir(d));)
		if (str_ends(e->d_name, ".json")) {
			golden(dir, e->d_name, strstr(e->d_name, "userns") ? MNT_PLAN_USERNS : 0);
			n++;
		}
	if (d)
		closedir(d);
	CHECK(n >= 4);
}

static struct mnt_options parse(struct arena *a, const char *w0, const char *w1, const char *w2)
{
	const char *words[] = { w0, w1, w2, NULL };
	struct strv v = { words, w2 ? 3 : w1 ? 2 : 1 };
	struct mnt_options o;

	CHECK(mnt_parse_options(a, &v, &o) == 0);
	return o;
}

TEST(options)
{
	auto_arena struct arena a = { 0 };
	struct mnt_options o = parse(&a, "ro", "nosuid", "size=5");

	CHECK(o.attr_set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID) && o.attr_clr == 0);
	CHECK_STR(o.data, "size=5");
	o = parse(&a, "ro", "rw", NULL);
	CHECK(o.attr_set == 0 && o.attr_clr == MOUNT_ATTR_RDONLY && !o.data);
	o = parse(&a, "rw", "ro", "defaults");
	CHECK(o.attr_set == MOUNT_ATTR_RDONLY && o.attr_clr == 0);
	o = parse(&a, "rbind", "rro", "rslave");
	CHECK(o.bind && o.flags == MNT_REC && o.rec_set == MOUNT_ATTR_RDONLY && o.attr_set == 0);
	CHECK(o.propagation == (MS_SLAVE | MS_REC));
	o = parse(&a, "noatime", "strictatime", NULL);
	CHECK(o.attr_set == MOUNT_ATTR_STRICTATIME && o.attr_clr == MOUNT_ATTR__ATIME);
	o = parse(&a, "remount", "a", "b=c");
	CHECK(o.remount && !o.bind);
	CHECK_STR(o.data, "a,b=c");
}

/* Words of mount(8) alone, of every superblock, of one file system; what a bind mount cannot do is named. */
TEST(options_foreign)
{
	auto_arena struct arena a = { 0 };
	struct mnt_options o = parse(&a, "x-systemd.device-timeout=5", "silent", "async");

	CHECK(!o.foreign && o.flags == 0);
	CHECK_STR(o.data, "async");
	o = parse(&a, "sync", "lazytime", "uid=5");
	CHECK_STR(o.data, "sync,lazytime,uid=5");
	CHECK_STR(o.super, "sync");
	CHECK_STR(o.foreign, "uid=5");
	o = parse(&a, "ro", "mode=700", "dirsync");
	CHECK_STR(o.foreign, "mode=700");
}

TEST(options_idmap)
{
	auto_arena struct arena a = { 0 };
	struct mnt_options o = parse(&a, "idmap", "bind", NULL);

	CHECK(o.flags == MNT_IDMAP && !o.idmap && !o.foreign && !o.data);
	o = parse(&a, "rbind", "ridmap", NULL);
	CHECK(o.flags == (MNT_REC | MNT_IDMAP | MNT_IDMAP_REC) && !o.idmap);
	o = parse(&a, "idmap=uids=0-1-10;gids=0-1-10", NULL, NULL);
	CHECK(o.flags == MNT_IDMAP && !o.foreign && !o.data);
	CHECK_STR(o.idmap, "uids=0-1-10;gids=0-1-10");
	o = parse(&a, "ridmap=uids=0-1-10", NULL, NULL);
	CHECK(o.flags == (MNT_IDMAP | MNT_IDMAP_REC));
}

static struct spec_idmap own_maps[] = {
	{ { 0, true }, { 100000, true }, { 1, true } }, { { 1, true }, { 200000, true }, { 1000, true } },
};

static void put_maps(struct buf *b, const struct list *l)
{
	LIST_EACH(struct spec_idmap, m, *l)
		buf_printf(b, "%u:%u:%u ", m->inside.v, m->host.v, m->size.v);
	buf_puts(b, "/ ");
}

/* The maps that a text gives in a container whose ids 0 and 1..1000 are mapped; or the error. */
static const struct { const char *text, *maps; } texts[] = {
	{ "uids=0-1-10;gids=0-100-10", "0:1:10 / 0:100:10 / " },
	{ "uids=0-1-10#10-11-10;gids=5-6-7", "0:1:10 10:11:10 / 5:6:7 / " },
	{ "uids=7-8-9", "7:8:9 / 0:100000:1 1:200000:1000 / " },
	{ "uids=@5-3-10;gids=@0-0-1", "5:200002:10 / 0:100000:1 / " },
	{ "gids=@0-0-3", "0:100000:1 1:200000:1000 / 0:100000:1 1:200000:2 / " },
	{ "uids=@0-999-5", "idmap: uids: id 1001 is not mapped in the container's user namespace" },
	{ "", "idmap: \"\" names no ids" },
	{ "uids=", "idmap: \"uids=\" names no ids" },
	{ "uid=0-1-1", "idmap: \"uid=0-1-1\" is neither uids= nor gids=" },
	{ "uids=0-1", "idmap: uids: \"0-1\" is not FROM-TO-SIZE" },
	{ "uids=0-1-0", "idmap: uids: \"0-1-0\" is not FROM-TO-SIZE" },
	{ "uids=0-1-1-1", "idmap: uids: \"0-1-1-1\" is not FROM-TO-SIZE" },
	{ "gids=1-+2-3", "idmap: gids: \"1-+2-3\" is not FROM-TO-SIZE" },
	{ "gids=4294967290-0-10", "idmap: gids: \"4294967290-0-10\" is not FROM-TO-SIZE" },
};

TEST(idmap_texts)
{
	struct spec_linux l = { .uid_maps = { own_maps, 2 }, .gid_maps = { own_maps, 2 } };
	struct spec s = { .linux_ = &l };
	struct spec_mount m = { .dst = "/m" };

	for (size_t i = 0; i < COUNT(texts); i++) {
		auto_arena struct arena a = { 0 };
		auto_buf struct buf b = { 0 };
		struct mnt_op op = { .verb = MNT_BIND, .flags = MNT_IDMAP };

		if (mnt_plan_idmap(&a, &s, &m, texts[i].text, &op) < 0) {
			CHECK_STR(err_text(), texts[i].maps);
			continue;
		}
		put_maps(&b, &op.uid_maps);
		put_maps(&b, &op.gid_maps);
		CHECK_STR(buf_text(&b), texts[i].maps);
	}
	/* Without a user namespace the other kind of ids stays as it is. */
	auto_arena struct arena a = { 0 };
	auto_buf struct buf b = { 0 };
	struct mnt_op op = { .verb = MNT_BIND, .flags = MNT_IDMAP };
	struct spec plain = { 0 };

	CHECK(mnt_plan_idmap(&a, &plain, &m, "gids=3-4-5", &op) == 0 && op.flags & MNT_EARLY);
	put_maps(&b, &op.uid_maps);
	put_maps(&b, &op.gid_maps);
	CHECK_STR(buf_text(&b), "0:0:4294967295 / 3:4:5 / ");
	op = (struct mnt_op){ .verb = MNT_BIND, .flags = MNT_IDMAP };
	CHECK_FAILS(mnt_plan_idmap(&a, &plain, &m, NULL, &op),
		    "idmap: needs uidMappings and gidMappings, or a user namespace of the container");
	op.verb = MNT_CGROUP;
	CHECK_FAILS(mnt_plan_idmap(&a, &plain, &m, NULL, &op),
		    "idmap: only a bind mount or a new file system can be idmapped");
}

TEST(below)
{
	CHECK(mnt_is_below("/proc", "/proc") && mnt_is_below("/proc/sys", "/proc"));
	CHECK(!mnt_is_below("/process", "/proc") && !mnt_is_below("/pro", "/proc"));
}

/* A tree that the caller has goes to the first bind of it; later ones of what is in it look there. */
TEST(given)
{
	struct mnt_op ops[] = {
		{ .verb = MNT_FS, .src = "host", .dst = "/a", .src_fd = -1 },
		{ .verb = MNT_BIND, .src = "host/x", .dst = "/early", .src_fd = -1 },
		{ .verb = MNT_BIND, .src = "host", .dst = "/run/host", .src_fd = -1 },
		{ .verb = MNT_BIND, .src = "host", .dst = "/again", .src_fd = -1 },
		{ .verb = MNT_BIND, .src = "host/x", .dst = "/x", .src_fd = -1 },
		{ .verb = MNT_BIND, .src = "hosts", .dst = "/y", .src_fd = -1 },
	};
	struct mnt_plan p = { .op = ops, .n = COUNT(ops) };
	auto_close int tree = open("/", O_PATH | O_CLOEXEC);

	CHECK(mnt_plan_give(&p, "host", tree) == 0);
	for (size_t i = 0; i < COUNT(ops); i++) {
		CHECK(i == 2 ? ops[i].src_fd > tree : ops[i].src_fd == -1);
		CHECK(!(ops[i].flags & MNT_INSIDE) == (i != 4));
	}
	CHECK_STR(ops[4].src, "/run/host/x");
	CHECK(fcntl(tree, F_GETFD) == FD_CLOEXEC && fcntl(ops[2].src_fd, F_GETFD) == FD_CLOEXEC);
	CHECK_FAILS(mnt_plan_give(&p, "elsewhere", tree), "nothing is bound from elsewhere");
	drop_fd(&ops[2].src_fd);
	arena_free(&p.arena);
}

UNIT_MAIN(UNIT(golden_plans), UNIT(options), UNIT(options_foreign), UNIT(options_idmap),
	  UNIT(idmap_texts), UNIT(below), UNIT(given))
