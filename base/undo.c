#include "base/undo.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct undo_entry {
	struct undo_entry *next;
	const char *what;
	undo_fn *fn;
	_Alignas(max_align_t) char arg[];
};

int undo_push(struct undo *u, const char *what, undo_fn *fn, const void *arg, size_t size)
{
	struct undo_entry *e = malloc(sizeof *e + size);

	if (!e) {
		/* What we cannot remember we give back now. */
		(void)fn((void *)(uintptr_t)arg);
		return fail(ENOMEM, "remember how to undo %s: out of memory", what);
	}
	*e = (struct undo_entry){ .next = u->top, .what = what, .fn = fn };
	memcpy(e->arg, arg, size);
	u->top = e;
	return fault_point(what);
}

static struct undo_entry *pop(struct undo *u)
{
	struct undo_entry *e = u->top;

	if (e)
		u->top = e->next;
	return e;
}

void undo_commit(struct undo *u)
{
	for (struct undo_entry *e; (e = pop(u));)
		free(e);
}

void undo_rollback(struct undo *u)
{
	struct err_saved pending;
	int saved = errno;

	err_save(&pending);
	for (struct undo_entry *e; (e = pop(u));) {
		if (e->fn(e->arg) < 0)
			log_warn("cannot undo %s: %s", e->what, err_text());
		free(e);
	}
	err_restore(&pending);
	errno = saved;
}
