#include "netns/shortcut.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/nftexpr.h"
#include "netns/rate.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

bool net_shortcut_wanted(const struct net_def *d)
{
	if (d->mode == NET_BRIDGE || net_def_isolates(d) || d->vxlan)
		return false;
	return d->shortcut.set ? d->shortcut.v : true;
}

/* ---- elements ------------------------------------------------------------------------------------------- */

struct port {
	const char *host_if;
	int index; /* 0: not known */
	uint32_t group;
	unsigned char mac[6];
	const void *ip, *ip6; /* NULL: none */
	bool sends, receives;
};

static void put_source(const struct port *p, struct nft_list *out)
{
	unsigned char own[16];

	if (p->ip)
		nft_add(out, FW_DIRECT4, p->host_if, p->mac, p->ip);
	if (p->ip6)
		nft_add(out, FW_DIRECT6, p->host_if, p->mac, p->ip6);
	net_link_local_of(p->mac, own);
	nft_add(out, FW_DIRECT6, p->host_if, p->mac, own);
}

static void put_way(const struct port *p, struct nft_list *out)
{
	struct nft_elem *e = nft_add(out, FW_WAYS, p->group, p->mac);

	if (p->index)
		nft_data(e, (uint32_t)p->index);
}

/* Where links are looked up: in a dump, or one by one. */
struct look {
	const struct net_host *host;
	struct nlq q;
};
static void look_end(struct look *l) { nlq_close(&l->q); }

static bool find(struct look *l, const char *name, struct net_link *out)
{
	const struct net_link *there = l->host ? net_host_link(l->host, name) : NULL;

	memset(out, 0, sizeof *out);
	if (there)
		*out = *there;
	if (l->host || (!l->q.sk && nlq_open(&l->q, NETLINK_ROUTE) < 0))
		return there;
	return net_link_find(&l->q, name, out) == 0;
}

/*
 * What it may have put there, whatever definitions and links say by now: the file was edited, the bridge renamed.
 * False: it cannot be said which way leads to it.
 */
static bool put_traces(struct port p, const struct net_link *bridge, const struct net_link *l, struct nft_list *out)
{
	p.index = 0;
	put_source(&p, out);
	if (bridge) {
		p.group = net_port_group(bridge->index);
		put_way(&p, out);
	}
	if (l && net_is_port_group(l->group) && !(bridge && l->group == p.group)) {
		p.group = l->group;
		put_way(&p, out);
	}
	return bridge || l;
}

/* traces: NULL, or room for them. */
static void nic_of(const struct net_home *h, const struct net_record *r, const struct net_nic *n,
		   const struct net_def *d, struct look *look, struct net_shortcuts *out, struct nft_list *traces)
{
	bool guarded = r->firewall.n > 0, bridged, there;
	unsigned char ip[4], ip6[16];
	struct net_link bridge, l;
	struct net_rate rate;
	char host_if[IFNAMSIZ];
	struct port p = { .host_if = host_if, .receives = !guarded };

	net_host_if(h, r->owner, n->index, host_if);
	p.sends = !guarded && !(n->rate && (net_rate_parse(n->rate, &rate) < 0 || rate.out));
	if (net_mac_parse(n->mac, p.mac) < 0)
		return;
	p.ip = n->ip && inet_pton(AF_INET, n->ip, ip) == 1 ? ip : NULL;
	p.ip6 = n->ip6 && inet_pton(AF_INET6, n->ip6, ip6) == 1 ? ip6 : NULL;
	bridged = d && find(look, d->bridge, &bridge);
	there = find(look, host_if, &l);
	if (traces)
		out->lost |= !put_traces(p, bridged ? &bridge : NULL, there ? &l : NULL, traces);
	/* While there is no bridge they may stand: whoever compares says that it is gone. */
	else if (d && net_shortcut_wanted(d) && !bridged && look->host)
		(void)put_traces(p, NULL, there ? &l : NULL, &out->may);
	p.group = net_port_group(bridged ? bridge.index : 0);
	if (p.group == NET_PORT_GROUP || !net_shortcut_wanted(d))
		return;
	if (there && l.master == bridge.index && l.group == p.group)
		p.index = l.index;
	nft_add(&out->must, FW_INGRESS, host_if);
	if (p.sends)
		put_source(&p, &out->must);
	if (p.receives)
		put_way(&p, p.index ? &out->must : &out->may);
}

