/* What a network's definition may say: its texts parsed, each against the others. */
#include "base/scope.h"
#include "netns/def.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <string.h>

static const char link_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

bool net_is_link_name(const char *s)
{
	size_t n = strspn(s, link_chars);

	return n > 0 && n < IFNAMSIZ && s[n] == '\0' && s[0] != '.' && s[0] != '-';
}

int net_port_range(const char *text, uint16_t *first, uint16_t *last)
{
	char low[6];
	size_t n = strcspn(text, "-");
	uint64_t a, b;

	if (n >= sizeof low)
		return -EINVAL;
	memcpy(low, text, n);
	low[n] = '\0';
	if (str_u64(low, 65535, &a) < 0 || str_u64(text[n] ? text + n + 1 : low, 65535, &b) < 0)
		return -EINVAL;
	if (a < 1 || b < a)
		return -EINVAL;
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return 0;
}

static int check_address(const char *key, const char *text, const struct net_subnet *s)
{
	unsigned char a[16];

	if (!text)
		return 0;
	if (!s->family)
		return fail_as(ERR_CONFIG, "%s: the network has no such subnet", key);
	if (inet_pton(s->family, text, a) != 1)
		return fail_as(ERR_CONFIG, "%s: %.64s is not an IPv%c address", key, text,
			       s->family == AF_INET ? '4' : '6');
	if (!net_subnet_has(s, a))
		return fail_as(ERR_CONFIG, "%s: %.64s is not in the network's subnet", key, text);
	return 0;
}

/* What the kernel gives another meaning: this host, everybody, the link alone. */
static bool is_special(int family, const unsigned char *a)
{
	if (family == AF_INET)
		return a[0] == 0 || a[0] == 127 || a[0] >= 224;
	return (a[0] == 0 && a[1] == 0) || a[0] == 0xff || IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)a);
}

static int check_subnet(const char *text, int family, struct net_subnet *s)
{
	TRY(fail_class(net_subnet_parse(text, family, s), ERR_CONFIG));
	if (is_special(family, s->addr))
		return fail_as(ERR_CONFIG, "%.64s: not for guests: this host's own, the link's or everybody's", text);
	return 0;
}

static int check_subnets(struct net_def *d)
{
	if (!d->subnet && !d->subnet6 && d->mode != NET_BRIDGE)
		return fail_as(ERR_CONFIG, "subnet: missing");
	if (d->subnet)
		TRY_IN(check_subnet(d->subnet, AF_INET, &d->v4), "subnet");
	if (d->subnet6)
		TRY_IN(check_subnet(d->subnet6, AF_INET6, &d->v6), "subnet6");
	return 0;
}

/* One of the guests' addresses of s as its number there. */
static int guest_offset(const struct net_subnet *s, const char *text, uint64_t *out)
{
	unsigned char a[16];

	if (inet_pton(s->family, text, a) != 1 || !net_subnet_has(s, a))
		return fail_as(ERR_CONFIG, "%.64s is not in the network's subnet", text);
	*out = net_subnet_offset(s, a);
	if (*out < NET_FIRST || *out > net_subnet_last(s))
		return fail_as(ERR_CONFIG, "%.64s is not for guests", text);
	return 0;
}

static int check_pool(struct net_def *d)
{
	const char *dash = d->pool ? strchr(d->pool, '-') : NULL;
	char low[INET6_ADDRSTRLEN];
	const struct net_subnet *s;

	if (!d->pool)
		return 0;
	if (!dash || dash == d->pool || !dash[1] || (size_t)(dash - d->pool) >= sizeof low)
		return fail_as(ERR_CONFIG, "%.64s is not FIRST-LAST", d->pool);
	memcpy(low, d->pool, (size_t)(dash - d->pool));
	low[dash - d->pool] = '\0';
	s = strchr(low, ':') ? &d->v6 : &d->v4;
	if (!s->family)
		return fail_as(ERR_CONFIG, "the network has no such subnet");
	TRY(guest_offset(s, low, &d->first));
	TRY(guest_offset(s, dash + 1, &d->last));
	if (d->last < d->first)
		return fail_as(ERR_CONFIG, "%.64s ends before it begins", d->pool);
	return 0;
}

