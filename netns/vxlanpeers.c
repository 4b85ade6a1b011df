/* The kernel's list of a tunnel: where its frames go. */
#include "netns/vxlanpeers.h"
#include "base/scope.h"
#include "netns/vxlan.h"

#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static void peer_request(struct nlq *q, int index, int family, const void *addr)
{
	static const unsigned char everybody[6];
	struct ndmsg m = { .ndm_family = AF_BRIDGE, .ndm_ifindex = index, .ndm_flags = NTF_SELF,
			   .ndm_state = NUD_NOARP | NUD_PERMANENT };

	nlq_add(q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, &m, sizeof m);
	nlq_put(q, NDA_LLADDR, everybody, sizeof everybody);
	nlq_put(q, NDA_DST, addr, net_addr_size(family));
}

/* The tunnel's own list: peers are the destinations of what has no known one, and other addresses are learned. */
struct found {
	int index;
	const struct net_vxlan *v;
	struct nlq *out;		/* takes what is wrong away; NULL: it is only told */
	uint64_t have[NET_PEERS_MAX / 64];
	size_t n;
	int differs;
};

/* Its number among the peers, -1: none, or not as we make them. */
static int peer_at(const struct net_vxlan *v, struct nlattr **a)
{
	size_t size = net_addr_size(v->family);
	unsigned char addr[16];

	if (!a[NDA_DST] || (size_t)nla_len(a[NDA_DST]) != size || a[NDA_PORT] || a[NDA_VNI] || a[NDA_IFINDEX])
		return -1;
	for (size_t k = 0; k < v->peers.n; k++)
		if (inet_pton(v->family, v->peers.v[k], addr) == 1 && memcmp(addr, nla_data(a[NDA_DST]), size) == 0)
			return (int)k;
	return -1;
}

static void take_out(struct nlq *q, const struct ndmsg *n, struct nlattr **a)
{
	static const int which[] = { NDA_LLADDR, NDA_DST, NDA_PORT, NDA_VNI, NDA_IFINDEX, NDA_SRC_VNI };

	if (q->n == NLQ_MAX)
		return;
	nlq_add(q, RTM_DELNEIGH, 0, n, sizeof *n);
	for (size_t i = 0; i < COUNT(which); i++)
		if (a[which[i]])
			nlq_put(q, which[i], nla_data(a[which[i]]), (size_t)nla_len(a[which[i]]));
}

static void read_peer(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlattr *a[NDA_MAX + 1];
	const struct ndmsg *n = NLMSG_DATA(h);
	struct found *f = ctx;
	bool of_all, fixed;
	int k;

	(void)i;
	/* What the bridge says of this port has a master. */
	if (h->nlmsg_type != RTM_NEWNEIGH || nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *n, a, NDA_MAX, NULL) < 0 ||
	    n->ndm_ifindex != f->index || a[NDA_MASTER] || !a[NDA_LLADDR] || nla_len(a[NDA_LLADDR]) != 6)
		return;
	of_all = memcmp(nla_data(a[NDA_LLADDR]), "\0\0\0\0\0", 6) == 0;
	fixed = n->ndm_state & (NUD_NOARP | NUD_PERMANENT) || n->ndm_flags & NTF_EXT_LEARNED;
	k = peer_at(f->v, a);
	if (k < 0 || (fixed && !of_all)) {
		f->differs |= of_all ? TUNNEL_PEERS : TUNNEL_ASTRAY;
		if (f->out)
			take_out(f->out, n, a);
	} else if (of_all) {
		f->n += !(f->have[k / 64] >> k % 64 & 1);
		f->have[k / 64] |= UINT64_C(1) << k % 64;
	}
}

static int peers_of(struct nlq *q, const struct net_def *d, int index, struct nlq *out, struct found *f)
{
	/* Not struct ndmsg: its index filters nothing. */
	struct ifinfomsg m = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	int r;

	*f = (struct found){ .index = index, .v = d->vxlan, .out = out };
	nlq_add(q, RTM_GETNEIGH, NLM_F_DUMP, &m, sizeof m);
	r = nlq_talk(q, read_peer, f);
	if (f->n != d->vxlan->peers.n)
		f->differs |= TUNNEL_PEERS;
	return r < 0 ? net_fail_talk(q, r, "network %s: look for the tunnel's peers", d->name) : 0;
}

static int talk_peers(struct nlq *q, const struct net_def *d)
{
	int r = nlq_talk(q, NULL, NULL);

	/* Learned, and aged meanwhile. */
	return r < 0 && r != -ENOENT ? net_fail_talk(q, r, "network %s: set the tunnel's peers", d->name) : 0;
}

/* One by one where they are many: a conversation has NLQ_MAX requests. */
int net_peers_set(struct nlq *q, const struct net_def *d, int index)
{
	const struct net_vxlan *v = d->vxlan;
	auto_nlq struct nlq out = { 0 };
	unsigned char a[16];
	struct found f;
	bool more = true;

	TRY(nlq_open(&out, NETLINK_ROUTE));
	for (unsigned i = 0; more && i < 64; i++) {
		TRY(peers_of(q, d, index, &out, &f));
		more = out.n == NLQ_MAX;
		if (out.n)
			TRY(talk_peers(&out, d));
	}
	for (size_t k = 0; k < v->peers.n; k++) {
		if (f.have[k / 64] >> k % 64 & 1)
			continue;
		if (inet_pton(v->family, v->peers.v[k], a) == 1)
			peer_request(q, index, v->family, a);
		if (q->n == NLQ_MAX)
			TRY(talk_peers(q, d));
	}
	return q->n ? talk_peers(q, d) : 0;
}

int net_peers_check(struct nlq *q, const struct net_def *d, int index, int *differs)
{
	struct found f;

	TRY(peers_of(q, d, index, NULL, &f));
	*differs |= f.differs;
	return 0;
}
