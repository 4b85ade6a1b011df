/* From the NICs that a running guest has to those that it shall have. */
#include "runtime/guest/nic.h"
#include "base/fault.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/guest/stats.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const struct net_port *at_index(const struct net_port *p, size_t n, unsigned index)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].index == index)
			return &p[i];
	return NULL;
}

/* Another link, not the same with other addresses. */
static bool same_link(const struct net_port *a, const struct net_port *b)
{
	return a->kind == b->kind && str_eq(a->name, b->name) && str_eq(a->network, b->network) &&
	       str_eq(a->parent, b->parent);
}

static bool same(const struct net_port *a, const struct net_port *b)
{
	return a->ip.s_addr == b->ip.s_addr && a->prefix == b->prefix && a->prefix6 == b->prefix6 &&
	       IN6_ARE_ADDR_EQUAL(&a->ip6, &b->ip6) && memcmp(a->mac, b->mac, 6) == 0 &&
	       memcmp(&a->rate, &b->rate, sizeof a->rate) == 0 && a->gateway.s_addr == b->gateway.s_addr &&
	       IN6_ARE_ADDR_EQUAL(&a->gateway6, &b->gateway6);
}

/* As at a start: the first that has a gateway has the default route. */
static void one_gateway(struct net_port *p, size_t n)
{
	bool had = false, had6 = false;

	for (size_t i = 0; i < n; i++) {
		if (had)
			p[i].gateway.s_addr = 0;
		if (had6)
			p[i].gateway6 = (struct in6_addr){ 0 };
		had |= p[i].gateway.s_addr != 0;
		had6 |= !IN6_IS_ADDR_UNSPECIFIED(&p[i].gateway6);
	}
}

/* ---- one step there, and the same back ------------------------------------------------------------- */

static const char *address(struct arena *a, int family, const void *addr, unsigned prefix, bool leased)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, addr, text, sizeof text);
	return leased ? arena_strdup(a, text) : arena_printf(a, "%s/%u", text, prefix);
}

int nic_pin(struct arena *a, const struct net_port *p, struct net_nic_conf *nic)
{
	static const unsigned char any[6];
	bool leased = p->kind <= NET_KIND_NETWORK;
	const unsigned char *m = p->mac;

	nic->ip = p->ip.s_addr ? address(a, AF_INET, &p->ip, p->prefix, leased) : "none";
	nic->ip6 = IN6_IS_ADDR_UNSPECIFIED(&p->ip6) ? "none" : address(a, AF_INET6, &p->ip6, p->prefix6, leased);
	if (memcmp(m, any, sizeof any) != 0)
		nic->mac = arena_printf(a, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return nic->ip && nic->ip6 ? 0 : fail(ENOMEM, "out of memory");
}

/* What is there as a wish that nothing else fulfils. */
static int wish_of(struct arena *a, const struct net_port *p, struct net_nic_conf *out)
{
	bool network = p->kind <= NET_KIND_NETWORK;
	char usual[IFNAMSIZ];

	*out = (struct net_nic_conf){
		.kind = network ? 0 : p->kind, .index = { p->index, true },
		.network = network ? arena_strdup(a, p->network) : NULL,
		.parent = network ? NULL : arena_strdup(a, p->parent),
	};
	TRY(nic_pin(a, p, out));
	snprintf(usual, sizeof usual, "eth%u", p->index % NET_PORTS_MAX);
	if (!str_eq(p->name, usual))
		out->name = arena_strdup(a, p->name);
	if (p->rate.in || p->rate.out)
		out->rate = net_rate_text(a, &p->rate);
	return 0;
}

static int note(const struct nic_live *l, const struct net_port *p, bool there)
{
	auto_links struct guest_links links;
	struct net_nic_conf nic;
	int r = links_load(l->g->dir_fd, &links);

	TRY(r);
	if (there) {
		TRY(wish_of(&links.arena, p, &nic));
		TRY(links_add(&links, &nic, p));
	} else {
		links_remove(&links, p->index);
	}
	return links_store(l->g->dir_fd, &links);
}

static int take_back(const struct nic_live *l, const struct net_port *p)
{
	auto_links struct guest_links links;
	const struct net_loan *loan;
	int r = links_load(l->g->dir_fd, &links);

	TRY(r);
	loan = links_loan(&links, p->index);
	return loan ? net_loan_take_back(loan, l->netns) : 0;
}

static int take_away(const struct nic_live *l, const struct net_port *p)
{
	TRY(fault_point("nic taken away"));
	TRY(traffic_keep(l->g->dir_fd, p, 1, l->netns, true));
	if (p->kind <= NET_KIND_NETWORK)
		return net_detach(p, l->netns);
	TRY(p->kind == NET_KIND_PHYSICAL ? take_back(l, p) : net_detach(p, l->netns));
	return note(l, p, false);
}

static int put_in(const struct nic_live *l, const struct net_port *p)
{
	struct err_saved why;
	int r;

	TRY(fault_point("nic put in"));
	if (p->kind > NET_KIND_NETWORK)
		TRY(note(l, p, true));
	r = net_attach(p, l->netns);
	if (r >= 0 || p->kind <= NET_KIND_NETWORK)
		return r;
	err_save(&why);
	if (p->kind == NET_KIND_PHYSICAL)
		(void)take_back(l, p);
	(void)note(l, p, false);
	err_restore(&why);
	return r;
}

/* One NIC; either may be NULL. */
static int step(const struct nic_live *l, const struct net_port *from, const struct net_port *to)
{
	if (from && to && same_link(from, to))
		return same(from, to) ? 0 : net_change(from, to, l->netns);
	if (from)
		TRY(take_away(l, from));
	return to ? put_in(l, to) : 0;
}

static int step_at(const struct nic_live *l, unsigned index, bool back)
{
	const struct net_port *from = at_index(l->from, l->n_from, index);
	const struct net_port *to = at_index(l->to, l->n_to, index);

	return back ? step(l, to, from) : step(l, from, to);
}

/* The way back goes through all of it: what was not done is as it was, and costs nothing. */
static void undo(const struct nic_live *l, unsigned upto)
{
	struct net_nic_conf v[NET_PORTS_MAX];
	struct list was = { v, l->n_from };
	auto_arena struct arena a = { 0 };
	struct net_port ports[NET_PORTS_MAX];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < l->n_from && r >= 0; i++)
		r = wish_of(&a, &l->from[i], &v[i]);
	if (r >= 0)
		(void)net_claim(l->g->at.home, l->g->name, &was, ports, &n);
	for (unsigned i = upto; i-- > 0;)
		(void)step_at(l, i, true);
}

