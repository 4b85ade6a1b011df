/*
 * Control groups of one container: found, made, joined, limited, frozen, counted and
 * removed, on v1, hybrid (v1 controllers plus a v2 tree, "unified") and v2 hosts alike.
 * Kernel documents: admin-guide/cgroup-v1/, admin-guide/cgroup-v2.rst.
 *
 * Owns: which hierarchies exist, the "linux.resources" slice of the configuration.
 * Knows nothing of containers. All functions return 0 or -errno with a message that
 * names the controller and the file.
 *
 * Order of a start:   cg_check  cg_create  cg_apply  cg_join_open  [clone]  cg_join_self
 * Order of an end:    cg_kill  cg_remove
 */
#pragma once
#include "base/bind.h"
#include <stdio.h>
#include <sys/types.h>

enum cg_layout { CG_NONE, CG_V1, CG_HYBRID, CG_V2 };
enum { CG_HIER_MAX = 32, CG_NAME_MAX = 32, CG_PATH_MAX = 3000, CG_UNIT_MAX = 512 };

/* One mounted hierarchy. v2 is the hierarchy without controllers in its name, "unified". */
struct cg_hier {
	char name[CG_NAME_MAX];	/* "memory", "cpu,cpuacct", "name=systemd", "unified" */
	char mount[256];	/* where it is mounted on the host */
	char own[512];		/* our own cgroup in it, relative to the mount's root */
	bool v2;
};

struct cg_host {
	enum cg_layout layout;
	struct cg_hier h[CG_HIER_MAX];
	size_t n;
};

/*
 * Read once per process (/proc/self/cgroup); never fails: CG_NONE when there is nothing. A hierarchy may be
 * listed and mounted nowhere: cg_hier() looks for it, fills in `mount`, and returns NULL if it is not to be
 * had.
 */
const struct cg_host *cg_host(void);
const struct cg_hier *cg_hier(size_t i);
/*
 * -errno when the files that tell it could not be read: nobody may start or be deleted as if there were none.
 * What is not there by cg_hier() is known not to be there only if this says 0 afterwards.
 */
int cg_host_check(void);

/*
 * A mask of hierarchies as records have it, "cpu,cpuacct:memory:unified", "-" for none: places in the kernel's
 * list change when others mount and unmount. A name that the host does not have is no hierarchy any more: its
 * groups went with it.
 */
enum { CG_NAMES_MAX = CG_HIER_MAX * CG_NAME_MAX };
void cg_names(uint32_t hiers, char out[CG_NAMES_MAX]);
uint32_t cg_named(const char *names);

/* A container's group: the same path in every hierarchy that it joins. */
struct cg {
	/*
	 * Absolute below each hierarchy's mount, "/vzrun/web". Where a relative path met different own
	 * groups one more line tells each that differs: "/vzrun/web\nmemory:/own/vzrun/web". Opaque:
	 * store it whole, print it up to the first newline, take directories from cg_dir().
	 */
	char path[CG_PATH_MAX];
	uint32_t hiers;			/* bit i: lives in cg_host()->h[i] */
	uint32_t made;			/* bit i: we made the last component there */
	char unit[CG_UNIT_MAX];		/* systemd's name of it; "": systemd has no part in it */
	pid_t anchor;			/* holds a new unit open: see cg_unit_create() */
	const struct cg_resources *told;	/* what systemd was told with the start */
};

/* ---- the configuration's slice ------------------------------------------------------------ */
/* lax: an allowance that is left out where the groups above do not have it. */
struct cg_device_rule { struct opt_bool allow; const char *type, *access; struct opt_i64 major, minor; bool lax; };
struct cg_memory { struct opt_i64 limit, reservation, swap, kernel, kernel_tcp; struct opt_u64 swappiness;
		   struct opt_bool disable_oom_killer, use_hierarchy, check_before_update; };
struct cg_cpu { struct opt_u64 shares, burst, period, realtime_period;
		struct opt_i64 quota, realtime_runtime, idle; const char *cpus, *mems; };
struct cg_pids { struct opt_i64 limit; };
struct cg_weight_device { struct opt_i64 major, minor; struct opt_u32 weight, leaf_weight; };
struct cg_throttle { struct opt_i64 major, minor; struct opt_u64 rate; };
struct cg_blkio { struct opt_u32 weight, leaf_weight;
		  struct list weight_device, read_bps, write_bps, read_iops, write_iops; };
struct cg_hugepage { const char *page_size; struct opt_u64 limit; };
struct cg_netprio { const char *name; struct opt_u32 priority; };
struct cg_network { struct opt_u32 class_id; struct list priorities; };
struct cg_rdma { const char *key; struct opt_u32 handles, objects; };

struct cg_resources {
	struct list devices;		/* struct cg_device_rule */
	struct cg_memory *memory;
	struct cg_cpu *cpu;
	struct cg_pids *pids;
	struct cg_blkio *blkio;
	struct list hugepages;		/* struct cg_hugepage, "hugepageLimits" */
	struct cg_network *network;
	struct list rdma;		/* struct cg_rdma, K_RECMAP */
	struct map unified;
};
extern const struct record cg_resources_record;

