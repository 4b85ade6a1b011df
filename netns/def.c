#include "netns/def.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { VERSION = 1 };

const struct name net_modes[] = {
	{ "nat", NET_NAT }, { "routed", NET_ROUTED }, { "isolated", NET_ISOLATED }, { 0 },
};

/* As they are in the file. */
struct raw_lease { const char *guest; struct opt_u32 index; const char *ip, *ip6, *mac; };
struct raw_def {
	struct opt_u32 version, mtu;
	const char *name, *bridge, *subnet, *subnet6;
	int mode;
	struct list leases;
};

static const struct field lease_fields[] = {
	FR(struct raw_lease, "guest", K_STR, guest),
	FR(struct raw_lease, "index", K_U32, index),
	F(struct raw_lease, "ip", K_STR, ip),
	F(struct raw_lease, "ip6", K_STR, ip6),
	FR(struct raw_lease, "mac", K_STR, mac),
	{ 0 }
};
static const struct record lease_record = RECORD("lease", struct raw_lease, lease_fields);
static const struct field def_fields[] = {
	FR(struct raw_def, "version", K_U32, version),
	FR(struct raw_def, "name", K_STR, name),
	ENUMR(struct raw_def, "mode", mode, net_modes),
	FR(struct raw_def, "bridge", K_STR, bridge),
	F(struct raw_def, "mtu", K_U32, mtu),
	F(struct raw_def, "subnet", K_STR, subnet),
	F(struct raw_def, "subnet6", K_STR, subnet6),
	SUB(struct raw_def, "leases", K_LIST, leases, &lease_record),
	{ 0 }
};
static const struct record def_record = RECORD("network", struct raw_def, def_fields);

void net_file_free(struct net_file *f)
{
	json_free(&f->tree);
	arena_free(&f->a);
	memset(f, 0, sizeof *f);
}

static bool is_link_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return n > 0 && n < IFNAMSIZ && s[n] == '\0' && s[0] != '.' && s[0] != '-';
}

static int check_address(const char *key, const char *text, const struct net_subnet *s)
{
	unsigned char a[16];

	if (!text)
		return 0;
	if (!s->family)
		return fail_as(ERR_CONFIG, "%s: the network has no such subnet", key);
	if (inet_pton(s->family, text, a) != 1)
		return fail_as(ERR_CONFIG, "%s: %.64s is not an IPv%c address", key, text,
			       s->family == AF_INET ? '4' : '6');
	if (!net_subnet_has(s, a))
		return fail_as(ERR_CONFIG, "%s: %.64s is not in the network's subnet", key, text);
	return 0;
}

static int check_lease(const struct raw_lease *l, const struct net_def *d)
{
	unsigned char mac[6];

	if (!str_is_id(l->guest))
		return fail_as(ERR_CONFIG, "guest: not a name");
	if (l->index.v >= NET_PORTS_MAX)
		return fail_as(ERR_CONFIG, "index: %u is too large (at most %d)", l->index.v,
			       NET_PORTS_MAX - 1);
	TRY(check_address("ip", l->ip, &d->v4));
	TRY(check_address("ip6", l->ip6, &d->v6));
	if (net_mac_parse(l->mac, mac) < 0)
		return fail_as(ERR_CONFIG, "mac: %.32s is not a MAC address", l->mac);
	return 0;
}

static int take_leases(struct net_file *f, const struct raw_def *raw)
{
	struct net_lease *out = arena_alloc(&f->a, raw->leases.n + 1, sizeof *out);
	size_t i = 0;

	if (!out)
		return fail(ENOMEM, "out of memory");
	LIST_EACH(const struct raw_lease, l, raw->leases) {
		TRY_IN(check_lease(l, &f->d), "leases[%zu]", i);
		out[i++] = (struct net_lease){ l->guest, l->index.v, l->ip, l->ip6, l->mac };
	}
	f->d.leases = (struct list){ out, i };
	return 0;
}

