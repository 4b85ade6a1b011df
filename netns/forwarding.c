/*
 * Routing by the host, switched on only where a network needs it: on its bridge and on the links that
 * routes lead out by, not for the whole host. What a switch was is on record in HOME/networks/.forwarding
 * before it is changed; the last network of a home hands that over to a home that still needs it.
 *
 * IPv6 has no such switch per link before Linux 6.17 (force_forwarding). There the host's is turned, and
 * so that it goes on hearing router advertisements, accept_ra of each link that did goes from 1 to 2.
 */
#include "base/log.h"
#include "netns/kernel.h"
#include "netns/switches.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SYS "/proc/sys/net/"
/* Of one link. */
#define FORWARD4 "ipv4/conf/%s/forwarding"
#define FORWARD6 "ipv6/conf/%s/force_forwarding"

/* One more switch to turn, on record; nothing when it stands so already. */
static int want(struct net_book *o, const char *key, const char *only_if, const char *set)
{
	struct net_value was;
	int differs = net_switch_peek_other(key, set, &was);

	TRY(differs);
	if (!differs || (only_if && !str_eq(was.text, only_if)))
		return 0;
	if (net_book_find(o, key))
		return net_switch_poke(key, set);
	return net_book_note(o, key, was.text, set);
}

/*
 * The ways out are links that routes lead by, and no bridges of ours. By such a bridge some routes lead, and its name
 * is asked for once: it is remembered in the place that its number gives.
 */
struct ways {
	const struct net_others *others;
	const char *bridge;
	const struct net_route *r;
	size_t n;
	int inner[512];
};

static bool leads_out(const struct net_route *r, int family)
{
	static const struct net_subnet link_local = { AF_INET6, 10, { 0xfe, 0x80 } };

	return r->to.family == family && !(r->to.prefix >= 8 && net_subnet_overlap(&r->to, &link_local)) &&
	       !(family == AF_INET6 && r->to.addr[0] == 0xff);
}

/* The switch of each. */
static int each_way_out(struct ways *w, const char *fmt, int family, int (*each)(void *ctx, const char *key),
			void *ctx)
{
	/* As if_indextoname(3) does, but not with a socket for each. */
	auto_close int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq link = { 0 };
	char key[128];

	if (s < 0)
		return fail_errno("socket");
	for (size_t i = 0; i < w->n; i++) {
		int oif = w->r[i].oif, *inner = &w->inner[(unsigned)oif % COUNT(w->inner)];

		if (!leads_out(&w->r[i], family) || oif == link.ifr_ifindex || oif == *inner)
			continue;
		link.ifr_ifindex = oif;
		if (ioctl(s, SIOCGIFNAME, &link) < 0 || str_eq(link.ifr_name, "lo") ||
		    (w->bridge && str_eq(link.ifr_name, w->bridge)) ||
		    net_others_made_bridge(w->others, link.ifr_name)) {
			*inner = oif;
			continue;
		}
		snprintf(key, sizeof key, fmt, link.ifr_name);
		TRY(each(ctx, key));
	}
	return 0;
}

static int want_on(void *o, const char *key) { return want(o, key, NULL, "1"); }

static int want_whole_host6(struct net_book *o)
{
	DIR *d = opendir(SYS "ipv6/conf");
	char key[128];
	int r = 0;

	if (!d && errno != ENOENT)
		return fail_errno("list %s", SYS "ipv6/conf");
	for (struct dirent *e; d && r == 0 && (errno = 0, e = readdir(d));) {
		if (e->d_name[0] == '.' || str_eq(e->d_name, "all") || str_eq(e->d_name, "default"))
			continue;
		snprintf(key, sizeof key, "ipv6/conf/%.15s/accept_ra", e->d_name);
		r = want(o, key, "1", "2");
	}
	/* Without it a link would stop to take its router from advertisements. */
	if (d && r == 0 && errno)
		r = fail_errno("list %s", SYS "ipv6/conf");
	if (d)
		closedir(d);
	return r < 0 ? r : want(o, "ipv6/conf/all/forwarding", NULL, "1");
}

