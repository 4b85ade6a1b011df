#include "cli/cmd.h"
#include "base/log.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "netns/ports.h"
#include "runtime/guest/ports.h"

#include <stdio.h>
#include <string.h>

/* Published ports, and the firewall of a guest. */

struct port_args { const char *expose; };
static const struct opt port_add_opts[] = {
	OCHOICE(struct port_args, 0, "expose", "host|lan|world", expose,
		"who may reach it: the host itself (default), the subnets that the host is on, everybody"),
	{ 0 }
};

static int port_told(struct cli *g, const char *name, const struct net_publish *p, const char *verb)
{
	auto_buf struct buf b = { 0 };
	char text[128];
	struct jout o;

	net_publish_text(p, !p->guest_port.set, text, sizeof text);
	if (!g->json) {
		printf("%s: %s %s%s%s\n", name, text, verb, p->guest_port.set && *verb == 'p' ? " for " : "",
		       p->guest_port.set && *verb == 'p' ? name_of(net_exposes, p->expose) : "");
		return 0;
	}
	out_open(&o, &b);
	jout_str(&o, "name", name);
	jout_str(&o, "status", verb);
	bind_encode(&o, "port", &net_publish_record, p);
	return out_close(&o);
}

static int port_add_run(struct cli *g, void *args, int argc, char **argv)
{
	const struct port_args *a = args;
	struct guest_where at = guest_at(g);
	char address[INET6_ADDRSTRLEN];
	struct net_publish p;

	(void)argc;
	TRY(net_publish_parse(argv[1], false, &p, address));
	for (const struct name *n = net_exposes; a->expose && n->text; n++)
		if (str_eq(n->text, a->expose))
			p.expose = n->value;
	TRY(guest_port_add(&at, argv[0], &p));
	return port_told(g, argv[0], &p, "published");
}

static int port_rm_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	char address[INET6_ADDRSTRLEN];
	struct net_publish p;

	(void)args;
	(void)argc;
	TRY(net_publish_parse(argv[1], true, &p, address));
	TRY(guest_port_rm(&at, argv[0], &p));
	return port_told(g, argv[0], &p, "removed");
}

static const char *const states[] = {
	[NET_PORT_CLOSED] = "closed", [NET_PORT_HOST_ONLY] = "host only", [NET_PORT_OPEN] = "open",
};

struct port_listing { const struct guest_where *at; struct table *t; struct jout *o; };

static int ports_of(void *ctx, const char *name)
{
	enum net_port_state state[NET_PUBLISH_MAX];
	struct port_listing *l = ctx;
	auto_guest struct guest guest;
	char text[128];
	size_t i = 0;

	TRY(guest_open(l->at, name, false, &guest));
	TRY(net_publish_look(l->at->home, name, &guest.conf.ports, state));
	LIST_EACH(const struct net_publish, p, guest.conf.ports) {
		const char *is = states[state[i++]];

		if (l->o) {
			jout_open(l->o, NULL, '{');
			jout_str(l->o, "name", name);
			jout_str(l->o, "state", is);
			bind_encode(l->o, "port", &net_publish_record, p);
			jout_close(l->o, '}');
			continue;
		}
		net_publish_text(p, false, text, sizeof text);
		table_cell(l->t, "%s", name);
		table_cell(l->t, "%s", text);
		table_cell(l->t, "%s", name_of(net_exposes, p->expose));
		table_cell(l->t, "%s", is);
	}
	return 0;
}

/* Of all: one that is broken does not hide the others. */
static int ports_of_each(void *ctx, const char *name)
{
	if (ports_of(ctx, name) < 0)
		log_warn("%s", err_text());
	err_clear();
	return 0;
}

static int port_ls_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "GUEST", "PORT", "EXPOSE", "STATE", NULL };
	struct guest_where at = guest_at(g);
	auto_table struct table t = { .head = head };
	struct port_listing l = { .at = &at, .t = &t };
	auto_buf struct buf b = { 0 };
	struct jout o;

	(void)args;
	if (g->json) {
		out_open(&o, &b);
		jout_open(&o, "ports", '[');
		l.o = &o;
	}
	for (int i = 0; i < argc; i++)
		TRY(ports_of(&l, argv[i]));
	TRY(argc ? 0 : guest_each(&at, ports_of_each, &l));
	if (!g->json)
		return table_print(&t);
	jout_close(&o, ']');
	return out_close(&o);
}

const struct cmd port_cmds[] = {
	{ "add", "[OPTION...] NAME [HOST:]PORT[-END]:GUESTPORT[-END][/tcp|/udp]", "publish ports of a guest, live and saved",
	  2, 2, port_add_opts, sizeof(struct port_args), port_add_run,
	  .about = "The host itself reaches them by 127.0.0.1 and its own addresses, not by ::1, for which the kernel takes "
		   "no answer from a bridge: a connection to ::1 is refused, and to localhost goes on by 127.0.0.1." },
	{ "rm", "NAME [HOST:]PORT[-END][:GUESTPORT[-END]][/tcp|/udp]", "publish them no more", 2, 2,
	  .run = port_rm_run, .flags = CMD_EACH },
	{ "ls", "[NAME...]", "list published ports", 0, -1, .run = port_ls_run, .flags = CMD_NAMES },
	{ 0 }
};
