#include "netns/loanaddr.h"
#include "netns/addr.h"
#include "netns/addrtext.h"
#include "netns/link.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the note ------------------------------------------------------------------------------------ */

enum { ADDRESSES_MAX = 64 };
struct addresses { int index; struct arena *a; const char *v[ADDRESSES_MAX + 1]; size_t n; };

static void see_address(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct addresses *s = ctx;
	const struct ifaddrmsg *m = NLMSG_DATA(h);

	(void)i;
	if (h->nlmsg_type == RTM_NEWADDR && nlmsg_datalen(h) >= (int)sizeof *m && (int)m->ifa_index == s->index &&
	    m->ifa_scope == RT_SCOPE_UNIVERSE && m->ifa_flags & IFA_F_PERMANENT && s->n < ADDRESSES_MAX &&
	    (m->ifa_family == AF_INET || m->ifa_family == AF_INET6))
		s->v[s->n++] = net_address_text(s->a, h);
}

int net_loan_note_addresses(struct nlq *q, int index, const char *device, struct arena *a, struct strv *out)
{
	struct ifaddrmsg any = { .ifa_family = AF_UNSPEC };
	struct addresses found = { .index = index, .a = a };
	int r;

	nlq_add(q, RTM_GETADDR, NLM_F_DUMP, &any, sizeof any);
	r = nlq_talk(q, see_address, &found);
	if (r < 0)
		return net_fail_talk(q, r, "list the addresses of %s", device);
	for (size_t i = 0; i < found.n; i++)
		if (!found.v[i])
			return fail(ENOMEM, "list the addresses of %s: out of memory", device);
	return strv_copy(a, found.v, found.n, out);
}

/* ---- and back ------------------------------------------------------------------------------------ */

static bool is_ipv6(const char *text) { return strchr(text, ':'); }

/* By its first word: the rest may have been said in another way since. */
static bool same_address(const char *a, const char *b)
{
	size_t n = strcspn(a, " ");

	return n == strcspn(b, " ") && strncmp(a, b, n) == 0;
}

static int parse_address(const struct net_loan *l, const char *text, char bare[64], struct net_wish *w)
{
	snprintf(bare, 64, "%.*s", (int)strcspn(text, " "), text);
	TRY_IN(net_wish_parse(bare, is_ipv6(text) ? AF_INET6 : AF_INET, w), "lent link %s", l->device);
	return 0;
}

static int add_address(struct nlq *q, const struct net_loan *l, int index, const char *text)
{
	int family = is_ipv6(text) ? AF_INET6 : AF_INET, r;
	struct ifaddrmsg m = { .ifa_family = (unsigned char)family, .ifa_index = (unsigned)index };
	char bare[64];
	struct net_wish w;

	TRY(parse_address(l, text, bare, &w));
	m.ifa_prefixlen = (unsigned char)w.prefix;
	nlq_add(q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
	net_address_put(q, family, text, &w);
	r = nlq_talk(q, NULL, NULL);
	return r < 0 ? net_fail_talk(q, r, "%s: give it back its address %s", l->device, bare) : 0;
}

enum order { AS_NOTED, BACKWARDS };

static int add_addresses(struct nlq *q, const struct net_loan *l, int index, bool of_ipv6, enum order order)
{
	const struct strv *a = &l->addresses;

	for (size_t i = 0; i < a->n; i++) {
		const char *text = a->v[order == BACKWARDS ? a->n - 1 - i : i];

		if (is_ipv6(text) == of_ipv6)
			TRY(add_address(q, l, index, text));
	}
	return 0;
}

static int drop_ipv6(struct nlq *q, const struct net_loan *l, int index)
{
	struct net_wish w;
	int r;

	for (size_t i = 0; i < l->addresses.n; i++) {
		char bare[64];

		if (!is_ipv6(l->addresses.v[i]))
			continue;
		TRY(parse_address(l, l->addresses.v[i], bare, &w));
		net_del_address(q, index, AF_INET6, w.addr, w.prefix);
		r = nlq_talk(q, NULL, NULL);
		if (r < 0 && r != -EADDRNOTAVAIL)
			return net_fail_talk(q, r, "%s: take off its address %s", l->device, bare);
	}
	return 0;
}

/* 1: the kernel lists its addresses of IPv6 as they were noted, others between them or not. */
static int in_order(struct nlq *q, const struct net_loan *l, int index)
{
	auto_arena struct arena a = { 0 };
	struct strv now;
	size_t k = 0;

	TRY(net_loan_note_addresses(q, index, l->device, &a, &now));
	for (size_t i = 0; i < l->addresses.n; i++) {
		if (!is_ipv6(l->addresses.v[i]))
			continue;
		while (k < now.n && !same_address(now.v[k], l->addresses.v[i]))
			k++;
		if (k++ >= now.n)
			return 0;
	}
	return 1;
}

/*
 * Kernels until 2026 put a new address of IPv6 before those that are there, later ones behind; and some may be there: a
 * third time, when it was these that were in the way. The first one is what programs send from.
 */
int net_loan_give_addresses(struct nlq *q, const struct net_loan *l, int index)
{
	static const enum order orders[] = { BACKWARDS, AS_NOTED, BACKWARDS };
	int r;

	TRY(add_addresses(q, l, index, false, AS_NOTED));
	for (size_t i = 0; i < COUNT(orders); i++) {
		TRY(add_addresses(q, l, index, true, orders[i]));
		r = in_order(q, l, index);
		if (r != 0 || i + 1 == COUNT(orders))
			break;
		TRY(drop_ipv6(q, l, index));
	}
	return r < 0 ? r : 0;
}
