/* From the words of the command line to the command that runs. */
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "cli/opt.h"
#include "cli/out.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define T struct cli
const struct opt cli_opts[] = {
	OSTR(T, 0, "root", "DIR", root, "where the state of containers is kept (/run/vzrun)"),
	OSTR(T, 0, "home", "DIR", home, "where guests and images are kept (/var/lib/vzrun, or $VZRUN_HOME)"),
	OSTR_OCI(T, 0, "log", "FILE", log, "append warnings and errors to FILE"),
	OCHOICE(T, 0, "log-format", "text|json", log_format, "the form of the log's lines (text)"),
	OCHOICE(T, 0, "log-level", "debug|info|warning|error", log_level, "from what on lines are written (info)"),
	{ 0, "debug", NULL, OPT_FLAG, OPT_AT(T, debug, bool), "log every step", .flags = OPT_EVERYWHERE },
	OFLAG(T, 0, "systemd-cgroup", systemd_cgroup, "the same as --cgroup-manager systemd"),
	OCHOICE(T, 0, "cgroup-manager", "cgroupfs|systemd|disabled", cgroup_manager,
		"who makes cgroups (cgroupfs)"),
	OCHOICE(T, 0, "rootless", "auto|true|false", rootless, "tolerate cgroups we may not write (auto)"),
	OSTR_OCI(T, 0, "criu", "FILE", criu, "the program for checkpoint and restore (criu)"),
	{ 0, "json", NULL, OPT_FLAG, OPT_AT(T, json, bool), "write JSON", .flags = OPT_EVERYWHERE },
	{ 'h', "help", NULL, OPT_FLAG, OPT_AT(T, help, bool), "explain it", .flags = OPT_EVERYWHERE },
	OFLAG(T, 'v', "version", version, "write the version"),
	{ 0 }
};
#undef T

struct found { const struct cmd *cmd; char path[96]; int argc; char **argv; };

void cli_speak(struct cli *g, unsigned flags)
{
	g->oci = flags & (CMD_OCI | CMD_EXEC);
	g->failed = flags & CMD_EXEC ? 255 : flags & CMD_OCI ? 1 : 0;
}

static const struct cmd *in_table(const struct cmd *c, const char *word)
{
	for (; c && c->name; c++)
		if (str_eq(c->name, word))
			return c;
	return NULL;
}

static const struct cmd *in_groups(const struct cmd_group *g, const char *word)
{
	const struct cmd *c = NULL;

	for (; !c && g->cmds; g++)
		c = in_table(g->cmds, word);
	return c;
}

const struct cmd *cmd_find(const struct cmd_group *groups, int n, char *const *words, int *used)
{
	const struct cmd *c = n > 0 ? in_groups(groups, words[0]) : NULL, *sub;

	for (*used = c ? 1 : 0; c && *used < n && (sub = in_table(c->sub, words[*used])); ++*used)
		c = sub;
	return c;
}

/* What a word means that others have for it, where groups have that; "": we have nothing for it, whatever is near. */
static const char *elsewhere(const struct cmd_group *groups, const char *word)
{
	static const struct { const char *theirs, *ours; } words[] = {
		{ "rm", "destroy" }, { "remove", "destroy" }, { "remove", "rm" }, { "delete", "rm" }, { "del", "rm" },
		{ "list", "ls" }, { "inspect", "show" }, { "info", "show" }, { "status", "show" }, { "load", "import" },
		{ "pull", "import" }, { "images", "image ls" }, { "networks", "network ls" }, { "rmi", "image rm" },
		{ "load", "image import" }, { "pull", "image import" }, { "shell", "enter" }, { "attach", "console" },
		{ "shutdown", "stop" }, { "reboot", "restart" }, { "unpause", "resume" }, { "top", "stats" },
		{ "suspend", "checkpoint" }, { "migrate", "" }, { "export", "" }, { "rename", "" }, { "rescue", "" },
	};
	int used;

	for (size_t i = 0; i < COUNT(words); i++) {
		char first[16];
		char *const v[] = { first, NULL };

		snprintf(first, sizeof first, "%.*s", (int)strcspn(words[i].ours, " "), words[i].ours);
		if (str_eq(words[i].theirs, word) && (!*first || cmd_find(groups, 1, v, &used)))
			return words[i].ours;
	}
	return NULL;
}

