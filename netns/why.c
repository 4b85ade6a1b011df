#include "netns/why.h"
#include "base/clock.h"
#include "base/helper.h"
#include "base/scope.h"
#include "netns/def.h"
#include "netns/name.h"
#include "netns/record.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <string.h>

enum { AGAIN_MS = 700, WAIT_MS = 2000, TIMEOUT_MS = 10000 };

struct asking {
	const struct net_why_req *r;
	struct net_why *out;
	struct net_home h;
	struct net_probe p;
	struct net_trace t;
};

static void asking_free(struct asking *a)
{
	net_trace_close(&a->t);
	net_probe_close(&a->p);
}

static void says(struct net_why *w, bool passes, const char *fmt, ...) PRINTF(3, 4);
static void says(struct net_why *w, bool passes, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->says, sizeof w->says, fmt, ap);
	va_end(ap);
	w->passes = passes;
}

static const char *text_of(int family, const unsigned char *addr, char out[INET6_ADDRSTRLEN])
{
	return inet_ntop(family, addr, out, INET6_ADDRSTRLEN);
}

/* ---- the probe -------------------------------------------------------------------------------- */

/* Until there is an answer, or a rule has dropped it, or time is up. */
static int attend(struct asking *a)
{
	uint64_t begin = clock_ms(), now = begin;
	bool again = false;

	while (now - begin < WAIT_MS) {
		struct pollfd fd[] = { { a->p.fd, POLLIN, 0 }, { net_trace_fd(&a->t), POLLIN, 0 } };
		uint64_t end = begin + (again ? WAIT_MS : AGAIN_MS);
		bool dropped;

		if (poll(fd, COUNT(fd), end > now ? (int)(end - now) : 0) < 0 && errno != EINTR)
			return fail_errno("wait for the probe");
		TRY(net_trace_read(&a->t));
		dropped = net_trace_dropped(&a->t, false) || net_trace_dropped(&a->t, true);
		if (net_probe_read(&a->p) || dropped)
			return 0;
		now = clock_ms();
		if (!again && now - begin >= AGAIN_MS) {
			again = true;
			TRY(net_probe_send(&a->p));
		}
	}
	return 0;
}

/* ---- the rule that stopped it ----------------------------------------------------------------- */

static const struct name families[] = {
	{ "inet", NFPROTO_INET }, { "ip", NFPROTO_IPV4 }, { "ip6", NFPROTO_IPV6 }, { "bridge", NFPROTO_BRIDGE },
	{ "netdev", NFPROTO_NETDEV }, { "arp", NFPROTO_ARP }, { 0 },
};

/* Whosever it is, its text as nft writes it. That there is none is no reason to say nothing. */
static void look_up(struct net_why *w)
{
	auto_buf struct buf in = { 0 }, out = { 0 };
	struct jout o = { .b = &in };
	struct helper_call c = { .name = "vzrun-net", .verb = "rule", .what = "rule", .out = &out,
				 .timeout_ms = TIMEOUT_MS };

	if (!w->rule.handle) {
		snprintf(w->rule.text, sizeof w->rule.text, "policy drop");
		return;
	}
	jout_open(&o, NULL, '{');
	jout_str(&o, "family", w->rule.family);
	jout_str(&o, "table", w->rule.table);
	jout_str(&o, "chain", w->rule.chain);
	jout_u64(&o, "handle", w->rule.handle);
	jout_close(&o, '}');
	c.in = in.p;
	c.in_n = in.n;
	if (in.oom || helper_run(&c) < 0)
		err_clear();
	snprintf(w->rule.text, sizeof w->rule.text, "%.*s", (int)strcspn(buf_text(&out), "\n"), buf_text(&out));
}

struct owner { const char *link; char network[64]; };

static int see_network(void *ctx, struct net_file *f)
{
	struct owner *o = ctx;

	if (f->d.bridge && str_eq(f->d.bridge, o->link))
		snprintf(o->network, sizeof o->network, "%s", f->d.name);
	return 0;
}

/* "": a link of nobody's of this home: the outside. */
static void network_of(const char *home, const char *link, char out[64])
{
	struct owner o = { .link = link };
	auto_close int dir = *link ? net_store_open(home, false) : -1;

	if (dir >= 0 && net_def_each(dir, see_network, &o) < 0)
		err_clear();
	snprintf(out, 64, "%s", o.network);
}

static void explain_forward(struct asking *a, const struct net_trace_step *s)
{
	struct net_why *w = a->out;
	char from[64], to[64], port[32] = "";

	network_of(a->r->home, s->iif, from);
	network_of(a->r->home, s->oif, to);
	if (a->r->port)
		snprintf(port, sizeof port, " --port %u%s", a->r->port, a->r->proto == IPPROTO_UDP ? "/udp" : "");
	if (*from && *to && str_eq(from, to)) {
		says(w, false, "guests of network %s are closed to each other", to);
	} else if (*from && *to) {
		says(w, false, "network %s may not open connections to network %s", from, to);
		snprintf(w->try, sizeof w->try, "vzrun network allow%s %s %s", port, from, to);
	} else if (*to) {
		says(w, false, "the outside may not open connections to network %s", to);
		snprintf(w->try, sizeof w->try, "vzrun network allow%s outside %s", port, to);
	} else {
		says(w, false, "network %s is isolated: it leads nowhere", from);
	}
}

