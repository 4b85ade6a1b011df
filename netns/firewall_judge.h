/*
 * Inside vzrun-net: would the host's own firewall let a new connection reach a port of the host? A translated
 * packet never comes to the input chains, so they are read instead. What cannot be decided is "maybe", and
 * maybe dropped counts as dropped.
 */
#pragma once
#include "base/json.h"
#include <netinet/in.h>

enum truth { NO, MAYBE, YES };

struct sources { bool any; unsigned prefix; unsigned char addr[16]; };

/* The first packet of a connection, as far as it is known. */
struct packet {
	int family, proto;		/* AF_INET, AF_INET6; IPPROTO_TCP, IPPROTO_UDP */
	unsigned first, last;		/* destination ports: it may have any of them */
	const char *iif;
	struct sources from;
	bool to_known;			/* else some address of the host */
	unsigned char to[16];
};

/* A table of somebody else's: libnftables' JSON and its text. */
struct foreign { const char *family, *name; struct json *list; const char *text; };

/* Does one statement of a rule match? words: the rule as text, for what JSON does not tell. */
enum truth judge_match(const struct foreign *f, struct json *match, const struct packet *p);
/*
 * Its pieces: a whole number, also as text; the list of {"KEY": [...]}; "syn", 2, ["syn", "ack"], {"|": [...]} as
 * bits.
 */
bool judge_number(struct json *v, unsigned long *out);
bool judge_items(struct json *v, const char *key, struct json **list);
bool judge_flag_bits(struct json *v, unsigned *bits);
/* A match of TCP flags under a mask. */
enum truth judge_flags(unsigned mask, const char *op, struct json *right);
enum truth judge_xt(const char *name, const char *words, const struct packet *p);
/* What a vmap's key makes of the packet: calls each(ctx, how sure, verdict) for every element that may match. */
enum truth judge_vmap(const struct foreign *f, struct json *vmap, const struct packet *p,
		      void (*each)(void *ctx, enum truth t, struct json *verdict), void *ctx);

/* Why a packet is dropped: where and by which words ("policy drop" for the chain's policy). */
struct reason { char chain[160], rule[400]; bool sure; };
/* 1: it is, or may be, dropped by a base chain of f. */
int judge_table(const struct foreign *f, const struct packet *p, struct reason *out);
/* The same of iptables-legacy, which nftables does not show. */
int judge_legacy(int family, struct reason *out);
