#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "runtime/container/container.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The life of an OCI container, with runc's words and flags. */

struct create_args {
	const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file;
	bool no_pivot, no_new_keyring, detach, no_subreaper, keep;
	struct opt_i64 preserve_fds;
	struct guest_create_args guest;
};

#define CREATE_OPTS                                                                                     \
	OSTR_OCI(struct create_args, 'b', "bundle", "DIR", bundle, "the OCI bundle (default: the current directory)"), \
	OSTR_OCI(struct create_args, 0, "console-socket", "PATH", console_socket,                           \
	     "UNIX socket that receives the terminal's master"),                                        \
	OSTR_OCI(struct create_args, 'f', "config", "FILE", config,                                          \
	     "the configuration (default: config.json of the bundle)"),                                 \
	OSTR_OCI(struct create_args, 0, "pidfd-socket", "PATH", pidfd_socket,                               \
	     "UNIX socket that receives a pidfd of the first process"),                                 \
	OSTR_OCI(struct create_args, 0, "pid-file", "FILE", pid_file, "write the pid of the first process there"), \
	OFLAG(struct create_args, 0, "no-pivot", no_pivot, "chroot instead of pivot_root (for a ramdisk root)"), \
	OFLAG(struct create_args, 0, "no-new-keyring", no_new_keyring, "stay in the caller's session keyring"), \
	OINT(struct create_args, 0, "preserve-fds", "N", preserve_fds, 0, 1000, "pass N more descriptors, from 3 on")

static const struct opt create_opts[] = {
	CREATE_OPTS,
	GUEST_CREATE_OPTS(struct create_args, guest),
	{ 0 }
};
static const struct opt run_opts[] = {
	CREATE_OPTS,
	OFLAG(struct create_args, 'd', "detach", detach, "do not wait for the container"),
	OFLAG(struct create_args, 0, "no-subreaper", no_subreaper, "do not adopt the container's orphans"),
	OFLAG(struct create_args, 0, "keep", keep, "keep the container when it ended"),
	{ 0 }
};

/* Whoever started us waits for readiness. */
static bool notifies(void)
{
	const char *to = getenv("NOTIFY_SOCKET");

	return to && *to;
}

static struct container_req request(const struct cli *g, const struct create_args *a, const char *id)
{
	return (struct container_req){
		.root = g->root, .home = g->home, .id = id, .bundle = a->bundle ? a->bundle : ".",
		.config = a->config, .console_socket = a->console_socket, .pidfd_socket = a->pidfd_socket,
		.pid_file = a->pid_file, .cgroup_manager = g->cgroup_manager, .rootless = g->rootless,
		.no_pivot = a->no_pivot, .no_new_keyring = a->no_new_keyring,
		.preserve_fds = (int)a->preserve_fds.v, .notifies = notifies(),
	};
}

static int refuse_for_guests(const struct create_args *a)
{
	const struct not_for_guests rows[] = {
		{ "bundle", a->bundle }, { "config", a->config }, { "console-socket", a->console_socket },
		{ "pidfd-socket", a->pidfd_socket }, { "pid-file", a->pid_file }, { "no-pivot", a->no_pivot },
		{ "no-new-keyring", a->no_new_keyring }, { "preserve-fds", a->preserve_fds.set },
	};

	return guest_refuse_options(rows, COUNT(rows));
}

static int create_run(struct cli *g, void *args, int argc, char **argv)
{
	struct create_args *a = args;
	struct container_req r = request(g, a, argv[0]);
	auto_container struct container c = CONTAINER_INIT;

	if (guest_asked_for(&a->guest)) {
		cli_speak(g, 0);
		TRY(refuse_for_guests(a));
		return guest_create_cmd(g, &a->guest, argv[0], argc - 1, argv + 1);
	}
	if (argc > 1 || guest_options_given(&a->guest))
		return fail_as(ERR_USAGE, "create: %s --image, --rootfs or --template",
			       argc > 1 ? "a command needs" : "a guest's options need");
	int made = container_create(&r, false, &c);
	/* Whoever wants a guest types this first. */
	if (made == -ENOENT && !a->bundle && !a->config && access("config.json", F_OK) < 0)
		return fail(ENOENT, "open config.json: No such file or directory (of a bundle; a guest is made with --image, "
			    "--rootfs or --template)");
	return made;
}

