/* The clone of the first process, and what it is told to be. */
#include "runtime/container/launch.h"
#include "base/dgram.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/self.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool reads(const char *path, const char *value)
{
	char text[16];

	return file_peek(AT_FDCWD, path, text, sizeof text) > 0 && str_eq(text, value);
}

/* user_namespaces(7), namespaces(7), and a switch that Debian's kernels have. NULL: none of ours. */
static const char *why_no_namespaces(int r, uint64_t flags)
{
	if (r == -ENOSPC || r == -EUSERS)
		return "there are as many namespaces as the sysctls user.max_*_namespaces allow, or 32 in each other";
	if (r != -EPERM || !(flags & CLONE_NEWUSER))
		return NULL;
	if (geteuid() != 0 && reads("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		return "this host makes user namespaces for root alone, by its sysctl kernel.unprivileged_userns_clone";
	return "a chroot, an id that is not mapped or a filter keeps user namespaces from being made";
}

static int not_cloned(const struct child *c, uint64_t flags)
{
	int r = errno == EBUSY && c->join.v2_dir >= 0 ? cg_join_busy(&c->join)
						       : fail_errno("clone the container's first process");
	const char *why = why_no_namespaces(r, flags);

	/* Part of the message, not a hint: engines pass on the message only. */
	if (why)
		return fail_class(fail(-r, "%s: %s", err_text(), why), r == -EPERM ? ERR_PERMISSION : ERR_RESOURCE);
	if (r != -EACCES || c->join.v2_dir < 0)
		return r;
	/* cgroups(7): moving a process needs write access to the common ancestor of both cgroups. */
	r = fail(EACCES, "join the cgroup: not permitted from here: the group that both lie in is not this user's");
	err_try("start from a group of your own (systemd-run --user --scope -p Delegate=yes), or --systemd-cgroup");
	return fail_class(r, ERR_PERMISSION);
}

/*
 * Whether the runtime brings up the loopback, which takes the kernel long, while the child builds its root. Not with a
 * user namespace, whose network the runtime may not change, nor with hooks or links: they find the network complete.
 */
static bool loopback_outside(const struct child *c)
{
	/* The child is not dumpable: its namespaces can be opened only with the right to trace it. */
	static const uint64_t needed = UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_NET_ADMIN |
				       UINT64_C(1) << CAP_SYS_PTRACE;
	uint64_t flags = c->spec ? c->ns.clone_flags : 0;

	return flags & CLONE_NEWNET && !(flags & CLONE_NEWUSER) && !ns_two_steps(&c->ns) && !c->n_ports &&
	       !(c->spec->hooks && c->spec->hooks->of[HOOK_CREATE_CONTAINER].n) && caps_hold(needed) &&
	       sys_ns_lets_back("net");
}

int launch_clone(struct launch *l)
{
	struct child *c = l->child;
	struct ns_back back;
	uint64_t flags = c->spec && !ns_two_steps(&c->ns) ? c->ns.clone_flags : 0;
	bool user = geteuid() != 0;
	int sv[2], r;

	TRY(dgram_pair(sv));
	c->loopback_outside = loopback_outside(c);
	l->sync = sv[0];
	c->sync = sv[1];
	r = c->spec ? ns_for_children(&c->ns, c->spec, &back) : 0;
	if (r >= 0) {
		/*
		 * Without privilege the maps can be written only for a process whose /proc files are the user's
		 * own; the child hides again as soon as it is mapped.
		 */
		if (user)
			(void)prctl(PR_SET_DUMPABLE, 1);
		l->pid = sys_clone(flags, SIGCHLD, undefended("cgroup") ? -1 : c->join.v2_dir, &l->pidfd);
		if (l->pid == 0) {
			self_settle();
			close(l->sync);
			child_main(c);
		}
		(void)prctl(PR_SET_DUMPABLE, undefended("dumpable"));
		r = l->pid < 0 ? not_cloned(c, flags) : 0;
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
