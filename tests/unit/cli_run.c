/* From words to a command: which one runs, what it is told, how failures end. */
#include "base/scope.h"
#include "cli/opt.h"
#include "cli/out.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>

static struct { struct buf text; struct cli g; } seen;

struct args { bool all; };

static int note(struct cli *g, void *args, int argc, char **argv)
{
	buf_printf(&seen.text, "%s%s", g->cmd->name, ((struct args *)args)->all ? " all" : "");
	for (int i = 0; i < argc; i++)
		buf_printf(&seen.text, " [%s]", argv[i]);
	seen.g = *g;
	return 0;
}

static int refuse(struct cli *g, void *args, int argc, char **argv)
{
	(void)args, (void)argc, (void)argv;
	if (argc)
		cli_speak(g, 0);
	return fail_as(ERR_NOT_FOUND, "no such guest");
}

static const struct opt kill_opts[] = { OFLAG(struct args, 'a', "all", all, "all"), { 0 } };
#define ARGS kill_opts, sizeof(struct args)
static const struct cmd image_cmds[] = {
	{ "ls", "", "list", 0, 0, ARGS, note },
	{ "pull", "REF", "fetch", 1, 1, ARGS, note },
	{ 0 }
};
static const struct cmd try_cmds[] = { { "diff", "", "differences", 0, 0, ARGS, note }, { 0 } };
static const struct cmd all_cmds[] = {
	{ "kill", "[OPTION...] ID [SIGNAL]", "send a signal", 1, 2, ARGS, note, CMD_OCI },
	{ "exec", "[OPTION...] ID CMD...", "run a command", 1, -1, ARGS, note, CMD_EXEC | CMD_PASS },
	{ "start", "NAME\nID", "start", 1, 1, ARGS, note },
	{ "refuse", "", "refuse", 0, 1, ARGS, refuse, CMD_OCI },
	{ "gone", "", "hidden", 0, 0, ARGS, note, CMD_HIDDEN },
	{ "image", NULL, "images", .sub = image_cmds },
	{ "try", "[--] CMD...", "try", 1, -1, ARGS, note, CMD_PASS, try_cmds },
	{ 0 }
};
static const struct cmd_group groups[] = { { "All", all_cmds }, { 0 } };

enum { WORDS = 10 };

static int run(struct cli *g, const char *const *words)
{
	static char store[WORDS][64];
	char *argv[WORDS + 2] = { store[0] };
	int argc = 1;

	err_clear();
	buf_free(&seen.text);
	*g = (struct cli){ 0 };
	strcpy(store[0], "vzrun");
	for (; argc < WORDS && words[argc - 1]; argc++) {
		snprintf(store[argc], sizeof store[argc], "%s", words[argc - 1]);
		argv[argc] = store[argc];
	}
	return cli_run(g, groups, argc, argv);
}

static const struct { const char *words[WORDS], *want; } good[] = {
	{ { "kill", "ID", "--all" }, "kill all [ID]" },
	{ { "--debug", "kill", "ID", "9", "-a" }, "kill all [ID] [9]" },
	{ { "--root", "/r", "--log-format=json", "exec", "-a", "ID", "ls", "--all", "--help" },
	  "exec all [ID] [ls] [--all] [--help]" },
	{ { "exec", "ID", "--", "ls" }, "exec [ID] [ls]" },
	{ { "image", "ls", "--json" }, "ls" },
	{ { "image", "--json", "pull", "x", "-a" }, "pull all [x]" },
	{ { "try", "diff" }, "diff" },
	{ { "try", "--", "diff" }, "try [diff]" },
	{ { "try", "make", "-a" }, "try [make] [-a]" },
	{ { "gone" }, "gone" },
};

static const struct { const char *words[WORDS]; int status; const char *want; } bad[] = {
	{ { 0 }, 2, "no command" },
	{ { "--nope" }, 2, "unknown option --nope" },
	{ { "--log-format", "xml", "kill" }, 2, "--log-format: \"xml\" is not one of text|json" },
	{ { "kil" }, 2, "unknown command \"kil\" (did you mean kill?)" },
	{ { "gon" }, 2, "unknown command \"gon\"" },
	{ { "" }, 2, "unknown command \"\"" },
	{ { "kill" }, 1, "kill: too few arguments; usage: vzrun kill [OPTION...] ID [SIGNAL]" },
	{ { "kill", "a", "b", "c" }, 1,
	  "kill: too many arguments; usage: vzrun kill [OPTION...] ID [SIGNAL]" },
	{ { "image", "list" }, 2, "image: unknown command \"list\" (did you mean ls?)" },
	{ { "images" }, 2, "unknown command \"images\" (did you mean image ls?)" },
	{ { "rm" }, 2, "unknown command \"rm\"" },
	{ { "kill", "--al", "ID" }, 1, "kill: unknown option --al (did you mean --all?)" },
	{ { "kill", "--root", "/x", "ID" }, 1, "kill: unknown option --root" },
	{ { "exec" }, 1, "exec: too few arguments; usage: vzrun exec [OPTION...] ID CMD..." },
	{ { "exec", "--nope" }, 1, "exec: unknown option --nope" },
	{ { "start" }, 2, "start: too few arguments; usage: vzrun start NAME" },
	{ { "image" }, 2, "image: needs a command: ls, pull" },
	{ { "image", "pul" }, 2, "image: unknown command \"pul\" (did you mean pull?)" },
	{ { "image", "ls", "x" }, 2, "image ls: too many arguments; usage: vzrun image ls" },
	{ { "refuse" }, 1, "no such guest" },
	{ { "refuse", "x" }, 3, "no such guest" },
	{ { "--root", "", "kill", "x" }, 2, "--root: \"\" is not a directory" },
};

