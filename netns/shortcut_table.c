/* The table of shortcuts, as netlink: libnftables of many hosts knows no chain that is at no link. */
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/link.h"
#include "netns/nftexpr.h"
#include "netns/shortcut.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#define RULES "shortcut"
/* After others' chains at these links, who see everything. */
enum { PRIORITY = 1000 };
/* Registers of four bytes: where a key begins; where a map's value waits; anything else. */
enum { KEY = NFT_REG32_00, WAY = NFT_REG32_14, ANY = NFT_REG32_15 };

/* ---- rules ------------------------------------------------------------------------------------------ */

/*
 * Of a frame without a tag (the kernel takes one off, and the type is then the tag's). at: the source address. next:
 * the protocol of an IPv6 packet without other headers; 0: any. To a port that is `port` under the mask DHCP may
 * speak, and there the rules of the bridge look further; of protocols without ports these bytes are something else,
 * and it is all the same. A fragment behind the first has none, and goes the long way.
 */
struct rule {
	uint16_t type;
	uint8_t next;
	unsigned at, size;
	int set;
	uint16_t port, mask;
};
static const struct rule rules[] = {
    {ETH_P_IP, 0, 12, 4, FW_DIRECT4, 64, 0xfff8}, /* of which 67 and 68 */
    {ETH_P_IPV6, IPPROTO_TCP, 8, 16, FW_DIRECT6, 546, 0xffff},
    {ETH_P_IPV6, IPPROTO_UDP, 8, 16, FW_DIRECT6, 546, 0xffff},
};

static void put_rule(struct nlq *q, const char *table, const struct rule *r)
{
	uint16_t ethernet = ARPHRD_ETHER, type = htons(r->type), port = htons(r->port), mask = htons(r->mask);
	struct nlattr *list = nftx_rule(q, NFPROTO_NETDEV, table, RULES);

	nftx_meta(q, NFT_META_IIFTYPE, ANY);
	nftx_equal(q, ANY, &ethernet, sizeof ethernet);
	nftx_payload(q, NFT_PAYLOAD_LL_HEADER, 12, 2, ANY);
	nftx_equal(q, ANY, &type, sizeof type);
	if (r->next) {
		nftx_payload(q, NFT_PAYLOAD_NETWORK_HEADER, 6, 1, ANY);
		nftx_equal(q, ANY, &r->next, 1);
	}
	nftx_payload(q, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, ANY);
	if (r->mask != 0xffff)
		nftx_mask(q, ANY, &mask, sizeof mask);
	nftx_differs(q, ANY, &port, sizeof port);
	/* What leaves the segment is found out by the shorter of the two keys. */
	nftx_meta(q, NFT_META_IIFGROUP, KEY);
	nftx_payload(q, NFT_PAYLOAD_LL_HEADER, 0, 6, KEY + 1);
	nftx_lookup(q, fw_sets[FW_WAYS].name, KEY, WAY);
	nftx_meta(q, NFT_META_IIFNAME, KEY);
	nftx_payload(q, NFT_PAYLOAD_LL_HEADER, 6, 6, KEY + 4);
	nftx_payload(q, NFT_PAYLOAD_NETWORK_HEADER, r->at, r->size, KEY + 6);
	nftx_lookup(q, fw_sets[r->set].name, KEY, 0);
	nftx_forward(q, WAY);
	nlq_end(q, list);
}

/* ---- sets ------------------------------------------------------------------------------------------- */

/* Types as nft(8) counts them, to which the kernel pays no heed: by them it shows keys as what they are. */
static const struct {
	char letter;
	unsigned type, size;
} fields[] = {
    {'i', 41, 16}, {'m', 9, 6}, {'4', 7, 4}, {'6', 8, 16}, {'g', 35, 4}, {'n', 20, 4},
};

static void type_of(const char *letters, unsigned *type, unsigned *size)
{
	*type = *size = 0;
	for (; *letters; letters++)
		for (size_t i = 0; i < COUNT(fields); i++)
			if (fields[i].letter == *letters) {
				*type = *type << 6 | fields[i].type;
				*size += (fields[i].size + 3) & ~3U;
			}
}

/* The same for numbers: of the key nothing (0), and that the data has this machine's order of bytes (1). */
static const unsigned char userdata[] = {0, 4, 0, 0, 0, 0, 1, 4, 1, 0, 0, 0};

