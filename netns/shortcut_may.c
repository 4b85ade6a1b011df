/* Where there are no shortcuts: on a kernel that cannot, and where rules of others would not see what passes. */
#include "base/file.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/bridge.h"
#include "netns/nftexpr.h"
#include "netns/shortcut.h"

#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

bool net_shortcut_old_kernel(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2)
		return false;
	return major < 6 || (major == 6 && minor < 16);
}

/* ip: tables for IP see what is bridged, too. */
struct foreign {
	bool ip;
	char who[64];
};

static void see_table(void *ctx, size_t i, const struct nlmsghdr *h)
{
	static const struct name families[] = { { "bridge", NFPROTO_BRIDGE }, { "inet", NFPROTO_INET },
						{ "ip", NFPROTO_IPV4 }, { "ip6", NFPROTO_IPV6 }, { 0 } };
	struct nlattr *name =
	    nlmsg_find_attr((struct nlmsghdr *)(uintptr_t)h, sizeof(struct nfgenmsg), NFTA_TABLE_NAME);
	int family = ((const struct nfgenmsg *)NLMSG_DATA(h))->nfgen_family;
	const char *s = name ? nla_get_string(name) : "vzrun", *word = name_of(families, family);
	struct foreign *f = ctx;

	(void)i;
	if (word && (f->ip || family == NFPROTO_BRIDGE) && !str_eq(s, "vzrun") && !str_starts(s, "vzrun_"))
		snprintf(f->who, sizeof f->who, "nftables table %s %.40s", word, s);
}

/* That of before nftables: a line a table. */
static bool legacy(bool six)
{
	char one[8];
	const char *names = six ? "/proc/net/ip6_tables_names" : "/proc/net/ip_tables_names";

	return file_peek(AT_FDCWD, names, one, sizeof one) > 0;
}

/* What ebtables of before nftables have cannot be listed without loading it: whether it is loaded. */
static bool legacy_bridge(void) { return access("/sys/module/ebtables", F_OK) == 0; }

bool net_shortcut_overruled(char *who, size_t size)
{
	bool four = net_bridged_meets_ip_rules(false), six = net_bridged_meets_ip_rules(true);
	struct foreign f = { .ip = four || six };
	auto_nlq struct nlq q = { 0 };
	int r;

	if ((four && legacy(false)) || (six && legacy(true)) || legacy_bridge()) {
		snprintf(who, size, legacy_bridge() ? "ebtables" : "iptables");
		return true;
	}
	r = nlq_open(&q, NETLINK_NETFILTER);
	if (r < 0) {
		err_clear();
	} else {
		nftx_message(&q, NFT_MSG_GETTABLE, NLM_F_DUMP, NFPROTO_UNSPEC);
		r = nlq_talk(&q, see_table, &f);
	}
	/* What the kernel does not say may be there. */
	if (r < 0 && !f.who[0])
		snprintf(f.who, sizeof f.who, "what nftables have, which the kernel does not say");
	snprintf(who, size, "%s", f.who);
	return f.who[0];
}

bool net_shortcut_possible(const struct net_home *h)
{
	return !net_shortcut_old_kernel() && net_shortcut_table(h->table, NET_SHORTCUT_TRY) == 0;
}

int net_shortcut_give_up(const struct net_home *h)
{
	char who[64];

	if (!net_shortcut_overruled(who, sizeof who))
		return 0;
	log_debug("no shortcuts beside %s", who);
	TRY(net_shortcut_remove(h));
	return 1;
}
