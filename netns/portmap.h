/* A record's published ports as elements of the nat maps, and the switches that they need. */
#pragma once
#include "netns/lease.h"
#include "netns/nft.h"
#include "netns/ports.h"
#include "netns/target.h"

/* ERR_STATE: no NIC of the owner's is one that the host leads to (a nat or routed network, an address). */
int net_portmap_check(int dir, const struct net_record *r, const struct list *ports);
/* Whether the owner's link stands, so that there is somebody to lead to. */
bool net_portmap_up(const struct net_home *h, const struct net_record *r);
/* Opened as far as `open` says, one for each of r->ports; what it says no to is closed. */
int net_portmap_open(const struct net_home *h, int dir, const struct net_record *r, const enum net_port_state *open);
int net_portmap_close(const struct net_home *h, int dir, const struct net_record *r);
/*
 * Of a running owner: what stands for its ports as far as they are open, so that nothing of it is missing or too
 * much.
 */
int net_portmap_elements(const struct net_home *h, int dir, const struct net_record *r, struct nft_list *out);
int net_portmap_look(const struct net_home *h, const struct list *ports, enum net_port_state *out);
/* All of a home's, after the tables were made anew or when the host may say something else now. portcheck.c */
int net_ports_reopen(const struct net_home *h, int dir);
/*
 * The same looked at only: calls each(ctx, text, mendable) for every port that is not as open as the host lets it be.
 * What each returns below 0 ends it.
 */
int net_ports_review(const struct net_home *h, int dir, int (*each)(void *ctx, const char *text, bool mendable),
		     void *ctx);
/*
 * Steps of net_hold(), from one record's ports to the next's: what is no more closes before the record says so, what is
 * new opens after, while the link stands. What stood stays as far open as it stood.
 */
struct net_portmap_change {
	const struct net_record *was, *is;	/* NULL: no ports */
	struct nft_list old, new;
	struct net_target old_t, t;
	bool up;
};
void net_portmap_change_free(struct net_portmap_change *c);
int net_portmap_plan(const struct net_home *h, int dir, const struct net_record *was, const struct net_record *is,
		     struct net_portmap_change *c);
int net_portmap_retire(const struct net_home *h, const struct net_portmap_change *c);
int net_portmap_enter(const struct net_home *h, int dir, const struct net_portmap_change *c);
