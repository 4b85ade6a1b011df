#include "netns/trace.h"
#include "base/scope.h"
#include "base/str.h"
#include "netns/link.h"
#include "netns/nftexpr.h"

#include <arpa/inet.h>
#include <endian.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_bridge.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip_icmp.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the table that switches it on ------------------------------------------------------------ */

static void meta_is(struct nlq *q, int key, const void *p, size_t n)
{
	nftx_meta(q, key, NFT_REG_1);
	nftx_equal(q, NFT_REG_1, p, n);
}

static void payload_is(struct nlq *q, int base, unsigned offset, const void *p, size_t n)
{
	nftx_payload(q, base, offset, (unsigned)n, NFT_REG_1);
	nftx_equal(q, NFT_REG_1, p, n);
}

static void switch_on(struct nlq *q)
{
	unsigned char one = 1;

	nftx_immediate(q, NFT_REG_1, &one, sizeof one);
	nftx_set_meta(q, NFT_META_NFTRACE, NFT_REG_1);
}

/* An echo has no ports, but an identifier, and another type on its way back. */
static void upper_layer(struct nlq *q, const struct net_flow *f, bool answer)
{
	uint16_t ports[2] = { htons(answer ? f->dport : f->sport), htons(answer ? f->sport : f->dport) };
	unsigned char proto = (unsigned char)f->proto, type;

	meta_is(q, NFT_META_L4PROTO, &proto, 1);
	if (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP) {
		payload_is(q, NFT_PAYLOAD_TRANSPORT_HEADER, 0, ports, sizeof ports);
		return;
	}
	if (f->proto == IPPROTO_ICMP)
		type = answer ? ICMP_ECHOREPLY : ICMP_ECHO;
	else
		type = answer ? ICMP6_ECHO_REPLY : ICMP6_ECHO_REQUEST;
	payload_is(q, NFT_PAYLOAD_TRANSPORT_HEADER, 0, &type, 1);
	ports[0] = htons(f->sport);
	payload_is(q, NFT_PAYLOAD_TRANSPORT_HEADER, 4, ports, 2);
}

