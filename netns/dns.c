/* Names and DHCP of the networks: what dnsmasq reads follows the records, and it runs when it should. */
#include "netns/dns.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/sys.h"
#include "netns/dns_process.h"
#include "netns/net.h"
#include "netns/users.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum net_dns_state net_dns_state(const struct net_home *h, const struct net_def *d, int bridge_index)
{
	struct dns_where w;
	struct dns_run r;

	if (!d->dns)
		return NET_DNS_RUNS;
	dns_where_of(h, d->name, &w);
	if (!dns_run_read(&w, &r) || r.bridge != (uint64_t)bridge_index || sys_is_alive((pid_t)r.pid, r.start) == 0)
		return NET_DNS_DEAD;
	return r.stamp == dns_resolv_stamp() ? NET_DNS_RUNS : NET_DNS_STALE;
}

int net_dns_stop(const struct net_home *h, const char *network)
{
	struct dns_where w;

	dns_where_of(h, network, &w);
	if (access(w.path, F_OK) < 0)
		return errno == ENOENT ? 0 : fail_errno("network %s: look for %s", network, w.path);
	TRY_IN(dns_process_end(&w), "network %s", network);
	auto_close int all = open(NET_DNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (all < 0)
		return fail_errno("open %s", NET_DNS_DIR);
	TRY(path_remove_tree(all, w.name));
	/* The last one takes it along. */
	(void)rmdir(NET_DNS_DIR);
	return 0;
}

/* Again where the last of the others took the directory along between the two. */
static int make_in_all(const char *name)
{
	for (int tries = 0;; tries++) {
		auto_close int all = file_make_dirs(NET_DNS_DIR, 0711);

		TRY(all);
		/* The umask is 0077. */
		if (fchmod(all, 0711) < 0)
			return fail_errno(NET_DNS_DIR);
		if (mkdirat(all, name, 0700) == 0 || errno == EEXIST)
			return take_fd(&all);
		if (errno != ENOENT || tries == 8)
			return fail_errno("create directory %s/%s", NET_DNS_DIR, name);
	}
}

/* Its user may look; nobody but us may write. */
static int make_dir(const struct dns_where *w, gid_t gid)
{
	auto_close int all = make_in_all(w->name), dir = -1;

	/* It may be there for nobody. */
	if (all < 0)
		(void)rmdir(NET_DNS_DIR);
	TRY(all);
	dir = openat(all, w->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fchown(dir, 0, gid) < 0 || fchmod(dir, 0750) < 0)
		return fail_errno("%s", w->path);
	return take_fd(&dir);
}

static int put_servers(int dir, const struct net_def *d)
{
	auto_buf struct buf b = { 0 };
	auto_free char *text = NULL;

	if (file_read(AT_FDCWD, "/etc/resolv.conf", &text, NULL) < 0)
		err_clear();
	net_dns_servers(&b, d, text ? text : "");
	return file_write_volatile(dir, "servers", buf_text(&b), b.n, 0644);
}

struct gather { const struct net_def *d; struct buf hosts, dhcp; };

static int take(void *ctx, const struct net_user *u)
{
	struct gather *g = ctx;

	net_dns_hosts(&g->hosts, g->d, u->owner, u->nic, 1);
	net_dns_dhcp(&g->dhcp, g->d, u->owner, u->nic, 1);
	return 0;
}

static void gather_free(struct gather *g)
{
	buf_free(&g->hosts);
	buf_free(&g->dhcp);
}

static int put_all(const struct net_home *h, int dir, int store, const struct net_def *d)
{
	SCOPED(gather_free) struct gather g = { .d = d };

	TRY(net_users_each(h, store, d->name, take, &g));
	if (g.hosts.oom || g.dhcp.oom)
		return fail(ENOMEM, "out of memory");
	TRY(file_write_volatile(dir, "hosts", buf_text(&g.hosts), g.hosts.n, 0644));
	TRY(file_write_volatile(dir, "dhcp", buf_text(&g.dhcp), g.dhcp.n, 0644));
	return put_servers(dir, d);
}

static int rebuild(const struct net_home *h, const struct dns_where *w, int store, const struct net_def *d,
		   int bridge_index)
{
	struct dns_user u;
	auto_close int dir = -1;

	TRY(dns_user_find(&u));
	dir = make_dir(w, u.gid);
	TRY(dir);
	TRY(put_all(h, dir, store, d));
	return dns_process_start(w, dir, d, &u, bridge_index);
}

static int open_dir(const struct dns_where *w)
{
	int fd = open(w->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 ? fd : errno == ENOENT ? -ENOENT : fail_errno("%s", w->path);
}

/* ---- looking ------------------------------------------------------------------------------ */

bool net_dns_is_left(const struct net_home *h, const char *network)
{
	struct dns_where w;

	dns_where_of(h, network, &w);
	return access(w.path, F_OK) == 0;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The lines of text, sorted; the number of them. */
static size_t sorted(char *text, char ***out)
{
	size_t n = 0, max = 1;
	char *save = NULL;

	for (const char *p = text; *p; p++)
		max += *p == '\n';
	*out = calloc(max + 1, sizeof **out);
	for (char *line = strtok_r(text, "\n", &save); *out && line && n < max; line = strtok_r(NULL, "\n", &save))
		(*out)[n++] = line;
	if (*out)
		qsort(*out, n, sizeof **out, by_text);
	return n;
}

/* As sets of lines: what is changed goes to the end of a file. */
static int same_lines(int dir, const char *file, const struct buf *want)
{
	auto_free char *text = NULL, *wanted = strdup(buf_text(want));
	auto_free char **a = NULL, **b = NULL;
	int r = file_read(dir, file, &text, NULL);
	size_t n;

	if (r < 0)
		/* cppcheck-suppress memleak ; it does not know cleanup attributes */
		return r == -ENOENT ? 0 : r;
	if (!wanted)
		return fail(ENOMEM, "out of memory");
	n = sorted(text, &a);
	if (n != sorted(wanted, &b))
		return 0;
	if (!a || !b)
		return fail(ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (!str_eq(a[i], b[i]))
			return 0;
	return 1;
}

int net_dns_agrees(const struct net_home *h, int dirfd, const struct net_def *d)
{
	SCOPED(gather_free) struct gather g = { .d = d };
	struct dns_where w;
	int r;

	dns_where_of(h, d->name, &w);
	auto_close int dir = open_dir(&w);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	TRY(net_users_each(h, dirfd, d->name, take, &g));
	if (g.hosts.oom || g.dhcp.oom)
		return fail(ENOMEM, "out of memory");
	r = same_lines(dir, "hosts", &g.hosts);
	return r > 0 ? same_lines(dir, "dhcp", &g.dhcp) : r;
}

/* ---- changes ------------------------------------------------------------------------------ */

static int refresh(const struct dns_where *w, const struct net_def *d)
{
	auto_close int dir = open_dir(w);
	struct dns_run r;

	if (dir < 0 || !dns_run_read(w, &r))
		return fail(ENOENT, "%s: gone", w->path);
	r.stamp = dns_resolv_stamp();
	TRY(put_servers(dir, d));
	dns_process_tell(w);
	return dns_run_write(dir, &r);
}

/* What does not run has no files that could grow old. */
static int given_up(const struct net_home *h, const struct net_def *d, int r)
{
	struct err_saved why;

	if (r >= 0)
		return 0;
	err_save(&why);
	(void)net_dns_stop(h, d->name);
	err_restore(&why);
	return r;
}

static int ensure(const struct net_home *h, int store, const struct net_def *d, int bridge_index, bool anew)
{
	struct dns_where w;
	enum net_dns_state s = net_dns_state(h, d, bridge_index);

	if (!d->dns)
		return net_dns_stop(h, d->name);
	dns_where_of(h, d->name, &w);
	if (anew && s != NET_DNS_DEAD) {
		auto_close int dir = open_dir(&w);

		TRY(dir);
		TRY(put_all(h, dir, store, d));
		dns_process_tell(&w);
	}
	if (s == NET_DNS_STALE)
		return refresh(&w, d);
	return s == NET_DNS_RUNS ? 0 : given_up(h, d, rebuild(h, &w, store, d, bridge_index));
}

int net_dns_ensure(const struct net_home *h, int dirfd, const struct net_def *d, int bridge_index)
{
	int r = ensure(h, dirfd, d, bridge_index, false);

	return r < 0 ? fail_in(r, "network %s: names", d->name) : 0;
}

int net_dns_rebuild(const struct net_home *h, int dirfd, const struct net_def *d, int bridge_index)
{
	int r = ensure(h, dirfd, d, bridge_index, true);

	return r < 0 ? fail_in(r, "network %s: names", d->name) : 0;
}

typedef void lines(struct buf *b, const struct net_def *d, const char *owner, const struct net_nic *nics,
		   size_t n);

/* 1: changed. What is gone from it is added to *gone. */
static int edit(int dir, const char *file, lines *put, const struct net_def *d, const char *owner,
		const struct net_nic *nics, size_t n, struct buf *gone)
{
	auto_buf struct buf b = { 0 };
	auto_free char *text = NULL;
	int r = file_read(dir, file, &text, NULL);

	if (r < 0 && r != -ENOENT)
		return r;
	net_dns_without(text ? text : "", owner, nics, n, &b, gone);
	put(&b, d, owner, nics, n);
	if (b.oom || gone->oom)
		return fail(ENOMEM, "out of memory");
	if (text && str_eq(text, buf_text(&b)))
		return 0;
	TRY(file_write_volatile(dir, file, buf_text(&b), b.n, 0644));
	return 1;
}

/*
 * What dnsmasq has leased and was just taken away from its holder: it would not give the address to the next
 * one for an hour, and forgets it only by being started without it. 1: something goes; kept is what stays.
 */
static int leases_without(int dir, const char *gone, struct buf *kept)
{
	auto_free char *leases = NULL;
	int r = file_read(dir, "leases", &leases, NULL), found = 0;
	char *save = NULL;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* "EXPIRES MAC ADDRESS NAME CLIENT", and "duid DUID" */
	for (char *line = strtok_r(leases, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char addr[INET6_ADDRSTRLEN] = "";

		if (sscanf(line, "%*s %*s %45s", addr) == 1 && strpbrk(addr, ".:") && net_dns_names(gone, addr))
			found = 1;
		else
			buf_printf(kept, "%s\n", line);
	}
	return kept->oom ? fail(ENOMEM, "out of memory") : found;
}

static int restart(const struct dns_where *w, int dir, const struct net_def *d, const struct buf *leases)
{
	struct dns_user u;
	struct dns_run r;

	bool ran = dns_run_read(w, &r);

	TRY(dns_user_find(&u));
	TRY(dns_process_end(w));
	TRY(file_write_volatile(dir, "leases", buf_text(leases), leases->n, 0644));
	return ran ? dns_process_start(w, dir, d, &u, (int)r.bridge) : 0;
}

static int set(const struct dns_where *w, const struct net_def *d, const char *owner,
	       const struct net_nic *nics, size_t n)
{
	auto_buf struct buf gone = { 0 }, gone_dhcp = { 0 }, leases = { 0 };
	auto_close int dir = open_dir(w);
	int hosts, dhcp, leased = 0;

	if (dir == -ENOENT)
		return 0;
	TRY(dir);
	hosts = edit(dir, "hosts", net_dns_hosts, d, owner, nics, n, &gone);
	TRY(hosts);
	dhcp = edit(dir, "dhcp", net_dns_dhcp, d, owner, nics, n, &gone_dhcp);
	TRY(dhcp);
	if (dhcp)
		leased = leases_without(dir, buf_text(&gone_dhcp), &leases);
	TRY(leased);
	if (leased)
		return restart(w, dir, d, &leases);
	if (hosts || dhcp)
		dns_process_tell(w);
	return 0;
}

/* A name that is late is no reason to refuse an address: it is told, and `network apply` mends it. */
static void set_on(const struct net_home *h, int dirfd, const char *network, const char *owner,
		   const struct net_record *is)
{
	auto_net_file struct net_file f = { 0 };
	struct dns_where w;
	int r;

	dns_where_of(h, network, &w);
	if (access(w.path, F_OK) < 0 && errno == ENOENT)
		return;
	r = net_def_load(dirfd, network, &f);
	if (r >= 0 && f.d.dns)
		r = set(&w, &f.d, owner, is ? is->nics.v : NULL, is ? is->nics.n : 0);
	if (r < 0) {
		log_warn("network %s: names: %s", network, err_text());
		err_clear();
	}
}

void net_dns_follow(const struct net_home *h, int dirfd, const struct net_record *was,
		    const struct net_record *is)
{
	const struct net_record *r[] = { is, was };
	const char *done[2 * NET_PORTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < COUNT(r); i++) {
		for (size_t k = 0; r[i] && k < r[i]->nics.n && n < COUNT(done); k++) {
			const struct net_nic *nic = (const struct net_nic *)r[i]->nics.v + k;
			bool again = !nic->network;

			for (size_t j = 0; j < n && !again; j++)
				again = str_eq(done[j], nic->network);
			if (again)
				continue;
			done[n++] = nic->network;
			set_on(h, dirfd, nic->network, r[i]->owner, is);
		}
	}
}
