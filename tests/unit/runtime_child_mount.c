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

TEST(options_refused)
{
	auto_arena struct arena a = { 0 };
	const char *words[] = { "ro", "idmap", NULL };
	struct strv v = { words, 2 };
	struct mnt_options o;

	CHECK_FAILS(mnt_parse_options(&a, &v, &o), "options[1]: option \"idmap\" is not supported");
}

TEST(below)
{
	CHECK(mnt_is_below("/proc", "/proc") && mnt_is_below("/proc/sys", "/proc"));
	CHECK(!mnt_is_below("/process", "/proc") && !mnt_is_below("/pro", "/proc"));
}

UNIT_MAIN(UNIT(golden_plans), UNIT(options), UNIT(options_refused), UNIT(below))
