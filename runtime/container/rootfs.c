#include "runtime/container/launch.h"
#include "base/dgram.h"
#include "base/scope.h"
#include "base/sys.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { LAYERS_MAX = 256 };	/* as many as an image may have */

static int clone_dir(const char *path, int userns_fd)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	auto_close int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return fail_errno("layer %s", path);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &private, sizeof private) < 0)
		return fail_errno("layer %s", path);
	int r = userns_fd >= 0 ? mnt_idmap(fd, userns_fd, false, NULL) : 0;
	if (r < 0)
		err_try("put VZRUN_HOME on a file system with idmapped mounts (ext4, xfs, btrfs), or use --userns host");
	TRY_IN(r, "layer %s", path);
	return take_fd(&fd);
}

static int attach_clone(int fd, const char *path)
{
	if (move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fail_errno("attach layer %s", path);
	return 0;
}

/*
 * overlayfs makes its work directory as the caller: on an idmapped upper that must be the
 * container's root, or the overlay silently comes up read-only. The change of fsuid drops
 * the file capabilities, which are raised again.
 */
static int act_as(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	setfsgid(gid);
	setfsuid(uid);
	/* setfsuid(2) and setfsgid(2) return the previous id, also on failure: an invalid id only asks. */
	if ((gid_t)setfsgid((gid_t)-1) != gid || (uid_t)setfsuid((uid_t)-1) != uid)
		return fail(EPERM, "act on files as user %u", (unsigned)uid);
	if (syscall(SYS_capget, &h, d) < 0)
		return fail_errno("read the capabilities");
	d[0].effective = d[0].permitted;
	d[1].effective = d[1].permitted;
	return syscall(SYS_capset, &h, d) < 0 ? fail_errno("raise the capabilities") : 0;
}

static int set(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? fail_errno("overlay: %s=%s", key, value) : 0;
}

/* Run in /proc/self/fd: of some 80 layers "7:6:5" fits into what fsconfig(2) takes, less than 256 bytes. */
static int set_layers(int fs, const struct container_root *r, const int *layer)
{
	auto_buf struct buf lower = { 0 };
	char text[32];

	for (size_t i = r->layers.n; i-- > 0;)
		buf_printf(&lower, "%d%s", layer[i], i ? ":" : "");
	if (lower.n < 256)
		return set(fs, "lowerdir", buf_text(&lower));
	for (size_t i = r->layers.n; i-- > 0;) {
		snprintf(text, sizeof text, "%d", layer[i]);
		TRY_IN(set(fs, "lowerdir+", text), "%zu layers, of which Linux before 6.7 takes some 80", r->layers.n);
	}
	return 0;
}

static int mount_overlay(const struct container_root *r, const int *layer, int upper, const char *label)
{
	char text[32];
	auto_close int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0)
		return fail_class(fail_errno("file system \"overlay\""), ERR_UNSUPPORTED);
	TRY(set(fs, "source", "vzrun"));
	TRY(set_layers(fs, r, layer));
	if (upper >= 0) {
		snprintf(text, sizeof text, "%d/upper", upper);
		TRY(set(fs, "upperdir", text));
		snprintf(text, sizeof text, "%d/work", upper);
		TRY(set(fs, "workdir", text));
	}
	/* One label for all of it, whatever the layers' files have: no file is touched. */
	if (label && *label && lsm_selinux_on())
		TRY(set(fs, "context", label));
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_errno("overlay of %zu layers", r->layers.n);
	mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return mnt < 0 ? fail_errno("mount the overlay") : mnt;
}

