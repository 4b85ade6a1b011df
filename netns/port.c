/* The host's side of a guest's ports: veth pairs whose peer is born in the guest's namespace. */
#include "base/fault.h"
#include "base/undo.h"
#include "netns/alone.h"
#include "netns/def.h"
#include "netns/home.h"
#include "netns/link.h"
#include "netns/net.h"
#include "netns/rate.h"
#include "netns/shortcut.h"
#include "netns/vlan.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/veth.h>
#include <string.h>
#include <sys/socket.h>

static void release_link(struct rtnl_link **l)
{
	if (*l)
		rtnl_link_veth_release(*l);
}

/*
 * Not one a processor, each with its directories in sysfs, which is half of what making a pair takes. Nothing waits in
 * them: a veth has no lock to share, and hands a packet to the other end on the processor that sends it.
 */
static void one_queue(struct rtnl_link *l)
{
	rtnl_link_set_num_tx_queues(l, 1);
	rtnl_link_set_num_rx_queues(l, 1);
}

static int build_pair(const struct net_port *p, int netns_fd, int index, struct nl_msg **out)
{
	SCOPED(release_link) struct rtnl_link *l = rtnl_link_veth_alloc();
	struct rtnl_link *peer = l ? rtnl_link_veth_get_peer(l) : NULL;
	struct nl_addr *mac = nl_addr_build(AF_LLC, p->mac, sizeof p->mac);
	int r;

	if (!peer || !mac) {
		nl_addr_put(mac);
		rtnl_link_put(peer);
		return fail(ENOMEM, "port %s: out of memory", p->host_if);
	}
	one_queue(l);
	one_queue(peer);
	rtnl_link_set_name(l, p->host_if);
	if (index)
		rtnl_link_set_ifindex(l, index);
	/* Frames that it takes in itself, because bridges keep them to themselves, are nothing to the host. */
	rtnl_link_set_group(l, net_port_group(p->bridge_index));
	rtnl_link_set_flags(l, IFF_NOARP);
	rtnl_link_set_mtu(l, p->mtu);
	rtnl_link_set_name(peer, p->name);
	rtnl_link_set_mtu(peer, p->mtu);
	rtnl_link_set_addr(peer, mac);
	rtnl_link_set_ns_fd(peer, netns_fd);
	r = rtnl_link_build_add_request(l, NLM_F_CREATE | NLM_F_EXCL, out);
	nl_addr_put(mac);
	rtnl_link_put(peer);
	return r < 0 ? fail(EINVAL, "port %s: build the request: %s", p->host_if, nl_geterror(r)) : 0;
}

/*
 * Into the bridge and up, in the same send. No IPv6 of the host's own on it: the bridge takes what
 * arrives, and the host would announce itself to the guest for nothing.
 */
static void join_bridge(struct nlq *q, const struct net_port *p)
{
	struct ifinfomsg m = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP }, down = { 0 };
	bool first = p->isolated || p->vlan;

	nlq_add(q, RTM_NEWLINK, 0, first ? &down : &m, sizeof m);
	nlq_put_str(q, IFLA_IFNAME, p->host_if);
	nlq_put_u32(q, IFLA_MASTER, (uint32_t)p->bridge_index);
	if (!IN6_IS_ADDR_UNSPECIFIED(&p->ip6))
		net_no_own_ipv6(q);
	if (p->isolated)
		net_isolate_port(q, p->host_if, true);
	if (p->isolated && !p->vlan)
		net_link_up(q, p->host_if);
}

/* Nothing passes before it is in its VLAN alone. */
static int join_vlan(struct nlq *q, const struct net_port *p)
{
	int r;

	TRY(net_vlan_access(q, p->host_if, p->bridge, p->vlan, true));
	net_link_up(q, p->host_if);
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "port %s: up", p->host_if) : 0;
}

