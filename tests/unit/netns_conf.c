#include "base/scope.h"
#include "netns/net.h"
#include "tests/unit/unit.h"

#include <string.h>

TEST(rates)
{
	static const struct { const char *text; struct net_rate rate; } good[] = {
		{ "100M", { 100000000, 100000000, 0 } },
		{ "1G:10M", { 1000000000, 10000000, 0 } },
		{ "8000", { 8000, 8000, 0 } },
		{ "8k:max", { 8000, 0, 0 } },
		{ "max:1M", { 0, 1000000, 0 } },
		{ "1M::64K", { 1000000, 1000000, 65536 } },
		{ "1M:2M:1M", { 1000000, 2000000, 1048576 } },
		{ "1T", { 1000000000000, 1000000000000, 0 } },
	};
	static const struct { const char *text, *message; } bad[] = {
		{ "", ": expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ "M", "M: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ "-1", "-1: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ "1.5M", "1.5M: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ "10MB", "10MB: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ "2T", "2T: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ "99999999999999999999999",
		  "99999999999999999999999: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ "1M:x", "1M:x: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ ":1M", ":1M: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ "0", "0: less than 8K bits a second" },
		{ "1M:7999", "1M:7999: less than 8K bits a second" },
		{ "1M:1M:", "1M:1M:: the burst is a number of bytes, at most 1G: 256K" },
		{ "1M:1M:2G", "1M:1M:2G: the burst is a number of bytes, at most 1G: 256K" },
		{ "1M:1M:1M:1M", "1M:1M:1M:1M: the burst is a number of bytes, at most 1G: 256K" },
		{ "1M::1500", "1M::1500: the burst is less than 64K, the largest packet" },
	};
	struct net_rate r;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK(net_rate_parse(good[i].text, &r) == 0);
		CHECK(memcmp(&r, &good[i].rate, sizeof r) == 0);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK_FAILS(net_rate_parse(bad[i].text, &r), bad[i].message);
		CHECK(err_class() == ERR_CONFIG);
	}
}

TEST(rate_text)
{
	static const struct { const char *text, *shortest; } same[] = {
		{ "100M", "100M" }, { "100000K:100M", "100M" }, { "1G:10M", "1G:10M" }, { "max:1500K", "max:1500K" },
		{ "1M:max", "1M:max" }, { "1M::64K", "1M::64K" }, { "1M:2M:65537", "1M:2M:65537" }, { "max", "max" },
	};
	struct net_rate r, again;

	for (size_t i = 0; i < COUNT(same); i++) {
		auto_arena struct arena a = { 0 };

		CHECK(net_rate_parse(same[i].text, &r) == 0);
		CHECK_STR(net_rate_text(&a, &r), same[i].shortest);
		CHECK(net_rate_parse(net_rate_text(&a, &r), &again) == 0 && memcmp(&r, &again, sizeof r) == 0);
	}
}

TEST(wishes)
{
	struct net_wish w;

	CHECK(net_wish_parse(NULL, AF_INET, &w) == 0 && w.automatic && !w.given);
	CHECK(net_wish_parse("auto", AF_INET6, &w) == 0 && w.automatic && !w.given);
	CHECK(net_wish_parse("none", AF_INET, &w) == 0 && !w.automatic && !w.given);
	CHECK(net_wish_parse("10.0.0.1", AF_INET, &w) == 0 && w.given && w.prefix == 0);
	CHECK(net_wish_parse("10.0.0.1/32", AF_INET, &w) == 0 && w.given && w.prefix == 32);
	CHECK(net_wish_parse("fd77::1/128", AF_INET6, &w) == 0 && w.given && w.prefix == 128);
	CHECK_FAILS(net_wish_parse("10.0.0.1/0", AF_INET, &w), "10.0.0.1/0: the prefix must be 1 to 32");
	CHECK_FAILS(net_wish_parse("fd77::1/129", AF_INET6, &w), "fd77::1/129: the prefix must be 1 to 128");
	CHECK_FAILS(net_wish_parse("fd77::1/", AF_INET6, &w), "fd77::1/: the prefix must be 1 to 128");
	CHECK_FAILS(net_wish_parse("/24", AF_INET, &w), "/24 is not an IPv4 address");
	CHECK_FAILS(net_wish_parse("10.0.0.1%eth0", AF_INET, &w), "10.0.0.1%eth0 is not an IPv4 address");
	CHECK_FAILS(net_wish_parse("00000000000000000000000000000000000000000000000000010.0.0.1", AF_INET, &w),
		    "00000000000000000000000000000000000000000000000000010.0.0.1 is not an IPv4 address");
}