static int take_def(struct net_file *f, const struct raw_def *raw, const char *name)
{
	struct net_def *d = &f->d;

	if (raw->version.v > VERSION)
		return fail_as(ERR_UNSUPPORTED, "version: %u is newer than this vzrun (%d)", raw->version.v,
			       VERSION);
	if (!str_eq(raw->name, name))
		return fail_as(ERR_CONFIG, "name: \"%.64s\" is not the file's name", raw->name);
	if (!is_link_name(raw->bridge))
		return fail_as(ERR_CONFIG, "bridge: not the name of a link");
	if (raw->mtu.set && (raw->mtu.v < 1280 || raw->mtu.v > 65535))
		return fail_as(ERR_CONFIG, "mtu: must be 1280 to 65535");
	if (!raw->subnet && !raw->subnet6)
		return fail_as(ERR_CONFIG, "subnet: missing");
	*d = (struct net_def){
		.version = raw->version.v, .name = raw->name, .mode = raw->mode, .bridge = raw->bridge,
		.mtu = raw->mtu.v, .subnet = raw->subnet, .subnet6 = raw->subnet6,
	};
	if (d->subnet)
		TRY_IN(fail_class(net_subnet_parse(d->subnet, AF_INET, &d->v4), ERR_CONFIG), "subnet");
	if (d->subnet6)
		TRY_IN(fail_class(net_subnet_parse(d->subnet6, AF_INET6, &d->v6), ERR_CONFIG), "subnet6");
	return take_leases(f, raw);
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

int net_def_store(int dirfd, const struct net_def *d)
{
	struct raw_def raw = {
		.version = { VERSION, true }, .mtu = { d->mtu, d->mtu != 0 }, .name = d->name,
		.bridge = d->bridge, .subnet = d->subnet, .subnet6 = d->subnet6, .mode = d->mode,
	};
	auto_free struct raw_lease *leases = calloc(d->leases.n + 1, sizeof *leases);
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	char file[80];
	size_t n = 0;

	if (!leases)
		return fail(ENOMEM, "network %s: out of memory", d->name);
	LIST_EACH(const struct net_lease, l, d->leases)
		leases[n++] = (struct raw_lease){ l->guest, { l->index, true }, l->ip, l->ip6, l->mac };
	raw.leases = (struct list){ leases, n };
	bind_encode(&o, NULL, &def_record, &raw);
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
	int fd;

	if (asprintf(&path, "%s/networks", home) < 0)
		return fail(ENOMEM, "out of memory");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return make ? file_make_dirs(path, 0700) : -ENOENT;
	return fd < 0 ? fail_errno("%s", path) : fd;
}

int net_dir_lock(int dirfd)
{
	int fd = file_lock(dirfd, ".lock", true);

	return fd < 0 ? fail_in(fd, "networks") : fd;
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

int net_def_each(int dirfd, int (*each)(void *ctx, struct net_file *f), void *ctx)
{
	struct dirent **names;
	int n = scandirat(dirfd, ".", &names, is_definition, alphasort), r = 0;

	if (n < 0)
		return fail_errno("list networks");
	for (int i = 0; i < n; i++) {
		auto_net_file struct net_file f = { 0 };

		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		if (r == 0)
			r = net_def_load(dirfd, names[i]->d_name, &f);
		/* Removed since it was listed. */
		if (r == -ENOENT && !f.tree)
			r = 0;
		else if (r == 0)
			r = each(ctx, &f);
		free(names[i]);
	}
	free(names);
	return r;
}

struct net_lease *net_lease_add(struct net_file *f)
{
	struct net_lease *v = arena_alloc(&f->a, f->d.leases.n + 1, sizeof *v);

	if (!v)
		return NULL;
	if (f->d.leases.n)
		memcpy(v, f->d.leases.v, f->d.leases.n * sizeof *v);
	f->d.leases.v = v;
	return &v[f->d.leases.n++];
}

void net_lease_remove(struct net_def *d, struct net_lease *l)
{
	struct net_lease *end = (struct net_lease *)d->leases.v + d->leases.n;

	memmove(l, l + 1, (size_t)(end - (l + 1)) * sizeof *l);
	d->leases.n--;
}

struct net_lease *net_lease_find(const struct net_def *d, const char *guest, unsigned index)
{
	LIST_EACH(struct net_lease, l, d->leases)
		if (l->index == index && str_eq(l->guest, guest))
			return l;
	return NULL;
}
