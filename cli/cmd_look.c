#include "cli/cmd.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "runtime/container/container.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int print(struct buf *b)
{
	buf_puts(b, "\n");
	return b->oom ? fail(ENOMEM, "out of memory") : out_text(buf_text(b));
}

static int state_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b, .pretty = true };
	struct container_info i;

	(void)args;
	(void)argc;
	TRY(container_info(g->root, argv[0], &i));
	container_info_json(&o, NULL, &i);
	container_info_free(&i);
	return print(&b);
}

struct list_args { const char *format; bool quiet; };
static const struct opt list_opts[] = {
	OCHOICE(struct list_args, 'f', "format", "table|json", format, "how to print (default: table)"),
	OFLAG(struct list_args, 'q', "quiet", quiet, "IDs only"),
	{ 0 }
};

struct list_ctx { struct table *t; struct jout o; bool json, quiet; };

static int list_each(void *p, const struct container_info *i)
{
	struct list_ctx *c = p;

	if (c->json && c->quiet) {
		jout_str(&c->o, NULL, i->s.id);
	} else if (c->json) {
		container_info_json(&c->o, NULL, i);
	} else if (c->quiet) {
		table_str(c->t, i->s.id);
	} else {
		table_str(c->t, i->s.id);
		table_cell(c->t, "%d", (int)i->pid);
		table_str(c->t, status_name(i->status));
		table_str(c->t, i->s.bundle);
		table_str(c->t, i->s.created);
		table_str(c->t, i->s.owner && str_eq(i->s.owner, "0") ? "root" : i->s.owner);
	}
	return 0;
}

static int list_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER", NULL };
	static const char *const id_only[] = { "ID", NULL };
	struct list_args *a = args;
	auto_buf struct buf b = { 0 };
	auto_table struct table t = { .head = a->quiet ? id_only : head, .no_head = a->quiet,
				      .gap = a->quiet ? 1 : 3, .min = a->quiet ? 1 : 12 };
	/* To runc IDs only are no JSON, whatever the format. */
	struct list_ctx c = { .t = &t, .o = { .b = &b }, .quiet = a->quiet,
			      .json = g->json || (!a->quiet && a->format && str_eq(a->format, "json")) };
	int r;

	(void)argc;
	(void)argv;
	if (c.json)
		jout_open(&c.o, NULL, '[');
	r = container_list(g->root, list_each, &c);
	/* Where nobody has run a container yet there are none; but who names a place means one that is there. */
	if (r < 0 && (r != -ENOENT || g->root_given))
		return r;
	err_clear();
	if (!c.json)
		return table_print(&t);
	jout_close(&c.o, ']');
	return print(&b);
}

struct ps_args { const char *format; };
static const struct opt ps_opts[] = {
	OCHOICE(struct ps_args, 'f', "format", "table|json", format, "how to print (default: table)"),
	{ 0 }
};

