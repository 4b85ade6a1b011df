#include "runtime/child/mount.h"
#include "base/log.h"
#include "base/scope.h"

#include <string.h>

/*
 * Every mount option that is not one file system's own. `r` before an attribute's name
 * means the tree below too (mount_setattr with AT_RECURSIVE).
 */
struct option {
	const char *name;
	uint64_t set, clr;
	uint64_t propagation;
	unsigned flags;
	char what;	/* 'a' attribute, 'r' recursive attribute, 'p' propagation, 'b' bind, 'm' remount, 'f' flags
			   alone, 's' superblock (fsconfig's flag of that name), 'd' superblock's default, 'x' none
			   any more: told, 'e' the engine's own */
	const char *why;	/* 'x' */
};

#define ATTR(name, s, c)  { name, s, c, 0, 0, 'a', NULL }, { "r" name, s, c, 0, 0, 'r', NULL }
#define PROP(name, p)     { name, 0, 0, p, 0, 'p', NULL }, { "r" name, 0, 0, p | MS_REC, 0, 'p', NULL }
#define WORD(name, what)  { name, 0, 0, 0, 0, what, NULL }
#define FLAG(name, flags) { name, 0, 0, 0, flags, 'f', NULL }
#define ATIME MOUNT_ATTR__ATIME

static const struct option options[] = {
	ATTR("ro", MOUNT_ATTR_RDONLY, 0),          ATTR("rw", 0, MOUNT_ATTR_RDONLY),
	ATTR("nosuid", MOUNT_ATTR_NOSUID, 0),      ATTR("suid", 0, MOUNT_ATTR_NOSUID),
	ATTR("nodev", MOUNT_ATTR_NODEV, 0),        ATTR("dev", 0, MOUNT_ATTR_NODEV),
	ATTR("noexec", MOUNT_ATTR_NOEXEC, 0),      ATTR("exec", 0, MOUNT_ATTR_NOEXEC),
	ATTR("noatime", MOUNT_ATTR_NOATIME, ATIME),      ATTR("atime", MOUNT_ATTR_RELATIME, ATIME),
	/* Who takes back one of these words has what is the kernel's own choice since 2.6.30, as by mount(2). */
	ATTR("relatime", MOUNT_ATTR_RELATIME, ATIME),    ATTR("norelatime", MOUNT_ATTR_RELATIME, ATIME),
	ATTR("strictatime", MOUNT_ATTR_STRICTATIME, ATIME), ATTR("nostrictatime", MOUNT_ATTR_RELATIME, ATIME),
	ATTR("nodiratime", MOUNT_ATTR_NODIRATIME, 0), ATTR("diratime", 0, MOUNT_ATTR_NODIRATIME),
	ATTR("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0), ATTR("symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
	PROP("private", MS_PRIVATE), PROP("slave", MS_SLAVE), PROP("shared", MS_SHARED),
	PROP("unbindable", MS_UNBINDABLE),
	WORD("bind", 'b'),
	{ "rbind", 0, 0, 0, MNT_REC, 'b', NULL },
	WORD("remount", 'm'),
	WORD("sync", 's'), WORD("dirsync", 's'), WORD("lazytime", 's'), WORD("iversion", 's'),
	WORD("acl", 's'), WORD("noacl", 's'),
	WORD("async", 'd'), WORD("nolazytime", 'd'),
	/* What every mount made by fsopen(2) is: silent (messages go to its own log), without mandatory locks. */
	FLAG("defaults", 0), FLAG("nomand", 0), FLAG("silent", 0), FLAG("loud", 0), FLAG("noiversion", 0),
	FLAG("idmap", MNT_IDMAP), FLAG("ridmap", MNT_IDMAP | MNT_IDMAP_REC),
	FLAG("tmpcopyup", MNT_COPY_UP),
	FLAG("copy-symlink", MNT_COPY_LINK), FLAG("src-nofollow", MNT_NOFOLLOW_SRC),
	FLAG("dest-nofollow", MNT_NOFOLLOW_DST), FLAG("src-nolinks", MNT_NO_LINKS),
	/* Buildah's words to itself: it has relabelled or chowned the source, or has no reason to, and leaves them in. */
	WORD("z", 'e'), WORD("Z", 'e'), WORD("U", 'e'),
	{ "mand", 0, 0, 0, 0, 'x', "kernels since 5.15 have no mandatory locks" },
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
		if (options[i].what != 'x' && options[i].what != 'e')
			each(ctx, options[i].name);
}

bool mnt_is_super_option(const char *word)
{
	const struct option *o = find(word);

	return o && (o->what == 's' || o->what == 'd');
}

/* The last word wins, as in mount(8): what one sets the other no longer clears. */
static void attribute(uint64_t *set, uint64_t *clr, const struct option *o)
{
	uint64_t touched = o->set | o->clr;

	*set = (*set & ~touched) | o->set;
	*clr = (*clr & ~touched) | o->clr;
}

static void to_file_system(struct buf *data, const char *word)
{
	buf_printf(data, "%s%s", data->n ? "," : "", word);
}

static void apply(const struct option *o, struct buf *data, struct mnt_options *out)
{
	switch (o->what) {
	case 'a': attribute(&out->attr_set, &out->attr_clr, o); break;
	case 'r': attribute(&out->rec_set, &out->rec_clr, o); break;
	case 'p': out->propagation = o->propagation; break;
	case 'b': out->bind = true; break;
	case 'm': out->remount = true; break;
	case 's': out->super = out->super ? out->super : o->name; /* fall through */
	case 'd': to_file_system(data, o->name); break;
	case 'e': break;
	case 'x': log_warn("mount option \"%s\" is left out: %s", o->name, o->why);
	}
	out->flags |= o->flags;
}

/* idmap=uids=0-1-10#...;gids=... */
static bool idmap_text(const char *word, struct mnt_options *out)
{
	bool rec = str_starts(word, "ridmap=");

	if (!rec && !str_starts(word, "idmap="))
		return false;
	out->idmap = strchr(word, '=') + 1;
	out->flags |= MNT_IDMAP | (rec ? MNT_IDMAP_REC : 0);
	return true;
}

int mnt_parse_options(struct arena *a, const struct strv *words, struct mnt_options *out)
{
	auto_buf struct buf data = { 0 };

	*out = (struct mnt_options){ 0 };
	for (size_t i = 0; i < words->n; i++) {
		const char *word = words->v[i];
		const struct option *o = find(word);

		if (o) {
			apply(o, &data, out);
			continue;
		}
		/* "x-" is mount(8)'s name space for what programs tell each other. */
		if (!*word || str_starts(word, "x-") || str_starts(word, "X-") || idmap_text(word, out))
			continue;
		to_file_system(&data, word);
		out->foreign = out->foreign ? out->foreign : word;
	}
	out->data = data.n ? arena_strdup(a, buf_text(&data)) : NULL;
	return data.oom || (data.n && !out->data) ? fail(ENOMEM, "out of memory") : 0;
}
