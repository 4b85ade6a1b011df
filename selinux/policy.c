/* What the loaded policy says, asked of the kernel; and labels of files. */
#include "selinux/lsm.h"
#include "base/err.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/sys.h"
#include "selinux/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define SELINUXFS "/sys/fs/selinux/"

static int number_at(const char *path, unsigned long *out)
{
	char text[32];
	uint64_t v;
	ssize_t n = file_peek(AT_FDCWD, path, text, sizeof text);

	if (n < 0)
		return fail((int)-n, "%s: %s", path, strerrordesc_np((int)-n));
	TRY(str_u64(text, UINT32_MAX, &v));
	*out = v;
	return 0;
}

int lsm_allows(const char *subject, const char *object, const char *class, const char *perm)
{
	char path[128], ask[2 * 4096 + 32], answer[128];
	unsigned long number, bit, allowed;
	int n;

	snprintf(path, sizeof path, SELINUXFS "class/%s/index", class);
	TRY(number_at(path, &number));
	snprintf(path, sizeof path, SELINUXFS "class/%s/perms/%s", class, perm);
	TRY(number_at(path, &bit));
	n = snprintf(ask, sizeof ask, "%s %s %lu", subject, object, number);
	if ((size_t)n >= sizeof ask)
		return fail(ENAMETOOLONG, "SELinux labels are too long to be asked about");
	auto_close int fd = open(SELINUXFS "access", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || write(fd, ask, (size_t)n) != n)
		return fail_errno("ask SELinux about \"%s\"", object);
	ssize_t got = read(fd, answer, sizeof answer - 1);
	if (got <= 0)
		return fail_errno("ask SELinux about \"%s\"", object);
	answer[got] = '\0';
	/* In hexadecimal: allowed decided auditallow auditdeny seqno flags */
	if (sscanf(answer, "%lx", &allowed) != 1)
		return fail(EPROTO, "SELinux answers \"%s\"", answer);
	return allowed >> (bit - 1) & 1;
}

/* A link of our own procfs to the directory, then one name that is not followed: nobody can turn it elsewhere. */
static int set_at(int dir, const char *name, const char *label)
{
	char path[32 + NAME_MAX];

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, name);
	return lsetxattr(path, "security.selinux", label, strlen(label) + 1, 0);
}

int lsm_label_at(int dir, const char *name, const char *label)
{
	if (!label || !*label || !lsm_selinux_on())
		return 0;
	return set_at(dir, name, label) < 0 ? fail_errno("label %s as \"%s\"", name, label) : 0;
}

/* Deeper than any image may be (images/), and no deeper than there are descriptors. */
enum { DEPTH_MAX = 400 };

static int label_below(int dir, const char *label, int depth)
{
	int copy = depth > DEPTH_MAX ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = depth > DEPTH_MAX ? fail(ELOOP, "more than %d directories deep", DEPTH_MAX)
				      : fail_errno("read directory");
		drop_fd(&copy);
		return r;
	}
	while (r >= 0 && (errno = 0, e = readdir(d))) {
		struct stat st;

		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		/* What is mounted there is not part of it, of the same file system or not. */
		auto_close int fd = sys_openat2(copy, e->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_NO_XDEV);
		if (fd < 0 || fstat(fd, &st) < 0) {
			r = errno == ENOENT || errno == EXDEV ? 0 : fail_errno("%s", e->d_name);
			continue;
		}
		if (set_at(copy, e->d_name, label) < 0 && errno != ENOENT)
			r = fail_errno("label %s", e->d_name);
		else if (S_ISDIR(st.st_mode) && (r = label_below(fd, label, depth + 1)) < 0)
			r = fail_in(r, "%s", e->d_name);
	}
	if (r >= 0 && errno)
		r = fail_errno("read directory");
	closedir(d);
	return r;
}

int lsm_relabel(int fd, const char *label)
{
	char path[32];
	struct stat st;

	if (!label || !*label || !lsm_selinux_on())
		return 0;
	TRY(lsm_check_grammar("SELinux label", label));
	/* Of our own procfs: the descriptor itself, whatever became of its name. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) < 0)
		return fail_errno("look at it");
	if (S_ISDIR(st.st_mode))
		TRY(label_below(fd, label, 0));
	/* Last: it says that the rest is done. */
	return setxattr(path, "security.selinux", label, strlen(label) + 1, 0) < 0
		? fail_errno("label it as \"%s\"", label) : 0;
}

int lsm_label_of(int fd, char *out, size_t size)
{
	ssize_t n = lsm_selinux_on() ? fgetxattr(fd, "security.selinux", out, size - 1) : 0;

	out[n > 0 ? n : 0] = '\0';
	return n < 0 ? fail_errno("read its label") : 0;
}

/* The class of what a descriptor is of, as the policy knows it; NULL: labelled by other ways. */
static const char *class_of(mode_t mode)
{
	return S_ISFIFO(mode) ? "fifo_file" : S_ISREG(mode) ? "file" : S_ISCHR(mode) ? "chr_file" : NULL;
}

/* What the kernel asks about an open file when it is inherited. */
static int may_use(int fd, const char *process, const char *label, const char *class)
{
	int flags = fcntl(fd, F_GETFL), mode = flags & O_ACCMODE, r = 1;

	if (mode != O_WRONLY)
		r = lsm_allows(process, label, class, "read");
	if (r == 1 && mode != O_RDONLY)
		r = lsm_allows(process, label, class, flags & O_APPEND ? "append" : "write");
	return r;
}

int lsm_hand_over(int fd, const char *process, char *label, size_t size)
{
	const char *class;
	struct stat st;
	ssize_t n;
	int r;

	if (!process || !*process || !lsm_selinux_on() || fstat(fd, &st) < 0)
		return 1;
	class = class_of(st.st_mode);
	n = class ? fgetxattr(fd, "security.selinux", label, size - 1) : 0;
	if (n <= 0)
		return 1;
	label[n] = '\0';
	r = may_use(fd, process, label, class);
	/* As one that it had made itself. */
	if (r == 0 && S_ISFIFO(st.st_mode) &&
	    fsetxattr(fd, "security.selinux", process, strlen(process) + 1, 0) == 0)
		return 1;
	return r;
}
