/* The configuration's slice: vzrun.networks. */
#include "base/scope.h"
#include "netns/addr.h"
#include "netns/name.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const struct name net_kinds[] = {
	{ "network", NET_KIND_NETWORK }, { "macvlan", NET_KIND_MACVLAN }, { "ipvlan", NET_KIND_IPVLAN },
	{ "physical", NET_KIND_PHYSICAL }, { 0 }
};

static const struct field nic_fields[] = {
	ENUM(struct net_nic_conf, "kind", kind, net_kinds),
	F(struct net_nic_conf, "network", K_STR, network),
	F(struct net_nic_conf, "parent", K_STR, parent),
	F(struct net_nic_conf, "name", K_STR, name),
	F(struct net_nic_conf, "ip", K_STR, ip),
	F(struct net_nic_conf, "ip6", K_STR, ip6),
	F(struct net_nic_conf, "mac", K_STR, mac),
	F(struct net_nic_conf, "rate", K_STR, rate),
	F(struct net_nic_conf, "index", K_U32, index),
	{ 0 }
};
const struct record net_nic_record = RECORD("network interface", struct net_nic_conf, nic_fields);

/* ---- values ------------------------------------------------------------------------------------ */

static int no_address(const char *text, int family)
{
	return fail_as(ERR_CONFIG, "%.64s is not an IPv%c address", text, family == AF_INET ? '4' : '6');
}

int net_wish_parse(const char *text, int family, struct net_wish *out)
{
	char addr[INET6_ADDRSTRLEN];
	const char *slash;
	uint64_t prefix;
	size_t n;

	*out = (struct net_wish){ .automatic = !text || str_eq(text, "auto") };
	if (out->automatic || str_eq(text, "none"))
		return 0;
	slash = strchr(text, '/');
	n = slash ? (size_t)(slash - text) : strlen(text);
	if (n >= sizeof addr)
		return no_address(text, family);
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (inet_pton(family, addr, out->addr) != 1)
		return no_address(text, family);
	if (slash && (str_u64(slash + 1, 8 * net_addr_size(family), &prefix) < 0 || prefix == 0))
		return fail_as(ERR_CONFIG, "%.64s: the prefix must be 1 to %zu", text, 8 * net_addr_size(family));
	if (slash)
		out->prefix = (unsigned)prefix;
	out->given = true;
	return 0;
}

enum { RATE_MIN = 8000, BURST_MIN = 65536, BURST_MAX = 1 << 30 };
#define RATE_MAX UINT64_C(1000000000000)

/* "100M": digits, at most one letter. */
static bool scaled(const char *s, size_t n, unsigned step, uint64_t max, uint64_t *out)
{
	static const char letters[] = "KMGT";
	const char *letter = n ? strchr(letters, s[n - 1] & ~0x20) : NULL;
	uint64_t scale = 1;
	char digits[24];

	if (letter && *letter) {
		for (const char *p = letters; p <= letter; p++)
			scale *= step;
		n--;
	}
	if (n == 0 || n >= sizeof digits)
		return false;
	memcpy(digits, s, n);
	digits[n] = '\0';
	if (str_u64(digits, max / scale, out) < 0)
		return false;
	*out *= scale;
	return true;
}

static int bits(const char *whole, const char *s, size_t n, uint64_t *out)
{
	*out = 0;
	if (n == 3 && memcmp(s, "max", 3) == 0)
		return 0;
	if (!scaled(s, n, 1000, RATE_MAX, out))
		return fail_as(ERR_CONFIG, "%.64s: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max",
			       whole);
	return *out < RATE_MIN ? fail_as(ERR_CONFIG, "%.64s: less than 8K bits a second", whole) : 0;
}

int net_rate_parse(const char *text, struct net_rate *out)
{
	const char *in = text, *next = in + strcspn(in, ":");

	*out = (struct net_rate){ 0 };
	TRY(bits(text, in, (size_t)(next - in), &out->in));
	out->out = out->in;
	if (!*next++)
		return 0;
	in = next;
	next = in + strcspn(in, ":");
	if (next > in)
		TRY(bits(text, in, (size_t)(next - in), &out->out));
	if (!*next++)
		return 0;
	if (!scaled(next, strlen(next), 1024, BURST_MAX, &out->burst))
		return fail_as(ERR_CONFIG, "%.64s: the burst is a number of bytes, at most 1G: 256K", text);
	/* Segmentation offload hands over packets of this size; a smaller bucket passes none of them. */
	if (out->burst < BURST_MIN)
		return fail_as(ERR_CONFIG, "%.64s: the burst is less than 64K, the largest packet", text);
	return 0;
}

static char *shortest(struct arena *a, uint64_t v, unsigned step)
{
	static const char letters[][2] = { "", "K", "M", "G", "T" };
	size_t i = 0;

	while (v && v % step == 0 && i < COUNT(letters) - 1) {
		v /= step;
		i++;
	}
	return v ? arena_printf(a, "%ju%s", (uintmax_t)v, letters[i]) : arena_strdup(a, "max");
}

char *net_rate_text(struct arena *a, const struct net_rate *r)
{
	const char *in = shortest(a, r->in, 1000), *out = r->out == r->in ? "" : shortest(a, r->out, 1000);

	if (!in || !out)
		return NULL;
	if (r->burst)
		return arena_printf(a, "%s:%s:%s", in, out, shortest(a, r->burst, 1024));
	return *out ? arena_printf(a, "%s:%s", in, out) : arena_strdup(a, in);
}

/* ---- one NIC ----------------------------------------------------------------------------------- */

