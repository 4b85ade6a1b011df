#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "runtime/guest/checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

struct image_args {
	struct checkpoint_opts o;
	const char *empty_ns, *bundle, *config, *console_socket, *pid_file;
	struct opt_i64 status_fd;
	bool no_pivot, no_subreaper, detach, discard;
};

#define A struct image_args
#define IMAGE_OPTS                                                                                      \
	OSTR_OCI(A, 0, "image-path", "DIR", o.image_path, "the image directory (default: ./checkpoint)"),   \
	OSTR_OCI(A, 0, "work-path", "DIR", o.work_path, "where criu works and logs (default: the image directory)"), \
	OFLAG(A, 0, "tcp-established", o.tcp_established, "connections may be open"),                   \
	OFLAG(A, 0, "ext-unix-sk", o.ext_unix_sk, "UNIX sockets may be connected to the outside"),      \
	OFLAG(A, 0, "shell-job", o.shell_job, "the terminal may be the caller's"),                      \
	OFLAG(A, 0, "file-locks", o.file_locks, "files may be locked"),                                 \
	OFLAG(A, 0, "lazy-pages", o.lazy_pages, "bring memory when it is used (userfaultfd)"),          \
	OFLAG(A, 0, "auto-dedup", o.auto_dedup, "keep no page twice over a chain of images"),           \
	OSTR_OCI(A, 0, "manage-cgroups-mode", "MODE", o.cgroups_mode, "soft, full, strict or ignore"),      \
	OSTR_OCI(A, 0, "empty-ns", "network", empty_ns, "make that namespace, but nothing in it")

static const struct opt checkpoint_opts[] = {
	IMAGE_OPTS,
	OSTR_OCI(A, 0, "parent-path", "DIR", o.parent_path,
	     "the image that came before, relative to the image directory"),
	OFLAG(A, 0, "leave-running", o.leave_running, "let the container go on"),
	OFLAG(A, 0, "pre-dump", o.pre_dump, "dump the memory only, and let the container go on"),
	OSTR_OCI(A, 0, "page-server", "ADDRESS:PORT", o.page_server, "send the memory there"),
	OINT(A, 0, "status-fd", "FD", status_fd, 0, INT32_MAX, "say there that lazy pages can be asked for"),
	OFLAG(A, 0, "discard", discard, "a guest: give its checkpoint up, so that it can be started"),
	{ 0 }
};
static const struct opt restore_opts[] = {
	IMAGE_OPTS,
	OSTR_OCI(A, 'b', "bundle", "DIR", bundle, "the OCI bundle (default: the current directory)"),
	OSTR_OCI(A, 0, "config", "FILE", config, "the configuration (default: config.json of the bundle)"),
	OSTR_OCI(A, 0, "console-socket", "PATH", console_socket, "UNIX socket that receives the terminal's master"),
	OSTR_OCI(A, 0, "pid-file", "FILE", pid_file, "write the pid of the first process there"),
	OFLAG(A, 'd', "detach", detach, "do not wait for the container"),
	OFLAG(A, 0, "no-subreaper", no_subreaper, "do not adopt the container's orphans"),
	OFLAG(A, 0, "no-pivot", no_pivot, "taken for the engines' sake: criu enters the root in its own way"),
	OSTR_OCI(A, 0, "lsm-profile", "TYPE:NAME", o.lsm_profile, "confine the processes by this profile"),
	OSTR_OCI(A, 0, "lsm-mount-context", "CONTEXT", o.lsm_mount_context, "label mounts with this context"),
	{ 0 }
};
#undef A