static void rule(struct nlq *q, const char *table, int family, const char *chain, const struct net_flow *f,
		 bool answer)
{
	uint16_t protocol = htons(f->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	bool v4 = f->family == AF_INET;
	size_t size = v4 ? 4 : 16;
	struct nlattr *list;

	list = nftx_rule(q, family, table, chain);
	meta_is(q, NFT_META_PROTOCOL, &protocol, sizeof protocol);
	payload_is(q, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 12 : 8, answer ? f->dst : f->src, size);
	payload_is(q, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 16 : 24, answer ? f->src : f->dst, size);
	upper_layer(q, f, answer);
	switch_on(q);
	nlq_end(q, list);
}

/* The question that comes before a packet: ARP's, or a neighbour solicitation from the same address. */
static void rule_of_neighbour(struct nlq *q, const struct net_trace *t, const char *chain)
{
	const struct net_flow *f = &t->flow;
	bool v4 = f->family == AF_INET;
	uint16_t protocol = htons(v4 ? ETH_P_ARP : ETH_P_IPV6);
	unsigned char solicit = ND_NEIGHBOR_SOLICIT, icmp6 = IPPROTO_ICMPV6;
	struct nlattr *list;

	list = nftx_rule(q, NFPROTO_BRIDGE, t->table, chain);
	meta_is(q, NFT_META_PROTOCOL, &protocol, sizeof protocol);
	payload_is(q, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 14 : 8, f->src, v4 ? 4 : 16);
	if (v4) {
		payload_is(q, NFT_PAYLOAD_NETWORK_HEADER, 24, t->next, 4);
	} else {
		meta_is(q, NFT_META_L4PROTO, &icmp6, 1);
		payload_is(q, NFT_PAYLOAD_TRANSPORT_HEADER, 0, &solicit, 1);
		payload_is(q, NFT_PAYLOAD_TRANSPORT_HEADER, 8, t->next, 16);
	}
	switch_on(q);
	nlq_end(q, list);
}

/* Before everything that could drop a packet: connection tracking is at -200, "raw" at -300. */
static const struct { int family; const char *chain; int hook, priority; } hooks[] = {
	{ NFPROTO_INET, "prerouting", NF_INET_PRE_ROUTING, -1000 },
	{ NFPROTO_INET, "output", NF_INET_LOCAL_OUT, -1000 },
	{ NFPROTO_BRIDGE, "prerouting", NF_BR_PRE_ROUTING, -1000 },
};

static int make(struct net_trace *t, int family, uint32_t flags)
{
	struct nlq *q = &t->own;
	struct nlattr *hook;

	nftx_begin(q);
	nftx_message(q, NFT_MSG_NEWTABLE, NLM_F_CREATE, family);
	nlq_put_str(q, NFTA_TABLE_NAME, t->table);
	nftx_u32(q, NFTA_TABLE_FLAGS, flags);
	for (size_t i = 0; i < COUNT(hooks); i++) {
		if (hooks[i].family != family)
			continue;
		nftx_message(q, NFT_MSG_NEWCHAIN, NLM_F_CREATE, family);
		nlq_put_str(q, NFTA_CHAIN_TABLE, t->table);
		nlq_put_str(q, NFTA_CHAIN_NAME, hooks[i].chain);
		hook = nlq_nest(q, NFTA_CHAIN_HOOK | NLA_F_NESTED);
		nftx_u32(q, NFTA_HOOK_HOOKNUM, (uint32_t)hooks[i].hook);
		nftx_u32(q, NFTA_HOOK_PRIORITY, (uint32_t)hooks[i].priority);
		nlq_end(q, hook);
		nlq_put_str(q, NFTA_CHAIN_TYPE, "filter");
		rule(q, t->table, family, hooks[i].chain, &t->flow, false);
		rule(q, t->table, family, hooks[i].chain, &t->flow, true);
		if (family == NFPROTO_BRIDGE)
			rule_of_neighbour(q, t, hooks[i].chain);
	}
	nftx_commit(q);
	return nlq_talk(q, NULL, NULL);
}

static void unmake(struct net_trace *t, int family)
{
	nftx_begin(&t->own);
	nftx_message(&t->own, NFT_MSG_DELTABLE, 0, family);
	nlq_put_str(&t->own, NFTA_TABLE_NAME, t->table);
	nftx_commit(&t->own);
	(void)nlq_talk(&t->own, NULL, NULL);
}

/* A kernel before 5.12 knows no owner of a table: there the table stays if we are killed. */
static int make_owned(struct net_trace *t, int family)
{
	int r = make(t, family, NFT_TABLE_F_OWNER);

	return r == -EOPNOTSUPP || r == -EINVAL ? make(t, family, 0) : r;
}

int net_trace_open(struct net_trace *t, const struct net_flow *f, const unsigned char *next)
{
	int r;

	memset(t, 0, sizeof *t);
	t->flow = *f;
	memcpy(t->next, next, sizeof t->next);
	snprintf(t->table, sizeof t->table, "vzrun_why_%d", (int)getpid());
	TRY(nlq_open(&t->heard, NETLINK_NETFILTER));
	TRY(nlq_open(&t->own, NETLINK_NETFILTER));
	if (nl_socket_add_membership(t->heard.sk, NFNLGRP_NFTRACE) < 0)
		return fail_as(ERR_UNSUPPORTED, "this kernel's nftables tell no trace");
	(void)fcntl(net_trace_fd(t), F_SETFL, O_NONBLOCK);
	r = make_owned(t, NFPROTO_INET);
	if (r < 0)
		return net_fail_talk(&t->own, r, "nftables: trace");
	/* A host without bridge tables has none to drop anything. */
	r = make_owned(t, NFPROTO_BRIDGE);
	if (r < 0 && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
		return net_fail_talk(&t->own, r, "nftables: trace on bridges");
	return 0;
}

int net_trace_fd(const struct net_trace *t) { return nl_socket_get_fd(t->heard.sk); }

void net_trace_close(struct net_trace *t)
{
	struct err_saved why;

	err_save(&why);
	if (t->own.sk) {
		unmake(t, NFPROTO_INET);
		unmake(t, NFPROTO_BRIDGE);
	}
	nlq_close(&t->own);
	nlq_close(&t->heard);
	err_restore(&why);
}

/* ---- what is heard ---------------------------------------------------------------------------- */

static uint32_t number(struct nlattr *a) { return a && nla_len(a) == 4 ? ntohl(nla_get_u32(a)) : 0; }

static void text(struct nlattr *a, char *out, size_t size)
{
	out[0] = '\0';
	if (a)
		nla_strlcpy(out, a, size);
}

/* The first of a chain's steps has the packet's header, of which one address may be a translated one. */
static void read_header(struct net_trace *t, size_t i, struct nlattr *header)
{
	bool v4 = t->flow.family == AF_INET;
	size_t size = v4 ? 4 : 16, src = v4 ? 12 : 8;
	const unsigned char *p = header ? nla_data(header) : NULL;

	/* ARP's is no header of IP. */
	if (!header || (size_t)nla_len(header) < src + 2 * size || p[0] >> 4 != (v4 ? 4 : 6))
		return;
	t->packet[i].answer = memcmp(p + src, t->flow.src, size) != 0 &&
			      (memcmp(p + src, t->flow.dst, size) == 0 ||
			       memcmp(p + src + size, t->flow.src, size) == 0);
}

static size_t packet_of(struct net_trace *t, uint32_t id)
{
	for (size_t i = 0; i < t->n_packets; i++)
		if (t->packet[i].id == id)
			return i;
	if (t->n_packets < COUNT(t->packet))
		t->n_packets++;
	memset(&t->packet[t->n_packets - 1], 0, sizeof t->packet[0]);
	t->packet[t->n_packets - 1].id = id;
	return t->n_packets - 1;
}

static void link_name(struct nlattr *a, char out[IFNAMSIZ])
{
	if (a)
		(void)if_indextoname(number(a), out);
}

static void read_step(struct net_trace *t, struct nlmsghdr *h)
{
	struct nlattr *a[NFTA_TRACE_MAX + 1], *v[NFTA_VERDICT_MAX + 1] = { NULL };
	struct net_trace_step *s = &t->step[t->n];
	size_t i;

	if (t->n == NET_TRACE_MAX || h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE) ||
	    nlmsg_parse(h, sizeof(struct nfgenmsg), a, NFTA_TRACE_MAX, NULL) < 0)
		return;
	text(a[NFTA_TRACE_TABLE], s->table, sizeof s->table);
	if (str_eq(s->table, t->table))
		return;
	i = packet_of(t, number(a[NFTA_TRACE_ID]));
	read_header(t, i, a[NFTA_TRACE_NETWORK_HEADER]);
	link_name(a[NFTA_TRACE_IIF], t->packet[i].iif);
	link_name(a[NFTA_TRACE_OIF], t->packet[i].oif);
	text(a[NFTA_TRACE_CHAIN], s->chain, sizeof s->chain);
	s->answer = t->packet[i].answer;
	memcpy(s->iif, t->packet[i].iif, sizeof s->iif);
	memcpy(s->oif, t->packet[i].oif, sizeof s->oif);
	s->family = ((struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family;
	s->handle = 0;
	if (a[NFTA_TRACE_RULE_HANDLE] && nla_len(a[NFTA_TRACE_RULE_HANDLE]) == 8)
		s->handle = be64toh(nla_get_u64(a[NFTA_TRACE_RULE_HANDLE]));
	if (a[NFTA_TRACE_VERDICT])
		(void)nla_parse_nested(v, NFTA_VERDICT_MAX, a[NFTA_TRACE_VERDICT], NULL);
	s->verdict = v[NFTA_VERDICT_CODE] ? (int)number(v[NFTA_VERDICT_CODE]) : NFT_CONTINUE;
	if (number(a[NFTA_TRACE_TYPE]) == NFT_TRACETYPE_POLICY)
		s->verdict = (int)number(a[NFTA_TRACE_POLICY]);
	t->n++;
}

int net_trace_read(struct net_trace *t)
{
	_Alignas(NLMSG_ALIGNTO) char b[16384];

	for (;;) {
		ssize_t got = recv(net_trace_fd(t), b, sizeof b, MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		/* Too much at once: what is lost was not the last word. */
		if (got < 0)
			return errno == EAGAIN || errno == ENOBUFS ? 0 : fail_errno("nftables: trace");
		int left = (int)got;
		for (struct nlmsghdr *h = (void *)b; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
			read_step(t, h);
	}
}

const struct net_trace_step *net_trace_dropped(const struct net_trace *t, bool answer)
{
	for (size_t i = t->n; i-- > 0;)
		if (t->step[i].answer == answer && t->step[i].verdict == NF_DROP)
			return &t->step[i];
	return NULL;
}
