#include "cli/cmd.h"
#include "base/file.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "runtime/guest/doctor.h"
#include "runtime/guest/exposure.h"

#include <fcntl.h>
#include <string.h>

/* What the host has and lacks; what a guest exposes. */

const struct opt doctor_opts[] = {
	OSTR(struct doctor_args, 0, "inside", "NAME", inside,
	     "what a running guest or container exposes, as a score"),
	OSTR(struct doctor_args, 0, "report", "FILE", report,
	     "the same of what vzrun-probe wrote elsewhere on this host"),
	{ 0 }
};

enum { SHOWN = 4 };

/* The first findings of a row, as many as a line takes. */
static void findings(struct table *t, const struct exposure *e, unsigned row)
{
	auto_buf struct buf b = { 0 };
	unsigned n = 0;

	for (size_t i = 0; i < e->n && n < SHOWN; i++)
		if (e->items[i].row == row)
			buf_printf(&b, "%s%.48s", n++ ? ", " : "", e->items[i].text);
	if (e->count[row] > n)
		buf_printf(&b, ", %u more", e->count[row] - n);
	table_str(t, n ? buf_text(&b) : "-");
}

static int exposure_table(const struct exposure *e)
{
	static const char *const head[] = { "ROW", "COUNT", "WEIGHT", "VERDICT", "FINDING", NULL };
	auto_table struct table t = { .head = head, .right = 1 << 1 | 1 << 2 };

	for (unsigned row = 0; row < EXPOSURE_ROWS; row++) {
		table_str(&t, exposure_rows[row].name);
		table_cell(&t, "%u", e->count[row]);
		table_cell(&t, "%u", exposure_rows[row].weight);
		table_str(&t, exposure_verdict(e, row));
		findings(&t, e, row);
	}
	TRY(table_print(&t));
	printf("score %u (fewer is better)\n", e->score);
	return 0;
}

static int exposure_json(const char *name, const struct exposure *e)
{
	auto_buf struct buf b = { 0 };
	struct jout o;

	out_open(&o, &b);
	jout_str(&o, "name", name);
	jout_u64(&o, "score", e->score);
	jout_open(&o, "rows", '[');
	for (unsigned row = 0; row < EXPOSURE_ROWS; row++) {
		const struct exposure_row *r = &exposure_rows[row];

		jout_open(&o, NULL, '{');
		jout_str(&o, "row", r->name);
		jout_str(&o, "what", r->what);
		jout_u64(&o, "count", e->count[row]);
		jout_u64(&o, "weight", r->weight);
		jout_u64(&o, "usual", r->usual);
		jout_str(&o, "verdict", exposure_verdict(e, row));
		jout_str(&o, "why", r->why);
		jout_open(&o, "findings", '[');
		for (size_t i = 0; i < e->n; i++)
			if (e->items[i].row == row)
				jout_str(&o, NULL, e->items[i].text);
		jout_close(&o, ']');
		jout_close(&o, '}');
	}
	jout_close(&o, ']');
	return out_close(&o);
}

static int running(const struct cli *g, const char *name)
{
	struct guest_where at = guest_at(g);
	pid_t pid;

	if (!guest_exists(&at, name)) {
		err_clear();
		return 0;
	}
	if (guest_status(&at, name, &pid) != GUEST_STOPPED)
		return 0;
	fail_as(ERR_STATE, "guest \"%s\" is not running", name);
	err_try("vzrun start %s", name);
	return -EBUSY;
}

static int inside_run(struct cli *g, const struct doctor_args *a)
{
	auto_arena struct arena arena = { 0 };
	auto_buf struct buf report = { 0 };
	auto_free char *text = NULL;
	struct exposure e;
	struct map facts;

	if (a->inside) {
		TRY(running(g, a->inside));
		TRY_IN(exposure_inside(g->root, a->inside, &report), "%s", a->inside);
	} else {
		int r = file_read_named(AT_FDCWD, a->report, &text, NULL);

		TRY(r == -ENOENT ? fail_class(r, ERR_NOT_FOUND) : r);
	}
	TRY(exposure_host(&arena, &facts));
	if (a->inside)
		TRY(exposure_limits(&arena, g->root, a->inside, &facts));
	TRY_IN(exposure_read(&arena, a->inside ? buf_text(&report) : text, &facts, &e), "%s",
	       a->inside ? a->inside : a->report);
	return g->json ? exposure_json(a->inside ? a->inside : a->report, &e) : exposure_table(&e);
}

static void host_json(struct jout *o, const struct doctor_check *c, const struct doctor_answer *a)
{
	jout_open(o, NULL, '{');
	jout_str(o, "name", c->name);
	jout_str(o, "state", doctor_state_name(a->state));
	jout_str(o, "found", a->text);
	jout_str(o, "needed", c->needed);
	jout_bool(o, "optional", c->optional);
	jout_str(o, "remedy", a->state == DOCTOR_OK ? NULL : c->remedy);
	jout_close(o, '}');
}

/* ERR_UNSUPPORTED, as status or error, when the main job cannot be done; what is optional may be missing. */
static int host_run(struct cli *g)
{
	static const char *const head[] = { "WHAT", "STATE", "FOUND", "NEEDED FOR", "TRY", NULL };
	auto_table struct table t = { .head = head };
	auto_buf struct buf b = { 0 }, lacks = { 0 };
	struct jout o;

	out_open(&o, &b);
	jout_open(&o, "checks", '[');
	for (const struct doctor_check *c = doctor_checks; c->name; c++) {
		struct doctor_answer a = { 0 };

		c->look(&a, c, g->home);
		host_json(&o, c, &a);
		table_str(&t, c->name);
		table_str(&t, doctor_state_name(a.state));
		table_str(&t, a.text);
		table_str(&t, c->needed);
		table_str(&t, a.state == DOCTOR_OK ? "" : c->remedy);
		if (a.state == DOCTOR_LACKS && !c->optional)
			buf_printf(&lacks, "%s%s", lacks.n ? ", " : "", c->name);
	}
	jout_close(&o, ']');
	TRY(g->json ? out_close(&o) : table_print(&t));
	if (!lacks.n)
		return 0;
	/* The object has said it all. */
	return g->json ? ERR_UNSUPPORTED : fail_as(ERR_UNSUPPORTED, "this host lacks %s", buf_text(&lacks));
}

int doctor_run(struct cli *g, void *args, int argc, char **argv)
{
	const struct doctor_args *a = args;

	(void)argc;
	(void)argv;
	if (a->inside && a->report)
		return fail_as(ERR_USAGE, "--inside and --report are two questions");
	return a->inside || a->report ? inside_run(g, a) : host_run(g);
}
