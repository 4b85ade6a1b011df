/*
 * Limits in systemd's words. What it has none for is written to the group's files afterwards, as everything
 * is.
 */
#include "cgroups/systemd.h"

#include <string.h>

enum { PERIOD_DEFAULT = 100000, USEC = 1000000, QUOTA_STEP = 10000,
       VERSION_PERIOD = 242, VERSION_CPUSET = 244, VERSION_IDLE = 252 };

static void add_limit(struct props *p, const char *name, const struct opt_i64 *v)
{
	if (v->set && v->v)
		prop_u64(p, name, v->v < 0 ? UINT64_MAX : (uint64_t)v->v);
}

/*
 * systemd counts the quota in microseconds of each second, in steps of 1 % of a CPU: never less than asked
 * for.
 */
static void add_quota(struct props *p, int64_t quota, uint64_t period, unsigned version)
{
	uint64_t share = UINT64_MAX;

	if (period && version >= VERSION_PERIOD)
		prop_u64(p, "CPUQuotaPeriodUSec", period);
	if (quota > 0) {
		period = period ? period : PERIOD_DEFAULT;
		share = (uint64_t)((unsigned __int128)quota * USEC / period);
		share = (share + QUOTA_STEP - 1) / QUOTA_STEP * QUOTA_STEP;
	}
	prop_u64(p, "CPUQuotaPerSecUSec", share);
}

/* "0-3,7" as a mask, the lowest CPU in the lowest bit of the first byte. */
static int add_set(struct props *p, const char *name, const char *set, unsigned version)
{
	uint8_t *mask = arena_alloc(p->a, CG_SET_MAX / 8 + 1, 1);
	uint64_t bits[CG_SET_WORDS];
	size_t n = 0;

	if (version < VERSION_CPUSET || !set || !*set)
		return 0;
	if (!mask)
		return fail(ENOMEM, "out of memory");
	int r = str_list(set, CG_SET_MAX, bits);
	if (r == -ERANGE)
		return fail_as(ERR_CONFIG, "%s: \"%s\" goes beyond the host's highest", name, set);
	if (r < 0)
		return fail_as(ERR_CONFIG, "%s: \"%s\" is no list such as 0-3,7", name, set);
	for (size_t i = 0; i <= CG_SET_MAX / 8; i++) {
		mask[i] = (uint8_t)(bits[i / 8] >> i % 8 * 8);
		n = mask[i] ? i + 1 : n;
	}
	prop_add(p, &(struct prop){ .name = name, .type = "ay", .bytes = mask, .n_bytes = n });
	return 0;
}

static int add_cpu(struct props *p, const struct cg_cpu *c, bool v2, unsigned version)
{
	if (c->shares.v && !v2)
		prop_u64(p, "CPUShares", c->shares.v);
	if (c->shares.v && v2)
		prop_u64(p, "CPUWeight", cg_weight_of_shares(c->shares.v));
	if (c->idle.set && c->idle.v == 1 && v2 && version >= VERSION_IDLE)
		prop_u64(p, "CPUWeight", 0);
	if (c->quota.v || c->period.v)
		add_quota(p, c->quota.v, c->period.v, version);
	if (!v2)
		return 0;
	TRY(add_set(p, "AllowedCPUs", c->cpus, version));
	return add_set(p, "AllowedMemoryNodes", c->mems, version);
}

static void add_memory(struct props *p, const struct cg_memory *m, bool v2)
{
	struct opt_i64 swap = m->swap;

	add_limit(p, v2 ? "MemoryMax" : "MemoryLimit", &m->limit);
	if (!v2)
		return;
	add_limit(p, "MemoryLow", &m->reservation);
	/* systemd, as v2, counts swap alone. */
	if (swap.v > 0 && m->limit.v > 0)
		prop_u64(p, "MemorySwapMax", (uint64_t)(swap.v - m->limit.v));
	else if (swap.v < 0)
		add_limit(p, "MemorySwapMax", &swap);
}

/* ---- unified: the files that systemd knows by another name ---- */

static bool v2_number(const char *text, uint64_t *out)
{
	*out = UINT64_MAX;
	return str_eq(text, "max") || str_u64(text, UINT64_MAX, out) == 0;
}

static int add_cpu_max(struct props *p, const char *value, unsigned version)
{
	char word[32];
	const char *rest = value + strcspn(value, " ");
	uint64_t quota, period = 0;

	snprintf(word, sizeof word, "%.*s", (int)(rest - value), value);
	if (!v2_number(word, &quota) || (*rest && str_u64(rest + 1, USEC, &period) < 0))
		return fail_as(ERR_CONFIG, "unified.cpu.max: \"%s\" is not \"MAX PERIOD\"", value);
	add_quota(p, quota == UINT64_MAX ? -1 : (int64_t)quota, period, version);
	return 0;
}

static int add_unified(struct props *p, const struct pair *u, unsigned version)
{
	static const struct { const char *key, *name; } plain[] = {
		{ "memory.max", "MemoryMax" }, { "memory.high", "MemoryHigh" }, { "memory.low", "MemoryLow" },
		{ "memory.min", "MemoryMin" }, { "memory.swap.max", "MemorySwapMax" }, { "pids.max", "TasksMax" },
		{ "cpu.weight", "CPUWeight" },
	};
	uint64_t v;

	for (size_t i = 0; i < COUNT(plain); i++)
		if (str_eq(u->key, plain[i].key)) {
			if (!v2_number(u->value, &v))
				return fail_as(ERR_CONFIG, "unified.%s: \"%s\" is no number", u->key, u->value);
			prop_u64(p, plain[i].name, v);
			return 0;
		}
	if (str_eq(u->key, "cpu.max"))
		return add_cpu_max(p, u->value, version);
	if (str_eq(u->key, "cpu.idle") && str_eq(u->value, "1") && version >= VERSION_IDLE)
		prop_u64(p, "CPUWeight", 0);
	if (str_eq(u->key, "cpuset.cpus"))
		return add_set(p, "AllowedCPUs", u->value, version);
	if (str_eq(u->key, "cpuset.mems"))
		return add_set(p, "AllowedMemoryNodes", u->value, version);
	return 0;
}

int props_of_resources(struct props *p, const struct cg_resources *r, bool v2, unsigned version)
{
	if (r->memory)
		add_memory(p, r->memory, v2);
	if (r->cpu)
		TRY(add_cpu(p, r->cpu, v2, version));
	if (r->pids && r->pids->limit.set)
		prop_u64(p, "TasksMax", r->pids->limit.v < 0 ? UINT64_MAX : (uint64_t)r->pids->limit.v);
	if (r->blkio && r->blkio->weight.v && v2)
		prop_u64(p, "IOWeight", cg_io_weight(r->blkio->weight.v));
	if (r->blkio && r->blkio->weight.v && !v2)
		prop_u64(p, "BlockIOWeight", r->blkio->weight.v);
	for (size_t i = 0; v2 && i < r->unified.n; i++)
		TRY(add_unified(p, &r->unified.v[i], version));
	return r->devices.n ? props_of_devices(p, &r->devices) : 0;
}
