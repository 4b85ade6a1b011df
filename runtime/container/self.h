/*
 * Rule R1: what runs beside a container is a copy that nothing inside can write to. Before anything else the
 * runtime becomes a program of a detached read-only mount of its own file: by mapping itself from there, or
 * by executing itself again, from there or from a sealed memfd where it may not mount (CVE-2019-5736).
 */
#pragma once

/* Carries the executable's directory over the re-execution: the copy has no path. */
#define SELF_DIR_VARIABLE "_VZRUN_SELF"

/*
 * "_VZRUN_SELF=/usr/local/bin", of self.c and self_entry.c; nothing behind the "=" when the place is not
 * known. Neither is zero at the start: their page of .data is written to in any case, one of .bss would be a
 * page more.
 */
enum { SELF_VARIABLE_MAX = 1000, SELF_PREFIX = sizeof SELF_DIR_VARIABLE };
extern char self_variable[SELF_VARIABLE_MAX];
/* The mount's descriptor, still open, from self_entry.c; -1: none. */
extern int self_tree;

/*
 * self_entry, the program's entry point in static builds (self_entry.c), has usually done it before libc came
 * to life; then this only looks. Returns 0 in the protected process. Called first in main().
 */
int self_protect(char **argv);
/* A descriptor of a sealed copy of a program, to be executed where the program could be written to. */
int self_sealed_copy(int exe);
/* The directory of the executable as it was called first, for finding its helpers; "" when unknown. */
const char *self_dir(void);
/*
 * Closes what the protection left open. The last one to close a detached mount waits for a grace period: so
 * it is done where there is nothing to do but wait, and the end of the process does it for who never comes
 * there.
 */
void self_settle(void);
