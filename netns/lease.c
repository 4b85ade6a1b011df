#include "netns/lease.h"
#include "base/scope.h"
#include "netns/kernel.h"
#include "netns/shortcut.h"

#include <arpa/inet.h>
#include <string.h>

enum { HINT_LAG = 16 };

static bool same_text(const char *a, const char *b) { return a && b ? str_eq(a, b) : a == b; }

/*
 * Addresses are ours to give where the bridge is, and on one of the administrator's within the pool that he
 * set aside.
 */
static bool gives(const struct net_def *d, const struct net_subnet *s)
{
	return s->family && (d->mode != NET_BRIDGE || d->last);
}

/* Whether what is held is what is asked for: a given address, any, or none. */
static bool as_asked(const struct net_def *d, const struct net_subnet *s, const char *held, const char *text)
{
	unsigned char a[16];
	struct net_wish w;

	if (!s->family)
		return !held;
	if (net_wish_parse(text, s->family, &w) < 0)
		return false;
	if (!held)
		return !w.given && (!w.automatic || !gives(d, s));
	if (inet_pton(s->family, held, a) != 1 || !net_subnet_has(s, a))
		return false;
	return w.given ? memcmp(a, w.addr, net_addr_size(s->family)) == 0 && (!w.prefix || w.prefix == s->prefix)
		       : w.automatic;
}

bool net_nic_fits(const struct net_nic *l, const struct net_def *d, const struct net_nic_conf *nic)
{
	unsigned char a[6], b[6];

	if (!str_eq(l->network, d->name) || !same_text(l->name, nic->name) || !same_text(l->rate, nic->rate) ||
	    !as_asked(d, &d->v4, l->ip, nic->ip) || !as_asked(d, &d->v6, l->ip6, nic->ip6))
		return false;
	return !nic->mac ||
	       (net_mac_parse(nic->mac, a) == 0 && net_mac_parse(l->mac, b) == 0 && memcmp(a, b, 6) == 0);
}

static bool any_will_do(const char *text) { return !text || str_eq(text, "auto"); }

void net_nic_keep(const struct net_nic *l, const struct net_def *d, struct net_nic_conf *nic)
{
	if (!str_eq(l->network, d->name))
		return;
	if (l->ip && any_will_do(nic->ip) && as_asked(d, &d->v4, l->ip, nic->ip))
		nic->ip = l->ip;
	if (l->ip6 && any_will_do(nic->ip6) && as_asked(d, &d->v6, l->ip6, nic->ip6))
		nic->ip6 = l->ip6;
	if (!nic->mac)
		nic->mac = l->mac;
}

/* ---- one of them ------------------------------------------------------------------------------------- */

static bool mine(const struct net_nic *n, const char *network, const char *address)
{
	return str_eq(n->network, network) && (same_text(n->ip, address) || same_text(n->ip6, address) ||
					       same_text(n->mac, address));
}

/* Who has it: NULL, another owner, or another interface of this one. */
static int holder(const struct net_choice *c, const struct net_def *d, const char *address,
		  struct net_holder *who)
{
	int r;

	LIST_EACH(const struct net_nic, n, c->r->nics)
		if (mine(n, d->name, address)) {
			snprintf(who->owner, sizeof who->owner, "%s", c->r->owner);
			return 1;
		}
	r = net_index_holder(c->dir, d->name, address, who);
	return r > 0 && str_eq(who->owner, c->r->owner) ? 0 : r;
}

static const char *address_text(const struct net_choice *c, const struct net_subnet *s, uint64_t offset)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char addr[16];

	net_subnet_at(s, offset, addr);
	return arena_strdup(c->a, inet_ntop(s->family, addr, text, sizeof text));
}

/* Neither the network's own address, nor its broadcast, nor the gateway's. */
static bool for_guests(const struct net_def *d, const struct net_subnet *s, uint64_t offset)
{
	unsigned char a[16];

	if (offset < (d->mode == NET_BRIDGE ? 1 : NET_FIRST) || offset > net_subnet_last(s))
		return false;
	return !net_def_gateway(d, s->family, a) || net_subnet_offset(s, a) != offset;
}

/* An address that the configuration asks for. */
static int asked(const struct net_choice *c, const struct net_def *d, const struct net_subnet *s,
		 const struct net_wish *w, uint64_t *offset)
{
	char sub[64], text[INET6_ADDRSTRLEN] = "";
	struct net_holder who;

	net_subnet_text(s, sub, sizeof sub);
	(void)inet_ntop(s->family, w->addr, text, sizeof text);
	if (!net_subnet_has(s, w->addr))
		return fail_as(ERR_CONFIG, "address %s is not in network %s (%s)", text, d->name, sub);
	if (w->prefix && w->prefix != s->prefix)
		return fail_as(ERR_CONFIG, "address %s/%u: the prefix of network %s is /%u", text, w->prefix, d->name,
			       s->prefix);
	*offset = net_subnet_offset(s, w->addr);
	if (!for_guests(d, s, *offset))
		return fail_as(ERR_ADDRESS, "address %s of network %s (%s) is not for guests", text, d->name, sub);
	int r = holder(c, d, text, &who);
	return r > 0 ? fail_as(ERR_ADDRESS, "address %s of network %s is in use by %s", text, d->name, who.owner) : r;
}

