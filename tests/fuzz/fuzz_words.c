/*
 * Words of the command line and of configurations, each with what must hold of what is taken; and what is written
 * is read again as the same.
 */
#include "cgroups/unit.h"
#include "cli/opt.h"
#include "netns/addr.h"
#include "netns/rule.h"
#include "runtime/guest/nic.h"
#include "runtime/guest/set.h"
#include "tests/fuzz/fuzz.h"

#include <signal.h>

static void numbers(char *s)
{
	uint64_t u, again, ms, bits[4];
	unsigned octal;
	int64_t i;
	char text[32];

	if (str_u64(s, UINT64_MAX, &u) == 0) {
		snprintf(text, sizeof text, "%ju", (uintmax_t)u);
		demand(str_u64(text, UINT64_MAX, &again) == 0 && again == u && strspn(s, "0123456789") == strlen(s));
		demand(str_size(s, &again) == 0 && again == u);
	}
	if (str_i64(s, -1000, 1000, &i) == 0)
		demand(i >= -1000 && i <= 1000);
	if (str_octal(s, 07777, &octal) == 0)
		demand(octal <= 07777);
	(void)str_size(s, &u);
	(void)str_duration(s, &ms);
	if (str_list(s, 200, bits) == 0)
		demand(!(bits[3] >> 9));
}

static void names(char *s)
{
	char text[64];
	int n;

	if (str_is_id(s) || str_is_name(s))
		demand(!strchr(s, '/') && s[0] != '.');
	if (guest_check_name(s) == 0)
		demand(str_is_name(s));
	n = signal_number(s);
	demand(n <= SIGRTMAX);
	str_json_escape(text, sizeof text, s);
	demand(strlen(text) < sizeof text && !strpbrk(text, "\n\t"));
}

static void addresses(char *s)
{
	struct net_subnet v, again;
	struct net_wish w;
	unsigned char mac[6];
	char text[64];

	for (int k = 0; k < 2; k++) {
		int family = k ? AF_INET6 : AF_INET;

		if (net_subnet_parse(s, family, &v) == 0) {
			net_subnet_text(&v, text, sizeof text);
			demand(net_subnet_parse(text, family, &again) == 0 && memcmp(&v, &again, sizeof v) == 0);
			demand(net_subnet_has(&v, v.addr) && net_subnet_overlap(&v, &again));
		}
		if (net_wish_parse(s, family, &w) == 0 && w.given)
			demand(w.prefix <= 8 * net_addr_size(family));
	}
	if (net_peer_parse(s, &v) == 0)
		demand(v.family == AF_INET || v.family == AF_INET6);
	if (net_mac_parse(s, mac) == 0) {
		net_mac_text(mac, text);
		demand(strcasecmp(text, s) == 0);
	}
}

static void rates(char *s)
{
	auto_arena struct arena a = { 0 };
	struct net_rate r, again;
	char *text;

	if (net_rate_parse(s, &r) < 0)
		return;
	text = net_rate_text(&a, &r);
	demand(text && net_rate_parse(text, &again) == 0 && memcmp(&r, &again, sizeof r) == 0);
}

static void ports(char *s)
{
	char address[INET6_ADDRSTRLEN], other[INET6_ADDRSTRLEN], text[128];
	struct net_publish p, again;
	struct opt_u32 first, last;

	if (net_port_range_parse(s, &first, &last) == 0)
		demand(first.v >= 1 && first.v <= 65535 && (!last.set || last.v >= first.v));
	(void)net_publish_parse(s, true, &p, address);
	if (net_publish_parse(s, false, &p, address) < 0)
		return;
	demand(p.port.v >= 1 && p.port.v + net_publish_count(&p) - 1 <= 65535);
	demand(p.guest_port.v >= 1 && p.guest_port.v + net_publish_count(&p) - 1 <= 65535);
	net_publish_text(&p, false, text, sizeof text);
	demand(net_publish_parse(text, false, &again, other) == 0 && net_publish_same(&p, &again) &&
	       net_publish_clash(&p, &again));
}

static void limits(char *s)
{
	struct cg_unit u;
	uint64_t quota;

	if (guest_cpu_quota(s, &quota) == 0)
		demand(quota >= 1000);
	if (cg_unit_parse(s, "c1", &u) == 0)
		demand(!strchr(u.name, '/') && !strchr(u.slice, '/') && unit_is_slice(u.slice));
}

/* Words about NICs, one a line: their first letter says of which option. */
static void nics(char *s)
{
	auto_arena struct arena a = { 0 };
	const char *v[5][8];
	struct nic_words words = { { v[0], 0 }, { v[1], 0 }, { v[2], 0 }, { v[3], 0 }, { v[4], 0 } };
	struct strv *const lists[] = { &words.ip, &words.ip6, &words.ip_del, &words.mac, &words.rate };
	struct nic_wishes w = { .v = { { .network = "default" }, { .network = "web", .index = { 1, true } } }, .n = 2 };
	struct net_port has[2] = { { .ip = { htonl(0x0a4d0002) } }, { .index = 1 } };
	char *rest = s, *line;

	while ((line = fuzz_line(&rest))) {
		unsigned at = *line ? (unsigned char)*line % COUNT(lists) : 0;

		if (*line && lists[at]->n < COUNT(v[0]))
			lists[at]->v[lists[at]->n++] = line + 1;
	}
	if (nic_words(&w, &words, has, COUNT(has), &a) == 0)
		demand(nic_check(&w) == 0);
}

static const struct fuzz_kind kinds[] = {
	{ 'n', .text = numbers }, { 'i', .text = names }, { 'a', .text = addresses }, { 'r', .text = rates },
	{ 'p', .text = ports }, { 'l', .text = limits }, { 'N', .text = nics },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kinds(kinds, COUNT(kinds), data, size);
	return 0;
}
