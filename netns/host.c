#include "netns/host.h"
#include "netns/kernel.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct reading { struct net_host *h; size_t size; bool oom; };

/* One more of the array, zeroed; NULL when memory is out. */
static void *one_more(struct reading *r, void **v, size_t *n, size_t item)
{
	if (*n == r->size) {
		size_t size = r->size ? 2 * r->size : 64;
		void *more = reallocarray(*v, size, item);

		if (!more) {
			r->oom = true;
			return NULL;
		}
		*v = more;
		r->size = size;
	}
	return memset((char *)*v + item * (*n)++, 0, item);
}

static void see_link(void *ctx, size_t i, const struct nlmsghdr *m)
{
	struct reading *r = ctx;
	struct net_link *l;

	(void)i;
	if (m->nlmsg_type != RTM_NEWLINK)
		return;
	l = one_more(r, (void **)&r->h->links, &r->h->nlinks, sizeof *l);
	if (l)
		net_link_read(m, l);
}

bool net_host_addr_read(const struct nlmsghdr *m, struct net_host_addr *out)
{
	const struct ifaddrmsg *a = NLMSG_DATA(m);
	struct nlmsghdr *w = (struct nlmsghdr *)(uintptr_t)m;
	struct nlattr *v = NULL, *by;

	if (m->nlmsg_type != RTM_NEWADDR || (a->ifa_family != AF_INET && a->ifa_family != AF_INET6))
		return false;
	if (a->ifa_family == AF_INET)
		v = nlmsg_find_attr(w, sizeof *a, IFA_LOCAL);
	if (!v)
		v = nlmsg_find_attr(w, sizeof *a, IFA_ADDRESS);
	if (!v || (size_t)nla_len(v) != net_addr_size(a->ifa_family))
		return false;
	by = nlmsg_find_attr(w, sizeof *a, IFA_PROTO);
	*out = (struct net_host_addr){ (int)a->ifa_index, { .family = a->ifa_family, .prefix = a->ifa_prefixlen },
				       .ours = by && nla_get_u8(by) == NET_ADDRESS_OURS,
				       .theirs = nlmsg_find_attr(w, sizeof *a, IFA_RT_PRIORITY) };
	memcpy(out->a.addr, nla_data(v), (size_t)nla_len(v));
	return true;
}

static void see_addr(void *ctx, size_t i, const struct nlmsghdr *m)
{
	struct reading *r = ctx;
	struct net_host_addr a, *out;

	(void)i;
	if (!net_host_addr_read(m, &a))
		return;
	out = one_more(r, (void **)&r->h->addrs, &r->h->naddrs, sizeof *out);
	if (out)
		*out = a;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct net_link *)a)->name, ((const struct net_link *)b)->name);
}

static int by_index(const void *a, const void *b)
{
	return ((const struct net_host_addr *)a)->index - ((const struct net_host_addr *)b)->index;
}

static int by_oif(const void *a, const void *b)
{
	return ((const struct net_route *)a)->oif - ((const struct net_route *)b)->oif;
}

static int dump(struct nlq *q, int type, const void *header, size_t n, nlq_reply *see, struct net_host *h,
		const char *what)
{
	struct reading r = { .h = h };
	int code;

	nlq_add(q, type, NLM_F_DUMP, header, n);
	if (type == RTM_GETLINK)
		nlq_put_u32(q, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	code = nlq_talk(q, see, &r);
	if (code < 0)
		return net_fail_talk(q, code, "list the host's %s", what);
	return r.oom ? fail(ENOMEM, "list the host's %s: out of memory", what) : 0;
}

int net_host_read(struct nlq *q, struct net_host *h)
{
	struct ifinfomsg l = { 0 };
	struct ifaddrmsg a = { 0 };

	memset(h, 0, sizeof *h);
	TRY(dump(q, RTM_GETLINK, &l, sizeof l, see_link, h, "links"));
	TRY(dump(q, RTM_GETADDR, &a, sizeof a, see_addr, h, "addresses"));
	TRY(net_routes(&h->routes, &h->nroutes));
	if (h->nlinks)
		qsort(h->links, h->nlinks, sizeof *h->links, by_name);
	if (h->naddrs)
		qsort(h->addrs, h->naddrs, sizeof *h->addrs, by_index);
	if (h->nroutes)
		qsort(h->routes, h->nroutes, sizeof *h->routes, by_oif);
	return 0;
}

void net_host_free(struct net_host *h)
{
	free(h->links);
	free(h->addrs);
	free(h->routes);
}

const struct net_link *net_host_link(const struct net_host *h, const char *name)
{
	struct net_link key = { .index = 0 };

	snprintf(key.name, sizeof key.name, "%s", name);
	return h->nlinks ? bsearch(&key, h->links, h->nlinks, sizeof key, by_name) : NULL;
}

/* The first of the array that belongs to the link; arrays are short or sorted, or both. */
static size_t first_of(const void *v, size_t n, size_t item, int index, int (*of)(const void *))
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (of((const char *)v + mid * item) < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int index_of(const void *a) { return ((const struct net_host_addr *)a)->index; }
static int oif_of(const void *r) { return ((const struct net_route *)r)->oif; }

const struct net_host_addr *net_host_addrs(const struct net_host *h, int index, size_t *n)
{
	size_t first = first_of(h->addrs, h->naddrs, sizeof *h->addrs, index, index_of), end = first;

	while (end < h->naddrs && h->addrs[end].index == index)
		end++;
	*n = end - first;
	return *n ? h->addrs + first : NULL;
}

bool net_host_has_addr(const struct net_host *h, int index, int family, const unsigned char *addr,
		       unsigned prefix)
{
	size_t n;
	const struct net_host_addr *v = net_host_addrs(h, index, &n);

	for (size_t i = 0; i < n; i++)
		if (v[i].a.family == family && v[i].a.prefix == prefix && memcmp(v[i].a.addr, addr, net_addr_size(family)) == 0)
			return true;
	return false;
}

bool net_host_has_route(const struct net_host *h, int index, const struct net_subnet *to)
{
	size_t i = first_of(h->routes, h->nroutes, sizeof *h->routes, index, oif_of);

	for (; i < h->nroutes && h->routes[i].oif == index; i++) {
		const struct net_subnet *r = &h->routes[i].to;

		if (r->family == to->family && r->prefix == to->prefix &&
		    memcmp(r->addr, to->addr, net_addr_size(to->family)) == 0)
			return true;
	}
	return false;
}
