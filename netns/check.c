/* The question of every start, in two conversations: does the kernel have what the definition says? */
#include "netns/bridge.h"
#include "netns/kernel.h"

int net_kernel_check(const struct net_home *h, const struct net_def *d, int *bridge_index)
{
	auto_nlq struct nlq route = { 0 }, nft = { 0 };
	struct net_link l;
	int lacks = 0, r;

	TRY(nlq_open(&route, NETLINK_ROUTE));
	r = net_link_find(&route, d->bridge, &l);
	if (r < 0 && r != -ENODEV)
		return r;
	if (r == -ENODEV || !net_bridge_is_ours(h, d->name, &l) || !l.up ||
	    (d->mode != NET_ISOLATED && d->v4.family && !l.forwards))
		lacks = NET_LACKS_BRIDGE;
	*bridge_index = l.index;
	TRY(nlq_open(&nft, NETLINK_NETFILTER));
	r = net_fw_check(&nft, h->table, d);
	return r < 0 ? r : lacks | r;
}
