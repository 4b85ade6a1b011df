/*
 * What vzrun and its helper vzrun-net share: vzrun's own two tables in nftables, and the request by which the
 * helper is told what should stand. Rules never change with networks or guests: these add elements to sets.
 *
 * The administrator's own chains see all that passes here (an accept ends only the chain it is in): their drop drops.
 */
#pragma once
#include "base/bind.h"
#include "base/scope.h"
#include "netns/firewall_guard.h"
#include "netns/def.h"
#include <linux/netfilter.h>
#include <stddef.h>

/* netdev: the shortcuts between guests, of which vzrun-net knows nothing (netns/shortcut.h). */
enum fw_family { FW_INET, FW_BRIDGE, FW_NETDEV };
static const unsigned char fw_family_number[] = { [FW_INET] = NFPROTO_INET, [FW_BRIDGE] = NFPROTO_BRIDGE,
						  [FW_NETDEV] = NFPROTO_NETDEV };
static const char *const fw_family_text[] = { [FW_INET] = "inet", [FW_BRIDGE] = "bridge", [FW_NETDEV] = "netdev" };

/*
 * The letters of a key and of a map's data, one a field:
 * i name of a link, m MAC address, 4 6 addresses, p protocol, s port, N 16 bytes, L 6 bytes, V 3 bytes, g group of
 * links; data only: v verdict, n number of a link
 */
struct fw_set { enum fw_family family; const char *name, *type, *key, *data; };
enum fw_set_id {
	/* inet: networks */
	FW_BRIDGES, FW_LINKS, FW_LINKS_PORT, FW_OUTWARD, FW_INWARD, FW_INWARD_PORT, FW_HOSTS4, FW_HOSTS6, FW_SERVICES4,
	FW_SERVICES6, FW_NAT4, FW_NAT6, FW_VNIS, FW_PEERS4, FW_PEERS6, FW_GATEWAYS4, FW_GATEWAYS6, FW_SELF4, FW_SELF6,
	/* inet: published ports */
	FW_LAN_NET4, FW_LAN_NET6, FW_NEAR, FW_PUBLISHED4, FW_PUBLISHED6,
	FW_HOST_ANY4, FW_HOST_ANY6, FW_HOST_AT4, FW_HOST_AT6,
	FW_LAN_ANY4, FW_LAN_ANY6, FW_LAN_AT4, FW_LAN_AT6,
	FW_WORLD_ANY4, FW_WORLD_ANY6, FW_WORLD_AT4, FW_WORLD_AT6,
	/* inet: the firewalls of guests */
	FW_FW_OUT4, FW_FW_OUT6, FW_FW_IN4, FW_FW_IN6, FW_FW_IN_LL,
	/* bridge: the ports of guests */
	FW_PORTS, FW_MACS, FW_SRC4, FW_SRC6, FW_ND, FW_LLADDR, FW_ANYIP, FW_GWMAC, FW_FW_PORTS, FW_FW_MACS, FW_RATE_OUT,
	/* bridge: tunnels to other hosts */
	FW_TUNNEL_GW4, FW_TUNNEL_GW6, FW_TUNNEL_GWMAC,
	/* netdev */
	FW_DIRECT4, FW_DIRECT6, FW_WAYS,
	FW_INGRESS, /* no set: the links of its chains, which change as elements do */
	FW_SETS
};

