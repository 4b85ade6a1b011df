#include "runtime/child/mount.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int mnt_set_attributes(int mnt, const struct mnt_op *op)
{
	struct mount_attr a = { .attr_set = op->attr_set, .attr_clr = op->attr_clr };
	struct mount_attr all = { .attr_set = op->rec_set, .attr_clr = op->rec_clr };
	struct mount_attr prop = { .propagation = op->propagation & ~(uint64_t)MS_REC };

	if (undefended("read-only"))
		a.attr_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	if (a.attr_clr & MOUNT_ATTR__ATIME || a.attr_set & MOUNT_ATTR__ATIME)
		a.attr_clr |= MOUNT_ATTR__ATIME;
	if (all.attr_clr & MOUNT_ATTR__ATIME || all.attr_set & MOUNT_ATTR__ATIME)
		all.attr_clr |= MOUNT_ATTR__ATIME;
	if ((a.attr_set || a.attr_clr) && mount_setattr(mnt, "", AT_EMPTY_PATH, &a, sizeof a) < 0)
		return fail_errno("set the mount's attributes");
	if ((all.attr_set || all.attr_clr) &&
	    mount_setattr(mnt, "", AT_EMPTY_PATH | AT_RECURSIVE, &all, sizeof all) < 0)
		return fail_errno("set attributes of the whole tree");
	if (prop.propagation && mount_setattr(mnt, "", AT_EMPTY_PATH | (op->propagation & MS_REC ? AT_RECURSIVE : 0),
					      &prop, sizeof prop) < 0)
		return fail_errno("set the mount's propagation");
	return 0;
}

/* A read-only clone: nodes still work, but nobody inside can chmod the host's. -ENODEV: another device. */
static int node_at(const char *path, unsigned follow, const struct mnt_op *op)
{
	auto_close int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | follow);
	struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
	struct stat st;

	if (tree < 0 || fstat(tree, &st) < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &a, sizeof a) < 0)
		return fail_errno("the host's %s", path);
	if ((st.st_mode & S_IFMT) != (op->mode & S_IFMT) || st.st_rdev != makedev(op->major, op->minor))
		return fail(ENODEV, "the host's %s is not device %u:%u", path, op->major, op->minor);
	return take_fd(&tree);
}

/*
 * The host's node of the same number, checked: nothing of the image can stand in for it (rule R6). It is
 * looked for under the name that it has in the container, and else where udev lists all by number.
 */
static int host_node(const struct mnt_op *op)
{
	int tree = node_at(op->src, AT_SYMLINK_NOFOLLOW, op), by_number;
	struct err_saved why;
	char path[48];

	if (tree != -ENODEV && tree != -ENOENT)
		return tree;
	err_save(&why);
	snprintf(path, sizeof path, "/dev/%s/%u:%u", S_ISBLK(op->mode) ? "block" : "char", op->major, op->minor);
	by_number = node_at(path, 0, op);
	if (by_number < 0)
		err_restore(&why);
	return by_number < 0 ? tree : by_number;
}

static int make_node(struct mnt_ctx *c, const struct mnt_op *op)
{
	const char *name;
	struct stat st;
	int dir = mnt_open_parent(c, op->dst, &name);

	TRY(dir);
	if (mknodat(dir, name, op->mode, makedev(op->major, op->minor)) == 0) {
		if ((op->uid || op->gid) && fchownat(dir, name, op->uid, op->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return fail_errno("change the owner");
		return 0;
	}
	if (errno != EEXIST)
		return fail_errno("make the device node");
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (st.st_mode & S_IFMT) != (op->mode & S_IFMT) ||
	    st.st_rdev != makedev(op->major, op->minor))
		return fail(EEXIST, "something else is there already");
	return 0;
}

/* What is bound is the host's own: its rights are what they are there, and its owner is nobody here. */
static void tell_rights(int node, const struct mnt_op *op)
{
	struct stat st;

	if (fstat(node, &st) == 0 && ((st.st_mode & 07777) != (op->mode & 07777) || op->uid || op->gid))
		log_warn("device %s: in a user namespace it is the host's node: mode %04o and its owner, "
			 "not %04o and %u:%u",
			 op->dst, st.st_mode & 07777, op->mode & 07777, op->uid, op->gid);
}

static int do_node(struct mnt_ctx *c, struct mnt_op *op)
{
	if (!(op->flags & MNT_BIND_NODES) || S_ISFIFO(op->mode))
		return make_node(c, op);
	auto_close int tree = host_node(op);
	TRY(tree);
	if (op->flags & MNT_RIGHTS)
		tell_rights(tree, op);
	auto_close int at = mnt_open_target(c, op->dst, NULL, false);
	TRY(at);
	return mnt_attach_at(c, at, tree, op->dst);
}

static int do_link(struct mnt_ctx *c, struct mnt_op *op)
{
	const char *name;
	int dir = mnt_open_parent(c, op->dst, &name);

	TRY(dir);
	if (symlinkat(op->src, dir, name) == 0 || (errno == EEXIST && op->flags & MNT_KEEP))
		return 0;
	if (errno == EEXIST && unlinkat(dir, name, 0) == 0 && symlinkat(op->src, dir, name) == 0)
		return 0;
	return fail_errno("make the symbolic link");
}

/* Only a destination that is not there is forgiven; a mask that cannot be made is not. */
static bool is_absent(const struct mnt_op *op, int r)
{
	return op->flags & MNT_OPTIONAL && (r == -ENOENT || r == -ENOTDIR);
}

/*
 * Below /proc and /sys by what is mounted there: whoever shares the image may have moved the directory that it is
 * mounted on, and in whatever bears its name now there would be nothing to cover.
 */
static int open_covered(const struct mnt_ctx *c, const char *dst)
{
	for (size_t i = 0; i < COUNT(mnt_views) && !undefended("proc-mount"); i++) {
		const char *rest = dst + strlen(mnt_views[i]);

		if (c->view_fd[i] >= 0 && mnt_is_below(dst, mnt_views[i]))
			return path_open(c->view_fd[i], *rest ? rest : "/", O_PATH);
	}
	return c->own_links ? path_open_own(c->root_fd, dst) : path_open(c->root_fd, dst, O_PATH);
}

static int do_ro(struct mnt_ctx *c, struct mnt_op *op)
{
	struct mount_attr ro = { .attr_set = undefended("read-only") ? 0 : MOUNT_ATTR_RDONLY };
	auto_close int at = open_covered(c, op->dst);

	if (is_absent(op, at))
		return MNT_ABSENT;
	TRY(at);
	auto_close int tree = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
	if (tree < 0)
		return fail_errno("clone the path");
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro, sizeof ro) < 0)
		return fail_errno("make it read-only");
	return mnt_attach_at(c, at, tree, op->dst);
}

