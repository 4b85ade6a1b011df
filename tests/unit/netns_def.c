/* Definitions of networks: what is refused and with which words, what is written, what version 1 becomes. */
#include "base/scope.h"
#include "netns/def.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>

#define PLACE "networks/web.json: "
#define NAT "{\"version\":2,\"name\":\"web\",\"mode\":\"nat\",\"bridge\":\"vzbr1\",\"subnet\":\"10.99.0.0/16\""
#define BR "{\"version\":2,\"name\":\"web\",\"mode\":\"bridge\",\"bridge\":\"br0\""
#define END "}"
#define VX(text) NAT ",\"vxlan\":{" text "}" END
#define ALLOW(text) NAT ",\"allow\":[{\"from\":\"outside\"},{" text "}]" END
#define POOL(text) NAT ",\"pool\":\"" text "\"" END

static int parse(const char *text)
{
	auto_net_file struct net_file f = { 0 };

	return net_def_parse("web", text, strlen(text), &f);
}

static const struct bad { const char *text, *message; } bad_members[] = {
	{ NAT ",\"version\":2}", PLACE "networks: version: given twice" },
	{ "{\"version\":0,\"name\":\"web\",\"mode\":\"nat\",\"bridge\":\"b\"}", PLACE "version: must be 1 to 2" },
	{ "{\"version\":2,\"name\":\"web\",\"mode\":\"host\",\"bridge\":\"b\"}",
	  PLACE "mode: unknown value \"host\"" },
	{ "{\"version\":2,\"name\":\"web\",\"mode\":\"nat\",\"bridge\":\"sixteencharacter\"}",
	  PLACE "bridge: not the name of a link" },
	{ NAT ",\"mtu\":0" END, PLACE "mtu: must be 1280 to 65535" },
	{ NAT ",\"mtu\":1279" END, PLACE "mtu: must be 1280 to 65535" },
	{ NAT ",\"mtu\":\"1500\"" END, PLACE "mtu: expected an unsigned integer" },
	{ NAT ",\"subnet6\":\"fd77::1/64\"" END, PLACE "subnet6: fd77::1/64: has host bits beyond its prefix" },
	{ NAT ",\"subnet6\":\"fe80::/64\"" END,
	  PLACE "subnet6: fe80::/64: not for guests: this host's own, the link's or everybody's" },
	{ NAT ",\"subnet6\":\"ff00::/16\"" END,
	  PLACE "subnet6: ff00::/16: not for guests: this host's own, the link's or everybody's" },
	{ NAT ",\"subnet6\":\"::/16\"" END,
	  PLACE "subnet6: ::/16: not for guests: this host's own, the link's or everybody's" },
	{ NAT ",\"subnet6\":\"10.0.0.0/8\"" END, PLACE "subnet6: 10.0.0.0/8: not an IPv6 subnet" },
	{ NAT ",\"gateway\":\"10.99.0.1\"" END,
	  PLACE "gateway: only with mode bridge; else the host is the gateway" },
	{ NAT ",\"gateway6\":\"fd77::1\"" END,
	  PLACE "gateway6: only with mode bridge; else the host is the gateway" },
	{ BR ",\"gateway\":\"192.0.2.1\"" END, PLACE "gateway: the network has no such subnet" },
	{ BR ",\"subnet\":\"192.0.2.0/24\",\"gateway\":\"192.0.3.1\"" END,
	  PLACE "gateway: 192.0.3.1 is not in the network's subnet" },
	{ BR ",\"subnet\":\"192.0.2.0/24\",\"gateway\":\"router\"" END,
	  PLACE "gateway: router is not an IPv4 address" },
	{ NAT ",\"vlan\":7" END, PLACE "vlan: only with mode bridge" },
	{ BR ",\"vlan\":0" END, PLACE "vlan: must be 1 to 4094" },
	{ BR ",\"vlan\":4095" END, PLACE "vlan: must be 1 to 4094" },
	{ BR ",\"dns\":true" END, PLACE "dns: not with mode bridge, where the host has no address of ours" },
	{ NAT ",\"dns\":\"on\"" END, PLACE "dns: expected true or false" },
	{ NAT ",\"isolatePorts\":1" END, PLACE "isolatePorts: expected true or false" },
};

static const struct bad bad_pools[] = {
	{ POOL("10.99.0.9"), PLACE "pool: 10.99.0.9 is not FIRST-LAST" },
	{ POOL("10.99.0.9-"), PLACE "pool: 10.99.0.9- is not FIRST-LAST" },
	{ POOL("10.98.0.9-10.99.0.20"), PLACE "pool: 10.98.0.9 is not in the network's subnet" },
	{ POOL("10.99.0.9-10.100.0.20"), PLACE "pool: 10.100.0.20 is not in the network's subnet" },
	{ POOL("10.99.0.1-10.99.0.20"), PLACE "pool: 10.99.0.1 is not for guests" },
	{ POOL("10.99.0.9-10.99.255.255"), PLACE "pool: 10.99.255.255 is not for guests" },
	{ POOL("10.99.0.9-10.99.0.8"), PLACE "pool: 10.99.0.9-10.99.0.8 ends before it begins" },
	{ POOL("fd77::2-fd77::9"), PLACE "pool: the network has no such subnet" },
};

