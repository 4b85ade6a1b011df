/* nic add, nic rm, nic ls: the wishes of a guest, and with them what it holds and has. */
#include "runtime/guest/nic.h"
#include "base/file.h"
#include "base/scope.h"
#include "runtime/guest/checkpoint.h"

#include <stdio.h>
#include <string.h>

int nic_edit_open(struct nic_edit *e, const struct guest_where *at, const char *name, bool only_now, bool only_next)
{
	pid_t pid;

	*e = (struct nic_edit){ .g = { .dir_fd = -1 }, .live = { .netns = -1 }, .only_now = only_now };
	TRY(guest_open(at, name, true, &e->g));
	TRY(json_load(e->g.dir_fd, "config.json", &e->tree));
	e->running = guest_status(at, name, &pid) != GUEST_STOPPED;
	e->later = e->running && only_next;
	return 0;
}

int nic_edit_look(struct nic_edit *e)
{
	int suspended = guest_look_suspended(e->g.dir_fd);

	TRY(suspended);
	if (suspended) {
		fail_as(ERR_STATE, "guest \"%s\" is suspended: its processes have the interfaces that it had", e->g.name);
		err_try("vzrun restore %s   |   vzrun checkpoint --discard %s", e->g.name, e->g.name);
		return -EBUSY;
	}
	nic_wishes(&e->g, &e->w);
	e->looked = true;
	return nic_ports(&e->g.at, e->g.name, e->g.dir_fd, e->running ? NULL : &e->g.conf.networks, e->has, &e->n_has);
}

void nic_edit_close(struct nic_edit *e)
{
	nic_live_free(&e->live);
	json_free(&e->tree);
	arena_free(&e->arena);
	guest_close(&e->g);
}

int nic_edit_apply(struct nic_edit *e)
{
	struct list wishes = { e->w.v, e->w.n };
	struct net_port ports[NET_PORTS_MAX];
	size_t n;

	TRY(nic_check(&e->w));
	if (e->only_now && !e->running)
		return fail_as(ERR_STATE, "guest \"%s\" is not running: there is nothing to change now", e->g.name);
	if (e->later)
		return net_foresee(e->g.at.home, e->g.name, &wishes);
	if (e->running)
		return nic_live(&e->live, &e->g, &e->w);
	e->claimed = true;
	return net_claim(e->g.at.home, e->g.name, &wishes, ports, &n);
}

void nic_edit_back(struct nic_edit *e)
{
	struct net_port ports[NET_PORTS_MAX];
	struct nic_wishes was;
	struct err_saved why;
	size_t n;

	nic_live_back(&e->live);
	if (!e->claimed)
		return;
	err_save(&why);
	nic_wishes(&e->g, &was);
	/* Its former addresses, not any. */
	for (size_t i = 0; i < was.n; i++)
		for (size_t k = 0; k < e->n_has; k++)
			if (was.v[i].index.v == e->has[k].index && was.v[i].kind <= NET_KIND_NETWORK)
				(void)nic_pin(&e->arena, &e->has[k], &was.v[i]);
	(void)net_claim(e->g.at.home, e->g.name, &(struct list){ was.v, was.n }, ports, &n);
	err_restore(&why);
}

static int save(const struct nic_edit *e)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b, .pretty = true };

	jout_tree(&o, NULL, e->tree);
	buf_puts(&b, "\n");
	return b.oom ? fail(ENOMEM, "out of memory") : file_write_atomic(e->g.dir_fd, "config.json", b.p, b.n, 0600);
}

int nic_edit_save(struct nic_edit *e)
{
	int r;

	if (e->only_now)
		return 0;
	r = e->looked ? nic_put(&e->tree, &e->w) : 0;
	if (r >= 0)
		r = save(e);
	if (r < 0)
		nic_edit_back(e);
	return r;
}

