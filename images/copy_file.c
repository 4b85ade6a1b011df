#include "images/copy_file.h"
#include "base/err.h"
#include "base/scope.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static int copy_xattrs(int from, int to, const char *name)
{
	char names[65536], value[65536];
	ssize_t n = flistxattr(from, names, sizeof names);

	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : fail_errno("%s: list extended attributes", name);
	for (const char *s = names; s < names + n; s += strlen(s) + 1) {
		ssize_t v;

		if (str_starts(s, "trusted.overlay.") || str_eq(s, "security.selinux"))
			continue;
		v = fgetxattr(from, s, value, sizeof value);
		if (v < 0 || fsetxattr(to, s, value, (size_t)v, 0) < 0)
			return fail_errno("%s: extended attribute %s", name, s);
	}
	return 0;
}

int copy_dress(int from, int to, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return fail_errno("%s: set owner and mode", name);
	TRY(copy_xattrs(from, to, name));
	return futimens(to, times) < 0 ? fail_errno("%s: set the time", name) : 0;
}

static int copy_range(int in, int out, off_t at, off_t end)
{
	while (at < end) {
		off_t to = at;
		ssize_t n = copy_file_range(in, &at, out, &to, (size_t)(end - at), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
			if (lseek(out, at, SEEK_SET) < 0)
				return -1;
			n = sendfile(out, in, &at, (size_t)(end - at));
		}
		if (n < 0)
			return -1;
		if (n == 0)
			break;
	}
	return 0;
}

/* Shared blocks where the file system can; else only what is not a hole. */
static int copy_data(int in, int out, off_t size)
{
	off_t data, hole = 0;

	if (size == 0 || ioctl(out, FICLONE, in) == 0)
		return 0;
	while (hole < size) {
		data = lseek(in, hole, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0 || (hole = lseek(in, data, SEEK_HOLE)) < 0 ||
		    copy_range(in, out, data, hole) < 0)
			return -1;
	}
	return ftruncate(out, size);
}

int copy_regular(int from, const char *name, int to, const struct stat *st)
{
	auto_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_close int out =
		in < 0 ? -1 : openat(to, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (in < 0 || out < 0)
		return fail_errno("%s: open", name);
	if (copy_data(in, out, st->st_size) < 0)
		return fail_errno("%s: copy", name);
	return copy_dress(in, out, name, st);
}

int copy_symlink(int from, const char *name, int to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n < 0)
		return fail_errno("%s: read the link", name);
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno("%s: create the link", name);
	return 0;
}

int copy_node(int to, const char *name, const struct stat *st)
{
	if (mknodat(to, name, st->st_mode, st->st_rdev) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return fail_errno("%s: create", name);
	return 0;
}