/* What only makes sense where the bridge is the administrator's, and what only where it is ours. */
static int check_mode(const struct net_def *d)
{
	if (d->mode != NET_BRIDGE) {
		if (d->gateway || d->gateway6)
			return fail_as(ERR_CONFIG, "%s: only with mode bridge; else the host is the gateway",
				       d->gateway ? "gateway" : "gateway6");
		if (d->vlan)
			return fail_as(ERR_CONFIG, "vlan: only with mode bridge");
		return 0;
	}
	if (d->vlan > 4094)
		return fail_as(ERR_CONFIG, "vlan: must be 1 to 4094");
	if (d->dns)
		return fail_as(ERR_CONFIG, "dns: not with mode bridge, where the host has no address of ours");
	if (d->vxlan)
		return fail_as(ERR_CONFIG, "vxlan: not with mode bridge, of which only the ports are ours");
	TRY(check_address("gateway", d->gateway, &d->v4));
	return check_address("gateway6", d->gateway6, &d->v6);
}

static int check_peer(struct net_vxlan *v, const char *text, unsigned char a[16])
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	memset(a, 0, 16);
	if (inet_pton(family, text, a) != 1)
		return fail_as(ERR_CONFIG, "%.64s is not an address", text);
	if (v->family && v->family != family)
		return fail_as(ERR_CONFIG, "%.64s is not of the same family as the others", text);
	if ((family == AF_INET && (a[0] == 0 || a[0] == 127 || a[0] >= 224)) ||
	    (family == AF_INET6 && (a[0] == 0xff || IN6_IS_ADDR_UNSPECIFIED((struct in6_addr *)a) ||
				    IN6_IS_ADDR_LOOPBACK((struct in6_addr *)a) ||
				    IN6_IS_ADDR_LINKLOCAL((struct in6_addr *)a))))
		return fail_as(ERR_CONFIG, "%.64s is not another host's address", text);
	v->family = family;
	return 0;
}

static int check_vxlan(struct net_vxlan *v)
{
	_Alignas(struct in6_addr) unsigned char a[NET_PEERS_MAX][16], local[16];

	if (v->vni < 1 || v->vni > 0xffffff)
		return fail_as(ERR_CONFIG, "vni: must be 1 to 16777215");
	if (v->port < 1 || v->port > 65535)
		return fail_as(ERR_CONFIG, "port: must be 1 to 65535");
	if (v->peers.n == 0)
		return fail_as(ERR_CONFIG, "peers: none");
	if (v->peers.n > NET_PEERS_MAX)
		return fail_as(ERR_CONFIG, "peers: more than %d", NET_PEERS_MAX);
	v->family = 0;
	for (size_t i = 0; i < v->peers.n; i++) {
		TRY_IN(check_peer(v, v->peers.v[i], a[i]), "peers[%zu]", i);
		for (size_t k = 0; k < i; k++)
			if (memcmp(a[i], a[k], sizeof a[i]) == 0)
				return fail_as(ERR_CONFIG, "peers[%zu]: %.64s is given twice", i, v->peers.v[i]);
	}
	if (v->local)
		TRY_IN(check_peer(v, v->local, local), "local");
	return 0;
}

static int check_across(const struct net_def *d)
{
	if (!d->vxlan)
		return 0;
	if (d->mode == NET_ROUTED)
		return fail_as(ERR_CONFIG, "vxlan: not with mode routed, whose guests share no segment");
	if (d->isolate_ports)
		return fail_as(ERR_CONFIG, "isolatePorts: not with vxlan: guests of two hosts would not be isolated");
	TRY_IN(check_vxlan(d->vxlan), "vxlan");
	return 0;
}