/* Ranges, contradictions, grammar: "linux.resources.memory.swap: ..." is composed by the caller's context. */
int cg_check(const struct cg_resources *r);
/* A cgroup path as OCI gives it: no "..", no empty component, no control characters, fits CG_PATH_MAX. */
int cg_check_path(const char *path);
/* What engines write besides: slashes in a row, and one at the end, are left out. A path that is too long stays so. */
const char *cg_clean_path(const char *path, char out[CG_PATH_MAX]);

/* ---- life ------------------------------------------------------------------------------------ */
/*
 * Fills cg->path and makes the groups. path absolute: below each hierarchy's root; relative: below
 * our own group there (on a v2-only host beside it where we may: a group that holds processes can give
 * no controllers to groups below). On v1 every controller, on hybrid also unified and name=systemd.
 * A group that exists and holds processes is refused (-EBUSY); an empty one is taken over (not in
 * `made`). What fails half-way removes what it made; groups on the way to it stay after cg_remove.
 * CG_EVERYWHERE: in every hierarchy, as whoever names a group expects it (engines read it there). CG_NEEDED:
 * where r asks for something, cpuset beside limits of memory and CPU, where cg_stats() counts, where it can be
 * frozen, and name=systemd while systemd runs: each further v1 hierarchy costs a start 0.1 ms, and cg_extend() adds
 * it later if it is ever asked for.
 * r (NULL: nothing): which optional controllers must exist (refused by name) and on v2 which to enable
 * in the ancestors' subtree_control; cpu, memory, pids and io are enabled there where that is possible,
 * for their counters. Rootless: hierarchies where we may not create a group are skipped when r asks
 * for nothing there (device rules do not count), refused by name otherwise; all skipped is success.
 */
enum cg_extent { CG_EVERYWHERE, CG_NEEDED };
int cg_create(struct cg *cg, const char *path, const struct cg_resources *r, enum cg_extent extent);
/*
 * The hierarchies that r needs and cg is not in yet, as a mask; -errno when this host cannot give one. The
 * caller puts cg->made | mask on record, then cg_extend() makes the groups there and moves every process of
 * cg into them.
 */
int cg_lacking(const struct cg *cg, const struct cg_resources *r, uint32_t *mask);
int cg_extend(struct cg *cg, uint32_t mask);
/*
 * What r limits, in words: "memory limit, process limit"; "" when nothing. For who must do without a group.
 */
void cg_limits_text(const struct cg_resources *r, struct buf *out);
/* A group made earlier by cg_create: path as stored in cg->path; `made` becomes all that is found.
 * -ENOENT: it is in no hierarchy. */
int cg_open(struct cg *cg, const char *path);
/*
 * systemd's driver. Instead of cg_create: cg_unit_parse, then cg_unit_create; afterwards every verb works
 * as for any group, and cg_apply and cg_remove tell systemd too. unit must be filled in wherever a group is
 * opened again.
 *
 * path is "slice:prefix:name" (empty slice: system.slice, or user.slice of the rootless; a name in .slice
 * is a slice of its own, else prefix-name.scope); NULL or "": vzrun-ID.scope. ERR_CONFIG: another grammar.
 */
struct cg_unit { char name[CG_UNIT_MAX * 2], slice[CG_UNIT_MAX]; };
int cg_unit_parse(const char *path, const char *id, struct cg_unit *out);
/*
 * Starts the unit with the limits of r and what annotations say in org.systemd.property.NAME. A scope is
 * gone as soon as it is empty: until cg_unit_release() a child of ours, the anchor, is in it, which dies
 * when we do. So a runtime that is killed leaves no unit. ERR_UNSUPPORTED: systemd is not running here;
 * ERR_EXISTS: there is such a unit.
 */
int cg_unit_create(struct cg *cg, const struct cg_unit *u, const char *id, const struct map *annotations,
		   const struct cg_resources *r);
void cg_unit_release(struct cg *cg);
/* Of a creation that was killed: the unit is stopped only if it is this container's. Gone is success. */
int cg_unit_settle(const char *unit, const char *id);

/* Its host directory in hierarchy i of cg_host(). -ENOENT when it has none there; no message. */
int cg_dir(const struct cg *cg, size_t i, char *buf, size_t size);
int cg_own_dir(size_t i, char *buf, size_t size);	/* the same for the caller's own group */
/*
 * Writes every limit that r names, in an order that the kernel accepts when it is repeated on a live
 * group (memory+swap up: swap first; down: limit first). Absent members are left as they are. Device
 * rules: v1 lists; v2 one BPF program that replaces the former one. The last rule that matches decides,
 * what no rule matches is refused; no rules at all: nothing is changed. -EBUSY: the limit is below use.
 */
int cg_apply(const struct cg *cg, const struct cg_resources *r);
/*
 * The same for a live group, whole or not at all: when a write is refused what was written before is put
 * back, newest first, and the message names what the kernel would not take back. Device rules come last.
 */
int cg_update(const struct cg *cg, const struct cg_resources *r);

