/* Whether vzrun's tables stand as they should, asked of nf_tables directly: no library, no helper, no dump. */
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/link.h"
#include "netns/nft.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <string.h>

static uint64_t text_mark(uint64_t before, const char *text)
{
	uint64_t parts[2] = { before, str_hash(text, strlen(text)) };

	return str_hash(parts, sizeof parts);
}

uint64_t net_fw_rules_mark(void)
{
	static uint64_t mark;

	if (mark)
		return mark;
	mark = text_mark(mark, FW_SHORTCUT_RULES);
	for (size_t i = 0; i < FW_SETS; i++)
		mark = text_mark(mark, fw_sets[i].type);
	for (size_t i = 0; i < FW_METERS; i++)
		mark = text_mark(mark, fw_meters[i].type);
	for (size_t i = 0; i < FW_CHAINS; i++) {
		mark = text_mark(mark, fw_chains[i].head);
		for (const char *const *r = fw_chains[i].rules; *r; r++)
			mark = text_mark(mark, *r);
	}
	return mark;
}

static size_t count(const char *const *rules)
{
	size_t n = 0;

	while (rules[n])
		n++;
	return n;
}

/* ---- chains ---------------------------------------------------------------------------------------- */

static struct nfgenmsg header(enum fw_family family)
{
	return (struct nfgenmsg){ .nfgen_family = fw_family_number[family], .version = NFNETLINK_V0 };
}

enum { NO_USE = INT32_MAX };	/* it has as many rules as it likes */

static uint32_t number_of(const struct nlmsghdr *h, int attr, uint32_t absent)
{
	struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct nfgenmsg), attr);

	return a && nla_len(a) == 4 ? ntohl(nla_get_u32(a)) : absent;
}

/* How many rules it has and how many lead to it; not of one that hangs on no hook, or drops what is left over. */
static void read_use(void *ctx, size_t i, const struct nlmsghdr *h)
{
	uint32_t *use = ctx;
	bool hooked;

	/* Of a table: is it switched off? */
	if (i >= FW_CHAINS) {
		use[i] = number_of(h, NFTA_TABLE_FLAGS, 0) & NFT_TABLE_F_DORMANT;
		return;
	}
	hooked = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct nfgenmsg), NFTA_CHAIN_HOOK);
	use[i] = number_of(h, NFTA_CHAIN_USE, 0);
	if (hooked != (fw_chains[i].head[0] != '\0') || number_of(h, NFTA_CHAIN_POLICY, NF_ACCEPT) != NF_ACCEPT)
		use[i] = NO_USE;
}

static void ask_table(struct nlq *q, const char *table, enum fw_family family)
{
	struct nfgenmsg g = header(family);

	nlq_add_short(q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, &g, sizeof g);
	nlq_put_str(q, NFTA_TABLE_NAME, table);
}

static void ask_chain(struct nlq *q, const char *table, const struct fw_chain *c)
{
	struct nfgenmsg g = header(c->family);

	nlq_add_short(q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, &g, sizeof g);
	nlq_put_str(q, NFTA_CHAIN_TABLE, table);
	nlq_put_str(q, NFTA_CHAIN_NAME, c->name);
}

