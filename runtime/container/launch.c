#include "runtime/container/launch.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/self.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

static int open_proc_ns(pid_t pid, const char *name)
{
	int fd = sys_open_ns(pid, name);

	if (fd >= 0)
		return fd;
	return errno == ENOENT ? fail(ECHILD, "container init: the process is dead")
			       : fail_errno("open the %s namespace of process %d", name, (int)pid);
}

int launch_listen_fds(void)
{
	const char *n = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint64_t fds, whom;

	if (!n || !pid || str_u64(pid, INT32_MAX, &whom) < 0 || (pid_t)whom != getpid() ||
	    str_u64(n, 1000, &fds) < 0)
		return 0;
	return (int)fds;
}

bool launch_keeps_groups(const struct map *annotations)
{
	const char *word = map_get(annotations, GROUPS_ANNOTATION);

	return word && str_eq(word, "1");
}

/* Ours are O_CLOEXEC. */
static bool came_by_exec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

int launch_check_fds(int n)
{
	int listening = launch_listen_fds(), last = 2 + listening + n;

	for (int fd = 3; fd < 3 + listening; fd++)
		if (!came_by_exec(fd))
			return fail_as(ERR_USAGE, "LISTEN_FDS=%d: descriptor %d is not open", listening, fd);
	if (n > 0 && !came_by_exec(last))
		return fail_as(ERR_USAGE, "--preserve-fds %d: preserved-fd %d is missing: descriptor %d is not open", n, n - 1,
			       last);
	return 0;
}

static int reap(pid_t pid)
{
	return TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0)) < 0 && errno != ECHILD ? fail_errno("reap a process") : 0;
}

