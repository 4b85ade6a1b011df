#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "netns/outside.h"
#include "netns/why.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* network why FROM TO[:PORT[/udp]] */

const struct opt network_why_opts[] = {
	OFLAG(struct network_why_args, '4', "ipv4", four, "by IPv4 (default, where the destination has it)"),
	OFLAG(struct network_why_args, '6', "ipv6", six, "by IPv6"),
	{ 0 }
};

struct question {
	struct cli *g;
	struct guest_where at;
	const struct network_why_args *args;
	const char *from;
	char to[72];
	struct net_why_req req;
};

/* "[fd77::2]:80", "web2:53/udp", "10.77.0.2", "fd77::2": what stands before the port goes to to. */
static int split(const char *text, struct question *q)
{
	const char *end, *port = NULL;
	uint64_t v;
	char digits[8];

	q->req.proto = 0;
	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return fail_as(ERR_USAGE, "[%s: expected [ADDRESS] or [ADDRESS]:PORT", text);
		port = end[1] ? end + 2 : NULL;
	} else {
		end = strrchr(text, ':');
		if (end && end == strchr(text, ':'))
			port = end + 1;
		else
			end = text + strlen(text);
	}
	snprintf(q->to, sizeof q->to, "%.*s", (int)(end - text), text);
	if (!port)
		return 0;
	size_t n = strcspn(port, "/");
	snprintf(digits, sizeof digits, "%.*s", (int)(n < sizeof digits ? n : 0), port);
	if (str_u64(digits, 65535, &v) < 0 || v == 0)
		return fail_as(ERR_USAGE, "%s: not a port (1 to 65535)", port);
	q->req.port = (uint16_t)v;
	if (port[n] == '\0' || str_eq(port + n, "/tcp"))
		q->req.proto = IPPROTO_TCP;
	else if (str_eq(port + n, "/udp"))
		q->req.proto = IPPROTO_UDP;
	else
		return fail_as(ERR_USAGE, "%s: expected tcp or udp after the port", port + n + 1);
	return 0;
}

/* The namespace of a guest that runs. 0: it does not. */
static int namespace_of(const struct question *q, const char *name, int *fd)
{
	*fd = guest_netns(&q->at, name);
	if (*fd >= 0)
		return 1;
	if (err_class() != ERR_STATE)
		return *fd;
	err_clear();
	return 0;
}

static bool has(const struct net_port *p, int family)
{
	return family == AF_INET ? p->ip.s_addr != 0 : !IN6_IS_ADDR_UNSPECIFIED(&p->ip6);
}

static bool shared(const struct net_port *p, const struct net_port *own, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p->network[0] && str_eq(p->network, own[i].network))
			return true;
	return false;
}

/* Of the guest's addresses the one on a network that both are on, if there is one. */
static const struct net_port *best(const struct net_port *p, size_t n, const struct net_port *own,
				   size_t n_own, int family)
{
	const struct net_port *first = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!has(&p[i], family))
			continue;
		if (shared(&p[i], own, n_own))
			return &p[i];
		first = first ? first : &p[i];
	}
	return first;
}

static int no_address(const struct question *q)
{
	return fail_as(ERR_NOT_FOUND, "%s has no %saddress", q->to,
		       q->args->six ? "IPv6 " : q->args->four ? "IPv4 " : "");
}

/* "host" is, for a guest, the gateway of its first network. */
static int of_port(struct question *q, const struct net_port *p, size_t n, const struct net_port *own,
		   size_t n_own, bool gateway)
{
	const int order[] = { q->args->six ? AF_INET6 : AF_INET, q->args->six || q->args->four ? 0 : AF_INET6 };

	for (size_t i = 0; i < COUNT(order) && order[i]; i++) {
		const struct net_port *b = best(p, n, own, n_own, order[i]);
		const void *v4 = b ? gateway ? &b->gateway : &b->ip : NULL;
		const void *v6 = b ? gateway ? &b->gateway6 : &b->ip6 : NULL;

		if (!b)
			continue;
		q->req.family = order[i];
		memcpy(q->req.dst, order[i] == AF_INET ? v4 : v6, order[i] == AF_INET ? 4 : 16);
		return 0;
	}
	return no_address(q);
}

static int resolve(struct question *q)
{
	static struct net_port own[NET_PORTS_MAX], its[NET_PORTS_MAX];
	size_t n_own = 0, n_its = 0;
	bool guest = guest_exists(&q->at, q->from), host = str_eq(q->to, "host");

	if (inet_pton(AF_INET, q->to, q->req.dst) == 1 || inet_pton(AF_INET6, q->to, q->req.dst) == 1) {
		q->req.family = strchr(q->to, ':') ? AF_INET6 : AF_INET;
		if (q->req.family == AF_INET6 ? q->args->four : q->args->six)
			return fail_as(ERR_USAGE, "%s is no IPv%d address", q->to, q->args->four ? 4 : 6);
		return 0;
	}
	if (guest)
		TRY(net_leased(q->at.home, q->from, own, &n_own));
	if (host && !guest)
		return fail_as(ERR_USAGE, "host: which of its addresses? Give one");
	if (host)
		return of_port(q, own, n_own, own, n_own, true);
	if (!guest_exists(&q->at, q->to)) {
		int r = fail_as(ERR_NOT_FOUND, "%s is neither a guest nor an address", q->to);

		err_try("an address: whether a name is known in a guest is its resolver's business");
		return r;
	}
	TRY(net_leased(q->at.home, q->to, its, &n_its));
	return of_port(q, its, n_its, own, n_own, false);
}