static int unknown_command(const struct cmd_group *groups, const struct cmd *in, const char *word)
{
	const struct cmd_group only[] = { { "", in ? in->sub : NULL }, { 0 } };
	const char *best = elsewhere(in ? only : groups, word);

	for (const struct cmd_group *g = in ? only : groups; !best && g->cmds; g++)
		for (const struct cmd *c = g->cmds; c->name; c++)
			best = c->flags & CMD_HIDDEN ? best : opt_nearer(word, best, c->name);
	if (best && *best)
		return fail_as(ERR_USAGE, "unknown command \"%s\" (did you mean %s?)", word, best);
	return fail_as(ERR_USAGE, "unknown command \"%s\"", word);
}

static void names_of(const struct cmd *c, char *out, size_t size)
{
	size_t n = 0;

	for (out[0] = '\0'; c->name && n < size; c++)
		if (!(c->flags & CMD_HIDDEN))
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", c->name);
}

/* Where sub-commands are, go on to the one that is named. */
static int descend(struct cli *g, const struct cmd_group *groups, struct found *f)
{
	while (f->cmd->sub) {
		const struct cmd *c = f->cmd, *sub;
		char names[256];

		if (!c->run) {
			f->argc = opt_parse(NULL, NULL, NULL, g, OPT_STOP, f->argc, f->argv);
			TRY(f->argc);
			if (g->help)
				return 0;
		}
		sub = f->argc ? in_table(c->sub, f->argv[0]) : NULL;
		if (!sub && c->run)
			return 0;
		if (!sub && f->argc)
			return unknown_command(groups, c, f->argv[0]);
		if (!sub) {
			names_of(c->sub, names, sizeof names);
			return fail_as(ERR_USAGE, "needs a command: %s", names);
		}
		f->cmd = sub;
		f->argc--;
		f->argv++;
		snprintf(f->path + strlen(f->path), sizeof f->path - strlen(f->path), " %s", sub->name);
	}
	return 0;
}

static int write_help(const struct cmd_group *groups, const struct cmd *c, const char *path)
{
	auto_buf struct buf b = { 0 };

	help_write(&b, groups, c, path);
	return b.oom ? fail(ENOMEM, "out of memory") : out_text(buf_text(&b));
}

/* last: the last form of the command is meant, not the first. */
static int count_operands(const struct cmd *c, int n, bool chosen, const char *path, bool last)
{
	const char *usage = c->usage ? c->usage : "", *what;
	int min = c->min, max = c->max;

	/* --all and --tag stand for the guest's name; without them a command that takes only that takes several. */
	if (c->flags & (CMD_EACH | CMD_ALONE) && chosen)
		min--, max--;
	else if (c->flags & CMD_EACH && max == 1)
		max = -1;
	else if (c->flags & CMD_NAMES && chosen)
		max = 0;
	what = n < min ? "few" : max >= 0 && n > max ? "many" : NULL;

	if (!what)
		return 0;
	if (last && strrchr(usage, '\n'))
		usage = strrchr(usage, '\n') + 1;
	return fail_as(ERR_USAGE, "too %s arguments; usage: vzrun %s%s%.*s", what, path, *usage ? " " : "",
		       (int)strcspn(usage, "\n"), usage);
}

/* 1: help was asked for. */
static int parse_command(struct cli *g, struct found *f, void *args, struct arena *a, bool guest)
{
	if (!g->help) {
		f->argc = opt_parse(f->cmd->opts, args, a, g, f->cmd->flags, f->argc, f->argv);
		TRY(f->argc);
	}
	return g->help ? 1 : count_operands(f->cmd, f->argc, g->all || g->tags.n, f->path, guest);
}

/* What has an option of guests speaks as a guest's command from its first wrong option on. */
static bool means_guest(const struct found *f)
{
	static const struct { const char *cmd, *word; } words[] = {
		{ "create", "--template" }, { "create", "--image" }, { "create", "--rootfs" },
		{ "start", "--no-wait" }, { "start", "--timeout" }, { "checkpoint", "--discard" },
	};

	for (char **w = f->argv; *w; w++)
		for (size_t k = 0; k < COUNT(words); k++)
			if (str_eq(f->path, words[k].cmd) && str_starts(*w, words[k].word))
				return true;
	return false;
}

/* What is wrong may stand before it. */
static void find_json(struct cli *g, const struct found *f)
{
	for (char **w = f->argv; !(f->cmd->flags & CMD_PASS) && *w && !str_eq(*w, "--"); w++)
		g->json |= str_eq(*w, "--json");
}

