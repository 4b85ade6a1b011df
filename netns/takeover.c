/*
 * HOME/networks as a store. Leases were kept in the definitions once (version 1): they become records, all
 * of them or none; that .guests is there says that it is done.
 */
#include "base/fault.h"
#include "base/file.h"
#include "base/scope.h"
#include "netns/def.h"
#include "netns/net.h"
#include "netns/record.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct old_lease { const char *guest; struct opt_u32 index; const char *ip, *ip6, *mac; };
struct old_def { struct list leases; };

static const struct field lease_fields[] = {
	FR(struct old_lease, "guest", K_STR, guest),
	FR(struct old_lease, "index", K_U32, index),
	F(struct old_lease, "ip", K_STR, ip),
	F(struct old_lease, "ip6", K_STR, ip6),
	FR(struct old_lease, "mac", K_STR, mac),
	{ 0 }
};
static const struct record lease_record = RECORD("lease", struct old_lease, lease_fields);
static const struct field def_fields[] = {
	SUB(struct old_def, "leases", K_LIST, leases, &lease_record),
	{ 0 }
};
static const struct record def_record = RECORD("network", struct old_def, def_fields);

struct takeover { int dir, work; bool store; };

static int canonical(struct arena *a, int family, const char *text, const char **out)
{
	char b[INET6_ADDRSTRLEN];
	unsigned char addr[16];

	*out = NULL;
	if (!text)
		return 0;
	if (inet_pton(family, text, addr) != 1)
		return fail_as(ERR_CONFIG, "%.64s is not an address", text);
	*out = arena_strdup(a, inet_ntop(family, addr, b, sizeof b));
	return *out ? 0 : fail(ENOMEM, "out of memory");
}

static int nic_of(struct arena *a, const struct old_lease *l, const char *network, struct net_nic *out)
{
	unsigned char mac[6];
	char text[18];

	if (!net_is_owner(l->guest))
		return fail_as(ERR_CONFIG, "guest: not a name");
	if (l->index.v >= NET_PORTS_MAX)
		return fail_as(ERR_CONFIG, "index: %u is too large (at most %d)", l->index.v, NET_PORTS_MAX - 1);
	if (net_mac_parse(l->mac, mac) < 0)
		return fail_as(ERR_CONFIG, "mac: %.32s is not a MAC address", l->mac);
	net_mac_text(mac, text);
	*out = (struct net_nic){ .index = l->index.v, .network = network, .mac = arena_strdup(a, text) };
	TRY_IN(canonical(a, AF_INET, l->ip, &out->ip), "ip");
	TRY_IN(canonical(a, AF_INET6, l->ip6, &out->ip6), "ip6");
	return out->mac ? 0 : fail(ENOMEM, "out of memory");
}

/* Into the owner's record, which an interrupted takeover may have begun. */
static int put(struct takeover *t, const char *owner, const struct net_nic *nic)
{
	auto_net_held struct net_held h = { 0 };
	struct net_nic nics[NET_PORTS_MAX];
	size_t n = 0;
	int r = net_record_load(t->work, owner, &h);

	if (r < 0 && r != -ENOENT)
		return r;
	LIST_EACH(const struct net_nic, v, h.r.nics)
		if (v->index != nic->index && n < NET_PORTS_MAX - 1)
			nics[n++] = *v;
	nics[n++] = *nic;
	h.r.owner = owner;
	h.r.nics = (struct list){ nics, n };
	return net_record_store(t->work, &h.r);
}

static int take_lease(struct takeover *t, const char *network, const struct old_lease *l)
{
	auto_arena struct arena a = { 0 };
	struct net_nic nic;

	TRY(nic_of(&a, l, network, &nic));
	TRY(put(t, l->guest, &nic));
	const char *const address[] = { nic.ip, nic.ip6, nic.mac };
	for (size_t i = 0; i < COUNT(address); i++)
		if (address[i])
			TRY(net_index_take(t->dir, network, address[i], l->guest, nic.index));
	return 0;
}

static int take_network(void *ctx, struct net_file *f)
{
	struct takeover *t = ctx;
	auto_arena struct arena a = { 0 };
	struct old_def old;
	size_t i = 0;

	TRY_IN(bind_decode(&a, &def_record, f->tree, &old), "networks/%s.json", f->d.name);
	if (!old.leases.n)
		return 0;
	if (t->store)
		return net_def_store(t->dir, &f->d);
	LIST_EACH(const struct old_lease, l, old.leases) {
		TRY(fault_point("lease taken over"));
		TRY_IN(take_lease(t, f->d.name, l), "networks/%s.json: leases[%zu]", f->d.name, i);
		i++;
	}
	return 0;
}

/* 1: it is; what cannot be looked at is not missing. */
static int is_done(int dir)
{
	if (faccessat(dir, ".guests", F_OK, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : fail_errno("networks/.guests");
}

static int take_over(int dir)
{
	auto_close int lock = net_dir_lock(dir), work = -1;
	struct takeover t = { .dir = dir };
	int done;

	TRY(lock);
	done = is_done(dir);
	if (done)
		return done < 0 ? done : 0;
	if (mkdirat(dir, NET_TAKEOVER, 0700) < 0 && errno != EEXIST)
		return fail_errno("networks/" NET_TAKEOVER);
	work = openat(dir, NET_TAKEOVER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (work < 0 || (mkdirat(work, ".guests", 0700) < 0 && errno != EEXIST))
		return fail_errno("networks/" NET_TAKEOVER);
	t.work = work;
	TRY(net_def_each(dir, take_network, &t));
	if (renameat(work, ".guests", dir, ".guests") < 0)
		return fail_errno("networks/.guests");
	if (unlinkat(dir, NET_TAKEOVER, AT_REMOVEDIR) < 0)
		return fail_errno("networks/" NET_TAKEOVER);
	/* What remains in the files from here on is not read any more. */
	t.store = true;
	return net_def_each(dir, take_network, &t);
}

int net_store_open(const char *home, bool make)
{
	auto_close int dir = net_dir_open(home, make);

	int done;

	TRY(dir);
	done = is_done(dir);
	TRY(done);
	if (!done)
		TRY(take_over(dir));
	return take_fd(&dir);
}
