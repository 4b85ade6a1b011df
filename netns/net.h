/*
 * Networks (segments) and the ports that connect guests to them: one bridge a network, one veth
 * pair a port, born in the guest's own network namespace, so that it dies with it. Knows nothing of
 * containers. Runs in the static executable: libnl-route here; what needs libnftables is in the
 * helper executable vzrun-net (netns/firewall*.c), run only when the kernel's table differs from
 * the definitions.
 *
 * Order of a start:  net_claim (lease on disk)  net_setup (host side, after the clone)
 *                    net_finish_inside (in the guest's namespace)
 * Order of an end:   the namespace dies and takes the pair; net_release.
 */
#pragma once
#include "base/bind.h"
#include <net/if.h>
#include <netinet/in.h>
#include <sys/types.h>

/* ---- the configuration's slice: "vzrun.networks": [ { ... } ] ---------------------------------- */
enum net_kind { NET_KIND_NETWORK = 1, NET_KIND_MACVLAN, NET_KIND_IPVLAN, NET_KIND_PHYSICAL };
extern const struct name net_kinds[];

struct net_nic_conf {
	int kind;		/* enum net_kind; 0: a port of a network */
	const char *network;	/* NULL: "default" */
	const char *parent;	/* of the other kinds: the host's link that they stand on, or that is moved in */
	const char *name;	/* inside; NULL: eth and the index */
	/*
	 * "10.77.0.5", "10.77.0.5/16"; "auto" and NULL: a free one is leased; "none". Of the other kinds: with a
	 * prefix; NULL and "none": none is set.
	 */
	const char *ip, *ip6;
	const char *mac;	/* NULL: derived from the guest's name and the index */
	const char *rate;	/* see net_rate_parse(); NULL: no limit */
	struct opt_u32 index;	/* which of the guest's links it is, as long as it exists; absent: its place in the list */
};
extern const struct record net_nic_record;
int net_check(const struct list *nics);		/* of struct net_nic_conf; messages begin with "[i].member: " */
/* Of the i-th of the list. */
unsigned net_nic_index(const struct net_nic_conf *c, size_t i);
void net_inside_name(const struct net_nic_conf *c, size_t i, char out[IFNAMSIZ]);

/* An address as the configuration has it. ERR_CONFIG: "10.77.0.300 is not an IPv4 address". */
struct net_wish { bool given, automatic; unsigned char addr[16]; unsigned prefix; };	/* prefix 0: not said */
int net_wish_parse(const char *text, int family, struct net_wish *out);

/*
 * "IN[:OUT][:BURST]": bits a second with K, M, G (powers of 1000) or "max", into the guest and out of it (OUT missing
 * or empty: as IN); BURST in bytes with K, M (powers of 1024). ERR_CONFIG, "100X: what is wrong".
 */
struct net_rate { uint64_t in, out, burst; };	/* 0: no limit; burst 0: one that lets a TCP stream reach the rate */
int net_rate_parse(const char *text, struct net_rate *out);
char *net_rate_text(struct arena *a, const struct net_rate *r);	/* the shortest that says the same */

/* ---- the configuration's slice: "linux.netDevices": { "eth1": { "name": ... } } ------------------- */
struct net_device_conf {
	const char *host;	/* the key: its name where it is */
	const char *name;	/* its name inside, which may have one %d; NULL or "": the same */
};
extern const struct record net_device_record;
int net_devices_check(const struct list *devices);	/* messages begin with "HOST: " */

/* A device on its way, and how to bring it back, whoever is killed meanwhile. */
struct net_baggage {
	size_t n;
	bool too_many;
	struct { size_t len; _Alignas(uint32_t) char p[256]; } at[64];	/* addresses, as the kernel tells them */
};
struct net_moved {
	char was[IFNAMSIZ], is[IFNAMSIZ];	/* is: "" before the move was begun */
	bool up, settled;			/* settled: it has its addresses with it, and bag is old */
	struct net_baggage bag;
};
/*
 * Moves a link from our network namespace (back: from that one to ours) with its permanent addresses of global
 * scope, under a new name, and brings it up (back: if it was). A failure leaves it where and as it was, up to the
 * addresses' order. ERR_NOT_FOUND: no such link; ERR_EXISTS: the name is taken there. *out is whole before anything is
 * moved: from memory that is shared, another process may bring back what this one was killed over.
 */
