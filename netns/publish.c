#include "netns/publish.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const struct name net_exposes[] = {
	{ "host", NET_EXPOSE_HOST }, { "lan", NET_EXPOSE_LAN }, { "world", NET_EXPOSE_WORLD }, { 0 },
};
static const struct name protocols[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { 0 } };

static const struct field publish_fields[] = {
	F(struct net_publish, "address", K_STR, address),
	FR(struct net_publish, "port", K_U32, port),
	FR(struct net_publish, "guestPort", K_U32, guest_port),
	F(struct net_publish, "count", K_U32, count),
	ENUM(struct net_publish, "protocol", proto, protocols),
	ENUM(struct net_publish, "expose", expose, net_exposes),
	{ 0 }
};
const struct record net_publish_record = RECORD("port", struct net_publish, publish_fields);

int net_publish_family(const struct net_publish *p)
{
	return !p->address ? AF_UNSPEC : strchr(p->address, ':') ? AF_INET6 : AF_INET;
}

/* An address that a packet may be sent to from elsewhere, or the host's own loopback. */
static int check_address(const char *text, char canonical[INET6_ADDRSTRLEN])
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	struct in6_addr a;

	if (inet_pton(family, text, &a) != 1)
		return fail(EINVAL, "\"%.64s\" is not an address", text);
	if (family == AF_INET ? (a.s6_addr[0] == 0 || a.s6_addr[0] >= 224)
			      : IN6_IS_ADDR_UNSPECIFIED(&a) || IN6_IS_ADDR_MULTICAST(&a) || IN6_IS_ADDR_V4MAPPED(&a))
		return fail(EINVAL, "%.64s is not one address of a host", text);
	if (family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a))
		return fail(EINVAL, "the kernel takes no answer for ::1 by a bridge (127.0.0.1 it does)");
	if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a))
		return fail(EINVAL, "%.64s: a link-local address leads to no other link", text);
	inet_ntop(family, &a, canonical, INET6_ADDRSTRLEN);
	return 0;
}

static int check_ports(const struct net_publish *p)
{
	unsigned n = net_publish_count(p);

	if (p->port.v < 1 || p->port.v > 65535)
		return fail(EINVAL, ".port: must be 1 to 65535");
	if (p->guest_port.v < 1 || p->guest_port.v > 65535)
		return fail(EINVAL, ".guestPort: must be 1 to 65535");
	if (n < 1 || n > NET_PUBLISH_SPAN)
		return fail(EINVAL, ".count: must be 1 to %d", NET_PUBLISH_SPAN);
	if (p->port.v + n - 1 > 65535 || p->guest_port.v + n - 1 > 65535)
		return fail(EINVAL, ".count: goes beyond port 65535");
	return 0;
}

static int check(const struct net_publish *p)
{
	char canonical[INET6_ADDRSTRLEN];

	if (p->address)
		TRY_IN(check_address(p->address, canonical), ".address");
	if (p->address && !str_eq(p->address, canonical))
		return fail(EINVAL, ".address: %.64s is written %s", p->address, canonical);
	return check_ports(p);
}

int net_publish_check(const struct list *ports)
{
	struct net_publish *v = ports->v;
	char text[128];

	if (ports->n > NET_PUBLISH_MAX)
		return fail_as(ERR_CONFIG, "[%d]: more than %d published ports and ranges", NET_PUBLISH_MAX,
			       NET_PUBLISH_MAX);
	for (size_t i = 0; i < ports->n; i++) {
		if (!v[i].proto)
			v[i].proto = IPPROTO_TCP;
		if (!v[i].expose)
			v[i].expose = NET_EXPOSE_HOST;
		if (check(&v[i]) < 0)
			return fail_as(ERR_CONFIG, "[%zu]%s", i, err_text());
		for (size_t k = 0; k < i; k++) {
			if (!net_publish_clash(&v[i], &v[k]))
				continue;
			net_publish_text(&v[k], true, text, sizeof text);
			return fail_as(ERR_CONFIG, "[%zu].port: clashes with [%zu], %s", i, k, text);
		}
	}
	return 0;
}

/* ---- the words of the command line --------------------------------------------------------------- */

/* "80" or "80-90"; first and last. */
static int parse_range(const char *text, uint64_t *first, uint64_t *last)
{
	char part[16];
	size_t n = strcspn(text, "-");

	if (n >= sizeof part)
		return -EINVAL;
	memcpy(part, text, n);
	part[n] = '\0';
	if (str_u64(part, 65535, first) < 0 || *first < 1)
		return -EINVAL;
	*last = *first;
	if (text[n] && (str_u64(text + n + 1, 65535, last) < 0 || *last < *first))
		return -EINVAL;
	return 0;
}

