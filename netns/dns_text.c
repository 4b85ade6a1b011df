/* What dnsmasq is told: its command line, and the three files that it reads. */
#include "netns/dns.h"
#include "base/scope.h"
#include "netns/kernel.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

static const char *gateway(const struct net_subnet *s, char out[INET6_ADDRSTRLEN])
{
	unsigned char addr[16];

	net_subnet_at(s, NET_GATEWAY, addr);
	return inet_ntop(s->family, addr, out, INET6_ADDRSTRLEN);
}

/* The owner of a container is ID@DIGITS. */
static bool host_name(const char *owner, char out[64])
{
	size_t n = strcspn(owner, "@");

	if (n >= 64)
		return false;
	for (size_t i = 0; i < n; i++)
		out[i] = (char)tolower((unsigned char)owner[i]);
	out[n] = '\0';
	return str_is_name(out);
}

void net_dns_hosts(struct buf *b, const struct net_def *d, const char *owner, const struct net_nic *nics,
		   size_t n)
{
	char name[64];

	if (!host_name(owner, name))
		return;
	for (size_t i = 0; i < n; i++) {
		const char *addr[] = { nics[i].ip, nics[i].ip6 };

		if (!nics[i].network || !str_eq(nics[i].network, d->name))
			continue;
		for (size_t k = 0; k < COUNT(addr); k++)
			if (addr[k])
				buf_printf(b, "%s %s.%s %s # %s\n", addr[k], name, d->name, name, owner);
	}
}

void net_dns_dhcp(struct buf *b, const struct net_def *d, const char *owner, const struct net_nic *nics,
		   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct net_nic *v = &nics[i];

		if (!v->network || !str_eq(v->network, d->name) || !v->mac || (!v->ip && !v->ip6))
			continue;
		buf_puts(b, v->mac);
		if (v->ip)
			buf_printf(b, ",%s", v->ip);
		if (v->ip6)
			buf_printf(b, ",[%s]", v->ip6);
		buf_printf(b, " # %s\n", owner);
	}
}

bool net_dns_names(const char *text, const char *word)
{
	size_t n = word ? strlen(word) : 0;

	for (const char *p = text; n && (p = strstr(p, word)); p++)
		if ((p == text || strchr(" ,[\n", p[-1])) && strchr(" ,]\n", p[n]))
			return true;
	return false;
}

static bool goes(const char *line, const char *owner, const struct net_nic *nics, size_t n)
{
	const char *tag = strstr(line, " # ");

	if (!tag || str_eq(tag + 3, owner))
		return true;
	for (size_t i = 0; i < n; i++)
		if (net_dns_names(line, nics[i].ip) || net_dns_names(line, nics[i].ip6) ||
		    net_dns_names(line, nics[i].mac))
			return true;
	return false;
}

void net_dns_without(const char *text, const char *owner, const struct net_nic *nics, size_t n,
		     struct buf *kept, struct buf *gone)
{
	for (size_t len; *text; text += len + (text[len] == '\n')) {
		char line[512];

		len = strcspn(text, "\n");
		snprintf(line, sizeof line, "%.*s", (int)(len < sizeof line ? len : sizeof line - 1), text);
		buf_printf(goes(line, owner, nics, n) ? gone : kept, "%s\n", line);
	}
}

void net_dns_servers(struct buf *b, const struct net_def *d, const char *text)
{
	char gw4[INET6_ADDRSTRLEN] = "", gw6[INET6_ADDRSTRLEN] = "";

	/* Out of an isolated network nothing leads, and no question either. */
	if (d->mode == NET_ISOLATED)
		return;
	if (d->v4.family)
		(void)gateway(&d->v4, gw4);
	if (d->v6.family)
		(void)gateway(&d->v6, gw6);
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		char line[512], addr[128], bare[128];
		unsigned char bin[16];

		n = strcspn(text, "\n");
		snprintf(line, sizeof line, "%.*s", n < sizeof line ? (int)n : 0, text);
		if (sscanf(line, " nameserver %127s", addr) != 1)
			continue;
		/* A link-local server has its link behind it. */
		snprintf(bare, sizeof bare, "%.*s", (int)strcspn(addr, "%"), addr);
		if ((inet_pton(AF_INET, bare, bin) != 1 && inet_pton(AF_INET6, bare, bin) != 1) ||
		    (addr[strlen(bare)] && !net_is_link_name(addr + strlen(bare) + 1)))
			continue;
		if (!str_eq(bare, gw4) && !str_eq(bare, gw6))
			buf_printf(b, "server=%s\n", addr);
	}
}

