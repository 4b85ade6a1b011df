/* openat2(2) in user space, for kernels and sandboxes without it. See sys_openat2(). */
#pragma once
#include <stdint.h>

int path_walk(int rootfd, const char *path, int flags, unsigned mode, uint64_t resolve);
