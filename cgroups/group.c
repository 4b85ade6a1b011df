/* The groups of a container: made, found again. */
#include "cgroups/internal.h"
#include "base/file.h"
#include "base/log.h"
#include "base/undo.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int unmake(void *dir)
{
	/* A parent that another container uses by now stays. */
	if (rmdir(dir) < 0 && errno != ENOENT && errno != EBUSY && errno != ENOTEMPTY)
		return fail_errno("remove %s", (const char *)dir);
	return 0;
}

/* -ENOSPC: the group above has none either. */
static int fill_from_above(const char *dir, bool clone)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char path[CG_FULL + 32], value[4096];	/* a page: every second of some hundred CPUs is a long list */

	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		if (file_peek(AT_FDCWD, path, value, sizeof value) > 0)
			continue;
		snprintf(path, sizeof path, "%.*s/%s", (int)(strrchr(dir, '/') - dir), dir, files[i]);
		ssize_t n = file_peek(AT_FDCWD, path, value, sizeof value);
		if (n < 0)
			return fail((int)-n, "cpuset: read %s: %s", path, strerrordesc_np((int)-n));
		if (n == 0)
			return fail(ENOSPC, "cpuset: %s is empty", path);
		snprintf(path, sizeof path, "%s/%s", dir, files[i]);
		int r = file_poke(AT_FDCWD, path, value);
		if (r < 0)
			return fail(-r, "cpuset: write %s to %s: %s", value, path, strerrordesc_np(-r));
	}
	/* The groups below then inherit both at their birth. */
	snprintf(path, sizeof path, "%s/cgroup.clone_children", dir);
	if (clone)
		(void)file_poke(AT_FDCWD, path, "1");
	return 0;
}

/*
 * A v1 cpuset is born without CPUs and nodes, and takes no process before it has both. Whoever made the groups above
 * may have left them so.
 */
static int fill_cpuset(const char *dir, size_t mount_len, bool clone)
{
	char above[CG_FULL];
	int r = fill_from_above(dir, clone);

	if (r != -ENOSPC)
		return r;
	err_clear();
	snprintf(above, sizeof above, "%s", dir);
	for (char *p = above + mount_len + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		TRY(fill_from_above(above, false));
	}
	return fill_from_above(dir, clone);
}

static int made_one(const char *dir, size_t mount_len, bool cpuset, bool parent, struct undo *u)
{
	TRY(undo_push(u, "cgroup directory", unmake, dir, strlen(dir) + 1));
	return cpuset ? fill_cpuset(dir, mount_len, parent) : 0;
}

/* code: the errno of a mkdir(2) that failed; 0 when something else did, which has its message. */
static int make_parents(char *dir, size_t mount_len, bool cpuset, struct undo *u, int *code)
{
	*code = 0;
	for (char *p = dir + mount_len + 1; (p = strchr(p, '/')); p++) {
		int r = 0;

		*p = '\0';
		if (mkdir(dir, 0755) == 0)
			r = made_one(dir, mount_len, cpuset, true, u);
		else if (errno != EEXIST && errno != ENOENT)
			r = -(*code = errno);
		*p = '/';
		TRY(r);
	}
	return 0;
}

/* 0 made, 1 there already. */
static int make_dir(char *dir, size_t mount_len, bool cpuset, struct undo *u, int *code)
{
	/* Again when another's clean-up takes a parent away between the two. */
	for (int tries = 0; tries < 8; tries++) {
		*code = 0;
		if (mkdir(dir, 0755) == 0)
			return made_one(dir, mount_len, cpuset, false, u);
		*code = errno;
		if (errno != ENOENT)
			break;
		TRY(make_parents(dir, mount_len, cpuset, u, code));
		*code = ENOENT;
	}
	return *code == EEXIST ? 1 : -*code;
}

