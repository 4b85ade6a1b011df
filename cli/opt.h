/*
 * A command line as tables: the parser, the help text, the completion and the man page
 * are all made from them.
 *
 *	struct kill_args { bool all; };
 *	static const struct opt kill_opts[] = {
 *		OFLAG(struct kill_args, 'a', "all", all, "send the signal to every process"),
 *		{ 0 }
 *	};
 *	const struct cmd oci_cmds[] = {
 *		{ "kill", "[OPTION...] ID [SIGNAL]", "send a signal to a container", 1, 2,
 *		  kill_opts, sizeof(struct kill_args), kill_run, CMD_OCI },
 *		{ 0 }
 *	};
 *
 * Words as runc takes them: -flag, --flag, --flag=VALUE, --flag VALUE, -b DIR, -b=DIR. A
 * single-dash word that is no option's name may be several letters (-it, -itu root). "--"
 * ends the options, "-" alone is an operand or a value. A flag may be --flag=false. Options
 * may stand after operands, but not for CMD_PASS. The last of a repeated option counts.
 */
#pragma once
#include "base/arena.h"
#include "base/bind.h"
#include <sys/types.h>

enum opt_kind {		/* and what it writes; "not given" is all zeros */
	OPT_FLAG,	/* bool */
	OPT_STR,	/* const char *, into argv */
	OPT_INT,	/* struct opt_i64, from min to max */
	OPT_U64,	/* struct opt_u64 */
	OPT_SIZE,	/* struct opt_u64, bytes: 512M */
	OPT_LIMIT,	/* struct opt_i64, bytes; -1, "max" and "unlimited" are -1 */
	OPT_DURATION,	/* struct opt_u64, milliseconds: 10s */
	OPT_BOOL,	/* struct opt_bool: yes no true false on off 1 0 */
	OPT_CHOICE,	/* const char *, one of the words of arg ("table|json") */
	OPT_STRV,	/* struct strv; repeatable, lives as long as run() */
	OPT_FN,		/* anything: fn checks the value and writes it */
};
enum {
	OPT_EVERYWHERE = 1,	/* a global option that is also known after the command */
	OPT_EMPTY = 2,		/* OPT_STR: an empty value is none, as engines and runc have it */
};

/* Writes *at. Its failure is shown as "--name: MESSAGE"; the class is ERR_USAGE unless it says another. */
typedef int opt_fn(void *at, const char *value, struct arena *a);

struct opt {
	char letter;			/* 0: none */
	const char *name, *arg;		/* arg: the value's name in the help; NULL for OPT_FLAG */
	enum opt_kind kind;
	size_t offset;
	const char *help;		/* NULL: hidden */
	int64_t min, max;
	opt_fn *fn;
	unsigned flags;
};

/* The offset of member m, which must have type M: a wrong kind does not compile. */
#define OPT_AT(T, m, M)                                                                              \
	(offsetof(T, m) +                                                                            \
	 0 * sizeof(struct { _Static_assert(__builtin_types_compatible_p(__typeof__(((T *)0)->m), M), \
					    "the member's type is not the option's"); int x_; }))

#define OFLAG(T, l, n, m, h)             { l, n, NULL, OPT_FLAG, OPT_AT(T, m, bool), h }
#define OSTR(T, l, n, arg, m, h)         { l, n, arg, OPT_STR, OPT_AT(T, m, const char *), h }
#define OSTR_OCI(T, l, n, arg, m, h)     { l, n, arg, OPT_STR, OPT_AT(T, m, const char *), h, .flags = OPT_EMPTY }
#define OINT(T, l, n, arg, m, lo, hi, h) { l, n, arg, OPT_INT, OPT_AT(T, m, struct opt_i64), h, lo, hi }
#define OU64(T, l, n, arg, m, h)         { l, n, arg, OPT_U64, OPT_AT(T, m, struct opt_u64), h }
#define OSIZE(T, l, n, m, h)             { l, n, "SIZE", OPT_SIZE, OPT_AT(T, m, struct opt_u64), h }
#define OLIMIT(T, l, n, m, h)            { l, n, "SIZE|-1", OPT_LIMIT, OPT_AT(T, m, struct opt_i64), h }
#define ODURATION(T, l, n, m, h)         { l, n, "TIME", OPT_DURATION, OPT_AT(T, m, struct opt_u64), h }
#define OBOOL(T, l, n, m, h)             { l, n, "yes|no", OPT_BOOL, OPT_AT(T, m, struct opt_bool), h }
#define OCHOICE(T, l, n, words, m, h)    { l, n, words, OPT_CHOICE, OPT_AT(T, m, const char *), h }
#define OSTRV(T, l, n, arg, m, h)        { l, n, arg, OPT_STRV, OPT_AT(T, m, struct strv), h }
#define OFN(T, l, n, arg, m, f, h)       { l, n, arg, OPT_FN, offsetof(T, m), h, 0, 0, f }

