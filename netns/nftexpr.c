#include "netns/nftexpr.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

void nftx_u32(struct nlq *q, int attr, uint32_t v) { nlq_put_u32(q, attr, htonl(v)); }

void nftx_begin(struct nlq *q)
{
	struct nfgenmsg g = { .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	nlq_add(q, NFNL_MSG_BATCH_BEGIN, 0, &g, sizeof g);
}

void nftx_commit(struct nlq *q) { nlq_end_of_batch(q, NFNL_MSG_BATCH_END); }

void nftx_message(struct nlq *q, int type, int flags, int family)
{
	struct nfgenmsg g = { .nfgen_family = (unsigned char)family, .version = NFNETLINK_V0 };

	nlq_add(q, NFNL_SUBSYS_NFTABLES << 8 | type, flags, &g, sizeof g);
}

struct nlattr *nftx_rule(struct nlq *q, int family, const char *table, const char *chain)
{
	nftx_message(q, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
	nlq_put_str(q, NFTA_RULE_TABLE, table);
	nlq_put_str(q, NFTA_RULE_CHAIN, chain);
	return nlq_nest(q, NFTA_RULE_EXPRESSIONS | NLA_F_NESTED);
}

/* ---- expressions ------------------------------------------------------------------------------------ */

struct expr {
	struct nlattr *elem, *data;
};

static struct expr begin(struct nlq *q, const char *name)
{
	struct expr e = { .elem = nlq_nest(q, NFTA_LIST_ELEM | NLA_F_NESTED) };

	nlq_put_str(q, NFTA_EXPR_NAME, name);
	e.data = nlq_nest(q, NFTA_EXPR_DATA | NLA_F_NESTED);
	return e;
}

static void end(struct nlq *q, struct expr e)
{
	nlq_end(q, e.data);
	nlq_end(q, e.elem);
}

static void value(struct nlq *q, int attr, const void *p, size_t n)
{
	struct nlattr *data = nlq_nest(q, attr | NLA_F_NESTED);

	nlq_put(q, NFTA_DATA_VALUE, p, n);
	nlq_end(q, data);
}

void nftx_meta(struct nlq *q, int key, int dreg)
{
	struct expr e = begin(q, "meta");

	nftx_u32(q, NFTA_META_DREG, (uint32_t)dreg);
	nftx_u32(q, NFTA_META_KEY, (uint32_t)key);
	end(q, e);
}

void nftx_set_meta(struct nlq *q, int key, int sreg)
{
	struct expr e = begin(q, "meta");

	nftx_u32(q, NFTA_META_SREG, (uint32_t)sreg);
	nftx_u32(q, NFTA_META_KEY, (uint32_t)key);
	end(q, e);
}

void nftx_payload(struct nlq *q, int base, unsigned offset, unsigned size, int dreg)
{
	struct expr e = begin(q, "payload");

	nftx_u32(q, NFTA_PAYLOAD_DREG, (uint32_t)dreg);
	nftx_u32(q, NFTA_PAYLOAD_BASE, (uint32_t)base);
	nftx_u32(q, NFTA_PAYLOAD_OFFSET, offset);
	nftx_u32(q, NFTA_PAYLOAD_LEN, size);
	end(q, e);
}

static void compare(struct nlq *q, uint32_t op, int sreg, const void *p, size_t n)
{
	struct expr e = begin(q, "cmp");

	nftx_u32(q, NFTA_CMP_SREG, (uint32_t)sreg);
	nftx_u32(q, NFTA_CMP_OP, op);
	value(q, NFTA_CMP_DATA, p, n);
	end(q, e);
}

void nftx_equal(struct nlq *q, int sreg, const void *p, size_t n) { compare(q, NFT_CMP_EQ, sreg, p, n); }
void nftx_differs(struct nlq *q, int sreg, const void *p, size_t n) { compare(q, NFT_CMP_NEQ, sreg, p, n); }

void nftx_mask(struct nlq *q, int reg, const void *mask, size_t n)
{
	static const unsigned char zero[16];
	struct expr e = begin(q, "bitwise");

	nftx_u32(q, NFTA_BITWISE_SREG, (uint32_t)reg);
	nftx_u32(q, NFTA_BITWISE_DREG, (uint32_t)reg);
	nftx_u32(q, NFTA_BITWISE_LEN, (uint32_t)n);
	value(q, NFTA_BITWISE_MASK, mask, n);
	value(q, NFTA_BITWISE_XOR, zero, n);
	end(q, e);
}

void nftx_lookup(struct nlq *q, const char *set, int sreg, int dreg)
{
	struct expr e = begin(q, "lookup");

	nlq_put_str(q, NFTA_LOOKUP_SET, set);
	nftx_u32(q, NFTA_LOOKUP_SREG, (uint32_t)sreg);
	if (dreg)
		nftx_u32(q, NFTA_LOOKUP_DREG, (uint32_t)dreg);
	end(q, e);
}

void nftx_immediate(struct nlq *q, int dreg, const void *p, size_t n)
{
	struct expr e = begin(q, "immediate");

	nftx_u32(q, NFTA_IMMEDIATE_DREG, (uint32_t)dreg);
	value(q, NFTA_IMMEDIATE_DATA, p, n);
	end(q, e);
}

void nftx_goto(struct nlq *q, const char *chain)
{
	struct expr e = begin(q, "immediate");
	struct nlattr *data, *verdict;

	nftx_u32(q, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nlq_nest(q, NFTA_IMMEDIATE_DATA | NLA_F_NESTED);
	verdict = nlq_nest(q, NFTA_DATA_VERDICT | NLA_F_NESTED);
	nftx_u32(q, NFTA_VERDICT_CODE, (uint32_t)NFT_GOTO);
	nlq_put_str(q, NFTA_VERDICT_CHAIN, chain);
	nlq_end(q, verdict);
	nlq_end(q, data);
	end(q, e);
}

void nftx_forward(struct nlq *q, int sreg)
{
	struct expr e = begin(q, "fwd");

	nftx_u32(q, NFTA_FWD_SREG_DEV, (uint32_t)sreg);
	end(q, e);
}
