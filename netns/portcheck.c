/* Published ports of all running guests at once: the host's firewall is read once, not once a guest. */
#include "base/log.h"
#include "base/scope.h"
#include "netns/judge.h"
#include "netns/onlink.h"
#include "netns/portmap.h"

#include <string.h>

struct entry {
	char owner[NET_OWNER_MAX], address[INET6_ADDRSTRLEN];
	struct net_publish p;
	enum net_port_state is;
	size_t judged;		/* place in the verdicts; SIZE_MAX: for the host alone */
};
struct survey {
	const struct net_home *h;
	int dir;
	struct entry *v;
	size_t n;
	struct net_judged *why;
	size_t at;		/* what was opened so far: records come in one order */
	bool lan;
};

static void survey_free(struct survey *s)
{
	free(s->v);
	free(s->why);
}

static int take(void *ctx, struct net_held *held)
{
	enum net_port_state is[NET_PUBLISH_MAX];
	struct survey *s = ctx;
	struct entry *v;
	size_t i = 0;

	if (!held->r.ports.n || !net_portmap_up(s->h, &held->r))
		return 0;
	TRY(net_portmap_look(s->h, &held->r.ports, is));
	v = reallocarray(s->v, s->n + held->r.ports.n, sizeof *v);
	if (!v)
		return fail(ENOMEM, "published ports: out of memory");
	s->v = v;
	LIST_EACH(const struct net_publish, p, held->r.ports) {
		v = &s->v[s->n++];
		*v = (struct entry){ .p = *p, .is = is[i++] };
		snprintf(v->owner, sizeof v->owner, "%s", held->r.owner);
		snprintf(v->address, sizeof v->address, "%s", p->address ? p->address : "");
		s->lan |= p->expose == NET_EXPOSE_LAN;
	}
	return 0;
}

static int judge(struct survey *s)
{
	SCOPED(net_host_links_free) struct net_host_links o = { 0 };
	auto_free const struct net_publish **ask = calloc(s->n + 1, sizeof *ask);
	size_t n = 0;

	s->why = calloc(s->n + 1, sizeof *s->why);
	if (!ask || !s->why)
		return fail(ENOMEM, "published ports: out of memory");
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->v[i];

		/* The array does not move any more. */
		e->p.address = e->address[0] ? e->address : NULL;
		e->judged = e->p.expose == NET_EXPOSE_HOST ? SIZE_MAX : n;
		if (e->p.expose != NET_EXPOSE_HOST)
			ask[n++] = &e->p;
	}
	if (n == 0)
		return 0;
	TRY(net_host_links_read(&o));
	return net_judge(&o, ask, n, s->why);
}

static int survey(const struct net_home *h, int dir, struct survey *s)
{
	*s = (struct survey){ .h = h, .dir = dir };
	TRY(net_record_each(dir, take, s));
	return s->n ? judge(s) : 0;
}

static const char *against(const struct survey *s, const struct entry *e)
{
	return e->judged == SIZE_MAX ? "" : s->why[e->judged].why;
}

/* ---- what is wrong ------------------------------------------------------------------------------------------ */

/* NULL: it is as it should be. */
static const char *what_is_wrong(const struct survey *s, const struct entry *e, bool *mendable)
{
	const char *why = against(s, e);

	*mendable = true;
	if (*why)
		return e->is == NET_PORT_OPEN ? why : NULL;
	if (e->is == NET_PORT_OPEN)
		return NULL;
	if (net_port_free(&e->p) == 0)
		return e->p.expose == NET_EXPOSE_HOST ? "it is closed"
						      : "it is closed, and the host's firewall would let it through";
	*mendable = false;
	return err_text();
}

int net_ports_review(const struct net_home *h, int dir, int (*each)(void *ctx, const char *text, bool mendable),
		     void *ctx)
{
	SCOPED(survey_free) struct survey s;
	char port[128], text[1024];
	int r = 0;

	TRY(survey(h, dir, &s));
	for (size_t i = 0; i < s.n && r >= 0; i++) {
		const struct entry *e = &s.v[i];
		bool mendable;
		const char *what = what_is_wrong(&s, e, &mendable);

		if (!what)
			continue;
		net_publish_text(&e->p, true, port, sizeof port);
		snprintf(text, sizeof text, "port %s of %s, published for %s: %s", port, e->owner,
			 name_of(net_exposes, e->p.expose), what);
		err_clear();
		r = each(ctx, text, mendable);
	}
	if (r >= 0 && s.lan && net_onlink_moved(dir) > 0)
		r = each(ctx, "the host's own links have other subnets than what ports for lan know", true);
	return r;
}

/* ---- making it so ------------------------------------------------------------------------------------------- */

static int open_one(void *ctx, struct net_held *held)
{
	enum net_port_state open[NET_PUBLISH_MAX];
	struct survey *s = ctx;
	size_t first = s->at;

	while (first < s->n && !str_eq(s->v[first].owner, held->r.owner))
		first++;
	if (first == s->n || s->n - first < held->r.ports.n)
		return 0;
	for (size_t i = 0; i < held->r.ports.n; i++) {
		const struct entry *e = &s->v[first + i];

		open[i] = *against(s, e) ? NET_PORT_HOST_ONLY : NET_PORT_OPEN;
		if (e->is == NET_PORT_OPEN && *against(s, e))
			log_warn("%s: a port is no longer open for %s: %s", e->owner, name_of(net_exposes, e->p.expose),
				 against(s, e));
		if (net_port_free(&e->p) < 0) {
			err_clear();
			open[i] = NET_PORT_CLOSED;
		}
	}
	s->at = first + held->r.ports.n;
	return net_portmap_open(s->h, s->dir, &held->r, open);
}

int net_ports_reopen(const struct net_home *h, int dir)
{
	SCOPED(survey_free) struct survey s;

	TRY(survey(h, dir, &s));
	return s.n ? net_record_each(dir, open_one, &s) : 0;
}
