#include "netns/record.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/addr.h"
#include "netns/name.h"
#include "netns/net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { VERSION = 1 };

/* As they are in the file. */
struct raw_nic { struct opt_u32 index; const char *network, *kind, *name, *ip, *ip6, *mac, *rate; };
struct raw_record { struct opt_u32 version; const char *owner; struct list nics, ports, firewall; };

static const struct field nic_fields[] = {
	FR(struct raw_nic, "index", K_U32, index),
	FR(struct raw_nic, "network", K_STR, network),
	F(struct raw_nic, "kind", K_STR, kind),
	F(struct raw_nic, "name", K_STR, name),
	F(struct raw_nic, "ip", K_STR, ip),
	F(struct raw_nic, "ip6", K_STR, ip6),
	FR(struct raw_nic, "mac", K_STR, mac),
	F(struct raw_nic, "rate", K_STR, rate),
	{ 0 }
};
static const struct record nic_record = RECORD("interface", struct raw_nic, nic_fields);
static const struct field record_fields[] = {
	FR(struct raw_record, "version", K_U32, version),
	FR(struct raw_record, "owner", K_STR, owner),
	SUB(struct raw_record, "nics", K_LIST, nics, &nic_record),
	SUB(struct raw_record, "ports", K_LIST, ports, &net_publish_record),
	SUB(struct raw_record, "firewall", K_LIST, firewall, &net_rule_record),
	{ 0 }
};
static const struct record record_record = RECORD("record", struct raw_record, record_fields);

void net_held_free(struct net_held *h)
{
	json_free(&h->tree);
	arena_free(&h->a);
	memset(h, 0, sizeof *h);
}

bool net_is_owner(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-@~";
	size_t n = strspn(s, allowed);

	return n > 0 && n < NET_OWNER_MAX && s[n] == '\0' && s[0] != '.';
}

void net_owner_of(const char *state_root, const char *id, char out[NET_OWNER_MAX])
{
	uint64_t v = str_hash(state_root, strlen(state_root));
	unsigned at = (unsigned)(v ^ v >> 32);

	if (strlen(id) < NET_OWNER_MAX - 10)
		snprintf(out, NET_OWNER_MAX, "%s@%08x", id, at);
	else	/* a long one is shortened, never to another's: no id has a '~' */
		snprintf(out, NET_OWNER_MAX, "%.60s~%016llx@%08x", id,
			 (unsigned long long)str_hash(id, strlen(id)), at);
}

/* One address has one name in the index. */
static int check_address(const char *key, const char *text, int family)
{
	char canonical[INET6_ADDRSTRLEN];
	unsigned char a[16];

	if (!text)
		return 0;
	if (inet_pton(family, text, a) != 1)
		return fail_as(ERR_CONFIG, "%s: %.64s is not an IPv%c address", key, text,
			       family == AF_INET ? '4' : '6');
	inet_ntop(family, a, canonical, sizeof canonical);
	return str_eq(canonical, text) ? 0 : fail_as(ERR_CONFIG, "%s: %.64s is written %s", key, text, canonical);
}

static int check_mac(const char *text)
{
	unsigned char mac[6];
	char canonical[18];

	if (net_mac_parse(text, mac) < 0)
		return fail_as(ERR_CONFIG, "mac: %.32s is not a MAC address", text);
	net_mac_text(mac, canonical);
	return str_eq(canonical, text) ? 0 : fail_as(ERR_CONFIG, "mac: %.32s is written %s", text, canonical);
}

static int check_nic(const struct raw_nic *n)
{
	if (n->index.v >= NET_PORTS_MAX)
		return fail_as(ERR_CONFIG, "index: %u is too large (at most %d)", n->index.v, NET_PORTS_MAX - 1);
	if (!str_is_name(n->network))
		return fail_as(ERR_CONFIG, "network: not the name of a network");
	TRY(check_address("ip", n->ip, AF_INET));
	TRY(check_address("ip6", n->ip6, AF_INET6));
	TRY(check_mac(n->mac));
	if (n->name && !net_is_inside_name(n->name))
		return fail_as(ERR_CONFIG, "name: not the name of an interface");
	return 0;
}

