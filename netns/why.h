/*
 * Would a packet pass, and if not, what stops it: what the sender's own tables say, a probe (netns/probe.h),
 * and what the host's nftables did with it (netns/trace.h).
 */
#pragma once
#include "netns/probe.h"
#include "netns/way.h"

struct net_why_req {
	const char *home;
	const char *from, *to;		/* in words: the name of a guest, "host", an address */
	int netns_fd;			/* the sender's; -1: this one */
	int family, proto;
	unsigned char dst[16];
	uint16_t port;
};

struct net_why {
	bool passes, probed;
	char says[384];			/* what stops it, or what says that it passed */
	char try[192];			/* "": nothing comes to mind */
	struct net_flow flow;		/* of the probe */
	struct net_way way;
	/* The rule, or the policy of a chain (handle 0), that stopped the packet or its answer; table "": none. */
	struct { const char *family; char table[64], chain[64], text[512]; uint64_t handle; } rule;
};

/* An error is a question that could not be asked, not an answer. */
int net_why(const struct net_why_req *r, struct net_why *out);
