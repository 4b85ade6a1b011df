#include "runtime/child/seccomp.h"
#include "base/log.h"
#include "runtime/child/bpf.h"
#include "runtime/child/seccomp_store.h"

#include <ctype.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

enum { ARCHS_MAX = 32, X32_BIT = 0x40000000, KEY_FORMAT = 1, LAYOUT = 1 };

static const struct { uint32_t ret; bool with_errno; } actions[] = {
	[SC_KILL]         = { SCMP_ACT_KILL_THREAD },
	[SC_KILL_PROCESS] = { SCMP_ACT_KILL_PROCESS },
	[SC_TRAP]         = { SCMP_ACT_TRAP },
	[SC_ERRNO]        = { SCMP_ACT_ERRNO(0), true },
	[SC_TRACE]        = { SCMP_ACT_TRACE(0), true },
	[SC_ALLOW]        = { SCMP_ACT_ALLOW },
	[SC_LOG]          = { SCMP_ACT_LOG },
	[SC_NOTIFY]       = { SCMP_ACT_NOTIFY },
};

static const enum scmp_compare compares[] = {
	[SC_NE] = SCMP_CMP_NE, [SC_LT] = SCMP_CMP_LT, [SC_LE] = SCMP_CMP_LE, [SC_EQ] = SCMP_CMP_EQ,
	[SC_GE] = SCMP_CMP_GE, [SC_GT] = SCMP_CMP_GT, [SC_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
};

static uint32_t action_of(int action, const struct opt_u32 *errno_ret)
{
	uint32_t code = errno_ret->set ? errno_ret->v : EPERM;

	return actions[action].ret | (actions[action].with_errno ? code & 0xffff : 0);
}

const char *seccomp_lib_version(void)
{
	static char text[40];
	const struct scmp_version *v = seccomp_version();

	snprintf(text, sizeof text, "%u.%u.%u", v->major, v->minor, v->micro);
	return text;
}

static void free_ctx(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* "SCMP_ARCH_X86_64" is "x86_64" to the library; 0 when it does not know it. */
static uint32_t arch_token(const char *name)
{
	char lower[32];
	size_t i = 0;

	for (name += strlen("SCMP_ARCH_"); i < sizeof lower - 1 && name[i]; i++)
		lower[i] = (char)tolower((unsigned char)name[i]);
	lower[i] = '\0';
	return seccomp_arch_resolve_name(lower);
}

static int add_archs(scmp_filter_ctx ctx, const struct spec_seccomp *s)
{
	for (size_t i = 0; i < s->architectures.n; i++) {
		const char *name = s->architectures.v[i];
		uint32_t token = arch_token(name);
		int r = token ? seccomp_arch_add(ctx, token) : 0;

		if (!token)
			return fail(EINVAL, "architectures[%zu]: libseccomp %s does not know %s", i,
				    seccomp_lib_version(), name);
		if (r == -EDOM)
			return fail(EINVAL, "architectures[%zu]: %s has another byte order than this machine",
				    i, name);
		if (r < 0 && r != -EEXIST)
			return fail(-r, "architectures[%zu]: libseccomp refuses %s: %s", i, name,
				    strerror(-r));
	}
	return 0;
}

static const struct { int code; const char *why; } refusals[] = {
	{ EEXIST, "it contradicts an earlier one for the same arguments" },
	{ EINVAL, "the comparisons of its arguments cannot be expressed" },
	{ EDOM, "it cannot be expressed for one of the architectures" },
	{ EOPNOTSUPP, "this kernel does not know the action" },
	{ ENOMEM, "out of memory" },
};

static int refused(int r, const char *name)
{
	const char *why = strerror(-r);

	for (size_t i = 0; i < COUNT(refusals); i++)
		if (refusals[i].code == -r)
			why = refusals[i].why;
	return fail(-r, "libseccomp refuses the rule for %s: %s", name, why);
}

static int add_rule(scmp_filter_ctx ctx, const char *name, int nr, uint32_t action, unsigned n,
		    const struct scmp_arg_cmp *args)
{
	int r = seccomp_rule_add_array(ctx, action, nr, n, args);

	return r < 0 ? refused(r, name) : 0;
}

/*
 * Comparisons of one rule are all to hold. The library takes one for each argument; rules
 * that have more were, by every runtime so far, read as one rule for each comparison.
 */
static int add_call(scmp_filter_ctx ctx, const char *name, uint32_t action, const struct list *args)
{
	struct scmp_arg_cmp cmp[SECCOMP_ARGS_MAX];
	unsigned seen = 0, n = 0;
	bool twice = false;
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR) {
		log_debug("seccomp: libseccomp %s does not know the system call %s", seccomp_lib_version(),
			  name);
		return 0;
	}
	LIST_EACH(struct spec_seccomp_arg, arg, *args) {
		twice |= seen >> arg->index.v & 1;
		seen |= 1U << arg->index.v;
	}
	LIST_EACH(struct spec_seccomp_arg, arg, *args) {
		cmp[n] = (struct scmp_arg_cmp){ arg->index.v, compares[arg->op], arg->value.v,
						arg->value_two.v };
		if (twice)
			TRY(add_rule(ctx, name, nr, action, 1, cmp));
		else
			n++;
	}
	return twice ? 0 : add_rule(ctx, name, nr, action, n, cmp);
}

static int add_calls(scmp_filter_ctx ctx, const struct spec_seccomp *s, uint32_t fallback)
{
	size_t i = 0;

	LIST_EACH(struct spec_seccomp_call, call, s->syscalls) {
		uint32_t action = action_of(call->action, &call->errno_ret);

		/* The library refuses a rule that says what is said anyway. */
		for (size_t j = 0; action != fallback && j < call->names.n; j++)
			TRY_IN(add_call(ctx, call->names.v[j], action, &call->args), "syscalls[%zu]", i);
		i++;
	}
	return 0;
}

static int export_program(scmp_filter_ctx ctx, struct seccomp_prog *out)
{
	auto_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	auto_free void *insns = NULL;
	struct stat st;
	int r;

	if (fd < 0)
		return fail_errno("memfd_create");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return fail(-r, "libseccomp cannot make the program: %s", strerror(-r));
	if (fstat(fd, &st) < 0)
		return fail_errno("stat the program");
	insns = malloc((size_t)st.st_size + 1);
	if (!insns)
		return fail(ENOMEM, "compile the filter: out of memory");
	if (pread(fd, insns, (size_t)st.st_size, 0) != st.st_size)
		return fail(EIO, "read the program: cut short");
	out->len = (size_t)st.st_size / sizeof(struct sock_filter);
	out->block = out->insns = TAKE(insns);
	return 0;
}

/* The highest number that the section names for an architecture; -1: none. */
static int64_t newest_call(const struct spec_seccomp *s, uint32_t token)
{
	int64_t newest = -1;

	LIST_EACH(struct spec_seccomp_call, call, s->syscalls)
		for (size_t i = 0; i < call->names.n; i++) {
			int nr = seccomp_syscall_resolve_name_arch(token, call->names.v[i]);

			if (nr > newest)
				newest = nr;
		}
	return newest;
}

/*
 * A call younger than all that the section names is one its author had not heard of. It
 * gets ENOSYS, as from an older kernel, where EPERM would keep libc from its fallback;
 * runc does so since 1.0.0-rc93.
 */
static size_t younger_calls(const struct spec_seccomp *s, struct bpf_override *over)
{
	uint32_t tokens[ARCHS_MAX] = { seccomp_arch_native() };
	size_t n = 1, novers = 0;

	if (s->default_action == SC_ALLOW || s->default_action == SC_LOG || s->default_action == SC_TRACE)
		return 0;
	for (size_t i = 0; i < s->architectures.n && n < ARCHS_MAX; i++)
		tokens[n++] = arch_token(s->architectures.v[i]);
	for (size_t i = 0; i < n; i++) {
		int64_t newest = newest_call(s, tokens[i]);
		bool x32 = tokens[i] == SCMP_ARCH_X32, x86_64 = tokens[i] == SCMP_ARCH_X86_64;

		if (newest >= 0)
			over[novers++] = (struct bpf_override){
				x32 ? SCMP_ARCH_X86_64 : tokens[i], (uint32_t)newest + 1,
				x86_64 ? X32_BIT - 1 : UINT32_MAX, SCMP_ACT_ERRNO(ENOSYS),
			};
	}
	return novers;
}

static void rewrite(const struct spec_seccomp *s, struct seccomp_prog *p)
{
	struct bpf_override over[ARCHS_MAX + 1];
	size_t len, novers = younger_calls(s, over);
	struct sock_filter *better;
	int r = bpf_rewrite(p->insns, p->len, seccomp_arch_native(), over, novers, &better, &len);

	if (r < 0) {
		log_debug("seccomp: the program of libseccomp is used as it is: %s", strerror(-r));
		return;
	}
	free(p->block);
	p->block = p->insns = better;
	p->len = len;
}

static int compile(const struct spec_seccomp *s, uint32_t layout, struct seccomp_prog *out)
{
	uint32_t fallback = action_of(s->default_action, &s->default_errno_ret);
	SCOPED(free_ctx) scmp_filter_ctx ctx = seccomp_init(fallback);

	if (!ctx)
		return fail(EINVAL, "defaultAction: this kernel does not know %s",
			    name_of(spec_seccomp_actions, s->default_action));
	/* Older libraries know no layouts. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, layout);
	TRY(add_archs(ctx, s));
	TRY(add_calls(ctx, s, fallback));
	return export_program(ctx, out);
}

int seccomp_compile_plain(const struct spec_seccomp *s, unsigned layout, struct seccomp_prog *out)
{
	int r;

	memset(out, 0, sizeof *out);
	r = compile(s, layout, out);
	if (r < 0)
		seccomp_free(out);
	return r;
}

static int build(const struct spec_seccomp *s, struct seccomp_prog *out)
{
	TRY(compile(s, LAYOUT, out));
	rewrite(s, out);
	if (out->len > BPF_MAXINSNS)
		return fail(E2BIG, "the filter has %zu instructions, and the kernel takes %d", out->len,
			    BPF_MAXINSNS);
	return 0;
}

/* Absent flags mean that the runtime chooses: no mitigation that slows down everything. */
static unsigned flags_of(const struct spec_seccomp *s)
{
	unsigned flags = s->flags.v ? 0 : SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	for (const struct name *f = spec_seccomp_flags; f->text; f++)
		if (strv_has(&s->flags, f->text))
			flags |= (unsigned)f->value;
	return flags;
}

static void key_number(struct buf *key, uint64_t v)
{
	buf_add(key, &v, sizeof v);
}

static void key_string(struct buf *key, const char *s)
{
	buf_add(key, s, strlen(s) + 1);
}

static void key_strings(struct buf *key, const struct strv *s)
{
	key_number(key, s->n);
	for (size_t i = 0; i < s->n; i++)
		key_string(key, s->v[i]);
}

/* Everything that the program depends on, with counts and ends: no two sections share a key. */
static void make_key(struct buf *key, const struct spec_seccomp *s)
{
	struct utsname u = { 0 };

	(void)uname(&u);
	key_number(key, KEY_FORMAT);
	key_string(key, VZRUN_VERSION);
	key_string(key, seccomp_lib_version());
	key_string(key, u.release);
	key_string(key, u.machine);
	key_number(key, seccomp_arch_native());
	key_number(key, flags_of(s));
	key_number(key, action_of(s->default_action, &s->default_errno_ret));
	key_strings(key, &s->architectures);
	key_number(key, s->syscalls.n);
	LIST_EACH(struct spec_seccomp_call, call, s->syscalls) {
		key_number(key, action_of(call->action, &call->errno_ret));
		key_strings(key, &call->names);
		key_number(key, call->args.n);
		LIST_EACH(struct spec_seccomp_arg, arg, call->args) {
			key_number(key, (uint64_t)arg->index.v << 32 | (uint32_t)arg->op);
			key_number(key, arg->value.v);
			key_number(key, arg->value_two.v);
		}
	}
}

static bool cache_is_ours(int dirfd)
{
	struct stat st;

	return dirfd >= 0 && fstat(dirfd, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 022);
}

int seccomp_compile(const struct spec_seccomp *s, int cache_dirfd, struct seccomp_prog *out)
{
	auto_buf struct buf key = { 0 };
	char name[40];
	int r;

	memset(out, 0, sizeof *out);
	if (cache_dirfd >= 0 && !cache_is_ours(cache_dirfd)) {
		log_warn("the cache of filters is not used: others could have written it");
		cache_dirfd = -1;
	}
	if (cache_dirfd >= 0) {
		make_key(&key, s);
		snprintf(name, sizeof name, "%016jx.bpf", (uintmax_t)str_hash(key.p, key.n));
		if (!key.oom && seccomp_file_read(cache_dirfd, name, key.p, key.n, out) == 0)
			return 0;
		err_clear();
	}
	r = build(s, out);
	if (r < 0) {
		seccomp_free(out);
		return r;
	}
	out->flags = flags_of(s);
	out->notify = spec_seccomp_notifies(s);
	if (cache_dirfd >= 0 && !key.oom && seccomp_file_write(cache_dirfd, name, key.p, key.n, out) < 0) {
		log_debug("seccomp: the compiled filter was not kept: %s", err_text());
		err_clear();
	}
	return 0;
}

void seccomp_free(struct seccomp_prog *p)
{
	free(p->block);
	memset(p, 0, sizeof *p);
}
