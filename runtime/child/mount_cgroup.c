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
 * read-only unless the tree was handed to the guest.
 */
static int bind_group(int at, const struct cg *cg, size_t i, uint64_t attr)
{
	const struct cg_hier *h = &cg_host()->h[i];
	struct mount_attr a = { .attr_set = attr };
	char full[PATH_MAX];

	if (cg_dir(cg, i, full, sizeof full) < 0)
		return fail(ENOENT, "the container has no cgroup in %s", h->name);
	auto_close int tree = open_tree(AT_FDCWD, full, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (tree < 0)
		return fail_errno("cgroup %s", full);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &a, sizeof a) < 0)
		return fail_errno("attributes of cgroup %s", full);
	if (move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return fail_errno("attach cgroup %s", h->name);
	return 0;
}

static uint64_t attributes(const struct mnt_op *op, const struct cg_hier *h)
{
	uint64_t attr = op->attr_set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	bool managed = h->v2 || str_eq(h->name, "name=systemd");

	attr &= ~(uint64_t)(MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME);
	return op->flags & MNT_DELEGATED && managed ? attr & ~(uint64_t)MOUNT_ATTR_RDONLY
		: op->flags & MNT_DELEGATED	    ? attr | MOUNT_ATTR_RDONLY
						    : attr;
}

static const char *directory_of(const struct cg_hier *h)
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

static int tmpfs_with_groups(const struct cg *cg, const struct mnt_op *op, int at)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	auto_close int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "4096", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_errno("tmpfs for the cgroups");
	auto_close int top = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (top < 0 || move_mount(top, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return fail_errno("tmpfs for the cgroups");
	for (size_t i = 0; i < cg_host()->n; i++) {
		const struct cg_hier *h = &cg_host()->h[i];
		const char *name = directory_of(h);

		if (!(cg->hiers & (1u << i)))
			continue;
		if (mkdirat(top, name, 0755) < 0 && errno != EEXIST)
			return fail_errno("directory %s", name);
		auto_close int dir = openat(top, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0)
			return fail_errno("directory %s", name);
		TRY(bind_group(dir, cg, i, attributes(op, h)));
		TRY(link_parts(top, name));
	}
	if (mount_setattr(top, "", AT_EMPTY_PATH, &ro, sizeof ro) < 0)
		return fail_errno("make the cgroup directory read-only");
	return 0;
}

int mnt_cgroup(struct mnt_ctx *c, const struct mnt_op *op)
{
	const struct cg_host *host = cg_host();
	auto_close int at = mnt_open_target(c->root_fd, op->dst, "cgroup", true);

	TRY(at);
	if (!c->cg || !c->cg->hiers)
		return 0;
	if (host->layout != CG_V2)
		return tmpfs_with_groups(c->cg, op, at);
	for (size_t i = 0; i < host->n; i++)
		if (host->h[i].v2)
			return bind_group(at, c->cg, i, attributes(op, &host->h[i]));
	return 0;
}
