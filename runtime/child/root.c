#include "runtime/child/child.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"

#include <fcntl.h>
#include <sched.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool own_mounts(const struct child *c)
{
	return c->ns.clone_flags & CLONE_NEWNS;
}

int stage_isolate(struct child *c)
{
	return own_mounts(c) ? mnt_isolate(&c->plan) : 0;
}

int stage_root(struct child *c)
{
	umask(0);
	if (!own_mounts(c)) {
		/* A joined mount namespace brings its own root; there is nothing to build. */
		c->mnt.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return c->mnt.root_fd < 0 ? fail_errno("open /") : 0;
	}
	/*
	 * The runtime's descriptor refers to a mount of the runtime's mount namespace; the child opens the path anew
	 * in its own.
	 */
	c->bundle_fd = open(c->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->bundle_fd < 0 && c->root_tree < 0 && *c->spec->root_path != '/')
		return fail_errno("bundle %s", c->bundle);
	if (c->root_tree < 0)
		TRY(c->root_tree = mnt_clone_root(c->bundle_fd, c->spec->root_path));
	TRY(mnt_attach_root(c->root_tree, c->rootfs));
	c->mnt.root_fd = take_fd(&c->root_tree);
	return 0;
}

static int make_cwd(struct child *c)
{
	auto_close int fd = path_ensure(c->mnt.root_fd, c->process->cwd, PATH_DIR, NULL);

	TRY_IN(fd, "working directory %s", c->process->cwd);
	return 0;
}

int stage_mounts(struct child *c)
{
	c->mnt.bundle_fd = c->bundle_fd;
	c->mnt.host_proc = c->proc_fd;
	c->mnt.cg = c->cg;
	if (!own_mounts(c))
		return 0;
	TRY(mnt_execute(&c->mnt, &c->plan, 0, c->plan.hooks_at));
	return c->process ? make_cwd(c) : 0;
}

int stage_files(struct child *c)
{
	for (size_t i = 0; own_mounts(c) && i < c->n_files; i++) {
		const struct child_file *f = &c->files[i];
		const char *name;
		struct stat st;

		auto_close int dir = path_parent(c->mnt.root_fd, f->path, &name);
		TRY(dir);
		if (f->keep && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		int r = path_write(c->mnt.root_fd, f->path, f->text, strlen(f->text), f->mode);

		/* A guest that put a directory there wanted none of it; that must not keep it from starting. */
		if (r != -EISDIR && r != -ENOTEMPTY)
			TRY(r);
	}
	return 0;
}

int stage_runtime_hooks(struct child *c)
{
	if (!c->runtime_hooks)
		return 0;
	TRY(sync_say(c->sync, SYNC_ROOTED));
	return sync_hear(c->sync, SYNC_HOOKED, NULL);
}

static int own_pid(const struct child *c)
{
	char text[16];
	ssize_t n = readlinkat(c->proc_fd, "self", text, sizeof text - 1);
	int pid;

	if (n < 0)
		return fail_errno("own pid on the host");
	text[n] = '\0';
	return sscanf(text, "%d", &pid) == 1 ? pid : fail(EIO, "own pid on the host is unknown");
}

/* The state that a hook inside the container reads; its pid is the host's. */
static const char *hook_state(struct child *c)
{
	return arena_printf(&c->arena, c->hook_state, (int)c->host_pid);
}

int stage_container_hooks(struct child *c)
{
	c->host_pid = own_pid(c);
	TRY(c->host_pid);
	if (!c->spec->hooks || c->spec->hooks->of[HOOK_CREATE_CONTAINER].n == 0)
		return 0;
	/* They start in the root that is to be. */
	if (fchdir(c->mnt.root_fd) < 0)
		return fail_errno("enter the root filesystem");
	return hooks_run(c->spec->hooks, HOOK_CREATE_CONTAINER, hook_state(c), NULL);
}

int stage_pivot(struct child *c)
{
	return own_mounts(c) ? mnt_pivot(c->mnt.root_fd, c->proc_fd, c->no_pivot) : 0;
}

int stage_sysctl(struct child *c)
{
	const struct map *m = c->spec->linux_ ? &c->spec->linux_->sysctl : NULL;

	int proc = undefended("procfs") ? open("/proc", O_PATH | O_CLOEXEC) : c->proc_fd;

	for (size_t i = 0; m && i < m->n; i++) {
		char path[256];
		struct statfs fs;

		snprintf(path, sizeof path, "sys/%s", m->v[i].key);
		/* As sysctl(8): dots separate, unless the key itself is written with slashes. */
		if (!strchr(m->v[i].key, '/'))
			for (char *p = path; *p; p++)
				*p = *p == '.' ? '/' : *p;
		auto_close int fd = path_open_strict(proc, path, O_WRONLY);
		if (fd < 0)
			return fail_in(fd, "sysctl %s", m->v[i].key);
		if ((fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC) && !undefended("procfs"))
			return fail(EPERM, "sysctl %s: not on a procfs", m->v[i].key);
		if (write(fd, m->v[i].value, strlen(m->v[i].value)) < 0)
			return fail_errno("sysctl %s: write \"%s\"", m->v[i].key, m->v[i].value);
	}
	return 0;
}

int stage_paths(struct child *c)
{
	return own_mounts(c) ? mnt_execute(&c->mnt, &c->plan, c->plan.hooks_at, c->plan.n) : 0;
}

int stage_finish_root(struct child *c)
{
	if (!own_mounts(c))
		return 0;
	return mnt_finish_root(c->mnt.root_fd, &c->plan, c->spec->linux_ ? c->spec->linux_->rootfs_propagation : NULL,
			       c->spec->root_readonly);
}