int delete_after(const struct container *c, int status)
{
	struct err_saved s;

	err_save(&s);
	if (container_take_down(c) < 0 && status >= 0)
		return -EIO;
	if (status < 0)
		err_restore(&s);
	return status;
}

static int run_detached(const struct container_req *r, bool keep)
{
	auto_container struct container c = CONTAINER_INIT;
	int status;

	TRY(container_create(r, false, &c));
	status = container_start_made(&c, notifies());
	return status < 0 && !keep ? delete_after(&c, status) : status;
}

static int run_run(struct cli *g, void *args, int argc, char **argv)
{
	struct create_args *a = args;
	struct container_req r = request(g, a, argv[0]);
	auto_container struct container c = CONTAINER_INIT;
	int status;

	(void)argc;
	if (a->detach)
		return run_detached(&r, a->keep);
	if (!a->no_subreaper)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r.keep_tty = !a->console_socket;
	r.at_once = true;
	TRY(container_create(&r, true, &c));
	supervise_soon();
	status = container_go(&c);
	if (status >= 0)
		status = supervise(&c, !a->no_subreaper);
	if (status >= 0)
		return a->keep || container_end(&c) >= 0 ? status : -EIO;
	drop_fd(&c.sync);
	return delete_after(&c, status);
}

static const struct opt start_opts[] = { GUEST_START_OPTS(struct guest_start_args), { 0 } };

/* A created container is released; otherwise a guest of that name is meant. */
static int start_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	const struct guest_start_args *a = args;
	int is = guest_look(&at, argv[0]);

	(void)argc;
	TRY(is);
	if (is) {
		cli_speak(g, 0);
		return guest_start_cmd(g, a, argv[0]);
	}
	if (a->no_wait || a->timeout.set)
		return no_guest(g, argv[0]);
	return container_start(g->root, argv[0], notifies());
}

struct kill_args { bool all; };
static const struct opt kill_opts[] = {
	OFLAG(struct kill_args, 'a', "all", all, "send the signal to every process of the container"),
	{ 0 }
};

static int kill_run(struct cli *g, void *args, int argc, char **argv)
{
	int sig = argc > 1 ? signal_number(argv[1]) : SIGTERM;

	TRY(sig);
	return guest_voice(g, argv[0], container_kill(g->root, argv[0], sig, ((struct kill_args *)args)->all));
}

struct delete_args { bool force; };
static const struct opt delete_opts[] = {
	OFLAG(struct delete_args, 'f', "force", force, "kill what still runs; an unknown ID is no error"),
	{ 0 }
};

static int delete_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)argc;
	return container_delete(g->root, argv[0], ((struct delete_args *)args)->force);
}

static int pause_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)args;
	(void)argc;
	return guest_voice(g, argv[0], container_pause(g->root, argv[0], true));
}

static int resume_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)args;
	(void)argc;
	return guest_voice(g, argv[0], container_pause(g->root, argv[0], false));
}

const struct cmd life_cmds[] = {
	{ "create", "[-b BUNDLE] [OPTION...] ID\n--image REF|--rootfs DIR|TAR|--template NAME [OPTION...] NAME [COMMAND...]",
	  "create a container from a bundle, or a guest", 1, -1, create_opts,
	  sizeof(struct create_args), create_run, CMD_OCI },
	{ "start", "ID\n[OPTION...] NAME...", "start a created container, or a guest", 1, 1, start_opts,
	  sizeof(struct guest_start_args), start_run, CMD_OCI | CMD_EACH, .only = "stopped" },
	{ "run", "[OPTION...] ID", "create, start, wait and delete", 1, 1, run_opts,
	  sizeof(struct create_args), run_run, CMD_OCI },
	{ "kill", "[OPTION...] ID [SIGNAL]", "send a signal (default: SIGTERM)", 1, 2, kill_opts,
	  sizeof(struct kill_args), kill_run, CMD_OCI },
	{ "delete", "[OPTION...] ID", "delete a container that has stopped or was not started", 1, 1, delete_opts,
	  sizeof(struct delete_args), delete_run, CMD_OCI },
	{ "pause", "ID", "freeze every process", 1, 1, .run = pause_run, .flags = CMD_OCI },
	{ "resume", "ID", "thaw a paused container", 1, 1, .run = resume_run, .flags = CMD_OCI },
	{ 0 }
};
