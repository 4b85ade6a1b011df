#include "runtime/container/teardown.h"
#include "base/dgram.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/steps.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

/* Everything of one creation. The steps and their undo are in teardown.h's table. */
struct create {
	struct teardown t;		/* what undo needs; first, so that one table serves both */
	const struct container_req *req;
	const struct spec *spec;
	bool run;
	char bundle[PATH_MAX], rootfs[PATH_MAX], created[40];
	struct child child;
	struct launch launch;
	struct container *out;
};

static bool has_hooks(const struct spec *s, enum hook_kind a, enum hook_kind b)
{
	return s->hooks && (s->hooks->of[a].n > 0 || s->hooks->of[b].n > 0);
}

static void stamp(char *out, size_t size)
{
	struct timespec t;
	struct tm tm;
	char day[24];

	clock_gettime(CLOCK_REALTIME, &t);
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t.tv_sec, &tm));
	snprintf(out, size, "%s.%09ldZ", day, t.tv_nsec);
}

/* The state for hooks, as a printf format: the pid is not known yet, and no other '%' may remain. */
static const char *hook_text(struct create *c)
{
	auto_buf struct buf b = { 0 }, escaped = { 0 };
	struct jout o = { .b = &b };

	jout_open(&o, NULL, '{');
	jout_str(&o, "ociVersion", c->spec->version);
	jout_str(&o, "id", c->req->id);
	jout_str(&o, "status", "creating");
	jout_raw(&o, "pid", "\1");
	jout_str(&o, "bundle", c->bundle);
	jout_open(&o, "annotations", '{');
	for (size_t i = 0; i < c->spec->annotations.n; i++)
		jout_str(&o, c->spec->annotations.v[i].key, c->spec->annotations.v[i].value);
	jout_close(&o, '}');
	jout_close(&o, '}');
	for (const char *p = buf_text(&b); *p; p++)
		buf_add(&escaped, *p == '%' ? "%%" : *p == '\1' ? "%d" : p, *p == '%' || *p == '\1' ? 2 : 1);
	return arena_strdup(&c->child.arena, buf_text(&escaped));
}

/* ---- preparation: nothing has an effect yet ---------------------------------------------------- */

static int prepare_paths(struct create *c)
{
	const char *root = c->spec->root_path;

	if (!realpath(c->req->bundle ? c->req->bundle : ".", c->bundle))
		return fail_errno("bundle %s", c->req->bundle);
	c->child.bundle_fd = open(c->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->child.bundle_fd < 0)
		return fail_errno("bundle %s", c->bundle);
	if ((size_t)snprintf(c->rootfs, sizeof c->rootfs, "%s%s%s", root && root[0] == '/' ? "" : c->bundle,
			     root && root[0] == '/' ? "" : "/", root ? root : "") >= sizeof c->rootfs)
		return fail(ENAMETOOLONG, "root.path: too long");
	stamp(c->created, sizeof c->created);
	return 0;
}

static int prepare_caps(struct create *c)
{
	struct cap_sets *sets = &c->child.caps.sets;
	const struct spec_caps *caps = c->spec->process->caps;

	c->child.has_caps = true;
	if (caps) {
		TRY_IN(caps_parse(&caps->bounding, &sets->bounding), "process.capabilities.bounding");
		TRY_IN(caps_parse(&caps->effective, &sets->effective), "process.capabilities.effective");
		TRY_IN(caps_parse(&caps->permitted, &sets->permitted), "process.capabilities.permitted");
		TRY_IN(caps_parse(&caps->inheritable, &sets->inheritable), "process.capabilities.inheritable");
		TRY_IN(caps_parse(&caps->ambient, &sets->ambient), "process.capabilities.ambient");
	}
	return c->child.own_userns ? 0 : caps_clamp(sets);
}

