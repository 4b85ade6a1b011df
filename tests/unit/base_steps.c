#include "base/steps.h"
#include "base/proc.h"
#include "base/scope.h"
#include "base/undo.h"
#include "tests/unit/unit.h"

#include <stdio.h>

struct ctx { char log[256]; int fail_at, undo_fails; };

static void note(struct ctx *c, const char *what, int i)
{
	size_t n = strlen(c->log);

	snprintf(c->log + n, sizeof c->log - n, "%s%d ", what, i);
}

static int run(struct ctx *c, int i)
{
	note(c, "r", i);
	return c->fail_at == i ? fail(EIO, "step %d broke", i) : 0;
}

static int undo(struct ctx *c, int i)
{
	note(c, "u", i);
	return c->undo_fails == i ? fail(EBUSY, "stuck") : 0;
}

static int run0(void *p) { return run(p, 0); }
static int run1(void *p) { return run(p, 1); }
static int run2(void *p) { return run(p, 2); }
static int undo0(void *p) { return undo(p, 0); }
static int undo1(void *p) { return undo(p, 1); }
static int undo2(void *p) { return undo(p, 2); }

static const struct step table[] = { { "zero", run0, undo0 }, { "one", run1, undo1 }, { "two", run2, undo2 } };

static int record(void *p, size_t i)
{
	note(p, "j", (int)i);
	return 0;
}

TEST(all_run)
{
	struct ctx c = { .fail_at = -1, .undo_fails = -1 };

	CHECK(steps_run(table, 3, &c, record) == 0);
	CHECK_STR(c.log, "r0 j1 r1 j2 r2 ");
}

TEST(a_failure_unwinds_what_is_above)
{
	struct ctx c = { .fail_at = 2, .undo_fails = -1 };

	CHECK_FAILS(steps_run(table, 3, &c, record), "step 2 broke");
	CHECK_STR(c.log, "r0 j1 r1 j2 r2 u1 u0 ");
}

TEST(a_failed_claim_undoes_nothing)
{
	struct ctx c = { .fail_at = 0, .undo_fails = -1 };

	CHECK_FAILS(steps_run(table, 3, &c, record), "step 0 broke");
	CHECK_STR(c.log, "r0 ");
}

TEST(unwinding_goes_on_after_a_failure)
{
	struct ctx c = { .fail_at = -1, .undo_fails = 1 };

	CHECK_FAILS(steps_unwind(table, 3, &c, ~UINT64_C(0)), "undo \"one\": stuck");
	CHECK_STR(c.log, "u2 u1 u0 ");
	memset(c.log, 0, sizeof c.log);
	c.undo_fails = -1;
	CHECK(steps_unwind(table, 3, &c, 5) == 0);
	CHECK_STR(c.log, "u2 u0 ");
}

static char order[32];
static int add(void *arg)
{
	size_t n = strlen(order);

	snprintf(order + n, sizeof order - n, "%d", *(int *)arg);
	return 0;
}

static int three(int fail_after, bool commit)
{
	auto_undo struct undo u = { 0 };

	for (int i = 0; i < 3; i++) {
		if (i == fail_after)
			return fail(EIO, "broke");
		TRY(undo_push(&u, "thing", add, &i, sizeof i));
	}
	if (commit)
		undo_commit(&u);
	return 0;
}

TEST(undo_is_newest_first)
{
	order[0] = '\0';
	CHECK(three(9, false) == 0);
	CHECK_STR(order, "210");
	order[0] = '\0';
	CHECK_FAILS(three(2, false), "broke");
	CHECK_STR(order, "10");
	order[0] = '\0';
	CHECK(three(9, true) == 0);
	CHECK_STR(order, "");
}

TEST(helper_processes)
{
	auto_buf struct buf out = { 0 }, err = { 0 };
	const char *cat[] = { "cat", NULL }, *sh[] = { "sh", "-c", "echo out; echo err >&2; exit 3", NULL };
	const char *slow[] = { "sleep", "100", NULL }, *none[] = { "/no/such/program", NULL };
	int status = -1;

	CHECK(proc_run(&(struct proc_req){ .path = "cat", .argv = cat, .in = "fed", .in_n = 3, .out = &out }, &status) == 0);
	CHECK(status == 0);
	CHECK_STR(buf_text(&out), "fed");
	buf_free(&out);
	CHECK(proc_run(&(struct proc_req){ .path = "sh", .argv = sh, .out = &out, .err = &err }, &status) == 0);
	CHECK(status == 3);
	CHECK_STR(buf_text(&out), "out\n");
	CHECK_STR(buf_text(&err), "err\n");
	CHECK_FAILS(proc_run(&(struct proc_req){ .path = none[0], .argv = none }, &status),
		    "run /no/such/program: No such file or directory");
	CHECK_FAILS(proc_run(&(struct proc_req){ .path = "sleep", .argv = slow, .timeout_ms = 50 }, &status),
		    "sleep did not end within 50 ms");
	CHECK(status == 128 + 9);
}

UNIT_MAIN(UNIT(all_run), UNIT(a_failure_unwinds_what_is_above), UNIT(a_failed_claim_undoes_nothing),
	  UNIT(unwinding_goes_on_after_a_failure), UNIT(undo_is_newest_first), UNIT(helper_processes))
