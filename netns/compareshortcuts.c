/* The shortcuts between guests: whether there should be any, and what is looked at. Their elements: comparesets.c. */
#include "base/scope.h"
#include "netns/compare.h"
#include "netns/elements.h"
#include "netns/firewall.h"
#include "netns/shortcut.h"

#include <string.h>

struct wanted {
	struct net_compare *c;
	const char *only;
	struct net_defs defs;
	struct net_shortcuts all;
};

static void wanted_free(struct wanted *w)
{
	net_defs_free(&w->defs);
	net_shortcuts_free(&w->all);
}

static int want(void *ctx, struct net_held *h)
{
	struct wanted *w = ctx;

	if (net_compare_about(&h->r, w->only))
		net_shortcuts_of(w->c->h, &h->r, &w->defs, &w->c->host, &w->all);
	return 0;
}

static bool listed(const struct net_shortcut_table_state *t, const char *link)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eq(t->links[i], link))
			return true;
	return false;
}

static void compare_table(struct net_compare *c, const struct net_shortcuts *all,
			  const struct net_shortcut_table_state *t)
{
	const char *first = NULL;
	size_t lacks = 0;

	if (!t->whole)
		net_compare_tell(c, MEND_FIREWALL, "nftables: netdev %s has not the rules that it should have",
				 c->h->table);
	for (size_t i = 0; i < all->must.n; i++) {
		const char *link = (const char *)all->must.v[i].key;

		if (all->must.v[i].set == FW_INGRESS && !listed(t, link) && !lacks++)
			first = link;
	}
	if (lacks)
		net_compare_tell(c, MEND_FIREWALL, "nftables: netdev %s does not see %zu link%s, the first %s",
				 c->h->table, lacks, lacks == 1 ? "" : "s", first);
}

int net_compare_shortcuts(struct net_compare *c, const char *only)
{
	SCOPED(wanted_free) struct wanted w = { .c = c, .only = only, .defs = { .dir = c->dir } };
	SCOPED(net_shortcut_look_end) struct net_shortcut_table_state t = { 0 };
	char who[64];

	c->shortcuts = false;
	TRY(net_shortcut_look(c->h->table, &t));
	if (net_shortcut_overruled(who, sizeof who)) {
		if (t.there)
			net_compare_tell(c, MEND_FIREWALL, "what guests say to each other is not seen by %s", who);
		return c->result < 0 ? c->result : 0;
	}
	/* A record that cannot be read is told with the elements. */
	if (net_record_each(c->dir, want, &w) < 0)
		err_clear();
	if (t.there)
		compare_table(c, &w.all, &t);
	else if (w.all.must.n && net_shortcut_possible(c->h))
		net_compare_tell(c, MEND_FIREWALL, "nftables: there is no table netdev %s", c->h->table);
	c->shortcuts = true;
	return c->result < 0 ? c->result : 0;
}
