#include "netns/way.h"
#include "base/scope.h"
#include "base/str.h"
#include "netns/link.h"
#include "netns/nl.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static size_t size_of(int family) { return family == AF_INET ? 4 : 16; }

static void copy(struct nlattr *a, void *out, size_t n)
{
	if (a && (size_t)nla_len(a) >= n)
		memcpy(out, nla_data(a), n);
}

struct asked { struct net_way *w; int family; };

static void see_route(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct asked *q = ctx;
	const struct rtmsg *m = NLMSG_DATA(h);
	struct nlattr *a[RTA_MAX + 1];

	(void)i;
	if (h->nlmsg_type != RTM_NEWROUTE ||
	    nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *m, a, RTA_MAX, NULL) < 0)
		return;
	q->w->local = m->rtm_type == RTN_LOCAL;
	copy(a[RTA_OIF], &q->w->oif, sizeof q->w->oif);
	q->w->by_gateway = a[RTA_GATEWAY] != NULL || a[RTA_VIA] != NULL;
	copy(a[RTA_GATEWAY], q->w->next, size_of(q->family));
}

static void see_link(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct asked *q = ctx;
	const struct ifinfomsg *m = NLMSG_DATA(h);
	struct nlattr *name;

	(void)i;
	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	q->w->up = m->ifi_flags & IFF_UP;
	q->w->carrier = m->ifi_flags & IFF_RUNNING;
	name = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof *m, IFLA_IFNAME);
	if (name)
		nla_strlcpy(q->w->dev, name, sizeof q->w->dev);
}

int net_way_find(int netns_fd, int family, const unsigned char *dst, struct net_way *out)
{
	struct rtmsg m = { .rtm_family = (unsigned char)family,
			   .rtm_dst_len = (unsigned char)(size_of(family) * 8) };
	struct ifinfomsg l = { 0 };
	struct asked asked = { out, family };
	auto_nlq struct nlq q = { 0 };
	int r;

	memset(out, 0, sizeof *out);
	memcpy(out->next, dst, size_of(family));
	TRY(nlq_open_in(&q, NETLINK_ROUTE, netns_fd));
	nlq_add(&q, RTM_GETROUTE, 0, &m, sizeof m);
	nlq_put(&q, RTA_DST, dst, size_of(family));
	r = nlq_talk(&q, see_route, &asked);
	if (r < 0)
		return r;
	l.ifi_index = out->oif;
	nlq_add(&q, RTM_GETLINK, 0, &l, sizeof l);
	r = nlq_talk(&q, see_link, &asked);
	return r < 0 ? net_fail_talk(&q, r, "look for the link of a route") : 0;
}

/* ---- what is missing -------------------------------------------------------------------------- */

struct missing { size_t links, addresses; char down[IFNAMSIZ]; };

static void see_any_link(void *ctx, size_t i, const struct nlmsghdr *h)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	struct missing *s = ctx;
	struct nlattr *name;

	(void)i;
	if (h->nlmsg_type != RTM_NEWLINK || m->ifi_flags & IFF_LOOPBACK)
		return;
	s->links++;
	name = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof *m, IFLA_IFNAME);
	if (!(m->ifi_flags & IFF_UP) && name)
		nla_strlcpy(s->down, name, sizeof s->down);
}

static void see_address(void *ctx, size_t i, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	struct missing *s = ctx;

	(void)i;
	if (h->nlmsg_type == RTM_NEWADDR && m->ifa_scope == RT_SCOPE_UNIVERSE)
		s->addresses++;
}

int net_way_missing(int netns_fd, int family, char *out, size_t size)
{
	struct ifaddrmsg a = { .ifa_family = (unsigned char)family };
	struct ifinfomsg l = { 0 };
	struct missing s = { 0 };
	auto_nlq struct nlq q = { 0 };
	int r;

	TRY(nlq_open_in(&q, NETLINK_ROUTE, netns_fd));
	nlq_add(&q, RTM_GETLINK, NLM_F_DUMP, &l, sizeof l);
	r = nlq_talk(&q, see_any_link, &s);
	if (r == 0) {
		nlq_add(&q, RTM_GETADDR, NLM_F_DUMP, &a, sizeof a);
		r = nlq_talk(&q, see_address, &s);
	}
	if (r < 0)
		return net_fail_talk(&q, r, "list links and addresses");
	if (!s.links)
		snprintf(out, size, "it has no network");
	else if (s.down[0])
		snprintf(out, size, "its link %s is down", s.down);
	else if (!s.addresses)
		snprintf(out, size, "it has no IPv%c address", family == AF_INET ? '4' : '6');
	else
		snprintf(out, size, "it has no route there");
	return 0;
}

static void see_neighbour(void *ctx, size_t i, const struct nlmsghdr *h)
{
	const struct ndmsg *m = NLMSG_DATA(h);

	(void)i;
	if (h->nlmsg_type == RTM_NEWNEIGH)
		*(int *)ctx = m->ndm_state;
}

bool net_way_neighbour_silent(int netns_fd, int family, const struct net_way *w)
{
	struct ndmsg m = { .ndm_family = (unsigned char)family, .ndm_ifindex = w->oif };
	auto_nlq struct nlq q = { 0 };
	int state = 0;

	if (nlq_open_in(&q, NETLINK_ROUTE, netns_fd) < 0)
		return false;
	nlq_add(&q, RTM_GETNEIGH, 0, &m, sizeof m);
	nlq_put(&q, NDA_DST, w->next, size_of(family));
	return nlq_talk(&q, see_neighbour, &state) == 0 && state & (NUD_INCOMPLETE | NUD_FAILED);
}
