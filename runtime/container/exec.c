#include "runtime/container/launch.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

/* A process for an existing container: its own process section, changed by what the caller asks for. */
struct joining {
	const struct exec_req *req;
	struct state s;
	struct spec_process p;
	struct arena arena;
	struct json *tree, *own_tree;	/* of p; of the container's own section */
	struct cg cg;
	char sub[CG_PATH_MAX];		/* of it, where the init is */
	struct rdt rdt;
	struct child child;
	struct launch launch;
	int root_fd, dir_fd, pidfd;
	enum status status;
};

/* It is the init's alone: whoever else wrote there would speak for the whole container. */
static void drop_notify(struct strv *env)
{
	size_t n = 0;

	for (size_t i = 0; i < env->n; i++)
		if (!str_starts(env->v[i], "NOTIFY_SOCKET="))
			env->v[n++] = env->v[i];
	env->n = n;
}

/*
 * What a process section leaves out of its confinement, or has as an empty word, is taken from the container's, as
 * runc and crun do.
 */
static int confine_alike(struct joining *j)
{
	struct spec_process *p = &j->p, own = { 0 };

	if (p->selinux_label && !*p->selinux_label)
		p->selinux_label = NULL;
	if (p->apparmor && !*p->apparmor)
		p->apparmor = NULL;
	if (p->caps && p->selinux_label && p->apparmor)
		return 0;
	TRY_IN(journal_load_process(j->dir_fd, &j->arena, &j->own_tree, &own), "state of %s", j->req->id);
	p->caps = p->caps ?: own.caps;
	p->selinux_label = p->selinux_label ?: own.selinux_label;
	p->apparmor = p->apparmor ?: own.apparmor;
	return 0;
}

static int load_process(struct joining *j)
{
	if (j->req->process_file) {
		TRY(spec_process_load(&j->arena, &j->tree, j->req->process_file, &j->p));
		return confine_alike(j);
	}
	TRY_IN(journal_load_process(j->dir_fd, &j->arena, &j->tree, &j->p), "state of %s", j->req->id);
	drop_notify(&j->p.env);
	return 0;
}

static int add_words(struct arena *a, struct strv *to, const struct strv *more)
{
	const char **v;

	if (more->n == 0)
		return 0;
	v = arena_alloc(a, to->n + more->n + 1, sizeof *v);
	if (!v)
		return fail(ENOMEM, "out of memory");
	if (to->n)
		memcpy(v, to->v, to->n * sizeof *v);
	memcpy(v + to->n, more->v, more->n * sizeof *v);
	*to = (struct strv){ v, to->n + more->n };
	return 0;
}

/* UID[:GID], whole numbers in range: 4294967296 and -1 must not become root (rule R9). */
static int parse_user(const char *text, struct spec_user *u)
{
	char uid[32];
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	uint64_t v;

	if (n >= sizeof uid)
		return fail_as(ERR_USAGE, "--user: \"%s\" is not UID[:GID]", text);
	memcpy(uid, text, n);
	uid[n] = '\0';
	if (undefended("exec-user"))
		return u->uid = (struct opt_u32){ (uint32_t)strtoull(uid, NULL, 10), true }, 0;
	/* The last id of 32 bits means "no change" to the kernel. */
	if (str_u64(uid, UINT32_MAX - 1, &v) < 0)
		return fail_as(ERR_USAGE, "--user: \"%s\" is not a user id", uid);
	u->uid = (struct opt_u32){ (uint32_t)v, true };
	if (!colon)
		return 0;
	if (str_u64(colon + 1, UINT32_MAX - 1, &v) < 0)
		return fail_as(ERR_USAGE, "--user: \"%s\" is not a group id", colon + 1);
	u->gid = (struct opt_u32){ (uint32_t)v, true };
	return 0;
}

static int add_caps(struct joining *j)
{
	struct spec_caps *c = j->p.caps;

	if (j->req->caps.n == 0)
		return 0;
	if (!c)
		c = j->p.caps = arena_alloc(&j->arena, 1, sizeof *c);
	if (!c)
		return fail(ENOMEM, "out of memory");
	TRY(add_words(&j->arena, &c->bounding, &j->req->caps));
	TRY(add_words(&j->arena, &c->effective, &j->req->caps));
	/* runc's rule: where the container's processes inherit capabilities these are to be inherited, too. */
	if (c->inheritable.n)
		TRY(add_words(&j->arena, &c->ambient, &j->req->caps));
	return add_words(&j->arena, &c->permitted, &j->req->caps);
}