/* Ours: what stands in the rule, or the chain, and what that means. The first that fits counts. */
static const struct { int family; const char *chain, *in_rule, *words, *try; } ours[] = {
	{ NFPROTO_BRIDGE, "", "spoof_mac", "the sender uses a MAC address that is not its own", "" },
	{ NFPROTO_BRIDGE, "", "spoof_ip", "the sender uses an address that it was not given", "vzrun network show" },
	{ NFPROTO_BRIDGE, "", "spoof_", "the sender speaks for an address that it was not given", "" },
	{ NFPROTO_BRIDGE, "", "rogue_", "only the host may say that", "" },
	{ NFPROTO_BRIDGE, "", "other_proto", "frames with a tag, or hidden headers, do not pass", "" },
	{ NFPROTO_BRIDGE, "", "@rate_out", "the sender is over its rate", "vzrun nic ls" },
	{ NFPROTO_INET, "input", "", "of the host a guest reaches its gateway's echo, and names and DHCP where its "
	  "network has them; nothing else", "" },
	{ NFPROTO_INET, "from_peer", "", "no peer of that VXLAN segment", "vzrun network show" },
	{ NFPROTO_INET, "to_peer", "", "no guest speaks to the other end of a tunnel of the host's", "" },
	{ NFPROTO_INET, "asking", "", "the guest asks for more neighbours than the host keeps for one", "" },
	{ NFPROTO_INET, "service", "", "the guest has as many connections with dnsmasq as one may", "" },
	{ NFPROTO_INET, "published_lan", "", "the port is published for the host's own subnets alone", "" },
	{ NFPROTO_INET, "forward", "no_ports", "what has no ports does not leave under the host's address", "" },
	{ NFPROTO_INET, "forward", "ct status dnat", "a published port is not reached by another network's gateway", "" },
};

/* The chains of a guest's firewall are called as its links are (netns/guard.c). */
static bool explain_guard(struct asking *a, const struct net_trace_step *s, const char *guest)
{
	char link[IFNAMSIZ], in[16], out[16];

	net_host_if(&a->h, guest, 0, link);
	snprintf(in, sizeof in, "in_%.8s", link + 2);
	snprintf(out, sizeof out, "out_%.8s", link + 2);
	if (!str_eq(s->chain, in) && !str_eq(s->chain, out))
		return false;
	says(a->out, false, "the firewall of %s does not let it %s", guest, str_eq(s->chain, in) ? "in" : "out");
	snprintf(a->out->try, sizeof a->out->try, "vzrun fw ls %.64s", guest);
	return true;
}

static void explain(struct asking *a, const struct net_trace_step *s)
{
	struct net_why *w = a->out;

	if (s->family == NFPROTO_INET && (explain_guard(a, s, a->r->from) || explain_guard(a, s, a->r->to)))
		return;
	for (size_t i = 0; i < COUNT(ours); i++) {
		if (s->family != ours[i].family || !str_starts(s->chain, ours[i].chain) ||
		    !strstr(w->rule.text, ours[i].in_rule))
			continue;
		says(w, false, "%s", ours[i].words);
		snprintf(w->try, sizeof w->try, "%s", ours[i].try);
		return;
	}
	if (s->family == NFPROTO_INET && str_starts(s->chain, "forward"))
		explain_forward(a, s);
	else
		says(w, false, "vzrun's own table stops it in chain %s", s->chain);
}

static void stopped(struct asking *a, const struct net_trace_step *s)
{
	const char *family = name_of(families, s->family);
	struct net_why *w = a->out;
	char own[256];

	w->rule.family = family ? family : "?";
	snprintf(w->rule.table, sizeof w->rule.table, "%s", s->table);
	snprintf(w->rule.chain, sizeof w->rule.chain, "%s", s->chain);
	w->rule.handle = s->handle;
	look_up(w);
	if (str_eq(s->table, a->h.table))
		explain(a, s);
	else
		says(w, false, "somebody else's rule of this host stops it: table %s %s, chain %s", w->rule.family,
		     s->table, s->chain);
	if (!s->answer)
		return;
	snprintf(own, sizeof own, "%.255s", w->says);
	says(w, false, "it arrives, but its answer does not: %s", own);
}

/* ---- the verdict ------------------------------------------------------------------------------ */

static const char *where(const struct asking *a, char out[96])
{
	if (a->r->port)
		snprintf(out, 96, "port %u of %.64s", a->r->port, a->r->to);
	else
		snprintf(out, 96, "%.64s", a->r->to);
	return out;
}

