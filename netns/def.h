/* A network's file, HOME/networks/NAME.json: definition and leases. */
#pragma once
#include "base/bind.h"
#include "netns/addr.h"

enum net_mode { NET_NAT = 1, NET_ROUTED, NET_ISOLATED };
extern const struct name net_modes[];

struct net_lease {
	const char *guest;
	uint32_t index;
	const char *ip, *ip6, *mac;	/* ip, ip6: NULL when the network has no such subnet */
};

struct net_def {
	uint32_t version;
	const char *name;
	int mode;
	const char *bridge;
	uint32_t mtu;			/* 0: 1500 */
	const char *subnet, *subnet6;
	struct list leases;
	struct net_subnet v4, v6;	/* the same, parsed */
};

/* Text and arrays live in the arena and the tree. */
struct net_file { struct arena a; yajl_val tree; struct net_def d; };
void net_file_free(struct net_file *f);
#define auto_net_file SCOPED(net_file_free)

/* dirfd is HOME/networks. -ENOENT is expected. Errors: "networks/NAME.json: leases[3]: ip: what". */
int net_def_load(int dirfd, const char *name, struct net_file *f);
int net_def_parse(const char *name, const char *text, size_t len, struct net_file *f);
int net_def_store(int dirfd, const struct net_def *d);
/* HOME/networks, made when `make`; -ENOENT without a message when it is not there. */
int net_dir_open(const char *home, bool make);
int net_dir_lock(int dirfd);

/* Calls each for every network of the directory, by name. A file that cannot be read is an error. */
int net_def_each(int dirfd, int (*each)(void *ctx, struct net_file *f), void *ctx);

/* One more lease, zeroed; NULL when memory is out. */
struct net_lease *net_lease_add(struct net_file *f);
void net_lease_remove(struct net_def *d, struct net_lease *l);
struct net_lease *net_lease_find(const struct net_def *d, const char *guest, unsigned index);

/* The name inside: as configured, or eth and the index. */
struct net_nic_conf;
void net_inside_name(const struct net_nic_conf *c, size_t i, char out[16]);