static int apply_request(struct joining *j)
{
	const struct exec_req *r = j->req;
	struct spec_process *p = &j->p;

	if (r->process_file)
		return 0;
	p->args = r->args;
	p->terminal = r->tty;
	TRY(add_words(&j->arena, &p->env, &r->env));
	TRY(add_caps(j));
	if (r->cwd)
		p->cwd = r->cwd;
	if (r->user)
		TRY(parse_user(r->user, &p->user));
	if (r->groups.n > 0)
		p->user.groups = r->groups;
	if (r->selinux_label)
		p->selinux_label = r->selinux_label;
	if (r->apparmor)
		p->apparmor = r->apparmor;
	p->no_new_privs |= r->no_new_privs;
	p->console_size = r->console_size;
	/* The container's score was for its init; what joins gets it too, as runc does. */
	return spec_process_check(p);
}

static int check_terminal(const struct joining *j)
{
	if (j->p.terminal && !j->req->console_socket && !j->req->keep_tty)
		return fail_as(ERR_USAGE, "cannot allocate tty if vzrun will detach without setting console socket");
	if (!j->p.terminal && j->req->console_socket)
		return fail_as(ERR_USAGE, "cannot use console socket if vzrun will not detach or allocate tty");
	return 0;
}

static int open_target(struct joining *j)
{
	j->root_fd = open(j->req->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->root_fd < 0 && errno == ENOENT)
		return fail_as(ERR_NOT_FOUND, "container \"%s\" does not exist", j->req->id);
	if (j->root_fd < 0)
		return fail_errno("open %s", j->req->root);
	j->dir_fd = state_open(j->root_fd, j->req->id, false);
	TRY(j->dir_fd);
	TRY(state_load_unlocked(j->dir_fd, j->req->id, &j->s));
	TRY(state_settled(j->dir_fd, j->req->id));
	int status = state_status(j->dir_fd, &j->s, &j->pidfd);
	TRY(status);
	j->status = (enum status)status;
	if (j->status == ST_STOPPED)
		return fail_as(ERR_STATE, "cannot exec in a stopped container");
	if (j->status == ST_PAUSED && !j->req->ignore_paused)
		return fail_as(ERR_STATE, "cannot exec in a paused container (use --ignore-paused to override)");
	return 0;
}

static int prepare(struct joining *j)
{
	struct child *k = &j->child;
	struct cap_sets *sets = &k->caps.sets;
	int r;

	k->process = &j->p;
	k->id = j->req->id;
	k->relayed = j->req->keep_tty;
	k->own_userns = j->s.own_userns;
	k->personality = j->s.personality;
	k->memory_policy = j->s.memory_policy;
	k->join_flags = j->s.namespaces.v;
	k->init_pidfd = j->pidfd;
	k->program = j->req->program;
	k->keep_groups = launch_keeps_groups(&j->s.annotations);
	k->listen_fds = launch_listen_fds();
	k->preserve_fds = k->listen_fds + j->req->preserve_fds;
	k->caps.no_new_privs = j->p.no_new_privs;
	TRY(lsm_check_exec(j->p.selinux_label, j->p.apparmor));
	caps_of_process(j->p.caps, sets);
	if (!k->own_userns)
		TRY(caps_clamp(sets));
	caps_fit_ambient(sets, j->p.user.uid.v == 0);
	k->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (k->proc_fd < 0)
		return fail_errno("open /proc");
	r = seccomp_restore(j->dir_fd, "seccomp", &k->seccomp);
	if (r == -ENOENT && !j->s.filtered)
		err_clear();
	else
		TRY_IN(r, "the container's system-call filter");
	k->caps.seccomp_mode = k->seccomp.insns && !j->p.no_new_privs ? 2 : 0;
	return 0;
}

/* Where the container's own init went below its group, on v2: "init.scope" under systemd. */
static int group_of_init(const struct joining *j, char *sub, size_t size)
{
	char path[32], text[CG_PATH_MAX], *line, *at;
	size_t n = strcspn(j->cg.path, "\n");

	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)j->s.pid.v);
	if (file_peek(AT_FDCWD, path, text, sizeof text) < 0)
		return -ENOENT;
	line = strstr(text, "0::");
	if (!line)
		return -ENOENT;
	line[strcspn(line, "\n")] = '\0';
	for (at = line; (at = strchr(at, '/')); at++)
		if (strncmp(at, j->cg.path, n) == 0 && at[n] == '/') {
			snprintf(sub, size, "%s", at + n + 1);
			return 0;
		}
	return -ENOENT;
}

