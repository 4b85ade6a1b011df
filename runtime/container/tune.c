#include "runtime/container/launch.h"
#include "base/scope.h"

#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WHO_PROCESS = 1 };

static int refused(const char *what, const char *value, const char *why)
{
	int code = errno;

	return fail(code, "%s: %s: %s%s%s", what, value, strerrordesc_np(code), *why ? ": " : "", why);
}

static int set_io(pid_t pid, const struct spec_io_priority *p)
{
	int value = IOPRIO_PRIO_VALUE(p->class, (int)p->priority.v);

	if (syscall(SYS_ioprio_set, WHO_PROCESS, pid, value) == 0)
		return 0;
	return refused("process.ioPriority", name_of(spec_io_classes, p->class),
		       errno == EPERM ? "CAP_SYS_NICE is missing" : "");
}

/* What the kernel means by an error depends on the policy. */
static const char *cause(const struct spec_scheduler *s, int code)
{
	if (code == EBUSY)
		return "the CPUs have not that much time left for deadline processes";
	if (code == EOPNOTSUPP)
		return "this kernel was built without utilization clamping";
	if (code != EPERM)
		return "";
	if (s->policy == SCHED_DEADLINE + 1)
		return "process scheduler can't be used together with AllowedCPUs: it may not run on all CPUs; or CAP_SYS_NICE is "
		       "missing";
	if (s->policy == SCHED_FIFO + 1 || s->policy == SCHED_RR + 1)
		return "CAP_SYS_NICE is missing, or the cgroup has no real-time budget "
		       "(linux.resources.cpu.realtimeRuntime)";
	return "CAP_SYS_NICE is missing";
}

static int set_scheduler(pid_t pid, const struct spec_scheduler *s)
{
	struct sched_attr a = {
		.size = sizeof a, .sched_policy = (uint32_t)(s->policy - 1), .sched_nice = (int32_t)s->nice.v,
		.sched_priority = (uint32_t)s->priority.v, .sched_runtime = s->runtime.v,
		.sched_deadline = s->deadline.v, .sched_period = s->period.v,
	};
	uint64_t flags = 0;

	(void)name_flags("flags", &s->flags, spec_sched_flags, &flags);
	a.sched_flags = flags;
	if (syscall(SYS_sched_setattr, pid, &a, 0) == 0)
		return 0;
	return refused("process.scheduler", name_of(spec_sched_policies, s->policy), cause(s, errno));
}

int tune_process(pid_t pid, const struct spec_process *p)
{
	if (p->io_priority)
		TRY(set_io(pid, p->io_priority));
	return p->scheduler ? set_scheduler(pid, p->scheduler) : 0;
}

int tune_self_for(const struct spec_affinity *a)
{
	uint64_t cpus[SPEC_CPU_WORDS];

	if (!a || !a->initial || !*a->initial)
		return 0;
	(void)str_list(a->initial, SPEC_CPUS_MAX, cpus);
	return syscall(SYS_sched_setaffinity, 0, sizeof cpus, cpus) < 0
		? fail_errno("process.execCPUAffinity.initial: run on CPUs %s", a->initial) : 0;
}
