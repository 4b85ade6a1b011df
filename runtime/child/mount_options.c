#include "runtime/child/mount.h"
#include "base/scope.h"

#include <string.h>

/*
 * Every mount option that is not the file system's own. `r` before an attribute's name
 * means the tree below too (mount_setattr with AT_RECURSIVE).
 */
struct option {
	const char *name;
	uint64_t set, clr;
	uint64_t propagation;
	unsigned flags;
	char what;	/* 'a' attribute, 'r' recursive attribute, 'p' propagation, 'b' bind, 'm' remount, 'i' ignored, 'x' refused */
};

#define ATTR(name, s, c)  { name, s, c, 0, 0, 'a' }, { "r" name, s, c, 0, 0, 'r' }
#define ATIME MOUNT_ATTR__ATIME

static const struct option options[] = {
	ATTR("ro", MOUNT_ATTR_RDONLY, 0),          ATTR("rw", 0, MOUNT_ATTR_RDONLY),
	ATTR("nosuid", MOUNT_ATTR_NOSUID, 0),      ATTR("suid", 0, MOUNT_ATTR_NOSUID),
	ATTR("nodev", MOUNT_ATTR_NODEV, 0),        ATTR("dev", 0, MOUNT_ATTR_NODEV),
	ATTR("noexec", MOUNT_ATTR_NOEXEC, 0),      ATTR("exec", 0, MOUNT_ATTR_NOEXEC),
	ATTR("noatime", MOUNT_ATTR_NOATIME, ATIME),      ATTR("atime", MOUNT_ATTR_RELATIME, ATIME),
	ATTR("relatime", MOUNT_ATTR_RELATIME, ATIME),    ATTR("norelatime", MOUNT_ATTR_STRICTATIME, ATIME),
	ATTR("strictatime", MOUNT_ATTR_STRICTATIME, ATIME), ATTR("nostrictatime", MOUNT_ATTR_RELATIME, ATIME),
	ATTR("nodiratime", MOUNT_ATTR_NODIRATIME, 0), ATTR("diratime", 0, MOUNT_ATTR_NODIRATIME),
	ATTR("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0), ATTR("symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
	{ "private",     0, 0, MS_PRIVATE, 0, 'p' },    { "rprivate",    0, 0, MS_PRIVATE | MS_REC, 0, 'p' },
	{ "slave",       0, 0, MS_SLAVE, 0, 'p' },      { "rslave",      0, 0, MS_SLAVE | MS_REC, 0, 'p' },
	{ "shared",      0, 0, MS_SHARED, 0, 'p' },     { "rshared",     0, 0, MS_SHARED | MS_REC, 0, 'p' },
	{ "unbindable",  0, 0, MS_UNBINDABLE, 0, 'p' }, { "runbindable", 0, 0, MS_UNBINDABLE | MS_REC, 0, 'p' },
	{ "bind",  0, 0, 0, 0, 'b' },
	{ "rbind", 0, 0, 0, MNT_REC, 'b' },
	{ "remount", 0, 0, 0, 0, 'm' },
	{ "defaults", 0, 0, 0, 0, 'i' }, { "async", 0, 0, 0, 0, 'i' }, { "nomand", 0, 0, 0, 0, 'i' },
	{ "copy-symlink", 0, 0, 0, MNT_NOFOLLOW_SRC, 'i' }, { "src-nofollow", 0, 0, 0, MNT_NOFOLLOW_SRC, 'i' },
	{ "idmap", 0, 0, 0, 0, 'x' }, { "ridmap", 0, 0, 0, 0, 'x' }, { "tmpcopyup", 0, 0, 0, 0, 'x' },
	{ "mand", 0, 0, 0, 0, 'x' },
};

static const struct option *find(const char *word)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (str_eq(options[i].name, word))
			return &options[i];
	return NULL;
}

void mnt_list_options(void (*each)(void *, const char *), void *ctx)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (options[i].what != 'x')
			each(ctx, options[i].name);
}

/* The last word wins, as in mount(8): what one sets the other no longer clears. */
static void attribute(uint64_t *set, uint64_t *clr, const struct option *o)
{
	uint64_t touched = o->set | o->clr;

	*set = (*set & ~touched) | o->set;
	*clr = (*clr & ~touched) | o->clr;
}

static int apply(const struct option *o, struct mnt_options *out)
{
	switch (o->what) {
	case 'a': attribute(&out->attr_set, &out->attr_clr, o); break;
	case 'r': attribute(&out->rec_set, &out->rec_clr, o); break;
	case 'p': out->propagation = o->propagation; break;
	case 'b': out->bind = true; break;
	case 'm': out->remount = true; break;
	case 'x': return fail(ENOTSUP, "option \"%s\" is not supported", o->name);
	}
	out->flags |= o->flags;
	return 0;
}

int mnt_parse_options(struct arena *a, const struct strv *words, struct mnt_options *out)
{
	auto_buf struct buf data = { 0 };

	*out = (struct mnt_options){ 0 };
	for (size_t i = 0; i < words->n; i++) {
		const struct option *o = find(words->v[i]);

		if (o)
			TRY_IN(apply(o, out), "options[%zu]", i);
		else if (*words->v[i])
			buf_printf(&data, "%s%s", data.n ? "," : "", words->v[i]);
	}
	out->data = data.n ? arena_strdup(a, buf_text(&data)) : NULL;
	return data.oom || (data.n && !out->data) ? fail(ENOMEM, "out of memory") : 0;
}
