/*
 * vzrun-net rule: the text of one rule, whosever it is. Stdin: {"family":"inet","table":"filter",
 * "chain":"input","handle":7}; stdout: the rule as nft writes it, one line, or nothing when there is none.
 */
#include "base/bind.h"
#include "base/file.h"
#include "base/json.h"
#include "base/scope.h"
#include "netns/firewall_main.h"

#include <string.h>

struct wanted { const char *family, *table, *chain; struct opt_u64 handle; };
static const struct field wanted_fields[] = {
	FR(struct wanted, "family", K_STR, family),
	FR(struct wanted, "table", K_STR, table),
	FR(struct wanted, "chain", K_STR, chain),
	FR(struct wanted, "handle", K_U64, handle),
	{ 0 }
};
static const struct record wanted_record = RECORD("rule", struct wanted, wanted_fields);

/* What nft takes for a name without quotes; another one is not asked for. */
static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-");

	return n > 0 && n < 64 && s[n] == '\0' && *s != '-' && *s != '/';
}

static bool is_family(const char *s)
{
	static const char *const all[] = { "inet", "ip", "ip6", "bridge", "netdev", "arp" };

	for (size_t i = 0; i < COUNT(all); i++)
		if (str_eq(s, all[i]))
			return true;
	return false;
}

static int print(const struct wanted *w, const char *chain)
{
	char tag[40];

	snprintf(tag, sizeof tag, " # handle %llu", (unsigned long long)w->handle.v);
	for (size_t n; *chain; chain += n + (chain[n] == '\n')) {
		const char *line = chain + strspn(chain, " \t");

		n = strcspn(chain, "\n");
		size_t len = n - (size_t)(line - chain);
		if (len < strlen(tag) || memcmp(line + len - strlen(tag), tag, strlen(tag)) != 0)
			continue;
		return file_write_all(1, line, len - strlen(tag)) < 0 ? fail_errno("stdout") : 0;
	}
	return 0;
}

int fw_rule_run(const char *in, size_t n)
{
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	auto_buf struct buf command = { 0 }, chain = { 0 };
	struct wanted w;

	TRY(json_parse("stdin", in, n, &tree));
	TRY_IN(bind_decode(&a, &wanted_record, tree, &w), "stdin");
	if (!is_family(w.family) || !is_name(w.table) || !is_name(w.chain))
		return 0;
	buf_printf(&command, "list chain %s %s %s", w.family, w.table, w.chain);
	TRY(fw_list(buf_text(&command), false, &chain));
	return print(&w, buf_text(&chain));
}
