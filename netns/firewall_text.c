/* A request as nft commands. Nothing reaches them that its own grammar did not pass. */
#include "netns/firewall.h"
#include "base/scope.h"
#include "netns/firewall_main.h"

#include <string.h>

static void one_set(struct buf *b, const struct fw_set *s)
{
	buf_printf(b, "%s %s { %s; }\n", s->data ? "map" : "set", s->name, s->type);
}

static void one_chain(struct buf *b, const struct fw_chain *c)
{
	buf_printf(b, "chain %s {\n%s\n", c->name, c->head);
	for (const char *const *r = c->rules; *r; r++)
		buf_printf(b, "%s\n", *r);
	buf_puts(b, "}\n");
}

static void rules(struct buf *b, const char *table, enum fw_family family)
{
	buf_printf(b, "table %s %s {\n", fw_family_text[family], table);
	for (size_t i = 0; i < FW_COUNTERS; i++)
		if (fw_counters[i].family == family)
			buf_printf(b, "counter %s { }\n", fw_counters[i].name);
	/* Chains that maps lead to come before the maps. */
	for (size_t i = 0; i < FW_CHAINS; i++)
		if (fw_chains[i].family == family && fw_chains[i].refs != 0)
			buf_printf(b, "chain %s { }\n", fw_chains[i].name);
	for (size_t i = 0; i < FW_SETS; i++)
		if (fw_sets[i].family == family)
			one_set(b, &fw_sets[i]);
	for (size_t i = 0; i < FW_METERS && family == FW_INET; i++)
		buf_printf(b, "set %s { %s; }\n", fw_meters[i].name, fw_meters[i].type);
	for (size_t i = 0; i < FW_CHAINS; i++)
		if (fw_chains[i].family == family)
			one_chain(b, &fw_chains[i]);
	buf_puts(b, "}\n");
}

static int guards(const struct fw_req *req, struct buf *out)
{
	size_t i = 0;

	LIST_EACH(const struct fw_guard, g, req->guards) {
		TRY_IN(fw_guard_compose(req->table, g, out), "guards[%zu]", i);
		i++;
	}
	return 0;
}

int fw_compose(const struct fw_req *req, struct buf *out)
{
	static const enum fw_family families[] = { FW_INET, FW_BRIDGE };
	size_t n = strspn(req->table, "abcdefghijklmnopqrstuvwxyz0123456789_");

	if (n == 0 || n > 31 || req->table[n])
		return fail(EINVAL, "table: not the name of a table");
	for (size_t i = 0; i < COUNT(families) && req->action != FW_GUARD; i++) {
		const char *family = fw_family_text[families[i]];

		/* add before delete: the table may be gone by now. */
		if (req->action != FW_CREATE)
			buf_printf(out, "add table %s %s\ndelete table %s %s\n", family, req->table, family, req->table);
		if (req->action != FW_REMOVE)
			rules(out, req->table, families[i]);
	}
	if (req->action != FW_REMOVE)
		TRY(guards(req, out));
	for (size_t i = 0; i < req->elements.n && req->action != FW_REMOVE; i++)
		TRY_IN(fw_element(req->table, req->elements.v[i], out), "elements[%zu]", i);
	return out->oom ? fail(ENOMEM, "out of memory") : 0;
}
