#include "netns/lease.h"
#include "base/scope.h"

#include <arpa/inet.h>
#include <string.h>

static bool same_addr(int family, const char *a, const char *b)
{
	unsigned char x[16], y[16];

	return a && inet_pton(family, a, x) == 1 && inet_pton(family, b, y) == 1 &&
	       memcmp(x, y, net_addr_size(family)) == 0;
}

/* Whether a lease's address is what is asked for: a given one, any, or none. */
static bool as_asked(const char *held, const char *text, const struct net_subnet *s)
{
	unsigned char a[16];
	struct net_wish w;

	if (net_wish_parse(text, s->family, &w) < 0)
		return false;
	if (!w.given)
		return !held == !w.automatic;
	return held && inet_pton(s->family, held, a) == 1 && memcmp(a, w.addr, net_addr_size(s->family)) == 0 &&
	       (!w.prefix || w.prefix == s->prefix);
}

bool net_lease_fits(const struct net_lease *l, const struct net_def *d, const struct net_nic_conf *nic)
{
	unsigned char a[6], b[6];

	if (d->v4.family && !as_asked(l->ip, nic->ip, &d->v4))
		return false;
	if (d->v6.family && !as_asked(l->ip6, nic->ip6, &d->v6))
		return false;
	return !nic->mac ||
	       (net_mac_parse(nic->mac, a) == 0 && net_mac_parse(l->mac, b) == 0 && memcmp(a, b, 6) == 0);
}

/* What is leased already, as numbers within the subnets. */
struct used { uint64_t *v4, *v6; size_t n4, n6; };

static void used_free(struct used *u)
{
	free(u->v4);
	free(u->v6);
}

static int used_of(const struct net_def *d, struct used *u)
{
	unsigned char a[16];

	u->v4 = calloc(d->leases.n + 1, sizeof *u->v4);
	u->v6 = calloc(d->leases.n + 1, sizeof *u->v6);
	if (!u->v4 || !u->v6)
		return fail(ENOMEM, "network %s: out of memory", d->name);
	LIST_EACH(const struct net_lease, l, d->leases) {
		if (l->ip && inet_pton(AF_INET, l->ip, a) == 1)
			u->v4[u->n4++] = net_subnet_offset(&d->v4, a);
		if (l->ip6 && inet_pton(AF_INET6, l->ip6, a) == 1)
			u->v6[u->n6++] = net_subnet_offset(&d->v6, a);
	}
	return 0;
}

static bool is_used(const uint64_t *v, size_t n, uint64_t x)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == x)
			return true;
	return false;
}

static const char *holder(const struct net_def *d, int family, const char *addr)
{
	LIST_EACH(const struct net_lease, l, d->leases)
		if (same_addr(family, family == AF_INET ? l->ip : l->ip6, addr))
			return l->guest;
	return NULL;
}

/* An address that the configuration asks for. */
static int asked(const struct net_def *d, const struct net_subnet *s, const struct net_wish *w,
		 uint64_t *offset)
{
	char subnet[64], text[INET6_ADDRSTRLEN] = "";
	const char *who;

	net_subnet_text(s, subnet, sizeof subnet);
	(void)inet_ntop(s->family, w->addr, text, sizeof text);
	if (!net_subnet_has(s, w->addr))
		return fail_as(ERR_CONFIG, "address %s is not in network %s (%s)", text, d->name, subnet);
	if (w->prefix && w->prefix != s->prefix)
		return fail_as(ERR_CONFIG, "address %s/%u: the prefix of network %s is /%u", text, w->prefix, d->name,
			       s->prefix);
	*offset = net_subnet_offset(s, w->addr);
	if (*offset < NET_FIRST || *offset > net_subnet_last(s))
		return fail_as(ERR_ADDRESS, "address %s of network %s (%s) is not for guests", text, d->name,
			       subnet);
	who = holder(d, s->family, text);
	return who ? fail_as(ERR_ADDRESS, "address %s of network %s is in use by %s", text, d->name, who) : 0;
}

/* Without such a subnet there is nothing to lease. */
static int wish(const struct net_def *d, const struct net_subnet *s, const char *text, int family,
		struct net_wish *w)
{
	TRY(net_wish_parse(text, family, w));
	if (w->given && !s->family)
		return fail_as(ERR_CONFIG, "address %s: network %s has no such subnet", text, d->name);
	w->automatic &= s->family != 0;
	return 0;
}

static int full(const struct net_def *d, const struct net_subnet *s)
{
	char subnet[64];

	net_subnet_text(s, subnet, sizeof subnet);
	return fail_as(ERR_RESOURCE, "network %s: no address is free in %s", d->name, subnet);
}

