/*
 * Capabilities of the container's process. The order in the child:
 *
 *	caps_drop_bounding()	while CAP_SETPCAP is still held
 *	PR_SET_KEEPCAPS, setresgid, setgroups, setresuid
 *	caps_apply()		permitted, effective, inheritable, then ambient
 *	caps_verify()		last, with the text of /proc/self/status (rule R11)
 */
#pragma once
#include "base/bind.h"
#include <stdint.h>

/* Bit n is capability n. */
struct cap_sets { uint64_t bounding, effective, permitted, inheritable, ambient; };

/*
 * "CAP_*" names (case-insensitive) to a mask. What is no capability of the running kernel is left out with a
 * warning, as the specification wants it.
 */
uint64_t caps_parse(const struct strv *names);
/* "CAP_CHOWN"; NULL for a number without a name. */
const char *caps_name(unsigned cap);
/* All that the running kernel knows. */
uint64_t caps_known(void);
/* Are all of these ours? */
bool caps_hold(uint64_t wanted);

/*
 * What this process cannot give is taken out, with a warning that names it; effective is then within permitted. In
 * a new user namespace everything can be given: do not clamp.
 */
int caps_clamp(struct cap_sets *s);
/*
 * Ambient within inheritable and permitted: last, in every namespace. What is taken out is told for a user other than
 * root: root's programs have all that is permitted without it, and Buildah asks for some with every RUN.
 */
void caps_fit_ambient(struct cap_sets *s, bool root);

int caps_drop_bounding(const struct cap_sets *s);
/* Keeps nothing else. Allocates nothing. */
int caps_apply(const struct cap_sets *s);

struct caps_plan {
	struct cap_sets sets;
	bool no_new_privs;
	int seccomp_mode;	/* 0, or 2: a filter */
};
/* `status` is the text of /proc/self/status; -EPERM names the first line that differs from the plan. */
int caps_verify(const struct caps_plan *plan, const char *status);