#define PORT_OF "ifname . inet_proto . inet_service"
#define LEADS_TO(addr) "inet_proto . inet_service : " addr " . inet_service"
static const struct fw_set fw_sets[FW_SETS] = {
	/* ours; a network's element carries "NAME MARK" */
	[FW_BRIDGES] = { FW_INET, "bridges", "type ifname", "i", NULL },
	/* from, to: what may cross or stay within */
	[FW_LINKS] = { FW_INET, "links", "type ifname . ifname", "ii", NULL },
	[FW_LINKS_PORT] = { FW_INET, "links_port", "type ifname . " PORT_OF "; flags interval", "iips", NULL },
	/* may reach the outside; may be reached from there */
	[FW_OUTWARD] = { FW_INET, "outward", "type ifname", "i", NULL },
	[FW_INWARD] = { FW_INET, "inward", "type ifname", "i", NULL },
	[FW_INWARD_PORT] = { FW_INET, "inward_port", "type " PORT_OF "; flags interval", "ips", NULL },
	/* the host as this bridge's guests know it, and what it does for them there */
	[FW_HOSTS4] = { FW_INET, "hosts4", "type ifname . ipv4_addr", "i4", NULL },
	[FW_HOSTS6] = { FW_INET, "hosts6", "type ifname . ipv6_addr", "i6", NULL },
	[FW_SERVICES4] = { FW_INET, "services4", "type ifname . ipv4_addr . inet_proto . inet_service", "i4ps", NULL },
	[FW_SERVICES6] = { FW_INET, "services6", "type ifname . ipv6_addr . inet_proto . inet_service", "i6ps", NULL },
	/* leave under the host's address */
	[FW_NAT4] = { FW_INET, "nat4", "type ipv4_addr; flags interval", "4", NULL },
	[FW_NAT6] = { FW_INET, "nat6", "type ipv6_addr; flags interval", "6", NULL },
	/* port and network number of our tunnels, and who may speak there */
	[FW_VNIS] = { FW_INET, "vnis", "typeof udp dport . @th,96,24", "sV", NULL },
	[FW_PEERS4] = { FW_INET, "peers4", "typeof udp dport . @th,96,24 . ip saddr", "sV4", NULL },
	[FW_PEERS6] = { FW_INET, "peers6", "typeof udp dport . @th,96,24 . ip6 saddr", "sV6", NULL },

	/* the gateways of all networks; whose packets would come back around the host that translated them */
	[FW_GATEWAYS4] = { FW_INET, "gateways4", "type ipv4_addr", "4", NULL },
	[FW_GATEWAYS6] = { FW_INET, "gateways6", "type ipv6_addr", "6", NULL },
	[FW_SELF4] = { FW_INET, "self4", "type ifname . ipv4_addr; flags interval", "i4", NULL },
	[FW_SELF6] = { FW_INET, "self6", "type ifname . ipv6_addr; flags interval", "i6", NULL },

	/* who is "lan": what is on the host's own links */
	[FW_LAN_NET4] = { FW_INET, "lan_net4", "type ipv4_addr; flags interval", "4", NULL },
	[FW_LAN_NET6] = { FW_INET, "lan_net6", "type ipv6_addr; flags interval", "6", NULL },
	/* ports that are published for lan, and the bridge of whose guest it is: its neighbours are lan, too */
	[FW_NEAR] = { FW_INET, "near", "type " PORT_OF, "ips", NULL },
	/* ports of guests that are let through when something led there */
	[FW_PUBLISHED4] = { FW_INET, "published4",
			    "type ifname . ipv4_addr . inet_proto . inet_service : verdict", "i4ps", "v" },
	[FW_PUBLISHED6] = { FW_INET, "published6",
			    "type ifname . ipv6_addr . inet_proto . inet_service : verdict", "i6ps", "v" },
	/* from ports of the host to ports of guests: for the host itself, for lan, for the world; of any address of the
	 * host's, or at one */
	[FW_HOST_ANY4] = { FW_INET, "host_any4", "type " LEADS_TO("ipv4_addr"), "ps", "4s" },
	[FW_HOST_ANY6] = { FW_INET, "host_any6", "type " LEADS_TO("ipv6_addr"), "ps", "6s" },
	[FW_HOST_AT4] = { FW_INET, "host_at4", "type ipv4_addr . " LEADS_TO("ipv4_addr"), "4ps", "4s" },
	[FW_HOST_AT6] = { FW_INET, "host_at6", "type ipv6_addr . " LEADS_TO("ipv6_addr"), "6ps", "6s" },
	[FW_LAN_ANY4] = { FW_INET, "lan_any4", "type " LEADS_TO("ipv4_addr"), "ps", "4s" },
	[FW_LAN_ANY6] = { FW_INET, "lan_any6", "type " LEADS_TO("ipv6_addr"), "ps", "6s" },
	[FW_LAN_AT4] = { FW_INET, "lan_at4", "type ipv4_addr . " LEADS_TO("ipv4_addr"), "4ps", "4s" },
	[FW_LAN_AT6] = { FW_INET, "lan_at6", "type ipv6_addr . " LEADS_TO("ipv6_addr"), "6ps", "6s" },
	[FW_WORLD_ANY4] = { FW_INET, "world_any4", "type " LEADS_TO("ipv4_addr"), "ps", "4s" },
	[FW_WORLD_ANY6] = { FW_INET, "world_any6", "type " LEADS_TO("ipv6_addr"), "ps", "6s" },
	[FW_WORLD_AT4] = { FW_INET, "world_at4", "type ipv4_addr . " LEADS_TO("ipv4_addr"), "4ps", "4s" },
	[FW_WORLD_AT6] = { FW_INET, "world_at6", "type ipv6_addr . " LEADS_TO("ipv6_addr"), "6ps", "6s" },

	/* to the chains of a guest: by its address; what it sends, by where it comes from, too */
	[FW_FW_OUT4] = { FW_INET, "fw_out4", "type ifname . ipv4_addr : verdict", "i4", "v" },
	[FW_FW_OUT6] = { FW_INET, "fw_out6", "type ifname . ipv6_addr : verdict", "i6", "v" },
	[FW_FW_IN4] = { FW_INET, "fw_in4", "type ipv4_addr : verdict", "4", "v" },
	[FW_FW_IN6] = { FW_INET, "fw_in6", "type ipv6_addr : verdict", "6", "v" },
	/* link-local: of two bridges there may be the same */
	[FW_FW_IN_LL] = { FW_INET, "fw_in_ll", "type ifname . ipv6_addr : verdict", "i6", "v" },

	/* an owner's element carries "OWNER MARK" */
	[FW_PORTS] = { FW_BRIDGE, "ports", "type ifname", "i", NULL },
	[FW_MACS] = { FW_BRIDGE, "macs", "type ifname . ether_addr", "im", NULL },
	[FW_SRC4] = { FW_BRIDGE, "src4", "type ifname . ether_addr . ipv4_addr : verdict", "im4", "v" },
	[FW_SRC6] = { FW_BRIDGE, "src6", "type ifname . ether_addr . ipv6_addr : verdict", "im6", "v" },
	/* its addresses in neighbour discovery: the target, and the link-layer address of an option */
	[FW_ND] = { FW_BRIDGE, "nd", "typeof iifname . @th,64,128", "iN", NULL },
	[FW_LLADDR] = { FW_BRIDGE, "lladdr", "typeof iifname . @th,208,48", "iL", NULL },
	/* its IP addresses are not ours to know */
	[FW_ANYIP] = { FW_BRIDGE, "anyip", "type ifname . ether_addr", "im", NULL },
	[FW_GWMAC] = { FW_BRIDGE, "gwmac", "type ifname : ether_addr", "i", "m" },
	/* guests with a firewall: what they say to each other goes through the host */
	[FW_FW_PORTS] = { FW_BRIDGE, "fw_ports", "type ifname", "i", NULL },
	[FW_FW_MACS] = { FW_BRIDGE, "fw_macs", "type ether_addr", "m", NULL },
	/* each with a limit of its own */
	[FW_RATE_OUT] = { FW_BRIDGE, "rate_out", "type ifname; limit rate over 1 bytes/second", "i", NULL },
	[FW_TUNNEL_GW4] = { FW_BRIDGE, "tunnel_gw4", "type ifname . ipv4_addr", "i4", NULL },
	[FW_TUNNEL_GW6] = { FW_BRIDGE, "tunnel_gw6", "typeof iifname . @th,64,128", "iN", NULL },
	[FW_TUNNEL_GWMAC] = { FW_BRIDGE, "tunnel_gwmac", "type ifname . ether_addr", "im", NULL },
	/* who may go past the bridge; by segment, where to */
	[FW_DIRECT4] = { FW_NETDEV, "direct4", "type ifname . ether_addr . ipv4_addr", "im4", NULL },
	[FW_DIRECT6] = { FW_NETDEV, "direct6", "type ifname . ether_addr . ipv6_addr", "im6", NULL },
	[FW_WAYS] = { FW_NETDEV, "ways", "type devgroup . ether_addr : iface_index", "gm", "n" },
	[FW_INGRESS] = { FW_NETDEV, "ingress", "", "i", NULL },
};
#define FW_SHORTCUT_RULES "1"		/* changes with the rules of netns/shortcut_table.c */

