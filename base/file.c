#include "base/file.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/scope.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

int file_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

int file_poke(int dirfd, const char *path, const char *text)
{
	auto_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || TEMP_FAILURE_RETRY(write(fd, text, strlen(text))) < 0)
		return -errno;
	return 0;
}

/*
 * The private name by which a new text takes the place of an old one is known, and its writer has the file locked: what
 * stands there without a lock was left by a writer that was killed, and is whoever's that needs the name. In a
 * directory that others write to (--pid-file /tmp/x) it can be theirs, too: their locks are not waited for.
 */
enum { WHOLE = 200, STRANGERS = 64 };
#define SUFFIX ".vzrun-new"

static void private_name(char out[NAME_MAX + 1], const char *name)
{
	size_t n = strlen(name);

	if (n <= WHOLE)
		snprintf(out, NAME_MAX + 1, ".%s" SUFFIX, name);
	else
		snprintf(out, NAME_MAX + 1, ".%.*s~%016jx" SUFFIX, WHOLE, name, (uintmax_t)str_hash(name, n));
}

static int is_private(const struct dirent *e)
{
	return e->d_name[0] == '.' && strlen(e->d_name) > sizeof SUFFIX && str_ends(e->d_name, SUFFIX);
}

static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink <= 1;
}

/* Where there are no locks (NFS without its daemon), nobody waits. */
static int lock(int fd, int how)
{
	int r = TEMP_FAILURE_RETRY(flock(fd, how));

	return r < 0 && (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS) ? 0 : r;
}

