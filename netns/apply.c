/*
 * Comparing and mending. Nothing that passes is cut: the rules are replaced in one transaction, a bridge
 * that is gone is made again and its ports join it, what is there stays.
 */
#include "base/fault.h"
#include "base/scope.h"
#include "netns/bridge.h"
#include "netns/compare.h"
#include "netns/dns.h"
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/net.h"
#include "netns/target.h"
#include "netns/vlan.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

typedef int difference_fn(void *ctx, const struct network_difference *d);

struct run {
	struct net_home h;
	int dir;
	const char *only;		/* NULL: all */
	struct net_compare *c;		/* while comparing */
	difference_fn *each;
	void *ctx;
	size_t networks, damaged, unmended;
	difference_fn *told;		/* what network_apply() was given */
	void *told_ctx;
	char first[256], try[NETWORK_TRY_MAX];	/* of what could not be mended, and what to do instead */
	difference_fn *others;		/* of that, the others; NULL: it is not told yet */
	int mend;			/* of the host, and what any network needs of the firewall */
};

static int open_run(const char *home, const char *name, struct run *r)
{
	r->dir = net_store_open(home, false);
	if (r->dir == -ENOENT && !name)
		return 0;
	if (r->dir == -ENOENT || (name && !str_is_name(name)))
		return fail_as(ERR_NOT_FOUND, "network %.64s does not exist", name);
	TRY(r->dir);
	net_set_home(home);
	net_home_of(home, &r->h);
	r->only = name;
	return 1;
}

static void close_run(struct run *r) { scope_close(&r->dir); }

static int each_network(struct run *r, int (*one)(void *ctx, const char *name))
{
	return r->only ? one(r, r->only) : net_def_each_name(r->dir, one, r);
}

/*
 * A file that cannot be read is told, and the others are looked at all the same. 0: there is nothing to
 * compare.
 */
static int load(struct run *r, const char *name, struct net_file *f)
{
	struct network_difference d = { .network = name };
	int code = net_def_load(r->dir, name, f);

	if (code == -ENOENT && r->only)
		return fail_as(ERR_NOT_FOUND, "network %.64s does not exist", name);
	if (code == -ENOENT)
		return 0;
	if (code >= 0)
		return 1;
	r->damaged++;
	snprintf(d.what, sizeof d.what, "%.255s", err_text());
	snprintf(d.try, sizeof d.try, "set the file right, then: vzrun network apply %.63s", name);
	err_clear();
	TRY(r->each(r->ctx, &d));
	return 0;
}

/* ---- comparing ------------------------------------------------------------------------------------ */

static int compare_one(void *ctx, const char *name)
{
	auto_net_file struct net_file f = { 0 };
	struct run *r = ctx;
	int code;

	r->networks++;
	code = load(r, name, &f);
	return code <= 0 ? code : net_compare(r->c, &f.d);
}

static int compare_all(struct run *r)
{
	SCOPED(net_compare_close)
	struct net_compare c = {.h = &r->h, .dir = r->dir, .differs = r->each, .ctx = r->ctx};

	r->networks = 0;
	/* cppcheck-suppress autoVariables ; nobody looks at it when this has returned */
	r->c = &c;
	TRY(net_compare_open(&c));
	TRY(each_network(r, compare_one));
	TRY(net_compare_host(&c));
	TRY(net_compare_rules(&c));
	TRY(net_compare_shortcuts(&c, r->only));
	return net_compare_elements(&c, r->only);
}

int network_check(const char *home, const char *name, difference_fn *each, void *ctx)
{
	SCOPED(close_run) struct run r = { .dir = -1, .each = each, .ctx = ctx };
	int code = open_run(home, name, &r);

	if (code <= 0)
		return code;
	TRY(compare_all(&r));
	return (int)r.networks;
}

/* ---- mending -------------------------------------------------------------------------------------- */

struct rejoin { struct run *r; struct nlq *q; const struct net_def *d; int bridge; };

