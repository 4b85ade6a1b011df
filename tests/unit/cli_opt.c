/* The parser as data: words in, what they wrote out, or the exact error line. */
#include "base/scope.h"
#include "cli/opt.h"
#include "cli/out.h"
#include "tests/unit/unit.h"

#define T struct all
struct all {
	bool force, tty, interactive;
	const char *bundle, *format, *user;
	struct opt_i64 n, memory;
	struct opt_u64 u, size, time;
	struct opt_bool onboot;
	struct strv env;
	int doubled;
};

static int doubled(void *at, const char *value, struct arena *a)
{
	int64_t v;

	(void)a;
	if (str_i64(value, 0, 1000, &v) < 0)
		return fail(EINVAL, "\"%s\" cannot be doubled", value);
	*(int *)at = (int)v * 2;
	return 0;
}

static const struct opt all_opts[] = {
	OFLAG(T, 'f', "force", force, "force"),
	OFLAG(T, 't', "tty", tty, "terminal"),
	OFLAG(T, 'i', "interactive", interactive, "input"),
	OSTR(T, 'b', "bundle", "DIR", bundle, "bundle"),
	OSTR(T, 'u', "user", "UID[:GID]", user, "user"),
	OCHOICE(T, 0, "format", "table|json", format, "format"),
	OINT(T, 'n', "number", "N", n, -5, 70000, "a number"),
	OU64(T, 0, "shares", "N", u, "shares"),
	OSIZE(T, 0, "size", size, "size"),
	OLIMIT(T, 'm', "memory", memory, "memory"),
	ODURATION(T, 0, "interval", time, "interval"),
	OBOOL(T, 0, "onboot", onboot, "onboot"),
	OSTRV(T, 'e', "env", "K=V", env, "environment"),
	OFN(T, 0, "double", "N", doubled, doubled, "doubled"),
	{ 0 }
};
#undef T

enum { WORDS = 12 };

/* What was written, one "name=value " after the other, then the operands. */
static void show(struct buf *b, const struct all *a, int argc, char **argv)
{
	if (a->force) buf_puts(b, "f ");
	if (a->tty) buf_puts(b, "t ");
	if (a->interactive) buf_puts(b, "i ");
	if (a->bundle) buf_printf(b, "b=%s ", a->bundle);
	if (a->user) buf_printf(b, "u=%s ", a->user);
	if (a->format) buf_printf(b, "format=%s ", a->format);
	if (a->n.set) buf_printf(b, "n=%jd ", (intmax_t)a->n.v);
	if (a->u.set) buf_printf(b, "shares=%ju ", (uintmax_t)a->u.v);
	if (a->size.set) buf_printf(b, "size=%ju ", (uintmax_t)a->size.v);
	if (a->memory.set) buf_printf(b, "m=%jd ", (intmax_t)a->memory.v);
	if (a->time.set) buf_printf(b, "ms=%ju ", (uintmax_t)a->time.v);
	if (a->onboot.set) buf_printf(b, "onboot=%d ", a->onboot.v);
	for (size_t i = 0; i < a->env.n; i++) buf_printf(b, "e=%s ", a->env.v[i]);
	if (a->doubled) buf_printf(b, "double=%d ", a->doubled);
	buf_puts(b, "|");
	for (int i = 0; i < argc; i++)
		buf_printf(b, " %s", argv[i]);
	if (argv[argc])
		buf_puts(b, " (no NULL at the end)");
}

struct row { unsigned flags; const char *words[WORDS]; const char *want; };

