#include "netns/dns.h"
#include "base/scope.h"
#include "netns/resolv.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>

static struct net_def blue(int mode)
{
	struct net_def d = { .name = "blue", .bridge = "vzbr3", .mode = mode, .dns = true };

	CHECK(net_subnet_parse("10.77.0.0/20", AF_INET, &d.v4) == 0);
	CHECK(net_subnet_parse("fd77:1::/64", AF_INET6, &d.v6) == 0);
	return d;
}

static struct net_nic nics[] = {
	{ .index = 0, .network = "blue", .ip = "10.77.0.2", .ip6 = "fd77:1::2", .mac = "02:00:00:00:00:01" },
	{ .index = 1, .network = "red", .ip = "10.78.0.2", .mac = "02:00:00:00:00:02" },
	{ .index = 2, .network = "blue", .ip6 = "fd77:1::9", .mac = "02:00:00:00:00:03" },
};

TEST(lines_of_one_network)
{
	struct net_def d = blue(NET_NAT);
	auto_buf struct buf hosts = { 0 }, dhcp = { 0 }, named = { 0 };

	net_dns_hosts(&hosts, &d, "web1", nics, 3);
	CHECK_STR(buf_text(&hosts), "10.77.0.2 web1.blue web1 # web1\nfd77:1::2 web1.blue web1 # web1\n"
				    "fd77:1::9 web1.blue web1 # web1\n");
	net_dns_dhcp(&dhcp, &d, "web1", nics, 3);
	CHECK_STR(buf_text(&dhcp), "02:00:00:00:00:01,10.77.0.2,[fd77:1::2] # web1\n"
				   "02:00:00:00:00:03,[fd77:1::9] # web1\n");
	/* A container's id, and ids that no host can have for a name. */
	net_dns_hosts(&named, &d, "Web-1@0123abcd", nics, 1);
	net_dns_hosts(&named, &d, "a_b@0123abcd", nics, 1);
	net_dns_hosts(&named, &d, "@0123abcd", nics, 1);
	CHECK_STR(buf_text(&named), "10.77.0.2 web-1.blue web-1 # Web-1@0123abcd\n"
				    "fd77:1::2 web-1.blue web-1 # Web-1@0123abcd\n");
}

TEST(lines_that_go)
{
	static const char *const text = "10.77.0.2 web1.blue web1 # web1\n"
					"10.77.0.22 web10.blue web10 # web10\n"
					"10.77.0.3 old.blue old # old\n"
					"fd77:1::22 web10.blue web10 # web10\n"
					"somebody wrote this\n";
	struct net_nic is = { .network = "blue", .ip = "10.77.0.3", .ip6 = "fd77:1::2", .mac = "02:00:00:00:00:01" };
	auto_buf struct buf kept = { 0 }, gone = { 0 }, kept2 = { 0 }, gone2 = { 0 };

	/* Its own, and a stale one with the address that it gets; not those with a longer one. */
	net_dns_without(text, "web1", &is, 1, &kept, &gone);
	CHECK_STR(buf_text(&kept), "10.77.0.22 web10.blue web10 # web10\nfd77:1::22 web10.blue web10 # web10\n");
	CHECK_STR(buf_text(&gone), "10.77.0.2 web1.blue web1 # web1\n10.77.0.3 old.blue old # old\n"
				   "somebody wrote this\n");
	net_dns_without("02:00:00:00:00:01,10.77.0.2 # x\n02:00:00:00:00:04,10.77.0.4,[fd77:1::2] # y\n"
			"02:00:00:00:00:05,10.77.0.5,[fd77:1::21] # z\n",
			"web1", &is, 1, &kept2, &gone2);
	CHECK_STR(buf_text(&kept2), "02:00:00:00:00:05,10.77.0.5,[fd77:1::21] # z\n");
}

TEST(servers_of_the_host)
{
	struct net_def d = blue(NET_NAT), closed = blue(NET_ISOLATED);
	static const char *const text = "# nameserver 9.9.9.9\nnameserver 127.0.0.53\n nameserver fe80::1%eth0\n"
					"nameserver 10.77.0.1\nnameserver fd77:1::1\nnameserver 10.77.0.1.evil\n"
					"nameserver 1.1.1.1/x\nnameserver fe80::1%a/b\nsearch a b\nnameserver 8.8.8.8";
	auto_buf struct buf b = { 0 }, none = { 0 };

	net_dns_servers(&b, &d, text);
	CHECK_STR(buf_text(&b), "server=127.0.0.53\nserver=fe80::1%eth0\nserver=8.8.8.8\n");
	net_dns_servers(&none, &closed, text);
	CHECK_STR(buf_text(&none), "");
}

static bool has_arg(const char **v, const char *word)
{
	for (; v && *v; v++)
		if (str_eq(*v, word))
			return true;
	return false;
}

TEST(command_line)
{
	struct net_def d = blue(NET_NAT), routed = blue(NET_ROUTED), closed = blue(NET_ISOLATED), wide = blue(NET_NAT);
	auto_arena struct arena a = { 0 };
	const char **v = net_dns_args(&a, &d, "/run/x", "dnsmasq", "nogroup");

	CHECK(has_arg(v, "--conf-file=/dev/null") && has_arg(v, "--interface=vzbr3") &&
	      has_arg(v, "--except-interface=lo") && has_arg(v, "--bind-interfaces") && has_arg(v, "--user=dnsmasq"));
	CHECK(has_arg(v, "--dhcp-range=10.77.0.0,static,255.255.240.0,1h"));
	CHECK(has_arg(v, "--domain=blue,10.77.0.0/20,local") && has_arg(v, "--domain=blue,fd77:1::/64,local"));
	CHECK(has_arg(v, "--dhcp-range=fd77:1::,static,64,1h") && has_arg(v, "--ra-param=vzbr3,1800"));
	CHECK(!has_arg(v, "--dhcp-option=option:router"));
	v = net_dns_args(&a, &routed, "/run/x", "dnsmasq", "nogroup");
	CHECK(has_arg(v, "--dhcp-option=option:netmask,255.255.255.255"));
	CHECK(has_arg(v, "--dhcp-option=option:classless-static-route,10.77.0.1/32,0.0.0.0,0.0.0.0/0,10.77.0.1"));
	CHECK(has_arg(v, "--dhcp-range=fd77:1::,static,off-link,64,1h"));
	v = net_dns_args(&a, &closed, "/run/x", "dnsmasq", "nogroup");
	CHECK(has_arg(v, "--dhcp-option=option:router") && has_arg(v, "--ra-param=vzbr3,1800,0"));
	/* No DHCPv6 where dnsmasq takes no range of that size; names all the same. */
	CHECK(net_subnet_parse("fd77::/48", AF_INET6, &wide.v6) == 0);
	v = net_dns_args(&a, &wide, "/run/x", "dnsmasq", "nogroup");
	CHECK(has_arg(v, "--domain=blue,fd77::/48,local") && !has_arg(v, "--enable-ra"));
}

TEST(resolv_conf_of_a_guest)
{
	auto_buf struct buf b = { 0 }, bare = { 0 };

	net_resolv_segment("nameserver 1.1.1.1\nsearch old\ndomain corp.example\noptions ndots:2\n", "blue", &b);
	CHECK_STR(buf_text(&b), "options ndots:2\nsearch blue corp.example\n");
	net_resolv_segment("", "blue", &bare);
	CHECK_STR(buf_text(&bare), "search blue\n");
}

UNIT_MAIN(UNIT(lines_of_one_network), UNIT(lines_that_go), UNIT(servers_of_the_host), UNIT(command_line),
	  UNIT(resolv_conf_of_a_guest))