static int clone_of(int fd)
{
	int tree = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	return tree < 0 ? fail_errno("clone the mask") : tree;
}

static int mask_file(struct mnt_ctx *c, int at, const char *dst)
{
	static const struct mnt_op null = { .src = "/dev/null", .mode = S_IFCHR, .major = 1, .minor = 3 };

	if (c->null_fd < 0) {
		c->null_fd = undefended("mask-source") ? open_tree(c->root_fd, "dev/null", OPEN_TREE_CLONE)
						       : host_node(&null);
		TRY(c->null_fd);
		/* The first mask uses the tree itself; the others are clones of it, once it is attached. */
		return mnt_attach_at(c, at, c->null_fd, dst);
	}
	auto_close int tree = clone_of(c->null_fd);
	TRY(tree);
	return mnt_attach_at(c, at, tree, dst);
}

static int mask_dir(struct mnt_ctx *c, int at, const struct mnt_op *op)
{
	struct mnt_op empty = { .type = "tmpfs", .src = "mask", .data = op->data ? op->data : MNT_MASK_OPTIONS,
				.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };

	if (c->mask_fd < 0) {
		c->mask_fd = mnt_new_fs(&empty, -1);
		TRY(c->mask_fd);
		return mnt_attach_at(c, at, c->mask_fd, op->dst);
	}
	auto_close int tree = clone_of(c->mask_fd);
	TRY(tree);
	return mnt_attach_at(c, at, tree, op->dst);
}

static int do_mask(struct mnt_ctx *c, struct mnt_op *op)
{
	struct stat st;
	auto_close int at = open_covered(c, op->dst);

	if (is_absent(op, at))
		return MNT_ABSENT;
	TRY(at);
	if (fstat(at, &st) < 0)
		return fail_errno("look at it");
	return S_ISDIR(st.st_mode) ? mask_dir(c, at, op) : mask_file(c, at, op->dst);
}

static int (*const verbs[MNT_VERBS])(struct mnt_ctx *, struct mnt_op *) = {
	[MNT_FS] = mnt_fs, [MNT_BIND] = mnt_bind, [MNT_CGROUP] = mnt_cgroup, [MNT_REMOUNT] = mnt_remount,
	[MNT_NODE] = do_node, [MNT_LINK] = do_link, [MNT_RO] = do_ro, [MNT_MASK] = do_mask,
};

static const char *const verb_words[MNT_VERBS] = {
	[MNT_FS] = "mount", [MNT_BIND] = "mount", [MNT_CGROUP] = "mount", [MNT_REMOUNT] = "remount",
	[MNT_NODE] = "device", [MNT_LINK] = "link", [MNT_RO] = "read-only path", [MNT_MASK] = "masked path",
};

/* Who writes in a volume does not choose where in the root the next one goes. */
static bool has_volumes(const struct mnt_plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->op[i].verb == MNT_BIND && p->op[i].flags & MNT_NO_LINKS)
			return !undefended("volume-links");
	return false;
}

int mnt_execute(struct mnt_ctx *c, struct mnt_plan *p, size_t from, size_t to)
{
	c->own_links = has_volumes(p);
	for (struct mnt_op *op = p->op + from; op < p->op + to; op++) {
		int r = verbs[op->verb](c, op);

		TRY_IN(r, "%s %s", verb_words[op->verb], op->dst);
		op->flags |= r == MNT_ABSENT ? MNT_ABSENT : 0;
	}
	return 0;
}
