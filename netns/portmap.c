#include "netns/portmap.h"
#include "base/fault.h"
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/link.h"
#include "netns/nft.h"
#include "netns/target.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* The set of a map: by family, by whether the host's address counts, by who may come. */
static const int maps[2][2][NET_EXPOSE_WORLD + 1] = {
	{ { 0, FW_HOST_ANY4, FW_LAN_ANY4, FW_WORLD_ANY4 }, { 0, FW_HOST_AT4, FW_LAN_AT4, FW_WORLD_AT4 } },
	{ { 0, FW_HOST_ANY6, FW_LAN_ANY6, FW_WORLD_ANY6 }, { 0, FW_HOST_AT6, FW_LAN_AT6, FW_WORLD_AT6 } },
};

int net_portmap_check(int dir, const struct net_record *r, const struct list *ports)
{
	struct net_target t;
	char text[128];

	if (!ports->n)
		return 0;
	TRY(net_target_of(dir, r, &t));
	LIST_EACH(const struct net_publish, p, *ports) {
		if ((t.way[0].is && net_publish_of(p, 0)) || (t.way[1].is && net_publish_of(p, 1)))
			continue;
		net_publish_text(p, true, text, sizeof text);
		return fail_as(ERR_STATE, "port %s leads nowhere: guest \"%s\" has no such address on a network of mode "
			       "nat or routed", text, r->owner);
	}
	return 0;
}

bool net_portmap_up(const struct net_home *h, const struct net_record *r)
{
	auto_nlq struct nlq q = { 0 };
	char name[IFNAMSIZ];
	struct net_link l;

	if (nlq_open(&q, NETLINK_ROUTE) < 0)
		return false;
	LIST_EACH(const struct net_nic, n, r->nics) {
		if (n->kind)
			continue;
		net_host_if(h, r->owner, n->index, name);
		if (net_link_find(&q, name, &l) == 0)
			return true;
	}
	return false;
}

/* ---- elements ---------------------------------------------------------------------------------------------- */

static int far_of(const struct net_publish *p, enum net_port_state s)
{
	return s == NET_PORT_CLOSED ? 0 : s == NET_PORT_HOST_ONLY ? NET_EXPOSE_HOST : p->expose;
}

static void lead(struct nft_list *l, const struct net_publish *p, int six, int set, unsigned host, unsigned guest,
		 const struct net_way *w)
{
	struct in6_addr at;
	struct nft_elem *e;

	if (p->address) {
		inet_pton(six ? AF_INET6 : AF_INET, p->address, &at);
		e = nft_add(l, set, &at, p->proto, (int)host);
	} else {
		e = nft_add(l, set, p->proto, (int)host);
	}
	nft_data(e, &w->addr, (int)guest);
}

/* The farthest of all that lead to this port of the guest; first: whether p[i] is the first of them. */
static int farthest(const struct list *ports, const enum net_port_state *open, size_t i, int six, unsigned guest,
		    bool *first)
{
	const struct net_publish *v = ports->v;
	int far = 0;

	*first = true;
	for (size_t k = 0; k < ports->n; k++) {
		if (v[k].proto != v[i].proto || !net_publish_of(&v[k], six) || guest < v[k].guest_port.v ||
		    guest >= v[k].guest_port.v + net_publish_count(&v[k]) || !far_of(&v[k], open[k]))
			continue;
		far = far_of(&v[k], open[k]) > far ? far_of(&v[k], open[k]) : far;
		*first &= k >= i;
	}
	return far;
}

static void pass_on(struct nft_list *l, int six, const struct net_way *w, int proto, unsigned guest, int far)
{
	struct nft_elem *e = nft_add(l, six ? FW_PUBLISHED6 : FW_PUBLISHED4, w->bridge, &w->addr, proto, (int)guest);

	if (far == NET_EXPOSE_WORLD)
		nft_add_verdict(e, NFT_V_ACCEPT, NULL);
	else
		nft_add_verdict(e, NFT_V_GOTO, "published_lan");
}

static void add_port(struct nft_list *l, const struct net_record *r, const enum net_port_state *open, size_t i, int six,
		     const struct net_way *w)
{
	const struct net_publish *p = (const struct net_publish *)r->ports.v + i;
	int far = far_of(p, open[i]), farther;
	bool first;

	for (unsigned k = 0; far && k < net_publish_count(p); k++) {
		unsigned host = p->port.v + k, guest = p->guest_port.v + k;

		lead(l, p, six, maps[six][!!p->address][NET_EXPOSE_HOST], host, guest, w);
		if (far == NET_EXPOSE_LAN)
			nft_add(l, FW_NEAR, w->bridge, p->proto, (int)host);
		if (far > NET_EXPOSE_HOST)
			lead(l, p, six, maps[six][!!p->address][far], host, guest, w);
		farther = farthest(&r->ports, open, i, six, guest, &first);
		if (first && farther > NET_EXPOSE_HOST)
			pass_on(l, six, w, p->proto, guest, farther);
	}
}

