/*
 * The guest's side of its ports. Runs between clone and exec, in the guest's namespaces: one socket, one
 * send, nothing opened.
 */
#include "netns/announce.h"
#include "netns/addr.h"
#include "netns/link.h"

#include <linux/if_link.h>
#include <netlink/socket.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int open_any(void *fd)
{
	*(int *)fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return *(int *)fd < 0 ? fail_errno("a socket for lo") : 0;
}

int net_up_loopback(int netns_fd)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	auto_close int fd = -1;

	TRY(netns_fd < 0 ? open_any(&fd) : net_ns_within(netns_fd, open_any, &fd));
	return ioctl(fd, SIOCSIFFLAGS, &r) < 0 ? fail_errno("lo: bring up") : 0;
}

static void up(struct nlq *q, int index)
{
	struct ifinfomsg m = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
}

enum what { LINK, ANNOUNCE, ADDRESS, ADDRESS6, ROUTE, ROUTE6 };
static const char *const what_text[] = {"bring up", "announce its addresses", "set IPv4 address", "set IPv6 address",
					"set IPv4 routes", "set IPv6 routes"};
/* What request i was about, for its error. */
struct about { const char *name; enum what what; };

static bool has4(const struct in_addr *a) { return a->s_addr != 0; }
static bool has6(const struct in6_addr *a) { return !IN6_IS_ADDR_UNSPECIFIED(a); }

/* One family of one port, as a route needs it. */
struct way { int index, family; enum what what; const void *addr, *gateway; unsigned behind; };

/* The first port that has a way out is the way out. */
static void routes(struct nlq *q, const struct net_port *p, size_t n, struct about *about, const int *index)
{
	bool done[2] = { false, false };

	for (size_t i = 0; i < n; i++) {
		const struct way ways[] = {
			{ index[i], AF_INET, ROUTE, has4(&p[i].gateway) ? &p[i].ip : NULL, &p[i].gateway, p[i].behind },
			{ index[i], AF_INET6, ROUTE6, has6(&p[i].gateway6) ? &p[i].ip6 : NULL, &p[i].gateway6, p[i].behind6 },
		};

		for (int k = 0; k < 2; k++) {
			if (!ways[k].addr)
				continue;
			if (ways[k].behind) {
				about[q->n] = about[q->n + 1] = (struct about){ p[i].name, ways[k].what };
				net_add_routes_behind(q, ways[k].index, ways[k].family, ways[k].addr, ways[k].behind,
						      ways[k].gateway);
			}
			about[q->n] = (struct about){ p[i].name, ways[k].what };
			if (!done[k])
				net_add_default_route(q, ways[k].index, ways[k].family, ways[k].gateway, NLM_F_REPLACE);
			done[k] = true;
		}
	}
}

/* Links and addresses first: a route needs both. */
static int plan(struct nlq *q, const struct net_port *p, size_t n, struct about *about, int *index)
{
	up(q, 1);
	about[0] = (struct about){ "lo", LINK };
	for (size_t i = 0; i < n; i++) {
		struct ifreq r = { 0 };

		memcpy(r.ifr_name, p[i].name, sizeof r.ifr_name);
		if (ioctl(nl_socket_get_fd(q->sk), SIOCGIFINDEX, &r) < 0)
			return fail_errno("find link %s in the guest's network namespace", p[i].name);
		index[i] = r.ifr_ifindex;
		about[q->n] = (struct about){ p[i].name, ANNOUNCE };
		net_announce_by_kernel(q, index[i]);
		about[q->n] = (struct about){ p[i].name, ADDRESS };
		if (has4(&p[i].ip))
			net_add_address(q, index[i], AF_INET, &p[i].ip, p[i].prefix);
		about[q->n] = (struct about){ p[i].name, ADDRESS6 };
		if (has6(&p[i].ip6))
			net_add_address(q, index[i], AF_INET6, &p[i].ip6, p[i].prefix6);
		/* Now: what comes up with an address is announced. */
		about[q->n] = (struct about){ p[i].name, LINK };
		up(q, index[i]);
	}
	routes(q, p, n, about, index);
	return 0;
}

/* Apart: its tables are pages of a stack, and most containers have no ports. */
static __attribute__((noinline)) int finish_ports(const struct net_port *ports, size_t n)
{
	struct about about[NLQ_MAX + 1];
	auto_nlq struct nlq q = { 0 };
	int err[NLQ_MAX], index[NET_PORTS_MAX], r;
	bool off = false;	/* IPv6 is, by a sysctl of the configuration (disable_ipv6): as asked */
	size_t sent;

	if (n > NET_PORTS_MAX)
		return fail_as(ERR_CONFIG, "more than %d network ports", NET_PORTS_MAX);
	TRY(nlq_open(&q, NETLINK_ROUTE));
	TRY(plan(&q, ports, n, about, index));
	sent = q.n;
	r = nlq_ask(&q, NULL, NULL, err);
	if (r < 0)
		return net_fail_talk(&q, r, "network in the guest");
	for (size_t i = 0; i < sent; i++) {
		off |= about[i].what == ADDRESS6 && err[i] == -EACCES;
		if (err[i] < 0 && !(off && (about[i].what == ADDRESS6 || about[i].what == ROUTE6)))
			return net_fail_talk(&q, err[i], "%s: %s in the guest", about[i].name,
					     what_text[about[i].what]);
	}
	for (size_t i = 0; i < n && !off; i++)
		if (has6(&ports[i].ip6))
			net_announce6(index[i], &ports[i].ip6);
	return 0;
}

int net_finish_inside(const struct net_port *ports, size_t n)
{
	return n ? finish_ports(ports, n) : net_up_loopback(-1);
}
