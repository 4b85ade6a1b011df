/* The `linux.seccomp` section of an OCI configuration: its struct, its table and its checks. */
#pragma once
#include "base/bind.h"
#include <linux/seccomp.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* Enumerations start at 1: bind's 0 is "absent". */
enum seccomp_action {
	SC_KILL = 1,		/* SCMP_ACT_KILL and SCMP_ACT_KILL_THREAD */
	SC_KILL_PROCESS, SC_TRAP, SC_ERRNO, SC_TRACE, SC_ALLOW, SC_LOG, SC_NOTIFY,
};
enum seccomp_op { SC_NE = 1, SC_LT, SC_LE, SC_EQ, SC_GE, SC_GT, SC_MASKED_EQ };
enum { SECCOMP_ARGS_MAX = 6 };

struct spec_seccomp_arg {
	struct opt_u32 index;
	struct opt_u64 value;		/* SC_MASKED_EQ: the mask */
	struct opt_u64 value_two;	/* SC_MASKED_EQ: the value */
	int op;
};

struct spec_seccomp_call {
	struct strv names;
	int action;
	struct opt_u32 errno_ret;
	struct list args;		/* struct spec_seccomp_arg */
};

struct spec_seccomp {
	int default_action;
	struct opt_u32 default_errno_ret;
	struct strv architectures;	/* empty: the native one */
	struct strv flags;		/* v == NULL: absent, the runtime chooses; empty: none */
	const char *listener_path, *listener_metadata;
	struct list syscalls;		/* struct spec_seccomp_call */
};

extern const struct record spec_seccomp_record;
/* Names and kernel values; `value` of an architecture is only its place in the table. */
extern const struct name spec_seccomp_actions[], spec_seccomp_ops[];
extern const struct name spec_seccomp_flags[], spec_seccomp_archs[];

/* -EINVAL with the place below linux.seccomp: "syscalls[3].args[0].index: 6 is too large (at most 5)". */
int spec_seccomp_check(const struct spec_seccomp *s);
/* Whether any rule hands calls to a listener. */
bool spec_seccomp_notifies(const struct spec_seccomp *s);
