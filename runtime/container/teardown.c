#include "runtime/container/teardown.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

const struct step container_steps[CONTAINER_STEPS] = {
	{ "claim the id",  create_claim,  teardown_claim },
	{ "cgroup",        create_cgroup, teardown_cgroup },
	{ "resctrl group", create_rdt,    teardown_rdt },
	{ "network",       create_network, teardown_network },
	{ "first process", create_init,   teardown_init },
	{ "record",        create_record, NULL },
};

/* The record is removed last, and only when all that it lists is gone. */
static int noted(struct teardown *t, int r)
{
	t->incomplete |= r < 0;
	return r;
}

int teardown_claim(void *p)
{
	struct teardown *t = p;

	return t->incomplete ? 0 : state_drop(t->root_fd, t->dir_fd, t->id);
}

/* Signalled, but not yet dead: each is waited for on its descriptor. */
static void wait_killed(const struct cg *cg)
{
	auto_free pid_t *pids = NULL;
	size_t n;

	if (cg_pids(cg, true, &pids, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		auto_close int fd = sys_pidfd_of(pids[i], sys_start_time(pids[i]));

		if (fd >= 0)
			(void)sys_pidfd_wait(fd, 10000);
	}
}

/* A unit that may not have been made for this container is stopped only if its description names the container. */
static int settle(struct teardown *t)
{
	int r;

	if (!t->group_unsure || !t->cg.unit[0])
		return 0;
	r = cg_unit_settle(t->cg.unit, t->id);
	t->cg.unit[0] = '\0';
	return r;
}

/* A group of our own making for this id. */
static void own_name(const struct teardown *t, char path[CG_PATH_MAX])
{
	snprintf(path, CG_PATH_MAX, "/vzrun-%s", t->id);
}

static bool is_own_name(const struct teardown *t)
{
	char path[CG_PATH_MAX];

	own_name(t, path);
	return str_eq(t->cg.path, path);
}

/*
 * The creation was killed while it made the group, before there was a process: processes that are in it now are of
 * another container, and so is the group. The default name, /vzrun-ID, is no other container's.
 */
static bool is_anothers(const struct teardown *t)
{
	return t->group_unsure && t->pid <= 0 && !is_own_name(t);
}

static int end_cgroup(struct teardown *t)
{
	bool killed = t->cg.made && !t->group_unsure;

	cg_unit_release(&t->cg);
	TRY(settle(t));
	if (!t->cg.hiers)
		return 0;
	/* Its init is dead, and so as a rule is everybody: nothing to list, to kill or to wait for. */
	if (cg_remove_empty(&t->cg) == 0)
		return 0;
	/* Only in groups of our own making: an engine's group may hold the engine's processes. */
	t->cg.hiers = t->cg.made;
	if (killed)
		TRY(cg_kill(&t->cg, SIGKILL));
	int r = cg_remove(&t->cg);
	if (r == -EBUSY && killed) {
		wait_killed(&t->cg);
		r = cg_remove(&t->cg);
	}
	if (r == -EBUSY && is_anothers(t)) {
		err_clear();
		return 0;
	}
	return r;
}

int teardown_cgroup(void *p)
{
	return noted(p, end_cgroup(p));
}

int teardown_rdt(void *p)
{
	struct teardown *t = p;

	if (!t->rdt.own && !*t->rdt.monitor)
		return 0;
	auto_close int root = rdt_open();
	/* resctrl was unmounted meanwhile, which removed its groups. */
	if (root < 0) {
		err_clear();
		return 0;
	}
	return noted(t, rdt_remove(root, &t->rdt));
}

static int end_init(const struct teardown *t)
{
	auto_close int fd = sys_pidfd_of(t->pid, t->start_time);

	if (fd < 0)
		return errno == ESRCH ? 0 : fail_errno("look for process %d", (int)t->pid);
	/* A frozen process does not die. */
	if (t->cg.hiers && cg_is_frozen(&t->cg) == 1)
		(void)cg_freeze(&t->cg, false);
	if (sys_pidfd_kill(fd, SIGKILL) < 0 && errno != ESRCH)
		return fail_errno("kill process %d", (int)t->pid);
	int dead = sys_pidfd_wait(fd, 30000);
	if (dead < 0)
		return fail_errno("wait for process %d", (int)t->pid);
	if (dead == 0)
		return fail_as(ERR_TIMEOUT, "process %d does not die: it hangs in the kernel", (int)t->pid);
	if (t->ours)
		(void)TEMP_FAILURE_RETRY(waitpid(t->pid, NULL, 0));
	return 0;
}

int teardown_init(void *p)
{
	return noted(p, end_init(p));
}

/* A group that is not there is no error; one that could not be looked for is. */
static int find_group(struct teardown *t, const char *path)
{
	int r = cg_open(&t->cg, path);

	if (r != -ENOENT && r != -EINVAL)
		return r;
	err_clear();
	t->cg.hiers = 0;
	return 0;
}

/*
 * Without a journal the name is all there is: a group of our own making for this id is /vzrun-ID, and
 * whatever lives in it is the container's (rule R15). Its processes are killed only with `delete -f`: either the
 * records were lost, or a container with this id belongs to another --root.
 */
static int group_by_name(struct teardown *t)
{
	char path[CG_PATH_MAX];

	own_name(t, path);
	t->group_unsure = !t->force;
	return find_group(t, path);
}

static int from_journal(struct teardown *t, const struct journal *j, uint64_t *steps)
{
	*steps = j->steps | 1;
	memcpy(t->cg.unit, j->unit, sizeof t->cg.unit);
	t->pid = j->pid;
	t->start_time = j->start_time;
	if (j->cgroup_made) {
		memcpy(t->cg.path, j->cgroup, sizeof t->cg.path);
		t->cg.hiers = j->hiers;
		t->cg.made = j->made;
	} else if (*j->cgroup) {
		/* The creation was killed while it made the group: an empty one of that path is its own, or unused. */
		TRY(find_group(t, j->cgroup));
		t->group_unsure = !t->force || !is_own_name(t);
	} else if (*j->unit) {
		/* The anchor died with the runtime, and the unit with it, unless it is a slice. */
		t->group_unsure = true;
	} else if (!j->steps) {
		TRY(group_by_name(t));
		*steps = ~UINT64_C(0);
	}
	return 0;
}

/* The two records must agree on the group before anything in it is killed; the journal was there first. */
static void from_state(struct teardown *t, const struct state *s, const struct journal *j)
{
	t->pid = (pid_t)s->pid.v;
	t->start_time = s->start_time.v;
	memcpy(t->cg.unit, j->unit, sizeof t->cg.unit);
	if (j->cgroup_made) {
		journal_group(j, s, &t->cg);
	} else if (s->cgroup.path) {
		state_group(s, &t->cg);
		t->group_unsure = true;
	}
}

int teardown_load(struct teardown *t, const char *id, int loaded, const struct state *s, uint64_t *steps)
{
	static struct journal j;

	snprintf(t->id, sizeof t->id, "%s", id);
	if (loaded < 0 && loaded != -ENODATA)
		log_warn("%s", err_text());
	TRY(journal_read(t->dir_fd, &j));
	t->rdt = j.rdt;
	memcpy(t->net_owner, j.net_owner, sizeof t->net_owner);
	memcpy(t->net_home, j.net_home, sizeof t->net_home);
	if (loaded >= 0) {
		from_state(t, s, &j);
		*steps = ~UINT64_C(0);
		return 0;
	}
	TRY(from_journal(t, &j, steps));
	/* A corrupt record and no journal to replace it: nothing is concluded. */
	return loaded != -ENODATA && t->pid <= 0 && !t->cg.hiers
		? fail(-loaded, "state of %s is corrupt, and there is no journal", id) : 0;
}
