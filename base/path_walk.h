/* Paths one component at a time, in user space. -1 with errno. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* openat2(2), for kernels and sandboxes without it. See sys_openat2(). */

int path_walk(int rootfd, const char *path, int flags, unsigned mode, uint64_t resolve);
/* See path_ensure(): the O_PATH descriptor; *made, when the last one was created. EINVAL: ".." below what was. */
int path_walk_make(int rootfd, const char *path, bool file, bool *made);
