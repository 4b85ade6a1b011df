#include "runtime/container/launch.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/scope.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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
	fail(EPERM, "%s: %.*s", helper, (int)strcspn(buf_text(&err), "\n"), buf_text(&err));
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
