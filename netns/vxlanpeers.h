/* The hosts of a tunnel, in the list that its link keeps. */
#pragma once
#include "netns/def.h"
#include "netns/nl.h"

/* Those of the definition are in it, and what leads elsewhere is not; what was learned from them stays. */
int net_peers_set(struct nlq *q, const struct net_def *d, int index);
/* *differs gets TUNNEL_PEERS and TUNNEL_ASTRAY (netns/vxlan.h). */
int net_peers_check(struct nlq *q, const struct net_def *d, int index, int *differs);
