/*
 * What vzrun and its helper vzrun-net share: the rules of vzrun's own table in nftables, and the request
 * by which the helper is told what should stand. Rules never change with networks: adding one adds
 * elements to sets. Included by one file on either side.
 */
#pragma once
#include "base/bind.h"
#include <stddef.h>

/* A network's element in the set of bridges carries "NAME MARK"; another mark: other rules or subnets. */
enum { FW_RULES_VERSION = 1, FW_COMMENT_MAX = 96 };

struct fw_set { const char *name, *type; };
static const struct fw_set fw_sets[] = {
	{ "bridges", "type ifname" },			/* ours */
	{ "links", "type ifname . ifname" },		/* from, to: what may cross or stay within */
	{ "outward", "type ifname" },			/* may reach the outside */
	{ "hosts4", "type ifname . ipv4_addr" },	/* the host as this bridge's guests know it */
	{ "hosts6", "type ifname . ipv6_addr" },
	{ "services", "type ifname . inet_proto . inet_service" },	/* of the host, for these guests */
	{ "nat4", "type ipv4_addr; flags interval" },	/* leave under the host's address */
	{ "nat6", "type ipv6_addr; flags interval" },
};

/*
 * Before the administrator's chains (priority 0), which still see what passes here: an accept ends only
 * this chain. What is not ours leaves by the first rule.
 */
static const char *const fw_forward[] = {
	"iifname != @bridges oifname != @bridges accept",
	"ct state established,related accept",
	"iifname . oifname @links accept",
	"oifname @bridges drop",
	"iifname @outward accept",
	"drop",
	NULL
};
static const char *const fw_input[] = {
	"iifname != @bridges accept",
	"ct state established,related accept",
	"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, "
		"mld-listener-done, mld2-listener-report } accept",
	"iifname . ip daddr @hosts4 icmp type echo-request accept",
	"iifname . ip6 daddr @hosts6 icmpv6 type echo-request accept",
	"iifname . meta l4proto . th dport @services accept",
	"meta pkttype { broadcast, multicast } drop",
	"meta l4proto tcp reject with tcp reset",
	"reject with icmpx type admin-prohibited",
	NULL
};
static const char *const fw_postrouting[] = {
	"oifname \"lo\" accept",
	"ip saddr @nat4 oifname != @bridges masquerade",
	"ip6 saddr @nat6 oifname != @bridges masquerade",
	NULL
};

struct fw_chain { const char *name, *head; const char *const *rules; };
static const struct fw_chain fw_chains[] = {
	{ "forward", "type filter hook forward priority filter - 10; policy accept;", fw_forward },
	{ "input", "type filter hook input priority filter - 10; policy accept;", fw_input },
	{ "postrouting", "type nat hook postrouting priority srcnat; policy accept;", fw_postrouting },
};
enum { FW_CHAINS = sizeof fw_chains / sizeof fw_chains[0] };

/* create: there is no table. add: networks' elements are missing. replace: something else differs. */
enum fw_action { FW_CREATE = 1, FW_ADD, FW_REPLACE, FW_REMOVE };
static const struct name fw_actions[] = {
	{ "create", FW_CREATE }, { "add", FW_ADD }, { "replace", FW_REPLACE }, { "remove", FW_REMOVE }, { 0 },
};

struct fw_net {
	const char *name, *bridge, *mark, *subnet, *subnet6, *gateway, *gateway6;
	bool nat, outward;
};
struct fw_req { const char *table; int action; struct list nets; };

static const struct field fw_net_fields[] = {
	FR(struct fw_net, "name", K_STR, name),
	FR(struct fw_net, "bridge", K_STR, bridge),
	FR(struct fw_net, "mark", K_STR, mark),
	F(struct fw_net, "subnet", K_STR, subnet),
	F(struct fw_net, "subnet6", K_STR, subnet6),
	F(struct fw_net, "gateway", K_STR, gateway),
	F(struct fw_net, "gateway6", K_STR, gateway6),
	F(struct fw_net, "nat", K_BOOL, nat),
	F(struct fw_net, "outward", K_BOOL, outward),
	{ 0 }
};
static const struct record fw_net_record = RECORD("network", struct fw_net, fw_net_fields);
static const struct field fw_req_fields[] = {
	FR(struct fw_req, "table", K_STR, table),
	ENUMR(struct fw_req, "action", action, fw_actions),
	SUB(struct fw_req, "networks", K_LIST, nets, &fw_net_record),
	{ 0 }
};
static const struct record fw_req_record = RECORD("firewall request", struct fw_req, fw_req_fields);
