/*
 * What SELinux or AppArmor denied to processes of one label or profile, as far as the logs remember it: auditd's, or
 * the kernel's own where there is no auditd. Both need root; who may not read them learns of none.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* "": nobody's. since: as clock_stamp() has it; what is older was somebody else's of that name. */
struct denied_to { const char *label, *profile, *since, *keeper; };	/* keeper: a second label, or NULL */
struct denial {
	const char *by;			/* "SELinux", "AppArmor" */
	char operation[32];		/* AppArmor's; SELinux has none */
	char perms[64];			/* may be "" with AppArmor */
	char program[64], object[256];
	char class[32], target[256];	/* SELinux's, of the object */
	char record[1024];
};
/* A line of a log: is it a denial of theirs? */
bool denial_parse(const char *line, const struct denied_to *who, struct denial *out);
/* The last ones, oldest first. */
size_t denials_of(const struct denied_to *who, struct denial *out, size_t max);
