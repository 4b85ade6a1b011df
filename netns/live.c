/*
 * NICs of a running guest. Sockets are made in its network namespace and used from here: nothing of the guest is
 * run or read. Its end of a pair is found from the host's end, whatever name the guest gave it.
 */
#include "base/scope.h"
#include "netns/alone.h"
#include "netns/announce.h"
#include "netns/kernel.h"
#include "netns/lease.h"
#include "netns/link.h"
#include "netns/rate.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

static bool on_network(const struct net_port *p) { return p->kind <= NET_KIND_NETWORK; }

struct ports { const struct net_port *v; size_t n; };

static int finish(void *ctx)
{
	const struct ports *p = ctx;

	return net_finish_inside(p->v, p->n);
}

int net_attach_all(const struct net_port *ports, size_t n, int netns_fd, const char *settings)
{
	struct ports p = { ports, n };

	TRY(n > 0 ? net_setup(ports, n, netns_fd) : 0);
	/* Where IPv6 is off it is not to be heard of, and where it is on again it has its address. */
	if (settings)
		TRY(net_sysctl_set(netns_fd, settings, "ipv6/conf/"));
	TRY(net_ns_within(netns_fd, finish, &p));
	return settings ? net_sysctl_set(netns_fd, settings, "") : 0;
}

int net_attach(const struct net_port *p, int netns_fd)
{
	struct ports one = { p, 1 };
	struct err_saved why;
	int r;

	TRY(net_setup(p, 1, netns_fd));
	r = net_ns_within(netns_fd, finish, &one);
	if (r >= 0 || p->kind == NET_KIND_PHYSICAL)
		return r;
	err_save(&why);
	(void)net_detach(p, netns_fd);
	err_restore(&why);
	return r;
}

int net_detach(const struct net_port *p, int netns_fd)
{
	auto_nlq struct nlq q = { 0 };

	if (!on_network(p))
		return net_alone_remove(p, netns_fd);
	TRY(nlq_open(&q, NETLINK_ROUTE));
	return net_link_delete(&q, p->host_if);
}

void net_standing(const char *home, const char *guest, const struct net_nic_conf *nic, size_t i, struct net_port *out)
{
	struct net_home h;

	net_home_of(home, &h);
	net_port_alone(&h, guest, nic, i, out);
}

/* ---- counting ------------------------------------------------------------------------------------ */

static void see_counts(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct ifinfomsg), IFLA_STATS64);
	struct rtnl_link_stats64 s = { 0 };
	struct net_counts *out = ctx;

	(void)i;
	if (!a)
		return;
	memcpy(&s, nla_data(a), (size_t)nla_len(a) < sizeof s ? (size_t)nla_len(a) : sizeof s);
	*out = (struct net_counts){ s.rx_bytes, s.rx_packets, s.tx_bytes, s.tx_packets };
}

int net_count(const struct net_port *p, int netns_fd, struct net_counts *out)
{
	auto_nlq struct nlq q = { 0 };
	struct ifinfomsg m = { 0 };
	struct net_counts c = { 0 };
	int r;

	*out = c;
	TRY(nlq_open_in(&q, NETLINK_ROUTE, on_network(p) ? -1 : netns_fd));
	nlq_add_short(&q, RTM_GETLINK, &m, sizeof m);
	nlq_put_str(&q, IFLA_IFNAME, on_network(p) ? p->host_if : p->name);
	r = nlq_talk(&q, see_counts, &c);
	if (r < 0)
		return r == -ENODEV ? r : net_fail_talk(&q, r, "count the traffic of %s", p->name);
	/* What the host's end sends the guest receives. */
	*out = on_network(p) ? (struct net_counts){ c.out_bytes, c.out_packets, c.in_bytes, c.in_packets } : c;
	return 0;
}

/* ---- changing ------------------------------------------------------------------------------------ */

struct change { struct nlq *q; const struct net_port *from, *to; int index; };

static bool has4(const struct in_addr *a) { return a->s_addr != 0; }
static bool has6(const struct in6_addr *a) { return !IN6_IS_ADDR_UNSPECIFIED(a); }

/*
 * Requests that may fail, and how: what is gone is gone, what is there is there. The kernel's error for an address
 * that is not there is EADDRNOTAVAIL.
 */
static int ask(struct change *c, const char *what, int harmless, bool ipv6)
{
	int err[NLQ_MAX], r;
	size_t n = c->q->n;

	r = nlq_ask(c->q, NULL, NULL, err);
	for (size_t i = 0; r >= 0 && i < n; i++)
		/* EACCES: IPv6 is switched off inside. */
		if (err[i] < 0 && err[i] != harmless && !(ipv6 && err[i] == -EACCES))
			r = err[i];
	return r < 0 ? net_fail_talk(c->q, r, "%s: %s in the guest", c->to->name, what) : 0;
}

static int change_mac(struct change *c)
{
	struct ifinfomsg m = { .ifi_index = c->index };
	struct in6_addr old, new;
	int r;

	if (memcmp(c->from->mac, c->to->mac, 6) == 0)
		return 0;
	nlq_add(c->q, RTM_NEWLINK, 0, &m, sizeof m);
	nlq_put(c->q, IFLA_ADDRESS, c->to->mac, sizeof c->to->mac);
	r = nlq_talk(c->q, NULL, NULL);
	if (r < 0)
		return net_fail_talk(c->q, r, "%s: set its MAC address", c->to->name);
	if (!net_host_has_ipv6())
		return 0;
	/* The kernel makes it when a link comes up, only; and no other one of it may be used (see anti-spoofing). */
	net_link_local_of(c->from->mac, old.s6_addr);
	net_link_local_of(c->to->mac, new.s6_addr);
	net_del_address(c->q, c->index, AF_INET6, &old, 64);
	TRY(ask(c, "remove its former link-local address", -EADDRNOTAVAIL, true));
	net_add_address(c->q, c->index, AF_INET6, &new, 64);
	return ask(c, "set its link-local address", 0, true);
}

