/*
 * What the runtime and the first process of a container say to each other, over one
 * SEQPACKET pair. One datagram is one message; a socket that closes without SYNC_FAILED
 * means the peer died. The child exits on EOF: a killed runtime leaves no child.
 *
 *   runtime                            child
 *                     <-------------   SYNC_PID       a second process took over (joined user
 *                                                     namespace, exec)
 *   SYNC_MAPPED       ------------->   its pid is on record, ids mapped, links moved; root tree fd where the
 *                                      runtime assembled it
 *   SYNC_PLUGGED      ------------->   the links of its ports are there               (only with ports)
 *                     <-------------   SYNC_ROOTED    mounts done, not yet pivoted     (only with hooks)
 *   SYNC_HOOKED       ------------->   prestart and createRuntime hooks ran            (only with hooks)
 *                     <-------------   SYNC_CONSOLE   carries the terminal's master    (only with a terminal)
 *                     <-------------   SYNC_READY     everything but exec is done
 *   SYNC_GO           ------------->   exec (run, exec); after create the word comes over the start socket.
 *                                      It may come before SYNC_READY, when the container is on record and
 *                                      nothing is left to do
 *                     <-------------   SYNC_EXEC      hooks are done, nothing is left but exec
 *                     <-------------   SYNC_LISTENER  carries the filter's listener   (only with SCMP_ACT_NOTIFY;
 *                                                     with startContainer hooks before SYNC_EXEC, without
 *                                                     no_new_privs before SYNC_READY: so does the filter)
 *   SYNC_LISTENED     ------------->   the agent has it
 *                     <-------------   EOF            exec succeeded; without SYNC_EXEC the process died
 *   (either side)     SYNC_FAILED      carries code, class and text, ends the talk
 *
 * Before all that, where only systemd may move a process of the user's into the group (cg_join.by_systemd):
 *   SYNC_GROUPED      ------------->   it is in its group
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sync_msg { SYNC_FAILED = 1, SYNC_PID, SYNC_MAPPED, SYNC_ROOTED, SYNC_HOOKED, SYNC_CONSOLE, SYNC_READY,
		SYNC_GO, SYNC_EXEC, SYNC_GROUPED, SYNC_LISTENER, SYNC_LISTENED, SYNC_PLUGGED, SYNC_MSGS };

int sync_say(int fd, enum sync_msg m);
int sync_say_pid(int fd, pid_t pid);
int sync_say_fd(int fd, enum sync_msg m, int passed);
/*
 * Waits for exactly this message; the peer's failure becomes ours. A passed descriptor goes to *passed (may
 * be NULL).
 */
int sync_hear(int fd, enum sync_msg want, int *passed);
/*
 * The next message, whatever it is (never SYNC_FAILED: that is returned as the error). -ECHILD: the peer
 * died.
 */
int sync_next(int fd, pid_t *pid, int *passed);
/* Called with the descriptor that came with SYNC_LISTENER; a failure ends the talk. */
typedef int sync_listener(void *ctx, int listener);
/*
 * After SYNC_GO: 0 when exec succeeded, or why it did not. *begun (may be NULL): SYNC_EXEC was heard, it is
 * not the hooks that failed.
 */
int sync_hear_exec(int fd, sync_listener *take, void *ctx, bool *begun);
/* Sends the pending error as SYNC_FAILED. */
void sync_say_failed(int fd, int r);
