/* Which connections end with what was changed. */
#include "netns/flows.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/def.h"
#include "netns/host.h"

#include <arpa/inet.h>
#include <string.h>

static void warn(int r)
{
	if (r >= 0)
		return;
	log_warn("connections that stand go on: %s", err_text());
	err_clear();
}

/* ---- of an owner ---------------------------------------------------------------------------------------- */

struct end { int family; unsigned char addr[16]; };
struct rule { const struct net_rule *r; struct net_subnet peer; };
struct ends { struct end v[3 * NET_PORTS_MAX]; size_t n; };
struct owner {
	struct ends gone, kept;
	const struct net_record *was, *is;
	struct rule rules[NET_RULES_MAX];
	size_t n_rules;
};

static void add_end(struct ends *e, int family, const char *text)
{
	if (text && e->n < COUNT(e->v) && inet_pton(family, text, e->v[e->n].addr) == 1)
		e->v[e->n++].family = family;
}

static void ends_of(const struct net_record *r, struct ends *e)
{
	unsigned char mac[6];

	if (!r)
		return;
	LIST_EACH(const struct net_nic, n, r->nics) {
		add_end(e, AF_INET, n->ip);
		add_end(e, AF_INET6, n->ip6);
		if (n->mac && net_mac_parse(n->mac, mac) == 0 && e->n < COUNT(e->v)) {
			net_link_local_of(mac, e->v[e->n].addr);
			e->v[e->n++].family = AF_INET6;
		}
	}
}

static bool is_end(const struct ends *e, int family, const unsigned char *addr)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].family == family && memcmp(e->v[i].addr, addr, net_addr_size(family)) == 0)
			return true;
	return false;
}

static void leave_out(struct ends *e, const struct ends *those)
{
	size_t k = 0;

	for (size_t i = 0; i < e->n; i++)
		if (!is_end(those, e->v[i].family, e->v[i].addr))
			e->v[k++] = e->v[i];
	e->n = k;
}

static bool publishes(const struct net_record *r, const struct net_publish *p)
{
	if (r)
		LIST_EACH(const struct net_publish, v, r->ports)
			if (net_publish_same(p, v) && v->expose >= p->expose)
				return true;
	return false;
}

static bool came_by(const struct net_publish *p, const struct net_flow *f)
{
	unsigned char at[16];

	return f->proto == p->proto && f->out.to_port - p->port.v < net_publish_count(p) &&
	       f->out.to_port - p->port.v == f->back.from_port - p->guest_port.v &&
	       (!p->address || (inet_pton(f->family, p->address, at) == 1 &&
				memcmp(at, f->out.to, net_addr_size(f->family)) == 0));
}

static bool by_port_that_went(const struct owner *o, const struct net_flow *f)
{
	if (!f->led || !is_end(&o->kept, f->family, f->back.from))
		return false;
	LIST_EACH(const struct net_publish, p, o->was->ports)
		if (came_by(p, f) && !publishes(o->is, p))
			return true;
	return false;
}

static bool is_of(const struct rule *v, const struct net_flow *f, int direction)
{
	const struct net_rule *r = v->r;
	const unsigned char *peer = direction == NET_IN ? f->out.from : f->back.from;
	bool ports = f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP;
	unsigned last = r->end_port.set ? r->end_port.v : r->port.v;

	if (r->direction != direction || (v->peer.family && (v->peer.family != f->family || !net_subnet_has(&v->peer, peer))))
		return false;
	if (r->proto == NET_PROTO_ICMP && f->proto != IPPROTO_ICMP && f->proto != IPPROTO_ICMPV6)
		return false;
	if (r->proto != NET_PROTO_ICMP && r->proto != NET_PROTO_ANY && r->proto != f->proto)
		return false;
	return !r->port.set || (ports && f->back.from_port >= r->port.v && f->back.from_port <= last);
}

/* As the chains would decide about its first packet, which has the guest's own port where one led to it. */
static bool refused(const struct owner *o, const struct net_flow *f, int direction)
{
	for (size_t i = 0; i < o->n_rules; i++)
		if (is_of(&o->rules[i], f, direction))
			return o->rules[i].r->action == NET_DENY;
	return false;
}

static enum net_fate ends_with_owner(const void *ctx, const struct net_flow *f)
{
	const struct owner *o = ctx;

