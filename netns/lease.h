/* One lease: what fits, what is free, and the port that it makes. */
#pragma once
#include "netns/def.h"
#include "netns/name.h"
#include "netns/net.h"
#include "netns/record.h"

/* Whether what is held gives what the configuration asks for. */
bool net_nic_fits(const struct net_nic *l, const struct net_def *d, const struct net_nic_conf *nic);

/* Puts into nic what is held already where anything will do: a change of one thing changes no other. */
void net_nic_keep(const struct net_nic *l, const struct net_def *d, struct net_nic_conf *nic);

/*
 * Chooses addresses for one more interface of r, which is not stored yet; what r has already counts as used.
 * Under the lock. Text lives in the arena. ERR_ADDRESS: asked for and not free; ERR_RESOURCE: none is;
 * ERR_CONFIG: not of the subnet.
 */
struct net_choice { const struct net_home *h; int dir; struct arena *a; const struct net_record *r; };
int net_nic_choose(const struct net_choice *c, const struct net_def *d, unsigned index,
		   const struct net_nic_conf *nic, struct net_nic *out);
/* l: of r. */
int net_port_of(const struct net_home *h, const struct net_def *d, const struct net_record *r, const struct net_nic *l,
		int bridge_index, struct net_port *out);

/* Of a NIC that is on no network: macvlan, ipvlan, physical. Nothing of it is on record. */
void net_port_alone(const struct net_home *h, const char *owner, const struct net_nic_conf *nic, size_t i,
		    struct net_port *out);

/*
 * From what an owner held to what it holds now, in the index and on record; NULL: nothing. A failure takes
 * everything back. Killed at any point, the same call (or the next claim or release) finishes.
 */
int net_hold(const struct net_home *h, int dir, const struct net_record *was, const struct net_record *is);
/* ERR_STATE: a firewall where it would not hold. A record may have both from before that was refused. */
int net_refuse_unseen(int dir, const struct net_record *is);
