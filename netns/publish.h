/*
 * Published ports as values: "vzrun.ports": [ { ... } ] of a guest's config.json, the same in its record, and
 * the words of the command line. No kernel, no files.
 */
#pragma once
#include "base/bind.h"
#include <netinet/in.h>

/* Each includes those before it: what the world may reach, the host may. */
enum net_expose { NET_EXPOSE_HOST = 1, NET_EXPOSE_LAN, NET_EXPOSE_WORLD };
extern const struct name net_exposes[];

/* Ports port .. port+count-1 of the host lead to guest_port .. of the guest. */
struct net_publish {
	const char *address;			/* one of the host; NULL: any that is not a gateway */
	struct opt_u32 port, guest_port, count;	/* count: absent is 1 */
	int proto;				/* IPPROTO_TCP, also when it is absent; IPPROTO_UDP */
	int expose;				/* NET_EXPOSE_HOST, also when it is absent */
};
extern const struct record net_publish_record;

enum { NET_PUBLISH_MAX = 64, NET_PUBLISH_SPAN = 1024 };

/* Of struct net_publish; fills in what is absent. Messages begin with "[i].member: "; ERR_CONFIG. */
int net_publish_check(const struct list *ports);

/*
 * "[HOST:]PORT[-END]:GUESTPORT[-END][/tcp|/udp]", an IPv6 HOST in brackets; to_remove: ":GUESTPORT" may be left out
 * (guest_port is not set then). address: where out->address points, canonical. ERR_USAGE.
 */
int net_publish_parse(const char *text, bool to_remove, struct net_publish *out, char address[INET6_ADDRSTRLEN]);
/* The same text again, protocol always said; host_only: without the guest's side. */
void net_publish_text(const struct net_publish *p, bool host_only, char *out, size_t size);

static inline unsigned net_publish_count(const struct net_publish *p) { return p->count.set ? p->count.v : 1; }
/* AF_INET, AF_INET6, or AF_UNSPEC when it is for any address. */
int net_publish_family(const struct net_publish *p);
/* Some port of some address of the host would lead two ways. */
bool net_publish_clash(const struct net_publish *a, const struct net_publish *b);
/* The same place on the host; a guest_port that is not set is any. */
bool net_publish_same(const struct net_publish *a, const struct net_publish *b);
