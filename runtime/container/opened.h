/* An existing container as the verbs on it need it: root, directory, state, pidfd. The room's own. */
#pragma once
#include "runtime/container/container.h"

struct opened { int root_fd, dir_fd, pidfd; struct state s; enum status status; };

/* The directory of all; where there is none there is no container either. */
int opened_root(const char *root, const char *id);
/* pidfd is -1 when its init is dead. ERR_NOT_FOUND: "container \"x\" does not exist". */
int opened_container(const char *root, const char *id, bool lock, struct opened *o);
/* The same of what container_create() made, under the lock that it holds, whoever may have its id by now. */
int opened_made(const struct container *c, struct opened *o);
void opened_free(struct opened *o);
#define auto_opened __attribute__((cleanup(opened_free)))

/* lifecycle.c: `delete --force` of one that was opened with the lock and a state that could be read. */
int opened_delete(struct opened *o);
/* Its group, to act on, as the records agree on it; hiers 0 when it has none. */
int opened_group(const struct opened *o, struct cg *cg);
/*
 * members.c: for a container without a group (a user on v1): the processes of its pid namespace, malloc'ed.
 */
int opened_members(const struct opened *o, pid_t **pids, size_t *n);
/* A member whose parent is none: it was joined from outside, by exec, and is not below the first. 0: there is none. */
int opened_joined(const struct opened *o, pid_t *pid);
int opened_signal_members(const struct opened *o, int sig);
bool opened_is_first(pid_t pid);	/* of its pid namespace */
