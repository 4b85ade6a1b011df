/* The parts of lsm.c that need no LSM, for the unit tests. */
#pragma once
#include <stddef.h>

/* context="LABEL"; -ENAMETOOLONG. */
int lsm_quote_option(const char *kind, const char *label, char *out, size_t size);
/*
 * One write to TGID/task/TID/NAME of the calling thread. -ENOENT (no message): there is no such file; -ENXIO: the
 * kernel knows nothing of the name in `text`.
 */
int lsm_write_own(int procfd, const char *name, const char *text);