/* The exit status, with what is printed thrown away. */
static int status_of(const struct cli *g, int r)
{
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY), status;

	dup2(null, STDERR_FILENO);
	status = out_error(g, r);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	return status;
}

TEST(commands)
{
	struct cli g;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK(run(&g, good[i].words) == 0);
		CHECK_STR(buf_text(&seen.text), good[i].want);
	}
}

TEST(failures)
{
	struct cli g;

	for (size_t i = 0; i < COUNT(bad); i++) {
		int r = run(&g, bad[i].words);

		CHECK(r < 0);
		CHECK_STR(err_text(), bad[i].want);
		CHECK(status_of(&g, r) == bad[i].status);
	}
}

TEST(json_of_wrong_words)
{
	static const char *const wrong[][WORDS] = { { "image", "ls", "--nope", "--json" }, { "image", "nope", "--json" } };
	static const char *const theirs[] = { "exec", "--nope", "ID", "ls", "--json", NULL };
	struct cli g;

	for (size_t i = 0; i < COUNT(wrong); i++)
		CHECK(run(&g, wrong[i]) < 0 && g.json);
	CHECK(run(&g, theirs) < 0 && !g.json);
}

TEST(global_options)
{
	static const char *const plain[] = { "kill", "x", NULL };
	static const char *const set[] = {
		"--root=/r", "--home", "/h", "--systemd-cgroup", "kill", "x", "--debug", NULL,
	};
	static const char *const relative[] = { "--root", "r", "kill", "x", NULL };
	struct cli g;

	setenv("VZRUN_HOME", "", 1);
	CHECK(run(&g, plain) == 0);
	CHECK_STR(seen.g.home, "/var/lib/vzrun");
	CHECK_STR(seen.g.cgroup_manager, "cgroupfs");
	CHECK_STR(seen.g.rootless, "auto");
	setenv("VZRUN_HOME", "/e", 1);
	CHECK(run(&g, plain) == 0);
	CHECK_STR(seen.g.home, "/e");
	CHECK(run(&g, set) == 0);
	CHECK_STR(seen.g.root, "/r");
	CHECK_STR(seen.g.home, "/h");
	CHECK_STR(seen.g.cgroup_manager, "systemd");
	CHECK(seen.g.debug && seen.g.oci && seen.g.failed == 1);
	CHECK(chdir("/tmp") == 0 && run(&g, relative) == 0);
	CHECK_STR(seen.g.root, "/tmp/r");
	setenv("VZRUN_HOME", "e", 1);
	CHECK(run(&g, relative) == 0);
	CHECK_STR(seen.g.home, "/tmp/e");
}

/* As an engine's user without root: XDG_RUNTIME_DIR="" is none. */
TEST(rootless_root)
{
	static const struct { const char *xdg, *want; } rows[] = {
		{ "/x", "/x/vzrun" }, { "", "/run/user/12345/vzrun" },
		{ "rel", "/run/user/12345/vzrun" },
	};
	static const char *const plain[] = { "kill", "x", NULL };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct cli g;
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			setenv("XDG_RUNTIME_DIR", rows[i].xdg, 1);
			if (geteuid() == 0 && seteuid(12345) < 0)
				_exit(2);
			_exit(run(&g, plain) != 0 ||
			      (geteuid() == 12345 && !str_eq(seen.g.root, rows[i].want)));
		}
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	}
}

TEST(help)
{
	auto_buf struct buf b = { 0 };
	char start[] = "start", image[] = "image", ls[] = "ls", *words[] = { image, ls };
	int used;

	help_write(&b, groups, &all_cmds[2], start);
	CHECK_STR(buf_text(&b), "usage: vzrun start NAME\n       vzrun start ID\n\nStart.\n\nOptions:\n"
				"  -a, --all                   all\n");
	buf_free(&b);
	help_write(&b, groups, NULL, NULL);
	CHECK(strstr(buf_text(&b), "\nAll:\n  kill          send a signal\n"));
	CHECK(!strstr(buf_text(&b), "gone"));
	CHECK(cmd_find(groups, 2, words, &used) == &image_cmds[0] && used == 2);
	CHECK(cmd_find(groups, 1, words, &used) == &all_cmds[5] && used == 1);
	CHECK(!cmd_find(groups, 1, &words[1], &used) && used == 0);
}

TEST(generated)
{
	auto_buf struct buf b = { 0 };

	gen_bash(&b, groups);
	CHECK(strstr(buf_text(&b), "\"image pull\") path=\"image pull\" ;;"));
	CHECK(strstr(buf_text(&b), "\"image pull\") words=\" --all --debug --json --help\" more=images ;;"));
	CHECK(strstr(buf_text(&b), "\"kill\") words=\" --all --debug --json --help\" more=ids ;;"));
	CHECK(!strstr(buf_text(&b), "gone"));
	buf_free(&b);
	gen_man(&b, groups, NULL, NULL);
	CHECK(strstr(buf_text(&b), "\n.TP\n\\fBvzrun image pull\\fR REF\nfetch.\n.RS\n.TP\n"
				   "\\fB\\-a\\fR, \\fB\\-\\-all\\fR\n"));
	buf_free(&b);
	gen_man(&b, groups, &image_cmds[1], "image pull");
	CHECK(strstr(buf_text(&b), "\nvzrun\\-image\\-pull \\- fetch\n"));
}

UNIT_MAIN(UNIT(commands), UNIT(failures), UNIT(json_of_wrong_words), UNIT(global_options), UNIT(rootless_root),
	  UNIT(help), UNIT(generated))
