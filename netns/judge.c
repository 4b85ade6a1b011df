#include "netns/judge.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/scope.h"
#include "netns/firewall_ports.h"
#include "netns/kernel.h"
#include "netns/link.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* ---- who listens ------------------------------------------------------------------------------------- */

static int bind_one(int family, int proto, const char *address, unsigned port)
{
	auto_close int fd = socket(family, (proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1;

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	/* A connection that ended lately is nobody who listens. Of UDP it would let two have the port. */
	if (proto == IPPROTO_TCP)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (family == AF_INET) {
		if (address)
			inet_pton(AF_INET, address, &four.sin_addr);
		return bind(fd, (void *)&four, sizeof four) < 0 ? -errno : 0;
	}
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
	if (address)
		inet_pton(AF_INET6, address, &six.sin6_addr);
	return bind(fd, (void *)&six, sizeof six) < 0 ? -errno : 0;
}

int net_port_free(const struct net_publish *p)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int only = net_publish_family(p);

	for (size_t i = 0; i < 2 * net_publish_count(p); i++) {
		int family = families[i % 2], r;
		unsigned port = p->port.v + (unsigned)(i / 2);

		if (only != AF_UNSPEC && only != family)
			continue;
		r = bind_one(family, p->proto, p->address, port);
		if (r == -EADDRNOTAVAIL && !p->address)
			continue;
		if (r == -EADDRNOTAVAIL)
			return fail_as(ERR_NOT_FOUND, "%s is no address of this host", p->address);
		if (r == -EADDRINUSE)
			return fail_as(ERR_ADDRESS, "port %u/%s is in use by a process of this host", port,
				       p->proto == IPPROTO_TCP ? "tcp" : "udp");
		errno = -r;
		if (r < 0)
			return fail_errno("try port %u of this host", port);
	}
	return 0;
}

/* ---- the firewall -------------------------------------------------------------------------------------- */

struct chains { bool some; };

/* A base chain of somebody else's that a translated packet passes by. */
static void see_chain(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nfgenmsg *g = NLMSG_DATA(h);
	struct nlattr *a[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct chains *c = ctx;
	unsigned num;

	(void)i;
	if ((h->nlmsg_type & 0xff) != NFT_MSG_NEWCHAIN ||
	    nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *g, a, NFTA_CHAIN_MAX, NULL) < 0 ||
	    !a[NFTA_CHAIN_TABLE] || !a[NFTA_CHAIN_HOOK] ||
	    nla_parse_nested(hook, NFTA_HOOK_MAX, a[NFTA_CHAIN_HOOK], NULL) < 0 || !hook[NFTA_HOOK_HOOKNUM] ||
	    !hook[NFTA_HOOK_PRIORITY])
		return;
	if (g->nfgen_family != NFPROTO_INET && g->nfgen_family != NFPROTO_IPV4 && g->nfgen_family != NFPROTO_IPV6)
		return;
	if (fw_is_ours(nla_get_string(a[NFTA_CHAIN_TABLE])))
		return;
	num = ntohl(nla_get_u32(hook[NFTA_HOOK_HOOKNUM]));
	c->some |= num == NF_INET_LOCAL_IN ||
		   (num == NF_INET_PRE_ROUTING && (int32_t)ntohl(nla_get_u32(hook[NFTA_HOOK_PRIORITY])) > -100);
}

static bool somebody_filters(void)
{
	struct nfgenmsg g = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 };
	static const char *const legacy[] = { "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names" };
	auto_nlq struct nlq q = { 0 };
	struct chains c = { false };
	char line[64];

	for (size_t i = 0; i < COUNT(legacy); i++)
		if (file_peek(AT_FDCWD, legacy[i], line, sizeof line) > 0)
			return true;
	if (nlq_open(&q, NETLINK_NETFILTER) < 0)
		return true;
	nlq_add(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, &g, sizeof g);
	return nlq_talk(&q, see_chain, &c) < 0 || c.some;
}

static int request(struct arena *a, const struct net_host_links *o, const struct net_publish *const *p, size_t n,
		   struct buf *out)
{
	struct fw_link *links = arena_alloc(a, o->n + 1, sizeof *links);
	struct fw_port *ports = arena_alloc(a, n + 1, sizeof *ports);
	struct fw_judge req = { { links, o->n }, { ports, n } };
	struct jout j = { .b = out };
	char text[64];

	if (!links || !ports)
		return fail(ENOMEM, "out of memory");
	for (size_t i = 0; i < o->n; i++) {
		links[i] = (struct fw_link){ o->link[i].name, { arena_alloc(a, o->n_on + 1, sizeof(char *)), 0 } };
		for (size_t k = 0; links[i].on_link.v && k < o->n_on; k++) {
			if (o->on[k].link != i)
				continue;
			net_subnet_text(&o->on[k].s, text, sizeof text);
			links[i].on_link.v[links[i].on_link.n++] = arena_strdup(a, text);
		}
	}
	for (size_t i = 0; i < n; i++)
		ports[i] = (struct fw_port){ p[i]->address, p[i]->port, { net_publish_count(p[i]), true },
					     p[i]->proto == IPPROTO_UDP, p[i]->expose == NET_EXPOSE_LAN };
	bind_encode(&j, NULL, &fw_judge_record, &req);
	return out->oom ? fail(ENOMEM, "out of memory") : 0;
}

static int answer(struct arena *a, const struct buf *text, struct net_judged *out, size_t n)
{
	auto_json struct json *tree = NULL;
	struct fw_verdict v;

	TRY_IN(json_parse("vzrun-net", buf_text(text), text->n, &tree), "firewall");
	TRY_IN(bind_decode(a, &fw_verdict_record, tree, &v), "firewall: vzrun-net");
	LIST_EACH(const struct fw_refused, r, v.refused)
		if (r->port.v < n)
			snprintf(out[r->port.v].why, sizeof out->why, "chain \"%s\" %s what comes by %s: %s", r->chain,
				 r->sure ? "drops" : "may drop", r->link, r->rule);
	return 0;
}

int net_judge(const struct net_host_links *o, const struct net_publish *const *p, size_t n, struct net_judged *out)
{
	auto_buf struct buf in = { 0 }, text = { 0 };
	auto_arena struct arena a = { 0 };

	memset(out, 0, n * sizeof *out);
	if (n == 0 || !somebody_filters())
		return 0;
	TRY(request(&a, o, p, n, &in));
	TRY(helper_run(&(struct helper_call){ .name = "vzrun-net", .verb = "judge", .what = "firewall", .in = in.p,
					      .in_n = in.n, .out = &text, .timeout_ms = NET_HELPER_MS }));
	return answer(&a, &text, out, n);
}
