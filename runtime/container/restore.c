/* The step of a creation that starts the first process, when it comes from an image of CRIU's. */
#include "runtime/container/checkpoint_io.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/create.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct restoring {
	struct create *c;
	const struct checkpoint_opts *o;
	struct image image;
	struct buf opts;
	int fds[2];
	size_t nfds;
};

/* ---- what comes from outside -------------------------------------------------------------------- */

static bool is_at_or_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	while (n > 1 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

static bool is_bind(const struct spec_mount *m)
{
	return strv_has(&m->options, "bind") || strv_has(&m->options, "rbind") ||
	       (m->type && str_eq(m->type, "bind"));
}

/* Where the thing that was mounted at `at` is on this host, by the configuration. */
static int source_of(const struct create *c, const char *at, char *out, size_t size)
{
	const struct spec_linux *l = c->spec->linux_;
	const struct spec_mount *best = NULL;

	LIST_EACH(struct spec_mount, m, c->spec->mounts)
		if (is_bind(m) && m->src && is_at_or_below(at, m->dst) &&
		    (!best || strlen(m->dst) >= strlen(best->dst)))
			best = m;
	if (best) {
		snprintf(out, size, "%s%s%s%s", best->src[0] == '/' ? "" : c->bundle, best->src[0] == '/' ? "" : "/",
			 best->src, at + strlen(best->dst) - (best->dst[strlen(best->dst) - 1] == '/'));
		return 0;
	}
	for (size_t i = 0; l && i < l->masked.n; i++)
		if (str_eq(l->masked.v[i], at)) {
			snprintf(out, size, "/dev/null");
			return 0;
		}
	/* A node that was bound is the host's of that name. Nothing else of /dev is: the list is the image's word. */
	for (const struct mnt_op *op = c->child.plan.op; op < c->child.plan.op + c->child.plan.n; op++)
		if (op->verb == MNT_NODE && op->flags & MNT_BIND_NODES && str_eq(op->dst, at)) {
			snprintf(out, size, "%s", at);
			return 0;
		}
	return fail_as(ERR_CONFIG, "restore: something of the host was mounted at %s, and config.json has no "
		       "mount there", at);
}

/* The kernel writes places without "..": such a one would lead from a mount's source to all of the host. */
static bool leads_up(const char *at)
{
	for (const char *p = at; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '/' || !p[3])
			return true;
	return at[0] != '/';
}

static int read_list(const struct image *image, const char *name, struct strv *out, struct arena *a,
		     struct json **tree)
{
	struct list_of { struct strv v; };
	static const struct field fields[] = { F(struct list_of, "list", K_STRV, v), { 0 } };
	static const struct record record = RECORD("list", struct list_of, fields);
	auto_free char *text = NULL, *whole = NULL;
	struct list_of l;
	size_t n;
	int r = file_read(image->dir, name, &text, &n);

	*out = (struct strv){ 0 };
	if (r == -ENOENT) {
		err_clear();
		return 0;
	}
	TRY(r);
	if (asprintf(&whole, "{\"list\":%s}", text) < 0)
		return fail(ENOMEM, "out of memory");
	TRY_IN(json_parse(name, whole, strlen(whole), tree), "%s", image->path);
	TRY_IN(bind_decode(a, &record, *tree, &l), "%s/%s", image->path, name);
	*out = l.v;
	return 0;
}

static int put_external_mounts(struct restoring *r)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct strv list;

	TRY(read_list(&r->image, "external.json", &list, &a, &tree));
	for (size_t i = 0; i < list.n; i++) {
		char source[8192];

		if (leads_up(list.v[i]))
			return fail_as(ERR_CONFIG, "restore: %s/external.json: \"%s\" is no place of a mount",
				       r->image.path, list.v[i]);
		TRY(source_of(r->c, list.v[i], source, sizeof source));
		criu_pair(&r->opts, CRIU_EXT_MNT, list.v[i], source);
	}
	return 0;
}

static int put_pipes(struct restoring *r)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct strv list;

	TRY(read_list(&r->image, "descriptors.json", &list, &a, &tree));
	for (size_t i = 0; i < list.n && i < 3; i++)
		if (str_starts(list.v[i], "pipe:"))
			criu_pair_num(&r->opts, CRIU_INHERIT_FD, list.v[i], i);
	return 0;
}