static void ask_index(struct nlq *q, const char *name)
{
	struct ifinfomsg m = { 0 };

	nlq_add(q, RTM_GETLINK, 0, &m, sizeof m);
	nlq_put_str(q, IFLA_IFNAME, name);
	nlq_put_u32(q, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

static void see_index(void *ctx, size_t i, const struct nlmsghdr *h)
{
	(void)i;
	if (h->nlmsg_type == RTM_NEWLINK)
		*(int *)ctx = ((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_index;
}

/* *index: which number it shall have, 0: any; and which it has, where that is asked. */
static int try_add(struct nlq *q, const struct net_port *p, int netns_fd, int *index)
{
	struct nl_msg *m = NULL;

	TRY(build_pair(p, netns_fd, *index, &m));
	nlq_take(q, m);
	join_bridge(q, p);
	if (p->shortcut)
		ask_index(q, p->host_if);
	return nlq_talk(q, see_index, index);
}

static int without(struct nlq *q, const struct net_port *p, int r)
{
	struct err_saved why;

	err_save(&why);
	(void)net_link_delete(q, p->host_if);
	err_restore(&why);
	return r;
}

static int add(struct nlq *q, const struct net_port *p, int netns_fd, int *index)
{
	int r = try_add(q, p, netns_fd, index);

	/* Of this guest's last run: the kernel takes dead namespaces apart a moment later. */
	if (r == -EEXIST && q->bad == 0) {
		TRY(net_link_delete(q, p->host_if));
		r = try_add(q, p, netns_fd, index);
	}
	/* Another link has its number. */
	if (r == -EEXIST && q->bad == 0 && *index) {
		*index = 0;
		r = try_add(q, p, netns_fd, index);
	}
	if (r == 0 && p->vlan) {
		r = join_vlan(q, p);
		return r < 0 ? without(q, p, r) : 0;
	}
	if (r == 0)
		return 0;
	if (q->bad == 0) {
		if (r == -EEXIST)
			return fail_as(ERR_EXISTS, "port %s: the guest already has a link %s", p->host_if,
				       p->name);
		return net_fail_talk(q, r, "port %s: create the pair with %s in the guest", p->host_if,
				     p->name);
	}
	(void)net_fail_talk(q, r, "port %s: join bridge %s", p->host_if, p->bridge);
	return without(q, p, r);
}

static int remove_link(void *arg)
{
	auto_nlq struct nlq q = { 0 };

	TRY(nlq_open(&q, NETLINK_ROUTE));
	return net_link_delete(&q, arg);
}

/* The bridge may have been made anew since the claim. */
static int bridge_index(struct nlq *q, const struct net_port *p, int *index)
{
	struct net_link l;
	int r = net_link_find(q, p->bridge, &l);

	if (r == -ENODEV)
		return fail_as(ERR_NOT_FOUND, "port %s: bridge %s of network %s is gone", p->host_if,
			       p->bridge, p->network);
	*index = l.index;
	return r;
}

static int setup_pair(struct nlq *q, struct undo *u, struct net_port *p, int netns_fd)
{
	struct net_home h;
	int known, index;

	if (!p->bridge_index)
		TRY(bridge_index(q, p, &p->bridge_index));
	net_home_current(&h);
	known = index = net_shortcut_index(&h, p);
	TRY(fault_point("veth"));
	TRY(add(q, p, netns_fd, &index));
	TRY(undo_push(u, "veth", remove_link, p->host_if, sizeof p->host_if));
	if (p->rate.in)
		TRY(net_rate_set_in(q, p->host_if, &p->rate));
	net_shortcut_join(&h, p, known, index);
	return 0;
}

int net_setup(const struct net_port *ports, size_t n, int netns_fd)
{
	auto_undo struct undo u = { 0 };
	auto_nlq struct nlq q = { 0 };

	if (n == 0)
		return 0;
	TRY(nlq_open(&q, NETLINK_ROUTE));
	for (size_t i = 0; i < n; i++) {
		struct net_port p = ports[i];

		if (p.kind > NET_KIND_NETWORK)
			TRY(net_alone_setup(&u, &p, netns_fd));
		else
			TRY(setup_pair(&q, &u, &p, netns_fd));
	}
	undo_commit(&u);
	return 0;
}

int net_teardown(const char *guest)
{
	auto_nlq struct nlq q = { 0 };
	int err[NET_PORTS_MAX];
	char name[IFNAMSIZ];
	struct net_home h;

	net_home_current(&h);
	TRY(nlq_open(&q, NETLINK_ROUTE));
	for (unsigned i = 0; i < NET_PORTS_MAX; i++) {
		struct ifinfomsg info = { 0 };

		net_host_if(&h, guest, i, name);
		nlq_add(&q, RTM_DELLINK, 0, &info, sizeof info);
		nlq_put_str(&q, IFLA_IFNAME, name);
	}
	int r = nlq_ask(&q, NULL, NULL, err);
	if (r < 0)
		return net_fail_talk(&q, r, "remove the ports of %s", guest);
	for (unsigned i = 0; i < NET_PORTS_MAX; i++)
		if (err[i] < 0 && err[i] != -ENODEV)
			return net_fail_talk(&q, err[i], "remove port %u of %s", i, guest);
	return 0;
}
