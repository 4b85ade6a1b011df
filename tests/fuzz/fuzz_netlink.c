/*
 * What the kernel answers over netlink. The kernel is played here: to every send it answers with the next part of the
 * input, then with the acknowledgement that ends the talk. It is trusted; its headers change with every release.
 */
#include "netns/bridge.h"
#include "netns/firewall.h"
#include "netns/fixed.h"
#include "netns/hostlinks.h"
#include "netns/kernel.h"
#include "netns/net.h"
#include "netns/network.h"
#include "netns/nft.h"
#include "netns/vlan.h"
#include "netns/vxlan.h"
#include "netns/vxlanpeers.h"
#include "netns/way.h"
#include "tests/fuzz/fuzz.h"

#include <netlink/netlink.h>
#include <sys/socket.h>

static ssize_t kernel_hears(int fd, const struct msghdr *mh, int flags);
static ssize_t kernel_says(int fd, void *buf, size_t size, int flags);
#define sendmsg kernel_hears
#define recv kernel_says
#define recvfrom(fd, buf, size, flags, from, n) ((void)(from), (void)(n), kernel_says(fd, buf, size, flags))
#define nl_connect(sk, protocol) ((void)(sk), (void)(protocol), 0)
#include "netns/nl.c"
#include "netns/trace.c"
#undef sendmsg
#undef recv
#undef recvfrom

static struct { const uint8_t *p; size_t n; uint32_t first, count; bool acknowledged; } input;

static ssize_t kernel_hears(int fd, const struct msghdr *mh, int flags)
{
	(void)fd, (void)flags;
	input.first = ((const struct nlmsghdr *)mh->msg_iov[0].iov_base)->nlmsg_seq;
	input.count = (uint32_t)mh->msg_iovlen;
	input.acknowledged = false;
	return 1;
}

