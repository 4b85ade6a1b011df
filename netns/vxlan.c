#include "netns/vxlan.h"
#include "base/fault.h"
#include "base/scope.h"
#include "netns/kernel.h"
#include "netns/vxlanpeers.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* The outer headers: Ethernet, IPv4 or IPv6, UDP, VXLAN. */
enum { OVERHEAD4 = 50, OVERHEAD6 = 70 };

void net_tunnel_name(const struct net_home *h, const char *network, char out[IFNAMSIZ])
{
	char owner[80];

	/* No guest's name has a colon. */
	snprintf(owner, sizeof owner, "tunnel:%.64s", network);
	net_host_if(h, owner, 0, out);
	out[1] = 't';
}

/* ---- the way to a peer -------------------------------------------------------------------------- */

struct way { int oif; uint32_t mtu; bool own; };

static void read_way(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(uintptr_t)h;
	const struct rtmsg *r = NLMSG_DATA(h);
	struct nlattr *oif = nlmsg_find_attr(m, sizeof *r, RTA_OIF), *metrics, *mtu;
	struct way *w = ctx;

	(void)i;
	w->own = r->rtm_type == RTN_LOCAL;
	if (oif)
		w->oif = (int)nla_get_u32(oif);
	metrics = nlmsg_find_attr(m, sizeof *r, RTA_METRICS);
	mtu = metrics ? nla_find(nla_data(metrics), nla_len(metrics), RTAX_MTU) : NULL;
	if (mtu)
		w->mtu = nla_get_u32(mtu);
}

static int way_to(struct nlq *q, int family, const char *peer, uint32_t *mtu)
{
	struct rtmsg m = { .rtm_family = (unsigned char)family };
	struct way w = { 0 };
	unsigned char addr[16];
	char dev[IFNAMSIZ];
	struct net_link l;
	int r;

	if (inet_pton(family, peer, addr) != 1)
		return fail_as(ERR_CONFIG, "%s is not an address", peer);
	m.rtm_dst_len = (unsigned char)(8 * net_addr_size(family));
	nlq_add(q, RTM_GETROUTE, 0, &m, sizeof m);
	nlq_put(q, RTA_DST, addr, net_addr_size(family));
	r = nlq_talk(q, read_way, &w);
	if (r == -ENETUNREACH || r == -EHOSTUNREACH || (r == 0 && !w.oif))
		return fail_as(ERR_CONFIG, "the host has no route to %s", peer);
	if (r < 0)
		return net_fail_talk(q, r, "look for the route to %s", peer);
	if (w.own)
		return fail_as(ERR_CONFIG, "%s is this host's own address", peer);
	if (!if_indextoname((unsigned)w.oif, dev))
		return fail_errno("the link to %s", peer);
	TRY(net_link_find(q, dev, &l));
	*mtu = w.mtu && w.mtu < l.mtu ? w.mtu : l.mtu;
	return 0;
}

int net_tunnel_mtu(struct nlq *q, const struct net_def *d, uint32_t *mtu)
{
	const struct net_vxlan *v = d->vxlan;
	uint32_t over = v->family == AF_INET6 ? OVERHEAD6 : OVERHEAD4, one = 0;

	*mtu = 65535;
	for (size_t i = 0; i < v->peers.n; i++) {
		TRY_IN(way_to(q, v->family, v->peers.v[i], &one), "vxlan: peers[%zu]", i);
		if (one < 1280 + over)
			return fail_as(ERR_CONFIG, "vxlan: peers[%zu]: the way to %s takes %u bytes, less than a "
				       "tunnel needs (%u)", i, v->peers.v[i], one, 1280 + over);
		if (one - over < *mtu)
			*mtu = one - over;
	}
	return 0;
}

/* ---- the link ---------------------------------------------------------------------------------------- */

static int create(struct nlq *q, const char *name, const struct net_def *d)
{
	const struct net_vxlan *v = d->vxlan;
	struct ifinfomsg m = { 0 };
	uint16_t port = htons((uint16_t)v->port);
	unsigned char local[16] = { 0 };
	struct nlattr *info, *data;
	uint8_t one = 1;
	int r;

	if (v->local && inet_pton(v->family, v->local, local) != 1)
		return fail_as(ERR_CONFIG, "network %s: vxlan: local: not an address", d->name);
	nlq_add(q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
	nlq_put_str(q, IFLA_IFNAME, name);
	nlq_put_u32(q, IFLA_MTU, d->mtu ? d->mtu : 1500);
	info = nlq_nest(q, IFLA_LINKINFO);
	nlq_put_str(q, IFLA_INFO_KIND, "vxlan");
	data = nlq_nest(q, IFLA_INFO_DATA);
	nlq_put_u32(q, IFLA_VXLAN_ID, v->vni);
	nlq_put(q, IFLA_VXLAN_PORT, &port, sizeof port);
	nlq_put(q, IFLA_VXLAN_LEARNING, &one, sizeof one);
	/* The unspecified address, too, says which family the tunnel is of. */
	if (v->family == AF_INET6)
		nlq_put(q, IFLA_VXLAN_LOCAL6, local, 16);
	else if (v->local)
		nlq_put(q, IFLA_VXLAN_LOCAL, local, 4);
	nlq_end(q, data);
	nlq_end(q, info);
	r = nlq_talk(q, NULL, NULL);
	if (r == -EEXIST)
		return fail_as(ERR_ADDRESS, "network %s: vxlan: VNI %u on port %u is in use on this host", d->name,
			       v->vni, v->port);
	return r < 0 ? net_fail_talk(q, r, "network %s: create tunnel %s", d->name, name) : 0;
}

/*
 * In the bridge before it is up, and without addresses of its own: what it takes in itself, because bridges keep it to
 * themselves, is nothing to the host, as at a guest's port.
 */
static int join(struct nlq *q, const struct net_def *d, int index, int bridge)
{
	struct ifinfomsg m = { .ifi_index = index, .ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP };
	int r;

	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	nlq_put_u32(q, IFLA_MASTER, (uint32_t)bridge);
	nlq_put_u32(q, IFLA_MTU, d->mtu ? d->mtu : 1500);
	nlq_put_u32(q, IFLA_GROUP, NET_PORT_GROUP);
	if (net_host_has_ipv6())
		net_no_own_ipv6(q);
	m.ifi_flags = m.ifi_change = IFF_UP;
	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "network %s: join bridge %s with the tunnel", d->name, d->bridge) : 0;
}

