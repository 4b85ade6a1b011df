#include "runtime/child/child.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "selinux/lsm.h"

#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int stage_cgroup(struct child *c)
{
	if (c->join.by_systemd)
		TRY(sync_hear(c->sync, SYNC_GROUPED, NULL));
	TRY(cg_join_self(&c->join));
	/* Of the audit what can be asked here only (rule R11); whoever moves it from here on is the host. */
	return undefended("audit") ? 0 : cg_verify(&c->join, c->proc_fd);
}

static int become_root(const struct child *c)
{
	gid_t gid = c->process->user.gid.v;
	uid_t uid = c->process->user.uid.v;

	/*
	 * Only now are ids mapped; the caller's ids of the host must not remain. Where 0 is not mapped (EINVAL) the
	 * process's own user makes the files; capabilities stay, as this is no change from 0 to another id.
	 */
	if (setresgid(0, 0, 0) < 0 && (errno != EINVAL || setresgid(gid, gid, gid) < 0))
		return fail_errno("become group 0 of the user namespace, or group %u", gid);
	if (setresuid(0, 0, 0) < 0 && (errno != EINVAL || setresuid(uid, uid, uid) < 0))
		return fail_errno("become user 0 of the user namespace, or user %u", uid);
	if (prctl(PR_SET_DUMPABLE, undefended("dumpable")) < 0)
		return fail_errno("hide from ptrace");
	return 0;
}

/* See ns_two_steps(). The second process is the container's first. */
int stage_user_namespace(struct child *c)
{
	pid_t child;

	if (!ns_two_steps(&c->ns))
		return 0;
	TRY(ns_join_all(&c->ns));
	TRY(ns_be_owner(&c->ns));
	child = sys_clone(c->ns.clone_flags | CLONE_PARENT, 0, -1, NULL);
	if (child < 0)
		return fail_errno("clone into the user namespace");
	if (child > 0) {
		TRY(sync_say_pid(c->sync, child));
		_exit(0);
	}
	c->wait_mapped = true;
	return 0;
}

int stage_time(struct child *c)
{
	return ns_make_time(&c->ns, c->spec);
}

int stage_mapped(struct child *c)
{
	int tree = -1;

	if (c->wait_mapped)
		TRY(sync_hear(c->sync, SYNC_MAPPED, &tree));
	if (tree >= 0)
		c->root_tree = tree;
	return c->own_userns ? become_root(c) : 0;
}

int stage_namespaces(struct child *c)
{
	return ns_two_steps(&c->ns) ? 0 : ns_join_rest(&c->ns);
}

int stage_late_namespaces(struct child *c)
{
	uint64_t flags = c->ns.late_flags;

	/* The root of a cgroup namespace is the group that we are in. */
	if (undefended("cgroup-namespace"))
		flags &= ~(uint64_t)CLONE_NEWCGROUP;
	return flags && unshare((int)flags) < 0 ? fail_errno("make a cgroup or ipc namespace") : 0;
}

int stage_keyring(struct child *c)
{
	const char *label = c->process ? c->process->selinux_label : NULL;

	if (c->no_new_keyring || undefended("keyring"))
		return 0;
	if (label && *label)
		TRY(lsm_label_keyring(c->proc_fd, label));
	/* Without a name: of that name another container may have made one that is open to all, and wait for us. */
	const char *name = undefended("keyring-name") ? c->id : NULL;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name, 0, 0, 0) < 0 && errno != ENOSYS)
		return fail_errno("make a session keyring");
	return 0;
}

int stage_network(struct child *c)
{
	if (!(c->ns.clone_flags & CLONE_NEWNET) || c->loopback_outside)
		return 0;
	if (c->n_ports)
		TRY(sync_hear(c->sync, SYNC_PLUGGED, NULL));
	return net_finish_inside(c->ports, c->n_ports);
}

int stage_hostname(struct child *c)
{
	const char *h = c->spec->hostname, *d = c->spec->domainname;

	if (h && *h && sethostname(h, strlen(h)) < 0)
		return fail_errno("set the host name");
	if (d && *d && setdomainname(d, strlen(d)) < 0)
		return fail_errno("set the domain name");
	return 0;
}

int stage_join(struct child *c)
{
	/* setns(2): it has left them, and is about to be dead. */
	if (c->join_flags && setns(c->init_pidfd, (int)c->join_flags) < 0)
		return errno == ESRCH ? fail_as(ERR_STATE, ENDED_MEANWHILE, "exec in")
				      : fail_errno("join the namespaces of the container");
	return c->own_userns ? become_root(c) : 0;
}
