#include "images/copy.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "images/copy_file.h"
#include "images/progress.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

enum { DEPTH_MAX = 320 };

/*
 * Files with several names: where the first of them went. Sorted by (device, inode), as there may be
 * thousands.
 */
struct seen { dev_t dev; ino_t ino; char *path; };
struct copy { int target; struct seen *seen; size_t n; char path[PATH_MAX]; uint64_t bytes; };

static size_t seen_at(const struct copy *c, const struct stat *st)
{
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct seen *s = &c->seen[mid];

		if (s->dev < st->st_dev || (s->dev == st->st_dev && s->ino < st->st_ino))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int remember(struct copy *c, const struct stat *st)
{
	size_t at = seen_at(c, st);
	struct seen *grown = c->n % 256 ? c->seen : reallocarray(c->seen, c->n + 256, sizeof *grown);

	if (!grown)
		return fail(ENOMEM, "copy: out of memory");
	c->seen = grown;
	memmove(grown + at + 1, grown + at, (c->n - at) * sizeof *grown);
	grown[at] = (struct seen){ st->st_dev, st->st_ino, strdup(c->path) };
	c->n++;
	return grown[at].path ? 0 : fail(ENOMEM, "copy: out of memory");
}

/* 1: the file is a further name of one that was copied. */
static int link_again(struct copy *c, int to, const char *name, const struct stat *st)
{
	size_t at = seen_at(c, st);
	char *first;

	if (at == c->n || c->seen[at].dev != st->st_dev || c->seen[at].ino != st->st_ino)
		return 0;
	first = c->seen[at].path;
	auto_close int dir = -1;
	char *slash = strrchr(first, '/');
	*slash = '\0';
	dir = path_open_strict(c->target, *first ? first + 1 : ".", O_PATH | O_DIRECTORY);
	*slash = '/';
	TRY(dir);
	if (linkat(dir, slash + 1, to, name, 0) < 0)
		return fail_errno("%s: link to %s", c->path, first);
	return 1;
}

static int copy_children(struct copy *c, int from, int to, int depth);

static int copy_dir(struct copy *c, int from, const char *name, int to, const struct stat *st, int depth)
{
	auto_close int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char value[2];
	struct stat there;

	if (in < 0)
		return fail_errno("%s: open", c->path);
	/* Opaque, or over what is no directory: nothing of the lower layers shows. */
	if (fgetxattr(in, "trusted.overlay.opaque", value, sizeof value) == 1 ||
	    (fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(there.st_mode)))
		TRY(path_remove_tree(to, name));
	if (mkdirat(to, name, 0700) < 0 && errno != EEXIST)
		return fail_errno("%s: create", c->path);
	auto_close int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return fail_errno("%s: open", c->path);
	TRY(copy_children(c, in, out, depth + 1));
	return copy_dress(in, out, name, st);
}

static int copy_one(struct copy *c, int from, const char *name, int to, int depth)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno("%s", c->path);
	if (S_ISDIR(st.st_mode))
		return copy_dir(c, from, name, to, &st, depth);
	TRY(path_remove_tree(to, name));
	/* A whiteout: removing was all. */
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return 0;
	if (st.st_nlink > 1) {
		r = link_again(c, to, name, &st);
		if (r != 0)
			return r < 0 ? r : 0;
		TRY(remember(c, &st));
	}
	progress(c->bytes += (uint64_t)st.st_size, 0);
	if (S_ISREG(st.st_mode))
		return copy_regular(from, name, to, &st);
	return S_ISLNK(st.st_mode) ? copy_symlink(from, name, to, &st) : copy_node(to, name, &st);
}

static int copy_children(struct copy *c, int from, int to, int depth)
{
	size_t len = strlen(c->path);
	struct dirent **list;
	int n, r = 0;

	if (depth > DEPTH_MAX)
		return fail_as(ERR_IMAGE, "%.200s: nested deeper than %d", c->path, DEPTH_MAX);
	n = scandirat(from, ".", &list, NULL, NULL);
	if (n < 0)
		return fail_errno("%s: list", c->path);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (r == 0 && !str_eq(name, ".") && !str_eq(name, "..")) {
			snprintf(c->path + len, sizeof c->path - len, "/%s", name);
			r = len + strlen(name) + 2 > sizeof c->path
				    ? fail_as(ERR_IMAGE, "%.200s: path longer than %zu bytes", c->path, sizeof c->path - 1)
				    : copy_one(c, from, name, to, depth);
			c->path[len] = '\0';
		}
		free(list[i]);
	}
	free(list);
	return r;
}

static void forget(struct copy *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->seen[i].path);
	free(c->seen);
	c->seen = NULL;
	c->n = 0;
}

static int copy_layer(const struct store *s, const char *hex, int target)
{
	__attribute__((cleanup(forget))) struct copy c = { .target = target };
	auto_close int layer = openat(s->layers, hex, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (layer < 0 || fstat(layer, &st) < 0)
		return fail_errno("layer %s", hex);
	TRY_IN(copy_children(&c, layer, target, 0), "layer %.12s", hex);
	return copy_dress(layer, target, "/", &st);
}

static int open_empty(const char *target)
{
	struct dirent **list;
	auto_close int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int n;

	if (fd < 0)
		return fail_class(fail_errno("copy to %s", target), ERR_STORAGE);
	n = scandirat(fd, ".", &list, NULL, NULL);
	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
	if (n > 2)
		return fail_as(ERR_STATE, "copy to %s: the directory is not empty", target);
	return take_fd(&fd);
}

int copy_image(const struct store *s, const struct image *i, const char *target)
{
	auto_layer_list struct layer_list l = { 0 };
	auto_close int fd = open_empty(target);

	TRY(fd);
	TRY(image_layers(i, &l));
	progress_start("copy");
	for (size_t k = 0; k < l.n; k++)
		TRY_IN(fail_class(copy_layer(s, l.hex[k], fd), ERR_STORAGE), "copy to %s", target);
	progress_end();
	return 0;
}
