#include "netns/loan.h"
#include "base/clock.h"
#include "netns/addr.h"
#include "netns/altname.h"
#include "netns/link.h"
#include "netns/loanaddr.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const struct field loan_fields[] = {
	FR(struct net_loan, "index", K_U32, index),
	FR(struct net_loan, "device", K_STR, device),
	FR(struct net_loan, "name", K_STR, name),
	FR(struct net_loan, "alias", K_STR, alias),
	F(struct net_loan, "wasAlias", K_STR, was_alias),
	F(struct net_loan, "mac", K_STR, mac),
	F(struct net_loan, "permanent", K_STR, permanent),
	F(struct net_loan, "kind", K_STR, kind),
	F(struct net_loan, "number", K_U32, number),
	F(struct net_loan, "mtu", K_U32, mtu),
	F(struct net_loan, "up", K_BOOL, up),
	F(struct net_loan, "addresses", K_STRV, addresses),
	F(struct net_loan, "altnames", K_STRV, altnames),
	{ 0 }
};
const struct record net_loan_record = RECORD("loan", struct net_loan, loan_fields);
/* ---- looking at links --------------------------------------------------------------------------- */

struct search { const struct net_loan *l; bool inside, sure; struct net_link found; };

/*
 * A guest can change a link's name, alias and address, but not its number. It may send the link off to a namespace of
 * its own and make another of that number: but no card, and none with an address that was burnt in.
 */
enum { INSIDE = 0x6e000000 };

/* text: NULL is no address. */
static bool is_mac(const char *text, const unsigned char mac[6])
{
	unsigned char want[6];

	return text && net_mac_parse(text, want) == 0 && memcmp(mac, want, sizeof want) == 0;
}

static bool may_be(const struct net_loan *l, const struct net_link *v)
{
	return (!l->kind || str_eq(v->kind, l->kind)) && (!l->permanent || is_mac(l->permanent, v->permanent));
}

/* Without its mark: the guest took it off; or it is all back, and only the note is left of the loan. */
static bool looks_like(const struct search *s, const struct net_link *v)
{
	if (s->inside)
		return str_eq(v->name, s->l->name);
	return str_eq(v->name, s->l->device) && is_mac(s->l->mac, v->mac);
}

static void consider(struct search *s, const struct net_link *v)
{
	if (!v->index || !may_be(s->l, v))
		return;
	if (s->inside && v->index == INSIDE + (int)s->l->index.v) {
		s->found = *v;
		s->sure = true;
	}
	if (s->sure)
		return;
	/* The address that was burnt in nobody can change. */
	if (str_eq(v->alias, s->l->alias) || s->l->permanent ||
	    (!s->found.index && looks_like(s, v)))
		s->found = *v;
}

static void see(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct net_link v = { 0 };

	(void)i;
	net_link_read(h, &v);
	consider(ctx, &v);
}

/*
 * The kernel's list ends, without a word, before a link of so many names that it does not fit; of one that is asked for
 * by its number it tells. Where the guest's namespace is gone, it has that number, too, if nobody else has.
 */
static int search(struct nlq *q, struct search *s)
{
	struct ifinfomsg m = { 0 };
	struct net_link v;
	int r;

	s->found.index = 0;
	s->sure = false;
	nlq_add(q, RTM_GETLINK, NLM_F_DUMP, &m, sizeof m);
	r = nlq_talk(q, see, s);
	if (r < 0)
		return net_fail_talk(q, r, "look for %s", s->l->device);
	if (s->found.index)
		return 1;
	r = net_link_at(q, INSIDE + (int)s->l->index.v, &v);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	consider(s, &v);
	return s->found.index != 0;
}

static int look_at(struct nlq *q, const char *device, struct net_link *out)
{
	int r = net_link_find(q, device, out);

	return r == -ENODEV ? fail_as(ERR_NOT_FOUND, "physical %s: this host has no such link", device) : r;
}

/* ---- the note ------------------------------------------------------------------------------------ */

/* It was not noted which, where it was not noted of what kind. */
static int mend_altnames(struct nlq *q, int index, const struct net_loan *l, bool add)
{
	return l->kind ? net_altnames_mend(q, index, l->device, &l->altnames, add) : 0;
}

static const char *text_or_null(struct arena *a, const char *s)
{
	return *s ? arena_strdup(a, s) : NULL;
}

