#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "runtime/container/container.h"
#include "runtime/guest/console.h"

#include <string.h>

struct exec_args {
	const char *console_socket, *pidfd_socket, *pid_file, *cwd, *user, *process, *label, *apparmor;
	bool tty, interactive, detach, no_new_privs, ignore_paused;
	struct strv env, caps, cgroups;
	struct u32v groups;
	struct opt_i64 preserve_fds;
};

static int add_group(void *at, const char *value, struct arena *a)
{
	struct u32v *g = at;
	uint64_t id;
	uint32_t *v = arena_alloc(a, g->n + 1, sizeof *v);

	if (!v)
		return fail(ENOMEM, "out of memory");
	if (str_u64(value, UINT32_MAX - 1, &id) < 0)
		return fail(EINVAL, "\"%s\" is not a group id", value);
	for (size_t i = 0; i < g->n; i++)
		v[i] = g->v[i];
	v[g->n] = (uint32_t)id;
	*g = (struct u32v){ v, g->n + 1 };
	return 0;
}

static const struct opt exec_opts[] = {
	OSTR_OCI(struct exec_args, 0, "console-socket", "PATH", console_socket,
	     "UNIX socket that receives the terminal's master"),
	OSTR_OCI(struct exec_args, 0, "pidfd-socket", "PATH", pidfd_socket,
	     "UNIX socket that receives a pidfd of the process"),
	OSTR_OCI(struct exec_args, 0, "cwd", "DIR", cwd, "working directory in the container"),
	OSTRV(struct exec_args, 'e', "env", "NAME=VALUE", env, "add to the environment"),
	OFLAG(struct exec_args, 't', "tty", tty, "allocate a terminal"),
	OFLAG(struct exec_args, 'i', "interactive", interactive, "taken for habit's sake (-it): the input is always passed"),
	OSTR(struct exec_args, 'u', "user", "UID[:GID]|NAME", user, "run as this user; a name is one of a guest's own"),
	OFN(struct exec_args, 'g', "additional-gids", "GID", groups, add_group, "add a group"),
	OSTR_OCI(struct exec_args, 'p', "process", "FILE", process, "take the whole process section from a file"),
	OFLAG(struct exec_args, 'd', "detach", detach, "do not wait for the process"),
	OSTR_OCI(struct exec_args, 0, "pid-file", "FILE", pid_file, "write the pid of the process there"),
	OSTR_OCI(struct exec_args, 0, "process-label", "LABEL", label, "SELinux label of the process"),
	OSTR_OCI(struct exec_args, 0, "apparmor", "PROFILE", apparmor, "AppArmor profile of the process"),
	OFLAG(struct exec_args, 0, "no-new-privs", no_new_privs, "set no_new_privs"),
	OSTRV(struct exec_args, 'c', "cap", "CAP_NAME", caps, "add a capability"),
	OINT(struct exec_args, 0, "preserve-fds", "N", preserve_fds, 0, 1000, "pass N more descriptors, from 3 on"),
	OFLAG(struct exec_args, 0, "ignore-paused", ignore_paused, "also in a paused container"),
	OSTRV(struct exec_args, 0, "cgroup", "[CONTROLLER,...:]PATH", cgroups,
	      "a group below the container's to start in"),
	{ 0 }
};

/* runc, too, takes numbers alone. */
static int user_of(struct cli *g, const char *name, const char **user, char id[24])
{
	struct guest_where at = guest_at(g);
	int r;

	if (!*user || strspn(*user, "0123456789") || guest_look(&at, name) <= 0)
		return 0;
	r = guest_user(&at, name, *user, id);
	*user = id;
	cli_speak(g, 0);
	g->failed = r < 0 ? guest_exec_status() : g->failed;
	return r;
}

static int exec_run(struct cli *g, void *args, int argc, char **argv)
{
	struct exec_args *a = args;
	auto_container struct container c = CONTAINER_INIT;
	struct exec_req r = {
		.root = g->root, .id = argv[0], .process_file = a->process,
		.args = { (const char **)argv + 1, (size_t)argc - 1 },
		.env = a->env, .caps = a->caps, .groups = a->groups, .cwd = a->cwd, .user = a->user,
		.console_socket = a->console_socket, .pid_file = a->pid_file, .selinux_label = a->label,
		.apparmor = a->apparmor, .cgroups = a->cgroups, .pidfd_socket = a->pidfd_socket,
		.tty = a->tty, .no_new_privs = a->no_new_privs,
		.ignore_paused = a->ignore_paused, .preserve_fds = (int)a->preserve_fds.v,
		.keep_tty = !a->detach && !a->console_socket,
	};
	char id[24];

	if (argc < 2 && !a->process)
		return fail_as(ERR_USAGE, "process args cannot be empty");
	TRY(user_of(g, argv[0], &r.user, id));
	int status = container_exec(&r, &c);
	if (status >= 0 && !a->detach)
		supervise_soon();
	if (status >= 0)
		status = container_go(&c);
	if (status >= 0 && !a->detach)
		status = supervise(&c, false);
	status = guest_voice(g, argv[0], status);
	if (status < 0 && !g->oci)
		g->failed = guest_exec_status();
	return status;
}

static int for_one_alone(const void *args)
{
	const struct exec_args *a = args;
	const struct { const char *option; bool given; } rows[] = {
		{ "tty", a->tty }, { "interactive", a->interactive }, { "console-socket", a->console_socket },
		{ "pidfd-socket", a->pidfd_socket }, { "pid-file", a->pid_file }, { "preserve-fds", a->preserve_fds.set },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].given)
			return fail_as(ERR_USAGE, "--%s is for one guest, not for --all and --tag", rows[i].option);
	return a->detach;
}

const struct cmd exec_cmds[] = {
	{ "exec", "[OPTION...] ID COMMAND [ARG...]\n[OPTION...] --all|--tag TAG COMMAND [ARG...]",
	  "run a process in a running container or guest, or one in each of several guests", 1, -1, exec_opts,
	  sizeof(struct exec_args), exec_run, CMD_PASS | CMD_EXEC | CMD_EACH | CMD_HEADED, .only = "running",
	  .several = for_one_alone,
	  .about = "Of several guests each process has no input, and what it writes, 16 MiB of it, is shown when it has "
		   "ended; what it leaves running, and what --detach starts, writes nowhere." },
	{ 0 }
};
