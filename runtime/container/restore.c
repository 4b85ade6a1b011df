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
#include <sys/pidfd.h>
#include <sys/wait.h>

/* The mount namespace that we left, and the root in it. */
struct left { int ns, root; };

struct restoring {
	struct create *c;
	const struct checkpoint_opts *o;
	struct image image;
	struct buf opts;
	int fds[2 + TERMINAL_NAMES];
	size_t nfds;
	struct restore_guest *guest;	/* NULL: it is none */
};

static int put_pipes(struct restoring *r)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct strv list;

	TRY(image_list(&r->image, "descriptors.json", &list, &a, &tree));
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

/*
 * criu wants the root to be a mount of its own, and its directories in its own mount namespace, which it
 * takes from us by descriptor. So we leave the host's: what is mounted here is seen by nobody else.
 * back: what a caller needs that returns to the host's mount namespace (a keeper); NULL: the caller does not.
 */
static int leave_mounts(struct left *back)
{
	if (back) {
		back->ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
		back->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (back->ns < 0 || back->root < 0)
			return fail_errno("restore: look where we are");
	}
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return fail_errno("restore: a mount namespace for criu");
	return 0;
}

static int go_back(struct left *l)
{
	int r = setns(l->ns, CLONE_NEWNS) < 0 || fchdir(l->root) < 0 || chroot(".") < 0 || chdir("/") < 0
			? fail_errno("restore: return to the host's mounts") : 0;

	drop_fd(&l->ns);
	drop_fd(&l->root);
	return r;
}

static int private_root(const char *root)
{
	if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount(NULL, root, NULL, MS_PRIVATE, NULL) < 0)
		return fail_errno("restore: bind %s", root);
	return 0;
}

/* ---- the talk ----------------------------------------------------------------------------------- */

