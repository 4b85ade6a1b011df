/* One lease: what fits, what is free, and the port that it makes. */
#pragma once
#include "netns/def.h"
#include "netns/name.h"
#include "netns/net.h"

/* Whether a lease gives what the configuration asks for. */
bool net_lease_fits(const struct net_lease *l, const struct net_def *d, const struct net_nic_conf *nic);
/* A new one in f. ERR_ADDRESS: asked for and not free; ERR_RESOURCE: none is; ERR_CONFIG: not of the subnet. */
int net_lease_new(const struct net_home *h, struct net_file *f, const char *guest, unsigned index,
		  const struct net_nic_conf *nic, struct net_lease **out);
int net_port_of(const struct net_home *h, const struct net_def *d, const struct net_lease *l,
		const struct net_nic_conf *nic, int bridge_index, struct net_port *out);
/* Of a NIC that is on no network: macvlan, ipvlan, physical. */
void net_port_alone(const struct net_home *h, const char *guest, const struct net_nic_conf *nic, size_t i,
		    struct net_port *out);
