/* What a unit is started with. */
#include "cgroups/systemd.h"

#include <string.h>

void prop_add(struct props *p, const struct prop *one)
{
	struct prop *v = arena_alloc(p->a, p->n + 1, sizeof *v);

	if (!v) {
		p->oom = true;
		return;
	}
	if (p->n)
		memcpy(v, p->v, p->n * sizeof *v);
	v[p->n] = *one;
	p->v = v;
	p->n++;
}

void prop_u64(struct props *p, const char *name, uint64_t v)
{
	prop_add(p, &(struct prop){ .name = name, .type = "t", .u = v });
}

void prop_bool(struct props *p, const char *name, bool v)
{
	prop_add(p, &(struct prop){ .name = name, .type = "b", .u = v });
}

void prop_str(struct props *p, const char *name, const char *s)
{
	prop_add(p, &(struct prop){ .name = name, .type = "s", .s = s });
}

static int start(struct props *p, const struct unit_req *q)
{
	bool slice = unit_is_slice(q->unit);
	uint32_t *pid = arena_alloc(p->a, 1, sizeof *pid);

	if (!pid)
		return fail(ENOMEM, "out of memory");
	prop_str(p, "Description", q->description ? q->description : q->unit);
	prop_bool(p, "DefaultDependencies", false);
	/* A unit that failed (its last process was killed, say) would stay loaded for somebody to look at. */
	prop_str(p, "CollectMode", "inactive-or-failed");
	prop_bool(p, "CPUAccounting", true);
	prop_bool(p, "MemoryAccounting", true);
	prop_bool(p, "TasksAccounting", true);
	prop_bool(p, q->v2 ? "IOAccounting" : "BlockIOAccounting", true);
	if (slice) {
		if (q->slice)
			prop_add(p, &(struct prop){ .name = "Wants", .type = "as", .words = { (const char **)&q->slice, 1 } });
		return 0;
	}
	if (!q->pid.set || q->pid.v <= 0 || q->pid.v > INT32_MAX)
		return fail(EINVAL, "pid: a scope needs a process");
	*pid = (uint32_t)q->pid.v;
	prop_str(p, "Slice", q->slice);
	prop_bool(p, "Delegate", true);
	prop_add(p, &(struct prop){ .name = "PIDs", .type = "au", .pids = pid, .n_pids = 1 });
	return 0;
}

int props_of_request(struct props *p, const struct unit_req *q, unsigned version)
{
	if (q->action == UNIT_START)
		TRY(start(p, q));
	if (q->resources)
		TRY(props_of_resources(p, q->resources, q->v2, version));
	for (size_t i = 0; i < q->properties.n; i++) {
		const struct pair *one = &q->properties.v[i];

		if (str_starts(one->key, UNIT_ANNOTATION))
			TRY_IN(prop_of_annotation(p, one->key + strlen(UNIT_ANNOTATION), one->value), "annotation %s",
			       one->key);
	}
	return p->oom ? fail(ENOMEM, "out of memory") : 0;
}
