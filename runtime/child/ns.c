#include "runtime/child/ns.h"
#include "runtime/child/caps.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The mount namespace after the others: paths change. */
static const int join_order[] = {
	CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET, CLONE_NEWCGROUP,
	CLONE_NEWNS,
};

static int open_ns(const struct spec_ns *n)
{
	auto_close int fd = open(n->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int type;

	if (fd < 0)
		return fail_errno("open namespace %s", n->path);
	type = ioctl(fd, NS_GET_NSTYPE);
	if (type < 0)
		return fail(EINVAL, "%s is not a namespace", n->path);
	if (type != n->type)
		return fail(EINVAL, "%s is a %s namespace, not %s", n->path,
			    name_of(spec_ns_names, type) ? name_of(spec_ns_names, type) : "foreign",
			    name_of(spec_ns_names, n->type));
	return take_fd(&fd);
}

static int add_join(struct ns_plan *p, const struct spec *s, int type)
{
	LIST_EACH(struct spec_ns, n, s->linux_->namespaces) {
		if (n->type != type || !n->path || !*n->path)
			continue;
		int fd = open_ns(n);

		TRY(fd);
		p->join[p->n++] = (struct ns_join){ type, fd };
	}
	return 0;
}

/* Joined by its path it may be the caller's own, whose settings would change for all in it. */
static int check_sysctls(const struct ns_plan *p, const struct map *sysctl)
{
	for (size_t i = 0; i < sysctl->n && !undefended("sysctl-names"); i++) {
		int type = spec_sysctl_ns(sysctl->v[i].key);
		const struct ns_join *j = ns_joined(p, type);
		const char *name = name_of(spec_ns_names, type);
		int ours = j ? sys_is_our_ns(j->fd, type == CLONE_NEWNET ? "net" : name) : 0;

		if (ours < 0)
			return fail_errno("the %s namespace in linux.namespaces", name);
		if (ours)
			return fail(EINVAL, "linux.sysctl.%s: the %s namespace in linux.namespaces is the caller's own",
				    sysctl->v[i].key, name);
	}
	return 0;
}

static uid_t root_of(const struct list *maps)
{
	LIST_EACH(struct spec_idmap, m, *maps)
		if (m->inside.v == 0)
			return m->host.v;
	return 0;
}

int ns_plan(const struct spec *s, struct ns_plan *out)
{
	struct ns_plan p = { 0 };

	if (s->linux_) {
		int r = 0;

		p.owner = root_of(&s->linux_->uid_maps);
		LIST_EACH(struct spec_ns, n, s->linux_->namespaces)
			if (!n->path || !*n->path)
				p.clone_flags |= (uint64_t)n->type;
		for (size_t i = 0; i < COUNT(join_order) && r == 0; i++)
			r = add_join(&p, s, join_order[i]);
		if (r == 0)
			r = check_sysctls(&p, &s->linux_->sysctl);
		if (r < 0) {
			ns_plan_close(&p);
			return r;
		}
	}
	p.late_flags = p.clone_flags & CLONE_NEWCGROUP;
	if (p.clone_flags & CLONE_NEWUSER || ns_joined(&p, CLONE_NEWUSER))
		p.late_flags |= p.clone_flags & CLONE_NEWIPC;
	p.new_time = p.clone_flags & CLONE_NEWTIME;
	p.clone_flags &= ~(p.late_flags | CLONE_NEWTIME);
	p.far_pid = ns_joined(&p, CLONE_NEWPID) && !sys_ns_lets_back("pid");
	p.far_time = p.new_time && !sys_ns_lets_back("time");
	*out = p;
	return 0;
}

void ns_plan_close(struct ns_plan *p)
{
	while (p->n > 0)
		drop_fd(&p->join[--p->n].fd);
}

const struct ns_join *ns_joined(const struct ns_plan *p, int type)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->join[i].type == type)
			return &p->join[i];
	return NULL;
}

static int set_offsets(const struct spec *s)
{
	char text[256];
	size_t n = 0;

	LIST_EACH(struct spec_time_offset, o, s->linux_->time_offsets)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s %jd %u\n", o->key, (intmax_t)o->secs.v,
				      o->nanosecs.v);
	if (n == 0)
		return 0;
	int r = file_poke(AT_FDCWD, "/proc/self/timens_offsets", text);
	return r < 0 ? fail(-r, "linux.timeOffsets: the kernel refuses them (%s)", strerrordesc_np(-r)) : 0;
}

