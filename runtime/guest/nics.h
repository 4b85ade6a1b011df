/*
 * The NICs of a guest, for the command line: nic.h has what these functions are made of. Each change is made in the
 * running guest and saved, and a failure leaves nothing of it.
 */
#pragma once
#include "runtime/guest/guest.h"

/* Words about NICs: VALUE[,net=NETWORK]. ip takes addresses of both families. */
struct nic_words { struct strv ip, ip6, ip_del, mac, rate; };

struct guest_nic_req {
	const char *network, *macvlan, *ipvlan, *physical;	/* at most one; none: network "default" */
	const char *name, *ip, *ip6, *mac, *rate;
	bool only_now, only_next;
};
/* Live and saved. as: its name inside. A failure leaves nothing of it. */
int guest_nic_add(const struct guest_where *at, const char *name, const struct guest_nic_req *r, char as[IFNAMSIZ]);
int guest_nic_rm(const struct guest_where *at, const char *name, const char *link, bool only_now, bool only_next);
int guest_nic_each(const struct guest_where *at, const char *name, int (*each)(void *ctx, const struct net_port *p),
		   void *ctx);
