#include "base/err.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "images/cmds.h"
#include "images/progress.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void usage(FILE *f)
{
	fputs("usage: vzrun-image [--home DIR] [--json] COMMAND\n\n", f);
	for (const struct image_cmd *c = image_cmds; c->name; c++)
		fprintf(f, "  %-9s %-36s %s\n", c->name, c->args, c->help);
}

/* 1: taken, 2: with its value; 0: not an option. */
static int take_option(struct cmd_args *a, const char **home, const char *word, const char *value)
{
	const struct { const char *name; const char **text; bool *flag; } rows[] = {
		{ "--home", home, NULL },	     { "--ref", &a->ref, NULL },
		{ "--json", NULL, &a->json },	     { "--allow-devices", NULL, &a->devices },
		{ "--rebuild", NULL, &a->rebuild },
	};

	if (word[0] != '-' || !word[1])
		return 0;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = strlen(rows[i].name);

		if (strncmp(word, rows[i].name, n) != 0)
			continue;
		if (rows[i].flag && !word[n]) {
			*rows[i].flag = true;
			return 1;
		}
		if (rows[i].text && word[n] == '=') {
			*rows[i].text = word + n + 1;
			return 1;
		}
		if (rows[i].text && !word[n]) {
			if (!value)
				return fail_as(ERR_USAGE, "%s: needs a value", word);
			*rows[i].text = value;
			return 2;
		}
	}
	return fail_as(ERR_USAGE, "%s: no such option", word);
}

/* Words that are no options stay in argv, in order. */
static int parse(struct cmd_args *a, const char **home, int argc, char **argv)
{
	bool options = true;

	a->v = argv + 1;
	for (int i = 1; i < argc;) {
		int r = options && !str_eq(argv[i], "--") ? take_option(a, home, argv[i], argv[i + 1]) : 0;

		TRY(r);
		if (r == 0 && options && str_eq(argv[i], "--")) {
			options = false;
			i++;
		} else if (r == 0) {
			a->v[a->n++] = argv[i++];
		}
		i += r;
	}
	return 0;
}

static const struct image_cmd *find(const char *name)
{
	for (const struct image_cmd *c = image_cmds; c->name; c++)
		if (str_eq(c->name, name))
			return c;
	return NULL;
}

static int run(struct cmd_args *a, const char *home)
{
	const struct image_cmd *c = a->n ? find(a->v[0]) : NULL;
	int r;

	if (!a->n)
		return fail_as(ERR_USAGE, "no command given");
	if (!c)
		return fail_as(ERR_USAGE, "%s: no such command", a->v[0]);
	a->v++;
	a->n--;
	if (a->n < c->min || (c->max >= 0 && a->n > c->max))
		return fail_as(ERR_USAGE, "usage: vzrun-image %s %s", c->name, c->args);
	TRY(store_open(&a->store, home));
	if (a->json) {
		jout_open(&a->j, NULL, '{');
		jout_str(&a->j, "schema", "vzrun/1");
	}
	r = c->run(a);
	if (a->json)
		jout_close(&a->j, '}');
	return r;
}

static int finish(struct cmd_args *a, int r)
{
	if (a->out.n && (a->json || a->out.p[a->out.n - 1] != '\n'))
		buf_puts(&a->out, "\n");
	/* What an image says of itself is in either. */
	if (!a->json)
		str_plain(a->out.p);
	str_plain(a->warn.p);
	if (a->out.oom || a->warn.oom)
		return fail(ENOMEM, "out of memory");
	fputs(buf_text(&a->out), stdout);
	fputs(buf_text(&a->warn), stderr);
	if (fflush(stdout) == EOF)
		return fail_errno("write to standard output");
	return r > 0 ? ERR_IMAGE : 0;
}

static void put_line(struct buf *b, const char *before, const char *text)
{
	size_t from = b->n;

	buf_printf(b, "%s%s", before, text);
	if (!b->oom)
		str_line(b->p + from);
	buf_puts(b, "\n");
}

static void print_error(bool json)
{
	auto_buf struct buf b = { 0 };
	struct jout j = { .b = &b };

	if (err_class() == ERR_PERMISSION && geteuid() != 0 && !*err_try_text())
		err_try("as root");
	if (!json) {
		buf_printf(&b, "%s: ", program_invocation_short_name);
		put_line(&b, "", err_text());
		if (*err_why_text())
			put_line(&b, "  why    ", err_why_text());
		if (*err_try_text())
			put_line(&b, "  try    ", err_try_text());
		fputs(buf_text(&b), stderr);
		return;
	}
	jout_open(&j, NULL, '{');
	jout_str(&j, "schema", "vzrun/1");
	jout_open(&j, "error", '{');
	jout_i64(&j, "code", err_class());
	jout_str(&j, "msg", err_text());
	if (*err_why_text())
		jout_str(&j, "why", err_why_text());
	if (*err_try_text())
		jout_str(&j, "try", err_try_text());
	jout_close(&j, '}');
	jout_close(&j, '}');
	printf("%s\n", buf_text(&b));
}

int main(int argc, char **argv)
{
	const char *env = getenv("VZRUN_HOME"), *home = env && *env ? env : "/var/lib/vzrun";
	struct cmd_args a = { .store = { .dir = -1, .blobs = -1, .layers = -1, .refs = -1, .tmp = -1 } };
	int r;

	helper_follow();
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && (str_eq(argv[1], "--help") || str_eq(argv[1], "-h"))) {
		usage(stdout);
		return 0;
	}
	if (getenv("VZRUN_DEBUG"))
		(void)log_open("/dev/stderr", false, LOG_DEBUG);
	a.j.b = &a.out;
	r = parse(&a, &home, argc, argv);
	if (r == 0)
		r = run(&a, home);
	progress_end();
	store_close(&a.store);
	if (r >= 0)
		r = finish(&a, r);
	if (r < 0) {
		print_error(a.json);
		r = (int)err_class();
	}
	buf_free(&a.out);
	buf_free(&a.warn);
	return r;
}
