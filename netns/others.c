#include "netns/others.h"
#include "base/scope.h"
#include "netns/def.h"

#include <stdlib.h>
#include <string.h>

struct reading { struct net_others *o; const char *except; bool all; int dir; };

void net_others_free(struct net_others *o)
{
	free(o->v);
	*o = (struct net_others){ 0 };
}

static int take(void *ctx, const char *name)
{
	auto_net_file struct net_file f = { 0 };
	const struct reading *r = ctx;
	struct net_others *o = r->o;
	int got;

	if (r->except && str_eq(name, r->except))
		return 0;
	got = net_def_load(r->dir, name, &f);
	if (got < 0) {
		/* -ENOENT: removed since it was listed. */
		if (r->all && got != -ENOENT)
			return got;
		err_clear();
		return 0;
	}
	/* Room is the next power of two above n: it is full exactly when n + 1 is one. */
	if ((o->n & (o->n + 1)) == 0) {
		struct net_other *v = reallocarray(o->v, 2 * (o->n + 1), sizeof *v);

		if (!v)
			return fail(ENOMEM, "networks: out of memory");
		o->v = v;
	}
	struct net_other *one = &o->v[o->n++];
	*one = (struct net_other){ .mode = f.d.mode, .vlan = f.d.vlan, .v4 = f.d.v4, .v6 = f.d.v6 };
	snprintf(one->name, sizeof one->name, "%s", f.d.name);
	snprintf(one->bridge, sizeof one->bridge, "%s", f.d.bridge);
	return 0;
}

static int by_bridge(const void *a, const void *b)
{
	return strcmp(((const struct net_other *)a)->bridge, ((const struct net_other *)b)->bridge);
}

int net_others_read(int dirfd, const char *except, bool all, struct net_others *o)
{
	if (o->read)
		return 0;
	TRY(net_def_each_name(dirfd, take, &(struct reading){ o, except, all, dirfd }));
	if (o->n)
		qsort(o->v, o->n, sizeof *o->v, by_bridge);
	o->read = true;
	return 0;
}

bool net_others_made_bridge(const struct net_others *o, const char *link)
{
	const struct net_other *found;
	struct net_other key = { .mode = 0 };

	snprintf(key.bridge, sizeof key.bridge, "%s", link);
	found = o->n ? bsearch(&key, o->v, o->n, sizeof *o->v, by_bridge) : NULL;
	return found && found->mode != NET_BRIDGE;
}
