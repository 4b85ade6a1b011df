/* From one record to the next, in the order that a kill between any two steps leaves repairable. */
#include "base/fault.h"
#include "base/scope.h"
#include "netns/dns.h"
#include "netns/elements.h"
#include "netns/flows.h"
#include "netns/guard.h"
#include "netns/lease.h"
#include "netns/portmap.h"

static const char *address(const struct net_nic *n, int i)
{
	return i == 0 ? n->ip : i == 1 ? n->ip6 : n->mac;
}

static bool has(const struct net_record *r, const char *network, const char *text)
{
	if (r)
		LIST_EACH(const struct net_nic, n, r->nics)
			for (int i = 0; i < 3; i++)
				if (str_eq(n->network, network) && address(n, i) && str_eq(address(n, i), text))
					return true;
	return false;
}

static int drop_links(int dir, const struct net_record *was, const struct net_record *is)
{
	if (!was)
		return 0;
	LIST_EACH(const struct net_nic, n, was->nics)
		for (int i = 0; i < 3; i++)
			if (address(n, i) && !has(is, n->network, address(n, i)))
				TRY(net_index_drop(dir, n->network, address(n, i), was->owner));
	return 0;
}

static int take_links(int dir, const struct net_record *is)
{
	LIST_EACH(const struct net_nic, n, is->nics)
		for (int i = 0; i < 3; i++)
			if (address(n, i))
				TRY(net_index_take(dir, n->network, address(n, i), is->owner, n->index));
	return 0;
}

static bool holds(const struct net_record *r) { return r && (r->nics.n || r->ports.n || r->firewall.n); }

/* The record is first of all to come and last of all to go. */
static int give_back(const struct net_home *h, int dir, const struct net_record *was)
{
	SCOPED(net_portmap_change_free) struct net_portmap_change ports = { 0 };

	TRY(fault_point("elements given back"));
	TRY(net_portmap_plan(h, dir, was, NULL, &ports));
	TRY(net_portmap_retire(h, &ports));
	TRY(net_portmap_enter(h, dir, &ports));
	TRY(net_fw_owner(h, dir, was, NULL));
	TRY(net_guard_drop(h, was, NULL));
	net_flows_follow(was, NULL);
	TRY(fault_point("links of addresses given back"));
	TRY(drop_links(dir, was, NULL));
	TRY(fault_point("record given back"));
	net_dns_follow(h, dir, was, NULL);
	return net_record_drop(dir, was->owner);
}

/*
 * Links come before the record and go after it: an address that a record has is never without its link, so that nobody
 * else is given it; a link that no record explains is stale, and whoever needs it takes it. A first record comes before
 * its links, because a release finds them by it. Elements that should have
 * gone are seen by the mark of those that stand.
 */
static int pass(const struct net_home *h, int dir, const struct net_record *was, const struct net_record *is)
{
	SCOPED(net_portmap_change_free) struct net_portmap_change ports = { 0 };

	if (!holds(is))
		return was ? give_back(h, dir, was) : 0;
	TRY(net_portmap_plan(h, dir, was, is, &ports));
	TRY(fault_point("links of addresses"));
	if (was)
		TRY(take_links(dir, is));
	TRY(net_portmap_retire(h, &ports));
	TRY(fault_point("record of what is held"));
	TRY(net_record_store(dir, is));
	TRY(fault_point("links of addresses that change"));
	TRY(take_links(dir, is));
	TRY(drop_links(dir, was, is));
	/* Before the elements, which a start looks at: what is missing there is done again, with its names. */
	net_dns_follow(h, dir, was, is);
	TRY(fault_point("elements"));
	TRY(net_guard_make(h, was, is));
	TRY(net_fw_owner(h, dir, was, is));
	TRY(net_guard_drop(h, was, is));
	TRY(net_portmap_enter(h, dir, &ports));
	if (was)
		net_flows_follow(was, is);
	return 0;
}

/* Why a guest's firewall would not hold on a network; NULL: it does. */
static const char *unseen_on(const struct net_def *d)
{
	/* What passes there comes by none of the host's rules. */
	if (d->mode == NET_BRIDGE)
		return "is a bridge of the host's";
	/* Whom the host cannot ask for, because it speaks for the gateway, it cannot stand between. */
	return d->vxlan ? "spans hosts" : NULL;
}

int net_refuse_unseen(int dir, const struct net_record *is)
{
	if (!is->firewall.n)
		return 0;
	LIST_EACH(const struct net_nic, n, is->nics) {
		auto_net_file struct net_file f = { 0 };
		const char *why;

		if (!n->network || net_def_load(dir, n->network, &f) < 0)
			continue;
		why = unseen_on(&f.d);
		if (why)
			return fail_as(ERR_STATE, "network %s %s: a guest's firewall does not hold there", n->network, why);
	}
	return 0;
}

/* A link that came for a record that did not: its owner would never find it. */
static void drop_strays(int dir, const struct net_record *is)
{
	auto_net_held struct net_held on_disk = { 0 };

	if (net_record_load(dir, is->owner, &on_disk) >= 0)
		(void)drop_links(dir, is, &on_disk.r);
}

int net_hold(const struct net_home *h, int dir, const struct net_record *was, const struct net_record *is)
{
	struct err_saved why;

	/* Of a record from before this was refused, rules may go one by one. */
	if (is && !(was && is->firewall.n < was->firewall.n))
		TRY(net_refuse_unseen(dir, is));
	int r = pass(h, dir, was, is);

	if (r >= 0)
		return 0;
	err_save(&why);
	/* On a disk that is full this cannot be done either. */
	if (pass(h, dir, is, was) < 0 && is)
		drop_strays(dir, is);
	err_restore(&why);
	return r;
}
