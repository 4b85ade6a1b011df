/* Published ports: from records to elements, and what the host says to them. */
#include "netns/ports.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/scope.h"
#include "netns/judge.h"
#include "netns/portmap.h"

#include <string.h>

struct place { struct net_home h; int dir, lock; struct net_held held; };

static void place_free(struct place *p)
{
	net_held_free(&p->held);
	scope_close(&p->lock);
	scope_close(&p->dir);
}

/* 1: the owner has a record; 0: none. */
static int find(const char *home, const char *owner, bool lock, struct place *p)
{
	int r;

	*p = (struct place){ .dir = -1, .lock = -1 };
	net_home_of(home, &p->h);
	p->dir = net_store_open(home, false);
	if (p->dir < 0)
		return p->dir == -ENOENT ? 0 : p->dir;
	if (lock) {
		p->lock = net_dir_lock(p->dir);
		TRY(p->lock);
	}
	r = net_record_load(p->dir, owner, &p->held);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* ---- who else has it ------------------------------------------------------------------------------------ */

struct rivals { const char *owner; const struct list *ports; };

static int see_rival(void *ctx, struct net_held *other)
{
	const struct rivals *v = ctx;
	char text[128];

	if (str_eq(other->r.owner, v->owner))
		return 0;
	LIST_EACH(const struct net_publish, mine, *v->ports) {
		LIST_EACH(const struct net_publish, its, other->r.ports) {
			if (!net_publish_clash(mine, its))
				continue;
			net_publish_text(its, true, text, sizeof text);
			return fail_as(ERR_ADDRESS, "port %s is published by %s", text, other->r.owner);
		}
	}
	return 0;
}

static int refuse_clash(int dir, const char *owner, const struct list *ports)
{
	struct rivals v = { owner, ports };

	return ports->n ? net_record_each(dir, see_rival, &v) : 0;
}

/* ---- what the host's own firewall says -------------------------------------------------------------------- */

/* why[i] for each of the list; "" for what is only for the host, or let through. */
static int judge_all(const struct list *ports, struct net_judged *why)
{
	SCOPED(net_host_links_free) struct net_host_links o = { 0 };
	const struct net_publish *ask[NET_PUBLISH_MAX], *v = ports->v;
	struct net_judged *got;
	size_t n = 0, at[NET_PUBLISH_MAX];
	int r;

	memset(why, 0, ports->n * sizeof *why);
	for (size_t i = 0; i < ports->n && n < NET_PUBLISH_MAX; i++) {
		if (v[i].expose == NET_EXPOSE_HOST)
			continue;
		at[n] = i;
		ask[n++] = &v[i];
	}
	if (n == 0)
		return 0;
	TRY(net_host_links_read(&o));
	got = calloc(n, sizeof *got);
	r = got ? net_judge(&o, ask, n, got) : fail(ENOMEM, "out of memory");
	for (size_t i = 0; r >= 0 && i < n; i++)
		why[at[i]] = got[i];
	free(got);
	return r;
}

static int ask_host(const struct net_publish *p)
{
	struct list one = { (void *)(uintptr_t)p, 1 };
	struct net_judged why;
	char text[128];

	TRY(net_port_free(p));
	TRY(judge_all(&one, &why));
	if (!why.why[0])
		return 0;
	net_publish_text(p, true, text, sizeof text);
	fail_as(ERR_STATE, "port %s not published for %s: %s", text, name_of(net_exposes, p->expose), why.why);
	err_try("accept it there first, or --expose host");
	return -EBUSY;
}

/* ---- changes -------------------------------------------------------------------------------------------------- */

/* 0: there is no record, and nothing wished for. */
static int find_for(const char *home, const char *owner, bool lock, const struct list *ports,
		    const struct net_publish *fresh, struct place *p)
{
	int r = find(home, owner, lock, p);

	TRY(r);
	if (r == 0)
		return ports->n ? fail_as(ERR_STATE, "guest \"%s\" has no network: there is nothing to lead to", owner) : 0;
	TRY(net_portmap_check(p->dir, &p->held.r, ports));
	TRY(refuse_clash(p->dir, owner, ports));
	if (fresh)
		TRY(ask_host(fresh));
	return 1;
}

int net_publish_possible(const char *home, const char *owner, const struct list *ports,
			 const struct net_publish *fresh)
{
	SCOPED(place_free) struct place p;

	return find_for(home, owner, false, ports, fresh, &p);
}

int net_publish(const char *home, const char *owner, const struct list *ports, const struct net_publish *fresh)
{
	SCOPED(place_free) struct place p;
	struct net_record is;
	int r = find_for(home, owner, true, ports, fresh, &p);

	if (r <= 0)
		return r;
	is = p.held.r;
	is.ports = *ports;
	return net_hold(&p.h, p.dir, &p.held.r, &is);
}

int net_guard(const char *home, const char *owner, const struct list *rules)
{
	SCOPED(place_free) struct place p;
	struct net_record is;
	int r = find(home, owner, true, &p);

	TRY(r);
	if (r == 0)
		return rules->n ? fail_as(ERR_STATE, "guest \"%s\" has no network: there is nothing to filter", owner) : 0;
	is = p.held.r;
	is.firewall = *rules;
	return net_hold(&p.h, p.dir, &p.held.r, &is);
}

static bool same(const struct list *a, const struct list *b, const struct record *rec)
{
	auto_buf struct buf x = { 0 }, y = { 0 };
	struct jout jx = { .b = &x }, jy = { .b = &y };

	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		bind_encode(&jx, NULL, rec, (const char *)a->v + i * rec->size);
		bind_encode(&jy, NULL, rec, (const char *)b->v + i * rec->size);
	}
	return !x.oom && !y.oom && str_eq(buf_text(&x), buf_text(&y));
}

