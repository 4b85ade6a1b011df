/* The host's routes, for clashes and for the ways out: a dump, where something is made or looked at. */
#include "netns/kernel.h"
#include "base/err.h"
#include "netns/link.h"

#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct collect { struct net_route *v; size_t n, size; bool oom; };

static void add(struct collect *c, const struct net_subnet *to, int oif)
{
	struct net_route *v = c->v;

	if (c->n == c->size) {
		c->size = c->size ? 2 * c->size : 32;
		v = reallocarray(c->v, c->size, sizeof *v);
	}
	if (!v) {
		c->oom = true;
		c->size = c->n;
		return;
	}
	c->v = v;
	v[c->n++] = (struct net_route){ *to, oif };
}

static void add_nexthops(struct collect *c, const struct net_subnet *to, struct nlattr *multipath)
{
	struct rtnexthop *nh = nla_data(multipath);
	int left = nla_len(multipath);

	for (; RTNH_OK(nh, left); left -= (int)NLMSG_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh))
		add(c, to, nh->rtnh_ifindex);
}

static void see(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(uintptr_t)h;
	const struct rtmsg *r = NLMSG_DATA(h);
	struct net_subnet to = { .family = r->rtm_family, .prefix = r->rtm_dst_len };
	struct nlattr *a, *dst = NULL, *oif = NULL, *multipath = NULL;
	int left;

	(void)i;
	if (h->nlmsg_type != RTM_NEWROUTE)
		return;
	/* Cached ones are copies. */
	if (r->rtm_table == RT_TABLE_LOCAL || r->rtm_type != RTN_UNICAST || (r->rtm_flags & RTM_F_CLONED))
		return;
	if (to.family != AF_INET && to.family != AF_INET6)
		return;
	nlmsg_for_each_attr(a, m, sizeof *r, left) {
		dst = nla_type(a) == RTA_DST ? a : dst;
		oif = nla_type(a) == RTA_OIF ? a : oif;
		multipath = nla_type(a) == RTA_MULTIPATH ? a : multipath;
	}
	if (dst && (size_t)nla_len(dst) == net_addr_size(to.family))
		memcpy(to.addr, nla_data(dst), net_addr_size(to.family));
	if (multipath)
		add_nexthops(ctx, &to, multipath);
	else if (oif)
		add(ctx, &to, (int)nla_get_u32(oif));
}

static int dump(struct nlq *q, struct collect *c, int family)
{
	struct rtmsg m = { .rtm_family = (unsigned char)family, .rtm_type = RTN_UNICAST };
	int r;

	nlq_add(q, RTM_GETROUTE, NLM_F_DUMP, &m, sizeof m);
	/* One that is told twice does no harm. */
	r = nlq_stream(q, see, c);
	return r < 0 ? net_fail_talk(q, r, "list the host's routes") : 0;
}

int net_routes(struct net_route **out, size_t *n)
{
	struct collect c = { 0 };
	auto_nlq struct nlq q = { 0 };
	int r, one = 1;

	TRY(nlq_open(&q, NETLINK_ROUTE));
	/* Most are local, of broadcast or multicast: the kernel leaves them out when it heeds what a dump asks for. */
	(void)setsockopt(nl_socket_get_fd(q.sk), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
	r = dump(&q, &c, AF_INET);
	if (r >= 0 && net_host_has_ipv6())
		r = dump(&q, &c, AF_INET6);
	if (r >= 0 && c.oom)
		r = fail(ENOMEM, "list the host's routes: out of memory");
	if (r < 0) {
		free(c.v);
		return r;
	}
	*out = c.v;
	*n = c.n;
	return 0;
}