/* Takes the host's address off the front of *rest. */
static int take_address(const char *text, char **rest, struct net_publish *out, char address[INET6_ADDRSTRLEN])
{
	char *p = *rest, *end;
	bool brackets = *p == '[';

	/* Two colons, or a dot: an address comes first. */
	if (!brackets && !(strchr(p, '.') && strchr(p, ':')))
		return 0;
	end = brackets ? strchr(p, ']') : strchr(p, ':');
	if (!end || (brackets && end[1] != ':'))
		return fail_as(ERR_USAGE, "\"%.80s\": expected [HOST:]PORT:GUESTPORT, an IPv6 address in brackets", text);
	*rest = end + 1 + brackets;
	*end = '\0';
	p += brackets;
	if (brackets != !!strchr(p, ':') || check_address(p, address) < 0)
		return fail_as(ERR_USAGE, "\"%.80s\": %s", text,
			       brackets != !!strchr(p, ':') ? "brackets are for an IPv6 address" : err_text());
	out->address = address;
	return 0;
}

int net_publish_parse(const char *text, bool to_remove, struct net_publish *out, char address[INET6_ADDRSTRLEN])
{
	uint64_t first, last, gfirst = 0, glast = 0;
	char copy[128], *rest = copy, *slash, *colon;

	*out = (struct net_publish){ .proto = IPPROTO_TCP, .expose = NET_EXPOSE_HOST };
	if (strlen(text) >= sizeof copy)
		return fail_as(ERR_USAGE, "\"%.20s...\": expected [HOST:]PORT:GUESTPORT", text);
	memcpy(copy, text, strlen(text) + 1);
	slash = strrchr(copy, '/');
	if (slash) {
		*slash = '\0';
		out->proto = str_eq(slash + 1, "tcp") ? IPPROTO_TCP : str_eq(slash + 1, "udp") ? IPPROTO_UDP : 0;
		if (!out->proto)
			return fail_as(ERR_USAGE, "\"%.80s\": unknown protocol (tcp or udp)", text);
	}
	TRY(take_address(text, &rest, out, address));
	colon = strchr(rest, ':');
	if (colon)
		*colon++ = '\0';
	else if (!to_remove)
		return fail_as(ERR_USAGE, "\"%.80s\": expected [HOST:]PORT:GUESTPORT", text);
	if (parse_range(rest, &first, &last) < 0 || (colon && parse_range(colon, &gfirst, &glast) < 0))
		return fail_as(ERR_USAGE, "\"%.80s\": a port is 1 to 65535, a range FIRST-LAST", text);
	if (last - first >= NET_PUBLISH_SPAN)
		return fail_as(ERR_USAGE, "\"%.80s\": more than %d ports at once", text, NET_PUBLISH_SPAN);
	if (colon && last - first != glast - gfirst)
		return fail_as(ERR_USAGE, "\"%.80s\": the ranges differ in length", text);
	out->port = (struct opt_u32){ (uint32_t)first, true };
	out->guest_port = (struct opt_u32){ (uint32_t)gfirst, !!colon };
	out->count = (struct opt_u32){ (uint32_t)(last - first + 1), last != first };
	return 0;
}

void net_publish_text(const struct net_publish *p, bool host_only, char *out, size_t size)
{
	bool six = net_publish_family(p) == AF_INET6;
	unsigned more = net_publish_count(p) - 1;
	char host[16], guest[20] = "";

	snprintf(host, sizeof host, more ? "%u-%u" : "%u", p->port.v, p->port.v + more);
	if (!host_only)
		snprintf(guest, sizeof guest, more ? ":%u-%u" : ":%u", p->guest_port.v, p->guest_port.v + more);
	snprintf(out, size, "%s%s%s%s%s%s/%s", six ? "[" : "", p->address ? p->address : "", six ? "]" : "",
		 p->address ? ":" : "", host, guest, name_of(protocols, p->proto));
}

bool net_publish_clash(const struct net_publish *a, const struct net_publish *b)
{
	return a->proto == b->proto && a->port.v < b->port.v + net_publish_count(b) &&
	       b->port.v < a->port.v + net_publish_count(a) &&
	       (!a->address || !b->address || str_eq(a->address, b->address));
}

bool net_publish_same(const struct net_publish *a, const struct net_publish *b)
{
	if (a->proto != b->proto || a->port.v != b->port.v || net_publish_count(a) != net_publish_count(b))
		return false;
	if (a->guest_port.set && b->guest_port.set && a->guest_port.v != b->guest_port.v)
		return false;
	return a->address ? b->address && str_eq(a->address, b->address) : !b->address;
}
