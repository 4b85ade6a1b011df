/* A group that is brought into further hierarchies while it lives. */
#include "cgroups/internal.h"
#include "base/file.h"
#include "base/undo.h"

#include <fcntl.h>
#include <string.h>

int cg_lacking(const struct cg *cg, const struct cg_resources *r, uint32_t *mask)
{
	struct need need;

	TRY(cg_need(r, &need));
	*mask = (need.hiers | need.soft) & ~cg->hiers;
	return 0;
}

/* By the pid, from outside: slow (a grace period for each on v1), and seldom. */
static int move_into(const char *dir, const pid_t *pids, size_t n)
{
	char path[CG_FULL + 32], pid[16];

	snprintf(path, sizeof path, "%s/cgroup.procs", dir);
	for (size_t i = 0; i < n; i++) {
		snprintf(pid, sizeof pid, "%d", (int)pids[i]);
		int r = file_poke(AT_FDCWD, path, pid);
		if (r < 0 && r != -ESRCH)
			return fail(-r, "move process %s to %s: %s", pid, path, strerrordesc_np(-r));
	}
	return 0;
}

static int move_all(const struct cg *from, const struct cg *to, uint32_t mask)
{
	auto_free pid_t *pids = NULL;
	char dir[CG_FULL];
	size_t n;

	TRY(cg_pids(from, true, &pids, &n));
	EACH_HIER(i, mask)
		TRY(move_into(cg_file(to, i, NULL, dir), pids, n));
	return 0;
}

/* Frozen, nobody forks behind our back: what is listed is everybody. */
static int move_frozen(const struct cg *from, const struct cg *to, uint32_t mask)
{
	bool before = cg_is_frozen(from) == 1;
	struct err_saved why;
	int r;

	if (!before)
		TRY(cg_freeze(from, true));
	r = move_all(from, to, mask);
	if (before)
		return r;
	err_save(&why);
	if (cg_freeze(from, false) < 0 && r >= 0)
		return -EIO;
	err_restore(&why);
	return r;
}

int cg_extend(struct cg *cg, uint32_t mask)
{
	auto_undo struct undo u = { 0 };
	const struct need need = { .hiers = mask };
	struct cg wider = *cg;

	TRY(cg_make_in(&wider, mask, &need, false, &u));
	TRY(move_frozen(cg, &wider, mask));
	undo_commit(&u);
	*cg = wider;
	return 0;
}
