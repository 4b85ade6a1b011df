/* The elements of vzrun's tables, all of them, against what definitions and records mean: set by set. */
#include "netns/compare.h"
#include "base/scope.h"
#include "netns/elements.h"
#include "netns/firewall.h"
#include "netns/portmap.h"
#include "netns/shortcut.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

/* What should stand: elements by set and key, each with whom it is for. */
struct wanted { const struct nft_elem *e; size_t tag; bool seen; };
struct sets {
	struct net_compare *c;
	const char *only;
	struct net_defs defs;
	struct arena a;
	struct nft_list all;
	struct { size_t end; const char *text; bool may; } *tags;		/* of all[..end) */
	size_t ntags;
	struct wanted *v;
	struct nlq nft;
	bool guess;		/* a file could not be read: what nobody wants may be what it means */
	/* While one set is read. */
	int set;
	size_t foreign, other;
};

static void sets_free(struct sets *s)
{
	nlq_close(&s->nft);
	nft_list_free(&s->all);
	net_defs_free(&s->defs);
	arena_free(&s->a);
	free(s->tags);
	free(s->v);
}

/* What was added since the last tag is for this one; may: it need not stand. */
static int tag(struct sets *s, const char *kind, const char *name, bool may)
{
	void *more = reallocarray(s->tags, s->ntags + 1, sizeof *s->tags);

	if (!more)
		return fail(ENOMEM, "firewall: out of memory");
	s->tags = more;
	s->tags[s->ntags].end = s->all.n;
	s->tags[s->ntags].may = may;
	s->tags[s->ntags].text = arena_printf(&s->a, "%s %s", kind, name);
	return s->tags[s->ntags++].text ? 0 : fail(ENOMEM, "firewall: out of memory");
}

static int want_network(void *ctx, const char *name)
{
	auto_net_file struct net_file f = { 0 };
	struct sets *s = ctx;

	/* That it cannot be read is told where it is compared. */
	if (net_def_load(s->c->dir, name, &f) < 0) {
		s->guess = true;
		err_clear();
		return 0;
	}
	net_elements_of_network(s->c->h, &f.d, &s->all);
	net_elements_of_allows(&f.d, NULL, &s->defs, &s->all);
	return tag(s, "network", name, false);
}

/* Those of a port that is gone may stand until it comes back. */
static int want_shortcuts(struct sets *s, const struct net_record *r)
{
	auto_net_shortcuts struct net_shortcuts w = { 0 };

	net_shortcuts_of(s->c->h, r, &s->defs, &s->c->host, &w);
	for (size_t i = 0; i < w.must.n; i++)
		nft_copy(&s->all, &w.must.v[i]);
	TRY(tag(s, "guest", r->owner, false));
	for (size_t i = 0; i < w.may.n; i++)
		nft_copy(&s->all, &w.may.v[i]);
	s->all.oom |= w.must.oom || w.may.oom;
	return tag(s, "guest", r->owner, true);
}

bool net_compare_about(const struct net_record *r, const char *only)
{
	LIST_EACH(const struct net_nic, n, r->nics)
		if (only && str_eq(n->network, only))
			return true;
	return !only;
}

static int want_owner(void *ctx, struct net_held *h)
{
	struct sets *s = ctx;

	if (!net_compare_about(&h->r, s->only))
		return 0;
	net_elements_of_owner(s->c->h, &h->r, &s->defs, &s->all);
	TRY(net_portmap_elements(s->c->h, s->c->dir, &h->r, &s->all));
	if (s->c->shortcuts)
		TRY(want_shortcuts(s, &h->r));
	return tag(s, "guest", h->r.owner, false);
}

static int by_key(const void *a, const void *b)
{
	const struct nft_elem *x = ((const struct wanted *)a)->e, *y = ((const struct wanted *)b)->e;

	return x->set != y->set ? x->set - y->set : memcmp(x->key, y->key, sizeof x->key);
}

static int sort(struct sets *s)
{
	size_t t = 0;

	s->v = calloc(s->all.n + 1, sizeof *s->v);
	if (!s->v || s->all.oom)
		return fail(ENOMEM, "firewall: out of memory");
	for (size_t i = 0; i < s->all.n; i++) {
		while (i >= s->tags[t].end)
			t++;
		s->v[i] = (struct wanted){ &s->all.v[i], t, s->tags[t].may };
	}
	qsort(s->v, s->all.n, sizeof *s->v, by_key);
	return 0;
}

/* ---- what stands ---------------------------------------------------------------------------------- */

static bool take_value(struct nlattr *a, unsigned char *out, size_t max)
{
	struct nlattr *v = a ? nla_find(nla_data(a), nla_len(a), NFTA_DATA_VALUE) : NULL;

	if (!v || (size_t)nla_len(v) > max)
		return false;
	memcpy(out, nla_data(v), (size_t)nla_len(v));
	return true;
}

