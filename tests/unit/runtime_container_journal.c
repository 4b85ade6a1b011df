#include "base/scope.h"
#include "runtime/container/state.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char top[] = "/tmp/vzrun-journal-XXXXXX";
static int dir = -1;

static struct rdt back(const struct rdt *r)
{
	static struct journal j;
	auto_close int fd = journal_begin(dir);

	CHECK(fd >= 0 && journal_rdt(fd, r) == 0);
	CHECK(journal_read(dir, &j) == 0);
	CHECK(unlinkat(dir, "journal", 0) == 0);
	return j.rdt;
}

TEST(resctrl_comes_back)
{
	struct rdt a = { .group = "box", .own = true }, b = { .group = "gold", .monitor = "box" },
		   c = { .monitor = "box" }, d = { .group = "box", .monitor = "box", .own = true }, r;

	r = back(&a);
	CHECK(r.own && str_eq(r.group, "box") && !*r.monitor);
	r = back(&b);
	CHECK(!r.own && str_eq(r.group, "gold") && str_eq(r.monitor, "box"));
	r = back(&c);
	CHECK(!r.own && !*r.group && str_eq(r.monitor, "box"));
	r = back(&d);
	CHECK(r.own && str_eq(r.group, "box") && str_eq(r.monitor, "box"));
}

/* What was written by somebody else does not lead out of resctrl. */
TEST(resctrl_stays_in)
{
	static struct journal j;
	auto_close int fd = openat(dir, "journal", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char text[] = "resctrl 1 /../../x /\n";

	CHECK(write(fd, text, sizeof text - 1) > 0);
	CHECK(journal_read(dir, &j) == 0);
	CHECK(!j.rdt.own && !*j.rdt.group && !*j.rdt.monitor);
	CHECK(unlinkat(dir, "journal", 0) == 0);
}

/* A record that was cut, by a signal or a full disk, does not grow together with the next. */
TEST(cut_line_is_taken_off)
{
	static const struct cg cg = { .path = "/right\nmemory:/x/right", .hiers = 1 };
	static struct journal j;
	auto_close int fd = openat(dir, "journal", O_WRONLY | O_CREAT | O_CLOEXEC, 0600), again = -1;
	static const char text[] = "step 1\ncgroup /right\nmade memory memory /wr";

	CHECK(write(fd, text, sizeof text - 1) > 0);
	again = journal_reopen(dir);
	CHECK(again >= 0 && journal_cgroup_made(again, &cg) == 0);
	CHECK(journal_read(dir, &j) == 0);
	/* A host without cgroups has none to find again. */
	CHECK(j.cgroup_made == (cg_host()->n > 0) && j.hiers == j.cgroup_made && j.made == 0 && j.steps == 2);
	CHECK_STR(j.cgroup, "/right\nmemory:/x/right");
	CHECK(unlinkat(dir, "journal", 0) == 0);
}

/* Which hierarchies were meant by numbers nobody knows: the path is all that is taken. */
TEST(numbers_of_old)
{
	static struct journal j;
	auto_close int fd = openat(dir, "journal", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char text[] = "cgroup /right\nmade 3 1 /right\vmemory:/x/right\n";

	CHECK(write(fd, text, sizeof text - 1) > 0);
	CHECK(journal_read(dir, &j) == 0);
	CHECK(!j.cgroup_made && !j.hiers && !j.made);
	CHECK_STR(j.cgroup, "/right\nmemory:/x/right");
	CHECK(unlinkat(dir, "journal", 0) == 0);
}

/* A disk that takes a part of a record takes none of it, and says why. */
TEST(cut_write_is_told)
{
	struct rlimit was, few = { 3, 3 };
	struct rdt a = { .group = "box", .own = true };
	auto_close int fd = journal_begin(dir);

	CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
	few.rlim_max = was.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &few) == 0);
	CHECK(journal_rdt(fd, &a) == -EFBIG);
	CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
	CHECK(unlinkat(dir, "journal", 0) == 0);
}

static const struct unit units[] = {
	UNIT(resctrl_comes_back), UNIT(resctrl_stays_in), UNIT(cut_line_is_taken_off), UNIT(numbers_of_old),
	UNIT(cut_write_is_told),
};

int main(void)
{
	int bad;

	if (!mkdtemp(top))
		return 1;
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bad = unit_main(units, sizeof units / sizeof *units);
	return bad | rmdir(top);
}
