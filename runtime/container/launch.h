/* The clone and the runtime's side of the talk (runtime/child/sync.h). For create and exec. */
#pragma once
#include "runtime/container/container.h"

struct launch {
	struct child *child;
	int journal;				/* -1: no journal (exec) */
	const struct container_root *overlay;
	const char *state_text;			/* hooks, agents: state; of a creation with %d for the pid */
	int (*meanwhile)(void *ctx);		/* work of ours while the child does its own; NULL: none */
	void *ctx;
	const struct state_listener *listener;	/* who gets a filter's listener */
	const struct rdt *rdt;			/* resctrl's group, to be joined; NULL: none */
	/* out */
	pid_t pid;
	uint64_t start_time;			/* of pid; only with a journal */
	int pidfd, sync, tty;
	bool hooked;				/* hooks have begun to run: poststop ones are due whatever comes */
	struct netdev_loan *lent;		/* netdev.c's, until netdev_settle(); NULL: no device was lent */
};
#define LAUNCH_INIT { .journal = -1, .pidfd = -1, .sync = -1, .tty = -1 }

/*
 * Returns when the child said SYNC_READY. A child that failed is dead and reaped; its message is the error.
 */
int launch(struct launch *l);
/* Is something left for the host's side when the child is ready? */
bool launch_ends_here(const struct launch *l);
/*
 * --preserve-fds names descriptors of the caller's: all of ours are O_CLOEXEC, none of those that came by
 * exec is. The last one must be open; others may be missing, as with Podman's --preserve-fd LIST, and stay so.
 */
int launch_check_fds(int n);
/*
 * Sockets that a service manager opened for us (sd_listen_fds(3)): they are the container's, before
 * --preserve-fds.
 */
int launch_listen_fds(void);
/*
 * crun's, and so Podman's --group-add keep-groups: files that only the caller's groups may read stay readable, also
 * where a user namespace has no name for the groups.
 */
#define GROUPS_ANNOTATION "run.oci.keep_original_groups"
bool launch_keeps_groups(const struct map *annotations);
/* launch_clone.c: the socket pair and the clone; l->pid, pidfd and sync. */
int launch_clone(struct launch *l);
/* Kills the child and waits for it; for roll-back. */
void launch_kill(struct launch *l);

/*
 * fate.c. r is what a talk with a process of ours ended with. If that was silence (-ECHILD), and the process was
 * killed, the error is by whom. group: the container's, whose limit may have done it; NULL: it joined one.
 */
int launch_fate(const char *who, int pidfd, const struct cg *group, int r);
/*
 * r: why a process did not come to join the container of this first process (doing: "exec in"), or this process itself
 * not to begin ("start"). If it is dead, that is the error.
 */
int launch_outlived(const char *doing, int init, int r);

/* create_prepare.c: the sets of a process section; NULL: all empty. */
void caps_of_process(const struct spec_caps *caps, struct cap_sets *out);
/*
 * listener.c: is there a socket? And to it the container process state, with a filter's listener; once a
 * connection.
 */
int listener_check(const char *path);
int listener_send(const struct state_listener *l, const char *state, pid_t pid, int listener);
/*
 * netdev.c: network devices of the host to the container; and back, after a failure, or else theirs for good. A guard
 * of our own brings them back if we are killed before either was said, and kills the container's process then.
 */
int netdev_lend(struct launch *l);
void netdev_settle(struct launch *l, bool back);
/* tune.c: scheduler and I/O priority of a process that waits for its exec; with the host's rights. */
int tune_process(pid_t pid, const struct spec_process *p);
/* The CPUs that we run on, and what we clone, until the process is in the container's cgroup. */
int tune_self_for(const struct spec_affinity *a);
/* idmap.c: writes the maps of the child's new user namespace, directly or by newuidmap/newgidmap. */
int idmap_write(pid_t pid, const struct spec_linux *l);
/* A user namespace that is nothing but its maps: a descriptor. */
int idmap_namespace(const struct list *uids, const struct list *gids);
/* Gives every MNT_IDMAP row its user namespace: the joined one, or one made for its maps. */
int idmap_mounts(struct mnt_plan *p, const struct ns_plan *ns);
/*
 * streams.c: the pipes among the standard streams are the user's whom uid is in the process's user namespace.
 */
void streams_give(const struct launch *l, uint32_t uid);
/* And they are what a process of this SELinux label may use; what it may not is told. */
void streams_label(const char *process);
/* rootfs.c: the detached root tree; userns_fd: the child's, for idmapping. */
int rootfs_assemble(const struct container_root *r, int userns_fd, const struct spec_linux *l);
