#include "runtime/guest/exposure.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/scope.h"
#include "base/sys.h"
#include "cgroups/cgroup.h"
#include "runtime/container/container.h"
#include "runtime/container/self.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Running the probe, and the host's side of its comparison. */

enum { PATIENCE_MS = 120000 };

/* What the probe executes from cannot be written to by whoever shares the container with it (rule R1). */
static int open_probe(void)
{
	char path[PATH_MAX];

	TRY(helper_find("vzrun-probe", path));
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("open %s", path);
	return self_sealed_copy(fd);
}

/*
 * The probe shares its container with those whom it is about: of ours it gets a pipe and nothing else, not
 * the terminal that we were called from.
 */
static int exec_with_streams(const struct exec_req *req, const int streams[3], struct container *c)
{
	int saved[3] = { -1, -1, -1 }, r = 0;

	for (int i = 0; i < 3 && r >= 0; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
		if (saved[i] < 0 || dup2(streams[i], i) < 0)
			r = fail_errno("give the probe its streams");
	}
	if (r >= 0)
		r = container_exec(req, c);
	for (int i = 0; i < 3; i++) {
		if (saved[i] >= 0)
			(void)dup2(saved[i], i);
		drop_fd(&saved[i]);
	}
	return r;
}

/* Until its end, which somebody inside may hide: then the probe's own. 0: there may be more. */
static int read_some(int fd, int pidfd, uint64_t until, struct buf *out)
{
	struct pollfd p[2] = { { fd, POLLIN, 0 }, { pidfd, POLLIN, 0 } };
	char text[65536];
	uint64_t now = clock_ms();
	ssize_t n;

	if (now >= until || poll(p, 2, (int)(until - now)) == 0)
		return fail_as(ERR_TIMEOUT, "the probe did not end in %d s", PATIENCE_MS / 1000);
	n = read(fd, text, sizeof text);
	if (n == 0 || (n < 0 && errno == EAGAIN && p[1].revents))
		return 1;
	if (n > 0)
		buf_add(out, text, (size_t)n);
	if (out->oom)
		return fail(ENOMEM, "out of memory");
	if (out->n > EXPOSURE_MAX)
		return fail_as(ERR_CONFIG, "the probe's report is longer than %d bytes", EXPOSURE_MAX);
	return 0;
}

static int read_report(int fd, struct container *c, struct buf *out)
{
	uint64_t until = clock_ms() + PATIENCE_MS;
	int r, status;

	do
		r = read_some(fd, c->pidfd, until, out);
	while (r == 0);
	if (r < 0) {
		(void)sys_pidfd_kill(c->pidfd, SIGKILL);
		return r;
	}
	status = supervise(c, false);
	TRY(status);
	return status ? fail(EIO, "the probe ended with status %d", status) : 0;
}

int exposure_inside(const char *root, const char *id, struct buf *report)
{
	static const char *args[] = { "vzrun-probe", NULL };
	auto_container struct container c = CONTAINER_INIT;
	auto_close int program = open_probe();
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct exec_req req = { .root = root, .id = id, .args = { args, 1 }, .cwd = "/", .user = "0:0",
				.program = program };
	int pipe_fd[2];

	TRY(program);
	if (null < 0 || pipe2(pipe_fd, O_CLOEXEC) < 0)
		return fail_errno("streams for the probe");
	auto_close int from = pipe_fd[0];
	auto_close int to = pipe_fd[1];
	if (fcntl(from, F_SETFL, O_NONBLOCK) < 0)
		return fail_errno("streams for the probe");
	TRY(exec_with_streams(&req, (const int[]){ null, to, null }, &c));
	drop_fd(&to);
	TRY(container_go(&c));
	return read_report(from, &c, report);
}

static int add_fact(struct arena *a, struct map *m, const char *key, const char *value)
{
	struct pair *v = arena_alloc(a, m->n + 1, sizeof *v);

	value = arena_strdup(a, value);
	if (!v || !value)
		return fail(ENOMEM, "out of memory");
	if (m->n)
		memcpy(v, m->v, m->n * sizeof *v);
	v[m->n] = (struct pair){ key, value };
	*m = (struct map){ v, m->n + 1 };
	return 0;
}

static int add_number(struct arena *a, struct map *m, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "%ju", (uintmax_t)v);
	return add_fact(a, m, key, text);
}

int exposure_host(struct arena *a, struct map *facts)
{
	static const char *const spaces[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time" };
	char path[64], text[256];
	struct sysinfo si;
	struct utsname u;

	*facts = (struct map){ 0 };
	for (size_t i = 0; i < COUNT(spaces); i++) {
		snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[i]);
		ssize_t n = readlink(path, text, sizeof text - 1);

		if (n <= 0)
			continue;
		text[n] = '\0';
		TRY(add_fact(a, facts, arena_printf(a, "ns-%s", spaces[i]), text));
	}
	if (sysinfo(&si) < 0 || uname(&u) < 0)
		return fail_errno("ask for the host's figures");
	if (file_peek(AT_FDCWD, "/proc/sys/kernel/random/boot_id", text, sizeof text) > 0)
		TRY(add_fact(a, facts, "boot", text));
	TRY(add_fact(a, facts, "hostname", u.nodename));
	TRY(add_number(a, facts, "memory", (uint64_t)si.totalram * si.mem_unit));
	TRY(add_number(a, facts, "uptime", (uint64_t)si.uptime));
	return add_number(a, facts, "cpus", (uint64_t)get_nprocs());
}

int exposure_limits(struct arena *a, const char *root, const char *id, struct map *facts)
{
	static struct cg cg;
	struct cg_stats s;

	TRY(container_group(root, id, &cg));
	if (!*cg.path || cg_stats(&cg, &s) < 0) {
		err_clear();
		return 0;
	}
	return s.mem_limit != UINT64_MAX ? add_number(a, facts, "limit-memory", s.mem_limit) : 0;
}
