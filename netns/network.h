/*
 * Networks as objects: made, looked at, opened to each other, mended, taken away. home: VZRUN_HOME. Each
 * is one file, HOME/networks/NAME.json (netns/def.h); everything in the kernel is a function of these
 * files and of what is leased.
 */
#pragma once
#include "netns/def.h"

/*
 * wish: what is wanted; subnet, subnet6 NULL: a free one is chosen, "": none; bridge NULL: made. made: the
 * definition as it was stored, the caller's. A failure leaves nothing. ERR_EXISTS; ERR_ADDRESS: a subnet
 * clashes; ERR_USAGE: the wish makes no network; ERR_CONFIG: none on this host.
 */
int network_create(const char *home, const struct net_def *wish, struct net_file *made);

/*
 * Take a network away altogether: refused (ERR_STATE, says by whom) while a lease is held. Removes bridge,
 * its part of the firewall, what others allow it, and the file; forwarding goes back to what it was if no
 * network is left that needs it. An existing bridge of the administrator's stays as it is.
 */
int network_remove(const char *home, const char *name);

/*
 * Lets `w->from` open connections into network `to` (on), or takes exactly that back. 1: changed; 0: it
 * was so. ERR_NOT_FOUND: no such network; taking back what was never given.
 */
int network_allow(const char *home, const char *to, const struct net_allow *w, bool on);

/*
 * Calls each for every network, by name. One whose file cannot be read has `damaged`, the words why, and
 * nothing else.
 */
struct network_info {
	const char *name, *bridge, *mode, *damaged;
	char subnet[64], subnet6[64];
	size_t leases;
};
int network_list(const char *home, int (*each)(void *ctx, const struct network_info *i), void *ctx);

/* ERR_NOT_FOUND. */
int network_load(const char *home, const char *name, struct net_file *f);
/* Who has an interface there, in no order. Texts are valid during the call. */
struct network_user { const char *owner, *ip, *ip6, *mac, *link; unsigned index; };
int network_users(const char *home, const char *name, int (*each)(void *ctx, const struct network_user *u),
		  void *ctx);
/* What the rules dropped, of all networks of the home, by reason. Without rules there is nothing to count. */
int network_drops(const char *home, void (*each)(void *ctx, const char *reason, uint64_t packets), void *ctx);

/* Something that is not as the definition says. */
enum { NETWORK_TRY_MAX = 256 };
struct network_difference {
	const char *network;		/* NULL: of none alone */
	char what[512], try[NETWORK_TRY_MAX];	/* try: "" when there is nothing to say */
	bool mendable;			/* by network_apply() */
};
/*
 * Compares kernel and definition of one network, or with NULL of all. Returns how many were looked at. A
 * file that cannot be read is a difference, too. ERR_NOT_FOUND; what each returns below 0 ends it.
 */
int network_check(const char *home, const char *name, int (*each)(void *ctx, const struct network_difference *d),
		  void *ctx);
/*
 * Makes it so, without cutting what passes: each is told what was found and mended. Returns how many
 * networks are as defined now. What cannot be mended is an error, told after all else was tried: the first; each is
 * told the others.
 */
int network_apply(const char *home, const char *name, int (*each)(void *ctx, const struct network_difference *d),
		  void *ctx);
