#include "runtime/child/bpf.h"

#include <string.h>

static uint32_t alu(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_AND: return a & f->k;
	case BPF_OR:  return a | f->k;
	case BPF_ADD: return a + f->k;
	case BPF_SUB: return a - f->k;
	case BPF_LSH: return a << (f->k & 31);
	case BPF_RSH: return a >> (f->k & 31);
	default:      return 0;
	}
}

static uint32_t jump(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JA:   return f->k;
	case BPF_JEQ:  return a == f->k ? f->jt : f->jf;
	case BPF_JGT:  return a > f->k ? f->jt : f->jf;
	case BPF_JGE:  return a >= f->k ? f->jt : f->jf;
	case BPF_JSET: return a & f->k ? f->jt : f->jf;
	default:       return UINT32_MAX;
	}
}

uint64_t bpf_run(const struct sock_filter *prog, size_t n, const struct seccomp_data *d)
{
	uint32_t a = 0, mem[BPF_MEMWORDS] = { 0 };

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *f = &prog[pc];

		if (f->code == (BPF_LD | BPF_W | BPF_ABS) && f->k <= sizeof *d - sizeof a && f->k % 4 == 0)
			memcpy(&a, (const char *)d + f->k, sizeof a);
		else if (f->code == (BPF_LD | BPF_MEM) && f->k < BPF_MEMWORDS)
			a = mem[f->k];
		else if (f->code == BPF_ST && f->k < BPF_MEMWORDS)
			mem[f->k] = a;
		else if (BPF_CLASS(f->code) == BPF_JMP && BPF_SRC(f->code) == BPF_K)
			pc += jump(f, a);
		else if (BPF_CLASS(f->code) == BPF_ALU && BPF_SRC(f->code) == BPF_K)
			a = alu(f, a);
		else if (f->code == (BPF_RET | BPF_K))
			return f->k;
		else
			return UINT64_MAX;
	}
	return UINT64_MAX;
}
