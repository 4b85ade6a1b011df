/*
 * Helper processes: run a program, feed it, read it, wait for it. No shell is ever
 * involved; the program gets its own process group, which is killed whole on time-out.
 * Only the descriptors named here reach it.
 */
#pragma once
#include "base/str.h"
#include <signal.h>
#include <sys/types.h>

struct proc_req {
	const char *path;		/* a path, or a name to look for in PATH when it has no slash */
	const char *const *argv;	/* argv[0] included; NULL-terminated */
	const char *const *env;		/* NULL: ours */
	mode_t umask;			/* its umask; 0: ours */
	const char *cwd;		/* where it starts ("/" when that is gone); NULL: where we are */
	const char *in;			/* written to its stdin; NULL: /dev/null */
	size_t in_n;
	bool our_in;			/* its stdin is ours */
	struct buf *out, *err;		/* NULL: inherited; at most 8 MiB are kept */
	const int *fds;			/* passed as 3, 4, ... */
	size_t nfds;
	int timeout_ms;			/* 0: none */
	bool gives_way;			/* it is killed when a signal comes that is held back: -EINTR */
};

/* *status: the exit code, or 128 + signal. -ETIMEDOUT, -ENOENT and -EACCES (exec) are expected. */
int proc_run(const struct proc_req *req, int *status);

/* What ends a command by custom (SIGINT, SIGTERM, SIGHUP, if not ignored) waits until what was begun is undone. */
void proc_hold_signals(sigset_t *old);
void proc_let_signals(const sigset_t *old);
