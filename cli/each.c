/* The guests that a command is for: named, or chosen by --all and --tag; and the command for each of them. */
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 8 };	/* a start takes a processor, a stop takes time */

#define CHOOSE                                                                                                \
	OFLAG(struct cli, 0, "all", all,                                                                      \
	      "every guest; of start, stop, restart, exec, checkpoint and restore those in the state for it"), \
	OSTRV(struct cli, 0, "tag", "TAG", tags, "those of them with the tag; repeatable: with all of these")

const struct opt *each_opts(unsigned flags)
{
	static const struct opt choose[] = { CHOOSE, { 0 } };
	static const struct opt surely[] = {
		CHOOSE, OFLAG(struct cli, 0, "yes", yes, "without it --all and --tag are refused"), { 0 }
	};
	static const struct opt hidden[] = {
		OFLAG(struct cli, 0, "all", all, NULL), OSTRV(struct cli, 0, "tag", "TAG", tags, NULL), { 0 }
	};

	if (flags & CMD_ALONE)
		return hidden;
	return flags & CMD_SURE ? surely : flags & (CMD_EACH | CMD_NAMES) ? choose : NULL;
}

/* tagged: some have the tags, in whatever state. */
struct choice { struct cli *g; struct guest_where at; struct arena *a; struct strv names; bool tagged; };

/* The table's end is where the next one goes; its room is doubled when it is full. */
static int add_name(struct choice *c, const char *name)
{
	struct strv *s = &c->names;

	if ((s->n & (s->n + 1)) == 0) {
		const char **more = arena_alloc(c->a, 2 * (s->n + 1), sizeof *more);

		if (!more)
			return fail(ENOMEM, "out of memory");
		if (s->n)
			memcpy(more, s->v, s->n * sizeof *more);
		s->v = more;
	}
	s->v[s->n] = arena_strdup(c->a, name);
	if (!s->v[s->n])
		return fail(ENOMEM, "out of memory");
	s->v[++s->n] = NULL;
	return 0;
}

/* 0: no; a guest whose file is damaged has no tags that anybody could know. */
static int has_tags(struct choice *c, const char *name)
{
	auto_guest struct guest guest;

	if (guest_open(&c->at, name, false, &guest) < 0) {
		log_warn("not chosen: %s", err_text());
		err_clear();
		return 0;
	}
	for (size_t i = 0; i < c->g->tags.n; i++)
		if (!guest_has_tag(&guest.conf.tags, c->g->tags.v[i]))
			return 0;
	return 1;
}

static int consider(void *ctx, const char *name)
{
	struct choice *c = ctx;
	const char *only = c->g->cmd->only;
	enum guest_status st;
	pid_t pid;

	if (c->g->tags.n) {
		if (!has_tags(c, name))
			return 0;
		c->tagged = true;
	}
	st = only ? guest_status(&c->at, name, &pid) : GUEST_UNKNOWN;
	err_clear();
	/* Of one whose state cannot be told the command itself says why. */
	if (st != GUEST_UNKNOWN && !strstr(only, guest_status_word(&c->at, name, st)))
		return 0;
	return add_name(c, name);
}

static int choose(struct choice *c)
{
	auto_buf struct buf b = { 0 };

	if (c->g->all && c->g->tags.n)
		return fail_as(ERR_USAGE, "--all and --tag exclude each other");
	TRY(guest_check_tags(&c->g->tags, "--tag"));
	TRY(guest_each(&c->at, consider, c));
	if (c->g->tags.n && !c->tagged)
		return fail_as(ERR_NOT_FOUND, "no guest has the tag%s \"%s\"%s", c->g->tags.n > 1 ? "s" : "", c->g->tags.v[0],
			       c->g->tags.n > 1 ? " and the others" : "");
	if (!(c->g->cmd->flags & CMD_SURE) || c->g->yes || !c->names.n)
		return 0;
	for (size_t i = 0; i < c->names.n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", c->names.v[i]);
	fail_as(ERR_USAGE, "%s: --all and --tag need --yes", c->g->cmd->name);
	err_why("it would %s %s", c->g->cmd->name, buf_text(&b));
	return -EINVAL;
}

static int name_them(struct choice *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		bool again = false;

		for (size_t k = 0; k < c->names.n; k++)
			again |= str_eq(c->names.v[k], argv[i]);
		if (!again)
			TRY(add_name(c, argv[i]));
	}
	return 0;
}

/* A process for one guest; out: what it writes to standard output. Of one that could not begin: why. */
struct turn { pid_t pid; int out, failed; struct err_saved why; };

/* What a program wrote, as JSON. */
static int wrap_output(int out, const char *name, int status)
{
	auto_free char *text = NULL;
	auto_buf struct buf b = { 0 };
	struct jout o;

	if (lseek(out, 0, SEEK_SET) < 0)
		return fail_errno("%s: read what it wrote", name);
	TRY(file_read_fd(out, "its output", FILE_READ_MAX, &text, NULL));
	if (ftruncate(out, 0) < 0 || lseek(out, 0, SEEK_SET) < 0)
		return fail_errno("%s: read what it wrote", name);
	out_utf8(text);
	out_open(&o, &b);
	jout_str(&o, "name", name);
	jout_i64(&o, "status", status);
	jout_str(&o, "output", text);
	TRY(out_close(&o));
	return status;
}

/* Its standard streams: ours it would share with the others. */
static int take_streams(const char *name, int out)
{
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		return fail_errno("%s: standard streams of its own", name);
	return 0;
}

