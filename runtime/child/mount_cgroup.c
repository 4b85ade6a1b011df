#include "runtime/child/mount.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The container's own group of each hierarchy, bound: seen through its cgroup namespace
 * the bind is the root of the hierarchy. Nothing above it is reachable, and it is
 * read-only unless the tree was handed to the guest. A container without a group lives
 * in the runtime's, and sees that one.
 */
static int clone_group(const struct cg *cg, size_t i)
{
	const struct cg_hier *h = &cg_host()->h[i];
	char full[PATH_MAX];
	int tree;

	if ((cg->hiers ? cg_dir(cg, i, full, sizeof full) : cg_own_dir(i, full, sizeof full)) < 0)
		return fail(ENOENT, "the container has no cgroup in %s", h->name);
	tree = open_tree(AT_FDCWD, full, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	return tree < 0 ? fail_errno("cgroup %s", full) : tree;
}

static int set_attributes(int mnt, unsigned flags, uint64_t attr)
{
	struct mount_attr a = { .attr_set = attr };

	return mount_setattr(mnt, "", AT_EMPTY_PATH | flags, &a, sizeof a) < 0 ? fail_errno("attributes of the cgroups") : 0;
}

static uint64_t attributes(const struct cg *cg, const struct mnt_op *op, const struct cg_hier *h)
{
	uint64_t attr = op->attr_set | op->rec_set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	bool managed = h->v2 || str_eq(h->name, "name=systemd");

	attr &= ~(uint64_t)(MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME);
	/* Ours is in nobody's hands, whatever was to be handed over. */
	if (!cg->hiers)
		return attr | MOUNT_ATTR_RDONLY;
	return op->flags & MNT_DELEGATED && managed ? attr & ~(uint64_t)MOUNT_ATTR_RDONLY
		: op->flags & MNT_DELEGATED	    ? attr | MOUNT_ATTR_RDONLY
						    : attr;
}

const char *mnt_cgroup_name(const struct cg_hier *h)
{
	return str_starts(h->name, "name=") ? h->name + 5 : h->name;
}

/* "cpu,cpuacct" is reached as cpu and as cpuacct too. */
static int link_parts(int dir, const char *name)
{
	char parts[64], *save = NULL;

	if (!strchr(name, ','))
		return 0;
	snprintf(parts, sizeof parts, "%s", name);
	for (char *p = strtok_r(parts, ",", &save); p; p = strtok_r(NULL, ",", &save))
		if (symlinkat(name, dir, p) < 0 && errno != EEXIST)
			return fail_errno("link %s", p);
	return 0;
}

/* The tmpfs is new and nobody else has it yet: nothing can be put in the way of the names made here. */
static int add_group(int top, const struct cg *cg, size_t i, const struct mnt_op *op)
{
	const struct cg_hier *h = &cg_host()->h[i];
	const char *name = mnt_cgroup_name(h);

	if (mkdirat(top, name, 0755) < 0 && errno != EEXIST)
		return fail_errno("directory %s", name);
	auto_close int tree = clone_group(cg, i);
	TRY(tree);
	if (op->flags & MNT_DELEGATED)
		TRY(set_attributes(tree, 0, attributes(cg, op, h)));
	if (move_mount(tree, "", top, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail_errno("attach cgroup %s", h->name);
	return link_parts(top, name);
}

static int tmpfs_with_groups(struct mnt_ctx *c, const struct mnt_op *op, int at)
{
	auto_close int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "4096", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_errno("tmpfs for the cgroups");
	auto_close int top = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (top < 0)
		return fail_errno("tmpfs for the cgroups");
	TRY(mnt_attach_at(c, at, top, op->dst));
	for (size_t i = 0; i < cg_host()->n; i++)
		if (c->cg->hiers ? c->cg->hiers & (1u << i) : cg_hier(i) != NULL)
			TRY(add_group(top, c->cg, i, op));
	TRY(cg_host_check());
	/* The groups of a delegated tree have their attributes already; otherwise all are alike. */
	if (!(op->flags & MNT_DELEGATED))
		return set_attributes(top, AT_RECURSIVE, attributes(c->cg, op, &cg_host()->h[0]));
	return set_attributes(top, 0, MOUNT_ATTR_RDONLY);
}

static int v2_group(struct mnt_ctx *c, const struct mnt_op *op, int at, size_t i)
{
	auto_close int tree = clone_group(c->cg, i);

	TRY(tree);
	TRY(set_attributes(tree, 0, attributes(c->cg, op, &cg_host()->h[i])));
	return mnt_attach_at(c, at, tree, op->dst);
}

int mnt_cgroup(struct mnt_ctx *c, struct mnt_op *op)
{
	const struct cg_host *host = cg_host();
	auto_close int at = mnt_open_target(c, op->dst, "cgroup", true);

	TRY(at);
	if (!c->cg || !host->n)
		return 0;
	if (host->layout != CG_V2 && str_eq(op->type, "cgroup"))
		return tmpfs_with_groups(c, op, at);
	for (size_t i = 0; i < host->n; i++)
		if (host->h[i].v2 && cg_hier(i))
			return v2_group(c, op, at, i);
	TRY(cg_host_check());
	return fail(EOPNOTSUPP, "type cgroup2: no tree of cgroup v2 is mounted on this host");
}
