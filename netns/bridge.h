/* A network's bridge. Ours is known by its MAC address, which is a function of home and network. */
#pragma once
#include "netns/def.h"
#include "netns/host.h"
#include "netns/link.h"
#include "netns/name.h"

bool net_bridge_is_ours(const struct net_home *h, const char *network, const struct net_link *l);
/* It is, by its alias, and somebody gave it another MAC address; and what gives it its own again. */
bool net_bridge_lost_mac(const struct net_home *h, const char *network, const struct net_link *l);
int net_bridge_restore_mac(struct nlq *q, const struct net_home *h, const char *network, const struct net_link *l);
/* 1: it stands, and this is its name, whatever the definition says; it may have lost its MAC address. */
int net_bridge_look(struct nlq *q, const struct net_home *h, const char *network, char link[IFNAMSIZ]);
/* What is bridged passes the hooks of IP: br_netfilter is loaded, and its switch for the family (six: IPv6) is on. */
bool net_bridged_meets_ip_rules(bool six);
/* An address of the bridge's that was set for this network and is its no more: the file said another subnet once. */
bool net_bridge_outgrew(const struct net_def *d, const struct net_host_addr *a);
/*
 * One that may be such, if no address of the bridge is marked as a network's own (before Linux 5.18 none is, nor was by
 * an earlier vzrun): a gateway's of another subnet.
 */
bool net_bridge_may_have_outgrown(const struct net_def *d, const struct net_host_addr *a);
/*
 * Takes those off that it outgrew. Before it has its new ones: of one address with two prefixes the kernel keeps the
 * first. 1: there are some that it may have outgrown.
 */
int net_bridge_prune(const struct net_def *d, int index);
/*
 * 1: bridges of other homes that count stand on this host; heir: one of these homes.
 * One that cannot be found counts, and is none: no path.
 */
int net_bridge_of_others(struct nlq *q, const struct net_home *h, bool (*counts)(const struct net_home *),
			 struct net_home *heir);
int net_bridge_create(struct nlq *q, const struct net_home *h, const struct net_def *d);
/*
 * Addresses, switches, up; again is harmless. *out: as it is then. mark: the addresses as ours; not beside such that it
 * may have outgrown, which nobody would take for that any more.
 */
int net_bridge_configure(struct nlq *q, const struct net_def *d, bool mark, struct net_link *out);
/*
 * fe80::/64: a bridge has the gateway's place there, too. Without it the kernel asks for no neighbour of a
 * forwarded packet.
 */
extern const struct net_subnet net_link_local;