static int complete(const struct cli *g, struct image_args *a)
{
	a->o.criu = g->criu;
	a->o.status_fd = a->status_fd.set ? (int)a->status_fd.v : -1;
	a->o.empty_net = a->empty_ns != NULL;
	if (a->empty_ns && !str_eq(a->empty_ns, "network"))
		return fail_as(ERR_USAGE, "namespace \"%s\" is not supported", a->empty_ns);
	if (a->status_fd.set && (fcntl(a->o.status_fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return fail_as(ERR_USAGE, "invalid --status-fd argument %d: not writable", a->o.status_fd);
	if (a->status_fd.set && fcntl(a->o.status_fd, F_GETFD) < 0)
		return fail_errno("invalid --status-fd argument %d", a->o.status_fd);
	return 0;
}

/* A guest's image lies with its disk, to which it belongs, and is whole. */
static int refuse_for_guests(const struct image_args *a)
{
	const struct not_for_guests rows[] = {
		{ "image-path", a->o.image_path }, { "work-path", a->o.work_path }, { "parent-path", a->o.parent_path },
		{ "leave-running", a->o.leave_running }, { "pre-dump", a->o.pre_dump }, { "lazy-pages", a->o.lazy_pages },
		{ "page-server", a->o.page_server }, { "status-fd", a->status_fd.set }, { "auto-dedup", a->o.auto_dedup },
		{ "empty-ns", a->empty_ns }, { "manage-cgroups-mode", a->o.cgroups_mode }, { "bundle", a->bundle },
		{ "config", a->config }, { "console-socket", a->console_socket }, { "pid-file", a->pid_file },
		{ "lsm-profile", a->o.lsm_profile }, { "lsm-mount-context", a->o.lsm_mount_context },
	};

	return guest_refuse_options(rows, COUNT(rows));
}

static int answer(const struct cli *g, const char *name, const char *status, const struct guest_started *s)
{
	auto_buf struct buf b = { 0 };
	struct jout o;

	if (g->json) {
		out_open(&o, &b);
		jout_str(&o, "name", name);
		jout_str(&o, "status", status);
		if (s) {
			jout_i64(&o, "pid", s->pid);
			jout_u64(&o, "ms", s->ms);
		}
		return out_close(&o);
	}
	if (s)
		printf("%s %s: restored after %ju.%03ju s\n", name, status, (uintmax_t)s->ms / 1000,
		       (uintmax_t)s->ms % 1000);
	else
		printf("%s %s. Next: vzrun %s %s\n", name, status, str_eq(status, "suspended") ? "restore" : "start", name);
	return 0;
}

static int checkpoint_guest(struct cli *g, struct image_args *a, const char *name)
{
	struct guest_where at = guest_at(g);

	cli_speak(g, 0);
	TRY(refuse_for_guests(a));
	if (a->discard) {
		TRY(guest_discard(&at, name));
		return answer(g, name, "stopped", NULL);
	}
	TRY(guest_checkpoint(&at, name, &a->o));
	return answer(g, name, "suspended", NULL);
}

static int restore_guest(struct cli *g, struct image_args *a, const char *name)
{
	struct guest_where at = guest_at(g);
	struct guest_started s;

	cli_speak(g, 0);
	TRY(refuse_for_guests(a));
	TRY(guest_restore(&at, name, &a->o, &s));
	return answer(g, name, "running", &s);
}

static int checkpoint_run(struct cli *g, void *args, int argc, char **argv)
{
	struct image_args *a = args;
	struct guest_where at = guest_at(g);
	int is;

	(void)argc;
	TRY(complete(g, a));
	TRY(is = guest_look(&at, argv[0]));
	if (is)
		return checkpoint_guest(g, a, argv[0]);
	if (a->discard)
		return no_guest(g, argv[0]);
	return container_checkpoint(g->root, argv[0], &a->o);
}

/* Whoever means a guest gives nothing but its name. */
static int no_bundle(const struct image_args *a, const char *name, int r)
{
	if (r != -ENOENT || a->bundle || a->config || access("config.json", F_OK) == 0)
		return r;
	return fail(ENOENT, "open config.json: No such file or directory (of a bundle; there is no guest \"%s\" either)",
		    name);
}

static int restore_run(struct cli *g, void *args, int argc, char **argv)
{
	struct image_args *a = args;
	struct container_req r = {
		.root = g->root, .home = g->home, .id = argv[0], .bundle = a->bundle ? a->bundle : ".", .config = a->config,
		.console_socket = a->console_socket, .pid_file = a->pid_file, .cgroup_manager = g->cgroup_manager,
		.rootless = g->rootless, .restore = &a->o, .keep_tty = !a->detach && !a->console_socket,
	};
	auto_container struct container c = CONTAINER_INIT;
	struct guest_where at = guest_at(g);
	int status, is;

	(void)argc;
	TRY(complete(g, a));
	TRY(is = guest_look(&at, argv[0]));
	if (is)
		return restore_guest(g, a, argv[0]);
	if (a->detach)
		return no_bundle(a, argv[0], container_create(&r, false, &c));
	if (!a->no_subreaper)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	TRY(no_bundle(a, argv[0], container_create(&r, true, &c)));
	supervise_soon();
	status = container_go(&c);
	if (status >= 0)
		status = supervise(&c, !a->no_subreaper);
	return delete_after(&c, status);
}

const struct cmd checkpoint_cmds[] = {
	{ "checkpoint", "[OPTION...] ID|NAME...", "write a running container to files, or suspend a guest, by criu", 1, 1,
	  checkpoint_opts, sizeof(struct image_args), checkpoint_run, CMD_OCI | CMD_EACH, .only = "running",
	  .about = "The container is gone afterwards, unless --leave-running or --pre-dump is given.\n\n"
		   "A guest is suspended: its processes lie beside its disk, and it goes on by restore, once. Until then "
		   "it is not started; --discard gives the processes up. Of the options count --ext-unix-sk and "
		   "--shell-job; connections and locks are always kept." },
	{ "restore", "[OPTION...] ID|NAME...", "go on with a container from such files, or with a suspended guest", 1, 1,
	  restore_opts, sizeof(struct image_args), restore_run, CMD_OCI | CMD_EACH, .only = "suspended",
	  .about = "A guest comes back as after a start: keeper, console, network with its addresses, ports, limits. The "
		   "checkpoint is removed then; a failure keeps it, and the guest is suspended as before." },
	{ 0 }
};
