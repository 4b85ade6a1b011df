/*
 * Rule R1: what runs beside a container is a copy that nothing inside can write to.
 * Before anything else the runtime executes itself again from a detached read-only mount
 * of its own file, or from a sealed memfd where it may not mount (CVE-2019-5736).
 */
#pragma once

/* Carries the executable's directory over the re-execution: the copy has no path. */
#define SELF_DIR_VARIABLE "_VZRUN_SELF"

/*
 * self_entry, the program's entry point in static builds (self_entry.c), has usually done it before libc came to life;
 * then this only looks. Returns 0 in the protected process. Called first in main(). */
int self_protect(char **argv);
/* The directory of the executable as it was called first, for finding its helpers; "" when unknown. */
const char *self_dir(void);