static _Noreturn void be_one(struct cli *g, void *args, struct turn *turns, int out, int argc, char **argv)
{
	int r;

	out_member(argv[0]);
	r = take_streams(argv[0], out);
	/* A keeper that comes of this would have them for its whole life. */
	for (size_t i = 0; i < AT_ONCE; i++)
		drop_fd(&turns[i].out);
	if (r >= 0)
		r = g->cmd->run(g, args, argc, argv);
	if (r >= 0 && fflush(stdout) == EOF)
		r = fail_errno("%s: write to standard output", argv[0]);
	if (r >= 0 && g->json && g->cmd->flags & CMD_EXEC)
		r = wrap_output(STDOUT_FILENO, argv[0], r);
	if (r < 0)
		r = out_error(g, r);
	fflush(stdout);
	_exit(r);
}

static void begin(struct cli *g, void *args, struct turn *turns, size_t i, int argc, char **argv)
{
	struct turn *t = &turns[i];

	*t = (struct turn){ .out = memfd_create("vzrun", MFD_CLOEXEC) };
	fflush(stdout);
	t->pid = t->out < 0 ? -1 : fork();
	if (t->pid == 0)
		be_one(g, args, turns, t->out, argc, argv);
	if (t->pid > 0)
		return;
	t->failed = fail_errno("%s: a process for it", argv[0]);
	err_save(&t->why);
}

/* Below its heading, and the next one at the start of a line. NULL: as it is. */
static void copy_out(int fd, const char *heading)
{
	char text[4096], last = '\n';
	ssize_t n;

	if (heading)
		printf("==> %s <==\n", heading);
	for (off_t at = 0; (n = pread(fd, text, sizeof text, at)) > 0; at += n) {
		fwrite(text, 1, (size_t)n, stdout);
		last = text[n - 1];
	}
	if (heading && last != '\n')
		putchar('\n');
}

static int say_name(const char *name)
{
	auto_buf struct buf b = { 0 };
	struct jout o;

	out_open(&o, &b);
	jout_str(&o, "name", name);
	return out_close(&o);
}

/* Its exit status, when it is over and what it wrote is shown. */
static int end(struct cli *g, struct turn *t, const char *name)
{
	int r = t->failed, status = 0;
	bool wrote;

	if (r < 0)
		err_restore(&t->why);
	while (r >= 0 && waitpid(t->pid, &status, 0) < 0)
		if (errno != EINTR)
			r = fail_errno("%s: wait for its process", name);
	if (r >= 0 && WIFSIGNALED(status)) {
		r = fail(EINTR, "%s: ended by signal %d in the middle", name, WTERMSIG(status));
		err_try("vzrun recover");
	}
	out_member(name);
	wrote = r >= 0 && lseek(t->out, 0, SEEK_END) != 0;
	if (r >= 0 && !wrote && g->json)
		r = say_name(name);
	if (wrote)
		copy_out(t->out, g->json || !(g->cmd->flags & CMD_HEADED) ? NULL : name);
	drop_fd(&t->out);
	return r < 0 ? out_error(g, r) : WEXITSTATUS(status);
}

/* In the order of the names, some of them at once. argv[0] is the name's place. */
static int run_all(struct cli *g, void *args, const struct strv *names, int argc, char **argv)
{
	struct turn turns[AT_ONCE];
	size_t begun = 0, bad = 0;
	int first = 0;

	TRY_IN(g->cmd->several ? g->cmd->several(args) : 0, "%s", g->cmd->name);
	(void)out_on_terminal();

	for (size_t i = 0; i < AT_ONCE; i++)
		turns[i].out = -1;
	if (g->json)
		printf("{\"schema\":\"vzrun/1\",\"guests\":[");
	for (size_t i = 0; i < names->n; i++) {
		for (; begun < names->n && begun < i + AT_ONCE; begun++) {
			argv[0] = (char *)(uintptr_t)names->v[begun];
			begin(g, args, turns, begun % AT_ONCE, argc, argv);
		}
		if (g->json && i)
			printf(",");
		int status = end(g, &turns[i % AT_ONCE], names->v[i]);
		bad += status != 0;
		first = first ? first : status;
		fflush(stdout);
	}
	if (g->json)
		printf("]}\n");
	return (g->all || g->tags.n) && bad && bad < names->n ? (int)ERR_PARTIAL : first;
}

int each_run(struct cli *g, struct arena *a, void *args, int argc, char **argv)
{
	struct choice c = { .g = g, .at = guest_at(g), .a = a };
	const struct cmd *cmd = g->cmd;
	bool chosen = g->all || g->tags.n;

	if (cmd->flags & CMD_ALONE && chosen)
		return fail_as(ERR_USAGE, "%s: --all and --tag are not for it: it gives the terminal to one guest", cmd->name);
	if (g->yes && !chosen)
		return fail_as(ERR_USAGE, "--yes is for --all and --tag");
	/* Only guests are chosen: nothing speaks as runc. */
	if (chosen)
		cli_speak(g, 0);
	TRY(chosen ? choose(&c) : cmd->flags & CMD_NAMES || cmd->max == 1 ? name_them(&c, argc, argv) : 0);
	if (cmd->flags & CMD_NAMES)
		return cmd->run(g, args, (int)c.names.n, (char **)(uintptr_t)c.names.v);
	if (!chosen && (cmd->max != 1 || c.names.n == 1))
		return cmd->run(g, args, cmd->max == 1 ? 1 : argc, argv);
	if (!chosen)
		return run_all(g, args, &c.names, 1, argv);
	/* The name's place before the other operands. */
	auto_free char **words = calloc((size_t)argc + 2, sizeof *words);
	if (!words)
		return fail(ENOMEM, "out of memory");
	memcpy(words + 1, argv, (size_t)argc * sizeof *words);
	return run_all(g, args, &c.names, argc + 1, words);
}
