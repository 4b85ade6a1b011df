/*
 * tmpcopyup: a tmpfs starts with what the image has below it. Everything goes by descriptors and single
 * names that are not followed; fifos are made anew, never opened; device nodes are left out, because the
 * configuration alone says which devices there are. The size of the tmpfs is the limit of what is copied.
 */
#include "runtime/child/mount.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { DEPTH_MAX = 128, XATTR_MAX = 65536 };

/* A file with several names: the one it was copied to first. */
struct link { uint64_t dev, ino; const char *path; };

struct copy {
	int top;			/* of the tmpfs */
	uint64_t mount;			/* what is mounted below is not the image's */
	char path[PATH_MAX];		/* of the directory that is being copied, from top; "a/b/" */
	unsigned depth;
	struct link *links;		/* open hash */
	size_t n_links, room;
	char *names, *value;		/* XATTR_MAX each */
	struct arena arena;
};

/* ---- attributes ---- */

static bool is_copied(const char *attr)
{
	/* Labels are the mount's; overlay's own marks mean nothing here. */
	if (str_starts(attr, "security."))
		return str_eq(attr, "security.capability");
	return !str_starts(attr, "trusted.overlay.");
}

static int copy_xattrs(struct copy *c, int from, int to, const char *name)
{
	ssize_t n = flistxattr(from, c->names, XATTR_MAX);

	for (const char *attr = c->names; n > 0 && attr < c->names + n; attr += strlen(attr) + 1) {
		ssize_t size = is_copied(attr) ? fgetxattr(from, attr, c->value, XATTR_MAX) : -1;

		if (size < 0 || fsetxattr(to, attr, c->value, (size_t)size, 0) == 0)
			continue;
		if (errno != EOPNOTSUPP && errno != EPERM)
			return fail_errno("attribute %s of %s", attr, name);
		log_debug("tmpcopyup: attribute %s of %s: %s", attr, name, strerrordesc_np(errno));
	}
	return 0;
}

/* Through the descriptor, or for what cannot be opened by its name. */
static int set_owner_and_times(int dir, const char *name, const struct statx *st)
{
	struct timespec t[2] = {
		{ st->stx_atime.tv_sec, st->stx_atime.tv_nsec }, { st->stx_mtime.tv_sec, st->stx_mtime.tv_nsec },
	};

	/* EINVAL: an id that this user namespace does not have. */
	if (fchownat(dir, name, st->stx_uid, st->stx_gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != EINVAL)
		return fail_errno("owner of %s", name);
	if (!S_ISLNK(st->stx_mode) && fchmodat(dir, name, st->stx_mode & 07777, 0) < 0)
		return fail_errno("mode of %s", name);
	return utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW) < 0 ? fail_errno("times of %s", name) : 0;
}

/* ---- links ---- */

static struct link *slot(const struct copy *c, uint64_t dev, uint64_t ino)
{
	uint64_t key[2] = { dev, ino };
	size_t i = str_hash(key, sizeof key) & (c->room - 1);

	while (c->links[i].path && (c->links[i].dev != dev || c->links[i].ino != ino))
		i = (i + 1) & (c->room - 1);
	return &c->links[i];
}

static int grow(struct copy *c)
{
	struct copy bigger = { .room = c->room ? c->room * 2 : 64 };

	bigger.links = calloc(bigger.room, sizeof *bigger.links);
	if (!bigger.links)
		return fail(ENOMEM, "out of memory");
	for (size_t i = 0; i < c->room; i++)
		if (c->links[i].path)
			*slot(&bigger, c->links[i].dev, c->links[i].ino) = c->links[i];
	free(c->links);
	c->links = bigger.links;
	c->room = bigger.room;
	return 0;
}

/* 1: it is there already under another name, and linked; 0: it is to be copied. */
static int link_first(struct copy *c, int to, const char *name, const struct statx *st)
{
	uint64_t dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
	struct link *l;

	if (st->stx_nlink < 2 || strlen(c->path) + strlen(name) >= sizeof c->path)
		return 0;
	if (c->n_links * 2 >= c->room)
		TRY(grow(c));
	l = slot(c, dev, st->stx_ino);
	if (l->path)
		return linkat(c->top, l->path, to, name, 0) < 0 ? fail_errno("link %s", name) : 1;
	*l = (struct link){ dev, st->stx_ino, arena_printf(&c->arena, "%s%s", c->path, name) };
	c->n_links++;
	return l->path ? 0 : fail(ENOMEM, "out of memory");
}

/* ---- what there is ---- */

/* Holes stay holes: a size is no claim to memory. */
static int copy_data(int from, int to, off_t size, const char *name)
{
	off_t at = 0, end;

	while (at < size && (at = lseek(from, at, SEEK_DATA)) >= 0 && at < size) {
		end = lseek(from, at, SEEK_HOLE);
		end = end < 0 || end > size ? size : end;
		if (lseek(to, at, SEEK_SET) < 0)
			return fail_errno("copy %s", name);
		while (at < end) {
			ssize_t n = sendfile(to, from, &at, (size_t)(end - at));

			if (n < 0)
				return fail_errno("copy %s", name);
			if (n == 0)
				return fail(EIO, "copy %s: it was cut short", name);
		}
	}
	/* ENXIO: nothing but a hole is left. */
	if (at < 0 && errno != ENXIO)
		return fail_errno("copy %s", name);
	return ftruncate(to, size) < 0 ? fail_errno("copy %s", name) : 0;
}

