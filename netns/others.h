/*
 * The other networks of a home, as far as a network must know of them: read once for a command. What was read last is
 * kept in HOME/networks/.others with what the file was then; a definition that is not that file any more is read again.
 */
#pragma once
#include "base/str.h"
#include "netns/addr.h"
#include <net/if.h>
#include <stdbool.h>

/* A file as it was when it was read: written anew or edited, it is another one. */
struct net_seen { uint64_t dev, ino, size, sec, nsec; };

struct net_other {
	char name[64], bridge[IFNAMSIZ];
	int mode;
	uint32_t vlan;
	struct net_subnet v4, v6;
	struct net_seen file;
};
/* Where records are by one of their texts. */
struct net_places { uint32_t *at; size_t mask; };
struct net_others {
	struct net_other *v;
	size_t n, room, left_out;
	bool read, whole;		/* what was kept is worth nothing, or too long */
	struct buf news;		/* records that were not kept */
	struct net_places bridges;
};
void net_others_free(struct net_others *o);

/*
 * All but `except` (NULL: all of them), from dirfd, HOME/networks; nothing is done when they were read before.
 * Of a definition that is damaged counts what it says all the same, or said when it was read last: told when `all`, and
 * left out else.
 */
int net_others_read(int dirfd, const char *except, bool all, struct net_others *o);
/* For the next command, when something was read that was not kept. Under the lock of the directory. */
void net_others_keep(int dirfd, const struct net_others *o);
/* Whether a link is the bridge of one of them, and not the administrator's. */
bool net_others_made_bridge(const struct net_others *o, const char *link);
/* With the last network goes what was kept. */
void net_others_forget(int dirfd);
