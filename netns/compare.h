/*
 * A network's definition against the kernel, difference by difference: `network check`, and what `apply`
 * mends.
 */
#pragma once
#include "netns/fixed.h"
#include "netns/kernel.h"
#include "netns/network.h"
#include "netns/users.h"
#include "netns/vlan.h"

/* What is to be done about it. */
enum { MEND_UP = 1, MEND_FIREWALL = 2, MEND_PORTS = 4, MEND_ROUTES = 8, MEND_NOT = 16, MEND_NAMES = 32 };

struct net_compare {
	const struct net_home *h;
	int dir;
	struct net_host host;
	struct net_fixed_list fixed;
	struct net_vlans vlans;
	struct nlq route;
	struct net_fw_look fw;
	/* Of each difference. network: NULL where it is the host's. */
	int (*differs)(void *ctx, const struct network_difference *d);
	void *ctx;
	/* While it runs. */
	const struct net_def *d;
	char hint[NETWORK_TRY_MAX];			/* what to try, where it is not apply */
	char failed[256];		/* what was told of last that could not be looked at */
	bool shortcuts;			/* those of running guests should stand */
	int mend, result;
	size_t n;
};
int net_compare_open(struct net_compare *c);
void net_compare_close(struct net_compare *c);
/* 0 or positive: what would mend it, or'ed. What `differs` returns below 0 ends it. */
int net_compare(struct net_compare *c, const struct net_def *d);
/* Of its network: the ports of its guests, and what else is in its bridge (NULL: there is none). */
int net_compare_ports(struct net_compare *c, const struct net_link *bridge);
/* What belongs to no network alone. */
int net_compare_host(struct net_compare *c);
/* only: one network and its guests; NULL: all. */
bool net_compare_about(const struct net_record *r, const char *only);
/* The elements of the tables. */
int net_compare_elements(struct net_compare *c, const char *only);
/* Whether shortcuts can be, and their chains; before the elements. */
int net_compare_shortcuts(struct net_compare *c, const char *only);
/* The rules of chains whose number in the kernel counts elements, too. */
int net_compare_rules(struct net_compare *c);
/*
 * The pending error as a difference, once: a record that cannot be read keeps nothing else from being
 * compared.
 */
void net_compare_failed(struct net_compare *c);
/* One difference, in the words of printf(). */
void net_compare_tell(struct net_compare *c, int mend, const char *fmt, ...) PRINTF(3, 4);
