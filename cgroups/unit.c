/* Groups that systemd makes: asked for through vzrun-systemd. */
#include "cgroups/unit.h"
#include "base/fault.h"
#include "base/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* The bus itself is given two seconds a word (systemd_bus.c); this is for a helper that hangs. */
enum { TIMEOUT_MS = 60000 };

static int ask(struct unit_req *q, struct buf *answer)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	int tree = cg_v2_hier(), r;

	if (access("/run/systemd/system", F_OK) < 0) {
		r = fail_as(ERR_UNSUPPORTED,
			    "cgroup manager systemd: systemd is not running here (there is no /run/systemd/system)");
		err_try("--cgroup-manager cgroupfs");
		return r;
	}
	q->user = cg_rootless();
	q->v2 = tree >= 0 && cg_ctl_hier(CTL_MEMORY) != -1 ? cg_ctl_hier(CTL_MEMORY) == tree
							   : cg_host()->layout == CG_V2;
	bind_encode(&o, NULL, &unit_req_record, q);
	if (b.oom)
		return fail(ENOMEM, "unit %s: out of memory", q->unit);
	TRY(fault_point("talk to systemd"));
	return helper_run(&(struct helper_call){ .name = "vzrun-systemd", .verb = "unit",
						 .what = "cgroup manager systemd", .in = b.p, .in_n = b.n,
						 .out = answer, .timeout_ms = TIMEOUT_MS });
}

/* ---- the anchor ---- */

static _Noreturn void hold(pid_t parent)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	for (;;)
		pause();
}

static int drop_anchor(struct cg *cg)
{
	pid_t self = getpid();

	cg->anchor = fork();
	if (cg->anchor == 0)
		hold(self);
	return cg->anchor < 0 ? fail_errno("cgroup manager systemd: fork") : 0;
}

void cg_unit_release(struct cg *cg)
{
	if (cg->anchor <= 0)
		return;
	(void)kill(cg->anchor, SIGKILL);
	(void)TEMP_FAILURE_RETRY(waitpid(cg->anchor, NULL, 0));
	cg->anchor = 0;
}

/* ---- the verbs ---- */

static void describe(const char *id, char *out, size_t size)
{
	snprintf(out, size, "vzrun container %s", id);
}

static int stop(const char *unit, const char *ours)
{
	auto_buf struct buf answer = { 0 };

	return ask(&(struct unit_req){ .action = UNIT_STOP, .unit = unit, .description = ours, .only_ours = ours },
		   &answer);
}

static int adopt(struct cg *cg, const struct buf *answer, const struct cg_resources *r)
{
	char path[CG_PATH_MAX];

	snprintf(path, sizeof path, "%s", buf_text(answer));
	path[strcspn(path, "\n")] = '\0';
	if (path[0] != '/')
		return fail(EPROTO, "cgroup manager systemd: it named no control group of %s", cg->unit);
	return cg_make(cg, path, r, CG_EVERYWHERE, true);
}

int cg_unit_create(struct cg *cg, const struct cg_unit *u, const char *id, const struct map *annotations,
		   const struct cg_resources *r)
{
	auto_buf struct buf answer = { 0 };
	char description[1100];
	struct unit_req q = { .action = UNIT_START, .unit = u->name, .slice = u->slice, .description = description,
			      .resources = (struct cg_resources *)r };
	int ret = 0;

	*cg = (struct cg){ .told = r };
	describe(id, description, sizeof description);
	if (annotations)
		q.properties = *annotations;
	snprintf(cg->unit, sizeof cg->unit, "%s", u->name);
	if (!unit_is_slice(u->name)) {
		TRY(drop_anchor(cg));
		q.pid = (struct opt_i64){ cg->anchor, true };
	}
	ret = ask(&q, &answer);
	if (ret >= 0) {
		ret = adopt(cg, &answer, r);
		if (ret < 0) {
			struct err_saved why;

			err_save(&why);
			cg_unit_release(cg);
			(void)stop(u->name, NULL);
			err_restore(&why);
		}
	}
	if (ret < 0) {
		cg_unit_release(cg);
		cg->unit[0] = '\0';
	}
	return ret;
}

int cg_unit_set(const struct cg *cg, const struct cg_resources *r)
{
	auto_buf struct buf answer = { 0 };

	return ask(&(struct unit_req){ .action = UNIT_SET, .unit = cg->unit, .resources = (struct cg_resources *)r },
		   &answer);
}

int cg_unit_stop(const struct cg *cg)
{
	return stop(cg->unit, NULL);
}

int cg_unit_settle(const char *unit, const char *id)
{
	char description[1100];

	describe(id, description, sizeof description);
	return stop(unit, description);
}

int cg_join_by_systemd(const struct cg_join *j, pid_t pid)
{
	auto_buf struct buf answer = { 0 };

	return ask(&(struct unit_req){ .action = UNIT_ATTACH, .unit = j->by_systemd->unit, .pid = { pid, true },
				       .sub = j->sub },
		   &answer);
}
