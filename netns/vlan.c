#include "netns/vlan.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

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

static void request(struct nlq *q, int type, int port, unsigned vid, unsigned flags)
{
	struct ifinfomsg m = { .ifi_family = AF_BRIDGE, .ifi_index = port };
	struct bridge_vlan_info v = { .flags = (uint16_t)flags, .vid = (uint16_t)vid };
	struct nlattr *spec;

	nlq_add(q, type, 0, &m, sizeof m);
	spec = nlq_nest(q, IFLA_AF_SPEC);
	nlq_put(q, IFLA_BRIDGE_VLAN_INFO, &v, sizeof v);
	nlq_end(q, spec);
}

int net_vlan_access(struct nlq *q, const char *port, const char *bridge, unsigned vid)
{
	struct net_link b, p;
	int r = net_link_find(q, bridge, &b);

	if (r >= 0)
		r = net_link_find(q, port, &p);
	if (r == -ENODEV)
		return fail_as(ERR_NOT_FOUND, "port %s: bridge %s is gone", port, bridge);
	TRY(r);
	TRY_IN(net_vlan_can(&b), "port %s", port);
	request(q, RTM_SETLINK, p.index, vid, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED);
	if (b.default_vlan && b.default_vlan != vid)
		request(q, RTM_DELLINK, p.index, b.default_vlan, 0);
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "port %s: VLAN %u of bridge %s", port, vid, bridge) : 0;
}

struct seen { int port; unsigned vid; bool is, other; };

static void see(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(uintptr_t)h;
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct nlattr *spec, *a;
	struct seen *s = ctx;
	int rem;

	(void)i;
	if (h->nlmsg_type != RTM_NEWLINK || info->ifi_index != s->port)
		return;
	spec = nlmsg_find_attr(m, sizeof *info, IFLA_AF_SPEC);
	if (!spec)
		return;
	nla_for_each_nested(a, spec, rem) {
		struct bridge_vlan_info v;

		if (nla_type(a) != IFLA_BRIDGE_VLAN_INFO || nla_len(a) < (int)sizeof v)
			continue;
		memcpy(&v, nla_data(a), sizeof v);
		if (v.vid == s->vid && (v.flags & BRIDGE_VLAN_INFO_PVID) && (v.flags & BRIDGE_VLAN_INFO_UNTAGGED))
			s->is = true;
		else
			s->other = true;
	}
}

int net_vlan_is(struct nlq *q, int port, unsigned vid)
{
	struct ifinfomsg m = { .ifi_family = AF_BRIDGE };
	struct seen s = { .port = port, .vid = vid };
	int r;

	nlq_add(q, RTM_GETLINK, NLM_F_DUMP, &m, sizeof m);
	nlq_put_u32(q, IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN);
	r = nlq_talk(q, see, &s);
	return r < 0 ? net_fail_talk(q, r, "list the VLANs of bridges' ports") : s.is && !s.other;
}
