#include "runtime/container/create.h"
#include "runtime/container/notify_socket.h"
#include "base/dgram.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/steps.h"
#include "base/sys.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int check_terminal(const struct create *c)
{
	bool tty = c->spec->process->terminal;

	if (tty && !c->run && !c->req->console_socket && !c->req->keep_tty)
		return fail_as(ERR_USAGE, "cannot allocate tty if vzrun will detach without setting console socket");
	if (!tty && c->req->console_socket)
		return fail_as(ERR_USAGE, "cannot use console socket if vzrun will not detach or allocate tty");
	return 0;
}

/* ---- steps --------------------------------------------------------------------------------------- */

/* r: the error, which stays the one that is told. */
static int unclaimed(struct create *c, int r)
{
	struct err_saved why;

	err_save(&why);
	drop_fd(&c->t.journal);
	(void)state_drop(c->t.root_fd, c->t.dir_fd, c->req->id);
	err_restore(&why);
	return r;
}

/* What needs the directory of the state. A step cleans up after itself. */
static int claimed(struct create *c)
{
	int r = 0;

	if (c->req->notifies) {
		r = notify_make(c->t.dir_fd);
		r = r < 0 ? r : create_open_sources(c);
	}
	if (r >= 0 && c->req->notifies && c->run) {
		c->out->notify = notify_listen(c->t.dir_fd);
		r = c->out->notify < 0 ? c->out->notify : 0;
	}
	return r < 0 ? unclaimed(c, r) : r;
}

int create_claim(void *p)
{
	struct create *c = p;

	c->t.dir_fd = state_claim(c->t.root_fd, c->req->id);
	TRY(c->t.dir_fd);
	c->t.journal = journal_begin(c->t.dir_fd);
	if (c->t.journal == -EEXIST)
		return state_is_claimed(c->req->id);
	return c->t.journal < 0 ? unclaimed(c, c->t.journal) : claimed(c);
}

/*
 * What is asked for, as the driver gets it. Without a rule for devices there is one, so that none is open but
 * the default devices; *out is NULL where there are no cgroups to do it, and nothing is asked for.
 */
static int prepare_limits(struct create *c, struct cg_resources **out)
{
	static struct cg_device_rule deny_all = { .allow = { false, true }, .type = "a", .access = "rwm" };
	const struct spec_linux *l = c->spec->linux_;
	struct cg_resources wanted = l && l->resources ? *l->resources : (struct cg_resources){ 0 };

	*out = NULL;
	if (cg_host()->layout == CG_NONE && !(l && l->resources))
		return 0;
	if (wanted.devices.n == 0 && cg_host()->layout != CG_NONE)
		wanted.devices = (struct list){ &deny_all, 1 };
	*out = arena_alloc(&c->child.arena, 1, sizeof **out);
	if (!*out)
		return fail(ENOMEM, "out of memory");
	return limits_complete(&c->child.arena, &wanted, *out);
}

static int make_unit(struct create *c, const char *path, const struct cg_resources *r)
{
	struct cg_unit u;

	TRY(cg_unit_parse(path, c->req->id, &u));
	TRY(journal_unit(c->t.journal, u.name));
	return cg_unit_create(&c->t.cg, &u, c->req->id, &c->spec->annotations, r);
}

static int make_group(struct create *c, const char *given, const struct cg_resources *limits)
{
	bool named = given || c->req->delegate;
	char path[CG_PATH_MAX];

	if (given)
		cg_clean_path(given, path);
	else
		snprintf(path, sizeof path, "%svzrun-%s", sys_is_host_root() ? "/" : "", c->req->id);
	TRY(journal_cgroup(c->t.journal, path));
	/* A user who names a group expects it in every hierarchy. */
	TRY(cg_create(&c->t.cg, path, limits, named ? CG_EVERYWHERE : CG_NEEDED));
	if (given || c->t.cg.made == c->t.cg.hiers)
		return 0;
	/* An empty group of the default name is left from an earlier container: its limits, owner and subgroups must go. */
	c->t.cg.made = c->t.cg.hiers;
	TRY(cg_remove(&c->t.cg));
	TRY(cg_create(&c->t.cg, path, limits, named ? CG_EVERYWHERE : CG_NEEDED));
	c->t.cg.made = c->t.cg.hiers;
	return 0;
}

static int make_group_or_not(struct create *c, const struct cg_resources *limits)
{
	const char *rootless = c->req->rootless ? c->req->rootless : "auto";
	const char *path = c->spec->linux_ ? c->spec->linux_->cgroups_path : NULL;
	bool systemd = c->req->cgroup_manager && str_eq(c->req->cgroup_manager, "systemd");
	auto_buf struct buf text = { 0 };
	int r = systemd ? make_unit(c, path, limits) : make_group(c, path, limits);

	if (r >= 0 && !c->t.cg.hiers && str_eq(rootless, "false"))
		return fail(EPERM, "no cgroup can be made for %s (and --rootless is false)", c->req->id);
	if (r != -EACCES && r != -EPERM && r != -EROFS)
		return r;
	/* v1 gives an ordinary user no groups, whatever he does; on v2 the message says what he can do. */
	if (!str_eq(rootless, "true") &&
	    (!str_eq(rootless, "auto") || sys_is_host_root() || cg_host()->layout == CG_V2))
		return r;
	cg_limits_text(limits, &text);
	log_warn("no cgroup can be made by this user (cgroup v%d): not set: %s", cg_host()->layout == CG_V2 ? 2 : 1,
		 text.n ? buf_text(&text) : "device rules");
	err_clear();
	c->t.cg = (struct cg){ 0 };
	return 0;
}

