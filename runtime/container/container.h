/*
 * The life of a container, for the command line and for guests: one create path, one
 * state record, one teardown. All functions return 0 or positive, or -errno with the
 * message; expected: ERR_NOT_FOUND (no such id), ERR_EXISTS, ERR_STATE (wrong state).
 *
 *	create:  container_create(req, &c)  container_release(&c)      ... container_start(root, id)
 *	run:     container_create(req, &c)  container_go(&c)  supervise(&c)  container_end(&c)
 *	run -d:  container_create(req, &c)  container_start_made(&c)
 */
#pragma once
#include "runtime/child/child.h"
#include "runtime/container/state.h"

/* An overlay that the runtime assembles detached; nothing of it is ever mounted on the host. */
struct container_root {
	struct strv layers;		/* lowest first; one layer and no upper: a plain bind */
	const char *upper_dir;		/* holds upper/ and work/; NULL: read-only */
	bool idmap;			/* shift by the container's user namespace: ids on disk are plain */
};

/* The source of mounts from container_req.host_dir: "host" itself, "host/FILE". */
#define CONTAINER_HOST_DIR "host"
/* Where a guest has it (systemd.io/CONTAINER_INTERFACE): notify, boot_id. */
#define GUEST_HOST_DIR "/run/host"

struct container_req {
	const char *root, *id, *bundle;	/* bundle: directory with config.json and what is relative in it */
	const char *config;		/* the configuration, when it is not bundle/config.json */
	const char *console_socket, *pidfd_socket, *pid_file;
	const char *home;		/* VZRUN_HOME, for vzrun.networks; NULL: there can be none */
	const char *cgroup_manager;	/* "cgroupfs", "systemd" or "disabled" */
	bool notifies;			/* NOTIFY_SOCKET is ours to serve: notify_socket.h */
	const char *rootless;		/* "true": go on without groups that we may not make; "false": never; else by user */
	bool no_pivot, no_new_keyring;
	int preserve_fds;
	const struct checkpoint_opts *restore;	/* the first process comes from an image: checkpoint.h */

	/* what a guest brings instead of files of a bundle */
	struct spec *spec;		/* loaded by the caller; NULL: from bundle */
	const struct container_root *overlay;	/* NULL: root.path */
	int host_dir;			/* > 0: a detached file system, which binds of CONTAINER_HOST_DIR mean */
	const struct net_port *ports;
	size_t n_ports;
	const struct child_file *files;
	size_t n_files;
	bool delegate;			/* the payload is an init that manages its own cgroups */
	bool keep_tty;			/* the terminal's master stays with the caller (container.tty) */
	bool at_once;			/* run: nothing of the caller's comes before container_go() */
};

struct container {
	char id[ID_MAX + 1];
	int root_fd, dir_fd;		/* dir_fd: locked until the word to go, or container_release() */
	int sync, pidfd, tty;
	int notify;			/* its notification socket, while we serve it */
	pid_t pid;
	struct cg cg;
	bool joined;			/* a process of exec; not the container's first */
	int init;			/* a pidfd of that, then */
	bool poststart;			/* it has hooks to run then */
	bool listens;			/* its filter has a listener that is to be handed over */
	bool let_go;			/* it has the word already */
	struct state_mark mark;		/* of its record, when that has nothing that `cg` and `pid` do not say */
};
#define CONTAINER_INIT { .root_fd = -1, .dir_fd = -1, .sync = -1, .pidfd = -1, .tty = -1, .notify = -1, .init = -1 }

/*
 * run: it waits for container_go(). With at_once it may execute before that, when it was on record before it
 * was ready:
 * then signals are blocked, as by supervise_soon().
 */
int container_create(const struct container_req *req, bool run, struct container *out);
/*
 * After container_create(run=true): exec now. Returns when exec succeeded, or with why it did not. What was
 * restored runs already.
 */
int container_go(struct container *c);
/* Lets go of everything but the container. */
void container_release(struct container *c);
#define auto_container __attribute__((cleanup(container_release)))