static bool same_data(const struct nft_elem *e, struct nlattr *data)
{
	static const int codes[] = { [NFT_V_ACCEPT] = NF_ACCEPT, [NFT_V_DROP] = NF_DROP, [NFT_V_JUMP] = NFT_JUMP,
				     [NFT_V_GOTO] = NFT_GOTO };
	struct nlattr *v = data ? nla_find(nla_data(data), nla_len(data), NFTA_DATA_VERDICT) : NULL, *code, *chain;
	unsigned char value[NFT_DATA_MAX] = { 0 };

	if (!e->verdict)
		return !e->n_data || (take_value(data, value, sizeof value) && memcmp(value, e->data, e->n_data) == 0);
	code = v ? nla_find(nla_data(v), nla_len(v), NFTA_VERDICT_CODE) : NULL;
	chain = v ? nla_find(nla_data(v), nla_len(v), NFTA_VERDICT_CHAIN) : NULL;
	return code && (int)ntohl(nla_get_u32(code)) == codes[e->verdict] &&
	       (!e->chain[0] || (chain && nla_strcmp(chain, e->chain) == 0));
}

static void see_element(struct sets *s, struct nlattr *element)
{
	struct nlattr *a[NFTA_SET_ELEM_MAX + 1];
	struct nft_elem key = { .set = s->set };
	struct wanted probe = { .e = &key }, *w;
	unsigned char end[NFT_KEY_MAX] = { 0 };

	if (nla_parse_nested(a, NFTA_SET_ELEM_MAX, element, NULL) < 0)
		return;
	/* The place behind an interval is an element, too. */
	if (a[NFTA_SET_ELEM_FLAGS] && (ntohl(nla_get_u32(a[NFTA_SET_ELEM_FLAGS])) & NFT_SET_ELEM_INTERVAL_END))
		return;
	if (!take_value(a[NFTA_SET_ELEM_KEY], key.key, sizeof key.key))
		return;
	w = s->all.n ? bsearch(&probe, s->v, s->all.n, sizeof *s->v, by_key) : NULL;
	if (!w) {
		s->foreign++;
		return;
	}
	/* One key may be wanted twice, and stands once. */
	while (w > s->v && by_key(&w[-1], &probe) == 0)
		w--;
	if (!same_data(w->e, a[NFTA_SET_ELEM_DATA]) ||
	    (w->e->range && take_value(a[NFTA_SET_ELEM_KEY_END], end, sizeof end) &&
	     memcmp(end, w->e->end, sizeof end) != 0))
		s->other++;
	for (; w < s->v + s->all.n && by_key(w, &probe) == 0; w++)
		w->seen = true;
}

static void see(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlattr *list = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct nfgenmsg),
					      NFTA_SET_ELEM_LIST_ELEMENTS), *e;
	int rem;

	(void)i;
	if (list)
		nla_for_each_nested(e, list, rem)
			see_element(ctx, e);
}

/* 0 when there is no such table or set: that is told elsewhere. */
static int read_set(struct sets *s)
{
	const struct fw_set *f = &fw_sets[s->set];
	struct nfgenmsg g = { .nfgen_family = fw_family_number[f->family], .version = NFNETLINK_V0 };
	struct nlq *q = &s->nft;
	int r;

	s->foreign = s->other = 0;
	nlq_add(q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, NLM_F_DUMP, &g, sizeof g);
	nlq_put_str(q, NFTA_SET_ELEM_LIST_TABLE, s->c->h->table);
	nlq_put_str(q, NFTA_SET_ELEM_LIST_SET, f->name);
	r = nlq_talk(q, see, s);
	if (r < 0 && r != -ENOENT)
		return net_fail_talk(q, r, "read set %s of nftables table %s", f->name, s->c->h->table);
	return r == 0;
}

static int compare_set(struct sets *s, size_t *at)
{
	size_t lacks = 0, first = 0;
	const char *name = fw_sets[s->set].name, *family = fw_family_text[fw_sets[s->set].family];
	int r = read_set(s);

	TRY(r);
	for (; *at < s->all.n && s->v[*at].e->set == s->set; ++*at)
		if (!s->v[*at].seen && !lacks++)
			first = s->v[*at].tag;
	if (r == 0)
		return 0;
	/* The host's own links decide about these, not our files. */
	if (s->set == FW_LAN_NET4 || s->set == FW_LAN_NET6)
		return 0;
	if (lacks)
		net_compare_tell(s->c, MEND_FIREWALL,
				 "nftables: %s %s: set %s lacks %zu element%s, the first of %s", family,
				 s->c->h->table, name, lacks, lacks == 1 ? "" : "s", s->tags[first].text);
	if (s->other)
		net_compare_tell(s->c, MEND_FIREWALL,
				 "nftables: %s %s: set %s has %zu element%s of another meaning", family,
				 s->c->h->table, name, s->other, s->other == 1 ? "" : "s");
	/* Of one network alone it cannot be said whose they are. */
	if (s->foreign && !s->only && !s->guess)
		net_compare_tell(s->c, MEND_FIREWALL, "nftables: %s %s: set %s has %zu element%s of nobody's", family,
				 s->c->h->table, name, s->foreign, s->foreign == 1 ? "" : "s");
	return 0;
}

int net_compare_elements(struct net_compare *c, const char *only)
{
	SCOPED(sets_free) struct sets s = { .c = c, .only = only, .defs = { .dir = c->dir } };
	size_t at = 0;

	if (only)
		TRY(want_network(&s, only));
	else
		TRY(net_def_each_name(c->dir, want_network, &s));
	if (net_record_each(c->dir, want_owner, &s) < 0) {
		s.guess = true;
		net_compare_failed(c);
	}
	TRY(sort(&s));
	TRY(nlq_open(&s.nft, NETLINK_NETFILTER));
	for (s.set = 0; s.set < FW_INGRESS; s.set++)
		TRY(compare_set(&s, &at));
	return 0;
}
