/* The completion script and the man page, from the tables that the parser reads. */
#include "base/scope.h"
#include "cli/opt.h"
#include "cli/out.h"

#include <stdio.h>
#include <string.h>

typedef void visit_fn(struct buf *b, const struct cmd *c, const char *path);

/* Every command that a list shows, with the words that name it. */
static void each(struct buf *b, const struct cmd *c, const char *above, visit_fn *visit)
{
	char path[96];

	for (; c && c->name; c++) {
		if (c->flags & CMD_HIDDEN)
			continue;
		snprintf(path, sizeof path, "%s%s%s", above, *above ? " " : "", c->name);
		visit(b, c, path);
		each(b, c->sub, path, visit);
	}
}

/* --- bash ----------------------------------------------------------------------------- */

static const char bash_head[] =
	"# bash completion for vzrun; made by `vzrun gen completion bash`\n"
	"_vzrun_words()\n"
	"{\n"
	"\tcase $1 in\n"
	"\tids) \"${COMP_WORDS[0]}\" list -q ;;\n"
	"\tnames) \"${COMP_WORDS[0]}\" ls -q ;;\n"
	"\tnetworks) \"${COMP_WORDS[0]}\" network ls | sed '1d; s/ .*//' ;;\n"
	"\timages) \"${COMP_WORDS[0]}\" image ls | sed '1d; s/ .*//' ;;\n"
	"\tesac 2>/dev/null\n"
	"}\n"
	"_vzrun()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path='' words='' more='' w\n"
	"\t# \"--flag=value\" comes as three words\n"
	"\t[ \"$cur\" = = ] && cur=''\n"
	"\t[ \"$prev\" = = ] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	"\tfor w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	"\t\tcase \"${path:+$path }$w\" in\n";
static const char bash_tail[] =
	"\tesac\n"
	"\twords+=\" $(_vzrun_words \"$more\")\"\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"\t[ \"$more\" != files ] || mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY \\\n"
	"\t\t< <(compgen -f -- \"$cur\")\n"
	"}\n"
	"complete -o filenames -F _vzrun vzrun\n";

static void bash_path(struct buf *b, const struct cmd *c, const char *path)
{
	(void)c;
	buf_printf(b, "\t\t\"%s\") path=\"%s\" ;;\n", path, path);
}

/* What completes the value of an option, "" where nothing does. */
static void bash_value(struct buf *b, const struct opt *o)
{
	static const struct { const char *arg, *compgen; } values[] = {
		{ "DIR", "-d" }, { "BUNDLE", "-d" }, { "FILE", "-f" }, { "PATH", "-f" }, { "SOCKET", "-f" },
		{ "DIR|TAR", "-f" }, { "FILE|-", "-f" }, { "NETWORK", "-W \"$(_vzrun_words networks)\"" },
		{ "NETWORK|none", "-W \"none $(_vzrun_words networks)\"" }, { "REF", "-W \"$(_vzrun_words images)\"" },
	};

	if (o->kind == OPT_CHOICE || o->kind == OPT_BOOL) {
		buf_puts(b, "-W \"");
		for (const char *p = o->arg; *p; p++)
			buf_add(b, *p == '|' ? " " : p, 1);
		buf_puts(b, "\"");
		return;
	}
	for (size_t i = 0; i < COUNT(values); i++)
		if (str_eq(values[i].arg, o->arg)) {
			buf_puts(b, values[i].compgen);
			return;
		}
	buf_puts(b, "-W \"\"");
}

static void bash_options(struct buf *b, const struct opt *opts, const char *path)
{
	for (const struct opt *o = opts; o && o->name; o++) {
		if (!o->help || o->kind == OPT_FLAG)
			continue;
		buf_printf(b, "\t\"%s:--%s\"", path, o->name);
		if (o->letter)
			buf_printf(b, "|\"%s:-%c\"", path, o->letter);
		buf_puts(b, ") mapfile -t COMPREPLY < <(compgen ");
		bash_value(b, o);
		buf_puts(b, " -- \"$cur\"); return ;;\n");
	}
}

static void bash_values(struct buf *b, const struct cmd *c, const char *path)
{
	bash_options(b, c->opts, path);
	bash_options(b, each_opts(c->flags), path);
}

static void bash_option_words(struct buf *b, const struct opt *opts, unsigned flags)
{
	for (const struct opt *o = opts; o && o->name; o++)
		if (o->help && (o->flags & flags) == flags)
			buf_printf(b, " --%s", o->name);
}

static void bash_words(struct buf *b, const struct cmd *c, const char *path)
{
	static const struct { const char *word, *more; } operands[] = {
		{ "FROM TO[", "names" }, { "FROM", "networks" }, { "NETWORK", "networks" },
		{ "NAME", "names" }, { "REF", "images" }, { "ID", "ids" },
		{ "FILE", "files" }, { "DIR", "files" }, { "PATH", "files" }, { "SOURCE", "files" },
	};

	buf_printf(b, "\t\"%s\") words=\"", path);
	for (const struct cmd *s = c->sub; s && s->name; s++)
		if (!(s->flags & CMD_HIDDEN))
			buf_printf(b, "%s ", s->name);
	bash_option_words(b, c->opts, 0);
	bash_option_words(b, each_opts(c->flags), 0);
	bash_option_words(b, cli_opts, OPT_EVERYWHERE);
	buf_puts(b, "\"");
	for (size_t i = 0; c->usage && i < COUNT(operands); i++)
		if (strstr(c->usage, operands[i].word)) {
			buf_printf(b, " more=%s", operands[i].more);
			break;
		}
	buf_puts(b, " ;;\n");
}

void gen_bash(struct buf *b, const struct cmd_group *groups)
{
	buf_puts(b, bash_head);
	for (const struct cmd_group *g = groups; g->cmds; g++)
		each(b, g->cmds, "", bash_path);
	buf_puts(b, "\t\tesac\n\tdone\n\tcase \"$path:$prev\" in\n");
	bash_options(b, cli_opts, "");
	for (const struct cmd_group *g = groups; g->cmds; g++)
		each(b, g->cmds, "", bash_values);
	buf_puts(b, "\tesac\n\tcase $path in\n\t\"\") words=\"");
	for (const struct cmd_group *g = groups; g->cmds; g++)
		for (const struct cmd *c = g->cmds; c->name; c++)
			if (!(c->flags & CMD_HIDDEN))
				buf_printf(b, "%s ", c->name);
	bash_option_words(b, cli_opts, 0);
	buf_puts(b, "\" ;;\n");
	for (const struct cmd_group *g = groups; g->cmds; g++)
		each(b, g->cmds, "", bash_words);
	buf_puts(b, bash_tail);
}

int gen_completion_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_buf struct buf b = { 0 };

	(void)g, (void)args, (void)argc;
	if (!str_eq(argv[0], "bash"))
		return fail_as(ERR_USAGE, "completion is made for bash, not for \"%s\"", argv[0]);
	gen_bash(&b, cli_groups);
	return b.oom ? fail(ENOMEM, "out of memory") : out_text(buf_text(&b));
}

