/* Why a process that was to be started is dead. */
#include "runtime/container/launch.h"
#include "base/scope.h"
#include "base/sys.h"

#include <signal.h>
#include <sys/wait.h>

enum { DYING_MS = 1000 };	/* from its last sign, or the first of its end, to its death */

int launch_fate(const char *who, int pidfd, const struct cg *group, int r)
{
	siginfo_t i = { 0 };

	/* Its socket closes a moment before it is dead. */
	if (r != -ECHILD || pidfd < 0 || sys_pidfd_wait(pidfd, DYING_MS) != 1 ||
	    waitid(P_PIDFD, (id_t)pidfd, &i, WEXITED | WNOHANG | WNOWAIT) < 0 || i.si_pid == 0 ||
	    (i.si_code != CLD_KILLED && i.si_code != CLD_DUMPED))
		return r;
	/* A limit below what a start takes is the usual cause. */
	if (i.si_status == SIGKILL && group && group->hiers && cg_oom_kills(group) > 0)
		return fail_as(ERR_RESOURCE, "container init was OOM-killed (memory limit too low?)");
	return fail(ECHILD, "%s was killed by signal %d", who, i.si_status);
}

int launch_outlived(const char *doing, int init, int r)
{
	/* The peer closed, nobody listens, there is no such process, the pid namespace takes no more: init may be dying. */
	bool dying = r == -ECHILD || r == -ECONNREFUSED || r == -ESRCH || r == -ENOMEM;

	if (init < 0 || sys_pidfd_wait(init, dying ? DYING_MS : 0) != 1)
		return r;
	return fail_as(ERR_STATE, ENDED_MEANWHILE, doing);
}