/* What was refused, as "network show" says it. They stand in rules that drop: what passes costs nothing more. */
static const struct { enum fw_family family; const char *name; } fw_counters[] = {
	{ FW_BRIDGE, "spoof_mac" }, { FW_BRIDGE, "spoof_ip4" }, { FW_BRIDGE, "spoof_arp" }, { FW_BRIDGE, "spoof_ip6" },
	{ FW_BRIDGE, "spoof_nd" }, { FW_BRIDGE, "rogue_ra" }, { FW_BRIDGE, "rogue_dhcp" }, { FW_BRIDGE, "other_proto" },
	{ FW_INET, "rogue_dhcp6" }, { FW_INET, "rogue_tunnel" }, { FW_INET, "rogue_error" }, { FW_INET, "detour" },
	{ FW_INET, "no_connection" }, { FW_INET, "no_ports" }, { FW_INET, "flood" },
};
enum { FW_COUNTERS = sizeof fw_counters / sizeof fw_counters[0] };
#define NAMED(counter) "counter name \"" counter "\" "

/* ---- inet: what is routed, and what reaches the host ---------------------------------------------- */

#define FW_TEXT(x) FW_TEXT_(x)
#define FW_TEXT_(x) #x
/* What stands already, unless it was cut. */
#define FW_ESTABLISHED \
	"ct state established ct mark != " FW_TEXT(NET_FLOW_CUT) " accept", \
	"ct mark " FW_TEXT(NET_FLOW_CUT) " drop"

