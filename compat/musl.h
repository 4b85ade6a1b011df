/*
 * What the sources take from glibc and musl does not have; included before everything else when vzrun itself is built
 * with musl (see the Makefile). The system calls are those of the manual pages, the structures the kernel's
 * (linux/mount.h, linux/stat.h); the texts are glibc's, because people and engines look for them.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
/* Newer ones know a part of statx(2); what is used is the kernel's. */
#define statx musl_statx
#define statx_timestamp musl_statx_timestamp
#include <sys/stat.h>
#undef statx
#undef statx_timestamp
#include <sys/syscall.h>
#include <unistd.h>
/* The kernel's headers have the types, musl's the calls; both have the same MS_ flags, each its own sched_param. */
#define sched_param kernel_sched_param
#include <linux/sched/types.h>
#undef sched_param
#include <linux/mount.h>
#include <sys/mount.h>

#define TEMP_FAILURE_RETRY(call) \
	({ __typeof__(call) retried_; do retried_ = (call); while (retried_ == -1 && errno == EINTR); retried_; })

const char *strerrordesc_np(int code);	/* NULL: no such code */
const char *strerrorname_np(int code);	/* EPERM ... */
const char *sigabbrev_np(int sig);	/* without SIG; NULL: none, or a real-time one */

/*
 * musl keeps three real-time signals for itself and leaves them out of its sets. To forward and to block, all means
 * all; and a number means to a container what it means to the C library of most containers.
 */
#undef SIGRTMIN
#undef SIGRTMAX
#define SIGRTMIN 34
#define SIGRTMAX 64
#define sigfillset sigfillset_whole
static inline int sigfillset_whole(sigset_t *set)
{
	memset(set, 0xff, sizeof *set);
	return 0;
}

#define sigaction(sig, ...) ((sig) == SIGRTMIN ? sigaction_rtmin : sigaction)(sig, __VA_ARGS__)
/* Handlers run on musl's own way back from a signal, which is not known here: only what needs none. */
static inline int sigaction_rtmin(int sig, const struct sigaction *a, struct sigaction *old)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} kernel = { .handler = a->sa_handler };

	if (old || (a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN)) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_rt_sigaction, sig, &kernel, NULL, sizeof kernel.mask);
}

/*
 * open(2) of musl sets what O_CLOEXEC stands for once more, for kernels before 2.6.23; and its way to change ids blocks
 * the signals of all threads first, where there is one.
 */
#define open(...) openat(AT_FDCWD, __VA_ARGS__)
#define setresgid(real, effective, saved) ((int)syscall(SYS_setresgid, (real), (effective), (saved)))
#define setresuid(real, effective, saved) ((int)syscall(SYS_setresuid, (real), (effective), (saved)))
#define setgroups setgroups_alone
static inline int setgroups(size_t n, const gid_t *list)
{
	return (int)syscall(SYS_setgroups, n, list);
}

/* What is free goes back to the kernel without being asked. */
static inline int malloc_trim(size_t pad)
{
	(void)pad;
	return 0;
}

struct dirent;
int scandirat(int dirfd, const char *path, struct dirent ***names, int (*select)(const struct dirent *),
	      int (*compare)(const struct dirent **, const struct dirent **));

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
static inline int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

static inline int execveat(int fd, const char *path, char *const argv[], char *const env[], int flags)
{
	return (int)syscall(SYS_execveat, fd, path, argv, env, flags);
}

#define CLOSE_RANGE_CLOEXEC 4
static inline int close_range(unsigned first, unsigned last, int flags)
{
	return (int)syscall(SYS_close_range, first, last, flags);
}

/* --- statx(2) -------------------------------------------------------------------------------- */
#include <linux/stat.h>
#define AT_STATX_DONT_SYNC 0x4000
static inline int statx(int fd, const char *path, int flags, unsigned mask, struct statx *st)
{
	return (int)syscall(SYS_statx, fd, path, flags, mask, st);
}

/* --- mounts by descriptor: fsopen(2), open_tree(2), mount_setattr(2) ------------------------------ */
#define AT_RECURSIVE 0x8000
static inline int fsopen(const char *type, unsigned flags)
{
	return (int)syscall(SYS_fsopen, type, flags);
}

static inline int fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

static inline int fsmount(int fd, unsigned flags, unsigned attributes)
{
	return (int)syscall(SYS_fsmount, fd, flags, attributes);
}

static inline int fspick(int fd, const char *path, unsigned flags)
{
	return (int)syscall(SYS_fspick, fd, path, flags);
}

static inline int open_tree(int fd, const char *path, unsigned flags)
{
	return (int)syscall(SYS_open_tree, fd, path, flags);
}

static inline int move_mount(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return (int)syscall(SYS_move_mount, from_fd, from, to_fd, to, flags);
}

static inline int mount_setattr(int fd, const char *path, unsigned flags, struct mount_attr *a, size_t size)
{
	return (int)syscall(SYS_mount_setattr, fd, path, flags, a, size);
}