static const struct row good[] = {
	{ 0, { 0 }, "|" },
	{ 0, { "ID" }, "| ID" },
	{ 0, { "-b", "/x", "ID" }, "b=/x | ID" },
	{ 0, { "-b=/x", "ID" }, "b=/x | ID" },
	{ 0, { "--bundle=/x=y", "ID" }, "b=/x=y | ID" },
	{ 0, { "-bundle", "/x", "ID" }, "b=/x | ID" },
	{ 0, { "--b", "/x" }, "b=/x |" },
	{ 0, { "-bundle=", "ID" }, "b= | ID" },
	{ 0, { "-b", "--force" }, "b=--force |" },
	{ 0, { "-b", "a", "-b", "b" }, "b=b |" },
	{ 0, { "ID", "-f" }, "f | ID" },
	{ 0, { "ID", "--bundle", "x", "KILL", "--force" }, "f b=x | ID KILL" },
	{ 0, { "--force=false", "-tty=true", "ID" }, "t | ID" },
	{ 0, { "-it", "ID" }, "t i | ID" },
	{ 0, { "-itf", "ID" }, "f t i | ID" },
	{ 0, { "-itu", "root", "ID" }, "t i u=root | ID" },
	{ 0, { "-itu=root", "ID" }, "t i u=root | ID" },
	{ 0, { "--", "-f", "--", "x" }, "| -f -- x" },
	{ 0, { "ID", "--", "-f" }, "| ID -f" },
	{ 0, { "-", "ID" }, "| - ID" },
	{ 0, { "-b", "-", "ID" }, "b=- | ID" },
	{ 0, { "-b=-", "ID" }, "b=- | ID" },
	{ 0, { "" , "ID" }, "|  ID" },
	{ 0, { "-n", "-5", "-n", "70000" }, "n=70000 |" },
	{ 0, { "--number=-5" }, "n=-5 |" },
	{ 0, { "--shares", "18446744073709551615" }, "shares=18446744073709551615 |" },
	{ 0, { "--size", "1.5G" }, "size=1610612736 |" },
	{ 0, { "-m", "512M" }, "m=536870912 |" },
	{ 0, { "-m", "-1" }, "m=-1 |" },
	{ 0, { "-m=max" }, "m=-1 |" },
	{ 0, { "--interval", "5m" }, "ms=300000 |" },
	{ 0, { "--interval", "250ms" }, "ms=250 |" },
	{ 0, { "--onboot", "no" }, "onboot=0 |" },
	{ 0, { "--onboot=on" }, "onboot=1 |" },
	{ 0, { "--format", "json" }, "format=json |" },
	{ 0, { "-e", "A=1", "ID", "--env=B=2", "-e", "C", "-e", "D", "-e", "" },
	  "e=A=1 e=B=2 e=C e=D e= | ID" },
	{ 0, { "--double", "21" }, "double=42 |" },
	{ CMD_PASS, { "-t", "ID", "ls", "-f", "--nope" }, "t | ID ls -f --nope" },
	{ CMD_PASS, { "ID", "--", "ls", "--", "-l" }, "| ID ls -- -l" },
	{ CMD_PASS, { "--", "ID", "--", "-f" }, "| ID -- -f" },
	{ CMD_PASS, { "-f", "--", "ls" }, "f | ls" },
	{ OPT_STOP, { "-f", "try", "--", "ls" }, "f | try -- ls" },
};