static int check_allow(const struct net_def *d, struct net_allow *w)
{
	if (!str_is_name(w->from))
		return fail_as(ERR_CONFIG, "from: not the name of a network, nor " NET_OUTSIDE);
	if (str_eq(w->from, d->name))
		return fail_as(ERR_CONFIG, "from: is the network itself");
	if (!w->port)
		return w->proto ? fail_as(ERR_CONFIG, "proto: needs a port") : 0;
	if (net_port_range(w->port, &w->first, &w->last) < 0)
		return fail_as(ERR_CONFIG, "port: %.32s is not a port, nor FIRST-LAST (1 to 65535)", w->port);
	if (!w->proto)
		w->proto = IPPROTO_TCP;
	return 0;
}

/* What passes by shortcuts no bridge sees, and no other host. */
static int check_shortcut(const struct net_def *d)
{
	if (!d->shortcut.v)
		return 0;
	if (d->mode == NET_BRIDGE || d->mode == NET_ROUTED)
		return fail_as(ERR_CONFIG, "shortcut: not with mode %s", name_of(net_modes, d->mode));
	if (d->isolate_ports || d->vxlan)
		return fail_as(ERR_CONFIG, "shortcut: not with %s", d->vxlan ? "vxlan" : "isolatePorts");
	return 0;
}

static int check_allows(struct net_def *d)
{
	size_t i = 0;

	if (d->allow.n && d->mode == NET_BRIDGE)
		return fail_as(ERR_CONFIG, "allow: not with mode bridge, which the host does not route");
	if (d->allow.n && d->mode == NET_ISOLATED)
		return fail_as(ERR_CONFIG, "allow: not with mode isolated, which leads nowhere");
	if (d->allow.n > NET_ALLOW_MAX)
		return fail_as(ERR_CONFIG, "allow: more than %d", NET_ALLOW_MAX);
	LIST_EACH(struct net_allow, w, d->allow) {
		TRY_IN(check_allow(d, w), "allow[%zu]", i);
		i++;
	}
	return 0;
}

int net_def_check(struct net_def *d)
{
	d->v4 = d->v6 = (struct net_subnet){ 0 };
	d->first = d->last = 0;
	if (!str_is_name(d->name) || str_eq(d->name, NET_OUTSIDE) || str_eq(d->name, NET_NONE))
		return fail_as(ERR_CONFIG, "name: \"%.64s\" is not a name for a network", d->name);
	if (!net_is_link_name(d->bridge))
		return fail_as(ERR_CONFIG, "bridge: not the name of a link");
	if (d->mtu && (d->mtu < 1280 || d->mtu > 65535))
		return fail_as(ERR_CONFIG, "mtu: must be 1280 to 65535");
	TRY(check_subnets(d));
	TRY(check_mode(d));
	TRY_IN(check_pool(d), "pool");
	TRY(check_across(d));
	TRY(check_shortcut(d));
	return check_allows(d);
}

size_t net_def_forget(struct net_def *d, const char *from)
{
	size_t before = d->allow.n, k = 0;
	struct net_allow *v = d->allow.v;

	for (size_t i = 0; i < before; i++)
		if (!str_eq(v[i].from, from))
			v[k++] = v[i];
	d->allow.n = k;
	return before - k;
}

bool net_def_gateway(const struct net_def *d, int family, unsigned char *addr)
{
	const struct net_subnet *s = family == AF_INET ? &d->v4 : &d->v6;
	const char *text = family == AF_INET ? d->gateway : d->gateway6;

	/* An isolated network leads nowhere. */
	if (!s->family || d->mode == NET_ISOLATED || (d->mode == NET_BRIDGE && !text))
		return false;
	if (text)
		return inet_pton(family, text, addr) == 1;
	net_subnet_at(s, NET_GATEWAY, addr);
	return true;
}
