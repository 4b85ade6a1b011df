#include "netns/addrtext.h"
#include "base/scope.h"
#include "netns/addr.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

char *net_address_text(struct arena *out, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	char text[INET6_ADDRSTRLEN], other[INET6_ADDRSTRLEN];
	struct nlattr *a[IFA_MAX + 1], *addr;
	auto_buf struct buf b = { 0 };

	if (nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof *m, a, IFA_MAX, NULL) < 0)
		return NULL;
	addr = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS];
	if (!addr || !inet_ntop(m->ifa_family, nla_data(addr), text, sizeof text))
		return NULL;
	buf_printf(&b, "%s/%u", text, m->ifa_prefixlen);
	if (a[IFA_BROADCAST] && inet_ntop(AF_INET, nla_data(a[IFA_BROADCAST]), other, sizeof other))
		buf_printf(&b, " brd %s", other);
	if (a[IFA_LOCAL] && a[IFA_ADDRESS] && inet_ntop(m->ifa_family, nla_data(a[IFA_ADDRESS]), other, sizeof other) &&
	    !str_eq(text, other))
		buf_printf(&b, " peer %s", other);
	if (a[IFA_RT_PRIORITY])
		buf_printf(&b, " metric %u", nla_get_u32(a[IFA_RT_PRIORITY]));
	if (a[IFA_FLAGS] && nla_get_u32(a[IFA_FLAGS]) & IFA_F_NOPREFIXROUTE)
		buf_puts(&b, " noprefixroute");
	return b.oom ? NULL : arena_strdup(out, buf_text(&b));
}

/* What is behind a word in the text of an address; false: it has no such word. */
static bool word_behind(const char *text, const char *word, char out[INET6_ADDRSTRLEN])
{
	const char *at = strstr(text, word);

	if (at)
		snprintf(out, INET6_ADDRSTRLEN, "%.*s", (int)strcspn(at + strlen(word), " "), at + strlen(word));
	return at;
}

void net_address_put(struct nlq *q, int family, const char *text, const struct net_wish *w)
{
	/* It was there before: nobody else took it since. */
	uint32_t flags = family == AF_INET6 ? IFA_F_NODAD | IFA_F_PERMANENT : 0;
	char word[INET6_ADDRSTRLEN];
	unsigned char a[16];
	uint64_t metric;
	bool peer = word_behind(text, " peer ", word) && inet_pton(family, word, a) == 1;

	nlq_put(q, IFA_LOCAL, w->addr, net_addr_size(family));
	nlq_put(q, IFA_ADDRESS, peer ? a : w->addr, net_addr_size(family));
	if (word_behind(text, " brd ", word) && inet_pton(AF_INET, word, a) == 1)
		nlq_put(q, IFA_BROADCAST, a, 4);
	if (word_behind(text, " metric ", word) && str_u64(word, UINT32_MAX, &metric) == 0)
		nlq_put_u32(q, IFA_RT_PRIORITY, (uint32_t)metric);
	if (strstr(text, " noprefixroute"))
		flags |= IFA_F_NOPREFIXROUTE;
	if (flags)
		nlq_put_u32(q, IFA_FLAGS, flags);
}
