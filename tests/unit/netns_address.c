#include "base/scope.h"
#include "base/str.h"
#include "netns/addr.h"
#include "netns/name.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct net_subnet sub(const char *text)
{
	struct net_subnet s = { 0 };

	CHECK(net_subnet_parse(text, strchr(text, ':') ? AF_INET6 : AF_INET, &s) == 0);
	return s;
}

TEST(parse)
{
	static const struct { const char *text; int family; const char *message; } bad[] = {
		{ "10.77.0.1/16", AF_INET, "10.77.0.1/16: has host bits beyond its prefix" },
		{ "10.77.0.0", AF_INET, "10.77.0.0: expected ADDRESS/PREFIX" },
		{ "10.77.0.0/33", AF_INET, "10.77.0.0/33: prefix must be 8 to 30" },
		{ "10.77.0.0/ 16", AF_INET, "10.77.0.0/ 16: prefix must be 8 to 30" },
		{ "10.77.0.0/-1", AF_INET, "10.77.0.0/-1: prefix must be 8 to 30" },
		{ "10.77.0.0/7", AF_INET, "10.77.0.0/7: prefix must be 8 to 30" },
		{ "10.77.0/16", AF_INET, "10.77.0/16: not an IPv4 subnet" },
		{ "fd77::/64", AF_INET, "fd77::/64: not an IPv4 subnet" },
		{ "10.77.0.0/16", AF_INET6, "10.77.0.0/16: not an IPv6 subnet" },
		{ "fd77::1/64", AF_INET6, "fd77::1/64: has host bits beyond its prefix" },
		{ "fd77::/128", AF_INET6, "fd77::/128: prefix must be 16 to 126" },
		{ "", AF_INET, ": expected ADDRESS/PREFIX" },
		{ "/16", AF_INET, "/16: not an IPv4 subnet" },
	};
	struct net_subnet s;
	char text[64];

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_FAILS(net_subnet_parse(bad[i].text, bad[i].family, &s), bad[i].message);
	s = sub("fd77:1:2:3::/64");
	net_subnet_text(&s, text, sizeof text);
	CHECK_STR(text, "fd77:1:2:3::/64");
	s = sub("10.0.0.4/30");
	net_subnet_text(&s, text, sizeof text);
	CHECK_STR(text, "10.0.0.4/30");
}

TEST(numbers)
{
	struct net_subnet s = sub("10.77.0.0/16"), six = sub("fd77::/64"), tiny = sub("10.0.0.4/30");
	unsigned char a[16];
	char text[64];

	CHECK(net_subnet_last(&s) == 65534);
	CHECK(net_subnet_last(&tiny) == 2);
	CHECK(net_subnet_last(&six) == UINT64_MAX);
	net_subnet_at(&s, 258, a);
	CHECK_STR(inet_ntop(AF_INET, a, text, sizeof text), "10.77.1.2");
	CHECK(net_subnet_offset(&s, a) == 258);
	net_subnet_at(&six, 258, a);
	CHECK_STR(inet_ntop(AF_INET6, a, text, sizeof text), "fd77::102");
	CHECK(net_subnet_offset(&six, a) == 258);
	net_subnet_at(&tiny, 2, a);
	CHECK_STR(inet_ntop(AF_INET, a, text, sizeof text), "10.0.0.6");
	CHECK(net_subnet_offset(&tiny, a) == 2);
	CHECK(net_subnet_has(&tiny, a));
	CHECK(!net_subnet_has(&s, a));
}

