#include "netns/compare.h"
#include "base/scope.h"
#include "netns/bridge.h"
#include "netns/dns.h"
#include "netns/elements.h"
#include "netns/kernel.h"
#include "netns/portmap.h"
#include "netns/vxlan.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>

int net_compare_open(struct net_compare *c)
{
	TRY(nlq_open(&c->route, NETLINK_ROUTE));
	TRY(net_host_read(&c->route, &c->host));
	return net_fixed_read(&c->route, &c->host, &c->fixed);
}

void net_compare_close(struct net_compare *c)
{
	nlq_close(&c->route);
	nlq_close(&c->fw.q);
	net_host_free(&c->host);
	net_fixed_free(&c->fixed);
	net_vlans_free(&c->vlans);
}

void net_compare_tell(struct net_compare *c, int mend, const char *fmt, ...)
{
	struct network_difference d = { .network = c->d ? c->d->name : NULL, .mendable = !(mend & MEND_NOT) };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d.what, sizeof d.what, fmt, ap);
	va_end(ap);
	if (c->hint[0])
		snprintf(d.try, sizeof d.try, "%s", c->hint);
	else if (d.mendable)
		snprintf(d.try, sizeof d.try, "vzrun network apply%s%s", c->d ? " " : "", c->d ? c->d->name : "");
	c->hint[0] = '\0';
	c->mend |= mend;
	c->n++;
	if (c->result >= 0)
		c->result = c->differs(c->ctx, &d);
}

void net_compare_failed(struct net_compare *c)
{
	if (!str_eq(err_text(), c->failed)) {
		snprintf(c->failed, sizeof c->failed, "%.255s", err_text());
		net_compare_tell(c, MEND_NOT, "%s", c->failed);
	}
	err_clear();
}

static void see_switch(void *ctx, const char *key, const char *is, const char *want)
{
	net_compare_tell(ctx, MEND_UP, "/proc/sys/net/%s is %s, not %s", key, is, want);
}

/* ---- the bridge and what is on it ----------------------------------------------------------------- */

static void look_at_old_addresses(struct net_compare *c, const struct net_link *l)
{
	bool marked = false;
	size_t n;
	const struct net_host_addr *a = net_host_addrs(&c->host, l->index, &n);

	for (size_t i = 0; i < n; i++)
		marked |= a[i].ours;
	for (size_t i = 0; i < n; i++) {
		char text[INET6_ADDRSTRLEN];

		inet_ntop(a[i].a.family, a[i].a.addr, text, sizeof text);
		if (net_bridge_outgrew(c->d, &a[i]))
			net_compare_tell(c, MEND_UP, "bridge %s has the address %s/%u of another subnet than its file says", l->name, text,
					 a[i].a.prefix);
		if (marked || !net_bridge_may_have_outgrown(c->d, &a[i]))
			continue;
		snprintf(c->hint, sizeof c->hint,
			 "if it is not yours: ip addr del %s/%u dev %s   |   if it is: ip addr change %s/%u dev %s metric 1", text,
			 a[i].a.prefix, l->name, text, a[i].a.prefix, l->name);
		net_compare_tell(c, MEND_NOT, "bridge %s has the address %s/%u, a former gateway's or somebody's own", l->name, text,
				 a[i].a.prefix);
	}
}

static void look_at_addresses(struct net_compare *c, const struct net_link *l)
{
	const struct net_def *d = c->d;
	const struct net_subnet *s[] = { &d->v4, &d->v6, d->v6.family ? &net_link_local : &d->v6 };
	char text[INET6_ADDRSTRLEN];
	unsigned char a[16];

	for (size_t i = 0; i < COUNT(s); i++) {
		if (!net_host_has(s[i]->family))
			continue;
		net_subnet_at(s[i], NET_GATEWAY, a);
		if (!net_host_has_addr(&c->host, l->index, s[i]->family, a, s[i]->prefix))
			net_compare_tell(c, MEND_UP, "bridge %s lacks its address %s/%u", l->name,
				inet_ntop(s[i]->family, a, text, sizeof text), s[i]->prefix);
		else if (l->up && !net_host_has_route(&c->host, l->index, s[i])) {
			net_subnet_text(s[i], text, sizeof text);
			net_compare_tell(c, MEND_ROUTES, "the route to %s by %s is gone", text, l->name);
		}
	}
	look_at_old_addresses(c, l);
}

static void look_at_fixed(struct net_compare *c, const struct net_link *l)
{
	for (size_t i = 0; i < c->fixed.n; i++) {
		const struct net_fixed *f = &c->fixed.v[i];
		char mac[18];

		if (f->bridge != l->index || f->own)
			continue;
		net_mac_text(f->mac, mac);
		net_compare_tell(c, MEND_PORTS, "bridge %s: somebody fixed where %s is", l->name, mac);
	}
	if (!net_fixed_has_own(&c->fixed, l))
		net_compare_tell(c, MEND_PORTS, "bridge %s does not know its own address: what is for the host goes to all ports",
				 l->name);
}

