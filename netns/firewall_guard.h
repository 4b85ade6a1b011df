/* How vzrun tells its helper vzrun-net what the chains of a guest's firewall are. */
#pragma once
#include "base/bind.h"

/* Words, each checked by its own grammar: peer is an address or a subnet, protocol tcp, udp, icmp or any. */
struct fw_rule { bool in, deny; const char *peer, *protocol; struct opt_u32 port, end_port; };
/* in_ID and out_ID; without rules they go. */
struct fw_guard { const char *id; struct list rules; };

static const struct field fw_rule_fields[] = {
	F(struct fw_rule, "in", K_BOOL, in),
	F(struct fw_rule, "deny", K_BOOL, deny),
	F(struct fw_rule, "peer", K_STR, peer),
	FR(struct fw_rule, "protocol", K_STR, protocol),
	F(struct fw_rule, "port", K_U32, port),
	F(struct fw_rule, "endPort", K_U32, end_port),
	{ 0 }
};
static const struct record fw_rule_record = RECORD("rule", struct fw_rule, fw_rule_fields);
static const struct field fw_guard_fields[] = {
	FR(struct fw_guard, "id", K_STR, id),
	SUB(struct fw_guard, "rules", K_LIST, rules, &fw_rule_record),
	{ 0 }
};
static const struct record fw_guard_record = RECORD("guest", struct fw_guard, fw_guard_fields);
