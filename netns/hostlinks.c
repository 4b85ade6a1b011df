#include "netns/hostlinks.h"
#include "base/str.h"
#include "netns/link.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct reading { struct net_host_links *o; bool oom; };

void net_host_links_free(struct net_host_links *o)
{
	free(o->link);
	free(o->on);
	*o = (struct net_host_links){ 0 };
}

static void see_link(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct reading *r = ctx;
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct nlattr *a[IFLA_MAX + 1];
	struct net_out_link *v;
	char alias[64] = "";

	(void)i;
	if (h->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *info, a, IFLA_MAX, NULL) < 0 || !a[IFLA_IFNAME])
		return;
	if (a[IFLA_IFALIAS])
		nla_strlcpy(alias, a[IFLA_IFALIAS], sizeof alias);
	if (!(info->ifi_flags & IFF_UP) || info->ifi_flags & IFF_LOOPBACK || a[IFLA_MASTER] ||
	    str_starts(alias, "vzrun:"))
		return;
	v = reallocarray(r->o->link, r->o->n + 1, sizeof *v);
	if (!v) {
		r->oom = true;
		return;
	}
	r->o->link = v;
	v[r->o->n].index = info->ifi_index;
	nla_strlcpy(v[r->o->n++].name, a[IFLA_IFNAME], IFNAMSIZ);
}

static void see_address(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct reading *r = ctx;
	const struct ifaddrmsg *info = NLMSG_DATA(h);
	struct nlattr *a[IFA_MAX + 1], *own;
	struct net_on_link *v;
	size_t at = 0;

	(void)i;
	if (h->nlmsg_type != RTM_NEWADDR ||
	    nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *info, a, IFA_MAX, NULL) < 0 ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6) || info->ifa_scope >= RT_SCOPE_LINK)
		return;
	/* IFA_ADDRESS is the peer's where there is one: what is on the link is said with it. */
	own = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS];
	while (at < r->o->n && r->o->link[at].index != (int)info->ifa_index)
		at++;
	if (!own || at == r->o->n || (size_t)nla_len(own) < net_addr_size(info->ifa_family))
		return;
	v = reallocarray(r->o->on, r->o->n_on + 1, sizeof *v);
	if (!v) {
		r->oom = true;
		return;
	}
	r->o->on = v;
	v += r->o->n_on++;
	*v = (struct net_on_link){ .link = at, .s = { .family = info->ifa_family, .prefix = info->ifa_prefixlen } };
	memcpy(v->addr, nla_data(own), net_addr_size(info->ifa_family));
	memcpy(v->s.addr, nla_data(a[IFA_ADDRESS] ? a[IFA_ADDRESS] : own), net_addr_size(info->ifa_family));
	net_subnet_mask(&v->s);
}

int net_host_links_read(struct net_host_links *out)
{
	auto_nlq struct nlq q = { 0 };
	struct ifinfomsg link = { 0 };
	struct ifaddrmsg addr = { 0 };
	struct reading read = { out, false };
	int r;

	*out = (struct net_host_links){ 0 };
	TRY(nlq_open(&q, NETLINK_ROUTE));
	nlq_add(&q, RTM_GETLINK, NLM_F_DUMP, &link, sizeof link);
	nlq_put_u32(&q, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = nlq_talk(&q, see_link, &read);
	if (r == 0) {
		nlq_add(&q, RTM_GETADDR, NLM_F_DUMP, &addr, sizeof addr);
		r = nlq_talk(&q, see_address, &read);
	}
	if (r < 0)
		(void)net_fail_talk(&q, r, "list the host's links and addresses");
	else if (read.oom)
		r = fail(ENOMEM, "out of memory");
	if (r < 0)
		net_host_links_free(out);
	return r;
}
