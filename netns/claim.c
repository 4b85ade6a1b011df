/* Leases. A guest that has them already is served without a lock and without a write. */
#include "base/file.h"
#include "base/scope.h"
#include "base/undo.h"
#include "netns/kernel.h"
#include "netns/lease.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <string.h>

struct use {
	struct net_file f;
	char name[64];
	bool loaded, changed;
	int bridge_index;
	char *old;		/* the file's text before this claim */
};
struct claim {
	const struct net_home *h;
	const char *guest;
	const struct list *nics;
	int dir;
	struct use use[NET_PORTS_MAX];
	size_t n;
};

static void claim_free(struct claim *c)
{
	for (size_t i = 0; i < c->n; i++) {
		net_file_free(&c->use[i].f);
		free(c->use[i].old);
	}
	c->n = 0;
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

static const char *network_of(const struct net_nic_conf *c) { return c->network ? c->network : "default"; }

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

/* 1: everything is there and nothing was written. 0: no. */
static int without_lock(struct claim *c, struct net_port *ports)
{
	for (size_t i = 0; i < c->nics->n; i++) {
		const struct net_nic_conf *nic = (const struct net_nic_conf *)c->nics->v + i;
		const struct net_lease *l;
		struct use *u;
		int r;

		if (nic->kind > NET_KIND_NETWORK) {
			net_port_alone(c->h, c->guest, nic, i, &ports[i]);
			continue;
		}
		u = use_of(c, network_of(nic));
		if (!u->loaded) {
			r = load(c, u);
			if (r <= 0)
				return r;
			r = net_kernel_check(c->h, &u->f.d, &u->bridge_index);
			if (r != 0)
				return r < 0 ? r : 0;
		}
		l = net_lease_find(&u->f.d, c->guest, net_nic_index(nic, i));
		if (!l || !net_lease_fits(l, &u->f.d, nic))
			return 0;
		TRY(net_port_of(c->h, &u->f.d, l, nic, u->bridge_index, &ports[i]));
	}
	return 1;
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
			return r;
	}
	return net_bring_up(c->h, c->dir, &u->f, &u->bridge_index);
}

static const struct net_nic_conf *nic_at(const struct list *nics, unsigned index)
{
	const struct net_nic_conf *v = nics->v;

	for (size_t i = 0; i < nics->n; i++)
		if (net_nic_index(&v[i], i) == index)
			return &v[i];
	return NULL;
}

/* Leases of this guest on u that the configuration no longer asks for. */
static void drop_stale(struct claim *c, struct use *u)
{
	struct list *l = &u->f.d.leases;

	for (size_t i = l->n; i-- > 0;) {
		struct net_lease *v = (struct net_lease *)l->v + i;
		const struct net_nic_conf *nic;

		if (!str_eq(v->guest, c->guest))
			continue;
		nic = nic_at(c->nics, v->index);
		if (nic && nic->kind <= NET_KIND_NETWORK && str_eq(network_of(nic), u->name) &&
		    net_lease_fits(v, &u->f.d, nic))
			continue;
		net_lease_remove(&u->f.d, v);
		u->changed = true;
	}
}

struct restore { int dir; char file[80]; const char *text; size_t n; };

static int put_back(void *arg)
{
	struct restore *r = arg;
	return file_write_atomic(r->dir, r->file, r->text, r->n, 0600);
}

/* A file written is put back when the next one fails. */
static int store(struct claim *c)
{
	auto_undo struct undo u = { 0 };

	for (size_t i = 0; i < c->n; i++) {
		struct restore r = { .dir = c->dir };

		if (!c->use[i].changed)
			continue;
		snprintf(r.file, sizeof r.file, "%s.json", c->use[i].name);
		TRY(file_read(c->dir, r.file, &c->use[i].old, &r.n));
		r.text = c->use[i].old;
		TRY(undo_push(&u, "lease", put_back, &r, sizeof r));
		TRY(net_def_store(c->dir, &c->use[i].f.d));
	}
	undo_commit(&u);
	return 0;
}

static int under_lock(struct claim *c, struct net_port *ports)
{
	for (size_t i = 0; i < c->nics->n; i++) {
		const struct net_nic_conf *nic = (const struct net_nic_conf *)c->nics->v + i;
		struct use *u = nic->kind > NET_KIND_NETWORK ? NULL : use_of(c, network_of(nic));

		if (u && !u->loaded) {
			TRY(ready(c, u));
			drop_stale(c, u);
		}
	}
	for (size_t i = 0; i < c->nics->n; i++) {
		const struct net_nic_conf *nic = (const struct net_nic_conf *)c->nics->v + i;
		struct net_lease *l;
		struct use *u;

		if (nic->kind > NET_KIND_NETWORK) {
			net_port_alone(c->h, c->guest, nic, i, &ports[i]);
			continue;
		}
		u = use_of(c, network_of(nic));
		l = net_lease_find(&u->f.d, c->guest, net_nic_index(nic, i));
		if (!l) {
			TRY(net_lease_new(c->h, &u->f, c->guest, net_nic_index(nic, i), nic, &l));
			u->changed = true;
		}
		TRY(net_port_of(c->h, &u->f.d, l, nic, u->bridge_index, &ports[i]));
	}
	return store(c);
}

int net_claim(const char *home, const char *guest, const struct list *nics, struct net_port *ports, size_t *n)
{
	auto_close int dir = -1;
	struct net_home h;
	int r;

	*n = 0;
	net_set_home(home);
	if (!str_is_id(guest))
		return fail_as(ERR_CONFIG, "\"%.64s\" is not the name of a guest", guest);
	TRY_IN(net_check(nics), "networks");
	if (nics->n == 0)
		return 0;
	net_home_of(home, &h);
	dir = net_dir_open(home, false);
	if (dir < 0 && dir != -ENOENT)
		return dir;
	SCOPED(claim_free) struct claim c = { .h = &h, .guest = guest, .nics = nics, .dir = dir };
	r = without_lock(&c, ports);
	if (r == 0) {
		claim_free(&c);
		if (dir < 0)
			dir = net_dir_open(home, true);
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

struct leased { const char *guest; struct net_port *ports; size_t n; };

static int leased_in(void *ctx, struct net_file *f)
{
	struct leased *l = ctx;

	LIST_EACH(const struct net_lease, v, f->d.leases) {
		struct net_port *p = l->n < NET_PORTS_MAX ? &l->ports[l->n] : NULL;

		if (!p || !str_eq(v->guest, l->guest))
			continue;
		memset(p, 0, sizeof *p);
		snprintf(p->network, sizeof p->network, "%s", f->d.name);
		if (v->ip)
			(void)inet_pton(AF_INET, v->ip, &p->ip);
		if (v->ip6)
			(void)inet_pton(AF_INET6, v->ip6, &p->ip6);
		l->n++;
	}
	return 0;
}

int net_leased(const char *home, const char *guest, struct net_port *ports, size_t *n)
{
	auto_close int dir = net_dir_open(home, false);
	struct leased l = { guest, ports, 0 };
	int r = dir == -ENOENT ? 0 : dir < 0 ? dir : net_def_each(dir, leased_in, &l);

	*n = l.n;
	return r;
}
