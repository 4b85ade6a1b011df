#include "runtime/container/create.h"
#include "base/scope.h"

#include <linux/sched.h>
#include <stdio.h>
#include <unistd.h>

int create_save(void *p)
{
	struct create *c = p;

	TRY(journal_process(c->t.journal, c->spec->process));
	return c->child.seccomp.insns ? seccomp_save(&c->child.seccomp, c->t.dir_fd, "seccomp") : 0;
}

struct state_listener *create_listener(const struct create *c, struct state_listener *l)
{
	if (!c->child.seccomp.notify)
		return NULL;
	l->path = c->spec->linux_->seccomp->listener_path;
	l->metadata = c->spec->linux_->seccomp->listener_metadata;
	return l;
}

static uint64_t joinable(const struct spec *s)
{
	uint64_t flags = 0;

	if (s->linux_)
		LIST_EACH(struct spec_ns, n, s->linux_->namespaces)
			flags |= (uint64_t)n->type;
	return flags;
}

static int publish(struct create *c)
{
	const struct spec_linux *l = c->spec->linux_;
	struct state_listener agent;
	struct state_rdt rdt = { *c->t.rdt.group ? c->t.rdt.group : NULL, *c->t.rdt.monitor != 0 };
	struct state s = {
		.version = { STATE_VERSION, true }, .id = c->req->id, .bundle = c->bundle, .rootfs = c->rootfs,
		.created = c->created, .pid = { c->t.pid, true }, .start_time = { c->t.start_time, true },
		.cgroup = { c->t.cg.hiers ? c->t.cg.path : NULL, c->t.cg.unit[0] ? c->t.cg.unit : NULL,
			    c->t.cg.hiers, c->t.cg.made, NULL, NULL },
		.filtered = c->child.seccomp.insns != NULL,
		.config = c->config,
		.namespaces = { joinable(c->spec) | c->more_namespaces, true }, .own_userns = c->child.own_userns,
		.annotations = c->spec->annotations, .hooks = c->spec->hooks,
		.rdt = l && l->intel_rdt ? &rdt : NULL,
		.listener = create_listener(c, &agent),
		.personality = l ? l->personality : NULL, .memory_policy = l ? l->memory_policy : NULL,
	};
	char owner[16];

	snprintf(owner, sizeof owner, "%u", geteuid());
	s.owner = owner;
	if (c->launch.tty >= 0 && c->req->console_socket)
		TRY(console_send(c->req->console_socket, &c->launch.tty));
	if (c->req->pidfd_socket)
		TRY(pidfd_send(c->req->pidfd_socket, c->launch.pidfd));
	TRY(state_save(c->t.dir_fd, &s));
	return c->req->pid_file ? write_pid_file(c->req->pid_file, c->t.pid) : 0;
}

bool create_may_go_ahead(const struct create *c)
{
	const struct container_req *r = c->req;

	return c->run && r->at_once && !c->spec->hooks && !c->spec->process->terminal && !c->child.seccomp.notify &&
	       !ns_two_steps(&c->child.ns) && !launch_ends_here(&c->launch) && !r->pid_file && !r->pidfd_socket;
}

int create_go_ahead(void *p)
{
	struct create *c = p;

	TRY(create_save(c));
	c->t.pid = c->launch.pid;
	c->t.start_time = c->launch.start_time;
	TRY(publish(c));
	supervise_soon();
	return sync_say(c->launch.sync, SYNC_GO);
}

int create_record(void *p)
{
	struct create *c = p;

	return c->ahead ? 0 : publish(c);
}
