/*
 * vzrun-net VERB: reads a request on stdin.
 *	apply	makes what should stand (netns/firewall.h) so, in one nftables transaction; --dry-run: prints it
 *	judge	see netns/firewall_judge.c
 *	rule	see netns/firewall_rule.c
 * One line on stderr and the error's class as exit code when it cannot.
 */
#include "netns/firewall.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/scope.h"
#include "netns/firewall_main.h"

#include <string.h>

static int compose(const char *in, size_t n, struct arena *a, struct json **tree, struct fw_req *req,
		   struct buf *text)
{
	TRY(json_parse("stdin", in, n, tree));
	TRY_IN(bind_decode(a, &fw_req_record, *tree, req), "stdin");
	TRY_IN(fw_compose(req, text), "stdin");
	return 0;
}

static int apply(const char *in, size_t n)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	auto_buf struct buf text = { 0 };
	struct fw_req req;

	TRY(compose(in, n, &a, &tree, &req, &text));
	return fw_run(req.table, buf_text(&text));
}

static int dry_run(const char *in, size_t n)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	auto_buf struct buf text = { 0 };
	struct fw_req req;

	TRY(compose(in, n, &a, &tree, &req, &text));
	return file_write_all(1, text.p, text.n) < 0 ? fail_errno("stdout") : 0;
}

static const struct { const char *verb, *option; int (*run)(const char *in, size_t n); } verbs[] = {
	{ "apply", NULL, apply },
	{ "apply", "--dry-run", dry_run },
	{ "judge", NULL, fw_judge_run },
	{ "rule", NULL, fw_rule_run },
};

static int run(size_t i)
{
	auto_free char *in = NULL;
	size_t n;

	TRY(file_read_fd(0, "stdin", 16 << 20, &in, &n));
	return verbs[i].run(in, n);
}

int main(int argc, char **argv)
{
	helper_follow();
	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (argc != (verbs[i].option ? 3 : 2) || !str_eq(argv[1], verbs[i].verb) ||
		    (verbs[i].option && !str_eq(argv[2], verbs[i].option)))
			continue;
		if (run(i) == 0)
			return 0;
		fprintf(stderr, "vzrun-net: %s\n", err_text());
		return (int)err_class();
	}
	fprintf(stderr, "usage: vzrun-net apply [--dry-run] | judge | rule < REQUEST (run by vzrun)\n");
	return ERR_USAGE;
}
