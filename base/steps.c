#include "base/steps.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"

int steps_unwind(const struct step *s, size_t n, void *ctx, uint64_t done)
{
	struct err_saved first = { 0 };
	int failed = 0;

	while (n-- > 0) {
		int r = 0;

		if (s[n].undo && (done & (UINT64_C(1) << n)))
			r = s[n].undo(ctx);
		if (r < 0 && !failed) {
			fail_in(r, "undo \"%s\"", s[n].name);
			failed = r;
			err_save(&first);
		} else if (r < 0) {
			log_warn("cannot undo \"%s\": %s", s[n].name, err_text());
		}
	}
	if (failed)
		err_restore(&first);
	return failed;
}

static int one(const struct step *s, size_t i, void *ctx, steps_record *record)
{
	/* On record before it runs: killed half way, it is still undone later. */
	if (i > 0 && record)
		TRY(record(ctx, i));
	TRY(fault_point(s[i].name));
	return s[i].run(ctx);
}

int steps_run(const struct step *s, size_t n, void *ctx, steps_record *record)
{
	for (size_t i = 0; i < n; i++) {
		int r = one(s, i, ctx, record);
		struct err_saved why;

		if (r >= 0)
			continue;
		err_save(&why);
		if (steps_unwind(s, n, ctx, (UINT64_C(1) << i) - 1) < 0)
			log_warn("rolling back: %s", err_text());
		err_restore(&why);
		return r;
	}
	return 0;
}
