/* NICs that are on no network of ours: macvlan and ipvlan; and links that are moved in (netns/loan.c). */
#pragma once
#include "base/undo.h"
#include "netns/net.h"

/*
 * ERR_NOT_FOUND: no such parent; ERR_UNSUPPORTED: this kernel lacks the kind; ERR_EXISTS: the name is taken inside.
 * u: how to take it away again.
 */
int net_alone_setup(struct undo *u, const struct net_port *p, int netns_fd);
/* Not a physical one: net_loan_take_back(). Gone already is success. */
int net_alone_remove(const struct net_port *p, int netns_fd);
