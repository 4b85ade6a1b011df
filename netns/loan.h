/*
 * A link of the host's that a guest has for a while (kind "physical"). What it was like is noted before it goes,
 * by whoever keeps the note: it comes back with its name, addresses and all, whether the guest's network
 * namespace still stands or the kernel has put the link back by itself. (An OCI device, which keeps its addresses
 * inside: net_move_device().)
 */
#pragma once
#include "base/bind.h"
#include "netns/net.h"

/* ERR_NOT_FOUND: no such link. What is noted is needed by net_loan_take_back() only. */
int net_loan_give(const struct net_port *p, int netns_fd);
void net_loan_alias(const struct net_port *p, char out[32]);
