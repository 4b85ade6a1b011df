/*
 * Routing by the host, switched on only where a network needs it: on its bridge and on the links that
 * routes lead out by, not for the whole host. What a switch was is on record in HOME/networks/.forwarding
 * before it is changed.
 *
 * IPv6 has no such switch per link before Linux 6.17 (force_forwarding). There the host's is turned, and
 * so that it goes on hearing router advertisements, accept_ra of each link that did goes from 1 to 2.
 */
#include "base/bind.h"
#include "base/file.h"
#include "base/log.h"
#include "netns/kernel.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>

#define SYS "/proc/sys/net/"
#define RECORD_FILE ".forwarding"
/* Of one link. */
#define FORWARD4 "ipv4/conf/%s/forwarding"
#define FORWARD6 "ipv6/conf/%s/force_forwarding"

struct saved { const char *key, *was, *set; };
struct book { const char *ip_forward; struct list saved; };
struct open_book {
	struct arena a;
	struct json *tree;
	struct book b;
	int dir;
	bool dirty;
	struct strv bridges;	/* of all networks: no ways out */
	bool routed;		/* some network leads out */
};

static const struct field saved_fields[] = {
	FR(struct saved, "key", K_STR, key),
	FR(struct saved, "was", K_STR, was),
	FR(struct saved, "set", K_STR, set),
	{ 0 }
};
static const struct record saved_record = RECORD("switch", struct saved, saved_fields);
static const struct field book_fields[] = {
	F(struct book, "ip_forward", K_STR, ip_forward),
	SUB(struct book, "saved", K_LIST, saved, &saved_record),
	{ 0 }
};
static const struct record book_record = RECORD("forwarding", struct book, book_fields);

static void book_close(struct open_book *o)
{
	json_free(&o->tree);
	arena_free(&o->a);
}

static int book_open(int dirfd, struct open_book *o)
{
	int r = json_load(dirfd, RECORD_FILE, &o->tree);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = bind_decode(&o->a, &book_record, o->tree, &o->b);
	return r < 0 ? fail_in(r, "networks/" RECORD_FILE) : 0;
}

static int book_store(int dirfd, const struct open_book *o)
{
	auto_buf struct buf b = { 0 };
	struct jout j = { .b = &b };

	bind_encode(&j, NULL, &book_record, &o->b);
	return file_write_atomic(dirfd, RECORD_FILE, b.p, b.n, 0600);
}

static ssize_t peek(const char *key, char *buf, size_t size)
{
	char path[160];

	snprintf(path, sizeof path, SYS "%s", key);
	return file_peek(AT_FDCWD, path, buf, size);
}

static int poke(const char *key, const char *value)
{
	char path[160];
	int r;

	snprintf(path, sizeof path, SYS "%s", key);
	r = file_poke(AT_FDCWD, path, value);
	if (r < 0) {
		errno = -r;
		return fail_errno("write %s to %s", value, path);
	}
	return 0;
}

static struct saved *find(const struct open_book *o, const char *key)
{
	LIST_EACH(struct saved, s, o->b.saved)
		if (str_eq(s->key, key))
			return s;
	return NULL;
}

/* One more switch to turn, on record; nothing when it stands so already. */
static int want(struct open_book *o, const char *key, const char *only_if, const char *set)
{
	struct saved *v;
	char was[32];

	if (peek(key, was, sizeof was) < 0 || str_eq(was, set) || (only_if && !str_eq(was, only_if)))
		return 0;
	if (find(o, key))
		return poke(key, set);
	v = arena_alloc(&o->a, o->b.saved.n + 1, sizeof *v);
	if (!v)
		return fail(ENOMEM, "forwarding: out of memory");
	if (o->b.saved.n)
		memcpy(v, o->b.saved.v, o->b.saved.n * sizeof *v);
	v[o->b.saved.n] = (struct saved){ arena_strdup(&o->a, key), arena_strdup(&o->a, was), set };
	o->b.saved.v = v;
	if (!v[o->b.saved.n].key || !v[o->b.saved.n++].was)
		return fail(ENOMEM, "forwarding: out of memory");
	o->dirty = true;
	return 0;
}

