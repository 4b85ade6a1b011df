#include "netns/fixed.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct reading { const struct net_host *h; struct net_fixed_list *out; bool oom; };

void net_fixed_free(struct net_fixed_list *l)
{
	free(l->v);
	*l = (struct net_fixed_list){ 0 };
}

/* NULL: it came since links were listed. */
static const struct net_link *link_at(const struct net_host *h, int index)
{
	for (size_t i = 0; i < h->nlinks; i++)
		if (h->links[i].index == index)
			return &h->links[i];
	return NULL;
}

/* What the bridge takes in for the host: its own address, and the port's. */
static bool of_link(const struct net_host *h, const struct net_fixed *f)
{
	const struct net_link *port = link_at(h, f->port), *bridge = link_at(h, f->bridge);

	return !port || !bridge || memcmp(f->mac, port->mac, 6) == 0 || memcmp(f->mac, bridge->mac, 6) == 0;
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
	    n->ndm_family != AF_BRIDGE || !(n->ndm_state & (NUD_NOARP | NUD_PERMANENT)) || n->ndm_flags & NTF_SELF ||
	    !a[NDA_MASTER] || !a[NDA_LLADDR] || nla_len(a[NDA_LLADDR]) != 6)
		return;
	f = (struct net_fixed){ .bridge = (int)nla_get_u32(a[NDA_MASTER]), .port = n->ndm_ifindex,
				.vlan = a[NDA_VLAN] ? nla_get_u16(a[NDA_VLAN]) : 0 };
	memcpy(f.mac, nla_data(a[NDA_LLADDR]), 6);
	if (n->ndm_state & NUD_PERMANENT && of_link(r->h, &f))
		return;
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
	struct reading r = { .h = h, .out = out };
	int code;

	nlq_add(q, RTM_GETNEIGH, NLM_F_DUMP, &of_all, sizeof of_all);
	code = nlq_talk(q, see, &r);
	/* A kernel without bridges. */
	if (code == -EOPNOTSUPP)
		return 0;
	if (code < 0)
		return net_fail_talk(q, code, "list the addresses of bridges");
	return r.oom ? fail(ENOMEM, "list the addresses of bridges: out of memory") : 0;
}

int net_fixed_drop(struct nlq *q, const struct net_fixed_list *l, int bridge)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct net_fixed *f = &l->v[i];
		struct ndmsg m = { .ndm_family = AF_BRIDGE, .ndm_ifindex = f->port };
		int r;

		if (f->bridge != bridge)
			continue;
		m.ndm_flags = f->port == bridge ? NTF_SELF : NTF_MASTER;
		nlq_add(q, RTM_DELNEIGH, 0, &m, sizeof m);
		nlq_put(q, NDA_LLADDR, f->mac, sizeof f->mac);
		if (f->vlan)
			nlq_put(q, NDA_VLAN, &f->vlan, sizeof f->vlan);
		r = nlq_talk(q, NULL, NULL);
		if (r < 0 && r != -ENOENT && r != -ENODEV)
			return net_fail_talk(q, r, "take a fixed address out of a bridge");
	}
	return 0;
}
