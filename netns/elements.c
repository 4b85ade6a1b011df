#include "netns/elements.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/guard.h"
#include "netns/kernel.h"
#include "netns/rate.h"
#include "netns/shortcut.h"
#include "netns/vxlan.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- definitions ------------------------------------------------------------------------------------ */

static struct net_file *one_more(struct net_defs *s)
{
	struct net_file *v = reallocarray(s->f, s->n + 1, sizeof *v);

	if (!v)
		return NULL;
	s->f = v;
	memset(&v[s->n], 0, sizeof *v);
	return &v[s->n++];
}

const struct net_def *net_defs_find(struct net_defs *s, const char *network)
{
	struct net_file *f;

	for (size_t i = 0; i < s->n; i++)
		if (s->f[i].d.name && str_eq(s->f[i].d.name, network))
			return &s->f[i].d;
	f = one_more(s);
	if (!f)
		return NULL;
	if (net_def_load(s->dir, network, f) == 0)
		return &f->d;
	s->n--;
	log_debug("%s", err_text());
	err_clear();
	return NULL;
}

void net_defs_lend(struct net_defs *s, const struct net_def *d)
{
	struct net_file *f = one_more(s);

	/* Without memory it is loaded again. */
	if (f)
		f->d = *d;
}

void net_defs_free(struct net_defs *s)
{
	for (size_t i = 0; i < s->n; i++)
		net_file_free(&s->f[i]);
	free(s->f);
	*s = (struct net_defs){ .dir = s->dir };
}

/* ---- networks ---------------------------------------------------------------------------------------- */

static void stamp(struct nft_elem *e, const char *name, uint64_t mark)
{
	snprintf(e->comment, sizeof e->comment, "%s %016llx", name, (unsigned long long)mark);
}

static void bounds(const struct net_subnet *s, unsigned char first[16], unsigned char last[16])
{
	size_t size = net_addr_size(s->family);

	memset(first, 0, 16);
	memcpy(first, s->addr, size);
	memcpy(last, first, 16);
	for (size_t i = 0; i < size; i++)
		if (8 * (i + 1) > s->prefix)
			last[i] |= (unsigned char)(s->prefix > 8 * i ? 0xff >> (s->prefix - 8 * i) : 0xff);
}

static void whole_subnet(struct nft_list *out, int set, const struct net_subnet *s)
{
	unsigned char first[16], last[16];

	bounds(s, first, last);
	nft_end(nft_add(out, set, first), last);
}

static const unsigned char broadcast[4] = { 255, 255, 255, 255 };
static const unsigned char dhcp6_servers[16] = { 0xff, 0x02, [13] = 0x01, [15] = 0x02 };

/* dnsmasq listens there. */
static void services(const struct net_def *d, struct nft_list *out)
{
	static const struct { int proto, port; } dns[] = { { IPPROTO_UDP, 53 }, { IPPROTO_TCP, 53 } };
	unsigned char gw[16];

	for (size_t i = 0; i < COUNT(dns); i++) {
		if (d->v4.family) {
			net_subnet_at(&d->v4, NET_GATEWAY, gw);
			nft_add(out, FW_SERVICES4, d->bridge, gw, dns[i].proto, dns[i].port);
		}
		if (d->v6.family) {
			net_subnet_at(&d->v6, NET_GATEWAY, gw);
			nft_add(out, FW_SERVICES6, d->bridge, gw, dns[i].proto, dns[i].port);
		}
	}
	if (d->v4.family) {
		net_subnet_at(&d->v4, NET_GATEWAY, gw);
		nft_add(out, FW_SERVICES4, d->bridge, gw, IPPROTO_UDP, 67);
		nft_add(out, FW_SERVICES4, d->bridge, broadcast, IPPROTO_UDP, 67);
	}
	if (d->v6.family)
		nft_add(out, FW_SERVICES6, d->bridge, dhcp6_servers, IPPROTO_UDP, 547);
}

