/*
 * Names and DHCP of a segment: one dnsmasq for each network whose definition has dns, on that network's
 * bridge and nowhere else. What it answers from is a function of definition and records, written by vzrun alone:
 *
 *	/run/vzrun-dns/HOME.NETWORK/	HOME: 16 digits
 *		hosts, dhcp, servers	what it reads, at its start and at each SIGHUP
 *		run			the process on record: pid, start time, index of the bridge, and which
 *					resolv.conf of the host it was told of
 *		pid, log, leases	its own
 *
 * It has no inotify instance (a user may have 128), no configuration file, no descriptor of ours, a session
 * of its own and the rights of its own user. Callers that change something hold net_dir_lock().
 */
#pragma once
#include "netns/def.h"
#include "netns/name.h"
#include "netns/record.h"

#include <limits.h>

#define NET_DNS_DIR "/run/vzrun-dns"

/* VZRUN_DNSMASQ, or dnsmasq in PATH and in the directories of system programs. ERR_UNSUPPORTED. */
int net_dns_program(char path[PATH_MAX]);

/* The question of every start: two small files and one stat; no message. Not asked for is NET_DNS_RUNS. */
enum net_dns_state { NET_DNS_RUNS, NET_DNS_STALE, NET_DNS_DEAD };	/* STALE: the host has other resolvers */
enum net_dns_state net_dns_state(const struct net_home *h, const struct net_def *d, int bridge_index);
/* Makes it so: starts it, or tells it of other resolvers; without dns, stops what is left of it. */
int net_dns_ensure(const struct net_home *h, int dirfd, const struct net_def *d, int bridge_index);
/* What it reads anew from the records, then as net_dns_ensure(). */
int net_dns_rebuild(const struct net_home *h, int dirfd, const struct net_def *d, int bridge_index);
/* Names follow from one record to the next; NULL: nothing. What fails is warned of: apply mends it. */
void net_dns_follow(const struct net_home *h, int dirfd, const struct net_record *was,
		    const struct net_record *is);
/* Whether its files say what the records say. 1: they do. */
int net_dns_agrees(const struct net_home *h, int dirfd, const struct net_def *d);
bool net_dns_is_left(const struct net_home *h, const char *network);
/* Already gone is success. */
int net_dns_stop(const struct net_home *h, const char *network);

/* ---- texts (netns/dns_text.c): no kernel, no files --------------------------------------------- */
/* The lines of nics that are on d's network. A container's name is its id, where that can be a host's. */
void net_dns_hosts(struct buf *b, const struct net_def *d, const char *owner, const struct net_nic *nics,
		   size_t n);
void net_dns_dhcp(struct buf *b, const struct net_def *d, const char *owner, const struct net_nic *nics,
		  size_t n);
/* Whether word stands in the text, between the characters that separate words in these files. word may be NULL. */
bool net_dns_names(const char *text, const char *word);
/* text without owner's lines, and without those of others with an address of nics; what goes is in *gone. */
void net_dns_without(const char *text, const char *owner, const struct net_nic *nics, size_t n,
		     struct buf *kept, struct buf *gone);
/* resolv.conf as servers of dnsmasq; never the network's own gateway. */
void net_dns_servers(struct buf *b, const struct net_def *d, const char *resolv_conf);
/* dnsmasq's command line, NULL-terminated, in the arena; NULL when memory is out. */
const char **net_dns_args(struct arena *a, const struct net_def *d, const char *dir, const char *user,
			  const char *group);
