#include "netns/rule.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const struct name net_verdicts[] = { { "allow", NET_ALLOW }, { "deny", NET_DENY }, { 0 } };
const struct name net_directions[] = { { "in", NET_IN }, { "out", NET_OUT }, { 0 } };
const struct name net_protocols[] = {
	{ "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "icmp", NET_PROTO_ICMP }, { "any", NET_PROTO_ANY }, { 0 },
};

static const struct field rule_fields[] = {
	ENUMR(struct net_rule, "action", action, net_verdicts),
	ENUMR(struct net_rule, "direction", direction, net_directions),
	F(struct net_rule, "from", K_STR, from),
	F(struct net_rule, "to", K_STR, to),
	ENUM(struct net_rule, "protocol", proto, net_protocols),
	F(struct net_rule, "port", K_U32, port),
	F(struct net_rule, "endPort", K_U32, end_port),
	{ 0 }
};
const struct record net_rule_record = RECORD("rule", struct net_rule, rule_fields);

int net_peer_parse(const char *text, struct net_subnet *out)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	unsigned bits = family == AF_INET ? 32 : 128;
	size_t n = strcspn(text, "/");
	char part[INET6_ADDRSTRLEN];
	uint64_t prefix = bits;

	*out = (struct net_subnet){ 0 };
	if (n >= sizeof part)
		return fail(EINVAL, "\"%.64s\" is not an address or subnet", text);
	memcpy(part, text, n);
	part[n] = '\0';
	if (inet_pton(family, part, out->addr) != 1 || (text[n] && str_u64(text + n + 1, bits, &prefix) < 0))
		return fail(EINVAL, "\"%.64s\" is not an address or subnet", text);
	for (unsigned i = (unsigned)prefix; i < bits; i++)
		if (out->addr[i / 8] & (0x80 >> i % 8))
			return fail(EINVAL, "%.64s: has host bits beyond its prefix", text);
	out->family = family;
	out->prefix = (unsigned)prefix;
	return 0;
}

int net_port_range_parse(const char *text, struct opt_u32 *first, struct opt_u32 *last)
{
	size_t n = strcspn(text, "-");
	uint64_t a, b;
	char part[8];

	if (n >= sizeof part)
		return -EINVAL;
	memcpy(part, text, n);
	part[n] = '\0';
	if (str_u64(part, 65535, &a) < 0 || a < 1)
		return -EINVAL;
	*first = (struct opt_u32){ (uint32_t)a, true };
	*last = (struct opt_u32){ 0 };
	if (!text[n])
		return 0;
	if (str_u64(text + n + 1, 65535, &b) < 0 || b < a)
		return -EINVAL;
	*last = (struct opt_u32){ (uint32_t)b, true };
	return 0;
}

int net_rule_check(const struct net_rule *r)
{
	struct net_subnet s;

	if (r->direction == NET_IN && r->to)
		return fail_as(ERR_CONFIG, ".to: is for direction \"out\"");
	if (r->direction == NET_OUT && r->from)
		return fail_as(ERR_CONFIG, ".from: is for direction \"in\"");
	if (r->from && net_peer_parse(r->from, &s) < 0)
		return fail_as(ERR_CONFIG, ".from: %s", err_text());
	if (r->to && net_peer_parse(r->to, &s) < 0)
		return fail_as(ERR_CONFIG, ".to: %s", err_text());
	if (r->port.set && (r->port.v < 1 || r->port.v > 65535))
		return fail_as(ERR_CONFIG, ".port: must be 1 to 65535");
	if (r->port.set && r->proto == NET_PROTO_ICMP)
		return fail_as(ERR_CONFIG, ".port: icmp has no ports");
	if (r->end_port.set && !r->port.set)
		return fail_as(ERR_CONFIG, ".endPort: needs port");
	if (r->end_port.set && (r->end_port.v < r->port.v || r->end_port.v > 65535))
		return fail_as(ERR_CONFIG, ".endPort: must be %u to 65535", r->port.v);
	return 0;
}

int net_rules_check(const struct list *rules)
{
	struct net_rule *v = rules->v;

	if (rules->n > NET_RULES_MAX)
		return fail_as(ERR_CONFIG, "[%d]: more than %d rules", NET_RULES_MAX, NET_RULES_MAX);
	for (size_t i = 0; i < rules->n; i++) {
		if (!v[i].proto)
			v[i].proto = NET_PROTO_ANY;
		if (net_rule_check(&v[i]) < 0)
			return fail_as(ERR_CONFIG, "[%zu]%s", i, err_text());
	}
	return 0;
}

void net_rule_text(const struct net_rule *r, char *out, size_t size)
{
	const char *peer = r->direction == NET_IN ? r->from : r->to;
	char port[16] = "";

	if (r->port.set)
		snprintf(port, sizeof port, r->end_port.set ? " %u-%u" : " %u", r->port.v, r->end_port.v);
	snprintf(out, size, "%s %s%s%s%s%s%s", name_of(net_verdicts, r->action),
		 name_of(net_directions, r->direction), peer ? r->direction == NET_IN ? " from " : " to " : "",
		 peer ? peer : "", r->proto == NET_PROTO_ANY && !r->port.set ? "" : " ",
		 r->proto == NET_PROTO_ANY ? r->port.set ? "port" : "" : name_of(net_protocols, r->proto), port);
}

bool net_rules_same(const struct list *a, const struct list *b)
{
	const struct net_rule *v = a->v, *w = b->v;
	char x[200], y[200];

	for (size_t i = 0; a->n == b->n && i < a->n; i++) {
		net_rule_text(&v[i], x, sizeof x);
		net_rule_text(&w[i], y, sizeof y);
		if (!str_eq(x, y))
			return false;
	}
	return a->n == b->n;
}
