#include "selinux/lsm.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/sys.h"
#include "selinux/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

enum { LABEL_MAX = 4096 };	/* the kernel takes a page at most */

enum active { UNKNOWN, OFF, ON };

/* What could not be looked at is on: a label then holds, or is refused by name. Only what is not there is off. */
static enum active unless_missing(int code)
{
	return code == ENOENT || code == ENOTDIR ? OFF : ON;
}

bool lsm_selinux_on(void)
{
	static enum active active;
	struct statfs fs;

	if (active != UNKNOWN)
		return active == ON;
	if (statfs("/sys/fs/selinux", &fs) < 0)
		active = unless_missing(errno);
	else
		/* Read-only is how a container is shown that SELinux is none of its business. */
		active = fs.f_type == SELINUX_MAGIC && !(fs.f_flags & ST_RDONLY) ? ON : OFF;
	return active == ON;
}

bool lsm_apparmor_on(void)
{
	static enum active active;
	char yes[4] = "";

	if (active == UNKNOWN) {
		ssize_t n = file_peek(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", yes, sizeof yes);

		active = n < 0 ? unless_missing((int)-n) : yes[0] == 'Y' ? ON : OFF;
	}
	return active == ON;
}

int lsm_check_grammar(const char *what, const char *label)
{
	if (!*label)
		return fail_as(ERR_CONFIG, "%s is empty", what);
	if (strlen(label) >= LABEL_MAX)
		return fail_as(ERR_CONFIG, "%s is too long (%zu bytes)", what, strlen(label));
	for (const char *p = label; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
			return fail_as(ERR_CONFIG, "%s \"%s\": character %d is not allowed", what, label,
				       (int)(p - label) + 1);
	return 0;
}

/* The last label that was checked as the kernel spells it; a child that is cloned after that has it, too. */
static char canonical[LABEL_MAX];

int lsm_check_label(const char *label)
{
	auto_close int fd = -1;
	ssize_t n;

	TRY(lsm_check_grammar("SELinux label", label));
	if (!lsm_selinux_on())
		return 0;
	fd = open("/sys/fs/selinux/context", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_errno("open /sys/fs/selinux/context");
	/* The kernel wants the NUL too. */
	if (write(fd, label, strlen(label) + 1) >= 0) {
		n = read(fd, canonical, sizeof canonical - 1);
		canonical[n > 0 ? n : 0] = '\0';
		return n > 0 ? 0 : fail_errno("read SELinux label \"%s\" back", label);
	}
	if (errno != EINVAL)
		return fail_errno("check SELinux label \"%s\"", label);
	return fail_as(ERR_CONFIG, "SELinux label \"%s\" is not valid in the host's policy", label);
}

/* "12/task/34" and nothing else: what stands there decides which file is written. */
static bool is_thread_dir(const char *s)
{
	static const char digits[] = "0123456789";
	size_t pid = strspn(s, digits);

	if (!pid || strncmp(s + pid, "/task/", 6) != 0)
		return false;
	s += pid + 6;
	return *s && s[strspn(s, digits)] == '\0';
}

/*
 * The descriptor may be of a procfs of another pid namespace, where we have other numbers
 * than getpid() says; its own thread-self knows them.
 */
static int open_own(int procfd, const char *name, int mode)
{
	char dir[64], path[PATH_MAX];
	struct statfs fs;
	ssize_t n;
	int fd;

	if (fstatfs(procfd, &fs) < 0)
		return fail_errno("procfs descriptor");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return fail(EBADF, "the descriptor to write %s through is not of a procfs", name);
	n = readlinkat(procfd, "thread-self", dir, sizeof dir - 1);
	if (n < 0)
		return fail_errno("read thread-self in procfs");
	dir[n] = '\0';
	if (!is_thread_dir(dir))
		return fail(EBADF, "procfs: thread-self is \"%s\"", dir);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = sys_openat2(procfd, path, mode | O_NOFOLLOW, 0,
			 RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : fail_errno("open %s in procfs", path);
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) {
		close(fd);
		return fail(EBADF, "%s is not a file of procfs", path);
	}
	return fd;
}

int lsm_write_own(int procfd, const char *name, const char *text)
{
	auto_close int fd = open_own(procfd, name, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text, strlen(text));
	if (n < 0 && errno == ENOENT)
		return fail(ENXIO, "the kernel knows none of that name (is it loaded?)");
	if (n < 0)
		return fail_errno("write %s", name);
	return (size_t)n == strlen(text) ? 0 : fail(EIO, "write %s: cut short", name);
}

/* Its text without the newline or NUL that some modules end it with. -ENOENT (no message): there is no such file. */
static int read_own(int procfd, const char *name, char *out, size_t size)
{
	auto_close int fd = open_own(procfd, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, out, size - 1);
	/* So says AppArmor that there is none. */
	if (n < 0 && errno == EINVAL)
		n = 0;
	if (n < 0)
		return fail_errno("read %s", name);
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

/* The last of the files to be missing says that this kernel has none of them. */
static int no_file(int r, const char *name)
{
	return r == -ENOENT ? fail_as(ERR_UNSUPPORTED, "the kernel has no %s", name) : r;
}

static bool ignored(bool on, const char *lsm, const char *label)
{
	static uint64_t said[4];	/* process, mounts, profile, and one to spare */
	static size_t n;
	uint64_t now = str_hash(label, strlen(label)) ^ str_hash(lsm, strlen(lsm));

	if (on)
		return false;
	/* The runtime says it, and the child that it clones need not. */
	for (size_t i = 0; i < COUNT(said); i++)
		if (said[i] == now)
			return true;
	said[n++ % COUNT(said)] = now;
	log_warn("%s is off on this host: \"%s\" has no effect", lsm, label);
	return true;
}

int lsm_check_exec(const char *selinux_label, const char *apparmor_profile)
{
	if (selinux_label && *selinux_label) {
		TRY(lsm_check_grammar("SELinux label", selinux_label));
		if (!ignored(lsm_selinux_on(), "SELinux", selinux_label))
			TRY(lsm_check_label(selinux_label));
	}
	if (apparmor_profile && *apparmor_profile) {
		TRY(lsm_check_grammar("AppArmor profile", apparmor_profile));
		(void)ignored(lsm_apparmor_on(), "AppArmor", apparmor_profile);
	}
	return 0;
}

static int write_selinux(int procfd, const char *name, const char *label)
{
	if (!label || !*label)
		return 0;
	TRY(lsm_check_grammar("SELinux label", label));
	if (ignored(lsm_selinux_on(), "SELinux", label))
		return 0;
	if (undefended("label"))
		return 0;
	TRY_IN(no_file(lsm_write_own(procfd, name, label), name), "SELinux label \"%s\"", label);
	return 0;
}

static int write_apparmor(int procfd, const char *profile)
{
	char text[LABEL_MAX + 8];
	int r;

	if (!profile || !*profile)
		return 0;
	TRY(lsm_check_grammar("AppArmor profile", profile));
	if (ignored(lsm_apparmor_on(), "AppArmor", profile))
		return 0;
	if (undefended("label"))
		return 0;
	snprintf(text, sizeof text, "exec %s", profile);
	/* Its own directory since Linux 5.8; beside another LSM the shared file is not AppArmor's. */
	r = lsm_write_own(procfd, "attr/apparmor/exec", text);
	if (r == -ENOENT)
		r = no_file(lsm_write_own(procfd, "attr/exec", text), "attr/exec");
	TRY_IN(r, "AppArmor profile \"%s\"", profile);
	return 0;
}

int lsm_prepare_exec(int procfd, const char *selinux_label, const char *apparmor_profile)
{
	TRY(write_selinux(procfd, "attr/exec", selinux_label));
	return write_apparmor(procfd, apparmor_profile);
}

static int verify_selinux(int procfd, const char *label)
{
	char is[LABEL_MAX];

	if (!label || !*label || !lsm_selinux_on())
		return 0;
	TRY(no_file(read_own(procfd, "attr/exec", is, sizeof is), "attr/exec"));
	return str_eq(is, label) || str_eq(is, canonical) ? 0
		: fail(EPERM, "confinement: the SELinux label of what is executed would be \"%s\", not \"%s\"", is, label);
}

/* "PROFILE (enforce)"; of a profile in a namespace (":NS:PROFILE") the kernel spells the name in ways of its own. */
static int verify_apparmor(int procfd, const char *profile)
{
	char is[LABEL_MAX];
	size_t n;
	int r;

	if (!profile || !*profile || !lsm_apparmor_on())
		return 0;
	r = read_own(procfd, "attr/apparmor/exec", is, sizeof is);
	if (r == -ENOENT)
		r = no_file(read_own(procfd, "attr/exec", is, sizeof is), "attr/exec");
	TRY(r);
	n = strlen(profile);
	if (*profile == ':' ? *is : strncmp(is, profile, n) == 0 && (!is[n] || str_starts(is + n, " (")))
		return 0;
	return fail(EPERM, "confinement: the AppArmor profile of what is executed would be \"%s\", not \"%s\"", is, profile);
}

int lsm_verify_exec(int procfd, const char *selinux_label, const char *apparmor_profile)
{
	TRY(verify_selinux(procfd, selinux_label));
	return verify_apparmor(procfd, apparmor_profile);
}

int lsm_enter(int procfd, const char *selinux_label)
{
	return write_selinux(procfd, "attr/current", selinux_label);
}

int lsm_label_keyring(int procfd, const char *selinux_label)
{
	return write_selinux(procfd, "attr/keycreate", selinux_label);
}

int lsm_label_sockets(int procfd, const char *label)
{
	if (label && *label)
		return write_selinux(procfd, "attr/sockcreate", label);
	return lsm_selinux_on() ? no_file(lsm_write_own(procfd, "attr/sockcreate", ""), "attr/sockcreate") : 0;
}

int lsm_quote_option(const char *kind, const char *label, char *out, size_t size)
{
	int n = snprintf(out, size, "%s=\"%s\"", kind, label);

	if (n >= 0 && (size_t)n < size)
		return 0;
	if (size)
		out[0] = '\0';
	return fail(ENAMETOOLONG, "mount label \"%s\" is too long", label);
}

int lsm_mount_option(const char *kind, const char *label, char *out, size_t size)
{
	static const char *const kinds[] = { "context", "rootcontext", "fscontext", "defcontext" };
	size_t i = 0;

	if (size)
		out[0] = '\0';
	while (kind && i < COUNT(kinds) && !str_eq(kind, kinds[i]))
		i++;
	if (i == COUNT(kinds))
		return fail(EINVAL, "\"%s\" is not one of context, rootcontext, fscontext, defcontext", kind);
	if (!label || !*label)
		return 0;
	TRY(lsm_check_grammar("mount label", label));
	if (ignored(lsm_selinux_on(), "SELinux", label))
		return 0;
	return lsm_quote_option(kinds[i], label, out, size);
}