/*
 * With the last address the kernel takes every route of the link, and with a first one those of its subnet that
 * came later: so the new one is there before, with a prefix of its own, while the old one goes.
 */
static int change_ip(struct change *c)
{
	const struct net_port *from = c->from, *to = c->to;
	bool host_only = to->prefix == 32;

	if (from->ip.s_addr == to->ip.s_addr && from->prefix == to->prefix)
		return 0;
	if (has4(&to->ip))
		net_add_address(c->q, c->index, AF_INET, &to->ip, 32);
	if (has4(&from->ip))
		net_del_address(c->q, c->index, AF_INET, &from->ip, from->prefix);
	if (has4(&to->ip) && !host_only) {
		net_add_address(c->q, c->index, AF_INET, &to->ip, to->prefix);
		net_del_address(c->q, c->index, AF_INET, &to->ip, 32);
	}
	return ask(c, "change its IPv4 address", -EADDRNOTAVAIL, false);
}

static int change_ip6(struct change *c)
{
	const struct net_port *from = c->from, *to = c->to;

	if (IN6_ARE_ADDR_EQUAL(&from->ip6, &to->ip6) && from->prefix6 == to->prefix6)
		return 0;
	if (has6(&to->ip6))
		net_add_address(c->q, c->index, AF_INET6, &to->ip6, to->prefix6);
	if (has6(&from->ip6))
		net_del_address(c->q, c->index, AF_INET6, &from->ip6, from->prefix6);
	return ask(c, "change its IPv6 address", -EADDRNOTAVAIL, true);
}

/* Another NIC has it from now on. */
static int drop_route(struct change *c)
{
	if (has4(&c->from->gateway) && !has4(&c->to->gateway))
		net_del_default_route(c->q, c->index, AF_INET, &c->from->gateway);
	if (has6(&c->from->gateway6) && !has6(&c->to->gateway6))
		net_del_default_route(c->q, c->index, AF_INET6, &c->from->gateway6);
	return ask(c, "give up the default route", -ESRCH, true);
}

/* Only if there is none: another one is the guest's own choice. The way to a gateway went with the former address. */
static int keep_route(struct change *c)
{
	const struct net_port *to = c->to;
	const struct { int family; bool is; const void *addr, *gateway; unsigned behind; } ways[] = {
		{ AF_INET, has4(&to->gateway) && has4(&to->ip), &to->ip, &to->gateway, to->behind },
		{ AF_INET6, has6(&to->gateway6) && has6(&to->ip6), &to->ip6, &to->gateway6, to->behind6 },
	};

	for (size_t i = 0; i < COUNT(ways); i++) {
		if (!ways[i].is)
			continue;
		if (ways[i].behind)
			net_add_routes_behind(c->q, c->index, ways[i].family, ways[i].addr, ways[i].behind, ways[i].gateway);
		net_add_default_route(c->q, c->index, ways[i].family, ways[i].gateway, NLM_F_EXCL);
	}
	return ask(c, "keep its default route", -EEXIST, true);
}

static int announce(void *ctx)
{
	struct change *c = ctx;

	net_announce6(c->index, &c->to->ip6);
	return 0;
}

static int tell(struct change *c, int netns_fd)
{
	struct ifinfomsg m = { .ifi_index = c->index };
	struct net_link l;

	if (has4(&c->to->ip)) {
		TRY(net_link_at(c->q, c->index, &l));
		net_announce_by_kernel(c->q, c->index);
		nlq_add(c->q, RTM_NEWLINK, 0, &m, sizeof m);
		nlq_put(c->q, IFLA_ADDRESS, l.mac, sizeof l.mac);
		/* A card that is up may refuse, and stays silent. */
		TRY(ask(c, "announce its addresses", -EBUSY, false));
	}
	return has6(&c->to->ip6) ? net_ns_within(netns_fd, announce, c) : 0;
}

static int find_inside(struct nlq *here, struct nlq *there, const struct net_port *p, int *index)
{
	struct net_link l;
	int r = on_network(p) ? net_link_find(here, p->host_if, &l) : net_link_find(there, p->name, &l);

	if (r == -ENODEV)
		return fail_as(ERR_STATE, "the guest's link %s is gone", p->name);
	TRY(r);
	*index = on_network(p) ? l.peer : l.index;
	return 0;
}

int net_change(const struct net_port *from, const struct net_port *to, int netns_fd)
{
	auto_nlq struct nlq here = { 0 }, there = { 0 };
	struct change c = { .q = &there, .from = from, .to = to };

	TRY(nlq_open(&here, NETLINK_ROUTE));
	TRY(nlq_open_in(&there, NETLINK_ROUTE, netns_fd));
	TRY(find_inside(&here, &there, from, &c.index));
	TRY(change_mac(&c));
	TRY(change_ip(&c));
	TRY(change_ip6(&c));
	TRY(drop_route(&c));
	TRY(keep_route(&c));
	TRY(tell(&c, netns_fd));
	return memcmp(&from->rate, &to->rate, sizeof to->rate) != 0 && on_network(to)
		       ? net_rate_set_in(&here, to->host_if, &to->rate) : 0;
}

int net_route(const struct net_port *p, int netns_fd)
{
	auto_nlq struct nlq here = { 0 }, there = { 0 };
	struct change c = { .q = &there, .from = p, .to = p };

	TRY(nlq_open(&here, NETLINK_ROUTE));
	TRY(nlq_open_in(&there, NETLINK_ROUTE, netns_fd));
	TRY(find_inside(&here, &there, p, &c.index));
	return keep_route(&c);
}
