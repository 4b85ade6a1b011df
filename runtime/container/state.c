/* The directories of containers: claimed, locked, looked at, taken away; and the states that their processes are in. */
#include "runtime/container/state.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

const char *status_name(enum status s)
{
	static const char *const names[] = { [ST_CREATING] = "creating", [ST_CREATED] = "created",
		[ST_RUNNING] = "running", [ST_PAUSED] = "paused", [ST_STOPPED] = "stopped" };

	return names[s];
}

int state_root(const char *root)
{
	return file_make_dirs(root, 0700);
}

static int check_id(const char *id)
{
	return str_is_id(id) ? 0 : fail_as(ERR_USAGE, "invalid container ID format: \"%s\"", id);
}

int state_is_claimed(const char *id)
{
	return fail_as(ERR_EXISTS, "container with given ID already exists: \"%s\"", id);
}

int state_claim(int root_fd, const char *id)
{
	struct stat st;

	TRY(check_id(id));
	for (;;) {
		if (mkdirat(root_fd, id, 0700) < 0) {
			if (errno == EEXIST)
				return state_is_claimed(id);
			return fail_errno("create the state directory of %s", id);
		}
		auto_close int fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0) {
			int r = fail_errno("lock the state directory of %s", id);

			/* rmdir(2) takes an empty directory only, and another that claimed it meanwhile checks st_nlink, as below. */
			(void)unlinkat(root_fd, id, AT_REMOVEDIR);
			return r;
		}
		if (fstat(fd, &st) < 0) {
			int r = fail_errno("look at the state directory of %s", id);

			(void)unlinkat(root_fd, id, AT_REMOVEDIR);
			return r;
		}
		/* A `delete` took the empty directory away between mkdir and flock: only the holder of the lock may keep it. */
		if (st.st_nlink == 0)
			continue;
		return take_fd(&fd);
	}
}

static int unknown(const char *id)
{
	return fail_as(ERR_NOT_FOUND, "container \"%s\" does not exist", id);
}

int state_open(int root_fd, const char *id, bool lock)
{
	char what[160];
	struct stat st;

	TRY(check_id(id));
	auto_close int fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? unknown(id) : fail_errno("open the state of %s", id);
	if (lock && TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0)
		return fail_errno("lock the state of %s", id);
	if (fstat(fd, &st) < 0)
		return fail_errno("look at the state of %s", id);
	snprintf(what, sizeof what, "state of %.128s", id);
	TRY(file_check_owner(&st, what));
	/* Whoever held the lock may have been deleting it. */
	if (st.st_nlink == 0)
		return unknown(id);
	return take_fd(&fd);
}

int state_settled(int dir_fd, const char *id)
{
	struct stat st;

	if (TEMP_FAILURE_RETRY(flock(dir_fd, LOCK_SH)) < 0)
		return fail_errno("lock the state of %s", id);
	if (flock(dir_fd, LOCK_UN) < 0)
		return fail_errno("unlock the state of %s", id);
	if (fstat(dir_fd, &st) < 0)
		return fail_errno("look at the state of %s", id);
	return st.st_nlink == 0 ? unknown(id) : 0;
}