/* Without such a subnet there is nothing to lease. */
static int wish(const struct net_def *d, const struct net_subnet *s, const char *text, int family,
		struct net_wish *w)
{
	TRY(net_wish_parse(text, family, w));
	if (w->given && !s->family)
		return fail_as(ERR_CONFIG, "address %s: network %s has no such subnet", text, d->name);
	w->automatic &= gives(d, s);
	return 0;
}

static int full(const struct net_def *d, const struct net_subnet *s)
{
	char sub[64];

	net_subnet_text(s, sub, sizeof sub);
	return fail_as(ERR_RESOURCE, "network %s: no address is free in %s", d->name, sub);
}

static bool is_taken(const struct net_choice *c, const struct net_def *d, const struct net_subnet *s, uint64_t offset)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char a[16];

	if (!for_guests(d, s, offset))
		return true;
	net_subnet_at(s, offset, a);
	(void)inet_ntop(s->family, a, text, sizeof text);
	LIST_EACH(const struct net_nic, n, c->r->nics)
		if (mine(n, d->name, text))
			return true;
	return net_index_has(c->dir, d->name, text);
}

/* When every address has a link: the first one that is stale. */
static int lowest_stale(const struct net_choice *c, const struct net_def *d, const struct net_subnet *s,
			uint64_t first, uint64_t last, uint64_t *out)
{
	struct net_holder who;

	for (uint64_t v = first; v <= last; v++) {
		const char *text = address_text(c, s, v);
		int r = text ? for_guests(d, s, v) ? holder(c, d, text, &who) : 1 : -ENOMEM;

		TRY(r);
		if (r == 0) {
			*out = v;
			return 0;
		}
	}
	return full(d, s);
}

/*
 * The lowest that has no link. Below the index's hint every one has: a claim costs the same, however many there
 * are. The hint follows from afar, so that not every claim writes it.
 */
static int lowest(const struct net_choice *c, const struct net_def *d, const struct net_subnet *s, uint64_t *out)
{
	uint64_t first = d->last ? d->first : NET_FIRST, last = d->last ? d->last : net_subnet_last(s), from = first, v;
	char text[INET6_ADDRSTRLEN];
	unsigned char a[16];

	last = last < net_subnet_last(s) ? last : net_subnet_last(s);
	if (net_index_hint(c->dir, d->name, s->family, a) && net_subnet_has(s, a) && net_subnet_offset(s, a) > first)
		from = net_subnet_offset(s, a);
	for (v = from; v <= last && is_taken(c, d, s, v); v++)
		;
	if (v > last)
		return lowest_stale(c, d, s, first, last, out);
	if (v - from >= HINT_LAG) {
		net_subnet_at(s, v, a);
		net_index_set_hint(c->dir, d->name, s->family, inet_ntop(s->family, a, text, sizeof text));
	}
	*out = v;
	return 0;
}

/* Both families get the same number where they can: 10.77.0.5 is fd77:...::5. */
static int choose(const struct net_choice *c, const struct net_def *d, const struct net_nic_conf *nic,
		  uint64_t *o4, uint64_t *o6)
{
	struct net_wish w4, w6;

	*o4 = *o6 = 0;
	TRY(wish(d, &d->v4, nic->ip, AF_INET, &w4));
	TRY(wish(d, &d->v6, nic->ip6, AF_INET6, &w6));
	if (w4.given)
		TRY(asked(c, d, &d->v4, &w4, o4));
	else if (w4.automatic)
		TRY(lowest(c, d, &d->v4, o4));
	if (w6.given)
		return asked(c, d, &d->v6, &w6, o6);
	if (!w6.automatic)
		return 0;
	if (*o4 && *o4 <= net_subnet_last(&d->v6) && !is_taken(c, d, &d->v6, *o4)) {
		*o6 = *o4;
		return 0;
	}
	return lowest(c, d, &d->v6, o6);
}

/*
 * On a segment of several hosts guests may have one name, and homes one path: what tells them apart is the address,
 * which is of this host's share.
 */
static unsigned first_attempt(const struct net_def *d, uint64_t o4, uint64_t o6)
{
	return d->vxlan ? (unsigned)(o4 ? o4 : o6) << 10 : 0;
}

