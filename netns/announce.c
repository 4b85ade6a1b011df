#include "netns/announce.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/link.h"

#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

void net_announce_by_kernel(struct nlq *q, int index)
{
	struct ifinfomsg m = { .ifi_index = index };
	struct nlattr *spec, *inet, *conf;

	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	spec = nlq_nest(q, IFLA_AF_SPEC);
	inet = nlq_nest(q, AF_INET);
	conf = nlq_nest(q, IFLA_INET_CONF);
	nlq_put_u32(q, IPV4_DEVCONF_ARP_NOTIFY, 1);
	nlq_end(q, conf);
	nlq_end(q, inet);
	nlq_end(q, spec);
}

struct advert {
	struct nd_neighbor_advert na;
	struct nd_opt_hdr option;
	unsigned char mac[6];
};

static int send_advert(int fd, int index, const unsigned char mac[6], const struct in6_addr *addr)
{
	struct sockaddr_in6 all = { .sin6_family = AF_INET6, .sin6_scope_id = (uint32_t)index };
	struct advert a = {
		.na = { .nd_na_type = ND_NEIGHBOR_ADVERT, .nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE,
			.nd_na_target = *addr },
		.option = { ND_OPT_TARGET_LINKADDR, 1 },
	};
	struct in6_pktinfo from = { *addr, (unsigned)index };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof from)] = { 0 };
	struct iovec v = { &a, sizeof a };
	struct msghdr m = { .msg_name = &all, .msg_namelen = sizeof all, .msg_iov = &v, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	/* ff02::1 */
	all.sin6_addr.s6_addr[0] = 0xff;
	all.sin6_addr.s6_addr[1] = 0x02;
	all.sin6_addr.s6_addr[15] = 0x01;
	memcpy(a.mac, mac, sizeof a.mac);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof from);
	memcpy(CMSG_DATA(c), &from, sizeof from);
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int mac_of(int fd, int index, unsigned char mac[6])
{
	struct ifreq r = { .ifr_ifindex = index };

	if (ioctl(fd, SIOCGIFNAME, &r) < 0 || ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		return -errno;
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	return 0;
}

static int announce(int index, const struct in6_addr *addr)
{
	auto_close int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	int hops = 255, none = 0, r;
	unsigned char mac[6];

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &none, sizeof none) < 0)
		return -errno;
	r = mac_of(fd, index, mac);
	return r < 0 ? r : send_advert(fd, index, mac, addr);
}

void net_announce6(int index, const struct in6_addr *addr)
{
	int r = announce(index, addr);

	_Static_assert(sizeof(struct advert) == 32, "no holes on the wire");
	if (r < 0)
		log_debug("link %d: its IPv6 address was not announced: %s", index, strerrordesc_np(-r));
}