static int by_index(const void *a, const void *b)
{
	const struct net_nic *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

void net_record_sort(struct net_record *r)
{
	if (r->nics.n)
		qsort((void *)(uintptr_t)r->nics.v, r->nics.n, sizeof(struct net_nic), by_index);
}

static int take(struct net_held *h, const struct raw_record *raw, const char *owner)
{
	struct net_nic *out = arena_alloc(&h->a, raw->nics.n + 1, sizeof *out);
	size_t i = 0;

	if (!out)
		return fail(ENOMEM, "out of memory");
	if (raw->version.v > VERSION)
		return fail_as(ERR_UNSUPPORTED, "version: %u is newer than this vzrun (%d)", raw->version.v,
			       VERSION);
	if (!str_eq(raw->owner, owner))
		return fail_as(ERR_CONFIG, "owner: \"%.64s\" is not the file's name", raw->owner);
	if (raw->nics.n > NET_PORTS_MAX)
		return fail_as(ERR_CONFIG, "nics: more than %d", NET_PORTS_MAX);
	LIST_EACH(const struct raw_nic, n, raw->nics) {
		TRY_IN(check_nic(n), "nics[%zu]", i);
		out[i++] = (struct net_nic){ n->index.v, n->network, n->kind, n->name, n->ip, n->ip6, n->mac,
					     n->rate };
	}
	h->r = (struct net_record){ raw->owner, { out, i }, raw->ports, raw->firewall };
	net_record_sort(&h->r);
	for (size_t k = 1; k < i; k++)
		if (out[k].index == out[k - 1].index)
			return fail_as(ERR_CONFIG, "nics: index %u is there twice", out[k].index);
	TRY_IN(net_publish_check(&raw->ports), "ports");
	TRY_IN(net_rules_check(&raw->firewall), "firewall");
	return 0;
}

int net_record_load(int dirfd, const char *owner, struct net_held *h)
{
	char file[NET_OWNER_MAX + 16];
	auto_free char *text = NULL;
	struct raw_record raw;
	size_t len;

	memset(h, 0, sizeof *h);
	snprintf(file, sizeof file, ".guests/%.103s.json", owner);
	auto_close int fd = openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : fail_errno("networks/%s", file);
	TRY(file_read_fd(fd, file, FILE_READ_MAX, &text, &len));
	int r = json_parse("record", text, len, &h->tree);
	if (r == 0)
		r = bind_decode(&h->a, &record_record, h->tree, &raw);
	if (r == 0)
		r = take(h, &raw, owner);
	if (r < 0) {
		net_held_free(h);
		(void)fail_class(r, ERR_CONFIG);
		return fail_in(r, "networks/%s", file);
	}
	return 0;
}

static int open_records(int dirfd)
{
	int fd = openat(dirfd, ".guests", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? fail_errno("networks/.guests") : fd;
}

int net_record_store(int dirfd, const struct net_record *r)
{
	struct raw_record raw = { .version = { VERSION, true }, .owner = r->owner };
	struct raw_nic nics[NET_PORTS_MAX];
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };
	char file[NET_OWNER_MAX + 8];
	size_t n = 0;

	LIST_EACH(const struct net_nic, v, r->nics)
		if (n < NET_PORTS_MAX)
			nics[n++] = (struct raw_nic){ { v->index, true }, v->network, v->kind, v->name, v->ip,
						      v->ip6, v->mac, v->rate };
	raw.nics = (struct list){ nics, n };
	raw.ports = (struct list){ r->ports.n ? r->ports.v : NULL, r->ports.n };
	raw.firewall = (struct list){ r->firewall.n ? r->firewall.v : NULL, r->firewall.n };
	bind_encode(&o, NULL, &record_record, &raw);
	buf_puts(&b, "\n");
	if (b.oom)
		return fail(ENOMEM, "addresses of %s: out of memory", r->owner);
	auto_close int fd = open_records(dirfd);
	TRY(fd);
	snprintf(file, sizeof file, "%s.json", r->owner);
	TRY_IN(file_write_atomic(fd, file, b.p, b.n, 0600), "networks/.guests");
	return 0;
}

int net_record_drop(int dirfd, const char *owner)
{
	char file[NET_OWNER_MAX + 16];

	snprintf(file, sizeof file, ".guests/%.103s.json", owner);
	return unlinkat(dirfd, file, 0) < 0 && errno != ENOENT ? fail_errno("networks/%s", file) : 0;
}

static int is_record(const struct dirent *e)
{
	return e->d_name[0] != '.' && str_ends(e->d_name, ".json");
}

int net_record_each(int dirfd, int (*each)(void *ctx, struct net_held *h), void *ctx)
{
	struct dirent **names;
	int n = scandirat(dirfd, ".guests", &names, is_record, alphasort), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : fail_errno("list networks/.guests");
	for (int i = 0; i < n; i++) {
		auto_net_held struct net_held h = { 0 };

		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		if (r == 0 && net_is_owner(names[i]->d_name)) {
			r = net_record_load(dirfd, names[i]->d_name, &h);
			/* Released since it was listed. */
			r = r == -ENOENT ? 0 : r == 0 ? each(ctx, &h) : r;
		}
		free(names[i]);
	}
	free(names);
	return r;
}

const struct net_nic *net_record_nic(const struct net_record *r, unsigned index)
{
	LIST_EACH(const struct net_nic, n, r->nics)
		if (n->index == index)
			return n;
	return NULL;
}