/* The number is somebody's word; only what the kernel calls our child is taken for the process. */
static int open_child(pid_t pid)
{
	auto_close int fd = pidfd_open(pid, 0);
	siginfo_t info;

	if (fd >= 0 && waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		return take_fd(&fd);
	if (errno == EINVAL || errno == ESRCH || errno == ECHILD)
		return fail(ECHILD, "the container's process died at once, or named one that is not ours");
	return fail_errno("look for the container's process");
}

static int record_pid(struct launch *l)
{
	if (l->journal < 0)
		return 0;
	l->start_time = sys_birth(l->pid, l->pidfd);
	/* A record without it would be nobody's, and its process never ended. */
	if (!l->start_time)
		return fail_errno("look when process %d was born", (int)l->pid);
	return journal_pid(l->journal, l->pid, l->start_time);
}

/* A second process took over: it is our child too (CLONE_PARENT), the first one has ended. */
static int change_over(struct launch *l, pid_t next)
{
	pid_t first = l->pid;
	auto_close int fd = open_child(next != first ? next : -1);

	TRY(fd);
	drop_fd(&l->pidfd);
	l->pid = next;
	l->pidfd = take_fd(&fd);
	TRY(reap(first));
	return record_pid(l);
}

static int outside_work(struct launch *l, int *tree)
{
	const struct child *c = l->child;

	*tree = -1;
	if (c->ns.clone_flags & CLONE_NEWUSER)
		TRY(idmap_write(l->pid, c->spec->linux_));
	if (c->spec->linux_)
		TRY(netdev_lend(l));
	if (l->overlay) {
		auto_close int user = l->overlay->idmap ? open_proc_ns(l->pid, "user") : -1;

		if (l->overlay->idmap)
			TRY(user);
		*tree = rootfs_assemble(l->overlay, user, c->spec->linux_);
		TRY_IN(*tree, "root filesystem");
	}
	return 0;
}

static int up_loopback(const struct launch *l)
{
	auto_close int net = l->child->loopback_outside ? open_proc_ns(l->pid, "net") : -1;

	if (!l->child->loopback_outside)
		return 0;
	TRY(net);
	return net_up_loopback(net);
}

/* The kernel takes half a millisecond for a pair of links, in which the child has its root to build. */
static int plug(struct launch *l)
{
	auto_close int net = open_proc_ns(l->pid, "net");

	TRY(net);
	TRY_IN(net_setup(l->child->ports, l->child->n_ports, net), "network");
	return sync_say(l->sync, SYNC_PLUGGED);
}

static int say_mapped(struct launch *l)
{
	int tree, r;

	/* The second of two steps always waits: its pid goes on record first. */
	if (!l->child->wait_mapped && !ns_two_steps(&l->child->ns))
		return 0;
	TRY(outside_work(l, &tree));
	r = sync_say_fd(l->sync, SYNC_MAPPED, tree);
	drop_fd(&tree);
	return r < 0 || !l->child->n_ports ? r : plug(l);
}

static int run_hooks(struct launch *l)
{
	char *state = arena_printf(&l->child->arena, l->state_text, (int)l->pid);

	l->hooked = true;
	TRY(hooks_run(l->child->spec->hooks, HOOK_PRESTART, state, l->child->bundle));
	TRY(hooks_run(l->child->spec->hooks, HOOK_CREATE_RUNTIME, state, l->child->bundle));
	return sync_say(l->sync, SYNC_HOOKED);
}

static int join_rdt(const struct launch *l)
{
	auto_close int root = rdt_open();

	TRY(root);
	return rdt_add(root, l->rdt, l->pid);
}

bool launch_ends_here(const struct launch *l)
{
	const struct spec_process *p = l->child->process;

	return l->child->own_userns || p->io_priority || p->scheduler || l->rdt || p->oom_score_adj.set;
}

/* Where we lack CAP_SYS_RESOURCE it is the owner of the user namespace who may set them. */
static int outside_limits(struct launch *l)
{
	const struct list *limits = &l->child->process->rlimits;
	uid_t we = geteuid(), owner;
	int r = limits_apply(l->pid, limits);

	if (r != -EPERM)
		return r;
	auto_close int ns = open_proc_ns(l->pid, "user");
	TRY(ns);
	if (ioctl(ns, NS_GET_OWNER_UID, &owner) < 0 || setresuid((uid_t)-1, owner, (uid_t)-1) < 0)
		return r;
	err_clear();
	r = limits_apply(l->pid, limits);
	return setresuid((uid_t)-1, we, (uid_t)-1) < 0 ? fail_errno("become root again") : r;
}

/* What only the host's side may do, last: the child is ready and does nothing until SYNC_GO. */
static int host_limits(struct launch *l)
{
	const struct spec_process *p = l->child->process;
	char path[40], text[16];
	int r;

	if (l->child->own_userns && l->child->spec)
		TRY(outside_limits(l));
	TRY(tune_process(l->pid, p));
	if (l->rdt)
		TRY(join_rdt(l));
	if (!p->oom_score_adj.set)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)l->pid);
	snprintf(text, sizeof text, "%d", (int)p->oom_score_adj.v);
	r = file_poke(AT_FDCWD, path, text);
	/* A lower score than the host grants is no reason not to start, for one who is not root there. */
	if (r == -EACCES || r == -EPERM) {
		log_warn("oomScoreAdj %s: not permitted", text);
		return 0;
	}
	return r < 0 ? fail(-r, "oomScoreAdj %s: %s", text, strerrordesc_np(-r)) : 0;
}

/*
 * A filter that went on early. Of a process that joins a pid namespace the pid is of the one that attached
 * it, which is not the one that stays: that cannot wait, because the agent may be asked before the other is
 * there.
 */
static int give_listener(struct launch *l, int *fd)
{
	const char *state = l->child->spec ? arena_printf(&l->child->arena, l->state_text, (int)l->pid)
					   : l->state_text;
	int r = listener_send(l->listener, state, l->pid, *fd);

	drop_fd(fd);
	return r < 0 ? r : sync_say(l->sync, SYNC_LISTENED);
}

static void give_streams(const struct launch *l)
{
	if (l->child->process->terminal)
		return;
	streams_give(l, l->child->process->user.uid.v);
	streams_label(l->child->process->selinux_label);
}

/*
 * Until there is something to hear. The second of two processes holds the talk open and waits for us, while the first,
 * who is to tell its number, may have died: what it said is there before it is dead.
 */
