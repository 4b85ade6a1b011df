/* The clone of the first process, and what it is told to be. */
#include "runtime/container/launch.h"
#include "base/dgram.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/self.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static int not_cloned(const struct child *c)
{
	int r = fail_errno("clone the container's first process");

	if (r == -EBUSY)
		err_why("the cgroup has controllers enabled for groups below it");
	if (r != -EACCES || c->join.v2_dir < 0)
		return r;
	/* cgroups(7): nobody may take a process over a border that is not his. */
	r = fail(EACCES, "join the cgroup: not permitted from here: the group that both lie in is not this user's");
	err_try("start from a group of your own (systemd-run --user --scope -p Delegate=yes), or --systemd-cgroup");
	return fail_class(r, ERR_PERMISSION);
}

/*
 * A process that joins makes another in the container's pid namespace, with a copy of its memory, and ends.
 * Nobody in there can reach it or its memory, and where it has nothing to hear from us meanwhile it need not
 * have a copy of ours.
 */
static bool may_borrow(const struct child *c)
{
	return !c->spec && c->join_flags & CLONE_NEWPID && !c->join.by_systemd && !c->seccomp.notify &&
	       geteuid() == 0;
}

static _Noreturn void begin(void *p)
{
	struct launch *l = p;
	struct child own = *l->child;	/* it closes descriptors of its own, and marks them so */

	self_settle();
	close(l->sync);
	child_main(&own);
}

static pid_t clone_first(struct launch *l, uint64_t flags)
{
	int cgroup = l->child->join.v2_dir;
	pid_t pid = -1;

	errno = ENOSYS;
	if (may_borrow(l->child))
		pid = sys_borrow(cgroup, &l->pidfd, begin, l);
	if (pid < 0 && (errno == ENOSYS || errno == EPERM))
		pid = sys_clone(flags, SIGCHLD, cgroup, &l->pidfd);
	if (pid == 0)
		begin(l);
	return pid;
}

int launch_clone(struct launch *l)
{
	struct child *c = l->child;
	struct ns_back back;
	uint64_t flags = c->spec && !ns_two_steps(&c->ns) ? c->ns.clone_flags : 0;
	int sv[2], r;

	TRY(dgram_pair(sv));
	l->sync = sv[0];
	c->sync = sv[1];
	r = c->spec ? ns_for_children(&c->ns, c->spec, &back) : 0;
	if (r >= 0) {
		/*
		 * Without privilege the maps can be written only for a process whose /proc files are the user's
		 * own; the child hides again as soon as it is mapped.
		 */
		if (geteuid() != 0)
			(void)prctl(PR_SET_DUMPABLE, 1);
		l->pid = clone_first(l, flags);
		(void)prctl(PR_SET_DUMPABLE, 0);
		r = l->pid < 0 ? not_cloned(c) : 0;
	}
	if (c->spec) {
		struct err_saved s;

		err_save(&s);
		if (ns_go_back(&back) < 0 && r >= 0)
			r = -EIO;
		else
			err_restore(&s);
	}
	drop_fd(&c->sync);
	return r;
}
