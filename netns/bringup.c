/* A network in the kernel: one table of steps, run when the check of a start finds something missing. */
#include "base/file.h"
#include "base/log.h"
#include "base/steps.h"
#include "netns/bridge.h"
#include "netns/dns.h"
#include "netns/draft.h"
#include "netns/elements.h"
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/link.h"
#include "netns/vxlan.h"

#include <fcntl.h>
#include <sys/file.h>

struct up {
	const struct net_home *h;
	int dir;
	struct net_file *f;
	struct nlq q;
	struct net_route *routes;
	size_t nroutes;
	struct net_others others;
	const char *old_bridge;
	struct net_link link;
	bool fresh, made_bridge;
};

static void up_free(struct up *u)
{
	nlq_close(&u->q);
	free(u->routes);
	net_others_free(&u->others);
}

/* ---- the definition ---------------------------------------------------------------------------- */

/* 1: our bridge is there under another name, which is the network's from now on. */
static int take_renamed(struct up *u)
{
	struct net_def *d = &u->f->d;
	char name[IFNAMSIZ];
	int r = net_bridge_look(&u->q, u->h, d->name, name);

	if (r <= 0)
		return r;
	if (!net_is_link_name(name))
		return fail_as(ERR_STATE, "network %s: its bridge is called %s, which no rule can name", d->name, name);
	TRY(net_link_find(&u->q, name, &u->link));
	/* By the name it answers, or would. */
	TRY(net_dns_stop(u->h, d->name));
	u->old_bridge = d->bridge;
	d->bridge = arena_strdup(&u->f->a, name);
	if (!d->bridge)
		return fail(ENOMEM, "network %s: out of memory", d->name);
	log_warn("network %s: its bridge is not %s, but %s", d->name, u->old_bridge, name);
	TRY(net_def_store(u->dir, d));
	return 1;
}

/* What stands goes on by IPv4 after a boot without the other; nothing new is made of it. */
static int without_ipv6(const struct up *u)
{
	const struct net_def *d = &u->f->d;

	if (!d->v6.family || net_host_has_ipv6())
		return 0;
	if (u->fresh || !d->v4.family) {
		int r = fail_as(ERR_UNSUPPORTED, "network %s: this kernel has no IPv6", d->name);

		err_try("boot without ipv6.disable=1, or make a network of IPv4 alone");
		return r;
	}
	log_warn("network %s: this kernel has no IPv6: its guests have IPv4 alone", d->name);
	return 0;
}

static int define(void *ctx)
{
	struct up *u = ctx;
	struct net_def *d = &u->f->d;
	struct net_draft c = { u->h, &u->q, u->dir, u->f, u->routes, u->nroutes, &u->others };
	int r, ours;

	if (u->fresh) {
		TRY(net_draft_choose(&c));
		TRY(without_ipv6(u));
		d->version = NET_DEF_VERSION;
		return net_def_store(u->dir, d);
	}
	TRY(without_ipv6(u));
	r = net_link_find(&u->q, d->bridge, &u->link);
	if (r < 0 && r != -ENODEV)
		return r;
	if (d->mode == NET_BRIDGE)
		return 0;
	ours = r == 0 && (net_bridge_is_ours(u->h, d->name, &u->link) || net_bridge_lost_mac(u->h, d->name, &u->link));
	if (!ours)
		TRY(ours = take_renamed(u));
	if (ours && net_bridge_lost_mac(u->h, d->name, &u->link)) {
		TRY(net_bridge_restore_mac(&u->q, u->h, d->name, &u->link));
		TRY(net_link_find(&u->q, d->bridge, &u->link));
	}
	TRY(net_draft_clash(&c, ours ? u->link.index : 0));
	if (r < 0 || ours)
		return 0;
	/* Another home's, or somebody's own: ours comes back under another name. */
	u->old_bridge = d->bridge;
	u->link = (struct net_link){ 0 };
	TRY(net_draft_bridge(&c));
	log_warn("network %s: the name %s is taken, its bridge is %s now", d->name, u->old_bridge, d->bridge);
	return net_def_store(u->dir, d);
}

static int undefine(void *ctx)
{
	struct up *u = ctx;
	char file[80];

	snprintf(file, sizeof file, "%s.json", u->f->d.name);
	if (u->fresh && unlinkat(u->dir, file, 0) < 0 && errno != ENOENT)
		return fail_errno("networks/%s", file);
	return 0;
}

/* ---- bridge, firewall, forwarding ------------------------------------------------------------------ */

/* The administrator's: it is there, or not. */
static int find_theirs(struct up *u)
{
	const struct net_def *d = &u->f->d;
	int r = net_link_find(&u->q, d->bridge, &u->link);

	if (r == -ENODEV || (r == 0 && !u->link.bridge))
		return fail_as(ERR_NOT_FOUND, "network %s: there is no bridge %s", d->name, d->bridge);
	TRY(r);
	if (!u->link.up)
		log_warn("network %s: bridge %s is down", d->name, d->bridge);
	if (u->fresh && u->link.believes)
		log_warn("network %s: bridge %s learns from link-local frames: a guest can take its neighbours' traffic; against it: "
			 "ip link set %s type bridge no_linklocal_learn 1", d->name, d->bridge, d->bridge);
	return 0;
}