bool net_host_has_ipv6(void)
{
	static bool has;	/* it comes, with a module, and does not go */

	return has || (has = access(SYS "ipv6/conf", F_OK) == 0);
}

bool net_host_has(int family)
{
	return family == AF_INET6 ? net_host_has_ipv6() : family != 0;
}

int net_forwarding_on(int dirfd, const char *bridge, const struct net_others *others, const struct net_route *r,
		      size_t n)
{
	struct ways ways = { .others = others, .bridge = bridge, .r = r, .n = n };
	SCOPED(net_book_close) struct net_book o = { 0 };
	char key[128];
	struct net_value now;
	int own6, host6, it;

	TRY(net_book_open(dirfd, &o));
	TRY(it = o.b.ip_forward ? 0 : net_switch_peek("ipv4/ip_forward", &now));
	if (it)
		o.b.ip_forward = arena_strdup(&o.a, now.text);
	TRY(each_way_out(&ways, FORWARD4, AF_INET, want_on, &o));
	snprintf(key, sizeof key, FORWARD6, bridge);
	TRY(own6 = net_switch_peek(key, &now));
	TRY(host6 = net_switch_peek("ipv6/conf/all/forwarding", &now));
	if (host6 && str_eq(now.text, "0"))
		TRY(own6 ? each_way_out(&ways, FORWARD6, AF_INET6, want_on, &o) : want_whole_host6(&o));
	if (o.dirty)
		TRY_IN(net_book_store(dirfd, &o), "forwarding");
	LIST_EACH(const struct net_switch, s, o.b.saved) {
		TRY(it = net_switch_peek_other(s->key, s->set, &now));
		if (it)
			TRY(net_switch_poke(s->key, s->set));
	}
	/* These go with the bridge: nothing to remember. */
	if (own6)
		TRY(net_switch_poke(key, "1"));
	snprintf(key, sizeof key, FORWARD4, bridge);
	return net_switch_poke(key, "1");
}

/* What a switch was is put back, and forgotten. */
static int unwant(struct net_book *o, const char *key)
{
	struct net_switch *v = net_book_find(o, key), *all = o->b.saved.v;
	struct net_value now;
	int there;

	if (!v)
		return 0;
	/* With the bridge it is gone. */
	TRY(there = net_switch_peek(key, &now));
	if (there && str_eq(now.text, v->set))
		TRY(net_switch_poke(key, v->was));
	memmove(v, v + 1, (size_t)(all + o->b.saved.n - (v + 1)) * sizeof *v);
	o->b.saved.n--;
	o->dirty = true;
	return 0;
}

int net_localnet(int dirfd, const char *bridge, bool on)
{
	SCOPED(net_book_close) struct net_book o = { 0 };
	SCOPED(net_host_leave) struct net_turn turn = { 0 };
	char key[64];
	struct net_value now;
	int there;

	snprintf(key, sizeof key, "ipv4/conf/%.15s/route_localnet", bridge);
	TRY(there = on ? net_switch_peek(key, &now) : 0);
	if (there && str_eq(now.text, "1"))
		return 0;
	net_host_enter(&turn);
	TRY(net_book_open(dirfd, &o));
	TRY(on ? want(&o, key, NULL, "1") : unwant(&o, key));
	if (o.dirty)
		TRY_IN(net_book_store(dirfd, &o), "forwarding");
	return on ? net_switch_poke(key, "1") : 0;
}

int net_forwarding_off(int dirfd)
{
	SCOPED(net_book_close) struct net_book o = { 0 };
	struct net_value now;
	int host_routes, there;

	TRY(net_book_open(dirfd, &o));
	/* The administrator made this host a router since: its links stay as they are. */
	TRY(host_routes = o.b.ip_forward && str_eq(o.b.ip_forward, "0") ? net_switch_peek("ipv4/ip_forward", &now) : 0);
	host_routes = host_routes && str_eq(now.text, "1");
	for (size_t i = o.b.saved.n; i-- > 0;) {
		const struct net_switch *s = (const struct net_switch *)o.b.saved.v + i;

		if (host_routes && str_starts(s->key, "ipv4/"))
			continue;
		if (strstr(s->key, ".."))
			continue;
		TRY(there = net_switch_peek(s->key, &now));
		if (there && str_eq(now.text, s->set) && net_switch_poke(s->key, s->was) < 0)
			log_warn("forwarding: %s", err_text());
	}
	return net_book_forget(dirfd);
}

