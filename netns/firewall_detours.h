/*
 * The rules of the inet family against detours: what would pass as something else, or reach somebody by way of the
 * host. Part of netns/firewall.h, which includes it.
 */
#pragma once

/* Sets that packets fill. */
struct fw_meter { const char *name, *type; };
static const struct fw_meter fw_meters[] = {
	/* whom a guest asked for last, and how often it may ask for another one */
	{ "asked4", "type ipv4_addr . ipv4_addr; flags dynamic,timeout; timeout 3s; size 65535" },
	{ "asked6", "type ipv6_addr . ipv6_addr; flags dynamic,timeout; timeout 3s; size 65535" },
	{ "asking4", "type ipv4_addr; flags dynamic,timeout; timeout 1m; size 65535" },
	{ "asking6", "type ipv6_addr; flags dynamic,timeout; timeout 1m; size 65535" },
	/* its connections with dnsmasq */
	{ "served4", "type ipv4_addr; flags dynamic; size 65535" },
	{ "served6", "type ipv6_addr; flags dynamic; size 65535" },
};
enum { FW_METERS = sizeof fw_meters / sizeof fw_meters[0] };

/*
 * Where the host does source routing, what comes here is on its way to another address than the one by which its
 * connection is known: an echo that the host answered would be an established one that leads into any segment.
 */
static const char *const fw_steered[] = {
	FW_STRANGERS "return",
	"meta nfproto ipv6 " NAMED("detour") "drop",
	"ip option lsrr exists " NAMED("detour") "drop",
	"ip option ssrr exists " NAMED("detour") "drop",
	NULL
};
/*
 * A frame for a tunnel's other end that a guest has wrapped itself would leave under the host's address, whom the peer
 * believes. Each packet is looked at: the number can change within a connection.
 */
static const char *const fw_to_peer[] = {
	FW_STRANGER "return",
	"udp dport . @th,96,24 . ip daddr @peers4 " NAMED("rogue_tunnel") "drop",
	"udp dport . @th,96,24 . ip6 daddr @peers6 " NAMED("rogue_tunnel") "drop",
	NULL
};
/*
 * The kernel keeps three seconds whom it asked for in vain, for all guests in one table (of 1024, if nobody changed
 * that): a guest gets a part of it. By a router it asks for the router alone.
 */
#define FW_ASKING "limit rate over 100/second burst 256 packets"
static const char *const fw_asking[] = {
	"ip saddr . rt ip nexthop @asked4 return",
	"ip6 saddr . rt ip6 nexthop @asked6 return",
	"meta nfproto ipv4 update @asking4 { ip saddr " FW_ASKING " } " NAMED("flood") "drop",
	"meta nfproto ipv6 update @asking6 { ip6 saddr " FW_ASKING " } " NAMED("flood") "drop",
	"add @asked4 { ip saddr . rt ip nexthop }",
	"add @asked6 { ip6 saddr . rt ip6 nexthop }",
	NULL
};
/*
 * An error about a connection is believed of a segment that has an end of it. Any guest can write one about any
 * connection whose ports it guesses, and the kernel takes it to whoever that is.
 */
static const char *const fw_related[] = {
	FW_STRANGER "accept",
	"iifname . ct original ip saddr @self4 accept",
	"iifname . ct original ip6 saddr @self6 accept",
	"iifname . ct reply ip saddr @self4 accept",
	"iifname . ct reply ip6 saddr @self6 accept",
	"ct original ip6 saddr fe80::/10 accept",
	NAMED("rogue_error") "drop",
	NULL
};
