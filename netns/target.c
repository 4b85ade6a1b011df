#include "netns/target.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/bridge.h"
#include "netns/kernel.h"
#include "netns/link.h"
#include "netns/onlink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static int look_up(int dir, const struct net_nic *n, struct net_target *t)
{
	auto_net_file struct net_file f = { 0 };
	const char *text[2] = { n->ip, n->ip6 };
	int r = net_def_load(dir, n->network, &f);

	if (r == -ENOENT)
		return 0;
	TRY(r);
	if (f.d.mode != NET_NAT && f.d.mode != NET_ROUTED)
		return 0;
	for (int six = 0; six < 2; six++) {
		struct net_way *w = &t->way[six];

		if (w->is || !text[six] || inet_pton(six ? AF_INET6 : AF_INET, text[six], &w->addr) != 1)
			continue;
		w->is = true;
		w->index = n->index;
		snprintf(w->bridge, sizeof w->bridge, "%s", f.d.bridge);
	}
	return 0;
}

int net_target_of(int dir, const struct net_record *r, struct net_target *t)
{
	memset(t, 0, sizeof *t);
	LIST_EACH(const struct net_nic, n, r->nics)
		if (!n->kind && !(t->way[0].is && t->way[1].is))
			TRY(look_up(dir, n, t));
	return 0;
}

bool net_publish_of(const struct net_publish *p, int six)
{
	int family = net_publish_family(p);

	return family == AF_UNSPEC || family == (six ? AF_INET6 : AF_INET);
}

/* ---- switches -------------------------------------------------------------------------------------------------- */

static bool is_loopback(const struct net_publish *p)
{
	return net_publish_of(p, 0) && (!p->address || str_starts(p->address, "127."));
}

/* 127.0.0.1 of the host may only come to a bridge that is said to take it. */
static const char *wants_localnet(const struct net_record *r, const struct net_target *t)
{
	if (r && t->way[0].is)
		LIST_EACH(const struct net_publish, p, r->ports)
			if (is_loopback(p))
				return t->way[0].bridge;
	return NULL;
}

struct others { int dir; const char *owner, *bridge; bool found; };

static int see_other(void *ctx, struct net_held *held)
{
	struct others *o = ctx;
	struct net_target t;
	const char *bridge;

	if (o->found || !held->r.ports.n || str_eq(held->r.owner, o->owner))
		return 0;
	TRY(net_target_of(o->dir, &held->r, &t));
	bridge = wants_localnet(&held->r, &t);
	o->found |= bridge && str_eq(bridge, o->bridge);
	return 0;
}

static int localnet_off(int dir, const char *owner, const char *bridge)
{
	struct others o = { dir, owner, bridge, false };

	TRY(net_record_each(dir, see_other, &o));
	return o.found ? 0 : net_localnet(dir, bridge, false);
}

/* As that of a guest which is just stopping or coming; who comes asks for it himself. */
static bool off_bridge(const char *name)
{
	auto_nlq struct nlq q = { 0 };
	struct net_link l = { 0 };
	int r = nlq_open(&q, NETLINK_ROUTE);

	if (r >= 0)
		r = net_link_find(&q, name, &l);
	err_clear();
	return r == -ENODEV || (r >= 0 && l.master == 0);
}

static bool leads_by(const struct net_target *t, int six, unsigned index)
{
	return t->way[six].is && t->way[six].index == index;
}

/*
 * Where bridged packets pass the IP hooks (bridge-nf-call-iptables), what is translated back into its own segment
 * stays on the bridge, which gives nothing back to the port that it came from, unless it is told to.
 */
static bool reflects(const struct net_target *t, unsigned index)
{
	for (int six = 0; six < 2; six++)
		if (leads_by(t, six, index) && net_bridged_meets_ip_rules(six))
			return true;
	return false;
}

enum net_reflection net_way_reflects(int dir, const struct net_record *r, unsigned index)
{
	struct net_target t;

	if (!r->ports.n)
		return NET_REFLECT_NEVER;
	if (net_target_of(dir, r, &t) < 0) {
		err_clear();
		return NET_REFLECT_NEVER;
	}
	if (reflects(&t, index))
		return NET_REFLECT_NOW;
	return leads_by(&t, 0, index) || leads_by(&t, 1, index) ? NET_REFLECT_NOT_NOW : NET_REFLECT_NEVER;
}

static int reflect(const struct net_home *h, const char *owner, const struct net_way *w, uint8_t on)
{
	struct ifinfomsg m = { .ifi_family = AF_BRIDGE };
	auto_nlq struct nlq q = { 0 };
	char name[IFNAMSIZ];
	struct nlattr *info;
	struct net_link l;
	int r;

	TRY(nlq_open(&q, NETLINK_ROUTE));
	net_host_if(h, owner, w->index, name);
	r = net_link_find(&q, name, &l);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	m.ifi_index = l.index;
	nlq_add(&q, RTM_SETLINK, 0, &m, sizeof m);
	info = nlq_nest(&q, IFLA_PROTINFO | NLA_F_NESTED);
	nlq_put(&q, IFLA_BRPORT_MODE, &on, sizeof on);
	nlq_end(&q, info);
	r = nlq_talk(&q, NULL, NULL);
	return r >= 0 || off_bridge(name) ? 0 : net_fail_talk(&q, r, "%s port %s of bridge %s reflect",
							       on ? "let" : "no longer let", name, w->bridge);
}

/* Of the families' ways: a port that both lead by comes once. */
static const struct net_way *port_of(const struct net_target *t, int six)
{
	const struct net_way *w = &t->way[six];

	return w->is && !(six && leads_by(t, 0, w->index)) ? w : NULL;
}

static bool has_lan(const struct net_record *r)
{
	LIST_EACH(const struct net_publish, p, r->ports)
		if (p->expose == NET_EXPOSE_LAN)
			return true;
	return false;
}

int net_way_make(const struct net_home *h, int dir, const struct net_record *r, const struct net_target *t)
{
	const char *bridge = wants_localnet(r, t);

	if (bridge)
		TRY(net_localnet(dir, bridge, true));
	if (has_lan(r))
		TRY(net_onlink_refresh(h, dir));
	for (int six = 0; six < 2; six++) {
		const struct net_way *w = port_of(t, six);

		if (w && reflects(t, w->index))
			TRY(reflect(h, r->owner, w, 1));
	}
	return 0;
}

int net_way_unreflect(const struct net_home *h, const struct net_record *was, const struct net_target *was_t,
		      const struct net_record *is, const struct net_target *is_t)
{
	for (int six = 0; six < 2; six++) {
		const struct net_way *w = port_of(was_t, six);

		/* Also where bridged packets passed the hooks only when it was published. */
		if (w && !(is && reflects(is_t, w->index)))
			TRY(reflect(h, was->owner, w, 0));
	}
	return 0;
}

int net_way_leave(int dir, const struct net_record *was, const struct net_target *was_t, const struct net_record *is,
		  const struct net_target *is_t)
{
	const char *before = wants_localnet(was, was_t), *after = wants_localnet(is, is_t);

	return before && !(after && str_eq(before, after)) ? localnet_off(dir, was->owner, before) : 0;
}
