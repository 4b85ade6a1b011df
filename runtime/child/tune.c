#include "runtime/child/child.h"
#include "base/scope.h"

#include <sched.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>

int stage_personality(struct child *c)
{
	const struct spec_personality *p = c->personality;

	if (!p)
		return 0;
	return personality(str_eq(p->domain, "LINUX32") ? PER_LINUX32 : PER_LINUX) < 0
		? fail_errno("personality %s", p->domain) : 0;
}

/* A policy is a process's own and goes to its children; whoever joins the container is no child of it. */
int stage_memory_policy(struct child *c)
{
	const struct spec_memory_policy *m = c->memory_policy;
	uint64_t nodes[SPEC_NODE_WORDS] = { 0 }, flags = 0;
	bool none = true;

	if (!m || !m->mode)
		return 0;
	if (m->nodes)
		(void)str_list(m->nodes, SPEC_NODES_MAX, nodes);
	(void)name_flags("flags", &m->flags, spec_memory_flags, &flags);
	for (size_t i = 0; i < COUNT(nodes); i++)
		none &= nodes[i] == 0;
	/* The kernel takes the last bit that it is told of for one too many. */
	if (syscall(SYS_set_mempolicy, (spec_memory_mode(m) - 1) | (int)flags, none ? NULL : nodes,
		    none ? 0 : SPEC_NODES_MAX + 2) == 0)
		return 0;
	int code = errno;
	return fail(code, "linux.memoryPolicy: %s%s%s: %s%s", m->mode,
		    none ? "" : " on nodes ", none ? "" : m->nodes, strerrordesc_np(code),
		    code == EINVAL ? ": no such nodes for this container, or a mode that the kernel does not know" : "");
}

/*
 * After the cgroup: joining one puts its CPUs in force. Nothing said, and for the container's first process:
 * all of them, whatever we ran on before.
 */
int stage_affinity(struct child *c)
{
	const struct spec_affinity *a = c->process->cpu_affinity;
	bool final = !c->spec && a && a->final && *a->final;
	uint64_t cpus[SPEC_CPU_WORDS];

	for (size_t i = 0; i < COUNT(cpus); i++)
		cpus[i] = UINT64_MAX;
	if (final)
		(void)str_list(a->final, SPEC_CPUS_MAX, cpus);
	return syscall(SYS_sched_setaffinity, 0, sizeof cpus, cpus) < 0
		? fail_errno("process.execCPUAffinity.final: run on CPUs %s", final ? a->final : "of the container") : 0;
}
