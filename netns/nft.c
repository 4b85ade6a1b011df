#include "netns/nft.h"
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/link.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netlink/socket.h>
#include <stdarg.h>
#include <string.h>

/* ---- elements as values ---------------------------------------------------------------------------- */

void nft_list_free(struct nft_list *l)
{
	free(l->v);
	memset(l, 0, sizeof *l);
}

static const unsigned char field_size[] = {
	['i'] = IFNAMSIZ, ['m'] = 6, ['4'] = 4, ['6'] = 16, ['p'] = 1, ['s'] = 2, ['N'] = 16, ['L'] = 6, ['V'] = 3,
	['g'] = 4, ['n'] = 4,
};

/*
 * As the kernel has it in its registers: each field begins at a multiple of four, the last one too if there are
 * several.
 */
static size_t put_fields(unsigned char *out, const char *letters, va_list ap)
{
	bool several = letters[0] && letters[1];
	size_t n = 0;

	for (; *letters; letters++) {
		size_t size = field_size[(unsigned char)*letters];

		if (*letters == 'p') {
			out[n] = (unsigned char)va_arg(ap, int);
		} else if (*letters == 's') {
			uint16_t v = htons((uint16_t)va_arg(ap, int));
			memcpy(out + n, &v, sizeof v);
		} else if (*letters == 'g' || *letters == 'n') {
			uint32_t v = va_arg(ap, uint32_t);
			memcpy(out + n, &v, sizeof v);
		} else if (*letters == 'i') {
			const char *name = va_arg(ap, const char *);
			memcpy(out + n, name, strnlen(name, IFNAMSIZ - 1));
		} else {
			memcpy(out + n, va_arg(ap, const void *), size);
		}
		n += several ? (size + 3) & ~(size_t)3 : size;
	}
	return n;
}

static struct nft_elem *push(struct nft_list *l)
{
	struct nft_elem *e;

	if (l->n == l->size && !l->oom) {
		size_t size = l->size ? 2 * l->size : 32;

		e = reallocarray(l->v, size, sizeof *e);
		if (e) {
			l->v = e;
			l->size = size;
		} else {
			l->oom = true;
		}
	}
	e = l->oom ? &l->spare : &l->v[l->n++];
	memset(e, 0, sizeof *e);
	return e;
}

void nft_copy(struct nft_list *l, const struct nft_elem *e) { *push(l) = *e; }

struct nft_elem *nft_add(struct nft_list *l, int set, ...)
{
	struct nft_elem *e = push(l);
	va_list ap;

	e->set = set;
	va_start(ap, set);
	e->n_key = put_fields(e->key, fw_sets[set].key, ap);
	va_end(ap);
	return e;
}

void nft_end(struct nft_elem *e, ...)
{
	va_list ap;

	va_start(ap, e);
	(void)put_fields(e->end, fw_sets[e->set].key, ap);
	va_end(ap);
	e->range = true;
}

void nft_data(struct nft_elem *e, ...)
{
	va_list ap;

	va_start(ap, e);
	e->n_data = put_fields(e->data, fw_sets[e->set].data, ap);
	va_end(ap);
}

struct nft_elem *nft_add_verdict(struct nft_elem *e, enum nft_verdict v, const char *chain)
{
	e->verdict = v;
	snprintf(e->chain, sizeof e->chain, "%s", chain ? chain : "");
	return e;
}

uint64_t nft_mark(const struct nft_list *l)
{
	uint64_t all = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct nft_elem *e = &l->v[i];
		struct { uint64_t before, head, key, end, data, chain, over, burst; } parts = {
			all, (uint64_t)e->set << 8 | (uint64_t)e->verdict, str_hash(e->key, e->n_key),
			e->range ? str_hash(e->end, e->n_key) : 0, str_hash(e->data, e->n_data),
			str_hash(e->chain, strlen(e->chain)), e->over, e->burst,
		};

		all = str_hash(&parts, sizeof parts);
	}
	return all;
}

/* ---- as netlink ------------------------------------------------------------------------------------ */

static void put_bytes(struct nlq *q, int attr, const void *p, size_t n)
{
	struct nlattr *nest = nlq_nest(q, attr | NLA_F_NESTED);

	nlq_put(q, NFTA_DATA_VALUE, p, n);
	nlq_end(q, nest);
}

static void put_be32(struct nlq *q, int attr, uint32_t v) { nlq_put_u32(q, attr, htonl(v)); }

static void put_be64(struct nlq *q, int attr, uint64_t v)
{
	uint32_t be[2] = { htonl((uint32_t)(v >> 32)), htonl((uint32_t)v) };

	nlq_put(q, attr, be, sizeof be);
}

