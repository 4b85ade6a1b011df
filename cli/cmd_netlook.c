#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/out.h"
#include "netns/network.h"

#include <stdio.h>
#include <string.h>

/* Looking at networks: ls, show, check. */

struct networks { struct table *t; struct jout *o; };

static int ls_json(struct jout *o, const struct network_info *i)
{
	jout_open(o, NULL, '{');
	jout_str(o, "name", i->name);
	if (i->damaged) {
		jout_str(o, "damaged", i->damaged);
	} else {
		jout_str(o, "mode", i->mode);
		jout_str(o, "bridge", i->bridge);
		jout_str(o, "subnet", *i->subnet ? i->subnet : NULL);
		jout_str(o, "subnet6", *i->subnet6 ? i->subnet6 : NULL);
		jout_u64(o, "leases", i->leases);
	}
	jout_close(o, '}');
	return 0;
}

static int ls_one(void *p, const struct network_info *i)
{
	struct networks *l = p;

	if (l->o)
		return ls_json(l->o, i);
	table_str(l->t, i->name);
	table_str(l->t, i->damaged ? "damaged" : i->mode);
	table_str(l->t, i->damaged ? "-" : i->bridge);
	table_str(l->t, *i->subnet ? i->subnet : "-");
	table_str(l->t, *i->subnet6 ? i->subnet6 : "-");
	table_cell(l->t, i->damaged ? "-" : "%zu", i->leases);
	return 0;
}

int net_ls_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "NAME", "MODE", "BRIDGE", "SUBNET", "SUBNET6", "LEASES", NULL };
	auto_table struct table t = { .head = head };
	struct networks l = { .t = &t };
	auto_buf struct buf b = { 0 };
	struct jout o;

	(void)args;
	(void)argc;
	(void)argv;
	if (!g->json) {
		TRY(network_list(g->home, ls_one, &l));
		return table_print(&t);
	}
	out_open(&o, &b);
	jout_open(&o, "networks", '[');
	l.o = &o;
	TRY(network_list(g->home, ls_one, &l));
	jout_close(&o, ']');
	return out_close(&o);
}

/* ---- check ---------------------------------------------------------------------------------------- */

struct differences { struct jout *o; size_t n; };

static int tell_difference(void *p, const struct network_difference *d)
{
	struct differences *x = p;

	x->n++;
	if (!x->o) {
		printf("%s%s%s%s%s\n", d->network ? d->network : "", d->network ? ": " : "", d->what,
		       *d->try ? "; try: " : "", d->try);
		return 0;
	}
	jout_open(x->o, NULL, '{');
	jout_str(x->o, "network", d->network);
	jout_str(x->o, "what", d->what);
	if (*d->try)
		jout_str(x->o, "try", d->try);
	jout_close(x->o, '}');
	return 0;
}

static void drop_json(void *p, const char *reason, uint64_t packets) { jout_u64(p, reason, packets); }

static void drop_text(void *p, const char *reason, uint64_t packets)
{
	struct buf *b = p;

	if (packets)
		buf_printf(b, "%s%s %ju", b->n ? ", " : "", reason, (uintmax_t)packets);
}

int net_check_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_buf struct buf b = { 0 };
	struct differences x = { 0 };
	struct jout o;
	int n;

	(void)args;
	if (g->json) {
		out_open(&o, &b);
		jout_open(&o, "differences", '[');
		x.o = &o;
	}
	n = network_check(g->home, argc ? argv[0] : NULL, tell_difference, &x);
	TRY(n);
	if (g->json) {
		jout_close(&o, ']');
		jout_i64(&o, "networks", n);
		jout_open(&o, "drops", '{');
		TRY(network_drops(g->home, drop_json, &o));
		jout_close(&o, '}');
		TRY(out_close(&o));
	} else if (!x.n) {
		printf("%d network%s %s as defined\n", n, n == 1 ? "" : "s", n == 1 ? "is" : "are");
	}
	return x.n ? ERR_OTHER : 0;
}

/* ---- show ----------------------------------------------------------------------------------------- */

struct users { struct table *t; struct jout *o; };

