/* A request as nft commands. Nothing reaches them that its own grammar did not pass. */
#include "netns/firewall.h"
#include "base/scope.h"
#include "netns/firewall_main.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

static bool only(const char *s, const char *allowed, size_t max)
{
	size_t n = strspn(s, allowed);

	return n > 0 && n <= max && s[n] == '\0';
}

#define DIGITS "0123456789"
#define LOWER "abcdefghijklmnopqrstuvwxyz"

static bool is_link(const char *s)
{
	return only(s, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_.-", IFNAMSIZ - 1) && *s != '-' &&
	       *s != '.';
}

static int check_addr(const char *key, const char *s, int family, bool subnet)
{
	char part[INET6_ADDRSTRLEN];
	unsigned char a[16];
	size_t n = s ? strcspn(s, "/") : 0;
	uint64_t prefix;

	if (!s)
		return 0;
	if (n >= sizeof part || subnet != (s[n] == '/'))
		return fail(EINVAL, "%s: not an address", key);
	memcpy(part, s, n);
	part[n] = '\0';
	if (inet_pton(family, part, a) != 1 ||
	    (subnet && str_u64(s + n + 1, family == AF_INET ? 32 : 128, &prefix) < 0))
		return fail(EINVAL, "%s: not an address", key);
	return 0;
}

static int check_net(const struct fw_net *n)
{
	if (!str_is_name(n->name))
		return fail(EINVAL, "name: not the name of a network");
	if (!is_link(n->bridge))
		return fail(EINVAL, "bridge: not the name of a link");
	if (!only(n->mark, "abcdef" DIGITS, 16))
		return fail(EINVAL, "mark: expected hexadecimal digits");
	TRY(check_addr("subnet", n->subnet, AF_INET, true));
	TRY(check_addr("subnet6", n->subnet6, AF_INET6, true));
	TRY(check_addr("gateway", n->gateway, AF_INET, false));
	return check_addr("gateway6", n->gateway6, AF_INET6, false);
}

static void element(struct buf *b, const char *table, const char *set, const char *fmt, ...) PRINTF(4, 5);
static void element(struct buf *b, const char *table, const char *set, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_printf(b, "add element inet %s %s { %s }\n", table, set, text);
}

static void elements(struct buf *b, const char *table, const struct fw_net *n)
{
	element(b, table, "bridges", "\"%s\" comment \"%s %s\"", n->bridge, n->name, n->mark);
	element(b, table, "links", "\"%s\" . \"%s\"", n->bridge, n->bridge);
	if (n->outward)
		element(b, table, "outward", "\"%s\"", n->bridge);
	if (n->gateway)
		element(b, table, "hosts4", "\"%s\" . %s", n->bridge, n->gateway);
	if (n->gateway6)
		element(b, table, "hosts6", "\"%s\" . %s", n->bridge, n->gateway6);
	if (n->nat && n->subnet)
		element(b, table, "nat4", "%s", n->subnet);
	if (n->nat && n->subnet6)
		element(b, table, "nat6", "%s", n->subnet6);
}

static void rules(struct buf *b, const char *table)
{
	buf_printf(b, "table inet %s {\n", table);
	for (size_t i = 0; i < COUNT(fw_sets); i++)
		buf_printf(b, "set %s { %s; }\n", fw_sets[i].name, fw_sets[i].type);
	for (size_t i = 0; i < COUNT(fw_chains); i++) {
		buf_printf(b, "chain %s {\n%s\n", fw_chains[i].name, fw_chains[i].head);
		for (const char *const *r = fw_chains[i].rules; *r; r++)
			buf_printf(b, "%s\n", *r);
		buf_puts(b, "}\n");
	}
	buf_puts(b, "}\n");
}

int fw_compose(const struct fw_req *req, struct buf *out)
{
	size_t i = 0;

	if (!only(req->table, LOWER DIGITS "_", 31))
		return fail(EINVAL, "table: not the name of a table");
	LIST_EACH(const struct fw_net, n, req->nets) {
		TRY_IN(check_net(n), "networks[%zu]", i);
		i++;
	}
	/* add before delete: the table may be gone by now. */
	if (req->action == FW_REPLACE || req->action == FW_REMOVE)
		buf_printf(out, "add table inet %s\ndelete table inet %s\n", req->table, req->table);
	if (req->action == FW_REMOVE)
		return 0;
	if (req->action != FW_ADD)
		rules(out, req->table);
	LIST_EACH(const struct fw_net, n, req->nets)
		elements(out, req->table, n);
	return out->oom ? fail(ENOMEM, "out of memory") : 0;
}
