#include "runtime/child/child.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Joining a pid namespace takes effect for children only. The child is made when ids,
 * capabilities and dumpable state are final, so that nobody inside ever sees a process
 * of ours that is worth catching (CVE-2016-9962). clone, not clone3: filters know it better.
 */
int stage_second_process(struct child *c)
{
	pid_t pid;

	if (c->spec || !(c->join_flags & CLONE_NEWPID))
		return 0;
	pid = sys_clone(CLONE_PARENT, SIGCHLD, -1, NULL);
	if (pid < 0)
		return fail_errno("clone into the pid namespace");
	if (pid > 0)
		_exit(sync_say_pid(c->sync, pid) < 0);
	return 0;
}

int stage_descriptors(struct child *c)
{
	if (sys_cloexec_from(3) < 0)
		return fail_errno("close descriptors on exec");
	for (int fd = 3; fd < 3 + c->preserve_fds; fd++)
		if (fcntl(fd, F_SETFD, 0) < 0)
			return fail_errno("--preserve-fds: descriptor %d", fd);
	return 0;
}

int stage_ready(struct child *c)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	TRY(sync_say(c->sync, SYNC_READY));
	return sync_hear(c->sync, SYNC_GO, NULL);
}

/* After `create` nobody holds the other end of the talk any more: whoever starts us connects. */
int stage_park(struct child *c)
{
	int fd;

	if (c->start_fd < 0)
		return 0;
	fd = TEMP_FAILURE_RETRY(accept4(c->start_fd, NULL, NULL, SOCK_CLOEXEC));
	if (fd < 0)
		return fail_errno("wait for the start");
	drop_fd(&c->start_fd);
	/* Failures and, by closing at exec, success go to the starter from here on. */
	if (dup3(fd, c->sync, O_CLOEXEC) < 0)
		return fail_errno("wait for the start");
	close(fd);
	return sync_hear(c->sync, SYNC_GO, NULL);
}

int stage_start_hooks(struct child *c)
{
	if (!c->spec || !c->spec->hooks || c->spec->hooks->of[HOOK_START_CONTAINER].n == 0)
		return 0;
	return hooks_run(c->spec->hooks, HOOK_START_CONTAINER,
			 arena_printf(&c->arena, c->hook_state, (int)c->host_pid));
}

int stage_seccomp(struct child *c)
{
	return c->process->no_new_privs ? seccomp_attach(&c->seccomp, NULL) : 0;
}

int stage_exec(struct child *c)
{
	execve(c->exe, (char *const *)c->process->args.v, (char *const *)c->env);
	return exe_explain(c->exe, errno);
}
