#include "netns/def.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/net.h"
#include "netns/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

const struct name net_modes[] = {
	{ "nat", NET_NAT }, { "routed", NET_ROUTED }, { "isolated", NET_ISOLATED }, { "bridge", NET_BRIDGE }, { 0 },
};
const struct name net_protos[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { 0 } };

/* As they are in the file. */
struct raw_allow { const char *from, *port; int proto; };
struct raw_vxlan { struct opt_u32 vni, port; const char *local; struct strv peers; };
struct raw_def {
	struct opt_u32 version, mtu, vlan;
	const char *name, *bridge, *subnet, *subnet6, *gateway, *gateway6, *pool;
	bool dns, isolate_ports;
	struct opt_bool shortcut;
	int mode;
	struct raw_vxlan *vxlan;
	struct list allow;
};

static const struct field allow_fields[] = {
	FR(struct raw_allow, "from", K_STR, from),
	F(struct raw_allow, "port", K_STR, port),
	ENUM(struct raw_allow, "proto", proto, net_protos),
	{ 0 }
};
static const struct record allow_record = RECORD("allowance", struct raw_allow, allow_fields);
static const struct field vxlan_fields[] = {
	FR(struct raw_vxlan, "vni", K_U32, vni),
	F(struct raw_vxlan, "port", K_U32, port),
	F(struct raw_vxlan, "local", K_STR, local),
	FR(struct raw_vxlan, "peers", K_STRV, peers),
	{ 0 }
};
static const struct record vxlan_record = RECORD("vxlan", struct raw_vxlan, vxlan_fields);
static const struct field def_fields[] = {
	FR(struct raw_def, "version", K_U32, version),
	FR(struct raw_def, "name", K_STR, name),
	ENUMR(struct raw_def, "mode", mode, net_modes),
	FR(struct raw_def, "bridge", K_STR, bridge),
	F(struct raw_def, "mtu", K_U32, mtu),
	F(struct raw_def, "subnet", K_STR, subnet),
	F(struct raw_def, "subnet6", K_STR, subnet6),
	F(struct raw_def, "gateway", K_STR, gateway),
	F(struct raw_def, "gateway6", K_STR, gateway6),
	F(struct raw_def, "pool", K_STR, pool),
	F(struct raw_def, "dns", K_BOOL, dns),
	F(struct raw_def, "isolatePorts", K_BOOL, isolate_ports),
	F(struct raw_def, "shortcut", K_OBOOL, shortcut),
	F(struct raw_def, "vlan", K_U32, vlan),
	SUB(struct raw_def, "vxlan", K_OPT, vxlan, &vxlan_record),
	SUB(struct raw_def, "allow", K_LIST, allow, &allow_record),
	{ 0 }
};
static const struct record def_record = RECORD("network", struct raw_def, def_fields);

void net_file_free(struct net_file *f)
{
	json_free(&f->tree);
	arena_free(&f->a);
	memset(f, 0, sizeof *f);
}

static int take_allow(struct net_file *f, const struct raw_def *raw)
{
	struct net_allow *out = arena_alloc(&f->a, raw->allow.n + 1, sizeof *out);
	size_t i = 0;

	if (!out)
		return fail(ENOMEM, "out of memory");
	LIST_EACH(const struct raw_allow, w, raw->allow)
		out[i++] = (struct net_allow){ .from = w->from, .port = w->port, .proto = w->proto };
	f->d.allow = (struct list){ out, i };
	return 0;
}

static int take_vxlan(struct net_file *f, const struct raw_vxlan *raw)
{
	struct net_vxlan *v;

	if (!raw)
		return 0;
	v = arena_alloc(&f->a, 1, sizeof *v);
	if (!v)
		return fail(ENOMEM, "out of memory");
	*v = (struct net_vxlan){ .vni = raw->vni.v, .port = raw->port.set ? raw->port.v : NET_VXLAN_PORT,
				 .local = raw->local, .peers = raw->peers };
	f->d.vxlan = v;
	return 0;
}

/*
 * Version 1 had fewer members, each of which means the same: it is read as what it says and written as
 * this one. Its leases are taken over elsewhere (netns/takeover.c).
 */
