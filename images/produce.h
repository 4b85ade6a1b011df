/* A process that writes a stream which we read: its failure is passed on when the stream has ended. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

typedef int produce_fn(void *ctx, int out);
struct producer { int fd, err; pid_t pid; };

/* flags: namespaces for sys_clone(). It dies with us. */
int produce_start(struct producer *p, uint64_t flags, produce_fn *fn, void *ctx);
/* Waits; with its message when it failed. */
int produce_end(struct producer *p);
void produce_kill(struct producer *p);		/* unless it ended */
#define auto_producer __attribute__((cleanup(produce_kill)))
