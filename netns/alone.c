#include "netns/alone.h"
#include "base/fault.h"
#include "base/scope.h"
#include "netns/link.h"
#include "netns/loan.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

static void put_macvlan(struct nlq *q)
{
	/* Guests on one parent reach each other, as on a switch. */
	nlq_put_u32(q, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
}

static void put_ipvlan(struct nlq *q)
{
	uint16_t mode = IPVLAN_MODE_L2;

	nlq_put(q, IFLA_IPVLAN_MODE, &mode, sizeof mode);
}

static const struct { int kind; void (*put)(struct nlq *q); } kinds[] = {
	{ NET_KIND_MACVLAN, put_macvlan }, { NET_KIND_IPVLAN, put_ipvlan },
};

static void put_kind(struct nlq *q, int kind)
{
	struct nlattr *info = nlq_nest(q, IFLA_LINKINFO), *data;

	nlq_put_str(q, IFLA_INFO_KIND, name_of(net_kinds, kind));
	data = nlq_nest(q, IFLA_INFO_DATA);
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (kinds[i].kind == kind)
			kinds[i].put(q);
	nlq_end(q, data);
	nlq_end(q, info);
}

static int create(const struct net_port *p, int netns_fd)
{
	static const unsigned char any[6];
	const char *kind = name_of(net_kinds, p->kind);
	struct ifinfomsg m = { 0 };
	auto_nlq struct nlq q = { 0 };
	struct net_link parent;
	int r;

	TRY(nlq_open(&q, NETLINK_ROUTE));
	r = net_link_find(&q, p->parent, &parent);
	if (r == -ENODEV)
		return fail_as(ERR_NOT_FOUND, "%s %s: this host has no link %s", kind, p->name, p->parent);
	TRY(r);
	nlq_add(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
	nlq_put_str(&q, IFLA_IFNAME, p->name);
	nlq_put_u32(&q, IFLA_LINK, (uint32_t)parent.index);
	nlq_put_u32(&q, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	if (memcmp(p->mac, any, sizeof any) != 0)
		nlq_put(&q, IFLA_ADDRESS, p->mac, sizeof p->mac);
	put_kind(&q, p->kind);
	r = nlq_talk(&q, NULL, NULL);
	if (r == -EOPNOTSUPP)
		return fail_as(ERR_UNSUPPORTED, "%s %s: this kernel has no %s", kind, p->name, kind);
	if (r == -EEXIST)
		return fail_as(ERR_EXISTS, "%s %s: the guest already has a link of this name", kind, p->name);
	return r < 0 ? net_fail_talk(&q, r, "%s %s: create it on %s", kind, p->name, p->parent) : 0;
}

int net_alone_remove(const struct net_port *p, int netns_fd)
{
	auto_nlq struct nlq q = { 0 };

	TRY(nlq_open_in(&q, NETLINK_ROUTE, netns_fd));
	return net_link_delete(&q, p->name);
}

/* The namespace stays open as long as the undo may run: it is the caller's. */
struct placed { struct net_port p; int netns_fd; };

static int take_away(void *arg)
{
	struct placed *v = arg;
	/* Its note, if it has one, tells the rest: see net_loan_take_back(). */
	struct net_loan l = { .device = v->p.parent, .name = v->p.name };
	char alias[32];

	if (v->p.kind != NET_KIND_PHYSICAL)
		return net_alone_remove(&v->p, v->netns_fd);
	net_loan_alias(&v->p, alias);
	l.alias = alias;
	return net_loan_take_back(&l, v->netns_fd);
}

int net_alone_setup(struct undo *u, const struct net_port *p, int netns_fd)
{
	struct placed v = { *p, netns_fd };

	TRY(fault_point(name_of(net_kinds, p->kind)));
	if (p->kind != NET_KIND_PHYSICAL) {
		TRY(create(p, netns_fd));
		return undo_push(u, name_of(net_kinds, p->kind), take_away, &v, sizeof v);
	}
	/* It may fail between its moves. */
	TRY(undo_push(u, name_of(net_kinds, p->kind), take_away, &v, sizeof v));
	return net_loan_give(p, netns_fd);
}
