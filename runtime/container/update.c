#include "runtime/container/create.h"
#include "base/scope.h"
#include "runtime/container/opened.h"

#include <string.h>

/*
 * What every container may use whatever its rules say, as the specification has it: the default
 * devices, pseudo-terminals, and making (not opening) any node.
 */
static int with_default_devices(struct arena *a, const struct list *rules, struct list *out)
{
	static const struct { const char *type; int major, minor; const char *access; } always[] = {
		{ "c", -1, -1, "m" }, { "b", -1, -1, "m" }, { "c", 1, 3, "rwm" }, { "c", 1, 5, "rwm" },
		{ "c", 1, 7, "rwm" }, { "c", 1, 8, "rwm" }, { "c", 1, 9, "rwm" }, { "c", 5, 0, "rwm" },
		{ "c", 5, 2, "rwm" }, { "c", 136, -1, "rwm" },
	};
	struct cg_device_rule *v = arena_alloc(a, rules->n + COUNT(always), sizeof *v);

	if (!v)
		return fail(ENOMEM, "out of memory");
	memcpy(v, rules->v, rules->n * sizeof *v);
	for (size_t i = 0; i < COUNT(always); i++)
		v[rules->n + i] = (struct cg_device_rule){
			.allow = { true, true }, .type = always[i].type, .access = always[i].access,
			.major = { always[i].major, always[i].major >= 0 },
			.minor = { always[i].minor, always[i].minor >= 0 },
		};
	*out = (struct list){ v, rules->n + COUNT(always) };
	return 0;
}

int limits_complete(struct arena *a, const struct cg_resources *wanted, struct cg_resources *out)
{
	*out = *wanted;
	return wanted->devices.n > 0 ? with_default_devices(a, &wanted->devices, &out->devices) : 0;
}

static int update(const struct opened *o, const struct cg_resources *wanted)
{
	auto_arena struct arena a = { 0 };
	struct cg_resources r = *wanted, complete;
	static struct cg cg;

	if (o->status == ST_STOPPED)
		return fail_as(ERR_STATE, "container not running");
	/* To an engine 0 is a limit that it does not talk of. */
	if (r.pids && r.pids->limit.v == 0)
		r.pids = NULL;
	TRY_IN(cg_check(&r), "resources");
	opened_group(o, &cg);
	if (!cg.hiers)
		return fail_as(ERR_STATE, "container %s has no cgroup: its limits cannot be changed", o->s.id);
	TRY(limits_complete(&a, &r, &complete));
	return cg_update(&cg, &complete);
}

int container_update(const char *root, const char *id, const struct cg_resources *r)
{
	auto_opened struct opened o;

	TRY(opened_container(root, id, true, &o));
	return update(&o, r);
}
