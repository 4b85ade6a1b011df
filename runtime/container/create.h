/* One creation, between its preparation (create_prepare.c) and its steps (create.c). The room's own. */
#pragma once
#include "runtime/container/teardown.h"

#include <limits.h>

/* Everything of one creation. The steps and their undo are in teardown.h's table. */
struct create {
	struct teardown t;		/* what undo needs; first, so that one table serves both */
	const struct container_req *req;
	const struct spec *spec;
	bool run;
	char bundle[PATH_MAX], rootfs[PATH_MAX], config[PATH_MAX], created[40];
	uint64_t more_namespaces;	/* CLONE_NEW*: the first process is in one that the configuration does not name */
	struct child child;
	struct launch launch;
	struct container *out;
};

/* Opens, checks and computes all that the steps and the child need; nothing has an effect yet. */
int create_prepare(struct create *c);
/* update.c: the limits, with the devices that every container may use added to the rules. */
int limits_complete(struct arena *a, const struct cg_resources *wanted, struct cg_resources *out);
/* restore.c: whether it can be tried at all, and the step that starts the first process. */
int restore_check(const struct container_req *req);
int restore_init(struct create *c);
