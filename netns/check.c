/* The question of every start, in two conversations: does the kernel have what the definition says? */
#include "netns/bridge.h"
#include "netns/elements.h"
#include "netns/kernel.h"
#include "netns/vxlan.h"

static bool bridge_stands(const struct net_home *h, const struct net_def *d, const struct net_link *l)
{
	if (d->mode == NET_BRIDGE)
		return l->bridge;
	return net_bridge_is_ours(h, d->name, l) && l->up && !l->believes &&
	       (d->mode == NET_ISOLATED || !d->v4.family || l->forwards);
}

static int tunnel_stands(struct nlq *q, const struct net_home *h, const struct net_def *d, int bridge, int *lacks)
{
	char name[IFNAMSIZ];
	struct net_link l;
	int r;

	net_tunnel_name(h, d->name, name);
	r = net_link_find(q, name, &l);
	if (r == -ENODEV || (r == 0 && (!l.up || !l.guarded || l.master != bridge)))
		*lacks |= NET_LACKS_BRIDGE;
	return r == -ENODEV ? 0 : r;
}

int net_links_check(struct nlq *q, const struct net_home *h, const struct net_def *d, int *bridge_index)
{
	struct net_link l;
	int lacks = 0, r;

	r = net_link_find(q, d->bridge, &l);
	if (r < 0 && r != -ENODEV)
		return r;
	if (r == -ENODEV || !bridge_stands(h, d, &l))
		lacks = NET_LACKS_BRIDGE;
	*bridge_index = l.index;
	if (d->vxlan)
		TRY(tunnel_stands(q, h, d, l.index, &lacks));
	return lacks;
}

int net_kernel_check(const struct net_home *h, const struct net_def *d, int *bridge_index)
{
	auto_nft_list struct nft_list all = { 0 }, stamps = { 0 };
	auto_nlq struct nlq q = { 0 };
	int lacks, r;

	TRY(nlq_open(&q, NETLINK_ROUTE));
	lacks = net_links_check(&q, h, d, bridge_index);
	TRY(lacks);
	net_elements_of_network(h, d, &all);
	net_stamps(&all, &stamps);
	r = net_fw_check(h->table, &stamps);
	return r < 0 ? r : lacks | r;
}