static int take_def(struct net_file *f, const struct raw_def *raw, const char *name)
{
	struct net_def *d = &f->d;

	if (raw->version.v < 1)
		return fail_as(ERR_CONFIG, "version: must be 1 to %d", NET_DEF_VERSION);
	if (raw->version.v > NET_DEF_VERSION)
		return fail_as(ERR_UNSUPPORTED, "version: %u is newer than this vzrun (%d)", raw->version.v,
			       NET_DEF_VERSION);
	if (!str_eq(raw->name, name))
		return fail_as(ERR_CONFIG, "name: \"%.64s\" is not the file's name", raw->name);
	if (raw->mtu.set && !raw->mtu.v)
		return fail_as(ERR_CONFIG, "mtu: must be 1280 to 65535");
	if (raw->vlan.set && !raw->vlan.v)
		return fail_as(ERR_CONFIG, "vlan: must be 1 to 4094");
	*d = (struct net_def){
		.version = raw->version.v, .name = raw->name, .mode = raw->mode, .bridge = raw->bridge,
		.mtu = raw->mtu.v, .subnet = raw->subnet, .subnet6 = raw->subnet6, .gateway = raw->gateway,
		.gateway6 = raw->gateway6, .pool = raw->pool, .dns = raw->dns,
		.isolate_ports = raw->isolate_ports, .shortcut = raw->shortcut, .vlan = raw->vlan.v,
	};
	TRY(take_vxlan(f, raw->vxlan));
	TRY(take_allow(f, raw));
	return net_def_check(d);
}

int net_def_parse(const char *name, const char *text, size_t len, struct net_file *f)
{
	struct raw_def raw;

	memset(f, 0, sizeof *f);
	int r = json_parse("networks", text, len, &f->tree);
	if (r == 0)
		r = bind_decode(&f->a, &def_record, f->tree, &raw);
	if (r == 0)
		r = take_def(f, &raw, name);
	if (r < 0) {
		net_file_free(f);
		(void)fail_class(r, ERR_CONFIG);
		return fail_in(r, "networks/%s.json", name);
	}
	return 0;
}

int net_def_load(int dirfd, const char *name, struct net_file *f)
{
	auto_free char *text = NULL;
	char file[80];
	size_t len;

	memset(f, 0, sizeof *f);
	snprintf(file, sizeof file, "%.64s.json", name);
	TRY(file_read(dirfd, file, &text, &len));
	return net_def_parse(name, text, len, f);
}

struct encoding { struct arena a; struct raw_def raw; };

static void encoding_free(struct encoding *e) { arena_free(&e->a); }

static int raw_lists(struct encoding *e, const struct net_def *d)
{
	struct raw_allow *allow = arena_alloc(&e->a, d->allow.n + 1, sizeof *allow);
	size_t n = 0;

	if (!allow)
		return -ENOMEM;
	LIST_EACH(const struct net_allow, w, d->allow)
		allow[n++] = (struct raw_allow){ w->from, w->port, w->port ? w->proto : 0 };
	e->raw.allow = (struct list){ n ? allow : NULL, n };
	return 0;
}

void net_def_encode(const struct net_def *d, struct jout *o, const char *key)
{
	SCOPED(encoding_free) struct encoding e = { .raw = {
		.version = { NET_DEF_VERSION, true }, .mtu = { d->mtu, d->mtu != 0 },
		.vlan = { d->vlan, d->vlan != 0 }, .name = d->name, .bridge = d->bridge, .subnet = d->subnet,
		.subnet6 = d->subnet6, .gateway = d->gateway, .gateway6 = d->gateway6, .pool = d->pool,
		.dns = d->dns, .isolate_ports = d->isolate_ports, .shortcut = d->shortcut,
		.mode = d->mode,
	} };
	struct raw_vxlan vxlan;

	if (d->vxlan) {
		vxlan = (struct raw_vxlan){ { d->vxlan->vni, true }, { d->vxlan->port, true }, d->vxlan->local,
					    d->vxlan->peers };
		e.raw.vxlan = &vxlan;
	}
	if (raw_lists(&e, d) < 0)
		o->b->oom = true;
	else
		bind_encode(o, key, &def_record, &e.raw);
}

int net_def_store(int dirfd, const struct net_def *d)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	char file[80];

	net_def_encode(d, &o, NULL);
	buf_puts(&b, "\n");
	if (b.oom)
		return fail(ENOMEM, "network %s: out of memory", d->name);
	snprintf(file, sizeof file, "%s.json", d->name);
	TRY_IN(file_write_atomic(dirfd, file, b.p, b.n, 0600), "network %s", d->name);
	return 0;
}