static void nobody_there(struct asking *a)
{
	char next[INET6_ADDRSTRLEN];

	says(a->out, false, "nobody answers for %s%s on %s", a->out->way.by_gateway ? "the gateway " : "",
	     text_of(a->r->family, a->out->way.next, next), a->out->way.dev);
}

static void refused(struct asking *a)
{
	char by[INET6_ADDRSTRLEN];

	if (a->p.by_icmp)
		says(a->out, false, "%s says: %s", text_of(a->r->family, a->p.from, by), strerrordesc_np(a->p.error));
	else if (a->p.error == EHOSTUNREACH)
		nobody_there(a);
	else
		says(a->out, false, "the sender's own side says: %s", strerrordesc_np(a->p.error));
}

static void silence(struct asking *a)
{
	const char *out = "";

	for (size_t i = 0; i < a->t.n; i++)
		if (!a->t.step[i].answer && a->t.step[i].oif[0])
			out = a->t.step[i].oif;
	if (net_way_neighbour_silent(a->r->netns_fd, a->r->family, &a->out->way))
		nobody_there(a);
	else if (a->r->proto == IPPROTO_UDP)
		says(a->out, true, "nothing stops it; whether somebody listens UDP does not tell");
	else if (*out)
		says(a->out, false, "no rule of this host stops it; it left by %s, and no answer came within %d ms",
		     out, WAIT_MS);
	else
		says(a->out, false, "no rule of this host stops it, and no answer came within %d ms", WAIT_MS);
}

static void verdict(struct asking *a)
{
	const struct net_trace_step *s = net_trace_dropped(&a->t, false);
	char place[96];

	if (!s && a->p.answer != NET_ANSWER_YES && a->p.answer != NET_ANSWER_CLOSED)
		s = net_trace_dropped(&a->t, true);
	if (s)
		stopped(a, s);
	else if (a->p.answer == NET_ANSWER_YES)
		says(a->out, true, "%s answers", where(a, place));
	else if (a->p.answer == NET_ANSWER_CLOSED)
		says(a->out, true, "it arrives; nothing listens on %s", where(a, place));
	else if (a->p.answer == NET_ANSWER_ERROR)
		refused(a);
	else
		silence(a);
}

static bool is_link_local(const unsigned char *a) { return a[0] == 0xfe && (a[1] & 0xc0) == 0x80; }

/* An address that means nothing where the packet goes. */
static bool is_own_only(const struct net_flow *f)
{
	static const unsigned char loopback[16] = { [15] = 1 };

	if (f->family == AF_INET)
		return f->src[0] == 127 || f->src[0] == 0;
	return memcmp(f->src, loopback, 16) == 0 || (is_link_local(f->src) && !is_link_local(f->dst));
}

static int no_source(struct asking *a)
{
	char why[128];

	TRY(net_way_missing(a->r->netns_fd, a->r->family, why, sizeof why));
	says(a->out, false, "%s sends nothing: %s", a->r->from, why);
	return 0;
}

/* 1: there is something to send. 0: it is answered. */
static int before(struct asking *a)
{
	const struct net_why_req *r = a->r;
	struct net_why *w = a->out;
	int n = net_way_find(r->netns_fd, r->family, r->dst, &w->way);

	if (n == -ENETUNREACH || n == -EHOSTUNREACH || n == -EACCES || n == -EINVAL)
		return no_source(a);
	TRY(n);
	if (w->way.local) {
		says(w, true, "it is %s's own address: nothing leaves it", r->from);
		return 0;
	}
	if (!w->way.up || !w->way.carrier) {
		says(w, false, "%s sends nothing: its link %s is down", r->from, w->way.dev);
		return 0;
	}
	return 1;
}

static int ask(struct asking *a)
{
	const struct net_why_req *r = a->r;
	int n = before(a);

	if (n <= 0)
		return n;
	n = net_probe_open(&a->p, r->netns_fd, r->family, r->proto, r->dst, r->port);
	if (n == -ENETUNREACH || n == -EHOSTUNREACH || n == -EACCES || n == -EADDRNOTAVAIL)
		return no_source(a);
	TRY(n);
	if (is_own_only(&a->p.flow))
		return no_source(a);
	a->out->flow = a->p.flow;
	TRY(net_trace_open(&a->t, &a->p.flow, a->out->way.next));
	a->out->probed = true;
	n = net_probe_send(&a->p);
	if (n == -EPERM) {
		says(a->out, false, "%s's own firewall keeps it from being sent", r->from);
		return 0;
	}
	TRY(n);
	TRY(attend(a));
	TRY(net_trace_read(&a->t));
	verdict(a);
	return 0;
}

int net_why(const struct net_why_req *r, struct net_why *out)
{
	static struct asking a;

	memset(out, 0, sizeof *out);
	memset(&a, 0, sizeof a);
	a.r = r;
	a.out = out;
	a.p.fd = a.p.hold = -1;
	net_home_of(r->home, &a.h);
	int n = ask(&a);

	asking_free(&a);
	return n;
}
