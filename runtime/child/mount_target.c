/* Where a mount, a node or a link goes: opened so that nothing of the image decides it (rules R4 and R5). */
#include "runtime/child/mount.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

bool mnt_is_below(const char *dst, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(dst, dir, n) == 0 && (dst[n] == '/' || dst[n] == '\0');
}

static bool special(const char *dst)
{
	return !undefended("special-places") &&
	       (mnt_is_below(dst, "/dev") || mnt_is_below(dst, "/proc") || mnt_is_below(dst, "/sys"));
}

bool mnt_on_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static int link_refused(int fd, const char *name)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISLNK(st.st_mode))
		return fail(ELOOP, "\"%s\" of the root filesystem is a symbolic link, which is refused here: what is below "
			    "/dev, /proc and /sys must be mounted on ordinary directory", name);
	return 0;
}

/* One component, made when it is missing, followed never. */
static int step(int at, const char *name, bool dir)
{
	auto_close int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		auto_close int made = dir ? mkdirat(at, name, 0755)
					  : openat(at, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

		if (made < 0 && errno != EEXIST)
			return fail_errno("create %s", name);
		if (dir)
			made = -1;
		fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return fail_errno("open %s", name);
	TRY(link_refused(fd, name));
	return take_fd(&fd);
}

/*
 * No link anywhere on the way: /proc, /sys and /dev as links of the image would lead the set-up to
 * what is bound elsewhere in the root, the host's own perhaps (CVE-2019-19921, CVE-2026-41579).
 */
static int walk(int root_fd, const char *dst)
{
	char copy[PATH_MAX], *save = NULL;
	/* All there, as usual: one call. What is missing, or wrong, is walked to. */
	int whole = path_open_strict(root_fd, dst[1] ? dst + 1 : ".", O_PATH);

	if (whole >= 0)
		return whole;
	auto_close int at = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
	if (at < 0)
		return fail_errno("open the root");
	if (strlen(dst) >= sizeof copy)
		return fail(ENAMETOOLONG, "too long");
	strcpy(copy, dst);
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		int below = step(at, name, true);

		TRY(below);
		drop_fd(&at);
		at = below;
	}
	return take_fd(&at);
}

static enum path_kind own(const struct mnt_ctx *c)
{
	return c->own_links ? PATH_OWN_LINKS : 0;
}

static void forget_parent(struct mnt_ctx *c)
{
	drop_fd(&c->parent_fd);
	c->parent[0] = '\0';
}

/* The directory above dst, which has a last component, kept for the next that lies in it. */
static int parent_of(struct mnt_ctx *c, const char *dst, const char **name)
{
	const char *last = strrchr(dst, '/');
	size_t n = last ? (size_t)(last - dst) : 0;
	char path[sizeof c->parent];

	if (!last || !last[1])
		return fail(EINVAL, "the path has no last component");
	if (n >= sizeof path)
		return fail(ENAMETOOLONG, "too long");
	*name = last + 1;
	snprintf(path, sizeof path, "%.*s", n ? (int)n : 1, dst);
	if (c->parent_fd >= 0 && str_eq(path, c->parent))
		return c->parent_fd;
	forget_parent(c);
	c->parent_fd = special(dst) ? walk(c->root_fd, path) : path_ensure(c->root_fd, path, PATH_DIR | own(c), NULL);
	TRY(c->parent_fd);
	c->parent_on_proc = mnt_on_proc(c->parent_fd);
	strcpy(c->parent, path);
	return c->parent_fd;
}

static int special_target(struct mnt_ctx *c, const char *dst, bool dir)
{
	const char *name = strrchr(dst, '/');
	int parent, fd;

	/* What is there needs no directory of its own opened, unless more of it is at hand. */
	if (c->parent_fd < 0 && name && name[1]) {
		fd = path_open_strict(c->root_fd, dst + 1, O_PATH);
		if (fd >= 0)
			return fd;
	}
	parent = parent_of(c, dst, &name);
	TRY(parent);
	fd = path_open_strict(parent, name, O_PATH);
	return fd >= 0 ? fd : step(parent, name, dir);
}

int mnt_open_target(struct mnt_ctx *c, const char *dst, const char *fstype, bool dir)
{
	auto_close int fd = special(dst) ? special_target(c, dst, dir)
					 : path_ensure(c->root_fd, dst, (dir ? PATH_DIR : PATH_FILE) | own(c), NULL);

	TRY(fd);
	/* Whatever the name looked like: only the listed files of a procfs may be covered. */
	if (mnt_on_proc(fd) && !mnt_is_below(dst, "/proc") && !(fstype && str_eq(fstype, "proc")))
		return fail(EPERM, "the destination leads into a procfs");
	return take_fd(&fd);
}

int mnt_open_link(struct mnt_ctx *c, const char *dst, const char *fstype, bool dir)
{
	const char *name;
	struct stat st;
	int parent;

	/* Below /dev, /proc and /sys a link is refused whoever asks. */
	if (special(dst))
		return mnt_open_target(c, dst, fstype, dir);
	parent = mnt_open_parent(c, dst, &name);
	TRY(parent);
	auto_close int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode))
		return take_fd(&fd);
	return mnt_open_target(c, dst, fstype, dir);
}

int mnt_open_parent(struct mnt_ctx *c, const char *dst, const char **name)
{
	int fd = parent_of(c, dst, name);

	TRY(fd);
	return c->parent_on_proc ? fail(EPERM, "the path leads into a procfs") : fd;
}

const char *const mnt_views[2] = { "/proc", "/sys" };

/* What is mounted over the root is the root from now on; a procfs in the one below is out of sight. */
static int new_root(struct mnt_ctx *c, int tree)
{
	for (size_t i = 0; i < COUNT(c->view_fd); i++)
		drop_fd(&c->view_fd[i]);
	drop_fd(&c->root_fd);
	c->root_fd = fcntl(tree, F_DUPFD_CLOEXEC, 3);
	return c->root_fd < 0 ? fail_errno("keep the root") : 0;
}

int mnt_attach_at(struct mnt_ctx *c, int at, int tree, const char *dst)
{
	/*
	 * What lay there, and whatever lay in it, is covered from now on. Links may lead elsewhere than the
	 * name says.
	 */
	if (!special(dst) || mnt_is_below(c->parent, dst))
		forget_parent(c);
	if (move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return fail_errno("attach the mount");
	if (str_eq(dst, "/"))
		return new_root(c, tree);
	for (size_t i = 0; i < COUNT(c->view_fd); i++) {
		if (!str_eq(dst, mnt_views[i]))
			continue;
		drop_fd(&c->view_fd[i]);
		c->view_fd[i] = fcntl(tree, F_DUPFD_CLOEXEC, 3);
		return c->view_fd[i] < 0 ? fail_errno("keep %s", dst) : 0;
	}
	return 0;
}
