#include "netns/probe.h"
#include "base/scope.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

union address { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; };

static socklen_t address_of(int family, const unsigned char *addr, uint16_t port, union address *out)
{
	memset(out, 0, sizeof *out);
	if (family == AF_INET) {
		out->v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		memcpy(&out->v4.sin_addr, addr, 4);
		return sizeof out->v4;
	}
	out->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	memcpy(&out->v6.sin6_addr, addr, 16);
	return sizeof out->v6;
}

/* What the routes choose. */
static int source(int fd, int family, unsigned char src[16], uint16_t *port)
{
	union address a;
	socklen_t n = sizeof a;

	if (getsockname(fd, &a.any, &n) < 0)
		return fail_errno("probe: own address");
	if (family == AF_INET)
		memcpy(src, &a.v4.sin_addr, 4);
	else
		memcpy(src, &a.v6.sin6_addr, 16);
	*port = ntohs(family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	return 0;
}

static int want_errors(int fd, int family)
{
	int one = 1;

	if ((family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one)
			       : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one)) < 0)
		return fail_errno("probe: ask for errors");
	return 0;
}

/* A connected socket of datagrams costs no packet, and tells address and port that one would have. */
static int choose(struct net_probe *p, const union address *dst, socklen_t n)
{
	int family = p->flow.family;

	p->hold = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->hold < 0)
		return fail_errno("probe: socket");
	TRY(want_errors(p->hold, family));
	if (connect(p->hold, &dst->any, n) < 0)
		return errno == ENETUNREACH || errno == EHOSTUNREACH || errno == EACCES || errno == EADDRNOTAVAIL
			       ? -errno : fail_errno("probe: connect");
	return source(p->hold, family, p->flow.src, &p->flow.sport);
}

/* Bound and never used: no other connection gets the port, and an answer meets no socket. */
static int hold_port(struct net_probe *p)
{
	union address a;
	socklen_t n = address_of(p->flow.family, p->flow.src, 0, &a);
	unsigned char src[16];

	scope_close(&p->hold);
	p->hold = socket(p->flow.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->hold < 0 || bind(p->hold, &a.any, n) < 0)
		return fail_errno("probe: a port of its own");
	return source(p->hold, p->flow.family, src, &p->flow.sport);
}

static int raw(struct net_probe *p, const unsigned char *dst)
{
	int family = p->flow.family, at = 16;
	union address a;
	socklen_t n = address_of(family, dst, 0, &a);

	p->fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, p->flow.proto);
	if (p->fd < 0)
		return fail_errno("probe: raw socket");
	TRY(want_errors(p->fd, family));
	/* The kernel knows where the sum of ICMPv6 is. */
	if (family == AF_INET6 && p->flow.proto == IPPROTO_TCP &&
	    setsockopt(p->fd, IPPROTO_IPV6, IPV6_CHECKSUM, &at, sizeof at) < 0)
		return fail_errno("probe: checksum");
	return connect(p->fd, &a.any, n) < 0 ? fail_errno("probe: connect") : 0;
}

struct opening { struct net_probe *p; const unsigned char *dst; uint16_t port; };

static int open_here(void *ctx)
{
	struct opening *o = ctx;
	struct net_probe *p = o->p;
	union address a;
	socklen_t n = address_of(p->flow.family, o->dst, o->port ? o->port : 9, &a);

	if (getrandom(&p->seq, sizeof p->seq, 0) != sizeof p->seq)
		return fail_errno("probe: random number");
	TRY(choose(p, &a, n));
	p->flow.dport = o->port;
	if (p->flow.proto == IPPROTO_UDP) {
		p->fd = take_fd(&p->hold);
		return 0;
	}
	if (p->flow.proto == IPPROTO_TCP)
		TRY(hold_port(p));
	else
		p->flow.sport = (uint16_t)p->seq;
	return raw(p, o->dst);
}

int net_probe_open(struct net_probe *p, int netns_fd, int family, int proto, const unsigned char *dst,
		   uint16_t port)
{
	struct opening o = { p, dst, port };

	*p = (struct net_probe){ .fd = -1, .hold = -1, .flow = { .family = family, .proto = proto } };
	memcpy(p->flow.dst, dst, family == AF_INET ? 4 : 16);
	return netns_fd < 0 ? open_here(&o) : net_ns_within(netns_fd, open_here, &o);
}

void net_probe_close(struct net_probe *p)
{
	scope_close(&p->fd);
	scope_close(&p->hold);
	p->fd = p->hold = -1;
}

/* ---- there ------------------------------------------------------------------------------------ */

static uint32_t sum(uint32_t s, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		s += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	return s;
}

static uint16_t folded(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t)~s);
}

