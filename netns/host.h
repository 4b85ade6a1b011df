/*
 * The host's links, addresses and routes in three dumps, to look up in: what a check of many networks
 * compares with.
 */
#pragma once
#include "netns/addr.h"
#include "netns/link.h"

struct net_host_addr {
	int index;
	struct net_subnet a;		/* the whole address, not cut at its prefix */
	bool ours;			/* it has the mark of a network's own (net_mark_address()) */
	bool theirs;			/* it has a metric, which no network's own has */
};
struct net_host {
	struct net_link *links;		/* by name */
	size_t nlinks;
	struct net_host_addr *addrs;	/* by link */
	size_t naddrs;
	struct net_route *routes;	/* by link */
	size_t nroutes;
};
int net_host_read(struct nlq *q, struct net_host *h);
/* From an answer to RTM_GETADDR; false: it is none of IPv4 or IPv6. */
bool net_host_addr_read(const struct nlmsghdr *m, struct net_host_addr *out);
void net_host_free(struct net_host *h);
#define auto_net_host SCOPED(net_host_free)

/* NULL: there is none. */
const struct net_link *net_host_link(const struct net_host *h, const char *name);
/* Those of a link. */
const struct net_host_addr *net_host_addrs(const struct net_host *h, int index, size_t *n);
bool net_host_has_addr(const struct net_host *h, int index, int family, const unsigned char *addr,
		       unsigned prefix);
bool net_host_has_route(const struct net_host *h, int index, const struct net_subnet *to);