static int hear_first(const struct launch *l)
{
	struct pollfd p[] = { { l->sync, POLLIN, 0 }, { l->pidfd, POLLIN, 0 } };

	if (TEMP_FAILURE_RETRY(poll(p, COUNT(p), -1)) < 0)
		return fail_errno("wait for a message");
	if (p[0].revents || poll(p, 1, 0) > 0)
		return 0;
	return fail(ECHILD, "the first of two processes died without a word");
}

/* What the talk still waits for. */
enum { FOR_READY = 1, FOR_PID = 2 };

static int hear(struct launch *l, unsigned *waits)
{
	bool container = l->child->spec != NULL;
	auto_close int fd = -1;
	pid_t pid = 0;

	/* Of a joining process either may be heard first, the one that made it or the one that is ready. */
	if (*waits & FOR_PID && (container || !(*waits & FOR_READY)))
		TRY_IN(hear_first(l), "container init");
	int m = sync_next(l->sync, &pid, &fd);
	TRY_IN(m == -ECHILD ? m : 0, "container init");
	TRY(m);
	switch (m) {
	case SYNC_CONSOLE:
		drop_fd(&l->tty);
		l->tty = take_fd(&fd);
		return 0;
	case SYNC_LISTENER:
		return give_listener(l, &fd);
	case SYNC_ROOTED:
		return run_hooks(l);
	case SYNC_READY:
		*waits &= ~(unsigned)FOR_READY;
		return 0;
	case SYNC_PID:
		if (!(*waits & FOR_PID))
			break;
		*waits &= ~(unsigned)FOR_PID;
		TRY(change_over(l, pid));
		return container ? say_mapped(l) : 0;
	}
	return fail(EPROTO, "unexpected message %d from the container's process", m);
}

static int talk(struct launch *l)
{
	const struct child *c = l->child;
	bool two_steps = ns_two_steps(&c->ns), second = c->spec ? two_steps : (c->join_flags & CLONE_NEWPID) != 0;
	/* Its pid is the one, and its ids are mapped. */
	bool known = c->spec && !two_steps;
	unsigned waits = FOR_READY | (second ? FOR_PID : 0);

	if (c->join.by_systemd) {
		TRY(cg_join_by_systemd(&c->join, l->pid));
		TRY(sync_say(l->sync, SYNC_GROUPED));
	}
	if (!two_steps)
		TRY(say_mapped(l));
	TRY_IN(up_loopback(l), "network");
	if (known)
		give_streams(l);
	if (l->meanwhile) {
		TRY(l->meanwhile(l->ctx));
		self_settle();
	}
	while (waits)
		TRY(hear(l, &waits));
	if (!known)
		give_streams(l);
	return host_limits(l);
}

void launch_kill(struct launch *l)
{
	struct err_saved s;

	if (l->pid <= 0)
		return;
	err_save(&s);
	if (l->pidfd >= 0)
		(void)sys_pidfd_kill(l->pidfd, SIGKILL);
	(void)reap(l->pid);
	l->pid = 0;
	drop_fd(&l->pidfd);
	drop_fd(&l->sync);
	drop_fd(&l->tty);
	err_restore(&s);
}

/* Our part failed because the child is dead: what it said last is the cause. */
static int what_it_said(struct launch *l, int r)
{
	struct pollfd p = { l->sync, POLLIN, 0 };
	struct err_saved ours;
	int m = 0;

	err_save(&ours);
	while (l->sync >= 0 && poll(&p, 1, 0) > 0 && (m = sync_next(l->sync, NULL, NULL)) > 0)
		;
	if (m < 0 && m != -ECHILD)
		return m;
	err_restore(&ours);
	return r;
}

int launch(struct launch *l)
{
	int r;

	l->pid = 0;
	l->pidfd = l->sync = l->tty = -1;
	r = launch_clone(l);
	if (r >= 0)
		r = record_pid(l);
	if (r >= 0)
		r = fault_point("talk to the first process");
	if (r >= 0)
		r = talk(l);
	if (r < 0) {
		r = launch_fate(l->child->spec ? "container init" : "the process", l->pidfd,
				l->child->spec ? l->child->cg : NULL, what_it_said(l, r));
		drop_fd(&l->sync);
		launch_kill(l);
	}
	return r;
}
