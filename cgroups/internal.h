/* Shared by the files of cgroups/ only. */
#pragma once
#include "cgroups/cgroup.h"
#include "base/err.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/undo.h"

enum ctl {
	CTL_CPU, CTL_CPUACCT, CTL_CPUSET, CTL_MEMORY, CTL_DEVICES, CTL_FREEZER, CTL_IO, CTL_PIDS,
	CTL_HUGETLB, CTL_NET_CLS, CTL_NET_PRIO, CTL_RDMA, CTL_MISC, CTL_N
};
enum { CG_FULL = CG_PATH_MAX + 512 };	/* a file of a group with its mount */
enum { CG_SET_MAX = 65535, CG_SET_WORDS = (CG_SET_MAX + 1) / 64 };	/* the highest CPU or node of a set */
#define BIT(n) (UINT32_C(1) << (n))
#define EACH_HIER(i, mask) for (size_t i = 0; i < cg_host()->n; i++) if ((mask) & BIT(i))

/* ---- host.c ---- */
const char *cg_ctl_name(enum ctl c, bool v2);	/* "blkio", "io"; NULL: v2 has no such controller */
int cg_ctl_hier(enum ctl c);			/* where the controller is: v1, else v2, else -1 */
int cg_v2_hier(void);				/* -1: no v2 tree is mounted */
/*
 * A hierarchy at an unusual place is looked for when it is first asked for, and that may fail: whoever goes
 * on to act on the groups of cg asks here first, lest one that could not be looked for be taken for one that
 * is not mounted.
 */
int cg_found(const struct cg *cg);
uint32_t cg_ctl_mask(const char *words);	/* "cpu io memory" of a v2 file */
bool cg_rootless(void);				/* not the host's root, or in a user namespace */
void cg_parse_self(const char *text, struct cg_host *host);		/* /proc/self/cgroup */
void cg_parse_mounts(const char *text, struct cg_host *host);	/* /proc/self/mountinfo */
bool cg_word_in(const char *list, const char *word, size_t len, char sep);

/* ---- paths: place.c ---- */
/* -EINVAL for the root of a hierarchy: nothing that kills or removes may ever be aimed at it. */
int cg_refuse_root(const struct cg *cg);
/* The host path of the group's file (NULL: of its directory) in hierarchy i; buf has CG_FULL bytes. */
const char *cg_file(const struct cg *cg, size_t i, const char *file, char *buf);
/* `path` as it is stored in cg->path: one absolute path, one more line for each hierarchy that differs. */
int cg_place(const struct cg_host *host, const char *path, char out[CG_PATH_MAX]);
const char *cg_path_in(const char *stored, const char *hier, size_t *len);

/* cg_create; adopt: what is there is the group's own, by systemd's hand, and holds the anchor. */
int cg_make(struct cg *cg, const char *path, const struct cg_resources *r, enum cg_extent extent, bool adopt);

/* ---- unit.c ---- */
int cg_unit_set(const struct cg *cg, const struct cg_resources *r);
int cg_unit_stop(const struct cg *cg);

struct need;
struct undo;
/* Makes the group in the hierarchies of `where`; each that is new is in u. */
int cg_make_in(struct cg *cg, uint32_t where, const struct need *need, bool adopt, struct undo *u);

/* ---- knobs.c: the table of limits ---- */
struct at { const struct cg_resources *r; const char *dir; };	/* what is wanted, and where */
struct num { bool set, none; uint64_t v; };			/* none: -1 */
enum { KNOB_SKIP = 1 };
typedef int knob_conv(const struct at *at, const void *value, char *out, size_t size);
struct knob_file { const char *name; knob_conv *text; };
enum value_kind { V_I64, V_U64, V_U32, V_BOOL, V_STR, V_LIST };
enum {
	ZERO_UNSET = 1,		/* engines say 0 for "leave it" */
	OR_NEXT = 2,		/* where the file is missing, the next row says the same in other words */
	OPTIONAL = 4,		/* a missing file is no error */
	CHECK_USE = 16,		/* may be compared with what is in use before it is written */
	NONE_OK = 8,		/* a missing file is no error when no limit is asked for */
};
struct knob {
	const char *what;
	enum ctl ctl;
	unsigned flags;
	int section;		/* offset of the pointer to the section, -1: the resources themselves */
	size_t offset, size;	/* of the member; of an element, when it is a list */
	enum value_kind kind;
	struct knob_file v1, v2;
};
extern const struct knob cg_knobs[];
extern const size_t cg_knobs_n;
const void *cg_knob_value(const struct knob *k, const struct cg_resources *r);	/* NULL: not asked for */
struct num cg_knob_num(enum value_kind kind, const void *value);
/* The file's name for this element: '*' stands for the huge page size. */
void cg_knob_file(const struct knob_file *f, const void *value, char *out, size_t size);
uint64_t cg_weight_of_shares(uint64_t shares);
uint32_t cg_io_weight(uint32_t weight);		/* 10..1000 to 1..10000 */

