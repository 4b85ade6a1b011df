/*
 * What the processes of a command for several guests write: into pipes that nobody but we read, so that what a guest's
 * process goes on to write when its turn is over, or what it does to its standard streams, is in no other one's output.
 */
#pragma once
#include "cli/opt.h"

/* The command's own words on standard output; of exec what the guest's process writes to its two streams. */
enum { SAID, OUT, ERRORS, STREAMS };
enum { EACH_AT_ONCE = 8 };	/* a start takes a processor, a stop takes time */

/* fd: -1 when there is nothing more to read. cut: it wrote more than is kept. */
struct stream { int fd; struct buf text; bool cut; };
/* A process for one guest; pid 0 when it is over. status: of waitpid(2). Of one that failed: why. */
struct turn { pid_t pid; int pidfd, status, failed; struct err_saved why; struct stream streams[STREAMS]; };

/* No process and no pipes; t is zeroed. */
void turn_init(struct turn *t);
/* Pipes for an empty turn, OUT and ERRORS for exec alone; ends: where its process writes, or -1. 0, or -1 and errno. */
int turn_pipes(struct turn *t, bool exec, int ends[STREAMS]);
/* In a new process, which has no use for the readers. */
void turns_forget(struct turn *turns);
/* Reads what all of them write until t, one of them, is over. */
void turns_wait(struct turn *turns, struct turn *t);
/*
 * Shows what it wrote: below the name in text with heading; as an object under JSON, which of exec is made of what
 * was read and the exit status. -EFBIG when the command said more than is kept, -EIO, -ENOMEM.
 */
int turn_show(const struct cli *g, struct turn *t, const char *name, bool heading);
/* Empty again. */
void turn_free(struct turn *t);
