/*
 * One table is create, rollback and delete. Steps run top to bottom. A step that
 * fails leaves nothing of its own behind (see undo.h); the ones above it are
 * unwound. Deleting, and recovering from a crash, unwind the ones on record.
 *
 * The first step claims the name and makes the record, so it is not on record
 * before it succeeded: undoing a claim that failed would destroy what somebody
 * else owns. Undo depends only on what is on record, and runs newest first.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct step {
	const char *name;
	int (*run)(void *ctx);
	int (*undo)(void *ctx);		/* idempotent, already gone = success; NULL: nothing to give back */
};

/* Called before each run but the first: step `i` may have had effects from here on. */
typedef int steps_record(void *ctx, size_t i);

int steps_run(const struct step *s, size_t n, void *ctx, steps_record *record);
/* Bit i of `done`: step i is on record. Tries every undo; returns the first failure. */
int steps_unwind(const struct step *s, size_t n, void *ctx, uint64_t done);