/* ---- the command line --------------------------------------------------------------------------------- */

enum { ARGS_MAX = 48 };
struct args { struct arena *a; const char **v; size_t n; bool oom; };

static void arg(struct args *x, const char *fmt, ...) PRINTF(2, 3);
static void arg(struct args *x, const char *fmt, ...)
{
	char text[PATH_MAX + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	x->v[x->n] = arena_strdup(x->a, text);
	x->oom |= !x->v[x->n++];
}

/* The same for every network: nothing of the host's, nothing of what a guest claims to be. */
static const char *const always[] = {
	"--conf-file=/dev/null", "--no-hosts", "--no-resolv", "--no-ident", "--domain-needed",
	"--except-interface=lo", "--bind-interfaces",
	"--dhcp-authoritative", "--dhcp-ignore-names", "--dhcp-ignore-clid", "--no-ping",
	"--quiet-dhcp", "--quiet-dhcp6", "--quiet-ra",
};

static void subnet4(struct args *x, const struct net_def *d)
{
	char net[INET6_ADDRSTRLEN], mask[INET_ADDRSTRLEN], gw[INET6_ADDRSTRLEN];
	struct in_addr m = { htonl(d->v4.prefix ? UINT32_MAX << (32 - d->v4.prefix) : 0) };

	(void)inet_ntop(AF_INET, d->v4.addr, net, sizeof net);
	(void)inet_ntop(AF_INET, &m, mask, sizeof mask);
	(void)gateway(&d->v4, gw);
	arg(x, "--domain=%s,%s/%u,local", d->name, net, d->v4.prefix);
	/* static: who is not in the file of MAC addresses gets none. */
	arg(x, "--dhcp-range=%s,static,%s,1h", net, mask);
	if (d->mode == NET_ISOLATED)
		arg(x, "--dhcp-option=option:router");
	if (d->mode == NET_ROUTED) {
		arg(x, "--dhcp-option=option:netmask,255.255.255.255");
		arg(x, "--dhcp-option=option:classless-static-route,%s/32,0.0.0.0,0.0.0.0/0,%s", gw, gw);
	}
	if (d->mtu)
		arg(x, "--dhcp-option=option:mtu,%u", d->mtu);
}

static void subnet6(struct args *x, const struct net_def *d)
{
	char net[INET6_ADDRSTRLEN];

	(void)inet_ntop(AF_INET6, d->v6.addr, net, sizeof net);
	arg(x, "--domain=%s,%s/%u,local", d->name, net, d->v6.prefix);
	/* dnsmasq takes no larger one, and advertises no router for a smaller one. */
	if (d->v6.prefix < 64)
		return;
	arg(x, "--dhcp-range=%s,static%s,%u,1h", net, d->mode == NET_ROUTED ? ",off-link" : "", d->v6.prefix);
	if (d->v6.prefix != 64)
		return;
	/* For those who ask: the others were given all of it, and need no news of it every ten minutes. */
	arg(x, "--enable-ra");
	arg(x, "--ra-param=%s,1800%s", d->bridge, d->mode == NET_ISOLATED ? ",0" : "");
}

const char **net_dns_args(struct arena *a, const struct net_def *d, const char *dir, const char *user,
			  const char *group)
{
	struct args x = { .a = a, .v = arena_alloc(a, ARGS_MAX + 1, sizeof *x.v) };

	if (!x.v)
		return NULL;
	arg(&x, "dnsmasq");
	for (size_t i = 0; i < COUNT(always); i++)
		arg(&x, "%s", always[i]);
	arg(&x, "--interface=%s", d->bridge);
	arg(&x, "--user=%s", user);
	arg(&x, "--group=%s", group);
	arg(&x, "--pid-file=%s/pid", dir);
	arg(&x, "--log-facility=%s/log", dir);
	arg(&x, "--dhcp-leasefile=%s/leases", dir);
	arg(&x, "--addn-hosts=%s/hosts", dir);
	arg(&x, "--dhcp-hostsfile=%s/dhcp", dir);
	arg(&x, "--servers-file=%s/servers", dir);
	if (d->v4.family)
		subnet4(&x, d);
	if (net_host_has(d->v6.family))
		subnet6(&x, d);
	return x.oom ? NULL : x.v;
}
