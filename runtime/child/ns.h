/*
 * Namespaces as a plan: what the clone makes, what is joined by descriptor, what is
 * unshared late. Opened and checked in the runtime, before anything is made.
 * namespaces(7), setns(2), time_namespaces(7).
 */
#pragma once
#include "runtime/spec/spec.h"

struct ns_join { int type, fd; };

struct ns_plan {
	uint64_t clone_flags;		/* new, made by the clone itself */
	/*
	 * New, unshared by the child: of cgroups after the group is joined; of ipc in a user namespace after the child is
	 * 0 there, or what is mounted of it (mqueue) belongs to nobody.
	 */
	uint64_t late_flags;
	bool new_time;			/* unshared, before a process is in it, so that offsets can be set */
	bool far_pid, far_time;		/* to our own one we would not come back */
	struct ns_join join[8];		/* by path, in the order in which they are joined */
	size_t n;
	uid_t owner;			/* of a new user namespace: who its own root is on the host */
};

int ns_plan(const struct spec *s, struct ns_plan *out);
void ns_plan_close(struct ns_plan *p);
const struct ns_join *ns_joined(const struct ns_plan *p, int type);
/*
 * Whether the container's first process is made by another one, which joins: a user namespace that exists is
 * to own the new ones, and one that is new has no rights over those that exist. So it is where the runtime would not
 * come back from the pid namespace that is joined.
 */
bool ns_two_steps(const struct ns_plan *p);

/*
 * In the runtime, around the clone: enters a joined pid or a new time namespace for its children
 * only, and goes back. `back` remembers.
 */
struct ns_back { int pid_fd, time_fd; bool owner; };
int ns_for_children(const struct ns_plan *p, const struct spec *s, struct ns_back *back);
int ns_go_back(struct ns_back *back);
/*
 * Before the clone that makes the user namespace, of ns_for_children() or of the first of two steps: root becomes its
 * owner-to-be, but for files. Whatever processes in a user namespace take of inotify, message queues, pending signals
 * and locked memory, the kernel takes from its owner's, too: root's would be one stock for all, and the host's.
 */
int ns_be_owner(const struct ns_plan *p);
/*
 * In the child, still with all rights in its new user namespace: the time namespace that is to belong to that, or
 * from which the runtime would not come back.
 */
int ns_make_time(const struct ns_plan *p, const struct spec *s);
/* In the child, without two steps: everything by descriptor but pid. */
int ns_join_rest(const struct ns_plan *p);
/* In the first of two: all of them. pid takes effect for the second. */
int ns_join_all(const struct ns_plan *p);
