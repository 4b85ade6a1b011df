#include "images/pack.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { PART = 1 << 18, DEPTH_MAX = 256 };

struct pack {
	struct archive *a;
	struct archive_entry_linkresolver *links;
	dev_t dev;
	char path[PATH_MAX], part[PART];
};

static int blame(struct archive *a, const char *path)
{
	return fail_as(ERR_STORAGE, "pack %.200s: %s", path, archive_error_string(a));
}

int pack_open(struct pack **out, int fd)
{
	struct pack *p = *out = calloc(1, sizeof *p);

	if (!p)
		return fail(ENOMEM, "pack: out of memory");
	p->a = archive_write_new();
	p->links = archive_entry_linkresolver_new();
	if (!p->a || !p->links)
		return fail(ENOMEM, "pack: out of memory");
	archive_entry_linkresolver_set_strategy(p->links, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
	archive_write_set_format_pax_restricted(p->a);
	archive_write_set_options(p->a, "hdrcharset=BINARY");
	archive_write_set_bytes_per_block(p->a, PART);
	archive_write_set_bytes_in_last_block(p->a, 1);
	return archive_write_open_fd(p->a, fd) == ARCHIVE_OK ? 0 : blame(p->a, "archive");
}

static int add_xattrs(struct archive_entry *e, int fd, const char *path)
{
	char names[65536], value[65536];
	ssize_t n = flistxattr(fd, names, sizeof names);

	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : fail_errno("%.200s: list extended attributes", path);
	for (const char *s = names; s < names + n; s += strlen(s) + 1) {
		/* Labels belong to this host, overlay marks to the overlay that they came from. */
		if (!str_starts(s, "user.") && !str_eq(s, "security.capability") &&
		    !str_starts(s, "system.posix_acl_"))
			continue;
		ssize_t v = fgetxattr(fd, s, value, sizeof value);
		if (v < 0)
			return fail_errno("%.200s: extended attribute %.80s", path, s);
		archive_entry_xattr_add_entry(e, s, value, (size_t)v);
	}
	return 0;
}

/* The writer wants to know where the data is, and then the whole file all the same. */
static void add_holes(struct archive_entry *e, int fd, const struct stat *st)
{
	off_t hole = 0;

	if (st->st_size == 0 || st->st_blocks * 512 >= st->st_size)
		return;
	while (hole < st->st_size) {
		off_t data = lseek(fd, hole, SEEK_DATA);

		if (data < 0 || (hole = lseek(fd, data, SEEK_HOLE)) < 0)
			break;
		archive_entry_sparse_add_entry(e, data, hole - data);
	}
	if (archive_entry_sparse_count(e) == 0)
		archive_entry_sparse_add_entry(e, st->st_size, 0);
	(void)lseek(fd, 0, SEEK_SET);
}

static int add_data(struct pack *p, int fd, uint64_t size, const char *path)
{
	while (size > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(read(fd, p->part, size < PART ? size : PART));

		if (n < 0)
			return fail_errno("read %.200s", path);
		if (n == 0)
			return fail_as(ERR_STORAGE, "%.200s: became shorter while it was read", path);
		if (archive_write_data(p->a, p->part, (size_t)n) < 0)
			return blame(p->a, path);
		size -= (uint64_t)n;
	}
	return 0;
}

static int add_entry(struct pack *p, struct archive_entry *e, int fd)
{
	struct archive_entry *spare = NULL;

	/* A second name of a file becomes a hard link, without its data. */
	archive_entry_linkify(p->links, &e, &spare);
	if (archive_write_header(p->a, e) < ARCHIVE_WARN)
		return blame(p->a, archive_entry_pathname(e));
	if (fd < 0 || archive_entry_hardlink(e) || archive_entry_filetype(e) != AE_IFREG)
		return 0;
	return add_data(p, fd, (uint64_t)archive_entry_size(e), archive_entry_pathname(e));
}

static int add_children(struct pack *p, int dir, size_t len, int depth);

static int add_here(struct pack *p, int dirfd, const char *name, size_t len, int depth)
{
	auto_close int fd = -1;
	char target[PATH_MAX];
	struct stat st;
	int r = 0;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno("%.200s", p->path);
	if (S_ISSOCK(st.st_mode))
		return 0;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = openat(dirfd, name, O_RDONLY | (undefended("nofollow") ? 0 : O_NOFOLLOW) | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return fail_errno("open %.200s", p->path);
	}
	if (str_starts(name, ".wh."))
		return fail_as(ERR_IMAGE, "%.200s: a layer would take this name for a whiteout", p->path);
	struct archive_entry *e = archive_entry_new();
	if (!e)
		return fail(ENOMEM, "pack: out of memory");
	archive_entry_copy_stat(e, &st);
	archive_entry_unset_atime(e);
	archive_entry_unset_ctime(e);
	archive_entry_copy_pathname(e, p->path);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(dirfd, name, target, sizeof target - 1);

		target[n < 0 ? 0 : n] = '\0';
		archive_entry_copy_symlink(e, target);
	}
	if (S_ISREG(st.st_mode))
		add_holes(e, fd, &st);
	if (fd >= 0)
		r = add_xattrs(e, fd, p->path);
	if (r == 0)
		r = add_entry(p, e, S_ISREG(st.st_mode) ? fd : -1);
	archive_entry_free(e);
	TRY(r);
	/* Another file system (/proc of a running root) is not part of the tree. */
	return S_ISDIR(st.st_mode) && st.st_dev == p->dev ? add_children(p, fd, len, depth) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_children(struct pack *p, int dir, size_t len, int depth)
{
	struct dirent **list;
	int n, r = 0;

	if (depth > DEPTH_MAX)
		return fail_as(ERR_IMAGE, "%.200s: nested deeper than %d", p->path, DEPTH_MAX);
	n = scandirat(dir, ".", &list, NULL, by_name);
	if (n < 0)
		return fail_errno("list %.200s", p->path);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		size_t add = strlen(name);

		if (r == 0 && !str_eq(name, ".") && !str_eq(name, "..")) {
			if (len + add + 2 > sizeof p->path) {
				r = fail_as(ERR_IMAGE, "%.200s: path too long", p->path);
			} else {
				snprintf(p->path + len, sizeof p->path - len, "/%s", name);
				r = add_here(p, dir, name, len + add + 1, depth + 1);
				p->path[len] = '\0';
			}
		}
		free(list[i]);
	}
	free(list);
	return r;
}

