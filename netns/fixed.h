/* Addresses that somebody fixed in a bridge: frames for one go where it says, whoever has it. */
#pragma once
#include "netns/host.h"

/* port: the bridge itself where the host takes them. own: not fixed by anybody, but the bridge's own address. */
struct net_fixed { int bridge, port; unsigned char mac[6]; uint16_t vlan; bool own; };
struct net_fixed_list { struct net_fixed *v; size_t n; };
/* Of all bridges of the host but for what their ports have themselves. h: as net_host_read() gave it. */
int net_fixed_read(struct nlq *q, const struct net_host *h, struct net_fixed_list *out);
void net_fixed_free(struct net_fixed_list *l);
/* The bridge takes in for the host what goes to its address, or somebody fixed that address elsewhere. */
bool net_fixed_has_own(const struct net_fixed_list *l, const struct net_link *bridge);
/* Takes those of one bridge out, and the bridge's own address back; gone already is success. */
int net_fixed_drop(struct nlq *q, const struct net_fixed_list *l, const struct net_link *bridge);
