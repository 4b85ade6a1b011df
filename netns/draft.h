/*
 * A definition before it is stored: what it leaves open is chosen, what clashes is refused. Under the lock of
 * HOME/networks and that of the host, so that two homes do not choose the same.
 */
#pragma once
#include "netns/def.h"
#include "netns/link.h"
#include "netns/name.h"
#include "netns/others.h"

struct net_draft {
	const struct net_home *h;
	struct nlq *q;
	int dir;			/* HOME/networks */
	struct net_file *f;
	const struct net_route *routes;	/* the host's */
	size_t n;
	struct net_others *others;	/* read when they are needed */
};

/*
 * A new definition: subnet, subnet6 NULL are chosen, "" are none; bridge NULL is chosen. Whatever was
 * given is checked against the host's routes and the other networks: ERR_ADDRESS. Mode bridge: the bridge
 * must be there.
 */
int net_draft_choose(const struct net_draft *c);
/* Another name for the bridge: of no link of the host and of no other network of this home. */
int net_draft_bridge(const struct net_draft *c);
/* own: the index of our bridge, whose routes are no clash; 0: none. ERR_ADDRESS. */
int net_draft_clash(const struct net_draft *c, int own);
