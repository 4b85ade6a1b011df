/*
 * What a guest uses: its cgroup's counters and its links' traffic. Nothing here writes.
 */
#pragma once
#include "runtime/guest/guest.h"

/* Since it was created: live numbers are read, nothing is written. gone: what it had and has no more. */
struct guest_nic_traffic { char name[IFNAMSIZ], network[64]; bool gone; struct net_counts counts; };
struct guest_traffic { struct guest_nic_traffic nic[2 * NET_PORTS_MAX]; size_t n; struct net_counts sum; };
/* conf: its vzrun.networks; netns: of the running guest, -1: it is stopped. */
int guest_traffic(const struct guest_where *at, const char *name, int dir_fd, const struct list *conf, int netns,
		  struct guest_traffic *out);
/* ERR_STATE: it is not running. */
int guest_netns(const struct guest_where *at, const char *name);
/* counted: it has a group, and cg says what its controllers count. */
struct guest_stats { enum guest_status status; pid_t pid; bool counted; struct cg_stats cg; struct guest_traffic net; };
int guest_stats(const struct guest_where *at, const char *name, struct guest_stats *out);
/* The group of a guest that is not stopped. */
int guest_cg(const struct guest_where *at, const char *name, struct cg *out);
