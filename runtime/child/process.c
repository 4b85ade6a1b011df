#include "runtime/child/child.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/scope.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int limits_apply(pid_t pid, const struct list *rlimits)
{
	LIST_EACH(struct spec_rlimit, l, *rlimits) {
		struct rlimit want = { l->soft.v, l->hard.v }, now;
		int what = spec_rlimit_number(l->type);

		if (prlimit(pid, what, &want, NULL) == 0)
			continue;
		if (errno != EPERM || prlimit(pid, what, NULL, &now) < 0)
			return fail_errno("%s", l->type);
		/* Podman tells what is not permitted by errno's own words. */
		errno = EPERM;
		return fail_errno("%s: cannot raise the hard limit from %ju to %ju%s without CAP_SYS_RESOURCE", l->type,
				  (uintmax_t)now.rlim_max, (uintmax_t)want.rlim_max,
				  what == RLIMIT_NOFILE ? " past fs.nr_open or" : "");
	}
	return 0;
}

int stage_limits(struct child *c)
{
	/* Inside a user namespace the hard limits cannot be raised: the runtime sets them from outside. */
	return c->own_userns && c->spec ? 0 : limits_apply(0, &c->process->rlimits);
}

int stage_label(struct child *c)
{
	const struct spec_process *p = c->process;

	if ((!p->selinux_label || !*p->selinux_label) && (!p->apparmor || !*p->apparmor))
		return 0;
	return lsm_prepare_exec(c->proc_fd, p->selinux_label, p->apparmor);
}

static const char listen_pid[] = "LISTEN_PID=";

/* What sd_listen_fds(3) looks for; the pid is known to the process itself alone, and late. */
static size_t add_listen(struct child *c, const char **out, size_t n)
{
	const char *names = getenv("LISTEN_FDNAMES");
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!str_starts(out[i], "LISTEN_FDS=") && !str_starts(out[i], "LISTEN_FDNAMES=") &&
		    !str_starts(out[i], listen_pid))
			out[kept++] = out[i];
	out[kept++] = arena_printf(&c->arena, "LISTEN_FDS=%d", c->listen_fds);
	c->listen_pid = arena_printf(&c->arena, "%s%20s", listen_pid, "");
	out[kept++] = c->listen_pid;
	if (names)
		out[kept++] = arena_printf(&c->arena, "LISTEN_FDNAMES=%s", names);
	return kept;
}

static bool named_later(const struct strv *env, size_t i)
{
	const char *value = strchr(env->v[i], '=');

	for (size_t k = i + 1; value && k < env->n; k++)
		if (strncmp(env->v[k], env->v[i], (size_t)(value - env->v[i]) + 1) == 0)
			return true;
	return false;
}

int stage_environment(struct child *c)
{
	const struct strv *env = &c->process->env;
	const char **out = arena_alloc(&c->arena, env->n + 5, sizeof *out);
	size_t n = 0;
	bool home = false;

	if (!out)
		return fail(ENOMEM, "prepare the environment: out of memory");
	for (size_t i = 0; i < env->n; i++) {
		bool is_home = str_starts(env->v[i], "HOME=");

		/* runc's ways: what comes last of a name counts, and an empty HOME is none. */
		if (named_later(env, i) || (is_home && !env->v[i][5]))
			continue;
		home |= is_home;
		out[n++] = env->v[i];
	}
	if (!home) {
		auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (root < 0)
			return fail_errno("open the root");
		out[n++] = arena_printf(&c->arena, "HOME=%s", home_of(&c->arena, root, c->process->user.uid.v));
	}
	if (c->listen_fds)
		n = add_listen(c, out, n);
	out[n] = NULL;
	c->env = out;
	return 0;
}

int stage_bounding(struct child *c)
{
	return caps_drop_bounding(&c->caps.sets);
}

static bool groups_denied(const struct child *c)
{
	char word[8];

	return file_peek(c->proc_fd, "self/setgroups", word, sizeof word) > 0 && str_eq(word, "deny");
}

static int set_groups(const struct child *c)
{
	const struct u32v *g = &c->process->user.groups;

	int code;

	if (c->keep_groups || undefended("groups") || setgroups(g->n, g->v) == 0)
		return 0;
	code = errno;
	/* Where an ordinary user mapped himself only, the kernel denies it for good (user_namespaces(7)). */
	if (code == EPERM && g->n == 0 && groups_denied(c))
		return 0;
	if (code == EINVAL && g->n <= NGROUPS_MAX)
		return fail(EINVAL, "additional groups: the user namespace does not map all of them");
	errno = code;
	return fail_errno("set %zu additional groups", g->n);
}

