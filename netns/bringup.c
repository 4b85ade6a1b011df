/* A network in the kernel: one table of steps, run when the check of a start finds something missing. */
#include "base/file.h"
#include "base/log.h"
#include "base/steps.h"
#include "netns/bridge.h"
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/link.h"

#include <fcntl.h>
#include <sys/file.h>
#include <string.h>
#include <sys/random.h>

struct up {
	const struct net_home *h;
	int dir;
	struct net_file *f;
	struct nlq q;
	struct net_route *routes;
	size_t nroutes;
	const char *old_bridge;
	struct net_link link;
	bool fresh, made_bridge;
};

static void up_free(struct up *u)
{
	nlq_close(&u->q);
	free(u->routes);
}

/* ---- the definition ---------------------------------------------------------------------------- */

struct taken { const char *bridge, *except; bool found; struct net_subnet v6; };

static int see_taken(void *ctx, struct net_file *f)
{
	struct taken *t = ctx;

	if (str_eq(f->d.name, t->except))
		return 0;
	t->found |= str_eq(f->d.bridge, t->bridge);
	if (f->d.v6.family && f->d.v6.prefix == 64)
		t->v6 = f->d.v6;
	return 0;
}

/* Of no other link of the host and no other network of this home. */
static int pick_bridge(struct up *u)
{
	char name[IFNAMSIZ];
	struct net_link l;

	for (unsigned i = 0; i < 10000; i++) {
		struct taken t = { .bridge = name, .except = u->f->d.name };
		int r;

		snprintf(name, sizeof name, "vzbr%u", i);
		r = net_link_find(&u->q, name, &l);
		if (r == 0)
			continue;
		if (r != -ENODEV)
			return r;
		TRY(net_def_each(u->dir, see_taken, &t));
		if (t.found)
			continue;
		u->f->d.bridge = arena_strdup(&u->f->a, name);
		return u->f->d.bridge ? 0 : fail(ENOMEM, "network: out of memory");
	}
	return fail_as(ERR_RESOURCE, "network %s: no bridge name is free", u->f->d.name);
}

/*
 * RFC 4193: 40 random bits, of which the first 8 are 0x77, so that a human knows ours. Networks of one
 * home share them and differ in the subnet's number.
 */
static int pick_subnet6(struct up *u, struct net_subnet *out)
{
	struct taken t = { .bridge = "", .except = u->f->d.name };

	TRY(net_def_each(u->dir, see_taken, &t));
	*out = (struct net_subnet){ AF_INET6, 64, { 0xfd, 0x77 } };
	if (t.v6.family)
		memcpy(out->addr, t.v6.addr, 6);
	else if (getrandom(out->addr + 2, 4, 0) != 4)
		return fail_errno("random number");
	for (unsigned i = 0; i < 65536; i++) {
		out->addr[6] = (unsigned char)(i >> 8);
		out->addr[7] = (unsigned char)i;
		if (!net_clash(out, u->routes, u->nroutes, 0))
			return 0;
	}
	return fail_as(ERR_RESOURCE, "network %s: no IPv6 subnet is free", u->f->d.name);
}

static int set_subnet(struct up *u, const struct net_subnet *s, const char **text, struct net_subnet *parsed)
{
	char b[64];

	net_subnet_text(s, b, sizeof b);
	*text = arena_strdup(&u->f->a, b);
	*parsed = *s;
	return *text ? 0 : fail(ENOMEM, "network: out of memory");
}

static int pick_subnets(struct up *u)
{
	struct net_subnet s;

	TRY_IN(net_subnet_pick(u->routes, u->nroutes, &s), "network %s", u->f->d.name);
	TRY(set_subnet(u, &s, &u->f->d.subnet, &u->f->d.v4));
	if (!net_host_has_ipv6())
		return 0;
	TRY(pick_subnet6(u, &s));
	return set_subnet(u, &s, &u->f->d.subnet6, &u->f->d.v6);
}

static int refuse_clash(struct up *u, const struct net_subnet *s)
{
	const struct net_route *r = net_clash(s, u->routes, u->nroutes, u->link.index);
	char mine[64], its[64], dev[IFNAMSIZ] = "?";

	if (!r)
		return 0;
	net_subnet_text(s, mine, sizeof mine);
	net_subnet_text(&r->to, its, sizeof its);
	(void)if_indextoname((unsigned)r->oif, dev);
	return fail_as(ERR_ADDRESS, "network %s: subnet %s clashes with the host's route to %s by %s",
		       u->f->d.name, mine, its, dev);
}