static int copy_file(struct copy *c, int from, int to, const char *name, const struct statx *st)
{
	int linked = link_first(c, to, name, st);
	struct stat now;

	if (linked != 0)
		return linked < 0 ? linked : 0;
	auto_close int in = openat(from, name, O_RDONLY | (undefended("nofollow") ? 0 : O_NOFOLLOW) | O_NONBLOCK |
					       O_NOCTTY | O_CLOEXEC);
	if (in < 0 || fstat(in, &now) < 0)
		return fail_errno("read %s", name);
	if (!S_ISREG(now.st_mode) || (now.st_ino != st->stx_ino && !undefended("same-file")))
		return fail(EAGAIN, "read %s: it was replaced", name);
	auto_close int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return fail_errno("create %s", name);
	TRY(copy_data(in, out, now.st_size, name));
	TRY(set_owner_and_times(to, name, st));
	return copy_xattrs(c, in, out, name);
}

static int copy_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return fail_errno("read the link %s", name);
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? fail_errno("create the link %s", name) : 0;
}

static int copy_entries(struct copy *c, int from, int to);

static int copy_dir(struct copy *c, int from, int to, const char *name, const struct statx *st)
{
	size_t n = strlen(c->path);
	auto_close int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (in < 0)
		return fail_errno("read directory %s", name);
	if (mkdirat(to, name, 0700) < 0)
		return fail_errno("create directory %s", name);
	auto_close int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return fail_errno("open directory %s", name);
	if (c->depth++ == DEPTH_MAX)
		return fail(ELOOP, "more than %d directories deep", DEPTH_MAX);
	/* A path that does not fit is for no link: see link_first(). */
	snprintf(c->path + n, sizeof c->path - n, "%s/", name);
	TRY(copy_entries(c, in, out));
	c->path[n] = '\0';
	c->depth--;
	TRY(copy_xattrs(c, in, out, name));
	return set_owner_and_times(to, name, st);
}

static int copy_one(struct copy *c, int from, int to, const char *name)
{
	struct statx st;

	if (statx(from, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0)
		return fail_errno("look at %s", name);
	if (st.stx_mask & STATX_MNT_ID && st.stx_mnt_id != c->mount)
		return 0;
	switch (st.stx_mode & S_IFMT) {
	case S_IFDIR: return copy_dir(c, from, to, name, &st);
	case S_IFREG: return copy_file(c, from, to, name, &st);
	case S_IFLNK: TRY(copy_link(from, to, name)); break;
	case S_IFIFO:
	case S_IFSOCK:
		if (mknodat(to, name, (st.stx_mode & S_IFMT) | 0600, 0) < 0)
			return fail_errno("create %s", name);
		break;
	default:
		log_debug("tmpcopyup: %s: device nodes are left out", name);
		return 0;
	}
	return set_owner_and_times(to, name, &st);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int copy_entries(struct copy *c, int from, int to)
{
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 3);
	DIR *d SCOPED(close_dir) = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return fail_errno("read a directory");
	for (struct dirent *e; errno = 0, (e = readdir(d));)
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			TRY(copy_one(c, from, to, e->d_name));
	return errno ? fail_errno("read a directory") : 0;
}

/* The root of the tmpfs, where its options leave it open. */
static int copy_top(struct copy *c, int from, int to, const char *data, const struct statx *st)
{
	bool uid = data && strstr(data, "uid="), gid = data && strstr(data, "gid=");

	if (fchown(to, uid ? (uid_t)-1 : st->stx_uid, gid ? (gid_t)-1 : st->stx_gid) < 0 && errno != EINVAL)
		return fail_errno("owner of the directory");
	/* The mode was given to the file system, by an option or as it is here. */
	return copy_xattrs(c, from, to, "the directory");
}

static int copy_all(struct copy *c, int at, const char *data)
{
	struct statx st;
	auto_close int from = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (from < 0 || statx(from, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0)
		return fail_errno("read the directory");
	c->mount = st.stx_mnt_id;
	c->names = malloc(2 * XATTR_MAX);
	c->value = c->names + XATTR_MAX;
	if (!c->names)
		return fail(ENOMEM, "out of memory");
	TRY(copy_entries(c, from, c->top));
	return copy_top(c, from, c->top, data, &st);
}

int mnt_copy_up(int from, int to, const char *data)
{
	auto_close int top = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct copy c = { .top = top };
	int r = top < 0 ? fail_errno("open the new file system") : copy_all(&c, from, data);

	free(c.names);
	free(c.links);
	arena_free(&c.arena);
	return r;
}