/* --- man ------------------------------------------------------------------------------ */

static void roff(struct buf *b, const char *text)
{
	bool begins = true;

	for (; *text; text++) {
		if (begins && (*text == '.' || *text == '\''))
			buf_puts(b, "\\&");
		begins = *text == '\n';
		if (*text == '\n' && text[1] == '\n')
			buf_puts(b, "\n.PP");
		else if (*text == '-')
			buf_puts(b, "\\-");
		else if (*text == '\\')
			buf_puts(b, "\\e");
		else
			buf_add(b, text, 1);
	}
}

static void roff_options(struct buf *b, const struct opt *o)
{
	for (; o && o->name; o++) {
		if (!o->help)
			continue;
		buf_puts(b, ".TP\n");
		if (o->letter)
			buf_printf(b, "\\fB\\-%c\\fR, ", o->letter);
		buf_puts(b, "\\fB\\-\\-");
		roff(b, o->name);
		buf_puts(b, "\\fR");
		if (o->arg) {
			buf_puts(b, " \\fI");
			roff(b, o->arg);
			buf_puts(b, "\\fR");
		}
		buf_puts(b, "\n");
		roff(b, o->help);
		buf_puts(b, "\n");
	}
}

static void roff_forms(struct buf *b, const struct cmd *c, const char *path, const char *between)
{
	const char *form = c->usage ? c->usage : "";
	char one[256];
	bool more = false;

	do {
		size_t n = strcspn(form, "\n");

		snprintf(one, sizeof one, "%.*s", (int)n, form);
		if (more)
			buf_puts(b, between);
		more = true;
		buf_puts(b, "\\fBvzrun ");
		roff(b, path);
		buf_puts(b, "\\fR ");
		roff(b, one);
		buf_puts(b, "\n");
		form += n + (form[n] == '\n');
	} while (*form);
}

static void roff_help(struct buf *b, const struct cmd *c)
{
	if (c->help) {
		roff(b, c->help);
		buf_puts(b, ".\n");
	}
}

