#include "netns/link.h"
#include "base/str.h"
#include "netns/def.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int net_fail_talk(const struct nlq *q, int r, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	errno = -r;
	r = fail_errno("%s", what);
	if (q->says[0])
		err_why("the kernel says: %s", q->says);
	if (r == -EPERM || r == -EACCES)
		return fail_class(r, ERR_PERMISSION);
	return r == -EOPNOTSUPP || r == -EAFNOSUPPORT ? fail_class(r, ERR_UNSUPPORTED) : r;
}

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

/* Of a bridge, as a new one has them: what keeps frames from where they go, or brings them to who they are not for. */
static const struct { int attr; size_t size; uint32_t usual; const char *name; } bridge_switches[] = {
	{ IFLA_BR_STP_STATE, 4, 0, "stp_state" },
	{ IFLA_BR_VLAN_FILTERING, 1, 0, "vlan_filtering" },
	{ IFLA_BR_GROUP_FWD_MASK, 2, 0, "group_fwd_mask" },
	{ IFLA_BR_AGEING_TIME, 4, 30000, "ageing_time" },
};

static void read_bridge_switches(struct nlattr *data, bool no_arp, struct net_link *l)
{
	for (size_t i = 0; i < COUNT(bridge_switches); i++) {
		struct nlattr *a = nla_find(nla_data(data), nla_len(data), bridge_switches[i].attr);
		size_t size = bridge_switches[i].size;
		union { uint8_t one; uint16_t two; uint32_t four; } v = { .four = 0 };

		if (!a || nla_memcpy(&v, a, (int)size) != (int)size)
			continue;
		if ((size == 1 ? v.one : size == 2 ? v.two : v.four) == bridge_switches[i].usual)
			continue;
		l->odd = bridge_switches[i].name;
		l->odd_switches |= 1U << i;
	}
	if (no_arp)
		l->odd = "arp";
}

static void read_bridge(struct nlattr *info, bool no_arp, struct net_link *l)
{
	struct nlattr *data = nla_find(nla_data(info), nla_len(info), IFLA_INFO_DATA);
	struct nlattr *options = data ? nla_find(nla_data(data), nla_len(data), IFLA_BR_MULTI_BOOLOPT) : NULL;
	struct br_boolopt_multi o;
	struct nlattr *on = data ? nla_find(nla_data(data), nla_len(data), IFLA_BR_VLAN_FILTERING) : NULL;
	struct nlattr *first = data ? nla_find(nla_data(data), nla_len(data), IFLA_BR_VLAN_DEFAULT_PVID) : NULL;

	l->knows_vlans = first != NULL;
	l->filters_vlans = first && on && nla_get_u8(on);
	l->default_vlan = first ? nla_get_u16(first) : 0;
	if (options && nla_memcpy(&o, options, sizeof o) == sizeof o)
		l->believes = !(o.optval & 1 << BR_BOOLOPT_NO_LL_LEARN);
	if (data)
		read_bridge_switches(data, no_arp, l);
}

/* Of a bridge's port, as a new one has them; an older kernel has less. */
static const struct { int attr; uint8_t usual; const char *name; } port_switches[] = {
	{ IFLA_BRPORT_LEARNING, 1, "learning" },
	{ IFLA_BRPORT_UNICAST_FLOOD, 1, "flood" },
	{ IFLA_BRPORT_MCAST_FLOOD, 1, "mcast_flood" },
	{ IFLA_BRPORT_BCAST_FLOOD, 1, "bcast_flood" },
	{ IFLA_BRPORT_PROXYARP, 0, "proxy_arp" },
	{ IFLA_BRPORT_NEIGH_SUPPRESS, 0, "neigh_suppress" },
	{ IFLA_BRPORT_LOCKED, 0, "locked" },
};

static void read_port(struct nlattr *info, bool carrier, struct net_link *l)
{
	struct nlattr *port = nla_find(nla_data(info), nla_len(info), IFLA_INFO_SLAVE_DATA);
	struct nlattr *a[IFLA_BRPORT_MAX + 1];

	if (!port || nla_parse_nested(a, IFLA_BRPORT_MAX, port, NULL) < 0)
		return;
	l->isolated = a[IFLA_BRPORT_ISOLATED] && nla_get_u8(a[IFLA_BRPORT_ISOLATED]);
	l->stuck = carrier && a[IFLA_BRPORT_STATE] && nla_get_u8(a[IFLA_BRPORT_STATE]) != BR_STATE_FORWARDING;
	for (size_t i = 0; i < COUNT(port_switches); i++) {
		struct nlattr *v = a[port_switches[i].attr];

		if (v && nla_get_u8(v) != port_switches[i].usual)
			l->odd = port_switches[i].name;
	}
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
	l->guarded = info->ifi_flags & IFF_NOARP && a[IFLA_GROUP] && nla_get_u32(a[IFLA_GROUP]) == NET_PORT_GROUP;
	of = a[IFLA_LINKINFO];
	kind = of ? nla_find(nla_data(of), nla_len(of), IFLA_INFO_KIND) : NULL;
	if (kind)
		nla_strlcpy(l->kind, kind, sizeof l->kind);
	l->bridge = kind && str_eq(l->kind, "bridge");
	if (l->bridge)
		read_bridge(of, info->ifi_flags & IFF_NOARP, l);
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
	for (size_t i = 0; i < COUNT(bridge_switches); i++) {
		uint32_t four = bridge_switches[i].usual;
		uint16_t two = (uint16_t)four;
		uint8_t one = (uint8_t)four;
		size_t size = bridge_switches[i].size;

		if (l->odd_switches & 1U << i)
			nlq_put(q, bridge_switches[i].attr, size == 1 ? (void *)&one : size == 2 ? (void *)&two : (void *)&four, size);
	}
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
	for (size_t i = 0; i < COUNT(port_switches); i++)
		port_switch(q, port_switches[i].attr, port_switches[i].usual);
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
