/*
 * Reading an archive that nobody vouches for: decompression and tar by libarchive, the
 * digest of the uncompressed stream, and the limits on the stream. It decides nothing
 * about members. Runs in the confined child only.
 *
 * tar_open*, then tar_next until 0 with tar_data and tar_xattr in between, then tar_finish.
 * ERR_IMAGE for everything that the archive is to blame for.
 */
#pragma once
#include "images/digest.h"
#include "images/limits.h"
#include <sys/types.h>
#include <time.h>

enum tar_type { TAR_FILE, TAR_DIR, TAR_SYMLINK, TAR_HARDLINK, TAR_FIFO, TAR_CHAR, TAR_BLOCK, TAR_OTHER };

struct tar_entry {
	const char *path, *link;	/* bytes as they stand in the archive; link: target of either kind */
	enum tar_type type;
	mode_t mode;			/* permission bits */
	uid_t uid;
	gid_t gid;
	uint64_t size;
	struct timespec mtime;
	dev_t rdev;
};

struct tar;
int tar_open(struct tar **out, int fd, const struct limits *lim);
int tar_open_memory(struct tar **out, const void *p, size_t n, const struct limits *lim);
int tar_next(struct tar *t, struct tar_entry *e);
int tar_data(struct tar *t, const void **p, size_t *n, uint64_t *at);
int tar_xattr(struct tar *t, const char **name, const void **value, size_t *n);
void tar_xattr_again(struct tar *t);	/* from the first one */
/* Reads what is behind the last member, so that the digest is that of the whole stream. */
int tar_finish(struct tar *t, char hex[HEX_SIZE]);
uint64_t tar_bytes(const struct tar *t);	/* uncompressed, so far */
void tar_close(struct tar **t);
#define auto_tar __attribute__((cleanup(tar_close)))