/*
 * What comes in by a guest's port itself has passed by its bridge: a frame that bridges keep to themselves, or the port
 * has left it. Nobody has looked at its source.
 */
#define FW_NO_PORT "iifgroup " FW_TEXT(NET_PORT_GROUP) "-" FW_TEXT(NET_PORT_GROUP_LAST) " " NAMED("detour") "drop"

/* In a VRF the link that a packet came by is the VRF's, and the bridge the second one. */
#define FW_STRANGER "iifname != @bridges meta sdifname != @bridges "
#define FW_STRANGERS "iifname != @bridges oifname != @bridges meta sdifname != @bridges "

/* Before the administrator's chains (priority 0). What stands already costs one look, what is not ours four. */
static const char *const fw_forward[] = {
	"ip hdrlength > 5 jump steered",
	"exthdr rt exists jump steered",
	"udp dport . @th,96,24 @vnis jump to_peer",
	FW_ESTABLISHED,
	"ct state related jump related",
	FW_NO_PORT,
	FW_STRANGERS "accept",
	/* Bridged packets may come by here (bridge-nf-call-ip6tables): neighbours are found whatever a guest's rules say. */
	"iifname . oifname @links icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
	"iifname @bridges jump asking",
	"iifname . ip saddr vmap @fw_out4",
	"iifname . ip6 saddr vmap @fw_out6",
	"ip daddr vmap @fw_in4",
	"ip6 daddr vmap @fw_in6",
	"oifname . ip6 daddr vmap @fw_in_ll",
	/* A published port is not behind the gateway of another segment. */
	"ct status dnat ct original ip daddr @gateways4 iifname . oifname != @links drop",
	"ct status dnat ct original ip6 daddr @gateways6 iifname . oifname != @links drop",
	"ct status dnat oifname . ip daddr . meta l4proto . th dport vmap @published4",
	"ct status dnat oifname . ip6 daddr . meta l4proto . th dport vmap @published6",
	"iifname . oifname @links accept",
	"iifname . oifname . meta l4proto . th dport @links_port accept",
	"oifname @bridges jump inward_new",
	"oifname @bridges drop",
	/* Of no connection, so it would leave untranslated. */
	"ct state invalid ip saddr @nat4 " NAMED("no_connection") "drop",
	"ct state invalid ip6 saddr @nat6 " NAMED("no_connection") "drop",
	/* By its address alone it would be taken for a tunnel of the host's own, and get what comes for that. */
	"ip saddr @nat4 meta l4proto != { icmp, tcp, udp, sctp } " NAMED("no_ports") "drop",
	"ip6 saddr @nat6 meta l4proto != { ipv6-icmp, tcp, udp, sctp } " NAMED("no_ports") "drop",
	"iifname @outward accept",
	"drop",
	NULL
};
#include "netns/firewall_detours.h"

