/* Claims. An owner that holds already what it asks for is served without a lock and without a write. */
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/dns.h"
#include "netns/elements.h"
#include "netns/kernel.h"
#include "netns/lease.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <string.h>

struct use {
	struct net_file f;
	char name[64];
	bool loaded;
	int bridge_index;
};
struct claim {
	const struct net_home *h;
	const char *owner;
	const struct list *nics;
	int dir;
	struct net_held held;		/* what is on record */
	struct arena a;
	struct net_nic nic[NET_PORTS_MAX];
	struct use use[NET_PORTS_MAX];
	size_t n;
};

static void claim_free(struct claim *c)
{
	for (size_t i = 0; i < c->n; i++)
		net_file_free(&c->use[i].f);
	c->n = 0;
	net_held_free(&c->held);
	arena_free(&c->a);
}

static struct use *use_of(struct claim *c, const char *network)
{
	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->use[i].name, network))
			return &c->use[i];
	struct use *u = &c->use[c->n++];
	memset(u, 0, sizeof *u);
	snprintf(u->name, sizeof u->name, "%s", network);
	return u;
}

static const struct net_nic_conf *conf_at(const struct claim *c, size_t i)
{
	return (const struct net_nic_conf *)c->nics->v + i;
}

static bool on_network(const struct net_nic_conf *c) { return c->kind <= NET_KIND_NETWORK; }
static const char *network_of(const struct net_nic_conf *c) { return c->network ? c->network : "default"; }

/* What the i-th is, or was, on record. */
static const struct net_nic *held_at(const struct claim *c, const struct net_record *r, size_t i)
{
	return net_record_nic(r, net_nic_index(conf_at(c, i), i));
}

static bool nothing_more(const struct claim *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->nics->n; i++)
		n += on_network(conf_at(c, i));
	return n == c->held.r.nics.n;
}

/* 1: loaded. 0: the default network, which is still to be made. */
static int load(struct claim *c, struct use *u)
{
	int r = c->dir < 0 ? -ENOENT : net_def_load(c->dir, u->name, &u->f);

	if (r == -ENOENT && str_eq(u->name, "default"))
		return 0;
	if (r == -ENOENT)
		return fail_as(ERR_NOT_FOUND, "network %s does not exist", u->name);
	TRY(r);
	u->loaded = true;
	return 1;
}

/* Its links stand: they do not when a claim was killed half way, or somebody else took an address since. */
static bool has_links(const struct claim *c, const struct net_nic *n)
{
	const char *const address[] = { n->ip, n->ip6, n->mac };

	for (size_t i = 0; i < COUNT(address); i++)
		if (address[i] && !net_index_is(c->dir, n->network, address[i], c->owner, n->index))
			return false;
	return true;
}

/* What the firewall lacks of all that this claim is about: flags of netns/kernel.h. */
static int firewall_lacks(const struct claim *c, const struct net_record *is)
{
	auto_nft_list struct nft_list all = { 0 }, stamps = { 0 };
	auto_net_defs struct net_defs defs = { .dir = c->dir };

	for (size_t i = 0; i < c->n; i++) {
		net_elements_of_network(c->h, &c->use[i].f.d, &all);
		net_defs_lend(&defs, &c->use[i].f.d);
	}
	net_elements_of_owner(c->h, is, &defs, &all);
	net_stamps(&all, &stamps);
	return stamps.n ? net_fw_check(c->h->table, &stamps) : 0;
}

/* 1: everything is there and nothing was written. 0: no. */
static int without_lock(struct claim *c, struct net_port *ports)
{
	auto_nlq struct nlq q = { 0 };
	int r = c->dir < 0 ? -ENOENT : net_record_load(c->dir, c->owner, &c->held);

	if (r < 0 && r != -ENOENT)
		return r;
	if (!nothing_more(c))
		return 0;
	for (size_t i = 0; i < c->nics->n; i++) {
		const struct net_nic *l = held_at(c, &c->held.r, i);
		struct use *u;

		if (!on_network(conf_at(c, i))) {
			net_port_alone(c->h, c->owner, conf_at(c, i), i, &ports[i]);
			continue;
		}
		u = use_of(c, network_of(conf_at(c, i)));
		if (!u->loaded) {
			r = load(c, u);
			if (r <= 0)
				return r;
			if (!q.sk)
				TRY(nlq_open(&q, NETLINK_ROUTE));
			r = net_links_check(&q, c->h, &u->f.d, &u->bridge_index);
			if (r != 0 || net_dns_state(c->h, &u->f.d, u->bridge_index) != NET_DNS_RUNS)
				return r < 0 ? r : 0;
		}
		if (!l || !net_nic_fits(l, &u->f.d, conf_at(c, i)) || !has_links(c, l))
			return 0;
		TRY(net_port_of(c->h, &u->f.d, &c->held.r, l, u->bridge_index, &ports[i]));
	}
	TRY(net_refuse_unseen(c->dir, &c->held.r));
	r = firewall_lacks(c, &c->held.r);
	return r < 0 ? r : r == 0;
}