/* Device rules alone are no wish of anybody's: every engine's configuration has them. */
static bool asks_for_limits(const struct cg_resources *r)
{
	return r && (r->memory || r->cpu || r->pids || r->blkio || r->hugepages.n || r->network || r->rdma.n ||
		     r->unified.n);
}

int create_cgroup(void *p)
{
	struct create *c = p;
	struct cg_resources *limits;
	int r;

	if (c->req->cgroup_manager && str_eq(c->req->cgroup_manager, "disabled")) {
		if (asks_for_limits(c->spec->linux_ ? c->spec->linux_->resources : NULL))
			log_warn("no cgroup is made (--cgroup-manager disabled): linux.resources is not applied");
		return 0;
	}
	TRY(cg_host_check());
	TRY(prepare_limits(c, &limits));
	TRY(make_group_or_not(c, limits));
	if (!c->t.cg.hiers)
		return 0;
	r = journal_cgroup_made(c->t.journal, &c->t.cg);
	if (r >= 0 && limits)
		r = cg_apply(&c->t.cg, limits);
	if (r < 0) {
		struct err_saved why;

		err_save(&why);
		(void)teardown_cgroup(&c->t);
		err_restore(&why);
	}
	return r;
}

int create_rdt(void *p)
{
	struct create *c = p;
	const struct rdt_conf *conf = c->spec->linux_ ? c->spec->linux_->intel_rdt : NULL;

	if (!conf)
		return 0;
	auto_close int root = rdt_open();
	TRY(root);
	TRY(rdt_plan(root, conf, c->req->id, &c->t.rdt));
	TRY(journal_rdt(c->t.journal, &c->t.rdt));
	return rdt_make(root, conf, &c->t.rdt);
}

/* Who sees his group as the root of the tree, and may write there. */
static bool has_tree(const struct spec *s)
{
	if (spec_new_ns(s, CLONE_NEWCGROUP))
		LIST_EACH(struct spec_mount, m, s->mounts)
			if (m->type && str_starts(m->type, "cgroup") && str_eq(m->dst, "/sys/fs/cgroup") &&
			    !strv_has(&m->options, "ro") && !strv_has(&m->options, "rro"))
				return true;
	return false;
}

/* The host's id of the process's user; -1: the map is another container's. */
static uid_t user_of(const struct spec *s)
{
	uid_t uid = s->process ? s->process->user.uid.v : 0;

	if (!spec_has_ns(s, CLONE_NEWUSER))
		return uid;
	if (spec_new_ns(s, CLONE_NEWUSER))
		LIST_EACH(struct spec_idmap, m, s->linux_->uid_maps)
			if (uid >= m->inside.v && uid - m->inside.v < m->size.v)
				return m->host.v + (uid - m->inside.v);
	return (uid_t)-1;
}

static int delegate(struct create *c)
{
	const struct spec_idmap *u = c->spec->linux_->uid_maps.v, *g = c->spec->linux_->gid_maps.v;
	uid_t user = user_of(c->spec);

	if (!c->req->delegate)
		return user != (uid_t)-1 && has_tree(c->spec) ? cg_give(&c->t.cg, user) : 0;
	return c->child.own_userns ? cg_delegate(&c->t.cg, u->host.v, g->host.v) : 0;
}

int create_init(void *p)
{
	struct create *c = p;
	const struct spec_linux *l = c->spec->linux_;
	struct state_listener agent;
	int r;

	if (c->req->restore) {
		TRY(create_save(c));
		TRY(delegate(c));
		return restore_init(c);
	}
	TRY(delegate(c));
	TRY(cg_join_open(&c->t.cg, NULL, &c->child.join));
	if (!c->run) {
		c->child.start_fd = dgram_listen(c->t.dir_fd, "start", SOCK_SEQPACKET);
		TRY(c->child.start_fd);
	}
	c->launch = (struct launch)LAUNCH_INIT;
	c->launch.child = &c->child;
	c->launch.journal = c->t.journal;
	c->launch.overlay = c->req->overlay;
	c->launch.state_text = c->child.hook_state;
	c->launch.ctx = c;
	c->launch.listener = create_listener(c, &agent);
	c->launch.rdt = l && l->intel_rdt ? &c->t.rdt : NULL;
	c->ahead = create_may_go_ahead(c);
	c->launch.meanwhile = c->ahead ? create_go_ahead : create_save;
	r = launch(&c->launch);
	cg_unit_release(&c->t.cg);
	cg_join_close(&c->child.join);
	drop_fd(&c->child.start_fd);
	TRY(r);
	c->t.pid = c->launch.pid;
	c->t.start_time = c->launch.start_time;
	c->t.ours = true;
	return 0;
}

