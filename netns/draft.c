#include "netns/draft.h"
#include "base/scope.h"
#include "netns/bridge.h"
#include "netns/kernel.h"
#include "netns/vlan.h"
#include "netns/vxlan.h"

#include <string.h>
#include <sys/random.h>

enum { NAMES_MAX = 10000 };

/* ---- the bridge's name ---------------------------------------------------------------------------- */

static int choose_bridge(const struct net_draft *c, const struct net_others *o)
{
	static uint64_t taken[NAMES_MAX / 64 + 1];
	char name[IFNAMSIZ];
	struct net_link l;
	uint64_t v;

	memset(taken, 0, sizeof taken);
	for (size_t i = 0; i < o->n; i++)
		if (str_starts(o->v[i].bridge, "vzbr") && str_u64(o->v[i].bridge + 4, NAMES_MAX - 1, &v) == 0)
			taken[v / 64] |= UINT64_C(1) << v % 64;
	for (unsigned i = 0; i < NAMES_MAX; i++) {
		int r;

		if (taken[i / 64] >> i % 64 & 1)
			continue;
		snprintf(name, sizeof name, "vzbr%u", i);
		r = net_link_find(c->q, name, &l);
		if (r == 0)
			continue;
		if (r != -ENODEV)
			return r;
		c->f->d.bridge = arena_strdup(&c->f->a, name);
		return c->f->d.bridge ? 0 : fail(ENOMEM, "network: out of memory");
	}
	return fail_as(ERR_RESOURCE, "network %s: no bridge name is free", c->f->d.name);
}

int net_draft_bridge(const struct net_draft *c)
{
	TRY(net_others_read(c->dir, c->f->d.name, true, c->others));
	return choose_bridge(c, c->others);
}

/* The kernel gives a bridge the least of its ports' MTUs: ours must not change that of somebody else's. */
static int find_bridge(const struct net_draft *c)
{
	struct net_def *d = &c->f->d;
	struct net_link l;
	int r = net_link_find(c->q, d->bridge, &l);

	if (r == -ENODEV)
		return fail_as(ERR_NOT_FOUND, "network %s: bridge %s does not exist", d->name, d->bridge);
	TRY(r);
	if (!l.bridge)
		return fail_as(ERR_CONFIG, "network %s: bridge: %s is no bridge", d->name, d->bridge);
	if (str_starts(l.alias, "vzrun:"))
		return fail_as(ERR_CONFIG, "network %s: bridge: %s is that of another network of vzrun", d->name,
			       d->bridge);
	TRY_IN(d->vlan ? net_vlan_can(&l) : net_vlan_needed(&l), "network %s: vlan", d->name);
	if (d->mtu && d->mtu != l.mtu)
		return fail_as(ERR_CONFIG, "network %s: mtu: bridge %s has %u, and so have its ports", d->name,
			       d->bridge, l.mtu);
	d->mtu = l.mtu;
	return 0;
}

static int see_tunnel(void *ctx, struct net_file *f)
{
	const struct net_def *d = ctx, *other = &f->d;

	if (!other->vxlan || str_eq(other->name, d->name) || other->vxlan->vni != d->vxlan->vni ||
	    other->vxlan->port != d->vxlan->port)
		return 0;
	return fail_as(ERR_ADDRESS, "network %s: vxlan: VNI %u on port %u is that of network %s", d->name, d->vxlan->vni,
		       d->vxlan->port, other->name);
}

static int fit_tunnel(const struct net_draft *c)
{
	struct net_def *d = &c->f->d;
	uint32_t most;

	/* Before anything is made: what of it is the other's would be taken back with it. */
	TRY(net_def_each_sound(c->dir, see_tunnel, net_def_skip, d));
	TRY_IN(net_tunnel_mtu(c->q, d, &most), "network %s", d->name);
	if (d->mtu > most)
		return fail_as(ERR_CONFIG, "network %s: mtu: the way to the peers takes at most %u", d->name, most);
	if (!d->mtu)
		d->mtu = most;
	return 0;
}

/* ---- subnets -------------------------------------------------------------------------------------- */

/*
 * Networks of one home share the 48 bits of a /48 of their own (RFC 4193) and differ in the subnet's
 * number.
 */
static bool is_own_prefix(const struct net_subnet *s)
{
	return s->family == AF_INET6 && s->prefix == 64 && s->addr[0] == 0xfd && s->addr[1] == 0x77;
}

static int choose_subnet6(const struct net_others *o, const struct net_route *busy, size_t n,
			  struct net_subnet *out)
{
	static uint64_t taken[(UINT16_MAX + 1) / 64];
	bool have = false;

	*out = (struct net_subnet){ AF_INET6, 64, { 0xfd, 0x77 } };
	for (size_t i = 0; i < o->n && !have; i++) {
		have = is_own_prefix(&o->v[i].v6);
		if (have)
			memcpy(out->addr, o->v[i].v6.addr, 6);
	}
	/* 40 bits at random, of which the first 8 are 0x77, so that a human knows ours. */
	if (!have && getrandom(out->addr + 2, 4, 0) != 4)
		return fail_errno("random number");
	memset(taken, 0, sizeof taken);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *a = busy[i].to.addr;

