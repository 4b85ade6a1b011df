/* The rows of a plan for what is below /dev: nodes and links that all have, and those of the configuration. */
#include "runtime/child/mount.h"
#include "base/log.h"
#include "base/scope.h"

#include <sys/stat.h>

static const struct mnt_op default_devices[] = {
	{ .dst = "/dev/null",    .mode = S_IFCHR | 0666, .major = 1, .minor = 3 },
	{ .dst = "/dev/zero",    .mode = S_IFCHR | 0666, .major = 1, .minor = 5 },
	{ .dst = "/dev/full",    .mode = S_IFCHR | 0666, .major = 1, .minor = 7 },
	{ .dst = "/dev/random",  .mode = S_IFCHR | 0666, .major = 1, .minor = 8 },
	{ .dst = "/dev/urandom", .mode = S_IFCHR | 0666, .major = 1, .minor = 9 },
	{ .dst = "/dev/tty",     .mode = S_IFCHR | 0666, .major = 5, .minor = 0 },
};

static const struct mnt_op default_links[] = {
	{ .verb = MNT_LINK, .flags = MNT_KEEP, .src = "/proc/self/fd",   .dst = "/dev/fd" },
	{ .verb = MNT_LINK, .flags = MNT_KEEP, .src = "/proc/self/fd/0", .dst = "/dev/stdin" },
	{ .verb = MNT_LINK, .flags = MNT_KEEP, .src = "/proc/self/fd/1", .dst = "/dev/stdout" },
	{ .verb = MNT_LINK, .flags = MNT_KEEP, .src = "/proc/self/fd/2", .dst = "/dev/stderr" },
	{ .verb = MNT_LINK, .flags = MNT_KEEP, .src = "/proc/kcore",     .dst = "/dev/core" },
	{ .verb = MNT_LINK, .src = "pts/ptmx",                           .dst = "/dev/ptmx" },
};

static bool configured(const struct spec *s, const char *path)
{
	if (s->linux_)
		LIST_EACH(struct spec_device, d, s->linux_->devices)
			if (str_eq(d->path, path))
				return true;
	return false;
}

/* Engines list a device for each option that brings it: the first is the one, as with runc. */
static bool is_planned(const struct mnt_plan *p, const struct mnt_op *op)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct mnt_op *o = &p->op[i];

		if (o->verb != MNT_NODE || !str_eq(o->dst, op->dst))
			continue;
		if ((o->mode & S_IFMT) != (op->mode & S_IFMT) || o->major != op->major || o->minor != op->minor)
			log_warn("linux.devices: %s is there twice, and the first is made", op->dst);
		return true;
	}
	return false;
}

static int plan_node(struct mnt_plan *p, struct mnt_op op, unsigned flags)
{
	op.verb = MNT_NODE;
	op.flags |= flags & MNT_PLAN_USERNS ? MNT_BIND_NODES : 0;
	op.src = op.dst;
	op.dst = mnt_clean(&p->arena, op.dst);
	if (!op.dst)
		return fail(ENOMEM, "out of memory");
	return is_planned(p, &op) ? 0 : mnt_plan_add(p, op);
}

/* By the planned rows: their destinations are clean, however the configuration spells them. */
static const struct mnt_op *mounted_at(const struct mnt_plan *p, const char *dst)
{
	for (size_t i = p->n; i-- > 0;)
		if ((p->op[i].verb == MNT_BIND || p->op[i].verb == MNT_FS) && str_eq(p->op[i].dst, dst))
			return &p->op[i];
	return NULL;
}

/*
 * A link that is made whatever was there: a node in its place (engines list all devices of the host) would
 * only be lost.
 */
static bool is_link(const char *path)
{
	for (size_t i = 0; i < COUNT(default_links); i++)
		if (!(default_links[i].flags & MNT_KEEP) && str_eq(default_links[i].dst, path))
			return true;
	return false;
}

static int plan_configured(struct mnt_plan *p, const struct spec *s, unsigned flags)
{
	if (s->linux_)
		LIST_EACH(struct spec_device, d, s->linux_->devices)
			if (!is_link(d->path))
				TRY(plan_node(p, (struct mnt_op){
					.dst = d->path,
					.flags = flags & MNT_PLAN_USERNS && (d->mode.set || d->uid.v || d->gid.v) ? MNT_RIGHTS : 0,
					.mode = (mode_t)d->type | (d->mode.set ? d->mode.v & 07777 : 0666),
					.major = d->type == S_IFIFO ? 0 : (unsigned)d->major.v,
					.minor = d->type == S_IFIFO ? 0 : (unsigned)d->minor.v,
					.uid = d->uid.v, .gid = d->gid.v }, flags));
	return 0;
}

int mnt_plan_devices(struct mnt_plan *p, const struct spec *s, unsigned flags)
{
	const struct mnt_op *dev = mounted_at(p, "/dev");

	/* A /dev that is bound from the host has its devices; we would write into the host's. */
	if (dev && dev->verb == MNT_BIND)
		return 0;
	for (size_t i = 0; i < COUNT(default_devices); i++)
		if (!configured(s, default_devices[i].dst) && !mounted_at(p, default_devices[i].dst))
			TRY(plan_node(p, default_devices[i], flags));
	TRY(plan_configured(p, s, flags));
	for (size_t i = 0; i < COUNT(default_links); i++)
		if (!mounted_at(p, default_links[i].dst))
			TRY(mnt_plan_add(p, default_links[i]));
	return 0;
}