/* The kernel calls an id that is not mapped an invalid argument. */
static int fail_id(const char *kind, uint32_t id)
{
	return errno == EINVAL ? fail(EINVAL, "become %s %u: the user namespace does not map it", kind, id)
			       : fail_errno("become %s %u", kind, id);
}

int stage_ids(struct child *c)
{
	const struct spec_user *u = &c->process->user;

	umask(u->umask.set ? u->umask.v : 0022);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return fail_errno("keep the capabilities");
	TRY(set_groups(c));
	if (setresgid(u->gid.v, u->gid.v, u->gid.v) < 0)
		return fail_id("group", u->gid.v);
	if (setresuid(u->uid.v, u->uid.v, u->uid.v) < 0)
		return fail_id("user", u->uid.v);
	return prctl(PR_SET_DUMPABLE, undefended("dumpable")) < 0 ? fail_errno("hide from ptrace") : 0;
}

/* Without no_new_privs the filter needs CAP_SYS_ADMIN, which is about to go. */
int stage_early_seccomp(struct child *c)
{
	if (c->process->no_new_privs || !c->seccomp.insns)
		return 0;
	/* The effective set was cleared by the change of user; it is raised for this one call. */
	if (c->process->user.uid.v != 0) {
		struct cap_sets all = c->caps.sets;

		all.permitted |= UINT64_C(1) << 21;
		all.effective |= UINT64_C(1) << 21;
		all.ambient = 0;
		TRY(caps_apply(&all));
	}
	return notify_attach(c);
}

int stage_capabilities(struct child *c)
{
	TRY(caps_apply(&c->caps.sets));
	return prctl(PR_SET_KEEPCAPS, 0) < 0 ? fail_errno("drop keepcaps") : 0;
}

/* With the runtime's rights where they are needed: a user need not be able to enter where he works. */
int stage_early_cwd(struct child *c)
{
	c->in_cwd = chdir(c->process->cwd) == 0;
	return 0;
}

int stage_cwd(struct child *c)
{
	char now[4096];
	long n;

	if (!c->in_cwd && chdir(c->process->cwd) < 0)
		return fail_errno("chdir to cwd (\"%s\") set in config.json failed", c->process->cwd);
	n = syscall(SYS_getcwd, now, sizeof now);
	if (n < 0 && errno != ENOENT)
		return fail_errno("working directory \"%s\"", c->process->cwd);
	/* "(unreachable)": a directory outside the root, by a leaked descriptor (CVE-2024-21626). */
	if ((n < 0 || now[0] != '/') && !undefended("cwd"))
		return fail(EPERM, "working directory \"%s\" is outside the container", c->process->cwd);
	return 0;
}

int stage_executable(struct child *c)
{
	if (c->program > 0)
		return 0;
	return exe_find(&c->arena, c->process->args.v[0], spec_env(&c->process->env, "PATH"), &c->exe);
}

int stage_no_new_privs(struct child *c)
{
	if (c->process->no_new_privs && !undefended("no-new-privs") && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail_errno("set no_new_privs");
	return 0;
}

/* Whoever has tens of thousands of groups has a long one; most fit into a page of the arena's. */
static const char *read_status(struct child *c, const char *path)
{
	for (size_t size = 3072;; size *= 4) {
		char *text = arena_alloc(&c->arena, size, 1);
		ssize_t n = text ? file_peek(c->proc_fd, path, text, size) : -ENOMEM;

		/* A text that fits is followed by its newline, which was cut off, and a NUL. */
		if (n >= 0 && (size_t)n < size - 2)
			return text;
		if (n < 0) {
			fail((int)-n, "audit: read /proc/%s: %s", path, strerrordesc_np((int)-n));
			return NULL;
		}
	}
}

/* What we think we did, read back from the kernel before anything of the container's runs (rule R11). */
int stage_audit(struct child *c)
{
	char self[24], path[40];
	const char *status;
	ssize_t n = readlinkat(c->proc_fd, "self", self, sizeof self - 1);

	if (n <= 0)
		return fail_errno("audit: own pid");
	self[n] = '\0';
	snprintf(path, sizeof path, "%s/status", self);
	status = read_status(c, path);
	if (!status)
		return -EIO;
	const char *ignored = strstr(status, "\nSigIgn:");
	c->ignored = ignored ? strtoull(ignored + 8, NULL, 16) : UINT64_MAX;
	if (undefended("audit"))
		return 0;
	TRY(caps_verify(&c->caps, status));
	TRY(lsm_verify_exec(c->proc_fd, c->process->selinux_label, c->process->apparmor));
	/* Who joins a container has its mounts. */
	if (!c->spec || !(c->ns.clone_flags & CLONE_NEWNS))
		return 0;
	snprintf(path, sizeof path, "%s/mountinfo", self);
	return mnt_verify(&c->mnt, &c->plan, path, c->spec->root_readonly);
}