/* A guest that starts without names is better than one that does not start. */
static int names(struct claim *c, struct use *u)
{
	if (net_dns_ensure(c->h, c->dir, &u->f.d, u->bridge_index) < 0) {
		log_warn("%s", err_text());
		err_clear();
	}
	return 0;
}

static int ready(struct claim *c, struct use *u)
{
	int r = load(c, u);

	if (r < 0)
		return r;
	if (r == 0) {
		u->f.d = (struct net_def){ .name = "default", .mode = NET_NAT };
		u->loaded = true;
	} else {
		r = net_kernel_check(c->h, &u->f.d, &u->bridge_index);
		if (r <= 0)
			return r < 0 ? r : names(c, u);
	}
	TRY(net_bring_up(c->h, c->dir, &u->f, &u->bridge_index));
	return names(c, u);
}

/* Nobody took an address of it meanwhile. */
static int still_ours(const struct claim *c, const struct net_nic *n)
{
	const char *const address[] = { n->ip, n->ip6, n->mac };
	struct net_holder who;

	for (size_t i = 0; i < COUNT(address); i++) {
		int r = address[i] ? net_index_holder(c->dir, n->network, address[i], &who) : 0;

		if (r < 0 || (r > 0 && !str_eq(who.owner, c->owner)))
			return r < 0 ? r : 0;
	}
	return 1;
}

/* What stays as it is first: it is not to be chosen for another interface. */
static int keep_what_fits(struct claim *c, struct net_record *is)
{
	for (size_t i = 0; i < c->nics->n; i++) {
		const struct net_nic *l = on_network(conf_at(c, i)) ? held_at(c, &c->held.r, i) : NULL;
		int r = l && net_nic_fits(l, &use_of(c, network_of(conf_at(c, i)))->f.d, conf_at(c, i));

		if (r > 0)
			r = still_ours(c, l);
		TRY(r);
		if (r > 0)
			c->nic[is->nics.n++] = *l;
	}
	return 0;
}

static int decide(struct claim *c, struct net_record *is)
{
	struct net_choice choice = { .h = c->h, .dir = c->dir, .a = &c->a, .r = is };

	*is = (struct net_record){ .owner = c->owner, .nics = { c->nic, 0 }, .ports = c->held.r.ports,
				   .firewall = c->held.r.firewall };
	TRY(keep_what_fits(c, is));
	for (size_t i = 0; i < c->nics->n; i++) {
		const struct net_nic *was = held_at(c, &c->held.r, i);
		struct net_nic_conf wish = *conf_at(c, i);
		const struct net_def *d;

		if (!on_network(&wish) || held_at(c, is, i))
			continue;
		d = &use_of(c, network_of(&wish))->f.d;
		if (was && has_links(c, was))
			net_nic_keep(was, d, &wish);
		TRY(net_nic_choose(&choice, d, net_nic_index(conf_at(c, i), i), &wish, &c->nic[is->nics.n]));
		is->nics.n++;
	}
	net_record_sort(is);
	return 0;
}

/* The record may be as it was, and its elements gone or another's. */
static int mend(const struct claim *c, const struct net_record *is)
{
	int lacks = firewall_lacks(c, is);

	if (lacks <= 0)
		return lacks;
	return lacks == NET_LACKS_PORTS ? net_fw_owner(c->h, c->dir, NULL, is)
					: net_fw_replace(c->h, c->dir);
}

/* What was held before is held again where the kernel cannot be told of the new. */
static int hold_whole(const struct claim *c, const struct net_record *was, const struct net_record *is)
{
	struct err_saved why;

	TRY(net_hold(c->h, c->dir, was, is));
	int r = mend(c, is);
	if (r >= 0)
		return 0;
	err_save(&why);
	(void)net_hold(c->h, c->dir, is, was);
	err_restore(&why);
	return r;
}

