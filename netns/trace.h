/*
 * What the host's nftables do with the packets of one flow and with its answers: their own trace, switched on
 * for exactly these packets by a table that the kernel removes with the socket that made it.
 */
#pragma once
#include "netns/nl.h"

#include <net/if.h>
#include <netinet/in.h>

struct net_flow {
	int family, proto;		/* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6 */
	unsigned char src[16], dst[16];
	uint16_t sport, dport;		/* host order; an echo has its identifier in sport */
};

/* A rule, or a chain's policy, that a packet met. */
struct net_trace_step {
	bool answer;			/* of a packet that came back */
	int family;			/* NFPROTO_INET, NFPROTO_BRIDGE, NFPROTO_NETDEV, ... */
	char table[64], chain[64];
	uint64_t handle;		/* 0: the policy, or the end of a chain */
	int verdict;			/* NF_ACCEPT, NF_DROP, NFT_JUMP, ... */
	char iif[IFNAMSIZ], oif[IFNAMSIZ];
};

enum { NET_TRACE_MAX = 256 };
struct net_trace {
	struct nlq own, heard;		/* the first owns the table */
	char table[32];
	struct net_flow flow;
	unsigned char next[16];
	struct { uint32_t id; bool answer; char iif[IFNAMSIZ], oif[IFNAMSIZ]; } packet[32];
	size_t n_packets, n;
	struct net_trace_step step[NET_TRACE_MAX];
};

/*
 * In this network namespace. next: who is next on the way; that the sender looks for its link-layer address
 * is traced, too, where it is a bridge's port. ERR_UNSUPPORTED, ERR_PERMISSION.
 */
int net_trace_open(struct net_trace *t, const struct net_flow *f, const unsigned char *next);
int net_trace_fd(const struct net_trace *t);	/* readable: net_trace_read() has something */
/* What was heard so far; never waits. */
int net_trace_read(struct net_trace *t);
void net_trace_close(struct net_trace *t);
/* The step that ended the packet (or its answer); NULL: none was dropped. */
const struct net_trace_step *net_trace_dropped(const struct net_trace *t, bool answer);
