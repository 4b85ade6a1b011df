/*
 * Ranges of 65536 host ids, each for one running guest. A range is a file in /run, locked by its holder: it is free
 * again when the holder and the process bound to it are gone, whoever was killed. A checkpoint holds its range in
 * /var/lib.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int idrange_claim(const char *holder, uint32_t *base);		/* returns a descriptor that holds it */
/*
 * The range from base on; fds[1] is -1 when base is a multiple of its size. checkpoint: the path of the one that may
 * hold it, NULL: none may.
 */
int idrange_claim_at(uint32_t base, const char *checkpoint, int fds[2]);
/* While the checkpoint is there (an absolute path) nobody else gets it, though nobody runs in it. */
int idrange_hold(uint32_t base, const char *checkpoint);
int idrange_bind(int fd, pid_t pid);				/* the range is taken while this process lives, too */
void idrange_release(int fd, uint32_t base);
int idrange_sweep(void);					/* what nobody holds any more is removed; how many */
