#include "images/extract_file.h"
#include "base/err.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static int blame(const struct place *p, const char *what)
{
	return fail_class(fail_errno("%.200s: %s", p->path, what), ERR_STORAGE);
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

int place_clear(const struct place *p, enum tar_type type)
{
	struct stat st;

	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : blame(p, "look");
	if (S_ISDIR(st.st_mode) && type == TAR_DIR)
		return 1;
	if (S_ISDIR(st.st_mode))
		return fail_as(ERR_IMAGE, "%.200s: given twice, first as a directory", p->path);
	if (type == TAR_DIR && !is_whiteout(&st))
		return fail_as(ERR_IMAGE, "%.200s: given twice, then as a directory", p->path);
	/* As with tar itself the last one of the same name is what counts. */
	if (unlinkat(p->dir, p->name, 0) < 0)
		return blame(p, "replace");
	return is_whiteout(&st) ? 2 : 0;
}

int place_parent(const struct place *p)
{
	struct stat st;

	if (mkdirat(p->dir, p->name, 0755) == 0)
		return 0;
	if (errno != EEXIST || fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return blame(p, "create its directory");
	/* Neither is a file or a link in its place: whoever opens it says so. */
	if (!is_whiteout(&st))
		return 0;
	if (unlinkat(p->dir, p->name, 0) < 0 || mkdirat(p->dir, p->name, 0755) < 0)
		return blame(p, "create its directory");
	return 2;
}

/* fd -1: a kind of file that carries none; they are judged all the same. */
static int set_xattrs(const struct place *p, struct tar *t, int fd, bool plain)
{
	const char *name;
	const void *value;
	size_t n;

	while (tar_xattr(t, &name, &value, &n)) {
		int r = plain ? 0 : member_xattr(p->path, name, value, n);

		TRY(r);
		if (r == 1 && fd >= 0 && fsetxattr(fd, name, value, n, 0) < 0)
			return fail_class(fail_errno("%.200s: extended attribute %.80s", p->path, name),
					  ERR_STORAGE);
	}
	return 0;
}

/* The order matters: chown clears setuid bits and file capabilities. */
static int dress(const struct place *p, struct tar *t, int fd, const struct tar_entry *e, bool plain)
{
	const struct timespec times[2] = { e->mtime, e->mtime };

	if (!plain && fchown(fd, e->uid, e->gid) < 0)
		return blame(p, "set the owner");
	if (!plain && fchmod(fd, e->mode) < 0)
		return blame(p, "set the mode");
	TRY(set_xattrs(p, t, fd, plain));
	if (futimens(fd, times) < 0)
		return blame(p, "set the time");
	return 0;
}

static int write_at(int fd, const char *data, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t w = pwrite(fd, data, n, (off_t)at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return -1;
		data += w;
		at += (uint64_t)w;
		n -= (size_t)w;
	}
	return 0;
}

int place_file(const struct place *p, struct tar *t, const struct tar_entry *e, bool plain)
{
	auto_close int fd =
		openat(p->dir, p->name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	const void *data;
	uint64_t at, end = 0;
	size_t n;
	int r;

	if (fd < 0)
		return blame(p, "create");
	while ((r = tar_data(t, &data, &n, &at)) > 0) {
		if (at > e->size || n > e->size - at)
			return fail_as(ERR_IMAGE, "%.200s: more data than its size", p->path);
		/* Holes are not written, so a sparse file stays one. */
		if (write_at(fd, data, n, at) < 0)
			return blame(p, "write");
		end = at + n > end ? at + n : end;
	}
	TRY_IN(r, "%.200s", p->path);
	if (end < e->size && ftruncate(fd, (off_t)e->size) < 0)
		return blame(p, "set the size");
	return dress(p, t, fd, e, plain);
}

int place_dir(const struct place *p, struct tar *t, const struct tar_entry *e, bool exists, bool plain)
{
	if (!exists && mkdirat(p->dir, p->name, 0755) < 0)
		return blame(p, "create");
	auto_close int fd = openat(p->dir, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return blame(p, "open");
	return dress(p, t, fd, e, plain);
}

int place_symlink(const struct place *p, struct tar *t, const struct tar_entry *e, const char *target)
{
	const struct timespec times[2] = { e->mtime, e->mtime };

	TRY(set_xattrs(p, t, -1, false));
	if (symlinkat(target, p->dir, p->name) < 0)
		return blame(p, "create");
	if (fchownat(p->dir, p->name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return blame(p, "set the owner");
	if (utimensat(p->dir, p->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return blame(p, "set the time");
	return 0;
}

int place_node(const struct place *p, struct tar *t, const struct tar_entry *e)
{
	const struct timespec times[2] = { e->mtime, e->mtime };
	mode_t type = e->type == TAR_FIFO ? S_IFIFO : e->type == TAR_CHAR ? S_IFCHR : S_IFBLK;

	TRY(set_xattrs(p, t, -1, false));
	if (mknodat(p->dir, p->name, type | 0600, e->rdev) < 0)
		return blame(p, "create");
	/* Just made, and nobody else can reach it: the name is still the node. */
	if (fchownat(p->dir, p->name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(p->dir, p->name, e->mode, 0) < 0)
		return blame(p, "set owner and mode");
	if (utimensat(p->dir, p->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return blame(p, "set the time");
	return 0;
}

int place_whiteout(const struct place *p)
{
	struct stat st;

	/* It is about lower layers only: what this layer itself has under the name stays. */
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode);
	if (mknodat(p->dir, p->name, S_IFCHR, 0) < 0)
		return blame(p, "create the whiteout");
	return 0;
}
