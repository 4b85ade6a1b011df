/* Stopping a group as a whole: the v2 freezer wherever the group is in a v2 tree, else v1's. */
#include "cgroups/internal.h"
#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { FREEZE_MS = 10000, LOOK_MS = 100 };

static int ms_left(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)((end->tv_sec - now.tv_sec) * 1000 + (end->tv_nsec - now.tv_nsec) / 1000000);
}

int cg_wait_event(const char *dir, const char *line, int ms)
{
	char path[CG_FULL + 32], text[256];
	struct timespec end;
	struct pollfd p = { .events = POLLPRI };

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000L;
	snprintf(path, sizeof path, "%s/cgroup.events", dir);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	p.fd = fd;
	for (;;) {
		/* Each read arms the next POLLPRI: a change between the two is not lost. */
		ssize_t n = TEMP_FAILURE_RETRY(pread(fd, text, sizeof text - 1, 0));

		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (cg_word_in(text, line, strlen(line), '\n'))
			return 1;
		int left = ms_left(&end);
		if (left <= 0 || TEMP_FAILURE_RETRY(poll(&p, 1, left)) == 0)
			return 0;
	}
}

static int timed_out(const char *dir)
{
	int r = fail_as(ERR_TIMEOUT, "freeze %s: not frozen after %d s", dir, FREEZE_MS / 1000);

	err_why("a process in it does not come out of the kernel (state D: a hanging disk or NFS?)");
	return r;
}

/*
 * 0, or the error. A kill thaws what it kills, also what is just being frozen: then no event comes, and the file
 * alone tells.
 */
static int wait_frozen(const char *dir, const char *path)
{
	char wish[8];

	for (int left = FREEZE_MS; left > 0; left -= LOOK_MS) {
		int r = cg_wait_event(dir, "frozen 1", LOOK_MS);

		if (r < 0)
			return fail(-r, "read %s/cgroup.events: %s", dir, strerrordesc_np(-r));
		if (r)
			return 0;
		if (file_peek(AT_FDCWD, path, wish, sizeof wish) > 0 && str_eq(wish, "0"))
			return fail_as(ERR_STATE, "freeze %s: thawed by another command meanwhile", dir);
	}
	return timed_out(dir);
}

/* Thawed below a frozen parent stays frozen, rightly: nothing to wait for. The root has no such file. */
static bool parent_says(const char *dir, const char *file, const char *line)
{
	char path[CG_FULL + 32], text[256];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	return file_peek(AT_FDCWD, path, text, sizeof text) > 0 && cg_word_in(text, line, strlen(line), '\n');
}

static int freeze_v2(const char *dir, bool frozen)
{
	char path[CG_FULL + 32];
	int r;

	snprintf(path, sizeof path, "%s/cgroup.freeze", dir);
	r = file_poke(AT_FDCWD, path, frozen ? "1" : "0");
	if (r < 0)
		return fail(-r, "%s: write to %s: %s", frozen ? "freeze" : "thaw", path, strerrordesc_np(-r));
	if (frozen) {
		r = wait_frozen(dir, path);
		if (r < 0)
			(void)file_poke(AT_FDCWD, path, "0");
		return r;
	}
	if (parent_says(dir, "../cgroup.events", "frozen 1"))
		return 0;
	r = cg_wait_event(dir, "frozen 0", FREEZE_MS);
	return r < 0 ? fail(-r, "read %s/cgroup.events: %s", dir, strerrordesc_np(-r)) : 0;
}

/* 1: it is so; 0: not yet. Written anew each time: a process forked meanwhile may have missed the first. */
static int ask_v1(const char *path, bool frozen)
{
	const char *want = frozen ? "FROZEN" : "THAWED";
	char state[16];
	int r = file_poke(AT_FDCWD, path, want);

	if (r < 0)
		return fail(-r, "%s: write to %s: %s", frozen ? "freeze" : "thaw", path, strerrordesc_np(-r));
	ssize_t n = file_peek(AT_FDCWD, path, state, sizeof state);
	if (n < 0)
		return fail((int)-n, "read %s: %s", path, strerrordesc_np((int)-n));
	return str_eq(state, want);
}

