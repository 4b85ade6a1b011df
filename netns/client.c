/* Runs vzrun-net, which has the library that is too heavy for every start. */
#include "base/helper.h"
#include "base/log.h"
#include "base/proc.h"
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

static int run(const char *request, size_t n)
{
	const char *argv[] = { "vzrun-net", "apply", NULL };
	auto_buf struct buf err = { 0 }, out = { 0 };
	struct proc_req req = { .argv = argv, .in = request, .in_n = n, .out = &out, .err = &err,
				.timeout_ms = TIMEOUT_MS };
	char path[PATH_MAX];
	int status, r;

	TRY_IN(helper_find("vzrun-net", path), "firewall");
	req.path = path;
	r = proc_run(&req, &status);
	if (r == -ENOENT || r == -EACCES) {
		r = fail_as(ERR_UNSUPPORTED, "firewall: cannot run %s: %s", path, strerrordesc_np(-r));
		err_try("install vzrun-net there, or set VZRUN_LIBEXEC to its directory");
		return r;
	}
	if (r < 0)
		return fail_in(r, "firewall");
	if (status == 0)
		return 0;
	const char *says = buf_text(&err);
	if (str_starts(says, "vzrun-net: "))
		says += strlen("vzrun-net: ");
	if (status >= 128)
		return fail_as(ERR_OTHER, "firewall: %s was killed by signal %d", path, status - 128);
	return fail_as(status > 0 && status <= ERR_PARTIAL ? (enum err_class)status : ERR_OTHER,
		       "firewall: %.*s", *says ? (int)strcspn(says, "\n") : 64,
		       *says ? says : "vzrun-net failed and said nothing");
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
	return run(b.p, b.n);
}
