#include "netns/flows.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

/* What names one to the kernel: enough of its message to ask for its end. */
struct doomed { unsigned char family; enum net_fate fate; bool zoned; uint16_t zone; size_t n; char way[120]; };
struct hunt {
	enum net_fate (*fate)(const void *ctx, const struct net_flow *f);
	const void *ctx;
	struct doomed *v;
	size_t n, size;
	bool oom;
};

static struct nlattr *inside(struct nlattr *a, int type)
{
	return a ? nla_find(nla_data(a), nla_len(a), type) : NULL;
}

static void get(struct nlattr *a, void *out, size_t n)
{
	if (a && nla_len(a) >= (int)n)
		memcpy(out, nla_data(a), n);
}

static void read_way(struct nlattr *tuple, int family, struct net_flow_way *w)
{
	bool four = family == AF_INET;
	struct nlattr *ip = inside(tuple, CTA_TUPLE_IP), *proto = inside(tuple, CTA_TUPLE_PROTO);

	get(inside(ip, four ? CTA_IP_V4_SRC : CTA_IP_V6_SRC), w->from, net_addr_size(family));
	get(inside(ip, four ? CTA_IP_V4_DST : CTA_IP_V6_DST), w->to, net_addr_size(family));
	get(inside(proto, CTA_PROTO_SRC_PORT), &w->from_port, sizeof w->from_port);
	get(inside(proto, CTA_PROTO_DST_PORT), &w->to_port, sizeof w->to_port);
	w->from_port = ntohs(w->from_port);
	w->to_port = ntohs(w->to_port);
}

static void doom(struct hunt *t, int family, enum net_fate fate, struct nlattr **a)
{
	struct doomed *d;

	if (t->n == t->size) {
		d = reallocarray(t->v, t->size ? 2 * t->size : 64, sizeof *d);
		t->oom |= !d;
		if (!d)
			return;
		t->v = d;
		t->size = t->size ? 2 * t->size : 64;
	}
	d = &t->v[t->n];
	*d = (struct doomed){ .family = (unsigned char)family, .fate = fate, .zoned = a[CTA_ZONE] != NULL };
	if (nla_len(a[CTA_TUPLE_ORIG]) > (int)sizeof d->way)
		return;
	d->n = (size_t)nla_len(a[CTA_TUPLE_ORIG]);
	memcpy(d->way, nla_data(a[CTA_TUPLE_ORIG]), d->n);
	get(a[CTA_ZONE], &d->zone, sizeof d->zone);
	t->n++;
}

static void see(void *ctx, size_t i, const struct nlmsghdr *h)
{
	const struct nfgenmsg *g = NLMSG_DATA(h);
	struct net_flow f = { .family = g->nfgen_family };
	struct nlattr *a[CTA_MAX + 1];
	struct hunt *t = ctx;
	enum net_fate fate;
	uint32_t status = 0;
	uint8_t proto = 0;

	(void)i;
	if (nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *g, a, CTA_MAX, NULL) < 0 || !a[CTA_TUPLE_ORIG] ||
	    (f.family != AF_INET && f.family != AF_INET6))
		return;
	get(inside(inside(a[CTA_TUPLE_ORIG], CTA_TUPLE_PROTO), CTA_PROTO_NUM), &proto, sizeof proto);
	get(a[CTA_STATUS], &status, sizeof status);
	f.proto = proto;
	f.led = ntohl(status) & IPS_DST_NAT;
	read_way(a[CTA_TUPLE_ORIG], f.family, &f.out);
	read_way(a[CTA_TUPLE_REPLY], f.family, &f.back);
	fate = t->fate(t->ctx, &f);
	if (fate != NET_FLOW_STAYS)
		doom(t, f.family, fate, a);
}

enum {
	CT_GET = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
	CT_CHANGE = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
	CT_DELETE = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
};

/*
 * Marked, not deleted, as long as the guest is there: of a deleted one its next packet would be the first of a
 * connection outward, which is allowed, and the far end could not tell the difference. Who ended by itself meanwhile is
 * as good.
 */
static int end_all(struct nlq *q, const struct hunt *t)
{
	const uint32_t mark = htonl(NET_FLOW_CUT);
	int err[NLQ_MAX], bad = 0;

	for (size_t i = 0; i < t->n;) {
		size_t first = i;

		for (; i < t->n && i - first < NLQ_MAX; i++) {
			const struct doomed *d = &t->v[i];

			nlq_add(q, d->fate == NET_FLOW_FORGOTTEN ? CT_DELETE : CT_CHANGE, 0,
				&(struct nfgenmsg){ .nfgen_family = d->family }, sizeof(struct nfgenmsg));
			nlq_put(q, CTA_TUPLE_ORIG | NLA_F_NESTED, d->way, d->n);
			if (d->fate == NET_FLOW_ENDS)
				nlq_put(q, CTA_MARK, &mark, sizeof mark);
			if (d->zoned)
				nlq_put(q, CTA_ZONE, &d->zone, sizeof d->zone);
		}
		TRY(nlq_ask(q, NULL, NULL, err));
		for (size_t k = 0; k < i - first; k++)
			if (err[k] < 0 && err[k] != -ENOENT && !bad)
				bad = err[k];
	}
	return bad;
}

int net_flows_cut(enum net_fate (*fate)(const void *ctx, const struct net_flow *f), const void *ctx)
{
	struct hunt t = { .fate = fate, .ctx = ctx };
	struct nfgenmsg all = { .nfgen_family = AF_UNSPEC };
	auto_nlq struct nlq q = { 0 };
	char count[16];
	int r;

	/* Most often, and where nothing tracks connections. */
	if (file_peek(AT_FDCWD, "/proc/sys/net/netfilter/nf_conntrack_count", count, sizeof count) < 0 || str_eq(count, "0"))
		return 0;
	TRY(nlq_open(&q, NETLINK_NETFILTER));
	/* Each that has ended by then is an answer. */
	(void)nl_socket_set_buffer_size(q.sk, 512 << 10, 0);
	nlq_add(&q, CT_GET, NLM_F_DUMP, &all, sizeof all);
	r = nlq_stream(&q, see, &t);
	if (r == -EINVAL || r == -EOPNOTSUPP)
		r = fail_as(ERR_UNSUPPORTED, "this kernel tells nobody of its connections (CONFIG_NF_CT_NETLINK)");
	else if (r < 0)
		r = net_fail_talk(&q, r, "list connections");
	else if (t.oom)
		r = fail(ENOMEM, "list connections: out of memory");
	else if ((r = end_all(&q, &t)) < 0)
		r = net_fail_talk(&q, r, "end a connection");
	free(t.v);
	return r < 0 ? r : (int)t.n;
}
