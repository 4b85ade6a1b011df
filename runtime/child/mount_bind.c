/* The verb of MNT_BIND: the source is opened by the runtime or by the child, and attached by the child. */
#include "runtime/child/mount.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

/* In a directory that others may write to, a symbolic link would let them choose what is mounted. */
static int open_without_links(int bundle_fd, const struct mnt_op *op, unsigned flags)
{
	auto_close int at = sys_openat2(bundle_fd, op->src, O_PATH, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	int fd = at < 0 ? at : open_tree(at, "", flags | AT_EMPTY_PATH);

	if (fd < 0 && errno == ELOOP)
		return fail(ELOOP, "source %s: a symbolic link on the way: give the path that it leads to", op->src);
	return fd < 0 ? fail_errno("source %s", op->src) : fd;
}

int mnt_open_source(int bundle_fd, const struct mnt_op *op)
{
	bool nofollow = op->flags & (MNT_NOFOLLOW_SRC | MNT_COPY_LINK);
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (op->flags & MNT_REC ? AT_RECURSIVE : 0) |
			 (nofollow ? AT_SYMLINK_NOFOLLOW : 0);

	if (op->flags & MNT_NO_LINKS && !undefended("source-links"))
		return open_without_links(bundle_fd, op, flags);
	int fd = open_tree(bundle_fd, op->src, flags);

	return fd < 0 ? fail_errno("source %s", op->src) : fd;
}

/*
 * A clone of a shared mount is its peer. It stays one only where the root is shared with the host as well, as
 * mounts made in a shared tree would be; never where the container's root is less than the host's.
 */
static int leave_peers(int tree, const struct mnt_op *op)
{
	struct mount_attr slave = { .propagation = MS_SLAVE };

	if (!(op->propagation & MS_SHARED) || op->flags & MNT_PEER)
		return 0;
	return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &slave, sizeof slave) < 0
		? fail_errno("leave the host's peer group") : 0;
}

static int open_early(struct mnt_op *op, int bundle_fd)
{
	op->src_fd = mnt_open_source(bundle_fd, op);
	TRY(op->src_fd);
	TRY(leave_peers(op->src_fd, op));
	return op->flags & MNT_IDMAP ? mnt_idmap(op->src_fd, op->idmap_fd, op->flags & MNT_IDMAP_REC, NULL) : 0;
}

int mnt_open_sources(struct mnt_plan *p, int bundle_fd, bool all)
{
	for (struct mnt_op *op = p->op; op < p->op + p->n; op++)
		if (op->verb == MNT_BIND && op->src_fd < 0 && !(op->flags & MNT_INSIDE) && (all || op->flags & MNT_EARLY))
			TRY_IN(open_early(op, bundle_fd), "mount %s", op->dst);
	return 0;
}

/* copy-symlink: what the link points to is looked up in the container, if ever. */
static int copy_link(struct mnt_ctx *c, const struct mnt_op *op, int src)
{
	const char *name;
	char to[PATH_MAX], there[PATH_MAX];
	ssize_t n = readlinkat(src, "", to, sizeof to - 1), m;
	int dir = mnt_open_parent(c, op->dst, &name);

	TRY(dir);
	if (n < 0)
		return fail_errno("read the link %s", op->src);
	to[n] = '\0';
	if (symlinkat(to, dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return fail_errno("make the symbolic link");
	m = readlinkat(dir, name, there, sizeof there);
	return m == n && memcmp(to, there, (size_t)n) == 0 ? 0 : fail(EEXIST, "something else is there already");
}

static int attach(struct mnt_ctx *c, const struct mnt_op *op, int mnt, bool dir)
{
	const char *fstype = mnt_on_proc(mnt) ? "proc" : NULL;
	auto_close int at = op->flags & MNT_NOFOLLOW_DST ? mnt_open_link(c, op->dst, fstype, dir)
							 : mnt_open_target(c, op->dst, fstype, dir);
	struct stat st;
	int r;

	TRY(at);
	r = mnt_attach_at(c, at, mnt, op->dst);
	/*
	 * The kernel says EINVAL or ENOTDIR; engines look for "not a directory", whichever of the two is one, and
	 * before that for "is a directory", which to them is a program that cannot be executed.
	 */
	if ((r == -ENOTDIR || r == -EINVAL) && fstat(at, &st) == 0 && dir != S_ISDIR(st.st_mode))
		return fail(ENOTDIR, "%s %s cannot cover %s: Not a directory", dir ? "directory" : "file", op->src,
			    dir ? "a file" : "a directory");
	return r;
}

static int open_inside(struct mnt_ctx *c, const struct mnt_op *op)
{
	auto_close int at = path_open_strict(c->root_fd, op->src + 1, O_PATH);
	int tree;

	TRY_IN(at, "source %s", op->src);
	tree = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	return tree < 0 ? fail_errno("source %s", op->src) : tree;
}

int mnt_bind(struct mnt_ctx *c, struct mnt_op *op)
{
	auto_close int own = -1;
	int mnt = op->src_fd;
	struct stat st;

	if (mnt < 0) {
		own = op->flags & MNT_INSIDE ? open_inside(c, op) : mnt_open_source(c->bundle_fd, op);
		TRY(own);
		TRY(leave_peers(own, op));
		mnt = own;
	}
	if (fstat(mnt, &st) < 0)
		return fail_errno("source %s", op->src);
	if (S_ISLNK(st.st_mode) && op->flags & MNT_COPY_LINK)
		return copy_link(c, op, mnt);
	/* Labels and sysctls would be written to a lookalike (CVE-2019-16884). */
	if (!mnt_on_proc(mnt) && str_eq(op->dst, "/proc") && !undefended("places"))
		return fail(EPERM, "only a procfs may be bound on /proc");
	TRY(mnt_set_attributes(mnt, op));
	return attach(c, op, mnt, S_ISDIR(st.st_mode));
}
