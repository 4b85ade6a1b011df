#include "base/sys.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/path_walk.h"
#include "base/scope.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446
#endif

static int join_v2(int cgroup_fd)
{
	auto_close int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "0", 1) != 1 ? -1 : 0;
}

pid_t sys_clone(uint64_t flags, int exit_signal, int cgroup_fd, int *pidfd)
{
	struct clone_args a = { .flags = flags, .exit_signal = (uint64_t)exit_signal };
	long pid;

	/* A sibling inherits our own exit signal; clone3 refuses to be told one (seen on 6.1). */
	if (flags & CLONE_PARENT)
		a.exit_signal = 0;
	if (pidfd) {
		a.flags |= CLONE_PIDFD;
		a.pidfd = (uint64_t)(uintptr_t)pidfd;
	}
	if (cgroup_fd >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)cgroup_fd;
	}
	pid = syscall(SYS_clone3, &a, sizeof a);
	/* E2BIG: Linux 5.3 to 5.6 have the call without the group. */
	if (pid >= 0 || (errno != ENOSYS && errno != E2BIG))
		return (pid_t)pid;
	/* CLONE_NEWTIME shares its bit with the signal mask of the old call. */
	if (flags & CLONE_NEWTIME)
		return -1;
	pid = syscall(SYS_clone, (a.flags & ~CLONE_INTO_CGROUP) | (uint64_t)exit_signal, NULL, pidfd, NULL, NULL);
	if (pid == 0 && cgroup_fd >= 0 && join_v2(cgroup_fd) < 0)
		_exit(125);
	return (pid_t)pid;
}

int sys_openat2(int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC), .mode = mode, .resolve = resolve };
	int fd;

	/* EAGAIN: a rename or mount raced with "..": the kernel asks to try again. */
	for (int tries = 0; tries < 64; tries++) {
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	if (fd < 0 && errno == ENOSYS)
		return path_walk(dirfd, path, flags | O_CLOEXEC, mode, resolve);
	return fd;
}

static int cloexec_by_proc(int first)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	if (!d)
		return -1;
	while ((errno = 0, e = readdir(d))) {
		uint64_t fd;

		if (str_u64(e->d_name, 1 << 30, &fd) == 0 && (int)fd >= first && (int)fd != dirfd(d))
			(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	}
	int code = errno;
	closedir(d);
	errno = code;
	return code ? -1 : 0;
}

int sys_cloexec_from(int first)
{
	if (close_range((unsigned)first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	return cloexec_by_proc(first);
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int)syscall(SYS_pivot_root, new_root, put_old);
}

/*
 * The text after the command's name, which may itself hold blanks and parentheses. NULL: errno is ESRCH when it is
 * gone, and another when that cannot be told.
 */
static const char *stat_fields(pid_t pid, char *text, size_t size)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n == 0 || (fd < 0 && errno == ENOENT))
		errno = ESRCH;
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	char *end = strrchr(text, ')');
	return end && end[1] == ' ' ? end + 2 : NULL;
}

