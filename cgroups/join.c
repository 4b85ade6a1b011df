/* How a process gets into the group: see cgroup.h for why the child does it itself. */
#include "cgroups/internal.h"
#include "base/fault.h"
#include "base/file.h"

#include <fcntl.h>
#include <string.h>

static int not_open(const char *path, const char *sub)
{
	int r = fail_errno("join cgroup: open %s", path);

	if (r == -ENOENT && sub)
		err_try("make the group %s first, or leave --cgroup out", sub);
	return fail_class(r, r == -ENOENT ? ERR_NOT_FOUND : ERR_OTHER);
}

static int open_one(const struct cg *cg, size_t i, const char *sub, struct cg_join *j)
{
	const struct cg_hier *h = &cg_host()->h[i];
	char path[CG_FULL], below[CG_PATH_MAX + 8];
	int fd;

	if (sub)
		snprintf(below, sizeof below, "%s%s", sub, h->v2 ? "" : "/tasks");
	cg_file(cg, i, sub ? below : h->v2 ? NULL : "tasks", path);
	fd = open(path, (h->v2 ? O_PATH | O_DIRECTORY : O_WRONLY) | O_CLOEXEC);
	/* A group below need not exist in every hierarchy: guests make theirs where they may. */
	if (fd < 0 && errno == ENOENT && sub && !h->v2)
		fd = open(cg_file(cg, i, "tasks", path), O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return not_open(path, sub);
	if (h->v2) {
		j->v2_dir = fd;
	} else {
		j->hier[j->n] = (uint8_t)i;
		j->tasks[j->n++] = fd;
	}
	return fault_point("cgroup join descriptor");
}

/*
 * Out of our hands: the way leads through groups of others, or the anchor takes the one place that there
 * is.
 */
static bool must_be_moved(const struct cg *cg)
{
	char path[CG_FULL], max[16];
	int i = cg_ctl_hier(CTL_PIDS);

	if (!cg->unit[0])
		return false;
	return cg_rootless() || (cg->anchor > 0 && i >= 0 && (cg->hiers & BIT(i)) &&
				 file_peek(AT_FDCWD, cg_file(cg, (size_t)i, "pids.max", path), max, sizeof max) > 0 &&
				 str_eq(max, "1"));
}

int cg_join_open(const struct cg *cg, const char *sub, struct cg_join *j)
{
	*j = (struct cg_join)CG_JOIN_NONE;
	if (sub && *sub == '/')
		sub++;
	if (sub && !*sub)
		sub = NULL;
	if (sub)
		TRY(cg_check_path(sub));
	if (must_be_moved(cg)) {
		j->by_systemd = cg;
		j->sub = sub;
		return 0;
	}
	EACH_HIER(i, cg->hiers) {
		int r = open_one(cg, i, sub, j);

		if (r < 0) {
			cg_join_close(j);
			return r;
		}
	}
	return 0;
}

static int join_failed(const char *hier)
{
	int r = fail_errno("join cgroup: write to tasks of the %s hierarchy", hier);

	if (r == -ENOSPC)
		err_why("the group has no CPUs or no memory nodes: cpuset.cpus and cpuset.mems");
	if (r == -EINVAL)
		err_why("a real-time process, and the group has no cpu.rt_runtime_us");
	return r;
}

int cg_join_self(struct cg_join *j)
{
	int r = 0;

	/* "0" is the writer: no pid is looked up and no grace period waited for. */
	for (size_t i = 0; i < j->n && r == 0; i++)
		if (TEMP_FAILURE_RETRY(write(j->tasks[i], "0", 1)) != 1)
			r = join_failed(cg_host()->h[j->hier[i]].name);
	cg_join_close(j);
	return r;
}

void cg_join_close(struct cg_join *j)
{
	if (j->v2_dir >= 0)
		close(j->v2_dir);
	j->v2_dir = -1;
	while (j->n)
		close(j->tasks[--j->n]);
}
