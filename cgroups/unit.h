/*
 * What vzrun asks of vzrun-systemd, which has the library that is too heavy for every start: a JSON object of
 * unit_req_record on its stdin, the control group of a started unit on its stdout. For cgroups/ only.
 */
#pragma once
#include "cgroups/internal.h"

enum unit_action {
	UNIT_START = 1,		/* a transient unit, with a process in it if it is a scope */
	UNIT_SET,		/* other limits for a unit */
	UNIT_ATTACH,		/* one more process */
	UNIT_STOP,		/* it may be gone already */
};
extern const struct name unit_actions[];

struct unit_req {
	int action;
	bool user;			/* the user's manager, not the system's */
	bool v2;			/* the limits are in the v2 tree */
	bool only_ours;			/* UNIT_STOP: leave it alone unless it has this description */
	const char *unit, *slice, *description, *sub;	/* sub: UNIT_ATTACH into a group below */
	struct opt_i64 pid;
	struct cg_resources *resources;
	struct map properties;		/* annotations org.systemd.property.NAME */
};
extern const struct record unit_req_record;

#define UNIT_ANNOTATION "org.systemd.property."
static inline bool unit_is_slice(const char *unit) { return str_ends(unit, ".slice"); }