int pack_tree(struct pack *p, int dirfd)
{
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return fail_errno("pack");
	p->dev = st.st_dev;
	strcpy(p->path, ".");
	return add_here(p, dirfd, ".", 1, 0);
}

static int add_made_up(struct pack *p, const char *path, mode_t mode, uint64_t size, const char *text, int fd)
{
	struct archive_entry *e = archive_entry_new();
	int r = 0;

	if (!e)
		return fail(ENOMEM, "pack: out of memory");
	archive_entry_copy_pathname(e, path);
	archive_entry_set_mode(e, mode);
	archive_entry_set_size(e, S_ISREG(mode) ? (la_int64_t)size : 0);
	archive_entry_set_mtime(e, 0, 0);
	if (S_ISLNK(mode))
		archive_entry_copy_symlink(e, text);
	if (archive_write_header(p->a, e) < ARCHIVE_WARN)
		r = blame(p->a, path);
	else if (S_ISREG(mode) && fd >= 0)
		r = add_data(p, fd, size, path);
	else if (S_ISREG(mode) && archive_write_data(p->a, text, size) < 0)
		r = blame(p->a, path);
	archive_entry_free(e);
	return r;
}

int pack_text(struct pack *p, const char *path, mode_t mode, const char *text, size_t n)
{
	return add_made_up(p, path, mode, n, text, -1);
}

int pack_file(struct pack *p, const char *path, mode_t mode, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno("pack %s", path);
	return add_made_up(p, path, mode, (uint64_t)st.st_size, NULL, fd);
}

int pack_end(struct pack *p)
{
	return archive_write_close(p->a) == ARCHIVE_OK ? 0 : blame(p->a, "archive");
}

void pack_close(struct pack **p)
{
	if (!*p)
		return;
	if ((*p)->links)
		archive_entry_linkresolver_free((*p)->links);
	if ((*p)->a)
		archive_write_free((*p)->a);
	free(*p);
	*p = NULL;
}
