#include "netns/name.h"
#include "base/file.h"
#include "base/scope.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

static void home_at(const char *path, struct net_home *out)
{
	out->id = str_hash(path, strlen(path));
	snprintf(out->path, sizeof out->path, "%s", strlen(path) < sizeof out->path ? path : "");
	if (str_eq(path, NET_HOME_DEFAULT))
		snprintf(out->table, sizeof out->table, "vzrun");
	else
		snprintf(out->table, sizeof out->table, "vzrun_%08x", (unsigned)(out->id ^ out->id >> 32));
}

/* A command asks of one home again and again, and its path is what it was: each of its parts is a call. */
void net_home_of(const char *home, struct net_home *out)
{
	static struct { char home[PATH_MAX]; struct net_home is; } last;
	auto_free char *real = NULL;

	if (home[0] == '/' && str_eq(home, last.home)) {
		*out = last.is;
		return;
	}
	real = realpath(home, NULL);
	home_at(real ? real : home, out);
	/* One that is not there yet may be made behind a link. */
	last.home[0] = '\0';
	if (real && strlen(home) < sizeof last.home) {
		strcpy(last.home, home);
		last.is = *out;
	}
}

static uint64_t hash_of(uint64_t of, const char *what, unsigned a, unsigned b)
{
	struct { uint64_t of, name; uint32_t a, b; } key = { of, str_hash(what, strlen(what)), a, b };

	return str_hash(&key, sizeof key);
}

void net_host_if(const struct net_home *h, const char *guest, unsigned index, char out[IFNAMSIZ])
{
	uint64_t v = hash_of(h->id, guest, 0, 0);

	snprintf(out, IFNAMSIZ, NET_PORT_PREFIX "%08x%x", (unsigned)(v ^ v >> 32), index & 15);
}

uint64_t net_here(const struct net_home *h)
{
	char id[40];
	ssize_t n = file_peek(AT_FDCWD, "/etc/machine-id", id, sizeof id);

	return n > 0 ? h->id ^ str_hash(id, (size_t)n) : h->id;
}

void net_mac_of(uint64_t of, const char *owner, unsigned index, unsigned attempt, unsigned char mac[6])
{
	uint64_t v = hash_of(of, owner, index + 1, attempt);

	for (int i = 0; i < 6; i++)
		mac[i] = (unsigned char)(v >> (8 * i));
	mac[0] = (unsigned char)((mac[0] & 0xfc) | 0x02);
}

bool net_is_inside_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n >= IFNAMSIZ || str_eq(s, ".") || str_eq(s, "..") || str_eq(s, "lo"))
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || strchr("/:%\"\\", *s))
			return false;
	return true;
}
