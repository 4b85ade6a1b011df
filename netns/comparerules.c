/*
 * The rules of chains that elements lead to, counted one by one. Of the other chains the kernel's own number, which
 * counts with the rules what leads to them, says enough (netns/fwcheck.c).
 */
#include "netns/compare.h"
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/link.h"
#include "netns/nft.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

static void see_rule(void *ctx, size_t i, const struct nlmsghdr *h)
{
	size_t *n = ctx;

	(void)i;
	*n += (h->nlmsg_type & 0xff) == NFT_MSG_NEWRULE;
}

static int count(struct nlq *q, const char *table, const struct fw_chain *c, size_t *n)
{
	struct nfgenmsg g = { .nfgen_family = fw_family_number[c->family], .version = NFNETLINK_V0 };

	*n = 0;
	nlq_add(q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP, &g, sizeof g);
	nlq_put_str(q, NFTA_RULE_TABLE, table);
	nlq_put_str(q, NFTA_RULE_CHAIN, c->name);
	return nlq_talk(q, see_rule, n);
}

int net_compare_rules(struct net_compare *c)
{
	const struct nft_list none = { 0 };
	auto_nlq struct nlq q = { 0 };
	int r = net_fw_look(&c->fw, c->h->table, &none);

	TRY(r);
	/* A table that is gone is told of with the networks. */
	if (r & NET_LACKS_TABLE)
		return 0;
	TRY(nlq_open(&q, NETLINK_NETFILTER));
	for (const struct fw_chain *f = fw_chains; f < fw_chains + FW_CHAINS; f++) {
		size_t want = 0, n;

		if (f->refs >= 0)
			continue;
		r = count(&q, c->h->table, f, &n);
		if (r < 0)
			return net_fail_talk(&q, r, "list chain %s of nftables table %s", f->name, c->h->table);
		while (f->rules[want])
			want++;
		if (n != want)
			net_compare_tell(c, MEND_FIREWALL, "nftables: %s %s: chain %s has %zu rules, not %zu",
					 fw_family_text[f->family], c->h->table, f->name, n, want);
	}
	return c->result < 0 ? c->result : 0;
}
