/* "slice:prefix:name", the cgroups path that engines give with systemd's driver. */
#include "cgroups/unit.h"

#include <string.h>

enum { UNIT_NAME_MAX = 255 };

static bool is_unit_name(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\", s[i]))
			return false;
	return len > 0;
}

/* systemd.unit(5): dashes in a slice's name are levels, so none may be empty; "-.slice" is the root. */
static bool is_slice_name(const char *s)
{
	size_t n = strlen(s);

	if (str_eq(s, "-.slice"))
		return true;
	return n > strlen(".slice") && unit_is_slice(s) && is_unit_name(s, n - strlen(".slice")) && *s != '-' &&
	       s[n - strlen(".slice") - 1] != '-' && !strstr(s, "--") && !strchr(s, ':') && n <= UNIT_NAME_MAX;
}

/* An id may have a '+', which no unit's name may: escaped as systemd-escape(1) does it. */
static void escaped(const char *id, char *out, size_t size)
{
	size_t n = 0;

	for (; *id && n + 5 < size; id++)
		n += (size_t)snprintf(out + n, size - n, *id == '+' ? "\\x2b" : "%c", *id);
	out[n] = '\0';
}

static int not_systemd(const char *path)
{
	int r = fail_as(ERR_CONFIG, "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd "
			"cgroups, got %.200s instead", path);

	err_try("give such a path, or use --cgroup-manager cgroupfs");
	return r;
}

static int check(const char *path, const struct cg_unit *u)
{
	const char *dot = strrchr(u->name, '.');

	if (!is_slice_name(u->slice))
		return fail_as(ERR_CONFIG, "cgroupsPath %.200s: \"%s\" is no name of a slice", path, u->slice);
	if (strlen(u->name) > UNIT_NAME_MAX)
		return fail_as(ERR_CONFIG, "cgroupsPath %.64s...: the unit's name is longer than %d bytes", path,
			       UNIT_NAME_MAX);
	if (unit_is_slice(u->name) ? !is_slice_name(u->name) || str_eq(u->name, "-.slice")
				   : !is_unit_name(u->name, (size_t)(dot - u->name)))
		return fail_as(ERR_CONFIG, "cgroupsPath %.200s: \"%s\" is no name of a unit", path, u->name);
	return 0;
}

int cg_unit_parse(const char *path, const char *id, struct cg_unit *out)
{
	const char *first, *second;
	char prefix[CG_UNIT_MAX], name[CG_UNIT_MAX + 8];

	snprintf(out->slice, sizeof out->slice, "%s", cg_rootless() ? "user.slice" : "system.slice");
	if (!path || !*path) {
		escaped(id, name, sizeof name);
		snprintf(out->name, sizeof out->name, "vzrun-%s.scope", name);
		return check(id, out);
	}
	first = strchr(path, ':');
	second = first ? strchr(first + 1, ':') : NULL;
	if (!second || strchr(second + 1, ':') || strchr(path, '/') || strlen(path) >= CG_UNIT_MAX)
		return not_systemd(path);
	if (!second[1])
		return fail_as(ERR_CONFIG, "cgroupsPath %.200s: the name is empty", path);
	if (first > path)
		snprintf(out->slice, sizeof out->slice, "%.*s", (int)(first - path), path);
	snprintf(prefix, sizeof prefix, "%.*s", (int)(second - first - 1), first + 1);
	snprintf(name, sizeof name, "%s", second + 1);
	if (unit_is_slice(name))
		snprintf(out->name, sizeof out->name, "%s", name);
	else
		snprintf(out->name, sizeof out->name, "%s-%s.scope", prefix, name);
	return check(path, out);
}
