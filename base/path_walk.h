/* Paths one component at a time, in user space. -1 with errno. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Beside openat2's bits: EXDEV for a link that lies on another mount than rootfd. */
#define WALK_OWN_LINKS (1ULL << 63)

/* openat2(2), for kernels and sandboxes without it. See sys_openat2(). */
int path_walk(int rootfd, const char *path, int flags, unsigned mode, uint64_t resolve);
/*
 * See path_ensure(): the O_PATH descriptor; *made, when the last one was created. EINVAL: ".." below what was.
 * resolve: 0 or WALK_OWN_LINKS.
 */
int path_walk_make(int rootfd, const char *path, bool file, uint64_t resolve, bool *made);
