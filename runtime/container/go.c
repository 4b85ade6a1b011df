/* A process that was made and waits: its exec, and letting go of it. */
#include "runtime/container/launch.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/self.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static int give_listener(void *p, int fd)
{
	struct container *c = p;
	auto_state struct state s = { 0 };
	auto_arena struct arena a = { 0 };

	TRY(state_load(c->dir_fd, c->id, &s));
	return listener_send(s.listener, state_text(&a, &s, c->joined ? "running" : "created", (pid_t)s.pid.v),
			     c->pid, fd);
}

static int run_poststart(struct container *c)
{
	auto_state struct state s = { 0 };
	auto_arena struct arena a = { 0 };

	TRY(state_load(c->dir_fd, c->id, &s));
	return hooks_run(s.hooks, HOOK_POSTSTART, state_text(&a, &s, "running", (pid_t)s.pid.v), s.bundle);
}

static int say_go(struct container *c)
{
	if (!c->let_go)
		TRY(sync_say(c->sync, SYNC_GO));
	self_settle();
	return sync_hear_exec(c->sync, c->listens ? give_listener : NULL, c, NULL);
}

int container_go(struct container *c)
{
	int r = c->sync >= 0 ? say_go(c) : 0;

	if (r < 0)
		r = launch_fate(c->joined ? "the process" : "container init", c->pidfd, c->joined ? NULL : &c->cg, r);
	if (r < 0 && c->joined) {
		/* A pid namespace does not end before all in it are reaped. */
		(void)waitpid(c->pid, NULL, WNOHANG);
		r = launch_outlived("exec in", c->init, r);
	}
	drop_fd(&c->sync);
	/* It runs: others may pause, delete or look at it while we wait. */
	if (c->dir_fd >= 0)
		(void)flock(c->dir_fd, LOCK_UN);
	if (r >= 0 && c->poststart)
		r = run_poststart(c);
	/* The process must not run on after a failed start; with a seccomp listener that nobody serves it would hang, too. */
	if (r < 0 && (c->listens || c->poststart))
		(void)sys_pidfd_kill(c->pidfd, SIGKILL);
	return r;
}

void container_release(struct container *c)
{
	/* Others may hold copies of the descriptor: unlock by word. */
	if (c->dir_fd >= 0)
		(void)flock(c->dir_fd, LOCK_UN);
	drop_fd(&c->dir_fd);
	drop_fd(&c->root_fd);
	drop_fd(&c->sync);
	drop_fd(&c->pidfd);
	drop_fd(&c->tty);
	drop_fd(&c->notify);
	drop_fd(&c->init);
}