static int in_use(const char *dir)
{
	auto_free pid_t *pids = NULL;
	char comm[CG_COMM_MAX];
	size_t n;
	int r;

	/* None is listed that another pid namespace has. */
	if (cg_pids_of(dir, true, &pids, &n) < 0 || n == 0) {
		err_clear();
		r = fail(EBUSY, "container's cgroup is not empty: %s exists and holds processes", dir);
		err_try("choose another cgroups path, or end them: cat %s/cgroup.procs", dir);
	} else {
		r = fail(EBUSY, "container's cgroup is not empty: %s exists and holds processes: %d (%s)%s", dir,
			 (int)pids[0], cg_comm(pids[0], comm), n > 1 ? " and others" : "");
		err_try("kill %d, if it is a leftover; or choose another cgroups path", (int)pids[0]);
	}
	return fail_class(r, ERR_EXISTS);
}

/* A group that is there already may be a leftover, which is welcome, or in use. */
static int take_over(const char *dir, const struct cg_hier *h)
{
	char path[CG_FULL + 32], text[256];
	ssize_t n;

	snprintf(path, sizeof path, "%s/%s", dir, h->v2 ? "cgroup.events" : "cgroup.procs");
	n = file_peek(AT_FDCWD, path, text, sizeof text);
	if (n > 0 && (!h->v2 || cg_word_in(text, "populated 1", 11, '\n')))
		return in_use(dir);
	return 0;
}

/* Frozen itself, or by one above: who joins it stands still before he can say so. */
static int check_frozen(const char *dir, const struct cg_hier *h)
{
	char path[CG_FULL + 32], text[256];
	ssize_t n;

	if (!h->v2 && !cg_word_in(h->name, "freezer", 7, ','))
		return 0;
	snprintf(path, sizeof path, "%s/%s", dir, h->v2 ? "cgroup.events" : "freezer.state");
	n = file_peek(AT_FDCWD, path, text, sizeof text);
	if (n > 0 && (h->v2 ? cg_word_in(text, "frozen 1", 8, '\n') : !str_eq(text, "THAWED")))
		return fail_class(fail(EBUSY, "container's cgroup unexpectedly frozen: %s", dir), ERR_STATE);
	return 0;
}

static bool may_skip(int code, uint32_t bit, const struct need *need)
{
	return (code == EACCES || code == EPERM || code == EROFS) && !(need->hiers & bit) &&
	       (!(need->soft & bit) || cg_rootless());
}

static int not_made(int code, size_t i, const char *dir, const struct need *need)
{
	bool denied = code == EACCES || code == EPERM || code == EROFS;
	int r;

	errno = code;
	r = fail_errno("%s%screate cgroup %s", need->why[i] ? need->why[i] : "", need->why[i] ? ": " : "",
		       dir);
	if (denied)
		err_try("have the group above delegated to you (chown), or leave the limit out");
	return fail_class(r, denied ? ERR_PERMISSION : ERR_OTHER);
}

static int make_in(struct cg *cg, size_t i, const struct need *need, bool adopt, struct undo *u)
{
	const struct cg_hier *h = &cg_host()->h[i];
	bool cpuset = !h->v2 && cg_word_in(h->name, "cpuset", 6, ',');
	char dir[CG_FULL];
	int code, r;

	cg_file(cg, i, NULL, dir);
	r = make_dir(dir, strlen(h->mount), cpuset, u, &code);
	if (r == 0 || (r == 1 && adopt))
		cg->made |= BIT(i);
	if (r == 1) {
		TRY(adopt ? 0 : take_over(dir, h));
		TRY(cpuset ? fill_cpuset(dir, strlen(h->mount), false) : 0);
	} else if (r < 0) {
		if (code && may_skip(code, BIT(i), need)) {
			if (!cg_rootless())
				log_warn("cgroup %s is not made: %s", dir, strerrordesc_np(code));
			return 0;
		}
		return code ? not_made(code, i, dir, need) : r;
	}
	cg->hiers |= BIT(i);
	/* One that was made at the top is nobody's but ours, and as it should be. */
	if (!adopt && (r == 1 || strchr(cg->path + 1, '/')))
		TRY(check_frozen(dir, h));
	return h->v2 ? cg_enable(cg, i, need) : 0;
}

/*
 * systemd takes a process for the unit's whose group it is in. Where none runs the hierarchy means nothing.
 */
static uint32_t systemd_hier(void)
{
	for (size_t i = 0; i < cg_host()->n; i++)
		if (str_eq(cg_host()->h[i].name, "name=systemd"))
			return access("/run/systemd/system", F_OK) == 0 && cg_hier(i) ? BIT(i) : 0;
	return 0;
}