static void roff_about(struct buf *b, const struct cmd *c)
{
	if (c->about) {
		buf_puts(b, ".PP\n");
		roff(b, c->about);
		buf_puts(b, "\n");
	}
}

static void roff_command(struct buf *b, const struct cmd *c, const char *path)
{
	if (c->sub && !c->run)
		return;
	buf_puts(b, ".TP\n");
	roff_forms(b, c, path, ".TQ\n");
	roff_help(b, c);
	if (!c->about && !c->opts && !each_opts(c->flags))
		return;
	buf_puts(b, ".RS\n");
	roff_about(b, c);
	roff_options(b, c->opts);
	roff_options(b, each_opts(c->flags));
	buf_puts(b, ".RE\n");
}

static void roff_exit_status(struct buf *b)
{
	static const char *const text[] = {
		"success", "any other failure; every failure of the commands of an OCI runtime", "usage",
		"not found", "it exists already", "in the wrong state", "locked by another command",
		"not permitted", "the kernel or the host lacks it", "out of a resource or over a quota",
		"the configuration is invalid", "time is up", "the address is in use",
		"image, or its verification", "storage",
		"checkpoint or restore", "partial success with \\-\\-all",
	};

	buf_puts(b, ".SH EXIT STATUS\n");
	for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
		buf_printf(b, ".IP %zu 5\n%s\n", i, text[i]);
	buf_puts(b, ".PP\n\\fBrun\\fR, \\fBexec\\fR and \\fBenter\\fR return the status of the command. "
		    "Where it cannot be run that is 255 for a container, and 125, 126 or 127 for a guest.\n");
}

void gen_man(struct buf *b, const struct cmd_group *groups, const struct cmd *only, const char *path)
{
	buf_printf(b, ".TH VZRUN 1 \"\" \"vzrun " VZRUN_VERSION "\" \"User Commands\"\n.SH NAME\nvzrun");
	if (only)
		buf_puts(b, "\\-");
	for (const char *p = only ? path : ""; *p; p++)
		*p == ' ' ? buf_puts(b, "\\-") : buf_add(b, p, 1);
	buf_puts(b, " \\- ");
	roff(b, only && only->help ? only->help : "persistent guests, and a runtime for OCI engines");
	buf_puts(b, "\n.SH SYNOPSIS\n");
	if (only) {
		roff_forms(b, only, path, ".br\n");
		buf_puts(b, ".SH DESCRIPTION\n");
		roff_help(b, only);
		roff_about(b, only);
		buf_puts(b, ".SH OPTIONS\n");
		roff_options(b, only->opts);
		roff_options(b, each_opts(only->flags));
		each(b, only->sub, path, roff_command);
		buf_puts(b, ".SH SEE ALSO\n\\fBvzrun\\fR(1)\n");
		return;
	}
	buf_puts(b, "\\fBvzrun\\fR [\\fIOPTION\\fR...] \\fICOMMAND\\fR [\\fIARGUMENT\\fR...]\n.SH OPTIONS\n");
	roff_options(b, cli_opts);
	buf_puts(b, ".SH COMMANDS\n");
	for (const struct cmd_group *g = groups; g->cmds; g++) {
		buf_puts(b, ".SS ");
		roff(b, g->title);
		buf_puts(b, "\n");
		each(b, g->cmds, "", roff_command);
	}
	roff_exit_status(b);
	buf_puts(b, ".SH ENVIRONMENT\n.IP VZRUN_HOME\nwhere guests and images are kept, without \\-\\-home\n"
		    ".IP VZRUN_LIBEXEC\nwhere vzrun's helpers are, if not beside it\n"
		    ".IP VZRUN_DNSMASQ\nthe dnsmasq of networks with names\n"
		    ".IP NO_COLOR\nno colours, whatever the terminal can do\n"
		    ".SH FILES\n.IP /run/vzrun\nthe state of running containers\n"
		    ".IP /var/lib/vzrun\nguests, images, networks\n"
		    ".IP /var/lib/vzrun/guests/NAME/config.json\na guest: an OCI configuration with one object more; edit it\n"
		    ".SH SEE ALSO\n\\fBps\\fR(1), \\fBcriu\\fR(8), \\fBnft\\fR(8), \\fBlxcfs\\fR(1), \\fBmmdebstrap\\fR(1), "
		    "\\fBdnsmasq\\fR(8)\n");
}

int gen_man_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)g, (void)args;
	return help_about(gen_man, argc, argv);
}