/* Whoever owns a new user namespace owns the clocks in it: criu, and setns(2) from within, ask for that. */
static bool time_is_childs(const struct ns_plan *p)
{
	return p->new_time && (p->far_time || p->clone_flags & CLONE_NEWUSER);
}

int ns_make_time(const struct ns_plan *p, const struct spec *s)
{
	if (!time_is_childs(p))
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return fail_errno("make a time namespace");
	TRY(set_offsets(s));
	auto_close int made = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	return made < 0 || setns(made, CLONE_NEWTIME) < 0 ? fail_errno("enter the time namespace") : 0;
}

int ns_be_owner(const struct ns_plan *p)
{
	/* What a root that lacks these may do with the container's processes, it may as their namespace's owner. */
	static const uint64_t needed = UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_SYS_PTRACE |
				       UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_SYS_NICE;

	if (!(p->clone_flags & CLONE_NEWUSER) || !p->owner || geteuid() != 0 || undefended("owner") || !caps_hold(needed))
		return 0;
	if (setresuid((uid_t)-1, p->owner, (uid_t)-1) < 0)
		return fail_errno("become the owner of the user namespace, user %u", p->owner);
	/* The child, too, writes to files of root's until its ids are mapped. */
	setfsuid(0);
	return 0;
}

int ns_for_children(const struct ns_plan *p, const struct spec *s, struct ns_back *back)
{
	const struct ns_join *pid = ns_joined(p, CLONE_NEWPID);

	*back = (struct ns_back){ -1, -1, false };
	/* In two steps the first process does this. */
	if (pid && !ns_two_steps(p)) {
		back->pid_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (back->pid_fd < 0 || setns(pid->fd, CLONE_NEWPID) < 0)
			return fail_errno("join the pid namespace");
	}
	if (p->new_time && !time_is_childs(p)) {
		back->time_fd = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
		if (back->time_fd < 0 || unshare(CLONE_NEWTIME) < 0)
			return fail_errno("make a time namespace");
		TRY(set_offsets(s));
	}
	if (ns_two_steps(p))
		return 0;
	TRY(ns_be_owner(p));
	back->owner = geteuid() != getuid();
	return 0;
}

int ns_go_back(struct ns_back *back)
{
	int r = 0;

	if (back->owner && setresuid((uid_t)-1, getuid(), (uid_t)-1) < 0)
		r = fail_errno("become root again");
	if (back->pid_fd >= 0 && setns(back->pid_fd, CLONE_NEWPID) < 0)
		r = fail_errno("return to the own pid namespace");
	if (back->time_fd >= 0 && setns(back->time_fd, CLONE_NEWTIME) < 0)
		r = fail_errno("return to the own time namespace");
	drop_fd(&back->pid_fd);
	drop_fd(&back->time_fd);
	return r;
}

bool ns_two_steps(const struct ns_plan *p)
{
	return p->far_pid || ns_joined(p, CLONE_NEWUSER) || ((p->clone_flags & CLONE_NEWUSER) && p->n > 0);
}

static int join(const struct ns_join *j)
{
	return setns(j->fd, j->type) < 0 ? fail_errno("join the %s namespace", name_of(spec_ns_names, j->type)) : 0;
}

int ns_join_rest(const struct ns_plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->join[i].type != CLONE_NEWPID)
			TRY(join(&p->join[i]));
	return 0;
}

/*
 * First the namespaces that the caller's credentials suffice for, then the user namespace, then those that membership
 * in it gives the right to: a namespace may be owned by that one, by the host's, or by another below the host's.
 */
int ns_join_all(const struct ns_plan *p)
{
	const struct ns_join *user = ns_joined(p, CLONE_NEWUSER), *later[COUNT(p->join)];
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		int r = &p->join[i] == user ? 0 : join(&p->join[i]);

		if (r == -EPERM && user)
			later[n++] = &p->join[i];
		else
			TRY(r);
	}
	if (user)
		TRY(join(user));
	for (size_t i = 0; i < n; i++)
		TRY(join(later[i]));
	return 0;
}