static int put_namespaces(struct restoring *r)
{
	static const struct { int type; const char *key; } inherited[] = {
		{ CLONE_NEWNET, "extRootNetNS" }, { CLONE_NEWPID, "extRootPidNS" },
	};

	if (!r->c->spec->linux_)
		return 0;
	LIST_EACH(struct spec_ns, n, r->c->spec->linux_->namespaces) {
		size_t i = 0;

		if (!n->path || !*n->path)
			continue;
		if (n->type == CLONE_NEWCGROUP)
			return fail_as(ERR_UNSUPPORTED, "linux.namespaces: criu cannot restore into a given cgroup namespace");
		while (i < COUNT(inherited) && inherited[i].type != n->type)
			i++;
		if (i == COUNT(inherited)) {
			criu_pair(&r->opts, CRIU_JOIN_NS, name_of(spec_ns_names, n->type), n->path);
			continue;
		}
		int fd = open(n->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return fail_errno("linux.namespaces: %s", n->path);
		criu_pair_num(&r->opts, CRIU_INHERIT_FD, inherited[i].key, 4 + r->nfds);
		r->fds[r->nfds++] = fd;
	}
	return 0;
}

/* ---- the root ----------------------------------------------------------------------------------- */

/* Places that the image mounts on must be there; what lies on another mount comes with that. */
static int make_mountpoints(const struct create *c)
{
	auto_close int root = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return fail_errno("root.path %s", c->rootfs);
	LIST_EACH(struct spec_mount, m, c->spec->mounts) {
		char source[8192];
		struct stat st;
		bool below = false, file;

		LIST_EACH(struct spec_mount, o, c->spec->mounts)
			below |= o != m && is_at_or_below(m->dst, o->dst);
		if (below || (m->type && str_starts(m->type, "cgroup")))
			continue;
		file = is_bind(m) && source_of(c, m->dst, source, sizeof source) >= 0 && stat(source, &st) == 0 &&
		       !S_ISDIR(st.st_mode);
		auto_close int fd = path_ensure(root, m->dst, file ? PATH_FILE : PATH_DIR, NULL);
		TRY_IN(fd, "mounts: %s", m->dst);
	}
	return 0;
}

/*
 * criu wants the root to be a mount of its own, and its directories in its own mount namespace, which it
 * takes from us by descriptor. So we leave the host's: what is mounted here is seen by nobody else.
 */
static int private_root(const char *root)
{
	if (unshare(CLONE_NEWNS) < 0)
		return fail_errno("restore: a mount namespace for criu");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
	    mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount(NULL, root, NULL, MS_PRIVATE, NULL) < 0)
		return fail_errno("restore: bind %s", root);
	return 0;
}

/* ---- the talk ----------------------------------------------------------------------------------- */

/* The container's groups may be others than those of the image: those that criu itself was put into. */
static int put_groups(void *ctx, pid_t criu)
{
	struct restoring *r = ctx;
	auto_free char *text = NULL;
	char path[40], *save = NULL;

	if (!r->c->t.cg.hiers)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)criu);
	TRY(file_read(AT_FDCWD, path, &text, NULL));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *ctl = strchr(line, ':'), *group = ctl ? strchr(ctl + 1, ':') : NULL, *word, *more = NULL;

		if (!group)
			continue;
		*group++ = '\0';
		ctl++;
		if (!*ctl)
			criu_pair(&r->opts, CRIU_CG_ROOT, "", group);
		for (word = strtok_r(ctl, ",", &more); word; word = strtok_r(NULL, ",", &more))
			criu_pair(&r->opts, CRIU_CG_ROOT, word, group);
	}
	return 0;
}

static int on_record(struct create *c, pid_t pid)
{
	c->t.pid = pid;
	c->t.start_time = sys_start_time(pid);
	return journal_pid(c->t.journal, pid, c->t.start_time);
}

static int run_hooks(struct create *c, pid_t pid)
{
	char *state;

	if (!c->child.runtime_hooks)
		return 0;
	state = arena_printf(&c->child.arena, c->child.hook_state, (int)pid);
	c->launch.hooked = true;
	TRY(hooks_run(c->spec->hooks, HOOK_PRESTART, state, c->bundle));
	return hooks_run(c->spec->hooks, HOOK_CREATE_RUNTIME, state, c->bundle);
}

