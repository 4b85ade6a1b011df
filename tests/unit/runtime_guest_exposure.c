#include "base/scope.h"
#include "runtime/guest/exposure.h"
#include "tests/unit/unit.h"

static struct pair host_facts[] = {
	{ "ns-user", "user:[1]" }, { "ns-pid", "pid:[2]" }, { "ns-net", "net:[3]" }, { "ns-ipc", "ipc:[4]" },
	{ "ns-cgroup", "cgroup:[5]" },
	{ "hostname", "metal" }, { "memory", "1000" }, { "cpus", "4" }, { "uptime", "90000" }, { "boot", "b-1" },
};
static const struct map host = { host_facts, COUNT(host_facts) };
static struct arena arena;

static int score_on(const struct map *h, const char *lines, struct exposure *e)
{
	const char *text = arena_printf(&arena, "vzrun-probe 1\n%send\n", lines);
	int r = exposure_read(&arena, text, h, e);

	return r < 0 ? r : (int)e->score;
}

static int score(const char *lines)
{
	struct exposure e;

	return score_on(&host, lines, &e);
}

static unsigned weight(const char *row)
{
	for (size_t i = 0; i < EXPOSURE_ROWS; i++)
		if (str_eq(exposure_rows[i].name, row))
			return exposure_rows[i].weight;
	return 12345;
}

static unsigned count_of(const struct exposure *e, const char *row)
{
	for (size_t i = 0; i < EXPOSURE_ROWS; i++)
		if (str_eq(exposure_rows[i].name, row))
			return e->count[i];
	return 12345;
}

TEST(rows)
{
	for (size_t i = 0; i < EXPOSURE_ROWS; i++) {
		const struct exposure_row *r = &exposure_rows[i];

		CHECK(r->name && r->what);
		/* What a default guest has needs a reason, and only that. */
		CHECK((r->usual > 0) == (r->why != NULL));
		for (size_t j = 0; j < i; j++)
			CHECK(!str_eq(r->name, exposure_rows[j].name));
	}
}

TEST(sums)
{
	CHECK(score("") == 0);
	CHECK(score("syscall\tread\n") == (int)weight("syscall"));
	CHECK(score("syscall\tread\nsyscall\twrite\nmknod\tnull\n") ==
	      (int)(2 * weight("syscall") + weight("mknod")));
	CHECK(score("no-filter\tx\n") > 10 * score("syscall\tread\n"));
}

/* The same finding means more, or nothing, by whose namespace it is in. */
TEST(namespaces)
{
	struct exposure e;

	CHECK(score_on(&host, "=ns-user\tuser:[9]\ncapability\t21 effective\n", &e) == (int)weight("capability"));
	CHECK(count_of(&e, "capability") == 1 && count_of(&e, "host-capability") == 0);
	CHECK(e.n == 1 && str_eq(e.items[0].text, "CAP_SYS_ADMIN effective"));
	CHECK(score_on(&host, "capability\t21 effective\n=ns-user\tuser:[1]\n", &e) ==
	      (int)(weight("host-capability") + weight("host-namespace")));
	CHECK(score("=ns-net\tnet:[9]\nsysctl-net\t/proc/sys/net/x\nabstract-socket\t@x\n") == 0);
	CHECK(score("=ns-net\tnet:[3]\nsysctl-net\t/proc/sys/net/x\nabstract-socket\t@x\n") ==
	      (int)(weight("host-namespace") + weight("proc-writable") + weight("foreign-ipc")));
	CHECK(score("=ns-pid\tpid:[9]\n=process\t1 pid:[9]\n=process\t7 pid:[10]\n") == 0);
	CHECK(score("=ns-cgroup\tcgroup:[9]\n=cgroup\t4:memory:/init.scope\n") == 0);
	CHECK(score("=ns-cgroup\tcgroup:[5]\n=cgroup\t4:memory:/x\n=cgroup\t3:cpu:/\n") ==
	      (int)(weight("cgroup-path") + weight("host-namespace")));
	CHECK(score("=ns-pid\tpid:[9]\n=process\t1 unknown\n") == (int)weight("foreign-process"));
	CHECK(score("=ns-pid\tpid:[2]\n=process\t1 pid:[2]\n") ==
	      (int)(weight("foreign-process") + weight("host-namespace")));
}

TEST(figures)
{
	struct pair limited[COUNT(host_facts) + 1];
	struct map m = { limited, COUNT(limited) };
	struct exposure e;

	memcpy(limited, host_facts, sizeof host_facts);
	limited[COUNT(host_facts)] = (struct pair){ "limit-memory", "500" };
	CHECK(score("=memory\t1000\n") == (int)weight("host-figure"));
	CHECK(score("=memory\t500\n=cpus\t2\n=uptime\t10\n=boot\tb-2\n=hostname\tguest\n") == 0);
	CHECK(score("=cpus\t4\n=uptime\t89999\n=boot\tb-1\n=loadavg\t1 1 1 1/1 1\n") == (int)(4 * weight("host-figure")));
	CHECK(score_on(&m, "=memory\t501\n", &e) == (int)weight("host-figure"));
	CHECK(score_on(&m, "=memory\t500\n", &e) == 0);
	CHECK(score("=hostname\tmetal\n") == (int)weight("host-name"));
}

TEST(verdicts)
{
	struct exposure e;

	CHECK(score_on(&host, "new-privileges\tx\nmknod\tx\n", &e) > 0);
	for (unsigned i = 0; i < EXPOSURE_ROWS; i++) {
		const char *want = str_eq(exposure_rows[i].name, "mknod")            ? "exposed"
				   : str_eq(exposure_rows[i].name, "new-privileges") ? "usual"
										     : "closed";

		CHECK_STR(exposure_verdict(&e, i), want);
	}
}

/* A report comes from where everybody may lie. */
TEST(hostile)
{
	struct exposure e;

	CHECK_FAILS(exposure_read(&arena, "", &host, &e), "the probe's report: not one of vzrun-probe 1");
	CHECK_FAILS(exposure_read(&arena, "vzrun-probe 2\nend\n", &host, &e),
		    "the probe's report: not one of vzrun-probe 1");
	CHECK_FAILS(exposure_read(&arena, "vzrun-probe 1\nsyscall\tread\n", &host, &e),
		    "the probe's report: cut: it has no end");
	CHECK_FAILS(exposure_read(&arena, "vzrun-probe 1\nend\nend\n", &host, &e),
		    "the probe's report: goes on behind its end");
	CHECK_FAILS(score("syscall read\n"), "the probe's report: a line without a tab");
	CHECK_FAILS(score("syscalls\tread\n"), "the probe's report: unknown row \"syscalls\"");
	CHECK_FAILS(score("=cannot\tfork: x\n"), "the probe cannot tell: fork: x");
	CHECK(score("capability\t99 x\ncapability\tx\n=cpus\tmany\n=process\t1\n") == 2 * (int)weight("capability"));
	arena_free(&arena);
}

UNIT_MAIN(UNIT(rows), UNIT(sums), UNIT(namespaces), UNIT(figures), UNIT(verdicts), UNIT(hostile))
