/* Who has an interface on a network. */
#pragma once
#include "netns/name.h"
#include "netns/record.h"

struct net_user {
	const char *owner, *network;
	const struct net_record *record;
	const struct net_nic *nic;	/* of it */
	char host_if[IFNAMSIZ];
};

/* Calls each for every interface on `network`, by owner and index. Reads the records of those alone. */
int net_users_each(const struct net_home *h, int dirfd, const char *network,
		   int (*each)(void *ctx, const struct net_user *u), void *ctx);