static int choose_mac(const struct net_choice *c, const struct net_def *d, unsigned index,
		      const struct net_nic_conf *nic, unsigned first, char text[18])
{
	struct net_holder who;
	unsigned char mac[6];
	int r;

	if (nic->mac) {
		TRY(net_mac_parse(nic->mac, mac));
		net_mac_text(mac, text);
		r = holder(c, d, text, &who);
		return r > 0 ? fail_as(ERR_ADDRESS, "MAC address %s on network %s is in use by %s", nic->mac,
				       d->name, who.owner)
			     : r;
	}
	const uint64_t here = net_here(c->h);
	for (unsigned attempt = first; attempt < first + 1000; attempt++) {
		net_mac_of(here, c->r->owner, index, attempt, mac);
		net_mac_text(mac, text);
		r = holder(c, d, text, &who);
		if (r <= 0)
			return r;
	}
	return fail_as(ERR_RESOURCE, "network %s: no MAC address is free for %s", d->name, c->r->owner);
}

int net_nic_choose(const struct net_choice *c, const struct net_def *d, unsigned index,
		   const struct net_nic_conf *nic, struct net_nic *out)
{
	uint64_t o4, o6;
	char mac[18];

	TRY(choose(c, d, nic, &o4, &o6));
	TRY(choose_mac(c, d, index, nic, first_attempt(d, o4, o6), mac));
	*out = (struct net_nic){
		.index = index, .network = arena_strdup(c->a, d->name), .mac = arena_strdup(c->a, mac),
		.name = nic->name ? arena_strdup(c->a, nic->name) : NULL,
		.rate = nic->rate ? arena_strdup(c->a, nic->rate) : NULL,
		.ip = o4 ? address_text(c, &d->v4, o4) : NULL, .ip6 = o6 ? address_text(c, &d->v6, o6) : NULL,
	};
	if (!out->network || !out->mac || (nic->name && !out->name) || (nic->rate && !out->rate) ||
	    (o4 && !out->ip) || (o6 && !out->ip6))
		return fail(ENOMEM, "network %s: out of memory", d->name);
	return 0;
}

int net_port_of(const struct net_home *h, const struct net_def *d, const struct net_record *r, const struct net_nic *l,
		int bridge_index, struct net_port *out)
{
	struct net_nic_conf name = { .name = l->name };

	memset(out, 0, sizeof *out);
	snprintf(out->network, sizeof out->network, "%s", d->name);
	snprintf(out->bridge, sizeof out->bridge, "%s", d->bridge);
	net_host_if(h, r->owner, l->index, out->host_if);
	net_inside_name(&name, l->index, out->name);
	out->kind = NET_KIND_NETWORK;
	out->index = l->index;
	if (l->rate)
		TRY(net_rate_parse(l->rate, &out->rate));
	out->mtu = d->mtu ? d->mtu : 1500;
	out->isolated = net_def_isolates(d);
	out->shortcut = net_shortcut_wanted(d);
	out->guarded = r->firewall.n > 0;
	out->vlan = d->vlan;
	out->bridge_index = bridge_index;
	TRY(net_mac_parse(l->mac, out->mac));
	if (l->ip && inet_pton(AF_INET, l->ip, &out->ip) == 1) {
		out->prefix = d->v4.prefix;
		if (net_def_gateway(d, AF_INET, (unsigned char *)&out->gateway) && d->mode == NET_ROUTED) {
			out->behind = out->prefix;
			out->prefix = 32;
		}
	}
	if (l->ip6 && net_host_has_ipv6() && inet_pton(AF_INET6, l->ip6, &out->ip6) == 1) {
		out->prefix6 = d->v6.prefix;
		if (net_def_gateway(d, AF_INET6, (unsigned char *)&out->gateway6) && d->mode == NET_ROUTED) {
			out->behind6 = out->prefix6;
			out->prefix6 = 128;
		}
	}
	out->outward = d->mode != NET_ISOLATED;
	if (d->dns && l->ip)
		net_subnet_at(&d->v4, NET_GATEWAY, (unsigned char *)&out->dns);
	if (d->dns && l->ip6 && net_host_has_ipv6())
		net_subnet_at(&d->v6, NET_GATEWAY, (unsigned char *)&out->dns6);
	return 0;
}

void net_port_alone(const struct net_home *h, const char *owner, const struct net_nic_conf *nic, size_t i,
		    struct net_port *out)
{
	struct net_wish w4 = { 0 }, w6 = { 0 };

	/* They were parsed by net_check(). */
	if (nic->ip)
		(void)net_wish_parse(nic->ip, AF_INET, &w4);
	if (nic->ip6)
		(void)net_wish_parse(nic->ip6, AF_INET6, &w6);
	*out = (struct net_port){ .kind = nic->kind, .index = net_nic_index(nic, i), .prefix = w4.prefix,
				  .prefix6 = w6.prefix };
	memcpy(&out->ip, w4.addr, sizeof out->ip);
	memcpy(&out->ip6, w6.addr, sizeof out->ip6);
	snprintf(out->parent, sizeof out->parent, "%s", nic->parent);
	net_inside_name(nic, i, out->name);
	net_host_if(h, owner, out->index, out->host_if);
	if (nic->mac)
		(void)net_mac_parse(nic->mac, out->mac);
	else if (nic->kind == NET_KIND_MACVLAN)
		net_mac_of(net_here(h), owner, out->index, 0, out->mac);
}
