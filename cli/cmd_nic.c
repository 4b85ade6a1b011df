#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* nic add, rm, ls: the network interfaces of a guest. */

struct add_args { struct guest_nic_req r; };
static const struct opt add_opts[] = {
	OSTR(struct add_args, 0, "network", "NETWORK", r.network, "a port of this network (default: default)"),
	OSTR(struct add_args, 0, "macvlan", "LINK", r.macvlan, "a macvlan on this link of the host's"),
	OSTR(struct add_args, 0, "ipvlan", "LINK", r.ipvlan, "an ipvlan on this link of the host's"),
	OSTR(struct add_args, 0, "physical", "LINK", r.physical, "this link of the host's itself, until the guest stops"),
	OSTR(struct add_args, 0, "name", "NAME", r.name, "its name inside (default: eth and a number)"),
	OSTR(struct add_args, 0, "ip", "ADDRESS[/PREFIX]|auto|none", r.ip, "IPv4 address"),
	OSTR(struct add_args, 0, "ip6", "ADDRESS[/PREFIX]|auto|none", r.ip6, "IPv6 address"),
	OSTR(struct add_args, 0, "mac", "ADDRESS", r.mac, "MAC address (default: derived from the guest's name)"),
	OSTR(struct add_args, 0, "rate", "IN[:OUT][:BURST]", r.rate, "bits a second: 100M, 1G:10M, max"),
	WHEN_OPTS(struct add_args, r),
	{ 0 }
};

static int add_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	struct guest_nic_req *r = &((struct add_args *)args)->r;
	auto_buf struct buf b = { 0 };
	char as[IFNAMSIZ];
	struct jout o;

	(void)argc;
	TRY(guest_check_when(r->only_now, r->only_next));
	TRY(guest_nic_add(&at, argv[0], r, as));
	if (!g->json) {
		printf("%s: %s added\n", argv[0], as);
		return 0;
	}
	out_open(&o, &b);
	jout_str(&o, "name", argv[0]);
	jout_str(&o, "interface", as);
	jout_bool(&o, "saved", !r->only_now);
	return out_close(&o);
}

struct rm_when { bool only_now, only_next; };
struct rm_args { struct rm_when w; };
static const struct opt rm_opts[] = {
	WHEN_OPTS(struct rm_args, w),
	{ 0 }
};

static int rm_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	const struct rm_when *w = &((struct rm_args *)args)->w;
	auto_buf struct buf b = { 0 };
	struct jout o;

	(void)argc;
	TRY(guest_check_when(w->only_now, w->only_next));
	TRY(guest_nic_rm(&at, argv[0], argv[1], w->only_now, w->only_next));
	if (!g->json) {
		printf("%s: %s removed\n", argv[0], argv[1]);
		return 0;
	}
	out_open(&o, &b);
	jout_str(&o, "name", argv[0]);
	jout_str(&o, "interface", argv[1]);
	jout_bool(&o, "saved", !w->only_now);
	return out_close(&o);
}

struct listing { struct table *t; struct jout *o; };

static const char *address(int family, const void *addr, unsigned prefix, char out[64])
{
	static const unsigned char none[16];
	char text[INET6_ADDRSTRLEN];

	if (memcmp(addr, none, family == AF_INET ? 4 : 16) == 0)
		return NULL;
	snprintf(out, 64, "%s/%u", inet_ntop(family, addr, text, sizeof text), prefix);
	return out;
}

static int ls_json(struct jout *o, const struct net_port *p, const char *ip, const char *ip6, const char *mac,
		   const char *rate)
{
	bool network = p->kind <= NET_KIND_NETWORK;

	jout_open(o, NULL, '{');
	jout_str(o, "interface", p->name);
	jout_str(o, "kind", network ? "network" : name_of(net_kinds, p->kind));
	jout_str(o, network ? "network" : "parent", network ? p->network : p->parent);
	jout_str(o, "ip", ip);
	jout_str(o, "ip6", ip6);
	jout_str(o, "mac", mac);
	jout_str(o, "rate", rate);
	if (network)
		jout_str(o, "hostLink", p->host_if);
	jout_close(o, '}');
	return 0;
}

static int ls_one(void *ctx, const struct net_port *p)
{
	static const unsigned char none[6];
	struct listing *l = ctx;
	auto_arena struct arena a = { 0 };
	char ip[64], ip6[64], mac[18];
	const char *i4 = address(AF_INET, &p->ip, p->prefix, ip), *i6 = address(AF_INET6, &p->ip6, p->prefix6, ip6);
	const char *rate = p->rate.in || p->rate.out ? net_rate_text(&a, &p->rate) : NULL;
	bool network = p->kind <= NET_KIND_NETWORK, has_mac = memcmp(p->mac, none, sizeof none) != 0;

	snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2], p->mac[3], p->mac[4],
		 p->mac[5]);
	if (l->o)
		return ls_json(l->o, p, i4, i6, has_mac ? mac : NULL, rate);
	table_cell(l->t, "%s", p->name);
	table_cell(l->t, "%s", network ? "network" : name_of(net_kinds, p->kind));
	table_cell(l->t, "%s", network ? p->network : p->parent);
	table_cell(l->t, "%s%s%s", i4 ? i4 : i6 ? "" : "-", i4 && i6 ? "," : "", i6 ? i6 : "");
	table_cell(l->t, "%s", has_mac ? mac : "-");
	table_cell(l->t, "%s", rate ? rate : "-");
	return 0;
}

static int ls_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "NAME", "KIND", "ON", "ADDRESS", "MAC", "RATE", NULL };
	struct guest_where at = guest_at(g);
	auto_table struct table t = { .head = head };
	struct listing l = { .t = &t };
	auto_buf struct buf b = { 0 };
	struct jout o;

	(void)args;
	(void)argc;
	if (!g->json) {
		TRY(guest_nic_each(&at, argv[0], ls_one, &l));
		return table_print(&t);
	}
	out_open(&o, &b);
	jout_str(&o, "name", argv[0]);
	jout_open(&o, "interfaces", '[');
	l.o = &o;
	TRY(guest_nic_each(&at, argv[0], ls_one, &l));
	jout_close(&o, ']');
	return out_close(&o);
}

const struct cmd nic_cmds[] = {
	{ "add", "[OPTION...] NAME...", "give a guest one more interface, live and saved", 1, 1, add_opts,
	  sizeof(struct add_args), add_run, CMD_EACH },
	{ "rm", "[OPTION...] NAME INTERFACE", "take an interface of a guest's away, live and saved", 2, 2, rm_opts,
	  sizeof(struct rm_args), rm_run, CMD_EACH },
	{ "ls", "NAME...", "the interfaces of a guest", 1, 1, .run = ls_run, .flags = CMD_EACH | CMD_HEADED },
	{ 0 }
};
