/* What checkpoint and restore share. The room's own. */
#pragma once
#include "runtime/container/checkpoint.h"
#include "runtime/container/criu.h"

struct image { int dir, work; const char *path, *work_path, *log; };
#define IMAGE_CLOSED { .dir = -1, .work = -1 }

/* Opens (create: makes, 0700) the two directories. */
int image_open(const struct checkpoint_opts *o, bool create, const char *log, struct image *out);
void image_close(struct image *i);
/* The options that dump and restore have in common. notes: the annotations of the container. */
int image_options(const struct checkpoint_opts *o, const struct image *i, const struct map *notes,
		  struct buf *opts);
/* criu is ready for lazy pages: whoever waits on --status-fd is told. */
void image_ready(const struct checkpoint_opts *o, const char *script);
/* A list of words that dump wrote beside criu's files; empty when there is no such file. */
int image_list(const struct image *i, const char *name, struct strv *out, struct arena *a,
	       struct json **tree);

/* ---- restore_mounts.c ---- */
struct create;
/*
 * Tells criu where on this host the mounts are that came from outside, by the configuration. Only in a mount
 * namespace of our own: what lay inside a volume is resolved on descriptors that cannot leave it, and handed
 * over as a mount at a place that nobody else sees, over the directory of the container's state.
 */
int restore_external_mounts(const struct create *c, const struct image *image, struct buf *opts);
/* Takes that place away, which keeps the directory of the state from being removed. */
void restore_forget_mounts(const struct create *c);
/* Places in the root that the image mounts on must be there; what lies on another mount comes with that. */
int restore_mountpoints(const struct create *c);