/* "MEMBER: what", from a message that begins with the value. */
static int in_member(int r, const char *member)
{
	char what[256];

	snprintf(what, sizeof what, "%s", err_text());
	return r < 0 ? fail_as(ERR_CONFIG, ".%s: %s", member, what) : 0;
}

static int check_address(const struct net_nic_conf *c, const char *member, const char *text, int family)
{
	struct net_wish w;

	TRY(in_member(net_wish_parse(text, family, &w), member));
	if (c->kind <= NET_KIND_NETWORK || !text)
		return 0;
	if (w.automatic)
		return fail_as(ERR_CONFIG, ".%s: auto: nobody leases addresses for a %s interface (ADDRESS/PREFIX)",
			       member, name_of(net_kinds, c->kind));
	if (w.given && !w.prefix)
		return fail_as(ERR_CONFIG, ".%s: %.64s: a %s interface needs ADDRESS/PREFIX", member, text,
			       name_of(net_kinds, c->kind));
	return 0;
}

static int check_mac(const struct net_nic_conf *c)
{
	unsigned char a[6];

	if (!c->mac)
		return 0;
	if (net_mac_parse(c->mac, a) < 0 || memcmp(a, "\0\0\0\0\0", 6) == 0)
		return fail_as(ERR_CONFIG, ".mac: %.32s is not a MAC address", c->mac);
	if (a[0] & 1)
		return fail_as(ERR_CONFIG, ".mac: %.32s is a group address", c->mac);
	if (c->kind == NET_KIND_IPVLAN)
		return fail_as(ERR_CONFIG, ".mac: an ipvlan interface has its parent's");
	return 0;
}

static int check_kind(const struct net_nic_conf *c)
{
	bool network = c->kind <= NET_KIND_NETWORK;

	if (network && c->parent)
		return fail_as(ERR_CONFIG, ".parent: a port of a network has none");
	if (!network && c->network)
		return fail_as(ERR_CONFIG, ".network: a %s interface is on none", name_of(net_kinds, c->kind));
	if (!network && !c->parent)
		return fail_as(ERR_CONFIG, ".parent: missing (the host's link)");
	if (!network && !net_is_inside_name(c->parent))
		return fail_as(ERR_CONFIG, ".parent: \"%.20s\" is no interface of the host's for a guest (not lo; 1 to 15 "
			       "characters, no / : %%)", c->parent);
	if (!network && c->rate)
		return fail_as(ERR_CONFIG, ".rate: only a port of a network is limited, not a %s interface",
			       name_of(net_kinds, c->kind));
	return 0;
}

static int check_nic(const struct net_nic_conf *c)
{
	struct net_rate rate;

	if (c->network && !str_is_name(c->network))
		return fail_as(ERR_CONFIG, ".network: not the name of a network");
	if (c->name && !net_is_inside_name(c->name))
		return fail_as(ERR_CONFIG,
			       ".name: not the name of an interface (1 to 15 characters, no / : %%)");
	if (c->index.set && c->index.v >= NET_PORTS_MAX)
		return fail_as(ERR_CONFIG, ".index: %u is too large (at most %d)", c->index.v, NET_PORTS_MAX - 1);
	TRY(check_kind(c));
	TRY(check_address(c, "ip", c->ip, AF_INET));
	TRY(check_address(c, "ip6", c->ip6, AF_INET6));
	TRY(check_mac(c));
	return c->rate ? in_member(net_rate_parse(c->rate, &rate), "rate") : 0;
}

/* ---- the list ---------------------------------------------------------------------------------- */

/* "[i]" joins the member's name without a colon between. */
static int place(int r, size_t i)
{
	char member[256];

	snprintf(member, sizeof member, "%s", err_text());
	return r < 0 ? fail_as(err_class(), "[%zu]%s", i, member) : r;
}

unsigned net_nic_index(const struct net_nic_conf *c, size_t i)
{
	return c->index.set ? c->index.v : (unsigned)i;
}

void net_inside_name(const struct net_nic_conf *c, size_t i, char out[IFNAMSIZ])
{
	if (c->name)
		snprintf(out, IFNAMSIZ, "%s", c->name);
	else
		snprintf(out, IFNAMSIZ, "eth%u", net_nic_index(c, i) % NET_PORTS_MAX);
}

static int check_pair(const struct net_nic_conf *v, size_t i, size_t k)
{
	char a[IFNAMSIZ], b[IFNAMSIZ];

	net_inside_name(&v[i], i, a);
	net_inside_name(&v[k], k, b);
	if (net_nic_index(&v[i], i) == net_nic_index(&v[k], k))
		return fail_as(ERR_CONFIG, "[%zu].index: %u is given twice", i, net_nic_index(&v[i], i));
	if (str_eq(a, b))
		return fail_as(ERR_CONFIG, "[%zu].name: %s is given twice", i, a);
	if (v[i].kind == NET_KIND_PHYSICAL && v[k].kind == NET_KIND_PHYSICAL && str_eq(v[i].parent, v[k].parent))
		return fail_as(ERR_CONFIG, "[%zu].parent: %s is given twice", i, v[i].parent);
	return 0;
}

int net_check(const struct list *nics)
{
	const struct net_nic_conf *v = nics->v;

	if (nics->n > NET_PORTS_MAX)
		return fail_as(ERR_CONFIG, "[%d]: more than %d network interfaces", NET_PORTS_MAX,
			       NET_PORTS_MAX);
	for (size_t i = 0; i < nics->n; i++) {
		TRY(place(check_nic(&v[i]), i));
		for (size_t k = 0; k < i; k++)
			TRY(check_pair(v, i, k));
	}
	return 0;
}
