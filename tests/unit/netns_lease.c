#include "base/scope.h"
#include "netns/lease.h"
#include "netns/resolv.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>

#define HEAD                                                                                                \
	"{\"version\":1,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"vzbr0\",\"subnet\":\"10.77.0.0/" \
	"16\","
#define LEASED(more)                                                                                      \
	HEAD "\"leases\":[{\"guest\":\"web1\",\"index\":0,\"ip\":\"10.77.0.2\",\"mac\":\"02:00:00:00:00:" \
	     "01\"}," more "]}"

static const char *const good = HEAD
    "\"subnet6\":\"fd77::/64\",\"leases\":["
    "{\"guest\":\"web1\",\"index\":0,\"ip\":\"10.77.0.2\",\"ip6\":\"fd77::2\",\"mac\":\"02:00:00:00:00:01\"},"
    "{\"guest\":\"web2\",\"index\":0,\"ip\":\"10.77.0.4\",\"ip6\":\"fd77::3\",\"mac\":\"02:00:00:00:00:02\"}]"
    "}";

static int parse(const char *text)
{
	auto_net_file struct net_file f = { 0 };

	return net_def_parse("default", text, strlen(text), &f);
}

TEST(bad_files)
{
	static const struct { const char *text, *message;
	} bad[] = {
	    {"{}", "networks/default.json: version: missing"},
	    {"[", "networks/default.json: networks:1: parse error: premature EOF"},
	    {"{\"version\":3,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"b\"}",
	     "networks/default.json: version: 3 is newer than this vzrun (2)"},
	    {"{\"version\":1,\"name\":\"other\",\"mode\":\"nat\",\"bridge\":\"b\"}",
	     "networks/default.json: name: \"other\" is not the file's name"},
	    {"{\"version\":1,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"a b\"}",
	     "networks/default.json: bridge: not the name of a link"},
	    {"{\"version\":1,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"../x\"}",
	     "networks/default.json: bridge: not the name of a link"},
	    {"{\"version\":1,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"b\"}",
	     "networks/default.json: subnet: missing"},
	    {"{\"version\":1,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"b\",\"subnet\":\"10.77.0.1/"
	     "16\"}",
	     "networks/default.json: subnet: 10.77.0.1/16: has host bits beyond its prefix"},
	    {"{\"version\":1,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"b\",\"mtu\":12,\"subnet\":"
	     "\"10.77.0.0/16\"}",
	     "networks/default.json: mtu: must be 1280 to 65535"},
	    {LEASED("{}"), "networks/default.json: leases[1].guest: missing"},
	    {LEASED("{\"guest\":\"a b\",\"index\":0,\"mac\":\"02:00:00:00:00:01\"}"),
	     "networks/default.json: leases[1]: guest: not a name"},
	    {LEASED("{\"guest\":\"a\",\"index\":16,\"mac\":\"02:00:00:00:00:01\"}"),
	     "networks/default.json: leases[1]: index: 16 is too large (at most 15)"},
	    {LEASED("{\"guest\":\"a\",\"index\":0,\"ip\":\"10.78.0.2\",\"mac\":\"02:00:00:00:00:01\"}"),
	     "networks/default.json: leases[1]: ip: 10.78.0.2 is not in the network's subnet"},
	    {LEASED("{\"guest\":\"a\",\"index\":0,\"ip\":\"10.77.0.300\",\"mac\":\"02:00:00:00:00:01\"}"),
	     "networks/default.json: leases[1]: ip: 10.77.0.300 is not an IPv4 address"},
	    {LEASED("{\"guest\":\"a\",\"index\":0,\"ip6\":\"fd77::2\",\"mac\":\"02:00:00:00:00:01\"}"),
	     "networks/default.json: leases[1]: ip6: the network has no such subnet"},
	    {LEASED("{\"guest\":\"a\",\"index\":0,\"mac\":\"zz\"}"),
	     "networks/default.json: leases[1]: mac: zz is not a MAC address"},
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_FAILS(parse(bad[i].text), bad[i].message);
	CHECK(parse(good) == 0);
}

static int lease(const char *text, const char *guest, const struct net_nic_conf *nic, struct net_lease *out)
{
	static char keep[3][64];
	auto_net_file struct net_file f = { 0 };
	struct net_home h = { .id = 7 };
	struct net_lease *l;

	TRY(net_def_parse("default", text, strlen(text), &f));
	TRY(net_lease_new(&h, &f, guest, 0, nic, &l));
	CHECK(net_lease_fits(l, &f.d, nic));
	CHECK(net_lease_find(&f.d, guest, 0) == l);
	snprintf(keep[0], sizeof keep[0], "%s", l->ip ? l->ip : "");
	snprintf(keep[1], sizeof keep[1], "%s", l->ip6 ? l->ip6 : "");
	snprintf(keep[2], sizeof keep[2], "%s", l->mac);
	*out = (struct net_lease){ NULL, 0, keep[0], keep[1], keep[2] };
	return 0;
}

TEST(allocation)
{
	struct net_lease l;

	CHECK(lease(good, "web3", &(struct net_nic_conf){ 0 }, &l) == 0);
	CHECK_STR(l.ip, "10.77.0.3");
	/* fd77::3 is taken: the lowest that is not. */
	CHECK_STR(l.ip6, "fd77::4");
	CHECK(lease(good, "web3", &(struct net_nic_conf){ .ip = "10.77.1.0" }, &l) == 0);
	CHECK_STR(l.ip6, "fd77::100");
	CHECK(lease(good, "web3", &(struct net_nic_conf){.ip6 = "fd77::beef:1", .mac = "02:00:00:00:00:aa"},
		    &l) == 0);
	CHECK_STR(l.ip, "10.77.0.3");
	CHECK_STR(l.ip6, "fd77::beef:1");
	CHECK_STR(l.mac, "02:00:00:00:00:aa");
}

TEST(refusals)
{
	static const struct { struct net_nic_conf nic; enum err_class class; const char *message;
	} bad[] = {
	    {{.ip = "10.77.0.2"}, ERR_ADDRESS, "address 10.77.0.2 of network default is in use by web1"},
	    {{.ip6 = "fd77:0::3"}, ERR_ADDRESS, "address fd77::3 of network default is in use by web2"},
	    {{.mac = "02:00:00:00:00:01"},
	     ERR_ADDRESS,
	     "MAC address 02:00:00:00:00:01 on network default is in use by web1"},
	    {{.ip = "10.77.0.1"},
	     ERR_ADDRESS,
	     "address 10.77.0.1 of network default (10.77.0.0/16) is not for guests"},
	    {{.ip = "10.77.255.255"},
	     ERR_ADDRESS,
	     "address 10.77.255.255 of network default (10.77.0.0/16) is not for guests"},
	    {{.ip = "10.9.0.9"}, ERR_CONFIG, "address 10.9.0.9 is not in network default (10.77.0.0/16)"},
	    {{.ip = "10.77.0.9/24"}, ERR_CONFIG, "address 10.77.0.9/24: the prefix of network default is /16"},
	};
	const char *tiny =
	    "{\"version\":1,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"b\",\"subnet\":\"10.0.0.0/"
	    "30\","
	    "\"leases\":[{\"guest\":\"a\",\"index\":0,\"ip\":\"10.0.0.2\",\"mac\":\"02:00:00:00:00:01\"}]}";
	struct net_lease l;

	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK_FAILS(lease(good, "web3", &bad[i].nic, &l), bad[i].message);
		CHECK(err_class() == bad[i].class);
	}
	CHECK_FAILS(lease(tiny, "b", &(struct net_nic_conf){0}, &l),
		    "network default: no address is free in 10.0.0.0/30");
	CHECK(err_class() == ERR_RESOURCE);
}