/* The options before the command, and how this process speaks. */
struct cli {
	const char *root, *home;	/* absolute */
	bool root_given;		/* by --root */
	const char *log, *log_format;	/* log_format: "text" or "json" */
	const char *log_level;		/* NULL, or one of log.h's */
	const char *cgroup_manager;	/* "cgroupfs", "systemd" or "disabled" */
	const char *rootless;		/* "auto", "true" or "false" */
	const char *criu;		/* the program; NULL: the one in PATH */
	bool json, debug, systemd_cgroup, help, version;
	bool all, yes;			/* of each_opts: which guests are meant */
	struct strv tags;
	mode_t umask;			/* the caller's; ours is 0077 */
	const struct cmd *cmd;		/* what was found */
	/*
	 * Set from the command's flags before run(), which may change them: `create` of a guest
	 * does cli_speak(g, 0). oci: an error is its first line alone. failed: the exit status of
	 * a failure, 0 for the class of the error.
	 */
	bool oci;
	int failed;
};

enum {
	CMD_PASS   = 1,		/* after the first operand every word is an operand (exec ID ls -l) */
	CMD_HIDDEN = 2,		/* works, but no list shows it (aliases) */
	CMD_OCI    = 4,		/* speaks as runc: one line, status 1 */
	CMD_EXEC   = 8,		/* the same with status 255 */
	/*
	 * Operand 0 is a guest, and run() is for one: several may be named, where that is the only operand, or
	 * chosen by --all and --tag in place of it. CMD_SURE: what is chosen needs --yes.
	 */
	CMD_EACH   = 16,
	CMD_SURE   = 32,
	CMD_NAMES  = 64,	/* all operands are guests, for one run(); or they are chosen */
	CMD_ALONE  = 128,	/* operand 0 is a guest, and has our terminal: --all and --tag are refused */
	CMD_HEADED = 512,	/* with CMD_EACH: what it writes does not name the guest; of several, a line before it does */
	OPT_STOP   = 256,	/* opt_parse: as CMD_PASS, but "--" after the first operand is kept */
};

struct cmd {
	const char *name;
	const char *usage;		/* what follows the name; one form a line */
	const char *help;		/* one line, no full stop */
	int min, max;			/* operands; max < 0: any number */
	const struct opt *opts;		/* may be NULL */
	size_t size;			/* of the argument struct, which is zeroed */
	/* The exit status, or -errno with the pending error. argv: the operands, argv[argc] is NULL. */
	int (*run)(struct cli *g, void *args, int argc, char **argv);
	unsigned flags;
	const struct cmd *sub;		/* `image ls`; beside run: run takes what is no sub-command */
	const char *about;		/* more for help and man page; paragraphs end in \n\n */
	const char *only;		/* the states of guests that --all and --tag choose, in words; NULL: any */
	/* Before run() for the first of several: what makes no sense for more than one. 1: it leaves processes behind. */
	int (*several)(const void *args);
};

/* Tables end with a zeroed row. cli/cmds.c lists them in the order of the help. */
struct cmd_group { const char *title; const struct cmd *cmds; };
extern const struct cmd_group cli_groups[];
extern const struct opt cli_opts[];	/* of struct cli */

/* Those by which guests are chosen, of struct cli, for a command with these flags; NULL: none. */
const struct opt *each_opts(unsigned flags);
/*
 * Runs g->cmd for the guests that are meant. For several, each in a process of its own: each has its turn, says
 * its failure itself, and the status is the first one's, ERR_PARTIAL if --all or --tag chose and some did well.
 */
int each_run(struct cli *g, struct arena *a, void *args, int argc, char **argv);

/* The voice of CMD_* flags: CMD_OCI, CMD_EXEC, or 0 for a guest's. */
void cli_speak(struct cli *g, unsigned flags);

/* Parses argv[1..], fills *g (zeroed but umask), opens the log, runs the command. Exit status or -errno. */
int cli_run(struct cli *g, const struct cmd_group *groups, int argc, char **argv);

/*
 * Options of argv[0..argc) into args; global options marked OPT_EVERYWHERE into g (may be
 * NULL). Moves the operands to the front of argv, puts NULL after them, returns their
 * number. -EINVAL, ERR_USAGE.
 */
int opt_parse(const struct opt *opts, void *args, struct arena *a, struct cli *g, unsigned flags, int argc,
	      char **argv);
/*
 * The command that words[0..n) name, sub-commands included; *used: how many of the words name
 * it. NULL when the first names none.
 */
const struct cmd *cmd_find(const struct cmd_group *groups, int n, char *const *words, int *used);
/* candidate if it is near enough to be what was meant and nearer than best (may be NULL), else best. */
const char *opt_nearer(const char *word, const char *best, const char *candidate);
/* Ready to stand in a table as run; their options are NULL. */
int help_run(struct cli *g, void *args, int argc, char **argv);		/* help [CMD...] */
int version_run(struct cli *g, void *args, int argc, char **argv);
int features_run(struct cli *g, void *args, int argc, char **argv);
int gen_completion_run(struct cli *g, void *args, int argc, char **argv);	/* completion bash */
int gen_man_run(struct cli *g, void *args, int argc, char **argv);	/* man [CMD] */

/* The help of a command (path: its words, "image ls"); cmd NULL: of the whole program. */
typedef void help_fn(struct buf *b, const struct cmd_group *groups, const struct cmd *cmd, const char *path);
/* What write says about the command that argv names (argc 0: the whole program) to standard output. ERR_USAGE. */
int help_about(help_fn *write, int argc, char **argv);
void help_write(struct buf *b, const struct cmd_group *groups, const struct cmd *cmd, const char *path);
void gen_bash(struct buf *b, const struct cmd_group *groups);
void gen_man(struct buf *b, const struct cmd_group *groups, const struct cmd *only, const char *path);
