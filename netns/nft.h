/*
 * Elements of vzrun's sets and maps: made as bytes, by the types that netns/firewall.h declares for each set, and
 * added and removed over nfnetlink: no library, no helper, no text that anything could be hidden in.
 */
#pragma once
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum { NFT_KEY_MAX = 64, NFT_DATA_MAX = 32, NFT_CHAIN_MAX = 32, NFT_COMMENT_MAX = 160 };
enum nft_verdict { NFT_V_NONE, NFT_V_ACCEPT, NFT_V_DROP, NFT_V_JUMP, NFT_V_GOTO };

struct nft_elem {
	int set;			/* enum fw_set_id of netns/firewall.h */
	bool range;			/* from key to end, both included */
	size_t n_key, n_data;
	unsigned char key[NFT_KEY_MAX], end[NFT_KEY_MAX], data[NFT_DATA_MAX];
	enum nft_verdict verdict;
	char chain[NFT_CHAIN_MAX];	/* NFT_V_JUMP, NFT_V_GOTO */
	uint64_t over;			/* of a set with a limit: bytes a second; 0: none */
	uint32_t burst;
	char comment[NFT_COMMENT_MAX];
};

/* Zero-initialise. After a failed allocation `oom` is set and what is added goes nowhere. */
struct nft_list { struct nft_elem *v; size_t n, size; bool oom; struct nft_elem spare; };
void nft_list_free(struct nft_list *l);
#define auto_nft_list SCOPED(nft_list_free)

/*
 * One more element of the set, its key by the letters of the set's declaration: i m 4 6 N L V: a pointer (the name of
 * a link, bytes); p s: an int; g n: a uint32_t. Never NULL. The pointer is good until the next call.
 */
struct nft_elem *nft_add(struct nft_list *l, int set, ...);
void nft_copy(struct nft_list *l, const struct nft_elem *e);
void nft_end(struct nft_elem *e, ...);	/* the end of a range, by the same letters */
void nft_data(struct nft_elem *e, ...);	/* of a map, by its data's letters */
struct nft_elem *nft_add_verdict(struct nft_elem *e, enum nft_verdict v, const char *chain);

/* Of everything that the elements say, their comments left out. The order counts. */
uint64_t nft_mark(const struct nft_list *l);

struct nlq;
struct nlattr;
/* A request for one element, by its set and key: no such one is the error -ENOENT of this request. */
void nft_ask(struct nlq *q, const char *table, const struct nft_elem *e);
/* One about several elements of e's set: its list, which the caller ends, with room for them; and one of them. */
struct nlattr *nft_begin(struct nlq *q, const char *table, const struct nft_elem *e, int type, int flags, size_t room);
size_t nft_room(const struct nft_elem *e);
void nft_put(struct nlq *q, const struct nft_elem *e, bool add);
/*
 * From elements that stood to elements that stand, in one transaction: what is in both is left alone, what is gone
 * already or there already is fine. -ENOENT without a message: a table, set or chain is missing; -EEXIST: a map has
 * another value there; net_fw_apply() is the remedy. NULL: none. (Many thousands of changes are several transactions.)
 */
int nft_change(const char *table, const struct nft_list *was, const struct nft_list *is);