/* ---- what r asks for: need.c ---- */
struct need {
	uint32_t hiers;			/* must have a group */
	uint32_t soft;			/* the same, but for the rootless */
	uint32_t v2_ctl, v2_want;	/* v2 controllers to enable: must, and should */
	const char *why[CG_HIER_MAX];	/* the first limit that asks for the hierarchy */
	const char *why_ctl[CTL_N];
};
int cg_need(const struct cg_resources *r, struct need *need);
int cg_enable(const struct cg *cg, size_t v2, const struct need *need);

/* ---- apply.c, update.c ---- */
/* What was written over, to be put back; stays: what could not be. */
struct cg_former { struct undo undo; struct buf stays; };
int cg_remember(struct cg_former *all, const char *path, const char *text);
/* NULL: forget */
int cg_write_limits(const struct cg *cg, const struct cg_resources *r, struct cg_former *former);

/*
 * knobs_memory.c, knobs_cpu.c: where one of limit and swap, of quota and period, is named the other becomes what the
 * group in dir has now. OCI says memory and swap together and v2 swap alone; systemd makes one number of the others.
 */
void cg_memory_as_is(const char *dir, struct cg_memory *m);	/* of v2 */
void cg_cpu_as_is(const char *dir, bool v2, struct cg_cpu *c);

/* ---- devices.c, devices_bpf.c ---- */
enum { ACC_MKNOD = 1, ACC_READ = 2, ACC_WRITE = 4, ACC_ALL = 7 };
struct dev { bool allow, lax; char type; int64_t major, minor; unsigned acc; };	/* type a b c; -1: any */
/* A default and the exceptions from it; stays where it is. */
struct dev_list { struct dev *v; size_t n, room; bool allow; struct dev few[32]; };
int cg_dev_of(const struct cg_device_rule *rule, struct dev *out);
int cg_dev_compile(const struct list *rules, struct dev_list *out);
void cg_dev_free(struct dev_list *l);
int cg_devices_apply(const struct cg *cg, const struct list *rules);
struct bpf_insn;
/* malloc'ed program for rules in order, the last match deciding; nothing matches: refused. */
int cg_bpf_program(const struct list *rules, struct bpf_insn **out, size_t *n);
int cg_bpf_attach(const char *dir, const struct list *rules);

/* ---- stats.c: the reading of counters ---- */
/*
 * key: the word before the number; "" is the whole file; "*x" adds up every number that
 * stands behind x. scale: to nanoseconds.
 */
struct cg_place { const char *file, *key; uint32_t scale; };
/* Rows of one file stand together: it is read once. */
struct cg_reader { const struct cg *cg; int hier; const char *file; bool have; char text[32768]; };
#define CG_READER(group) { .cg = (group), .hier = -1 }
/* The text of the controller's file, v1's or v2's (NULL: it has none there); NULL when it cannot be had. */
const char *cg_read(struct cg_reader *r, enum ctl ctl, const char *v1, const char *v2);
const char *cg_read_at(struct cg_reader *r, int hier, const char *file);
/* What stands behind the word that begins a line; key "": the text itself. NULL: no such line. */
const char *cg_text_of(const char *text, const char *key);

/* ---- freeze.c, wait.c, walk.c, remove.c, kill.c ---- */
/* Waits until "key value" stands in a v2 cgroup.events. 1 reached, 0 time is up. */
int cg_wait_event(const char *dir, const char *line, int ms);
/*
 * Depth first over the groups below that of fd, which is taken, with two descriptors at any depth. enter: in the group,
 * before those below it; what it returns below 0 ends the walk. leave: in the group above, after them.
 * Either may be NULL.
 */
typedef int cg_enter_fn(int fd, void *ctx);
typedef void cg_leave_fn(int above, const char *name);
int cg_walk(int fd, cg_enter_fn *enter, cg_leave_fn *leave, void *ctx);
int cg_pids_of(const char *dir, bool recursive, pid_t **pids, size_t *n);
enum { CG_COMM_MAX = 32 };
const char *cg_comm(pid_t pid, char comm[CG_COMM_MAX]);	/* its name, or "?" */
int cg_remove_dir(const char *dir, bool v2);