static const char *const fw_inward[] = {
	"iifname @bridges return",
	"meta sdifname @bridges return",
	"oifname @inward accept",
	"oifname . meta l4proto . th dport @inward_port accept",
	NULL
};
/*
 * Not what a DHCPv6 client asks for itself. Who it is, it says in options: a server that is told by anybody that an
 * address is no good gives it to nobody, and a relay speaks for whom it likes.
 */
#define DHCP6_OTHERS "udp dport 547 @th,64,8 != { 1, 3, 4, 5, 6, 8, 11 } " NAMED("rogue_dhcp6") "drop"
/*
 * The host is reached by its guests as far as they need it, and by tunnels from their other ends alone. A guest comes
 * to its addresses whatever its own rules say: neighbours, DHCP.
 */
static const char *const fw_input[] = {
	FW_NO_PORT,
	"udp dport . @th,96,24 @vnis jump from_peer",
	FW_STRANGER "accept",
	FW_ESTABLISHED,
	"ct state related jump related",
	"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, "
		"mld-listener-done, mld2-listener-report } accept",
	DHCP6_OTHERS,
	"udp sport 68 udp dport 67 iifname . ip daddr . meta l4proto . th dport @services4 accept",
	"udp sport 546 udp dport 547 iifname . ip6 daddr . meta l4proto . th dport @services6 accept",
	"iifname . ip saddr vmap @fw_out4",
	"iifname . ip6 saddr vmap @fw_out6",
	"iifname . ip daddr @hosts4 icmp type echo-request accept",
	"iifname . ip6 daddr @hosts6 icmpv6 type echo-request accept",
	"iifname . ip daddr . meta l4proto . th dport @services4 goto service",
	"iifname . ip6 daddr . meta l4proto . th dport @services6 goto service",
	"meta pkttype { broadcast, multicast } drop",
	"meta l4proto tcp reject with tcp reset",
	"reject with icmpx type admin-prohibited",
	NULL
};
/* A dnsmasq takes 20 connections, and waits two minutes for who says nothing. */
static const char *const fw_service[] = {
	"meta l4proto tcp add @served4 { ip saddr ct count over 4 } reject with tcp reset",
	"meta l4proto tcp add @served6 { ip6 saddr ct count over 4 } reject with tcp reset",
	"accept",
	NULL
};
static const char *const fw_from_peer[] = {
	"udp dport . @th,96,24 . ip saddr @peers4 return",
	"udp dport . @th,96,24 . ip6 saddr @peers6 return",
	NAMED("rogue_tunnel") "drop",
	NULL
};
/* Guests of one segment need no advice from the host about the way to each other. */
static const char *const fw_output[] = {
	"udp sport 67 udp dport 68 oifname @bridges accept",
	"udp sport 547 udp dport 546 oifname @bridges accept",
	"ct state new ip daddr vmap @fw_in4",
	"ct state new ip6 daddr vmap @fw_in6",
	"ct state new oifname . ip6 daddr vmap @fw_in_ll",
	"oifname != @bridges accept",
	"icmp type redirect drop",
	"icmpv6 type nd-redirect drop",
	NULL
};
/*
 * Under the host's address a guest speaks from ports that clients have (the kernel's own choice, unless somebody
 * changed ip_local_port_range), and from that of its own if it is one of them: from a port that the host or a
 * published one listens on, what comes there from whom it spoke to would be taken for an answer, and go to the guest.
 */
