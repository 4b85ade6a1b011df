/*
 * What vzrun asks of vzrun-net judge, and its answer: which ports the host's own firewall would not let through
 * to a listener on the host, and why. Included by one file on either side.
 */
#pragma once
#include "base/bind.h"
#include <string.h>

/* A table of vzrun's, this home's or another's. */
static inline bool fw_is_ours(const char *table)
{
	return str_eq(table, "vzrun") || (str_starts(table, "vzrun_") && strspn(table + 6, "0123456789abcdef") == 8 &&
					  !table[14]);
}

struct fw_link { const char *name; struct strv on_link; };	/* a link of the host's, and the subnets on it */
struct fw_port { const char *address; struct opt_u32 port, count; bool udp, lan; };	/* lan: from on_link only */
struct fw_judge { struct list links, ports; };
/* The first reason against the port of that number; sure: the rule drops it, else it may. */
struct fw_refused { struct opt_u32 port; const char *link, *chain, *rule; bool sure; };
struct fw_verdict { struct list refused; };

static const struct field fw_link_fields[] = {
	FR(struct fw_link, "name", K_STR, name),
	F(struct fw_link, "onLink", K_STRV, on_link),
	{ 0 }
};
static const struct record fw_link_record = RECORD("link", struct fw_link, fw_link_fields);
static const struct field fw_port_fields[] = {
	F(struct fw_port, "address", K_STR, address),
	FR(struct fw_port, "port", K_U32, port),
	FR(struct fw_port, "count", K_U32, count),
	F(struct fw_port, "udp", K_BOOL, udp),
	F(struct fw_port, "lan", K_BOOL, lan),
	{ 0 }
};
static const struct record fw_port_record = RECORD("port", struct fw_port, fw_port_fields);
static const struct field fw_judge_fields[] = {
	SUB(struct fw_judge, "links", K_LIST, links, &fw_link_record),
	SUB(struct fw_judge, "ports", K_LIST, ports, &fw_port_record),
	{ 0 }
};
static const struct record fw_judge_record = RECORD("request", struct fw_judge, fw_judge_fields);
static const struct field fw_refused_fields[] = {
	FR(struct fw_refused, "port", K_U32, port),
	FR(struct fw_refused, "link", K_STR, link),
	FR(struct fw_refused, "chain", K_STR, chain),
	FR(struct fw_refused, "rule", K_STR, rule),
	F(struct fw_refused, "sure", K_BOOL, sure),
	{ 0 }
};
static const struct record fw_refused_record = RECORD("refusal", struct fw_refused, fw_refused_fields);
static const struct field fw_verdict_fields[] = {
	SUB(struct fw_verdict, "refused", K_LIST, refused, &fw_refused_record),
	{ 0 }
};
static const struct record fw_verdict_record = RECORD("verdict", struct fw_verdict, fw_verdict_fields);