#define V .kind = NET_KIND_MACVLAN, .parent = "p0"
TEST(kinds)
{
	static const struct { struct net_nic_conf nic[2]; size_t n; const char *message; } bad[] = {
		{ { { .kind = NET_KIND_MACVLAN } }, 1, "[0].parent: missing (the host's link)" },
		{ { { .kind = NET_KIND_MACVLAN, .parent = "a/b" } }, 1,
		  "[0].parent: \"a/b\" is no interface of the host's for a guest (not lo; 1 to 15 characters, no / : %)" },
		{ { { V, .network = "default" } }, 1, "[0].network: a macvlan interface is on none" },
		{ { { .parent = "p0" } }, 1, "[0].parent: a port of a network has none" },
		{ { { V, .ip = "auto" } }, 1,
		  "[0].ip: auto: nobody leases addresses for a macvlan interface (ADDRESS/PREFIX)" },
		{ { { V, .ip = "10.0.0.1" } }, 1, "[0].ip: 10.0.0.1: a macvlan interface needs ADDRESS/PREFIX" },
		{ { { .kind = NET_KIND_PHYSICAL, .parent = "p0", .ip6 = "fd77::1" } }, 1,
		  "[0].ip6: fd77::1: a physical interface needs ADDRESS/PREFIX" },
		{ { { V, .rate = "1M" } }, 1, "[0].rate: only a port of a network is limited, not a macvlan interface" },
		{ { { .rate = "x" } }, 1, "[0].rate: x: expected IN[:OUT][:BURST], in bits a second: 100M, 1G, max" },
		{ { { .kind = NET_KIND_IPVLAN, .parent = "p0", .mac = "02:00:00:00:00:01" } }, 1,
		  "[0].mac: an ipvlan interface has its parent's" },
		{ { { .index = { 16, true } } }, 1, "[0].index: 16 is too large (at most 15)" },
		{ { { .index = { 1, true } }, { .name = "x" } }, 2, "[1].index: 1 is given twice" },
		{ { { .name = "eth3" }, { .index = { 3, true } } }, 2, "[1].name: eth3 is given twice" },
		{ { { .kind = NET_KIND_PHYSICAL, .parent = "p0" }, { .kind = NET_KIND_PHYSICAL, .parent = "p0" } }, 2,
		  "[1].parent: p0 is given twice" },
	};
	struct net_nic_conf fine[] = { { .index = { 2, true }, .ip = "none" }, { V, .ip = "10.0.0.1/24", .ip6 = "none" },
				       { .kind = NET_KIND_PHYSICAL, .parent = "p0", .index = { 0, true } } };
	struct list l = { fine, COUNT(fine) };
	char name[IFNAMSIZ];

	CHECK(net_check(&l) == 0);
	net_inside_name(&fine[0], 0, name);
	CHECK_STR(name, "eth2");
	net_inside_name(&fine[1], 1, name);
	CHECK_STR(name, "eth1");
	for (size_t i = 0; i < COUNT(bad); i++) {
		l = (struct list){ (void *)(uintptr_t)bad[i].nic, bad[i].n };
		CHECK_FAILS(net_check(&l), bad[i].message);
		CHECK(err_class() == ERR_CONFIG);
	}
}

UNIT_MAIN(UNIT(rates), UNIT(rate_text), UNIT(wishes), UNIT(kinds))
