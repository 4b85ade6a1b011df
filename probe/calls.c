#include "probe/probe.h"
#include "base/scope.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/*
 * Which system calls reach the kernel. All arguments are -1, which no call takes: no such descriptor,
 * address, flag, process. A call that answers EPERM or ENOSYS, or ends the process by SIGSYS, was refused, by
 * a filter, for want of a capability, or because there is no such call; everything else has been at work.
 */

/* The calls that would take -1, or of which a filter looks at an argument, or that do not return. */
static const struct special { int nr; long args[3]; } specials[] = {
	{ SYS_kill, { 0x7fffffff, 0 } },		/* no process has this number */
	{ SYS_msgget, { 0x7ead, 0 } },			/* -1 would make a queue */
	{ SYS_unshare, { 0 } },
	{ SYS_clone, { CLONE_THREAD } },		/* not without CLONE_SIGHAND */
	{ SYS_socket, { AF_UNIX, -1, -1 } },
	{ SYS_socketpair, { AF_UNIX, -1, -1 } },
#ifdef SYS_modify_ldt
	{ SYS_modify_ldt, { 0, 0, 0 } },		/* an unknown function is ENOSYS */
#endif
	{ SYS_acct, { -1 } },
	{ SYS_setsid, { 0 } },
};

/* They act on the whole machine whatever they are given, or have no way to fail. */
static const int untried[] = { SYS_sync };

enum { LAST_CALL = 511, REACHED = 1, REFUSED = 2 };

static int try_call(void *arg)
{
	int nr = *(int *)arg;
	long a[3] = { -1, -1, -1 }, r;

	for (size_t i = 0; i < COUNT(specials); i++)
		if (specials[i].nr == nr)
			memcpy(a, specials[i].args, sizeof a);
#ifdef SYS_vhangup
	/* Without a terminal there is nothing to hang up. */
	if (nr == SYS_vhangup)
		(void)setsid();
#endif
#ifdef SYS_vfork
	/* Its child runs on our stack: the C library knows how. */
	if (nr == SYS_vfork) {
		pid_t pid = vfork();

		if (pid == 0)
			_exit(0);
		return pid < 0 ? REFUSED : REACHED;
	}
#endif
#ifdef SYS_fork
	if (nr == SYS_fork && syscall(SYS_fork) == 0)
		_exit(REACHED);
#endif
	r = syscall(nr, a[0], a[1], a[2], -1L, -1L, -1L);
	return r == -1 && (errno == EPERM || errno == ENOSYS) ? REFUSED : REACHED;
}

static bool is_untried(int nr)
{
	for (size_t i = 0; i < COUNT(untried); i++)
		if (untried[i] == nr)
			return true;
	return false;
}

/* exit(2) ends the child with the -1 that it was given; SIGSEGV and SIGILL are the kernel's answers. */
static bool reaches(int nr)
{
	int r = in_child(try_call, &nr);

	return r != REFUSED && r != 256 + SIGSYS;
}

void probe_calls(void)
{
	for (int nr = 0; nr <= LAST_CALL; nr++) {
		if (is_untried(nr) || !reaches(nr))
			continue;
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (name)
			found("syscall", "%s", name);
		else
			found("syscall", "%d", nr);
		free(name);
	}
}
