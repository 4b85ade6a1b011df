/*
 * A talk with CRIU over its RPC protocol (criu.org/RPC): requests are protocol buffers over one SEQPACKET
 * socket to `criu swrk`, which runs for one request. Knows nothing of containers.
 */
#pragma once
#include "base/str.h"
#include "cgroups/cgroup.h"

enum criu_type { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4 };
/* The numbers of criu_opts' fields. */
enum criu_opt {
	CRIU_IMAGES_DIR_FD = 1, CRIU_PID = 2, CRIU_LEAVE_RUNNING = 3, CRIU_EXT_UNIX_SK = 4, CRIU_TCP_ESTABLISHED = 5,
	CRIU_EVASIVE_DEVICES = 6, CRIU_SHELL_JOB = 7, CRIU_FILE_LOCKS = 8, CRIU_LOG_LEVEL = 9, CRIU_LOG_FILE = 10,
	CRIU_PAGE_SERVER = 11, CRIU_NOTIFY_SCRIPTS = 12, CRIU_ROOT = 13, CRIU_PARENT_IMG = 14, CRIU_TRACK_MEM = 15,
	CRIU_AUTO_DEDUP = 16, CRIU_WORK_DIR_FD = 17, CRIU_EXT_MNT = 23, CRIU_MANAGE_CGROUPS = 24, CRIU_CG_ROOT = 25,
	CRIU_RST_SIBLING = 26, CRIU_INHERIT_FD = 27, CRIU_MANAGE_CGROUPS_MODE = 34, CRIU_EXTERNAL = 37,
	CRIU_EMPTY_NS = 38, CRIU_JOIN_NS = 39, CRIU_FREEZE_CGROUP = 44, CRIU_LAZY_PAGES = 48,
	CRIU_ORPHAN_PTS_MASTER = 50, CRIU_CONFIG_FILE = 51, CRIU_LSM_PROFILE = 53, CRIU_LSM_MOUNT_CONTEXT = 63,
};

/* A message grows in a buffer. A text of NULL and a flag that is false add nothing. */
void criu_num(struct buf *b, unsigned field, uint64_t v);
void criu_flag(struct buf *b, unsigned field, bool v);
void criu_text(struct buf *b, unsigned field, const char *s);
void criu_msg(struct buf *b, unsigned field, const struct buf *inner);
/* A message of two texts, or a text and a number: ext_mnt, cg_root, join_ns; inherit_fd. */
void criu_pair(struct buf *b, unsigned field, const char *first, const char *second);
void criu_pair_num(struct buf *b, unsigned field, const char *first, uint64_t second);

/*
 * In each message of an image file whose number `where` is `is`, sets two others. ERR_CHECKPOINT: no such image
 * file.
 */
struct criu_edit { unsigned where; uint64_t is; unsigned field[2]; uint64_t value[2]; };
int criu_image_edit(int dirfd, const char *name, const struct criu_edit *e);

struct criu_run {
	const char *program;		/* looked for in PATH when it has no slash */
	enum criu_type type;
	struct buf *opts;
	const int *fds;			/* passed as 4, 5, ... */
	size_t nfds;
	struct cg_join *join;		/* NULL: stays in our groups */
	/* criu runs (pid): what needs to know it goes into opts now. May be NULL. */
	int (*started)(void *ctx, pid_t criu);
	/* A step of its work is done; passed: a descriptor, closed afterwards unless it is taken. */
	int (*notify)(void *ctx, const char *script, pid_t pid, int *passed);
	void *ctx;
	pid_t restored;			/* out */
};
/* The reason of a failure is in criu's own log, see criu_why(). */
int criu_talk(struct criu_run *r);
/* Whether it works on this kernel at all; the message has its reason in one line. ERR_CHECKPOINT. */
int criu_check(const char *program);
/* After a failure: the first error of criu's log becomes part of the pending message; returns r. */
int criu_why(int r, int dirfd, const char *dir, const char *log);
