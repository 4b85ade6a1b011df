/* What is in a network's bridge: the ports of its guests, and whatever else. */
#include "netns/compare.h"
#include "netns/bridge.h"
#include "netns/shortcut.h"
#include "netns/target.h"
#include "netns/vxlan.h"

#include <stdlib.h>
#include <string.h>

/* Within the network's own bridge: where a switch or a fixed address leads frames astray. */
static void look_at_switches(struct net_compare *c, const struct net_user *u, const struct net_link *l, bool stuck)
{
	enum net_reflection reflection = net_way_reflects(c->dir, u->record, u->nic->index);
	uint32_t odd = l->odd ^ (reflection == NET_REFLECT_NOW ? NET_ODD_HAIRPIN : 0);
	char text[NET_ODD_TEXT];

	/* It was right when the port was published, maybe. */
	if (reflection != NET_REFLECT_NEVER && odd & NET_ODD_HAIRPIN) {
		net_compare_tell(c, MEND_PORTS, "port %s of %s: hairpin is %s, though bridged packets %s", u->host_if,
				 u->owner, reflection == NET_REFLECT_NOW ? "off" : "on",
				 reflection == NET_REFLECT_NOW ? "pass the IP hooks" : "pass no IP hook");
		odd &= ~(uint32_t)NET_ODD_HAIRPIN;
	}
	if (odd)
		net_compare_tell(c, MEND_PORTS, "port %s of %s: somebody changed %s", u->host_if, u->owner,
				 net_odd_text(l, odd, text, sizeof text));
	if (stuck)
		net_compare_tell(c, MEND_PORTS, "port %s of %s lets nothing pass", u->host_if, u->owner);
}

static int look_at_vlan(struct net_compare *c, const struct net_user *u, const struct net_link *l)
{
	if (!c->d->vlan)
		return 0;
	TRY(net_vlans_read(&c->route, &c->vlans));
	if (!net_vlan_is(&c->vlans, l->index, c->d->vlan))
		net_compare_tell(c, MEND_PORTS, "port %s of %s is not in VLAN %u alone", u->host_if, u->owner, c->d->vlan);
	return 0;
}

static int look_at_port(void *ctx, const struct net_user *u)
{
	struct net_compare *c = ctx;
	const struct net_link *l = net_host_link(&c->host, u->host_if), *b = net_host_link(&c->host, c->d->bridge);
	bool isolated = net_def_isolates(c->d);
	uint32_t mtu = c->d->mtu ? c->d->mtu : 1500;

	/* Without a link the guest is not running. */
	if (!l || !b)
		return 0;
	if (l->master != b->index)
		net_compare_tell(c, MEND_PORTS, "port %s of %s is not in bridge %s", u->host_if, u->owner, c->d->bridge);
	else if (l->isolated != isolated)
		net_compare_tell(c, MEND_PORTS, "port %s of %s is %s", u->host_if, u->owner,
			isolated ? "not isolated" : "isolated");
	/* Stuck by STP is no fault of the port's. */
	if (c->d->mode != NET_BRIDGE && l->master == b->index)
		look_at_switches(c, u, l, l->stuck && !b->odd);
	TRY(look_at_vlan(c, u, l));
	if (!l->guarded)
		net_compare_tell(c, MEND_PORTS, "port %s of %s lets frames to the host past its bridge", u->host_if, u->owner);
	else if (l->group != net_port_group(b->index) && net_shortcut_wanted(c->d))
		net_compare_tell(c, MEND_PORTS, "port %s of %s is in the group of another segment", u->host_if, u->owner);
	if (!l->up)
		net_compare_tell(c, MEND_PORTS, "port %s of %s is down", u->host_if, u->owner);
	if (l->mtu != mtu)
		net_compare_tell(c, MEND_PORTS, "port %s of %s has MTU %u, not %u", u->host_if, u->owner, l->mtu, mtu);
	return 0;
}

/* Also of nobody's who is on record: his namespace is just being taken apart, or he comes. */
static bool is_guests(const char *name)
{
	return strlen(name) == 11 && str_starts(name, NET_PORT_PREFIX) && strspn(name + 2, "0123456789abcdef") == 9;
}

/* Of what comes by such a port the rules know nothing, and the segment goes on behind it. */
static void look_at_strangers(struct net_compare *c, const struct net_link *bridge)
{
	char tunnel[IFNAMSIZ] = "";

	if (c->d->vxlan)
		net_tunnel_name(c->h, c->d->name, tunnel);
	for (const struct net_link *l = c->host.links; l < c->host.links + c->host.nlinks; l++) {
		bool guests = l->guarded && str_eq(l->kind, "veth");

		if (l->master != bridge->index || str_eq(l->name, tunnel) || is_guests(l->name))
			continue;
		if (guests)
			snprintf(c->hint, sizeof c->hint, "restart the guest behind it");
		else
			snprintf(c->hint, sizeof c->hint, "ip link set %s nomaster", l->name);
		net_compare_tell(c, MEND_NOT, "bridge %s has a port %s, %s", bridge->name, l->name,
				 guests ? "which somebody renamed: a guest's, whom nothing keeps from spoofing" : "which is no guest's");
	}
}

int net_compare_ports(struct net_compare *c, const struct net_link *bridge)
{
	if (bridge && (net_bridge_is_ours(c->h, c->d->name, bridge) || net_bridge_lost_mac(c->h, c->d->name, bridge)))
		look_at_strangers(c, bridge);
	return net_users_each(c->h, c->dir, c->d->name, look_at_port, c);
}