/* p: what stat_fields() gave. */
static uint64_t start_time_of(const char *p)
{
	for (int field = 3; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return p ? strtoull(p, NULL, 10) : 0;
}

uint64_t sys_start_time(pid_t pid)
{
	char text[1024];

	return start_time_of(stat_fields(pid, text, sizeof text));
}

#define BY_INODE (UINT64_C(1) << 63)

/* The inodes begin again with each boot, and go along with the pids: two boots must not be taken for one. */
static uint64_t this_boot(void)
{
	static uint64_t known;
	char id[64];

	if (!known) {
		ssize_t n = file_peek(AT_FDCWD, "/proc/sys/kernel/random/boot_id", id, sizeof id);

		known = n > 0 ? str_hash(id, (size_t)n) : 0;
		/* Nobody is taken for another's namesake, and so for dead, because of that. */
		if (!known)
			errno = n < 0 ? (int)-n : EIO;
	}
	return known;
}

/* 0: the kernel has none that is used once (errno 0), or it cannot be told. */
static uint64_t inode_of(int pidfd)
{
	static bool once;		/* as all of them are, where one is */
	uint64_t boot;
	struct statfs fs;
	struct stat st;

	errno = 0;
	if (!once && (fstatfs(pidfd, &fs) < 0 || fs.f_type != PID_FS_MAGIC))
		return 0;
	once = true;
	if (fstat(pidfd, &st) < 0 || !(boot = this_boot()))
		return 0;
	return BY_INODE | (st.st_ino ^ boot);
}

uint64_t sys_birth(pid_t pid, int pidfd)
{
	uint64_t birth = inode_of(pidfd);

	return birth ? birth : sys_start_time(pid);
}

int sys_is_alive(pid_t pid, uint64_t birth)
{
	char text[1024];
	const char *p = NULL;

	if (!(birth & BY_INODE)) {
		p = stat_fields(pid, text, sizeof text);
		if (!p)
			return errno == ESRCH ? 0 : -1;
		if (start_time_of(p) != birth)
			return 0;
		if (*p != 'Z' && *p != 'X')
			return 1;
	}
	/* Its first thread ended; whether all have, a descriptor knows. */
	auto_close int fd = sys_pidfd_of(pid, birth);
	if (fd < 0)
		return errno == ESRCH ? 0 : -1;
	int dead = sys_pidfd_wait(fd, 0);
	return dead < 0 ? -1 : !dead;
}

char sys_proc_state(pid_t pid)
{
	char text[1024];
	const char *p = stat_fields(pid, text, sizeof text);

	return p ? *p : 0;
}

pid_t sys_inner_pid(pid_t pid)
{
	auto_free char *text = NULL;
	char path[32], *at;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (pid <= 0 || file_read(AT_FDCWD, path, &text, NULL) < 0) {
		err_clear();
		return 0;
	}
	at = strstr(text, "\nNSpid:");
	if (!at)
		return 0;
	at[1 + strcspn(at + 1, "\n")] = '\0';
	at = strrchr(at, '\t');
	return at ? atoi(at + 1) : 0;
}

/* As sys_is_alive(), of the process of a descriptor. */
static int is_born(pid_t pid, int pidfd, uint64_t birth)
{
	char text[1024];
	uint64_t is;

	if (birth & BY_INODE) {
		is = inode_of(pidfd);
		return !is && errno ? -1 : is == birth;
	}
	const char *p = stat_fields(pid, text, sizeof text);
	if (!p)
		return errno == ESRCH ? 0 : -1;
	return start_time_of(p) == birth;
}

int sys_pidfd_of(pid_t pid, uint64_t birth)
{
	auto_close int fd = -1;

	errno = ESRCH;
	if (pid <= 0 || (fd = pidfd_open(pid, 0)) < 0)
		return -1;
	/* The descriptor first, the comparison after: the number cannot change hands between. */
	int same = is_born(pid, fd, birth);
	if (same > 0 || (same == 0 && undefended("birth")))
		return take_fd(&fd);
	if (same == 0)
		errno = ESRCH;
	return -1;
}

int sys_pidfd_kill(int pidfd, int sig)
{
	return pidfd_send_signal(pidfd, sig, NULL, 0);
}

int sys_pidfd_wait(int pidfd, int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r = TEMP_FAILURE_RETRY(poll(&p, 1, ms));

	return r > 0 ? 1 : r;
}

static bool has_all_ids(void)
{
	auto_close int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	struct idmap_range all;
	char map[64];
	const char *text = map;
	ssize_t len = fd < 0 ? -1 : read(fd, map, sizeof map - 1);

	map[len > 0 ? len : 0] = '\0';
	return len < 0 || (idmap_next(&text, &all) && all.outside == 0 && all.n == UINT32_MAX);
}

/* The first user namespace has a number of its own: PROC_USER_INIT_INO. */
static bool in_first_userns(void)
{
	enum { UNKNOWN, NO, YES };
	static int known;
	char name[32];

	if (known == UNKNOWN) {
		ssize_t n = readlink("/proc/self/ns/user", name, sizeof name - 1);

		name[n > 0 ? n : 0] = '\0';
		known = n < 0 || str_eq(name, "user:[4026531837]") ? YES : NO;
	}
	return known == YES;
}

bool sys_is_host_root(void)
{
	enum { UNKNOWN, NO, YES };
	static int known;

	if (known == UNKNOWN)
		known = geteuid() == 0 && (in_first_userns() || has_all_ids()) ? YES : NO;
	return known == YES;
}

int sys_open_ns(pid_t pid, const char *name)
{
	char path[48];

	snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int sys_is_our_ns(int ns, const char *name)
{
	struct stat its, own;
	char path[48];

	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	if (fstat(ns, &its) < 0 || stat(path, &own) < 0)
		return -1;
	return its.st_dev == own.st_dev && its.st_ino == own.st_ino;
}

bool sys_ns_lets_back(const char *name)
{
	/* All others are below. */
	if (in_first_userns())
		return true;
	char path[32];

	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	auto_close int ns = open(path, O_RDONLY | O_CLOEXEC);
	auto_close int owner = ns < 0 ? -1 : ioctl(ns, NS_GET_USERNS);

	return owner >= 0;
}

bool sys_has_own_ns(pid_t pid, const char *name)
{
	auto_close int ns = sys_open_ns(pid, name);

	return ns >= 0 && sys_is_our_ns(ns, name) == 0;
}
