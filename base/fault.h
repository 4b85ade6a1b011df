/*
 * Fault points, in builds with -DVZRUN_FAULT_POINTS only (make FAULT=1). The n-th
 * point that the process and its children pass fails (VZRUN_FAULT=n) or dies by
 * SIGKILL (VZRUN_KILL=n). A point stands before every step and before every
 * acquisition that registers an undo. With VZRUN_FAULT_LOG=FILE the process appends the
 * number and name of every point that it and its children passed, when it exits.
 */
#pragma once

#ifdef VZRUN_FAULT_POINTS
int fault_point(const char *name);	/* 0, or -EIO with a message "injected fault: NAME" */
#else
static inline int fault_point(const char *name) { (void)name; return 0; }
#endif