static int define(void *ctx)
{
	struct up *u = ctx;
	struct net_def *d = &u->f->d;
	bool changed = u->fresh;
	int r;

	if (u->fresh) {
		TRY(pick_subnets(u));
		TRY(pick_bridge(u));
	} else {
		r = net_link_find(&u->q, d->bridge, &u->link);
		if (r < 0 && r != -ENODEV)
			return r;
		/* Another home's, or somebody's own: ours comes back under another name. */
		if (r == 0 && !net_bridge_is_ours(u->h, d->name, &u->link)) {
			u->old_bridge = d->bridge;
			u->link = (struct net_link){ 0 };
			TRY(pick_bridge(u));
			log_warn("network %s: the name %s is taken, its bridge is %s now", d->name,
				 u->old_bridge, d->bridge);
			changed = true;
		}
		TRY(refuse_clash(u, &d->v4));
		TRY(refuse_clash(u, &d->v6));
	}
	return changed ? net_def_store(u->dir, d) : 0;
}

static int undefine(void *ctx)
{
	struct up *u = ctx;
	char file[80];

	snprintf(file, sizeof file, "%s.json", u->f->d.name);
	if (u->fresh && unlinkat(u->dir, file, 0) < 0 && errno != ENOENT)
		return fail_errno("networks/%s", file);
	return 0;
}

/* ---- bridge, firewall, forwarding ------------------------------------------------------------------ */

static int make_bridge(void *ctx)
{
	struct up *u = ctx;

	if (!u->link.index) {
		TRY(net_bridge_create(&u->q, u->h, &u->f->d));
		u->made_bridge = true;
	}
	int r = net_bridge_configure(&u->q, &u->f->d, &u->link);
	if (r < 0 && u->made_bridge) {
		struct err_saved why;

		err_save(&why);
		(void)net_link_delete(&u->q, u->f->d.bridge);
		err_restore(&why);
	}
	return r;
}

static int drop_bridge(void *ctx)
{
	struct up *u = ctx;

	return u->made_bridge ? net_link_delete(&u->q, u->f->d.bridge) : 0;
}

static int make_firewall(void *ctx)
{
	struct up *u = ctx;
	auto_nlq struct nlq q = { 0 };
	int lacks, action;

	TRY(nlq_open(&q, NETLINK_NETFILTER));
	lacks = net_fw_check(&q, u->h->table, &u->f->d);
	if (lacks <= 0)
		return lacks;
	action = lacks & NET_LACKS_TABLE ? FW_CREATE : lacks & NET_LACKS_ELEMENTS ? FW_ADD : FW_REPLACE;
	TRY(net_fw_apply(u->h, u->dir, u->old_bridge && action == FW_ADD ? FW_REPLACE : action, NULL));
	lacks = net_fw_check(&q, u->h->table, &u->f->d);
	return lacks <= 0 ? lacks
			  : fail(EIO, "network %s: nftables table %s is not as it was just made",
				 u->f->d.name, u->h->table);
}

static int drop_firewall(void *ctx)
{
	struct up *u = ctx;

	return u->fresh ? net_fw_apply(u->h, u->dir, FW_REPLACE, u->f->d.name) : 0;
}

static int make_forwarding(void *ctx)
{
	struct up *u = ctx;

	if (u->f->d.mode == NET_ISOLATED)
		return 0;
	int r = net_forwarding_on(u->dir, u->f->d.bridge, u->routes, u->nroutes);
	if (r < 0 && u->fresh) {
		struct err_saved why;

		err_save(&why);
		(void)net_forwarding_off(u->dir, net_bridge_of_others(&u->q, u->h) != 0);
		err_restore(&why);
	}
	return r < 0 ? fail_in(r, "network %s", u->f->d.name) : 0;
}

static const struct step up_steps[] = {
	{ "network definition", define, undefine },
	{ "bridge", make_bridge, drop_bridge },
	{ "firewall", make_firewall, drop_firewall },
	{ "forwarding", make_forwarding, NULL },
};

/*
 * Homes choose names and subnets one after the other: the choice of one is visible in the kernel before the
 * next one looks. The network namespace itself is the lock: there is no file to leave behind. Without it
 * there is no such order, and a clash is refused by the kernel.
 */
static int lock_host(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0)
		log_debug("no order among homes: flock of the network namespace failed");
	return fd;
}

int net_bring_up(const struct net_home *h, int dirfd, struct net_file *f, int *bridge_index)
{
	SCOPED(up_free) struct up u = { .h = h, .dir = dirfd, .f = f, .fresh = !f->d.bridge };
	auto_close int lock = lock_host();

	(void)lock;
	TRY(nlq_open(&u.q, NETLINK_ROUTE));
	TRY(net_routes(&u.routes, &u.nroutes));
	TRY(steps_run(up_steps, COUNT(up_steps), &u, NULL));
	*bridge_index = u.link.index;
	return 0;
}
