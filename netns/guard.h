/* The firewall of a guest: a chain a direction, made by vzrun-net, and the elements that lead there. */
#pragma once
#include "netns/elements.h"
#include "netns/firewall_guard.h"

/* One more struct fw_guard of *out, which the caller frees; what it points to lives in the arena. */
int net_guard_request(struct arena *a, const struct net_home *h, const struct net_record *r, struct list *out);
void net_guard_elements(const struct net_home *h, const struct net_record *r, struct net_defs *defs,
			struct nft_list *out);
/*
 * Two steps of net_hold(): the chains of what is to be, before the elements that lead there; those that nothing leads
 * to any more, after. Without rules before and after, nothing is done.
 */
int net_guard_make(const struct net_home *h, const struct net_record *was, const struct net_record *is);
int net_guard_drop(const struct net_home *h, const struct net_record *was, const struct net_record *is);
