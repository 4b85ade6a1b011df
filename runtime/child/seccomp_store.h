/*
 * Compiled filters in files: a header, the key they were compiled from, the program.
 * A file counts only when it is regular, belongs to the effective user and nobody
 * else can write it. The room's own; see seccomp.h.
 */
#pragma once
#include "runtime/child/seccomp.h"

/* -ENOENT, -EPERM (not to be trusted) and -EINVAL (another key, or no such file) are expected. */
int seccomp_file_read(int dirfd, const char *name, const void *key, size_t key_len, struct seccomp_prog *out);
int seccomp_file_write(int dirfd, const char *name, const void *key, size_t key_len,
		       const struct seccomp_prog *p);