#define FW_MASQUERADE(family, set) \
	"meta l4proto { tcp, udp, sctp } " family " saddr " set " oifname != @bridges " \
		"masquerade to :32768-60999", \
	family " saddr " set " oifname != @bridges masquerade"
static const char *const fw_postrouting[] = {
	"oifname \"lo\" accept",
	"ct status dnat oifname . ip saddr @self4 masquerade",
	"ct status dnat oifname . ip6 saddr @self6 masquerade",
	"ip saddr 127.0.0.0/8 oifname @bridges masquerade",
	FW_MASQUERADE("ip", "@nat4"),
	FW_MASQUERADE("ip6", "@nat6"),
	NULL
};

/* Only first packets of connections come to these; a map without an answer ends the rule. */
static const char *const fw_lan[] = {
	"dnat ip to ip daddr . meta l4proto . th dport map @lan_at4",
	"dnat ip to meta l4proto . th dport map @lan_any4",
	"dnat ip6 to ip6 daddr . meta l4proto . th dport map @lan_at6",
	"dnat ip6 to meta l4proto . th dport map @lan_any6",
	NULL
};
/* Who only says to be of the lan comes from where no answer would go. */
static const char *const fw_dstnat[] = {
	"fib daddr type != local accept",
	"iifname @bridges iifname != @outward accept",
	"ip daddr @gateways4 iifname . ip daddr != @hosts4 accept",
	"ip6 daddr @gateways6 iifname . ip6 daddr != @hosts6 accept",
	"dnat ip to ip daddr . meta l4proto . th dport map @world_at4",
	"dnat ip to meta l4proto . th dport map @world_any4",
	"dnat ip6 to ip6 daddr . meta l4proto . th dport map @world_at6",
	"dnat ip6 to meta l4proto . th dport map @world_any6",
	"iifname . meta l4proto . th dport @near goto lan",
	"fib saddr . iif oif missing accept",
	"ip saddr @lan_net4 goto lan",
	"ip6 saddr @lan_net6 goto lan",
	NULL
};
static const char *const fw_published_lan[] = {
	"iifname != @bridges accept",
	"iifname . oifname @links accept",
	"drop",
	NULL
};
/* What the host says to itself. Of ::1 the kernel takes no answer by a bridge: docs/ports.md. */
static const char *const fw_dstnat_host[] = {
	"fib daddr type != local accept",
	"ip6 daddr ::1 accept",
	"dnat ip to ip daddr . meta l4proto . th dport map @host_at4",
	"dnat ip to meta l4proto . th dport map @host_any4",
	"dnat ip6 to ip6 daddr . meta l4proto . th dport map @host_at6",
	"dnat ip6 to meta l4proto . th dport map @host_any6",
	NULL
};

#include "netns/firewall_bridge.h"

