/*
 * Access ports: a bridge that filters VLANs (the administrator's) takes what comes from ours as of one
 * VLAN.
 */
#pragma once
#include "netns/link.h"

/*
 * In VLAN `vid` alone, untagged. fresh: the port has just joined, is still down, and in the bridge's default one at
 * most. ERR_UNSUPPORTED: the bridge does not filter, or this kernel cannot.
 */
int net_vlan_access(struct nlq *q, const char *port, const char *bridge, unsigned vid, bool fresh);
/* Whether a bridge could have such ports; ERR_UNSUPPORTED, with the reason. */
int net_vlan_can(const struct net_link *bridge);
/* Whether it may have ports of no VLAN that is said; ERR_CONFIG. */
int net_vlan_needed(const struct net_link *bridge);
/* In how many VLANs each port of the host's bridges is, and in which of them untagged; read once. */
struct net_vlan_port { int port; unsigned n, access; };
struct net_vlans { struct net_vlan_port *v; size_t n; bool read, oom; };
int net_vlans_read(struct nlq *q, struct net_vlans *out);
void net_vlans_free(struct net_vlans *l);
/* Whether the port is in that VLAN and in no other. */
bool net_vlan_is(const struct net_vlans *l, int port, unsigned vid);
