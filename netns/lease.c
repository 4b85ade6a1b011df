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

bool net_lease_fits(const struct net_lease *l, const struct net_def *d, const struct net_nic_conf *nic)
{
	unsigned char a[6], b[6];

	if ((d->v4.family && !l->ip) || (d->v6.family && !l->ip6))
		return false;
	if (nic->ip && !same_addr(AF_INET, l->ip, nic->ip))
		return false;
	if (nic->ip6 && !same_addr(AF_INET6, l->ip6, nic->ip6))
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
static int asked(const struct net_def *d, const struct net_subnet *s, const char *text, uint64_t *offset)
{
	char subnet[64];
	unsigned char a[16];
	const char *who;

	net_subnet_text(s, subnet, sizeof subnet);
	if (!s->family)
		return fail_as(ERR_CONFIG, "address %s: network %s has no such subnet", text, d->name);
	if (inet_pton(s->family, text, a) != 1 || !net_subnet_has(s, a))
		return fail_as(ERR_CONFIG, "address %s is not in network %s (%s)", text, d->name, subnet);
	*offset = net_subnet_offset(s, a);
	if (*offset < NET_FIRST || *offset > net_subnet_last(s))
		return fail_as(ERR_ADDRESS, "address %s of network %s (%s) is not for guests", text, d->name,
			       subnet);
	who = holder(d, s->family, text);
	return who ? fail_as(ERR_ADDRESS, "address %s of network %s is in use by %s", text, d->name, who) : 0;
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

	TRY(used_of(d, &u));
	*o4 = *o6 = 0;
	if (nic->ip)
		TRY(asked(d, &d->v4, nic->ip, o4));
	else if (d->v4.family && !(*o4 = net_lowest_free(u.v4, u.n4, NET_FIRST, net_subnet_last(&d->v4))))
		return full(d, &d->v4);
	if (nic->ip6)
		return asked(d, &d->v6, nic->ip6, o6);
	if (!d->v6.family)
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
