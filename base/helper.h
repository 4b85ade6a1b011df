/*
 * Our own helper executables (vzrun-image, vzrun-net): in VZRUN_LIBEXEC and nowhere else if that is set, or beside
 * vzrun as it was called, or in PREFIX/libexec/vzrun.
 */
#pragma once
#include <limits.h>

/* The directory that vzrun was called from; the string is kept. It runs from a copy without a path (rule R1). */
void helper_set_dir(const char *dir);
/* ERR_UNSUPPORTED, naming the places that were looked at. */
int helper_find(const char *name, char path[PATH_MAX]);
