/*
 * A root filesystem as a list of operations: planned as data (mount_plan.c, testable
 * without root), executed by one engine (mount_engine.c) on descriptors only. See
 * open_tree(2), fsopen(2), mount_setattr(2), move_mount(2), and rules R4 to R6.
 *
 * Order: mnt_plan_spec  [mnt_open_sources in the runtime, for a new user namespace]
 *        in the child: mnt_attach_root  mnt_execute  [hooks]  mnt_execute(masks)  mnt_pivot
 */
#pragma once
#include "runtime/spec/spec.h"
#include <limits.h>
#include <sys/mount.h>

enum mnt_verb {
	MNT_FS,		/* a new file system of `type` with `data` */
	MNT_BIND,	/* a clone of `src` (MNT_REC: with all below) */
	MNT_CGROUP,	/* the container's groups, one directory a hierarchy; type "cgroup2": that of v2 alone */
	MNT_REMOUNT,	/* change attributes or options of what is mounted at dst */
	MNT_NODE,	/* a device node or fifo; bound from the host's when nodes cannot be made */
	MNT_LINK,	/* dst -> src */
	MNT_RO,		/* dst bound over itself, read-only */
	MNT_MASK,	/* dst covered: a file by the null device, a directory by an empty tmpfs (data: its options) */
	MNT_VERBS
};

enum mnt_flag {
	MNT_OPTIONAL = 1 << 0,	/* skip when dst is not there */
	MNT_REC = 1 << 1,
	MNT_NOFOLLOW_SRC = 1 << 2,	/* do not follow a link at the end of src */
	MNT_DELEGATED = 1 << 3,	/* MNT_CGROUP: name=systemd and unified stay writable */
	MNT_BIND_NODES = 1 << 4,	/* MNT_NODE: bind, we may not mknod */
	MNT_REMOUNT_BIND = 1 << 5,	/* MNT_REMOUNT: attributes of the mount only */
	MNT_KEEP = 1 << 6,	/* MNT_LINK, MNT_NODE: what is already there stays */
	MNT_NO_LINKS = 1 << 7,	/* MNT_BIND: a link on the way to src is refused, and one in it on the way to a dst */
	MNT_EARLY = 1 << 8,	/* MNT_BIND: opened by the runtime, while it is still the host's tree */
	MNT_PEER = 1 << 9,	/* MNT_BIND: "shared" reaches the host's mount, too */
	MNT_COPY_LINK = 1 << 10,	/* MNT_BIND: a source that is a link is made anew at dst */
	MNT_NOFOLLOW_DST = 1 << 11,	/* MNT_BIND: do not follow a link at the end of dst, cover it */
	MNT_MODE_OF_DST = 1 << 12,	/* MNT_FS: the root gets the mode of what it covers, if that was there before */
	MNT_COPY_UP = 1 << 13,	/* MNT_FS: starts with the content of what it covers */
	MNT_IDMAP = 1 << 14,	/* ids are mapped by idmap_fd */
	MNT_IDMAP_REC = 1 << 15,	/* the mounts below, too */
	MNT_RIGHTS = 1 << 16,	/* MNT_NODE: its mode or its owner was asked for */
	MNT_INSIDE = 1 << 17,	/* MNT_BIND: src is a path of the container, mounted before */
	MNT_ABSENT = 1 << 18,	/* by mnt_execute: there was nothing to do */
	MNT_RO_LAST = 1 << 19,	/* MNT_FS: read-only when the root is finished: there is more to come in it */
};

struct mnt_op {
	enum mnt_verb verb;
	unsigned flags;
	const char *src, *dst, *type, *data;
	const char *label;		/* MNT_FS: of the root, where the file system takes no "context=" */
	uint64_t attr_set, attr_clr;	/* MOUNT_ATTR_*, of the mount itself */
	uint64_t rec_set, rec_clr;	/* the same for all below too (rro, rnosuid, ...) */
	uint64_t propagation;		/* MS_PRIVATE, ... | MS_REC; 0: leave as it is */
	mode_t mode;			/* MNT_NODE: with its type */
	unsigned major, minor;
	uid_t uid;
	gid_t gid;
	int src_fd;			/* MNT_BIND: a detached tree that the runtime opened; MNT_RO_LAST: the mount; -1 */
	struct list uid_maps, gid_maps;	/* MNT_IDMAP: struct spec_idmap; none: those of the joined user namespace */
	int idmap_fd;			/* MNT_IDMAP: a user namespace with these maps, which the runtime made; -1 */
};

