/* The host's own files: read whole, written atomically, listed, locked. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Returns 0 or -1 with errno, like write(2); never short. */
int file_write_all(int fd, const void *p, size_t n);

enum { FILE_READ_MAX = 16 << 20 };
/*
 * The whole file, NUL-terminated, malloc'ed; -ENOENT is expected. len may be NULL. At most FILE_READ_MAX
 * bytes.
 */
int file_read(int dirfd, const char *path, char **text, size_t *len);
/* The same of what the caller named: a fifo's writer is waited for. file_read takes a fifo without one as empty. */
int file_read_named(int dirfd, const char *path, char **text, size_t *len);
/*
 * file_read() of what is usually small: *text is in `small` where the file fits, which costs no memory of its own.
 * Else, and after a failure, *big may be set, the caller's to free. how: FILE_NAMED, like file_read_named();
 * FILE_REGULAR, it is known to be a regular file, of which a short read is all.
 */
enum { FILE_NAMED = 1, FILE_REGULAR = 2 };
struct file_small { char *p; size_t size; };
int file_read_small(int dirfd, const char *path, unsigned how, struct file_small small, char **big, const char **text,
		    size_t *len);
/* file_read() from an open descriptor; `path` is for messages; -EFBIG above max. */
int file_read_fd(int fd, const char *path, size_t max, char **text, size_t *len);
/* A short pseudo-file (cgroup, sysctl) into buf, without its last newline. Length or -errno, no message. */
ssize_t file_peek(int dirfd, const char *path, char *buf, size_t size);
/* One write(2) to an existing file (cgroup, proc). -errno without a message: the caller names the thing. */
int file_poke(int dirfd, const char *path, const char *text);

/*
 * A reader sees the old text or the new one, and after a power cut too: private
 * file, fsync, rename, fsync of the directory. mode 0600 or as given.
 */
int file_write_atomic(int dirfd, const char *name, const char *text, size_t len, mode_t mode);

/* The same without a sync: for what ends with the machine anyway (/run, pid files). */
int file_write_volatile(int dirfd, const char *name, const char *text, size_t len, mode_t mode);

/*
 * Removes what killed writers of this user left in the directory below dirfd of the two above (.NAME.vzrun-new), and
 * nothing of those that live. What stands beside a file that is there goes when that is written again. How many; a
 * directory that is missing has none.
 */
int file_sweep(int dirfd, const char *dir);

/* mkdir -p of an absolute host path, each new part with mode; returns an O_RDONLY directory descriptor. */
int file_make_dirs(const char *path, mode_t mode);

/*
 * What stands in a directory says whom we kill, what we mount and run: as root by another user's word that would be a
 * way to become root. -EPERM, ERR_PERMISSION: its owner is neither root nor we. Of home and of sub in it:
 */
struct stat;
int file_check_owner(const struct stat *st, const char *what);
int file_check_owners(const char *home, const char *sub);

/* flock(2) on dirfd/name (created 0600). The descriptor holds the lock. wait=false: -EAGAIN when held. */
int file_lock(int dirfd, const char *name, bool wait);