/* Somebody may have emptied a chain and left the sets. */
static int check_chains(struct nlq *q, const char *table)
{
	enum { ASKED = FW_CHAINS + 2 };
	uint32_t use[ASKED] = { 0 };
	int err[ASKED], gone = 0, r;

	for (size_t i = 0; i < FW_CHAINS; i++)
		ask_chain(q, table, &fw_chains[i]);
	ask_table(q, table, FW_INET);
	ask_table(q, table, FW_BRIDGE);
	r = nlq_ask(q, read_use, use, err);
	for (size_t i = 0; r == 0 && i < ASKED; i++)
		r = err[i] == -ENOENT ? 0 : err[i];
	if (r < 0)
		return net_fail_talk(q, r, "look for nftables table %s", table);
	for (size_t i = 0; i < FW_CHAINS; i++)
		gone += err[i] == -ENOENT;
	if (gone)
		return gone == FW_CHAINS ? NET_LACKS_TABLE : NET_RULES_DIFFER;
	if (use[FW_CHAINS] || use[FW_CHAINS + 1])
		return NET_RULES_DIFFER;
	for (size_t i = 0; i < FW_CHAINS; i++) {
		uint32_t want = (uint32_t)(count(fw_chains[i].rules) + (size_t)(fw_chains[i].refs > 0 ? fw_chains[i].refs : 0));

		if (use[i] < want || use[i] == NO_USE || (use[i] != want && fw_chains[i].refs >= 0))
			return NET_RULES_DIFFER;
	}
	return 0;
}

/* ---- elements -------------------------------------------------------------------------------------- */

enum { TOGETHER = 256 };
enum found { GONE, OTHER, SAME };
struct stamps { const struct nft_elem *want; enum found found[TOGETHER]; };

/* nft's comment: type 0, length, text, in the element's user data. */
static bool has_comment(struct nlattr *list, const char *want)
{
	struct nlattr *e, *data = NULL;
	size_t n = strlen(want) + 1;
	const unsigned char *p;
	int rem;

	nla_for_each_nested(e, list, rem)
		data = nla_find(nla_data(e), nla_len(e), NFTA_SET_ELEM_USERDATA);
	if (!data || (size_t)nla_len(data) < n + 2)
		return false;
	p = nla_data(data);
	return p[0] == 0 && p[1] == n && memcmp(p + 2, want, n) == 0;
}

static void read_stamp(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct stamps *s = ctx;
	struct nlattr *a = nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct nfgenmsg),
					   NFTA_SET_ELEM_LIST_ELEMENTS);

	if (a && i < TOGETHER)
		s->found[i] = has_comment(a, s->want[i].comment) ? SAME : OTHER;
}

static int check_some(struct nlq *q, const char *table, const struct nft_elem *want, size_t n)
{
	struct stamps s = { .want = want };
	int err[TOGETHER], lacks = 0, r;

	for (size_t i = 0; i < n; i++)
		nft_ask(q, table, &want[i]);
	r = nlq_ask(q, read_stamp, &s, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = err[i] == -ENOENT ? 0 : err[i];
	if (r < 0)
		return net_fail_talk(q, r, "look into nftables table %s", table);
	for (size_t i = 0; i < n; i++) {
		if (s.found[i] == OTHER)
			lacks |= NET_RULES_DIFFER;
		else if (s.found[i] == GONE)
			lacks |= want[i].set == FW_BRIDGES ? NET_LACKS_ELEMENTS : NET_LACKS_PORTS;
	}
	return lacks;
}

static void look_close(struct net_fw_look *l) { nlq_close(&l->q); }

int net_fw_look(struct net_fw_look *l, const char *table, const struct nft_list *stamps)
{
	int lacks;

	if (stamps->oom)
		return fail(ENOMEM, "nftables table %s: out of memory", table);
	if (!l->q.sk)
		TRY(nlq_open(&l->q, NETLINK_NETFILTER));
	if (!l->asked)
		TRY(l->rules = check_chains(&l->q, table));
	l->asked = true;
	lacks = l->rules;
	for (size_t i = 0; i < stamps->n && !(lacks & (NET_LACKS_TABLE | NET_RULES_DIFFER)); i += TOGETHER) {
		int r = check_some(&l->q, table, stamps->v + i, stamps->n - i < TOGETHER ? stamps->n - i : TOGETHER);

		TRY(r);
		lacks |= r;
	}
	return lacks;
}

int net_fw_check(const char *table, const struct nft_list *stamps)
{
	SCOPED(look_close) struct net_fw_look l = { .rules = 0 };

	return net_fw_look(&l, table, stamps);
}
