/* Is what a network's definition says in the kernel? And making it so. */
#pragma once
#include "netns/def.h"
#include "netns/name.h"
#include "netns/nl.h"

enum { NET_LACKS_BRIDGE = 1, NET_LACKS_TABLE = 2, NET_LACKS_ELEMENTS = 4, NET_RULES_DIFFER = 8 };

/* Two short conversations. Flags of what is missing, 0: nothing. *bridge_index when it is there. */
int net_kernel_check(const struct net_home *h, const struct net_def *d, int *bridge_index);
/* The firewall's part of it, on a socket of NETLINK_NETFILTER. */
int net_fw_check(struct nlq *q, const char *table, const struct net_def *d);

/* Of the definition's rules and subnets: 16 digits. */
void net_fw_mark(const struct net_def *d, char out[17]);
void net_bridge_mac(const struct net_home *h, const char *network, unsigned char mac[6]);

/*
 * Under the lock of HOME/networks. Makes the bridge, the firewall, forwarding, and first the definition itself
 * where its version is 0 (netns/draft.h); f->d may change (a bridge name that another home took meanwhile).
 * A failure takes back what this call made.
 */
int net_bring_up(const struct net_home *h, int dirfd, struct net_file *f, int *bridge_index);

/* All networks of dirfd, but not `without`: runs vzrun-net. action: enum fw_action. */
int net_fw_apply(const struct net_home *h, int dirfd, int action, const char *without);

/* A network goes: nobody who takes its name later is let in where it was. */
int net_allow_forget(int dirfd, const char *from);

/* What must not be overlapped, what leads outside. *out is malloc'ed. */
int net_routes(struct net_route **out, size_t *n);

int net_forwarding_on(int dirfd, const char *bridge, const struct net_route *r, size_t n);
/* keep: somebody else of ours needs the switches; they stay as they are. */
int net_forwarding_off(int dirfd, bool keep);
bool net_host_has_ipv6(void);

/* A switch below /proc/sys/net that is not as it was set: key "ipv4/conf/vzbr0/forwarding". */
typedef void net_switch_differs(void *ctx, const char *key, const char *is, const char *want);
int net_forwarding_check(int dirfd, net_switch_differs *differs, void *ctx);	/* those on record */
void net_forwarding_check_bridge(const char *bridge, net_switch_differs *differs, void *ctx);
void net_bridge_check_switches(const char *bridge, net_switch_differs *differs, void *ctx);