static void look_at_own(struct net_compare *c, const struct net_link *l)
{
	const struct net_def *d = c->d;
	uint32_t mtu = d->mtu ? d->mtu : 1500;
	char odd[NET_ODD_TEXT];

	if (net_bridge_lost_mac(c->h, d->name, l)) {
		net_compare_tell(c, MEND_UP, "bridge %s has another MAC address than its own", d->bridge);
	} else if (!net_bridge_is_ours(c->h, d->name, l)) {
		net_compare_tell(c, MEND_UP, "link %s is not this network's bridge, but somebody else's", d->bridge);
		return;
	}
	if (!l->up)
		net_compare_tell(c, MEND_UP, "bridge %s is down", d->bridge);
	if (l->believes)
		net_compare_tell(c, MEND_UP, "bridge %s learns from link-local frames: a guest can take its neighbours' traffic",
				 d->bridge);
	if (l->odd)
		net_compare_tell(c, MEND_UP, "bridge %s: somebody changed %s", d->bridge,
				 net_odd_text(l, l->odd, odd, sizeof odd));
	if (l->no_arp)
		net_compare_tell(c, MEND_UP, "bridge %s does not speak ARP", d->bridge);
	if (l->master)
		net_compare_tell(c, MEND_UP, "bridge %s is a part of another link", d->bridge);
	if (l->mtu != mtu)
		net_compare_tell(c, MEND_UP, "bridge %s has MTU %u, not %u", d->bridge, l->mtu, mtu);
	look_at_fixed(c, l);
	look_at_addresses(c, l);
	net_bridge_check_switches(d->bridge, see_switch, c);
	if (d->mode != NET_ISOLATED && net_forwarding_check_bridge(d->bridge, see_switch, c) < 0)
		net_compare_tell(c, MEND_NOT, "%s", err_text());
}

/* The administrator's: what it must be for our ports. */
static void look_at_theirs(struct net_compare *c, const struct net_link *l)
{
	snprintf(c->hint, sizeof c->hint, "the bridge is yours: set it right, or remove the network");
	if (!l)
		net_compare_tell(c, MEND_NOT, "bridge %s is gone", c->d->bridge);
	else if (!l->bridge)
		net_compare_tell(c, MEND_NOT, "link %s is no bridge", c->d->bridge);
	else if (!l->up)
		net_compare_tell(c, MEND_NOT, "bridge %s is down", c->d->bridge);
	else if ((c->d->vlan ? net_vlan_can(l) : net_vlan_needed(l)) < 0)
		net_compare_tell(c, MEND_NOT, "%s", err_text());
	else if (c->d->mtu && l->mtu != c->d->mtu)
		net_compare_tell(c, MEND_NOT, "bridge %s has MTU %u, and the network's ports %u",
				 c->d->bridge, l->mtu, c->d->mtu);
	else if (l->believes) {
		snprintf(c->hint, sizeof c->hint, "ip link set %s type bridge no_linklocal_learn 1", l->name);
		net_compare_tell(c, MEND_NOT, "bridge %s learns from link-local frames: a guest can take its neighbours' traffic",
				 l->name);
	}
	c->hint[0] = '\0';
}

static int look_at_tunnel(struct net_compare *c, const struct net_link *bridge)
{
	static const struct { int flag; const char *what; } words[] = {
		{ TUNNEL_GONE, "is gone" }, { TUNNEL_OTHER, "is not what it was made as" },
		{ TUNNEL_MASTER, "is not in the network's bridge" }, { TUNNEL_DOWN, "is down" },
		{ TUNNEL_MTU, "has another MTU" }, { TUNNEL_PEERS, "has other peers" },
		{ TUNNEL_OPEN, "lets frames to the host past its bridge" },
		{ TUNNEL_ASTRAY, "has addresses that somebody put at a host" },
	};
	char name[IFNAMSIZ];
	uint32_t most;
	int flags;

	net_tunnel_name(c->h, c->d->name, name);
	TRY(net_tunnel_check(&c->route, c->h, c->d, bridge->index, &flags));
	for (size_t i = 0; i < COUNT(words); i++)
		if (flags & words[i].flag)
			net_compare_tell(c, MEND_UP, "tunnel %s %s", name, words[i].what);
	if (net_tunnel_mtu(&c->route, c->d, &most) < 0)
		net_compare_tell(c, MEND_NOT, "%s", err_text());
	else if (c->d->mtu > most)
		net_compare_tell(c, MEND_NOT,
				 "the way to the peers takes packets of %u bytes, less than the MTU (%u)",
				 most, c->d->mtu);
	err_clear();
	return 0;
}

/* ---- names ---------------------------------------------------------------------------------------- */

