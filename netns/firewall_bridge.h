/*
 * The rules of the bridge family: nobody speaks under another's address. Part of netns/firewall.h, which includes it.
 */
#pragma once

/*
 * Frames to these addresses (802.1X, LACP) are not bridged: the kernel takes them in at the port itself, past
 * prerouting, and believes them whatever they carry, IP and ARP of any source. One of them, LLDP's, passes by here,
 * too: the ports have no ARP, and a group of their own that the inet chains drop.
 */
static const char *const fw_bridge_input[] = {
	"ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f iifname @ports " NAMED("other_proto") "drop",
	NULL
};
/*
 * The hook of all that is bridged: each costs packets a second, and so does each expression of a rule before the vmap
 * that most packets leave by. The type is that of the frame: behind a VLAN tag, which the kernel takes off, others'
 * rules see nothing.
 */
static const char *const fw_prerouting[] = {
	"ether type ip goto from4",
	"ether type ip6 goto from6",
	"ether type arp goto from_arp",
	"iifname @ports " NAMED("other_proto") "drop",
	NULL
};
/*
 * What is for one host goes to one link: a guest's firewall and isolated ports see who it is for by that (so nothing
 * reaches a subnet's own broadcast address). Who asks for members of groups, or greets their routers, is a router: a
 * bridge that hears it sends groups no longer to all but to who answered, and the question can be one that nobody else
 * hears.
 */
static const char *const fw_many4[] = {
	"ip daddr != { 224.0.0.0/4, 255.255.255.255 } " NAMED("other_proto") "drop",
	"ip protocol pim " NAMED("rogue_ra") "drop",
	"ip protocol != igmp return",
	"igmp type { membership-report-v1, membership-report-v2, membership-report-v3, leave-group } return",
	NAMED("rogue_ra") "drop",
	NULL
};
/*
 * DHCP, to servers and to clients, who believe an answer from any port. Whose lease it is about, it says in the
 * message: a server that is told of a neighbour's refusal gives it none. A client that reads frames by itself looks at
 * less of a header than the kernel: where version or length are none of IPv4's, rules know no ports, and it is dropped.
 */
static const char *const fw_udp4[] = {
	"@th,16,16 != 67-68 return",
	"iifname != @ports return",
	"ip frag-off & 0x1fff != 0 return",
	"udp dport 67 iifname . @th,288,48 @lladdr return",
	NAMED("rogue_dhcp") "drop",
	NULL
};
static const char *const fw_from4[] = {
	"meta pkttype { broadcast, multicast } iifname @ports jump many4",
	"@nh,72,8 17 jump udp4",
	"ether daddr @fw_macs jump to_host",
	"iifname . ether saddr . ip saddr vmap @src4",
	"iifname . ether saddr @anyip goto watched",
	"iifname . ether saddr @tunnel_gwmac " NAMED("spoof_mac") "drop",
	"iifname != @ports accept",
	"iifname . ether saddr != @macs " NAMED("spoof_mac") "drop",
	"ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 "
		"ether daddr set iifname map @gwmac meta pkttype set host goto watched",
	NAMED("spoof_ip4") "drop",
	NULL
};
/*
 * Each host of a segment answers for the gateway itself. Of Ethernet and IPv4 alone are the fields where we look for
 * them. 0.0.0.0 asks whether an address is free.
 */
static const char *const fw_from_arp[] = {
	"iifname . arp saddr ip @tunnel_gw4 " NAMED("spoof_arp") "drop",
	"iifname . arp daddr ip @tunnel_gw4 drop",
	"iifname != @ports accept",
	"iifname . ether saddr != @macs " NAMED("spoof_mac") "drop",
	"@nh,0,48 != 0x000108000604 " NAMED("spoof_arp") "drop",
	"arp operation != { request, reply } " NAMED("spoof_arp") "drop",
	"iifname . arp saddr ether . arp saddr ip vmap @src4",
	"arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip vmap @src4",
	"iifname . arp saddr ether @anyip goto watched",
	NAMED("spoof_arp") "drop",
	NULL
};
/* A bridge that listens for questions about groups looks behind an authentication header, where rules do not. */
static const char *const fw_many6[] = {
	"ip6 daddr != ff00::/8 " NAMED("other_proto") "drop",
	"meta l4proto ah " NAMED("rogue_ra") "drop",
	NULL
};
/* Of what is cut short, or is a fragment whose upper layer only the whole packet shows, no protocol is known. */
static const char *const fw_from6[] = {
	"meta pkttype { broadcast, multicast } iifname @ports jump many6",
	"meta l4proto ipv6-icmp jump icmp6",
	"meta l4proto udp jump udp6",
	"ether daddr @fw_macs jump to_host",
	"meta l4proto != 255 iifname . ether saddr . ip6 saddr vmap @src6",
	"meta l4proto != 255 iifname . ether saddr @anyip goto watched",
	"iifname . ether saddr @tunnel_gwmac " NAMED("spoof_mac") "drop",
	"iifname != @ports accept",
	"iifname . ether saddr != @macs " NAMED("spoof_mac") "drop",
	"meta l4proto != 255 " NAMED("spoof_ip6") "drop",
	NAMED("other_proto") "drop",
	NULL
};
/* A first fragment that leaves its ports to the next one may be an answer of a DHCP server's, too. */
static const char *const fw_udp6[] = {
	"th dport != 546 return",
	"iifname != @ports return",
	"frag frag-off != 0 return",
	NAMED("rogue_dhcp") "drop",
	NULL
};
/* 151: a router of groups greets (RFC 4286). */
static const char *const fw_icmp6[] = {
	"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } iifname . @th,64,128 @tunnel_gw6 drop",
	"iifname != @ports return",
	"icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query, 151 } " NAMED("rogue_ra") "drop",
	"icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } exthdr frag exists "
		NAMED("spoof_nd") "drop",
	"icmpv6 type nd-neighbor-advert goto nd_advert",
	"icmpv6 type nd-neighbor-solicit ip6 saddr :: goto nd_detect",
	"icmpv6 type nd-neighbor-solicit goto nd_solicit",
	"icmpv6 type nd-router-solicit goto nd_router",
	"ip6 saddr :: iifname . ether saddr != @macs " NAMED("spoof_mac") "drop",
	"ip6 saddr :: icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } goto watched",
	"@th,0,8 >= 0 return",
	"frag frag-off != 0 return",
	NAMED("other_proto") "drop",
	NULL
};
/*
 * Neighbour discovery: one option at most, the link-layer address, which is its own; what is cut short is not let
 * through. A byte that is there is at least 0.
 */
