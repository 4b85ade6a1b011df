/* Where a mount, a node or a link goes: opened so that nothing of the image decides it (rules R4 and R5). */
#include "runtime/child/mount.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
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
	return mnt_is_below(dst, "/dev") || mnt_is_below(dst, "/proc") || mnt_is_below(dst, "/sys");
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
		return fail(ELOOP, "\"%s\" of the root filesystem is a symbolic link, which is refused here", name);
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
static int strict(int root_fd, const char *dst, bool dir)
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
	for (char *name = strtok_r(copy, "/", &save), *next; name; name = next) {
		next = strtok_r(NULL, "/", &save);
		int below = step(at, name, next || dir);

		TRY(below);
		drop_fd(&at);
		at = below;
	}
	return take_fd(&at);
}

int mnt_open_target(int root_fd, const char *dst, const char *fstype, bool dir)
{
	auto_close int fd = special(dst) ? strict(root_fd, dst, dir)
					 : path_ensure(root_fd, dst, dir ? PATH_DIR : PATH_FILE, NULL);

	TRY(fd);
	/* Whatever the name looked like: only the listed files of a procfs may be covered. */
	if (mnt_on_proc(fd) && !mnt_is_below(dst, "/proc") && !(fstype && str_eq(fstype, "proc")))
		return fail(EPERM, "the destination leads into a procfs");
	return take_fd(&fd);
}

int mnt_open_parent(int root_fd, const char *dst, const char **name)
{
	const char *last = strrchr(dst, '/');
	char parent[PATH_MAX];
	size_t n = last ? (size_t)(last - dst) : 0;

	if (!last || !last[1] || n >= sizeof parent)
		return fail(EINVAL, "the path has no last component");
	*name = last + 1;
	memcpy(parent, dst, n);
	parent[n] = '\0';
	auto_close int fd = special(dst) ? strict(root_fd, parent, true)
					 : path_ensure(root_fd, n ? parent : "/", PATH_DIR, NULL);
	TRY(fd);
	if (mnt_on_proc(fd))
		return fail(EPERM, "the path leads into a procfs");
	return take_fd(&fd);
}
