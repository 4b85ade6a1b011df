#include "cgroups/internal.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char self_text[] =
    "9:name=systemd:/\n4:memory:/process_api/9c4c\n2:cpu,cpuacct:/a b:c\n0::/user/x\n";

TEST(self)
{
	static struct cg_host h;

	cg_parse_self(self_text, &h);
	CHECK(h.n == 4);
	CHECK_STR(h.h[0].name, "name=systemd");
	CHECK_STR(h.h[1].own, "/process_api/9c4c");
	CHECK_STR(h.h[2].name, "cpu,cpuacct");
	CHECK_STR(h.h[2].own, "/a b:c");
	CHECK_STR(h.h[3].name, "unified");
	CHECK(h.h[3].v2 && !h.h[2].v2);
}

/* What is on record holds whatever hierarchies others mount and unmount meanwhile. */
TEST(names)
{
	struct cg_host *h = (struct cg_host *)cg_host(), saved = *h;
	char text[CG_NAMES_MAX];

	*h = (struct cg_host){ 0 };
	cg_parse_self(self_text, h);
	cg_names(BIT(1) | BIT(2) | BIT(3), text);
	CHECK_STR(text, "memory:cpu,cpuacct:unified");
	CHECK(cg_named(text) == (BIT(1) | BIT(2) | BIT(3)));
	*h = (struct cg_host){ 0 };
	cg_parse_self("11:pids:/\n10:name=systemd:/\n3:cpu,cpuacct:/\n2:name=memory:/\n0::/\n", h);
	CHECK(cg_named(text) == (BIT(2) | BIT(4)));
	CHECK(cg_named("unified:pids:cpu:cpu,cpuacct,x:") == (BIT(0) | BIT(4)));
	cg_names(0, text);
	CHECK_STR(text, "-");
	CHECK(cg_named(text) == 0 && cg_named("") == 0 && cg_named("3") == 0);
	*h = saved;
}

TEST(self_odd)
{
	static struct cg_host h;
	char many[4096] = "";

	cg_parse_self("0::/../../other\nrubbish\n1:x\n:::\n", &h);
	CHECK(h.n == 2);
	CHECK_STR(h.h[0].own, "/");
	CHECK_STR(h.h[1].own, "/");
	h.n = 0;
	for (int i = 0; i < 100; i++)
		strcat(many, "3:memory:/a\n");
	cg_parse_self(many, &h);
	CHECK(h.n == CG_HIER_MAX);
	h.n = 0;
	cg_parse_self("", &h);
	CHECK(h.n == 0);
}

TEST(mountinfo)
{
	static struct cg_host h;

	cg_parse_self(self_text, &h);
	cg_parse_mounts("22 27 0:21 / /proc rw,relatime - proc proc rw\n"
			"35 31 0:32 /other /odd rw shared:3 master:1 - cgroup cgroup rw,memory\n"
			"36 31 0:32 /process_api /sys/fs/cgroup/m\\040x rw - cgroup cgroup rw,memory\n"
			"37 31 0:33 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
			"38 31 0:34 /away /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
			"39 31 0:35 /user/x /cg/v2 rw - cgroup2 cgroup2 rw,nsdelegate", &h);
	CHECK_STR(h.h[0].mount, "/cg/systemd");
	CHECK_STR(h.h[0].own, "/");
	CHECK_STR(h.h[1].mount, "/sys/fs/cgroup/m x");
	CHECK_STR(h.h[1].own, "/9c4c");
	CHECK_STR(h.h[2].mount, "/cg/cpu");
	CHECK_STR(h.h[2].own, "/a b:c");
	CHECK_STR(h.h[3].mount, "/cg/v2");
	CHECK_STR(h.h[3].own, "/");
}

TEST(places)
{
	static struct cg_host h;
	char out[CG_PATH_MAX];
	size_t len;
	const char *p;

	h.layout = CG_HYBRID;
	cg_parse_self("4:memory:/own\n3:perf_event:/nowhere\n1:cpu:/\n0::/\n", &h);
	for (size_t i = 0; i < h.n; i++)
		strcpy(h.h[i].mount, i == 1 ? "" : "/sys/fs/cgroup/x");
	CHECK(cg_place(&h, "/vzrun/web", out) == 0);
	CHECK_STR(out, "/vzrun/web");
	CHECK(cg_place(&h, "vzrun/web", out) == 0);
	CHECK_STR(out, "/vzrun/web\nmemory:/own/vzrun/web");
	p = cg_path_in(out, "memory", &len);
	CHECK(len == 14 && strncmp(p, "/own/vzrun/web", len) == 0);
	p = cg_path_in(out, "cpu", &len);
	CHECK(len == 10 && strncmp(p, "/vzrun/web", len) == 0);
	p = cg_path_in(out, "mem", &len);
	CHECK(len == 10);
}

