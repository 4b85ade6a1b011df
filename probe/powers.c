#include "probe/probe.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* What its root can make for itself. All of it in children, in namespaces that end with them. */

static const char *const places[] = { "/tmp", "/run", "/dev/shm", "/var/tmp", "/root", "/" };

struct node { mode_t mode; dev_t dev; };

/* A node that is made and cannot be opened is no device. */
static int make_node(void *arg)
{
	const struct node *n = arg;
	char path[64];

	for (size_t i = 0; i < COUNT(places); i++) {
		snprintf(path, sizeof path, "%s/.vzrun-probe-%d", places[i], (int)getpid());
		if (mknod(path, n->mode | 0600, n->dev) < 0)
			continue;
		int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), code = errno;

		(void)unlink(path);
		/* No such device at this number: nothing has refused it. */
		if (fd >= 0 || code == ENXIO || code == ENODEV || code == ENOMEDIUM)
			return YES;
	}
	return NO;
}

static int mount_in(int flags, const char *type, const char *options)
{
	if (flags && unshare(flags) < 0)
		return NO;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return NO;
	return mount("none", "/proc", type, 0, options) < 0 ? NO : YES;
}

static int mount_tmpfs(void *arg)
{
	(void)arg;
	return mount_in(CLONE_NEWNS, "tmpfs", "size=64k");
}

static int mount_proc(void *arg)
{
	(void)arg;
	return mount_in(CLONE_NEWNS, "proc", NULL);
}

static int mount_cgroup_v1(void *arg)
{
	(void)arg;
	return mount_in(CLONE_NEWNS | CLONE_NEWCGROUP, "cgroup", "rdma");
}

static int map_root(void)
{
	(void)file_poke(AT_FDCWD, "/proc/self/setgroups", "deny");
	return file_poke(AT_FDCWD, "/proc/self/uid_map", "0 0 1");
}

static int user_namespace(void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWUSER) < 0 ? NO : YES;
}

/* The way to release_agent of CVE-2022-0492: all capabilities in a nested user namespace. */
static int nested_cgroup_v1(void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWUSER) < 0 || map_root() < 0)
		return NO;
	return mount_in(CLONE_NEWNS | CLONE_NEWCGROUP, "cgroup", "memory");
}

/* Its root may lift what covers a file of the host's. */
static int unmask(void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return NO;
	return umount2("/proc/kcore", MNT_DETACH) == 0 || umount2("/proc/timer_list", MNT_DETACH) == 0 ? YES : NO;
}

static int remount_sys(void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWNS) < 0)
		return NO;
	return mount("none", "/sys", NULL, MS_REMOUNT | MS_BIND, NULL) == 0 ? YES : NO;
}

static int new_namespace(void *arg)
{
	return unshare(*(int *)arg) < 0 ? NO : YES;
}

static const struct probe_try tries[] = {
	{ "kernel-surface", "mount of tmpfs", mount_tmpfs },
	{ "kernel-surface", "mount of proc", mount_proc },
	{ "kernel-surface", "mount of a cgroup v1 hierarchy", mount_cgroup_v1 },
	{ "kernel-surface", "unmount of a mask", unmask },
	{ "kernel-surface", "remount of /sys", remount_sys },
	{ "nested", "user namespace", user_namespace },
	{ "nested", "cgroup v1 from a user namespace", nested_cgroup_v1 },
};

static const struct { const char *name; int flag; } spaces[] = {
	{ "mnt", CLONE_NEWNS }, { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET }, { "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP },
};

void probe_powers(void)
{
	const struct { const char *name; struct node n; } nodes[] = {
		{ "character device (null)", { S_IFCHR, makedev(1, 3) } },
		{ "character device (mem)", { S_IFCHR, makedev(1, 1) } },
		{ "block device (8:0)", { S_IFBLK, makedev(8, 0) } },
	};

	for (size_t i = 0; i < COUNT(nodes); i++)
		if (in_child(make_node, (void *)&nodes[i].n) == YES)
			found("mknod", "%s", nodes[i].name);
	try_all(tries, COUNT(tries));
	for (size_t i = 0; i < COUNT(spaces); i++)
		if (in_child(new_namespace, (void *)&spaces[i].flag) == YES)
			found("kernel-surface", "unshare of %s", spaces[i].name);
}
