/* Networks: taking one away, listing them. */
#include "base/fault.h"
#include "base/scope.h"
#include "netns/bridge.h"
#include "netns/dns.h"
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/net.h"
#include "netns/network.h"
#include "netns/users.h"
#include "netns/vxlan.h"

#include <fcntl.h>
#include <string.h>

/* The first few that hold something of it, and how many interfaces do. */
struct holders { const char *network; char who[256]; size_t shown, n; };

static int see_holder(void *ctx, struct net_held *held)
{
	struct holders *h = ctx;
	size_t at = strlen(h->who), before = h->n;

	LIST_EACH(const struct net_nic, nic, held->r.nics)
		h->n += str_eq(nic->network, h->network);
	if (h->n > before && h->shown < 3 && at + strlen(held->r.owner) + 3 < sizeof h->who) {
		snprintf(h->who + at, sizeof h->who - at, "%s%s", h->shown ? ", " : "", held->r.owner);
		h->shown++;
	}
	return 0;
}

/* The records decide: a link of an address may be missing after a kill. */
static int refuse_in_use(int dir, const struct net_def *d)
{
	struct holders h = { .network = d->name };

	TRY(net_record_each(dir, see_holder, &h));
	if (!h.n)
		return 0;
	if (h.n > h.shown)
		return fail_as(ERR_STATE, "network %s is in use by %s and others (%zu interfaces)", d->name, h.who, h.n);
	return fail_as(ERR_STATE, "network %s is in use by %s", d->name, h.who);
}

/* What cannot be read may. */
static bool home_needs_it(const struct net_home *h)
{
	SCOPED(net_others_free) struct net_others all = { 0 };
	auto_close int dir = net_dir_open(h->path, false);
	int r = dir < 0 ? dir : net_forwarding_needed(dir, NULL, &all);

	err_clear();
	return r != 0;
}

int net_forwarding_leave(struct nlq *q, const struct net_home *h, int dir, const char *network)
{
	SCOPED(net_others_free) struct net_others others = { 0 };
	struct net_home heir;
	int r;

	TRY(r = net_forwarding_needed(dir, network, &others));
	if (r)
		return 0;
	TRY(r = net_bridge_of_others(q, h, home_needs_it, &heir));
	return r ? net_forwarding_bequeath(dir, &heir) : net_forwarding_off(dir);
}

/* Under whatever name: it may have been renamed, or the file edited. */
static int drop_bridge(struct nlq *q, const struct net_home *h, const struct net_def *d)
{
	char name[IFNAMSIZ];
	struct net_link l;
	int r = net_link_find(q, d->bridge, &l);

	if (r < 0 && r != -ENODEV)
		return r;
	if (d->mode != NET_BRIDGE && r == 0 && (net_bridge_is_ours(h, d->name, &l) || net_bridge_lost_mac(h, d->name, &l)))
		return net_link_delete(q, d->bridge);
	TRY(r = net_bridge_look(q, h, d->name, name));
	return r ? net_link_delete(q, name) : 0;
}

/* The file goes last: what is killed half way is done again. */
static int take_apart(const struct net_home *h, int dir, const struct net_def *d)
{
	SCOPED(net_host_leave) struct net_turn turn = { 0 };
	auto_nlq struct nlq q = { 0 };
	char file[80];

	TRY(fault_point("names of the network"));
	TRY(net_dns_stop(h, d->name));
	TRY(nlq_open(&q, NETLINK_ROUTE));
	TRY(fault_point("links of the network"));
	if (d->vxlan)
		TRY(net_tunnel_drop(&q, h, d->name));
	TRY(drop_bridge(&q, h, d));
	TRY(fault_point("elements of the network"));
	TRY(net_fw_leave(h, dir, d));
	TRY(fault_point("what others allow it"));
	TRY(net_allow_forget(dir, d->name));
	TRY(fault_point("forwarding"));
	net_host_enter(&turn);
	TRY(net_forwarding_leave(&q, h, dir, d->name));
	net_host_leave(&turn);
	TRY(fault_point("file of the network"));
	net_index_forget(dir, d->name);
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
		dir = net_store_open(home, false);
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
	TRY(refuse_in_use(dir, &f.d));
	return take_apart(&h, dir, &f.d);
}

struct listing { int dir; int (*each)(void *ctx, const struct network_info *i); void *ctx; };

/* One an interface: each has a MAC address. Stale links are not told apart: that would be a file a guest. */
static int count_interface(void *ctx, const char *address)
{
	unsigned char mac[6];

	*(size_t *)ctx += net_mac_parse(address, mac) == 0;
	return 0;
}

static int list_one(void *ctx, const char *name)
{
	const struct listing *l = ctx;
	auto_net_file struct net_file f = { 0 };
	struct network_info i = { .name = name };
	int r = net_def_load(l->dir, name, &f);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		i.damaged = strdupa(err_text());
		err_clear();
		return l->each(l->ctx, &i);
	}
	i.bridge = f.d.bridge;
	i.mode = name_of(net_modes, f.d.mode);
	net_subnet_text(&f.d.v4, i.subnet, sizeof i.subnet);
	net_subnet_text(&f.d.v6, i.subnet6, sizeof i.subnet6);
	TRY(net_index_each(l->dir, name, count_interface, &i.leases));
	return l->each(l->ctx, &i);
}

int network_list(const char *home, int (*each)(void *ctx, const struct network_info *i), void *ctx)
{
	auto_close int dir = net_store_open(home, false);
	struct listing l = { dir, each, ctx };

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	return net_def_each_name(dir, list_one, &l);
}

int network_load(const char *home, const char *name, struct net_file *f)
{
	auto_close int dir = net_store_open(home, false);
	int r = dir < 0 ? dir : str_is_name(name) ? net_def_load(dir, name, f) : -ENOENT;

	return r == -ENOENT ? fail_as(ERR_NOT_FOUND, "network %.64s does not exist", name) : r;
}

struct asking { int (*each)(void *ctx, const struct network_user *u); void *ctx; };

static int tell_user(void *ctx, const struct net_user *u)
{
	const struct asking *a = ctx;
	struct network_user out = { u->owner, u->nic->ip, u->nic->ip6, u->nic->mac, u->host_if, u->nic->index };

	return a->each(a->ctx, &out);
}

int network_users(const char *home, const char *name, int (*each)(void *ctx, const struct network_user *u),
		  void *ctx)
{
	auto_close int dir = net_store_open(home, false);
	struct asking a = { each, ctx };
	struct net_home h;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	net_home_of(home, &h);
	return net_users_each(&h, dir, name, tell_user, &a);
}
