/*
 * cgtool: the verbs of cgroups/ on a command line, for the tests.
 *	cgtool host
 *	cgtool create PATH [RESOURCES-JSON]		prints the stored path
 *	cgtool apply|delegate|freeze|thaw|frozen|kill [SIG]|pids|stats|dirs|remove PATH [ARG]
 *	cgtool exec PATH CMD...				joins as the runtime does, then runs CMD
 *	cgtool oom PATH					waits for an out-of-memory event
 *	cgtool bench N					create, join, remove: microseconds
 *	cgtool check RESOURCES-JSON
 */
#include "cgroups/cgroup.h"
#include "base/json.h"
#include "base/scope.h"
#include "base/sys.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static struct cg cg;

static int resources(const char *text, struct arena *a, struct json **tree, struct cg_resources *r)
{
	memset(r, 0, sizeof *r);
	if (!text)
		return 0;
	TRY(json_parse("resources", text, strlen(text), tree));
	TRY_IN(bind_decode(a, &cg_resources_record, *tree, r), "resources");
	TRY_IN(cg_check(r), "resources");
	return 0;
}

static int do_host(char **arg)
{
	static const char *const layout[] = { "none", "v1", "hybrid", "v2" };
	const struct cg_host *h = cg_host();

	(void)arg;
	printf("%s\n", layout[h->layout]);
	for (size_t i = 0; i < h->n; i++)
		if (cg_hier(i))
			printf("%s %s %s%s\n", h->h[i].name, h->h[i].mount, h->h[i].own, h->h[i].v2 ? " v2" : "");
	return 0;
}

static int do_check(char **arg)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct cg_resources r;

	return resources(arg[0], &a, &tree, &r);
}

static int do_create(char **arg)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct cg_resources r;

	TRY(resources(arg[1], &a, &tree, &r));
	TRY(cg_create(&cg, arg[0], &r, CG_EVERYWHERE));
	int err = cg_apply(&cg, &r);
	if (err < 0) {
		struct err_saved e;

		err_save(&e);
		(void)cg_remove(&cg);
		err_restore(&e);
		return err;
	}
	printf("%s\n", cg.path);
	return 0;
}

static int do_apply(char **arg)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct cg_resources r;

	TRY(resources(arg[1], &a, &tree, &r));
	TRY(cg_open(&cg, arg[0]));
	return cg_apply(&cg, &r);
}

