#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/out.h"
#include "netns/network.h"

#include <stdio.h>
#include <string.h>

/* Networks: made, listed, opened to each other, taken away. */

struct create_args {
	const char *subnet, *subnet6, *mode, *bridge, *pool, *local;
	struct strv gateways, peers;
	struct opt_i64 mtu, vlan, vni, port;
	struct opt_bool dns;
	bool isolate;
};
static const struct opt create_opts[] = {
	OCHOICE(struct create_args, 0, "mode", "nat|routed|isolated|bridge", mode,
		"nat: out under the host's address (default); routed: out under their own, no segment in common; "
		"isolated: leads nowhere; bridge: on an existing bridge of yours"),
	OSTR(struct create_args, 0, "subnet", "A/M|none", subnet, "IPv4 subnet (default: a free one)"),
	OSTR(struct create_args, 0, "subnet6", "A/M|none", subnet6, "IPv6 subnet (default: a free one)"),
	OSTR(struct create_args, 0, "pool", "A-B", pool, "what is leased by itself (default: all of the subnet)"),
	OINT(struct create_args, 0, "mtu", "N", mtu, 1280, 65535,
	     "largest packet (default: 1500; with --vxlan what the way to the peers takes)"),
	OBOOL(struct create_args, 0, "dns", dns, "names and DHCP for the guests, by dnsmasq (default: no)"),
	OFLAG(struct create_args, 0, "isolate-ports", isolate, "guests of the network do not reach each other"),
	OSTR(struct create_args, 0, "bridge", "NAME", bridge, "mode bridge: the existing bridge"),
	OSTRV(struct create_args, 0, "gateway", "A", gateways, "mode bridge: the guests' router; once per family"),
	OINT(struct create_args, 0, "vlan", "N", vlan, 1, 4094, "mode bridge: the guests' ports are in this VLAN"),
	OINT(struct create_args, 0, "vxlan", "VNI", vni, 1, 16777215, "the segment goes on at other hosts"),
	OSTRV(struct create_args, 0, "peer", "A", peers, "address of another host; repeatable"),
	OSTR(struct create_args, 0, "local", "A", local, "this host's address for its peers (default: by route)"),
	OINT(struct create_args, 0, "vxlan-port", "N", port, 1, 65535, "UDP port of the tunnels (default: 4789)"),
	{ 0 }
};

static int mode_of(const char *word)
{
	const struct name *m = net_modes;

	while (!str_eq(m->text, word))
		m++;
	return m->value;
}

static const char *subnet_word(const char *s) { return s && str_eq(s, "none") ? "" : s; }

static int gateways_of(const struct create_args *a, struct net_def *d)
{
	for (size_t i = 0; i < a->gateways.n; i++) {
		const char *g = a->gateways.v[i], **at = strchr(g, ':') ? &d->gateway6 : &d->gateway;

		if (*at)
			return fail_as(ERR_USAGE, "--gateway: %s and %s are of one family", *at, g);
		*at = g;
	}
	return 0;
}

static int wish_of(const struct create_args *a, const char *name, struct net_def *d, struct net_vxlan *v)
{
	*d = (struct net_def){
		.name = name, .bridge = a->bridge, .subnet = subnet_word(a->subnet),
		.subnet6 = subnet_word(a->subnet6), .pool = a->pool, .mtu = (uint32_t)a->mtu.v,
		.vlan = (uint32_t)a->vlan.v, .dns = a->dns.v, .isolate_ports = a->isolate,
		.mode = a->mode ? mode_of(a->mode) : a->bridge ? NET_BRIDGE : NET_NAT,
	};
	TRY(gateways_of(a, d));
	if (!a->vni.set) {
		if (a->peers.n || a->local || a->port.set)
			return fail_as(ERR_USAGE, "--%s: only with --vxlan",
				       a->peers.n ? "peer" : a->local ? "local" : "vxlan-port");
		return 0;
	}
	*v = (struct net_vxlan){ .vni = (uint32_t)a->vni.v, .local = a->local, .peers = a->peers,
				 .port = a->port.set ? (uint32_t)a->port.v : NET_VXLAN_PORT };
	d->vxlan = v;
	return 0;
}

static int told(const struct net_def *d)
{
	printf("%s created: mode %s, bridge %s", d->name, name_of(net_modes, d->mode), d->bridge);
	if (d->subnet)
		printf(", %s", d->subnet);
	if (d->subnet6)
		printf(", %s", d->subnet6);
	if (d->vxlan)
		printf(", mtu %u", d->mtu);
	puts(d->mode == NET_BRIDGE ? "" : "; closed to other networks and to the outside");
	return 0;
}

static int create_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_net_file struct net_file made = { 0 };
	auto_buf struct buf b = { 0 };
	struct net_vxlan v;
	struct net_def d;
	struct jout o;

	(void)argc;
	TRY(wish_of(args, argv[0], &d, &v));
	TRY(network_create(g->home, &d, &made));
	if (!g->json)
		return told(&made.d);
	out_open(&o, &b);
	net_def_encode(&made.d, &o, "network");
	return out_close(&o);
}

