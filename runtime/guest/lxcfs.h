/* lxcfs makes `free`, `nproc`, `uptime` and `top` of a guest show the guest. */
#pragma once
#include <stdint.h>

#define LXCFS "/var/lib/lxcfs"
enum { LXCFS_FILES = 8 };
extern const char *const lxcfs_files[LXCFS_FILES];	/* as the guest sees them; lxcfs has them below LXCFS */

/*
 * Bit i: lxcfs serves lxcfs_files[i]. One that is stopped, or hangs, is waited for no longer than a second, is told of
 * (log_warn), and serves nothing: nobody who asks hangs with it.
 */
uint32_t lxcfs_serves(void);