TEST(overlap)
{
	static const struct { const char *a, *b; bool overlap; } rows[] = {
		{ "10.77.0.0/16", "10.77.4.0/24", true }, { "10.77.4.0/24", "10.77.0.0/16", true },
		{ "10.77.0.0/16", "10.78.0.0/16", false }, { "10.76.0.0/15", "10.77.0.0/16", true },
		{ "10.0.0.0/8", "10.77.0.0/16", true }, { "fd77::/64", "fd77::/48", true },
		{ "fd77::/64", "fd77:0:0:1::/64", false }, { "10.77.0.0/16", "fd77::/64", false },
		/* Within a byte. */
		{ "10.76.0.0/15", "10.78.0.0/16", false }, { "10.64.0.0/12", "10.79.0.0/16", true },
		{ "10.64.0.0/12", "10.80.0.0/16", false }, { "10.64.0.0/12", "10.63.0.0/16", false },
		{ "10.0.0.4/30", "10.0.0.8/30", false }, { "fd77::/62", "fd77:0:0:3::/64", true },
		{ "fd77::/62", "fd77:0:0:4::/64", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct net_subnet a = sub(rows[i].a), b = sub(rows[i].b);

		CHECK(net_subnet_overlap(&a, &b) == rows[i].overlap);
	}
}

static void picks(const struct net_route *r, size_t n, const char *want)
{
	struct net_subnet s;
	char text[64];

	CHECK(net_subnet_pick(r, n, &s) == 0);
	net_subnet_text(&s, text, sizeof text);
	CHECK_STR(text, want);
}

TEST(pick)
{
	struct net_route r[8] = { { .to = { .family = AF_INET }, .oif = 2 } };	/* default */
	struct net_subnet s;

	picks(r, 1, "10.77.0.0/16");
	r[1] = (struct net_route){ sub("10.77.200.0/24"), 3 };
	picks(r, 2, "10.78.0.0/16");
	r[2] = (struct net_route){ sub("10.78.0.0/15"), 3 };
	picks(r, 3, "10.70.0.0/16");
	r[3] = (struct net_route){ sub("10.64.0.0/12"), 3 };
	picks(r, 4, "10.80.0.0/16");
	r[4] = (struct net_route){ sub("10.0.0.0/8"), 4 };
	picks(r, 5, "172.16.0.0/20");
	r[5] = (struct net_route){ sub("172.16.0.0/19"), 4 };
	r[6] = (struct net_route){ sub("172.16.47.0/24"), 4 };
	picks(r, 7, "172.16.48.0/20");
	r[7] = (struct net_route){ sub("172.16.0.0/12"), 4 };
	CHECK_FAILS(net_subnet_pick(r, 8, &s),
		    "no subnet among 10.70.0.0/16 to 10.250.0.0/16 and in 172.16.0.0/12 is free of the host's routes");
	CHECK(err_class() == ERR_RESOURCE);
	/* A route of the bridge itself is no clash. */
	s = sub("10.77.0.0/16");
	CHECK(net_clash(&s, r, 2, 3) == NULL);
	CHECK(net_clash(&s, r, 2, 4) == &r[1]);
}

TEST(macs)
{
	unsigned char m[6];
	char text[18];

	CHECK(net_mac_parse("02:ab:CD:00:01:ff", m) == 0);
	net_mac_text(m, text);
	CHECK_STR(text, "02:ab:cd:00:01:ff");
	CHECK(net_mac_parse("02:ab:cd:00:01", m) < 0);
	CHECK(net_mac_parse("02:ab:cd:00:01:fg", m) < 0);
	CHECK(net_mac_parse("02-ab-cd-00-01-ff", m) < 0);
	CHECK(net_mac_parse("02:ab:cd:00:01:ff ", m) < 0);
}

TEST(names)
{
	struct net_home a, b;
	unsigned char m[6], k[6];
	char x[IFNAMSIZ], y[IFNAMSIZ];

	net_home_of("/var/lib/vzrun", &a);
	CHECK_STR(a.table, "vzrun");
	net_home_of("/nonexistent/home", &b);
	CHECK(strlen(b.table) == strlen("vzrun_12345678") && strncmp(b.table, "vzrun_", 6) == 0);
	net_host_if(&a, "web1", 0, x);
	CHECK(strlen(x) == 11 && x[0] == 'v' && x[1] == 'z' && x[10] == '0');
	net_host_if(&a, "web1", 15, y);
	CHECK(strncmp(x, y, 10) == 0 && y[10] == 'f');
	net_host_if(&b, "web1", 0, y);
	CHECK(strcmp(x, y) != 0);
	net_mac_of(a.id, "web1", 0, 0, m);
	CHECK((m[0] & 3) == 2);
	net_mac_of(a.id, "web1", 0, 1, k);
	CHECK(memcmp(m, k, 6) != 0);
	net_mac_of(a.id, "web1", 1, 0, k);
	CHECK(memcmp(m, k, 6) != 0);
}

/* One name for a home, by whatever path; of one that is made behind a link meanwhile, too. */
TEST(homes)
{
	char dir[] = "/tmp/vzrun-unit-XXXXXX", path[64], real[64];
	struct net_home a, b;

	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof path, "%s/link", dir);
	snprintf(real, sizeof real, "%s/home", dir);
	CHECK(symlink("home", path) == 0);
	net_home_of(path, &a);
	CHECK(mkdir(real, 0700) == 0);
	net_home_of(path, &b);
	CHECK(a.id != b.id);
	net_home_of(real, &a);
	CHECK(a.id == b.id && str_eq(a.path, b.path) && str_eq(a.table, b.table));
	net_home_of(path, &a);
	CHECK(a.id == b.id);
	CHECK(unlink(path) == 0 && rmdir(real) == 0 && rmdir(dir) == 0);
}

UNIT_MAIN(UNIT(parse), UNIT(numbers), UNIT(overlap), UNIT(pick), UNIT(macs), UNIT(names),
	  UNIT(homes))