static int on_notice(void *ctx, const char *script, pid_t pid, int *passed)
{
	struct restoring *r = ctx;

	log_debug("criu: %s", script);
	if (str_eq(script, "setup-namespaces") && pid > 0) {
		TRY(on_record(r->c, pid));
		return run_hooks(r->c, pid);
	}
	if (str_eq(script, "orphan-pts-master") && *passed >= 0) {
		drop_fd(&r->c->launch.tty);
		r->c->launch.tty = take_fd(passed);
	}
	image_ready(r->o, script);
	return 0;
}

static int put_options(struct restoring *r)
{
	TRY(image_options(r->o, &r->image, &r->c->spec->annotations, &r->opts));
	criu_flag(&r->opts, CRIU_EVASIVE_DEVICES, true);
	criu_flag(&r->opts, CRIU_RST_SIBLING, true);
	criu_text(&r->opts, CRIU_ROOT, r->c->rootfs);
	criu_text(&r->opts, CRIU_LSM_PROFILE, r->o->lsm_profile);
	criu_text(&r->opts, CRIU_LSM_MOUNT_CONTEXT, r->o->lsm_mount_context);
	TRY(put_namespaces(r));
	TRY(put_pipes(r));
	TRY(put_external_mounts(r));
	return make_mountpoints(r->c);
}

/* criu may have put it into a time namespace, where its clocks go on: exec goes there too. */
static bool has_own_time(pid_t pid)
{
	struct stat own, its;
	char path[40];

	snprintf(path, sizeof path, "/proc/%d/ns/time", (int)pid);
	return stat("/proc/self/ns/time", &own) == 0 && stat(path, &its) == 0 && own.st_ino != its.st_ino;
}

static int take_over(struct create *c, pid_t pid)
{
	TRY(on_record(c, pid));
	c->launch.pid = pid;
	c->launch.start_time = c->t.start_time;
	c->launch.pidfd = sys_pidfd_of(pid, c->t.start_time);
	if (c->launch.pidfd < 0)
		return fail(ESRCH, "the restored process died at once");
	if (has_own_time(pid))
		c->more_namespaces |= CLONE_NEWTIME;
	c->t.ours = true;
	return 0;
}

static int restore_in(struct restoring *r)
{
	struct criu_run run = { .program = r->o->criu ? r->o->criu : "criu", .type = CRIU_RESTORE, .opts = &r->opts,
				.join = &r->c->child.join, .started = put_groups,
				.notify = on_notice, .ctx = r };
	int ret;

	TRY(image_open(r->o, false, "restore.log", &r->image));
	TRY(put_options(r));
	run.fds = r->fds;
	run.nfds = r->nfds;
	TRY(cg_join_open(&r->c->t.cg, NULL, &r->c->child.join));
	ret = criu_talk(&run);
	cg_join_close(&r->c->child.join);
	cg_unit_release(&r->c->t.cg);
	if (ret < 0)
		return criu_why(ret, r->image.work, r->image.work_path, r->image.log);
	ret = take_over(r->c, run.restored);
	if (ret < 0 && run.restored > 0) {
		(void)kill(run.restored, SIGKILL);
		(void)waitpid(run.restored, NULL, 0);
	}
	return ret;
}

static int restore(struct restoring *r)
{
	int ret;

	/* Taken off only where it was put on: the host may have a mount there. */
	TRY(private_root(r->c->rootfs));
	ret = restore_in(r);
	/* The container has its own; ours would only keep the file system busy. */
	(void)umount2(r->c->rootfs, MNT_DETACH);
	return ret;
}

int restore_init(struct create *c)
{
	struct restoring r = { .c = c, .o = c->req->restore, .image = IMAGE_CLOSED };
	int ret = restore(&r);

	image_close(&r.image);
	buf_free(&r.opts);
	while (r.nfds)
		close(r.fds[--r.nfds]);
	return ret;
}

int restore_check(const struct container_req *req)
{
	const struct checkpoint_opts *o = req->restore;

	if (req->overlay || (req->cgroup_manager && str_eq(req->cgroup_manager, "systemd")))
		return fail_as(ERR_UNSUPPORTED, "restore: %s", req->overlay ? "not for guests"
				: "not into a unit of systemd's (use --cgroup-manager cgroupfs)");
	return criu_check(o->criu ? o->criu : "criu");
}
