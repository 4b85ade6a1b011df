/*
 * Filter programs of classic BPF, laid out anew for speed. The kernel runs a filter for
 * every system-call number when it is attached, and again for every call it could not
 * settle then. What a filter says is left to libseccomp; here its program is followed for
 * every architecture and every range of numbers, and a program that answers the same is
 * built: a balanced tree of ranges, with the code that looks at arguments copied behind it.
 */
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* A range of numbers with another answer than the program's. */
struct bpf_override { uint32_t arch, first, last, ret; };

/*
 * `first_arch` (AUDIT_ARCH_*) is tested first. *out is malloc'ed and has been compared with `in`
 * at both ends of every range. -EOPNOTSUPP or -E2BIG, without a message, for a program that is not
 * of the expected kind: use `in` as it is.
 */
int bpf_rewrite(const struct sock_filter *in, size_t n, uint32_t first_arch, const struct bpf_override *over,
		size_t novers, struct sock_filter **out, size_t *nout);

/* What the kernel would do with this call. UINT64_MAX: not a valid program. */
uint64_t bpf_run(const struct sock_filter *prog, size_t n, const struct seccomp_data *d);