/* v1 tells nobody when the state is reached: reading it, ever less often, is the only way. */
static int freeze_v1(const char *dir, bool frozen)
{
	struct timespec end, nap = { 0, 50000 };
	char path[CG_FULL + 32];
	int r;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += FREEZE_MS / 1000;
	snprintf(path, sizeof path, "%s/freezer.state", dir);
	while ((r = ask_v1(path, frozen)) == 0 && ms_left(&end) > 0) {
		if (!frozen && parent_says(dir, "freezer.parent_freezing", "1"))
			return 0;
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < 20000000)
			nap.tv_nsec *= 2;
	}
	if (r == 1 || (r == 0 && !frozen))
		return 0;
	if (frozen)
		(void)file_poke(AT_FDCWD, path, "THAWED");
	return r < 0 ? r : timed_out(dir);
}

static int no_freezer(const struct cg *cg)
{
	TRY(cg_host_check());
	return fail_as(
	    ERR_UNSUPPORTED,
	    "freezer: the group %.*s has none: no v1 freezer hierarchy, no cgroup.freeze (Linux 5.2)",
	    (int)strcspn(cg->path, "\n"), cg->path);
}

/* The group's directory with a freezer; *v2 tells of which kind. */
static int freezer_of(const struct cg *cg, bool *v2, char dir[CG_FULL])
{
	int tree = cg_v2_hier(), v1 = cg_ctl_hier(CTL_FREEZER);
	char path[CG_FULL];

	if (tree >= 0 && (cg->hiers & BIT(tree))) {
		*v2 = true;
		cg_file(cg, (size_t)tree, NULL, dir);
		if (access(cg_file(cg, (size_t)tree, "cgroup.freeze", path), F_OK) == 0)
			return 0;
		if (errno != ENOENT)
			return fail_errno("freezer: look for %s", path);
		/* It has none, or is gone with all that was in it. */
		if (access(dir, F_OK) < 0)
			return fail_errno("freezer: %s", dir);
	}
	if (v1 >= 0 && (cg->hiers & BIT(v1))) {
		*v2 = false;
		cg_file(cg, (size_t)v1, NULL, dir);
		return 0;
	}
	return no_freezer(cg);
}

int cg_freezer(const struct cg *cg, char *buf, size_t size)
{
	char dir[CG_FULL];
	bool v2;

	TRY(freezer_of(cg, &v2, dir));
	return (size_t)snprintf(buf, size, "%s", dir) < size ? 0 : fail(ENAMETOOLONG, "freezer: %s", dir);
}

int cg_freeze(const struct cg *cg, bool frozen)
{
	char dir[CG_FULL];
	bool v2;

	TRY(freezer_of(cg, &v2, dir));
	return v2 ? freeze_v2(dir, frozen) : freeze_v1(dir, frozen);
}

static bool many;

void cg_look_at_many(void)
{
	many = true;
}

static ssize_t peek_events(const struct cg *cg, size_t tree, char *text, size_t size)
{
	static int tree_fd = -1;
	char path[CG_FULL];
	const char *file = cg_file(cg, tree, "cgroup.events", path);

	if (many && tree_fd < 0)
		tree_fd = open(cg_host()->h[tree].mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree_fd >= 0) {
		file += strlen(cg_host()->h[tree].mount);
		file += strspn(file, "/");
	}
	return file_peek(tree_fd >= 0 ? tree_fd : AT_FDCWD, file, text, size);
}

int cg_is_frozen(const struct cg *cg)
{
	int tree = cg_v2_hier(), v1 = cg_ctl_hier(CTL_FREEZER);
	char path[CG_FULL], text[256];
	ssize_t n;

	/* Kernels before 5.2 have no such line there. */
	if (tree >= 0 && (cg->hiers & BIT(tree)) && peek_events(cg, (size_t)tree, text, sizeof text) > 0 &&
	    strstr(text, "frozen "))
		return cg_word_in(text, "frozen 1", 8, '\n');
	if (v1 < 0 || !(cg->hiers & BIT(v1)))
		return no_freezer(cg);
	n = file_peek(AT_FDCWD, cg_file(cg, (size_t)v1, "freezer.state", path), text, sizeof text);
	/* FREEZING: some stand still, and SIGKILL does not reach them; only a thaw ends that. */
	return n < 0 ? fail((int)-n, "read %s: %s", path, strerrordesc_np((int)-n)) : !str_eq(text, "THAWED");
}