static int prepare_seccomp(struct create *c)
{
	const struct spec_linux *l = c->spec->linux_;

	if (!l || !l->seccomp)
		return 0;
	if (l->seccomp->listener_path)
		return fail(ENOTSUP, "linux.seccomp.listenerPath: not supported by this version");
	if (mkdirat(c->t.root_fd, ".seccomp", 0700) < 0 && errno != EEXIST)
		return fail_errno("make the filter cache");
	auto_close int cache = openat(c->t.root_fd, ".seccomp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	TRY_IN(seccomp_compile(l->seccomp, cache, &c->child.seccomp), "linux.seccomp");
	c->child.caps.seccomp_mode = c->spec->process->no_new_privs ? 0 : 2;
	return 0;
}

static unsigned plan_flags(const struct create *c)
{
	return (c->child.own_userns ? MNT_PLAN_USERNS : 0) | (c->req->delegate ? MNT_PLAN_DELEGATE : 0);
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
	k->no_pivot = r->no_pivot;
	k->no_ctty = r->delegate;
	k->no_new_keyring = r->no_new_keyring;
	k->preserve_fds = r->preserve_fds;
	k->ports = r->ports, k->n_ports = r->n_ports;
	k->files = r->files, k->n_files = r->n_files;
	k->cg = &c->t.cg;
	k->caps.no_new_privs = c->spec->process->no_new_privs;
	k->runtime_hooks = has_hooks(c->spec, HOOK_PRESTART, HOOK_CREATE_RUNTIME);
	k->hook_state = c->spec->hooks ? hook_text(c) : NULL;
	k->wait_mapped = spec_new_ns(c->spec, CLONE_NEWUSER) || r->n_ports > 0 || r->overlay;
	k->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (k->proc_fd < 0)
		return fail_errno("open /proc");
	TRY(ns_plan(c->spec, &k->ns));
	TRY(mnt_plan_spec(c->spec, plan_flags(c), &k->plan));
	TRY(prepare_caps(c));
	TRY(prepare_seccomp(c));
	/* In a user namespace the sources may be out of the child's sight: opened with our rights. */
	if (k->own_userns && geteuid() == 0 && k->ns.clone_flags & CLONE_NEWNS) {
		if (!r->overlay)
			TRY(k->root_tree = mnt_clone_root(k->bundle_fd, c->spec->root_path));
		TRY(mnt_open_sources(&k->plan, k->bundle_fd));
	}
	return 0;
}

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

int create_claim(void *p)
{
	struct create *c = p;

	c->t.dir_fd = state_claim(c->t.root_fd, c->req->id);
	TRY(c->t.dir_fd);
	c->t.journal = journal_open(c->t.dir_fd);
	if (c->t.journal < 0) {
		(void)state_drop(c->t.root_fd, c->req->id);
		return c->t.journal;
	}
	return 0;
}

/*
 * What every container may use whatever its rules say, as the specification has it: the default
 * devices, pseudo-terminals, and making (not opening) any node.
 */
static int with_default_devices(struct arena *a, const struct list *rules, struct list *out)
{
	static const struct { const char *type; int major, minor; const char *access; } always[] = {
		{ "c", -1, -1, "m" }, { "b", -1, -1, "m" }, { "c", 1, 3, "rwm" }, { "c", 1, 5, "rwm" },
		{ "c", 1, 7, "rwm" }, { "c", 1, 8, "rwm" }, { "c", 1, 9, "rwm" }, { "c", 5, 0, "rwm" },
		{ "c", 5, 2, "rwm" }, { "c", 136, -1, "rwm" },
	};
	struct cg_device_rule *v = arena_alloc(a, rules->n + COUNT(always), sizeof *v);

	if (!v)
		return fail(ENOMEM, "out of memory");
	memcpy(v, rules->v, rules->n * sizeof *v);
	for (size_t i = 0; i < COUNT(always); i++)
		v[rules->n + i] = (struct cg_device_rule){
			.allow = { true, true }, .type = always[i].type, .access = always[i].access,
			.major = { always[i].major, always[i].major >= 0 },
			.minor = { always[i].minor, always[i].minor >= 0 },
		};
	*out = (struct list){ v, rules->n + COUNT(always) };
	return 0;
}

static int apply_limits(struct create *c, const struct cg_resources *wanted)
{
	struct cg_resources r = *wanted;

	if (r.devices.n > 0)
		TRY(with_default_devices(&c->child.arena, &wanted->devices, &r.devices));
	return cg_apply(&c->t.cg, &r);
}

int create_cgroup(void *p)
{
	struct create *c = p;
	const struct spec_linux *l = c->spec->linux_;
	char path[CG_PATH_MAX];
	int r;

	if (c->req->cgroup_manager && str_eq(c->req->cgroup_manager, "disabled"))
		return 0;
	if (l && l->cgroups_path && *l->cgroups_path)
		snprintf(path, sizeof path, "%s", l->cgroups_path);
	else
		snprintf(path, sizeof path, "%svzrun-%s", geteuid() == 0 ? "/" : "", c->req->id);
	TRY(journal_cgroup(c->t.journal, path));
	TRY(cg_create(&c->t.cg, path, l ? l->resources : NULL));
	r = journal_cgroup_made(c->t.journal, &c->t.cg);
	if (r >= 0 && l && l->resources)
		r = apply_limits(c, l->resources);
	if (r < 0) {
		struct err_saved why;

		err_save(&why);
		(void)teardown_cgroup(&c->t);
		err_restore(&why);
	}
	return r;
}

static int delegate(struct create *c)
{
	const struct spec_idmap *u = c->spec->linux_->uid_maps.v, *g = c->spec->linux_->gid_maps.v;

	if (!c->req->delegate || !c->child.own_userns)
		return 0;
	return cg_delegate(&c->t.cg, u->host.v, g->host.v);
}

int create_init(void *p)
{
	struct create *c = p;
	int r;

	TRY(delegate(c));
	TRY(cg_join_open(&c->t.cg, NULL, &c->child.join));
	if (!c->run) {
		c->child.start_fd = dgram_listen(c->t.dir_fd, "start", SOCK_SEQPACKET);
		TRY(c->child.start_fd);
	}
	c->launch = (struct launch){ .child = &c->child, .journal = c->t.journal, .overlay = c->req->overlay,
				     .state_text = c->child.hook_state };
	r = launch(&c->launch);
	cg_join_close(&c->child.join);
	drop_fd(&c->child.start_fd);
	TRY(r);
	c->t.pid = c->launch.pid;
	c->t.start_time = sys_start_time(c->launch.pid);
	c->t.ours = true;
	return 0;
}

static int save_process(struct create *c)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	bind_encode(&o, NULL, &spec_process_record, c->spec->process);
	auto_close int fd = openat(c->t.dir_fd, "process.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || b.oom || file_write_all(fd, b.p, b.n) < 0)
		return fail_errno("write process.json");
	return c->child.seccomp.insns ? seccomp_save(&c->child.seccomp, c->t.dir_fd, "seccomp") : 0;
}

static uint64_t joinable(const struct spec *s)
{
	uint64_t flags = 0;

	if (s->linux_)
		LIST_EACH(struct spec_ns, n, s->linux_->namespaces)
			flags |= (uint64_t)n->type;
	return flags;
}

int create_record(void *p)
{
	struct create *c = p;
	struct state s = {
		.version = { STATE_VERSION, true }, .id = c->req->id, .bundle = c->bundle, .rootfs = c->rootfs,
		.created = c->created, .pid = { c->t.pid, true }, .start_time = { c->t.start_time, true },
		.cgroup = { c->t.cg.hiers ? c->t.cg.path : NULL, { c->t.cg.hiers, true }, { c->t.cg.made, true } },
		.namespaces = { joinable(c->spec), true }, .own_userns = c->child.own_userns,
		.annotations = c->spec->annotations, .hooks = c->spec->hooks,
	};
	char owner[16];

	snprintf(owner, sizeof owner, "%u", geteuid());
	s.owner = owner;
	TRY(save_process(c));
	if (c->launch.tty >= 0 && c->req->console_socket)
		TRY(console_send(c->req->console_socket, c->launch.tty));
	TRY(state_save(c->t.dir_fd, &s));
	return c->req->pid_file ? write_pid_file(c->req->pid_file, c->t.pid) : 0;
}

static int record(void *p, size_t i)
{
	return journal_step(((struct create *)p)->t.journal, i);
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static int hand_over(struct create *c)
{
	struct container *out = c->out;

	/* After create the child waits at the start socket; ours is the last word over the pair. */
	if (!c->run)
		TRY(sync_say(c->launch.sync, SYNC_GO));
	snprintf(out->id, sizeof out->id, "%s", c->req->id);
	out->root_fd = take_fd(&c->t.root_fd);
	out->dir_fd = take_fd(&c->t.dir_fd);
	out->sync = take_fd(&c->launch.sync);
	out->pidfd = take_fd(&c->launch.pidfd);
	out->tty = take_fd(&c->launch.tty);
	out->pid = c->t.pid;
	out->cg = c->t.cg;
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
	TRY(launch_check_fds(c->req->preserve_fds));
	TRY(prepare_paths(c));
	c->t.root_fd = state_root(c->req->root);
	TRY(c->t.root_fd);
	TRY(prepare_child(c));
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

int container_create(const struct container_req *req, bool run, struct container *out)
{
	static struct create c;		/* large, and one a process */
	struct spec loaded = { 0 };
	int r = 0;

	c = (struct create){ .t = TEARDOWN_INIT, .req = req, .spec = req->spec, .run = run, .child = CHILD_INIT,
			     .launch = { .journal = -1, .sync = -1, .pidfd = -1, .tty = -1 }, .out = out };
	snprintf(c.t.id, sizeof c.t.id, "%s", req->id);
	if (!str_is_id(req->id))
		return fail_as(ERR_USAGE, "invalid container ID format: \"%s\"", req->id);
	if (!c.spec) {
		auto_close int dir = open(req->bundle ? req->bundle : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (dir < 0)
			return fail_errno("bundle %s", req->bundle);
		TRY(spec_load(dir, "config.json", &loaded));
		c.spec = &loaded;
	}
	r = create(&c);
	create_free(&c);
	if (!req->spec)
		spec_free(&loaded);
	return r;
}

int container_go(struct container *c)
{
	int r;

	TRY(sync_say(c->sync, SYNC_GO));
	r = sync_hear_exec(c->sync);
	drop_fd(&c->sync);
	return r;
}

void container_release(struct container *c)
{
	/* The parked child holds copies of the descriptor until it executes: unlock by word. */
	if (c->dir_fd >= 0)
		(void)flock(c->dir_fd, LOCK_UN);
	drop_fd(&c->dir_fd);
	drop_fd(&c->root_fd);
	drop_fd(&c->sync);
	drop_fd(&c->pidfd);
	drop_fd(&c->tty);
}