static void put_set(struct nlq *q, const char *table, int set)
{
	const struct fw_set *s = &fw_sets[set];
	unsigned type, size;

	nftx_message(q, NFT_MSG_NEWSET, NLM_F_CREATE, NFPROTO_NETDEV);
	nlq_put_str(q, NFTA_SET_TABLE, table);
	nlq_put_str(q, NFTA_SET_NAME, s->name);
	nftx_u32(q, NFTA_SET_FLAGS, s->data ? NFT_SET_MAP : 0);
	type_of(s->key, &type, &size);
	nftx_u32(q, NFTA_SET_KEY_TYPE, type);
	nftx_u32(q, NFTA_SET_KEY_LEN, size);
	if (s->data) {
		type_of(s->data, &type, &size);
		nftx_u32(q, NFTA_SET_DATA_TYPE, type);
		nftx_u32(q, NFTA_SET_DATA_LEN, size);
	}
	nftx_u32(q, NFTA_SET_ID, (uint32_t)set + 1);
	nlq_put(q, NFTA_SET_USERDATA, userdata, sizeof userdata);
}

/* ---- chains ----------------------------------------------------------------------------------------- */

/*
 * The kernel tells a chain with all its links in one message, and tools have as much room for it as they have: the
 * ports are spread over sixteen, by a digit of their names.
 */
static const char digits[] = "0123456789abcdef";
enum { CHAINS = sizeof digits - 1, DIGIT_AT = sizeof NET_PORT_PREFIX - 1 + 7 };

static void chain_name(char digit, char out[NFT_CHAIN_MAX]) { snprintf(out, NFT_CHAIN_MAX, "ingress_%c", digit); }

/* type NFT_MSG_NEWCHAIN: made, or at this link as well; NFT_MSG_DELCHAIN: at this no longer. link: NULL: none. */
static void put_chain(struct nlq *q, const char *table, int type, char digit, const char *link)
{
	struct nlattr *hook, *devs;
	char name[NFT_CHAIN_MAX];

	chain_name(digit, name);
	nftx_message(q, type, type == NFT_MSG_NEWCHAIN ? NLM_F_CREATE : 0, NFPROTO_NETDEV);
	nlq_put_str(q, NFTA_CHAIN_TABLE, table);
	nlq_put_str(q, NFTA_CHAIN_NAME, name);
	hook = nlq_nest(q, NFTA_CHAIN_HOOK | NLA_F_NESTED);
	nftx_u32(q, NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS);
	nftx_u32(q, NFTA_HOOK_PRIORITY, PRIORITY);
	if (link) {
		devs = nlq_nest(q, NFTA_HOOK_DEVS | NLA_F_NESTED);
		nlq_put_str(q, NFTA_DEVICE_NAME, link);
		nlq_end(q, devs);
	}
	nlq_end(q, hook);
	nlq_put_str(q, NFTA_CHAIN_TYPE, "filter");
}

void net_shortcut_put_link(struct nlq *q, const char *table, const char *link, bool add)
{
	put_chain(q, table, add ? NFT_MSG_NEWCHAIN : NFT_MSG_DELCHAIN, link[DIGIT_AT], link);
}

static void put_chains(struct nlq *q, const char *table)
{
	char name[NFT_CHAIN_MAX];

	nftx_message(q, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_NETDEV);
	nlq_put_str(q, NFTA_CHAIN_TABLE, table);
	nlq_put_str(q, NFTA_CHAIN_NAME, RULES);
	for (size_t i = 0; i < COUNT(rules); i++)
		put_rule(q, table, &rules[i]);
	for (size_t i = 0; i < CHAINS; i++) {
		struct nlattr *list;

		put_chain(q, table, NFT_MSG_NEWCHAIN, digits[i], NULL);
		chain_name(digits[i], name);
		list = nftx_rule(q, NFPROTO_NETDEV, table, name);
		nftx_goto(q, RULES);
		nlq_end(q, list);
	}
}

static void put_table(struct nlq *q, const char *table, int type, int flags)
{
	nftx_message(q, type, flags, NFPROTO_NETDEV);
	nlq_put_str(q, NFTA_TABLE_NAME, table);
}

