/*
 * An address of a link with what it was set with, as a text: "10.0.0.5/24", and behind it " brd 10.0.0.255",
 * " peer 10.0.0.6", " metric 300", " noprefixroute".
 */
#pragma once
#include "base/arena.h"
#include "netns/net.h"
#include "netns/nl.h"

/* From an RTM_NEWADDR of IPv4 or IPv6. NULL: out of memory. */
char *net_address_text(struct arena *out, const struct nlmsghdr *h);
/* To the newest request, an RTM_NEWADDR: all that the text says but for the prefix. w: of what its first word says. */
void net_address_put(struct nlq *q, int family, const char *text, const struct net_wish *w);
