/* The configuration's slice: vzrun.networks. */
#include "netns/def.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const struct field nic_fields[] = {
	F(struct net_nic_conf, "network", K_STR, network),
	F(struct net_nic_conf, "name", K_STR, name),
	F(struct net_nic_conf, "ip", K_STR, ip),
	F(struct net_nic_conf, "ip6", K_STR, ip6),
	F(struct net_nic_conf, "mac", K_STR, mac),
	{ 0 }
};
const struct record net_nic_record = RECORD("network interface", struct net_nic_conf, nic_fields);

static bool is_if_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n >= IFNAMSIZ || str_eq(s, ".") || str_eq(s, "..") || str_eq(s, "lo"))
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("/:%\"\\", *s))
			return false;
	return true;
}

static int check_nic(const struct net_nic_conf *c)
{
	unsigned char a[16];

	if (c->network && !str_is_name(c->network))
		return fail_as(ERR_CONFIG, ".network: not the name of a network");
	if (c->name && !is_if_name(c->name))
		return fail_as(ERR_CONFIG,
			       ".name: not the name of an interface (1 to 15 characters, no / : %%)");
	if (c->ip && inet_pton(AF_INET, c->ip, a) != 1)
		return fail_as(ERR_CONFIG, ".ip: %.64s is not an IPv4 address", c->ip);
	if (c->ip6 && inet_pton(AF_INET6, c->ip6, a) != 1)
		return fail_as(ERR_CONFIG, ".ip6: %.64s is not an IPv6 address", c->ip6);
	if (c->mac && net_mac_parse(c->mac, a) < 0)
		return fail_as(ERR_CONFIG, ".mac: %.32s is not a MAC address", c->mac);
	if (c->mac && (a[0] & 1))
		return fail_as(ERR_CONFIG, ".mac: %.32s is a group address", c->mac);
	if (c->mac && memcmp(a, "\0\0\0\0\0", 6) == 0)
		return fail_as(ERR_CONFIG, ".mac: %.32s is not a MAC address", c->mac);
	return 0;
}

/* "[i]" joins the member's name without a colon between. */
static int place(int r, size_t i)
{
	char member[256];

	snprintf(member, sizeof member, "%s", err_text());
	return r < 0 ? fail_as(err_class(), "[%zu]%s", i, member) : r;
}

void net_inside_name(const struct net_nic_conf *c, size_t i, char out[IFNAMSIZ])
{
	if (c->name)
		snprintf(out, IFNAMSIZ, "%s", c->name);
	else
		snprintf(out, IFNAMSIZ, "eth%zu", i);
}

int net_check(const struct list *nics)
{
	const struct net_nic_conf *v = nics->v;
	char a[IFNAMSIZ], b[IFNAMSIZ];

	if (nics->n > NET_PORTS_MAX)
		return fail_as(ERR_CONFIG, "[%d]: more than %d network interfaces", NET_PORTS_MAX,
			       NET_PORTS_MAX);
	for (size_t i = 0; i < nics->n; i++) {
		TRY(place(check_nic(&v[i]), i));
		net_inside_name(&v[i], i, a);
		for (size_t k = 0; k < i; k++) {
			net_inside_name(&v[k], k, b);
			if (str_eq(a, b))
				return fail_as(ERR_CONFIG, "[%zu].name: %s is given twice", i, a);
		}
	}
	return 0;
}