int net_move_device(const char *host, const char *name, int netns_fd, struct net_moved *out);
int net_move_back(struct net_moved *m, int netns_fd);

/*
 * The home whose guests' links net_teardown() removes (default: the last one given to net_claim() or
 * net_release(), else VZRUN_HOME, else /var/lib/vzrun). vzrun-net is found as base/helper.h says.
 */
void net_set_home(const char *home);

/* ---- a port with everything decided --------------------------------------------------------------- */
struct net_port {
	char network[64], bridge[IFNAMSIZ];
	char host_if[IFNAMSIZ];		/* a function of home, guest and index: vz + 8 hex digits + index */
	char name[IFNAMSIZ];		/* inside */
	unsigned char mac[6];
	struct in_addr ip, gateway;	/* 0.0.0.0: none */
	struct in6_addr ip6, gateway6;
	unsigned prefix, prefix6, mtu;
	/* Mode routed: the subnet is not on the link (prefix 32, 128) but behind the gateway; its prefix. 0: it is. */
	unsigned behind, behind6;
	int bridge_index;		/* 0: net_setup looks it up */
	bool isolated;			/* from other isolated ports of the bridge */
	bool shortcut;			/* its segment has shortcuts between guests */
	bool guarded;			/* the guest has a firewall */
	unsigned vlan;			/* an access port of it; 0: none */
	int kind;			/* enum net_kind */
	unsigned index;
	char parent[IFNAMSIZ];
	struct net_rate rate;
	struct in_addr dns;		/* who answers for names on this network; 0.0.0.0: nobody */
	struct in6_addr dns6;
	bool outward;			/* leads out of the network */
};

enum { NET_PORTS_MAX = 16 };

/*
 * home: VZRUN_HOME. Makes the default network on first use (definition file, bridge with addresses,
 * firewall tables, forwarding on for it), brings up what is missing after a reboot, and leases addresses
 * for each nic, on record in networks/.guests (netns/record.h), changed under a lock. Idempotent for the
 * same guest, which is served from its own record alone; what it no longer asks for is given back. Errors:
 * ERR_ADDRESS (duplicate), ERR_RESOURCE (subnet full), ERR_NOT_FOUND (network).
 */
int net_claim(const char *home, const char *guest, const struct list *nics, struct net_port *ports, size_t *n);
/* Whether net_claim() would be refused as things are, with its errors; nothing is changed. */
int net_foresee(const char *home, const char *guest, const struct list *nics);
/* What is leased to the guest, read only: network and addresses of each port. ports: room for NET_PORTS_MAX. */
int net_leased(const char *home, const char *guest, struct net_port *ports, size_t *n);
/* The owner that a container of this --root (resolved) and id is to net_claim(); no guest's name is one. */
enum { NET_OWNER_MAX = 104 };		/* with the NUL; fits into a comment of nftables with a mark */
void net_owner_of(const char *state_root, const char *id, char out[NET_OWNER_MAX]);
/* Gives every lease of the guest back; already gone is success. Bridge and table stay: they belong to the network. */
int net_release(const char *home, const char *guest);
/*
 * All settings below /proc/sys/net of that namespace that can be written, a line NAME=VALUE each; and those that differ
 * and whose names begin with `those` set again, by such lines. What cannot be set is a warning.
 */
