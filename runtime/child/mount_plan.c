#include "runtime/child/mount.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/scope.h"
#include "selinux/lsm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Most plans are the only one and fit here: no memory to ask for and give back. */
static struct mnt_op few[64];
static bool few_taken;

static int grow(struct mnt_plan *p)
{
	size_t size = p->size ? p->size * 2 : COUNT(few);
	struct mnt_op *grown = NULL;

	if (!p->op && !few_taken) {
		few_taken = true;
		grown = few;
	} else {
		grown = mem_grow(p->op, few, sizeof few, size * sizeof *grown);
		if (grown && p->op == few)
			few_taken = false;
	}
	if (!grown)
		return fail(ENOMEM, "plan the mounts: out of memory");
	p->op = grown;
	p->size = size;
	return 0;
}

int mnt_plan_add(struct mnt_plan *p, struct mnt_op op)
{
	if (p->n == p->size)
		TRY(grow(p));
	op.src_fd = op.idmap_fd = -1;
	p->op[p->n++] = op;
	return 0;
}

/* Where a mount below /proc is harmless: single files that lxcfs and engines cover (rule R4). */
static const char *const proc_files[] = {
	"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
	"/proc/loadavg", "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
	"/proc/sys/kernel/random/boot_id",
	"/proc/sys/crypto/fips_enabled", "/proc/pressure/cpu", "/proc/pressure/io", "/proc/pressure/memory",
};

const char *mnt_clean(struct arena *a, const char *dst)
{
	char *out = arena_alloc(a, strlen(dst) + 2, 1);
	size_t n = 0;

	for (const char *p = dst; out && *p;) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (len > 0 && !(len == 1 && *p == '.')) {
			out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
	}
	if (out && n == 0)
		out[n++] = '/';
	if (out)
		out[n] = '\0';
	return out;
}

/* What shows a part of the kernel: the policy labels it, and nobody can live in it. */
static bool is_view(const char *type)
{
	static const char *const types[] = { "proc", "sysfs", "cgroup", "cgroup2", "mqueue" };

	for (size_t i = 0; i < COUNT(types); i++)
		if (str_eq(type, types[i]))
			return true;
	return false;
}

int mnt_check_place(const char *dst, const char *type)
{
	if (undefended("places"))
		return 0;
	if (str_eq(dst, "/"))
		return is_view(type) ? fail(EINVAL, "the root cannot be a file system of type %s", type) : 0;
	if (str_eq(dst, "/proc"))
		return str_eq(type, "proc") || str_eq(type, "bind")
			? 0 : fail(EINVAL, "only a procfs may be mounted on /proc, not %s", type);
	if (!mnt_is_below(dst, "/proc"))
		return 0;
	for (size_t i = 0; i < COUNT(proc_files); i++)
		if (str_eq(dst, proc_files[i]))
			return 0;
	return fail(EINVAL, "a mount below /proc is refused, but for a few files");
}

/* What a new file system is labelled by; option is "" where there is no label, or none to be had. */
struct label { const char *label; char option[512]; };

static int with_label(struct mnt_plan *p, const struct label *l, struct mnt_op *op)
{
	if (!*l->option)
		return 0;
	if (is_view(op->type)) {
		op->label = str_eq(op->type, "mqueue") ? l->label : NULL;
		return 0;
	}
	op->data = arena_printf(&p->arena, "%s%s%s", op->data ? op->data : "", op->data ? "," : "", l->option);
	return op->data ? 0 : fail(ENOMEM, "out of memory");
}

