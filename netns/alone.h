/* NICs that are on no network of ours: macvlan, ipvlan. Links that are moved in: netns/loan.c. */
#pragma once
#include "netns/net.h"

/* ERR_NOT_FOUND: no such parent; ERR_UNSUPPORTED: this kernel lacks the kind; ERR_EXISTS: the name is taken inside. */
int net_alone_add(const struct net_port *p, int netns_fd);
/* Gone already is success. */
int net_alone_remove(const struct net_port *p, int netns_fd);