int net_sysctl_keep(int netns_fd, struct buf *out);
int net_sysctl_set(int netns_fd, const char *text, const char *those);
/* Removes what killed commands left in HOME/networks: files, links of addresses that no record has. How many. */
int net_sweep(const char *home);
/* Host side: veth pairs with the peer born in the namespace, host end in the bridge and up. */
int net_setup(const struct net_port *ports, size_t n, int netns_fd);
/* In the namespace: lo up, addresses, routes, links up. Only system calls, no helper, no file. n may be 0: lo only. */
int net_finish_inside(const struct net_port *ports, size_t n);
/* The loopback device of a network namespace; -1: of ours. */
int net_up_loopback(int netns_fd);
/* Host side after a crash: removes host ends that are still there (names are functions of the guest). */
int net_teardown(const char *guest);

/*
 * Text for the guest's /etc/resolv.conf: the gateway of the first of its networks that has names and leads out,
 * and the network's name to search; else the host's usable resolvers, for stub resolvers on loopback the real
 * ones. A network that leads nowhere is asked only by who has no other.
 */
int net_resolv_conf(const struct net_port *ports, size_t n, struct buf *out);

/* ---- kind "physical": a link of the host's that a guest has for a while -------------------------------- */
/* What it was like, noted before it goes: it comes back with its name, addresses and all. */
struct net_loan {
	struct opt_u32 index;		/* the guest's NIC */
	const char *device, *name;	/* its name on the host, and inside */
	const char *alias;		/* carried meanwhile: by it the link is known again */
	const char *was_alias, *mac, *permanent, *kind;	/* may be NULL; kind: "" is a card's */
	struct opt_u32 number, mtu;	/* number: on the host */
	bool up;
	struct strv addresses;		/* netns/addrtext.h */
	struct strv altnames;		/* by which it is called as well */
};
extern const struct record net_loan_record;
/* ERR_NOT_FOUND: no such link; ERR_STATE: it is part of a bridge or a bond. Text: in the arena. */
int net_loan_note(const struct net_port *p, struct arena *a, struct net_loan *out);
/*
 * From its namespace, or (netns_fd -1, or it is not there) from where the kernel put it when that died, which is
 * waited for. Again is harmless, and a part of it is finished. ERR_NOT_FOUND: the link is nowhere.
 */
int net_loan_take_back(const struct net_loan *l, int netns_fd);

/* ---- a running guest: netns_fd is a descriptor of its network namespace --------------------------------- */
/*
 * One more NIC, with all that it has: links, addresses, a default route if p has a gateway, announced. A failure
 * leaves nothing. A physical one is noted before.
 */
int net_attach(const struct net_port *p, int netns_fd);
/*
 * All that a start gives, in a namespace where no process of ours is: net_setup() and net_finish_inside(); and settings
 * as net_sysctl_keep() wrote them (NULL: none), those of IPv6 before links have addresses and are up. What a failure
 * leaves goes with the namespace.
 */
int net_attach_all(const struct net_port *ports, size_t n, int netns_fd, const char *settings);
/*
 * ERR_UNSUPPORTED: the namespace has links, addresses, routes or tables of rules that come from none of the ports; the
 * message is the first of them.
 */
int net_refuse_foreign(const struct net_port *ports, size_t n, int netns_fd);
/* Gone already is success. Not of a physical one: net_loan_take_back(). */
int net_detach(const struct net_port *p, int netns_fd);
/*
 * From what one says to what the other says: addresses, MAC address, rate in; announced. Connections by other
 * addresses go on, routes stay. Half-way is the way back: net_change(to, from).
 */
int net_change(const struct net_port *from, const struct net_port *to, int netns_fd);
/* The default route by p's gateway, if there is none. */
int net_route(const struct net_port *p, int netns_fd);
/* A NIC of another kind than network, as net_claim() gives it. */
void net_standing(const char *home, const char *guest, const struct net_nic_conf *nic, size_t i, struct net_port *out);

/* Seen from the guest. */
struct net_counts { uint64_t in_bytes, in_packets, out_bytes, out_packets; };
/* Since the link was made. -ENODEV without a message: it is gone. */
int net_count(const struct net_port *p, int netns_fd, struct net_counts *out);
