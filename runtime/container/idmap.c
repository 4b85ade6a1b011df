#include "runtime/container/launch.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* user_namespaces(7): a map is written once, whole, in one write of less than a page. */
static int write_map(pid_t pid, const char *file, const struct list *maps)
{
	auto_buf struct buf b = { 0 };
	char path[40];
	int r;

	LIST_EACH(struct spec_idmap, m, *maps)
		buf_printf(&b, "%u %u %u\n", m->inside.v, m->host.v, m->size.v);
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	r = file_poke(AT_FDCWD, path, buf_text(&b));
	return r < 0 ? fail(-r, "write %s: %s", path, strerrordesc_np(-r)) : 0;
}

/* Without privilege the kernel lets us map only ourselves; the rest is the setuid helpers' to grant. */
static int helper_map(pid_t pid, const char *helper, const struct list *maps)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf err = { 0 };
	const char **argv = arena_alloc(&a, maps->n * 3 + 3, sizeof *argv);
	size_t n = 0;
	int status;

	if (!argv)
		return fail(ENOMEM, "out of memory");
	argv[n++] = helper;
	argv[n++] = arena_printf(&a, "%d", (int)pid);
	LIST_EACH(struct spec_idmap, m, *maps) {
		argv[n++] = arena_printf(&a, "%u", m->inside.v);
		argv[n++] = arena_printf(&a, "%u", m->host.v);
		argv[n++] = arena_printf(&a, "%u", m->size.v);
	}
	TRY(proc_run(&(struct proc_req){ .path = helper, .argv = argv, .err = &err, .timeout_ms = 10000 }, &status));
	if (status == 0)
		return 0;
	/* It begins with its own name. */
	fail(EPERM, "%.*s", (int)strcspn(buf_text(&err), "\n"), buf_text(&err));
	err_try("check the ranges of this user in /etc/subuid and /etc/subgid");
	return -EPERM;
}

static bool only_self(const struct list *maps, uint32_t id)
{
	const struct spec_idmap *m = maps->v;

	return maps->n == 1 && m->size.v == 1 && m->host.v == id;
}

int idmap_write(pid_t pid, const struct spec_linux *l)
{
	char path[40];

	if (geteuid() == 0) {
		TRY(write_map(pid, "gid_map", &l->gid_maps));
		return write_map(pid, "uid_map", &l->uid_maps);
	}
	if (only_self(&l->gid_maps, getegid())) {
		snprintf(path, sizeof path, "/proc/%d/setgroups", (int)pid);
		if (file_poke(AT_FDCWD, path, "deny") < 0)
			return fail(EPERM, "write %s: not permitted", path);
		TRY(write_map(pid, "gid_map", &l->gid_maps));
	} else {
		TRY(helper_map(pid, "newgidmap", &l->gid_maps));
	}
	return only_self(&l->uid_maps, geteuid()) ? write_map(pid, "uid_map", &l->uid_maps)
						  : helper_map(pid, "newuidmap", &l->uid_maps);
}

/* ---- user namespaces for idmapped mounts ---- */

/* It lives as long as our end of the pipe is open: we may be killed at any time. */
static _Noreturn void hold_namespace(const int pipe_fd[2])
{
	char c;

	close(pipe_fd[1]);
	(void)TEMP_FAILURE_RETRY(read(pipe_fd[0], &c, 1));
	_exit(0);
}

static int mapped_namespace(pid_t pid, const struct list *uids, const struct list *gids)
{
	int fd;

	TRY(fault_point("ids of a mount"));
	TRY(write_map(pid, "gid_map", gids));
	TRY(write_map(pid, "uid_map", uids));
	fd = sys_open_ns(pid, "user");
	return fd < 0 ? fail_errno("open the user namespace of process %d", (int)pid) : fd;
}

int idmap_namespace(const struct list *uids, const struct list *gids)
{
	int p[2], fd;
	pid_t pid;

	TRY(fault_point("user namespace of a mount"));
	if (pipe2(p, O_CLOEXEC) < 0)
		return fail_errno("pipe");
	pid = sys_clone(CLONE_NEWUSER, SIGCHLD, -1, NULL);
	if (pid == 0)
		hold_namespace(p);
	fd = pid < 0 ? fail_errno("make a user namespace") : mapped_namespace(pid, uids, gids);
	close(p[0]);
	close(p[1]);
	if (pid > 0)
		(void)TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
	return fd;
}

static bool same_maps(const struct list *a, const struct list *b)
{
	return a->n == b->n && (a->v == b->v || memcmp(a->v, b->v, a->n * sizeof(struct spec_idmap)) == 0);
}

static int namespace_for(const struct mnt_plan *p, const struct mnt_op *op, const struct ns_plan *ns)
{
	const struct ns_join *user = ns_joined(ns, CLONE_NEWUSER);
	int fd = -1;

	if (op->uid_maps.n == 0)
		return user && (fd = fcntl(user->fd, F_DUPFD_CLOEXEC, 3)) >= 0 ? fd : fail_errno("user namespace");
	for (const struct mnt_op *o = p->op; o < op && fd < 0; o++)
		if (o->idmap_fd >= 0 && same_maps(&o->uid_maps, &op->uid_maps) && same_maps(&o->gid_maps, &op->gid_maps))
			fd = fcntl(o->idmap_fd, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 ? fd : idmap_namespace(&op->uid_maps, &op->gid_maps);
}

int idmap_mounts(struct mnt_plan *p, const struct ns_plan *ns)
{
	for (struct mnt_op *op = p->op; op < p->op + p->n; op++) {
		if (!(op->flags & MNT_IDMAP))
			continue;
		if (geteuid() != 0)
			return fail_as(ERR_PERMISSION, "mount %s: idmap: only root can make idmapped mounts", op->dst);
		op->idmap_fd = namespace_for(p, op, ns);
		TRY_IN(op->idmap_fd, "mount %s: idmap", op->dst);
	}
	return 0;
}
