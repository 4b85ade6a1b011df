#include "netns/users.h"
#include "base/scope.h"
#include "netns/addr.h"

#include <stdlib.h>
#include <string.h>

struct found { int dir; const char *network; struct net_holder *v; size_t n, room; };

static void found_free(struct found *f) { free(f->v); }

/* Each interface has one MAC address, and no other has it. */
static int see(void *ctx, const char *address)
{
	struct found *f = ctx;
	unsigned char mac[6];

	if (net_mac_parse(address, mac) < 0)
		return 0;
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 16;
		struct net_holder *v = reallocarray(f->v, room, sizeof *v);

		if (!v)
			return fail(ENOMEM, "network %s: out of memory", f->network);
		f->v = v;
		f->room = room;
	}
	int r = net_index_holder(f->dir, f->network, address, &f->v[f->n]);
	f->n += r > 0;
	return r < 0 ? r : 0;
}

static int by_owner(const void *a, const void *b)
{
	const struct net_holder *x = a, *y = b;
	int r = strcmp(x->owner, y->owner);

	return r ? r : x->index < y->index ? -1 : x->index > y->index;
}

int net_users_each(const struct net_home *h, int dirfd, const char *network,
		   int (*each)(void *ctx, const struct net_user *u), void *ctx)
{
	SCOPED(found_free) struct found f = { .dir = dirfd, .network = network };

	TRY(net_index_each(dirfd, network, see, &f));
	if (f.n)
		qsort(f.v, f.n, sizeof *f.v, by_owner);
	for (size_t i = 0; i < f.n; i++) {
		auto_net_held struct net_held held = { 0 };
		struct net_user u = { .owner = f.v[i].owner, .network = network };
		int r = net_record_load(dirfd, f.v[i].owner, &held);

		if (r < 0 && r != -ENOENT)
			return r;
		u.record = &held.r;
		u.nic = held.tree ? net_record_nic(&held.r, f.v[i].index) : NULL;
		if (!u.nic || !str_eq(u.nic->network, network))
			continue;
		net_host_if(h, f.v[i].owner, f.v[i].index, u.host_if);
		TRY(each(ctx, &u));
	}
	return 0;
}