/* One that cannot be read keeps no other from being routed. */
static int take_bridge(void *ctx, const char *name)
{
	auto_net_file struct net_file f = { 0 };
	struct open_book *o = ctx;
	struct strv *s = &o->bridges;

	if (net_def_load(o->dir, name, &f) < 0 || f.d.mode == NET_BRIDGE) {
		err_clear();
		return 0;
	}
	o->routed |= f.d.mode != NET_ISOLATED;
	/* Room is the next power of two above n: it is full exactly when n + 1 is one. */
	if ((s->n & (s->n + 1)) == 0) {
		const char **more = arena_alloc(&o->a, 2 * (s->n + 1), sizeof *more);

		if (!more)
			return fail(ENOMEM, "forwarding: out of memory");
		if (s->n)
			memcpy(more, s->v, s->n * sizeof *more);
		s->v = more;
	}
	s->v[s->n] = arena_strdup(&o->a, f.d.bridge);
	return s->v[s->n++] ? 0 : fail(ENOMEM, "forwarding: out of memory");
}

/* The switch of each link that a route of the family leads out by; link-local ones lead nowhere. */
static int each_way_out(const struct open_book *o, const char *fmt, int family, const struct net_route *r, size_t n,
			int (*each)(void *ctx, const char *key), void *ctx)
{
	static const struct net_subnet link_local = { AF_INET6, 10, { 0xfe, 0x80 } };
	char name[IFNAMSIZ], key[128];
	int last = 0;

	for (size_t i = 0; i < n; i++) {
		if (r[i].to.family != family ||
		    (r[i].to.prefix >= 8 && net_subnet_overlap(&r[i].to, &link_local)) ||
		    (family == AF_INET6 && r[i].to.addr[0] == 0xff))
			continue;
		if (r[i].oif == last)
			continue;
		last = r[i].oif;
		if (!if_indextoname((unsigned)r[i].oif, name) || str_eq(name, "lo") ||
		    strv_has(&o->bridges, name))
			continue;
		snprintf(key, sizeof key, fmt, name);
		TRY(each(ctx, key));
	}
	return 0;
}

static int want_on(void *o, const char *key) { return want(o, key, NULL, "1"); }

static int want_whole_host6(struct open_book *o)
{
	DIR *d = opendir(SYS "ipv6/conf");
	char key[128];
	int r = 0;

	for (struct dirent *e; d && r == 0 && (e = readdir(d));) {
		if (e->d_name[0] == '.' || str_eq(e->d_name, "all") || str_eq(e->d_name, "default"))
			continue;
		snprintf(key, sizeof key, "ipv6/conf/%.15s/accept_ra", e->d_name);
		r = want(o, key, "1", "2");
	}
	if (d)
		closedir(d);
	return r < 0 ? r : want(o, "ipv6/conf/all/forwarding", NULL, "1");
}

bool net_host_has_ipv6(void)
{
	return access(SYS "ipv6/conf", F_OK) == 0;
}

int net_forwarding_on(int dirfd, const char *bridge, const struct net_route *r, size_t n)
{
	SCOPED(book_close) struct open_book o = { .dir = dirfd };
	char key[128], now[32];

	TRY(book_open(dirfd, &o));
	if (!o.b.ip_forward && peek("ipv4/ip_forward", now, sizeof now) > 0)
		o.b.ip_forward = arena_strdup(&o.a, now);
	TRY(net_def_each_name(dirfd, take_bridge, &o));
	TRY(each_way_out(&o, FORWARD4, AF_INET, r, n, want_on, &o));
	snprintf(key, sizeof key, FORWARD6, bridge);
	if (peek("ipv6/conf/all/forwarding", now, sizeof now) > 0 && str_eq(now, "0")) {
		if (peek(key, now, sizeof now) > 0)
			TRY(each_way_out(&o, FORWARD6, AF_INET6, r, n, want_on, &o));
		else
			TRY(want_whole_host6(&o));
	}
	if (o.dirty)
		TRY_IN(book_store(dirfd, &o), "forwarding");
	LIST_EACH(const struct saved, s, o.b.saved)
		if (peek(s->key, now, sizeof now) > 0 && !str_eq(now, s->set))
			TRY(poke(s->key, s->set));
	/* These go with the bridge: nothing to remember. */
	if (peek(key, now, sizeof now) > 0)
		TRY(poke(key, "1"));
	snprintf(key, sizeof key, FORWARD4, bridge);
	return poke(key, "1");
}

