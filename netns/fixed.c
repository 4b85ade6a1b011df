#include "netns/fixed.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct numbered { int index; const struct net_link *l; };
struct reading { struct numbered *links; size_t n; struct net_fixed_list *out; bool oom; };

void net_fixed_free(struct net_fixed_list *l)
{
	free(l->v);
	*l = (struct net_fixed_list){ 0 };
}

static int by_index(const void *a, const void *b)
{
	int x = ((const struct numbered *)a)->index, y = ((const struct numbered *)b)->index;

	return (x > y) - (x < y);
}

static int number_links(const struct net_host *h, struct reading *r)
{
	r->links = calloc(h->nlinks + 1, sizeof *r->links);
	if (!r->links)
		return fail(ENOMEM, "list the addresses of bridges: out of memory");
	for (; r->n < h->nlinks; r->n++)
		r->links[r->n] = (struct numbered){ h->links[r->n].index, &h->links[r->n] };
	qsort(r->links, r->n, sizeof *r->links, by_index);
	return 0;
}

/* The address of the link itself; one that came since links were listed has any. */
static bool is_its_own(const struct reading *r, int index, const unsigned char mac[6])
{
	struct numbered key = { index, NULL }, *found = bsearch(&key, r->links, r->n, sizeof key, by_index);

	return !found || memcmp(mac, found->l->mac, 6) == 0;
}

/* Sticky: it ages, but the bridge learns of no other place. */
static bool is_fixed(const struct ndmsg *n)
{
	return n->ndm_state & (NUD_NOARP | NUD_PERMANENT) || n->ndm_flags & NTF_STICKY;
}

/* The master is told by the bridge alone: a list that a link keeps of its own (a tunnel's peers) is another matter. */
static void see(void *ctx, size_t i, const struct nlmsghdr *m)
{
	struct reading *r = ctx;
	const struct ndmsg *n = NLMSG_DATA(m);
	struct nlattr *a[NDA_MAX + 1];
	struct net_fixed f, *v;

	(void)i;
	if (m->nlmsg_type != RTM_NEWNEIGH || nlmsg_parse((struct nlmsghdr *)(uintptr_t)m, sizeof *n, a, NDA_MAX, NULL) < 0 ||
	    n->ndm_family != AF_BRIDGE || !is_fixed(n) || n->ndm_flags & NTF_SELF ||
	    !a[NDA_MASTER] || !a[NDA_LLADDR] || nla_len(a[NDA_LLADDR]) != 6)
		return;
	f = (struct net_fixed){ .bridge = (int)nla_get_u32(a[NDA_MASTER]), .port = n->ndm_ifindex,
				.vlan = a[NDA_VLAN] ? nla_get_u16(a[NDA_VLAN]) : 0 };
	memcpy(f.mac, nla_data(a[NDA_LLADDR]), 6);
	/* What the bridge takes in for the host. */
	if (n->ndm_state & NUD_PERMANENT) {
		f.own = !f.vlan && is_its_own(r, f.bridge, f.mac);
		if (!f.own && (is_its_own(r, f.port, f.mac) || is_its_own(r, f.bridge, f.mac)))
			return;
	}
	v = reallocarray(r->out->v, r->out->n + 1, sizeof *v);
	r->oom |= !v;
	if (!v)
		return;
	r->out->v = v;
	v[r->out->n++] = f;
}

int net_fixed_read(struct nlq *q, const struct net_host *h, struct net_fixed_list *out)
{
	struct ifinfomsg of_all = { .ifi_family = AF_BRIDGE };
	struct reading r = { .out = out };
	int code;

	TRY(number_links(h, &r));
	nlq_add(q, RTM_GETNEIGH, NLM_F_DUMP, &of_all, sizeof of_all);
	code = nlq_talk(q, see, &r);
	free(r.links);
	/* A kernel without bridges. */
	if (code == -EOPNOTSUPP)
		return 0;
	if (code < 0)
		return net_fail_talk(q, code, "list the addresses of bridges");
	return r.oom ? fail(ENOMEM, "list the addresses of bridges: out of memory") : 0;
}

static bool is_of(const struct net_fixed *f, const struct net_link *bridge)
{
	return f->bridge == bridge->index && !f->vlan && memcmp(f->mac, bridge->mac, sizeof f->mac) == 0;
}

bool net_fixed_has_own(const struct net_fixed_list *l, const struct net_link *bridge)
{
	for (size_t i = 0; i < l->n; i++)
		if (is_of(&l->v[i], bridge))
			return true;
	return false;
}

/* It comes back by nobody else: what is sent to the host would go to all ports. */
static void put_back(struct nlq *q, const struct net_link *bridge)
{
	struct ndmsg m = { .ndm_family = AF_BRIDGE, .ndm_ifindex = bridge->index, .ndm_flags = NTF_SELF,
			   .ndm_state = NUD_PERMANENT };

	nlq_add(q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
	nlq_put(q, NDA_LLADDR, bridge->mac, sizeof bridge->mac);
}

static void take_out(struct nlq *q, const struct net_fixed *f)
{
	struct ndmsg m = { .ndm_family = AF_BRIDGE, .ndm_ifindex = f->port,
			   .ndm_flags = f->port == f->bridge ? NTF_SELF : NTF_MASTER };

	nlq_add(q, RTM_DELNEIGH, 0, &m, sizeof m);
	nlq_put(q, NDA_LLADDR, f->mac, sizeof f->mac);
	if (f->vlan)
		nlq_put(q, NDA_VLAN, &f->vlan, sizeof f->vlan);
}

static int talk(struct nlq *q, const char *what)
{
	int r = nlq_talk(q, NULL, NULL);

	return r < 0 && r != -ENOENT && r != -ENODEV ? net_fail_talk(q, r, "%s", what) : 0;
}

int net_fixed_drop(struct nlq *q, const struct net_fixed_list *l, const struct net_link *bridge)
{
	bool own = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct net_fixed *f = &l->v[i];

		own |= f->own && is_of(f, bridge);
		if (f->bridge != bridge->index || f->own || is_of(f, bridge))
			continue;
		take_out(q, f);
		TRY(talk(q, "take a fixed address out of a bridge"));
	}
	/* Over what somebody made of it, too. */
	if (!own)
		put_back(q, bridge);
	return talk(q, "give a bridge its own address");
}
