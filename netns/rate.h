/* The rate of what goes into a guest: a token bucket on the host's end of its port. */
#pragma once
#include "netns/net.h"
#include "netns/nl.h"

/* Bytes that may pass at once. IN is delayed, OUT is dropped: a TCP stream needs a larger bucket there. */
uint64_t net_rate_burst_in(const struct net_rate *r);
uint64_t net_rate_burst_out(const struct net_rate *r);
/* Sets it, changes it while packets wait, or takes it away (r->in 0; none is success). */
int net_rate_set_in(struct nlq *q, const char *host_if, const struct net_rate *r);
