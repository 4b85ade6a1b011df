/* Where an owner's published ports lead to, and what the host needs for it besides elements. */
#pragma once
#include "netns/lease.h"

/* By family, the first of its interfaces that the host leads to. */
struct net_way { bool is; unsigned index; char bridge[IFNAMSIZ]; struct in6_addr addr; };
struct net_target { struct net_way way[2]; };	/* IPv4, IPv6 */
int net_target_of(int dir, const struct net_record *r, struct net_target *t);
bool net_publish_of(const struct net_publish *p, int six);

/* Before ports of r are open: 127.0.0.1 gets out, lan is known, what comes from the segment may go back into it. */
int net_way_make(const struct net_home *h, int dir, const struct net_record *r, const struct net_target *t);
/*
 * Whether its port at the bridge gives back what came by it, for its published ports' sake. Not now: it does from the
 * next change of theirs on, if bridged packets pass the IP hooks then.
 */
enum net_reflection { NET_REFLECT_NEVER, NET_REFLECT_NOT_NOW, NET_REFLECT_NOW };
enum net_reflection net_way_reflects(int dir, const struct net_record *r, unsigned index);
/*
 * From was to is (NULL: it is gone), switches that nobody needs any more go back: the port's before the record of the
 * one gives way to that of the other, the bridge's after.
 */
int net_way_unreflect(const struct net_home *h, const struct net_record *was, const struct net_target *was_t,
		      const struct net_record *is, const struct net_target *is_t);
int net_way_leave(int dir, const struct net_record *was, const struct net_target *was_t, const struct net_record *is,
		  const struct net_target *is_t);
