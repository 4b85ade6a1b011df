/* Giving back: a guest's leases, a network altogether. */
#include "base/scope.h"
#include "netns/bridge.h"
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/net.h"
#include "netns/network.h"

#include <fcntl.h>
#include <string.h>

struct release { int dir; const char *guest; bool holds; };

static int look(void *ctx, struct net_file *f)
{
	struct release *r = ctx;

	LIST_EACH(const struct net_lease, l, f->d.leases)
		r->holds |= str_eq(l->guest, r->guest);
	return 0;
}

static int drop(void *ctx, struct net_file *f)
{
	struct release *r = ctx;
	struct list *l = &f->d.leases;
	size_t before = l->n;

	for (size_t i = l->n; i-- > 0;)
		if (str_eq(((struct net_lease *)l->v)[i].guest, r->guest))
			net_lease_remove(&f->d, (struct net_lease *)l->v + i);
	return l->n == before ? 0 : net_def_store(r->dir, &f->d);
}

int net_release(const char *home, const char *guest)
{
	auto_close int dir = net_dir_open(home, false);
	struct release r = { dir, guest, false };

	net_set_home(home);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	TRY(net_def_each(dir, look, &r));
	if (!r.holds)
		return 0;
	auto_close int lock = net_dir_lock(dir);
	TRY(lock);
	return net_def_each(dir, drop, &r);
}

static int refuse_in_use(const struct net_def *d)
{
	char who[256] = "";
	size_t shown = 0;

	LIST_EACH(const struct net_lease, l, d->leases) {
		size_t n = strlen(who);

		if (shown < 3 && !strstr(who, l->guest) && n + strlen(l->guest) + 3 < sizeof who) {
			snprintf(who + n, sizeof who - n, "%s%s", shown ? ", " : "", l->guest);
			shown++;
		}
	}
	if (d->leases.n > shown)
		return fail_as(ERR_STATE, "network %s is in use by %s and others (%zu leases)", d->name, who,
			       d->leases.n);
	return fail_as(ERR_STATE, "network %s is in use by %s", d->name, who);
}

struct needs { const char *except; bool forwarding; };

static int see_need(void *ctx, struct net_file *f)
{
	struct needs *n = ctx;

	n->forwarding |= !str_eq(f->d.name, n->except) && f->d.mode != NET_ISOLATED;
	return 0;
}

/* The file goes last: what is killed half way is done again. */
static int take_apart(const struct net_home *h, int dir, const struct net_def *d)
{
	struct needs needs = { .except = d->name };
	auto_nlq struct nlq q = { 0 };
	struct net_link l;
	char file[80];
	int r;

	TRY(nlq_open(&q, NETLINK_ROUTE));
	r = net_link_find(&q, d->bridge, &l);
	if (r < 0 && r != -ENODEV)
		return r;
	if (r == 0 && d->mode != NET_BRIDGE && net_bridge_is_ours(h, d->name, &l))
		TRY(net_link_delete(&q, d->bridge));
	TRY(net_allow_forget(dir, d->name));
	TRY(net_fw_apply(h, dir, FW_REPLACE, d->name));
	TRY(net_def_each(dir, see_need, &needs));
	if (!needs.forwarding) {
		r = net_bridge_of_others(&q, h);
		TRY(r);
		TRY(net_forwarding_off(dir, r > 0));
	}
	snprintf(file, sizeof file, "%s.json", d->name);
	if (unlinkat(dir, file, 0) < 0 && errno != ENOENT)
		return fail_errno("networks/%s", file);
	return 0;
}

int network_remove(const char *home, const char *name)
{
	auto_net_file struct net_file f = { 0 };
	auto_close int dir = -1, lock = -1;
	struct net_home h;
	int r = -ENOENT;

	net_home_of(home, &h);
	if (str_is_name(name)) {
		dir = net_dir_open(home, false);
		r = dir < 0 ? dir : 0;
	}
	if (r == 0) {
		lock = net_dir_lock(dir);
		TRY(lock);
		r = net_def_load(dir, name, &f);
	}
	if (r == -ENOENT)
		return fail_as(ERR_NOT_FOUND, "network %.64s does not exist", name);
	TRY(r);
	if (f.d.leases.n)
		return refuse_in_use(&f.d);
	return take_apart(&h, dir, &f.d);
}

struct listing { int (*each)(void *ctx, const struct network_info *i); void *ctx; };

static int show(void *ctx, struct net_file *f)
{
	struct listing *l = ctx;
	struct network_info i = {
		.name = f->d.name, .bridge = f->d.bridge, .mode = name_of(net_modes, f->d.mode),
		.leases = f->d.leases.n,
	};

	net_subnet_text(&f->d.v4, i.subnet, sizeof i.subnet);
	net_subnet_text(&f->d.v6, i.subnet6, sizeof i.subnet6);
	return l->each(l->ctx, &i);
}

int network_list(const char *home, int (*each)(void *ctx, const struct network_info *i), void *ctx)
{
	auto_close int dir = net_dir_open(home, false);
	struct listing l = { each, ctx };

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return net_def_each(dir, show, &l);
}
