/* Answers of rewritten programs against those of libseccomp's own. */
#include "runtime/child/bpf.h"
#include "runtime/child/seccomp.h"
#include "tests/unit/seccomp_text.h"
#include "tests/unit/unit.h"

static const uint32_t archs[] = {
	AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0, 1, UINT32_MAX
};
static uint64_t values[400];
static size_t nvalues;

static void add_value(uint64_t v)
{
	for (size_t i = 0; i < nvalues; i++)
		if (values[i] == v)
			return;
	if (nvalues < COUNT(values))
		values[nvalues++] = v;
}

/* Around every constant of the rules: one less and more, other upper halves, other bits. */
static void collect_values(const struct spec_seccomp *s)
{
	nvalues = 0;
	add_value(0);
	add_value(UINT64_MAX);
	LIST_EACH(struct spec_seccomp_call, call, s->syscalls)
		LIST_EACH(struct spec_seccomp_arg, arg, call->args)
			for (int i = 0; i < 2; i++) {
				uint64_t v = i ? arg->value_two.v : arg->value.v;

				for (int d = -1; d <= 1; d++) {
					add_value(v + (uint64_t)d);
					add_value((v + (uint64_t)d) ^ (UINT64_C(1) << 32));
				}
				add_value(~v);
				add_value(v << 32 | v >> 32);
			}
}

static unsigned long compared;

static int differ(const struct seccomp_prog *a, const struct sock_filter *b, size_t nb,
		  struct seccomp_data *d)
{
	uint64_t x = bpf_run(a->insns, a->len, d), y = bpf_run(b, nb, d);

	compared++;
	if (x == y && x != UINT64_MAX)
		return 0;
	printf("# arch %x nr %x args %jx %jx %jx %jx %jx %jx: %jx, ours %jx\n", d->arch, (unsigned)d->nr,
	       (uintmax_t)d->args[0], (uintmax_t)d->args[1], (uintmax_t)d->args[2], (uintmax_t)d->args[3],
	       (uintmax_t)d->args[4], (uintmax_t)d->args[5], (uintmax_t)x, (uintmax_t)y);
	return 1;
}

static unsigned seed = 12345;

static unsigned any(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

static int compare_call(const struct seccomp_prog *a, const struct sock_filter *b, size_t nb, uint32_t arch,
			uint32_t nr)
{
	struct seccomp_data d = { .arch = arch, .nr = (int)nr };

	if (differ(a, b, nb, &d))
		return 1;
	for (unsigned i = 0; i < 6; i++) {
		for (size_t j = 0; j < nvalues; j++) {
			d.args[i] = values[j];
			if (differ(a, b, nb, &d))
				return 1;
		}
		d.args[i] = 0;
	}
	for (int n = 0; n < 24; n++) {
		for (unsigned i = 0; i < 6; i++)
			d.args[i] = values[any((unsigned)nvalues)];
		if (differ(a, b, nb, &d))
			return 1;
	}
	return 0;
}

static int compare_all(const struct seccomp_prog *a, const struct sock_filter *b, size_t nb, uint32_t top)
{
	static const uint32_t bases[] = { 0, 0x40000000, 0x80000000, 0x3fffff00, UINT32_MAX - 40 };

	for (size_t i = 0; i < COUNT(archs); i++)
		for (size_t j = 0; j < COUNT(bases); j++)
			for (uint32_t n = 0; n <= (j < 2 ? top : 40); n++)
				if (compare_call(a, b, nb, archs[i], bases[j] + n))
					return 1;
	return 0;
}

static int same_answers(const struct spec_seccomp *s, unsigned layout, uint32_t top)
{
	auto_seccomp struct seccomp_prog plain = { 0 };
	auto_free struct sock_filter *ours = NULL;
	size_t n;
	int r;

	TRY(seccomp_compile_plain(s, layout, &plain));
	collect_values(s);
	r = bpf_rewrite(plain.insns, plain.len, native(), NULL, 0, &ours, &n);
	if (r < 0)
		return fail(-r, "not rewritten: %s", strerror(-r));
	return compare_all(&plain, ours, n, top) ? fail(EINVAL, "the programs differ") : 0;
}

TEST(rewritten_answers_the_same)
{
	static const char *const heads[] = {
		"'defaultAction':'SCMP_ACT_ERRNO',",
		("'defaultAction':'SCMP_ACT_KILL_PROCESS'," X86),
		"'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,'architectures':['SCMP_ARCH_X32'],",
		"'defaultAction':'SCMP_ACT_LOG','architectures':['SCMP_ARCH_X86','SCMP_ARCH_AARCH64'],",
	};

	for (size_t i = 0; i < COUNT(heads); i++)
		for (unsigned layout = 1; layout <= 2; layout++) {
			SCOPED(unload) struct loaded l = { 0 };

			CHECK(load_rules(heads[i], &l) == 0 && same_answers(&l.s, layout, 600) == 0);
		}
	printf("# %lu answers compared\n", compared);
}

/* Sections made up at random; many of their rules overlap. */
TEST(random_sections)
{
	static const char *const actions[] = {
		"ALLOW", "LOG", "TRAP", "KILL", "KILL_PROCESS", "TRACE", "ERRNO"
	};
	static const char *const names[] = {
		"read", "ioctl", "clone", "openat", "socket", "statx", "semop", "prctl",
		"mmap", "fcntl", "io_uring_setup", "faccessat2", "getpid"
	};
	static const char *const ops[] = { "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };
	static const char *const numbers[] = {
		"0", "1", "255", "4294967295", "4294967296", "18446744073709551615", "64"
	};
	int same = 0;

	for (int round = 0; round < 150; round++) {
		SCOPED(unload) struct loaded l = { 0 };
		auto_buf struct buf b = { 0 };
		unsigned rules = 1 + any(12);

		buf_printf(&b, "{'defaultAction':'SCMP_ACT_%s',%s'syscalls':[", actions[any(7)],
			   any(2) ? X86 : "");
		for (unsigned i = 0; i < rules; i++) {
			unsigned args = any(3);

			buf_printf(&b, "%s{'names':['%s','%s'],'action':'SCMP_ACT_%s','args':[",
				   i ? "," : "", names[any(13)], names[any(13)], actions[any(7)]);
			for (unsigned j = 0; j < args; j++)
				buf_printf(&b, "%s{'index':%u,'value':%s,'valueTwo':%s,'op':'SCMP_CMP_%s'}",
					   j ? "," : "", any(3), numbers[any(7)], numbers[any(7)],
					   ops[any(7)]);
			buf_puts(&b, "]}");
		}
		buf_puts(&b, "]}");
		CHECK(load(buf_text(&b), &l) == 0);
		err_clear();
		if (same_answers(&l.s, 1 + any(2), 60) == 0)
			same++;
		else if (strstr(err_text(), "differ") || strstr(err_text(), "not rewritten"))
			CHECK(!"a section is answered differently");
	}
	printf("# %d of 150 sections accepted by libseccomp\n", same);
	CHECK(same > 50);
}

UNIT_MAIN(UNIT(rewritten_answers_the_same), UNIT(random_sections))
