/*
 * What a guest has made of its network by itself: links, addresses, routes, rules. Where its namespace is to be made
 * anew, this would be lost.
 */
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "netns/link.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* index: of the link of each port. found: the first thing that is none of ours; "" so far. */
struct search { const struct net_port *ports; size_t n; int index[NET_PORTS_MAX]; char found[96]; };

static void found(struct search *s, const char *what, const char *name)
{
	if (!s->found[0])
		snprintf(s->found, sizeof s->found, "%s %.64s", what, name);
}

/* The kernel has them in every namespace, once their modules are there. */
static bool is_kernels(const char *name)
{
	static const char *const names[] = { "lo", "tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0", "ip6gre0",
					     "ip_vti0", "ip6_vti0" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

static void see_link(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct search *s = ctx;
	struct net_link l = { 0 };

	(void)i;
	net_link_read(h, &l);
	if (l.index == 0 || is_kernels(l.name))
		return;
	for (size_t k = 0; k < s->n; k++)
		if (str_eq(s->ports[k].name, l.name)) {
			s->index[k] = l.index;
			return;
		}
	found(s, "link", l.name);
}

static bool is_ports_address(const struct search *s, const struct ifaddrmsg *m, const void *addr)
{
	for (size_t k = 0; k < s->n; k++) {
		if (s->index[k] != (int)m->ifa_index)
			continue;
		if (m->ifa_family == AF_INET)
			return memcmp(addr, &s->ports[k].ip, 4) == 0;
		return memcmp(addr, &s->ports[k].ip6, 16) == 0 || m->ifa_scope == RT_SCOPE_LINK;
	}
	return m->ifa_scope == RT_SCOPE_HOST;
}

static void see_address(void *ctx, size_t i, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	struct nlattr *a[IFA_MAX + 1], *addr;
	char text[INET6_ADDRSTRLEN];

	(void)i;
	if (h->nlmsg_type != RTM_NEWADDR ||
	    nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *m, a, IFA_MAX, NULL) < 0)
		return;
	addr = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS];
	/* Those that run out were given by a router, and will be again. */
	if (!addr || !(m->ifa_flags & IFA_F_PERMANENT) || is_ports_address(ctx, m, nla_data(addr)))
		return;
	found(ctx, "address", inet_ntop(m->ifa_family, nla_data(addr), text, sizeof text) ? text : "?");
}

static bool is_ports_gateway(const struct search *s, int family, const void *gateway)
{
	for (size_t k = 0; k < s->n; k++)
		if (family == AF_INET ? memcmp(gateway, &s->ports[k].gateway, 4) == 0
				      : memcmp(gateway, &s->ports[k].gateway6, 16) == 0)
			return true;
	return false;
}

static void see_route(void *ctx, size_t i, const struct nlmsghdr *h)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	struct nlattr *a[RTA_MAX + 1];
	char to[INET6_ADDRSTRLEN] = "default", text[INET6_ADDRSTRLEN + 8];

	(void)i;
	if (h->nlmsg_type != RTM_NEWROUTE ||
	    nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *m, a, RTA_MAX, NULL) < 0 ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return;
	if (m->rtm_table == RT_TABLE_LOCAL || m->rtm_protocol == RTPROT_KERNEL || m->rtm_protocol == RTPROT_RA ||
	    (m->rtm_flags & RTM_F_CLONED))
		return;
	if (a[RTA_GATEWAY] && is_ports_gateway(ctx, m->rtm_family, nla_data(a[RTA_GATEWAY])))
		return;
	if (a[RTA_DST])
		(void)inet_ntop(m->rtm_family, nla_data(a[RTA_DST]), to, sizeof to);
	snprintf(text, sizeof text, "%s/%u", to, m->rtm_dst_len);
	found(ctx, "route", text);
}

