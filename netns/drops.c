/*
 * The named counters of vzrun's tables: what the rules dropped, by reason.
 */
#include "base/scope.h"
#include "netns/link.h"
#include "netns/name.h"
#include "netns/network.h"

#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

struct drops { const char *table; void (*each)(void *ctx, const char *reason, uint64_t packets); void *ctx; };

static void see(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(uintptr_t)h;
	struct nlattr *table = nlmsg_find_attr(m, sizeof(struct nfgenmsg), NFTA_OBJ_TABLE);
	struct nlattr *name = nlmsg_find_attr(m, sizeof(struct nfgenmsg), NFTA_OBJ_NAME);
	struct nlattr *data = nlmsg_find_attr(m, sizeof(struct nfgenmsg), NFTA_OBJ_DATA), *packets;
	uint8_t family = ((const struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family;
	struct drops *d = ctx;
	uint64_t v;

	(void)i;
	/* Of other families a table may have the name. */
	if (family != NFPROTO_INET && family != NFPROTO_BRIDGE)
		return;
	if (!table || !name || !data || nla_strcmp(table, d->table) != 0)
		return;
	packets = nla_find(nla_data(data), nla_len(data), NFTA_COUNTER_PACKETS);
	if (!packets || nla_len(packets) != sizeof v)
		return;
	memcpy(&v, nla_data(packets), sizeof v);
	d->each(d->ctx, nla_data(name), be64toh(v));
}

int network_drops(const char *home, void (*each)(void *ctx, const char *reason, uint64_t packets), void *ctx)
{
	struct nfgenmsg g = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 };
	struct net_home h;
	struct drops d = { .each = each, .ctx = ctx };
	auto_nlq struct nlq q = { 0 };
	uint32_t type = htobe32(NFT_OBJECT_COUNTER);
	int r;

	net_home_of(home, &h);
	d.table = h.table;
	TRY(nlq_open(&q, NETLINK_NETFILTER));
	nlq_add(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETOBJ, NLM_F_DUMP, &g, sizeof g);
	nlq_put_str(&q, NFTA_OBJ_TABLE, h.table);
	nlq_put(&q, NFTA_OBJ_TYPE, &type, sizeof type);
	r = nlq_talk(&q, see, &d);
	return r < 0 && r != -ENOENT ? net_fail_talk(&q, r, "counters of nftables table %s", h.table) : 0;
}