/* Two bytes of length, then messages: each answers one of the requests. */
static size_t part(unsigned char *out, size_t size)
{
	size_t n = input.n < 2 ? 0 : input.p[0] | (size_t)input.p[1] << 8;
	int left;

	if (n == 0)
		return 0;
	n = n < input.n - 2 ? n : input.n - 2;
	n = n < size ? n : size;
	memcpy(out, input.p + 2, n);
	input.p += 2 + n;
	input.n -= 2 + n;
	left = (int)n;
	for (struct nlmsghdr *h = (void *)out; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
		h->nlmsg_seq = input.first + h->nlmsg_seq % (input.count ? input.count : 1);
	return n;
}

/* Of the last request, or it goes on for ever; a batch's end has no answer. */
static ssize_t acknowledge(unsigned char *buf)
{
	struct { struct nlmsghdr h; struct nlmsgerr e; } *m = (void *)buf;
	size_t n = 0;

	input.acknowledged = true;
	for (uint32_t i = input.count > 1 ? input.count - 2 : 0; i < input.count; i++) {
		memset(&m[n], 0, sizeof *m);
		m[n].h = (struct nlmsghdr){ sizeof *m, NLMSG_ERROR, 0, input.first + i, 0 };
		n++;
	}
	return (ssize_t)(n * sizeof *m);
}

static ssize_t kernel_says(int fd, void *buf, size_t size, int flags)
{
	size_t n = part(buf, size);

	(void)fd;
	if (n > 0)
		return (ssize_t)n;
	if (flags & MSG_DONTWAIT) {
		errno = EAGAIN;
		return -1;
	}
	demand(!input.acknowledged);
	return acknowledge(buf);
}

/* ---- the questions ------------------------------------------------------------------------------- */

static void ask_link(struct nlq *q)
{
	struct net_link l;

	if (net_link_find(q, "eth0", &l) == 0)
		demand(l.index && strlen(l.name) < sizeof l.name && strlen(l.alias) < sizeof l.alias);
}

static void ask_host(struct nlq *q)
{
	auto_net_host struct net_host h = { 0 };
	const struct net_link bridge = { .index = 1 };
	struct net_fixed_list fixed = { 0 };

	if (net_host_read(q, &h) == 0) {
		(void)net_host_link(&h, "eth0");
		if (net_fixed_read(q, &h, &fixed) == 0)
			(void)net_fixed_drop(q, &fixed, &bridge);
	}
	net_fixed_free(&fixed);
}

static void ask_own_links(struct nlq *q)
{
	struct net_host_links o;

	(void)q;
	if (net_host_links_read(&o) == 0)
		net_host_links_free(&o);
}

static void ask_way(struct nlq *q)
{
	const unsigned char dst[16] = { 10, 77, 0, 2 };
	struct net_way w;
	char why[128];

	(void)q;
	if (net_way_find(-1, AF_INET, dst, &w) == 0)
		demand(strlen(w.dev) < sizeof w.dev);
	(void)net_way_missing(-1, AF_INET6, why, sizeof why);
	(void)net_way_neighbour_silent(-1, AF_INET, &w);
}

static void see_drops(void *ctx, const char *reason, uint64_t packets)
{
	(void)ctx, (void)packets;
	demand(strlen(reason) < 65536);
}

static void ask_drops(struct nlq *q)
{
	(void)q;
	(void)network_drops("/nowhere", see_drops, NULL);
}

static void ask_loan(struct nlq *q)
{
	struct net_port p = { .parent = "eth0", .name = "eth0", .kind = NET_KIND_PHYSICAL };
	auto_arena struct arena a = { 0 };
	struct net_counts c;
	struct net_loan loan;

	(void)q;
	(void)net_count(&p, -1, &c);
	(void)net_loan_note(&p, &a, &loan);
}

static void ask_firewall(struct nlq *q)
{
	auto_nft_list struct nft_list l = { 0 };

	(void)q;
	snprintf(nft_add(&l, FW_BRIDGES, "br0")->comment, NFT_COMMENT_MAX, "default 0123456789abcdef");
	(void)net_fw_check("vzrun", &l);
	(void)nft_change("vzrun", NULL, &l);
}

static bool counts(const struct net_home *h) { return h->id & 1; }

static void ask_bridge(struct nlq *q)
{
	struct net_home h = { .id = 1 }, heir;
	struct net_vlans vlans = { 0 };

	(void)net_bridge_of_others(q, &h, counts, &heir);
	if (net_vlans_read(q, &vlans) == 0)
		(void)net_vlan_is(&vlans, 3, 100);
	net_vlans_free(&vlans);
}

static void ask_peers(struct nlq *q)
{
	const char *peers[] = { "192.0.2.2", "192.0.2.3", NULL };
	struct net_vxlan v = { .vni = 66, .port = NET_VXLAN_PORT, .peers = { peers, 2 }, .family = AF_INET };
	const struct net_def d = { .name = "seg", .vxlan = &v };
	int differs = 0;

	(void)net_peers_check(q, &d, 3, &differs);
	demand(!(differs & ~(TUNNEL_PEERS | TUNNEL_ASTRAY)));
	(void)net_peers_set(q, &d, 3);
}

static void ask_trace(struct nlq *q)
{
	static struct net_trace t;
	struct net_flow f = { .family = AF_INET, .proto = IPPROTO_TCP, .src = { 10, 77, 0, 2 }, .dst = { 10, 77, 0, 3 } };
	const unsigned char next[16] = { 10, 77, 0, 1 };

	(void)q;
	memset(&t, 0, sizeof t);
	t.flow = f;
	memcpy(t.next, next, sizeof next);
	demand(nlq_open(&t.heard, NETLINK_NETFILTER) == 0);
	(void)net_trace_read(&t);
	nlq_close(&t.heard);
	demand(t.n <= NET_TRACE_MAX && t.n_packets <= COUNT(t.packet));
	(void)net_trace_dropped(&t, false);
}

static void (*const questions[])(struct nlq *q) = {
	ask_link, ask_host, ask_own_links, ask_way, ask_drops, ask_loan, ask_firewall, ask_bridge, ask_trace, ask_peers,
};

/* A letter: the question; parts with their lengths: the answers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_nlq struct nlq q = { 0 };

	if (size < 1 || data[0] < 'a' || data[0] - 'a' >= (int)COUNT(questions))
		return 0;
	input.p = data + 1;
	input.n = size - 1;
	demand(nlq_open(&q, NETLINK_ROUTE) == 0);
	questions[data[0] - 'a'](&q);
	err_clear();
	return 0;
}
