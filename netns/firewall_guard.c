/* The chains of a guest's firewall as nft commands, composed from values that were checked one by one. */
#include "netns/firewall_guard.h"
#include "base/str.h"
#include "netns/firewall_main.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct peer { int family; char addr[INET6_ADDRSTRLEN]; unsigned prefix; };

/* What inet_ntop() writes is what stands in the rule. */
static int parse_peer(const char *text, struct peer *out)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	unsigned bits = family == AF_INET ? 32 : 128;
	size_t n = strcspn(text, "/");
	char part[INET6_ADDRSTRLEN];
	struct in6_addr a;
	uint64_t prefix = bits;

	if (n >= sizeof part)
		return fail(EINVAL, "peer: not an address");
	memcpy(part, text, n);
	part[n] = '\0';
	if (inet_pton(family, part, &a) != 1 || (text[n] && str_u64(text + n + 1, bits, &prefix) < 0))
		return fail(EINVAL, "peer: not an address");
	inet_ntop(family, &a, out->addr, sizeof out->addr);
	out->family = family;
	out->prefix = (unsigned)prefix;
	return 0;
}

static const struct { const char *word, *match, *ported; } protocols[] = {
	{ "tcp", "meta l4proto tcp ", "meta l4proto tcp " },
	{ "udp", "meta l4proto udp ", "meta l4proto udp " },
	{ "icmp", "meta l4proto { icmp, ipv6-icmp } ", NULL },
	{ "any", "", "meta l4proto { tcp, udp } " },
};

static int rule(const char *table, const char *id, const struct fw_rule *r, struct buf *out)
{
	unsigned last = r->end_port.set ? r->end_port.v : r->port.v;
	struct peer p = { 0 };
	size_t k = 0;

	while (k < sizeof protocols / sizeof protocols[0] && !str_eq(protocols[k].word, r->protocol))
		k++;
	if (k == sizeof protocols / sizeof protocols[0] || (r->port.set && !protocols[k].ported))
		return fail(EINVAL, "protocol: not one with these ports");
	if (r->port.set && (r->port.v < 1 || r->port.v > last || last > 65535))
		return fail(EINVAL, "port: not a port or a range");
	if (r->peer)
		TRY(parse_peer(r->peer, &p));
	buf_printf(out, "add rule inet %s %s_%s ", table, r->in ? "in" : "out", id);
	/* An address of 0/0 still says which family. */
	if (p.family && p.prefix == 0)
		buf_printf(out, "meta nfproto %s ", p.family == AF_INET ? "ipv4" : "ipv6");
	else if (p.family)
		buf_printf(out, "%s %s %s/%u ", p.family == AF_INET ? "ip" : "ip6", r->in ? "saddr" : "daddr", p.addr,
			   p.prefix);
	buf_puts(out, r->port.set ? protocols[k].ported : protocols[k].match);
	if (r->port.set)
		buf_printf(out, "th dport %u-%u ", r->port.v, last);
	buf_puts(out, r->deny ? "drop\n" : "return\n");
	return 0;
}

/*
 * What neighbours began before the guest's first rule was bridged, past these chains. Who opened it is not known, and
 * the end that speaks first would have opened it, perhaps the way that is allowed. So it ends, on both sides.
 */
static void end_unknown(const char *table, const char *way, const char *id, struct buf *out)
{
	static const char *const families[][2] = { { "ip", "self4" }, { "ip6", "self6" } };

	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
		buf_printf(out, "add rule inet %s %s_%s ct state new tcp flags & (fin | syn | rst | ack) != syn "
			   "iifname . %s saddr @%s oifname . %s saddr @%s reject with tcp reset\n", table, way, id,
			   families[i][0], families[i][1], families[i][0], families[i][1]);
}

int fw_guard_compose(const char *table, const struct fw_guard *g, struct buf *out)
{
	static const char *const ways[] = { "in", "out" };
	size_t i = 0;

	if (strlen(g->id) != 8 || strspn(g->id, "0123456789abcdef") != 8)
		return fail(EINVAL, "id: not one of a guest");
	for (size_t k = 0; k < 2; k++) {
		buf_printf(out, g->rules.n ? "add chain inet %s %s_%s\nflush chain inet %s %s_%s\n"
					   : "add chain inet %s %s_%s\ndelete chain inet %s %s_%s\n",
			   table, ways[k], g->id, table, ways[k], g->id);
		if (g->rules.n)
			end_unknown(table, ways[k], g->id, out);
	}
	LIST_EACH(const struct fw_rule, r, g->rules) {
		TRY_IN(rule(table, g->id, r, out), "rules[%zu]", i);
		i++;
	}
	return 0;
}
