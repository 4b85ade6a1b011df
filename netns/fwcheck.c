/* Whether vzrun's table stands as it should, asked of nf_tables directly: no library, no helper, no dump. */
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/link.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <string.h>

struct seen { char comment[FW_COMMENT_MAX]; uint32_t use[FW_CHAINS]; };

void net_fw_mark(const struct net_def *d, char out[17])
{
	char text[256], a[64], b[64];

	net_subnet_text(&d->v4, a, sizeof a);
	net_subnet_text(&d->v6, b, sizeof b);
	snprintf(text, sizeof text, "%d %s %d %s %s", FW_RULES_VERSION, d->bridge, d->mode, a, b);
	snprintf(out, 17, "%016llx", (unsigned long long)str_hash(text, strlen(text)));
}

/* nft's comment: type 0, length, text, in the element's user data. */
static void read_element(struct seen *s, struct nlattr *list)
{
	struct nlattr *e, *data = NULL;
	const unsigned char *p;
	int rem;

	nla_for_each_nested(e, list, rem)
		data = nla_find(nla_data(e), nla_len(e), NFTA_SET_ELEM_USERDATA);
	if (!data || nla_len(data) < 2)
		return;
	p = nla_data(data);
	if (p[0] == 0 && p[1] < sizeof s->comment && p[1] + 2 <= nla_len(data))
		snprintf(s->comment, sizeof s->comment, "%.*s", p[1], (const char *)p + 2);
}

static void read_answer(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(uintptr_t)h;
	struct seen *s = ctx;
	struct nlattr *a;

	if (i < FW_CHAINS) {
		a = nlmsg_find_attr(m, sizeof(struct nfgenmsg), NFTA_CHAIN_USE);
		s->use[i] = a && nla_len(a) == 4 ? ntohl(nla_get_u32(a)) : 0;
	} else {
		a = nlmsg_find_attr(m, sizeof(struct nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS);
		if (a)
			read_element(s, a);
	}
}

static void ask_chain(struct nlq *q, const char *table, const char *chain)
{
	struct nfgenmsg g = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };

	nlq_add(q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, 0, &g, sizeof g);
	nlq_put_str(q, NFTA_CHAIN_TABLE, table);
	nlq_put_str(q, NFTA_CHAIN_NAME, chain);
}

static void ask_element(struct nlq *q, const char *table, const char *bridge)
{
	struct nfgenmsg g = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	struct nlattr *list, *element, *key;
	char name[IFNAMSIZ] = "";

	memcpy(name, bridge, strnlen(bridge, sizeof name - 1));
	nlq_add(q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, 0, &g, sizeof g);
	nlq_put_str(q, NFTA_SET_ELEM_LIST_TABLE, table);
	nlq_put_str(q, NFTA_SET_ELEM_LIST_SET, fw_sets[0].name);
	list = nlq_nest(q, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
	element = nlq_nest(q, NFTA_LIST_ELEM | NLA_F_NESTED);
	key = nlq_nest(q, NFTA_SET_ELEM_KEY | NLA_F_NESTED);
	nlq_put(q, NFTA_DATA_VALUE, name, sizeof name);
	nlq_end(q, key);
	nlq_end(q, element);
	nlq_end(q, list);
}

static size_t count(const char *const *rules)
{
	size_t n = 0;

	while (rules[n])
		n++;
	return n;
}

int net_fw_check(struct nlq *q, const char *table, const struct net_def *d)
{
	char mark[17], comment[FW_COMMENT_MAX];
	int err[FW_CHAINS + 1], gone = 0, r;
	struct seen s = { 0 };

	for (size_t i = 0; i < FW_CHAINS; i++)
		ask_chain(q, table, fw_chains[i].name);
	ask_element(q, table, d->bridge);
	r = nlq_ask(q, read_answer, &s, err);
	for (size_t i = 0; r == 0 && i <= FW_CHAINS; i++)
		r = err[i] == -ENOENT ? 0 : err[i];
	if (r < 0)
		return net_fail_talk(q, r, "look for nftables table %s", table);
	for (size_t i = 0; i < FW_CHAINS; i++)
		gone += err[i] == -ENOENT;
	if (gone)
		return gone == FW_CHAINS && err[FW_CHAINS] ? NET_LACKS_TABLE : NET_RULES_DIFFER;
	/* Somebody may have emptied a chain and left the sets. */
	for (size_t i = 0; i < FW_CHAINS; i++)
		if (s.use[i] != count(fw_chains[i].rules))
			return NET_RULES_DIFFER;
	if (err[FW_CHAINS] == -ENOENT)
		return NET_LACKS_ELEMENTS;
	net_fw_mark(d, mark);
	snprintf(comment, sizeof comment, "%s %s", d->name, mark);
	return str_eq(comment, s.comment) ? 0 : NET_RULES_DIFFER;
}
