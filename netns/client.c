/* vzrun's tables in nftables: made and replaced by vzrun-net, which has the library; changed here. */
#include "base/fault.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/bridge.h"
#include "netns/elements.h"
#include "netns/firewall.h"
#include "netns/guard.h"
#include "netns/kernel.h"
#include "netns/net.h"
#include "netns/onlink.h"
#include "netns/others.h"
#include "netns/portmap.h"
#include "netns/shortcut.h"
#include "netns/vxlan.h"

#include <string.h>

/* ---- the request ------------------------------------------------------------------------------------- */

static void hex(struct buf *b, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%02x", p[i]);
}

static void element_text(struct buf *b, const struct nft_elem *e)
{
	static const char *const verdicts[] = { [NFT_V_ACCEPT] = "accept", [NFT_V_DROP] = "drop", [NFT_V_JUMP] = "jump:",
						[NFT_V_GOTO] = "goto:" };

	buf_printf(b, "%s ", fw_sets[e->set].name);
	hex(b, e->key, e->n_key);
	if (e->range)
		buf_puts(b, "-");
	hex(b, e->end, e->range ? e->n_key : 0);
	buf_puts(b, " ");
	if (e->verdict)
		buf_printf(b, "%s%s", verdicts[e->verdict], e->chain);
	else if (e->n_data)
		hex(b, e->data, e->n_data);
	else
		buf_puts(b, "-");
	if (e->over)
		buf_printf(b, " %llu/%u", (unsigned long long)e->over, e->burst);
	else
		buf_puts(b, " -");
	if (e->comment[0])
		buf_printf(b, " %s", e->comment);
}

struct gather {
	const struct net_home *h;
	struct net_defs defs;
	const char *without;
	struct nft_list all;
	size_t networks;
	struct arena a;
	struct list guards;
};

static void gather_free(struct gather *g)
{
	nft_list_free(&g->all);
	net_defs_free(&g->defs);
	free(g->guards.v);
	arena_free(&g->a);
}

/*
 * What a file does not say is closed: nothing leads to the bridge or from it, nothing comes by the tunnel. The others
 * need not wait until it is set right.
 */
static int shut(struct gather *g, const char *network)
{
	auto_nlq struct nlq q = { 0 };
	char bridge[IFNAMSIZ];
	int r;

	log_warn("network %s is closed until its file is set right: %s", network, err_text());
	err_clear();
	TRY(nlq_open(&q, NETLINK_ROUTE));
	r = net_bridge_look(&q, g->h, network, bridge);
	if (r > 0)
		nft_add(&g->all, FW_BRIDGES, bridge);
	return r < 0 ? r : net_tunnel_drop(&q, g->h, network);
}

static int take_network(void *ctx, const char *name)
{
	auto_net_file struct net_file f = { 0 };
	struct gather *g = ctx;
	int r;

	if (g->without && str_eq(name, g->without))
		return 0;
	r = net_def_load(g->defs.dir, name, &f);
	/* -ENOENT: removed since it was listed. */
	g->networks += r != -ENOENT;
	if (r < 0)
		return r == -ENOENT ? 0 : shut(g, name);
	if (g->without)
		(void)net_def_forget(&f.d, g->without);
	net_elements_of_network(g->h, &f.d, &g->all);
	net_elements_of_allows(&f.d, NULL, &g->defs, &g->all);
	return 0;
}

static int take_owner(void *ctx, struct net_held *h)
{
	struct gather *g = ctx;

	net_elements_of_owner(g->h, &h->r, &g->defs, &g->all);
	return h->r.firewall.n ? net_guard_request(&g->a, g->h, &h->r, &g->guards) : 0;
}

static int by_place(const void *a, const void *b)
{
	const struct nft_elem *x = a, *y = b;
	int key;

	if (x->set != y->set || x->range != y->range)
		return x->set != y->set ? x->set - y->set : y->range - x->range;
	key = memcmp(x->key, y->key, sizeof x->key);
	return key ? key : memcmp(y->end, x->end, sizeof x->end);
}

/*
 * A set takes no range within another, and without it the others would have no rules: two files that say one subnet are
 * refused where the second comes up.
 */
