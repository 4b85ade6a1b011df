/* Inside netns/dns*.c: dnsmasq as a process. */
#pragma once
#include "netns/dns.h"

struct dns_where { char name[96], path[128]; };		/* of its directory, in NET_DNS_DIR */
void dns_where_of(const struct net_home *h, const char *network, struct dns_where *w);

/* What is on record of it: the file "run". */
struct dns_run { uint64_t pid, start, bridge, stamp; };
bool dns_run_read(const struct dns_where *w, struct dns_run *r);
int dns_run_write(int dir, const struct dns_run *r);
uint64_t dns_resolv_stamp(void);		/* changes when the host gets other resolvers */

/* Who it runs as. ERR_UNSUPPORTED. */
struct dns_user { char name[32], group[32]; gid_t gid; };
int dns_user_find(struct dns_user *u);

/* Ends one that still runs, starts it, puts it on record. What it reads is there. */
int dns_process_start(const struct dns_where *w, int dir, const struct net_def *d, const struct dns_user *u,
		      int bridge_index);
int dns_process_end(const struct dns_where *w);		/* gone already is success */
void dns_process_tell(const struct dns_where *w);	/* to read its files again */
