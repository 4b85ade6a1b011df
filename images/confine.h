/*
 * A function in a process of its own that can do no harm: the target directory is its whole
 * file system, it has no network and no other process in sight, and of root's capabilities
 * only those that writing files with owners takes. It talks through one pipe.
 */
#pragma once
#include "images/limits.h"
#include <stdbool.h>

struct confine {
	const char *target;	/* absolute; NULL: an empty read-only root */
	int keep;		/* the one descriptor it takes along */
	bool devices;		/* CAP_MKNOD too */
	uint64_t bytes;		/* no file larger than this */
};

/* In the child. root: the target (-1 without). Its failure is passed on with text and class. */
typedef int confine_fn(void *ctx, int root, int report);
/* In the parent, for every word of the child. */
typedef int confine_heard(void *ctx, char what, const char *text);

int confine_run(const struct confine *c, confine_fn *fn, void *ctx, confine_heard *heard, void *heard_ctx);
/* In the child: say one word. */
int confine_say(int report, char what, const char *text);
