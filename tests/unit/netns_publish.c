#include "netns/publish.h"
#include "base/scope.h"
#include "netns/rule.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>

static int parse(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	struct net_publish p;

	return net_publish_parse(text, false, &p, address);
}

TEST(words_read_and_written)
{
	static const struct { const char *in, *out, *host; } good[] = {
		{ "8080:80", "8080:80/tcp", "8080/tcp" },
		{ "8080:80/udp", "8080:80/udp", "8080/udp" },
		{ "1:65535/tcp", "1:65535/tcp", "1/tcp" },
		{ "8000-8009:80-89", "8000-8009:80-89/tcp", "8000-8009/tcp" },
		{ "8000-9023:1-1024", "8000-9023:1-1024/tcp", "8000-9023/tcp" },
		{ "192.0.2.1:53:53/udp", "192.0.2.1:53:53/udp", "192.0.2.1:53/udp" },
		{ "127.0.0.1:80:8080", "127.0.0.1:80:8080/tcp", "127.0.0.1:80/tcp" },
		{ "[2001:DB8:0::1]:80:80", "[2001:db8::1]:80:80/tcp", "[2001:db8::1]:80/tcp" },
		{ "7-7:8-8", "7:8/tcp", "7/tcp" },
	};
	char address[INET6_ADDRSTRLEN], text[128];
	struct net_publish p;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK(net_publish_parse(good[i].in, false, &p, address) == 0);
		net_publish_text(&p, false, text, sizeof text);
		CHECK_STR(text, good[i].out);
		net_publish_text(&p, true, text, sizeof text);
		CHECK_STR(text, good[i].host);
	}
	CHECK(net_publish_parse("8080/udp", true, &p, address) == 0 && !p.guest_port.set && p.port.v == 8080);
}

