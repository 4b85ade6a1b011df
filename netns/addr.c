#include "netns/addr.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { unsigned min, max; } prefix_range[2] = { { 8, 30 }, { 16, 126 } };

static void clear_host_bits(unsigned char *a, size_t size, unsigned prefix)
{
	for (size_t i = 0; i < size; i++) {
		unsigned keep = prefix >= 8 * (i + 1) ? 8 : prefix > 8 * i ? prefix - 8 * (unsigned)i : 0;

		a[i] &= (unsigned char)(0xff00 >> keep);
	}
}

void net_subnet_mask(struct net_subnet *s)
{
	clear_host_bits(s->addr, net_addr_size(s->family), s->prefix);
}

int net_subnet_parse(const char *text, int family, struct net_subnet *out)
{
	const char *slash = strchr(text, '/');
	unsigned lo = prefix_range[family == AF_INET6].min, hi = prefix_range[family == AF_INET6].max;
	char part[INET6_ADDRSTRLEN];
	unsigned char whole[16];
	uint64_t prefix;

	memset(out, 0, sizeof *out);
	if (!slash || (size_t)(slash - text) >= sizeof part)
		return fail(EINVAL, "%.64s: expected ADDRESS/PREFIX", text);
	memcpy(part, text, (size_t)(slash - text));
	part[slash - text] = '\0';
	if (inet_pton(family, part, out->addr) != 1)
		return fail(EINVAL, "%.64s: not an IPv%c subnet", text, family == AF_INET ? '4' : '6');
	if (str_u64(slash + 1, hi, &prefix) < 0 || prefix < lo)
		return fail(EINVAL, "%.64s: prefix must be %u to %u", text, lo, hi);
	memcpy(whole, out->addr, sizeof whole);
	clear_host_bits(out->addr, net_addr_size(family), (unsigned)prefix);
	if (memcmp(whole, out->addr, net_addr_size(family)) != 0)
		return fail(EINVAL, "%.64s: has host bits beyond its prefix", text);
	out->family = family;
	out->prefix = (unsigned)prefix;
	return 0;
}

void net_subnet_text(const struct net_subnet *s, char *out, size_t size)
{
	char a[INET6_ADDRSTRLEN] = "";

	if (!s->family || !inet_ntop(s->family, s->addr, a, sizeof a))
		snprintf(out, size, "%s", "");
	else
		snprintf(out, size, "%s/%u", a, s->prefix);
}

/* Of hundreds of routes each is compared with a new subnet. */
static bool same_prefix(const unsigned char *a, const unsigned char *b, unsigned prefix)
{
	unsigned whole = prefix / 8, rest = prefix % 8;

	return memcmp(a, b, whole) == 0 && (!rest || ((a[whole] ^ b[whole]) & 0xff00 >> rest & 0xff) == 0);
}

bool net_subnet_has(const struct net_subnet *s, const unsigned char *addr)
{
	return s->family && same_prefix(s->addr, addr, s->prefix);
}

bool net_subnet_overlap(const struct net_subnet *a, const struct net_subnet *b)
{
	unsigned shorter = a->prefix < b->prefix ? a->prefix : b->prefix;

	return a->family && a->family == b->family &&
	       same_prefix(a->addr, b->addr, shorter);
}

uint64_t net_subnet_offset(const struct net_subnet *s, const unsigned char *addr)
{
	size_t size = net_addr_size(s->family);
	unsigned bits = 8 * (unsigned)size - s->prefix;
	uint64_t v = 0;

	for (size_t i = size > 8 ? size - 8 : 0; i < size; i++)
		v = v << 8 | addr[i];
	return bits >= 64 ? v : v & ((UINT64_C(1) << bits) - 1);
}

void net_subnet_at(const struct net_subnet *s, uint64_t offset, unsigned char *addr)
{
	size_t size = net_addr_size(s->family);

	memcpy(addr, s->addr, size);
	for (size_t i = size; i-- > 0 && offset; offset >>= 8)
		addr[i] |= (unsigned char)offset;
}

uint64_t net_subnet_last(const struct net_subnet *s)
{
	unsigned bits = 8 * (unsigned)net_addr_size(s->family) - s->prefix;

	if (bits >= 64)
		return UINT64_MAX;
	/* The last address of an IPv4 subnet is its broadcast address. */
	return (UINT64_C(1) << bits) - (s->family == AF_INET ? 2 : 1);
}

const struct net_route *net_clash(const struct net_subnet *s, const struct net_route *r, size_t n,
				  int own_oif)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].to.prefix > 0 && (own_oif <= 0 || r[i].oif != own_oif) &&
		    net_subnet_overlap(s, &r[i].to))
			return &r[i];
	return NULL;
}

/* What is chosen from, in this order. */
static const struct range { uint32_t base; unsigned prefix, n; } ranges[] = {
	{ 0x0a4d0000, 16, 3 }, { 0x0a460000, 16, 7 }, { 0x0a500000, 16, 171 }, { 0xac100000, 20, 256 },
};

static void mark_taken(const struct range *g, const struct net_subnet *s, bool *taken)
{
	uint32_t from, to, step = UINT32_C(1) << (32 - g->prefix);

	if (s->family != AF_INET || s->prefix == 0)
		return;
	memcpy(&from, s->addr, sizeof from);
	from = ntohl(from);
	to = from | (uint32_t)(UINT64_C(0xffffffff) >> s->prefix);
	if (to < g->base || from > g->base + (g->n * step - 1))
		return;
	for (uint32_t i = from <= g->base ? 0 : (from - g->base) / step;
	     i < g->n && g->base + i * step <= to; i++)
		taken[i] = true;
}

int net_subnet_pick(const struct net_route *r, size_t n, struct net_subnet *out)
{
	for (const struct range *g = ranges; g < ranges + sizeof ranges / sizeof *ranges; g++) {
		bool taken[256] = { false };

		for (size_t i = 0; i < n; i++)
			mark_taken(g, &r[i].to, taken);
		for (unsigned i = 0; i < g->n; i++) {
			uint32_t a = htonl(g->base + i * (UINT32_C(1) << (32 - g->prefix)));

			if (taken[i])
				continue;
			*out = (struct net_subnet){ .family = AF_INET, .prefix = g->prefix };
			memcpy(out->addr, &a, sizeof a);
			return 0;
		}
	}
	return fail_as(ERR_RESOURCE, "no subnet among 10.70.0.0/16 to 10.250.0.0/16 and in 172.16.0.0/12 is free "
				     "of the host's routes");
}

void net_link_local_of(const unsigned char mac[6], unsigned char out[16])
{
	const unsigned char eui[8] = { mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5] };

	memset(out, 0, 16);
	out[0] = 0xfe;
	out[1] = 0x80;
	memcpy(out + 8, eui, sizeof eui);
}

int net_mac_parse(const char *text, unsigned char mac[6])
{
	static const char hex[] = "0123456789abcdefABCDEF";

	if (strlen(text) != 17)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		const char *p = text + 3 * i;

		if (!strchr(hex, p[0]) || !strchr(hex, p[1]) || (i < 5 && p[2] != ':'))
			return -EINVAL;
		mac[i] = (unsigned char)strtoul(p, NULL, 16);
	}
	return 0;
}

void net_mac_text(const unsigned char mac[6], char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}
