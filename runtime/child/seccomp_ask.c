/* What a compiled filter would answer, asked before it is in force. */
#include "runtime/child/bpf.h"
#include "runtime/child/seccomp.h"
#include "base/scope.h"

#include <linux/seccomp.h>
#include <seccomp.h>

static uint32_t answer(const struct seccomp_prog *p, int nr, uint64_t argument)
{
	struct seccomp_data d = { .nr = nr, .arch = seccomp_arch_native() };

	for (size_t i = 0; i < COUNT(d.args); i++)
		d.args[i] = argument;
	return p->insns ? (uint32_t)(bpf_run(p->insns, p->len, &d) & SECCOMP_RET_ACTION_FULL) : SECCOMP_RET_ALLOW;
}

bool seccomp_spares(const struct seccomp_prog *p, int nr)
{
	uint32_t action = answer(p, nr, 0);

	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG || action == SECCOMP_RET_ERRNO;
}

static bool is_refusal(uint32_t action)
{
	return action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRAP || action == SECCOMP_RET_KILL_THREAD ||
	       action == SECCOMP_RET_KILL_PROCESS;
}

bool seccomp_refuses(const struct seccomp_prog *p, int nr)
{
	return is_refusal(answer(p, nr, 0)) && is_refusal(answer(p, nr, UINT64_MAX));
}