static int show_user(void *p, const struct network_user *u)
{
	struct users *s = p;

	if (!s->o) {
		table_str(s->t, u->owner);
		table_cell(s->t, "%u", u->index);
		table_str(s->t, u->ip ? u->ip : "-");
		table_str(s->t, u->ip6 ? u->ip6 : "-");
		table_str(s->t, u->mac);
		table_str(s->t, u->link);
		return 0;
	}
	jout_open(s->o, NULL, '{');
	jout_str(s->o, "guest", u->owner);
	jout_u64(s->o, "index", u->index);
	if (u->ip)
		jout_str(s->o, "ip", u->ip);
	if (u->ip6)
		jout_str(s->o, "ip6", u->ip6);
	jout_str(s->o, "mac", u->mac);
	jout_str(s->o, "link", u->link);
	jout_close(s->o, '}');
	return 0;
}

static int show_json(const struct cli *g, const struct net_def *d)
{
	auto_buf struct buf b = { 0 };
	struct differences x = { 0 };
	struct users users = { 0 };
	struct jout o;

	out_open(&o, &b);
	x.o = users.o = &o;
	net_def_encode(d, &o, "network");
	jout_open(&o, "differences", '[');
	TRY(network_check(g->home, d->name, tell_difference, &x));
	jout_close(&o, ']');
	jout_open(&o, "users", '[');
	TRY(network_users(g->home, d->name, show_user, &users));
	jout_close(&o, ']');
	jout_open(&o, "drops", '{');
	TRY(network_drops(g->home, drop_json, &o));
	jout_close(&o, '}');
	return out_close(&o);
}

static void line(const char *label, const char *text)
{
	if (text && *text)
		printf("%-9s %s\n", label, text);
}

static void show_allowed(const struct net_def *d)
{
	if (!d->allow.n && (d->mode == NET_NAT || d->mode == NET_ROUTED))
		line("allow", "nobody: closed to other networks and to the outside");
	LIST_EACH(const struct net_allow, w, d->allow)
		printf("%-9s %s%s%s%s%s\n", "allow", w->from, w->port ? " port " : "", w->port ? w->port : "",
		       w->port ? "/" : "", w->port ? name_of(net_protos, w->proto) : "");
}

static void show_definition(const struct net_def *d)
{
	line("name", d->name);
	line("mode", name_of(net_modes, d->mode));
	line("bridge", d->bridge);
	line("subnet", d->subnet);
	line("subnet6", d->subnet6);
	line("gateway", d->gateway);
	line("gateway6", d->gateway6);
	line("pool", d->pool);
	printf("%-9s %u\n", "mtu", d->mtu ? d->mtu : 1500);
	line("dns", d->dns ? "on" : "off");
	if (d->isolate_ports)
		line("ports", "isolated from each other");
	if (d->shortcut.set)
		line("shortcut", d->shortcut.v ? "on" : "off");
	if (d->vlan)
		printf("%-9s %u\n", "vlan", d->vlan);
	if (d->vxlan) {
		printf("%-9s VNI %u, port %u, peers", "vxlan", d->vxlan->vni, d->vxlan->port);
		for (size_t i = 0; i < d->vxlan->peers.n; i++)
			printf(" %s", d->vxlan->peers.v[i]);
		printf("%s%s\n", d->vxlan->local ? ", from " : "", d->vxlan->local ? d->vxlan->local : "");
	}
	show_allowed(d);
}

int net_show_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "GUEST", "NIC", "ADDRESS", "ADDRESS6", "MAC", "LINK", NULL };
	auto_table struct table t = { .head = head };
	struct users users = { .t = &t };
	auto_net_file struct net_file f = { 0 };
	auto_buf struct buf drops = { 0 };
	struct differences x = { 0 };

	(void)args;
	(void)argc;
	TRY(network_load(g->home, argv[0], &f));
	if (g->json)
		return show_json(g, &f.d);
	show_definition(&f.d);
	TRY(network_drops(g->home, drop_text, &drops));
	line("dropped", buf_text(&drops));
	TRY(network_users(g->home, f.d.name, show_user, &users));
	if (t.n) {
		puts("");
		TRY(table_print(&t));
	}
	puts("");
	TRY(network_check(g->home, f.d.name, tell_difference, &x));
	if (!x.n)
		puts("The kernel has it as defined.");
	return 0;
}
