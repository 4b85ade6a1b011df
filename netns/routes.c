/* The host's routes, for clashes and for the ways out. Only where something is made: a dump, by libnl-route.
 */
#include "netns/kernel.h"
#include "base/err.h"

#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/route/route.h>
#include <stdlib.h>
#include <string.h>

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

static void see(struct nl_object *o, void *ctx)
{
	struct rtnl_route *r = (struct rtnl_route *)o;
	struct nl_addr *dst = rtnl_route_get_dst(r);
	struct net_subnet to = { .family = rtnl_route_get_family(r) };
	size_t n = dst ? nl_addr_get_len(dst) : 0;

	if (rtnl_route_get_table(r) == RT_TABLE_LOCAL || rtnl_route_get_type(r) != RTN_UNICAST)
		return;
	if (to.family != AF_INET && to.family != AF_INET6)
		return;
	if (dst && n <= net_addr_size(to.family)) {
		memcpy(to.addr, nl_addr_get_binary_addr(dst), n);
		to.prefix = nl_addr_get_prefixlen(dst);
	}
	for (int i = 0; i < rtnl_route_get_nnexthops(r); i++)
		add(ctx, &to, rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(r, i)));
}

int net_routes(struct net_route **out, size_t *n)
{
	struct collect c = { 0 };
	auto_nlq struct nlq q = { 0 };
	struct nl_cache *cache;
	int r;

	TRY(nlq_open(&q, NETLINK_ROUTE));
	r = rtnl_route_alloc_cache(q.sk, AF_UNSPEC, 0, &cache);
	if (r < 0)
		return fail(EIO, "list the host's routes: %s", nl_geterror(r));
	nl_cache_foreach(cache, see, &c);
	nl_cache_free(cache);
	if (c.oom) {
		free(c.v);
		return fail(ENOMEM, "list the host's routes: out of memory");
	}
	*out = c.v;
	*n = c.n;
	return 0;
}
