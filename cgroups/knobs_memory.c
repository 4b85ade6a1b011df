/* How limits of swap are said: v2 counts it alone, OCI and v1 together with memory. */
#include "cgroups/knobs.h"
#include "base/file.h"

#include <fcntl.h>

/* What the group has now; false: no limit, or no such file. */
static bool limit_now(const char *dir, const char *file, uint64_t *out)
{
	char path[CG_FULL], now[32];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	return file_peek(AT_FDCWD, path, now, sizeof now) > 0 && str_u64(now, INT64_MAX, out) == 0;
}

/* v2 counts swap alone, OCI and v1 count memory and swap together. */
int cg_swap_v2(const struct at *at, const void *value, char *out, size_t size)
{
	const struct opt_i64 *swap = value, *limit = &at->r->memory->limit;
	uint64_t memory = limit->v > 0 ? (uint64_t)limit->v : 0;

	if (swap->v < 0)
		return cg_say(out, size, "max");
	if (!memory && (limit->v < 0 || !limit_now(at->dir, "memory.max", &memory)))
		return fail(EINVAL, "cgroup v2 limits swap alone: give memory.limit too, it is subtracted");
	if ((uint64_t)swap->v < memory)
		return fail(EINVAL, "%jd is less than the memory limit %ju: it counts memory and swap together",
			    (intmax_t)swap->v, (uintmax_t)memory);
	return cg_say(out, size, "%ju", (uintmax_t)((uint64_t)swap->v - memory));
}

/*
 * A memory limit alone leaves the limit of memory and swap where it is, as on v1; without any limit of
 * memory there is none of both.
 */
int cg_swap_kept(const struct at *at, const void *value, char *out, size_t size)
{
	const struct opt_i64 *limit = value;
	uint64_t swap, memory;

	if (at->r->memory->swap.v)
		return KNOB_SKIP;
	if (limit->v < 0)
		return cg_say(out, size, "max");
	if (!limit_now(at->dir, "memory.swap.max", &swap) || !limit_now(at->dir, "memory.max", &memory))
		return KNOB_SKIP;
	if (memory + swap < (uint64_t)limit->v)
		return fail(EINVAL, "it is %ju, less than the memory limit %jd: give memory.swap too",
			    (uintmax_t)(memory + swap), (intmax_t)limit->v);
	return cg_say(out, size, "%ju", (uintmax_t)(memory + swap - (uint64_t)limit->v));
}

/* On v1 no limit of memory can be had below a limit of memory and swap: lift both. */
int cg_swap_free(const struct at *at, const void *value, char *out, size_t size)
{
	const struct opt_i64 *limit = value;

	return limit->v >= 0 || at->r->memory->swap.v ? KNOB_SKIP : cg_say(out, size, "-1");
}

void cg_memory_as_is(const char *dir, struct cg_memory *m)
{
	uint64_t now;
	int64_t both;

	if (!m->limit.v && m->swap.v && limit_now(dir, "memory.max", &now))
		m->limit = (struct opt_i64){ (int64_t)now, true };
	else if (!m->swap.v && m->limit.v < 0)
		m->swap = m->limit;
	else if (!m->swap.v && m->limit.v > 0 && limit_now(dir, "memory.swap.max", &now) &&
		 !__builtin_add_overflow(m->limit.v, now, &both))
		m->swap = (struct opt_i64){ both, true };
}
