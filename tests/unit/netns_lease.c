#include "base/file.h"
#include "base/scope.h"
#include "netns/lease.h"
#include "netns/resolv.h"
#include "tests/unit/store.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

#define HEAD "{\"version\":2,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"vzbr0\",\"subnet\":\"10.77.0.0/16\","

static const char plain[] = HEAD "\"subnet6\":\"fd77::/64\"}";

/* A store of the test's own; web1 has .2 and ::2, web2 has .4 and ::3. */
static struct store store_new(void)
{
	struct store s = store_made();

	s.dir = net_store_open(s.path, true);
	CHECK(s.dir >= 0);
	return s;
}

static const struct net_home home = { .id = 7, .table = "vzrun" };

static int hold(const struct store *s, const char *owner, const char *ip, const char *ip6, const char *mac)
{
	struct net_nic n = { .network = "default", .ip = ip, .ip6 = ip6, .mac = mac };
	struct net_record r = { .owner = owner, .nics = { &n, 1 } };
	const char *const address[] = { ip, ip6, mac };

	TRY(net_record_store(s->dir, &r));
	for (size_t i = 0; i < COUNT(address); i++)
		if (address[i])
			TRY(net_index_take(s->dir, "default", address[i], owner, 0));
	return 0;
}

static void two(const struct store *s)
{
	CHECK(hold(s, "web1", "10.77.0.2", "fd77::2", "02:00:00:00:00:01") == 0);
	CHECK(hold(s, "web2", "10.77.0.4", "fd77::3", "02:00:00:00:00:02") == 0);
}

static int choose(const struct store *s, const char *def, const struct net_nic_conf *nic, struct net_nic *out)
{
	static struct arena a;
	auto_net_file struct net_file f = { 0 };
	struct net_record r = { .owner = "web3" };
	struct net_choice c = { .h = &home, .dir = s->dir, .a = &a, .r = &r };

	TRY(net_def_parse("default", def, strlen(def), &f));
	TRY(net_nic_choose(&c, &f.d, 0, nic, out));
	CHECK(net_nic_fits(out, &f.d, nic));
	return 0;
}

TEST(allocation)
{
	auto_store struct store s = store_new();
	struct net_nic l;

	two(&s);
	CHECK(choose(&s, plain, &(struct net_nic_conf){ 0 }, &l) == 0);
	CHECK_STR(l.ip, "10.77.0.3");
	/* fd77::3 is taken: the lowest that is not. */
	CHECK_STR(l.ip6, "fd77::4");
	CHECK(choose(&s, plain, &(struct net_nic_conf){ .ip = "10.77.1.0" }, &l) == 0);
	CHECK_STR(l.ip6, "fd77::100");
	CHECK(choose(&s, plain, &(struct net_nic_conf){ .ip6 = "fd77:0::beef:1", .mac = "02:00:00:00:00:AA" }, &l) == 0);
	CHECK_STR(l.ip, "10.77.0.3");
	CHECK_STR(l.ip6, "fd77::beef:1");
	CHECK_STR(l.mac, "02:00:00:00:00:aa");
}