int net_forwarding_bequeath(int dirfd, const struct net_home *heir)
{
	SCOPED(net_book_close) struct net_book ours = { 0 }, theirs = { 0 };

	TRY(net_book_open(dirfd, &ours));
	if (!ours.b.saved.n && !ours.b.ip_forward)
		return net_book_forget(dirfd);
	auto_close int there = heir->path[0] ? net_dir_open(heir->path, false) : -ENOENT;
	/* An alias says it, which root alone need not have written. */
	if (there < 0) {
		if (ours.b.saved.n)
			log_warn("forwarding: another home needs it, which cannot be found: it stays on when that goes, too");
		err_clear();
		return net_book_forget(dirfd);
	}
	TRY_IN(net_book_open(there, &theirs), "%s", heir->path);
	TRY(net_book_hand_over(&ours, &theirs));
	if (theirs.dirty)
		TRY_IN(net_book_store(there, &theirs), "%s", heir->path);
	return net_book_forget(dirfd);
}

static int see(const char *key, const char *wanted, net_switch_differs *differs, void *ctx)
{
	struct net_value now;
	int other = net_switch_peek_other(key, wanted, &now);

	if (other > 0)
		differs(ctx, key, now.text, wanted);
	return other < 0 ? other : 0;
}

struct seeing { struct net_book *o; net_switch_differs *differs; void *ctx; };

/* What is on record is told of for itself. */
static int see_way_out(void *ctx, const char *key)
{
	struct seeing *s = ctx;

	return net_book_find(s->o, key) ? 0 : see(key, "1", s->differs, s->ctx);
}

/* A file that cannot be read may be of one that does. */
int net_forwarding_needed(int dirfd, const char *except, struct net_others *others)
{
	bool routed = false;

	TRY(net_others_read(dirfd, except, false, others));
	for (size_t i = 0; i < others->n; i++)
		routed |= others->v[i].mode == NET_NAT || others->v[i].mode == NET_ROUTED;
	return routed || others->left_out;
}

int net_forwarding_check(int dirfd, const struct net_route *r, size_t n, net_switch_differs *differs, void *ctx)
{
	SCOPED(net_others_free) struct net_others all = { 0 };
	struct ways ways = { .others = &all, .r = r, .n = n };
	SCOPED(net_book_close) struct net_book o = { 0 };
	struct seeing s = { &o, differs, ctx };
	struct net_value now;
	int there, needed;

	TRY(net_book_open(dirfd, &o));
	TRY(needed = net_forwarding_needed(dirfd, NULL, &all));
	LIST_EACH(const struct net_switch, v, o.b.saved)
		if (!strstr(v->key, ".."))
			TRY(see(v->key, needed ? v->set : v->was, differs, ctx));
	if (!needed)
		return 0;
	TRY(each_way_out(&ways, FORWARD4, AF_INET, see_way_out, &s));
	TRY(there = net_switch_peek("ipv6/conf/all/forwarding", &now));
	return there && str_eq(now.text, "0") ? each_way_out(&ways, FORWARD6, AF_INET6, see_way_out, &s) : 0;
}

int net_forwarding_check_bridge(const char *bridge, net_switch_differs *differs, void *ctx)
{
	struct net_value now;
	char key[96];
	int there;

	snprintf(key, sizeof key, FORWARD4, bridge);
	TRY(see(key, "1", differs, ctx));
	TRY(there = net_switch_peek("ipv6/conf/all/forwarding", &now));
	snprintf(key, sizeof key, FORWARD6, bridge);
	return there && str_eq(now.text, "1") ? 0 : see(key, "1", differs, ctx);
}

void net_forwarding_let(const char *link)
{
	static const char *const switches[] = { FORWARD4, FORWARD6 };
	char key[96];

	for (size_t i = 0; i < COUNT(switches); i++) {
		snprintf(key, sizeof key, switches[i], link);
		if (net_switch_poke(key, "1") < 0)
			err_clear();
	}
}