/* A step that has nothing to do costs nothing. */
static int record(void *p, size_t i)
{
	struct create *c = p;

	if (!container_steps[i].undo ||
	    (container_steps[i].run == create_rdt && !(c->spec->linux_ && c->spec->linux_->intel_rdt)) ||
	    (container_steps[i].run == create_network && !c->nics.n))
		return 0;
	return journal_step(c->t.journal, i);
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static int hand_over(struct create *c)
{
	struct container *out = c->out;

	/* After `create` the child waits at its start socket; SYNC_GO is the last message over the socket pair. */
	if (!c->run && !c->req->restore)
		TRY(sync_say(c->launch.sync, SYNC_GO));
	netdev_settle(&c->launch, false);
	snprintf(out->id, sizeof out->id, "%s", c->req->id);
	out->root_fd = take_fd(&c->t.root_fd);
	out->dir_fd = take_fd(&c->t.dir_fd);
	out->sync = take_fd(&c->launch.sync);
	out->pidfd = take_fd(&c->launch.pidfd);
	out->tty = take_fd(&c->launch.tty);
	out->pid = c->t.pid;
	out->cg = c->t.cg;
	out->poststart = !c->req->restore && c->spec->hooks && c->spec->hooks->of[HOOK_POSTSTART].n > 0;
	out->let_go = c->ahead;
	if (c->ahead && !c->t.net_owner[0])
		out->mark = state_mark(out->dir_fd);
	out->listens = c->child.seccomp.notify && c->spec->process->no_new_privs;
	return 0;
}

static void create_free(struct create *c)
{
	struct child *k = &c->child;

	drop_fd(&c->t.root_fd);
	drop_fd(&c->t.dir_fd);
	drop_fd(&c->t.journal);
	drop_fd(&k->bundle_fd);
	drop_fd(&k->root_tree);
	drop_fd(&k->proc_fd);
	ns_plan_close(&k->ns);
	mnt_plan_free(&k->plan);
	seccomp_free(&k->seccomp);
	arena_free(&k->arena);
}

static int create(struct create *c)
{
	int r;

	if (!c->spec->process)
		return fail_as(ERR_CONFIG, "config.json: process: missing");
	if (!c->spec->root_path && !c->req->overlay && spec_new_ns(c->spec, CLONE_NEWNS))
		return fail_as(ERR_CONFIG, "config.json: root: missing");
	TRY(check_terminal(c));
	if (c->req->restore)
		TRY(restore_check(c->req));
	TRY(launch_check_fds(c->req->preserve_fds));
	TRY(create_prepare(c));
	TRY(steps_run(container_steps, CONTAINER_STEPS, c, record));
	r = hand_over(c);
	if (r < 0) {
		struct err_saved why;

		err_save(&why);
		(void)steps_unwind(container_steps, CONTAINER_STEPS, c, ~UINT64_C(0));
		err_restore(&why);
	}
	return r;
}

/* What is left to do when all steps are undone. */
static void undo_rest(struct create *c)
{
	struct state was = { .id = c->req->id, .bundle = c->bundle, .annotations = c->spec->annotations };
	struct err_saved why;

	netdev_settle(&c->launch, true);
	if (!c->launch.hooked)
		return;
	err_save(&why);
	(void)hooks_run(c->spec->hooks, HOOK_POSTSTOP, state_text(&c->child.arena, &was, "stopped", 0), c->bundle);
	err_restore(&why);
}

int container_create(const struct container_req *req, bool run, struct container *out)
{
	static struct create c;		/* large, and one a process */
	static struct spec loaded;	/* freed by the next call, if there is one: not while the child waits for us */
	int r = 0;

	spec_free(&loaded);
	loaded = (struct spec){ 0 };
	FRESH(c);
	c.t.root_fd = c.t.dir_fd = c.t.journal = -1;
	c.child = (struct child)CHILD_INIT;
	c.launch = (struct launch)LAUNCH_INIT;
	c.req = req;
	c.spec = req->spec;
	c.run = run;
	c.out = out;
	snprintf(c.t.id, sizeof c.t.id, "%s", req->id);
	if (!str_is_id(req->id))
		return fail_as(ERR_USAGE, "invalid container ID format: \"%s\"", req->id);
	if (!c.spec) {
		auto_close int dir = open(req->bundle ? req->bundle : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			return fail_errno("bundle %s", req->bundle);
		TRY(spec_load_named(req->config ? AT_FDCWD : dir, req->config ? req->config : "config.json", &loaded));
		c.spec = &loaded;
		if (req->notifies)
			TRY(notify_offer(&loaded, req->root, req->id));
	}
	r = create(&c);
	if (r < 0)
		undo_rest(&c);
	create_free(&c);
	return r;
}