/* 60 addresses held, the hint behind them; what is given back is found again, lowest first. */
TEST(hints)
{
	auto_store struct store s = store_new();
	struct net_nic l;
	unsigned char a[16];
	char owner[16], ip[32], mac[32];

	for (int i = 2; i < 62; i++) {
		snprintf(owner, sizeof owner, "g%d", i);
		snprintf(mac, sizeof mac, "02:00:00:00:01:%02x", i);
		CHECK(choose(&s, HEAD "\"pool\":\"10.77.0.2-10.77.0.61\"}", &(struct net_nic_conf){ 0 }, &l) == 0);
		snprintf(ip, sizeof ip, "10.77.0.%d", i);
		CHECK_STR(l.ip, ip);
		CHECK(hold(&s, owner, ip, NULL, mac) == 0);
	}
	CHECK(net_index_hint(s.dir, "default", AF_INET, a) && a[3] > 40);
	CHECK_FAILS(choose(&s, HEAD "\"pool\":\"10.77.0.2-10.77.0.61\"}", &(struct net_nic_conf){ 0 }, &l),
		    "network default: no address is free in 10.77.0.0/16");
	CHECK(net_index_drop(s.dir, "default", "10.77.0.30", "g30") == 0);
	CHECK(net_index_drop(s.dir, "default", "10.77.0.7", "g7") == 0);
	CHECK(net_record_drop(s.dir, "g30") == 0);
	CHECK(net_record_drop(s.dir, "g7") == 0);
	CHECK(choose(&s, plain, &(struct net_nic_conf){ 0 }, &l) == 0);
	CHECK_STR(l.ip, "10.77.0.7");
	CHECK(hold(&s, "h1", "10.77.0.7", NULL, "02:00:00:00:02:01") == 0);
	CHECK(choose(&s, plain, &(struct net_nic_conf){ 0 }, &l) == 0);
	CHECK_STR(l.ip, "10.77.0.30");
}

TEST(pools)
{
	static const char pool[] = HEAD "\"pool\":\"10.77.0.4-10.77.0.5\"}";
	static const char bridge[] = "{\"version\":2,\"name\":\"default\",\"mode\":\"bridge\",\"bridge\":\"br0\","
				     "\"subnet\":\"10.77.0.0/16\",\"gateway\":\"10.77.0.9\"}";
	auto_store struct store s = store_new();
	struct net_nic l;

	two(&s);
	CHECK(choose(&s, pool, &(struct net_nic_conf){ 0 }, &l) == 0);
	CHECK_STR(l.ip, "10.77.0.5");
	CHECK(hold(&s, "web4", "10.77.0.5", NULL, "02:00:00:00:00:04") == 0);
	CHECK_FAILS(choose(&s, pool, &(struct net_nic_conf){ 0 }, &l),
		    "network default: no address is free in 10.77.0.0/16");
	CHECK(choose(&s, pool, &(struct net_nic_conf){ .ip = "10.77.0.9" }, &l) == 0);
	/* Of the administrator's bridge nothing is given that he did not set aside. */
	CHECK(choose(&s, bridge, &(struct net_nic_conf){ 0 }, &l) == 0);
	CHECK(!l.ip && l.mac);
	CHECK(choose(&s, bridge, &(struct net_nic_conf){ .ip = "10.77.0.1" }, &l) == 0);
	CHECK_FAILS(choose(&s, bridge, &(struct net_nic_conf){ .ip = "10.77.0.9" }, &l),
		    "address 10.77.0.9 of network default (10.77.0.0/16) is not for guests");
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
	static const char tiny[] =
	    "{\"version\":1,\"name\":\"default\",\"mode\":\"nat\",\"bridge\":\"b\",\"subnet\":\"10.0.0.0/30\"}";
	auto_store struct store s = store_new(), t = store_new();
	struct net_nic l;

	two(&s);
	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK_FAILS(choose(&s, plain, &bad[i].nic, &l), bad[i].message);
		CHECK(err_class() == bad[i].class);
	}
	CHECK(hold(&t, "a", "10.0.0.2", NULL, "02:00:00:00:00:01") == 0);
	CHECK_FAILS(choose(&t, tiny, &(struct net_nic_conf){ 0 }, &l),
		    "network default: no address is free in 10.0.0.0/30");
	CHECK(err_class() == ERR_RESOURCE);
	/* The link of a record that is gone is in nobody's way. */
	CHECK(net_record_drop(t.dir, "a") == 0);
	CHECK(choose(&t, tiny, &(struct net_nic_conf){ 0 }, &l) == 0);
	CHECK_STR(l.ip, "10.0.0.2");
}