/* Without a priority, or with one of these, they are the kernel's: local, main, default. */
static void see_rule(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct fib_rule_hdr *m = NLMSG_DATA((struct nlmsghdr *)(uintptr_t)h);
	struct nlattr *a[FRA_MAX + 1];
	uint32_t priority;
	char text[16];

	(void)i;
	if (h->nlmsg_type != RTM_NEWRULE ||
	    nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *m, a, FRA_MAX, NULL) < 0)
		return;
	priority = a[FRA_PRIORITY] ? nla_get_u32(a[FRA_PRIORITY]) : 0;
	if ((m->family != AF_INET && m->family != AF_INET6) || priority == 0 || priority == 32766 || priority == 32767)
		return;
	snprintf(text, sizeof text, "%u", priority);
	found(ctx, "routing rule", text);
}

static struct nlattr *nft_attr(const struct nlmsghdr *h, int type, int attr)
{
	return h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | type) ? NULL :
	       nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct nfgenmsg), attr);
}

/* Not the table: criu leaves empty ones behind, which say nothing. */
static void see_nft_rule(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlattr *table = nft_attr(h, NFT_MSG_NEWRULE, NFTA_RULE_TABLE);

	(void)i;
	if (table)
		found(ctx, "rules of nftables in table", nla_get_string(table));
}

static void see_nft_chain(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlattr *policy = nft_attr(h, NFT_MSG_NEWCHAIN, NFTA_CHAIN_POLICY);

	(void)i;
	if (policy && ntohl(nla_get_u32(policy)) != NF_ACCEPT)
		found(ctx, "policy of the nftables chain", nla_get_string(nft_attr(h, NFT_MSG_NEWCHAIN, NFTA_CHAIN_NAME)));
}

static int dump(struct search *s, int netns_fd, int protocol, int type, nlq_reply *see)
{
	/* Of all families; as long as the longest of the headers that ask. */
	union { struct ifinfomsg link; struct rtmsg route; struct nfgenmsg nf; } any = { 0 };
	size_t n = protocol == NETLINK_NETFILTER ? sizeof any.nf : type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
		 : type == RTM_GETLINK ? sizeof any.link : sizeof any.route;
	auto_nlq struct nlq q = { 0 };
	int r = nlq_open_in(&q, protocol, netns_fd);

	/* A kernel without nftables has no tables of it. */
	if (r == -EPROTONOSUPPORT) {
		err_clear();
		return 0;
	}
	TRY(r);
	nlq_add(&q, type, NLM_F_DUMP, &any, n);
	r = nlq_talk(&q, see, s);
	if (r == -EINVAL && protocol == NETLINK_NETFILTER)
		return 0;
	return r < 0 ? net_fail_talk(&q, r, "look at the guest's network") : 0;
}

/* /proc/thread-self/net is of the namespace that we are in. */
static int see_xtables(void *ctx)
{
	static const char *const files[] = { "ip_tables_names", "ip6_tables_names", "arp_tables_names" };
	char path[64], text[64];

	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof path, "/proc/thread-self/net/%s", files[i]);
		if (file_peek(AT_FDCWD, path, text, sizeof text) <= 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		found(ctx, "iptables table", text);
	}
	return 0;
}

int net_refuse_foreign(const struct net_port *ports, size_t n, int netns_fd)
{
	static const struct { int protocol, type; nlq_reply *see; } rows[] = {
		{ NETLINK_ROUTE, RTM_GETLINK, see_link }, { NETLINK_ROUTE, RTM_GETADDR, see_address },
		{ NETLINK_ROUTE, RTM_GETROUTE, see_route }, { NETLINK_ROUTE, RTM_GETRULE, see_rule },
		{ NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, see_nft_rule },
		{ NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, see_nft_chain },
	};
	struct search s = { .ports = ports, .n = n };

	for (size_t i = 0; i < COUNT(rows); i++)
		TRY(dump(&s, netns_fd, rows[i].protocol, rows[i].type, rows[i].see));
	TRY(net_ns_within(netns_fd, see_xtables, &s));
	return s.found[0] ? fail_as(ERR_UNSUPPORTED, "%s", s.found) : 0;
}
