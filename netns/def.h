/* A network's file, HOME/networks/NAME.json. Who holds what of it: netns/record.h. */
#pragma once
#include "base/bind.h"
#include "netns/addr.h"

/*
 * NET_BRIDGE: an existing bridge of the administrator's, of which nothing is changed but our ports; the host
 * has no address there on our behalf and routes nothing.
 */
enum net_mode { NET_NAT = 1, NET_ROUTED, NET_ISOLATED, NET_BRIDGE };
extern const struct name net_modes[];
extern const struct name net_protos[];		/* tcp, udp: IPPROTO_ */

enum { NET_DEF_VERSION = 2, NET_VXLAN_PORT = 4789, NET_PEERS_MAX = 256, NET_ALLOW_MAX = 1024 };
#define NET_FLOW_CUT 0x767a6375	/* the mark of a connection that is cut, whatever it had before: "vzcu" */
/*
 * Of our bridges' ports, which speak to bridges only: by the group of a guest's its segment is known, which is the
 * number of its bridge. One with a higher number (the kernel counts on from 1) has none.
 */
#define NET_PORT_GROUP 0x76000000
#define NET_PORT_GROUP_LAST 0x76ffffff
#define NET_OUTSIDE "outside"
#define NET_NONE "none"			/* what create --net takes for no network */

/* Who may open connections into this network. */
struct net_allow {
	const char *from;		/* a network of the same home, or NET_OUTSIDE */
	const char *port;		/* "80", "8000-8010"; NULL: every protocol and port */
	int proto;			/* IPPROTO_TCP, IPPROTO_UDP; 0 without a port */
	uint16_t first, last;		/* the port, parsed */
};

/* The segment goes on at other hosts; each answers for the gateway itself. */
struct net_vxlan {
	uint32_t vni, port;
	const char *local;		/* the tunnel's own address; NULL: the kernel's choice */
	struct strv peers;		/* addresses, all of one family */
	int family;			/* theirs, parsed */
};

struct net_def {
	uint32_t version;
	const char *name;
	int mode;
	const char *bridge;
	uint32_t mtu;			/* 0: 1500 */
	const char *subnet, *subnet6;	/* mode bridge may have neither */
	const char *gateway, *gateway6;	/* mode bridge only, else NULL: the bridge's own is the gateway */
	const char *pool;		/* "FIRST-LAST": what is leased unasked; NULL: all of the subnet */
	bool dns, isolate_ports;
	struct opt_bool shortcut;	/* see netns/shortcut.h; absent: where the network can have them */
	uint32_t vlan;			/* mode bridge only: our ports are access ports of it; 0: none */
	struct net_vxlan *vxlan;	/* NULL: none */
	struct list allow;		/* of struct net_allow */
	struct net_subnet v4, v6;	/* the same, parsed */
	uint64_t first, last;		/* the pool as offsets, of either subnet; last 0: no pool */
};

/* Guests of it do not reach each other by the bridge. */
static inline bool net_def_isolates(const struct net_def *d)
{
	return d->isolate_ports || d->mode == NET_ROUTED;
}

static inline uint32_t net_port_group(int bridge)
{
	return NET_PORT_GROUP | (bridge <= NET_PORT_GROUP_LAST - NET_PORT_GROUP ? (uint32_t)bridge : 0);
}
static inline bool net_is_port_group(uint32_t group) { return group >= NET_PORT_GROUP && group <= NET_PORT_GROUP_LAST; }

/* Text and arrays live in the arena and the tree. */
struct net_file { struct arena a; struct json *tree; struct net_def d; };
void net_file_free(struct net_file *f);
#define auto_net_file SCOPED(net_file_free)

/* dirfd is HOME/networks. -ENOENT is expected. Errors: "networks/NAME.json: allow[3]: port: what". */
int net_def_load(int dirfd, const char *name, struct net_file *f);
int net_def_parse(const char *name, const char *text, size_t len, struct net_file *f);
/*
 * Parses and checks what the texts of d say, and fills in what is parsed, wherever d came from. Errors are
 * ERR_CONFIG and name the member: "allow[1]: port: what", "vxlan: peers[0]: what".
 */
int net_def_check(struct net_def *d);
int net_def_store(int dirfd, const struct net_def *d);
/* As net_def_store() writes it. */
void net_def_encode(const struct net_def *d, struct jout *o, const char *key);
/* HOME/networks, made when `make`; -ENOENT without a message when it is not there. */
int net_dir_open(const char *home, bool make);
int net_dir_lock(int dirfd);
#define NET_TAKEOVER ".takeover"	/* below it: where a take-over (netns/takeover.c) works, under the lock */

/* Calls each for every network of the directory, by name. A file that cannot be read is an error. */
int net_def_each(int dirfd, int (*each)(void *ctx, struct net_file *f), void *ctx);
/* The same, but of one that cannot be read damaged() is told, with the error pending, and the others go on. */
int net_def_each_sound(int dirfd, int (*each)(void *ctx, struct net_file *f),
		       int (*damaged)(void *ctx, const char *name), void *ctx);
/* A damaged() to whom a file that cannot be read is nothing. */
int net_def_skip(void *ctx, const char *name);

/* The names alone, of readable files and others. */
int net_def_each_name(int dirfd, int (*each)(void *ctx, const char *name), void *ctx);
/* The same in no order, which takes a fifth of the time. */
int net_def_each_unsorted(int dirfd, int (*each)(void *ctx, const char *name), void *ctx);

/* Takes out what it lets `from` do; how much that was. */
size_t net_def_forget(struct net_def *d, const char *from);

/* The way out as guests know it; false: none of this family. */
bool net_def_gateway(const struct net_def *d, int family, unsigned char *addr);

/* Fit to be the name of a link, and of one in a rule: letters, digits, _ . - */
bool net_is_link_name(const char *s);
/* "80", "8000-8010". -EINVAL without a message. */
int net_port_range(const char *text, uint16_t *first, uint16_t *last);