/*
 * Who reads its own limits inside looks for cpuset beside them, as runc has it: a JVM that finds none on v1 takes the
 * host's memory and CPUs for its own.
 */
static uint32_t beside_limits(const struct need *need)
{
	int cpu = cg_ctl_hier(CTL_CPU), memory = cg_ctl_hier(CTL_MEMORY), cpuset;
	uint32_t limits = (cpu < 0 ? 0 : BIT(cpu)) | (memory < 0 ? 0 : BIT(memory));

	if (!(need->hiers & limits))
		return 0;
	cpuset = cg_ctl_hier(CTL_CPUSET);
	return cpuset < 0 ? 0 : BIT(cpuset);
}

static uint32_t needed(const struct need *need)
{
	static const enum ctl counted[] = { CTL_CPU, CTL_MEMORY, CTL_PIDS };
	int tree = cg_v2_hier();
	uint32_t mask = need->hiers | need->soft | systemd_hier() | beside_limits(need);

	for (size_t i = 0; i < COUNT(counted); i++)
		if (cg_ctl_hier(counted[i]) >= 0)
			mask |= BIT(cg_ctl_hier(counted[i]));
	/* A v2 group freezes, kills and counts CPU time whatever its controllers. */
	if (tree >= 0)
		return mask | BIT(tree);
	if (cg_ctl_hier(CTL_CPUACCT) >= 0)
		mask |= BIT(cg_ctl_hier(CTL_CPUACCT));
	return cg_ctl_hier(CTL_FREEZER) >= 0 ? mask | BIT(cg_ctl_hier(CTL_FREEZER)) : mask;
}

/* Who runs in the group reads its limits, whatever his uid. A kernel with v2 lists it always, mounted or not. */
int cg_make_in(struct cg *cg, uint32_t where, const struct need *need, bool adopt, struct undo *u)
{
	mode_t mask = umask(022);
	int r = 0;

	for (size_t i = 0; i < cg_host()->n && r == 0; i++)
		if ((where & BIT(i)) && cg_hier(i))
			r = make_in(cg, i, need, adopt, u);
	umask(mask);
	return r;
}

int cg_make(struct cg *cg, const char *path, const struct cg_resources *r, enum cg_extent extent, bool adopt)
{
	auto_undo struct undo u = { 0 };
	struct need need;
	int err;

	cg->hiers = cg->made = 0;
	cg->path[0] = '\0';
	TRY(cg_check_path(path));
	TRY(cg_need(r, &need));
	/* Our own groups are known when all hierarchies are. */
	for (size_t i = 0; path[0] != '/' && i < cg_host()->n; i++)
		(void)cg_hier(i);
	TRY(cg_place(cg_host(), path, cg->path));
	err = cg_make_in(cg, extent == CG_NEEDED ? needed(&need) : UINT32_MAX, &need, adopt, &u);
	err = err < 0 ? err : cg_host_check();
	if (err < 0) {
		cg->hiers = cg->made = 0;
		return err;
	}
	undo_commit(&u);
	return 0;
}

int cg_create(struct cg *cg, const char *path, const struct cg_resources *r, enum cg_extent extent)
{
	return cg_make(cg, path, r, extent, false);
}

int cg_open(struct cg *cg, const char *path)
{
	char dir[CG_FULL];

	cg->hiers = cg->made = 0;
	if (strlen(path) >= sizeof cg->path || path[0] != '/')
		return fail(EINVAL, "cgroup %.64s: not a path that was stored", path);
	if (path != cg->path)
		strcpy(cg->path, path);
	for (size_t i = 0; i < cg_host()->n; i++) {
		if (!cg_hier(i))
			continue;
		if (access(cg_file(cg, i, NULL, dir), F_OK) == 0)
			cg->hiers |= BIT(i);
		else if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return fail_errno("look for cgroup %s", dir);
	}
	cg->made = cg->hiers;
	TRY(cg_host_check());
	if (!cg->hiers)
		return fail_as(ERR_NOT_FOUND, "cgroup %.*s: in no hierarchy of this host",
			       (int)strcspn(path, "\n"), path);
	return 0;
}
