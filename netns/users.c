#include "netns/users.h"
#include "base/scope.h"
#include "netns/addr.h"

struct users {
	const struct net_home *h;
	int dir;
	const char *network;
	int (*each)(void *ctx, const struct net_user *u);
	void *ctx;
};

/* Each interface has one MAC address, and no other has it. */
static int see(void *ctx, const char *address)
{
	const struct users *s = ctx;
	auto_net_held struct net_held held = { 0 };
	struct net_holder who;
	struct net_user u;
	unsigned char mac[6];
	int r;

	if (net_mac_parse(address, mac) < 0)
		return 0;
	r = net_index_holder(s->dir, s->network, address, &who);
	if (r > 0)
		r = net_record_load(s->dir, who.owner, &held);
	if (r < 0 && r != -ENOENT)
		return r;
	u = (struct net_user){ .owner = who.owner, .network = s->network,
			       .nic = held.tree ? net_record_nic(&held.r, who.index) : NULL };
	if (!u.nic || !str_eq(u.nic->network, s->network))
		return 0;
	net_host_if(s->h, who.owner, who.index, u.host_if);
	return s->each(s->ctx, &u);
}

int net_users_each(const struct net_home *h, int dirfd, const char *network,
		   int (*each)(void *ctx, const struct net_user *u), void *ctx)
{
	struct users s = { h, dirfd, network, each, ctx };

	return net_index_each(dirfd, network, see, &s);
}
