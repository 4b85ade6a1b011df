/*
 * Device rules in systemd's words: a policy that refuses everything, and exceptions. On v2 its program
 * stands beside ours and both must agree; on v1 it writes the lists again when it reloads. What it cannot
 * say is left to us alone.
 */
#include "cgroups/systemd.h"

#include <string.h>

static const char *node(struct arena *a, const struct dev *d)
{
	const char *kind = d->type == 'b' ? "block" : "char";

	if (d->major < 0)
		return d->minor < 0 ? arena_printf(a, "%s-*", kind) : NULL;
	if (d->minor < 0)
		return arena_printf(a, "%s-%jd", kind, (intmax_t)d->major);
	return arena_printf(a, "/dev/%s/%jd:%jd", kind, (intmax_t)d->major, (intmax_t)d->minor);
}

static const char *access_of(struct arena *a, unsigned acc)
{
	return arena_printf(a, "%s%s%s", acc & ACC_READ ? "r" : "", acc & ACC_WRITE ? "w" : "",
			    acc & ACC_MKNOD ? "m" : "");
}

static bool exceptions(struct props *p, const struct dev_list *l, struct prop_device *out)
{
	if (l->allow)
		return false;
	for (size_t i = 0; i < l->n; i++) {
		out[i] = (struct prop_device){ node(p->a, &l->v[i]), access_of(p->a, l->v[i].acc) };
		if (!out[i].path || !out[i].access)
			return false;
	}
	return true;
}

int props_of_devices(struct props *p, const struct list *rules)
{
	struct dev_list l;
	struct prop_device *v;
	bool strict = cg_dev_compile(rules, &l) == 0;

	err_clear();
	v = strict ? arena_alloc(p->a, l.n + 1, sizeof *v) : NULL;
	strict = v && exceptions(p, &l, v);
	prop_str(p, "DevicePolicy", strict ? "strict" : "auto");
	/* The list adds to what is there; an empty one clears it. */
	prop_add(p, &(struct prop){ .name = "DeviceAllow", .type = "a(ss)" });
	if (strict && l.n)
		prop_add(p, &(struct prop){ .name = "DeviceAllow", .type = "a(ss)", .devices = v, .n_devices = l.n });
	cg_dev_free(&l);
	return 0;
}
