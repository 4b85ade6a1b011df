/* What this host has and lacks for vzrun: a question a row, asked of the kernel by use where that can be. */
#pragma once
#include "base/str.h"

enum doctor_state { DOCTOR_OK, DOCTOR_PART, DOCTOR_LACKS };
struct doctor_answer {
	enum doctor_state state;
	char text[200];			/* what was found */
};
struct doctor_check {
	const char *name;
	/* home: VZRUN_HOME, which need not exist. */
	void (*look)(struct doctor_answer *a, const struct doctor_check *c, const char *home);
	const char *arg;		/* of look() */
	const char *needed;		/* what does not work without it */
	const char *remedy;		/* what to install or to set */
	bool optional;			/* vzrun's main job goes without */
};
extern const struct doctor_check doctor_checks[];	/* ends with a zeroed row */
const char *doctor_state_name(enum doctor_state s);	/* "ok", "partly", "lacks" */

/* doctor_try.c: what may have an effect is tried by a child. 0, or the errno that it says. */
int doctor_try(int (*fn)(const void *arg), const void *arg);
int try_userns(const void *unused);
int try_idmap(const void *dir);		/* the ids of a tree, shifted */
int try_fs(const void *type);
int try_link(const void *kind);
int try_nftables(const void *unused);
