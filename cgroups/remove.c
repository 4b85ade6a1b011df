/* Taking groups away: at once when they are empty, else below first and after the dying are dead. */
#include "cgroups/internal.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sys.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>

enum { DYING_MS = 10000, SETTLE_ROUNDS = 60 };

/* Those that stay have processes. */
static void remove_one(int above, const char *name)
{
	(void)unlinkat(above, name, AT_REMOVEDIR);
}

static int try_remove(const char *dir)
{
	if (rmdir(dir) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return fail_errno("remove cgroup %s", dir);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && cg_walk(fd, NULL, remove_one, NULL) < 0)
		err_clear();
	return rmdir(dir) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Only who is being killed or exits already is worth a wait. */
static bool is_dying(pid_t pid)
{
	auto_free char *text = NULL;
	char path[48];
	const char *p;
	unsigned long long sets[2] = { 0, 0 };

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	if (file_read(AT_FDCWD, path, &text, NULL) < 0) {
		err_clear();
		return true;
	}
	if ((p = strstr(text, "\nSigPnd:")))
		(void)sscanf(p + 8, "%llx", &sets[0]);
	if ((p = strstr(text, "\nShdPnd:")))
		(void)sscanf(p + 8, "%llx", &sets[1]);
	p = strstr(text, "\nState:\t");
	/* An exiting process has no memory any more. */
	return ((sets[0] | sets[1]) >> (SIGKILL - 1) & 1) || (p && strchr("ZX", p[8])) ||
	       !strstr(text, "\nVmSize:");
}

static int inside(const char *dir, pid_t pid)
{
	char comm[CG_COMM_MAX];
	int r;

	r = fail_class(fail(EBUSY, "remove cgroup %s: process %d (%s) is still inside", dir, (int)pid,
			    cg_comm(pid, comm)), ERR_STATE);
	err_try("kill %d, or delete with force", (int)pid);
	return r;
}

/* Waits for the dying on their descriptors; the first that lives on is named. */
static int wait_dying(const char *dir)
{
	auto_free pid_t *pids = NULL;
	size_t n;

	TRY(cg_pids_of(dir, true, &pids, &n));
	for (size_t i = 0; i < n; i++) {
		auto_close int fd = pidfd_open(pids[i], 0);

		if (fd < 0)
			continue;
		if (sys_pidfd_wait(fd, 0) != 1 && (!is_dying(pids[i]) || sys_pidfd_wait(fd, DYING_MS) != 1))
			return inside(dir, pids[i]);
	}
	return 0;
}

int cg_remove_dir(const char *dir, bool v2)
{
	struct timespec nap = { 0, 20000 };
	int r = try_remove(dir);

	if (r != -EBUSY && r != -ENOTEMPTY)
		return r;
	TRY(wait_dying(dir));
	if (v2)
		(void)cg_wait_event(dir, "populated 0", DYING_MS);
	/*
	 * Dead to its descriptor, a process is in its v1 group for some more instructions, and
	 * v1 tells nobody when it has left: the one place where time has to pass.
	 */
	for (int round = 0; round < SETTLE_ROUNDS; round++) {
		r = try_remove(dir);
		if (r != -EBUSY && r != -ENOTEMPTY)
			return r;
		TRY(wait_dying(dir));
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < 50000000)
			nap.tv_nsec *= 2;
	}
	return fail_class(fail(EBUSY, "remove cgroup %s: in use, by no process that we can see", dir),
			  ERR_STATE);
}

int cg_remove_empty(struct cg *cg)
{
	char dir[CG_FULL];
	int tree = cg_v2_hier();

	TRY(cg_refuse_root(cg));
	TRY(cg_found(cg));
	/* Its unit is systemd's to end first. */
	if (cg->unit[0])
		return -EBUSY;
	/* v2 first: while somebody lives there is nothing else to try. */
	if (tree >= 0 && (cg->made & BIT(tree))) {
		if (rmdir(cg_file(cg, (size_t)tree, NULL, dir)) < 0 && errno != ENOENT)
			return -EBUSY;
		cg->made &= ~BIT(tree);
		cg->hiers &= ~BIT(tree);
	}
	EACH_HIER(i, cg->made) {
		if (rmdir(cg_file(cg, i, NULL, dir)) < 0 && errno != ENOENT)
			return -EBUSY;
		cg->made &= ~BIT(i);
		cg->hiers &= ~BIT(i);
	}
	return 0;
}

int cg_remove(const struct cg *cg)
{
	char dir[CG_FULL];
	int tree = cg_v2_hier(), r = 0;
	uint32_t v1 = cg->made;

	TRY(cg_refuse_root(cg));
	TRY(cg_found(cg));
	/* A bus that does not answer is no reason to keep the group: systemd sees by itself that it is empty. */
	if (cg->unit[0] && cg_unit_stop(cg) < 0) {
		log_warn("%s", err_text());
		err_clear();
	}
	/* v2 first: it tells when the last process has left, for the other hierarchies too. */
	if (tree >= 0 && (cg->made & BIT(tree))) {
		TRY(fault_point("cgroup removal"));
		TRY(cg_remove_dir(cg_file(cg, (size_t)tree, NULL, dir), true));
		v1 &= ~BIT(tree);
	}
	/* One that cannot be removed is no reason to leave the others. */
	EACH_HIER(i, v1) {
		int one = cg_remove_dir(cg_file(cg, i, NULL, dir), false);

		r = one < 0 ? one : r;
	}
	return r;
}