TEST(configuration)
{
	static const struct { struct net_nic_conf nic[2]; size_t n; const char *message;
	} bad[] = {
	    {{{.network = "../x"}}, 1, "[0].network: not the name of a network"},
	    {{{.name = "lo"}}, 1, "[0].name: not the name of an interface (1 to 15 characters, no / : %)"},
	    {{{.name = "a/b"}}, 1, "[0].name: not the name of an interface (1 to 15 characters, no / : %)"},
	    {{{.name = "sixteencharacter"}},
	     1,
	     "[0].name: not the name of an interface (1 to 15 characters, no / : %)"},
	    {{{0}, {.ip = "10.77.0.2/33"}}, 2, "[1].ip: 10.77.0.2/33: the prefix must be 1 to 32"},
	    {{{.ip6 = "10.0.0.1"}}, 1, "[0].ip6: 10.0.0.1 is not an IPv6 address"},
	    {{{.mac = "1:2"}}, 1, "[0].mac: 1:2 is not a MAC address"},
	    {{{.mac = "01:00:5e:00:00:01"}}, 1, "[0].mac: 01:00:5e:00:00:01 is a group address"},
	    {{{.mac = "00:00:00:00:00:00"}}, 1, "[0].mac: 00:00:00:00:00:00 is not a MAC address"},
	    {{{0}, {.name = "eth0"}}, 2, "[1].name: eth0 is given twice"},
	    {{{0}}, 17, "[16]: more than 16 network interfaces"},
	};
	struct net_nic_conf fine[2] = { { .network = "default", .ip = "10.77.0.9" }, { .name = "lan" } };
	struct list l = { fine, 2 };

	CHECK(net_check(&l) == 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		l = (struct list){ (void *)(uintptr_t)bad[i].nic, bad[i].n };
		CHECK_FAILS(net_check(&l), bad[i].message);
		CHECK(err_class() == ERR_CONFIG);
	}
}

TEST(resolvers)
{
	auto_buf struct buf b = { 0 };

	CHECK(
	    net_resolv_filter(
		"# c\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n"
		"search a.example\nnameserver 2001:db8::1\noptions edns0\nnameserver 0.0.0.0\nevil",
		&b) == 2);
	CHECK_STR(buf_text(&b),
		  "nameserver 192.0.2.1\nsearch a.example\nnameserver 2001:db8::1\noptions edns0\n");
}

UNIT_MAIN(UNIT(bad_files), UNIT(allocation), UNIT(refusals), UNIT(configuration), UNIT(resolvers))