/* notifies: NOTIFY_SOCKET is ours to serve, and it returns when the process has said that it is ready. */
int container_start(const char *root, const char *id, bool notifies);
/* What container_create() made and nobody could touch yet: its lock is held until the word to go. */
int container_start_made(const struct container *c, bool notifies);
int container_kill(const char *root, const char *id, int sig, bool all);
int container_pause(const char *root, const char *id, bool pause);
/*
 * Changes the limits that r names, now, whole or not at all; the others and a pause stay. ERR_STATE: it has
 * stopped, or has no cgroup. shares (NULL: none): schemata of its resctrl group, which are changed first.
 * Messages begin with "resources: " and the place where r itself is at fault.
 */
int container_update(const char *root, const char *id, const struct cg_resources *r,
		     const struct rdt_conf *shares);
/* force: kills what runs, and an unknown id is success. */
int container_delete(const char *root, const char *id, bool force);
/*
 * After supervise(), container_delete(force) for what container_create() made: where nobody has touched it
 * since, the record is not read again.
 */
int container_end(const struct container *c);
/* The same whatever state it is in. Where somebody deleted it, nothing: the id may be another's by now. */
int container_take_down(const struct container *c);
/* Everything that killed creations left under root; the number of ids cleaned. only: one id, or NULL. */
int container_recover(const char *root, const char *only);

/* One container as `state` and `list` show it. */
struct container_info { struct state s; enum status status; pid_t pid; };
int container_info(const char *root, const char *id, struct container_info *out);
void container_info_free(struct container_info *i);
void container_info_json(struct jout *o, const char *key, const struct container_info *i);
/* By name. -ENOENT: there is no root. */
int container_list(const char *root, int (*each)(void *ctx, const struct container_info *i), void *ctx);
int container_pids(const char *root, const char *id, pid_t **pids, size_t *n);
/* Its group as both records have it; without one hiers is 0. */
int container_group(const char *root, const char *id, struct cg *out);

/*
 * Counters and events as JSON, one line each, in runc's shape; `line` may fail and end it. once: the
 * counters, now. Otherwise every interval, and each out-of-memory event as it comes, until the container
 * ends.
 */
struct events_req { const char *root, *id; bool once; uint64_t interval_ms;
		    int (*line)(void *ctx, const char *text); void *ctx; };
int container_events(const struct events_req *req);

/* The runtime specification's features document. Needs no privilege. */
void container_features(struct jout *o, const char *version, const char *commit);

struct exec_req {
	const char *root, *id;
	const char *process_file;	/* --process: replaces everything below */
	struct strv args, env, caps;	/* added to the container's own */
	const char *cwd, *user, *console_socket, *pidfd_socket, *pid_file, *selinux_label, *apparmor;
	int program;			/* > 0: executed instead of args[0], which is only its name */
	struct strv cgroups;		/* cg_join_open()'s words */
	struct u32v groups;
	bool tty, keep_tty, no_new_privs, ignore_paused;
	int preserve_fds;
	struct spec_box console_size;
};
/* The process is made and waits: container_go() lets it exec. */
int container_exec(const struct exec_req *req, struct container *out);

/*
 * Foreground: forwards signals, relays the terminal (c->tty and our stdin/stdout), returns the exit
 * status of the process (128+n for a signal). subreaper: also reaps its orphans.
 */
int supervise(struct container *c, bool subreaper);
/*
 * Before container_go(): a signal that comes before supervise() listens waits for it, and does not end us
 * alone.
 */
void supervise_soon(void);

/* "SIGKILL", "kill", "9", "RTMIN+3", "RTMAX-1"; 0 is a number, too. signal(7) */
int signal_number(const char *name);
/* Sends a terminal's master to the engine's console socket, as runc does. */
int console_send(const char *socket_path, int *master);	/* whose it is then alone: *master is closed */
/* The same with a pidfd of the process: whoever holds it never meets another process of that number. */
int pidfd_send(const char *socket_path, int pidfd);
int write_pid_file(const char *path, pid_t pid);
