/*
 * System calls that libc does not wrap, each with its fallback beside it: the caller
 * never sees ENOSYS. They return like the call itself: -1 and errno.
 */
#pragma once
#include <linux/sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * fork() with flags and, on cgroup v2, a cgroup (CLONE_INTO_CGROUP with args->cgroup an
 * open directory). Where clone3 is missing or blocked the flags go to clone(2), and the
 * child joins the cgroup by itself. The child gets no new stack. pidfd: see clone(2).
 */
pid_t sys_clone(uint64_t flags, int exit_signal, int cgroup_fd, int *pidfd);

/* openat2(2) with RESOLVE_* flags; without the call a walk by O_PATH descriptors. */
int sys_openat2(int dirfd, const char *path, int flags, unsigned mode, uint64_t resolve);

/* close_range(first, ~0, CLOSE_RANGE_CLOEXEC), or the same through /proc/self/fd. */
int sys_cloexec_from(int first);

int sys_pivot_root(const char *new_root, const char *put_old);
/*
 * Are we root of the host, or of a guest's namespace of all ids? Root of a namespace of some user's is not.
 */
bool sys_is_host_root(void);
/* Start time of a process in clock ticks since boot (field 22 of stat); 0 when it is gone. */
uint64_t sys_start_time(pid_t pid);
/*
 * What tells a process from every other that ever had or will have its number: boot and inode
 * of its pidfd, which is never used twice (Linux 6.9), marked by the highest bit; before that its start time.
 */
uint64_t sys_birth(pid_t pid, int pidfd);
/*
 * Whether exactly this process lives: one look, where no descriptor of it is wanted. 1, 0, or -1 and errno when it
 * cannot be told (no descriptors, no memory): who cannot look must not take it for dead.
 */
int sys_is_alive(pid_t pid, uint64_t birth);
/*
 * A descriptor of exactly this process; -1 and ESRCH when it is gone or its number was reused, else it cannot be
 * told.
 */
int sys_pidfd_of(pid_t pid, uint64_t birth);
int sys_pidfd_kill(int pidfd, int sig);
/* A namespace of the process, by its name in /proc/PID/ns. ENOENT: it is dead, though perhaps not reaped. */
int sys_open_ns(pid_t pid, const char *name);
/* 1: it is the one that we are in, 0: another. */
int sys_is_our_ns(int ns, const char *name);
/*
 * Whether setns(2) leads back into our own namespace of that name: our user namespace owns it, or one below. The host's
 * is left for good by root of a user namespace that an engine made.
 */
bool sys_ns_lets_back(const char *name);
/* The process is in another one than we; false, too, when it cannot be told. */
bool sys_has_own_ns(pid_t pid, const char *name);
/* The number that a process has in the innermost of its pid namespaces; 0 when it is gone. */
pid_t sys_inner_pid(pid_t pid);
/* The state letter of a process (R, S, Z, ...); 0 when it is gone. */
char sys_proc_state(pid_t pid);
/* Waits until the process of the pidfd is dead. ms < 0: for ever. 1 dead, 0 time is up. */
int sys_pidfd_wait(int pidfd, int ms);