/* A guest that stopped meanwhile has no port: it joins at its next start. */
static int rejoin_port(void *ctx, const struct net_user *u)
{
	const struct rejoin *j = ctx;
	struct ifinfomsg m = { .ifi_flags = IFF_UP | IFF_NOARP, .ifi_change = IFF_UP | IFF_NOARP };
	uint32_t mtu = j->d->mtu ? j->d->mtu : 1500, group = net_port_group(j->bridge);
	struct net_link l;
	int r = net_link_find(j->q, u->host_if, &l);

	if (r < 0)
		return r == -ENODEV ? 0 : r;
	m.ifi_index = l.index;
	/* In no other VLAN for a moment: it is down meanwhile. */
	if (j->d->vlan && l.master != j->bridge)
		m.ifi_flags = IFF_NOARP;
	if (l.master != j->bridge || !l.up || !l.guarded || l.group != group || l.mtu != mtu) {
		nlq_add(j->q, RTM_NEWLINK, 0, &m, sizeof m);
		nlq_put_u32(j->q, IFLA_MTU, mtu);
		nlq_put_u32(j->q, IFLA_MASTER, (uint32_t)j->bridge);
		nlq_put_u32(j->q, IFLA_GROUP, group);
	}
	if (net_way_reflects(j->r->dir, u->record, u->nic->index) == NET_REFLECT_NOW)
		l.odd &= ~(uint32_t)NET_ODD_HAIRPIN;
	if (j->d->mode == NET_BRIDGE)
		net_isolate_port(j->q, u->host_if, net_def_isolates(j->d));
	else
		net_mend_port(j->q, &l, net_def_isolates(j->d));
	r = nlq_talk(j->q, NULL, NULL);
	if (r == 0 && j->d->vlan) {
		TRY(net_vlan_access(j->q, u->host_if, j->d->bridge, j->d->vlan, false));
		net_link_up(j->q, u->host_if);
		r = nlq_talk(j->q, NULL, NULL);
	}
	return r < 0 && r != -ENODEV ? net_fail_talk(j->q, r, "port %s of %s: join bridge %s", u->host_if, u->owner,
						    j->d->bridge)
				     : 0;
}

static int mend_routes(struct nlq *q, const struct net_def *d, int index)
{
	const struct net_subnet *s[] = { &d->v4, &d->v6, d->v6.family ? &net_link_local : &d->v6 };
	unsigned char a[16];
	int r;

	for (size_t i = 0; i < COUNT(s); i++) {
		if (!net_host_has(s[i]->family))
			continue;
		net_subnet_at(s[i], NET_GATEWAY, a);
		net_add_link_route(q, index, s[i]->family, s[i]->addr, s[i]->prefix, a);
	}
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "network %s: routes by %s", d->name, d->bridge) : 0;
}

static int mend(struct run *r, struct net_file *f, int what)
{
	auto_nlq struct nlq q = { 0 };
	struct rejoin j = { .r = r, .q = &q, .d = &f->d };
	struct net_link l;
	int code;

	TRY(fault_point("mend"));
	/* It may bring back the tables, too. */
	r->c->fw.asked &= !(what & MEND_UP);
	if (what & MEND_UP)
		TRY(net_bring_up(&r->h, r->dir, f, &j.bridge));
	TRY(nlq_open(&q, NETLINK_ROUTE));
	code = net_link_find(&q, f->d.bridge, &l);
	if (code < 0)
		return code == -ENODEV ? 0 : code;
	j.bridge = l.index;
	if (what & MEND_ROUTES)
		TRY(mend_routes(&q, &f->d, l.index));
	if (what & MEND_PORTS && f->d.mode != NET_BRIDGE)
		TRY(net_fixed_drop(&q, &r->c->fixed, &l));
	/* A bridge that came back has no ports. */
	if (what & (MEND_PORTS | MEND_UP))
		TRY(net_users_each(&r->h, r->dir, f->d.name, rejoin_port, &j));
	return what & (MEND_NAMES | MEND_UP) ? net_dns_rebuild(&r->h, r->dir, &f->d, l.index) : 0;
}