TEST(controllers)
{
	CHECK(cg_ctl_mask("cpuset cpu io memory hugetlb pids rdma misc\n") ==
	      (BIT(CTL_CPUSET) | BIT(CTL_CPU) | BIT(CTL_IO) | BIT(CTL_MEMORY) | BIT(CTL_HUGETLB) |
	       BIT(CTL_PIDS) | BIT(CTL_RDMA) | BIT(CTL_MISC)));
	CHECK(cg_ctl_mask("") == 0);
	CHECK(cg_ctl_mask("cpusets iox devices") == 0);
	CHECK(cg_word_in("populated 1\nfrozen 0\n", "frozen 0", 8, '\n'));
	CHECK(!cg_word_in("populated 1\nfrozen 0\n", "frozen 1", 8, '\n'));
	CHECK(!cg_word_in("populated 1\nfrozen 0\n", "populated", 9, '\n'));
}

/* A hierarchy at no usual place, asked for when no file can be opened any more. */
static void mountinfo_late(void)
{
	struct cg_host *h = (struct cg_host *)cg_host();
	struct cg cg = { .path = "/vzrun-x", .hiers = BIT(h->n), .made = BIT(h->n) };
	struct rlimit none = { 0, 0 };
	pid_t *pids;
	size_t n;

	h->h[h->n++] = (struct cg_hier){ .name = "name=vzrun-nowhere", .own = "/" };
	CHECK(cg_host_check() == 0);
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_FAILS(cg_remove(&cg), "read which cgroups this host has: Too many open files");
	CHECK_FAILS(cg_kill(&cg, 9), "read which cgroups this host has: Too many open files");
	CHECK_FAILS(cg_pids(&cg, true, &pids, &n), "read which cgroups this host has: Too many open files");
	CHECK_FAILS(cg_open(&cg, "/vzrun-x"), "read which cgroups this host has: Too many open files");
}

/* Some stand still already: a signal would not reach them, and a delete has to thaw them. */
TEST(freezing)
{
	static const struct { const char *state; int frozen; } rows[] = {
		{ "THAWED\n", 0 }, { "FREEZING\n", 1 }, { "FROZEN\n", 1 },
	};
	char top[] = "/tmp/vzrun-freezer-XXXXXX", file[64];
	int i = cg_ctl_hier(CTL_FREEZER);
	struct cg cg = { .path = "", .hiers = i >= 0 ? BIT(i) : 0 };

	if (i < 0 || i == cg_v2_hier())
		return;
	CHECK(mkdtemp(top) != NULL);
	snprintf(file, sizeof file, "%s/freezer.state", top);
	struct cg_hier *h = &((struct cg_host *)cg_host())->h[i], saved = *h;
	strcpy(h->mount, top);
	for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
		FILE *f = fopen(file, "w");

		CHECK(f && fputs(rows[k].state, f) >= 0 && fclose(f) == 0);
		CHECK(cg_is_frozen(&cg) == rows[k].frozen);
	}
	*h = saved;
	CHECK(unlink(file) == 0 && rmdir(top) == 0);
}

/* Is the first at its usual place? If not, mountinfo was read before we could be in the way. */
static bool unread_yet(void)
{
	const struct cg_host *h = cg_host();

	for (size_t i = 0; i < h->n; i++)
		if (h->h[i].mount[0])
			return strncmp(h->h[i].mount, "/sys/fs/cgroup", 14) == 0;
	return false;
}

TEST(mountinfo_unreadable)
{
	int status;
	pid_t pid;

	if (!unread_yet())
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		mountinfo_late();
		fflush(stdout);
		_exit(unit_failed);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

UNIT_MAIN(UNIT(self), UNIT(names), UNIT(self_odd), UNIT(mountinfo), UNIT(places), UNIT(controllers),
	  UNIT(mountinfo_unreadable), UNIT(freezing))