static const char *proto_name(const struct net_why_req *r)
{
	return r->proto == IPPROTO_TCP ? "tcp" : r->proto == IPPROTO_UDP ? "udp" : "echo";
}

static int as_json(const struct question *q, const struct net_why *w)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], next[INET6_ADDRSTRLEN];
	auto_buf struct buf b = { 0 };
	struct jout o;

	out_open(&o, &b);
	jout_bool(&o, "passes", w->passes);
	jout_str(&o, "why", w->says);
	jout_str(&o, "from", q->from);
	jout_str(&o, "to", q->to);
	jout_str(&o, "protocol", proto_name(&q->req));
	if (q->req.port)
		jout_u64(&o, "port", q->req.port);
	jout_str(&o, "destination", inet_ntop(q->req.family, q->req.dst, dst, sizeof dst));
	if (w->probed)
		jout_str(&o, "source", inet_ntop(q->req.family, w->flow.src, src, sizeof src));
	if (w->way.dev[0])
		jout_str(&o, "link", w->way.dev);
	if (w->way.by_gateway)
		jout_str(&o, "gateway", inet_ntop(q->req.family, w->way.next, next, sizeof next));
	if (w->rule.table[0]) {
		jout_open(&o, "rule", '{');
		jout_str(&o, "family", w->rule.family);
		jout_str(&o, "table", w->rule.table);
		jout_str(&o, "chain", w->rule.chain);
		if (w->rule.handle)
			jout_u64(&o, "handle", w->rule.handle);
		jout_str(&o, "text", w->rule.text);
		jout_close(&o, '}');
	}
	if (w->try[0])
		jout_str(&o, "try", w->try);
	return out_close(&o);
}

static void as_text(const struct question *q, const struct net_why *w)
{
	char src[INET6_ADDRSTRLEN] = "", dst[INET6_ADDRSTRLEN], next[INET6_ADDRSTRLEN], port[16] = "";

	(void)inet_ntop(q->req.family, q->req.dst, dst, sizeof dst);
	if (w->probed)
		(void)inet_ntop(q->req.family, w->flow.src, src, sizeof src);
	if (q->req.port)
		snprintf(port, sizeof port, " port %u", q->req.port);
	printf("%s: %s\n", w->passes ? "passes" : "does not pass", w->says);
	printf("  packet  %s%s%s to %s, %s%s\n", q->from, *src ? " " : "", src, dst, proto_name(&q->req), port);
	if (w->way.dev[0] && w->way.by_gateway)
		printf("  way     %s, by %s\n", w->way.dev, inet_ntop(q->req.family, w->way.next, next, sizeof next));
	else if (w->way.dev[0])
		printf("  way     %s\n", w->way.dev);
	if (w->rule.table[0] && w->rule.handle)
		printf("  rule    table %s %s, chain %s, handle %llu: %s\n", w->rule.family, w->rule.table, w->rule.chain,
		       (unsigned long long)w->rule.handle, w->rule.text);
	else if (w->rule.table[0])
		printf("  rule    table %s %s, chain %s: %s\n", w->rule.family, w->rule.table, w->rule.chain, w->rule.text);
	if (w->try[0])
		printf("  try     %s\n", w->try);
}

static int answer(const struct question *q, const struct net_why *w)
{
	if (q->g->json)
		TRY(as_json(q, w));
	else
		as_text(q, w);
	return w->passes ? 0 : ERR_OTHER;
}

/* 0: asked, or known without. */
static int ask(struct question *q, struct net_why *w)
{
	SCOPED(net_outside_close) struct net_outside o = NET_OUTSIDE_NONE;
	auto_close int from = -1, to = -1;
	int r = 1;

	if (str_eq(q->from, "outside")) {
		TRY(net_outside_open(&o));
		q->req.netns_fd = o.netns_fd;
	} else if (!str_eq(q->from, "host")) {
		r = namespace_of(q, q->from, &from);
		q->req.netns_fd = from;
	}
	TRY(r);
	if (r == 0) {
		snprintf(w->says, sizeof w->says, "%s is not running", q->from);
		return 0;
	}
	r = guest_exists(&q->at, q->to) ? namespace_of(q, q->to, &to) : 1;
	TRY(r);
	if (r == 0) {
		snprintf(w->says, sizeof w->says, "%s is not running", q->to);
		return 0;
	}
	return net_why(&q->req, w);
}

int network_why_run(struct cli *g, void *args, int argc, char **argv)
{
	struct question q = { .g = g, .at = guest_at(g), .args = args, .from = argv[0] };
	static struct net_why w;

	(void)argc;
	if (q.args->four && q.args->six)
		return fail_as(ERR_USAGE, "--ipv4 and --ipv6: only one of them");
	if (!str_eq(q.from, "host") && !str_eq(q.from, "outside") && !guest_exists(&q.at, q.from))
		return fail_as(ERR_NOT_FOUND, "guest %s does not exist", q.from);
	TRY(split(argv[1], &q));
	TRY(resolve(&q));
	if (!q.req.proto)
		q.req.proto = q.req.family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	q.req.home = g->home;
	q.req.from = q.from;
	q.req.to = q.to;
	q.req.netns_fd = -1;
	TRY(ask(&q, &w));
	return answer(&q, &w);
}
