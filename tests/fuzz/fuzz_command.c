/* Whole command lines, a word a line: found, parsed, counted, explained; nothing is run. */
#include "cli/cmd.h"
#include "tests/fuzz/fuzz.h"

enum { WORDS_MAX = 64 };

static void command(int n, char **words)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf help = { 0 };
	struct cli g = { 0 };
	const struct cmd *c;
	void *args;
	int used, rest;

	n = opt_parse(cli_opts, &g, &a, NULL, OPT_STOP, n, words);
	if (n < 0)
		return;
	c = cmd_find(cli_groups, n, words, &used);
	demand(used <= n && (used == 0) == !c);
	if (!c)
		return;
	args = arena_alloc(&a, 1, c->size ? c->size : 1);
	demand(args);
	rest = opt_parse(c->opts, args, &a, &g, c->flags, n - used, words + used);
	demand(rest <= n - used && (rest < 0 || !words[used + rest]));
	help_write(&help, cli_groups, c, c->name);
	demand(help.n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = fuzz_text(data, size);
	char *words[WORDS_MAX + 1], *rest = text;
	int n = 0;

	while (n < WORDS_MAX && (words[n] = fuzz_line(&rest)))
		n++;
	words[n] = NULL;
	command(n, words);
	err_clear();
	return 0;
}