static int under_lock(struct claim *c, struct net_port *ports)
{
	int r = net_record_load(c->dir, c->owner, &c->held);
	struct net_record is;

	if (r < 0 && r != -ENOENT)
		return r;
	for (size_t i = 0; i < c->nics->n; i++) {
		struct use *u = on_network(conf_at(c, i)) ? use_of(c, network_of(conf_at(c, i))) : NULL;

		if (u && !u->loaded)
			TRY(ready(c, u));
	}
	TRY(decide(c, &is));
	for (size_t i = 0; i < c->nics->n; i++) {
		struct use *u;

		if (!on_network(conf_at(c, i))) {
			net_port_alone(c->h, c->owner, conf_at(c, i), i, &ports[i]);
			continue;
		}
		u = use_of(c, network_of(conf_at(c, i)));
		TRY(net_port_of(c->h, &u->f.d, &is, held_at(c, &is, i), u->bridge_index, &ports[i]));
	}
	return hold_whole(c, r == -ENOENT ? NULL : &c->held.r, &is);
}

int net_claim(const char *home, const char *owner, const struct list *nics, struct net_port *ports, size_t *n)
{
	auto_close int dir = -1;
	struct net_home h;
	int r;

	*n = 0;
	net_set_home(home);
	if (!net_is_owner(owner))
		return fail_as(ERR_CONFIG, "\"%.64s\" is not the name of a guest", owner);
	TRY_IN(net_check(nics), "networks");
	net_home_of(home, &h);
	dir = net_store_open(home, false);
	if (dir < 0 && dir != -ENOENT)
		return dir;
	SCOPED(claim_free) struct claim c = { .h = &h, .owner = owner, .nics = nics, .dir = dir };
	r = without_lock(&c, ports);
	if (r == 0) {
		claim_free(&c);
		if (dir < 0)
			dir = net_store_open(home, true);
		TRY(dir);
		/* The home may be new: its path is known only now. */
		net_home_of(home, &h);
		c.dir = dir;
		auto_close int lock = net_dir_lock(dir);
		TRY(lock);
		r = under_lock(&c, ports);
	}
	TRY(r);
	*n = nics->n;
	return 0;
}

int net_foresee(const char *home, const char *owner, const struct list *nics)
{
	auto_close int dir = net_store_open(home, false);
	struct net_record is;
	struct net_home h;
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	net_home_of(home, &h);
	SCOPED(claim_free) struct claim c = { .h = &h, .owner = owner, .nics = nics, .dir = dir };
	r = net_record_load(dir, owner, &c.held);
	if (r < 0 && r != -ENOENT)
		return r;
	for (size_t i = 0; i < nics->n; i++) {
		struct use *u = on_network(conf_at(&c, i)) ? use_of(&c, network_of(conf_at(&c, i))) : NULL;

		r = !u || u->loaded ? 1 : load(&c, u);
		/* The default network is still to be made: nobody has anything on it. */
		if (r <= 0)
			return r;
	}
	return decide(&c, &is);
}

int net_leased(const char *home, const char *owner, struct net_port *ports, size_t *n)
{
	auto_close int dir = net_store_open(home, false);
	auto_net_held struct net_held held = { 0 };
	struct net_home h;
	int r = dir < 0 ? dir : net_record_load(dir, owner, &held);

	*n = 0;
	if (r == -ENOENT)
		return 0;
	TRY(r);
	net_home_of(home, &h);
	LIST_EACH(const struct net_nic, l, held.r.nics) {
		auto_net_file struct net_file f = { 0 };
		struct net_def none = { .name = l->network, .bridge = "" };

		/* A damaged definition hides nothing of what is on record. */
		if (net_def_load(dir, l->network, &f) < 0)
			err_clear();
		TRY(net_port_of(&h, f.tree ? &f.d : &none, &held.r, l, 0, &ports[(*n)++]));
	}
	return 0;
}

int net_release(const char *home, const char *owner)
{
	auto_close int dir = net_store_open(home, false);
	auto_net_held struct net_held held = { 0 };
	struct net_home h;
	int r = dir < 0 ? dir : net_record_load(dir, owner, &held);

	net_set_home(home);
	if (r == -ENOENT)
		return 0;
	TRY(r);
	net_held_free(&held);
	auto_close int lock = net_dir_lock(dir);
	TRY(lock);
	r = net_record_load(dir, owner, &held);
	if (r == -ENOENT)
		return 0;
	TRY(r);
	net_home_of(home, &h);
	return net_hold(&h, dir, &held.r, NULL);
}
