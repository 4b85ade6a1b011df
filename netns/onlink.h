/* Who is "lan": the sets lan_net4 and lan_net6, which follow the host's own addresses. */
#pragma once
#include "netns/name.h"

/* Under no lock: what stood is in networks/.lan, and putting the same there twice is harmless. */
int net_onlink_refresh(const struct net_home *h, int dir);
/* 1: the host has other subnets now. */
int net_onlink_moved(int dir);
void net_onlink_forget(int dir);	/* with the tables */
