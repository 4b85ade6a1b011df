/*
 * Networks as objects: made, looked at, opened to each other, mended, taken away. home: VZRUN_HOME. Each is one
 * file, HOME/networks/NAME.json (netns/def.h); everything in the kernel is a function of these files and of what
 * is leased.
 */
#pragma once
#include "netns/def.h"

/*
 * wish: what is wanted; subnet, subnet6 NULL: a free one is chosen, "": none; bridge NULL: made. made: the definition as
 * it was stored, the caller's. A failure leaves nothing. ERR_EXISTS; ERR_ADDRESS: a subnet clashes; ERR_CONFIG.
 */
int network_create(const char *home, const struct net_def *wish, struct net_file *made);

/*
 * Take a network away altogether: refused (ERR_STATE, says by whom) while a lease is held. Removes bridge,
 * its part of the firewall, what others allow it, and the file; forwarding goes back to what it was if no network is
 * left that needs it. An existing bridge of the administrator's stays as it is.
 */
int network_remove(const char *home, const char *name);

/*
 * Lets `w->from` open connections into network `to` (on), or takes exactly that back. 1: changed; 0: it was so.
 * ERR_NOT_FOUND: no such network; taking back what was never given.
 */
int network_allow(const char *home, const char *to, const struct net_allow *w, bool on);

/* Calls each(ctx, name, subnet4, subnet6, bridge, leases) */
struct network_info { const char *name, *bridge, *mode; char subnet[64], subnet6[64]; size_t leases; };
int network_list(const char *home, int (*each)(void *ctx, const struct network_info *i), void *ctx);
