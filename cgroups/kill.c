/* The processes of a group: listed, signalled. */
#include "cgroups/internal.h"
#include "base/file.h"
#include "base/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

enum { KILL_ROUNDS = 200, ROUND_MS = 100, LIST_MAX = 64 << 20 };

struct pid_list { pid_t *v; size_t n, room; };

static int add_pid(struct pid_list *l, pid_t pid)
{
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		pid_t *grown = realloc(l->v, room * sizeof *grown);

		if (!grown)
			return fail(ENOMEM, "list the processes of a cgroup: out of memory");
		l->v = grown;
		l->room = room;
	}
	l->v[l->n++] = pid;
	return 0;
}

static int read_procs(int dirfd, const char *where, struct pid_list *l)
{
	auto_close int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	auto_free char *text = NULL;

	if (fd < 0)
		return errno == ENOENT ? 0 : fail_errno("open %s/cgroup.procs", where);
	int r = file_read_fd(fd, where, LIST_MAX, &text, NULL);
	/* A threaded group lists its processes in the domain above it. */
	if (r == -EOPNOTSUPP || r == -ENODEV)
		return 0;
	TRY(r);
	for (char *p = text, *end; *p; p = end + (*end == '\n')) {
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		if (pid > 0)
			TRY(add_pid(l, (pid_t)pid));
	}
	return 0;
}

const char *cg_comm(pid_t pid, char comm[CG_COMM_MAX])
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	if (file_peek(AT_FDCWD, path, comm, CG_COMM_MAX) <= 0)
		strcpy(comm, "?");
	return comm;
}

struct listing { const char *where; struct pid_list pids; };

static int read_below(int fd, void *ctx)
{
	struct listing *l = ctx;

	return read_procs(fd, l->where, &l->pids);
}

int cg_pids_of(const char *dir, bool recursive, pid_t **pids, size_t *n)
{
	struct listing l = { .where = dir };
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	*pids = NULL;
	*n = 0;
	if (fd < 0)
		return errno == ENOENT ? 0 : fail_errno("open %s", dir);
	r = read_procs(fd, dir, &l.pids);
	/* Two links are "." and "..": a group without groups below is not even listed. */
	if (r >= 0 && recursive && (fstat(fd, &st) < 0 || st.st_nlink != 2))
		r = cg_walk(take_fd(&fd), read_below, NULL, &l);
	if (r < 0) {
		free(l.pids.v);
		return r;
	}
	*pids = l.pids.v;
	*n = l.pids.n;
	return 0;
}

/* v2 where there is one (it knows what is below best), else the first hierarchy that we are in. */
static int listing_dir(const struct cg *cg, char dir[CG_FULL])
{
	int tree = cg_v2_hier();

	TRY(cg_found(cg));
	if (!cg->hiers)
		return fail_as(ERR_UNSUPPORTED, "cgroup %.*s: the container has no cgroup",
			       (int)strcspn(cg->path, "\n"), cg->path);
	if (tree >= 0 && (cg->hiers & BIT(tree)))
		cg_file(cg, (size_t)tree, NULL, dir);
	else
		cg_file(cg, (size_t)__builtin_ctz(cg->hiers), NULL, dir);
	return 0;
}

int cg_pids(const struct cg *cg, bool recursive, pid_t **pids, size_t *n)
{
	char dir[CG_FULL];

	*pids = NULL;
	*n = 0;
	TRY(listing_dir(cg, dir));
	return cg_pids_of(dir, recursive, pids, n);
}

static bool has_pid(const pid_t *v, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == pid)
			return true;
	return false;
}

enum { AT_ONCE = 128 };	/* descriptors: a group may hold more processes than we may open files */

/* Those of the last batch, to be waited for. */
struct round { int fd[AT_ONCE]; size_t n; };

static void close_round(struct round *r, int wait_ms)
{
	for (; r->n > 0; r->n--) {
		int fd = r->fd[r->n - 1];

		if (fd >= 0 && wait_ms)
			(void)sys_pidfd_wait(fd, wait_ms);
		if (fd >= 0)
			close(fd);
	}
}

/*
 * A number that is read may belong to a stranger by the time it is used. So: the list, the
 * descriptors, the list again. What stands in both is ours, or its descriptor is dead.
 */
static int signal_batch(const char *dir, int sig, const pid_t *pids, size_t n, struct round *r)
{
	auto_free pid_t *after = NULL;
	size_t m;

	for (; r->n < n; r->n++)
		r->fd[r->n] = pidfd_open(pids[r->n], 0);
	TRY(cg_pids_of(dir, true, &after, &m));
	for (size_t i = 0; i < n; i++)
		if (r->fd[i] >= 0 && has_pid(after, m, pids[i]) && sys_pidfd_kill(r->fd[i], sig) < 0 && errno != ESRCH)
			return fail_errno("kill process %d of cgroup %s", (int)pids[i], dir);
	return 0;
}

/* *n: how many there were. */
static int signal_round(const char *dir, int sig, struct round *r, size_t *n)
{
	auto_free pid_t *pids = NULL;

	TRY(cg_pids_of(dir, true, &pids, n));
	for (size_t at = 0; at < *n; at += AT_ONCE) {
		close_round(r, 0);
		TRY(signal_batch(dir, sig, pids + at, *n - at < AT_ONCE ? *n - at : AT_ONCE, r));
	}
	return 0;
}

/* A fork bomb forks between two rounds; frozen it cannot, and SIGKILL waits for it at the thaw. */
static int kill_by_pid(const struct cg *cg, const char *dir)
{
	struct round signalled = { .n = 0 };
	struct err_saved pending;
	bool frozen;
	size_t n = 1;
	int r = 0;

	err_save(&pending);
	frozen = cg_freeze(cg, true) == 0;
	for (int round = 0; round < KILL_ROUNDS && n && r == 0; round++) {
		r = signal_round(dir, SIGKILL, &signalled, &n);
		if (frozen)
			(void)cg_freeze(cg, false);
		frozen = false;
		close_round(&signalled, ROUND_MS);
	}
	if (r == 0 && n)
		return fail(EBUSY, "kill the processes of cgroup %s: %zu still there after %d rounds", dir, n,
			    KILL_ROUNDS);
	if (r == 0)
		err_restore(&pending);
	return r;
}

/* SIGKILL does not reach a process in v1's freezer before it is thawed. */
static int thaw_v1(const struct cg *cg)
{
	int i = cg_ctl_hier(CTL_FREEZER);
	char path[CG_FULL], state[16];

	if (i < 0 || !(cg->hiers & BIT(i)) || cg_host()->h[i].v2)
		return 0;
	if (file_peek(AT_FDCWD, cg_file(cg, (size_t)i, "freezer.state", path), state, sizeof state) > 0 &&
	    !str_eq(state, "THAWED"))
		(void)file_poke(AT_FDCWD, path, "THAWED");
	return 0;
}

int cg_kill(const struct cg *cg, int sig)
{
	char dir[CG_FULL], path[CG_FULL + 32];
	struct round signalled = { .n = 0 };
	size_t n;
	int r;

	TRY(cg_refuse_root(cg));
	TRY(listing_dir(cg, dir));
	if (sig != SIGKILL) {
		r = signal_round(dir, sig, &signalled, &n);
		close_round(&signalled, 0);
		return r;
	}
	snprintf(path, sizeof path, "%s/cgroup.kill", dir);
	r = file_poke(AT_FDCWD, path, "1");
	if (r == -ENOENT && access(dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	/* No such file on v1 and before Linux 5.14. */
	return r == 0 ? thaw_v1(cg) : kill_by_pid(cg, dir);
}
