#include "netns/link.h"
#include "base/str.h"
#include "netns/def.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* IFLA_AF_SPEC { AF_INET { IFLA_INET_CONF: u32 values, numbered from 1 } } */
static bool forwards(struct nlattr *af_spec)
{
	struct nlattr *inet = nla_find(nla_data(af_spec), nla_len(af_spec), AF_INET);
	struct nlattr *conf = inet ? nla_find(nla_data(inet), nla_len(inet), IFLA_INET_CONF) : NULL;
	size_t at = (IPV4_DEVCONF_FORWARDING - 1) * sizeof(uint32_t);
	uint32_t v = 0;

	if (conf && (size_t)nla_len(conf) >= at + sizeof v)
		memcpy(&v, (char *)nla_data(conf) + at, sizeof v);
	return v != 0;
}

/* Since Linux 6.2 to 6.6, and older headers lack them. */
#define IFLA_BRPORT_MAB 40
#define IFLA_BRPORT_MCAST_MAX_GROUPS 42
#define IFLA_BRPORT_NEIGH_VLAN_SUPPRESS 43
#define IFLA_BRPORT_BACKUP_NHID 44
enum { BRPORT_LAST = IFLA_BRPORT_BACKUP_NHID };
/*
 * As the kernel makes them, of a bridge and of its port: what keeps frames from where they go, or brings them to whom
 * they are not for. An older kernel has less.
 */
struct usual { int attr; unsigned size, value; const char *name; };
static const struct usual bridge_switches[] = {
	{ IFLA_BR_STP_STATE, 4, 0, "stp_state" },
	{ IFLA_BR_VLAN_FILTERING, 1, 0, "vlan_filtering" },
	{ IFLA_BR_GROUP_FWD_MASK, 2, 0, "group_fwd_mask" },
	{ IFLA_BR_AGEING_TIME, 4, 30000, "ageing_time" },
	/* What this asks of one bridge, br_netfilter's switches ask of all: and by these shortcuts know (netns/shortcut.h). */
	{ IFLA_BR_NF_CALL_IPTABLES, 1, 0, "nf_call_iptables" },
	{ IFLA_BR_NF_CALL_IP6TABLES, 1, 0, "nf_call_ip6tables" },
};
static const struct usual port_switches[] = {
	{ IFLA_BRPORT_MODE, 1, 0, "hairpin" },	/* NET_ODD_HAIRPIN */
	{ IFLA_BRPORT_LEARNING, 1, 1, "learning" },
	{ IFLA_BRPORT_UNICAST_FLOOD, 1, 1, "flood" },
	{ IFLA_BRPORT_MCAST_FLOOD, 1, 1, "mcast_flood" },
	{ IFLA_BRPORT_BCAST_FLOOD, 1, 1, "bcast_flood" },
	{ IFLA_BRPORT_GUARD, 1, 0, "guard" },
	{ IFLA_BRPORT_PROTECT, 1, 0, "root_block" },
	{ IFLA_BRPORT_FAST_LEAVE, 1, 0, "fastleave" },
	{ IFLA_BRPORT_MULTICAST_ROUTER, 1, 1, "mcast_router" },
	{ IFLA_BRPORT_MCAST_TO_UCAST, 1, 0, "mcast_to_unicast" },
	{ IFLA_BRPORT_PROXYARP, 1, 0, "proxy_arp" },
	{ IFLA_BRPORT_PROXYARP_WIFI, 1, 0, "proxy_arp_wifi" },
	{ IFLA_BRPORT_NEIGH_SUPPRESS, 1, 0, "neigh_suppress" },
	{ IFLA_BRPORT_GROUP_FWD_MASK, 2, 0, "group_fwd_mask" },
	{ IFLA_BRPORT_VLAN_TUNNEL, 1, 0, "vlan_tunnel" },
	{ IFLA_BRPORT_LOCKED, 1, 0, "locked" },
	{ IFLA_BRPORT_MAB, 1, 0, "mab" },
	{ IFLA_BRPORT_MCAST_MAX_GROUPS, 4, 0, "mcast_max_groups" },
	{ IFLA_BRPORT_NEIGH_VLAN_SUPPRESS, 1, 0, "neigh_vlan_suppress" },
	{ IFLA_BRPORT_BACKUP_PORT, 4, 0, "backup_port" },
	{ IFLA_BRPORT_BACKUP_NHID, 4, 0, "backup_nhid" },
};
enum { ODD_MAX = 32 };	/* bits of net_link.odd */
_Static_assert(COUNT(bridge_switches) <= ODD_MAX && COUNT(port_switches) <= ODD_MAX, "each has a bit");

union value { uint8_t one; uint16_t two; uint32_t four; };