static const char *mac_or_null(struct arena *a, const unsigned char mac[6])
{
	static const unsigned char none[6];
	char text[18];

	if (memcmp(mac, none, sizeof none) == 0)
		return NULL;
	net_mac_text(mac, text);
	return arena_strdup(a, text);
}

void net_loan_alias(const struct net_port *p, char out[32])
{
	snprintf(out, 32, "vzrun:lent:%s", p->host_if);
}

int net_loan_note(const struct net_port *p, struct arena *a, struct net_loan *out)
{
	auto_nlq struct nlq q = { 0 };
	struct net_link s;
	char alias[32];

	TRY(nlq_open(&q, NETLINK_ROUTE));
	TRY(look_at(&q, p->parent, &s));
	if (s.master)
		return fail_as(ERR_STATE, "physical %s: it is part of a bridge or a bond", p->parent);
	net_loan_alias(p, alias);
	*out = (struct net_loan){
		.index = { p->index, true }, .device = arena_strdup(a, p->parent), .name = arena_strdup(a, p->name),
		.alias = arena_strdup(a, alias), .mtu = { s.mtu, true }, .number = { (uint32_t)s.index, true },
		.up = s.up, .mac = mac_or_null(a, s.mac), .permanent = mac_or_null(a, s.permanent),
		.kind = arena_strdup(a, s.kind), .was_alias = str_eq(s.alias, alias) ? NULL : text_or_null(a, s.alias),
	};
	TRY(net_loan_note_addresses(&q, s.index, s.name, a, &out->addresses));
	TRY(net_altnames_note(&q, s.index, s.name, a, &out->altnames));
	return out->device && out->name && out->alias && out->kind ? 0 : fail(ENOMEM, "out of memory");
}

/* ---- there --------------------------------------------------------------------------------------- */

/* number: what it shall be there, if that is free. */
static int send_over(struct nlq *q, int index, const char *device, const char *as, uint32_t number, int netns_fd)
{
	struct ifinfomsg m = { .ifi_index = index };
	int r;

	do {
		nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
		nlq_put_u32(q, IFLA_NET_NS_FD, (uint32_t)netns_fd);
		nlq_put_str(q, IFLA_IFNAME, as);
		if (number)
			nlq_put_u32(q, IFLA_NEW_IFINDEX, number);
		r = nlq_talk(q, NULL, NULL);
	} while (r == -EBUSY && number && !(number = 0));
	return r < 0 ? net_fail_talk(q, r, "physical %s: move it, as %s", device, as) : 0;
}

static int set_alias(struct nlq *q, int index, const char *device, const char *alias)
{
	struct ifinfomsg m = { .ifi_index = index };
	int r;

	nlq_add(q, RTM_NEWLINK, 0, &m, sizeof m);
	nlq_put(q, IFLA_IFALIAS, alias, strlen(alias));
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "physical %s: mark it as lent", device) : 0;
}

int net_loan_give(const struct net_port *p, int netns_fd)
{
	static const unsigned char any[6];
	auto_nlq struct nlq q = { 0 }, there = { 0 };
	struct ifinfomsg m = { 0 };
	struct net_link l, s;
	char alias[32];
	int r;

	TRY(nlq_open(&q, NETLINK_ROUTE));
	TRY(nlq_open_in(&there, NETLINK_ROUTE, netns_fd));
	TRY(look_at(&q, p->parent, &s));
	r = net_link_find(&there, p->name, &l);
	if (r == 0)
		return fail_as(ERR_EXISTS, "physical %s: the guest already has a link %s", p->parent, p->name);
	if (r != -ENODEV)
		return r;
	net_loan_alias(p, alias);
	TRY(set_alias(&q, s.index, p->parent, alias));
	TRY(send_over(&q, s.index, p->parent, p->name, INSIDE + p->index, netns_fd));
	if (memcmp(p->mac, any, sizeof any) == 0)
		return 0;
	nlq_add(&there, RTM_NEWLINK, 0, &m, sizeof m);
	nlq_put_str(&there, IFLA_IFNAME, p->name);
	nlq_put(&there, IFLA_ADDRESS, p->mac, sizeof p->mac);
	r = nlq_talk(&there, NULL, NULL);
	return r < 0 ? net_fail_talk(&there, r, "physical %s: set its MAC address", p->parent) : 0;
}