static void all_open(enum net_port_state open[NET_PUBLISH_MAX])
{
	for (size_t i = 0; i < NET_PUBLISH_MAX; i++)
		open[i] = NET_PORT_OPEN;
}

static void add_ports(const struct net_record *r, const enum net_port_state *open, const struct net_target *t,
		      struct nft_list *out)
{
	size_t i = 0;

	LIST_EACH(const struct net_publish, p, r->ports) {
		for (int six = 0; six < 2; six++)
			if (t->way[six].is && net_publish_of(p, six))
				add_port(out, r, open, i, six, &t->way[six]);
		i++;
	}
}

/* open NULL: all as far as they are published. */
static int elements_of(int dir, const struct net_record *r, const enum net_port_state *open, struct nft_list *out,
		       struct net_target *t)
{
	enum net_port_state all[NET_PUBLISH_MAX];

	all_open(all);
	TRY(net_target_of(dir, r, t));
	add_ports(r, open ? open : all, t, out);
	return 0;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nft_elem));
}

/* Of `all`, what is not in `some`, which is sorted by this. */
static void minus(struct nft_list *all, struct nft_list *some)
{
	size_t k = 0;

	if (!all->n || !some->n)
		return;
	qsort(some->v, some->n, sizeof *some->v, by_value);
	for (size_t i = 0; i < all->n; i++)
		if (!bsearch(&all->v[i], some->v, some->n, sizeof *some->v, by_value))
			all->v[k++] = all->v[i];
	all->n = k;
}

static int changed(int r, const struct net_home *h)
{
	if (r == -ENOENT)
		return fail(ENOENT, "nftables table %s is not as it should be (vzrun network apply)", h->table);
	if (r == -EEXIST)
		return fail_as(ERR_ADDRESS, "nftables table %s: the port leads elsewhere already", h->table);
	return r;
}

int net_portmap_open(const struct net_home *h, int dir, const struct net_record *r, const enum net_port_state *open)
{
	auto_nft_list struct nft_list all = { 0 }, now = { 0 };
	bool some_closed = false;
	struct net_target t;

	TRY(fault_point("published ports"));
	TRY(elements_of(dir, r, open, &now, &t));
	for (size_t i = 0; i < r->ports.n; i++)
		some_closed |= open[i] != NET_PORT_OPEN;
	if (some_closed)
		TRY(elements_of(dir, r, NULL, &all, &t));
	TRY(net_way_make(h, dir, r, &t));
	minus(&all, &now);
	return changed(nft_change(h->table, &all, &now), h);
}

int net_portmap_close(const struct net_home *h, int dir, const struct net_record *r)
{
	auto_nft_list struct nft_list all = { 0 };
	struct net_target t;
	int done;

	TRY(elements_of(dir, r, NULL, &all, &t));
	done = nft_change(h->table, &all, NULL);
	/* Without the table nothing is led anywhere. */
	return done == -ENOENT ? 0 : done;
}

/* The same of another record, for the same ones; SIZE_MAX: none. */
static size_t find_same(const struct list *ports, const struct net_publish *p)
{
	const struct net_publish *v = ports->v;

	for (size_t i = 0; i < ports->n; i++)
		if (net_publish_same(p, &v[i]) && p->expose == v[i].expose)
			return i;
	return SIZE_MAX;
}

/* What stood stays as far as it stood; what is new opens. */
static int states_for(const struct net_home *h, const struct net_record *was, const struct net_record *is,
		      enum net_port_state *out)
{
	enum net_port_state before[NET_PUBLISH_MAX];
	size_t i = 0;

	if (was)
		TRY(net_portmap_look(h, &was->ports, before));
	LIST_EACH(const struct net_publish, p, is->ports) {
		size_t k = was ? find_same(&was->ports, p) : SIZE_MAX;

		out[i++] = k == SIZE_MAX ? NET_PORT_OPEN : before[k];
	}
	return 0;
}

static bool same_target(const struct net_target *a, const struct net_target *b)
{
	for (int six = 0; six < 2; six++) {
		const struct net_way *x = &a->way[six], *y = &b->way[six];

		if (x->is != y->is || !str_eq(x->bridge, y->bridge) || memcmp(&x->addr, &y->addr, sizeof x->addr) != 0)
			return false;
	}
	return true;
}

/* Another leads to some port of the guest's that p leads to. */
static bool shares(const struct list *ports, const struct net_publish *p)
{
	LIST_EACH(const struct net_publish, o, *ports)
		if (!(net_publish_same(o, p) && o->expose == p->expose) && o->proto == p->proto &&
		    p->guest_port.v < o->guest_port.v + net_publish_count(o) &&
		    o->guest_port.v < p->guest_port.v + net_publish_count(p))
			return true;
	return false;
}

/* Of what is in both, and alone where it leads, the elements are the same: they need not be made to be compared. */
static void leave_out_same(const struct net_record *was, const struct net_record *is, enum net_port_state *before,
			   enum net_port_state *open)
{
	size_t i = 0;

