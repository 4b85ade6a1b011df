/* Neighbours learn at once where an address is now: what they remember of its last holder would live for minutes. */
#pragma once
#include "netns/net.h"
#include "netns/nl.h"

/*
 * Requests: from now on the kernel sends a gratuitous ARP for each IPv4 address of the link when it comes up or
 * gets a MAC address. (A packet socket would cost a grace period to close.)
 */
void net_announce_by_kernel(struct nlq *q, int index);
/* An unsolicited neighbour advertisement, in the own network namespace. What cannot be sent is only logged. */
void net_announce6(int index, const struct in6_addr *addr);
