/* The question of every start, in two conversations: does the kernel have what the definition says? */
#include "netns/bridge.h"
#include "netns/kernel.h"
#include "netns/vxlan.h"

static bool bridge_stands(const struct net_home *h, const struct net_def *d, const struct net_link *l)
{
	if (d->mode == NET_BRIDGE)
		return l->bridge;
	return net_bridge_is_ours(h, d->name, l) && l->up &&
	       (d->mode == NET_ISOLATED || !d->v4.family || l->forwards);
}

static int tunnel_stands(struct nlq *q, const struct net_home *h, const struct net_def *d, int bridge, int *lacks)
{
	char name[IFNAMSIZ];
	struct net_link l;
	int r;

	net_tunnel_name(h, d->name, name);
	r = net_link_find(q, name, &l);
	if (r == -ENODEV || (r == 0 && (!l.up || l.master != bridge)))
		*lacks |= NET_LACKS_BRIDGE;
	return r == -ENODEV ? 0 : r;
}

int net_kernel_check(const struct net_home *h, const struct net_def *d, int *bridge_index)
{
	auto_nlq struct nlq route = { 0 }, nft = { 0 };
	struct net_link l;
	int lacks = 0, r;

	TRY(nlq_open(&route, NETLINK_ROUTE));
	r = net_link_find(&route, d->bridge, &l);
	if (r < 0 && r != -ENODEV)
		return r;
	if (r == -ENODEV || !bridge_stands(h, d, &l))
		lacks = NET_LACKS_BRIDGE;
	*bridge_index = l.index;
	if (d->vxlan)
		TRY(tunnel_stands(&route, h, d, l.index, &lacks));
	TRY(nlq_open(&nft, NETLINK_NETFILTER));
	r = net_fw_check(&nft, h->table, d);
	return r < 0 ? r : lacks | r;
}