static const char *const fw_nd_advert[] = {
	"@th,256,8 >= 0 " NAMED("spoof_nd") "drop",
	"@th,192,8 >= 0 @th,192,16 != 0x0201 " NAMED("spoof_nd") "drop",
	"@th,192,8 >= 0 iifname . @th,208,48 != @lladdr " NAMED("spoof_nd") "drop",
	"@th,192,8 >= 0 @th,248,8 >= 0 goto nd_target",
	"@th,192,8 >= 0 " NAMED("spoof_nd") "drop",
	"goto nd_target",
	NULL
};
static const char *const fw_nd_target[] = {
	"iifname . @th,64,128 @nd return",
	"@th,184,8 >= 0 iifname . ether saddr @anyip return",
	NAMED("spoof_nd") "drop",
	NULL
};
static const char *const fw_nd_solicit[] = {
	"@th,256,8 >= 0 " NAMED("spoof_nd") "drop",
	"@th,192,8 >= 0 @th,192,16 != 0x0101 " NAMED("spoof_nd") "drop",
	"@th,192,8 >= 0 iifname . @th,208,48 @lladdr return",
	"@th,192,8 >= 0 " NAMED("spoof_nd") "drop",
	"@th,184,8 >= 0 return",
	NAMED("spoof_nd") "drop",
	NULL
};
/* Is an address of its own free? There may be a nonce (RFC 7527), and no address of a link. */
static const char *const fw_nd_detect[] = {
	"iifname . ether saddr != @macs " NAMED("spoof_mac") "drop",
	"@th,192,8 { 1, 2 } " NAMED("spoof_nd") "drop",
	"@th,264,8 >= 0 @th,256,8 { 1, 2 } " NAMED("spoof_nd") "drop",
	"iifname . @th,64,128 @nd goto watched",
	"@th,184,8 >= 0 iifname . ether saddr @anyip goto watched",
	NAMED("spoof_nd") "drop",
	NULL
};
static const char *const fw_nd_router[] = {
	"iifname . ether saddr != @macs " NAMED("spoof_mac") "drop",
	"@th,128,8 >= 0 " NAMED("spoof_nd") "drop",
	"@th,64,8 >= 0 @th,64,16 != 0x0101 " NAMED("spoof_nd") "drop",
	"@th,64,8 >= 0 iifname . @th,80,48 != @lladdr " NAMED("spoof_nd") "drop",
	"@th,64,8 >= 0 @th,120,8 >= 0 return",
	"@th,64,8 >= 0 " NAMED("spoof_nd") "drop",
	"ip6 saddr :: goto watched",
	NULL
};
/* Routers, redirects and hop-by-hop talk are link-local: whole, or not at all. */
static const char *const fw_from_ll[] = {
	"exthdr frag exists " NAMED("spoof_nd") "drop",
	"goto watched",
	NULL
};
/* Of guests with a rate or a firewall; of the others the map says accept. */
static const char *const fw_watched[] = {
	"iifname @rate_out drop",
	"iifname @fw_ports jump to_host",
	"accept",
	NULL
};
/* To the bridge instead of to its neighbour, so that the host's inet chains see it; neighbours are found without. */
static const char *const fw_to_host[] = {
	"meta protocol arp return",
	"icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } return",
	"meta pkttype other ether daddr set iifname map @gwmac meta pkttype set host",
	NULL
};
