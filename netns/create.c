/* A new network: checked as far as it goes before anything is made, then brought up like any other. */
#include "base/scope.h"
#include "netns/kernel.h"
#include "netns/net.h"
#include "netns/network.h"
#include "netns/record.h"

#include <string.h>

/* The text that is there in the arena of f; "" and NULL stay what they are. */
static int keep(struct net_file *f, const char **text)
{
	if (!*text)
		return 0;
	*text = arena_strdup(&f->a, *text);
	return *text ? 0 : fail(ENOMEM, "out of memory");
}

static int keep_vxlan(struct net_file *f)
{
	struct net_vxlan *v = arena_alloc(&f->a, 1, sizeof *v);
	const char **peers = v ? arena_alloc(&f->a, f->d.vxlan->peers.n + 1, sizeof *peers) : NULL;

	if (!peers)
		return fail(ENOMEM, "out of memory");
	*v = *f->d.vxlan;
	for (size_t i = 0; i < v->peers.n; i++) {
		peers[i] = v->peers.v[i];
		TRY(keep(f, &peers[i]));
	}
	v->peers.v = peers;
	f->d.vxlan = v;
	return keep(f, &v->local);
}

static int copy(const struct net_def *wish, struct net_file *f)
{
	struct net_def *d = &f->d;
	const char **texts[] = {&d->name,    &d->bridge,   &d->subnet, &d->subnet6,
				&d->gateway, &d->gateway6, &d->pool};

	*d = *wish;
	d->version = 0;
	d->allow = (struct list){ 0 };
	for (size_t i = 0; i < COUNT(texts); i++)
		TRY(keep(f, texts[i]));
	return d->vxlan ? keep_vxlan(f) : 0;
}

/* What can be said without looking at the host. */
static int precheck(const struct net_def *wish)
{
	struct net_def d = *wish;

	if (d.mode == NET_BRIDGE && !d.bridge)
		return fail_as(ERR_CONFIG, "bridge: missing: mode bridge takes an existing one");
	if (d.mode != NET_BRIDGE && d.bridge)
		return fail_as(ERR_CONFIG, "bridge: only with mode bridge; else the network has its own");
	if (d.pool && !(d.subnet && *d.subnet) && !(d.subnet6 && *d.subnet6))
		return fail_as(ERR_CONFIG, "pool: only of a subnet that is given");
	/* What is still to be chosen stands for something that passes. */
	if (!d.bridge)
		d.bridge = "vzbr0";
	if (!d.subnet && d.mode != NET_BRIDGE)
		d.subnet = "10.77.0.0/16";
	if (d.subnet && !*d.subnet)
		d.subnet = NULL;
	if (d.subnet6 && !*d.subnet6)
		d.subnet6 = NULL;
	return net_def_check(&d);
}

static int create(const char *home, const struct net_def *wish, struct net_file *made)
{
	auto_close int dir = -1, lock = -1;
	auto_net_file struct net_file old = { 0 };
	struct net_home h;
	int r, index;

	if (precheck(wish) < 0)
		return fail_as(ERR_USAGE, "network %.64s: %s", wish->name, err_text());
	TRY(copy(wish, made));
	dir = net_store_open(home, true);
	TRY(dir);
	net_home_of(home, &h);
	lock = net_dir_lock(dir);
	TRY(lock);
	r = net_def_load(dir, wish->name, &old);
	if (r == 0) {
		r = fail_as(ERR_EXISTS, "network %s exists already", wish->name);
		/* It may be one that a killed create began. */
		err_try("vzrun network show %s   |   vzrun network apply %s", wish->name, wish->name);
		return r;
	}
	if (r != -ENOENT)
		return r;
	err_clear();
	return net_bring_up(&h, dir, made, &index);
}

int network_create(const char *home, const struct net_def *wish, struct net_file *made)
{
	struct err_saved why;
	int r;

	memset(made, 0, sizeof *made);
	net_set_home(home);
	r = create(home, wish, made);
	if (r < 0) {
		err_save(&why);
		net_file_free(made);
		err_restore(&why);
	}
	return r;
}
