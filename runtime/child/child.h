/*
 * The first process of a container, from the clone to execve(2). What it does is three
 * tables of stages run by one loop (child.c): enter (create) or join (exec), root
 * (create), process and final (both). Everything it needs was opened and computed by the
 * runtime before the clone and lies in struct child, which the clone copies.
 *
 * Rules R1 to R11 are properties of this order; see docs/architecture.md.
 */
#pragma once
#include "netns/net.h"
#include "runtime/child/caps.h"
#include "runtime/child/mount.h"
#include "runtime/child/ns.h"
#include "runtime/child/seccomp.h"
#include "runtime/child/sync.h"

/*
 * A file that the runtime puts into the root before it is anyone's (hostname, hosts, resolv.conf of a guest); keep: not
 * when something is there.
 */
struct child_file { const char *path, *text; mode_t mode; bool keep; };

struct child {
	const struct spec *spec;		/* NULL: a process that joins a container */
	const struct spec_process *process;
	const char *id, *bundle, *rootfs;	/* absolute; rootfs NULL: assembled, it has no path */

	/* descriptors that the runtime opened; all O_CLOEXEC */
	int sync;				/* the child's end of the talk */
	int proc_fd;				/* the host's procfs, O_PATH: never a path of the container's (R4) */
	int start_fd;				/* listening start socket (create); -1: exec at SYNC_GO */
	int bundle_fd;				/* of the runtime; the child opens `bundle` in its own mount namespace */
	int root_tree;				/* detached tree of the root, or -1: opened by path, or heard with SYNC_MAPPED */
	int init_pidfd;				/* join: the container's first process */
	struct cg_join join;

	struct ns_plan ns;
	uint64_t join_flags;			/* join: namespaces in which the init differs from us */
	struct mnt_plan plan;
	const struct cg *cg;
	struct seccomp_prog seccomp;
	struct caps_plan caps;
	const struct spec_personality *personality;	/* the container's: of whoever runs in it; or NULL */
	const struct spec_memory_policy *memory_policy;
	const struct net_port *ports;
	size_t n_ports;
	const struct child_file *files;
	size_t n_files;

	bool wait_mapped;			/* something of the runtime's must be done first */
	bool root_heard;			/* the root tree comes with SYNC_MAPPED */
	bool loopback_outside;			/* the runtime brings it up, beside all this */
	bool runtime_hooks;			/* talk SYNC_ROOTED / SYNC_HOOKED */
	bool own_userns;			/* lives in a user namespace that is not the runtime's */
	bool no_pivot, no_new_keyring;
	bool relayed;				/* supervise() copies the terminal to the caller's */
	bool keep_groups;			/* the supplementary groups of whoever called */
	bool no_ctty;				/* the payload is an init: it gives the console to a session of its choice */
	int preserve_fds;			/* those of 3 .. 3+n-1 that came by exec reach the process */
	int program;				/* > 0: what is executed, whatever args[0] names */
	int listen_fds;				/* the first of them, which LISTEN_FDS tells it of */
	const char *hook_state;			/* state for hooks inside, with %d for the pid; NULL: no such hooks */
	const char *start_state;		/* the same for the startContainer ones */

	/* the child's own, filled on the way */
	struct mnt_ctx mnt;
	int tty;				/* slave of the terminal, -1 */
	pid_t host_pid;
	pid_t notify_pid;			/* who hands over the filter's listener; 0: nobody yet */
	int notify_from, notify_to;
	uint64_t ignored;			/* bit n-1: signal n was ignored before us */
	const char *exe;			/* what execve gets */
	bool filtered;				/* the filter is on before its stage, for hooks */
	bool in_cwd;				/* the working directory was entered before the rights went */
	const char *const *env;			/* what the process gets: its own, HOME, LISTEN_FDS */
	char *listen_pid;			/* its place in env, filled in when the pid is known */
	struct arena arena;
};

