/*
 * What the host has one of and a guest holds while it does not run, whatever its VZRUN_HOME: a link in a directory of
 * claims, named for the thing, to the path of who has it. It outlives the machine, and is nobody's when that path is
 * gone. Links come and go under the directory's lock.
 */
#pragma once
#include <stdbool.h>

/* Locked; the descriptor is the caller's. -ENOENT without a message when it is not there and shall not be made. */
int claims_open(const char *path, bool make);
/* 1: it is owner's (absolute, however spelt); 0: it is another's. */
int claims_take(int claims, const char *name, const char *owner);
/* Whether it is somebody's other than owner (NULL: anybody's), who lives. Takes no lock. -errno. */
int claims_held(const char *path, const char *name, const char *owner);
/*
 * Drops the claims of owner, or (NULL) those of whoever is no more, and the directory when it is empty. How many.
 */
int claims_drop(const char *path, const char *owner);