static int rm_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)args;
	for (int i = 0; i < argc; i++)
		TRY(network_remove(g->home, argv[i]));
	return 0;
}

struct allow_args { const char *port; };
static const struct opt allow_opts[] = {
	OSTR(struct allow_args, 'p', "port", "P[-Q][/udp]", port, "only these ports (default: all, of every protocol)"),
	{ 0 }
};

/* "80", "8000-8010/udp"; port gets the part before the slash. */
static int allow_port(const char *text, char port[16], struct net_allow *w)
{
	size_t n = strcspn(text, "/");
	const char *proto = text[n] ? text + n + 1 : "tcp";

	if (n < 16) {
		memcpy(port, text, n);
		port[n] = '\0';
	}
	if (n >= 16 || net_port_range(port, &w->first, &w->last) < 0)
		return fail_as(ERR_USAGE, "--port: \"%s\" is not a port, nor FIRST-LAST (1 to 65535)", text);
	for (const struct name *p = net_protos; p->text; p++)
		if (str_eq(p->text, proto))
			w->proto = p->value;
	if (!w->proto)
		return fail_as(ERR_USAGE, "--port: \"%s\": the protocol is tcp or udp", text);
	w->port = port;
	return 0;
}

static int allow_or_deny(struct cli *g, const struct allow_args *a, char **argv, bool on)
{
	struct net_allow w = { .from = argv[0] };
	auto_buf struct buf b = { 0 };
	struct jout o;
	char port[16];
	int r;

	if (a->port)
		TRY(allow_port(a->port, port, &w));
	r = network_allow(g->home, argv[1], &w, on);
	if (r < 0 || !g->json)
		return r < 0 ? r : 0;
	out_open(&o, &b);
	jout_str(&o, "network", argv[1]);
	jout_bool(&o, "changed", r > 0);
	return out_close(&o);
}

static int allow_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)argc;
	return allow_or_deny(g, args, argv, true);
}

static int deny_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)argc;
	return allow_or_deny(g, args, argv, false);
}

struct networks { struct table t; struct jout *o; };

static int ls_one(void *p, const struct network_info *i)
{
	struct networks *l = p;

	if (l->o) {
		jout_open(l->o, NULL, '{');
		jout_str(l->o, "name", i->name);
		jout_str(l->o, "mode", i->mode);
		jout_str(l->o, "bridge", i->bridge);
		jout_str(l->o, "subnet", i->subnet);
		jout_str(l->o, "subnet6", i->subnet6);
		jout_u64(l->o, "leases", i->leases);
		jout_close(l->o, '}');
		return 0;
	}
	table_cell(&l->t, "%s", i->name);
	table_cell(&l->t, "%s", i->mode);
	table_cell(&l->t, "%s", i->bridge);
	table_cell(&l->t, "%s", *i->subnet ? i->subnet : "-");
	table_cell(&l->t, "%s", *i->subnet6 ? i->subnet6 : "-");
	table_cell(&l->t, "%zu", i->leases);
	return 0;
}

static int ls_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "NAME", "MODE", "BRIDGE", "SUBNET", "SUBNET6", "LEASES", NULL };
	struct networks l = { .t = { .head = head } };
	auto_buf struct buf b = { 0 };
	struct jout o;

	(void)args;
	(void)argc;
	(void)argv;
	if (!g->json) {
		TRY(network_list(g->home, ls_one, &l));
		return table_print(&l.t);
	}
	out_open(&o, &b);
	jout_open(&o, "networks", '[');
	l.o = &o;
	TRY(network_list(g->home, ls_one, &l));
	jout_close(&o, ']');
	return out_close(&o);
}

static const struct cmd network_cmds[] = {
	{ "create", "[OPTION...] NAME", "make a network, closed to all others", 1, 1, create_opts,
	  sizeof(struct create_args), create_run },
	{ "ls", "", "list networks", 0, 0, .run = ls_run },
	{ "rm", "NAME...", "remove networks that nobody uses", 1, -1, .run = rm_run },
	{ "allow", "[OPTION...] FROM TO", "let FROM open connections into TO", 2, 2, allow_opts,
	  sizeof(struct allow_args), allow_run,
	  .about = "FROM is a network, or \"outside\". Answers come back by themselves; TO is not let into FROM." },
	{ "deny", "[OPTION...] FROM TO", "take back what allow gave", 2, 2, allow_opts, sizeof(struct allow_args),
	  deny_run,
	  .about = "Of what was allowed, exactly what FROM, TO and --port name. Connections that stand go on." },
	{ 0 }
};

const struct cmd net_cmds[] = {
	{ "network", "COMMAND ...", "networks: segments for guests", .sub = network_cmds },
	{ 0 }
};
