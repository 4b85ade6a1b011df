/* A guest's published ports and its firewall: config.json says what is wished, netns/ holds it. */
#include "runtime/guest/ports.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/ports.h"

#include <string.h>

static int no_memory(void)
{
	return fail(ENOMEM, "out of memory");
}

/* One of the two lists of a guest: its place in config.json, and what makes it true. */
struct list_kind {
	const char *place;
	const struct record *rec;
	int (*check)(const struct list *l);
	int (*hold)(const struct guest *g, const struct list *l, const void *fresh);
};

static int hold_ports(const struct guest *g, const struct list *l, const void *fresh)
{
	return net_publish(g->at.home, g->name, l, fresh);
}

static int hold_rules(const struct guest *g, const struct list *l, const void *fresh)
{
	(void)fresh;
	return net_guard(g->at.home, g->name, l);
}

static const struct list_kind kind_ports = { "vzrun.ports", &net_publish_record, net_publish_check, hold_ports };
static const struct list_kind kind_rules = { "vzrun.firewall", &net_rule_record, net_rules_check, hold_rules };

static int put(const struct guest *g, const struct list_kind *k, const struct list *l)
{
	auto_json struct json *tree = NULL;
	auto_buf struct buf list = { 0 }, b = { 0 };
	struct jout o = { .b = &list }, all = { .b = &b, .pretty = true };

	TRY(json_load(g->dir_fd, "config.json", &tree));
	jout_open(&o, NULL, '[');
	for (size_t i = 0; i < l->n; i++)
		bind_encode(&o, NULL, k->rec, (const char *)l->v + i * k->rec->size);
	jout_close(&o, ']');
	if (list.oom)
		return no_memory();
	TRY(json_set(&tree, k->place, l->n ? buf_text(&list) : NULL));
	jout_tree(&all, NULL, tree);
	buf_puts(&b, "\n");
	return b.oom ? no_memory() : file_write_atomic(g->dir_fd, "config.json", b.p, b.n, 0600);
}

typedef int step_fn(const struct guest *g, const struct list_kind *k, const struct list *l, const void *fresh);

static int hold_step(const struct guest *g, const struct list_kind *k, const struct list *l, const void *fresh)
{
	TRY(fault_point("in force"));
	return k->hold(g, l, fresh);
}

static int put_step(const struct guest *g, const struct list_kind *k, const struct list *l, const void *fresh)
{
	(void)fresh;
	TRY(fault_point("saved"));
	return put(g, k, l);
}

/*
 * What is new is saved first, what goes is saved last: killed in between, nothing is open that the file does not tell;
 * a start, `network apply` or (of what goes) the same command finishes it. A failure takes the other step back.
 */
static int change(const struct guest *g, const struct list_kind *k, const struct list *from, const struct list *to,
		  const void *fresh)
{
	step_fn *first = fresh ? put_step : hold_step, *second = fresh ? hold_step : put_step;
	struct err_saved why;
	int r;

	TRY_IN(k->check(to), "%s", k->place);
	TRY(first(g, k, to, fresh));
	r = second(g, k, to, fresh);
	if (r >= 0)
		return 0;
	err_save(&why);
	(void)first(g, k, from, NULL);
	err_restore(&why);
	return r;
}

/* A copy of l with one more at position `at`. */
static int with(struct arena *a, const struct list *l, size_t size, const void *one, size_t at, struct list *out)
{
	char *v = arena_alloc(a, l->n + 1, size);

	if (!v)
		return no_memory();
	if (at)
		memcpy(v, l->v, at * size);
	memcpy(v + at * size, one, size);
	if (l->n > at)
		memcpy(v + (at + 1) * size, (const char *)l->v + at * size, (l->n - at) * size);
	*out = (struct list){ v, l->n + 1 };
	return 0;
}

static int without(struct arena *a, const struct list *l, size_t size, size_t at, struct list *out)
{
	char *v = arena_alloc(a, l->n, size);

	if (!v)
		return no_memory();
	if (at)
		memcpy(v, l->v, at * size);
	if (l->n > at + 1)
		memcpy(v + at * size, (const char *)l->v + (at + 1) * size, (l->n - at - 1) * size);
	*out = (struct list){ v, l->n - 1 };
	return 0;
}

int guest_port_add(const struct guest_where *at, const char *name, const struct net_publish *p)
{
	auto_guest struct guest g;
	struct list to;
	char text[128];

	TRY(guest_open(at, name, true, &g));
	LIST_EACH(const struct net_publish, is, g.conf.ports) {
		if (!net_publish_clash(is, p))
			continue;
		net_publish_text(is, false, text, sizeof text);
		return fail_as(ERR_ADDRESS, "guest \"%s\" publishes %s already", name, text);
	}
	TRY(with(&g.spec.arena, &g.conf.ports, sizeof *p, p, g.conf.ports.n, &to));
	/* What is saved and then refused would, with us killed in between, keep the guest from starting. */
	TRY(net_publish_possible(at->home, name, &to, p));
	return change(&g, &kind_ports, &g.conf.ports, &to, p);
}

int guest_port_rm(const struct guest_where *at, const char *name, const struct net_publish *p)
{
	auto_guest struct guest g;
	struct list to;
	char text[128];
	size_t i = 0;

	TRY(guest_open(at, name, true, &g));
	LIST_EACH(const struct net_publish, is, g.conf.ports) {
		if (net_publish_same(is, p)) {
			TRY(without(&g.spec.arena, &g.conf.ports, sizeof *p, i, &to));
			return change(&g, &kind_ports, &g.conf.ports, &to, NULL);
		}
		i++;
	}
	net_publish_text(p, !p->guest_port.set, text, sizeof text);
	fail_as(ERR_NOT_FOUND, "guest \"%s\" does not publish %s", name, text);
	err_try("vzrun port ls %s", name);
	return -ENOENT;
}

int guest_rule_add(const struct guest_where *at, const char *name, const struct net_rule *r, size_t position)
{
	auto_guest struct guest g;
	struct list to;

	TRY(guest_open(at, name, true, &g));
	if (position > g.conf.firewall.n + 1)
		return fail_as(ERR_USAGE, "--at: guest \"%s\" has %zu rules, so 1 to %zu", name, g.conf.firewall.n,
			       g.conf.firewall.n + 1);
	TRY(with(&g.spec.arena, &g.conf.firewall, sizeof *r, r, position ? position - 1 : g.conf.firewall.n, &to));
	TRY(change(&g, &kind_rules, &g.conf.firewall, &to, NULL));
	return (int)(position ? position : to.n);
}

int guest_rule_rm(const struct guest_where *at, const char *name, size_t position)
{
	auto_guest struct guest g;
	struct list to;

	TRY(guest_open(at, name, true, &g));
	if (position < 1 || position > g.conf.firewall.n)
		return fail_as(ERR_NOT_FOUND, "guest \"%s\" has no rule %zu", name, position);
	TRY(without(&g.spec.arena, &g.conf.firewall, sizeof(struct net_rule), position - 1, &to));
	return change(&g, &kind_rules, &g.conf.firewall, &to, NULL);
}
