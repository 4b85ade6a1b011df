/* Suspending a guest and going on with it. `checkpoint`, `restore` and the keeper. */
#pragma once
#include "runtime/container/checkpoint.h"
#include "runtime/guest/label.h"
#include "runtime/guest/life.h"

/*
 * Its processes go to HOME/guests/NAME/checkpoint and are ended. Of o count criu, ext_unix_sk and shell_job. A failure
 * lets it run on, ERR_CHECKPOINT with criu's reason. ERR_STATE: it does not run.
 */
int guest_checkpoint(const struct guest_where *at, const char *name, const struct checkpoint_opts *o);
/* guest_start() from the checkpoint, which a failure keeps and success removes. ERR_STATE: there is none. */
int guest_restore(const struct guest_where *at, const char *name, const struct checkpoint_opts *o,
		  struct guest_started *out);
/* Of a stopped guest: its processes are given up, and it may be started. ERR_STATE: there is none. */
int guest_discard(const struct guest_where *at, const char *name);
int guest_look_suspended(int dir_fd);		/* 1: it has a checkpoint, 0: it has none */
bool guest_suspended(int dir_fd);		/* the same for who only tells; false when it cannot be looked at */
int guest_checkpoint_drop(int dir_fd);		/* whatever there is of one */
int guest_checkpoint_sweep(int dir_fd);		/* what killed commands left, not a whole one; how many */

/* ---- for the keeper ---- */
struct checkpoint_note { struct opt_u32 base; const char *boot_id; };	/* boot_id NULL: none */
struct guest_restore { struct checkpoint_opts opts; struct checkpoint_note note; struct arena arena; };
int checkpoint_open(struct guest_restore *r, const struct guest *g, const struct guest_labels *l);
/* From here on it is not restored again, unless checkpoint_close() says that it was not restored. */
int checkpoint_spend(const struct guest *g);
/* The range of ids from base on stays its while it has one. */
int checkpoint_hold(const struct guest *g, uint32_t base);
void checkpoint_close(struct guest_restore *r, const struct guest *g, bool restored);
