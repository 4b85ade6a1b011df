/* Who may open connections into a network: the definition is changed, and what the kernel has follows it. */
#include "base/fault.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/undo.h"
#include "netns/firewall.h"
#include "netns/flows.h"
#include "netns/kernel.h"
#include "netns/net.h"
#include "netns/network.h"
#include "netns/record.h"

#include <string.h>

struct change {
	struct net_home h;
	int dir;
	struct net_file f, was;
};

static void change_free(struct change *c)
{
	net_file_free(&c->f);
	net_file_free(&c->was);
	scope_close(&c->dir);
}

/* FROM must be able to send: a network that leads somewhere, and that the host routes. */
static int check_from(const struct change *c, const char *from)
{
	auto_net_file struct net_file f = { 0 };
	int r;

	if (str_eq(from, NET_OUTSIDE))
		return 0;
	r = str_is_name(from) ? net_def_load(c->dir, from, &f) : -ENOENT;
	if (r == -ENOENT)
		return fail_as(ERR_NOT_FOUND, "network %.64s does not exist", from);
	TRY(r);
	if (f.d.mode == NET_ISOLATED || f.d.mode == NET_BRIDGE)
		return fail_as(ERR_CONFIG, "network %s is of mode %s: the host does not route what comes from it", from,
			       name_of(net_modes, f.d.mode));
	return 0;
}

static bool same(const struct net_allow *a, const struct net_allow *b)
{
	return str_eq(a->from, b->from) && !a->port == !b->port && a->first == b->first && a->last == b->last &&
	       a->proto == b->proto;
}

static struct net_allow *find(const struct net_def *d, const struct net_allow *w)
{
	LIST_EACH(struct net_allow, x, d->allow)
		if (same(x, w))
			return x;
	return NULL;
}

static int add(struct net_file *f, const struct net_allow *w)
{
	struct net_allow *v = arena_alloc(&f->a, f->d.allow.n + 1, sizeof *v);

	if (!v)
		return fail(ENOMEM, "out of memory");
	if (f->d.allow.n)
		memcpy(v, f->d.allow.v, f->d.allow.n * sizeof *v);
	v[f->d.allow.n] = *w;
	f->d.allow = (struct list){ v, f->d.allow.n + 1 };
	return 0;
}

static void take_out(struct net_def *d, struct net_allow *x)
{
	struct net_allow *end = (struct net_allow *)d->allow.v + d->allow.n;

	memmove(x, x + 1, (size_t)(end - (x + 1)) * sizeof *x);
	d->allow.n--;
}

static int not_given(const char *to, const struct net_allow *w)
{
	if (!w->port)
		return fail_as(ERR_NOT_FOUND, "network %s: nothing allows %s all of it", to, w->from);
	return fail_as(ERR_NOT_FOUND, "network %s: nothing allows %s port %s/%s", to, w->from, w->port,
		       name_of(net_protos, w->proto));
}

/*
 * A command that was killed behind the file's change is finished by the same one again. A network's way into itself
 * is not of this list.
 */
static int shut_again(struct change *c, const struct net_allow *w)
{
	if (str_eq(w->from, c->f.d.name))
		return 0;
	/* What stands may hold the port in a range: `apply` is for that. */
	LIST_EACH(const struct net_allow, a, c->f.d.allow)
		if (str_eq(a->from, w->from))
			return 0;
	TRY(add(&c->was, w));
	return net_fw_follow(&c->h, c->dir, &c->was.d, &c->f.d);
}

static int open_again(struct change *c, const struct net_allow *w)
{
	struct net_allow *x = find(&c->was.d, w);

	if (x)
		take_out(&c->was.d, x);
	return net_fw_follow(&c->h, c->dir, &c->was.d, &c->f.d);
}

/* 1: something is to be stored. */
static int edit(struct change *c, const struct net_allow *wish, bool on)
{
	struct net_def *d = &c->f.d;
	struct net_allow w = *wish, *x;

	if (w.port && net_port_range(w.port, &w.first, &w.last) < 0)
		return fail_as(ERR_CONFIG, "port: %.32s is not a port, nor FIRST-LAST (1 to 65535)", w.port);
	if (w.port && !w.proto)
		w.proto = IPPROTO_TCP;
	x = find(d, &w);
	if (on) {
		TRY(check_from(c, w.from));
		if (x)
			return open_again(c, &w);
		TRY(add(&c->f, &w));
		TRY_IN(net_def_check(d), "network %s", d->name);
		return 1;
	}
	if (!x) {
		TRY(shut_again(c, &w));
		return not_given(d->name, &w);
	}
	take_out(d, x);
	return 1;
}

