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
	{ "first process", create_init,   teardown_init },
	{ "record",        create_record, NULL },
};

int teardown_claim(void *p)
{
	struct teardown *t = p;

	return t->incomplete ? 0 : state_drop(t->root_fd, t->id);
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

int teardown_cgroup(void *p)
{
	struct teardown *t = p;
	bool killed = t->cg.made && !t->group_unsure;

	if (!t->cg.hiers)
		return 0;
	/* Only in a group of our own making: an engine's group may hold the engine's processes. */
	if (killed)
		TRY(cg_kill(&t->cg, SIGKILL));
	int r = cg_remove(&t->cg);
	if (r == -EBUSY && killed) {
		wait_killed(&t->cg);
		r = cg_remove(&t->cg);
	}
	if (r == -EBUSY && t->group_unsure) {
		err_clear();
		return 0;
	}
	t->incomplete |= r < 0;
	return r;
}

int teardown_init(void *p)
{
	struct teardown *t = p;
	auto_close int fd = sys_pidfd_of(t->pid, t->start_time);

	if (fd < 0)
		return 0;
	/* A frozen process does not die. */
	if (t->cg.hiers && cg_is_frozen(&t->cg) == 1)
		(void)cg_freeze(&t->cg, false);
	if (sys_pidfd_kill(fd, SIGKILL) < 0 && errno != ESRCH)
		return fail_errno("kill process %d", (int)t->pid);
	if (sys_pidfd_wait(fd, -1) < 0)
		return fail_errno("wait for process %d", (int)t->pid);
	if (t->ours)
		(void)TEMP_FAILURE_RETRY(waitpid(t->pid, NULL, 0));
	return 0;
}

static int from_journal(struct teardown *t, uint64_t *steps)
{
	static struct journal j;

	TRY(journal_read(t->dir_fd, &j));
	*steps = j.steps | 1;
	t->pid = j.pid;
	t->start_time = j.start_time;
	if (!*j.cgroup)
		return 0;
	if (j.cgroup_made) {
		memcpy(t->cg.path, j.cgroup, sizeof t->cg.path);
		t->cg.hiers = j.hiers;
		t->cg.made = j.made;
		return 0;
	}
	/* Killed while making it: whatever is there and empty was begun by us or is nobody's. */
	if (cg_open(&t->cg, j.cgroup) < 0) {
		err_clear();
		t->cg.hiers = 0;
	}
	t->group_unsure = true;
	return 0;
}

int teardown_load(struct teardown *t, const char *id, uint64_t *steps)
{
	auto_state struct state s = { 0 };
	int r = state_load(t->dir_fd, id, &s);

	snprintf(t->id, sizeof t->id, "%s", id);
	if (r < 0 && r != -ENODATA) {
		/* The journal knows enough to take it down; without one nothing is concluded. */
		log_warn("%s", err_text());
		TRY(from_journal(t, steps));
		return t->pid > 0 ? 0 : r;
	}
	if (r < 0)
		return from_journal(t, steps);
	t->pid = (pid_t)s.pid.v;
	t->start_time = s.start_time.v;
	if (s.cgroup.path) {
		snprintf(t->cg.path, sizeof t->cg.path, "%s", s.cgroup.path);
		t->cg.hiers = s.cgroup.hiers.v;
		t->cg.made = s.cgroup.made.v;
	}
	*steps = ~UINT64_C(0);
	return 0;
}