/* refs: how often rules of ours lead to it; -1: elements do too. A chain is written after those that it leads to. */
struct fw_chain { enum fw_family family; const char *name, *head; const char *const *rules; int refs; };
static const struct fw_chain fw_chains[] = {
	{ FW_INET, "steered", "", fw_steered, 2 },
	{ FW_INET, "to_peer", "", fw_to_peer, 1 },
	{ FW_INET, "asking", "", fw_asking, 1 },
	{ FW_INET, "related", "", fw_related, 2 },
	{ FW_INET, "inward_new", "", fw_inward, 1 },
	{ FW_INET, "from_peer", "", fw_from_peer, 1 },
	{ FW_INET, "service", "", fw_service, 2 },
	{ FW_INET, "lan", "", fw_lan, 3 },
	{ FW_INET, "published_lan", "", fw_published_lan, -1 },
	{ FW_INET, "dstnat", "type nat hook prerouting priority dstnat; policy accept;", fw_dstnat, 0 },
	{ FW_INET, "dstnat_host", "type nat hook output priority -100; policy accept;", fw_dstnat_host, 0 },
	{ FW_INET, "forward", "type filter hook forward priority filter - 10; policy accept;", fw_forward, 0 },
	{ FW_INET, "input", "type filter hook input priority filter - 10; policy accept;", fw_input, 0 },
	{ FW_INET, "output", "type filter hook output priority filter - 10; policy accept;", fw_output, 0 },
	{ FW_INET, "postrouting", "type nat hook postrouting priority srcnat; policy accept;", fw_postrouting, 0 },
	{ FW_BRIDGE, "to_host", "", fw_to_host, 3 },
	{ FW_BRIDGE, "watched", "", fw_watched, -1 },
	{ FW_BRIDGE, "from_ll", "", fw_from_ll, -1 },
	{ FW_BRIDGE, "many4", "", fw_many4, 1 },
	{ FW_BRIDGE, "many6", "", fw_many6, 1 },
	{ FW_BRIDGE, "udp4", "", fw_udp4, 1 },
	{ FW_BRIDGE, "from4", "", fw_from4, 1 },
	{ FW_BRIDGE, "from_arp", "", fw_from_arp, 1 },
	{ FW_BRIDGE, "nd_target", "", fw_nd_target, 2 },
	{ FW_BRIDGE, "nd_advert", "", fw_nd_advert, 1 },
	{ FW_BRIDGE, "nd_solicit", "", fw_nd_solicit, 1 },
	{ FW_BRIDGE, "nd_detect", "", fw_nd_detect, 1 },
	{ FW_BRIDGE, "nd_router", "", fw_nd_router, 1 },
	{ FW_BRIDGE, "icmp6", "", fw_icmp6, 1 },
	{ FW_BRIDGE, "udp6", "", fw_udp6, 1 },
	{ FW_BRIDGE, "from6", "", fw_from6, 1 },
	{ FW_BRIDGE, "input", "type filter hook input priority -300; policy accept;", fw_bridge_input, 0 },
	{ FW_BRIDGE, "prerouting", "type filter hook prerouting priority -300; policy accept;", fw_prerouting, 0 },
};
enum { FW_CHAINS = sizeof fw_chains / sizeof fw_chains[0] };

/* ---- the request ------------------------------------------------------------------------------------- */

/*
 * create: there is no table. replace: something differs; whatever stands is taken away in the same transaction. guard:
 * the chains of `guards` alone change.
 */
enum fw_action { FW_CREATE = 1, FW_REPLACE, FW_REMOVE, FW_GUARD };
static const struct name fw_actions[] = {
	{ "create", FW_CREATE }, { "replace", FW_REPLACE }, { "remove", FW_REMOVE }, { "guard", FW_GUARD },
	{ 0 },
};

/*
 * elements: each "SET KEY[-END] VALUE LIMIT[ COMMENT]". KEY, END: bytes as hexadecimal digits. VALUE: "-", bytes of a
 * map's data, "accept", "drop", "jump:CHAIN", "goto:CHAIN". LIMIT: "-" or BYTES/BURST. COMMENT: [A-Za-z0-9_+.@~ -]
 */
struct fw_req { const char *table; int action; struct list guards; struct strv elements; };

static const struct field fw_req_fields[] = {
	FR(struct fw_req, "table", K_STR, table),
	ENUMR(struct fw_req, "action", action, fw_actions),
	SUB(struct fw_req, "guards", K_LIST, guards, &fw_guard_record),
	F(struct fw_req, "elements", K_STRV, elements),
	{ 0 }
};
static const struct record fw_req_record = RECORD("firewall request", struct fw_req, fw_req_fields);