#define MNT_MASK_OPTIONS "size=0,nr_inodes=2,mode=555"

struct mnt_plan {
	struct mnt_op *op;
	size_t n, size;
	size_t hooks_at;		/* ops from here on (masks) run after the hooks, still before the pivot (R6) */
	struct arena arena;
};

enum mnt_plan_flag {
	MNT_PLAN_USERNS = 1,		/* the child lives in a user namespace that is not the host's */
	MNT_PLAN_DELEGATE = 2,		/* the guest's init manages its own cgroups */
};

/* crun's, and so Podman's label=nested: the option of mount(8) by which new file systems get linux.mountLabel. */
#define CONTEXT_ANNOTATION "run.oci.mount_context_type"

int mnt_plan_spec(const struct spec *s, unsigned flags, struct mnt_plan *out);
/*
 * The first bind of `name` gets a detached tree of the caller's, who keeps the descriptor; binds of NAME/PATH
 * that follow get what is in it, from where it was mounted. -ENOENT: no such bind.
 */
int mnt_plan_give(struct mnt_plan *p, const char *name, int tree);
/* The plan's own: a row more; a destination absolute, without empty parts, "." and "..": what follows compares names,
 * links are the engine's to judge (in the arena; NULL: out of memory); mount_devices.c. */
int mnt_plan_add(struct mnt_plan *p, struct mnt_op op);
const char *mnt_clean(struct arena *a, const char *dst);
/*
 * Whether a file system of this type, or "bind", may be on a clean destination. What is bound on /proc is looked at
 * when it is mounted.
 */
int mnt_check_place(const char *dst, const char *type);
int mnt_plan_devices(struct mnt_plan *p, const struct spec *s, unsigned flags);
void mnt_plan_free(struct mnt_plan *p);		/* closes src_fd and idmap_fd */
void mnt_plan_print(struct buf *out, const struct mnt_plan *p);	/* golden form: one line an op */

/*
 * What options of one mount say. data: what goes to the file system, comma-separated, in `a`; idmap: the
 * text behind "idmap=", NULL; super: the first word that is the superblock's; foreign: the first that only a file
 * system understands.
 */
struct mnt_options { unsigned flags; bool bind, remount; const char *data, *idmap, *super, *foreign;
		     uint64_t attr_set, attr_clr, rec_set, rec_clr, propagation; };
int mnt_parse_options(struct arena *a, const struct strv *words, struct mnt_options *out);
void mnt_list_options(void (*each)(void *ctx, const char *name), void *ctx);	/* for `features` */
bool mnt_is_super_option(const char *word);	/* one of mount(2)'s bits, which every file system takes there */
/*
 * mount_idmap.c: fills op's maps from the option's text, the mount's own mappings, or the user namespace of
 * the container. "@" before a triplet: its second number is an id of the container.
 */
int mnt_plan_idmap(struct arena *a, const struct spec *s, const struct spec_mount *m, const char *text,
		   struct mnt_op *op);
/*
 * The detached tree gets the user namespace's mapping; the error names the file system (type NULL: looked
 * up).
 */
int mnt_idmap(int mnt, int userns_fd, bool rec, const char *type);

/*
 * mount_bind.c: opens the tree of one MNT_BIND row, or those of all of them (all, or those that are MNT_EARLY) with
 * the rights of the runtime; relative sources are below bundle_fd.
 */
int mnt_open_source(int bundle_fd, const struct mnt_op *op);
int mnt_open_sources(struct mnt_plan *p, int bundle_fd, bool all);