static int look_at_names(struct net_compare *c, const struct net_link *l)
{
	const struct net_def *d = c->d;
	enum net_dns_state s = net_dns_state(c->h, d, l->index);
	int r;

	if (!d->dns) {
		if (net_dns_is_left(c->h, d->name))
			net_compare_tell(c, MEND_NAMES, "dnsmasq runs for it, and it has no names");
		return 0;
	}
	if (s == NET_DNS_DEAD) {
		net_compare_tell(c, MEND_NAMES, "dnsmasq does not run: no names, no DHCP");
		return 0;
	}
	if (s == NET_DNS_STALE)
		net_compare_tell(c, MEND_NAMES, "dnsmasq asks other resolvers than the host has");
	r = net_dns_agrees(c->h, c->dir, d);
	TRY(r);
	if (!r)
		net_compare_tell(c, MEND_NAMES, "dnsmasq has other names or addresses than the guests");
	return 0;
}

/* ---- the firewall --------------------------------------------------------------------------------- */

static int look_at_firewall(struct net_compare *c)
{
	auto_nft_list struct nft_list all = { 0 }, stamps = { 0 };
	int r;

	net_elements_of_network(c->h, c->d, &all);
	net_stamps(&all, &stamps);
	r = net_fw_look(&c->fw, c->h->table, &stamps);
	TRY(r);
	if (r & NET_LACKS_TABLE)
		net_compare_tell(c, MEND_FIREWALL, "nftables table %s is gone", c->h->table);
	else if (r & NET_RULES_DIFFER)
		net_compare_tell(c, MEND_FIREWALL, "nftables table %s has other rules or elements", c->h->table);
	else if (r & NET_LACKS_ELEMENTS)
		net_compare_tell(c, MEND_FIREWALL, "nftables table %s does not know bridge %s", c->h->table, c->d->bridge);
	return 0;
}

static int look_at_allowed(struct net_compare *c)
{
	size_t i = 0;

	LIST_EACH(const struct net_allow, w, c->d->allow) {
		auto_net_file struct net_file f = { 0 };
		int r = str_eq(w->from, NET_OUTSIDE) ? 0 : net_def_load(c->dir, w->from, &f);

		if (r == -ENOENT) {
			err_clear();
			snprintf(c->hint, sizeof c->hint, "vzrun network deny %s %s", w->from, c->d->name);
			net_compare_tell(c, MEND_NOT, "allow[%zu]: network %s does not exist", i, w->from);
			r = 0;
		}
		TRY(r);
		i++;
	}
	return 0;
}

int net_compare(struct net_compare *c, const struct net_def *d)
{
	const struct net_link *l = net_host_link(&c->host, d->bridge);

	c->d = d;
	c->mend = c->result = 0;
	if (d->mode == NET_BRIDGE)
		look_at_theirs(c, l);
	else if (!l)
		net_compare_tell(c, MEND_UP, "bridge %s is gone", d->bridge);
	else
		look_at_own(c, l);
	if (l && d->vxlan)
		TRY(look_at_tunnel(c, l));
	if (l)
		TRY(look_at_names(c, l));
	if (net_compare_ports(c, l) < 0)
		net_compare_failed(c);
	TRY(look_at_firewall(c));
	TRY(look_at_allowed(c));
	c->d = NULL;
	return c->result < 0 ? c->result : c->mend;
}

struct owners { struct net_compare *c; struct net_defs defs; bool told; };

static void owners_free(struct owners *o) { net_defs_free(&o->defs); }

/* Somebody took elements out, or put others in. */
static int look_at_owner(void *ctx, struct net_held *h)
{
	auto_nft_list struct nft_list all = { 0 }, stamps = { 0 };
	struct owners *o = ctx;
	int r;

	net_elements_of_owner(o->c->h, &h->r, &o->defs, &all);
	net_stamps(&all, &stamps);
	r = stamps.n ? net_fw_look(&o->c->fw, o->c->h->table, &stamps) : 0;
	TRY(r);
	/* The tables as a whole are told of with the networks. */
	if (r & NET_LACKS_TABLE || (r & NET_RULES_DIFFER && o->told))
		return 0;
	o->told |= r & NET_RULES_DIFFER;
	if (r)
		net_compare_tell(o->c, MEND_FIREWALL,
				 "nftables table %s does not know the ports of %s as they are",
				 o->c->h->table, h->r.owner);
	return 0;
}

static int look_at_published(void *ctx, const char *text, bool mendable)
{
	net_compare_tell(ctx, mendable ? MEND_FIREWALL : MEND_NOT, "%s", text);
	return 0;
}

/* A way out that came after the networks is not routed yet. */
static int look_at_ways_out(struct net_compare *c)
{
	auto_free struct net_route *routes = NULL;
	size_t n;

	TRY(net_routes(&routes, &n));
	return net_forwarding_check(c->dir, routes, n, see_switch, c);
}

int net_compare_host(struct net_compare *c)
{
	SCOPED(owners_free) struct owners o = { .c = c, .defs = { .dir = c->dir } };

	c->d = NULL;
	c->mend = c->result = 0;
	TRY(look_at_ways_out(c));
	if (net_record_each(c->dir, look_at_owner, &o) < 0 ||
	    net_ports_review(c->h, c->dir, look_at_published, c) < 0)
		net_compare_failed(c);
	return c->result < 0 ? c->result : c->mend;
}
