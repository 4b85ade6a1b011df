#include "netns/bridge.h"
#include "base/file.h"
#include "netns/host.h"
#include "netns/kernel.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

bool net_bridged_meets_ip_rules(bool six)
{
	char now[8];

	return file_peek(AT_FDCWD, six ? "/proc/sys/net/bridge/bridge-nf-call-ip6tables"
				       : "/proc/sys/net/bridge/bridge-nf-call-iptables", now, sizeof now) > 0 && now[0] == '1';
}

void net_bridge_mac(const struct net_home *h, const char *network, unsigned char mac[6])
{
	char owner[80];

	/* No guest's name has a colon. */
	snprintf(owner, sizeof owner, "bridge:%s", network);
	net_mac_of(h->id, owner, 0, 0, mac);
}

bool net_bridge_is_ours(const struct net_home *h, const char *network, const struct net_link *l)
{
	unsigned char mac[6];

	net_bridge_mac(h, network, mac);
	return l->bridge && memcmp(mac, l->mac, 6) == 0;
}

static void alias_of(const struct net_home *h, const char *network, char *out, size_t size)
{
	snprintf(out, size, "vzrun:%016llx:%s:%s", (unsigned long long)h->id, network, h->path);
}

/* No guest can make it so: bridges do not move between network namespaces. */
bool net_bridge_lost_mac(const struct net_home *h, const char *network, const struct net_link *l)
{
	char alias[256];

	alias_of(h, network, alias, sizeof alias);
	return l->bridge && str_eq(l->alias, alias) && !net_bridge_is_ours(h, network, l);
}

int net_bridge_restore_mac(struct nlq *q, const struct net_home *h, const char *network, const struct net_link *l)
{
	struct ifinfomsg m = { .ifi_index = l->index };
	unsigned char mac[6];
	int r;

	net_bridge_mac(h, network, mac);
	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	nlq_put(q, IFLA_ADDRESS, mac, sizeof mac);
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "network %s: give bridge %s its MAC address", network, l->name) : 0;
}

struct others {
	const struct net_home *h;
	bool (*counts)(const struct net_home *);
	struct net_home *heir;
	uint64_t asked;			/* last, and it does not count: a home has its bridges one after the other */
	bool found;
};

/* On a bridge with the address that it has to have: a link that comes back from a guest may carry any alias. */
static void see_alias(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct others *o = ctx;
	struct net_link l = { .index = 0 };
	unsigned long long id;
	struct net_home other;
	char network[64], path[256];
	int n;

	(void)i;
	net_link_read(h, &l);
	n = sscanf(l.alias, "vzrun:%16llx:%63[^:]:%255[^\n]", &id, network, path);
	if (n < 2 || id == o->h->id || id == o->heir->id || id == o->asked)
		return;
	other = (struct net_home){ .id = id };
	if (!net_bridge_is_ours(&other, network, &l))
		return;
	if (n >= 3 && path[0] == '/')
		net_home_of(path, &other);
	/* A directory that was moved is another home. */
	if (!other.path[0] || other.id != id) {
		o->found = true;
		return;
	}
	o->asked = id;
	if (!o->counts(&other))
		return;
	o->found = true;
	*o->heir = other;
}

int net_bridge_of_others(struct nlq *q, const struct net_home *h, bool (*counts)(const struct net_home *),
			 struct net_home *heir)
{
	struct others o = { .h = h, .counts = counts, .heir = heir };

	*heir = (struct net_home){ 0 };
	TRY(net_link_each(q, see_alias, &o));
	return o.found;
}

struct named { const struct net_home *h; const char *network; char link[IFNAMSIZ], by_alias[IFNAMSIZ]; };

static void see_link(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct net_link l = { .index = 0 };
	struct named *n = ctx;

	(void)i;
	net_link_read(h, &l);
	if (net_bridge_is_ours(n->h, n->network, &l))
		snprintf(n->link, sizeof n->link, "%s", l.name);
	else if (net_bridge_lost_mac(n->h, n->network, &l))
		snprintf(n->by_alias, sizeof n->by_alias, "%s", l.name);
}

int net_bridge_look(struct nlq *q, const struct net_home *h, const char *network, char link[IFNAMSIZ])
{
	struct named n = { .h = h, .network = network };

	TRY(net_link_each(q, see_link, &n));
	snprintf(link, IFNAMSIZ, "%s", n.link[0] ? n.link : n.by_alias);
	return link[0] != '\0';
}

const struct net_subnet net_link_local = { AF_INET6, 64, { 0xfe, 0x80 } };