struct restore { int dir; char file[80]; const char *text; size_t n; };

static int put_back(void *arg)
{
	struct restore *r = arg;
	return file_write_atomic(r->dir, r->file, r->text, r->n, 0600);
}

/* The file first: what is killed between the two is mended from it. */
static int make_so(struct change *c)
{
	auto_free char *old = NULL;
	struct restore r = { .dir = c->dir };
	auto_undo struct undo u = { 0 };	/* the last, so the first to go: it needs the text */

	snprintf(r.file, sizeof r.file, "%s.json", c->f.d.name);
	TRY(file_read(c->dir, r.file, &old, &r.n));
	r.text = old;
	TRY(undo_push(&u, "definition", put_back, &r, sizeof r));
	TRY(net_def_store(c->dir, &c->f.d));
	TRY(fault_point("allow"));
	TRY(net_fw_follow(&c->h, c->dir, &c->was.d, &c->f.d));
	undo_commit(&u);
	return 0;
}

int network_allow(const char *home, const char *to, const struct net_allow *w, bool on)
{
	SCOPED(change_free) struct change c = { .dir = net_store_open(home, false) };
	auto_close int lock = -1;
	int r = c.dir;

	if (r >= 0) {
		lock = net_dir_lock(c.dir);
		TRY(lock);
		r = str_is_name(to) ? net_def_load(c.dir, to, &c.f) : -ENOENT;
	}
	if (r == -ENOENT)
		return fail_as(ERR_NOT_FOUND, "network %.64s does not exist", to);
	TRY(r);
	TRY(net_def_load(c.dir, to, &c.was));
	net_home_of(home, &c.h);
	r = edit(&c, w, on);
	if (r > 0)
		TRY(make_so(&c));
	if (r > 0 && !on)
		net_flows_deny(c.dir, &c.f.d, w->from);
	return r;
}

struct forget { int dir; const char *from; };

static int forget(void *ctx, struct net_file *f)
{
	const struct forget *g = ctx;

	return net_def_forget(&f->d, g->from) ? net_def_store(g->dir, &f->d) : 0;
}

/* The text of a's elements but those about `from`; 1: there was one. */
static int without(const struct json *a, const char *from, struct buf *out)
{
	struct jout o = { .b = out };
	int found = 0;

	jout_open(&o, NULL, '[');
	for (size_t i = 0; i < a->n; i++) {
		const char *is = json_get_str(a->values[i], "from");

		if (is && str_eq(is, from))
			found = 1;
		else
			jout_tree(&o, NULL, a->values[i]);
	}
	jout_close(&o, ']');
	return found;
}

/* As far as it is JSON at all: whoever sets the file right must not let a later network of that name in. */
static int forget_in_damaged(void *ctx, const char *name)
{
	const struct forget *g = ctx;
	auto_json struct json *tree = NULL;
	auto_buf struct buf allow = { 0 }, b = { 0 };
	struct jout o = { .b = &b };
	const struct json *a;
	char file[80];

	snprintf(file, sizeof file, "%s.json", name);
	if (json_load(g->dir, file, &tree) < 0) {
		log_warn("network %s: what its file lets %s do is to be taken out by hand: %s", name, g->from, err_text());
		return 0;
	}
	a = json_get(tree, "allow");
	if (!json_is(a, JSON_ARRAY) || !without(a, g->from, &allow))
		return 0;
	TRY(json_set(&tree, "allow", buf_text(&allow)));
	jout_tree(&o, NULL, tree);
	buf_puts(&b, "\n");
	if (allow.oom || b.oom)
		return fail(ENOMEM, "network %s: out of memory", name);
	TRY_IN(file_write_atomic(g->dir, file, b.p, b.n, 0600), "network %s", name);
	return 0;
}

int net_allow_forget(int dirfd, const char *from)
{
	return net_def_each_sound(dirfd, forget, forget_in_damaged, &(struct forget){ dirfd, from });
}