	if (is_end(&o->gone, f->family, f->out.from) || is_end(&o->gone, f->family, f->back.from))
		return NET_FLOW_FORGOTTEN;
	return by_port_that_went(o, f) || (is_end(&o->kept, f->family, f->out.from) && refused(o, f, NET_OUT)) ||
	       (is_end(&o->kept, f->family, f->back.from) && refused(o, f, NET_IN)) ? NET_FLOW_ENDS : NET_FLOW_STAYS;
}

static bool ports_went(const struct owner *o)
{
	LIST_EACH(const struct net_publish, p, o->was->ports)
		if (!publishes(o->is, p))
			return true;
	return false;
}

void net_flows_follow(const struct net_record *was, const struct net_record *is)
{
	static struct owner o;

	FRESH(o);
	o.was = was;
	o.is = is;
	ends_of(was, &o.gone);
	ends_of(is, &o.kept);
	leave_out(&o.gone, &o.kept);
	if (is && !net_rules_same(&was->firewall, &is->firewall))
		LIST_EACH(const struct net_rule, r, is->firewall) {
			const char *peer = r->direction == NET_IN ? r->from : r->to;

			if (o.n_rules == COUNT(o.rules) || (peer && net_peer_parse(peer, &o.rules[o.n_rules].peer) < 0))
				break;
			o.rules[o.n_rules++].r = r;
		}
	if (o.gone.n || o.n_rules || ports_went(&o))
		warn(net_flows_cut(ends_with_owner, &o));
}

/* ---- of a network ---------------------------------------------------------------------------------------- */

struct denied {
	const struct net_def *to;
	const char *from;
	struct net_file source;		/* of a network */
	struct net_subnet *own;		/* of all networks, for who is outside */
	size_t n_own;
	struct net_host host;
};

static bool within(const struct net_def *d, int family, const unsigned char *addr)
{
	const struct net_subnet *s = family == AF_INET ? &d->v4 : &d->v6;

	return s->family && net_subnet_has(s, addr);
}

static bool is_source(const struct denied *d, int family, const unsigned char *addr)
{
	if (!str_eq(d->from, NET_OUTSIDE))
		return within(&d->source.d, family, addr);
	for (size_t i = 0; i < d->n_own; i++)
		if (d->own[i].family == family && net_subnet_has(&d->own[i], addr))
			return false;
	for (size_t i = 0; i < d->host.naddrs; i++)
		if (d->host.addrs[i].a.family == family &&
		    memcmp(d->host.addrs[i].a.addr, addr, net_addr_size(family)) == 0)
			return false;
	return true;
}

static enum net_fate ends_with_deny(const void *ctx, const struct net_flow *f)
{
	const struct denied *d = ctx;

	/* What came by a published port was let in by that. */
	if (f->led || !within(d->to, f->family, f->back.from) || !is_source(d, f->family, f->out.from))
		return NET_FLOW_STAYS;
	LIST_EACH(const struct net_allow, w, d->to->allow)
		if (str_eq(w->from, d->from) && (!w->port || (w->proto == f->proto && f->back.from_port >= w->first &&
							     f->back.from_port <= w->last)))
			return NET_FLOW_STAYS;
	return NET_FLOW_ENDS;
}

static int add_own(void *ctx, struct net_file *f)
{
	struct denied *d = ctx;
	struct net_subnet *v;

	/* To the rules the LAN of an administrator's bridge is outside. */
	if (f->d.mode == NET_BRIDGE)
		return 0;
	v = reallocarray(d->own, d->n_own + 2, sizeof *v);

	if (!v)
		return fail(ENOMEM, "out of memory");
	d->own = v;
	v[d->n_own++] = f->d.v4;
	v[d->n_own++] = f->d.v6;
	return 0;
}

static int cut_denied(int dir, struct denied *d)
{
	auto_nlq struct nlq q = { 0 };

	if (!str_eq(d->from, NET_OUTSIDE)) {
		TRY(net_def_load(dir, d->from, &d->source));
	} else {
		TRY(net_def_each_sound(dir, add_own, net_def_skip, d));
		TRY(nlq_open(&q, NETLINK_ROUTE));
		TRY(net_host_read(&q, &d->host));
	}
	return net_flows_cut(ends_with_deny, d);
}

void net_flows_deny(int dir, const struct net_def *to, const char *from)
{
	struct denied d = { .to = to, .from = from };

	warn(cut_denied(dir, &d));
	net_file_free(&d.source);
	net_host_free(&d.host);
	free(d.own);
}
