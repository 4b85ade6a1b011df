/*
 * sd_notify(3) out of a container, as runc has it: where NOTIFY_SOCKET is in our environment at create (run),
 * the first process finds a socket of its own in its environment, NOTIFY_DIR of the state bound to
 * /run/notify. Where it is there at start (run), that socket is listened to: its READY=1 is passed on, then
 * MAINPID. `start` and `run --detach` return when that was done, or the process has ended.
 */
#pragma once
#include "runtime/spec/spec.h"

#define NOTIFY_DIR "notify"

/* The configuration gets the mount and the variable. */
int notify_offer(struct spec *s, const char *root, const char *id);
int notify_make(int dir_fd);			/* of the state */
/* Before the process is let go. -ENOENT without a message: this container has none. */
int notify_listen(int dir_fd);
/*
 * When it can be read: passes on, and closes *fd when all that there is to hear was heard. Failing is only
 * told.
 */
void notify_pass(int *fd, pid_t main_pid);
int notify_wait(int fd, pid_t main_pid, int pidfd);
