#include "runtime/child/mount.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static const struct { const char *word; uint64_t propagation; bool rec; } propagations[] = {
	{ "private", MS_PRIVATE, false }, { "rprivate", MS_PRIVATE, true },
	{ "slave", MS_SLAVE, false },     { "rslave", MS_SLAVE, true },
	{ "shared", MS_SHARED, false },   { "rshared", MS_SHARED, true },
	{ "unbindable", MS_UNBINDABLE, false }, { "runbindable", MS_UNBINDABLE, true },
};

static int set_propagation(int fd, const char *path, uint64_t propagation, bool rec)
{
	struct mount_attr a = { .propagation = propagation };
	unsigned flags = (unsigned)(rec ? AT_RECURSIVE : 0) | (*path ? 0 : AT_EMPTY_PATH);

	return mount_setattr(fd, path, flags, &a, sizeof a);
}

int mnt_isolate(const struct mnt_plan *p)
{
	uint64_t propagation = MS_PRIVATE;

	if (undefended("private"))
		return 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->op[i].verb == MNT_BIND && p->op[i].src_fd < 0 && p->op[i].propagation & (MS_SLAVE | MS_SHARED))
			propagation = MS_SLAVE;
	if (set_propagation(AT_FDCWD, "/", propagation, true) < 0)
		return fail_errno("make the mounts of the namespace private");
	return 0;
}

int mnt_clone_root(int bundle_fd, const char *path)
{
	struct stat st;
	auto_close int tree = open_tree(bundle_fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0)
		return fail_errno("root filesystem %s", path);
	if (fstat(tree, &st) < 0)
		return fail_errno("root filesystem %s", path);
	if (!S_ISDIR(st.st_mode))
		return fail(ENOTDIR, "root filesystem %s: not a directory", path);
	if (!undefended("private") && set_propagation(tree, "", MS_PRIVATE, true) < 0)
		return fail_errno("make the root filesystem private");
	return take_fd(&tree);
}

int mnt_attach_root(int tree_fd, const char *path)
{
	/* Hooks expect it at its own path; where that is out of sight, or there is none, "/" always is. */
	if (path && move_mount(tree_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0)
		return 0;
	if (move_mount(tree_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail_errno("attach the root filesystem");
	return 0;
}

static bool shows_kernel(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC);
}

/* What is locked cannot be unmounted, but covered. */
static int hide(const char *path)
{
	while (umount2(path, MNT_DETACH) == 0)
		;
	if (errno == ENOENT || !shows_kernel(path))
		return 0;
	if (mount("none", path, "tmpfs", MS_RDONLY, "size=4k") < 0)
		return fail_errno("hide %s of the host", path);
	return 0;
}

/*
 * Where the host's tree stays mounted below ours, a whole procfs or sysfs in it would allow a user namespace
 * inside to mount one without the container's masks. Ours is over "/" and not reached by a path.
 */
static int hide_host(int host_proc)
{
	auto_free char *text = NULL;
	char root[PATH_MAX], path[PATH_MAX], type[16];

	TRY(file_read(host_proc, "self/mountinfo", &text, NULL));
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		const char *dash;

		*end = '\0';
		dash = strstr(line, " - ");
		if (!dash || sscanf(dash, " - %15s", type) != 1 || (!str_eq(type, "proc") && !str_eq(type, "sysfs")) ||
		    sscanf(line, "%*d %*d %*s %4095s %4095s", root, path) != 2 || !str_eq(root, "/"))
			continue;
		str_unescape(path, sizeof path, path, strlen(path));
		TRY(hide(path));
	}
	return 0;
}

int mnt_pivot(int root_fd, int host_proc, bool no_pivot)
{
	if (fchdir(root_fd) < 0)
		return fail_errno("enter the root filesystem");
	if (no_pivot) {
		/* Over "/" first: whoever leaves the chroot finds the same root there, not the host's. */
		if (move_mount(root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return fail_errno("move the root filesystem over /");
		TRY(hide_host(host_proc));
		if (chroot(".") < 0)
			return fail_errno("chroot");
	} else {
		/* "." as put_old stacks the old root on the new one, where it can be unmounted without a name. */
		if (sys_pivot_root(".", ".") < 0)
			return fail_errno("pivot_root");
		if (umount2(".", MNT_DETACH) < 0)
			return fail_errno("unmount the old root");
	}
	return chdir("/") < 0 ? fail_errno("chdir /") : 0;
}

static int make_read_only(int mnt)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	if (!undefended("read-only") && mount_setattr(mnt, "", AT_EMPTY_PATH, &ro, sizeof ro) < 0)
		return fail_errno("make it read-only");
	return 0;
}

int mnt_finish_root(int root_fd, const struct mnt_plan *p, const char *propagation, bool readonly)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->op[i].flags & MNT_RO_LAST)
			TRY_IN(make_read_only(p->op[i].src_fd), "mount %s", p->op[i].dst);
	if (readonly)
		TRY_IN(make_read_only(root_fd), "root filesystem");
	for (size_t i = 0; propagation && i < COUNT(propagations); i++)
		/* It is private; said again to the whole tree it would cut off the binds that are not. */
		if (str_eq(propagations[i].word, propagation) && propagations[i].propagation != MS_PRIVATE &&
		    set_propagation(root_fd, "", propagations[i].propagation, propagations[i].rec) < 0)
			return fail_errno("rootfsPropagation %s", propagation);
	return 0;
}
