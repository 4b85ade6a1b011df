#include "cli/cmd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/scope.h"
#include "cli/out.h"
#include "netns/dns.h"
#include "netns/network.h"

#include <stdio.h>
#include <string.h>

/* Networks: made, opened to each other, mended, taken away. cmd_netlook.c looks at them. */

struct create_args {
	const char *subnet, *subnet6, *mode, *bridge, *pool, *local;
	struct strv gateways, peers;
	struct opt_i64 mtu, vlan, vni, port;
	struct opt_bool dns, shortcut;
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
	OBOOL(struct create_args, 0, "dns", dns,
	      "names and DHCP for the guests, by dnsmasq (default: where it is installed)"),
	OFLAG(struct create_args, 0, "isolate-ports", isolate, "guests of the network do not reach each other"),
	OBOOL(struct create_args, 0, "shortcut", shortcut,
	      "what guests say to each other goes past the bridge, where the kernel can (default: on)"),
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
		.vlan = (uint32_t)a->vlan.v, .dns = a->dns.v, .isolate_ports = a->isolate, .shortcut = a->shortcut,
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

/* Where nobody said whether there should be names, that they cannot be is no reason to refuse the network. */
static int create(const char *home, struct net_def *d, bool said, struct net_file *made)
{
	char program[PATH_MAX];
	struct err_saved why;
	int r;

	if (!said)
		d->dns = d->mode != NET_BRIDGE && net_dns_program(program) == 0;
	err_clear();
	r = network_create(home, d, made);
	if (r >= 0 || said || !d->dns)
		return r;
	err_save(&why);
	d->dns = false;
	r = network_create(home, d, made);
	if (r >= 0)
		log_warn("network %s has no names: %s", d->name, why.text);
	return r;
}

static int create_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_net_file struct net_file made = { 0 };
	auto_buf struct buf b = { 0 };
	struct net_vxlan v;
	struct net_def d;
	struct jout o;
	sigset_t old;
	int r;

	(void)argc;
	TRY(wish_of(args, argv[0], &d, &v));
	/* It is short, and ^C would leave half of it. */
	proc_hold_signals(&old);
	r = create(g->home, &d, ((struct create_args *)args)->dns.set, &made);
	proc_let_signals(&old);
	TRY(r);
	if (!g->json)
		return told(&made.d);
	out_open(&o, &b);
	net_def_encode(&made.d, &o, "network");
	return out_close(&o);
}

static int rm_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_buf struct buf b = { 0 };
	struct jout o;

	(void)args;
	for (int i = 0; i < argc; i++) {
		TRY(network_remove(g->home, argv[i]));
		if (!g->json)
			printf("%s removed\n", argv[i]);
	}
	if (!g->json)
		return 0;
	out_open(&o, &b);
	jout_open(&o, "removed", '[');
	for (int i = 0; i < argc; i++)
		jout_str(&o, NULL, argv[i]);
	jout_close(&o, ']');
	return out_close(&o);
}

struct allow_args { const char *port; };
static const struct opt allow_opts[] = {
	OSTR(struct allow_args, 'p', "port", "P[-Q][/udp]", port,
	     "only these ports (default: all, of every protocol)"),
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

	if (str_eq(argv[0], argv[1]))
		return fail_as(ERR_USAGE, "FROM and TO are the same network");
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

struct mended { struct jout *o; size_t n; };

static int tell_mended(void *p, const struct network_difference *d)
{
	struct mended *m = p;
	const char *try = d->mendable ? "" : d->try;

	m->n++;
	if (m->o) {
		jout_open(m->o, NULL, '{');
		jout_str(m->o, "network", d->network);
		jout_str(m->o, "what", d->what);
		jout_close(m->o, '}');
	} else {
		printf("%s%s%s%s%s\n", d->network ? d->network : "", d->network ? ": " : "", d->what,
		       *try ? "; try: " : "", try);
	}
	return 0;
}

static int apply_run(struct cli *g, void *args, int argc, char **argv)
{
	auto_buf struct buf b = { 0 };
	struct mended m = { 0 };
	struct jout o;
	int n;

	(void)args;
	if (g->json) {
		out_open(&o, &b);
		jout_open(&o, "found", '[');
		m.o = &o;
	}
	n = network_apply(g->home, argc ? argv[0] : NULL, tell_mended, &m);
	TRY(n);
	if (!g->json) {
		printf("%d network%s %s as defined\n", n, n == 1 ? "" : "s", n == 1 ? "is" : "are");
		return 0;
	}
	jout_close(&o, ']');
	jout_i64(&o, "networks", n);
	return out_close(&o);
}

static const struct cmd network_cmds[] = {
	{ "create", "[OPTION...] NAME", "make a network, closed to all others", 1, 1, create_opts,
	  sizeof(struct create_args), create_run },
	{ "ls", "", "list networks", 0, 0, .run = net_ls_run },
	{ "show", "NETWORK", "what a network is, how it stands, who uses it", 1, 1, .run = net_show_run },
	{ "rm", "NETWORK...", "remove networks that nobody uses", 1, -1, .run = rm_run },
	{ "allow", "[OPTION...] FROM TO", "let FROM open connections into TO", 2, 2, allow_opts,
	  sizeof(struct allow_args), allow_run,
	  .about = "FROM is a network, or \"outside\". Answers come back by themselves; TO is not let into FROM." },
	{ "deny", "[OPTION...] FROM TO", "take back what allow gave", 2, 2, allow_opts, sizeof(struct allow_args),
	  deny_run,
	  .about = "Of what was allowed, exactly what FROM, TO and --port name. Connections that it had let in end." },
	{ "check", "[NETWORK]", "compare networks with what the kernel has", 0, 1, .run = net_check_run,
	  .about = "One line for each difference, with what to try; the exit status is 1 when there is one." },
	{ "apply", "[NETWORK]", "make the kernel have what the networks say", 0, 1, .run = apply_run,
	  .about = "After somebody flushed a ruleset, deleted a bridge, or edited a network's file. "
		   "What passes meanwhile is not cut." },
	{ "why", "[OPTION...] FROM TO[:PORT[/udp]]", "would a packet pass, and what stops it", 2, 2, network_why_opts,
	  sizeof(struct network_why_args), network_why_run,
	  .about = "FROM is a guest, \"host\", or \"outside\": a link of the host's that belongs to no network. TO is a "
		   "guest, an address, or \"host\": a guest's gateway. Without a port an echo is sent, with one the first packet "
		   "of a connection, which no program at the other end hears of, or an empty datagram.\n\n"
		   "The packet is real, and nftables' trace of it tells which rule decided, whosever it is. The exit status is 0 "
		   "when it passes and 1 when it does not." },
	{ 0 }
};

const struct cmd net_cmds[] = {
	{ "network", "COMMAND ...", "networks: segments for guests", .sub = network_cmds },
	{ "nic", "add|rm|ls ...", "network interfaces of a guest", .sub = nic_cmds },
	{ "port", "add|rm|ls ...", "ports of guests on the host's own addresses", .sub = port_cmds },
	{ "fw", "allow|deny|rm|ls ...", "the firewall of a guest", .sub = fw_cmds },
	{ 0 }
};