/* Both families get the same number where they can: 10.77.0.5 is fd77:...::5. */
static int choose(const struct net_def *d, const struct net_nic_conf *nic, uint64_t *o4, uint64_t *o6)
{
	SCOPED(used_free) struct used u = { 0 };
	struct net_wish w4, w6;

	TRY(used_of(d, &u));
	*o4 = *o6 = 0;
	TRY(wish(d, &d->v4, nic->ip, AF_INET, &w4));
	TRY(wish(d, &d->v6, nic->ip6, AF_INET6, &w6));
	if (w4.given)
		TRY(asked(d, &d->v4, &w4, o4));
	else if (w4.automatic && !(*o4 = net_lowest_free(u.v4, u.n4, NET_FIRST, net_subnet_last(&d->v4))))
		return full(d, &d->v4);
	if (w6.given)
		return asked(d, &d->v6, &w6, o6);
	if (!w6.automatic)
		return 0;
	if (*o4 && *o4 <= net_subnet_last(&d->v6) && !is_used(u.v6, u.n6, *o4))
		*o6 = *o4;
	else if (!(*o6 = net_lowest_free(u.v6, u.n6, NET_FIRST, net_subnet_last(&d->v6))))
		return full(d, &d->v6);
	return 0;
}

static const char *address_text(struct arena *a, const struct net_subnet *s, uint64_t offset)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char addr[16];

	net_subnet_at(s, offset, addr);
	return arena_strdup(a, inet_ntop(s->family, addr, text, sizeof text));
}

static const char *mac_holder(const struct net_def *d, const unsigned char mac[6])
{
	unsigned char m[6];

	LIST_EACH(const struct net_lease, l, d->leases)
		if (l->mac && net_mac_parse(l->mac, m) == 0 && memcmp(m, mac, 6) == 0)
			return l->guest;
	return NULL;
}

static int choose_mac(const struct net_home *h, const struct net_def *d, const char *guest, unsigned index,
		      const struct net_nic_conf *nic, unsigned char mac[6])
{
	const char *who;

	if (nic->mac) {
		TRY(net_mac_parse(nic->mac, mac));
		who = mac_holder(d, mac);
		return who ? fail_as(ERR_ADDRESS, "MAC address %s on network %s is in use by %s", nic->mac,
				     d->name, who)
			   : 0;
	}
	for (unsigned attempt = 0; attempt < 1000; attempt++) {
		net_mac_of(h, guest, index, attempt, mac);
		if (!mac_holder(d, mac))
			return 0;
	}
	return fail_as(ERR_RESOURCE, "network %s: no MAC address is free for %s", d->name, guest);
}

int net_lease_new(const struct net_home *h, struct net_file *f, const char *guest, unsigned index,
		  const struct net_nic_conf *nic, struct net_lease **out)
{
	unsigned char mac[6];
	uint64_t o4, o6;
	char text[18];

	TRY(choose(&f->d, nic, &o4, &o6));
	TRY(choose_mac(h, &f->d, guest, index, nic, mac));
	net_mac_text(mac, text);
	struct net_lease l = {
		.guest = arena_strdup(&f->a, guest), .index = index, .mac = arena_strdup(&f->a, text),
	};
	if (o4)
		l.ip = address_text(&f->a, &f->d.v4, o4);
	if (o6)
		l.ip6 = address_text(&f->a, &f->d.v6, o6);
	*out = net_lease_add(f);
	if (!*out || !l.guest || !l.mac || (o4 && !l.ip) || (o6 && !l.ip6))
		return fail(ENOMEM, "network %s: out of memory", f->d.name);
	**out = l;
	return 0;
}

int net_port_of(const struct net_home *h, const struct net_def *d, const struct net_lease *l,
		const struct net_nic_conf *nic, int bridge_index, struct net_port *out)
{
	memset(out, 0, sizeof *out);
	snprintf(out->network, sizeof out->network, "%s", d->name);
	snprintf(out->bridge, sizeof out->bridge, "%s", d->bridge);
	net_host_if(h, l->guest, l->index, out->host_if);
	net_inside_name(nic, l->index, out->name);
	out->kind = NET_KIND_NETWORK;
	out->index = l->index;
	if (nic->rate)
		TRY(net_rate_parse(nic->rate, &out->rate));
	out->mtu = d->mtu ? d->mtu : 1500;
	out->bridge_index = bridge_index;
	TRY(net_mac_parse(l->mac, out->mac));
	if (l->ip && inet_pton(AF_INET, l->ip, &out->ip) == 1) {
		out->prefix = d->v4.prefix;
		net_subnet_at(&d->v4, NET_GATEWAY, (unsigned char *)&out->gateway);
	}
	if (l->ip6 && inet_pton(AF_INET6, l->ip6, &out->ip6) == 1) {
		out->prefix6 = d->v6.prefix;
		net_subnet_at(&d->v6, NET_GATEWAY, (unsigned char *)&out->gateway6);
	}
	/* An isolated network leads nowhere. */
	if (d->mode == NET_ISOLATED) {
		memset(&out->gateway, 0, sizeof out->gateway);
		memset(&out->gateway6, 0, sizeof out->gateway6);
	}
	return 0;
}

void net_port_alone(const struct net_home *h, const char *guest, const struct net_nic_conf *nic, size_t i,
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
	net_host_if(h, guest, out->index, out->host_if);
	if (nic->mac)
		(void)net_mac_parse(nic->mac, out->mac);
	else if (nic->kind == NET_KIND_MACVLAN)
		net_mac_of(h, guest, out->index, 0, out->mac);
}