struct seen {
	struct net_link l;
	bool vxlan;
	uint32_t vni;
	uint16_t port;
	int family;
	unsigned char local[16];
};

static void read_tunnel(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(uintptr_t)h;
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct nlattr *a, *data, *kind;
	struct seen *s = ctx;

	(void)i;
	net_link_read(h, &s->l);
	a = nlmsg_find_attr(m, sizeof *info, IFLA_LINKINFO);
	kind = a ? nla_find(nla_data(a), nla_len(a), IFLA_INFO_KIND) : NULL;
	data = a ? nla_find(nla_data(a), nla_len(a), IFLA_INFO_DATA) : NULL;
	s->vxlan = kind && data && nla_strcmp(kind, "vxlan") == 0;
	if (!s->vxlan)
		return;
	if ((a = nla_find(nla_data(data), nla_len(data), IFLA_VXLAN_ID)))
		s->vni = nla_get_u32(a);
	if ((a = nla_find(nla_data(data), nla_len(data), IFLA_VXLAN_PORT)))
		s->port = ntohs(nla_get_u16(a));
	if ((a = nla_find(nla_data(data), nla_len(data), IFLA_VXLAN_LOCAL)))
		memcpy(s->local, nla_data(a), 4);
	if ((a = nla_find(nla_data(data), nla_len(data), IFLA_VXLAN_LOCAL6)))
		memcpy(s->local, nla_data(a), 16);
}

/* -ENODEV without a message when there is none. */
static int look(struct nlq *q, const char *name, struct seen *s)
{
	struct ifinfomsg info = { 0 };
	int r;

	memset(s, 0, sizeof *s);
	nlq_add(q, RTM_GETLINK, 0, &info, sizeof info);
	nlq_put_str(q, IFLA_IFNAME, name);
	r = nlq_talk(q, read_tunnel, s);
	return r < 0 && r != -ENODEV ? net_fail_talk(q, r, "look for link %s", name) : r;
}

/* What cannot be changed on a link that is there. */
static bool is_other(const struct seen *s, const struct net_vxlan *v)
{
	unsigned char local[16] = { 0 };

	if (v->local && inet_pton(v->family, v->local, local) != 1)
		return true;
	return !s->vxlan || s->vni != v->vni || s->port != v->port || memcmp(local, s->local, sizeof local) != 0;
}

struct twin { const struct net_vxlan *v; int bridge; char name[IFNAMSIZ]; };

static void see_twin(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct seen s = { .port = 0 };
	struct twin *t = ctx;

	read_tunnel(&s, i, h);
	if (s.vxlan && s.vni == t->v->vni && s.port == t->v->port && s.l.master == t->bridge)
		snprintf(t->name, sizeof t->name, "%s", s.l.name);
}

/* Ours, in our bridge, that somebody gave another name: its VNI would not be free. */
static int drop_renamed(struct nlq *q, const struct net_def *d, int bridge)
{
	struct twin t = { .v = d->vxlan, .bridge = bridge };

	TRY(net_link_each(q, see_twin, &t));
	return t.name[0] ? net_link_delete(q, t.name) : 0;
}

int net_tunnel_make(struct nlq *q, const struct net_home *h, const struct net_def *d, int bridge)
{
	char name[IFNAMSIZ];
	struct seen s;
	int r;

	net_tunnel_name(h, d->name, name);
	r = look(q, name, &s);
	if (r < 0 && r != -ENODEV)
		return r;
	if (r == 0 && is_other(&s, d->vxlan)) {
		TRY(net_link_delete(q, name));
		r = -ENODEV;
	}
	if (r == -ENODEV) {
		TRY(fault_point("tunnel link"));
		TRY(drop_renamed(q, d, bridge));
		TRY(create(q, name, d));
		TRY(look(q, name, &s));
	}
	TRY(net_peers_set(q, d, s.l.index));
	return join(q, d, s.l.index, bridge);
}

int net_tunnel_drop(struct nlq *q, const struct net_home *h, const char *network)
{
	char name[IFNAMSIZ];

	net_tunnel_name(h, network, name);
	return net_link_delete(q, name);
}

int net_tunnel_check(struct nlq *q, const struct net_home *h, const struct net_def *d, int bridge,
		     int *differs)
{
	char name[IFNAMSIZ];
	struct seen s;
	int r;

	net_tunnel_name(h, d->name, name);
	r = look(q, name, &s);
	*differs = r == -ENODEV ? TUNNEL_GONE : 0;
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	if (is_other(&s, d->vxlan)) {
		*differs = TUNNEL_OTHER;
		return 0;
	}
	*differs |= s.l.master != bridge ? TUNNEL_MASTER : 0;
	*differs |= !s.l.up ? TUNNEL_DOWN : 0;
	*differs |= !s.l.guarded ? TUNNEL_OPEN : 0;
	*differs |= s.l.mtu != (d->mtu ? d->mtu : 1500) ? TUNNEL_MTU : 0;
	return net_peers_check(q, d, s.l.index, differs);
}
