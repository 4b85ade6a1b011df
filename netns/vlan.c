#include "netns/vlan.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { VLAN_LAST = 4094 };

int net_vlan_can(const struct net_link *bridge)
{
	if (!bridge->knows_vlans)
		return fail_as(ERR_UNSUPPORTED, "this kernel's bridges do not filter VLANs (CONFIG_BRIDGE_VLAN_FILTERING)");
	if (!bridge->filters_vlans)
		return fail_as(ERR_UNSUPPORTED, "bridge %s does not filter VLANs (vlan_filtering is 0)", bridge->name);
	return 0;
}

int net_vlan_needed(const struct net_link *bridge)
{
	if (bridge->filters_vlans && !bridge->default_vlan)
		return fail_as(ERR_CONFIG, "bridge %s filters VLANs, and a new port is in none: --vlan says which", bridge->name);
	return 0;
}

static void put_vlan(struct nlq *q, unsigned vid, unsigned flags)
{
	struct bridge_vlan_info v = { .flags = (uint16_t)flags, .vid = (uint16_t)vid };

	nlq_put(q, IFLA_BRIDGE_VLAN_INFO, &v, sizeof v);
}

static struct nlattr *request(struct nlq *q, int type, int port)
{
	struct ifinfomsg m = { .ifi_family = AF_BRIDGE, .ifi_index = port };

	nlq_add(q, type, 0, &m, sizeof m);
	return nlq_nest(q, IFLA_AF_SPEC);
}

static void leave(struct nlq *q, int port, unsigned first, unsigned last)
{
	struct nlattr *spec;

	if (first > last)
		return;
	spec = request(q, RTM_DELLINK, port);
	put_vlan(q, first, first < last ? BRIDGE_VLAN_INFO_RANGE_BEGIN : 0);
	if (first < last)
		put_vlan(q, last, BRIDGE_VLAN_INFO_RANGE_END);
	nlq_end(q, spec);
}

int net_vlan_access(struct nlq *q, const char *port, const char *bridge, unsigned vid, bool fresh)
{
	struct nlattr *spec;
	struct net_link b, p;
	int r = net_link_find(q, bridge, &b);

	if (r >= 0)
		r = net_link_find(q, port, &p);
	if (r == -ENODEV)
		return fail_as(ERR_NOT_FOUND, "port %s: bridge %s is gone", port, bridge);
	TRY(r);
	TRY_IN(net_vlan_can(&b), "port %s", port);
	spec = request(q, RTM_SETLINK, p.index);
	put_vlan(q, vid, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED);
	nlq_end(q, spec);
	if (!fresh) {
		leave(q, p.index, 1, vid - 1);
		leave(q, p.index, vid + 1, VLAN_LAST);
	} else if (b.default_vlan && b.default_vlan != vid) {
		leave(q, p.index, b.default_vlan, b.default_vlan);
	}
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "port %s: VLAN %u of bridge %s", port, vid, bridge) : 0;
}

static void see(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(uintptr_t)h;
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct net_vlans *l = ctx;
	struct net_vlan_port *v, p = { .port = 0 };
	struct nlattr *spec, *a;
	int rem;

	(void)i;
	spec = h->nlmsg_type == RTM_NEWLINK ? nlmsg_find_attr(m, sizeof *info, IFLA_AF_SPEC) : NULL;
	if (!spec)
		return;
	p.port = info->ifi_index;
	nla_for_each_nested(a, spec, rem) {
		struct bridge_vlan_info in;

		if (nla_type(a) != IFLA_BRIDGE_VLAN_INFO || nla_len(a) < (int)sizeof in)
			continue;
		memcpy(&in, nla_data(a), sizeof in);
		p.n++;
		if (in.flags & BRIDGE_VLAN_INFO_PVID && in.flags & BRIDGE_VLAN_INFO_UNTAGGED)
			p.access = in.vid;
	}
	v = reallocarray(l->v, l->n + 1, sizeof *v);
	l->oom |= !v;
	if (!v)
		return;
	l->v = v;
	v[l->n++] = p;
}

int net_vlans_read(struct nlq *q, struct net_vlans *out)
{
	struct ifinfomsg m = { .ifi_family = AF_BRIDGE };
	int r;

	if (out->read)
		return 0;
	nlq_add(q, RTM_GETLINK, NLM_F_DUMP, &m, sizeof m);
	nlq_put_u32(q, IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN);
	r = nlq_talk(q, see, out);
	if (r < 0)
		return net_fail_talk(q, r, "list the VLANs of bridges' ports");
	out->read = true;
	return out->oom ? fail(ENOMEM, "list the VLANs of bridges' ports: out of memory") : 0;
}

void net_vlans_free(struct net_vlans *l)
{
	free(l->v);
	*l = (struct net_vlans){ 0 };
}

bool net_vlan_is(const struct net_vlans *l, int port, unsigned vid)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].port == port)
			return l->v[i].n == 1 && l->v[i].access == vid;
	return false;
}
