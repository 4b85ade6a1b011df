/* The way that a packet takes from a network namespace (-1: this one), as its tables say. Nothing is sent. */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

struct net_way {
	int oif;
	char dev[IFNAMSIZ];
	bool local;			/* the destination is the sender's own address */
	bool up, carrier;		/* dev */
	bool by_gateway;
	unsigned char next[16];		/* the gateway, or the destination itself */
};

/* 0, or -ENETUNREACH and the like without a message: no route, or one that refuses. */
int net_way_find(int netns_fd, int family, const unsigned char *dst, struct net_way *out);
/* Why there is none, in words: no link, no address of the family, a link that is down, no route. */
int net_way_missing(int netns_fd, int family, char *out, size_t size);
/* Whether whoever is next on the way could not be found by ARP or neighbour discovery. */
bool net_way_neighbour_silent(int netns_fd, int family, const struct net_way *w);
