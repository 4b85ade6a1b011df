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