/* Frames of the other hosts come in by the tunnel's link, its packets by any. */
static void tunnel(const struct net_home *h, const struct net_def *d, struct nft_list *out)
{
	unsigned char vni[3] = { (unsigned char)(d->vxlan->vni >> 16), (unsigned char)(d->vxlan->vni >> 8),
				 (unsigned char)d->vxlan->vni };
	unsigned char a[16], mac[6];
	char link[IFNAMSIZ];

	nft_add(out, FW_VNIS, (int)d->vxlan->port, vni);
	for (size_t i = 0; i < d->vxlan->peers.n; i++)
		if (inet_pton(d->vxlan->family, d->vxlan->peers.v[i], a) == 1)
			nft_add(out, d->vxlan->family == AF_INET ? FW_PEERS4 : FW_PEERS6, (int)d->vxlan->port, vni, a);
	net_tunnel_name(h, d->name, link);
	net_bridge_mac(h, d->name, mac);
	nft_add(out, FW_TUNNEL_GWMAC, link, mac);
	if (d->v4.family) {
		net_subnet_at(&d->v4, NET_GATEWAY, a);
		nft_add(out, FW_TUNNEL_GW4, link, a);
	}
	if (d->v6.family) {
		net_subnet_at(&d->v6, NET_GATEWAY, a);
		nft_add(out, FW_TUNNEL_GW6, link, a);
	}
}

/* What a guest says to a published port of its own segment. */
static void hairpin(const struct net_def *d, struct nft_list *out)
{
	const struct net_subnet *s[] = { &d->v4, &d->v6 };

	for (size_t i = 0; i < COUNT(s); i++) {
		bool four = s[i]->family == AF_INET;
		unsigned char first[16], last[16], gw[16];

		if (!s[i]->family)
			continue;
		bounds(s[i], first, last);
		net_subnet_at(s[i], NET_GATEWAY, gw);
		nft_add(out, four ? FW_GATEWAYS4 : FW_GATEWAYS6, gw);
		nft_end(nft_add(out, four ? FW_SELF4 : FW_SELF6, d->bridge, first), d->bridge, last);
	}
}

static void ways(const struct net_def *d, struct nft_list *out)
{
	unsigned char gw[16];

	if (!d->isolate_ports)
		nft_add(out, FW_LINKS, d->bridge, d->bridge);
	if (d->mode != NET_ISOLATED)
		nft_add(out, FW_OUTWARD, d->bridge);
	if (d->v4.family) {
		net_subnet_at(&d->v4, NET_GATEWAY, gw);
		nft_add(out, FW_HOSTS4, d->bridge, gw);
	}
	if (d->v6.family) {
		net_subnet_at(&d->v6, NET_GATEWAY, gw);
		nft_add(out, FW_HOSTS6, d->bridge, gw);
	}
	hairpin(d, out);
	if (d->mode == NET_NAT && d->v4.family)
		whole_subnet(out, FW_NAT4, &d->v4);
	if (d->mode == NET_NAT && d->v6.family)
		whole_subnet(out, FW_NAT6, &d->v6);
}

/* What others may do there, and shortcuts, are elements by other names: by this it is known if they follow the file. */
static uint64_t file_mark(const struct net_def *d)
{
	uint64_t all = net_shortcut_wanted(d);

	LIST_EACH(const struct net_allow, w, d->allow) {
		uint64_t parts[] = { all, str_hash(w->from, strlen(w->from)), (uint64_t)w->proto, w->first, w->last };

		all = str_hash(parts, sizeof parts);
	}
	return all;
}

void net_elements_of_network(const struct net_home *h, const struct net_def *d, struct nft_list *out)
{
	size_t first = out->n;

	if (d->mode == NET_BRIDGE)
		return;
	nft_add(out, FW_BRIDGES, d->bridge);
	ways(d, out);
	if (d->dns)
		services(d, out);
	if (d->vxlan)
		tunnel(h, d, out);
	if (out->oom)
		return;
	struct nft_list own = { .v = out->v + first, .n = out->n - first };
	stamp(&out->v[first], d->name, net_fw_rules_mark() ^ nft_mark(&own) ^ file_mark(d));
}

static void allow(const struct net_def *d, const char *from, const struct net_allow *w, struct nft_list *out)
{
	if (!w->port) {
		if (from)
			nft_add(out, FW_LINKS, from, d->bridge);
		else
			nft_add(out, FW_INWARD, d->bridge);
		return;
	}
	if (from)
		nft_end(nft_add(out, FW_LINKS_PORT, from, d->bridge, w->proto, w->first), from, d->bridge, w->proto, w->last);
	else
		nft_end(nft_add(out, FW_INWARD_PORT, d->bridge, w->proto, w->first), d->bridge, w->proto, w->last);
}

static int by_range(const void *a, const void *b)
{
	const struct net_allow *x = a, *y = b;
	int from = strcmp(x->from, y->from);

	return from ? from : x->proto != y->proto ? x->proto - y->proto : x->first - y->first;
}