static bool has_key(const char *data, const char *key)
{
	for (const char *p = data; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
		if (str_starts(p, key))
			return true;
	return false;
}

static bool shared_root(const struct spec *s)
{
	return s->linux_ && s->linux_->rootfs_propagation && str_ends(s->linux_->rootfs_propagation, "shared");
}

/* A bind mount has the superblock that is there. */
static int check_foreign(const struct mnt_options *o, const char *dst)
{
	if (o->super)
		log_warn("mount %s: option \"%s\" is left out: a bind mount keeps its file system's", dst, o->super);
	if (!o->foreign)
		return 0;
	return fail(EINVAL, "option \"%s\": bind mounts cannot have any filesystem-specific options applied",
		    o->foreign);
}

static int plan_bind(const struct spec *s, const struct mnt_options *o, unsigned flags, struct mnt_op *op)
{
	op->verb = MNT_BIND;
	TRY(check_foreign(o, op->dst));
	/* Without a word on propagation a tree of the host's does not stay connected to the host. */
	op->propagation = op->propagation ? op->propagation : MS_PRIVATE | MS_REC;
	/* Slaves and peers of the host's mounts: before the tree of the child is cut off from them. */
	if (op->propagation & (MS_SLAVE | MS_SHARED))
		op->flags |= MNT_EARLY;
	if (op->propagation & MS_SHARED && shared_root(s) && !(flags & MNT_PLAN_USERNS))
		op->flags |= MNT_PEER;
	return 0;
}

static int plan_fs(struct mnt_plan *p, const struct label *label, const char *type, struct mnt_op *op)
{
	op->verb = MNT_FS;
	op->type = type;
	if (str_eq(type, "tmpfs") && !has_key(op->data, "mode="))
		op->flags |= MNT_MODE_OF_DST;
	/* Podman's --read-only-tmpfs=false has such a /dev; what is mounted in it needs its place. */
	if ((op->attr_set | op->rec_set) & MOUNT_ATTR_RDONLY && (str_eq(type, "tmpfs") || str_eq(op->dst, "/dev")))
		op->flags |= MNT_RO_LAST;
	return with_label(p, label, op);
}

/* Options that ask for what only one verb can do. */
static int check_flags(const struct mnt_op *op)
{
	if (op->flags & MNT_COPY_UP && !(op->verb == MNT_FS && str_eq(op->type, "tmpfs")))
		return fail(EINVAL, "option \"tmpcopyup\": only a tmpfs starts with what it covers");
	if (op->flags & (MNT_COPY_LINK | MNT_NOFOLLOW_SRC | MNT_NOFOLLOW_DST | MNT_NO_LINKS) && op->verb != MNT_BIND)
		return fail(EINVAL, "option \"%s\": only for bind mounts",
			    op->flags & MNT_COPY_LINK ? "copy-symlink" : op->flags & MNT_NO_LINKS ? "src-nolinks" :
			    op->flags & MNT_NOFOLLOW_SRC ? "src-nofollow" : "dest-nofollow");
	return 0;
}

/* What is made writable again was read-only for the rows between. */
static void end_of_ro(struct mnt_plan *p, const struct mnt_op *remount)
{
	for (size_t i = 0; i < p->n; i++)
		if ((remount->attr_clr & MOUNT_ATTR_RDONLY && str_eq(p->op[i].dst, remount->dst)) ||
		    (remount->rec_clr & MOUNT_ATTR_RDONLY && mnt_is_below(p->op[i].dst, remount->dst)))
			p->op[i].flags &= ~(unsigned)MNT_RO_LAST;
}

static int plan_verb(struct mnt_plan *p, const struct spec *s, const struct label *label,
		     const struct mnt_options *o, const char *type, unsigned flags, struct mnt_op *op)
{
	if (o->remount) {
		op->verb = MNT_REMOUNT;
		op->flags |= o->bind ? MNT_REMOUNT_BIND : 0;
		end_of_ro(p, op);
		return o->bind ? check_foreign(o, op->dst) : 0;
	}
	TRY(mnt_check_place(op->dst, type));
	if (str_eq(type, "bind"))
		return plan_bind(s, o, flags, op);
	if (str_eq(type, "cgroup") || str_eq(type, "cgroup2")) {
		op->verb = MNT_CGROUP;
		op->type = type;
		op->flags |= flags & MNT_PLAN_DELEGATE ? MNT_DELEGATED : 0;
		return 0;
	}
	if (str_eq(type, "none"))
		return fail(EINVAL, "type: missing (or options without \"bind\")");
	return plan_fs(p, label, type, op);
}

static int plan_mount(struct mnt_plan *p, const struct spec *s, const struct label *label,
		      const struct spec_mount *m, unsigned flags)
{
	const char *type = m->type && *m->type ? m->type : "none";
	struct mnt_options o;
	struct mnt_op op = { .dst = mnt_clean(&p->arena, m->dst), .src = m->src ? m->src : type };

	if (!op.dst)
		return fail(ENOMEM, "out of memory");
	TRY(mnt_parse_options(&p->arena, &m->options, &o));
	op.flags = o.flags;
	op.data = o.data;
	op.attr_set = o.attr_set, op.attr_clr = o.attr_clr;
	op.rec_set = o.rec_set, op.rec_clr = o.rec_clr;
	op.propagation = o.propagation;
	if (str_eq(type, "bind") || (o.bind && !o.remount)) {
		if (!m->src || !*m->src)
			return fail(EINVAL, "source: missing for a bind mount");
		type = "bind";
	}
	TRY(plan_verb(p, s, label, &o, type, flags, &op));
	TRY(check_flags(&op));
	TRY(mnt_plan_idmap(&p->arena, s, m, o.idmap, &op));
	return mnt_plan_add(p, op);
}

static int plan_covers(struct mnt_plan *p, int verb, const struct strv *paths, const char *data)
{
	for (size_t i = 0; i < paths->n; i++) {
		const char *dst = mnt_clean(&p->arena, paths->v[i]);

		if (!dst)
			return fail(ENOMEM, "out of memory");
		TRY(mnt_plan_add(p, (struct mnt_op){ .verb = verb, .flags = MNT_OPTIONAL, .data = data, .dst = dst }));
	}
	return 0;
}

static int plan_all(const struct spec *s, unsigned flags, struct mnt_plan *p)
{
	struct label label = { .label = s->linux_ ? s->linux_->mount_label : NULL };
	const char *masks = NULL;

	TRY_IN(lsm_mount_option(map_get(&s->annotations, CONTEXT_ANNOTATION), label.label, label.option,
				sizeof label.option), "linux.mountLabel");
	LIST_EACH(struct spec_mount, m, s->mounts)
		TRY_IN(plan_mount(p, s, &label, m, flags), "mounts[%zu] (%s)",
		       (size_t)(m - (struct spec_mount *)s->mounts.v), m->dst);
	TRY(mnt_plan_devices(p, s, flags));
	p->hooks_at = p->n;
	if (!s->linux_)
		return 0;
	if (*label.option && !(masks = arena_printf(&p->arena, MNT_MASK_OPTIONS ",%s", label.option)))
		return fail(ENOMEM, "out of memory");
	TRY(plan_covers(p, MNT_RO, &s->linux_->readonly, NULL));
	return plan_covers(p, MNT_MASK, &s->linux_->masked, masks);
}

int mnt_plan_spec(const struct spec *s, unsigned flags, struct mnt_plan *out)
{
	int r;

	*out = (struct mnt_plan){ 0 };
	r = plan_all(s, flags, out);
	if (r < 0)
		mnt_plan_free(out);
	return r;
}

int mnt_plan_give(struct mnt_plan *p, const char *name, int tree)
{
	const char *at = NULL;
	size_t n = strlen(name);

	for (struct mnt_op *op = p->op; op < p->op + p->n; op++) {
		if (op->verb != MNT_BIND || op->src_fd >= 0 || strncmp(op->src, name, n) != 0)
			continue;
		if (!op->src[n] && !at) {
			op->src_fd = fcntl(tree, F_DUPFD_CLOEXEC, 3);
			if (op->src_fd < 0)
				return fail_errno("mount %s", op->dst);
			at = op->dst;
		} else if (op->src[n] == '/' && at) {
			op->flags |= MNT_INSIDE;
			op->src = arena_printf(&p->arena, "%s%s", at, op->src + n);
			if (!op->src)
				return fail(ENOMEM, "out of memory");
		}
	}
	return at ? 0 : fail(ENOENT, "nothing is bound from %s", name);
}

void mnt_plan_free(struct mnt_plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		drop_fd(&p->op[i].src_fd), drop_fd(&p->op[i].idmap_fd);
	if (p->op == few)
		few_taken = false;
	else
		free(p->op);
	arena_free(&p->arena);
	*p = (struct mnt_plan){ 0 };
}

static void print_attr(struct buf *out, const char *name, uint64_t v)
{
	if (v)
		buf_printf(out, " %s=%#jx", name, (uintmax_t)v);
}

static void print_maps(struct buf *out, const char *name, const struct list *maps)
{
	const char *sep = " ";

	LIST_EACH(struct spec_idmap, m, *maps) {
		buf_printf(out, "%s%s%u:%u:%u", sep, *sep == ' ' ? name : "", m->inside.v, m->host.v, m->size.v);
		sep = ",";
	}
}

void mnt_plan_print(struct buf *out, const struct mnt_plan *p)
{
	static const char *const verbs[MNT_VERBS] = { "fs", "bind", "cgroup", "remount", "node", "link", "ro",
						      "mask" };

	for (size_t i = 0; i < p->n; i++) {
		const struct mnt_op *op = &p->op[i];

		if (i == p->hooks_at)
			buf_puts(out, "hooks\n");
		buf_printf(out, "%s %s", verbs[op->verb], op->dst);
		if (op->src)
			buf_printf(out, " from %s", op->src);
		if (op->type)
			buf_printf(out, " type %s", op->type);
		if (op->data)
			buf_printf(out, " data %s", op->data);
		if (op->verb == MNT_NODE)
			buf_printf(out, " %o %u:%u", op->mode, op->major, op->minor);
		print_attr(out, "set", op->attr_set);
		print_attr(out, "clear", op->attr_clr);
		print_attr(out, "rset", op->rec_set);
		print_attr(out, "rclear", op->rec_clr);
		print_attr(out, "propagation", op->propagation);
		print_attr(out, "flags", op->flags);
		print_maps(out, "uids=", &op->uid_maps);
		print_maps(out, "gids=", &op->gid_maps);
		buf_puts(out, "\n");
	}
}