/* The default route went with a NIC that had it: the next one gets it, if the guest has no other. */
static int restore_route(const struct nic_live *l)
{
	for (size_t i = 0; i < l->n_to; i++) {
		const struct net_port *p = &l->to[i];

		if (p->gateway.s_addr || !IN6_IS_ADDR_UNSPECIFIED(&p->gateway6))
			TRY(net_route(p, l->netns));
	}
	return 0;
}

static int open_netns(struct nic_live *l)
{
	int ours;

	l->netns = guest_netns(&l->g->at, l->g->name);
	TRY(l->netns);
	ours = sys_is_our_ns(l->netns, "net");
	if (ours < 0)
		return fail_errno("the network namespace of guest \"%s\"", l->g->name);
	if (ours)
		return fail_as(ERR_STATE, "guest \"%s\" has the host's network: there is nothing to add to", l->g->name);
	return 0;
}

int nic_live(struct nic_live *l, const struct guest *g, const struct nic_wishes *want)
{
	struct list wishes = { (void *)(uintptr_t)want->v, want->n };
	struct err_saved why;
	unsigned i;
	int r = 0;

	*l = (struct nic_live){ .g = g, .netns = -1 };
	TRY(open_netns(l));
	TRY(nic_ports(&g->at, g->name, g->dir_fd, NULL, l->from, &l->n_from));
	TRY(net_claim(g->at.home, g->name, &wishes, l->to, &l->n_to));
	one_gateway(l->from, l->n_from);
	one_gateway(l->to, l->n_to);
	for (i = 0; i < NET_PORTS_MAX && r >= 0; i++)
		r = step_at(l, i, false);
	if (r >= 0)
		r = restore_route(l);
	l->done = r >= 0;
	if (r >= 0)
		return 0;
	err_save(&why);
	undo(l, i);
	err_restore(&why);
	return r;
}

void nic_live_back(struct nic_live *l)
{
	struct err_saved why;

	if (!l->done)
		return;
	err_save(&why);
	undo(l, NET_PORTS_MAX);
	err_restore(&why);
	l->done = false;
}

void nic_live_free(struct nic_live *l)
{
	drop_fd(&l->netns);
}