	LIST_EACH(const struct net_publish, p, is->ports) {
		size_t k = find_same(&was->ports, p);

		if (k != SIZE_MAX && !shares(&was->ports, p) && !shares(&is->ports, p))
			before[k] = open[i] = NET_PORT_CLOSED;
		i++;
	}
}

void net_portmap_change_free(struct net_portmap_change *c)
{
	nft_list_free(&c->old);
	nft_list_free(&c->new);
}

int net_portmap_plan(const struct net_home *h, int dir, const struct net_record *was, const struct net_record *is,
		     struct net_portmap_change *c)
{
	auto_nft_list struct nft_list same = { 0 };
	enum net_port_state before[NET_PUBLISH_MAX], open[NET_PUBLISH_MAX];

	*c = (struct net_portmap_change){ .was = was && was->ports.n ? was : NULL, .is = is && is->ports.n ? is : NULL };
	all_open(before);
	if (c->was)
		TRY(net_target_of(dir, was, &c->old_t));
	if (c->is)
		TRY(net_target_of(dir, is, &c->t));
	c->up = c->is && net_portmap_up(h, is);
	if (c->up)
		TRY(states_for(h, was, is, open));
	if (c->up && c->was && same_target(&c->old_t, &c->t))
		leave_out_same(was, is, before, open);
	if (c->was)
		add_ports(was, before, &c->old_t, &c->old);
	if (c->up)
		add_ports(is, open, &c->t, &c->new);
	for (size_t i = 0; i < c->old.n; i++)
		nft_copy(&same, &c->old.v[i]);
	minus(&c->old, &c->new);
	minus(&c->new, &same);
	return same.oom || c->new.oom || c->old.oom ? fail(ENOMEM, "published ports: out of memory") : 0;
}

int net_portmap_retire(const struct net_home *h, const struct net_portmap_change *c)
{
	int r;

	if (!c->was)
		return 0;
	TRY(fault_point("ports that close"));
	r = nft_change(h->table, &c->old, NULL);
	/* Without the table nothing is led anywhere. */
	if (r < 0 && r != -ENOENT)
		return r;
	return net_way_unreflect(h, c->was, &c->old_t, c->is, &c->t);
}

int net_portmap_enter(const struct net_home *h, int dir, const struct net_portmap_change *c)
{
	if (!c->was && !c->is)
		return 0;
	TRY(fault_point("ports that open"));
	if (c->up)
		TRY(net_way_make(h, dir, c->is, &c->t));
	TRY(changed(nft_change(h->table, NULL, &c->new), h));
	return c->was ? net_way_leave(dir, c->was, &c->old_t, c->is, &c->t) : 0;
}

/* ---- what stands ----------------------------------------------------------------------------------------------- */

/* Its first port, in both families, for the host and for whom it is published. */
static int look_one(struct nlq *q, const struct net_home *h, const struct net_publish *p, enum net_port_state *out)
{
	auto_nft_list struct nft_list l = { 0 };
	const struct net_way nowhere = { 0 };
	int err[4], r;
	bool host = false, far = false;

	for (int six = 0; six < 2; six++) {
		if (!net_publish_of(p, six))
			continue;
		lead(&l, p, six, maps[six][!!p->address][NET_EXPOSE_HOST], p->port.v, 0, &nowhere);
		lead(&l, p, six, maps[six][!!p->address][p->expose], p->port.v, 0, &nowhere);
	}
	if (l.oom)
		return fail(ENOMEM, "out of memory");
	for (size_t i = 0; i < l.n; i++)
		nft_ask(q, h->table, &l.v[i]);
	r = nlq_ask(q, NULL, NULL, err);
	if (r < 0)
		return net_fail_talk(q, r, "look at nftables table %s", h->table);
	for (size_t i = 0; i < l.n; i++) {
		if (err[i] < 0 && err[i] != -ENOENT)
			return net_fail_talk(q, err[i], "look at nftables table %s", h->table);
		host |= err[i] == 0 && i % 2 == 0;
		far |= err[i] == 0 && i % 2 == 1;
	}
	*out = far ? NET_PORT_OPEN : host ? NET_PORT_HOST_ONLY : NET_PORT_CLOSED;
	return 0;
}

int net_portmap_look(const struct net_home *h, const struct list *ports, enum net_port_state *out)
{
	auto_nlq struct nlq q = { 0 };
	size_t i = 0;

	if (!ports->n)
		return 0;
	TRY(nlq_open(&q, NETLINK_NETFILTER));
	LIST_EACH(const struct net_publish, p, *ports)
		TRY(look_one(&q, h, p, &out[i++]));
	return 0;
}

int net_portmap_elements(const struct net_home *h, int dir, const struct net_record *r, struct nft_list *out)
{
	enum net_port_state open[NET_PUBLISH_MAX];
	struct net_target t;

	if (!r->ports.n || !net_portmap_up(h, r))
		return 0;
	TRY(net_portmap_look(h, &r->ports, open));
	return elements_of(dir, r, open, out, &t);
}