int state_load_unlocked(int dir_fd, const char *id, struct state *out)
{
	int r = state_load(dir_fd, id, out);

	/* Neither record: claimed a moment ago, or as good as gone. */
	if (r != -ENODATA || faccessat(dir_fd, "journal", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return r;
	TRY(state_settled(dir_fd, id));
	return state_load(dir_fd, id, out);
}

bool state_is_held(int root_fd, const char *id)
{
	auto_close int fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

struct state_mark state_mark(int dir_fd)
{
	struct stat state, journal;

	if (fstatat(dir_fd, "state.json", &state, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(dir_fd, "journal", &journal, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct state_mark){ 0 };
	return (struct state_mark){ state.st_ino, state.st_mtim, journal.st_size };
}

int state_drop(int root_fd, int fd, const char *id)
{
	/* The state last: without it this looks like a creation that is not done. */
	static const char *const files[] = { "start", "seccomp", "journal", "state.json" };

	for (size_t i = 0; i < COUNT(files); i++)
		if (unlinkat(fd, files[i], 0) < 0 && errno != ENOENT)
			return fail_errno("remove %s of %s", files[i], id);
	if (unlinkat(root_fd, id, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY)
		return fail_errno("remove the state of %s", id);
	/* A write that was killed half-way leaves its private file; the notification socket has a directory. */
	auto_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_type != DT_DIR)
			(void)unlinkat(fd, e->d_name, 0);
		else if (e->d_name[0] != '.')
			(void)path_remove_tree(fd, e->d_name);
	if (d) {
		copy = -1;
		closedir(d);
	}
	if (unlinkat(root_fd, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return fail_errno("remove the state of %s", id);
	return 0;
}

/* A zombie is dead for everybody but its parent. Without a descriptor to spare nobody is dead. */
static int is_alive(const struct state *s, int *pidfd)
{
	auto_close int fd = -1;
	int dead = 1;

	if (!pidfd) {
		int alive = sys_is_alive((pid_t)s->pid.v, s->start_time.v);

		return alive < 0 ? fail_errno("look whether process %d lives", (int)s->pid.v) : alive;
	}
	fd = sys_pidfd_of((pid_t)s->pid.v, s->start_time.v);
	if (fd >= 0)
		dead = sys_pidfd_wait(fd, 0);
	if ((fd < 0 && errno != ESRCH) || dead < 0)
		return fail_errno("look whether process %d lives", (int)s->pid.v);
	if (dead)
		return 0;
	*pidfd = take_fd(&fd);
	return 1;
}

static int status(int fd, const char *start, const struct state *s, int *pidfd)
{
	int alive = is_alive(s, pidfd);
	bool created;
	struct cg cg;

	TRY(alive);
	if (!alive)
		return ST_STOPPED;
	created = faccessat(fd, start, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (!created && errno != ENOENT)
		return fail_errno("look whether %s was started", s->id);
	state_group(s, &cg);
	int frozen = cg.hiers ? cg_is_frozen(&cg) : 0;
	/* Somebody took its group away, or there is no freezer in it. */
	if (frozen < 0 && frozen != -ENOENT && err_class() != ERR_UNSUPPORTED)
		return frozen;
	err_clear();
	return frozen > 0 ? ST_PAUSED : created ? ST_CREATED : ST_RUNNING;
}

int state_status(int dir_fd, const struct state *s, int *pidfd)
{
	return status(dir_fd, "start", s, pidfd);
}

/* Without opening the directory: `list` calls this for each container, and each call counts. */
int state_look(int root_fd, const char *id, struct state *out, enum status *st)
{
	char path[ID_MAX + 16];
	int r;

	TRY(check_id(id));
	snprintf(path, sizeof path, "%s/state.json", id);
	r = state_load_at(root_fd, path, id, out);
	if (r == -ENOTDIR)
		return unknown(id);
	if (r == -ENODATA) {
		auto_close int dir = state_open(root_fd, id, false);

		TRY(dir);
		r = state_load_unlocked(dir, id, out);
	}
	TRY(r);
	snprintf(path, sizeof path, "%s/start", id);
	r = status(root_fd, path, out, NULL);
	if (r < 0)
		state_free(out);
	else
		*st = (enum status)r;
	return r < 0 ? r : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The ids of a directory, each with the NUL at its end. */
static int read_ids(int root_fd, struct buf *out, size_t *n)
{
	int copy = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int code;

	if (!d) {
		if (copy >= 0)
			close(copy);
		return fail_errno("read the state directory");
	}
	while ((errno = 0, e = readdir(d)))
		if (str_is_id(e->d_name)) {
			buf_add(out, e->d_name, strlen(e->d_name) + 1);
			++*n;
		}
	code = errno;
	closedir(d);
	errno = code;
	return code ? fail_errno("read the state directory") : 0;
}

int state_each(int root_fd, int (*each)(void *, const char *), void *ctx)
{
	auto_buf struct buf text = { 0 };
	auto_free const char **ids = NULL;
	size_t n = 0;
	int r = 0;

	TRY(read_ids(root_fd, &text, &n));
	ids = calloc(n + 1, sizeof *ids);
	if (!ids || text.oom)
		return fail(ENOMEM, "read the state directory: out of memory");
	for (size_t i = 0, at = 0; i < n; at += strlen(ids[i++]) + 1)
		ids[i] = text.p + at;
	qsort(ids, n, sizeof *ids, by_name);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = each(ctx, ids[i]);
	return r;
}