static const struct bad bad_allows[] = {
	{ NAT ",\"allow\":{}" END, PLACE "allow: expected an array" },
	{ ALLOW(""), PLACE "allow[1].from: missing" },
	{ ALLOW("\"from\":\"a b\""), PLACE "allow[1]: from: not the name of a network, nor outside" },
	{ ALLOW("\"from\":\"\\\" drop;\""), PLACE "allow[1]: from: not the name of a network, nor outside" },
	{ ALLOW("\"from\":\"web\""), PLACE "allow[1]: from: is the network itself" },
	{ ALLOW("\"from\":\"db\",\"port\":80"), PLACE "allow[1].port: expected a string" },
	{ ALLOW("\"from\":\"db\",\"port\":\"0\""),
	  PLACE "allow[1]: port: 0 is not a port, nor FIRST-LAST (1 to 65535)" },
	{ ALLOW("\"from\":\"db\",\"port\":\"65536\""),
	  PLACE "allow[1]: port: 65536 is not a port, nor FIRST-LAST (1 to 65535)" },
	{ ALLOW("\"from\":\"db\",\"port\":\"90-80\""),
	  PLACE "allow[1]: port: 90-80 is not a port, nor FIRST-LAST (1 to 65535)" },
	{ ALLOW("\"from\":\"db\",\"port\":\"80-\""),
	  PLACE "allow[1]: port: 80- is not a port, nor FIRST-LAST (1 to 65535)" },
	{ ALLOW("\"from\":\"db\",\"port\":\"-80\""),
	  PLACE "allow[1]: port: -80 is not a port, nor FIRST-LAST (1 to 65535)" },
	{ ALLOW("\"from\":\"db\",\"port\":\"80 accept\""),
	  PLACE "allow[1]: port: 80 accept is not a port, nor FIRST-LAST (1 to 65535)" },
	{ ALLOW("\"from\":\"db\",\"proto\":\"udp\""), PLACE "allow[1]: proto: needs a port" },
	{ ALLOW("\"from\":\"db\",\"port\":\"80\",\"proto\":\"sctp\""),
	  PLACE "allow[1].proto: unknown value \"sctp\"" },
	{ BR ",\"allow\":[{\"from\":\"outside\"}]" END,
	  PLACE "allow: not with mode bridge, which the host does not route" },
	{ "{\"version\":2,\"name\":\"web\",\"mode\":\"isolated\",\"bridge\":\"b\",\"subnet\":\"10.99.0.0/16\","
	  "\"allow\":[{\"from\":\"outside\"}]}",
	  PLACE "allow: not with mode isolated, which leads nowhere" },
};

static const struct bad bad_vxlans[] = {
	{ VX("\"peers\":[]"), PLACE "vxlan.vni: missing" },
	{ VX("\"vni\":7"), PLACE "vxlan.peers: missing" },
	{ VX("\"vni\":7,\"peers\":[]"), PLACE "vxlan: peers: none" },
	{ VX("\"vni\":0,\"peers\":[\"192.0.2.7\"]"), PLACE "vxlan: vni: must be 1 to 16777215" },
	{ VX("\"vni\":16777216,\"peers\":[\"192.0.2.7\"]"), PLACE "vxlan: vni: must be 1 to 16777215" },
	{ VX("\"vni\":7,\"port\":0,\"peers\":[\"192.0.2.7\"]"), PLACE "vxlan: port: must be 1 to 65535" },
	{ VX("\"vni\":7,\"peers\":[\"192.0.2.7\",7]"), PLACE "vxlan.peers[1]: expected a string" },
	{ VX("\"vni\":7,\"peers\":[\"192.0.2.7\",\"host2\"]"), PLACE "vxlan: peers[1]: host2 is not an address" },
	{ VX("\"vni\":7,\"peers\":[\"2001:db8::7\",\"2001:DB8:0::7\"]"),
	  PLACE "vxlan: peers[1]: 2001:DB8:0::7 is given twice" },
	{ VX("\"vni\":7,\"peers\":[\"192.0.2.7\",\"2001:db8::7\"]"),
	  PLACE "vxlan: peers[1]: 2001:db8::7 is not of the same family as the others" },
	{ VX("\"vni\":7,\"peers\":[\"192.0.2.7\",\"192.0.2.7\"]"),
	  PLACE "vxlan: peers[1]: 192.0.2.7 is given twice" },
	{ VX("\"vni\":7,\"peers\":[\"239.1.1.1\"]"),
	  PLACE "vxlan: peers[0]: 239.1.1.1 is not another host's address" },
	{ VX("\"vni\":7,\"peers\":[\"::1\"]"), PLACE "vxlan: peers[0]: ::1 is not another host's address" },
	{ VX("\"vni\":7,\"peers\":[\"fe80::1\"]"), PLACE "vxlan: peers[0]: fe80::1 is not another host's address" },
	{ VX("\"vni\":7,\"local\":\"eth0\",\"peers\":[\"192.0.2.7\"]"),
	  PLACE "vxlan: local: eth0 is not an address" },
	{ VX("\"vni\":7,\"local\":\"2001:db8::1\",\"peers\":[\"192.0.2.7\"]"),
	  PLACE "vxlan: local: 2001:db8::1 is not of the same family as the others" },
	{ NAT ",\"isolatePorts\":true,\"vxlan\":{\"vni\":7,\"peers\":[\"192.0.2.7\"]}" END,
	  PLACE "isolatePorts: not with vxlan: guests of two hosts would not be isolated" },
	{ BR ",\"vxlan\":{\"vni\":7,\"peers\":[\"192.0.2.7\"]}" END,
	  PLACE "vxlan: not with mode bridge, of which only the ports are ours" },
	{ "{\"version\":2,\"name\":\"web\",\"mode\":\"routed\",\"bridge\":\"b\",\"subnet\":\"10.99.0.0/16\","
	  "\"vxlan\":{\"vni\":7,\"peers\":[\"192.0.2.7\"]}}",
	  PLACE "vxlan: not with mode routed, whose guests share no segment" },
};