static void shortcuts_of(const struct net_home *h, const struct net_record *r, struct net_defs *defs, struct look *look,
			 struct net_shortcuts *out, struct nft_list *traces)
{
	LIST_EACH(const struct net_nic, n, r->nics) {
		const struct net_def *d = net_defs_find(defs, n->network);

		if (traces || (d && net_shortcut_wanted(d)))
			nic_of(h, r, n, d, look, out, traces);
	}
	out->oom |= out->must.oom || out->may.oom;
}

void net_shortcuts_of(const struct net_home *h, const struct net_record *r, struct net_defs *defs,
		      const struct net_host *host, struct net_shortcuts *out)
{
	struct look look = { .host = host };

	shortcuts_of(h, r, defs, &look, out, NULL);
}

void net_shortcuts_free(struct net_shortcuts *s)
{
	nft_list_free(&s->must);
	nft_list_free(&s->may);
}

/* ---- one port -------------------------------------------------------------------------------------------- */

static void unmade(const char *what, int r)
{
	log_debug("no shortcut for %s: %s", what, strerror(-r));
	err_clear();
}

static bool may_have(const struct net_port *p)
{
	return p->shortcut && !p->guarded && net_port_group(p->bridge_index) != NET_PORT_GROUP &&
	       !net_shortcut_old_kernel();
}

static void see_way(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlattr *list = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct nfgenmsg),
					      NFTA_SET_ELEM_LIST_ELEMENTS),
		      *e, *data, *v;
	int rem;

	(void)i;
	if (!list)
		return;
	nla_for_each_nested(e, list, rem) {
		data = nla_find(nla_data(e), nla_len(e), NFTA_SET_ELEM_DATA);
		v = data ? nla_find(nla_data(data), nla_len(data), NFTA_DATA_VALUE) : NULL;
		if (v && nla_len(v) == sizeof(int))
			memcpy(ctx, nla_data(v), sizeof(int));
	}
}

int net_shortcut_index(const struct net_home *h, const struct net_port *p)
{
	auto_nft_list struct nft_list l = { 0 };
	auto_nlq struct nlq q = { 0 };
	int index = 0;

	if (!may_have(p) || nlq_open(&q, NETLINK_NETFILTER) < 0) {
		err_clear();
		return 0;
	}
	nft_ask(&q, h->table, nft_add(&l, FW_WAYS, net_port_group(p->bridge_index), p->mac));
	return nlq_talk(&q, see_way, &index) == 0 && index > 0 ? index : 0;
}

/* anew: what leads to another link goes, for which the kernel waits. */
static int lead(const char *table, const struct nft_elem *way, bool anew)
{
	auto_nlq struct nlq q = { 0 };
	struct nlattr *list;

	TRY(nlq_open(&q, NETLINK_NETFILTER));
	nftx_begin(&q);
	for (int add = !anew; add < 2; add++) {
		list = nft_begin(&q, table, way, add ? NFT_MSG_NEWSETELEM : NFTX_DESTROYSETELEM, add ? NLM_F_CREATE : 0, 0);
		nft_put(&q, way, add);
		nlq_end(&q, list);
	}
	nftx_commit(&q);
	return nlq_talk(&q, NULL, NULL);
}

void net_shortcut_join(const struct net_home *h, const struct net_port *p, int known, int index)
{
	struct port port = { .index = index, .group = net_port_group(p->bridge_index) };
	auto_nft_list struct nft_list l = { 0 };
	int r;

	if (!index || !may_have(p))
		return;
	r = net_shortcut_give_up(h);
	if (r < 0)
		unmade(p->host_if, r);
	if (r || known == index)
		return;
	memcpy(port.mac, p->mac, sizeof port.mac);
	put_way(&port, &l);
	r = l.oom ? -ENOMEM : lead(h->table, &l.v[0], known);
	if (r == -EEXIST)
		r = lead(h->table, &l.v[0], true);
	if (r < 0)
		unmade(p->host_if, r);
}