int net_shortcut_table(const char *table, enum net_shortcut_table how)
{
	auto_nlq struct nlq q = { 0 };

	TRY(nlq_open(&q, NETLINK_NETFILTER));
	nftx_begin(&q);
	if (how == NET_SHORTCUT_REPLACE) {
		put_table(&q, table, NFT_MSG_NEWTABLE, NLM_F_CREATE);
		put_table(&q, table, NFT_MSG_DELTABLE, 0);
	}
	put_table(&q, table, NFT_MSG_NEWTABLE, NLM_F_CREATE | (how == NET_SHORTCUT_MAKE ? NLM_F_EXCL : 0));
	for (int set = FW_DIRECT4; set <= FW_WAYS; set++)
		put_set(&q, table, set);
	put_chains(&q, table);
	/* What is not ended the kernel takes back. */
	if (how != NET_SHORTCUT_TRY)
		nftx_commit(&q);
	return nlq_talk(&q, NULL, NULL);
}

/* A kernel without the family has none. */
static bool is_none(int r) { return r == -ENOENT || r == -EOPNOTSUPP || r == -EAFNOSUPPORT; }

int net_shortcut_remove(const struct net_home *h)
{
	auto_nlq struct nlq q = { 0 };
	int r;

	TRY(nlq_open(&q, NETLINK_NETFILTER));
	nftx_begin(&q);
	put_table(&q, h->table, NFT_MSG_DELTABLE, 0);
	nftx_commit(&q);
	r = nlq_talk(&q, NULL, NULL);
	if (is_none(r))
		return 0;
	return r < 0 ? net_fail_talk(&q, r, "nftables: remove table netdev %s", h->table) : 0;
}

/* ---- what stands -------------------------------------------------------------------------------------- */

bool net_shortcut_there(const char *table)
{
	auto_nlq struct nlq q = { 0 };
	int r;

	if (nlq_open(&q, NETLINK_NETFILTER) < 0) {
		err_clear();
		return true;
	}
	put_table(&q, table, NFT_MSG_GETTABLE, 0);
	r = nlq_talk(&q, NULL, NULL);
	return !is_none(r);
}

struct reading {
	const char *table;
	struct net_shortcut_table_state *out;
};

static void take_links(struct net_shortcut_table_state *s, struct nlattr *devs)
{
	struct nlattr *one;
	int rem;
	char(*more)[IFNAMSIZ] = reallocarray(s->links, s->n + (size_t)nla_len(devs) / NLA_HDRLEN + 1, sizeof *more);

	s->oom |= !more;
	if (!more)
		return;
	s->links = more;
	nla_for_each_nested(one, devs, rem) nla_strlcpy(more[s->n++], one, sizeof *more);
}

/* Each chain leads to one, or is it. */
static void read_chain(void *ctx, size_t i, const struct nlmsghdr *h)
{
	struct nlattr *a[NFTA_CHAIN_MAX + 1], *devs;
	struct reading *r = ctx;

	(void)i;
	if (nlmsg_parse((struct nlmsghdr *)(uintptr_t)h, sizeof(struct nfgenmsg), a, NFTA_CHAIN_MAX, NULL) < 0 ||
	    !a[NFTA_CHAIN_TABLE] || nla_strcmp(a[NFTA_CHAIN_TABLE], r->table) != 0)
		return;
	r->out->chains++;
	if (a[NFTA_CHAIN_USE])
		r->out->use += ntohl(nla_get_u32(a[NFTA_CHAIN_USE]));
	devs = a[NFTA_CHAIN_HOOK] ? nla_find(nla_data(a[NFTA_CHAIN_HOOK]), nla_len(a[NFTA_CHAIN_HOOK]), NFTA_HOOK_DEVS)
				  : NULL;
	if (devs)
		take_links(r->out, devs);
}

int net_shortcut_look(const char *table, struct net_shortcut_table_state *out)
{
	/* The rules count once, each way to them twice: where it stands, and where it leads. */
	enum { CHAINS_ALL = CHAINS + 1, USE = COUNT(rules) + 2 * CHAINS };
	struct reading reading = { .table = table, .out = out };
	auto_nlq struct nlq q = { 0 };
	int r;

	*out = (struct net_shortcut_table_state){0};
	TRY(nlq_open(&q, NETLINK_NETFILTER));
	nftx_message(&q, NFT_MSG_GETCHAIN, NLM_F_DUMP, NFPROTO_NETDEV);
	r = nlq_talk(&q, read_chain, &reading);
	if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
		return 0;
	if (r < 0)
		return net_fail_talk(&q, r, "nftables: look for table netdev %s", table);
	out->there = out->chains > 0;
	out->whole = out->chains == CHAINS_ALL && out->use == USE;
	return out->oom ? fail(ENOMEM, "nftables table %s: out of memory", table) : 0;
}

void net_shortcut_look_end(struct net_shortcut_table_state *s) { free(s->links); }
