/* A group in the hands of who lives in it: what he owns, and how far it goes. */
#include "cgroups/internal.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/sys.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/*
 * Each group takes some 10 KiB of the kernel's memory that no limit counts, and those far below one another are slow to
 * make, with the whole tree of the host locked. What config.json has set stands; v1 knows no such bounds.
 */
static int bound_below(const struct cg *cg, size_t hier)
{
	static const struct { const char *file, *most; } bounds[] = {
		{ "cgroup.max.descendants", "4096" },
		{ "cgroup.max.depth", "64" },
	};
	char path[CG_FULL], text[32];

	for (size_t i = 0; i < COUNT(bounds); i++) {
		if (file_peek(AT_FDCWD, cg_file(cg, hier, bounds[i].file, path), text, sizeof text) <= 0 ||
		    !str_eq(text, "max"))
			continue;
		int r = file_poke(AT_FDCWD, path, bounds[i].most);
		if (r < 0)
			return fail(-r, "delegate cgroup: write %s: %s", path, strerrordesc_np(-r));
	}
	return 0;
}

/* What systemd in the guest needs to own; files of other kernels are just not there. */
int cg_delegate(const struct cg *cg, uid_t uid, gid_t gid)
{
	static const char *const files[] = { NULL, "cgroup.procs", "tasks", "cgroup.threads",
					     "cgroup.subtree_control", "memory.oom.group", "memory.reclaim" };
	char path[CG_FULL];

	EACH_HIER(i, cg->hiers) {
		const struct cg_hier *h = &cg_host()->h[i];

		if (!h->v2 && !str_eq(h->name, "name=systemd"))
			continue;
		for (size_t f = 0; f < COUNT(files); f++)
			if (chown(cg_file(cg, i, files[f], path), uid, gid) < 0 && errno != ENOENT)
				return fail_errno("delegate cgroup: chown %s", path);
		if (h->v2)
			TRY(bound_below(cg, i));
		TRY(fault_point("cgroup delegation"));
	}
	return 0;
}

/* An ordinary user can give to himself alone what is his; so it stays with him. */
static int give(const char *path, uid_t uid)
{
	if (chown(path, uid, (gid_t)-1) == 0 || errno == ENOENT || (errno == EPERM && !sys_is_host_root()))
		return 0;
	return fail_errno("chown %s", path);
}

int cg_give(const struct cg *cg, uid_t uid)
{
	char path[CG_FULL], names[1024], *save = NULL;

	if (cg_host()->layout != CG_V2)
		return 0;
	/* The kernel's own list, since Linux 4.15; what it names is not in every group. */
	if (file_peek(AT_FDCWD, "/sys/kernel/cgroup/delegate", names, sizeof names) <= 0)
		strcpy(names, "cgroup.procs\ncgroup.subtree_control\ncgroup.threads");
	EACH_HIER(i, cg->hiers)
		TRY(give(cg_file(cg, i, NULL, path), uid));
	for (char *name = strtok_r(names, "\n", &save); name; name = strtok_r(NULL, "\n", &save))
		EACH_HIER(i, cg->hiers)
			TRY(give(cg_file(cg, i, name, path), uid));
	return 0;
}