/*
 * Joining costs no grace period: on v1 a single-threaded child writes "0" to `tasks` itself, through
 * descriptors that the runtime opened before the clone (so that the child needs no right to the path);
 * on v2 the clone starts in the group (v2_dir goes to sys_clone).
 */
struct cg_join { int v2_dir; int tasks[CG_HIER_MAX]; uint8_t hier[CG_HIER_MAX]; size_t n;
		 const struct cg *cg, *by_systemd; const char *sub; };
#define CG_JOIN_NONE { .v2_dir = -1 }
/*
 * by_systemd: a user may not move a process out of a group that is not his own, his manager may. The child
 * waits while the runtime has it moved by cg_join_by_systemd().
 */
/*
 * sub (NULL: none): one path of a group below, taken in the hierarchies that have it (-ENOENT: none has), or
 * words CONTROLLER[,CONTROLLER]:PATH for those that are named; elsewhere the container's own.
 */
int cg_join_open(const struct cg *cg, const struct strv *sub, struct cg_join *j);
/* The error of a clone into v2_dir that said EBUSY: -EBUSY. */
int cg_join_busy(const struct cg_join *j);
int cg_join_self(struct cg_join *j);		/* in the child; closes what it used */
/*
 * cgroups(7): who is not root moves a process on v2 only where cgroup.procs of the group that source and
 * target have in common is his. Is it not ours? which: that file.
 */
bool cg_join_denied(const struct cg *cg, char *which, size_t size);
void cg_join_close(struct cg_join *j);
int cg_join_by_systemd(const struct cg_join *j, pid_t pid);
/*
 * In the child, before it has a cgroup namespace, from within which every group looks like the root: the kernel
 * says that it is in the group of j, or in one below. -EPERM names the hierarchy. procfd: the host's. Nothing was
 * joined: 0.
 */
int cg_verify(const struct cg_join *j, int procfd);

/* Returns when the state is reached; -ENOTSUP names the freezer. */
int cg_freeze(const struct cg *cg, bool frozen);
int cg_freezer(const struct cg *cg, char *buf, size_t size);	/* the directory where it does so; -ENOTSUP, too */
int cg_is_frozen(const struct cg *cg);			/* 1, 0 */
/*
 * For a command that asks cg_is_frozen() of many groups: the root of the v2 tree stays open until the process ends (and
 * its mount busy), and they are looked for from there: half the time of a look is the way from "/".
 */
void cg_look_at_many(void);
/*
 * SIGKILL (or sig) to every process of the group and below: by cgroup.kill where there is a v2 tree,
 * else frozen first, then until none is left to signal. Does not wait for the last to be dead.
 */
int cg_kill(const struct cg *cg, int sig);
/* malloc'ed list of host pids of the group and, if recursive, of all below. */
int cg_pids(const struct cg *cg, bool recursive, pid_t **pids, size_t *n);
/*
 * Removes the groups in `made`, and what is below them, waiting for dying processes on descriptors,
 * never by sleeping. Already gone is success. -EBUSY names a process that is still inside.
 */
int cg_remove(const struct cg *cg);
/*
 * The cheap half of it: removes, and takes out of cg, the groups in `made` that are empty. 0: all are gone.
 * -EBUSY, without a message: some are not.
 */
int cg_remove_empty(struct cg *cg);

/*
 * Hands the group to a guest's root (delegation): chown of the directory and of cgroup.procs,
 * tasks, cgroup.threads, cgroup.subtree_control in name=systemd and unified (on v2: the tree),
 * where at most 4096 groups may be made in it, 64 below one another.
 */
int cg_delegate(const struct cg *cg, uid_t uid, gid_t gid);
/*
 * The same of a bundle's container, as the specification has it: the owner alone changes, of the directory and of the
 * files in /sys/kernel/cgroup/delegate; on v2 alone, elsewhere it does nothing.
 */
int cg_give(const struct cg *cg, uid_t uid);

/* ---- counters --------------------------------------------------------------------------------- */
struct cg_stats {
	uint64_t cpu_total_ns, cpu_user_ns, cpu_kernel_ns, cpu_periods, cpu_throttled, cpu_throttled_ns;
	uint64_t mem_usage, mem_max_usage, mem_limit, mem_failcnt, mem_cache, mem_rss, swap_usage, swap_limit;
	uint64_t oom_kills, pids_current, pids_limit;		/* limits: UINT64_MAX is none */
	uint64_t io_read_bytes, io_write_bytes;
};
int cg_stats(const struct cg *cg, struct cg_stats *out);	/* what a controller cannot tell stays 0 */
/* One of them, by one reading where all take fourteen: each end of a guest asks. */
uint64_t cg_oom_kills(const struct cg *cg);
/* Everything that the controllers count, as members of an open object, in runc's shape. */
void cg_counters(const struct cg *cg, struct jout *o);

/*
 * A descriptor that becomes readable (v1: eventfd) or POLLPRI (v2: memory.events) when the group is
 * out of memory; -ENOTSUP without a memory controller. Read with cg_oom_kills().
 */
int cg_oom_fd(const struct cg *cg);
