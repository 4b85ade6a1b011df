#include "cli/opt.h"
#include "cli/out.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 96, OPTION_COLUMN = 30, COMMAND_COLUMN = 16 };

/* Words of text from column `at` on; further lines begin at column `indent`. A newline stays. */
static void wrap(struct buf *b, const char *text, size_t at, size_t indent)
{
	bool first = true;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (!first && at + 1 + n > WIDTH) {
			buf_printf(b, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		if (!first)
			buf_puts(b, " ");
		buf_add(b, text, n);
		at += n + !first;
		first = false;
		text += n + (text[n] == ' ');
		for (; *text == '\n'; text++) {
			buf_printf(b, "\n%*s", text[1] && text[1] != '\n' ? (int)indent : 0, "");
			at = indent;
			first = true;
		}
	}
	buf_puts(b, "\n");
}

/* "  left      text", the text below where left is too long. */
static void entry(struct buf *b, const char *left, size_t column, const char *text)
{
	size_t n = strlen(left);

	buf_printf(b, "  %s", left);
	if (n + 4 > column)
		buf_printf(b, "\n%*s", (int)column, "");
	else
		buf_printf(b, "%*s", (int)(column - n - 2), "");
	wrap(b, text, column, column);
}

static void options(struct buf *b, const char *title, const struct opt *o)
{
	bool begun = false;

	for (; o && o->name; o++) {
		char left[128], letter[8] = "    ";

		if (!o->help)
			continue;
		if (o->letter)
			snprintf(letter, sizeof letter, "-%c, ", o->letter);
		snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
			 o->arg ? o->arg : "");
		if (!begun)
			buf_printf(b, "\n%s:\n", title);
		begun = true;
		entry(b, left, OPTION_COLUMN, o->help);
	}
}

static void commands(struct buf *b, const char *title, const struct cmd *c)
{
	buf_printf(b, "\n%s:\n", title);
	for (; c->name; c++)
		if (!(c->flags & CMD_HIDDEN))
			entry(b, c->name, COMMAND_COLUMN, c->help ? c->help : "");
}

static void whole_program(struct buf *b, const struct cmd_group *groups)
{
	buf_puts(b, "usage: vzrun [OPTION...] COMMAND [ARGUMENT...]\n\n"
		    "Containers of the operating system: persistent guests, and a runtime\n"
		    "for OCI engines.\n");
	for (const struct cmd_group *g = groups; g->cmds; g++)
		commands(b, g->title, g->cmds);
	options(b, "Options", cli_opts);
	buf_puts(b, "\n\"vzrun help COMMAND\" explains a command.\n");
}

static void usage(struct buf *b, const struct cmd *c, const char *path)
{
	const char *form = c->usage ? c->usage : c->sub ? "COMMAND [ARGUMENT...]" : "";
	const char *head = "usage:";

	do {
		size_t n = strcspn(form, "\n");

		buf_printf(b, "%-6s vzrun %s%s%.*s\n", head, path, n ? " " : "", (int)n, form);
		form += n + (form[n] == '\n');
		head = "";
	} while (*form);
}

void help_write(struct buf *b, const struct cmd_group *groups, const struct cmd *c, const char *path)
{
	if (!c) {
		whole_program(b, groups);
		return;
	}
	usage(b, c, path);
	if (c->help && *c->help)
		buf_printf(b, "\n%c%s.\n", toupper((unsigned char)c->help[0]), c->help + 1);
	if (c->about) {
		buf_puts(b, "\n");
		wrap(b, c->about, 0, 0);
	}
	if (c->sub)
		commands(b, "Commands", c->sub);
	options(b, "Options", c->opts);
	options(b, "In place of NAME", each_opts(c->flags));
}

int help_about(help_fn *write, int argc, char **argv)
{
	auto_buf struct buf b = { 0 }, path = { 0 };
	const struct cmd *c = NULL;
	int used = 0;

	if (argc > 0) {
		c = cmd_find(cli_groups, argc, argv, &used);
		if (!c || used < argc)
			return fail_as(ERR_USAGE, "no command \"%s\"", argv[used]);
	}
	for (int i = 0; i < argc; i++)
		buf_printf(&path, "%s%s", i ? " " : "", argv[i]);
	write(&b, cli_groups, c, buf_text(&path));
	return b.oom || path.oom ? fail(ENOMEM, "out of memory") : out_text(buf_text(&b));
}

int help_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)g, (void)args;
	return help_about(help_write, argc, argv);
}
