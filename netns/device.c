/* A network device of the host's, lent to somebody else's network namespace. */
#include "netns/link.h"
#include "netns/net.h"
#include "base/fault.h"
#include "base/scope.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const struct field device_fields[] = {
	F(struct net_device_conf, "name", K_STR, name),
	{ 0 }
};
const struct record net_device_record = RECORD("netDevice", struct net_device_conf, device_fields);

/* As dev_valid_name() of the kernel; in a template one %d stands for a number. */
static bool is_device_name(const char *s, bool template)
{
	size_t n = strlen(s), percent = 0;

	for (const char *p = s; *p; p++) {
		if (*p == '/' || *p == ':' || (unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
		if (*p == '%') {
			percent++;
			if (!template || p[1] != 'd')
				return false;
		}
	}
	return n > 0 && n < IFNAMSIZ && percent <= 1 && !str_eq(s, ".") && !str_eq(s, "..");
}

static const char *inside(const struct net_device_conf *d)
{
	return d->name && *d->name ? d->name : d->host;
}

int net_devices_check(const struct list *devices)
{
	LIST_EACH(struct net_device_conf, d, *devices) {
		if (!is_device_name(d->host, false))
			return fail(EINVAL, "\"%s\": is not the name of a network device", d->host);
		if (!is_device_name(inside(d), true))
			return fail(EINVAL, "%s.name: \"%s\" is not the name of a network device", d->host, inside(d));
		for (struct net_device_conf *o = devices->v; o < d; o++)
			if (str_eq(inside(o), inside(d)) && !strchr(inside(d), '%'))
				return fail(EINVAL, "%s.name: \"%s\" is %s's too", d->host, inside(d), o->host);
	}
	return 0;
}

/* ---- what goes with it ------------------------------------------------------------------------------ */

enum { KEEP_FLAGS = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN };

struct packing { struct net_baggage *bag; unsigned index; };

static uint32_t flags_of(const struct ifaddrmsg *m, size_t len)
{
	struct nlattr *a = nla_find((struct nlattr *)((char *)(uintptr_t)m + NLMSG_ALIGN(sizeof *m)),
				    (int)(len - NLMSG_ALIGN(sizeof *m)), IFA_FLAGS);

	return a ? nla_get_u32(a) : m->ifa_flags;
}

static void take_address(void *ctx, size_t i, const struct nlmsghdr *h)
{
	const struct packing *p = ctx;
	struct net_baggage *b = p->bag;
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	size_t len = h->nlmsg_len - NLMSG_HDRLEN;

	(void)i;
	if (h->nlmsg_type != RTM_NEWADDR || m->ifa_index != p->index || m->ifa_scope != RT_SCOPE_UNIVERSE)
		return;
	if (!(flags_of(m, len) & IFA_F_PERMANENT))
		return;
	if (b->n == COUNT(b->at) || len > sizeof b->at[0].p) {
		b->too_many = true;
		return;
	}
	b->at[b->n].len = len;
	memcpy(b->at[b->n++].p, m, len);
}

static int pack(struct nlq *q, const struct net_link *l, const char *name, struct net_baggage *b)
{
	struct ifaddrmsg any = { .ifa_family = AF_UNSPEC };
	struct packing p = { b, (unsigned)l->index };
	int r;

	b->n = 0;
	nlq_add(q, RTM_GETADDR, NLM_F_DUMP, &any, sizeof any);
	r = nlq_talk(q, take_address, &p);
	if (r < 0)
		return net_fail_talk(q, r, "list the addresses of %s", name);
	return b->too_many ? fail(E2BIG, "%s has more than %zu addresses", name, COUNT(b->at)) : 0;
}

/* Label and cache information are not taken along: the one has the old name in it, the other says "for ever". */
static int unpack(struct nlq *q, const char *name, int index, const struct net_baggage *b)
{
	static const int keep[] = { IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST, IFA_RT_PRIORITY, IFA_PROTO };

	for (size_t i = 0; i < b->n; i++) {
		struct ifaddrmsg m;
		size_t at = NLMSG_ALIGN(sizeof m);
		int r;

		memcpy(&m, b->at[i].p, sizeof m);
		uint32_t flags = flags_of((const void *)b->at[i].p, b->at[i].len) & KEEP_FLAGS;
		m.ifa_index = (unsigned)index;
		m.ifa_flags = 0;
		nlq_add(q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
		for (size_t k = 0; k < sizeof keep / sizeof *keep; k++) {
			struct nlattr *a = nla_find((struct nlattr *)(uintptr_t)(b->at[i].p + at),
						    (int)(b->at[i].len - at), keep[k]);

			if (a)
				nlq_put(q, keep[k], nla_data(a), (size_t)nla_len(a));
		}
		nlq_put_u32(q, IFA_FLAGS, flags);
		r = nlq_talk(q, NULL, NULL);
		if (r < 0)
			return net_fail_talk(q, r, "%s: give it back its address %zu", name, i + 1);
	}
	return 0;
}

/* ---- the move ---------------------------------------------------------------------------------------- */

static int send_over(struct nlq *q, int index, const char *name, const char *as, int netns)
{
	struct ifinfomsg info = { .ifi_index = index };
	int r;

	nlq_add(q, RTM_NEWLINK, 0, &info, sizeof info);
	nlq_put_u32(q, IFLA_NET_NS_FD, (uint32_t)netns);
	nlq_put_str(q, IFLA_IFNAME, as);
	r = nlq_talk(q, NULL, NULL);
	if (r == -EINVAL || r == -EOPNOTSUPP) {
		r = net_fail_talk(q, r, "%s cannot be moved", name);
		err_why("%s", q->says[0] ? q->says : "some kinds of devices stay in their network namespace");
		return r;
	}
	return r < 0 ? net_fail_talk(q, r, "move %s", name) : 0;
}

static int bring_up(struct nlq *q, int index, const char *name)
{
	struct ifinfomsg info = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	int r;

	nlq_add(q, RTM_NEWLINK, 0, &info, sizeof info);
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "bring %s up", name) : 0;
}

/* As the kernel numbers them: the lowest that is free there. */
static int choose_name(struct nlq *there, const char *wanted, char name[IFNAMSIZ])
{
	bool template = strchr(wanted, '%');
	struct net_link l;

	for (int i = 0; i < 10000; i++) {
		char text[2 * IFNAMSIZ];
		int r;

		if (template)
			snprintf(text, sizeof text, wanted, i);	/* one %d, checked */
		else
			snprintf(text, sizeof text, "%s", wanted);
		r = net_link_find(there, text, &l);
		if (r == -ENODEV && strlen(text) < IFNAMSIZ) {
			memcpy(name, text, strlen(text) + 1);
			return 0;
		}
		if (r < 0 && r != -ENODEV)
			return r;
		if (!template)
			break;
	}
	return fail_as(ERR_EXISTS, "the name \"%s\" is taken there", wanted);
}

struct move {
	struct nlq here, there;
	int from, to;			/* network namespaces; at least one of them is our own */
	struct net_link link;
	bool up;			/* what it is to be there */
};

static void move_free(struct move *m)
{
	nlq_close(&m->here);
	nlq_close(&m->there);
}

/* The second half: in its new place, with all that it had. */
static int settle(struct move *m, const char *name, const struct net_baggage *bag)
{
	struct net_link l;
	int r = net_link_find(&m->there, name, &l);

	if (r < 0)
		return r == -ENODEV ? fail(ENODEV, "%s: gone while it was moved", name) : r;
	TRY(unpack(&m->there, name, l.index, bag));
	return m->up ? bring_up(&m->there, l.index, name) : 0;
}

static void send_home(struct move *m, const char *host, const char *name, const struct net_baggage *bag)
{
	struct err_saved why;
	struct net_link l;

	err_save(&why);
	if (net_link_find(&m->there, name, &l) == 0 && send_over(&m->there, l.index, name, host, m->from) == 0 &&
	    net_link_find(&m->here, host, &l) == 0) {
		(void)unpack(&m->here, host, l.index, bag);
		if (m->link.up)
			(void)bring_up(&m->here, l.index, host);
	}
	err_restore(&why);
}

/* bag: it is filled, or, of a device that was moved without, given. */
static int move(struct move *m, const char *host, const char *as, struct net_baggage *bag, bool given)
{
	int r;

	if (!given)
		TRY(pack(&m->here, &m->link, host, bag));
	TRY(fault_point("device moved"));
	TRY(send_over(&m->here, m->link.index, host, as, m->to));
	r = fault_point("device settled");
	if (r >= 0)
		r = settle(m, as, bag);
	if (r < 0)
		send_home(m, host, as, bag);
	return r;
}

/* Both ends, and the device at this one; ERR_NOT_FOUND. */
static int begin(struct move *m, int here, int there, const char *host)
{
	int r;

	TRY(nlq_open_in(&m->here, NETLINK_ROUTE, here));
	TRY(nlq_open_in(&m->there, NETLINK_ROUTE, there));
	r = net_link_find(&m->here, host, &m->link);
	return r == -ENODEV ? fail_as(ERR_NOT_FOUND, "there is no such network device") : r;
}

int net_move_device(const char *host, const char *name, int netns_fd, struct net_moved *out)
{
	SCOPED(move_free) struct move m = { .to = netns_fd, .up = true };
	auto_close int own = net_ns_own();

	TRY(own);
	m.from = own;
	TRY(begin(&m, -1, netns_fd, host));
	snprintf(out->was, sizeof out->was, "%s", host);
	out->up = m.link.up;
	TRY(choose_name(&m.there, name && *name ? name : host, out->is));
	TRY(move(&m, host, out->is, &out->bag, false));
	out->settled = true;
	return 0;
}

int net_move_back(struct net_moved *moved, int netns_fd)
{
	SCOPED(move_free) struct move m = { .from = netns_fd, .up = moved->up };
	auto_close int own = net_ns_own();
	char name[IFNAMSIZ];

	TRY(own);
	m.to = own;
	TRY(begin(&m, netns_fd, -1, moved->is));
	TRY(choose_name(&m.there, moved->was, name));
	return move(&m, moved->is, name, &moved->bag, !moved->settled);
}