/* The cgroups need not be those of the checkpoint: the restored tree goes into those that criu itself was put into. */
static int put_groups(void *ctx, pid_t criu)
{
	struct restoring *r = ctx;
	auto_free char *text = NULL;
	char path[40], *save = NULL;

	if (!r->c->t.cg.hiers)
		return 0;
	if (r->c->child.join.by_systemd)
		TRY(cg_join_by_systemd(&r->c->child.join, criu));
	/* The unit has a process without the anchor now, which would count against its limit. */
	cg_unit_release(&r->c->t.cg);
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
	auto_close int fd = pidfd_open(pid, 0);
	uint64_t birth = fd < 0 ? 0 : sys_birth(pid, fd);

	/* Without its start time `delete` could not tell the process from another of that pid, and would not end it. */
	if (!birth)
		return fail_errno("look when process %d was born", (int)pid);
	c->t.pid = pid;
	c->t.start_time = birth;
	return journal_pid(c->t.journal, pid, birth);
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

/* criu has some processes of its own among those of the image, which may be as many as there may be. */
static int limit_processes(const struct create *c, bool limited)
{
	const struct spec_linux *l = c->spec->linux_;
	struct cg_pids pids = { .limit = { -1, true } };

	if (!c->t.cg.hiers || !l || !l->resources || !l->resources->pids || l->resources->pids->limit.v <= 0)
		return 0;
	return cg_apply(&c->t.cg, &(struct cg_resources){ .pids = limited ? l->resources->pids : &pids });
}

static int on_notice(void *ctx, const char *script, pid_t pid, int *passed)
{
	struct restoring *r = ctx;

	log_debug("criu: %s", script);
	if (str_eq(script, "pre-resume"))
		TRY(limit_processes(r->c, true));
	if (str_eq(script, "setup-namespaces") && pid > 0) {
		TRY(on_record(r->c, pid));
		if (r->guest)
			TRY(restore_guest_network(r->c, &r->image, pid));
		return run_hooks(r->c, pid);
	}
	if (str_eq(script, "orphan-pts-master") && *passed >= 0) {
		drop_fd(&r->c->launch.tty);
		r->c->launch.tty = take_fd(passed);
	}
	image_ready(r->o, script);
	return r->o->commit && str_eq(script, "pre-resume") ? r->o->commit(r->o->ctx) : 0;
}

static int put_guest(struct restoring *r)
{
	int names = terminal_give(&r->image, 4 + (unsigned)r->nfds, &r->opts);

	TRY(names);
	for (; names > 0; names--) {
		int slave = restore_guest_slave(r->guest);

		TRY(slave);
		r->fds[r->nfds++] = slave;
	}
	return 0;
}

static int put_options(struct restoring *r)
{
	TRY(image_options(r->o, &r->image, &r->c->spec->annotations, &r->opts));
	criu_flag(&r->opts, CRIU_EVASIVE_DEVICES, true);
	criu_flag(&r->opts, CRIU_RST_SIBLING, true);
	criu_text(&r->opts, CRIU_LSM_PROFILE, r->o->lsm_profile);
	criu_text(&r->opts, CRIU_LSM_MOUNT_CONTEXT, r->o->lsm_mount_context);
	TRY(put_namespaces(r));
	if (r->guest)
		return put_guest(r);
	criu_text(&r->opts, CRIU_ROOT, r->c->rootfs);
	TRY(put_pipes(r));
	TRY(restore_external_mounts(r->c, &r->image, &r->opts));
	return restore_mountpoints(r->c);
}

static int take_over(struct create *c, pid_t pid)
{
	TRY(on_record(c, pid));
	c->launch.pid = pid;
	c->launch.start_time = c->t.start_time;
	c->launch.pidfd = sys_pidfd_of(pid, c->t.start_time);
	if (c->launch.pidfd < 0)
		return errno == ESRCH ? fail(ESRCH, "the restored process died at once") :
		       fail_errno("look for process %d", (int)pid);
	/* criu may restore into a time namespace, so that clocks continue: `exec` has to join it. */
	if (sys_has_own_ns(pid, "time"))
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

	TRY(put_options(r));
	run.fds = r->fds;
	run.nfds = r->nfds;
	TRY(limit_processes(r->c, false));
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

static int restore_out_here(struct restoring *r)
{
	TRY(image_open(r->o, false, "restore.log", &r->image));
	TRY(restore_guest_collect(r->c, &r->image, &r->guest));
	TRY(restore_guest_hand_over(r->guest, r->c, &r->image, &r->opts));
	return restore_in(r);
}

/* Runs in the keeper, which lives on and so returns to the host's mount namespace. */
static int restore_a_guest(struct restoring *r)
{
	struct left here = { -1, -1 };
	struct err_saved why;
	int ret = leave_mounts(&here);

	if (ret >= 0)
		ret = restore_out_here(r);
	err_save(&why);
	if (here.ns >= 0 && go_back(&here) < 0 && ret >= 0)
		return -EIO;
	err_restore(&why);
	if (ret >= 0)
		r->c->launch.tty = restore_guest_master(r->guest);
	return ret;
}

static int restore(struct restoring *r)
{
	int ret;

	if (r->c->req->overlay)
		return restore_a_guest(r);
	TRY(leave_mounts(NULL));
	/* Taken off only where it was put on: the host may have a mount there. */
	TRY(private_root(r->c->rootfs));
	TRY(image_open(r->o, false, "restore.log", &r->image));
	ret = restore_in(r);
	/* The container has a mount of its own; this one would only keep the file system busy. */
	(void)umount2(r->c->rootfs, MNT_DETACH);
	restore_forget_mounts(r->c);
	return ret;
}

int restore_init(struct create *c)
{
	struct restoring r = { .c = c, .o = c->req->restore, .image = IMAGE_CLOSED };
	int ret = restore(&r);

	restore_guest_close(&r.guest);
	image_close(&r.image);
	buf_free(&r.opts);
	while (r.nfds)
		close(r.fds[--r.nfds]);
	return ret;
}

int restore_check(const struct container_req *req)
{
	return criu_check(req->restore->criu ? req->restore->criu : "criu");
}