static void put_verdict(struct nlq *q, const struct nft_elem *e)
{
	static const int codes[] = { [NFT_V_ACCEPT] = NF_ACCEPT, [NFT_V_DROP] = NF_DROP, [NFT_V_JUMP] = NFT_JUMP,
				     [NFT_V_GOTO] = NFT_GOTO };
	struct nlattr *data = nlq_nest(q, NFTA_SET_ELEM_DATA | NLA_F_NESTED);
	struct nlattr *verdict = nlq_nest(q, NFTA_DATA_VERDICT | NLA_F_NESTED);

	put_be32(q, NFTA_VERDICT_CODE, (uint32_t)codes[e->verdict]);
	if (e->chain[0])
		nlq_put_str(q, NFTA_VERDICT_CHAIN, e->chain);
	nlq_end(q, verdict);
	nlq_end(q, data);
}

/* "limit rate over N bytes/second": what is over is what matches. */
static void put_limit(struct nlq *q, const struct nft_elem *e)
{
	struct nlattr *expr = nlq_nest(q, NFTA_SET_ELEM_EXPR | NLA_F_NESTED), *data;

	nlq_put_str(q, NFTA_EXPR_NAME, "limit");
	data = nlq_nest(q, NFTA_EXPR_DATA | NLA_F_NESTED);
	put_be64(q, NFTA_LIMIT_RATE, e->over);
	put_be64(q, NFTA_LIMIT_UNIT, 1);
	put_be32(q, NFTA_LIMIT_BURST, e->burst);
	put_be32(q, NFTA_LIMIT_TYPE, NFT_LIMIT_PKT_BYTES);
	put_be32(q, NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	nlq_end(q, data);
	nlq_end(q, expr);
}

/* nft's comment: type 0, length, text and its NUL. */
static void put_comment(struct nlq *q, const char *comment)
{
	unsigned char b[NFT_COMMENT_MAX + 2];
	size_t n = strlen(comment) + 1;

	b[0] = 0;
	b[1] = (unsigned char)n;
	memcpy(b + 2, comment, n);
	nlq_put(q, NFTA_SET_ELEM_USERDATA, b, n + 2);
}

static bool concatenated(const struct nft_elem *e) { return fw_sets[e->set].key[1] != '\0'; }

/* The first value that is no longer of it; false: there is none. */
static bool after(const struct nft_elem *e, unsigned char out[NFT_KEY_MAX])
{
	memcpy(out, e->end, e->n_key);
	for (size_t i = e->n_key; i-- > 0;)
		if (++out[i])
			return true;
	return false;
}

/* An interval of a single field is two elements: where it begins, and where it has ended. */
void nft_put(struct nlq *q, const struct nft_elem *e, bool add)
{
	struct nlattr *one = nlq_nest(q, NFTA_LIST_ELEM | NLA_F_NESTED);
	unsigned char past[NFT_KEY_MAX];

	put_bytes(q, NFTA_SET_ELEM_KEY, e->key, e->n_key);
	if (concatenated(e) && strstr(fw_sets[e->set].type, "interval"))
		put_bytes(q, NFTA_SET_ELEM_KEY_END, e->range ? e->end : e->key, e->n_key);
	if (add && e->verdict)
		put_verdict(q, e);
	else if (add && e->n_data)
		put_bytes(q, NFTA_SET_ELEM_DATA, e->data, e->n_data);
	if (add && e->over)
		put_limit(q, e);
	if (add && e->comment[0])
		put_comment(q, e->comment);
	nlq_end(q, one);
	if (!e->range || concatenated(e) || !after(e, past))
		return;
	one = nlq_nest(q, NFTA_LIST_ELEM | NLA_F_NESTED);
	put_bytes(q, NFTA_SET_ELEM_KEY, past, e->n_key);
	put_be32(q, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	nlq_end(q, one);
}

size_t nft_room(const struct nft_elem *e)
{
	return 96 + 2 * e->n_key + e->n_data + strlen(e->chain) + strlen(e->comment) + (e->over ? 128 : 0);
}

struct nlattr *nft_begin(struct nlq *q, const char *table, const struct nft_elem *e, int type, int flags, size_t room)
{
	const struct fw_set *s = &fw_sets[e->set];
	struct nfgenmsg g = { .nfgen_family = fw_family_number[s->family], .version = NFNETLINK_V0 };

	nlq_add_large(q, NFNL_SUBSYS_NFTABLES << 8 | type, flags, &g, sizeof g, room);
	nlq_put_str(q, NFTA_SET_ELEM_LIST_TABLE, table);
	nlq_put_str(q, NFTA_SET_ELEM_LIST_SET, s->name);
	return nlq_nest(q, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
}

void nft_ask(struct nlq *q, const char *table, const struct nft_elem *e)
{
	struct nlattr *list = nft_begin(q, table, e, NFT_MSG_GETSETELEM, 0, 0);
	struct nlattr *one = nlq_nest(q, NFTA_LIST_ELEM | NLA_F_NESTED);

	put_bytes(q, NFTA_SET_ELEM_KEY, e->key, e->n_key);
	nlq_end(q, one);
	nlq_end(q, list);
}