static bool is_listed(const char *word, const pid_t *pids, size_t n)
{
	uint64_t v;

	if (str_u64(word, INT32_MAX, &v) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (pids[i] == (pid_t)v)
			return true;
	return false;
}

/* The lines of ps(1) whose PID column is one of ours, and the header. */
static int filter(char *text, const pid_t *pids, size_t n)
{
	auto_buf struct buf b = { 0 };
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	int column = -1, i = 0;
	char head[1024];

	if (!line)
		return fail(EIO, "ps printed nothing");
	buf_printf(&b, "%s\n", line);
	snprintf(head, sizeof head, "%s", line);
	for (char *s = NULL, *w = strtok_r(head, " ", &s); w; w = strtok_r(NULL, " ", &s), i++)
		if (str_eq(w, "PID"))
			column = i;
	if (column < 0)
		return fail_as(ERR_USAGE, "couldn't find PID field in ps output");
	while ((line = strtok_r(NULL, "\n", &save))) {
		char copy[1024], *s = NULL, *w;

		snprintf(copy, sizeof copy, "%s", line);
		w = strtok_r(copy, " ", &s);
		for (i = 0; w && i < column; i++)
			w = strtok_r(NULL, " ", &s);
		if (w && is_listed(w, pids, n))
			buf_printf(&b, "%s\n", line);
	}
	return out_text(buf_text(&b));
}

static int ps_run(struct cli *g, void *args, int argc, char **argv)
{
	struct ps_args *a = args;
	auto_free pid_t *pids = NULL;
	auto_buf struct buf b = { 0 };
	auto_free const char **ps = calloc((size_t)argc + 2, sizeof *ps);	/* the least: ps -ef and the end */
	size_t n;
	int status;

	TRY(guest_voice(g, argv[0], container_pids(g->root, argv[0], &pids, &n)));
	if (g->json || (a->format && str_eq(a->format, "json"))) {
		struct jout o = { .b = &b };

		jout_open(&o, NULL, '[');
		for (size_t i = 0; i < n; i++)
			jout_i64(&o, NULL, pids[i]);
		jout_close(&o, ']');
		return print(&b);
	}
	if (!ps)
		return fail(ENOMEM, "out of memory");
	ps[0] = "ps";
	ps[1] = "-ef";
	for (int i = 1; i < argc; i++)
		ps[i] = argv[i];
	TRY(proc_run(&(struct proc_req){ .path = "ps", .argv = ps, .out = &b, .timeout_ms = 10000 }, &status));
	if (status != 0)
		return fail(EIO, "ps: exit status %d", status);
	return b.p ? filter(b.p, pids, n) : fail(EIO, "ps printed nothing");
}

struct events_args { bool stats; struct opt_u64 interval; };
static const struct opt events_opts[] = {
	ODURATION(struct events_args, 0, "interval", interval, "how often the counters are shown (default: 5s)"),
	OFLAG(struct events_args, 0, "stats", stats, "show the counters once, now"),
	{ 0 }
};

static int put_line(void *ctx, const char *text)
{
	(void)ctx;
	return out_text(text);
}

static int events_run(struct cli *g, void *args, int argc, char **argv)
{
	struct events_args *a = args;

	(void)argc;
	if (a->interval.set && a->interval.v == 0)
		return fail_as(ERR_USAGE, "duration interval must be greater than 0");
	return container_events(&(struct events_req){ .root = g->root, .id = argv[0], .once = a->stats,
		.interval_ms = a->interval.set ? a->interval.v : 5000, .line = put_line });
}

struct spec_args { const char *bundle; bool rootless; };
static const struct opt spec_opts[] = {
	OSTR(struct spec_args, 'b', "bundle", "DIR", bundle, "where to write it (default: the current directory)"),
	OFLAG(struct spec_args, 0, "rootless", rootless, "for a user without privilege"),
	{ 0 }
};

static void fill_ids(struct buf *b, const char *text)
{
	for (const char *at; (at = strchr(text, '@')); text = at + 5) {
		buf_add(b, text, (size_t)(at - text));
		buf_printf(b, "%u", at[1] == 'U' ? getuid() : getgid());
	}
	buf_puts(b, text);
}

static int spec_run(struct cli *g, void *args, int argc, char **argv)
{
	struct spec_args *a = args;
	auto_buf struct buf b = { 0 };

	(void)argc;
	(void)argv;
	fill_ids(&b, spec_default_text(a->rootless));
	auto_close int dir = open(a->bundle ? a->bundle : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return fail_errno("bundle %s", a->bundle ? a->bundle : ".");
	if (faccessat(dir, "config.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return fail_as(ERR_EXISTS, "file config.json exists. Remove it first");
	return file_write_atomic(dir, "config.json", b.p, b.n, 0666 & ~g->umask);
}

const struct cmd look_cmds[] = {
	{ "state", "ID", "print the state of a container", 1, 1, .run = state_run, .flags = CMD_OCI },
	{ "list", "[OPTION...]", "list containers", 0, 0, list_opts, sizeof(struct list_args), list_run, CMD_OCI },
	{ "ps", "[OPTION...] ID [PS-OPTION...]", "list the processes of a container", 1, -1, ps_opts,
	  sizeof(struct ps_args), ps_run, CMD_OCI | CMD_PASS },
	{ "events", "[OPTION...] ID", "show counters and out-of-memory events as JSON lines", 1, 1, events_opts,
	  sizeof(struct events_args), events_run, CMD_OCI },
	{ "features", "", "print what this runtime knows, as the specification's features document", 0, 0,
	  .run = features_run, .flags = CMD_OCI },
	{ "spec", "[OPTION...]", "write a default config.json", 0, 0, spec_opts, sizeof(struct spec_args), spec_run,
	  CMD_OCI },
	{ 0 }
};