static int make_bridge(void *ctx)
{
	struct up *u = ctx;
	int doubtful = 0;

	if (u->f->d.mode == NET_BRIDGE)
		return find_theirs(u);
	if (!u->link.index) {
		TRY(net_bridge_create(&u->q, u->h, &u->f->d));
		u->made_bridge = true;
	} else {
		TRY(doubtful = net_bridge_prune(&u->f->d, u->link.index));
	}
	int r = net_bridge_configure(&u->q, &u->f->d, !doubtful, &u->link);
	if (r < 0 && u->made_bridge) {
		struct err_saved why;

		err_save(&why);
		(void)net_link_delete(&u->q, u->f->d.bridge);
		err_restore(&why);
	}
	return r;
}

static int drop_bridge(void *ctx)
{
	struct up *u = ctx;

	return u->made_bridge ? net_link_delete(&u->q, u->f->d.bridge) : 0;
}

static int drop_firewall(void *ctx)
{
	struct up *u = ctx;

	return u->fresh ? net_fw_leave(u->h, u->dir, &u->f->d) : 0;
}

static int mend_firewall(struct up *u, int lacks)
{
	struct err_saved why;
	int r;

	if (lacks & NET_LACKS_TABLE)
		r = net_fw_apply(u->h, u->dir, FW_CREATE, NULL);
	else if (lacks & NET_RULES_DIFFER || u->old_bridge)
		r = net_fw_apply(u->h, u->dir, FW_REPLACE, NULL);
	else
		r = net_fw_follow(u->h, u->dir, NULL, &u->f->d);
	if (r >= 0)
		return 0;
	/* The tables may stand already, and what belongs to them failed. */
	err_save(&why);
	(void)drop_firewall(u);
	err_restore(&why);
	return r;
}

static int make_firewall(void *ctx)
{
	struct up *u = ctx;
	auto_nft_list struct nft_list all = { 0 }, stamps = { 0 };
	int lacks;

	net_elements_of_network(u->h, &u->f->d, &all);
	net_stamps(&all, &stamps);
	lacks = net_fw_check(u->h->table, &stamps);
	if (lacks <= 0)
		return lacks;
	TRY(mend_firewall(u, lacks));
	lacks = net_fw_check(u->h->table, &stamps);
	return lacks <= 0 ? lacks
			  : fail(EIO, "network %s: nftables table %s is not as it was just made",
				 u->f->d.name, u->h->table);
}

/* After the rules: nothing comes in by it that they have not seen. */
static int make_tunnel(void *ctx)
{
	struct up *u = ctx;

	return u->f->d.vxlan ? net_tunnel_make(&u->q, u->h, &u->f->d, u->link.index) : 0;
}

static int drop_tunnel(void *ctx)
{
	struct up *u = ctx;

	return u->fresh && u->f->d.vxlan ? net_tunnel_drop(&u->q, u->h, u->f->d.name) : 0;
}

static int drop_forwarding(void *ctx)
{
	struct up *u = ctx;

	return u->fresh ? net_forwarding_leave(&u->q, u->h, u->dir, u->f->d.name) : 0;
}

static int make_forwarding(void *ctx)
{
	struct up *u = ctx;

	if (u->f->d.mode == NET_ISOLATED || u->f->d.mode == NET_BRIDGE)
		return 0;
	TRY(net_others_read(u->dir, u->f->d.name, false, &u->others));
	int r = net_forwarding_on(u->dir, u->f->d.bridge, &u->others, u->routes, u->nroutes);
	if (r < 0) {
		struct err_saved why;

		err_save(&why);
		(void)drop_forwarding(u);
		err_restore(&why);
	}
	return r < 0 ? fail_in(r, "network %s", u->f->d.name) : 0;
}

/* Of a new network: who asks for names is told at once why there are none. Later nothing fails for want of them. */
static int make_names(void *ctx)
{
	struct up *u = ctx;

	return u->fresh ? net_dns_ensure(u->h, u->dir, &u->f->d, u->link.index) : 0;
}

static int drop_names(void *ctx)
{
	struct up *u = ctx;

	return u->fresh ? net_dns_stop(u->h, u->f->d.name) : 0;
}

static const struct step up_steps[] = {
	{ "network definition", define, undefine },
	{ "bridge", make_bridge, drop_bridge },
	{ "firewall", make_firewall, drop_firewall },
	{ "tunnel", make_tunnel, drop_tunnel },
	{ "forwarding", make_forwarding, drop_forwarding },
	{ "names", make_names, drop_names },
};

/* Opened twice a lock would wait for itself. */
static struct { int fd; unsigned depth; } turn = { .fd = -1 };

void net_host_enter(struct net_turn *t)
{
	t->ours = true;
	if (turn.depth++)
		return;
	turn.fd = open("/proc/sys/net/ipv4/route/flush", O_WRONLY | O_CLOEXEC);
	if (turn.fd >= 0 && TEMP_FAILURE_RETRY(flock(turn.fd, LOCK_EX)) < 0)
		log_debug("no order among homes: flock of a switch of the network namespace failed");
}

void net_host_leave(struct net_turn *t)
{
	if (t->ours && --turn.depth == 0)
		drop_fd(&turn.fd);
	t->ours = false;
}

int net_bring_up(const struct net_home *h, int dirfd, struct net_file *f, int *bridge_index)
{
	SCOPED(up_free) struct up u = { .h = h, .dir = dirfd, .f = f, .fresh = !f->d.version };
	SCOPED(net_host_leave) struct net_turn turns = { 0 };

	net_host_enter(&turns);
	TRY(nlq_open(&u.q, NETLINK_ROUTE));
	TRY(net_routes(&u.routes, &u.nroutes));
	TRY(steps_run(up_steps, COUNT(up_steps), &u, NULL));
	net_others_keep(dirfd, &u.others);
	*bridge_index = u.link.index;
	return 0;
}