TEST(words_refused)
{
	static const struct { const char *in, *message; } bad[] = {
		{ "", "\"\": expected [HOST:]PORT:GUESTPORT" },
		{ "80", "\"80\": expected [HOST:]PORT:GUESTPORT" },
		{ "0:80", "\"0:80\": a port is 1 to 65535, a range FIRST-LAST" },
		{ "80:65536", "\"80:65536\": a port is 1 to 65535, a range FIRST-LAST" },
		{ "-1:80", "\"-1:80\": a port is 1 to 65535, a range FIRST-LAST" },
		{ "80:+1", "\"80:+1\": a port is 1 to 65535, a range FIRST-LAST" },
		{ " 80:1", "\" 80:1\": a port is 1 to 65535, a range FIRST-LAST" },
		{ "90-80:1-11", "\"90-80:1-11\": a port is 1 to 65535, a range FIRST-LAST" },
		{ "80-:1-2", "\"80-:1-2\": a port is 1 to 65535, a range FIRST-LAST" },
		{ "80:80:80", "\"80:80:80\": a port is 1 to 65535, a range FIRST-LAST" },
		{ "80-89:80", "\"80-89:80\": the ranges differ in length" },
		{ "80-89:80-90", "\"80-89:80-90\": the ranges differ in length" },
		{ "1-1025:1-1025", "\"1-1025:1-1025\": more than 1024 ports at once" },
		{ "80:80/sctp", "\"80:80/sctp\": unknown protocol (tcp or udp)" },
		{ "80:80/", "\"80:80/\": unknown protocol (tcp or udp)" },
		{ "[::1]:80:80", "\"[::1]:80:80\": the kernel takes no answer for ::1 by a bridge (127.0.0.1 it does)" },
		{ "[::]:80:80", "\"[::]:80:80\": :: is not one address of a host" },
		{ "[fe80::1]:80:80", "\"[fe80::1]:80:80\": fe80::1: a link-local address leads to no other link" },
		{ "[127.0.0.1]:80:80", "\"[127.0.0.1]:80:80\": brackets are for an IPv6 address" },
		{ "[::1:80:80", "\"[::1:80:80\": expected [HOST:]PORT:GUESTPORT, an IPv6 address in brackets" },
		{ "0.0.0.0:80:80", "\"0.0.0.0:80:80\": 0.0.0.0 is not one address of a host" },
		{ "255.255.255.255:1:1", "\"255.255.255.255:1:1\": 255.255.255.255 is not one address of a host" },
		{ "1.2.3:80:80", "\"1.2.3:80:80\": \"1.2.3\" is not an address" },
		{ "a.b:80:80", "\"a.b:80:80\": \"a.b\" is not an address" },
		{ "8080:80; drop", "\"8080:80; drop\": a port is 1 to 65535, a range FIRST-LAST" },
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_FAILS(parse(bad[i].in), bad[i].message);
}

static bool clash(const char *a, const char *b)
{
	char aa[INET6_ADDRSTRLEN], ba[INET6_ADDRSTRLEN];
	struct net_publish x, y;

	CHECK(net_publish_parse(a, false, &x, aa) == 0 && net_publish_parse(b, false, &y, ba) == 0);
	CHECK(net_publish_clash(&x, &y) == net_publish_clash(&y, &x));
	return net_publish_clash(&x, &y);
}

TEST(clashes)
{
	CHECK(clash("80:1", "80:2"));
	CHECK(!clash("80:1", "81:1"));
	CHECK(!clash("80:1", "80:1/udp"));
	CHECK(clash("80:1", "192.0.2.1:80:1"));
	CHECK(!clash("192.0.2.2:80:1", "192.0.2.1:80:1"));
	CHECK(clash("70-80:1-11", "80-90:1-11"));
	CHECK(!clash("70-79:1-10", "80-90:1-11"));
}

static int check(const struct record *rec, int (*fn)(const struct list *l), const char *text)
{
	const struct field fields[] = { { "v", K_LIST, 0, 0, rec }, { 0 } };
	const struct record top = { "test", sizeof(struct list), fields };
	auto_arena struct arena a = { 0 };
	auto_json struct json *tree = NULL;
	struct list l;

	TRY(json_parse("test", text, strlen(text), &tree));
	TRY(bind_decode(&a, &top, tree, &l));
	return fn(&l);
}
#define PORTS(text) check(&net_publish_record, net_publish_check, "{\"v\":[" text "]}")
#define RULES(text) check(&net_rule_record, net_rules_check, "{\"v\":[" text "]}")

TEST(ports_in_a_file)
{
	CHECK(PORTS("{\"port\":80,\"guestPort\":80}") == 0);
	CHECK(PORTS("{\"port\":80,\"guestPort\":80,\"count\":10,\"protocol\":\"udp\",\"expose\":\"world\","
		    "\"address\":\"2001:db8::1\"}") == 0);
	CHECK_FAILS(PORTS("{\"port\":0,\"guestPort\":80}"), "[0].port: must be 1 to 65535");
	CHECK_FAILS(PORTS("{\"port\":80,\"guestPort\":65536}"), "[0].guestPort: must be 1 to 65535");
	CHECK_FAILS(PORTS("{\"port\":80,\"guestPort\":80,\"count\":1025}"), "[0].count: must be 1 to 1024");
	CHECK_FAILS(PORTS("{\"port\":65535,\"guestPort\":80,\"count\":2}"), "[0].count: goes beyond port 65535");
	CHECK_FAILS(PORTS("{\"port\":80,\"guestPort\":80,\"address\":\"2001:DB8::1\"}"),
		    "[0].address: 2001:DB8::1 is written 2001:db8::1");
	CHECK_FAILS(PORTS("{\"port\":80,\"guestPort\":80,\"address\":\"x; drop\"}"),
		    "[0].address: \"x; drop\" is not an address");
	CHECK_FAILS(PORTS("{\"port\":80,\"guestPort\":80},{\"port\":79,\"guestPort\":1,\"count\":2}"),
		    "[1].port: clashes with [0], 80/tcp");
	CHECK_FAILS(PORTS("{\"port\":80}"), "v[0].guestPort: missing");
	CHECK_FAILS(PORTS("{\"port\":80,\"guestPort\":80,\"expose\":\"all\"}"), "v[0].expose: unknown value \"all\"");
}

TEST(rules_in_a_file)
{
	CHECK(RULES("{\"action\":\"allow\",\"direction\":\"in\"}") == 0);
	CHECK(RULES("{\"action\":\"deny\",\"direction\":\"out\",\"to\":\"10.0.0.0/8\",\"protocol\":\"tcp\","
		    "\"port\":22,\"endPort\":23}") == 0);
	CHECK(RULES("{\"action\":\"deny\",\"direction\":\"in\",\"from\":\"fd00::1\",\"protocol\":\"icmp\"}") == 0);
	CHECK(RULES("{\"action\":\"deny\",\"direction\":\"in\",\"from\":\"0.0.0.0/0\"}") == 0);
	CHECK_FAILS(RULES("{\"action\":\"allow\",\"direction\":\"in\",\"to\":\"10.0.0.1\"}"),
		    "[0].to: is for direction \"out\"");
	CHECK_FAILS(RULES("{\"action\":\"allow\",\"direction\":\"out\",\"from\":\"10.0.0.1\"}"),
		    "[0].from: is for direction \"in\"");
	CHECK_FAILS(RULES("{\"action\":\"allow\",\"direction\":\"in\",\"from\":\"10.0.0.1/8\"}"),
		    "[0].from: 10.0.0.1/8: has host bits beyond its prefix");
	CHECK_FAILS(RULES("{\"action\":\"allow\",\"direction\":\"in\",\"from\":\"1.2.3.4 accept\"}"),
		    "[0].from: \"1.2.3.4 accept\" is not an address or subnet");
	CHECK_FAILS(RULES("{\"action\":\"allow\",\"direction\":\"in\",\"protocol\":\"icmp\",\"port\":1}"),
		    "[0].port: icmp has no ports");
	CHECK_FAILS(RULES("{\"action\":\"allow\",\"direction\":\"in\",\"port\":70000}"), "[0].port: must be 1 to 65535");
	CHECK_FAILS(RULES("{\"action\":\"allow\",\"direction\":\"in\",\"endPort\":7}"), "[0].endPort: needs port");
	CHECK_FAILS(RULES("{\"action\":\"allow\",\"direction\":\"in\",\"port\":9,\"endPort\":7}"),
		    "[0].endPort: must be 9 to 65535");
}

TEST(rules_as_words)
{
	struct net_rule r = { .action = NET_DENY, .direction = NET_IN, .proto = NET_PROTO_ANY };
	char text[128];

	net_rule_text(&r, text, sizeof text);
	CHECK_STR(text, "deny in");
	r.from = "10.0.0.0/8";
	r.proto = IPPROTO_TCP;
	r.port = (struct opt_u32){ 22, true };
	net_rule_text(&r, text, sizeof text);
	CHECK_STR(text, "deny in from 10.0.0.0/8 tcp 22");
	r.end_port = (struct opt_u32){ 23, true };
	r.proto = NET_PROTO_ANY;
	net_rule_text(&r, text, sizeof text);
	CHECK_STR(text, "deny in from 10.0.0.0/8 port 22-23");
}

UNIT_MAIN(UNIT(words_read_and_written), UNIT(words_refused), UNIT(clashes), UNIT(ports_in_a_file),
	  UNIT(rules_in_a_file), UNIT(rules_as_words))
