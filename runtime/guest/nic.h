/*
 * NICs of a guest: what is wished (config.json), what is held (netns/), and what a running guest has.
 *
 *	HOME/guests/NAME/links.json	of a running guest: its NICs that are on no network, and what the links
 *					were like that it was lent; gone when they are back
 *	HOME/guests/NAME/traffic.json	totals of links that are gone; of the others the kernel's counters
 */
#pragma once
#include "runtime/guest/nics.h"

/* ---- links.c ------------------------------------------------------------------------------------ */
struct guest_links { struct list nics, loans; struct json *tree; struct arena arena; };	/* net_nic_conf, net_loan */
int links_load(int dir_fd, struct guest_links *l);
/* With nothing in it the file goes. */
int links_store(int dir_fd, const struct guest_links *l);
void links_free(struct guest_links *l);
#define auto_links __attribute__((cleanup(links_free)))
int links_add(struct guest_links *l, const struct net_nic_conf *nic, const struct net_port *p);
void links_remove(struct guest_links *l, unsigned index);
const struct net_loan *links_loan(const struct guest_links *l, unsigned index);
/* What a start will lend, noted before it does. */
int links_begin(int dir_fd, const struct list *nics, const struct net_port *ports);
/*
 * The guest is down, and its namespace is held. Its links on others' go at once: the kernel is late with them, and
 * until then their MAC addresses are taken there.
 */
void links_drop(const struct net_port *ports, size_t n, int netns);
/*
 * The guest is down: what was lent comes back; netns -1: its namespace is gone. 1: there was something. A link that
 * does not come back is a warning and an event.
 */
int links_end(int dir_fd, int netns);
/* There is something to come back. */
bool links_any(int dir_fd);
/* Every NIC of a running guest; of a stopped one what it will have (conf: its wishes). */
int nic_ports(const struct guest_where *at, const char *name, int dir_fd, const struct list *conf,
	      struct net_port *ports, size_t *n);

/* ---- traffic.c ---------------------------------------------------------------------------------- */
/* Adds what the links have counted to the totals: they are about to go. removed: their names mean nothing any more. */
int traffic_keep(int dir_fd, const struct net_port *ports, size_t n, int netns, bool removed);

/* ---- nic_words.c -------------------------------------------------------------------------------- */
struct nic_wishes { struct net_nic_conf v[NET_PORTS_MAX]; size_t n; };	/* each with its index in it */
void nic_wishes(const struct guest *g, struct nic_wishes *out);
void nic_encode(struct jout *o, const char *key, const struct nic_wishes *w);
int nic_put(struct json **tree, const struct nic_wishes *w);	/* vzrun.networks of config.json */
int nic_check(const struct nic_wishes *w);			/* ERR_USAGE: "--ip: what" */
/* has: the addresses that it has, for ip_del. Text: in the arena, or the words' own. */
int nic_words(struct nic_wishes *w, const struct nic_words *r, const struct net_port *has, size_t n, struct arena *a);

/* ---- nic_live.c --------------------------------------------------------------------------------- */
/* What is held, and what the running guest has, become want. A failure changes nothing. */
struct nic_live { const struct guest *g; int netns; struct net_port from[NET_PORTS_MAX], to[NET_PORTS_MAX];
		  size_t n_from, n_to; bool done; };
int nic_live(struct nic_live *l, const struct guest *g, const struct nic_wishes *want);
void nic_live_back(struct nic_live *l);
void nic_live_free(struct nic_live *l);
/* The addresses that it has, as what is wished for. */
int nic_pin(struct arena *a, const struct net_port *p, struct net_nic_conf *nic);

/* ---- nic.c -------------------------------------------------------------------------------------- */
/* open, look, change w, apply, save; what fails after apply calls back. later: saved only, for the next start. */
struct nic_edit {
	struct guest g;
	struct json *tree;
	struct nic_wishes w;
	struct net_port has[NET_PORTS_MAX];
	size_t n_has;
	struct arena arena;
	struct nic_live live;
	bool only_now, later, running, looked, claimed;
};
int nic_edit_open(struct nic_edit *e, const struct guest_where *at, const char *name, bool only_now, bool only_next);
int nic_edit_look(struct nic_edit *e);		/* fills in w and has */
int nic_edit_apply(struct nic_edit *e);
void nic_edit_back(struct nic_edit *e);
int nic_edit_save(struct nic_edit *e);		/* goes back by itself when it fails */
void nic_edit_close(struct nic_edit *e);