static size_t first_of_connection(const struct net_probe *p, unsigned char out[64])
{
	struct tcphdr t = { .source = htons(p->flow.sport), .dest = htons(p->flow.dport), .doff = 5, .syn = 1,
			    .window = htons(1024) };
	unsigned char pseudo[4] = { 0, IPPROTO_TCP, 0, sizeof t };

	t.seq = p->seq;
	if (p->flow.family == AF_INET)
		t.check = folded(sum(sum(sum(sum(0, p->flow.src, 4), p->flow.dst, 4), pseudo, sizeof pseudo),
				     &t, sizeof t));
	memcpy(out, &t, sizeof t);
	return sizeof t;
}

static size_t echo(const struct net_probe *p, unsigned char out[64])
{
	struct icmphdr e = { .type = p->flow.proto == IPPROTO_ICMP ? ICMP_ECHO : ICMP6_ECHO_REQUEST };

	e.un.echo.id = htons(p->flow.sport);
	e.un.echo.sequence = htons(1);
	if (p->flow.proto == IPPROTO_ICMP)
		e.checksum = folded(sum(0, &e, sizeof e));
	memcpy(out, &e, sizeof e);
	return sizeof e;
}

static bool says(struct net_probe *p, enum net_answer a, int error)
{
	p->answer = a;
	p->error = error;
	return true;
}

int net_probe_send(struct net_probe *p)
{
	unsigned char b[64];
	size_t n = 0;

	if (p->flow.proto == IPPROTO_TCP)
		n = first_of_connection(p, b);
	else if (p->flow.proto != IPPROTO_UDP)
		n = echo(p, b);

	if (TEMP_FAILURE_RETRY(send(p->fd, b, n, MSG_NOSIGNAL)) >= 0 || errno == EAGAIN)
		return 0;
	if (errno == EPERM)
		return -EPERM;
	/* An answer that came already is in the queue of errors. */
	if (!net_probe_read(p))
		(void)says(p, NET_ANSWER_ERROR, errno);
	return 0;
}

/* ---- and back --------------------------------------------------------------------------------- */

static void from(struct net_probe *p, const union address *a)
{
	if (a->any.sa_family == AF_INET)
		memcpy(p->from, &a->v4.sin_addr, 4);
	else if (a->any.sa_family == AF_INET6)
		memcpy(p->from, &a->v6.sin6_addr, 16);
}

static bool read_error(struct net_probe *p)
{
	char control[512];
	unsigned char b[256];
	struct iovec iov = { b, sizeof b };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof control };

	if (recvmsg(p->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		struct sock_extended_err e;

		if (!v4 && !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof e);
		p->by_icmp = e.ee_origin == SO_EE_ORIGIN_ICMP || e.ee_origin == SO_EE_ORIGIN_ICMP6;
		if (p->by_icmp)
			from(p, (const union address *)(const void *)(CMSG_DATA(c) + sizeof e));
		/* A port that nobody holds, and the destination itself says so. */
		if (e.ee_errno == ECONNREFUSED && memcmp(p->from, p->flow.dst, v4 ? 4 : 16) == 0)
			return says(p, NET_ANSWER_CLOSED, 0);
		return says(p, NET_ANSWER_ERROR, (int)e.ee_errno);
	}
	return false;
}

static bool is_answer(struct net_probe *p, const unsigned char *b, size_t n)
{
	struct tcphdr t;
	struct icmphdr e;

	if (p->flow.proto == IPPROTO_UDP)
		return says(p, NET_ANSWER_YES, 0);
	/* Only a raw socket of IPv4 gets the header. */
	if (p->flow.family == AF_INET) {
		size_t head = n ? (size_t)(b[0] & 15) * 4 : 0;

		if (head < sizeof(struct ip) || head > n)
			return false;
		b += head;
		n -= head;
	}
	if (p->flow.proto == IPPROTO_TCP) {
		if (n < sizeof t)
			return false;
		memcpy(&t, b, sizeof t);
		if (t.source != htons(p->flow.dport) || t.dest != htons(p->flow.sport) || !(t.rst || (t.syn && t.ack)))
			return false;
		return says(p, t.rst ? NET_ANSWER_CLOSED : NET_ANSWER_YES, 0);
	}
	if (n < sizeof e)
		return false;
	memcpy(&e, b, sizeof e);
	if (e.un.echo.id != htons(p->flow.sport) ||
	    e.type != (p->flow.proto == IPPROTO_ICMP ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY))
		return false;
	return says(p, NET_ANSWER_YES, 0);
}

bool net_probe_read(struct net_probe *p)
{
	unsigned char b[2048];

	while (p->answer == NET_ANSWER_NONE) {
		union address a = { .any.sa_family = AF_UNSPEC };
		socklen_t size = sizeof a;
		ssize_t n;

		if (read_error(p))
			break;
		n = recvfrom(p->fd, b, sizeof b, MSG_DONTWAIT, &a.any, &size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno == EAGAIN)
				break;
			if (!read_error(p))
				(void)says(p, NET_ANSWER_ERROR, errno);
			break;
		}
		from(p, &a);
		(void)is_answer(p, b, (size_t)n);
	}
	return p->answer != NET_ANSWER_NONE;
}