TEST(links)
{
	auto_store struct store s = store_new();
	struct net_holder who;

	two(&s);
	CHECK_FAILS(net_index_take(s.dir, "default", "10.77.0.2", "web9", 0),
		    "address 10.77.0.2 of network default is in use by web1");
	CHECK(err_class() == ERR_ADDRESS);
	/* Of a network each; another owner's is not dropped; one's own is. */
	CHECK(net_index_take(s.dir, "other", "10.77.0.2", "web9", 0) == 0);
	CHECK(net_index_drop(s.dir, "default", "10.77.0.2", "web9") == 0);
	CHECK(net_index_holder(s.dir, "default", "10.77.0.2", &who) == 1);
	CHECK_STR(who.owner, "web1");
	CHECK(net_index_drop(s.dir, "default", "10.77.0.2", "web1") == 0);
	CHECK(net_index_holder(s.dir, "default", "10.77.0.2", &who) == 0);
	/* The record of web1 still claims it, and its link is gone: who takes it has it. */
	CHECK(net_index_take(s.dir, "default", "10.77.0.2", "web9", 0) == 0);
	CHECK(net_index_is(s.dir, "default", "10.77.0.2", "web9", 0));
	CHECK(!net_index_is(s.dir, "default", "10.77.0.2", "web1", 0));
}

TEST(bad_records)
{
#define REC "{\"version\":1,\"owner\":\"web1\",\"nics\":["
#define NIC(more) REC "{\"index\":0,\"network\":\"default\"," more "}]}"
	static const struct { const char *text, *message; } bad[] = {
		{ "[", "record:1: parse error: premature EOF" },
		{ "{}", "version: missing" },
		{ "{\"version\":2,\"owner\":\"web1\"}", "version: 2 is newer than this vzrun (1)" },
		{ "{\"version\":1,\"owner\":\"web2\"}", "owner: \"web2\" is not the file's name" },
		{ REC "{}]}", "nics[0].index: missing" },
		{ NIC("\"ip\":\"10.77.0.2\""), "nics[0].mac: missing" },
		{ NIC("\"mac\":\"zz\""), "nics[0]: mac: zz is not a MAC address" },
		{ NIC("\"mac\":\"02:00:00:00:00:AA\""), "nics[0]: mac: 02:00:00:00:00:AA is written 02:00:00:00:00:aa" },
		{ NIC("\"mac\":\"02:00:00:00:00:aa\",\"ip\":\"10.77.0.300\""),
		  "nics[0]: ip: 10.77.0.300 is not an IPv4 address" },
		{ NIC("\"mac\":\"02:00:00:00:00:aa\",\"ip6\":\"fd77:0::2\""),
		  "nics[0]: ip6: fd77:0::2 is written fd77::2" },
		{ NIC("\"mac\":\"02:00:00:00:00:aa\",\"name\":\"a/b\""), "nics[0]: name: not the name of an interface" },
		{ REC "{\"index\":16,\"network\":\"default\",\"mac\":\"02:00:00:00:00:aa\"}]}",
		  "nics[0]: index: 16 is too large (at most 15)" },
		{ REC "{\"index\":0,\"network\":\"../x\",\"mac\":\"02:00:00:00:00:aa\"}]}",
		  "nics[0]: network: not the name of a network" },
		{ REC "{\"index\":0,\"network\":\"a\",\"mac\":\"02:00:00:00:00:aa\"},"
		      "{\"index\":0,\"network\":\"b\",\"mac\":\"02:00:00:00:00:ab\"}]}",
		  "nics: index 0 is there twice" },
	};
	auto_store struct store s = store_new();
	auto_close int guests = openat(s.dir, ".guests", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char want[256];

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct net_held h;

		CHECK(file_write_atomic(guests, "web1.json", bad[i].text, strlen(bad[i].text), 0600) == 0);
		snprintf(want, sizeof want, "networks/.guests/web1.json: %s", bad[i].message);
		CHECK_FAILS(net_record_load(s.dir, "web1", &h), want);
	}
}