struct mnt_ctx {
	int root_fd;			/* the root mount, attached */
	int bundle_fd;
	int host_proc;			/* the host's procfs, O_PATH */
	const struct cg *cg;
	/* private to the engine */
	bool own_links;			/* links lead to no destination but those of the root itself */
	int view_fd[2];			/* what is mounted on each of mnt_views, -1 when nothing is */
	int null_fd, mask_fd;
	int parent_fd;			/* of the last destination below /dev, /proc or /sys: most come in rows */
	bool parent_on_proc;
	char parent[PATH_MAX];
};
#define MNT_CTX_INIT { .root_fd = -1, .bundle_fd = -1, .host_proc = -1, .view_fd = { -1, -1 }, .null_fd = -1, \
		       .mask_fd = -1, .parent_fd = -1 }
/* "/proc" and "/sys", in which paths are covered; mount_target.c. */
extern const char *const mnt_views[2];

/* Runs op[from, to). Errors name the destination. */
int mnt_execute(struct mnt_ctx *c, struct mnt_plan *p, size_t from, size_t to);
/*
 * mount_verify.c: what was to be read-only or covered is so, in the finished root: one read of mountinfo, whose path in
 * host_proc is given. -EPERM names the first that is not.
 */
int mnt_verify(const struct mnt_ctx *c, const struct mnt_plan *p, const char *mountinfo, bool root_readonly);
/* Makes the namespace's copy of the host's tree private, so that nothing we do is seen outside: slave where a
 * bind of the plan that is still to be opened wants the host's later mounts. */
int mnt_isolate(const struct mnt_plan *p);
/* The bundle's root, cloned and private: what the container mounts in it stays in it. A detached tree. */
int mnt_clone_root(int bundle_fd, const char *path);
/*
 * Attaches a detached root tree at path, or else over "/" of this namespace, without making it anyone's root
 * yet.
 */
int mnt_attach_root(int tree_fd, const char *path);
/*
 * The attached root becomes "/", the host's tree is gone. no_pivot: chroot (the tree stays mounted below, but for every
 * procfs and sysfs, which are looked for in host_proc's mountinfo).
 */
int mnt_pivot(int root_fd, int host_proc, bool no_pivot);
/* The finished root: its rootfsPropagation (it is private); what is MNT_RO_LAST, and with readonly it, read-only. */
int mnt_finish_root(int root_fd, const struct mnt_plan *p, const char *propagation, bool readonly);
/* The verbs with a file of their own. */
int mnt_fs(struct mnt_ctx *c, struct mnt_op *op);
int mnt_remount(struct mnt_ctx *c, struct mnt_op *op);
int mnt_cgroup(struct mnt_ctx *c, struct mnt_op *op);
const char *mnt_cgroup_name(const struct cg_hier *h);	/* of its directory there */
int mnt_bind(struct mnt_ctx *c, struct mnt_op *op);
/* mount_fs.c: a detached mount of what the row says. covered: the directory whose mode it takes, or -1. */
int mnt_new_fs(const struct mnt_op *op, int covered);
/*
 * mount_long.c: does data have a value that fsconfig(2) does not take? Then the file system, a detached tree.
 */
bool mnt_too_long(const char *data);
int mnt_long_fs(struct mnt_ctx *c, const struct mnt_op *op, int at, bool read_only);
/* mount_copy.c: what lies in the directory `from` goes into the root of the mount `to`, a tmpfs of `data`. */
int mnt_copy_up(int from, int to, const char *data);
/* Attributes, recursive attributes and propagation of a row. */
int mnt_set_attributes(int mnt, const struct mnt_op *op);
/* mount_target.c: dst for mounting on it, created where missing; refuses what rules R4 and R5 refuse. */
int mnt_open_target(struct mnt_ctx *c, const char *dst, const char *fstype, bool dir);
/* The same, but a link that is dst is the target itself. */
int mnt_open_link(struct mnt_ctx *c, const char *dst, const char *fstype, bool dir);
/* The same for what is made in it: the directory, which stays the context's; *name is the last component. */
int mnt_open_parent(struct mnt_ctx *c, const char *dst, const char **name);
/* Attaches a detached tree to the descriptor that mnt_open_target gave for dst. */
int mnt_attach_at(struct mnt_ctx *c, int at, int tree, const char *dst);
bool mnt_on_proc(int fd);
bool mnt_is_below(const char *dst, const char *dir);	/* clean absolute paths */
