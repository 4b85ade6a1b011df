/* The tunnel of a segment that goes on at other hosts: one VXLAN link a network, a port of its bridge. */
#pragma once
#include "netns/def.h"
#include "netns/link.h"
#include "netns/name.h"

/* vt and 8 digits of home and network. */
void net_tunnel_name(const struct net_home *h, const char *network, char out[IFNAMSIZ]);
/*
 * What the ways to all peers take, less the tunnel's headers. ERR_CONFIG: a peer is this host, or without
 * a way.
 */
int net_tunnel_mtu(struct nlq *q, const struct net_def *d, uint32_t *mtu);
/* As the definition says, in the bridge and up; one that differs is changed, or made anew. */
int net_tunnel_make(struct nlq *q, const struct net_home *h, const struct net_def *d, int bridge);
/* Gone already is success. */
int net_tunnel_drop(struct nlq *q, const struct net_home *h, const char *network);

/* How it is: what `network check` compares. */
enum {
	TUNNEL_GONE = 1,
	TUNNEL_OTHER = 2,
	TUNNEL_MASTER = 4,
	TUNNEL_DOWN = 8,
	TUNNEL_MTU = 16,
	TUNNEL_PEERS = 32,
	TUNNEL_OPEN = 128,
	TUNNEL_ASTRAY = 64	/* an address is fixed at some host, or is at one that is no peer */
};
int net_tunnel_check(struct nlq *q, const struct net_home *h, const struct net_def *d, int bridge,
		     int *differs);
