/*
 * The firewall of a guest as values: "vzrun.firewall": [ { ... } ] of its config.json, the same in its record.
 * Ordered; the first rule that matches decides; what none matches is allowed. No kernel, no files.
 */
#pragma once
#include "base/bind.h"
#include "netns/addr.h"

enum net_verdict { NET_ALLOW = 1, NET_DENY };
enum net_direction { NET_IN = 1, NET_OUT };
enum { NET_PROTO_ANY = 256, NET_PROTO_ICMP = 257 };	/* icmp: ICMP and ICMPv6 */
extern const struct name net_verdicts[], net_directions[], net_protocols[];

struct net_rule {
	int action, direction;
	const char *from, *to;			/* in: from; out: to. An address or a subnet; NULL: any, of both families */
	int proto;				/* also when it is absent: NET_PROTO_ANY */
	struct opt_u32 port, end_port;		/* of the destination; tcp, udp, or any: both */
};
extern const struct record net_rule_record;

enum { NET_RULES_MAX = 256 };

/* Of struct net_rule; fills in what is absent. Messages begin with "[i].member: "; ERR_CONFIG. */
int net_rules_check(const struct list *rules);
/* One rule; messages begin with ".member: ". */
int net_rule_check(const struct net_rule *r);
/* An address or a subnet; out->family says which of the two families. Messages name no place. */
int net_peer_parse(const char *text, struct net_subnet *out);
/* "80", "80-90". -EINVAL without a message. */
int net_port_range_parse(const char *text, struct opt_u32 *first, struct opt_u32 *last);
/* "deny in from 10.0.0.0/8 tcp 22" */
void net_rule_text(const struct net_rule *r, char *out, size_t size);
bool net_rules_same(const struct list *a, const struct list *b);		/* in the same order */
