#include "netns/guard.h"
#include "base/helper.h"
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/kernel.h"

#include <arpa/inet.h>
#include <string.h>

/* As the host ends of its links are called, so that two homes differ. */
static void id_of(const struct net_home *h, const char *owner, char out[9])
{
	char name[IFNAMSIZ];

	net_host_if(h, owner, 0, name);
	snprintf(out, 9, "%.8s", name + 2);
}

int net_guard_request(struct arena *a, const struct net_home *h, const struct net_record *r, struct list *out)
{
	struct fw_guard *all = reallocarray(out->v, out->n + 1, sizeof *all);
	struct fw_rule *rules = arena_alloc(a, r->firewall.n + 1, sizeof *rules);
	size_t n = 0;
	char id[9];

	if (all)
		out->v = all;
	id_of(h, r->owner, id);
	const char *kept = arena_strdup(a, id);
	if (!all || !rules || !kept)
		return fail(ENOMEM, "out of memory");
	/* The record goes before the request is written. */
	LIST_EACH(const struct net_rule, v, r->firewall) {
		const char *peer = v->direction == NET_IN ? v->from : v->to;

		rules[n++] = (struct fw_rule){ v->direction == NET_IN, v->action == NET_DENY,
					       peer ? arena_strdup(a, peer) : NULL, name_of(net_protocols, v->proto),
					       v->port, v->end_port };
		if (peer && !rules[n - 1].peer)
			return fail(ENOMEM, "out of memory");
	}
	all[out->n++] = (struct fw_guard){ kept, { rules, n } };
	return 0;
}

static void jump(struct nft_elem *e, const char *way, const char *id)
{
	char chain[16];

	snprintf(chain, sizeof chain, "%s_%s", way, id);
	nft_add_verdict(e, NFT_V_JUMP, chain);
}

void net_guard_elements(const struct net_home *h, const struct net_record *r, struct net_defs *defs,
			struct nft_list *out)
{
	unsigned char mac[6];
	struct in6_addr a;
	char id[9];

	if (!r->firewall.n)
		return;
	id_of(h, r->owner, id);
	LIST_EACH(const struct net_nic, n, r->nics) {
		const struct net_def *d = n->kind ? NULL : net_defs_find(defs, n->network);

		if (!d)
			continue;
		if (n->ip && inet_pton(AF_INET, n->ip, &a) == 1) {
			jump(nft_add(out, FW_FW_OUT4, d->bridge, &a), "out", id);
			jump(nft_add(out, FW_FW_IN4, &a), "in", id);
		}
		if (n->ip6 && inet_pton(AF_INET6, n->ip6, &a) == 1) {
			jump(nft_add(out, FW_FW_OUT6, d->bridge, &a), "out", id);
			jump(nft_add(out, FW_FW_IN6, &a), "in", id);
		}
		if (net_mac_parse(n->mac, mac) < 0)
			continue;
		net_link_local_of(mac, a.s6_addr);
		jump(nft_add(out, FW_FW_OUT6, d->bridge, &a), "out", id);
		jump(nft_add(out, FW_FW_IN_LL, d->bridge, &a), "in", id);
	}
}

static int tell(const struct net_home *h, const struct net_record *r)
{
	auto_arena struct arena a = { 0 };
	auto_buf struct buf in = { 0 }, out = { 0 };
	struct jout o = { .b = &in };
	struct fw_req req = { .table = h->table, .action = FW_GUARD };
	int got = net_guard_request(&a, h, r, &req.guards);

	if (got >= 0)
		bind_encode(&o, NULL, &fw_req_record, &req);
	free(req.guards.v);
	TRY(got);
	if (in.oom)
		return fail(ENOMEM, "out of memory");
	return helper_run(&(struct helper_call){ .name = "vzrun-net", .verb = "apply", .what = "firewall", .in = in.p,
						 .in_n = in.n, .out = &out, .timeout_ms = NET_HELPER_MS });
}

int net_guard_make(const struct net_home *h, const struct net_record *was, const struct net_record *is)
{
	if (!is || !is->firewall.n || (was && net_rules_same(&was->firewall, &is->firewall)))
		return 0;
	return tell(h, is);
}

int net_guard_drop(const struct net_home *h, const struct net_record *was, const struct net_record *is)
{
	struct net_record none;

	if (!was || !was->firewall.n || (is && is->firewall.n))
		return 0;
	none = *was;
	none.firewall = (struct list){ 0 };
	return tell(h, &none);
}
