/* Which ids a mount maps to which: from the configuration to lists, from a user namespace to the mount. */
#include "runtime/child/mount.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

enum { MAPS_MAX = 340 };	/* of the kernel */

static int add(struct arena *a, struct list *l, uint32_t from, uint32_t to, uint32_t n)
{
	struct spec_idmap *v = l->v;

	if (l->n == MAPS_MAX)
		return fail(EINVAL, "more than %d ranges", MAPS_MAX);
	if (!v)
		l->v = v = arena_alloc(a, MAPS_MAX, sizeof *v);
	if (!v)
		return fail(ENOMEM, "out of memory");
	v[l->n++] = (struct spec_idmap){ .inside = { from, true }, .host = { to, true }, .size = { n, true } };
	return 0;
}

/* `to` is an id of the container: each part of the range goes where the container's own maps put it. */
static int add_relative(struct arena *a, struct list *l, const struct list *own, uint32_t from, uint32_t to,
			uint32_t n)
{
	while (n > 0) {
		uint32_t part = 0;

		LIST_EACH(struct spec_idmap, m, *own) {
			if (to < m->inside.v || to - m->inside.v >= m->size.v)
				continue;
			part = m->size.v - (to - m->inside.v);
			part = part < n ? part : n;
			TRY(add(a, l, from, m->host.v + (to - m->inside.v), part));
			break;
		}
		if (!part)
			return fail(EINVAL, "id %u is not mapped in the container's user namespace", to);
		from += part, to += part, n -= part;
	}
	return 0;
}

static int triplet(struct arena *a, struct list *l, const struct list *own, char *text)
{
	uint64_t v[3] = { 0 };
	bool relative = *text == '@';
	char *save = NULL, *copy = arena_strdup(a, text), *word = strtok_r(text + relative, "-", &save);
	size_t n = 0;

	for (; word && n < 3 && str_u64(word, UINT32_MAX, &v[n]) == 0; word = strtok_r(NULL, "-", &save))
		n++;
	if (n != 3 || word || v[2] == 0 || v[0] + v[2] > UINT32_MAX || v[1] + v[2] > UINT32_MAX)
		return fail(EINVAL, "\"%s\" is not FROM-TO-SIZE", copy ? copy : "");
	if (relative)
		return add_relative(a, l, own, (uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2]);
	return add(a, l, (uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2]);
}

static int half(struct arena *a, const struct spec_linux *l, char *text, struct mnt_op *op)
{
	bool uids = str_starts(text, "uids=");
	struct list none = { 0 };
	char *save = NULL;

	if (!uids && !str_starts(text, "gids="))
		return fail(EINVAL, "\"%s\" is neither uids= nor gids=", text);
	for (char *t = strtok_r(text + 5, "#", &save); t; t = strtok_r(NULL, "#", &save))
		TRY_IN(triplet(a, uids ? &op->uid_maps : &op->gid_maps,
			       l ? uids ? &l->uid_maps : &l->gid_maps : &none, t), uids ? "uids" : "gids");
	return 0;
}

/* Ids of the kind that the text does not name stay as they are in the container. */
static int or_else(struct arena *a, const struct list *own, struct list *l)
{
	if (l->n == 0 && own && own->n > 0)
		*l = *own;
	return l->n > 0 ? 0 : add(a, l, 0, 0, UINT32_MAX);
}

static int from_text(struct arena *a, const struct spec_linux *l, const char *text, struct mnt_op *op)
{
	char *copy = arena_strdup(a, text), *save = NULL;

	if (!copy)
		return fail(ENOMEM, "out of memory");
	for (char *t = strtok_r(copy, ";", &save); t; t = strtok_r(NULL, ";", &save))
		TRY(half(a, l, t, op));
	if (op->uid_maps.n + op->gid_maps.n == 0)
		return fail(EINVAL, "\"%s\" names no ids", text);
	TRY(or_else(a, l ? &l->uid_maps : NULL, &op->uid_maps));
	return or_else(a, l ? &l->gid_maps : NULL, &op->gid_maps);
}

int mnt_plan_idmap(struct arena *a, const struct spec *s, const struct spec_mount *m, const char *text,
		   struct mnt_op *op)
{
	if (m->uid_maps.n + m->gid_maps.n > 0)
		op->flags |= MNT_IDMAP;
	if (!(op->flags & MNT_IDMAP))
		return 0;
	if (op->verb != MNT_BIND && op->verb != MNT_FS)
		return fail(EINVAL, "idmap: only a bind mount or a new file system can be idmapped");
	if (op->verb == MNT_BIND)
		op->flags |= MNT_EARLY;
	if (text) {
		TRY_IN(from_text(a, s->linux_, text, op), "idmap");
	} else if (m->uid_maps.n + m->gid_maps.n > 0) {
		op->uid_maps = m->uid_maps, op->gid_maps = m->gid_maps;
	} else if (spec_new_ns(s, CLONE_NEWUSER)) {
		op->uid_maps = s->linux_->uid_maps, op->gid_maps = s->linux_->gid_maps;
	} else if (!spec_has_ns(s, CLONE_NEWUSER)) {
		return fail(EINVAL, "idmap: needs uidMappings and gidMappings, or a user namespace of the container");
	}
	return 0;
}

/*
 * The type of the file system of a detached mount; its magic number where no other mount of it is in sight.
 */
static void fs_name(int mnt, char *out, size_t size)
{
	auto_free char *text = NULL;
	struct statfs fs = { 0 };
	struct stat st = { 0 };
	char dev[32];

	(void)fstatfs(mnt, &fs);
	snprintf(out, size, "%#jx", (uintmax_t)fs.f_type);
	if (fstat(mnt, &st) < 0 || file_read(AT_FDCWD, "/proc/self/mountinfo", &text, NULL) < 0)
		return;
	snprintf(dev, sizeof dev, " %u:%u ", major(st.st_dev), minor(st.st_dev));
	char *line = strstr(text, dev), *type = line ? strstr(line, " - ") : NULL;
	if (type)
		snprintf(out, size, "%.*s", (int)strcspn(type + 3, " "), type + 3);
}

int mnt_idmap(int mnt, int userns_fd, bool rec, const char *type)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd };
	char name[64];
	int code;

	if (mount_setattr(mnt, "", AT_EMPTY_PATH | (rec ? AT_RECURSIVE : 0), &a, sizeof a) == 0)
		return 0;
	code = errno;
	if (type)
		snprintf(name, sizeof name, "%s", type);
	else
		fs_name(mnt, name, sizeof name);
	if (code == EINVAL)
		fail(code, "idmap: file system \"%s\"%s: idmapped mounts are not supported", name,
		     rec ? ", or one mounted below" : "");
	else if (code == EPERM)
		fail(code, "idmap: file system \"%s\"%s: idmapped already, or not ours to map", name,
		     rec ? ", or one mounted below" : "");
	else
		fail(code, "idmap: file system \"%s\": %s", name, strerrordesc_np(code));
	return fail_class(-code, ERR_UNSUPPORTED);
}
