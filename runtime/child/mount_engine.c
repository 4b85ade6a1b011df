#include "runtime/child/mount.h"
#include "base/log.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int set_attributes(int mnt, const struct mnt_op *op)
{
	struct mount_attr a = { .attr_set = op->attr_set, .attr_clr = op->attr_clr };
	struct mount_attr all = { .attr_set = op->rec_set, .attr_clr = op->rec_clr };
	struct mount_attr prop = { .propagation = op->propagation & ~(uint64_t)MS_REC };

	if (a.attr_clr & MOUNT_ATTR__ATIME || a.attr_set & MOUNT_ATTR__ATIME)
		a.attr_clr |= MOUNT_ATTR__ATIME;
	if (all.attr_clr & MOUNT_ATTR__ATIME || all.attr_set & MOUNT_ATTR__ATIME)
		all.attr_clr |= MOUNT_ATTR__ATIME;
	if ((a.attr_set || a.attr_clr) && mount_setattr(mnt, "", AT_EMPTY_PATH, &a, sizeof a) < 0)
		return fail_errno("set the mount's attributes");
	if ((all.attr_set || all.attr_clr) && mount_setattr(mnt, "", AT_EMPTY_PATH | AT_RECURSIVE, &all, sizeof all) < 0)
		return fail_errno("set attributes of the whole tree");
	if (prop.propagation && mount_setattr(mnt, "", AT_EMPTY_PATH | (op->propagation & MS_REC ? AT_RECURSIVE : 0),
					      &prop, sizeof prop) < 0)
		return fail_errno("set the mount's propagation");
	return 0;
}

/* One option: KEY, KEY=VALUE or KEY="VALUE" (a value with commas, as SELinux labels have). */
static int set_option(int fs, char *word)
{
	char *eq = strchr(word, '=');
	size_t n;

	if (!eq)
		return fsconfig(fs, FSCONFIG_SET_FLAG, word, NULL, 0) < 0 ? fail_errno("option \"%s\"", word) : 0;
	*eq++ = '\0';
	n = strlen(eq);
	if (n >= 2 && eq[0] == '"' && eq[n - 1] == '"') {
		eq[n - 1] = '\0';
		eq++;
	}
	return fsconfig(fs, FSCONFIG_SET_STRING, word, eq, 0) < 0 ? fail_errno("option \"%s=%s\"", word, eq) : 0;
}

static int set_options(int fs, const char *data)
{
	char buf[PATH_MAX], *p = buf;

	if (!data)
		return 0;
	if (strlen(data) >= sizeof buf)
		return fail(ENAMETOOLONG, "mount options are longer than %zu bytes", sizeof buf - 1);
	strcpy(buf, data);
	while (*p) {
		bool quoted = false;
		char *end = p;

		for (; *end && (quoted || *end != ','); end++)
			quoted ^= *end == '"';
		bool last = !*end;
		*end = '\0';
		if (*p)
			TRY(set_option(fs, p));
		p = last ? end : end + 1;
	}
	return 0;
}

static int new_fs(const struct mnt_op *op)
{
	auto_close int fs = fsopen(op->type, FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0)
		return fail_errno("file system \"%s\"", op->type);
	if (op->src && *op->src && fsconfig(fs, FSCONFIG_SET_STRING, "source", op->src, 0) < 0)
		return fail_errno("source \"%s\"", op->src);
	TRY(set_options(fs, op->data));
	/* Read-only for the file system too, where the option stands for both, as mount(2) has it. */
	if (op->attr_set & MOUNT_ATTR_RDONLY && !str_eq(op->type, "tmpfs") &&
	    fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return fail_errno("option \"ro\"");
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_errno("create the file system \"%s\"", op->type);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)op->attr_set);
	return mnt < 0 ? fail_errno("mount the file system \"%s\"", op->type) : mnt;
}

static int do_fs(struct mnt_ctx *c, const struct mnt_op *op)
{
	auto_close int mnt = new_fs(op);
	struct mnt_op rest = *op;

	TRY(mnt);
	rest.attr_set = rest.attr_clr = 0;
	TRY(set_attributes(mnt, &rest));
	auto_close int at = mnt_open_target(c, op->dst, op->type, true);
	TRY(at);
	TRY(mnt_attach_at(c, at, mnt, op->dst));
	if (str_eq(op->type, "proc") && str_eq(op->dst, "/proc") && c->proc_fd < 0)
		c->proc_fd = take_fd(&mnt);
	return 0;
}

static int open_source(int bundle_fd, const struct mnt_op *op)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (op->flags & MNT_REC ? AT_RECURSIVE : 0) |
			 (op->flags & MNT_NOFOLLOW_SRC ? AT_SYMLINK_NOFOLLOW : 0);
	int fd = open_tree(bundle_fd, op->src, flags);

	return fd < 0 ? fail_errno("source %s", op->src) : fd;
}

int mnt_open_sources(struct mnt_plan *p, int bundle_fd)
{
	for (size_t i = 0; i < p->n; i++) {
		struct mnt_op *op = &p->op[i];

		if (op->verb != MNT_BIND)
			continue;
		op->src_fd = open_source(bundle_fd, op);
		if (op->src_fd == -ENOENT && op->flags & MNT_ENOENT_SRC)
			continue;
		TRY_IN(op->src_fd, "mount %s", op->dst);
	}
	return 0;
}

