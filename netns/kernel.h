/* Is what a network's definition says in the kernel? And making it so. */
#pragma once
#include "netns/def.h"
#include "netns/name.h"
#include "netns/nl.h"
#include "netns/others.h"

enum { NET_LACKS_BRIDGE = 1, NET_LACKS_TABLE = 2, NET_LACKS_ELEMENTS = 4, NET_RULES_DIFFER = 8, NET_LACKS_PORTS = 16 };
struct nft_list;

/* How long vzrun-net may take. Thousands of elements are a second's work, thirty on a machine that is emulated. */
enum { NET_HELPER_MS = 300000 };

/* Two short conversations. Flags of what is missing, 0: nothing. *bridge_index when it is there. */
int net_kernel_check(const struct net_home *h, const struct net_def *d, int *bridge_index);
/* Its two parts: the links (0 or NET_LACKS_BRIDGE), on a socket of NETLINK_ROUTE; the firewall. */
int net_links_check(struct nlq *q, const struct net_home *h, const struct net_def *d, int *bridge_index);
/* Rules as they should be, and elements with their marks (net_stamps()): those of one network, of one owner, of all. */
int net_fw_check(const char *table, const struct nft_list *stamps);
/*
 * The same for many, one after the other: zero-initialised, the rules are looked at the first time, and anew when
 * `asked` was taken back. To be closed.
 */
struct net_fw_look { struct nlq q; int rules; bool asked; };
int net_fw_look(struct net_fw_look *l, const char *table, const struct nft_list *stamps);
/* A hash of the rules of this executable. */
uint64_t net_fw_rules_mark(void);
void net_bridge_mac(const struct net_home *h, const char *network, unsigned char mac[6]);

/*
 * Homes do what concerns them all one after the other: the choice of names and subnets, of which that of one is visible
 * in the kernel before the next one looks, and the switches of the host. After the lock of HOME/networks. It is on a
 * switch of the network namespace, so there is no file to leave behind, and on one that nobody but root may open: a
 * lock of the namespace itself anybody could keep for ever. Without it there is no such order, and a clash is refused
 * by the kernel. Who has it may enter again: what is done within may need it for itself.
 */
struct net_turn { bool ours; };
void net_host_enter(struct net_turn *t);
void net_host_leave(struct net_turn *t);

/*
 * Under the lock of HOME/networks. Makes the bridge, the firewall, forwarding, and first the definition itself
 * where its version is 0 (netns/draft.h); f->d may change (a bridge name that another home took meanwhile).
 * A failure takes back what this call made.
 */
int net_bring_up(const struct net_home *h, int dirfd, struct net_file *f, int *bridge_index);

/*
 * Everything anew from the files of dirfd, but not network `without`: runs vzrun-net. action: enum fw_action. Flows go
 * on; only what somebody else put into our tables is lost.
 */
int net_fw_apply(const struct net_home *h, int dirfd, int action, const char *without);
int net_fw_replace(const struct net_home *h, int dirfd);
/* Elements follow from one definition of a network to the next; NULL: none. Anything missing is made. */
int net_fw_follow(const struct net_home *h, int dirfd, const struct net_def *was, const struct net_def *is);
/* A network goes: its elements, those by which others let it in, and with the last network the tables. */
int net_fw_leave(const struct net_home *h, int dirfd, const struct net_def *d);

/* A network goes: nobody who takes its name later is let in where it was. */
int net_allow_forget(int dirfd, const char *from);

/* What must not be overlapped, what leads outside. *out is malloc'ed. */
int net_routes(struct net_route **out, size_t *n);

/* For bridge; others: the home's other networks, which are no ways out. */
int net_forwarding_on(int dirfd, const char *bridge, const struct net_others *others, const struct net_route *r,
		      size_t n);
int net_forwarding_off(int dirfd);
/* Whether one of the home's networks needs it, but for `except` (NULL); others is zero-initialised, and to be freed. */
int net_forwarding_needed(int dirfd, const char *except, struct net_others *others);
/* Another home needs them: they stay, and it puts them back one day. */
int net_forwarding_bequeath(int dirfd, const struct net_home *heir);
/* A network goes ("": none): off, unless another one of the home needs it. Within net_host_enter(). */
int net_forwarding_leave(struct nlq *q, const struct net_home *h, int dirfd, const char *network);
/* Whether bridge takes packets of 127.0.0.0/8: on and, when nobody needs it any more, as it was. */
int net_localnet(int dirfd, const char *bridge, bool on);
/*
 * IPv6 may be off for the whole kernel (ipv6.disable=1): networks keep what they have of it, for another boot, and
 * what is made in the kernel leaves it out. Of family 0 (none): no.
 */
bool net_host_has_ipv6(void);
bool net_host_has(int family);

/* A switch below /proc/sys/net that is not as it was set: key "ipv4/conf/vzbr0/forwarding". */
typedef void net_switch_differs(void *ctx, const char *key, const char *is, const char *want);
/* Those on record, and of the links that lead out by now, where some network does; where none does, as they were. */
int net_forwarding_check(int dirfd, const struct net_route *r, size_t n, net_switch_differs *differs, void *ctx);
int net_forwarding_check_bridge(const char *bridge, net_switch_differs *differs, void *ctx);
/* A link of our own, gone before anybody asks, routes; what the kernel has no switch for is left. */
void net_forwarding_let(const char *link);
void net_bridge_check_switches(const char *bridge, net_switch_differs *differs, void *ctx);