/* config.json was edited by hand since. Under the lock. */
static int catch_up(struct place *p, const char *owner, const struct list *ports, const struct list *rules)
{
	struct net_record is = p->held.r;

	TRY_IN(net_portmap_check(p->dir, &p->held.r, ports), "vzrun.ports");
	TRY_IN(refuse_clash(p->dir, owner, ports), "vzrun.ports");
	is.ports = *ports;
	is.firewall = *rules;
	TRY(net_hold(&p->h, p->dir, &p->held.r, &is));
	net_held_free(&p->held);
	return net_record_load(p->dir, owner, &p->held);
}

/* Which of the owner's ports the host leaves open now, and how far; the others are told. */
static int what_is_open(const struct net_record *rec, enum net_port_state *out)
{
	struct net_judged *why = calloc(rec->ports.n + 1, sizeof *why);
	char text[128];
	size_t i = 0;
	int r = why ? judge_all(&rec->ports, why) : fail(ENOMEM, "out of memory");

	LIST_EACH(const struct net_publish, p, rec->ports) {
		if (r < 0)
			break;
		out[i] = why[i].why[0] ? NET_PORT_HOST_ONLY : NET_PORT_OPEN;
		net_publish_text(p, true, text, sizeof text);
		if (why[i].why[0])
			log_warn("%s: port %s is not open for %s: %s", rec->owner, text, name_of(net_exposes, p->expose),
				 why[i].why);
		if (net_port_free(p) < 0) {
			log_warn("%s: port %s stays closed: %s", rec->owner, text, err_text());
			err_clear();
			out[i] = NET_PORT_CLOSED;
		}
		i++;
	}
	free(why);
	return r;
}

static bool is_held(const struct place *p, const struct list *ports, const struct list *rules)
{
	return same(ports, &p->held.r.ports, &net_publish_record) && same(rules, &p->held.r.firewall, &net_rule_record);
}

/*
 * Under the lock, as `network apply` is: what that had read of who is up before we changed it must not be written
 * after.
 */
int net_publish_up(const char *home, const char *owner, const struct list *ports, const struct list *rules)
{
	enum net_port_state open[NET_PUBLISH_MAX];
	SCOPED(place_free) struct place p;
	int r = find(home, owner, false, &p);

	TRY(r);
	if (r == 0)
		return ports->n || rules->n ? fail_as(ERR_CONFIG, "vzrun.%s: the guest has no network",
						      ports->n ? "ports" : "firewall") : 0;
	if (!p.held.r.ports.n && is_held(&p, ports, rules))
		return 0;
	place_free(&p);
	TRY(r = find(home, owner, true, &p));
	if (r > 0 && !is_held(&p, ports, rules))
		TRY(catch_up(&p, owner, ports, rules));
	if (r == 0 || !p.held.r.ports.n)
		return 0;
	TRY(what_is_open(&p.held.r, open));
	return net_portmap_open(&p.h, p.dir, &p.held.r, open);
}

int net_publish_down(const char *home, const char *owner)
{
	SCOPED(place_free) struct place p;
	int r = find(home, owner, false, &p);

	if (r <= 0 || !p.held.r.ports.n)
		return r < 0 ? r : 0;
	place_free(&p);
	r = find(home, owner, true, &p);
	return r <= 0 ? r : net_portmap_close(&p.h, p.dir, &p.held.r);
}

int net_publish_look(const char *home, const char *owner, const struct list *ports, enum net_port_state *out)
{
	SCOPED(place_free) struct place p;
	int r = find(home, owner, false, &p);

	memset(out, 0, ports->n * sizeof *out);
	return r <= 0 ? r : net_portmap_look(&p.h, ports, out);
}