/* Version 1: two networks, one guest on both. */
TEST(taken_over)
{
	static const char one[] = "{\"version\":1,\"name\":\"a\",\"mode\":\"nat\",\"bridge\":\"vzbr0\",\"subnet\":"
		"\"10.77.0.0/16\",\"leases\":[{\"guest\":\"web1\",\"index\":0,\"ip\":\"10.77.0.2\",\"mac\":"
		"\"02:00:00:00:00:01\"},{\"guest\":\"web2\",\"index\":0,\"ip\":\"10.77.0.3\",\"mac\":\"02:00:00:00:00:02\"}]}";
	static const char other[] = "{\"version\":1,\"name\":\"b\",\"mode\":\"nat\",\"bridge\":\"vzbr1\",\"subnet6\":"
		"\"fd77::/64\",\"leases\":[{\"guest\":\"web1\",\"index\":1,\"ip6\":\"fd77:0::2\",\"mac\":\"02:00:00:00:00:0A\"}]}";
	struct store s = { .path = "/tmp/vzrun-lease.XXXXXX" };
	auto_free char *text = NULL;
	struct net_held h;

	CHECK(mkdtemp(s.path) != NULL);
	s.dir = net_dir_open(s.path, true);
	CHECK(file_write_atomic(s.dir, "a.json", one, sizeof one - 1, 0600) == 0);
	CHECK(file_write_atomic(s.dir, "b.json", other, sizeof other - 1, 0600) == 0);
	close(s.dir);
	s.dir = net_store_open(s.path, false);
	CHECK(s.dir >= 0);
	CHECK(net_record_load(s.dir, "web1", &h) == 0);
	CHECK(h.r.nics.n == 2);
	CHECK_STR(net_record_nic(&h.r, 0)->ip, "10.77.0.2");
	CHECK_STR(net_record_nic(&h.r, 1)->ip6, "fd77::2");
	CHECK_STR(net_record_nic(&h.r, 1)->mac, "02:00:00:00:00:0a");
	net_held_free(&h);
	CHECK(net_index_is(s.dir, "b", "fd77::2", "web1", 1));
	CHECK(net_index_is(s.dir, "a", "02:00:00:00:00:02", "web2", 0));
	CHECK(file_read(s.dir, "a.json", &text, NULL) == 0);
	CHECK(strstr(text, "\"version\":2") && !strstr(text, "leases"));
	/* Killed when all was done but for this: who changes something next takes it away. */
	CHECK(faccessat(s.dir, NET_TAKEOVER, F_OK, 0) < 0 && mkdirat(s.dir, NET_TAKEOVER, 0700) == 0);
	close(s.dir);
	s.dir = net_store_open(s.path, false);
	close(net_dir_lock(s.dir));
	CHECK(faccessat(s.dir, NET_TAKEOVER, F_OK, 0) < 0);
	store_remove(&s);
}

TEST(owners)
{
	char a[NET_OWNER_MAX], b[NET_OWNER_MAX], id[300];

	net_owner_of("/run/vzrun", "c1", a);
	net_owner_of("/run/other", "c1", b);
	CHECK(net_is_owner(a) && net_is_owner(b) && strcmp(a, b) != 0 && strncmp(a, "c1@", 3) == 0);
	memset(id, 'x', sizeof id);
	id[250] = '\0';
	net_owner_of("/run/vzrun", id, a);
	id[249] = 'y';
	net_owner_of("/run/vzrun", id, b);
	CHECK(net_is_owner(a) && net_is_owner(b) && strcmp(a, b) != 0);
	CHECK(!net_is_owner("../x") && !net_is_owner("a/b") && !net_is_owner("") && !net_is_owner("a b"));
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

UNIT_MAIN(UNIT(allocation), UNIT(hints), UNIT(pools), UNIT(refusals), UNIT(links), UNIT(bad_records), UNIT(taken_over),
	  UNIT(owners), UNIT(configuration), UNIT(resolvers))