static int do_exec(char **arg)
{
	struct cg_join j = CG_JOIN_NONE;
	int status;
	pid_t pid;

	TRY(cg_open(&cg, arg[0]));
	TRY(cg_join_open(&cg, NULL, &j));
	pid = sys_clone(0, SIGCHLD, j.v2_dir, NULL);
	if (pid < 0)
		return fail_errno("clone into %s", cg.path);
	if (pid == 0) {
		if (cg_join_self(&j) < 0) {
			fprintf(stderr, "%s\n", err_text());
			_exit(125);
		}
		execvp(arg[1], arg + 1);
		_exit(127);
	}
	cg_join_close(&j);
	while (waitpid(pid, &status, 0) < 0)
		;
	exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static int do_freeze(char **arg) { TRY(cg_open(&cg, arg[0])); return cg_freeze(&cg, true); }
static int do_thaw(char **arg) { TRY(cg_open(&cg, arg[0])); return cg_freeze(&cg, false); }
static int do_remove(char **arg) { TRY(cg_open(&cg, arg[0])); return cg_remove(&cg); }

static int do_delegate(char **arg)
{
	TRY(cg_open(&cg, arg[0]));
	return cg_delegate(&cg, (uid_t)atoi(arg[1]), (gid_t)atoi(arg[1]));
}

static int do_kill(char **arg)
{
	TRY(cg_open(&cg, arg[0]));
	return cg_kill(&cg, arg[1] ? atoi(arg[1]) : SIGKILL);
}

static int do_frozen(char **arg)
{
	TRY(cg_open(&cg, arg[0]));
	int r = cg_is_frozen(&cg);
	TRY(r);
	printf("%d\n", r);
	return 0;
}

static int do_pids(char **arg)
{
	auto_free pid_t *pids = NULL;
	size_t n;

	TRY(cg_open(&cg, arg[0]));
	TRY(cg_pids(&cg, true, &pids, &n));
	for (size_t i = 0; i < n; i++)
		printf("%d\n", (int)pids[i]);
	return 0;
}

static int do_dirs(char **arg)
{
	char dir[4096];

	TRY(cg_open(&cg, arg[0]));
	for (size_t i = 0; i < cg_host()->n; i++)
		if (cg_dir(&cg, i, dir, sizeof dir) == 0)
			printf("%s\n", dir);
	return 0;
}

static int do_stats(char **arg)
{
	struct cg_stats s;

	TRY(cg_open(&cg, arg[0]));
	TRY(cg_stats(&cg, &s));
	const struct { const char *name; uint64_t v; } rows[] = {
		{ "cpu_total_ns", s.cpu_total_ns }, { "cpu_user_ns", s.cpu_user_ns }, { "cpu_kernel_ns",
		  s.cpu_kernel_ns },
		{ "cpu_periods", s.cpu_periods }, { "cpu_throttled",
		  s.cpu_throttled }, { "cpu_throttled_ns", s.cpu_throttled_ns },
		{ "mem_usage", s.mem_usage }, { "mem_max_usage", s.mem_max_usage }, { "mem_limit",
		  s.mem_limit },
		{ "mem_failcnt", s.mem_failcnt }, { "mem_cache", s.mem_cache }, { "mem_rss", s.mem_rss },
		{ "swap_usage", s.swap_usage }, { "swap_limit", s.swap_limit }, { "oom_kills", s.oom_kills },
		{ "pids_current", s.pids_current }, { "pids_limit", s.pids_limit },
		{ "io_read_bytes", s.io_read_bytes }, { "io_write_bytes", s.io_write_bytes },
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		printf("%s %ju\n", rows[i].name, (uintmax_t)rows[i].v);
	return 0;
}

static int do_oom(char **arg)
{
	struct pollfd p = { .events = POLLIN | POLLPRI };

	TRY(cg_open(&cg, arg[0]));
	p.fd = cg_oom_fd(&cg);
	TRY(p.fd);
	printf("ready\n");
	fflush(stdout);
	return poll(&p, 1, 60000) == 1 ? 0 : fail(ETIMEDOUT, "no event");
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_median(const char *what, double *v, size_t n)
{
	qsort(v, n, sizeof *v, by_value);
	printf("%-8s median %8.1f us   p10 %8.1f   p90 %8.1f\n", what, v[n / 2], v[n / 10], v[n * 9 / 10]);
}

enum { T_CREATE, T_APPLY, T_OPEN, T_CLONE, T_JOIN, T_REMOVE, T_N };

static int bench_once(double t[T_N], const struct cg_resources *r)
{
	struct cg_join j = CG_JOIN_NONE;
	double at[T_N + 1], joined[2];
	int pipefd[2], status;
	pid_t pid;

	at[0] = now_us();
	TRY(cg_create(&cg, "/cgbench/one", r, CG_EVERYWHERE));
	at[1] = now_us();
	TRY(cg_apply(&cg, r));
	at[2] = now_us();
	TRY(cg_join_open(&cg, NULL, &j));
	at[3] = now_us();
	if (pipe(pipefd) < 0)
		return fail_errno("pipe");
	pid = sys_clone(0, SIGCHLD, j.v2_dir, NULL);
	if (pid == 0) {
		joined[0] = now_us();
		int bad = cg_join_self(&j) < 0;
		joined[1] = now_us();
		bad |= write(pipefd[1], joined, sizeof joined) < 0;
		_exit(bad);
	}
	cg_join_close(&j);
	waitpid(pid, &status, 0);
	if (pid < 0 || status || read(pipefd[0], joined, sizeof joined) != sizeof joined)
		return fail(EIO, "the child failed");
	close(pipefd[0]);
	close(pipefd[1]);
	at[5] = now_us();
	TRY(cg_remove(&cg));
	t[T_CREATE] = at[1] - at[0];
	t[T_APPLY] = at[2] - at[1];
	t[T_OPEN] = at[3] - at[2];
	t[T_CLONE] = joined[0] - at[3];
	t[T_JOIN] = joined[1] - joined[0];
	t[T_REMOVE] = now_us() - at[5];
	return 0;
}

static int do_bench(char **arg)
{
	static const char *const names[T_N] = { "create", "apply", "open", "clone", "join", "remove" };
	static double v[T_N][10000];
	size_t n = (size_t)atoi(arg[0]) < 10000 ? (size_t)atoi(arg[0]) : 9999;
	long pause_us = arg[1] ? atol(arg[1]) : 0;
	const char *text = arg[1] && arg[2] ? arg[2] : NULL;
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct cg_resources r;
	double start = now_us();

	TRY(resources(text, &a, &tree, &r));
	(void)cg_host();
	printf("discover %.1f us\n", now_us() - start);
	TRY(cg_create(&cg, "/cgbench", NULL, CG_EVERYWHERE));
	for (size_t i = 0; i < n; i++) {
		double t[T_N];

		TRY(bench_once(t, &r));
		for (size_t k = 0; k < T_N; k++)
			v[k][i] = t[k];
		if (pause_us)
			usleep((useconds_t)pause_us);
	}
	for (size_t k = 0; k < T_N; k++)
		print_median(names[k], v[k], n);
	TRY(cg_open(&cg, "/cgbench"));
	return cg_remove(&cg);
}

static const struct { const char *name; int args; int (*run)(char **arg); } verbs[] = {
	{ "host", 0, do_host }, { "check", 1, do_check }, { "create", 1, do_create }, { "apply", 2,
	  do_apply },
	{ "exec", 2, do_exec }, { "freeze", 1, do_freeze }, { "thaw", 1, do_thaw }, { "frozen", 1,
	  do_frozen },
	{ "kill", 1, do_kill }, { "pids", 1, do_pids }, { "stats", 1, do_stats }, { "dirs", 1, do_dirs },
	{ "oom", 1, do_oom }, { "delegate", 2, do_delegate }, { "remove", 1, do_remove }, { "bench", 1,
	  do_bench },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < COUNT(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0 && argc - 2 >= verbs[i].args) {
			int r = verbs[i].run(argv + 2);

			if (r < 0) {
				fprintf(stderr, "%s\n", err_text());
				if (*err_why_text())
					fprintf(stderr, "  why  %s\n", err_why_text());
				if (*err_try_text())
					fprintf(stderr, "  try  %s\n", err_try_text());
			}
			return r < 0;
		}
	fprintf(stderr, "usage: cgtool VERB PATH [ARG...]\n");
	return 2;
}
