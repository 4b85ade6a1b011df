#include "base/path.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/path_walk.h"
#include "base/scope.h"
#include "base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int path_open(int rootfd, const char *path, int flags)
{
	int fd = undefended("in-root") ? openat(rootfd, path[1] ? path + 1 : ".", flags | O_CLOEXEC)
		: sys_openat2(rootfd, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	return fd < 0 ? fail_errno("open %s in the root", path) : fd;
}

int path_open_strict(int dirfd, const char *path, int flags)
{
	int fd = undefended("no-links") ? openat(dirfd, path, flags | O_CLOEXEC)
		: sys_openat2(dirfd, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	return fd < 0 ? fail_errno("open %s", path) : fd;
}

static int foreign_link(const char *path)
{
	return fail(EXDEV, "%s: a symbolic link on the way lies in a volume, where others may write: it is not followed",
		    path);
}

int path_open_own(int rootfd, const char *path)
{
	const uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
	/* There is hardly ever a link. */
	int fd = sys_openat2(rootfd, path, O_PATH, 0, resolve | RESOLVE_NO_SYMLINKS);

	if (fd < 0 && errno == ELOOP)
		fd = path_walk(rootfd, path, O_PATH | O_CLOEXEC, 0, resolve | WALK_OWN_LINKS);
	if (fd < 0 && errno == EXDEV)
		return foreign_link(path);
	return fd < 0 ? fail_errno("open %s in the root", path) : fd;
}

static int make(int rootfd, const char *path, enum path_kind kind, bool *made)
{
	int fd = path_walk_make(rootfd, path, kind & PATH_FILE, kind & PATH_OWN_LINKS ? WALK_OWN_LINKS : 0, made);

	if (fd < 0 && errno == EINVAL)
		return fail(EINVAL, "create %s: \"..\" below a directory that does not exist", path);
	if (fd < 0 && errno == EXDEV)
		return foreign_link(path);
	return fd < 0 ? fail_errno("create %s", path) : fd;
}

int path_ensure(int rootfd, const char *path, enum path_kind kind, bool *created)
{
	size_t n = strlen(path);
	bool made = false;
	int fd;

	if (n == 0 || n >= PATH_MAX)
		return fail(n ? ENAMETOOLONG : ENOENT, "path \"%.64s\": %s", path, n ? "too long" : "empty");
	fd = kind & PATH_OWN_LINKS ? path_open_own(rootfd, path) : path_open(rootfd, path, O_PATH);
	if (fd == -ENOENT)
		fd = make(rootfd, path, kind, &made);
	if (created)
		*created = made;
	return fd;
}

int path_parent(int rootfd, const char *path, const char **name)
{
	char head[PATH_MAX];
	const char *last;
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof head || path[n - 1] == '/')
		return fail(EINVAL, "path \"%.64s\" has no last component", path);
	memcpy(head, path, n + 1);
	last = strrchr(path, '/');
	*name = last ? last + 1 : path;
	if (strcmp(*name, "..") == 0 || strcmp(*name, ".") == 0)
		return fail(EINVAL, "path %s ends in \"%s\"", path, *name);
	head[*name - path] = '\0';
	return path_ensure(rootfd, *head ? head : "/", PATH_DIR, NULL);
}

int path_write(int rootfd, const char *path, const char *text, size_t len, mode_t mode)
{
	const char *name;
	char tmp[NAME_MAX + 1];
	auto_close int dir = path_parent(rootfd, path, &name);

	TRY(dir);
	snprintf(tmp, sizeof tmp, ".vzrun-%.200s", name);
	if (unlinkat(dir, tmp, 0) < 0 && errno != ENOENT)
		return fail_errno("write %s: remove %s", path, tmp);
	auto_close int fd = openat(dir, tmp, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno("write %s", path);
	if (file_write_all(fd, text, len) < 0 || fchmod(fd, mode) < 0 || renameat(dir, tmp, dir, name) < 0) {
		int r = fail_errno("write %s", path);

		(void)unlinkat(dir, tmp, 0);
		return r;
	}
	return 0;
}

int path_read(int rootfd, const char *path, size_t max, char **text, size_t *len)
{
	struct stat st;
	bool any = undefended("guest-files");
	auto_close int fd = path_open(rootfd, path, any ? O_RDONLY : O_RDONLY | O_NONBLOCK | O_NOCTTY);

	TRY(fd);
	if (fstat(fd, &st) < 0)
		return fail_errno("stat %s", path);
	if (!S_ISREG(st.st_mode) && !any)
		return fail(EINVAL, "%s: not a regular file", path);
	return file_read_fd(fd, path, max, text, len);
}

/*
 * A guest can nest deeper than we have stack and descriptors: what lies deeper than this is moved up
 * to the top and removed in a further round.
 */
enum { REMOVE_DEPTH = 64 };

struct removal { int top; dev_t dev; unsigned moved; };

static int remove_entries(struct removal *r, int dir, int depth);

/* Whoever filled the tree may have taken such names, too: each is tried once, however many they are. */
static int move_up(struct removal *r, int dirfd, const char *name)
{
	char to[32];
	int e;

	do {
		snprintf(to, sizeof to, ".vzrun-deep-%u", r->moved++);
		e = renameat2(dirfd, name, r->top, to, RENAME_NOREPLACE);
	} while (e < 0 && errno == EEXIST);
	return e < 0 ? fail_errno("remove %s: move it up", name) : 0;
}

static int remove_entry(struct removal *r, int dirfd, const char *name, int depth)
{
	struct stat st;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	int code = errno;
	if (code != EISDIR && code != EPERM)
		return fail_errno("remove %s", name);
	/* The number of a file system does not tell a bind mount of the same one. */
	int nofollow = undefended("nofollow") ? 0 : O_NOFOLLOW;
	auto_close int dir = sys_openat2(dirfd, name, O_RDONLY | O_DIRECTORY | nofollow, 0,
					 undefended("one-mount") ? 0 : RESOLVE_NO_XDEV);
	if (dir < 0 && errno == EXDEV)
		return fail(EXDEV, "remove %s: something is mounted on it", name);
	/* No directory: what must not be removed (chattr +i, another's in /tmp). */
	if (dir < 0 && errno == ENOTDIR)
		errno = code;
	if (dir < 0)
		return errno == ENOENT ? 0 : fail_errno("remove %s", name);
	if (fstat(dir, &st) < 0)
		return fail_errno("remove %s", name);
	if (st.st_dev != r->dev)
		return fail(EXDEV, "remove %s: something is mounted on it", name);
	if (depth >= REMOVE_DEPTH)
		return move_up(r, dirfd, name);
	TRY_IN(remove_entries(r, dir, depth + 1), "%s", name);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return fail_errno("remove %s", name);
	return 0;
}

static int remove_entries(struct removal *r, int dir, int depth)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int ret = 0;

	if (!d) {
		ret = fail_errno("read directory");
		if (copy >= 0)
			close(copy);
		return ret;
	}
	rewinddir(d);
	while (ret == 0 && (errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ret = remove_entry(r, dir, e->d_name, depth);
	if (ret == 0 && errno)
		ret = fail_errno("read directory");
	closedir(d);
	return ret;
}

int path_remove_tree(int dirfd, const char *name)
{
	struct removal r = { 0 };
	struct stat st;
	unsigned before;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail_errno("remove %s", name);
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? fail_errno("remove %s", name) : 0;
	auto_close int top = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return errno == ENOENT ? 0 : fail_errno("remove %s", name);
	r.top = top;
	r.dev = st.st_dev;
	do {
		before = r.moved;
		TRY_IN(remove_entries(&r, top, 0), "%s", name);
	} while (r.moved != before);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return fail_errno("remove %s", name);
	return 0;
}
