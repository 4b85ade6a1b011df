#include "runtime/spec/tune.h"
#include "base/log.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>

#ifndef MPOL_F_NUMA_BALANCING
#define MPOL_F_NUMA_BALANCING (1 << 13)
#endif

enum { PREFERRED_MANY = 5, WEIGHTED_INTERLEAVE = 6, ISO = 4 };	/* Linux 5.15 and 6.9; and never */

const struct name spec_sched_policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL + 1 }, { "SCHED_FIFO", SCHED_FIFO + 1 }, { "SCHED_RR", SCHED_RR + 1 },
	{ "SCHED_BATCH", SCHED_BATCH + 1 }, { "SCHED_ISO", ISO + 1 }, { "SCHED_IDLE", SCHED_IDLE + 1 },
	{ "SCHED_DEADLINE", SCHED_DEADLINE + 1 }, { 0 }
};
const struct name spec_sched_flags[] = {
	{ "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK }, { "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
	{ "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN }, { "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
	{ "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
	{ "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
	{ "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX }, { 0 }
};
const struct name spec_io_classes[] = {
	{ "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT }, { "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
	{ "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE }, { 0 }
};
const struct name spec_memory_modes[] = {
	{ "MPOL_DEFAULT", MPOL_DEFAULT + 1 }, { "MPOL_BIND", MPOL_BIND + 1 },
	{ "MPOL_INTERLEAVE", MPOL_INTERLEAVE + 1 }, { "MPOL_WEIGHTED_INTERLEAVE", WEIGHTED_INTERLEAVE + 1 },
	{ "MPOL_PREFERRED", MPOL_PREFERRED + 1 }, { "MPOL_PREFERRED_MANY", PREFERRED_MANY + 1 },
	{ "MPOL_LOCAL", MPOL_LOCAL + 1 }, { 0 }
};
const struct name spec_memory_flags[] = {
	{ "MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING }, { "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
	{ "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES }, { 0 }
};

static const struct field scheduler_fields[] = {
	ENUMR(struct spec_scheduler, "policy",   policy, spec_sched_policies),
	F(struct spec_scheduler,     "nice",     K_I64,  nice),
	F(struct spec_scheduler,     "priority", K_I64,  priority),
	F(struct spec_scheduler,     "flags",    K_STRV, flags),
	F(struct spec_scheduler,     "runtime",  K_U64,  runtime),
	F(struct spec_scheduler,     "deadline", K_U64,  deadline),
	F(struct spec_scheduler,     "period",   K_U64,  period),
	{ 0 }
};
const struct record spec_scheduler_record = RECORD("scheduler", struct spec_scheduler, scheduler_fields);

static const struct field io_fields[] = {
	ENUMR(struct spec_io_priority, "class",    class, spec_io_classes),
	F(struct spec_io_priority,     "priority", K_I64, priority),
	{ 0 }
};
const struct record spec_io_priority_record = RECORD("ioPriority", struct spec_io_priority, io_fields);

static const struct field affinity_fields[] = {
	F(struct spec_affinity, "initial", K_STR, initial),
	F(struct spec_affinity, "final",   K_STR, final),
	{ 0 }
};
const struct record spec_affinity_record = RECORD("execCPUAffinity", struct spec_affinity, affinity_fields);

static const struct field memory_fields[] = {
	F(struct spec_memory_policy, "mode",  K_STR,  mode),
	F(struct spec_memory_policy, "nodes", K_STR,  nodes),
	F(struct spec_memory_policy, "flags", K_STRV, flags),
	{ 0 }
};
const struct record spec_memory_policy_record =
	RECORD("memoryPolicy", struct spec_memory_policy, memory_fields);

static const struct field personality_fields[] = {
	FR(struct spec_personality, "domain", K_STR,  domain),
	F(struct spec_personality,  "flags",  K_STRV, flags),
	{ 0 }
};
const struct record spec_personality_record =
	RECORD("personality", struct spec_personality, personality_fields);

/* Configurations for runc and crun name both: what is of no use is told, and they run. */
static void warn_nice(const struct spec_scheduler *s, const char *policy)
{
	if (s->nice.v != 0 && s->policy != SCHED_NORMAL + 1 && s->policy != SCHED_BATCH + 1)
		log_warn("process.scheduler.nice: has no meaning for %s", policy);
}

/*
 * The kernel takes some of what does not belong to a policy and does nothing with it; a configuration that
 * asks for it is wrong about what it gets.
 */
static int refuse_foreign(const struct spec_scheduler *s, const char *policy)
{
	bool deadline = s->policy == SCHED_DEADLINE + 1;
	const struct { const char *key; bool given, takes; } parts[] = {
		{ "priority", s->priority.v != 0, s->policy == SCHED_FIFO + 1 || s->policy == SCHED_RR + 1 },
		{ "runtime", s->runtime.v != 0, deadline },
		{ "deadline", s->deadline.v != 0, deadline },
		{ "period", s->period.v != 0, deadline },
		{ "flags: SCHED_FLAG_RECLAIM", strv_has(&s->flags, "SCHED_FLAG_RECLAIM"), deadline },
		{ "flags: SCHED_FLAG_DL_OVERRUN", strv_has(&s->flags, "SCHED_FLAG_DL_OVERRUN"), deadline },
	};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i].given && !parts[i].takes)
			return fail(EINVAL, "scheduler.%s: has no meaning for %s", parts[i].key, policy);
	return 0;
}

/*
 * sched_setattr(2): runtime <= deadline <= period, none of less than 1024 ns, none that reaches the last bit.
 */
static int check_deadline(const struct spec_scheduler *s)
{
	uint64_t period = s->period.v ? s->period.v : s->deadline.v;

	if (s->runtime.v < 1024)
		return fail(EINVAL, "scheduler.runtime: SCHED_DEADLINE needs at least 1024 nanoseconds");
	if (s->deadline.v < s->runtime.v)
		return fail(EINVAL, "scheduler.deadline: %ju is less than runtime", (uintmax_t)s->deadline.v);
	if (period < s->deadline.v)
		return fail(EINVAL, "scheduler.period: %ju is less than deadline", (uintmax_t)period);
	if (period > INT64_MAX)
		return fail(EINVAL, "scheduler.%s: %ju is too large", s->period.v ? "period" : "deadline",
			    (uintmax_t)period);
	return 0;
}

int spec_scheduler_check(const struct spec_scheduler *s)
{
	const char *policy = s ? name_of(spec_sched_policies, s->policy) : NULL;

	if (!s)
		return 0;
	if (s->policy == ISO + 1)
		return fail(ENOTSUP, "scheduler.policy: Linux has no SCHED_ISO");
	TRY(name_flags("scheduler.flags", &s->flags, spec_sched_flags, NULL));
	if (s->nice.v < -20 || s->nice.v > 19)
		return fail(EINVAL, "scheduler.nice: must be -20 to 19");
	TRY(refuse_foreign(s, policy));
	warn_nice(s, policy);
	if ((s->policy == SCHED_FIFO + 1 || s->policy == SCHED_RR + 1) && (s->priority.v < 1 || s->priority.v > 99))
		return fail(EINVAL, "scheduler.priority: must be 1 to 99 for %s", policy);
	return s->policy == SCHED_DEADLINE + 1 ? check_deadline(s) : 0;
}

int spec_io_priority_check(const struct spec_io_priority *p)
{
	return p && (p->priority.v < 0 || p->priority.v > 7)
		? fail(EINVAL, "ioPriority.priority: must be 0 to 7") : 0;
}

static int check_list(const char *place, const char *text, unsigned max, bool *empty)
{
	uint64_t bits[SPEC_CPU_WORDS];
	int r = text ? str_list(text, max, bits) : 0;

	*empty = !text || !*text;
	if (r == -ERANGE)
		return fail(EINVAL, "%s: \"%s\" goes beyond %u", place, text, max);
	return r < 0 ? fail(EINVAL, "%s: \"%s\" is no list such as 0-3,7", place, text) : 0;
}

int spec_affinity_check(const struct spec_affinity *a)
{
	bool empty;

	if (!a)
		return 0;
	TRY(check_list("execCPUAffinity.initial", a->initial, SPEC_CPUS_MAX, &empty));
	return check_list("execCPUAffinity.final", a->final, SPEC_CPUS_MAX, &empty);
}

int spec_memory_mode(const struct spec_memory_policy *m)
{
	for (const struct name *n = spec_memory_modes; m->mode && n->text; n++)
		if (str_eq(n->text, m->mode))
			return n->value;
	return 0;
}

/*
 * set_mempolicy(2): which modes take nodes, which need them, and which flags go with them. The first words of what is
 * said are runc's.
 */
int spec_memory_policy_check(const struct spec_memory_policy *m)
{
	int number = m ? spec_memory_mode(m) : 0;
	bool empty, fixed, none, balancing;
	uint64_t flags = 0;
	const char *mode;

	/* An empty policy is none. */
	if (!m || (!m->mode && !m->nodes && m->flags.n == 0))
		return 0;
	mode = m->mode;
	if (!number)
		return fail(EINVAL, "linux.memoryPolicy.mode: invalid memory policy mode: %s%s%s", mode ? "\"" : "missing",
			    mode ? mode : "", mode ? "\"" : "");
	none = number == MPOL_DEFAULT + 1 || number == MPOL_LOCAL + 1;
	balancing = number == MPOL_BIND + 1 || number == PREFERRED_MANY + 1;
	TRY_IN(check_list("linux.memoryPolicy.nodes", m->nodes, SPEC_NODES_MAX, &empty), "invalid memory policy node");
	TRY_IN(name_flags("linux.memoryPolicy.flags", &m->flags, spec_memory_flags, &flags),
	       "invalid memory policy flag");
	fixed = flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES);
	if (none && !empty)
		return fail(EINVAL, "linux.memoryPolicy.nodes: %s takes none (set_mempolicy: invalid argument)", mode);
	if (!none && empty && (number != MPOL_PREFERRED + 1 || fixed))
		return fail(EINVAL, "linux.memoryPolicy.nodes: missing, %s needs it", mode);
	if (none && flags)
		return fail(EINVAL, "linux.memoryPolicy.flags: %s takes none", mode);
	if ((flags & MPOL_F_STATIC_NODES) && (flags & MPOL_F_RELATIVE_NODES))
		return fail(EINVAL, "linux.memoryPolicy.flags: nodes cannot be both static and relative");
	if ((flags & MPOL_F_NUMA_BALANCING) && !balancing)
		return fail(EINVAL, "linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING has no meaning for %s", mode);
	return 0;
}

int spec_personality_check(const struct spec_personality *p)
{
	if (!p)
		return 0;
	if (!str_eq(p->domain, "LINUX") && !str_eq(p->domain, "LINUX32"))
		return fail(EINVAL, "linux.personality.domain: unknown value \"%s\"", p->domain);
	return p->flags.n ? fail(EINVAL, "linux.personality.flags: unknown value \"%s\"", p->flags.v[0]) : 0;
}
