/* Runs vzrun-net, which has the library that is too heavy for every start. */
#include "base/helper.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/firewall.h"
#include "netns/kernel.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <string.h>

enum { TIMEOUT_MS = 30000 };

struct gather { struct arena a; struct list nets; const char *without; };

static void gather_free(struct gather *g) { arena_free(&g->a); }

static const char *gateway(struct arena *a, const struct net_subnet *s)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char addr[16];

	if (!s->family)
		return NULL;
	net_subnet_at(s, NET_GATEWAY, addr);
	return arena_strdup(a, inet_ntop(s->family, addr, text, sizeof text));
}

static int take(void *ctx, struct net_file *f)
{
	struct gather *g = ctx;
	const struct net_def *d = &f->d;
	struct fw_net *v;
	char mark[17];

	if (g->without && str_eq(d->name, g->without))
		return 0;
	v = arena_alloc(&g->a, g->nets.n + 1, sizeof *v);
	if (!v)
		return fail(ENOMEM, "firewall: out of memory");
	if (g->nets.n)
		memcpy(v, g->nets.v, g->nets.n * sizeof *v);
	net_fw_mark(d, mark);
	v[g->nets.n] = (struct fw_net){
		.name = arena_strdup(&g->a, d->name), .bridge = arena_strdup(&g->a, d->bridge),
		.mark = arena_strdup(&g->a, mark),
		.subnet = d->subnet ? arena_strdup(&g->a, d->subnet) : NULL,
		.subnet6 = d->subnet6 ? arena_strdup(&g->a, d->subnet6) : NULL,
		.gateway = gateway(&g->a, &d->v4), .gateway6 = gateway(&g->a, &d->v6),
		.nat = d->mode == NET_NAT, .outward = d->mode != NET_ISOLATED,
	};
	g->nets = (struct list){ v, g->nets.n + 1 };
	return 0;
}

int net_fw_apply(const struct net_home *h, int dirfd, int action, const char *without)
{
	SCOPED(gather_free) struct gather g = { .without = without };
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	struct fw_req req = { .table = h->table, .action = action };

	TRY(net_def_each(dirfd, take, &g));
	req.nets = g.nets;
	if (!g.nets.n)
		req.action = FW_REMOVE;
	bind_encode(&o, NULL, &fw_req_record, &req);
	if (b.oom)
		return fail(ENOMEM, "firewall: out of memory");
	log_debug("firewall: %s table %s", name_of(fw_actions, req.action), h->table);
	auto_buf struct buf out = { 0 };
	return helper_run(&(struct helper_call){ .name = "vzrun-net", .verb = "apply", .what = "firewall",
						 .in = b.p, .in_n = b.n, .out = &out, .timeout_ms = TIMEOUT_MS });
}