/* ---- and back ------------------------------------------------------------------------------------ */

/* As it was. A name can be given to a link that is down only; the alias goes last: without it all is done. */
static int restore(struct nlq *q, const struct net_loan *l, const struct net_link *s)
{
	struct ifinfomsg down = { .ifi_index = s->index, .ifi_change = IFF_UP };
	struct ifinfomsg up = { .ifi_index = s->index, .ifi_flags = l->up ? IFF_UP : 0, .ifi_change = IFF_UP };
	unsigned char mac[6];
	int r;

	nlq_add(q, RTM_NEWLINK, 0, &down, sizeof down);
	if (!str_eq(s->name, l->device))
		nlq_put_str(q, IFLA_IFNAME, l->device);
	if (l->mac && !is_mac(l->mac, s->mac) && net_mac_parse(l->mac, mac) == 0)
		nlq_put(q, IFLA_ADDRESS, mac, sizeof mac);
	if (l->mtu.v && l->mtu.v != s->mtu)
		nlq_put_u32(q, IFLA_MTU, l->mtu.v);
	r = nlq_talk(q, NULL, NULL);
	if (r == -EEXIST)
		return fail_as(ERR_EXISTS, "physical %s is back as %s: its name is taken", l->device, s->name);
	if (r < 0)
		return net_fail_talk(q, r, "physical %s: make it what it was", l->device);
	nlq_add(q, RTM_NEWLINK, 0, &up, sizeof up);
	r = nlq_talk(q, NULL, NULL);
	if (r < 0)
		return net_fail_talk(q, r, "physical %s: bring it up again", l->device);
	TRY(net_loan_give_addresses(q, l, s->index));
	TRY(mend_altnames(q, s->index, l, true));
	return set_alias(q, s->index, l->device, l->was_alias ? l->was_alias : "");
}

enum { WAIT_MS = 5000 };

/* The kernel takes a dead namespace apart a moment later, and says so when it puts a link back. */
static int await(struct nlq *here, struct search *s)
{
	auto_nlq struct nlq events = { 0 };
	uint64_t end = clock_ms() + WAIT_MS, now;
	char b[8192];
	int found;

	TRY(nlq_open(&events, NETLINK_ROUTE));
	if (nl_socket_add_membership(events.sk, RTNLGRP_LINK) < 0)
		return fail(EIO, "listen to changes of links");
	while ((found = search(here, s)) == 0 && (now = clock_ms()) < end) {
		struct pollfd p = { nl_socket_get_fd(events.sk), POLLIN, 0 };

		if (poll(&p, 1, (int)(end - now)) > 0)
			while (recv(p.fd, b, sizeof b, MSG_DONTWAIT) > 0)
				;
	}
	return found;
}

static int from_inside(const struct net_loan *l, int netns_fd)
{
	auto_nlq struct nlq there = { 0 };
	struct search s = { .l = l, .inside = true };
	auto_close int own = net_ns_own();
	int r;

	TRY(own);
	TRY(nlq_open_in(&there, NETLINK_ROUTE, netns_fd));
	r = search(&there, &s);
	/* By it the link is known here, and if we are killed in between as well. */
	if (r > 0)
		TRY(set_alias(&there, s.found.index, l->device, l->alias));
	if (r > 0)
		TRY(mend_altnames(&there, s.found.index, l, false));
	/* Its name here may be taken: then it is renamed, and that said, after it is back. */
	if (r > 0 && send_over(&there, s.found.index, l->device, l->device, l->number.v, own) < 0 &&
	    search(&there, &s) != 0)
		return -EIO;
	return r < 0 ? r : 0;
}

int net_loan_take_back(const struct net_loan *l, int netns_fd)
{
	auto_nlq struct nlq here = { 0 };
	struct search s = { .l = l };
	int r;

	TRY(nlq_open(&here, NETLINK_ROUTE));
	r = search(&here, &s);
	if (r == 0 && netns_fd >= 0) {
		TRY(from_inside(l, netns_fd));
		r = search(&here, &s);
	} else if (r == 0) {
		r = await(&here, &s);
	}
	if (r == 0)
		return fail_as(ERR_NOT_FOUND, "physical %s is neither in the guest nor on the host any more", l->device);
	return r < 0 ? r : restore(&here, l, &s.found);
}
