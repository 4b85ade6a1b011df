/*
 * Somebody outside, for a question: a network namespace behind a link of the host's, of no network. It is gone with its
 * descriptor, whatever becomes of us.
 */
#pragma once
#include <net/if.h>

struct net_outside { int netns_fd; char link[IFNAMSIZ]; };
#define NET_OUTSIDE_NONE { .netns_fd = -1 }
int net_outside_open(struct net_outside *o);
void net_outside_close(struct net_outside *o);
