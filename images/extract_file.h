/* Creating one member, in a directory that is open already. */
#pragma once
#include "images/extract.h"

struct place { int dir; const char *name, *path; };	/* path: for messages */

/* Makes room: 1 when a directory is there already (and may stay), 2 when a whiteout of ours was removed. */
int place_clear(const struct place *p, enum tar_type type);
/* A directory that has no member of its own, if there is none: 2 when a whiteout of ours was removed for it. */
int place_parent(const struct place *p);
int place_file(const struct place *p, struct tar *t, const struct tar_entry *e, bool plain);
int place_dir(const struct place *p, struct tar *t, const struct tar_entry *e, bool exists, bool plain);
int place_symlink(const struct place *p, struct tar *t, const struct tar_entry *e, const char *target);
int place_node(const struct place *p, struct tar *t, const struct tar_entry *e);
/* 1 when a directory is there already: the caller makes it opaque. */
int place_whiteout(const struct place *p);
