/* The guests that a command is for: named, or chosen by --all and --tag; and the command for each of them. */
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "cli/cmd_guest.h"
#include "cli/each.h"
#include "cli/out.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHOOSE                                                                                                \
	OFLAG(struct cli, 0, "all", all, "every guest that is in the state for it"),                          \
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

static int add_name(struct choice *c, const char *name)
{
	const char *copy = arena_strdup(c->a, name);

	return copy ? strv_add(c->a, &c->names, copy) : fail(ENOMEM, "out of memory");
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

/* -1: as it is. */
static int set_streams(const char *name, int in, int out, int errors)
{
	const int to[] = { in, out, errors };

	for (int fd = 0; fd <= 2; fd++)
		if (to[fd] >= 0 && dup2(to[fd], fd) < 0)
			return fail_errno("%s: standard streams of its own", name);
	return 0;
}

/*
 * Standard streams of its own: ours it would share with the others. What a guest's process gets is not where the
 * command speaks; and one that outlives the command (leaves) gets nothing.
 */
static int take_streams(const struct cli *g, const char *name, int *ends, bool leaves)
{
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return fail_errno("%s: open /dev/null", name);
	if (g->cmd->flags & CMD_EXEC)
		return set_streams(name, null, leaves ? null : ends[OUT], leaves ? null : ends[ERRORS]);
	TRY(set_streams(name, null, ends[SAID], -1));
	/* A keeper that comes of this would have it for its whole life. */
	drop_fd(&ends[SAID]);
	return 0;
}

static _Noreturn void be_one(struct cli *g, void *args, int *ends, bool leaves, int argc, char **argv)
{
	int r, back;

	out_member(argv[0]);
	r = take_streams(g, argv[0], ends, leaves);
	if (r >= 0)
		r = g->cmd->run(g, args, argc, argv);
	back = set_streams(argv[0], -1, ends[SAID], ends[ERRORS]);
	if (r >= 0 && back < 0)
		r = back;
	if (r >= 0 && out_flush() < 0)
		r = fail_in(-EIO, "%s", argv[0]);
	if (r < 0)
		r = out_error(g, r);
	fflush(stdout);
	_exit(r);
}

/* One command for all of the names; begun of them have had their process. */
struct round { struct cli *g; void *args; bool leaves; struct turn turns[EACH_AT_ONCE]; size_t begun; };

static void begin(struct round *rd, struct turn *t, int argc, char **argv)
{
	int ends[STREAMS];

	t->failed = 0;
	fflush(stdout);
	t->pid = turn_pipes(t, rd->g->cmd->flags & CMD_EXEC, ends) < 0 ? -1 : sys_clone(0, SIGCHLD, -1, &t->pidfd);
	if (t->pid == 0) {
		turns_forget(rd->turns);
		be_one(rd->g, rd->args, ends, rd->leaves, argc, argv);
	}
	if (t->pid < 0) {
		t->failed = fail_errno("%s: a process for it", argv[0]);
		err_save(&t->why);
	}
	for (size_t i = 0; i < STREAMS; i++)
		drop_fd(&ends[i]);
}

/* Its exit status, when it is over and what it wrote is shown. */
static int end(struct round *rd, struct turn *t, const char *name)
{
	const struct cli *g = rd->g;
	int r, status;

	turns_wait(rd->turns, t);
	r = t->failed;
	if (r < 0) {
		err_restore(&t->why);
	} else if (WIFSIGNALED(t->status)) {
		r = fail(EINTR, "%s: ended by signal %d in the middle", name, WTERMSIG(t->status));
		err_try("vzrun recover");
	}
	out_member(name);
	if (r >= 0)
		r = turn_show(g, t, name, g->cmd->flags & CMD_HEADED);
	status = r < 0 ? out_error(g, r) : WEXITSTATUS(t->status);
	turn_free(t);
	return status;
}

/* In the order of the names, some of them at once. argv[0] is the name's place. */
static int run_all(struct cli *g, void *args, const struct strv *names, int argc, char **argv)
{
	static struct round rd;
	int first = 0, r = g->cmd->several ? g->cmd->several(args) : 0;
	size_t bad = 0;

	TRY_IN(r, "%s", g->cmd->name);
	(void)out_on_terminal();
	rd = (struct round){ .g = g, .args = args, .leaves = r > 0 };
	for (size_t i = 0; i < EACH_AT_ONCE; i++)
		turn_init(&rd.turns[i]);
	if (g->json)
		printf("{\"schema\":\"vzrun/1\",\"guests\":[");
	for (size_t i = 0; i < names->n; i++) {
		for (; rd.begun < names->n && rd.begun < i + EACH_AT_ONCE; rd.begun++) {
			argv[0] = (char *)(uintptr_t)names->v[rd.begun];
			begin(&rd, &rd.turns[rd.begun % EACH_AT_ONCE], argc, argv);
		}
		if (g->json && i)
			printf(",");
		int status = end(&rd, &rd.turns[i % EACH_AT_ONCE], names->v[i]);
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