static int run_command(struct cli *g, const struct cmd_group *groups, struct found *f)
{
	auto_arena struct arena a = { 0 };
	void *args = NULL;
	int r = descend(g, groups, f);

	g->cmd = f->cmd;
	cli_speak(g, f->cmd->flags);
	/* Before the parser sorts the words. */
	bool guest = means_guest(f);
	if (r == 0) {
		args = arena_alloc(&a, 1, f->cmd->size ? f->cmd->size : 1);
		if (!args)
			return fail(ENOMEM, "out of memory");
		r = parse_command(g, f, args, &a, guest);
	}
	if (r < 0) {
		find_json(g, f);
		if (guest)
			cli_speak(g, 0);
		/* 255 is for what was tried: runc says 1 to words that make no sense, of exec as of the others. */
		else if (g->oci)
			g->failed = 1;
		err_try("vzrun help %s", f->path);
		return fail_in(r, "%s", f->path);
	}
	if (r == 1)
		return write_help(groups, f->cmd, f->path);
	return each_opts(f->cmd->flags) ? each_run(g, &a, args, f->argc, f->argv) : f->cmd->run(g, args, f->argc, f->argv);
}

static int absolute(const char **path, const char *what, char *out, size_t size)
{
	char here[PATH_MAX];
	int n;

	if (**path == '/')
		return 0;
	if (!**path || !getcwd(here, sizeof here))
		return fail_as(ERR_USAGE, "--%s: \"%s\" is not a directory", what, *path);
	n = snprintf(out, size, "%s/%s", here, *path);
	if (n < 0 || (size_t)n >= size)
		return fail(ENAMETOOLONG, "--%s: the path is too long", what);
	*path = out;
	return 0;
}

/* An engine sets XDG_RUNTIME_DIR="", and XDG says that a relative path counts as none. */
static const char *env_path(const char *name)
{
	const char *v = getenv(name);

	return v && *v == '/' ? v : NULL;
}

static int defaults(struct cli *g)
{
	/* g->root and g->home may point here until the process ends. */
	static char root[PATH_MAX], home[PATH_MAX];
	const char *from_env = getenv("VZRUN_HOME");

	g->root_given = g->root;
	/* Root of an engine's user namespace has no /run. */
	if (!g->root && geteuid() == 0 && (!env_path("XDG_RUNTIME_DIR") || sys_is_host_root()))
		g->root = "/run/vzrun";
	if (!g->root) {
		if (env_path("XDG_RUNTIME_DIR"))
			snprintf(root, sizeof root, "%s/vzrun", env_path("XDG_RUNTIME_DIR"));
		else
			snprintf(root, sizeof root, "/run/user/%u/vzrun", (unsigned)geteuid());
		g->root = root;
	}
	if (!g->home)
		g->home = from_env && *from_env ? from_env : "/var/lib/vzrun";
	if (!g->cgroup_manager)
		g->cgroup_manager = g->systemd_cgroup ? "systemd" : "cgroupfs";
	if (!g->rootless)
		g->rootless = "auto";
	if (!g->log_format)
		g->log_format = "text";
	TRY(absolute(&g->root, "root", root, sizeof root));
	return absolute(&g->home, "home", home, sizeof home);
}

static int usage_failed(int r)
{
	err_try("vzrun help");
	return r;
}

int cli_run(struct cli *g, const struct cmd_group *groups, int argc, char **argv)
{
	struct found f = { .argc = argc - 1, .argv = argv + 1 };

	if (argc < 1)
		return fail_as(ERR_USAGE, "called without a name");
	f.argc = opt_parse(cli_opts, g, NULL, NULL, OPT_STOP, f.argc, f.argv);
	if (f.argc < 0)
		return usage_failed(f.argc);
	if (g->version)
		return version_run(g, NULL, 0, NULL);
	if (f.argc == 0 && g->help)
		return write_help(groups, NULL, NULL);
	if (f.argc == 0)
		return usage_failed(fail_as(ERR_USAGE, "no command"));
	TRY(defaults(g));
	f.cmd = in_groups(groups, f.argv[0]);
	/* To an engine whatever fails is 1, from here on. */
	cli_speak(g, f.cmd && f.cmd->flags & (CMD_OCI | CMD_EXEC) ? CMD_OCI : 0);
	TRY(log_open(g->log, str_eq(g->log_format, "json"), g->debug ? LOG_DEBUG : log_level_of(g->log_level)));
	if (!f.cmd)
		return usage_failed(unknown_command(groups, NULL, f.argv[0]));
	snprintf(f.path, sizeof f.path, "%s", f.cmd->name);
	f.argc--;
	f.argv++;
	return run_command(g, groups, &f);
}
