/*
 * What a container leaves on record below --root, one directory an id, 0700:
 *
 *	ID/journal	what was begun, one line each, appended before the thing is done; and the process
 *			section, for exec
 *	ID/state.json	the finished record, written whole
 *	ID/seccomp	the compiled filter, for exec
 *	ID/start	the start socket; gone once the container was started
 *	ID/notify/	where it finds the socket for sd_notify(3): notify_socket.h
 *
 * The directory itself is the lock (flock). A container is `creating` without state.json,
 * `created` while ID/start is there, then `running`, `paused` or `stopped`, which the
 * kernel knows. Identity is pid and birth (sys_birth), which is recorded as startTime.
 */
#pragma once
#include "runtime/spec/spec.h"

#include <limits.h>

enum status { ST_CREATING = 1, ST_CREATED, ST_RUNNING, ST_PAUSED, ST_STOPPED };
const char *status_name(enum status s);

struct state_listener { const char *path, *metadata; };
struct state_rdt { const char *group; bool monitor; };	/* NULL: the root's own */
/* unit: systemd's name of it; the masks are in the file by names, which are for state_load() and state_save() alone. */
struct state_cgroup { const char *path, *unit; uint32_t hiers, made; const char *hier_names, *made_names; };

struct state {
	struct opt_u32 version;			/* of this record; another than ours is refused */
	const char *id, *bundle, *rootfs, *config, *created, *owner;	/* config: the file; NULL: not from a file */
	struct opt_i64 pid;
	struct opt_u64 start_time;
	struct state_cgroup cgroup;
	struct state_rdt *rdt;			/* resctrl's group; NULL: none was asked for */
	struct opt_u64 namespaces;		/* CLONE_NEW* flags that exec joins */
	bool own_userns;
	bool filtered;				/* ID/seccomp must be there: exec fails without it */
	struct map annotations;
	struct spec_hooks *hooks;
	struct state_listener *listener;	/* the agent that a filter's listener goes to; NULL: none */
	struct spec_personality *personality;	/* of whoever joins, too */
	struct spec_memory_policy *memory_policy;
	struct arena arena;
	struct json *tree;
};
enum { STATE_VERSION = 2 };			/* 1 had hierarchies by their places in the kernel's list */

/* root is created 0700 when missing. */
int state_root(const char *root);
/*
 * mkdir decides who owns the id: -EEXIST, ERR_EXISTS. Returns the locked directory. The caller owns it only once it has
 * begun the journal in it: what it made may have been deleted before it had the lock, and this be another's.
 */
int state_claim(int root_fd, const char *id);
int state_is_claimed(const char *id);		/* that error */
/*
 * The directory of an id, locked if wanted (waits). -ENOENT, ERR_NOT_FOUND: "container \"x\" does not exist".
 */
int state_open(int root_fd, const char *id, bool lock);
/*
 * Waits for whoever is at work on it: a container may be on record before it is ready. -ENOENT, ERR_NOT_FOUND: it was
 * taken away.
 */
int state_settled(int dir_fd, const char *id);
/* Somebody is at work on it; does not wait. */
bool state_is_held(int root_fd, const char *id);
/* The container's group; all empty when it has none. */
void state_group(const struct state *s, struct cg *cg);
/* Which record it is: whoever changes a container afterwards changes this. All zero: none. */
struct state_mark { ino_t state; struct timespec written; off_t journal; };
struct state_mark state_mark(int dir_fd);
/* Compiled filters lie beside the records. */
#define FILTER_CACHE ".seccomp"
/* Removes the record: dir_fd is the directory of id below root_fd. Already gone is success. */
int state_drop(int root_fd, int dir_fd, const char *id);

/* The state as the specification has it, for hooks and agents. pid: JSON of its number; NULL: without one. */
void state_json(struct jout *o, const char *id, const char *status, const char *pid, const char *bundle,
		const struct map *annotations);
char *state_text(struct arena *a, const struct state *s, const char *status, pid_t pid);
int state_save(int dir_fd, const struct state *s);
/* -ENODATA: no state.json yet, only a journal. -EINVAL: corrupt; nothing is concluded from it. */
int state_load(int dir_fd, const char *id, struct state *out);
/* Without the lock: one that is being taken away, which goes file by file, is waited for, and does not exist. */
int state_load_unlocked(int dir_fd, const char *id, struct state *out);
/* The same by another path: ID/state.json below the root. */
int state_load_at(int fd, const char *path, const char *id, struct state *out);
void state_free(struct state *s);
#define auto_state __attribute__((cleanup(state_free)))

/*
 * An enum status; an error when it cannot be told whether the init lives. Also opens a pidfd of the init into *pidfd
 * when it is alive (may be NULL).
 */
int state_status(int dir_fd, const struct state *s, int *pidfd);

/* What the journal says; what it does not say is empty. */
struct journal {
	uint64_t steps;			/* bit i: step i was begun */
	pid_t pid;
	uint64_t start_time;
	char cgroup[CG_PATH_MAX], unit[CG_UNIT_MAX];
	uint32_t hiers, made;
	struct rdt rdt;
	char net_owner[NET_OWNER_MAX], net_home[PATH_MAX];
	bool cgroup_made;		/* the group is complete; before that, only the path is known */
};
int journal_begin(int dir_fd);		/* -EEXIST: somebody has */
/*
 * To go on with one: a last line that was cut is taken off, or the next would become a part of it. Under the
 * lock.
 */
int journal_reopen(int dir_fd);
int journal_step(int fd, size_t i);
int journal_pid(int fd, pid_t pid, uint64_t start_time);
int journal_cgroup(int fd, const char *path);
int journal_unit(int fd, const char *unit);
int journal_cgroup_made(int fd, const struct cg *cg);
int journal_rdt(int fd, const struct rdt *r);	/* before its groups are made */
int journal_network(int fd, const char *owner, const char *home);	/* before anything is claimed */
int journal_process(int fd, const struct spec_process *p);
/* The tree is the caller's, and out points into it and into a. */
int journal_load_process(int dir_fd, struct arena *a, struct json **tree, struct spec_process *out);
int journal_read(int dir_fd, struct journal *out);	/* no journal: all empty */
/* Where cgroup_made: the journal's, which was there before the group. A state that names another is told. */
void journal_group(const struct journal *j, const struct state *s, struct cg *cg);

/*
 * The state of one, and its status, at this moment: without a lock, and without a descriptor of anything.
 * Errors as of state_open() and state_load().
 */
int state_look(int root_fd, const char *id, struct state *out, enum status *status);

/* Every id below root, by name; entries that are no ids are skipped. */
int state_each(int root_fd, int (*each)(void *ctx, const char *id), void *ctx);
