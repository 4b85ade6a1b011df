#include "images/member.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/scope.h"
#include "base/str.h"

#include <linux/capability.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* An image may put control characters into a name: they must not reach a terminal. */
static const char *shown(const char *raw)
{
	static char out[2][176];
	static int turn;
	char *to = out[turn ^= 1];
	size_t n = 0;

	for (const char *s = raw; *s; s++) {
		if (n > 160) {
			strcpy(to + n, "...");
			return to;
		}
		n += (size_t)sprintf(to + n, (unsigned char)*s < 32 || *s == 127 ? "\\x%02x" : "%c",
				     (unsigned char)*s);
	}
	to[n] = '\0';
	return to;
}

int member_path(const char *raw, const struct limits *lim, char out[PATH_MAX])
{
	size_t o = 0, depth = 0;

	if (!*raw)
		return fail_as(ERR_IMAGE, "a member with an empty name");
	if (strlen(raw) > lim->path)
		return fail_as(ERR_IMAGE, "%s: path longer than %ju bytes", shown(raw), (uintmax_t)lim->path);
	for (const char *s = raw; *s;) {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.' && !undefended("member-names"))
			return fail_as(ERR_IMAGE, "%s: \"..\" in a name", shown(raw));
		if (n > lim->name)
			return fail_as(ERR_IMAGE, "%s: name longer than %ju bytes", shown(raw),
				       (uintmax_t)lim->name);
		if (n > 0 && !(n == 1 && s[0] == '.')) {
			if (++depth > lim->depth)
				return fail_as(ERR_IMAGE, "%s: nested deeper than %ju", shown(raw),
					       (uintmax_t)lim->depth);
			if (o)
				out[o++] = '/';
			memcpy(out + o, s, n);
			o += n;
		}
		s += n + (s[n] == '/');
	}
	if (o == 0)
		out[o++] = '.';
	out[o] = '\0';
	return 0;
}

/* ".wh.NAME" and ".wh..wh..opq": path becomes what is hidden. */
static int decide_whiteout(const char *raw, char *last, struct member *m)
{
	const char *hidden = last + 4;

	if (str_eq(hidden, ".wh..opq")) {
		m->what = MEMBER_OPAQUE;
		if (last == m->path)
			return fail_as(ERR_IMAGE, "%s: hides the whole root", shown(raw));
		last[-1] = '\0';
		return 0;
	}
	if (str_starts(hidden, ".wh.")) {
		m->what = MEMBER_SKIP;
		return 0;
	}
	if (!*hidden || str_eq(hidden, ".") || str_eq(hidden, ".."))
		return fail_as(ERR_IMAGE, "%s: a whiteout of \"%s\"", shown(raw), hidden);
	m->what = MEMBER_WHITEOUT;
	memmove(last, hidden, strlen(hidden) + 1);
	return 0;
}

static int decide_device(const struct tar_entry *e, const struct member_rules *rules, struct member *m)
{
	if (undefended("member-devices"))
		return 0;
	/* The guest gets its own /dev; what a builder left there is of no use. */
	if (!rules->devices && str_starts(m->path, "dev/")) {
		m->what = MEMBER_SKIP;
		return 0;
	}
	if (!rules->devices)
		return fail_as(ERR_IMAGE, "%s: a device node", shown(e->path));
	/* A tar's numbers have more digits than the kernel's have bits: 12 and 20. */
	if (major(e->rdev) > 4095 || minor(e->rdev) > 1048575)
		return fail_as(ERR_IMAGE, "%s: device %u:%u: the kernel has no such number", shown(e->path), major(e->rdev),
			       minor(e->rdev));
	/* Overlayfs would take it for a whiteout. */
	if (e->type == TAR_CHAR && e->rdev == 0)
		return fail_as(ERR_IMAGE, "%s: a character device 0:0", shown(e->path));
	return 0;
}

static int decide_link(const struct tar_entry *e, const struct limits *lim, struct member *m)
{
	if (e->type == TAR_HARDLINK) {
		char why[160];

		if (member_path(e->link, lim, m->link) < 0) {
			snprintf(why, sizeof why, "%s", err_text());
			return fail_as(ERR_IMAGE, "%s: hard link out of the layer: %s", shown(e->path), why);
		}
		return 0;
	}
	if (!*e->link || strlen(e->link) > lim->link)
		return fail_as(ERR_IMAGE, "%s: a link target of %zu bytes", shown(e->path), strlen(e->link));
	strcpy(m->link, e->link);
	return 0;
}

int member_decide(const struct tar_entry *e, const struct member_rules *rules, struct member *m)
{
	char *slash;

	m->what = MEMBER_MAKE;
	m->link[0] = '\0';
	TRY(member_path(e->path, rules->lim, m->path));
	slash = strrchr(m->path, '/');
	if (!rules->plain && str_starts(slash ? slash + 1 : m->path, ".wh."))
		return decide_whiteout(e->path, slash ? slash + 1 : m->path, m);
	/* A whiteout hides one name: nothing can be below it. */
	if (!rules->plain && (str_starts(m->path, ".wh.") || strstr(m->path, "/.wh.")))
		return fail_as(ERR_IMAGE, "%s: below a whiteout", shown(e->path));
	if (str_eq(m->path, ".") && e->type != TAR_DIR)
		return fail_as(ERR_IMAGE, "%s: the root is not a directory", shown(e->path));
	if (e->link)
		TRY(decide_link(e, rules->lim, m));
	if (rules->plain && e->type > TAR_HARDLINK)
		return fail_as(ERR_IMAGE, "%s: neither file, directory nor link", shown(e->path));
	if (e->type == TAR_CHAR || e->type == TAR_BLOCK)
		return decide_device(e, rules, m);
	if (e->type == TAR_OTHER)
		return fail_as(ERR_IMAGE, "%s: of unknown type", shown(e->path));
	return 0;
}

/* Version 2, and no version 3: that one names a user namespace's root. */
static bool capability_is_v2(const void *value, size_t n)
{
	uint32_t magic;

	if (n != XATTR_CAPS_SZ_2)
		return false;
	memcpy(&magic, value, sizeof magic);
	return (le32toh(magic) & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_2;
}

int member_xattr(const char *path, const char *name, const void *value, size_t n)
{
	static const char *const refused[] = { "trusted.", "security.", "user.overlay.", "system." };

	if (str_eq(name, "security.capability")) {
		if (!capability_is_v2(value, n))
			return fail_as(ERR_IMAGE, "%s: security.capability is not of version 2", shown(path));
		return 1;
	}
	if (str_eq(name, "system.posix_acl_access") || str_eq(name, "system.posix_acl_default"))
		return 1;
	for (size_t i = 0; i < COUNT(refused); i++)
		if (str_starts(name, refused[i]) && !undefended("member-attributes"))
			return fail_as(ERR_IMAGE, "%s: extended attribute %s", shown(path), shown(name));
	/* Other systems' name spaces (com.apple.) mean nothing here. */
	return str_starts(name, "user.") && name[5] ? 1 : 0;
}
