/* The host's own links to the outside, and the subnets on them: who is "lan", and by where the world comes. */
#pragma once
#include "netns/addr.h"
#include <net/if.h>

struct net_host_links {
	struct net_out_link { int index; char name[IFNAMSIZ]; } *link;
	size_t n;
	struct net_on_link { size_t link; struct net_subnet s; unsigned char addr[16]; } *on;	/* link: which of them */
	size_t n_on;
};
void net_host_links_free(struct net_host_links *o);

/*
 * Links that are up, are no loopback, no port of a bridge or bond, and no bridge of a network of vzrun's (of any
 * home); their addresses of global scope.
 */
int net_host_links_read(struct net_host_links *out);