static int join_cgroup(struct joining *j)
{
	char which[CG_PATH_MAX + 512];

	if (!j->s.cgroup.path)
		return 0;
	state_group(&j->s, &j->cg);
	/* As runc does: a caller without the right to join the cgroup gets a process outside of it rather than none. */
	if (!j->req->cgroups.n && cg_join_denied(&j->cg, which, sizeof which)) {
		log_warn("%s: the process runs outside of the container's cgroup: %s is not ours to write",
			 j->req->id, which);
		return 0;
	}
	TRY(cg_join_open(&j->cg, &j->req->cgroups, &j->child.join));
	/* systemd's error does not tell that a cgroup takes no processes, so the init's own is asked for at once. */
	if (j->child.join.by_systemd && !j->req->cgroups.n && group_of_init(j, j->sub, sizeof j->sub) == 0)
		j->child.join.sub = j->sub;
	return 0;
}

static void start_fresh(struct joining *j)
{
	j->launch = (struct launch)LAUNCH_INIT;
	j->launch.child = &j->child;
	if (j->child.seccomp.notify) {
		j->launch.listener = j->s.listener;
		j->launch.state_text = state_text(&j->arena, &j->s, "running", (pid_t)j->s.pid.v);
	}
	j->launch.rdt = j->s.rdt ? &j->rdt : NULL;
	if (!j->s.rdt)
		return;
	snprintf(j->rdt.group, sizeof j->rdt.group, "%s", j->s.rdt->group ? j->s.rdt->group : "");
	snprintf(j->rdt.monitor, sizeof j->rdt.monitor, "%s", j->s.rdt->monitor ? j->s.id : "");
}

/*
 * A group whose init has handed controllers to groups below takes no processes itself (v2): the new
 * process starts where the init is.
 */
static int launch_joined(struct joining *j)
{
	char sub[CG_PATH_MAX];
	const char *word[] = { sub, NULL };
	int r;

	start_fresh(j);
	r = launch(&j->launch);
	cg_join_close(&j->child.join);
	if (r != -EBUSY || j->req->cgroups.n || group_of_init(j, sub, sizeof sub) < 0)
		return r;
	err_clear();
	TRY(cg_join_open(&j->cg, &(struct strv){ word, 1 }, &j->child.join));
	start_fresh(j);
	r = launch(&j->launch);
	cg_join_close(&j->child.join);
	return r;
}

static int compose(struct joining *j)
{
	TRY(load_process(j));
	TRY(apply_request(j));
	TRY(check_terminal(j));
	TRY(launch_check_fds(j->req->preserve_fds));
	return prepare(j);
}

/* r: a file was not found. If the container has ended meanwhile, that is the cause, and is told instead. */
static int unless_gone(const struct joining *j, int r)
{
	struct err_saved missing;

	err_save(&missing);
	TRY(state_settled(j->dir_fd, j->req->id));
	err_restore(&missing);
	return r;
}

static int exec_in(struct joining *j, struct container *out)
{
	int r;

	TRY(open_target(j));
	r = compose(j);
	TRY(r == -ENOENT ? unless_gone(j, r) : r);
	TRY(tune_self_for(j->p.cpu_affinity));
	r = join_cgroup(j);
	if (r >= 0)
		r = launch_joined(j);
	if (r < 0)
		return launch_outlived("exec in", j->pidfd, r);
	snprintf(out->id, sizeof out->id, "%s", j->req->id);
	out->pid = j->launch.pid;
	out->pidfd = take_fd(&j->launch.pidfd);
	out->sync = take_fd(&j->launch.sync);
	out->joined = true;
	out->init = take_fd(&j->pidfd);
	out->listens = j->child.seccomp.notify && j->p.no_new_privs;
	if (out->listens)
		out->dir_fd = take_fd(&j->dir_fd);
	out->tty = take_fd(&j->launch.tty);
	if (out->tty >= 0 && j->req->console_socket)
		r = console_send(j->req->console_socket, &out->tty);
	if (r >= 0 && j->req->pidfd_socket)
		r = pidfd_send(j->req->pidfd_socket, out->pidfd);
	if (r >= 0 && j->req->pid_file)
		r = write_pid_file(j->req->pid_file, out->pid);
	if (r < 0)
		container_release(out);		/* the child exits on EOF */
	return r;
}

int container_exec(const struct exec_req *req, struct container *out)
{
	static struct joining j;
	int r;

	FRESH(j);
	j.child = (struct child)CHILD_INIT;
	j.root_fd = j.dir_fd = j.pidfd = -1;
	j.req = req;
	r = exec_in(&j, out);
	drop_fd(&j.root_fd);
	drop_fd(&j.dir_fd);
	drop_fd(&j.pidfd);
	drop_fd(&j.child.proc_fd);
	seccomp_free(&j.child.seccomp);
	arena_free(&j.child.arena);
	arena_free(&j.arena);
	json_free(&j.tree);
	json_free(&j.own_tree);
	state_free(&j.s);
	return r;
}
