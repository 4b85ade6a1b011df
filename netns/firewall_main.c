/*
 * vzrun-net judge: see netns/firewall_judge.c.
 * vzrun-net apply: reads on stdin what should stand (netns/firewall.h), makes it so in one nftables
 * transaction. One line on stderr and the error's class as exit code when it cannot.
 */
#include "netns/firewall.h"
#include "base/file.h"
#include "base/json.h"
#include "base/scope.h"
#include "netns/firewall_main.h"

#include <string.h>

static int apply(bool dry)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	auto_buf struct buf text = { 0 };
	auto_free char *in = NULL;
	struct fw_req req;
	size_t n;

	TRY(file_read_fd(0, "stdin", 16 << 20, &in, &n));
	TRY(json_parse("stdin", in, n, &tree));
	TRY_IN(bind_decode(&a, &fw_req_record, tree, &req), "stdin");
	TRY_IN(fw_compose(&req, &text), "stdin");
	if (dry)
		return file_write_all(1, text.p, text.n) < 0 ? fail_errno("stdout") : 0;
	return fw_run(req.table, buf_text(&text));
}

static int judge(void)
{
	auto_free char *in = NULL;
	size_t n;

	TRY(file_read_fd(0, "stdin", 16 << 20, &in, &n));
	return fw_judge_run(in, n);
}

int main(int argc, char **argv)
{
	bool dry = argc == 3 && str_eq(argv[2], "--dry-run");
	bool judging = argc == 2 && str_eq(argv[1], "judge");

	if (!judging && ((argc != 2 && !dry) || !str_eq(argv[1], "apply"))) {
		fprintf(stderr, "usage: vzrun-net apply [--dry-run] | judge < REQUEST (run by vzrun)\n");
		return ERR_USAGE;
	}
	if ((judging ? judge() : apply(dry)) == 0)
		return 0;
	fprintf(stderr, "vzrun-net: %s\n", err_text());
	return (int)err_class();
}