/* What a switch was is put back, and forgotten. */
static int unwant(struct open_book *o, const char *key)
{
	struct saved *v = find(o, key), *all = o->b.saved.v;
	char now[32];

	if (!v)
		return 0;
	/* With the bridge it is gone. */
	if (peek(key, now, sizeof now) > 0 && str_eq(now, v->set))
		TRY(poke(key, v->was));
	memmove(v, v + 1, (size_t)(all + o->b.saved.n - (v + 1)) * sizeof *v);
	o->b.saved.n--;
	o->dirty = true;
	return 0;
}

int net_localnet(int dirfd, const char *bridge, bool on)
{
	SCOPED(book_close) struct open_book o = { 0 };
	char key[64], now[32];

	snprintf(key, sizeof key, "ipv4/conf/%.15s/route_localnet", bridge);
	if (on && peek(key, now, sizeof now) > 0 && str_eq(now, "1"))
		return 0;
	TRY(book_open(dirfd, &o));
	TRY(on ? want(&o, key, NULL, "1") : unwant(&o, key));
	if (o.dirty)
		TRY_IN(book_store(dirfd, &o), "forwarding");
	return on ? poke(key, "1") : 0;
}

int net_forwarding_off(int dirfd, bool keep)
{
	SCOPED(book_close) struct open_book o = { 0 };
	char now[32];
	bool host_routes;

	TRY(book_open(dirfd, &o));
	/* The administrator made this host a router since: its links stay as they are. */
	host_routes = o.b.ip_forward && str_eq(o.b.ip_forward, "0") &&
		      peek("ipv4/ip_forward", now, sizeof now) > 0 && str_eq(now, "1");
	for (size_t i = keep ? 0 : o.b.saved.n; i-- > 0;) {
		const struct saved *s = (const struct saved *)o.b.saved.v + i;

		if (host_routes && str_starts(s->key, "ipv4/"))
			continue;
		if (strstr(s->key, "..") || peek(s->key, now, sizeof now) < 0 || !str_eq(now, s->set))
			continue;
		if (poke(s->key, s->was) < 0)
			log_warn("forwarding: %s", err_text());
	}
	if (unlinkat(dirfd, RECORD_FILE, 0) < 0 && errno != ENOENT)
		return fail_errno("networks/" RECORD_FILE);
	return 0;
}

struct seeing { struct open_book *o; net_switch_differs *differs; void *ctx; };

/* What is on record is told of for itself. */
static int see_way_out(void *ctx, const char *key)
{
	struct seeing *s = ctx;
	char now[32];

	if (!find(s->o, key) && peek(key, now, sizeof now) > 0 && !str_eq(now, "1"))
		s->differs(s->ctx, key, now, "1");
	return 0;
}

int net_forwarding_check(int dirfd, const struct net_route *r, size_t n, net_switch_differs *differs, void *ctx)
{
	SCOPED(book_close) struct open_book o = { .dir = dirfd };
	struct seeing s = { &o, differs, ctx };
	char now[32];

	TRY(book_open(dirfd, &o));
	LIST_EACH(const struct saved, v, o.b.saved)
		if (!strstr(v->key, "..") && peek(v->key, now, sizeof now) > 0 && !str_eq(now, v->set))
			differs(ctx, v->key, now, v->set);
	TRY(net_def_each_name(dirfd, take_bridge, &o));
	if (!o.routed)
		return 0;
	TRY(each_way_out(&o, FORWARD4, AF_INET, r, n, see_way_out, &s));
	return peek("ipv6/conf/all/forwarding", now, sizeof now) > 0 && str_eq(now, "0")
		       ? each_way_out(&o, FORWARD6, AF_INET6, r, n, see_way_out, &s) : 0;
}

void net_forwarding_check_bridge(const char *bridge, net_switch_differs *differs, void *ctx)
{
	char key[96], now[32];

	snprintf(key, sizeof key, FORWARD4, bridge);
	if (peek(key, now, sizeof now) > 0 && !str_eq(now, "1"))
		differs(ctx, key, now, "1");
	if (peek("ipv6/conf/all/forwarding", now, sizeof now) > 0 && str_eq(now, "1"))
		return;
	snprintf(key, sizeof key, FORWARD6, bridge);
	if (peek(key, now, sizeof now) > 0 && !str_eq(now, "1"))
		differs(ctx, key, now, "1");
}

void net_forwarding_let(const char *link)
{
	static const char *const switches[] = { FORWARD4, FORWARD6 };
	char key[96];

	for (size_t i = 0; i < COUNT(switches); i++) {
		snprintf(key, sizeof key, switches[i], link);
		if (poke(key, "1") < 0)
			err_clear();
	}
}
