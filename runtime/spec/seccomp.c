#include "runtime/spec/seccomp.h"

#include <stdio.h>

enum { ERRNO_MAX = 4095, TRACE_MAX = 65535 };

const struct name spec_seccomp_actions[] = {
	{ "SCMP_ACT_KILL", SC_KILL },
	{ "SCMP_ACT_KILL_THREAD", SC_KILL },
	{ "SCMP_ACT_KILL_PROCESS", SC_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SC_TRAP },
	{ "SCMP_ACT_ERRNO", SC_ERRNO },
	{ "SCMP_ACT_TRACE", SC_TRACE },
	{ "SCMP_ACT_ALLOW", SC_ALLOW },
	{ "SCMP_ACT_LOG", SC_LOG },
	{ "SCMP_ACT_NOTIFY", SC_NOTIFY },
	{ 0 }
};

const struct name spec_seccomp_ops[] = {
	{ "SCMP_CMP_NE", SC_NE },
	{ "SCMP_CMP_LT", SC_LT },
	{ "SCMP_CMP_LE", SC_LE },
	{ "SCMP_CMP_EQ", SC_EQ },
	{ "SCMP_CMP_GE", SC_GE },
	{ "SCMP_CMP_GT", SC_GT },
	{ "SCMP_CMP_MASKED_EQ", SC_MASKED_EQ },
	{ 0 }
};

