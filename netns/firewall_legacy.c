/*
 * iptables-legacy: rules in a table of the kernel's own older kind, which nftables does not show. They are not
 * read; that there are some in INPUT is enough to say "maybe".
 */
#include "netns/firewall_judge.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <string.h>
#include <sys/socket.h>

/* Both families have the same numbers (IPT_SO_GET_INFO, IPT_SO_GET_ENTRIES) and structures of the same shape. */
struct legacy { int level; const char *tool, *names; size_t head, entry; };
static const struct legacy legacy4 = {
	IPPROTO_IP, "iptables-legacy", "/proc/net/ip_tables_names", sizeof(struct ipt_get_entries),
	sizeof(struct ipt_entry),
};
static const struct legacy legacy6 = {
	IPPROTO_IPV6, "ip6tables-legacy", "/proc/net/ip6_tables_names", sizeof(struct ip6t_get_entries),
	sizeof(struct ip6t_entry),
};
/* NOLINTBEGIN(misc-redundant-expression): that they are the same is what is asserted */
_Static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo) && IPT_SO_GET_INFO == IP6T_SO_GET_INFO &&
	       IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES, "one shape for both");
/* NOLINTEND(misc-redundant-expression) */
_Static_assert(offsetof(struct ipt_get_entries, size) == offsetof(struct ip6t_get_entries, size),
	       "one shape for both");

/* 1: INPUT has rules, or another policy than ACCEPT, or cannot be read. */
static int has_input(const struct legacy *l, int sock, const char *table)
{
	struct ipt_getinfo info = { 0 };
	socklen_t n = sizeof info;
	struct xt_standard_target policy;

	snprintf(info.name, sizeof info.name, "%s", table);
	if (getsockopt(sock, l->level, IPT_SO_GET_INFO, &info, &n) < 0)
		return errno != ENOENT;
	if (!(info.valid_hooks & 1u << NF_INET_LOCAL_IN))
		return 0;
	if (info.hook_entry[NF_INET_LOCAL_IN] != info.underflow[NF_INET_LOCAL_IN])
		return 1;
	auto_free char *all = calloc(1, l->head + info.size);
	if (!all || info.underflow[NF_INET_LOCAL_IN] + l->entry + sizeof policy > info.size)
		return 1;
	snprintf(all, XT_TABLE_MAXNAMELEN, "%s", table);
	memcpy(all + offsetof(struct ipt_get_entries, size), &info.size, sizeof info.size);
	n = (socklen_t)(l->head + info.size);
	if (getsockopt(sock, l->level, IPT_SO_GET_ENTRIES, all, &n) < 0)
		return 1;
	memcpy(&policy, all + l->head + info.underflow[NF_INET_LOCAL_IN] + l->entry, sizeof policy);
	return policy.verdict != -NF_ACCEPT - 1;
}

int judge_legacy(int family, struct reason *out)
{
	const struct legacy *l = family == AF_INET ? &legacy4 : &legacy6;
	auto_free char *names = NULL;
	char *save = NULL;

	memset(out, 0, sizeof *out);
	if (file_read(AT_FDCWD, l->names, &names, NULL) < 0) {
		err_clear();
		return 0;
	}
	auto_close int sock = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	for (char *t = strtok_r(names, "\n", &save); t; t = strtok_r(NULL, "\n", &save)) {
		if (sock >= 0 && !has_input(l, sock, t))
			continue;
		snprintf(out->chain, sizeof out->chain, "%s %s INPUT", l->tool, t);
		snprintf(out->rule, sizeof out->rule, "rules of the older kind, which are not read");
		return 1;
	}
	return 0;
}