static int do_bind(struct mnt_ctx *c, const struct mnt_op *op)
{
	auto_close int own = -1;
	int mnt = op->src_fd;
	struct stat st;

	if (mnt < 0) {
		own = open_source(c->bundle_fd, op);
		if (own == -ENOENT && op->flags & MNT_ENOENT_SRC)
			return 0;
		TRY(own);
		mnt = own;
	}
	if (fstat(mnt, &st) < 0)
		return fail_errno("source %s", op->src);
	if (S_ISDIR(st.st_mode) && mnt_on_proc(mnt) && !str_eq(op->dst, "/proc"))
		return fail(EPERM, "a procfs may be bound on /proc only");
	/* Labels and sysctls would be written to a lookalike (CVE-2019-16884). */
	if (!mnt_on_proc(mnt) && str_eq(op->dst, "/proc"))
		return fail(EPERM, "only a procfs may be bound on /proc");
	TRY(set_attributes(mnt, op));
	auto_close int at = mnt_open_target(c, op->dst, mnt_on_proc(mnt) ? "proc" : NULL, S_ISDIR(st.st_mode));
	TRY(at);
	return mnt_attach_at(c, at, mnt, op->dst);
}

static int remount_fs(int at, const struct mnt_op *op)
{
	auto_close int fs = fspick(at, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

	if (fs < 0)
		return fail_errno("remount");
	TRY(set_options(fs, op->data));
	return fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ? fail_errno("remount") : 0;
}

static int do_remount(struct mnt_ctx *c, const struct mnt_op *op)
{
	auto_close int at = path_open(c->root_fd, op->dst, O_PATH);

	TRY(at);
	if (!(op->flags & MNT_REMOUNT_BIND) && op->data)
		TRY(remount_fs(at, op));
	return set_attributes(at, op);
}

/* The host's node of the same number, checked: nothing of the image can stand in for it (rule R6). */
static int host_node(const struct mnt_op *op)
{
	auto_close int tree = open_tree(AT_FDCWD, op->src, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	struct stat st;

	/* Read-only: nodes still work, but nobody inside can chmod the host's. */
	struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };

	if (tree < 0 || fstat(tree, &st) < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &a, sizeof a) < 0)
		return fail_errno("the host's %s", op->src);
	if ((st.st_mode & S_IFMT) != (op->mode & S_IFMT) || st.st_rdev != makedev(op->major, op->minor))
		return fail(ENODEV, "the host's %s is not device %u:%u", op->src, op->major, op->minor);
	return take_fd(&tree);
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

static int do_node(struct mnt_ctx *c, const struct mnt_op *op)
{
	if (!(op->flags & MNT_BIND_NODES) || S_ISFIFO(op->mode))
		return make_node(c, op);
	auto_close int tree = host_node(op);
	TRY(tree);
	auto_close int at = mnt_open_target(c, op->dst, NULL, false);
	TRY(at);
	return mnt_attach_at(c, at, tree, op->dst);
}

static int do_link(struct mnt_ctx *c, const struct mnt_op *op)
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

static int do_ro(struct mnt_ctx *c, const struct mnt_op *op)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	auto_close int at = path_open(c->root_fd, op->dst, O_PATH);

	if (is_absent(op, at))
		return 0;
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
		c->null_fd = host_node(&null);
		TRY(c->null_fd);
		/* The first mask uses the tree itself; the others are clones of it, once it is attached. */
		return mnt_attach_at(c, at, c->null_fd, dst);
	}
	auto_close int tree = clone_of(c->null_fd);
	TRY(tree);
	return mnt_attach_at(c, at, tree, dst);
}

static int mask_dir(struct mnt_ctx *c, int at, const char *dst)
{
	static const struct mnt_op empty = { .type = "tmpfs", .src = "mask", .data = "size=0,nr_inodes=2,mode=555",
					     .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
							 MOUNT_ATTR_NOEXEC };

	if (c->mask_fd < 0) {
		c->mask_fd = new_fs(&empty);
		TRY(c->mask_fd);
		return mnt_attach_at(c, at, c->mask_fd, dst);
	}
	auto_close int tree = clone_of(c->mask_fd);
	TRY(tree);
	return mnt_attach_at(c, at, tree, dst);
}

static int do_mask(struct mnt_ctx *c, const struct mnt_op *op)
{
	struct stat st;
	auto_close int at = path_open(c->root_fd, op->dst, O_PATH);

	if (is_absent(op, at))
		return 0;
	TRY(at);
	if (fstat(at, &st) < 0)
		return fail_errno("look at it");
	return S_ISDIR(st.st_mode) ? mask_dir(c, at, op->dst) : mask_file(c, at, op->dst);
}

static int (*const verbs[MNT_VERBS])(struct mnt_ctx *, const struct mnt_op *) = {
	[MNT_FS] = do_fs, [MNT_BIND] = do_bind, [MNT_CGROUP] = mnt_cgroup, [MNT_REMOUNT] = do_remount,
	[MNT_NODE] = do_node, [MNT_LINK] = do_link, [MNT_RO] = do_ro, [MNT_MASK] = do_mask,
};

static const char *const verb_words[MNT_VERBS] = {
	[MNT_FS] = "mount", [MNT_BIND] = "mount", [MNT_CGROUP] = "mount", [MNT_REMOUNT] = "remount",
	[MNT_NODE] = "device", [MNT_LINK] = "link", [MNT_RO] = "read-only path", [MNT_MASK] = "masked path",
};

int mnt_execute(struct mnt_ctx *c, const struct mnt_plan *p, size_t from, size_t to)
{
	for (const struct mnt_op *op = p->op + from; op < p->op + to; op++) {
		TRY_IN(verbs[op->verb](c, op), "%s %s", verb_words[op->verb], op->dst);
	}
	return 0;
}