/* ---- one owner ------------------------------------------------------------------------------------------- */

static void copy(struct nft_list *to, const struct nft_list *from)
{
	for (size_t i = 0; i < from->n; i++)
		nft_copy(to, &from->v[i]);
	to->oom |= from->oom;
}

static bool has(const struct nft_list *l, const struct nft_elem *e)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].set == e->set && memcmp(l->v[i].key, e->key, sizeof e->key) == 0)
			return true;
	return false;
}

/* It is there, or can be made. */
static bool have_table(const struct net_home *h, bool needed)
{
	int r;

	if (net_shortcut_there(h->table))
		return true;
	r = needed ? net_shortcut_table(h->table, NET_SHORTCUT_MAKE) : -ENOENT;
	if (r < 0 && r != -EEXIST && needed)
		unmade("guests", r);
	return r == 0 || r == -EEXIST;
}

int net_shortcut_follow(const struct net_home *h, struct net_defs *defs, const struct net_record *was,
			const struct net_record *is, struct nft_list *a, struct nft_list *b)
{
	auto_net_shortcuts struct net_shortcuts old = { 0 }, new = { 0 };
	auto_nft_list struct nft_list traces = { 0 };
	SCOPED(look_end) struct look look = { 0 };
	int r;

	if (net_shortcut_old_kernel())
		return 0;
	if (was)
		shortcuts_of(h, was, defs, &look, &old, &traces);
	if (is)
		shortcuts_of(h, is, defs, &look, &new, NULL);
	if (!traces.n && !new.must.n)
		return 0;
	r = net_shortcut_give_up(h);
	if (r || !have_table(h, new.must.n))
		return r < 0 ? r : 0;
	if (old.lost)
		TRY(net_shortcut_rebuild(h, defs->dir));
	copy(a, &old.must);
	for (size_t i = 0; i < traces.n; i++)
		if (!has(&old.must, &traces.v[i]) && !has(&new.must, &traces.v[i]) && !has(&new.may, &traces.v[i]))
			nft_copy(a, &traces.v[i]);
	copy(b, &new.must);
	a->oom |= old.oom || new.oom || traces.oom;
	return 0;
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

struct gather {
	const struct net_home *h;
	struct net_defs defs;
	struct nlq q;
	struct net_host host;
	struct net_shortcuts all;
};

static void gather_free(struct gather *g)
{
	net_defs_free(&g->defs);
	nlq_close(&g->q);
	net_host_free(&g->host);
	net_shortcuts_free(&g->all);
}

static int take_owner(void *ctx, struct net_held *held)
{
	struct gather *g = ctx;

	if (!held->r.nics.n)
		return 0;
	if (!g->q.sk) {
		TRY(nlq_open(&g->q, NETLINK_ROUTE));
		TRY(net_host_read(&g->q, &g->host));
	}
	net_shortcuts_of(g->h, &held->r, &g->defs, &g->host, &g->all);
	return 0;
}

static int make_all(const struct net_home *h, const struct net_shortcuts *all)
{
	int r = all->oom ? -ENOMEM : net_shortcut_table(h->table, NET_SHORTCUT_REPLACE);

	return r < 0 ? r : nft_change(h->table, NULL, &all->must);
}

int net_shortcut_rebuild(const struct net_home *h, int dirfd)
{
	SCOPED(gather_free) struct gather g = { .h = h, .defs = { .dir = dirfd } };
	int r;

	if (net_shortcut_old_kernel())
		return 0;
	r = net_shortcut_give_up(h);
	if (r)
		return r < 0 ? r : 0;
	r = net_record_each(dirfd, take_owner, &g);
	if (r == 0 && g.all.must.n)
		r = make_all(h, &g.all);
	if (r == 0 && g.all.must.n)
		return 0;
	if (r < 0)
		unmade("guests", r);
	return net_shortcut_remove(h);
}
