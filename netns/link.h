/* Links of the host: what is there, and requests that several files make. */
#pragma once
#include "netns/nl.h"
#include "base/err.h"
#include <net/if.h>

struct net_link {
	char name[IFNAMSIZ];
	int index, master;
	int peer;		/* of a veth end: the other one's index, in its own namespace */
	unsigned char mac[6];
	bool up, bridge;
	bool forwards;		/* IPv4 packets that come in here are routed on */
	bool isolated;		/* a bridge's port that reaches no other isolated one */
	bool no_arp;
	uint32_t odd;		/* of a bridge or its port: the switches that are not as the kernel makes them */
	bool guarded;		/* of a guest's port: what comes in by it, and not by its bridge, is dropped */
	bool stuck;		/* it has a carrier, and nothing passes */
	bool knows_vlans, filters_vlans;	/* of a bridge: the kernel can, it does */
	uint16_t default_vlan;
	bool believes;			/* a bridge that learns MAC addresses from frames that it does not forward */
	uint32_t mtu, group;
	unsigned char permanent[6];	/* the MAC address that was burnt in; zero: none */
	char kind[16];			/* "veth", "macvlan"; "": a card */
	char alias[256];
};

/* From an RTM_NEWLINK; *l is zeroed before by the caller. */
void net_link_read(const struct nlmsghdr *h, struct net_link *l);
/* -ENODEV without a message when there is none. */
int net_link_find(struct nlq *q, const char *name, struct net_link *out);
int net_link_at(struct nlq *q, int index, struct net_link *out);
/* All of them, without their counters: see gets each RTM_NEWLINK. */
int net_link_each(struct nlq *q, nlq_reply *see, void *ctx);
/* Deletes by name; already gone is success. */
int net_link_delete(struct nlq *q, const char *name);
/* Requests: an address on a link, a default route by it. */
void net_add_address(struct nlq *q, int index, int family, const void *addr, unsigned prefix);
/*
 * To the newest request, which adds an address: it is known by this as set for a network, and not by somebody else.
 * (Before Linux 5.18 it is not.)
 */
enum { NET_ADDRESS_OURS = 'v' };
void net_mark_address(struct nlq *q);
/* To the newest request: a port gets no IPv6 address of the host's own. */
void net_no_own_ipv6(struct nlq *q);
void net_del_address(struct nlq *q, int index, int family, const void *addr, unsigned prefix);
void net_link_up(struct nlq *q, const char *name);
/* A port of a bridge: whether it reaches other isolated ones. After it has joined. */
void net_isolate_port(struct nlq *q, const char *name, bool on);
/* The bit that we turn, too: a port gives back what came by it. */
enum { NET_ODD_HAIRPIN = 1 };
/* "hairpin, guard": such switches of l by name. Returns out. */
enum { NET_ODD_TEXT = 320 };
const char *net_odd_text(const struct net_link *l, uint32_t odd, char *out, size_t size);
/* To the newest request, in the data of bridge l: its odd switches as the kernel makes them. */
void net_usual_bridge(struct nlq *q, const struct net_link *l);
/* As net_isolate_port(), and its odd switches as the kernel makes them. l: as it is. */
void net_mend_port(struct nlq *q, const struct net_link *l, bool isolated);
/* The route to what is on the link itself, as the kernel makes it for an address. */
void net_add_link_route(struct nlq *q, int index, int family, const void *to, unsigned prefix,
			const void *source);
/* flag: NLM_F_REPLACE, or NLM_F_EXCL: only if there is none (-EEXIST). */
void net_add_default_route(struct nlq *q, int index, int family, const void *gateway, int flag);
void net_del_default_route(struct nlq *q, int index, int family, const void *gateway);
/* The same to a subnet by a gateway. to: its address, host bits zero; NULL: the default route. */
void net_add_route(struct nlq *q, int index, int family, const void *to, unsigned prefix, const void *gateway,
		   int flag);
/* The gateway of a routed network is reached without a subnet, and the subnet of addr by the gateway. Two requests. */
void net_add_routes_behind(struct nlq *q, int index, int family, const void *addr, unsigned prefix,
			   const void *gateway);
