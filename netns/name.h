/*
 * Names that are functions of other names, so that nothing need be on record to find or remove what
 * carries them. Two homes on one host never share one: the home's path is part of each.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define NET_HOME_DEFAULT "/var/lib/vzrun"

struct net_home {
	uint64_t id;
	char path[160];		/* by which other homes find it; "": it is longer */
	char table[32];		/* "vzrun" for the default home, "vzrun_" and 8 digits for others */
};

void net_home_of(const char *home, struct net_home *out);
/* vz, 8 digits of home and guest, one of the index. */
#define NET_PORT_PREFIX "vz"
void net_host_if(const struct net_home *h, const char *guest, unsigned index, char out[IFNAMSIZ]);
/* This home on this machine (machine-id(5)): hosts whose guests share a wire have homes of one path. */
uint64_t net_here(const struct net_home *h);
/*
 * Locally administered; attempt: the next one when the first is taken. of: net_here() for guests, the home's id for
 * what other hosts never see.
 */
void net_mac_of(uint64_t of, const char *owner, unsigned index, unsigned attempt, unsigned char mac[6]);
/* What a link may be called in a guest: as the kernel says, and nothing that a tool takes for something else. */
bool net_is_inside_name(const char *s);
