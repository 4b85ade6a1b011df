#include "base/path_walk.h"
#include "base/fault.h"
#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/*
 * One component at a time, never through a link that the kernel resolves for us. Going
 * up uses the descriptors of the way down, so a directory that is moved away while we
 * walk cannot lead out of the root.
 */
enum { DEPTH_MAX = 256, LINKS_MAX = 40 };

struct walk {
	int fd[DEPTH_MAX];
	size_t depth;
	unsigned links;
	uint64_t resolve;
	enum { MAKE_NONE, MAKE_DIR, MAKE_FILE } make;	/* what the last one becomes where it is missing */
	bool made, made_last;
	char rest[2 * PATH_MAX];
};

static int error(int code)
{
	errno = code;
	return -1;
}

static void up(struct walk *w)
{
	if (w->depth > 1)
		close(w->fd[--w->depth]);
}

static void to_root(struct walk *w)
{
	while (w->depth > 1)
		up(w);
}

static bool on_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static bool other_mount(int a, int b)
{
	struct statx x, y;

	return statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0 || statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &y) < 0 ||
	       x.stx_mnt_id != y.stx_mnt_id;
}

static int follow(struct walk *w, int link, const char *after)
{
	char target[PATH_MAX], joined[sizeof w->rest];
	ssize_t n = readlinkat(link, "", target, sizeof target - 1);

	if (n < 0)
		return -1;
	target[n] = '\0';
	if (w->resolve & RESOLVE_NO_SYMLINKS || ++w->links > LINKS_MAX || (on_proc(link) && !undefended("in-root")))
		return error(ELOOP);
	if (w->resolve & WALK_OWN_LINKS && other_mount(link, w->fd[0]))
		return error(EXDEV);
	if (target[0] == '/' && w->resolve & RESOLVE_BENEATH)
		return error(EXDEV);
	if (target[0] == '/')
		to_root(w);
	if (target[0] == '/' && undefended("in-root"))
		w->fd[w->depth++] = open("/", O_PATH | O_CLOEXEC);
	if ((size_t)snprintf(joined, sizeof joined, "%s/%s", target, after) >= sizeof joined)
		return error(ENAMETOOLONG);
	memcpy(w->rest, joined, sizeof joined);
	return 0;
}

/* What somebody puts there meanwhile is met with as if it had been there: a link is followed in the root. */
static int make(struct walk *w, int dir, const char *name, bool last)
{
	bool file = last && w->make == MAKE_FILE;
	auto_close int fd = file ? openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644) : -1;

	if (file ? fd < 0 : mkdirat(dir, name, 0755) < 0) {
		if (errno != EEXIST)
			return -1;
	} else {
		w->made = true;
		w->made_last = last;
	}
	return openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* 1: the final descriptor is in *out; 0: go on. */
static int step(struct walk *w, const char *name, const char *after, int flags, unsigned mode, int *out)
{
	bool last = *after == '\0';
	int dir = w->fd[w->depth - 1];
	struct stat st;

	if (strcmp(name, "..") == 0 && w->depth == 1 && w->resolve & RESOLVE_BENEATH)
		return error(EXDEV);
	if (strcmp(name, "..") == 0 && w->made)
		return error(EINVAL);
	if (strcmp(name, "..") == 0) {
		up(w);
		return 0;
	}
	auto_close int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && last && flags & O_CREAT) {
		*out = openat(dir, name, flags | O_EXCL | O_NOFOLLOW, mode);
		return *out < 0 ? -1 : 1;
	}
	if (fd < 0 && errno == ENOENT && w->make)
		fd = make(w, dir, name, last);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (w->resolve & RESOLVE_NO_XDEV && other_mount(dir, fd))
		return error(EXDEV);
	if (S_ISLNK(st.st_mode) && !(last && flags & O_NOFOLLOW))
		return follow(w, fd, after);
	if (last && !S_ISDIR(st.st_mode) && !(flags & O_DIRECTORY)) {
		*out = flags & O_PATH ? take_fd(&fd) : openat(dir, name, flags | O_NOFOLLOW, mode);
		return *out < 0 ? -1 : 1;
	}
	if (!S_ISDIR(st.st_mode))
		return error(ENOTDIR);
	if (w->depth == DEPTH_MAX)
		return error(ENAMETOOLONG);
	w->fd[w->depth++] = take_fd(&fd);
	return 0;
}

static int run(struct walk *w, int flags, unsigned mode)
{
	int out = -1;

	for (;;) {
		char name[NAME_MAX + 1];
		char *p = w->rest + strspn(w->rest, "/");
		size_t n = strcspn(p, "/");

		if (n > NAME_MAX)
			return error(ENAMETOOLONG);
		if (n == 0)
			return openat(w->fd[w->depth - 1], ".", flags & ~(O_CREAT | O_NOFOLLOW));
		memcpy(name, p, n);
		name[n] = '\0';
		p += n;
		p += strspn(p, "/");
		memmove(w->rest, p, strlen(p) + 1);
		if (strcmp(name, ".") == 0)
			continue;
		char after[sizeof w->rest];
		memcpy(after, w->rest, sizeof after);
		int r = step(w, name, after, flags, mode, &out);
		if (r != 0)
			return r < 0 ? -1 : out;
	}
}

static int walk(struct walk *w, const char *path, int flags, unsigned mode)
{
	int fd, saved;

	if (strlen(path) >= PATH_MAX)
		return error(ENAMETOOLONG);
	if (!*path)
		return error(ENOENT);
	if (path[0] == '/' && !(w->resolve & RESOLVE_IN_ROOT))
		return error(EXDEV);
	strcpy(w->rest, path);
	fd = run(w, flags, mode);
	saved = errno;
	to_root(w);
	errno = saved;
	return fd;
}

int path_walk(int rootfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
	struct walk w = { .fd = { rootfd }, .depth = 1, .resolve = resolve };

	return walk(&w, path, flags, mode);
}

int path_walk_make(int rootfd, const char *path, bool file, uint64_t resolve, bool *made)
{
	struct walk w = { .fd = { rootfd }, .depth = 1, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
			  .make = file ? MAKE_FILE : MAKE_DIR };
	int fd = walk(&w, path, O_PATH | O_CLOEXEC, 0);

	*made = w.made_last;
	return fd;
}