		if (busy[i].to.family == AF_INET6 && memcmp(a, out->addr, 6) == 0)
			taken[(a[6] << 8 | a[7]) / 64] |= UINT64_C(1) << a[7] % 64;
	}
	for (unsigned number = 0; number <= UINT16_MAX; number++) {
		if (taken[number / 64] >> number % 64 & 1)
			continue;
		out->addr[6] = (unsigned char)(number >> 8);
		out->addr[7] = (unsigned char)number;
		/* A wider route may cover it. */
		if (!net_clash(out, busy, n, 0))
			return 0;
	}
	return fail_as(ERR_RESOURCE, "no IPv6 subnet is free");
}

static int set_subnet(struct net_file *f, const struct net_subnet *s, const char **text)
{
	char b[64];

	net_subnet_text(s, b, sizeof b);
	*text = arena_strdup(&f->a, b);
	return *text ? 0 : fail(ENOMEM, "out of memory");
}

/* The host's routes and the subnets of networks that are not up. */
static struct net_route *all_busy(const struct net_draft *c, const struct net_others *o, size_t *n)
{
	struct net_route *v = calloc(c->n + 2 * o->n + 1, sizeof *v);

	if (!v)
		return NULL;
	if (c->n)
		memcpy(v, c->routes, c->n * sizeof *v);
	*n = c->n;
	for (size_t i = 0; i < o->n; i++) {
		if (o->v[i].v4.family)
			v[(*n)++] = (struct net_route){ o->v[i].v4, 0 };
		if (o->v[i].v6.family)
			v[(*n)++] = (struct net_route){ o->v[i].v6, 0 };
	}
	return v;
}

static int choose_subnets(const struct net_draft *c, const struct net_others *o)
{
	struct net_def *d = &c->f->d;
	auto_free struct net_route *busy = NULL;
	struct net_subnet s;
	size_t n;

	if (d->mode != NET_BRIDGE && (!d->subnet || !d->subnet6)) {
		busy = all_busy(c, o, &n);
		if (!busy)
			return fail(ENOMEM, "out of memory");
		if (!d->subnet) {
			TRY(net_subnet_pick(busy, n, &s));
			TRY(set_subnet(c->f, &s, &d->subnet));
		}
		if (!d->subnet6 && net_host_has_ipv6()) {
			TRY(choose_subnet6(o, busy, n, &s));
			TRY(set_subnet(c->f, &s, &d->subnet6));
		}
	}
	if (d->subnet && !*d->subnet)
		d->subnet = NULL;
	if (d->subnet6 && !*d->subnet6)
		d->subnet6 = NULL;
	return 0;
}

/* Segments of the administrator's that are apart may use the same addresses. */
static bool may_share(const struct net_def *d, const struct net_other *o)
{
	return d->mode == NET_BRIDGE && o->mode == NET_BRIDGE &&
	       (!str_eq(d->bridge, o->bridge) || d->vlan != o->vlan);
}

static int refuse_others(const struct net_def *d, const struct net_others *o)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct net_other *x = &o->v[i];
		bool four = net_subnet_overlap(&d->v4, &x->v4);
		char mine[64], its[64];

		if ((!four && !net_subnet_overlap(&d->v6, &x->v6)) || may_share(d, x))
			continue;
		net_subnet_text(four ? &d->v4 : &d->v6, mine, sizeof mine);
		net_subnet_text(four ? &x->v4 : &x->v6, its, sizeof its);
		return fail_as(ERR_ADDRESS, "network %s: subnet %s clashes with %s of network %s", d->name, mine,
			       its, x->name);
	}
	return 0;
}

static int refuse_route(const struct net_draft *c, const struct net_subnet *s, int own)
{
	const struct net_route *r = net_clash(s, c->routes, c->n, own);
	char mine[64], its[64], dev[IFNAMSIZ] = "?";

	if (!r)
		return 0;
	net_subnet_text(s, mine, sizeof mine);
	net_subnet_text(&r->to, its, sizeof its);
	(void)if_indextoname((unsigned)r->oif, dev);
	return fail_as(ERR_ADDRESS, "network %s: subnet %s clashes with the host's route to %s by %s",
		       c->f->d.name, mine, its, dev);
}

int net_draft_clash(const struct net_draft *c, int own)
{
	const struct net_def *d = &c->f->d;

	/* There the host routes nothing for us, and may well be on the segment itself. */
	if (d->mode == NET_BRIDGE)
		return 0;
	TRY(refuse_route(c, &d->v4, own));
	return refuse_route(c, &d->v6, own);
}

int net_draft_choose(const struct net_draft *c)
{
	struct net_def *d = &c->f->d;

	TRY(net_others_read(c->dir, d->name, true, c->others));
	TRY_IN(choose_subnets(c, c->others), "network %s", d->name);
	if (!d->bridge)
		TRY(choose_bridge(c, c->others));
	TRY_IN(net_def_check(d), "network %s", d->name);
	if (d->mode == NET_BRIDGE)
		TRY(find_bridge(c));
	if (d->vxlan)
		TRY(fit_tunnel(c));
	TRY(refuse_others(d, c->others));
	return net_draft_clash(c, 0);
}
