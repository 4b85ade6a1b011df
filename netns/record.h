/*
 * What netns/ holds for each owner (a guest, a container), and the index that makes addresses unique.
 *
 *	HOME/networks/.guests/OWNER.json	the record: the authority, and the journal of every change
 *	HOME/networks/NAME.d/ADDRESS		a symbolic link to "OWNER/INDEX"; one for each IPv4, IPv6 and
 *						MAC address that is held on network NAME
 *
 * A link whose owner's record does not claim the address is stale: it is replaced by whoever asks for it.
 * Writers hold net_dir_lock(); readers take no lock. A start reads one record, whatever the number of guests.
 */
#pragma once
#include "netns/net.h"
#include "netns/publish.h"
#include "netns/rule.h"

/* One interface. Addresses are in their canonical text form. */
struct net_nic {
	uint32_t index;
	const char *network, *kind;	/* kind: NULL is a veth pair */
	const char *name;		/* inside; NULL: eth and the index */
	const char *ip, *ip6;		/* NULL: the network has no such subnet, or does not know */
	const char *mac;
	const char *rate;
};

struct net_record {
	const char *owner;
	struct list nics;		/* struct net_nic, by index */
	struct list ports;		/* struct net_publish */
	struct list firewall;		/* struct net_rule */
};
/* Text and arrays live in the arena and the tree. */
struct net_held { struct arena a; struct json *tree; struct net_record r; };
void net_held_free(struct net_held *h);
#define auto_net_held SCOPED(net_held_free)

/* A guest's name, or ID@8 hex digits; what becomes a file's name and an element's comment. */
bool net_is_owner(const char *s);

/*
 * HOME/networks with .guests in it, made when `make`; -ENOENT without a message when it is not there. Leases
 * that an older version kept in the definitions become records here, once.
 */
int net_store_open(const char *home, bool make);

/* -ENOENT without a message: nothing is held. Errors: "networks/.guests/OWNER.json: nics[1].ip: what". */
int net_record_load(int dirfd, const char *owner, struct net_held *h);
int net_record_store(int dirfd, const struct net_record *r);
int net_record_drop(int dirfd, const char *owner);	/* gone already is success */
/* Calls each for every record, by name. One that cannot be read is an error. */
int net_record_each(int dirfd, int (*each)(void *ctx, struct net_held *h), void *ctx);
const struct net_nic *net_record_nic(const struct net_record *r, unsigned index);
/* Interfaces in the order of their indexes, as a record is read: its mark depends on it. */
void net_record_sort(struct net_record *r);

/* Of one link: owner and index. 1: held, by a record that says so. 0: nobody, or stale. */
struct net_holder { char owner[NET_OWNER_MAX]; unsigned index; };
int net_index_holder(int dirfd, const char *network, const char *address, struct net_holder *out);
/* Whether the link says exactly this: what a start looks at, of its own addresses only. */
bool net_index_is(int dirfd, const char *network, const char *address, const char *owner, unsigned index);
/* Idempotent. ERR_ADDRESS: somebody else holds it. */
int net_index_take(int dirfd, const char *network, const char *address, const char *owner, unsigned index);
/* Removes the link if it is this owner's; gone already is success. */
int net_index_drop(int dirfd, const char *network, const char *address, const char *owner);
bool net_index_has(int dirfd, const char *network, const char *address);	/* a link, whoever's */
/* Below it every address that is for guests has a link. Kept by net_index_drop(). */
bool net_index_hint(int dirfd, const char *network, int family, unsigned char *addr);
void net_index_set_hint(int dirfd, const char *network, int family, const char *address);
/* Every address of the network that has a link; a network without any has no directory, and that is fine. */
int net_index_each(int dirfd, const char *network, int (*each)(void *ctx, const char *address), void *ctx);
/*
 * Links that no record explains, of a command that was killed before its record: how many; drop, under the lock: and
 * they go. What cannot be told stays.
 */
int net_index_stale(int dirfd, const char *network, bool drop);
void net_index_forget(int dirfd, const char *network);		/* with the network; stale links go with it */
