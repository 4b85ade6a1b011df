#include "runtime/child/child.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Joining a pid namespace takes effect for children only. The child is made when ids,
 * capabilities and dumpable state are final, so that nobody inside ever sees a process
 * of the runtime with more rights (CVE-2016-9962). clone, not clone3: seccomp profiles often refuse clone3.
 */
int stage_second_process(struct child *c)
{
	pid_t pid;

	if (c->spec || !(c->join_flags & CLONE_NEWPID))
		return 0;
	/* With CLONE_PARENT the child's exit signal is the caller's own; clone3 refuses any other. */
	pid = sys_clone(CLONE_PARENT, 0, -1, NULL);
	/* pid_namespaces(7): a namespace whose first process is gone lacks memory, too. */
	if (pid < 0)
		return errno == ENOMEM ? fail(ENOMEM, "clone into the pid namespace: out of memory, or the container is ending")
				       : fail_errno("clone into the pid namespace");
	if (pid == 0)
		return 0;
	TRY(sync_say_pid(c->sync, pid));
	_exit(0);
}

static void close_between(int first, int last)
{
	if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0)
		return;
	/* Before Linux 5.9 there is no close_range(2); the runtime has no descriptor above this. */
	for (int fd = first; fd <= last && fd < 65536; fd++)
		close(fd);
}

/* The lowest from this one on, or INT_MAX */
static int next_of(const int *keep, size_t n, int from)
{
	int next = INT_MAX;

	for (size_t i = 0; i < n; i++)
		if (keep[i] >= from && keep[i] < next)
			next = keep[i];
	return next;
}

/*
 * Closed now, not at exec: the kernel resolves the program's path before it closes anything, and
 * /proc/self/fd/N/../.. of a directory of the host's would be a way out (CVE-2024-21626).
 */
int stage_descriptors(struct child *c)
{
	const int keep[] = { c->sync, c->start_fd, c->tty, log_fd(), log_diverted(), c->program > 0 ? c->program : -1 };
	int from = 3 + c->preserve_fds;

	if (undefended("descriptors"))
		return 0;
	/* The runtime's own descriptors may lie in gaps between those to be passed on. */
	for (int fd = 3; fd < from; fd++)
		if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) && next_of(keep, COUNT(keep), fd) != fd)
			close(fd);
	for (;;) {
		int next = next_of(keep, COUNT(keep), from);

		close_between(from, next == INT_MAX ? next : next - 1);
		if (next == INT_MAX)
			break;
		from = next + 1;
	}
	for (size_t i = 0; i < COUNT(keep); i++)
		if (keep[i] >= 0 && fcntl(keep[i], F_SETFD, FD_CLOEXEC) < 0)
			return fail_errno("close descriptor %d on exec", keep[i]);
	return 0;
}

static void leave(int sig)
{
	_exit(128 + sig);
}

int stage_ready(struct child *c)
{
	static const int polite[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction dfl = { .sa_handler = SIG_DFL }, end = { .sa_handler = leave };
	sigset_t none;

	/* Handlers end with exec; what was ignored before us would stay so. */
	for (int sig = 1; sig < NSIG; sig++)
		if (c->ignored >> (sig - 1) & 1)
			sigaction(sig, &dfl, NULL);
	/*
	 * The init of a pid namespace does not get signals that it has no handler for: without these a created
	 * container could be ended by SIGKILL only.
	 */
	for (size_t i = 0; c->start_fd >= 0 && i < COUNT(polite); i++)
		sigaction(polite[i], &end, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	TRY(sync_say(c->sync, SYNC_READY));
	int r = sync_hear(c->sync, SYNC_GO, NULL);
	/* Nobody hears any more why not. Only a runtime that died takes along what it was to have created. */
	if (c->start_fd >= 0 && r != -ECHILD) {
		err_clear();
		return 0;
	}
	return r;
}

/* `create` ends before the start: whoever starts us connects. */
static int await_starter(struct child *c)
{
	int fd = TEMP_FAILURE_RETRY(accept4(c->start_fd, NULL, NULL, SOCK_CLOEXEC));

	if (fd < 0)
		return fail_errno("wait for the start");
	drop_fd(&c->start_fd);
	/*
	 * From here on `start` hears of failures, and of success by the close at exec. dup2(2) to the number of the
	 * socket pair could fail: it may be above RLIMIT_NOFILE by now.
	 */
	drop_fd(&c->sync);
	c->sync = fd;
	return sync_hear(c->sync, SYNC_GO, NULL);
}

int stage_park(struct child *c)
{
	if (c->start_fd >= 0)
		TRY(await_starter(c));
	terminal_await_size(c);
	return 0;
}

int stage_start_hooks(struct child *c)
{
	const struct spec_hooks *hooks = c->spec ? c->spec->hooks : NULL;

	if (hooks && hooks->of[HOOK_START_CONTAINER].n > 0) {
		/* They are programs of the image: what confines the process confines them. */
		TRY(stage_seccomp(c));
		c->filtered = true;
		/* Hooks without an environment get the process's: so it is with runc, and images rely on it. */
		LIST_EACH(struct spec_hook, h, hooks->of[HOOK_START_CONTAINER])
			if (!h->env.v)
				h->env.v = (const char **)c->env;
		TRY(hooks_run(hooks, HOOK_START_CONTAINER,
			      arena_printf(&c->arena, c->start_state, (int)c->host_pid), NULL));
	}
	return sync_say(c->sync, SYNC_EXEC);
}

int stage_seccomp(struct child *c)
{
	return c->process->no_new_privs && !c->filtered ? notify_attach(c) : 0;
}

/* A filter may know nothing of execveat(2): the same by way of the container's procfs. */
static int exec_program(const struct child *c)
{
	char path[32];

	execveat(c->program, "", (char *const *)c->process->args.v, (char *const *)c->env, AT_EMPTY_PATH);
	if (errno == ENOSYS || errno == EPERM) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", c->program);
		execve(path, (char *const *)c->process->args.v, (char *const *)c->env);
	}
	return exe_refuse(errno, c->process->args.v[0], strerrordesc_np(errno));
}

int stage_exec(struct child *c)
{
	if (c->listen_pid)
		sprintf(strchr(c->listen_pid, '=') + 1, "%d", (int)getpid());
	if (c->program > 0)
		return exec_program(c);
	execve(c->exe, (char *const *)c->process->args.v, (char *const *)c->env);
	return exe_explain(c->exe, errno);
}