static uint32_t odd_of(const struct usual *u, size_t n, struct nlattr **a)
{
	uint32_t odd = 0;

	for (size_t i = 0; i < n; i++) {
		union value v = { .four = 0 };

		if (!a[u[i].attr] || nla_memcpy(&v, a[u[i].attr], (int)u[i].size) != (int)u[i].size)
			continue;
		if ((u[i].size == 1 ? v.one : u[i].size == 2 ? v.two : v.four) != u[i].value)
			odd |= UINT32_C(1) << i;
	}
	return odd;
}

static void put_usual(struct nlq *q, const struct usual *u, size_t n, uint32_t odd)
{
	for (size_t i = 0; i < n; i++) {
		union value v = { .four = u[i].value };

		if (u[i].size == 1)
			v.one = (uint8_t)u[i].value;
		else if (u[i].size == 2)
			v.two = (uint16_t)u[i].value;
		if (odd & UINT32_C(1) << i)
			nlq_put(q, u[i].attr, &v, u[i].size);
	}
}

const char *net_odd_text(const struct net_link *l, uint32_t odd, char *out, size_t size)
{
	const struct usual *u = l->bridge ? bridge_switches : port_switches;
	size_t n = 0;

	for (size_t i = 0; i < ODD_MAX && n < size; i++)
		if (odd & UINT32_C(1) << i)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", u[i].name);
	return out;
}

static void read_bridge(struct nlattr *info, struct net_link *l)
{
	struct nlattr *data = nla_find(nla_data(info), nla_len(info), IFLA_INFO_DATA);
	struct nlattr *a[IFLA_BR_MAX + 1];
	struct br_boolopt_multi o;

	if (!data || nla_parse_nested(a, IFLA_BR_MAX, data, NULL) < 0)
		return;
	l->knows_vlans = a[IFLA_BR_VLAN_DEFAULT_PVID];
	l->filters_vlans = l->knows_vlans && a[IFLA_BR_VLAN_FILTERING] && nla_get_u8(a[IFLA_BR_VLAN_FILTERING]);
	l->default_vlan = l->knows_vlans ? nla_get_u16(a[IFLA_BR_VLAN_DEFAULT_PVID]) : 0;
	if (a[IFLA_BR_MULTI_BOOLOPT] && nla_memcpy(&o, a[IFLA_BR_MULTI_BOOLOPT], sizeof o) == sizeof o)
		l->believes = !(o.optval & 1 << BR_BOOLOPT_NO_LL_LEARN);
	l->odd = odd_of(bridge_switches, COUNT(bridge_switches), a);
}

static void read_port(struct nlattr *info, bool carrier, struct net_link *l)
{
	struct nlattr *port = nla_find(nla_data(info), nla_len(info), IFLA_INFO_SLAVE_DATA);
	struct nlattr *a[BRPORT_LAST + 1];

	if (!port || nla_parse_nested(a, BRPORT_LAST, port, NULL) < 0)
		return;
	l->isolated = a[IFLA_BRPORT_ISOLATED] && nla_get_u8(a[IFLA_BRPORT_ISOLATED]);
	l->stuck = carrier && a[IFLA_BRPORT_STATE] && nla_get_u8(a[IFLA_BRPORT_STATE]) != BR_STATE_FORWARDING;
	l->odd = odd_of(port_switches, COUNT(port_switches), a);
}

void net_link_read(const struct nlmsghdr *h, struct net_link *l)
{
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct nlattr *a[IFLA_MAX + 1], *of, *kind, *slave;

	if (h->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *info, a, IFLA_MAX, NULL) < 0)
		return;
	l->index = info->ifi_index;
	l->up = info->ifi_flags & IFF_UP;
	if (a[IFLA_LINK])
		l->peer = (int)nla_get_u32(a[IFLA_LINK]);
	if (a[IFLA_MASTER])
		l->master = (int)nla_get_u32(a[IFLA_MASTER]);
	if (a[IFLA_ADDRESS] && nla_len(a[IFLA_ADDRESS]) == 6)
		memcpy(l->mac, nla_data(a[IFLA_ADDRESS]), 6);
	if (a[IFLA_PERM_ADDRESS] && nla_len(a[IFLA_PERM_ADDRESS]) == 6)
		memcpy(l->permanent, nla_data(a[IFLA_PERM_ADDRESS]), 6);
	if (a[IFLA_IFNAME])
		nla_strlcpy(l->name, a[IFLA_IFNAME], sizeof l->name);
	if (a[IFLA_MTU])
		l->mtu = nla_get_u32(a[IFLA_MTU]);
	if (a[IFLA_IFALIAS])
		nla_strlcpy(l->alias, a[IFLA_IFALIAS], sizeof l->alias);
	if (a[IFLA_AF_SPEC])
		l->forwards = forwards(a[IFLA_AF_SPEC]);
	l->no_arp = info->ifi_flags & IFF_NOARP;
	if (a[IFLA_GROUP])
		l->group = nla_get_u32(a[IFLA_GROUP]);
	l->guarded = l->no_arp && net_is_port_group(l->group);
	of = a[IFLA_LINKINFO];
	kind = of ? nla_find(nla_data(of), nla_len(of), IFLA_INFO_KIND) : NULL;
	if (kind)
		nla_strlcpy(l->kind, kind, sizeof l->kind);
	l->bridge = kind && str_eq(l->kind, "bridge");
	if (l->bridge)
		read_bridge(of, l);
	slave = of && l->master ? nla_find(nla_data(of), nla_len(of), IFLA_INFO_SLAVE_KIND) : NULL;
	if (slave && nla_strcmp(slave, "bridge") == 0)
		read_port(of, info->ifi_flags & IFF_RUNNING, l);
}

