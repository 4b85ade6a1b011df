/*
 * How the kernel runs a process: scheduler, I/O priority, affinity, memory policy and personality. Their
 * structs, tables and checks. Values are the kernel's, plus one where an enumeration of it begins at 0.
 */
#pragma once
#include "base/bind.h"

struct spec_scheduler {
	int policy;			/* SCHED_* of the kernel, plus one */
	struct opt_i64 nice, priority;
	struct strv flags;
	struct opt_u64 runtime, deadline, period;	/* nanoseconds */
};
struct spec_io_priority { int class; struct opt_i64 priority; };	/* class: IOPRIO_CLASS_* */
struct spec_affinity { const char *initial, *final; };			/* lists; "" and NULL: not said */
struct spec_memory_policy { const char *mode, *nodes; struct strv flags; };
struct spec_personality { const char *domain; struct strv flags; };

extern const struct record spec_scheduler_record, spec_io_priority_record, spec_affinity_record,
	spec_memory_policy_record, spec_personality_record;
/* For `features` and for whoever applies them. SCHED_ISO is known, and refused: Linux never had it. */
extern const struct name spec_sched_policies[], spec_sched_flags[], spec_io_classes[], spec_memory_modes[],
	spec_memory_flags[];

enum { SPEC_CPUS_MAX = 8191, SPEC_NODES_MAX = 1023 };	/* the highest number that any kernel is built for */
#define SPEC_CPU_WORDS ((SPEC_CPUS_MAX + 1) / 64)
#define SPEC_NODE_WORDS ((SPEC_NODES_MAX + 1) / 64)

/* NULL is right. -EINVAL with the place below "process" or "linux". */
int spec_scheduler_check(const struct spec_scheduler *s);
int spec_io_priority_check(const struct spec_io_priority *p);
int spec_affinity_check(const struct spec_affinity *a);
int spec_memory_policy_check(const struct spec_memory_policy *m);
int spec_memory_mode(const struct spec_memory_policy *m);	/* MPOL_*, plus one; 0: none is named */
int spec_personality_check(const struct spec_personality *p);