static const struct row bad[] = {
	{ 0, { "-x" }, "unknown option -x" },
	{ 0, { "--nope=3", "ID" }, "unknown option --nope" },
	{ 0, { "--bundel", "x" }, "unknown option --bundel (did you mean --bundle?)" },
	{ 0, { "-forse" }, "unknown option -forse (did you mean --force?)" },
	{ 0, { "--it" }, "unknown option --it" },
	{ 0, { "-itx" }, "unknown option -itx" },
	{ 0, { "-ut", "x" }, "unknown option -ut" },
	{ 0, { "--=x" }, "unknown option --" },
	{ 0, { "-=x" }, "unknown option -" },
	{ 0, { "---force" }, "unknown option ---force (did you mean --force?)" },
	{ 0, { "ID", "--bundle" }, "flag needs an argument: --bundle DIR" },
	{ 0, { "-b" }, "flag needs an argument: --bundle DIR" },
	{ 0, { "-itu" }, "flag needs an argument: --user UID[:GID]" },
	{ 0, { "--force=maybe" }, "--force: \"maybe\" is not yes or no" },
	{ 0, { "--onboot=" }, "--onboot: \"\" is not yes or no" },
	{ 0, { "-n", "12x" }, "--number: \"12x\" is not a number" },
	{ 0, { "-n", " 1" }, "--number: \" 1\" is not a number" },
	{ 0, { "-n", "+1" }, "--number: \"+1\" is not a number" },
	{ 0, { "-n", "0x10" }, "--number: \"0x10\" is not a number" },
	{ 0, { "-n=" }, "--number: \"\" is not a number" },
	{ 0, { "-n", "70001" }, "--number: 70001 is out of range (-5 to 70000)" },
	{ 0, { "-n", "99999999999999999999" },
	  "--number: 99999999999999999999 is out of range (-5 to 70000)" },
	{ 0, { "--shares", "-1" }, "--shares: \"-1\" is not a number of 0 or more" },
	{ 0, { "--shares", "18446744073709551616" }, "--shares: 18446744073709551616 is too large" },
	{ 0, { "--size", "12Q" }, "--size: \"12Q\" is not a size (as 512M or 1.5G)" },
	{ 0, { "--size", "99999999P" }, "--size: 99999999P is too large" },
	{ 0, { "-m", "-2" }, "--memory: \"-2\" is not a size (as 512M or 1.5G)" },
	{ 0, { "-m", "9223372036854775808" }, "--memory: 9223372036854775808 is too large" },
	{ 0, { "--interval", "5 m" }, "--interval: \"5 m\" is not a time (as 10s or 5m)" },
	{ 0, { "--format", "jso" }, "--format: \"jso\" is not one of table|json" },
	{ 0, { "--format", "table|json" }, "--format: \"table|json\" is not one of table|json" },
	{ 0, { "--format=" }, "--format: \"\" is not one of table|json" },
	{ 0, { "--double", "x" }, "--double: \"x\" cannot be doubled" },
	{ CMD_PASS, { "--nope", "ID" }, "unknown option --nope" },
};

static int parse(const struct row *row, struct arena *arena, struct all *all, char **argv)
{
	int argc = 0;

	memset(all, 0, sizeof *all);
	for (; argc < WORDS && row->words[argc]; argc++)
		argv[argc] = arena_strdup(arena, row->words[argc]);
	argv[argc] = NULL;
	return opt_parse(all_opts, all, arena, NULL, row->flags, argc, argv);
}

TEST(words_in_struct_out)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		auto_arena struct arena arena = { 0 };
		auto_buf struct buf b = { 0 };
		char *argv[WORDS + 1];
		struct all all;
		int n;

		err_clear();
		n = parse(&good[i], &arena, &all, argv);
		CHECK(n >= 0);
		if (n >= 0)
			show(&b, &all, n, argv);
		CHECK_STR(buf_text(&b), good[i].want);
	}
}

TEST(words_in_error_out)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		auto_arena struct arena arena = { 0 };
		char *argv[WORDS + 1];
		struct all all;

		CHECK_FAILS(parse(&bad[i], &arena, &all, argv), bad[i].want);
		CHECK(err_class() == ERR_USAGE);
	}
}

TEST(many_values)
{
	auto_arena struct arena arena = { 0 };
	char *argv[2 * 100 + 1], flag[] = "-e", value[100][4];
	struct all all = { 0 };

	for (int i = 0; i < 100; i++) {
		snprintf(value[i], sizeof value[i], "%d", i);
		argv[2 * i] = flag;
		argv[2 * i + 1] = value[i];
	}
	argv[200] = NULL;
	CHECK(opt_parse(all_opts, &all, &arena, NULL, 0, 200, argv) == 0);
	CHECK(all.env.n == 100 && !all.env.v[100]);
	for (int i = 0; i < 100; i++)
		CHECK(all.env.v[i] == value[i]);
}

UNIT_MAIN(UNIT(words_in_struct_out), UNIT(words_in_error_out), UNIT(many_values))