const struct name spec_seccomp_flags[] = {
	{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
	{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
	{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
	{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
	{ 0 }
};

const struct name spec_seccomp_archs[] = {
	{ "SCMP_ARCH_X86", 1 },
	{ "SCMP_ARCH_X86_64", 2 },
	{ "SCMP_ARCH_X32", 3 },
	{ "SCMP_ARCH_ARM", 4 },
	{ "SCMP_ARCH_AARCH64", 5 },
	{ "SCMP_ARCH_LOONGARCH64", 6 },
	{ "SCMP_ARCH_M68K", 7 },
	{ "SCMP_ARCH_MIPS", 8 },
	{ "SCMP_ARCH_MIPS64", 9 },
	{ "SCMP_ARCH_MIPS64N32", 10 },
	{ "SCMP_ARCH_MIPSEL", 11 },
	{ "SCMP_ARCH_MIPSEL64", 12 },
	{ "SCMP_ARCH_MIPSEL64N32", 13 },
	{ "SCMP_ARCH_PPC", 14 },
	{ "SCMP_ARCH_PPC64", 15 },
	{ "SCMP_ARCH_PPC64LE", 16 },
	{ "SCMP_ARCH_S390", 17 },
	{ "SCMP_ARCH_S390X", 18 },
	{ "SCMP_ARCH_SH", 19 },
	{ "SCMP_ARCH_SHEB", 20 },
	{ "SCMP_ARCH_PARISC", 21 },
	{ "SCMP_ARCH_PARISC64", 22 },
	{ "SCMP_ARCH_RISCV64", 23 },
	{ 0 }
};

static const struct field arg_fields[] = {
	FR(struct spec_seccomp_arg, "index", K_U32, index),
	FR(struct spec_seccomp_arg, "value", K_U64, value),
	F(struct spec_seccomp_arg, "valueTwo", K_U64, value_two),
	ENUMR(struct spec_seccomp_arg, "op", op, spec_seccomp_ops),
	{ 0 }
};
static const struct record arg_record = RECORD("seccomp argument", struct spec_seccomp_arg, arg_fields);

static const struct field call_fields[] = {
	FR(struct spec_seccomp_call, "names", K_STRV, names),
	ENUMR(struct spec_seccomp_call, "action", action, spec_seccomp_actions),
	F(struct spec_seccomp_call, "errnoRet", K_U32, errno_ret),
	SUB(struct spec_seccomp_call, "args", K_LIST, args, &arg_record),
	{ 0 }
};
static const struct record call_record = RECORD("seccomp rule", struct spec_seccomp_call, call_fields);

static const struct field seccomp_fields[] = {
	ENUMR(struct spec_seccomp, "defaultAction", default_action, spec_seccomp_actions),
	F(struct spec_seccomp, "defaultErrnoRet", K_U32, default_errno_ret),
	F(struct spec_seccomp, "architectures", K_STRV, architectures),
	F(struct spec_seccomp, "flags", K_STRV, flags),
	F(struct spec_seccomp, "listenerPath", K_STR, listener_path),
	F(struct spec_seccomp, "listenerMetadata", K_STR, listener_metadata),
	SUB(struct spec_seccomp, "syscalls", K_LIST, syscalls, &call_record),
	{ 0 }
};
const struct record spec_seccomp_record = RECORD("seccomp", struct spec_seccomp, seccomp_fields);

/* The kernel cuts an errno to 4095 and a tracer's message to 16 bits without a word. */
static int check_errno(int action, const struct opt_u32 *ret, const char *at, const char *key)
{
	uint32_t max = action == SC_TRACE ? TRACE_MAX : ERRNO_MAX;

	if (!ret->set)
		return 0;
	if (action != SC_ERRNO && action != SC_TRACE)
		return fail(EINVAL, "%s%s: %s returns no errno", at, key,
			    name_of(spec_seccomp_actions, action));
	if (ret->v > max)
		return fail(EINVAL, "%s%s: %u is too large (at most %u)", at, key, ret->v, max);
	return 0;
}

static int check_args(const struct spec_seccomp_call *call, const char *at)
{
	size_t i = 0;

	LIST_EACH(struct spec_seccomp_arg, arg, call->args) {
		if (arg->index.v >= SECCOMP_ARGS_MAX)
			return fail(EINVAL, "%sargs[%zu].index: %u is too large (at most %d)", at, i,
				    arg->index.v, SECCOMP_ARGS_MAX - 1);
		i++;
	}
	return 0;
}

/* Under the filter one write tells of its listener (child/notify.c): it would wait for itself. */
static int check_notify(const struct spec_seccomp *s, const struct spec_seccomp_call *call, const char *at)
{
	if (call->action != SC_NOTIFY)
		return 0;
	if (!s->listener_path || !*s->listener_path)
		return fail(EINVAL, "%saction: SCMP_ACT_NOTIFY needs listenerPath", at);
	return strv_has(&call->names, "write")
		? fail(EINVAL, "%saction: SCMP_ACT_NOTIFY cannot be used for the write syscall: by it the listener is "
		       "handed over", at) : 0;
}

static int check_call(const struct spec_seccomp *s, const struct spec_seccomp_call *call, size_t i)
{
	char at[40];

	snprintf(at, sizeof at, "syscalls[%zu].", i);
	if (call->names.n == 0)
		return fail(EINVAL, "%snames: empty", at);
	TRY(check_errno(call->action, &call->errno_ret, at, "errnoRet"));
	TRY(check_notify(s, call, at));
	return check_args(call, at);
}

int spec_seccomp_check(const struct spec_seccomp *s)
{
	size_t i = 0;

	if (s->default_action == SC_NOTIFY)
		return fail(EINVAL, "defaultAction: SCMP_ACT_NOTIFY cannot be the default");
	TRY(check_errno(s->default_action, &s->default_errno_ret, "", "defaultErrnoRet"));
	TRY(name_flags("architectures", &s->architectures, spec_seccomp_archs, NULL));
	TRY(name_flags("flags", &s->flags, spec_seccomp_flags, NULL));
	if (s->listener_metadata && !s->listener_path)
		return fail(EINVAL, "listenerMetadata: needs listenerPath");
	/* Without a rule that notifies it is not used, as the specification says; but it must make sense. */
	if (s->listener_path && s->listener_path[0] != '/')
		return fail(EINVAL, "listenerPath: must be absolute");
	LIST_EACH(struct spec_seccomp_call, call, s->syscalls) {
		TRY(check_call(s, call, i));
		i++;
	}
	return 0;
}

bool spec_seccomp_notifies(const struct spec_seccomp *s)
{
	LIST_EACH(struct spec_seccomp_call, call, s->syscalls)
		if (call->action == SC_NOTIFY)
			return true;
	return false;
}
