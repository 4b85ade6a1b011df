/*
 * The way past the bridge, for what one guest of a segment says to another: at the host's end of the sender's link,
 * before the bridge, nf_tables hand it to the receiver's (statement "fwd", table `netdev vzrun`). It costs what a
 * bridge alone does, where the rules of vzrun's table of the bridge family cost a seventh of the packets. Nothing
 * passes that they would not let pass: unicast of IPv4, TCP and UDP of IPv6, from the sender's own link, MAC and IP
 * address (sets direct4, direct6), to the MAC address of a guest of the same segment (map ways); no DHCP; of a guest
 * with a rate out or a firewall, and to one with a firewall, nothing. All else goes on to the bridge and its rules.
 *
 * The table is a function of definitions, records and the links that stand. Whatever is missing of it costs packets a
 * second and nothing else, so no failure to add is one of a start; a way to a link that is gone drops what it is given.
 * What must not pass by it any more goes in one transaction with what comes into the tables of rules, or before. Where
 * the kernel refuses that, all of the table goes, and the rules follow without; only if it cannot go they fail.
 *
 * There are none where bridged packets meet rules of others: tables of the bridge family, the old ebtables, or, where
 * br_netfilter is loaded and its switches are on, any for IP. Nor before Linux 6.16, whose chains know no links that
 * are not there, or where `fwd` is missing (CONFIG_NFT_FWD_NETDEV).
 */
#pragma once
#include "netns/def.h"
#include "netns/elements.h"
#include "netns/host.h"

/* Whether guests of the network may have them. */
bool net_shortcut_wanted(const struct net_def *d);

/*
 * Of a port that is about to be made: the number that its link had the last time (0: none), which it should have again,
 * since the map knows it by that; and when it has joined its bridge: known, what the first said; index, what it has.
 * Neither waits for the kernel, unless the number is another.
 */
int net_shortcut_index(const struct net_home *h, const struct net_port *p);
void net_shortcut_join(const struct net_home *h, const struct net_port *p, int known, int index);

/*
 * From one record of an owner to the next, NULL: none: elements, to be changed with those of the rules. -errno is of
 * what could not be taken away.
 */
int net_shortcut_follow(const struct net_home *h, struct net_defs *defs, const struct net_record *was,
			const struct net_record *is, struct nft_list *a, struct nft_list *b);

/* All anew, from the files and the links. -errno as above. */
int net_shortcut_rebuild(const struct net_home *h, int dirfd);
int net_shortcut_remove(const struct net_home *h);

/*
 * Of an owner: elements that must stand, and ways to links that are not there, which may. host: the links as they are.
 */
struct net_shortcuts {
	struct nft_list must, may;
	bool oom;
	bool lost; /* something may stand of which nothing is known */
};
void net_shortcuts_of(const struct net_home *h, const struct net_record *r, struct net_defs *defs,
		      const struct net_host *host, struct net_shortcuts *out);
void net_shortcuts_free(struct net_shortcuts *s);
#define auto_net_shortcuts SCOPED(net_shortcuts_free)

/*
 * Whose rules see what is bridged: "nftables table bridge NAME", "iptables", or that the kernel does not say; false:
 * nobody's but vzrun's.
 */
bool net_shortcut_overruled(char *who, size_t size);
/* All of them go if there are such, 1: what is asked before any comes. */
int net_shortcut_give_up(const struct net_home *h);
/* By its version, without a question. */
bool net_shortcut_old_kernel(void);
/* Whether this kernel can; makes nothing. */
bool net_shortcut_possible(const struct net_home *h);

/* ---- the table (netns/shortcut_table.c) ---------------------------------------------------------- */

/* replace: whatever stands goes in the same transaction; else -EEXIST where there is one. dry: it is only tried. */
enum net_shortcut_table { NET_SHORTCUT_MAKE, NET_SHORTCUT_REPLACE, NET_SHORTCUT_TRY };
int net_shortcut_table(const char *table, enum net_shortcut_table how);
/* A link, there or not, whose packets are looked at from now on, or no longer: one request of a batch. */
void net_shortcut_put_link(struct nlq *q, const char *table, const char *link, bool add);
/* Also where the kernel does not say. */
bool net_shortcut_there(const char *table);
/* there: it is; whole: with all its chains and as many rules as it should have. */
struct net_shortcut_table_state {
	bool there, whole, oom;
	size_t chains, use, n;
	char (*links)[IFNAMSIZ];
};
int net_shortcut_look(const char *table, struct net_shortcut_table_state *out);
void net_shortcut_look_end(struct net_shortcut_table_state *s);
