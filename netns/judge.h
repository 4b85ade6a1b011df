/*
 * Whether the host lets a port be published: nobody on it listens there, and its own firewall would let a
 * connection through (which input chains never see once it is translated).
 */
#pragma once
#include "netns/hostlinks.h"
#include "netns/publish.h"

/* ERR_ADDRESS: a process of the host listens there; ERR_NOT_FOUND: the address is not the host's. Names the port. */
int net_port_free(const struct net_publish *p);

/* Of one port exposed to lan or world: what the firewall would do; "" when it lets it through. */
struct net_judged { char why[700]; };
/* out: one for each of p[0..n). Asks vzrun-net only when somebody has chains that matter. */
int net_judge(const struct net_host_links *o, const struct net_publish *const *p, size_t n, struct net_judged *out);