static void each_fails(const struct bad *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CHECK_FAILS(parse(b[i].text), b[i].message);
		CHECK(err_class() == ERR_CONFIG);
	}
}

TEST(members) { each_fails(bad_members, COUNT(bad_members)); }
TEST(pools) { each_fails(bad_pools, COUNT(bad_pools)); }
TEST(allowances) { each_fails(bad_allows, COUNT(bad_allows)); }
TEST(tunnels) { each_fails(bad_vxlans, COUNT(bad_vxlans)); }

static void written_as(const char *text, const char *want)
{
	auto_net_file struct net_file f = { 0 };
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	CHECK(net_def_parse("web", text, strlen(text), &f) == 0);
	net_def_encode(&f.d, &o, NULL);
	CHECK_STR(buf_text(&b), want);
}

TEST(round_trip)
{
	static const char *const whole[] = {
		NAT ",\"subnet6\":\"fd77:1::/64\",\"pool\":\"10.99.0.9-10.99.1.0\",\"dns\":true,"
		    "\"vxlan\":{\"vni\":7,\"port\":4789,\"local\":\"192.0.2.1\",\"peers\":[\"192.0.2.2\",\"192.0.2.3\"]},"
		    "\"allow\":[{\"from\":\"db\"},{\"from\":\"outside\",\"port\":\"8000-8010\",\"proto\":\"udp\"}]}",
		"{\"version\":2,\"name\":\"web\",\"mode\":\"bridge\",\"bridge\":\"br0\",\"mtu\":9000,"
		"\"subnet\":\"192.0.2.0/24\",\"gateway\":\"192.0.2.254\",\"isolatePorts\":true,\"vlan\":7" END,
		BR END,
	};

	for (size_t i = 0; i < COUNT(whole); i++)
		written_as(whole[i], whole[i]);
	/* What may be left out is written out where it decides something. */
	written_as(NAT ",\"allow\":[{\"from\":\"db\",\"port\":\"80\"}]" END,
		   NAT ",\"allow\":[{\"from\":\"db\",\"port\":\"80\",\"proto\":\"tcp\"}]" END);
	written_as("{\"version\":1,\"name\":\"web\",\"mode\":\"nat\",\"bridge\":\"vzbr1\",\"subnet\":\"10.99.0.0/16\""
		   END, NAT END);
}

TEST(parsed)
{
	static const char text[] = NAT ",\"pool\":\"10.99.0.9-10.99.1.0\","
		"\"allow\":[{\"from\":\"db\",\"port\":\"8000-8010\",\"proto\":\"udp\"}]" END;
	auto_net_file struct net_file f = { 0 };
	const struct net_allow *w;

	CHECK(net_def_parse("web", text, sizeof text - 1, &f) == 0);
	CHECK(f.d.first == 9 && f.d.last == 256);
	w = f.d.allow.v;
	CHECK(f.d.allow.n == 1 && w->first == 8000 && w->last == 8010 && w->proto == IPPROTO_UDP);
}

/* No name of a file, of a rule or of what is outside is a network's. */
TEST(names)
{
	static const char *const bad[] = { "", "outside", "../x", "a b", "Web", "a\"; drop" };

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct net_def d = { .name = bad[i], .mode = NET_BRIDGE, .bridge = "br0" };
		char want[96];

		snprintf(want, sizeof want, "name: \"%s\" is not a name for a network", bad[i]);
		CHECK_FAILS(net_def_check(&d), want);
	}
}

UNIT_MAIN(UNIT(members), UNIT(pools), UNIT(allowances), UNIT(tunnels), UNIT(round_trip), UNIT(parsed), UNIT(names))
