#include "netns/outside.h"
#include "base/scope.h"
#include "netns/kernel.h"
#include "netns/link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#define INSIDE "outside"

/* Of the ranges for measuring devices (RFC 2544, RFC 5180): nobody's. */
static const struct { int family; unsigned prefix; const char *host, *there; } ends[] = {
	{ AF_INET, 30, "198.18.255.253", "198.18.255.254" },
	{ AF_INET6, 126, "2001:2:0:fffd::1", "2001:2:0:fffd::2" },
};

static int make_namespace(void)
{
	auto_close int own = net_ns_own(), made = -1;

	TRY(own);
	if (unshare(CLONE_NEWNET) < 0)
		return fail_errno("make a network namespace");
	made = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	net_ns_return(own);
	return made < 0 ? fail_errno("open /proc/self/ns/net") : take_fd(&made);
}

static void pair(struct nlq *q, const char *link, int netns_fd)
{
	struct ifinfomsg m = { 0 };
	struct nlattr *info, *data, *peer;
	struct nl_msg *msg = nlq_add(q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);

	nlq_put_str(q, IFLA_IFNAME, link);
	info = nlq_nest(q, IFLA_LINKINFO);
	nlq_put_str(q, IFLA_INFO_KIND, "veth");
	data = nlq_nest(q, IFLA_INFO_DATA);
	peer = nlq_nest(q, VETH_INFO_PEER);
	if (msg && nlmsg_append(msg, &m, sizeof m, NLMSG_ALIGNTO) < 0)
		q->oom = true;
	nlq_put_str(q, IFLA_IFNAME, INSIDE);
	nlq_put_u32(q, IFLA_NET_NS_FD, (uint32_t)netns_fd);
	nlq_end(q, peer);
	nlq_end(q, data);
	nlq_end(q, info);
}

/* Up, with its addresses; there the host is the way to everywhere. */
static int end(int netns_fd, const char *link, bool there)
{
	struct ifinfomsg m = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	auto_nlq struct nlq q = { 0 };
	unsigned char a[16], gateway[16];
	struct net_link l;
	int r;

	TRY(nlq_open_in(&q, NETLINK_ROUTE, netns_fd));
	TRY(net_link_find(&q, link, &l));
	m.ifi_index = l.index;
	nlq_add(&q, RTM_NEWLINK, 0, &m, sizeof m);
	for (size_t i = 0; i < COUNT(ends); i++) {
		if (!net_host_has(ends[i].family))
			continue;
		(void)inet_pton(ends[i].family, there ? ends[i].there : ends[i].host, a);
		(void)inet_pton(ends[i].family, ends[i].host, gateway);
		net_add_address(&q, l.index, ends[i].family, a, ends[i].prefix);
		if (there)
			net_add_default_route(&q, l.index, ends[i].family, gateway, NLM_F_REPLACE);
	}
	r = nlq_talk(&q, NULL, NULL);
	return r < 0 ? net_fail_talk(&q, r, "set up link %s", link) : 0;
}

int net_outside_open(struct net_outside *o)
{
	auto_nlq struct nlq q = { 0 };
	int r;

	*o = (struct net_outside)NET_OUTSIDE_NONE;
	snprintf(o->link, sizeof o->link, "vzwhy%d", (int)getpid());
	TRY(o->netns_fd = make_namespace());
	TRY(nlq_open(&q, NETLINK_ROUTE));
	pair(&q, o->link, o->netns_fd);
	r = nlq_talk(&q, NULL, NULL);
	if (r < 0)
		return net_fail_talk(&q, r, "make link %s", o->link);
	net_forwarding_let(o->link);
	TRY(end(-1, o->link, false));
	return end(o->netns_fd, INSIDE, true);
}

void net_outside_close(struct net_outside *o)
{
	auto_nlq struct nlq q = { 0 };
	struct err_saved why;

	if (o->netns_fd < 0)
		return;
	err_save(&why);
	/* The namespace would take it along, a little later. */
	if (nlq_open(&q, NETLINK_ROUTE) == 0)
		(void)net_link_delete(&q, o->link);
	scope_close(&o->netns_fd);
	o->netns_fd = -1;
	err_restore(&why);
}
