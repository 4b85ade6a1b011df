/*
 * Connections that stand, as the kernel's connection tracking has them: rules see the first packet of one. One that is
 * cut has a mark from then on, by which the rules drop its packets, whichever end they are of.
 */
#pragma once
#include "netns/def.h"
#include "netns/record.h"
#include <stdint.h>

struct net_flow_way { unsigned char from[16], to[16]; uint16_t from_port, to_port; };	/* ports: 0 without */
struct net_flow {
	int family, proto;
	bool led;			/* to another destination than it was opened to: a published port */
	struct net_flow_way out, back;	/* of who opened it; the answers, as they come from who was reached */
};

enum net_fate {
	NET_FLOW_STAYS,
	NET_FLOW_ENDS,		/* it has the mark */
	NET_FLOW_FORGOTTEN,	/* it is deleted: an end is nobody's now, and whose it will be may open the same */
};
/* Does with each what fate() says; how many were cut. ERR_UNSUPPORTED: this kernel tells nobody of its connections. */
int net_flows_cut(enum net_fate (*fate)(const void *ctx, const struct net_flow *f), const void *ctx);

/*
 * After an owner's change: cut is what has an end at an address that it had (another may get it), what came by a port
 * that it published, and what its rules now refuse. is NULL: it holds nothing any more. A failure is a warning.
 */
void net_flows_follow(const struct net_record *was, const struct net_record *is);
/* After `from` was denied: cut is what it has opened to the network, and may not open now. */
void net_flows_deny(int dir, const struct net_def *to, const char *from);