static bool index_is_free(const struct nic_edit *e, unsigned index)
{
	char usual[IFNAMSIZ], name[IFNAMSIZ];

	snprintf(usual, sizeof usual, "eth%u", index % NET_PORTS_MAX);
	for (size_t i = 0; i < e->w.n; i++) {
		net_inside_name(&e->w.v[i], i, name);
		if (e->w.v[i].index.v == index || str_eq(name, usual))
			return false;
	}
	for (size_t i = 0; i < e->n_has; i++)
		if (e->has[i].index == index || str_eq(e->has[i].name, usual))
			return false;
	return true;
}

static int new_nic(struct nic_edit *e, const struct guest_nic_req *r)
{
	const struct { int kind; const char *parent; } kinds[] = {
		{ NET_KIND_MACVLAN, r->macvlan }, { NET_KIND_IPVLAN, r->ipvlan }, { NET_KIND_PHYSICAL, r->physical },
	};
	struct net_nic_conf *nic = &e->w.v[e->w.n];
	int given = r->network != NULL;
	unsigned index = 0;

	*nic = (struct net_nic_conf){ .name = r->name, .ip = r->ip, .ip6 = r->ip6, .mac = r->mac, .rate = r->rate };
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (kinds[i].parent) {
			nic->kind = kinds[i].kind;
			nic->parent = kinds[i].parent;
			given++;
		}
	if (given > 1)
		return fail_as(ERR_USAGE, "give one of --network, --macvlan, --ipvlan and --physical");
	if (!nic->kind)
		nic->network = r->network ? r->network : "default";
	while (index < NET_PORTS_MAX && !index_is_free(e, index))
		index++;
	if (index == NET_PORTS_MAX)
		return fail_as(ERR_RESOURCE, "guest \"%s\" has %d network interfaces: there is no room for more", e->g.name,
			       NET_PORTS_MAX);
	nic->index = (struct opt_u32){ index, true };
	e->w.n++;
	return 0;
}

int guest_nic_add(const struct guest_where *at, const char *name, const struct guest_nic_req *r, char as[IFNAMSIZ])
{
	SCOPED(nic_edit_close) struct nic_edit e;

	TRY(nic_edit_open(&e, at, name, r->only_now, r->only_next));
	TRY(nic_edit_look(&e));
	if (e.w.n == NET_PORTS_MAX)
		return fail_as(ERR_RESOURCE, "guest \"%s\" has %d network interfaces: there is no room for more", name,
			       NET_PORTS_MAX);
	TRY(new_nic(&e, r));
	net_inside_name(&e.w.v[e.w.n - 1], e.w.n - 1, as);
	TRY(nic_edit_apply(&e));
	return nic_edit_save(&e);
}

int guest_nic_rm(const struct guest_where *at, const char *name, const char *link, bool only_now, bool only_next)
{
	SCOPED(nic_edit_close) struct nic_edit e;
	char inside[IFNAMSIZ];
	bool found = false;

	TRY(nic_edit_open(&e, at, name, only_now, only_next));
	TRY(nic_edit_look(&e));
	for (size_t i = e.w.n; i-- > 0;) {
		net_inside_name(&e.w.v[i], i, inside);
		if (!str_eq(inside, link))
			continue;
		memmove(&e.w.v[i], &e.w.v[i + 1], (--e.w.n - i) * sizeof *e.w.v);
		found = true;
	}
	/* Added with --now only. */
	for (size_t i = 0; i < e.n_has; i++)
		found |= str_eq(e.has[i].name, link);
	if (!found)
		return fail_as(ERR_NOT_FOUND, "guest \"%s\" has no network interface %.15s", name, link);
	TRY(nic_edit_apply(&e));
	return nic_edit_save(&e);
}

int guest_nic_each(const struct guest_where *at, const char *name, int (*each)(void *ctx, const struct net_port *p),
		   void *ctx)
{
	auto_guest struct guest g = { .dir_fd = -1 };
	struct net_port ports[NET_PORTS_MAX];
	size_t n;
	pid_t pid;

	TRY(guest_open(at, name, false, &g));
	TRY(nic_ports(at, name, g.dir_fd, guest_status(at, name, &pid) == GUEST_STOPPED ? &g.conf.networks : NULL, ports,
		      &n));
	for (size_t i = 0; i < n; i++)
		TRY(each(ctx, &ports[i]));
	return 0;
}