static void read_link(void *ctx, size_t i, const struct nlmsghdr *h)
{
	(void)i;
	net_link_read(h, ctx);
}

static int look(struct nlq *q, int index, const char *name, struct net_link *out)
{
	struct ifinfomsg info = { .ifi_index = index };
	int r;

	memset(out, 0, sizeof *out);
	nlq_add(q, RTM_GETLINK, 0, &info, sizeof info);
	if (name)
		nlq_put_str(q, IFLA_IFNAME, name);
	nlq_put_u32(q, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = nlq_talk(q, read_link, out);
	if (r < 0 && r != -ENODEV)
		return net_fail_talk(q, r, "look for link %s", name ? name : "by its number");
	return r == 0 && out->index == 0 ? -ENODEV : r;
}

int net_link_find(struct nlq *q, const char *name, struct net_link *out)
{
	return look(q, 0, name, out);
}

int net_link_at(struct nlq *q, int index, struct net_link *out)
{
	return look(q, index, NULL, out);
}

int net_link_each(struct nlq *q, nlq_reply *see, void *ctx)
{
	struct ifinfomsg m = { 0 };
	int r;

	nlq_add(q, RTM_GETLINK, NLM_F_DUMP, &m, sizeof m);
	nlq_put_u32(q, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = nlq_talk(q, see, ctx);
	return r < 0 ? net_fail_talk(q, r, "list links") : 0;
}

int net_link_delete(struct nlq *q, const char *name)
{
	struct ifinfomsg info = { 0 };
	int r;

	nlq_add(q, RTM_DELLINK, 0, &info, sizeof info);
	nlq_put_str(q, IFLA_IFNAME, name);
	r = nlq_talk(q, NULL, NULL);
	if (r < 0 && r != -ENODEV)
		return net_fail_talk(q, r, "delete link %s", name);
	return 0;
}

void net_add_address(struct nlq *q, int index, int family, const void *addr, unsigned prefix)
{
	struct ifaddrmsg m = { .ifa_family = (unsigned char)family, .ifa_prefixlen = (unsigned char)prefix,
			       .ifa_index = (unsigned)index };
	size_t n = family == AF_INET ? 4 : 16;

	nlq_add(q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
	nlq_put(q, IFA_LOCAL, addr, n);
	nlq_put(q, IFA_ADDRESS, addr, n);
	if (family == AF_INET && prefix < 31) {
		uint32_t broadcast;

		memcpy(&broadcast, addr, sizeof broadcast);
		broadcast |= htonl(UINT32_MAX >> prefix);
		nlq_put_u32(q, IFA_BROADCAST, broadcast);
	}
	/* Leases are unique: no second of waiting for duplicates. */
	if (family == AF_INET6)
		nlq_put_u32(q, IFA_FLAGS, IFA_F_NODAD | IFA_F_PERMANENT);
}

void net_mark_address(struct nlq *q)
{
	uint8_t by = NET_ADDRESS_OURS;

	nlq_put(q, IFA_PROTO, &by, sizeof by);
}

void net_del_address(struct nlq *q, int index, int family, const void *addr, unsigned prefix)
{
	struct ifaddrmsg m = { .ifa_family = (unsigned char)family, .ifa_prefixlen = (unsigned char)prefix,
			       .ifa_index = (unsigned)index };

	nlq_add(q, RTM_DELADDR, 0, &m, sizeof m);
	nlq_put(q, IFA_LOCAL, addr, family == AF_INET ? 4 : 16);
}

void net_add_default_route(struct nlq *q, int index, int family, const void *gateway, int flag)
{
	net_add_route(q, index, family, NULL, 0, gateway, flag);
}

void net_add_route(struct nlq *q, int index, int family, const void *to, unsigned prefix, const void *gateway,
		   int flag)
{
	struct rtmsg m = {
		.rtm_family = (unsigned char)family, .rtm_table = RT_TABLE_MAIN, .rtm_dst_len = (unsigned char)prefix,
		.rtm_protocol = RTPROT_BOOT, .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST,
	};

	nlq_add(q, RTM_NEWROUTE, NLM_F_CREATE | flag, &m, sizeof m);
	if (to)
		nlq_put(q, RTA_DST, to, family == AF_INET ? 4 : 16);
	nlq_put(q, RTA_GATEWAY, gateway, family == AF_INET ? 4 : 16);
	nlq_put_u32(q, RTA_OIF, (uint32_t)index);
}

void net_no_own_ipv6(struct nlq *q)
{
	uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct nlattr *spec = nlq_nest(q, IFLA_AF_SPEC), *inet6 = nlq_nest(q, AF_INET6);

	nlq_put(q, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
	nlq_end(q, inet6);
	nlq_end(q, spec);
}

void net_link_up(struct nlq *q, const char *name)
{
	struct ifinfomsg m = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	nlq_put_str(q, IFLA_IFNAME, name);
}

static void port_data(struct nlq *q, const char *name, struct nlattr **info, struct nlattr **data)
{
	struct ifinfomsg m = { 0 };

	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	nlq_put_str(q, IFLA_IFNAME, name);
	*info = nlq_nest(q, IFLA_LINKINFO);
	nlq_put_str(q, IFLA_INFO_SLAVE_KIND, "bridge");
	*data = nlq_nest(q, IFLA_INFO_SLAVE_DATA);
}

static void port_switch(struct nlq *q, int attr, uint8_t v) { nlq_put(q, attr, &v, sizeof v); }

void net_usual_bridge(struct nlq *q, const struct net_link *l)
{
	put_usual(q, bridge_switches, COUNT(bridge_switches), l->odd);
}

void net_isolate_port(struct nlq *q, const char *name, bool on)
{
	struct nlattr *info, *data;

	port_data(q, name, &info, &data);
	port_switch(q, IFLA_BRPORT_ISOLATED, on);
	nlq_end(q, data);
	nlq_end(q, info);
}

void net_mend_port(struct nlq *q, const struct net_link *l, bool isolated)
{
	struct nlattr *info, *data;

	port_data(q, l->name, &info, &data);
	port_switch(q, IFLA_BRPORT_ISOLATED, isolated);
	put_usual(q, port_switches, COUNT(port_switches), l->odd);
	if (l->stuck)
		port_switch(q, IFLA_BRPORT_STATE, BR_STATE_FORWARDING);
	nlq_end(q, data);
	nlq_end(q, info);
}

void net_add_link_route(struct nlq *q, int index, int family, const void *to, unsigned prefix,
			const void *source)
{
	struct rtmsg m = {
		.rtm_family = (unsigned char)family, .rtm_table = RT_TABLE_MAIN, .rtm_dst_len = (unsigned char)prefix,
		.rtm_protocol = RTPROT_KERNEL, .rtm_type = RTN_UNICAST,
		.rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
	};
	size_t n = family == AF_INET ? 4 : 16;

	nlq_add(q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
	nlq_put(q, RTA_DST, to, n);
	nlq_put_u32(q, RTA_OIF, (uint32_t)index);
	if (family == AF_INET)
		nlq_put(q, RTA_PREFSRC, source, n);
	else
		nlq_put_u32(q, RTA_PRIORITY, 256);
}

void net_add_routes_behind(struct nlq *q, int index, int family, const void *addr, unsigned prefix, const void *gateway)
{
	struct net_subnet s = { .family = family, .prefix = prefix };
	size_t size = net_addr_size(family);

	net_add_link_route(q, index, family, gateway, 8 * (unsigned)size, addr);
	memcpy(s.addr, addr, size);
	net_subnet_mask(&s);
	net_add_route(q, index, family, s.addr, s.prefix, gateway, NLM_F_REPLACE);
}

void net_del_default_route(struct nlq *q, int index, int family, const void *gateway)
{
	struct rtmsg m = { .rtm_family = (unsigned char)family, .rtm_table = RT_TABLE_MAIN,
			   .rtm_scope = RT_SCOPE_NOWHERE };

	nlq_add(q, RTM_DELROUTE, 0, &m, sizeof m);
	nlq_put(q, RTA_GATEWAY, gateway, family == AF_INET ? 4 : 16);
	nlq_put_u32(q, RTA_OIF, (uint32_t)index);
}