/* What cannot be mended here does not keep the others from being. */
static int mend_one(void *ctx, const char *name)
{
	auto_net_file struct net_file f = { 0 };
	struct run *r = ctx;
	int what, code;

	r->networks++;
	code = load(r, name, &f);
	if (code <= 0)
		return code;
	what = net_compare(r->c, &f.d);
	TRY(what);
	code = mend(r, &f, what | (r->mend & MEND_UP));
	if (code >= 0)
		return 0;
	if (!r->unmended++)
		snprintf(r->first, sizeof r->first, "%.255s", err_text());
	err_clear();
	return 0;
}

/* What apply can do nothing about is told once, when it has done all else. */
static int mendable(void *ctx, const struct network_difference *d)
{
	struct run *r = ctx;

	return d->mendable ? r->told(r->told_ctx, d) : 0;
}

/* A file was edited since: nobody may need what was switched on for its network. */
static int mend_forwarding(struct run *r, struct nlq *q)
{
	SCOPED(net_host_leave) struct net_turn turn = { 0 };

	if (r->damaged)
		return 0;
	net_host_enter(&turn);
	return net_forwarding_leave(q, &r->h, r->dir, "");
}

static int mend_all(struct run *r)
{
	SCOPED(net_compare_close)
	struct net_compare c = {.h = &r->h, .dir = r->dir, .differs = r->each, .ctx = r->ctx};
	int host;

	/* cppcheck-suppress autoVariables ; as above */
	r->c = &c;
	TRY(net_compare_open(&c));
	host = net_compare_host(&c);
	TRY(host);
	r->mend = host;
	TRY(net_compare_rules(&c));
	TRY(net_compare_shortcuts(&c, r->only));
	TRY(net_compare_elements(&c, r->only));
	TRY(each_network(r, mend_one));
	return mend_forwarding(r, &c.route);
}

static int ignore(void *ctx, const struct network_difference *d)
{
	(void)ctx;
	(void)d;
	return 0;
}

/* What is still not as it should be: the first of it is the error. */
static int still(void *ctx, const struct network_difference *d)
{
	struct run *r = ctx;

	if (r->unmended++)
		return r->others && !d->mendable ? r->others(r->told_ctx, d) : 0;
	snprintf(r->first, sizeof r->first, "%s%.63s%s%.180s", d->network ? "network " : "", d->network ? d->network : "",
		 d->network ? ": " : "", d->what);
	snprintf(r->try, sizeof r->try, "%s", d->mendable ? "" : d->try);
	return 0;
}

static int mend_and_look(struct run *r)
{
	r->each = mendable;
	r->ctx = r;
	r->networks = r->damaged = r->unmended = 0;
	r->try[0] = '\0';
	TRY(mend_all(r));
	/* Always: no comparison of a rule is as good as the rule itself. */
	if (!r->damaged)
		TRY(net_fw_apply(&r->h, r->dir, FW_REPLACE, NULL));
	r->each = still;
	return compare_all(r);
}

int network_apply(const char *home, const char *name, difference_fn *each, void *ctx)
{
	SCOPED(close_run) struct run r = { .dir = -1, .told = each, .told_ctx = ctx };
	auto_close int lock = -1;
	int code = open_run(home, name, &r);

	if (code <= 0)
		return code;
	lock = net_dir_lock(r.dir);
	TRY(lock);
	TRY(mend_and_look(&r));
	if (!r.unmended)
		return (int)r.networks;
	/* Links come and go without us: what a guest that started just then lacked it has at a second look. */
	r.told = ignore;
	r.others = each;
	TRY(mend_and_look(&r));
	if (!r.unmended)
		return (int)r.networks;
	code = fail_as(ERR_STATE, "%s", r.first);
	if (r.try[0])
		err_try("%s", r.try);
	return code;
}
