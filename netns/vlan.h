/*
 * Access ports: a bridge that filters VLANs (the administrator's) takes what comes from ours as of one
 * VLAN.
 */
#pragma once
#include "netns/link.h"

/*
 * In VLAN `vid` alone, untagged, and no longer in the bridge's default one. The port has joined and is
 * still down. ERR_UNSUPPORTED: the bridge does not filter, or this kernel cannot.
 */
int net_vlan_access(struct nlq *q, const char *port, const char *bridge, unsigned vid);
/* Whether a bridge could have such ports; ERR_UNSUPPORTED, with the reason. */
int net_vlan_can(const struct net_link *bridge);
/* Whether it may have ports of no VLAN that is said; ERR_CONFIG. */
int net_vlan_needed(const struct net_link *bridge);
/* Whether the port is in that VLAN and in no other; 1, 0 or an error. */
int net_vlan_is(struct nlq *q, int port, unsigned vid);
