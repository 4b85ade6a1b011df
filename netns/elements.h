/*
 * What definitions and records mean in vzrun's tables: their elements. Everything in nftables but the rules is a
 * function of the files of HOME/networks, computed here and nowhere else: who changes a record or a definition
 * hands the old one and the new one to net_hold() or net_fw_follow(), and the elements follow.
 */
#pragma once
#include "netns/def.h"
#include "netns/name.h"
#include "netns/nft.h"
#include "netns/record.h"

/* Definitions by name, each loaded once. */
struct net_defs { int dir; size_t n; struct net_file *f; };
/* Good until the next call. NULL when there is none, or it cannot be read. */
const struct net_def *net_defs_find(struct net_defs *s, const char *network);
/* One that the caller has, and keeps as long as s is used. */
void net_defs_lend(struct net_defs *s, const struct net_def *d);
void net_defs_free(struct net_defs *s);
#define auto_net_defs SCOPED(net_defs_free)

/* The network's own; the first is its bridge, with "NAME MARK". Mode bridge has none: the bridge is not ours. */
void net_elements_of_network(const struct net_home *h, const struct net_def *d, struct nft_list *out);
/* What others may do there: `allow`. only: what it allows that network; NULL: all. */
void net_elements_of_allows(const struct net_def *d, const char *only, struct net_defs *defs, struct nft_list *out);
/*
 * Of an owner: the ports of its interfaces (each with "OWNER MARK"), and what else its record says. What depends on
 * a definition that is gone is left out; the names by which elements are removed do not.
 */
void net_elements_of_owner(const struct net_home *h, const struct net_record *r, struct net_defs *defs,
			   struct nft_list *out);

/*
 * Elements follow from one record of an owner to the next; NULL: none. Where something that they need is missing,
 * everything is made anew. net_hold() calls it: others have no need to.
 */
int net_fw_owner(const struct net_home *h, int dirfd, const struct net_record *was, const struct net_record *is);
int net_fw_change(const struct net_home *h, int dirfd, const struct nft_list *was, const struct nft_list *is);

/* The elements by which the check of a start sees that all of them stand: those with a mark. */
void net_stamps(const struct nft_list *all, struct nft_list *out);
