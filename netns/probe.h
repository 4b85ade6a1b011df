/*
 * One packet of a flow of its own, sent from a network namespace as any program there would send it, and what
 * comes back. The first packet of a connection is made by hand: whoever answers it is told at once that it
 * was none, and no program at the other end ever hears of it. A datagram of UDP is empty.
 */
#pragma once
#include "netns/trace.h"

enum net_answer {
	NET_ANSWER_NONE,
	NET_ANSWER_YES,		/* SYN-ACK, echo reply, a datagram */
	NET_ANSWER_CLOSED,	/* it arrived; nothing listens there: reset, port unreachable */
	NET_ANSWER_ERROR,	/* somebody says that it does not arrive: by ICMP, or our own side */
};

struct net_probe {
	int fd, hold;			/* hold: keeps the port from others */
	struct net_flow flow;
	uint32_t seq;
	enum net_answer answer;
	unsigned char from[16];		/* who said so; zero: our own side */
	bool by_icmp;
	int error;			/* NET_ANSWER_ERROR: what it means to a program */
};

/*
 * netns_fd -1: this one. Chooses address and port. Without a message, for want of a route or an address:
 * -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EADDRNOTAVAIL.
 */
int net_probe_open(struct net_probe *p, int netns_fd, int family, int proto, const unsigned char *dst,
		   uint16_t port);
/* -EPERM without a message: the sender's own firewall refuses it. Other errors become the answer. */
int net_probe_send(struct net_probe *p);
/* Reads what is there; never waits. True: there is an answer. */
bool net_probe_read(struct net_probe *p);
void net_probe_close(struct net_probe *p);