/* 1: locked; 0: the file lost the name meanwhile. -1 with errno: EWOULDBLOCK where it is locked and not waited for. */
static int lock_named(int fd, const struct stat *st, int dirfd, const char *tmp, int how)
{
	struct stat now;

	/* Who may read a file can hold a lock on it for ever. */
	if (lock(fd, st->st_mode & 077 ? how | LOCK_NB : how) < 0)
		return -1;
	if (fstatat(dirfd, tmp, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	return st->st_dev == now.st_dev && st->st_ino == now.st_ino;
}

enum left { GONE, REMOVED, STRANGE };

/* An enum left, or -1 with errno, as above. What is not ours is left, and not even opened. */
static int remove_left(int dirfd, const char *tmp, int how)
{
	struct stat st;
	int named;

	if (fstatat(dirfd, tmp, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? GONE : -1;
	if (!is_ours(&st))
		return STRANGE;
	auto_close int fd = openat(dirfd, tmp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? GONE : -1;
	if (fstat(fd, &st) < 0)
		return -1;
	if (!is_ours(&st))
		return GONE;
	named = lock_named(fd, &st, dirfd, tmp, how);
	if (named <= 0)
		return named < 0 ? -1 : GONE;
	return unlinkat(dirfd, tmp, 0) < 0 ? -1 : REMOVED;
}

/* Whoever has the name loses it: a living writer of ours by being done, all others at once, if not without end. */
static int make_room(int dirfd, const char *tmp, int *strangers)
{
	int r = remove_left(dirfd, tmp, LOCK_EX);

	if (r != STRANGE)
		return r;
	if (++*strangers > STRANGERS) {
		errno = EEXIST;
		return -1;
	}
	return unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT ? -1 : 0;
}

/* Some file systems have no O_TMPFILE (old overlay, NFS, 9p): a named one, then. */
static int open_named(int dirfd, const char *tmp)
{
	struct stat st;
	int strangers = 0, named, error;

	for (;;) {
		auto_close int fd = openat(dirfd, tmp, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0600);

		if (fd < 0 && (errno != EEXIST || make_room(dirfd, tmp, &strangers) < 0))
			return -1;
		if (fd < 0)
			continue;
		named = fstat(fd, &st) < 0 ? -1 : lock_named(fd, &st, dirfd, tmp, LOCK_EX);
		if (named > 0)
			return take_fd(&fd);
		if (named == 0)
			continue;
		error = errno;
		(void)unlinkat(dirfd, tmp, 0);
		errno = error;
		return -1;
	}
}

/* 0600 until it is whole: so long nobody else can lock it. */
static int open_private(int dirfd, const char *tmp, bool *named)
{
	int fd = openat(dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	*named = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT);
	return *named ? open_named(dirfd, tmp) : fd;
}

static int give_name(int fd, int dirfd, const char *name)
{
	char self[32];

	if (linkat(fd, "", dirfd, name, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno == EEXIST)
		return -1;
	/* Without CAP_DAC_READ_SEARCH only the way through /proc is open. */
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, dirfd, name, AT_SYMLINK_FOLLOW);
}

static int give_private_name(int fd, int dirfd, const char *tmp)
{
	int strangers = 0;

	if (lock(fd, LOCK_EX) < 0)
		return -1;
	while (give_name(fd, dirfd, tmp) < 0)
		if (errno != EEXIST || make_room(dirfd, tmp, &strangers) < 0)
			return -1;
	return 0;
}

/* A private file with all of it, and then the name: at once for a new one, by rename over an old one. */
static int write_and_name(int dirfd, const char *name, const char *text, size_t len, mode_t mode, bool sync)
{
	char tmp[NAME_MAX + 1];
	const char *what = name;
	bool named;

	private_name(tmp, name);
	auto_close int fd = open_private(dirfd, tmp, &named);
	if (fd < 0)
		return fail_errno("write %s", named ? tmp : name);
	/* fchmod: the mode is the caller's word, whatever the umask. */
	if (file_write_all(fd, text, len) < 0 || (mode & 077 && fchmod(fd, mode) < 0) || (sync && fsync(fd) < 0))
		goto failed;
	if (!named && give_name(fd, dirfd, name) == 0)
		return 0;
	if (!named && errno != EEXIST)
		goto failed;
	if (!named && give_private_name(fd, dirfd, tmp) < 0) {
		what = tmp;
		goto failed;
	}
	named = true;
	if (renameat(dirfd, tmp, dirfd, name) == 0)
		return 0;
failed:;
	int r = fail_errno("write %s", what);

	if (named)
		(void)unlinkat(dirfd, tmp, 0);
	return r;
}

int file_sweep(int dirfd, const char *dir)
{
	struct dirent **list;
	int n, removed = 0;
	auto_close int fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : fail_errno("open %s", dir);
	n = scandirat(fd, ".", &list, is_private, NULL);
	if (n < 0)
		return fail_errno("read %s", dir);
	for (int i = 0; i < n; i++) {
		int r = removed < 0 ? 0 : remove_left(fd, list[i]->d_name, LOCK_EX | LOCK_NB);

		if (r < 0 && errno != EWOULDBLOCK)
			removed = fail_errno("remove %s", list[i]->d_name);
		else
			removed += r == REMOVED;
		free(list[i]);
	}
	free(list);
	return removed;
}

int file_write_atomic(int dirfd, const char *name, const char *text, size_t len, mode_t mode)
{
	TRY(fail_class(write_and_name(dirfd, name, text, len, mode, true), ERR_STORAGE));
	if (dirfd != AT_FDCWD && fsync(dirfd) < 0 && errno != EINVAL && errno != EBADF && errno != EROFS)
		return fail_errno("sync the directory of %s", name);
	return 0;
}

int file_write_volatile(int dirfd, const char *name, const char *text, size_t len, mode_t mode)
{
	return write_and_name(dirfd, name, text, len, mode, false);
}

int file_make_dirs(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return fail_errno("open %s", path);
	if (path[0] != '/' || strlen(path) >= sizeof part)
		return fail(EINVAL, "directory %.64s: not an absolute path, or too long", path);
	strcpy(part, path);
	for (char *p = part + 1; (p = strchrnul(p, '/')); p++) {
		bool end = *p == '\0';

		*p = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return fail_errno("create directory %s", part);
		if (end)
			break;
		*p = '/';
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_errno("open %s", path) : fd;
}

int file_check_owner(const struct stat *st, const char *what)
{
	if (st->st_uid == 0 || st->st_uid == geteuid() || undefended("state-owner"))
		return 0;
	fail_as(ERR_PERMISSION, "%s: it is user %u's", what, st->st_uid);
	err_try("run vzrun as that user");
	return -EPERM;
}

int file_check_owners(const char *home, const char *sub)
{
	char path[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", home, sub) >= sizeof path)
		return fail(ENAMETOOLONG, "%.64s: too long", home);
	if (stat(home, &st) < 0)
		return fail_errno("look at %s", home);
	TRY(file_check_owner(&st, home));
	if (stat(path, &st) < 0)
		return fail_errno("look at %s", path);
	return file_check_owner(&st, path);
}

int file_lock(int dirfd, const char *name, bool wait)
{
	auto_close int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_errno("open lock %s", name);
	if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB))) < 0)
		return fail_errno("lock %s", name);
	return take_fd(&fd);
}
