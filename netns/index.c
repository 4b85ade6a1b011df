/* NAME.d: which owner has which address. symlink(2) decides. */
#include "base/scope.h"
#include "base/str.h"
#include "netns/addr.h"
#include "netns/record.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 64 + 4 + 64, TARGET_SIZE = NET_OWNER_MAX + 16 };

static void path_of(const char *network, const char *address, char out[PATH_SIZE])
{
	snprintf(out, PATH_SIZE, "%.63s.d/%.63s", network, address);
}

/* "OWNER/INDEX"; anything else is nobody's (0). What cannot be read is not nobody's: somebody may have it. */
static int read_link(int dirfd, const char *path, struct net_holder *out)
{
	char text[TARGET_SIZE];
	ssize_t n = readlinkat(dirfd, path, text, sizeof text - 1);
	char *slash;
	uint64_t index;

	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : fail_errno("networks/%s", path);
	text[n] = '\0';
	slash = strchr(text, '/');
	if (!slash || str_u64(slash + 1, UINT32_MAX, &index) < 0)
		return 0;
	*slash = '\0';
	if (!net_is_owner(text))
		return 0;
	snprintf(out->owner, sizeof out->owner, "%s", text);
	out->index = (unsigned)index;
	return 1;
}

static bool is(const char *a, const char *b) { return a && str_eq(a, b); }

static bool claims(const struct net_record *r, unsigned index, const char *network, const char *address)
{
	const struct net_nic *n = net_record_nic(r, index);

	return n && str_eq(n->network, network) &&
	       (is(n->ip, address) || is(n->ip6, address) || is(n->mac, address));
}

int net_index_holder(int dirfd, const char *network, const char *address, struct net_holder *out)
{
	auto_net_held struct net_held h = { 0 };
	char path[PATH_SIZE];
	int r;

	path_of(network, address, path);
	r = read_link(dirfd, path, out);
	if (r <= 0)
		return r;
	r = net_record_load(dirfd, out->owner, &h);
	if (r == -ENOENT)
		return 0;
	TRY(r);
	return claims(&h.r, out->index, network, address);
}

bool net_index_is(int dirfd, const char *network, const char *address, const char *owner, unsigned index)
{
	struct net_holder now;
	char path[PATH_SIZE];

	path_of(network, address, path);
	if (read_link(dirfd, path, &now) > 0)
		return now.index == index && str_eq(now.owner, owner);
	err_clear();
	return false;
}

static int make_link(int dirfd, const char *network, const char *target, const char *path)
{
	char dir[PATH_SIZE];

	if (symlinkat(target, dirfd, path) == 0)
		return 0;
	if (errno == ENOENT) {
		snprintf(dir, sizeof dir, "%.63s.d", network);
		if (mkdirat(dirfd, dir, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (symlinkat(target, dirfd, path) == 0)
			return 0;
	}
	return -errno;
}

int net_index_take(int dirfd, const char *network, const char *address, const char *owner, unsigned index)
{
	char path[PATH_SIZE], target[TARGET_SIZE];
	struct net_holder who;
	int r;

	path_of(network, address, path);
	snprintf(target, sizeof target, "%s/%u", owner, index);
	r = make_link(dirfd, network, target, path);
	if (r == -EEXIST) {
		if (net_index_is(dirfd, network, address, owner, index))
			return 0;
		r = net_index_holder(dirfd, network, address, &who);
		TRY(r);
		if (r > 0 && !str_eq(who.owner, owner))
			return fail_as(ERR_ADDRESS, "address %s of network %s is in use by %s", address, network,
				       who.owner);
		if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
			return fail_errno("networks/%s", path);
		r = make_link(dirfd, network, target, path);
	}
	errno = -r;
	return r < 0 ? fail_errno("networks/%s", path) : 0;
}

/* ---- where to look for a free one ------------------------------------------------------------------- */

static const char *hint_name(int family) { return family == AF_INET ? ".free4" : ".free6"; }

bool net_index_has(int dirfd, const char *network, const char *address)
{
	char path[PATH_SIZE];

	path_of(network, address, path);
	return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool net_index_hint(int dirfd, const char *network, int family, unsigned char *addr)
{
	char path[PATH_SIZE], text[INET6_ADDRSTRLEN];
	ssize_t n;

	path_of(network, hint_name(family), path);
	n = readlinkat(dirfd, path, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 && inet_pton(family, text, addr) == 1;
}

/* Without it one looks from the first address on. */
void net_index_set_hint(int dirfd, const char *network, int family, const char *address)
{
	char path[PATH_SIZE], fresh[PATH_SIZE];

	path_of(network, hint_name(family), path);
	path_of(network, ".new", fresh);
	(void)unlinkat(dirfd, fresh, 0);
	if (symlinkat(address, dirfd, fresh) < 0 || renameat(dirfd, fresh, dirfd, path) < 0)
		(void)unlinkat(dirfd, path, 0);
}

/* Before an address goes: the hint is not above it. */
static void lower_hint(int dirfd, const char *network, const char *address)
{
	unsigned char a[16], hint[16];

	for (int family = AF_INET;; family = AF_INET6) {
		if (inet_pton(family, address, a) == 1 && net_index_hint(dirfd, network, family, hint) &&
		    memcmp(a, hint, net_addr_size(family)) < 0)
			net_index_set_hint(dirfd, network, family, address);
		if (family == AF_INET6)
			return;
	}
}

int net_index_drop(int dirfd, const char *network, const char *address, const char *owner)
{
	struct net_holder now;
	char path[PATH_SIZE];

	path_of(network, address, path);
	int r = read_link(dirfd, path, &now);
	if (r <= 0 || !str_eq(now.owner, owner))
		return r < 0 ? r : 0;
	lower_hint(dirfd, network, address);
	return unlinkat(dirfd, path, 0) < 0 && errno != ENOENT ? fail_errno("networks/%s", path) : 0;
}

static DIR *open_index(int dirfd, const char *network)
{
	char dir[PATH_SIZE];
	DIR *d;

	snprintf(dir, sizeof dir, "%.63s.d", network);
	int fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	d = fdopendir(fd);
	if (!d)
		close(fd);
	return d;
}

int net_index_each(int dirfd, const char *network, int (*each)(void *ctx, const char *address), void *ctx)
{
	DIR *d = open_index(dirfd, network);
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : fail_errno("networks/%s.d", network);
	for (struct dirent *e; r == 0 && (errno = 0, e = readdir(d));)
		if (e->d_name[0] != '.')
			r = each(ctx, e->d_name);
	if (r == 0 && errno)
		r = fail_errno("networks/%s.d", network);
	closedir(d);
	return r;
}

struct stale { int dir, n; const char *network; bool drop; };

static int see_address(void *ctx, const char *address)
{
	struct net_holder who = { .owner = "" };
	struct stale *s = ctx;
	int r = net_index_holder(s->dir, s->network, address, &who);

	if (r < 0)
		err_clear();
	if (r != 0 || !*who.owner)
		return 0;
	s->n++;
	return s->drop ? net_index_drop(s->dir, s->network, address, who.owner) : 0;
}

int net_index_stale(int dirfd, const char *network, bool drop)
{
	struct stale s = { .dir = dirfd, .network = network, .drop = drop };

	TRY(net_index_each(dirfd, network, see_address, &s));
	return s.n;
}

void net_index_forget(int at, const char *network)
{
	DIR *d = open_index(at, network);
	char dir[PATH_SIZE];

	for (struct dirent *e; d && (e = readdir(d));)
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	snprintf(dir, sizeof dir, "%.63s.d", network);
	(void)unlinkat(at, dir, AT_REMOVEDIR);
}
