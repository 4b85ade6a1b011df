#include "runtime/child/child.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * The listener of a filter is born in the very process that the filter binds. Sending it takes sendmsg(2),
 * which agents like to be asked about. So a second process, made before the filter and sharing our
 * descriptors, sends it; all that we do under the filter is one write(2), which spec_seccomp_check() keeps
 * out of the agent's hands, and waiting, which the agent may be asked about: it has the listener by then.
 */
static _Noreturn void send_listener(struct child *c, int from, pid_t parent)
{
	int listener;

	/* The pipe does not end with its writer: we hold both ends too. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	if (TEMP_FAILURE_RETRY(read(from, &listener, sizeof listener)) != sizeof listener || listener < 0)
		_exit(1);
	if (sync_say_fd(c->sync, SYNC_LISTENER, listener) < 0)
		_exit(1);
	_exit(sync_hear(c->sync, SYNC_LISTENED, NULL) < 0);
}

int notify_begin(struct child *c)
{
	int p[2];
	pid_t self = getpid();

	if (pipe2(p, O_CLOEXEC) < 0)
		return fail_errno("create a pipe");
	c->notify_pid = sys_clone(CLONE_FILES, SIGCHLD, -1, NULL);
	if (c->notify_pid == 0)
		send_listener(c, p[0], self);
	if (c->notify_pid < 0)
		return fail_errno("make a process that hands over the seccomp listener");
	c->notify_from = p[0];
	c->notify_to = p[1];
	return 0;
}

/* Under a filter that lets nothing begin nothing could be said, either: by its signal nobody would know why. */
static int check_exec(const struct child *c)
{
	int nr = c->program > 0 ? SYS_execveat : SYS_execve;

	if (!seccomp_refuses(&c->seccomp, nr) || !seccomp_refuses(&c->seccomp, SYS_execve))
		return 0;
	return exe_refuse(EPERM, c->process->args.v[0],
			  "operation not permitted: the system-call filter refuses execve(2)");
}

int notify_attach(struct child *c)
{
	int listener = -1, status = 0, r;

	TRY(check_exec(c));
	if (!c->seccomp.notify)
		return seccomp_attach(&c->seccomp, NULL);
	if (c->notify_pid <= 0)
		TRY(notify_begin(c));
	r = seccomp_attach(&c->seccomp, &listener);
	if (TEMP_FAILURE_RETRY(write(c->notify_to, &listener, sizeof listener)) != sizeof listener)
		r = fail_errno("hand over the seccomp listener");
	if (TEMP_FAILURE_RETRY(waitpid(c->notify_pid, &status, 0)) < 0 && errno != ECHILD && r >= 0)
		r = fail_errno("hand over the seccomp listener");
	drop_fd(&c->notify_from);
	drop_fd(&c->notify_to);
	drop_fd(&listener);
	if (r >= 0 && status != 0)
		r = fail(EPIPE, "the seccomp listener was not taken");
	return r;
}

/*
 * Where the filter goes on before the pid namespace is entered, its helper must be made before that is
 * joined.
 */
int stage_notify(struct child *c)
{
	return c->seccomp.notify && !c->process->no_new_privs ? notify_begin(c) : 0;
}