static int check_writable(int mnt)
{
	struct statx st;

	/* MS_RDONLY of the superblock shows as a failing create only; overlayfs says it by its flags. */
	if (faccessat(mnt, ".", W_OK, AT_EACCESS) < 0 && errno == EROFS)
		return fail(EROFS, "the overlay came up read-only");
	return statx(mnt, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0 ? fail_errno("look at the overlay") : 0;
}

static int in_fd_dir(const struct container_root *r, const int *layer, int upper, const struct spec_linux *l)
{
	auto_close int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int mnt = -1;
	uid_t uid = r->idmap ? ((struct spec_idmap *)l->uid_maps.v)->host.v : 0;
	gid_t gid = r->idmap ? ((struct spec_idmap *)l->gid_maps.v)->host.v : 0;

	if (back < 0 || chdir("/proc/self/fd") < 0)
		return fail_errno("enter /proc/self/fd");
	int ret = r->idmap ? act_as(uid, gid) : 0;
	if (ret >= 0)
		mnt = ret = mount_overlay(r, layer, upper, l ? l->mount_label : NULL);
	if (ret >= 0 && upper >= 0)
		ret = check_writable(mnt);
	if (r->idmap && act_as(0, 0) < 0 && ret >= 0)
		ret = -EPERM;
	if (fchdir(back) < 0 && ret >= 0)
		ret = fail_errno("return to the working directory");
	return ret < 0 ? ret : take_fd(&mnt);
}

static int assemble(const struct container_root *r, int userns_fd, const struct spec_linux *l, bool attach)
{
	int layer[LAYERS_MAX], ret = 0, upper = -1;
	size_t n = 0;

	for (; n < r->layers.n && ret >= 0; n++) {
		ret = layer[n] = clone_dir(r->layers.v[n], userns_fd);
		if (ret >= 0 && attach)
			ret = attach_clone(layer[n], r->layers.v[n]);
	}
	if (ret >= 0 && r->upper_dir)
		ret = upper = clone_dir(r->upper_dir, userns_fd);
	if (ret >= 0 && r->upper_dir && attach)
		ret = attach_clone(upper, r->upper_dir);
	if (ret >= 0)
		ret = in_fd_dir(r, layer, upper, l);
	while (n > 0)
		drop_fd(&layer[--n]);
	drop_fd(&upper);
	return ret;
}

static _Noreturn void assemble_attached(const struct container_root *r, int userns_fd,
					const struct spec_linux *l, int talk)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	int tree = -1;

	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private) < 0)
		tree = fail_errno("make the mounts private");
	else
		tree = assemble(r, userns_fd, l, true);
	if (tree < 0)
		sync_say_failed(talk, tree);
	else
		(void)sync_say_fd(talk, SYNC_ROOTED, tree);
	_exit(tree < 0);
}

/*
 * Linux before 6.15 takes layers only from mounts of the caller's own namespace, not detached ones. A
 * short-lived process has a namespace of its own for that; nothing of it is seen on the host or outlives it.
 */
static int in_own_namespace(const struct container_root *r, int userns_fd, const struct spec_linux *l)
{
	int sv[2], tree = -1, ret;
	pid_t pid;

	TRY(dgram_pair(sv));
	pid = sys_clone(CLONE_NEWNS, SIGCHLD, -1, NULL);
	if (pid == 0)
		assemble_attached(r, userns_fd, l, sv[1]);
	close(sv[1]);
	ret = pid < 0 ? fail_errno("assemble the overlay") : sync_hear(sv[0], SYNC_ROOTED, &tree);
	close(sv[0]);
	if (pid > 0)
		(void)TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
	return ret < 0 ? ret : tree;
}

int rootfs_assemble(const struct container_root *r, int userns_fd, const struct spec_linux *l)
{
	int ret;

	if (r->layers.n == 0 || r->layers.n > LAYERS_MAX)
		return fail(EINVAL, "%zu layers (1 to %d are possible)", r->layers.n, LAYERS_MAX);
	if (r->layers.n == 1 && !r->upper_dir)
		return clone_dir(r->layers.v[0], userns_fd);
	ret = assemble(r, userns_fd, l, false);
	return ret == -EINVAL ? in_own_namespace(r, userns_fd, l) : ret;
}