/* Whatever the kernel did before it, or we, failed: its answer may be what was lost. */
static void drop_if_ours(const struct net_home *h, const struct net_def *d)
{
	auto_nlq struct nlq q = { 0 };
	struct err_saved why;
	struct net_link l;

	err_save(&why);
	if (nlq_open(&q, NETLINK_ROUTE) == 0 && net_link_find(&q, d->bridge, &l) == 0 && net_bridge_is_ours(h, d->name, &l))
		(void)net_link_delete(&q, d->bridge);
	err_restore(&why);
}

int net_bridge_create(struct nlq *q, const struct net_home *h, const struct net_def *d)
{
	struct ifinfomsg m = { 0 };
	unsigned char mac[6];
	struct nlattr *info;
	char alias[256];
	int r;

	net_bridge_mac(h, d->name, mac);
	alias_of(h, d->name, alias, sizeof alias);
	nlq_add(q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
	nlq_put_str(q, IFLA_IFNAME, d->bridge);
	nlq_put(q, IFLA_ADDRESS, mac, sizeof mac);
	if (d->mtu)
		nlq_put_u32(q, IFLA_MTU, d->mtu);
	info = nlq_nest(q, IFLA_LINKINFO);
	nlq_put_str(q, IFLA_INFO_KIND, "bridge");
	nlq_end(q, info);
	/* For the administrator who wonders whose it is, and for other homes. */
	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	nlq_put_str(q, IFLA_IFNAME, d->bridge);
	nlq_put_str(q, IFLA_IFALIAS, alias);
	r = nlq_talk(q, NULL, NULL);
	if (r == 0)
		return 0;
	(void)net_fail_talk(q, r, "network %s: create bridge %s", d->name, d->bridge);
	drop_if_ours(h, d);
	return r;
}

/* Before it is up: no router of a guest's is believed, no address but those set below. */
static const struct { const char *key, *value; } switches[] = {
	{ "ipv6/conf/%s/disable_ipv6", "0" },
	{ "ipv6/conf/%s/accept_ra", "0" },
	{ "ipv6/conf/%s/accept_dad", "0" },
	{ "ipv6/conf/%s/addr_gen_mode", "1" },
	{ "ipv4/conf/%s/accept_redirects", "0" },
	{ "ipv4/conf/%s/send_redirects", "0" },
	{ "ipv4/conf/%s/arp_ignore", "1" },
	{ "ipv4/conf/%s/proxy_arp", "0" },
	{ "ipv4/conf/%s/accept_source_route", "0" },
	{ "ipv6/conf/%s/proxy_ndp", "0" },
};

static int set_switches(const struct net_def *d)
{
	char key[96], path[128];

	for (size_t i = 0; i < COUNT(switches); i++) {
		snprintf(key, sizeof key, switches[i].key, d->bridge);
		snprintf(path, sizeof path, "/proc/sys/net/%s", key);
		int r = file_poke(AT_FDCWD, path, switches[i].value);
		if (r == -ENOENT && str_starts(key, "ipv6/") && !net_host_has_ipv6())
			continue;
		if (r < 0) {
			errno = -r;
			return fail_errno("network %s: write %s to %s", d->name, switches[i].value, path);
		}
	}
	return 0;
}

void net_bridge_check_switches(const char *bridge, net_switch_differs *differs, void *ctx)
{
	char key[96], path[128], now[32];

	for (size_t i = 0; i < COUNT(switches); i++) {
		snprintf(key, sizeof key, switches[i].key, bridge);
		snprintf(path, sizeof path, "/proc/sys/net/%s", key);
		if (file_peek(AT_FDCWD, path, now, sizeof now) > 0 && !str_eq(now, switches[i].value))
			differs(ctx, key, now, switches[i].value);
	}
}

/*
 * LLDP, 802.1X and their like are taken before any rule sees them, and with them the sender's MAC address, which a
 * guest may have written as its neighbour's: the neighbour's frames would come to it.
 */
static void turn_switches(struct nlq *q, const struct net_link *l)
{
	struct br_boolopt_multi o = { 1 << BR_BOOLOPT_NO_LL_LEARN, 1 << BR_BOOLOPT_NO_LL_LEARN };
	struct ifinfomsg m = { .ifi_index = l->index };
	struct nlattr *info, *data;

	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	info = nlq_nest(q, IFLA_LINKINFO);
	nlq_put_str(q, IFLA_INFO_KIND, "bridge");
	data = nlq_nest(q, IFLA_INFO_DATA);
	net_usual_bridge(q, l);
	nlq_put(q, IFLA_BR_MULTI_BOOLOPT, &o, sizeof o);
	nlq_end(q, data);
	nlq_end(q, info);
}

/* One that the definition gives the bridge, whatever its host number. */
static bool within(const struct net_def *d, const struct net_subnet *a)
{
	const struct net_subnet *s[] = { &d->v4, &d->v6, d->v6.family ? &net_link_local : &d->v6 };

	for (size_t i = 0; i < COUNT(s); i++)
		if (s[i]->family == a->family && s[i]->prefix == a->prefix && net_subnet_has(s[i], a->addr))
			return true;
	return false;
}

bool net_bridge_outgrew(const struct net_def *d, const struct net_host_addr *a)
{
	return a->ours && !within(d, &a->a);
}

bool net_bridge_may_have_outgrown(const struct net_def *d, const struct net_host_addr *a)
{
	struct net_subnet s = a->a;

	net_subnet_mask(&s);
	return !a->ours && !a->theirs && !within(d, &a->a) && net_subnet_last(&s) >= NET_FIRST &&
	       net_subnet_offset(&s, a->a.addr) == NET_GATEWAY;
}

struct outgrown { const struct net_def *d; int index; struct net_subnet v[16]; size_t n; bool marked, doubtful; };

static void see_outgrown(void *ctx, size_t i, const struct nlmsghdr *m)
{
	struct outgrown *o = ctx;
	struct net_host_addr a;

	(void)i;
	if (!net_host_addr_read(m, &a) || a.index != o->index)
		return;
	o->marked |= a.ours;
	o->doubtful |= net_bridge_may_have_outgrown(o->d, &a);
	if (o->n < COUNT(o->v) && net_bridge_outgrew(o->d, &a))
		o->v[o->n++] = a.a;
}

static int look_for_outgrown(struct nlq *q, struct outgrown *o)
{
	struct ifaddrmsg of_link = { .ifa_index = (unsigned)o->index };

	o->n = 0;
	nlq_add(q, RTM_GETADDR, NLM_F_DUMP, &of_link, sizeof of_link);
	return nlq_talk(q, see_outgrown, o);
}

/* With one goes what was set within its subnet later, unless this switch is on, the host's or the link's. */
static int take_off(struct nlq *q, const struct outgrown *o)
{
	char path[96], was[16];
	int r;

	snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/promote_secondaries", o->d->bridge);
	r = (int)file_peek(AT_FDCWD, path, was, sizeof was);
	if (r >= 0)
		r = file_poke(AT_FDCWD, path, "1");
	if (r < 0)
		return r;
	for (size_t i = 0; i < o->n; i++)
		net_del_address(q, o->index, o->v[i].family, o->v[i].addr, o->v[i].prefix);
	r = nlq_talk(q, NULL, NULL);
	(void)file_poke(AT_FDCWD, path, was);
	return r;
}

int net_bridge_prune(const struct net_def *d, int index)
{
	struct outgrown o = { .d = d, .index = index };
	auto_nlq struct nlq q = { 0 };
	int r, one = 1;

	TRY(nlq_open(&q, NETLINK_ROUTE));
	/* Not of all links: the kernel heeds what a dump asks for. */
	(void)setsockopt(nl_socket_get_fd(q.sk), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
	do {
		r = look_for_outgrown(&q, &o);
		if (r == 0 && o.n)
			r = take_off(&q, &o);
	} while (r == 0 && o.n == COUNT(o.v));
	if (r < 0 && r != -EADDRNOTAVAIL)
		return net_fail_talk(&q, r, "network %s: take old addresses off bridge %s", d->name, d->bridge);
	return o.doubtful && !o.marked;
}

int net_bridge_configure(struct nlq *q, const struct net_def *d, bool mark, struct net_link *out)
{
	struct ifinfomsg m = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP | IFF_NOARP };
	const struct net_subnet *s[] = { &d->v4, &d->v6, d->v6.family ? &net_link_local : &d->v6 };
	uint32_t mtu = d->mtu ? d->mtu : 1500;
	unsigned char addr[16];
	int r;

	TRY(set_switches(d));
	r = net_link_find(q, d->bridge, out);
	if (r == -ENODEV)
		return fail_as(ERR_NOT_FOUND, "network %s: bridge %s is gone", d->name, d->bridge);
	if (r < 0)
		return r;
	/* Before it is up: a change of a link that is up and has no port has the kernel walk all routes of IPv6. */
	turn_switches(q, out);
	m.ifi_index = out->index;
	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	if (mtu != out->mtu)
		nlq_put_u32(q, IFLA_MTU, mtu);
	if (out->master)
		nlq_put_u32(q, IFLA_MASTER, 0);
	for (size_t i = 0; i < COUNT(s); i++) {
		if (!net_host_has(s[i]->family))
			continue;
		net_subnet_at(s[i], NET_GATEWAY, addr);
		net_add_address(q, out->index, s[i]->family, addr, s[i]->prefix);
		if (mark)
			net_mark_address(q);
	}
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "network %s: set bridge %s up with its addresses", d->name,
				     d->bridge)
		     : 0;
}