static void leave_out_covered(struct nft_list *l)
{
	size_t k = 0;

	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, by_place);
	for (size_t i = 0; i < l->n; i++)
		if (!k || !l->v[i].range || !l->v[k - 1].range || l->v[i].set != l->v[k - 1].set ||
		    memcmp(l->v[i].end, l->v[k - 1].end, sizeof l->v[i].end) > 0)
			l->v[k++] = l->v[i];
	l->n = k;
}

static int encode(const struct fw_req *wish, const struct nft_list *all, struct buf *out)
{
	auto_free const char **lines = calloc(all->n + 1, sizeof *lines);
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = out };
	struct fw_req req = *wish;
	size_t at = 0;

	for (size_t i = 0; i < all->n; i++) {
		element_text(&b, &all->v[i]);
		buf_add(&b, "", 1);
	}
	if (!lines || all->oom || b.oom)
		return fail(ENOMEM, "firewall: out of memory");
	for (size_t i = 0; i < all->n; i++) {
		lines[i] = b.p + at;
		at += strlen(b.p + at) + 1;
	}
	req.elements = (struct strv){ lines, all->n };
	bind_encode(&o, NULL, &fw_req_record, &req);
	return out->oom ? fail(ENOMEM, "firewall: out of memory") : 0;
}

int net_fw_apply(const struct net_home *h, int dirfd, int action, const char *without)
{
	SCOPED(gather_free) struct gather g = { .h = h, .defs = { .dir = dirfd }, .without = without };
	auto_buf struct buf in = { 0 }, out = { 0 };
	struct fw_req req = { .table = h->table, .action = action };

	TRY(net_def_each_name(dirfd, take_network, &g));
	if (!g.networks)
		req.action = FW_REMOVE;
	else
		TRY(net_record_each(dirfd, take_owner, &g));
	req.guards = g.guards;
	leave_out_covered(&g.all);
	TRY(encode(&req, &g.all, &in));
	log_debug("firewall: %s tables %s, %zu elements", name_of(fw_actions, req.action), h->table, g.all.n);
	/* First: who is killed, or fails, between the two leaves none that the new elements know nothing of. */
	TRY(net_shortcut_remove(h));
	TRY(helper_run(&(struct helper_call){ .name = "vzrun-net", .verb = "apply", .what = "firewall", .in = in.p,
					      .in_n = in.n, .out = &out, .timeout_ms = NET_HELPER_MS }));
	if (req.action != FW_REMOVE) {
		TRY(fault_point("shortcuts"));
		TRY(net_shortcut_rebuild(h, dirfd));
		return net_ports_reopen(h, dirfd);
	}
	net_onlink_forget(dirfd);
	net_others_forget(dirfd);
	return 0;
}

int net_fw_replace(const struct net_home *h, int dirfd) { return net_fw_apply(h, dirfd, FW_REPLACE, NULL); }

/* ---- changes ------------------------------------------------------------------------------------------- */

int net_fw_change(const struct net_home *h, int dirfd, const struct nft_list *was, const struct nft_list *is)
{
	int r = nft_change(h->table, was, is);

	return r == -ENOENT || r == -EEXIST ? net_fw_replace(h, dirfd) : r;
}

int net_fw_follow(const struct net_home *h, int dirfd, const struct net_def *was, const struct net_def *is)
{
	auto_net_defs struct net_defs defs = { .dir = dirfd };
	auto_nft_list struct nft_list a = { 0 }, b = { 0 };

	if (was) {
		net_elements_of_network(h, was, &a);
		net_elements_of_allows(was, NULL, &defs, &a);
	}
	if (is) {
		net_elements_of_network(h, is, &b);
		net_elements_of_allows(is, NULL, &defs, &b);
	}
	return net_fw_change(h, dirfd, &a, &b);
}

struct leave {
	const struct net_home *h;
	struct net_defs defs;
	const struct net_def *d;
	struct nft_list stand, was, is;
	size_t others;
	bool damaged;
};

static void leave_free(struct leave *l)
{
	nft_list_free(&l->stand);
	nft_list_free(&l->was);
	nft_list_free(&l->is);
	net_defs_free(&l->defs);
}

static void all_of(struct leave *l, const struct net_def *d, struct nft_list *out)
{
	net_elements_of_network(l->h, d, out);
	net_elements_of_allows(d, NULL, &l->defs, out);
}