#define CHILD_INIT { .sync = -1, .proc_fd = -1, .start_fd = -1, .bundle_fd = -1, .root_tree = -1, \
		     .init_pidfd = -1, .join = CG_JOIN_NONE, .mnt = MNT_CTX_INIT, .tty = -1, \
		     .notify_from = -1, .notify_to = -1 }

/* Of a container that a process was to join. */
#define ENDED_MEANWHILE "cannot %s a stopped container: it ended meanwhile"

/* Runs in the cloned process and never returns: execve, or SYNC_FAILED and _exit(1). */
_Noreturn void child_main(struct child *c);

/* ---- stages, by file -------------------------------------------------------------------------- */
/* enter.c */
int stage_cgroup(struct child *c);
int stage_user_namespace(struct child *c);
int stage_time(struct child *c);
int stage_mapped(struct child *c);
int stage_namespaces(struct child *c);
int stage_late_namespaces(struct child *c);
int stage_keyring(struct child *c);
int stage_network(struct child *c);
int stage_hostname(struct child *c);
int stage_join(struct child *c);
/* root.c */
int stage_isolate(struct child *c);
int stage_root(struct child *c);
int stage_mounts(struct child *c);
int stage_files(struct child *c);
int stage_runtime_hooks(struct child *c);
int stage_container_hooks(struct child *c);
int stage_pivot(struct child *c);
int stage_sysctl(struct child *c);
int stage_paths(struct child *c);
int stage_finish_root(struct child *c);
/* notify.c */
int stage_notify(struct child *c);
/* terminal.c */
int stage_terminal(struct child *c);
int stage_session(struct child *c);
/* Waits a little for the size that an engine gives the new terminal, where it has none yet. */
void terminal_await_size(const struct child *c);
/* tune.c */
int stage_affinity(struct child *c);
int stage_personality(struct child *c);
int stage_memory_policy(struct child *c);
/* process.c */
int stage_limits(struct child *c);
int stage_label(struct child *c);
int stage_environment(struct child *c);
int stage_streams(struct child *c);
int stage_bounding(struct child *c);
int stage_ids(struct child *c);
int stage_early_seccomp(struct child *c);
int stage_capabilities(struct child *c);
int stage_early_cwd(struct child *c);
int stage_cwd(struct child *c);
int stage_executable(struct child *c);
int stage_no_new_privs(struct child *c);
int stage_audit(struct child *c);
/* final.c */
int stage_second_process(struct child *c);
int stage_descriptors(struct child *c);
int stage_ready(struct child *c);
int stage_park(struct child *c);
int stage_start_hooks(struct child *c);
int stage_seccomp(struct child *c);
int stage_exec(struct child *c);

/* Looks for args[0] as execvp would, with the reasons engines match by text. exec.c */
int exe_find(struct arena *a, const char *name, const char *path_env, const char **out);
/* `exec: "name": what`, by which engines sort errors: ERR_NO_PROGRAM for ENOENT, else ERR_EXEC. */
int exe_refuse(int code, const char *name, const char *what);
/* Explains why execve failed with `code`: the file, its interpreter, its loader or its architecture. */
int exe_explain(const char *path, int code);
/* The home directory of uid in the root's /etc/passwd; "/" when there is none (rule R14). */
const char *home_of(struct arena *a, int root_fd, uid_t uid);
/* Sets the limits of a process (0: ourselves). */
int limits_apply(pid_t pid, const struct list *rlimits);
/* Attaches the filter; its listener, where it has one, goes to the runtime by SYNC_LISTENER. */
int notify_begin(struct child *c);
int notify_attach(struct child *c);
/*
 * Runs the hooks of one kind, in order; state goes to their stdin. The first failure ends it, but of poststop
 * hooks it is only told. cwd: NULL is where we are.
 */
int hooks_run(const struct spec_hooks *h, enum hook_kind kind, const char *state, const char *cwd);
