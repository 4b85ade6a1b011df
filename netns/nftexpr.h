/*
 * Rules of nf_tables as netlink, for the few that are made without libnftables: requests of a batch, and expressions in
 * the newest request. Numbers of registers and keys: linux/netfilter/nf_tables.h.
 */
#pragma once
#include "netns/nl.h"
#include <stdint.h>

/* Removes those elements that are there; since Linux 6.3, and older headers lack it. */
enum { NFTX_DESTROYSETELEM = 30 };

/* One attribute, in the byte order of the network. */
void nftx_u32(struct nlq *q, int attr, uint32_t v);

/* A batch: all of it or nothing is done. */
void nftx_begin(struct nlq *q);
void nftx_commit(struct nlq *q);
/* A request in it, type NFT_MSG_...; family NFPROTO_... */
void nftx_message(struct nlq *q, int type, int flags, int family);

/* A rule at the end of its chain: begun, expressions, ended. */
struct nlattr *nftx_rule(struct nlq *q, int family, const char *table, const char *chain);
/* Each reads a register (sreg), or writes one (dreg). A comparison that fails ends the rule. */
void nftx_meta(struct nlq *q, int key, int dreg);
void nftx_payload(struct nlq *q, int base, unsigned offset, unsigned size, int dreg);
void nftx_equal(struct nlq *q, int sreg, const void *p, size_t n);
void nftx_differs(struct nlq *q, int sreg, const void *p, size_t n);
/* What is left of a register under a mask. */
void nftx_mask(struct nlq *q, int reg, const void *mask, size_t n);
/* dreg: where the map's value goes; 0: of a set. What is not there ends the rule. */
void nftx_lookup(struct nlq *q, const char *set, int sreg, int dreg);
void nftx_goto(struct nlq *q, const char *chain);
void nftx_immediate(struct nlq *q, int dreg, const void *p, size_t n);
void nftx_set_meta(struct nlq *q, int key, int sreg);
/* To the link of that index, and the rules end. netdev family. */
void nftx_forward(struct nlq *q, int sreg);