/* One for those of v whose ports overlap, which no set takes; how many they are. */
static size_t join(const struct net_allow *v, size_t n, struct net_allow *out)
{
	size_t i = 1;

	for (*out = *v; i < n && str_eq(v[i].from, out->from) && v[i].proto == out->proto && v[i].first <= out->last; i++)
		out->last = v[i].last > out->last ? v[i].last : out->last;
	return i;
}

void net_elements_of_allows(const struct net_def *d, const char *only, struct net_defs *defs, struct nft_list *out)
{
	auto_free struct net_allow *v = calloc(d->allow.n + 1, sizeof *v);
	struct net_allow w;

	out->oom |= !v;
	if (!v || !d->allow.n)
		return;
	memcpy(v, d->allow.v, d->allow.n * sizeof *v);
	qsort(v, d->allow.n, sizeof *v, by_range);
	for (size_t i = 0; i < d->allow.n;) {
		bool outside;
		const struct net_def *from;

		i += join(v + i, d->allow.n - i, &w);
		outside = str_eq(w.from, NET_OUTSIDE);
		if (only && !str_eq(w.from, only))
			continue;
		from = outside ? NULL : net_defs_find(defs, w.from);
		if (from || outside)
			allow(d, from ? from->bridge : NULL, &w, out);
	}
}

/* ---- owners ------------------------------------------------------------------------------------------ */

static bool limits_out(const struct net_nic *n)
{
	struct net_rate r;

	return n->rate && net_rate_parse(n->rate, &r) >= 0 && r.out;
}

/* What is outside the rate is dropped. */
static void rate(const char *host_if, const struct net_nic *n, struct nft_list *out)
{
	struct net_rate r;
	struct nft_elem *e;

	if (net_rate_parse(n->rate, &r) < 0 || !r.out)
		return;
	e = nft_add(out, FW_RATE_OUT, host_if);
	e->over = r.out / 8;
	e->burst = (uint32_t)net_rate_burst_out(&r);
}

static void nic(const struct net_home *h, const struct net_record *r, const struct net_nic *n,
		const struct net_def *d, struct nft_list *out)
{
	bool fw = r->firewall.n > 0, watched = limits_out(n) || fw;
	enum nft_verdict v = watched ? NFT_V_GOTO : NFT_V_ACCEPT;
	const char *chain = watched ? "watched" : NULL;
	unsigned char mac[6], a[16], gwmac[6];
	char host_if[IFNAMSIZ];

	if (net_mac_parse(n->mac, mac) < 0)
		return;
	net_host_if(h, r->owner, n->index, host_if);
	nft_add(out, FW_PORTS, host_if);
	nft_add(out, FW_MACS, host_if, mac);
	nft_add(out, FW_LLADDR, host_if, mac);
	if (n->ip && inet_pton(AF_INET, n->ip, a) == 1)
		nft_add_verdict(nft_add(out, FW_SRC4, host_if, mac, a), v, chain);
	if (n->ip6 && inet_pton(AF_INET6, n->ip6, a) == 1) {
		nft_add_verdict(nft_add(out, FW_SRC6, host_if, mac, a), v, chain);
		nft_add(out, FW_ND, host_if, a);
	}
	net_link_local_of(mac, a);
	nft_add_verdict(nft_add(out, FW_SRC6, host_if, mac, a), NFT_V_GOTO, "from_ll");
	nft_add(out, FW_ND, host_if, a);
	if (d && d->mode == NET_BRIDGE && !n->ip && !n->ip6)
		nft_add(out, FW_ANYIP, host_if, mac);
	if (!d || d->mode != NET_BRIDGE) {
		net_bridge_mac(h, n->network, gwmac);
		nft_data(nft_add(out, FW_GWMAC, host_if), gwmac);
	}
	if (n->rate)
		rate(host_if, n, out);
	if (fw) {
		nft_add(out, FW_FW_PORTS, host_if);
		nft_add(out, FW_FW_MACS, mac);
	}
}

void net_elements_of_owner(const struct net_home *h, const struct net_record *r, struct net_defs *defs,
			   struct nft_list *out)
{
	size_t first = out->n;

	LIST_EACH(const struct net_nic, n, r->nics)
		nic(h, r, n, net_defs_find(defs, n->network), out);
	net_guard_elements(h, r, defs, out);
	if (out->oom)
		return;
	struct nft_list own = { .v = out->v + first, .n = out->n - first };
	uint64_t mark = nft_mark(&own);
	for (size_t i = first; i < out->n; i++)
		if (out->v[i].set == FW_PORTS)
			stamp(&out->v[i], r->owner, mark);
}

void net_stamps(const struct nft_list *all, struct nft_list *out)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].comment[0])
			nft_copy(out, &all->v[i]);
}
