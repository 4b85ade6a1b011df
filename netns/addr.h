/* Subnets and addresses as values: parsing, clashes, a free one. No kernel, no files. */
#pragma once
#include "base/err.h"
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct net_subnet {
	int family;			/* AF_INET, AF_INET6; 0: none */
	unsigned prefix;
	unsigned char addr[16];		/* 4 or 16 bytes, network order, host bits zero */
};

static inline size_t net_addr_size(int family) { return family == AF_INET ? 4 : 16; }

/* "10.77.0.0/16", "fd77::/64". Errors begin with the value: "10.77.0.1/16: has host bits ...". */
int net_subnet_parse(const char *text, int family, struct net_subnet *out);
void net_subnet_text(const struct net_subnet *s, char *out, size_t size);
void net_subnet_mask(struct net_subnet *s);		/* host bits become zero */
bool net_subnet_has(const struct net_subnet *s, const unsigned char *addr);
bool net_subnet_overlap(const struct net_subnet *a, const struct net_subnet *b);

/* An address as a number within its subnet (the low 64 bits of it), and back. */
uint64_t net_subnet_offset(const struct net_subnet *s, const unsigned char *addr);
void net_subnet_at(const struct net_subnet *s, uint64_t offset, unsigned char *addr);
/* Guests have offsets NET_FIRST .. net_subnet_last(); NET_GATEWAY is the bridge's. */
enum { NET_GATEWAY = 1, NET_FIRST = 2 };
uint64_t net_subnet_last(const struct net_subnet *s);

/* A route that exists; what a new subnet must not overlap. Default routes clash with nothing. */
struct net_route { struct net_subnet to; int oif; };
const struct net_route *net_clash(const struct net_subnet *s, const struct net_route *r, size_t n,
				  int own_oif);
/*
 * The first of 10.77/16 .. 10.79, 10.70 .. 10.76, 10.80 .. 10.250, 172.16/20 .. 172.31.240 that clashes with no
 * route.
 */
int net_subnet_pick(const struct net_route *r, size_t n, struct net_subnet *out);

/* RFC 4291: the address that a link with this MAC address gives itself. */
void net_link_local_of(const unsigned char mac[6], unsigned char out[16]);
int net_mac_parse(const char *text, unsigned char mac[6]);	/* -EINVAL without a message */
void net_mac_text(const unsigned char mac[6], char out[18]);