int net_dir_open(const char *home, bool make)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s/networks", home) < 0)
		return fail(ENOMEM, "out of memory");
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return fail_errno("%s", path);
	if (fd < 0 && !make)
		return -ENOENT;
	if (fd < 0)
		TRY(fd = file_make_dirs(path, 0700));
	TRY(file_check_owners(home, "networks"));
	return take_fd(&fd);
}

int net_dir_lock(int dirfd)
{
	int fd = file_lock(dirfd, ".lock", true);

	if (fd < 0)
		return fail_in(fd, "networks");
	/* Empty: a take-over was killed that had done all else. */
	(void)unlinkat(dirfd, NET_TAKEOVER, AT_REMOVEDIR);
	return fd;
}

static int is_definition(const struct dirent *e)
{
	char name[64];
	size_t n = strlen(e->d_name);

	if (n <= 5 || n - 5 >= sizeof name || !str_ends(e->d_name, ".json"))
		return 0;
	memcpy(name, e->d_name, n - 5);
	name[n - 5] = '\0';
	return str_is_name(name);
}

int net_def_each_name(int dirfd, int (*each)(void *ctx, const char *name), void *ctx)
{
	struct dirent **names;
	int n = scandirat(dirfd, ".", &names, is_definition, alphasort), r = 0;

	if (n < 0)
		return fail_errno("list networks");
	for (int i = 0; i < n; i++) {
		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		if (r >= 0)
			r = each(ctx, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return r < 0 ? r : 0;
}

int net_def_each_unsorted(int dirfd, int (*each)(void *ctx, const char *name), void *ctx)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		r = fail_errno("list networks");
		drop_fd(&fd);
		return r;
	}
	for (struct dirent *e; r >= 0 && (errno = 0, e = readdir(d));) {
		if (!is_definition(e))
			continue;
		e->d_name[strlen(e->d_name) - 5] = '\0';
		r = each(ctx, e->d_name);
	}
	if (r >= 0 && errno)
		r = fail_errno("list networks");
	closedir(d);
	return r < 0 ? r : 0;
}

struct sweep { int dir, lock, n; };

/* The lock is for who finds something: a home may be read-only. */
static int sweep_index(void *ctx, const char *network)
{
	struct sweep *s = ctx;
	int n = net_index_stale(s->dir, network, false);

	if (n <= 0)
		return n;
	if (s->lock < 0)
		TRY(s->lock = net_dir_lock(s->dir));
	TRY(n = net_index_stale(s->dir, network, true));
	s->n += n;
	return 0;
}

int net_sweep(const char *home)
{
	auto_close int dir = net_dir_open(home, false);
	struct sweep s = { .dir = dir, .lock = -1 };
	int files, records, r;

	if (dir == -ENOENT)
		return 0;
	TRY(dir);
	TRY(files = file_sweep(dir, "."));
	TRY(records = file_sweep(dir, ".guests"));
	r = net_def_each_name(dir, sweep_index, &s);
	drop_fd(&s.lock);
	TRY(r);
	return files + records + s.n;
}

struct each_def {
	int dir;
	int (*each)(void *ctx, struct net_file *f);
	int (*damaged)(void *ctx, const char *name);
	void *ctx;
};

static int load_one(void *ctx, const char *name)
{
	const struct each_def *e = ctx;
	auto_net_file struct net_file f = { 0 };
	int r = net_def_load(e->dir, name, &f);

	if (r >= 0)
		return e->each(e->ctx, &f);
	/* -ENOENT: removed since it was listed. */
	if (r == -ENOENT)
		return 0;
	if (!e->damaged)
		return r;
	TRY(e->damaged(e->ctx, name));
	err_clear();
	return 0;
}

int net_def_each(int dirfd, int (*each)(void *ctx, struct net_file *f), void *ctx)
{
	return net_def_each_sound(dirfd, each, NULL, ctx);
}

int net_def_skip(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	return 0;
}

int net_def_each_sound(int dirfd, int (*each)(void *ctx, struct net_file *f),
		       int (*damaged)(void *ctx, const char *name), void *ctx)
{
	return net_def_each_name(dirfd, load_one, &(struct each_def){ dirfd, each, damaged, ctx });
}
