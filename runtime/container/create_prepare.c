#include "runtime/container/create.h"
#include "base/clock.h"
#include "base/scope.h"
#include "selinux/lsm.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Any of the kinds first to last. */
static bool has_hooks(const struct spec *s, enum hook_kind first, enum hook_kind last)
{
	for (int k = first; s->hooks && k <= (int)last; k++)
		if (s->hooks->of[k].n > 0)
			return true;
	return false;
}

/*
 * The state for hooks and agents, as a printf format: the pid is not known yet, and no other '%' may remain.
 */
static const char *state_format(struct create *c, const char *status)
{
	auto_buf struct buf b = { 0 }, escaped = { 0 };
	struct jout o = { .b = &b };

	state_json(&o, c->req->id, status, "\1", c->bundle, &c->spec->annotations);
	for (const char *p = buf_text(&b); *p; p++)
		buf_add(&escaped, *p == '%' ? "%%" : *p == '\1' ? "%d" : p, *p == '%' || *p == '\1' ? 2 : 1);
	return arena_strdup(&c->child.arena, buf_text(&escaped));
}

static int prepare_paths(struct create *c)
{
	const char *root = c->spec->root_path ? c->spec->root_path : "";
	const char *bundle = c->req->bundle ? c->req->bundle : ".";
	struct arena *a = &c->child.arena;
	auto_free char *real = realpath(bundle, NULL);
	auto_free char *config = c->req->config ? realpath(c->req->config, NULL) : NULL;

	if (!real)
		return fail_errno("bundle %s", bundle);
	if (c->req->config && !config)
		return fail_errno("--config %s", c->req->config);
	c->bundle = arena_strdup(a, real);
	c->rootfs = root[0] == '/' ? arena_strdup(a, root) : arena_printf(a, "%s/%s", real, root);
	if (config || !c->req->spec)
		c->config = config ? arena_strdup(a, config) : arena_printf(a, "%s/config.json", real);
	if (!c->bundle || !c->rootfs || (!c->config && (config || !c->req->spec)))
		return fail(ENOMEM, "out of memory");
	if (strlen(c->rootfs) >= PATH_MAX)
		return fail(ENAMETOOLONG, "root.path: too long");
	c->child.bundle_fd = open(c->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->child.bundle_fd < 0)
		return fail_errno("bundle %s", c->bundle);
	clock_stamp(c->created, sizeof c->created, 9);
	return 0;
}

void caps_of_process(const struct spec_caps *caps, struct cap_sets *out)
{
	*out = (struct cap_sets){ 0 };
	if (!caps)
		return;
	out->bounding = caps_parse(&caps->bounding);
	out->effective = caps_parse(&caps->effective);
	out->permitted = caps_parse(&caps->permitted);
	out->inheritable = caps_parse(&caps->inheritable);
	out->ambient = caps_parse(&caps->ambient);
}

static int prepare_caps(struct create *c)
{
	struct cap_sets *sets = &c->child.caps.sets;
	const struct spec_caps *caps = c->spec->process->caps;

	caps_of_process(caps, sets);
	if (!c->child.own_userns)
		TRY(caps_clamp(sets));
	caps_fit_ambient(sets, c->spec->process->user.uid.v == 0);
	return 0;
}

static bool notifies(const struct spec *s)
{
	return s->linux_ && s->linux_->seccomp && spec_seccomp_notifies(s->linux_->seccomp);
}

static int prepare_seccomp(struct create *c)
{
	const struct spec_linux *l = c->spec->linux_;

	if (!l || !l->seccomp)
		return 0;
	if (notifies(c->spec))
		TRY(listener_check(l->seccomp->listener_path));
	if (mkdirat(c->t.root_fd, FILTER_CACHE, 0700) < 0 && errno != EEXIST)
		return fail_errno("make the filter cache");
	auto_close int cache = openat(c->t.root_fd, FILTER_CACHE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	TRY_IN(seccomp_compile(l->seccomp, cache, &c->child.seccomp), "linux.seccomp");
	c->child.caps.seccomp_mode = c->spec->process->no_new_privs ? 0 : 2;
	return 0;
}

static unsigned plan_flags(const struct create *c)
{
	return (c->child.own_userns || !sys_is_host_root() ? MNT_PLAN_USERNS : 0) |
	       (c->req->delegate ? MNT_PLAN_DELEGATE : 0);
}

static int prepare_child(struct create *c)
{
	const struct container_req *r = c->req;
	struct child *k = &c->child;

	k->spec = c->spec;
	k->process = c->spec->process;
	k->id = r->id;
	k->bundle = c->bundle;
	k->rootfs = r->overlay ? NULL : c->rootfs;
	k->own_userns = spec_has_ns(c->spec, CLONE_NEWUSER);
	k->personality = c->spec->linux_ ? c->spec->linux_->personality : NULL;
	k->memory_policy = c->spec->linux_ ? c->spec->linux_->memory_policy : NULL;
	k->no_pivot = r->no_pivot;
	k->no_ctty = r->delegate;
	k->relayed = r->keep_tty && !r->delegate;
	k->no_new_keyring = r->no_new_keyring;
	k->keep_groups = launch_keeps_groups(&c->spec->annotations);
	k->listen_fds = launch_listen_fds();
	k->preserve_fds = k->listen_fds + r->preserve_fds;
	k->ports = r->ports, k->n_ports = r->n_ports;
	k->files = r->files, k->n_files = r->n_files;
	k->cg = &c->t.cg;
	k->caps.no_new_privs = c->spec->process->no_new_privs;
	k->runtime_hooks = has_hooks(c->spec, HOOK_PRESTART, HOOK_CREATE_CONTAINER);
	if (c->spec->hooks || notifies(c->spec)) {
		k->hook_state = state_format(c, "creating");
		k->start_state = state_format(c, "created");
	}
	k->wait_mapped = spec_new_ns(c->spec, CLONE_NEWUSER) || r->n_ports > 0 || c->nics.n > 0 || r->overlay ||
			 (c->spec->linux_ && c->spec->linux_->net_devices.n > 0);
	k->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (k->proc_fd < 0)
		return fail_errno("open /proc");
	TRY(ns_plan(c->spec, &k->ns));
	TRY(mnt_plan_spec(c->spec, plan_flags(c), &k->plan));
	if (r->host_dir > 0)
		TRY(mnt_plan_give(&k->plan, CONTAINER_HOST_DIR, r->host_dir));
	TRY(lsm_check_exec(k->process->selinux_label, k->process->apparmor));
	TRY(prepare_caps(c));
	TRY(prepare_seccomp(c));
	TRY(idmap_mounts(&k->plan, &k->ns));
	return r->notifies ? 0 : create_open_sources(c);
}

int create_open_sources(struct create *c)
{
	struct child *k = &c->child;

	if (geteuid() != 0 || !(k->ns.clone_flags & CLONE_NEWNS))
		return 0;
	/* In a user namespace the sources may be out of the child's sight: opened with our rights. */
	if (k->own_userns && !c->req->overlay)
		TRY(k->root_tree = mnt_clone_root(k->bundle_fd, c->spec->root_path));
	return mnt_open_sources(&k->plan, k->bundle_fd, k->own_userns);
}

int create_prepare(struct create *c)
{
	TRY(prepare_paths(c));
	c->t.root_fd = state_root(c->req->root);
	TRY(c->t.root_fd);
	TRY(create_find_networks(c));
	return prepare_child(c);
}
