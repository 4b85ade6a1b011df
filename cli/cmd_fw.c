#include "cli/cmd.h"
#include "base/scope.h"
#include "cli/cmd_guest.h"
#include "cli/out.h"
#include "runtime/guest/ports.h"

#include <stdio.h>
#include <string.h>

/* The firewall of a guest. */

struct fw_args { const char *from, *to, *proto, *port; struct opt_i64 at; };
static const struct opt fw_opts[] = {
	OSTR(struct fw_args, 0, "from", "A[/M]", from, "who opens the connection (in)"),
	OSTR(struct fw_args, 0, "to", "A[/M]", to, "to whom (out)"),
	OCHOICE(struct fw_args, 0, "proto", "tcp|udp|icmp|any", proto, "protocol (default: any)"),
	OSTR(struct fw_args, 0, "port", "P[-Q]", port, "port, or range of ports, of the destination"),
	OINT(struct fw_args, 0, "at", "N", at, 1, NET_RULES_MAX, "make it rule N (default: the last)"),
	{ 0 }
};

static int value_of(const struct name *names, const char *text)
{
	for (; names->text; names++)
		if (str_eq(names->text, text))
			return names->value;
	return 0;
}

static int told(struct cli *g, const char *name, int position, const char *verb, const struct net_rule *r)
{
	auto_buf struct buf b = { 0 };
	char text[160] = "";
	struct jout o;

	if (r)
		net_rule_text(r, text, sizeof text);
	if (!g->json) {
		printf("%s: rule %d %s%s%s\n", name, position, verb, r ? ": " : "", text);
		return 0;
	}
	out_open(&o, &b);
	jout_str(&o, "name", name);
	jout_str(&o, "status", verb);
	jout_i64(&o, "position", position);
	if (r)
		bind_encode(&o, "rule", &net_rule_record, r);
	return out_close(&o);
}

static int add(struct cli *g, const struct fw_args *a, char **argv, int action)
{
	struct net_rule r = { .action = action, .direction = value_of(net_directions, argv[1]), .from = a->from, .to = a->to,
			      .proto = a->proto ? value_of(net_protocols, a->proto) : NET_PROTO_ANY };
	struct guest_where at = guest_at(g);
	int position;

	if (!r.direction)
		return fail_as(ERR_USAGE, "\"%.64s\": expected in or out", argv[1]);
	if (a->port && net_port_range_parse(a->port, &r.port, &r.end_port) < 0)
		return fail_as(ERR_USAGE, "--port: \"%.64s\" is not a port or a range FIRST-LAST", a->port);
	if (net_rule_check(&r) < 0)
		/* ".from: what" */
		return fail_as(ERR_USAGE, "--%s", err_text() + 1);
	position = guest_rule_add(&at, argv[0], &r, a->at.set ? (size_t)a->at.v : 0);
	TRY(position);
	return told(g, argv[0], position, "added", &r);
}

static int fw_allow_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)argc;
	return add(g, args, argv, NET_ALLOW);
}

static int fw_deny_run(struct cli *g, void *args, int argc, char **argv)
{
	(void)argc;
	return add(g, args, argv, NET_DENY);
}

static int fw_rm_run(struct cli *g, void *args, int argc, char **argv)
{
	struct guest_where at = guest_at(g);
	uint64_t n;

	(void)args;
	(void)argc;
	if (str_u64(argv[1], NET_RULES_MAX, &n) < 0 || n < 1)
		return fail_as(ERR_USAGE, "\"%.64s\" is not the number of a rule", argv[1]);
	TRY(guest_rule_rm(&at, argv[0], (size_t)n));
	return told(g, argv[0], (int)n, "removed", NULL);
}

static void row(struct table *t, size_t n, const struct net_rule *r)
{
	const char *peer = r->direction == NET_IN ? r->from : r->to;

	table_cell(t, "%zu", n);
	table_cell(t, "%s", name_of(net_verdicts, r->action));
	table_cell(t, "%s", name_of(net_directions, r->direction));
	table_cell(t, "%s", peer ? peer : "any");
	table_cell(t, "%s", name_of(net_protocols, r->proto));
	if (r->end_port.set)
		table_cell(t, "%u-%u", r->port.v, r->end_port.v);
	else
		table_cell(t, r->port.set ? "%u" : "any", r->port.v);
}

static int fw_ls_run(struct cli *g, void *args, int argc, char **argv)
{
	static const char *const head[] = { "N", "ACTION", "DIRECTION", "PEER", "PROTO", "PORT", NULL };
	struct guest_where at = guest_at(g);
	auto_table struct table t = { .head = head, .right = 1 };
	auto_guest struct guest guest;
	auto_buf struct buf b = { 0 };
	struct jout o;
	size_t n = 0;

	(void)args;
	(void)argc;
	TRY(guest_open(&at, argv[0], false, &guest));
	if (!g->json) {
		LIST_EACH(const struct net_rule, r, guest.conf.firewall)
			row(&t, ++n, r);
		return table_print(&t);
	}
	out_open(&o, &b);
	jout_str(&o, "name", argv[0]);
	jout_open(&o, "rules", '[');
	LIST_EACH(const struct net_rule, r, guest.conf.firewall)
		bind_encode(&o, NULL, &net_rule_record, r);
	jout_close(&o, ']');
	return out_close(&o);
}

#define RULE_USAGE "[OPTION...] NAME in|out"
const struct cmd fw_cmds[] = {
	{ "allow", RULE_USAGE, "a rule that lets connections pass", 2, 2, fw_opts, sizeof(struct fw_args), fw_allow_run,
	  CMD_EACH },
	{ "deny", RULE_USAGE, "a rule that drops them", 2, 2, fw_opts, sizeof(struct fw_args), fw_deny_run,
	  CMD_EACH },
	{ "rm", "NAME N", "remove rule N", 2, 2, .run = fw_rm_run, .flags = CMD_EACH },
	{ "ls", "NAME...", "list the rules, in their order", 1, 1, .run = fw_ls_run, .flags = CMD_EACH | CMD_HEADED },
	{ 0 }
};