/* What it lets the network do goes with that. */
static int see_other(void *ctx, struct net_file *f)
{
	struct leave *l = ctx;
	size_t before = l->was.n;

	net_elements_of_network(l->h, &f->d, &l->stand);
	if (str_eq(f->d.name, l->d->name))
		return 0;
	l->others++;
	all_of(l, &f->d, &l->was);
	if (net_def_forget(&f->d, l->d->name))
		all_of(l, &f->d, &l->is);
	else
		l->was.n = before;
	return 0;
}

static int see_damaged(void *ctx, const char *name)
{
	struct leave *l = ctx;

	(void)name;
	l->damaged = true;
	return 0;
}

int net_fw_leave(const struct net_home *h, int dirfd, const struct net_def *d)
{
	SCOPED(leave_free) struct leave l = { .h = h, .defs = { .dir = dirfd }, .d = d };
	auto_nft_list struct nft_list stamps = { 0 };
	int r;

	TRY(net_def_each_sound(dirfd, see_other, see_damaged, &l));
	if (!l.others && !l.damaged)
		return net_fw_apply(h, dirfd, FW_REMOVE, d->name);
	all_of(&l, d, &l.was);
	net_stamps(&l.stand, &stamps);
	TRY(r = l.damaged ? 1 : net_fw_check(h->table, &stamps));
	if (r == 0)
		r = nft_change(h->table, &l.was, &l.is);
	/*
	 * Where a file does not say what stands, it is not known which elements let somebody in there, and another network
	 * may come by its bridge's name.
	 */
	return r > 0 || r == -ENOENT || r == -EEXIST ? net_fw_apply(h, dirfd, FW_REPLACE, d->name) : r;
}

struct shared { int dir; const char *owner; struct nft_list *list; };

/* By somebody else there who has a firewall; whose record cannot be read may have one. */
static bool is_shared(const struct shared *s, const char *network, const unsigned char *mac)
{
	auto_net_held struct net_held h = { 0 };
	struct net_holder who;
	char text[18];
	int r;

	net_mac_text(mac, text);
	r = net_index_holder(s->dir, network, text, &who);
	if (r > 0 && !str_eq(who.owner, s->owner))
		r = net_record_load(s->dir, who.owner, &h);
	if (r < 0)
		err_clear();
	return r < 0 ? r != -ENOENT : h.r.firewall.n > 0;
}

static int leave_out_shared(void *ctx, const char *network)
{
	const struct shared *s = ctx;
	struct nft_list *l = s->list;
	size_t k = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].set != FW_FW_MACS || !is_shared(s, network, l->v[i].key))
			l->v[k++] = l->v[i];
	l->n = k;
	return 0;
}

/*
 * On two networks two guests may have one MAC address, of which one element says that its owner has a firewall. (What
 * stays in both lists is left alone, whether it is shared or not.)
 */
static int keep_shared(int dirfd, const char *owner, struct nft_list *was)
{
	for (size_t i = 0; i < was->n; i++)
		if (was->v[i].set == FW_FW_MACS)
			return net_def_each_name(dirfd, leave_out_shared, &(struct shared){ dirfd, owner, was });
	return 0;
}

int net_fw_owner(const struct net_home *h, int dirfd, const struct net_record *was, const struct net_record *is)
{
	auto_net_defs struct net_defs defs = { .dir = dirfd };
	auto_nft_list struct nft_list a = { 0 }, b = { 0 };

	if (was)
		net_elements_of_owner(h, was, &defs, &a);
	if (is)
		net_elements_of_owner(h, is, &defs, &b);
	if (was)
		TRY(keep_shared(dirfd, was->owner, &a));
	size_t gone = a.n, new = b.n;
	TRY(net_shortcut_follow(h, &defs, was, is, &a, &b));
	int r = net_fw_change(h, dirfd, &a, &b);
	if (r >= 0 || (a.n == gone && b.n == new))
		return r;
	/* Whatever it is about: rules do not fail by shortcuts, which go instead. */
	log_debug("without shortcuts: %s", err_text());
	err_clear();
	TRY(net_shortcut_remove(h));
	a.n = gone;
	b.n = new;
	return net_fw_change(h, dirfd, &a, &b);
}
