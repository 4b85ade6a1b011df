#include "runtime/guest/exposure.h"
#include "base/scope.h"
#include "runtime/child/caps.h"

#include <stdio.h>
#include <string.h>

const struct exposure_row exposure_rows[EXPOSURE_ROWS] = {
	{ "host-namespace", 50, 0, "namespaces that are the host's own", NULL },
	{ "host-capability", 10, 0, "capabilities over the host", NULL },
	{ "capability", 1, 28, "capabilities in a user namespace of its own",
	  "an init mounts, sets addresses, changes users" },
	{ "inherited-capability", 10, 0, "inheritable and ambient capabilities", NULL },
	{ "new-privileges", 1, 1, "setuid programs raise privileges", "sudo and su work in a guest" },
	{ "no-filter", 50, 0, "no seccomp filter", NULL },
	{ "syscall", 1, 320, "system calls that reach the kernel", "a distribution under systemd needs them" },
	{ "foreign-abi", 10, 0, "other system-call tables: i386, x32", NULL },
	{ "socket-family", 2, 5, "socket families", "unix, inet, inet6, netlink and packet: a guest has a network" },
	{ "interface", 20, 0, "perf, bpf, io_uring, userfaultfd, open_by_handle_at, add_key", NULL },
	{ "terminal-injection", 20, 0, "TIOCSTI and TIOCLINUX", NULL },
	{ "proc-writable", 10, 0, "files of /proc that are the host's and open for writing", NULL },
	{ "sys-writable", 10, 0, "files of /sys open for writing", NULL },
	{ "own-sysctl", 0, 5000, "sysctls of its own namespaces open for writing",
	  "they are the guest's own to set" },
	{ "cgroup-writable", 2, 2, "control groups open for writing", "its systemd makes groups below its own" },
	{ "host-information", 2, 4, "files that tell of the host", "vmstat, ps and systemd fail without" },
	{ "host-figure", 2, 3, "memory, processors, uptime, load, boot id that are the host's",
	  "they are the guest's own where lxcfs runs" },
	{ "host-name", 5, 0, "the host's name", NULL },
	{ "host-path", 5, 0, "mounts that name paths and disks of the host", NULL },
	{ "cgroup-path", 5, 0, "control groups named from the host's root", NULL },
	{ "foreign-process", 10, 0, "processes of others", NULL },
	{ "foreign-ipc", 5, 0, "abstract sockets and System V IPC of others", NULL },
	{ "key", 2, 0, "keys and keyrings", NULL },
	{ "kernel-log", 20, 0, "the kernel's log", NULL },
	{ "device", 5, 0, "devices beyond null, zero, full, random, tty and terminals", NULL },
	{ "mknod", 20, 0, "device nodes that can be made and opened", NULL },
	{ "nested", 10, 0, "user namespaces below its own, and what they open", NULL },
	{ "kernel-surface", 1, 10, "mounts and namespaces that its root can make",
	  "services of systemd are confined by them" },
};

/* Rows of the probe's report that findings name differently, or that depend on whether the namespace is the host's. */
static const struct { const char *row, *space, *shared, *own; } renamed[] = {
	{ "capability",      "ns-user",   "host-capability", "capability" },
	{ "sysctl-net",      "ns-net",    "proc-writable",   "own-sysctl" },
	{ "sysctl-user",     "ns-user",   "proc-writable",   "own-sysctl" },
	{ "sysctl-uts",      "ns-uts",    "proc-writable",   "own-sysctl" },
	{ "sysctl-ipc",      "ns-ipc",    "proc-writable",   "own-sysctl" },
	{ "sysctl-pid",      "ns-pid",    "proc-writable",   "own-sysctl" },
	{ "abstract-socket", "ns-net",    "foreign-ipc",     NULL },
	{ "sysv-ipc",        "ns-ipc",    "foreign-ipc",     NULL },
};

struct reading {
	struct arena *a;
	const struct map *host;
	struct map facts;
	struct exposure *out;
};

static const char *seen(const struct reading *r, const char *fact)
{
	return map_get(&r->facts, fact);
}

static const char *hosts(const struct reading *r, const char *fact)
{
	return map_get(r->host, fact);
}

static bool is_hosts(const struct reading *r, const char *fact)
{
	const char *a = seen(r, fact), *b = hosts(r, fact);

	return a && b && str_eq(a, b);
}

static int row_number(const char *name)
{
	for (int i = 0; i < EXPOSURE_ROWS; i++)
		if (str_eq(exposure_rows[i].name, name))
			return i;
	return -1;
}

static int add(struct reading *r, const char *name, const char *text)
{
	struct exposure *e = r->out;
	int row = row_number(name);

	if (row < 0)
		return fail_as(ERR_CONFIG, "the probe's report: unknown row \"%.40s\"", name);
	if (!text)
		return fail(ENOMEM, "out of memory");
	e->items[e->n++] = (struct exposure_item){ (unsigned)row, text };
	e->count[row]++;
	e->score += exposure_rows[row].weight;
	return 0;
}

/* "21 effective,bounding": numbers have names outside. */
static const char *readable(struct reading *r, const char *row, const char *text)
{
	unsigned cap;

	if (!str_ends(row, "capability") || sscanf(text, "%u", &cap) != 1 || cap > 63 || !caps_name(cap))
		return text;
	return arena_printf(r->a, "%s%s", caps_name(cap), text + strcspn(text, " "));
}

static int add_found(struct reading *r, const char *row, const char *text)
{
	text = readable(r, row, text);
	for (size_t i = 0; i < COUNT(renamed); i++)
		if (str_eq(renamed[i].row, row)) {
			row = is_hosts(r, renamed[i].space) ? renamed[i].shared : renamed[i].own;
			return row ? add(r, row, text) : 0;
		}
	return add(r, row, text);
}

static uint64_t number(const char *text)
{
	uint64_t v;

	return text && str_u64(text, UINT64_MAX, &v) == 0 ? v : 0;
}

/* One of memory and cpus: more than the limit, or all that the host has. */
static int add_figure(struct reading *r, const char *fact, const char *limit)
{
	uint64_t is = number(seen(r, fact)), all = number(hosts(r, fact));
	uint64_t most = limit ? number(hosts(r, limit)) : 0;

	if (most && most < all) {
		if (is > most)
			return add(r, "host-figure", arena_printf(r->a, "%s %ju above the limit %ju", fact, (uintmax_t)is,
								  (uintmax_t)most));
		return 0;
	}
	return is && is >= all ? add(r, "host-figure", arena_printf(r->a, "%s %ju", fact, (uintmax_t)is)) : 0;
}

static int add_figures(struct reading *r)
{
	uint64_t up = number(seen(r, "uptime"));

	TRY(add_figure(r, "memory", "limit-memory"));
	TRY(add_figure(r, "cpus", NULL));
	/* The host's was read after the report. */
	if (up && up + 300 >= number(hosts(r, "uptime")))
		TRY(add(r, "host-figure", arena_printf(r->a, "uptime %ju", (uintmax_t)up)));
	if (seen(r, "loadavg"))
		TRY(add(r, "host-figure", arena_printf(r->a, "loadavg %s", seen(r, "loadavg"))));
	if (is_hosts(r, "boot"))
		TRY(add(r, "host-figure", "boot id"));
	return is_hosts(r, "hostname") ? add(r, "host-name", seen(r, "hostname")) : 0;
}

static const char *const spaces[] = {
	"ns-user", "ns-mnt", "ns-pid", "ns-net", "ns-ipc", "ns-uts", "ns-cgroup", "ns-time",
};

/* "PID NAMESPACE"; "PID unknown": a process that may not be looked at, so none of the guest's own. */
static int add_process(struct reading *r, const char *text)
{
	const char *space = strchr(text, ' ');

	return is_hosts(r, "ns-pid") || (space && str_eq(space, " unknown")) ? add(r, "foreign-process", text) : 0;
}

/* "4:memory:/user.slice": seen from the host's namespace it says where on the host this is. */
static int add_cgroup(struct reading *r, const char *text)
{
	const char *path = strrchr(text, ':');

	return path && !str_eq(path, ":/") && is_hosts(r, "ns-cgroup") ? add(r, "cgroup-path", text) : 0;
}

/* Facts first: the meaning of a finding depends on whose namespaces they are. */
static int add_facts(struct reading *r)
{
	for (size_t i = 0; i < COUNT(spaces); i++)
		if (is_hosts(r, spaces[i]))
			TRY(add(r, "host-namespace", spaces[i] + 3));
	TRY(add_figures(r));
	for (size_t i = 0; i < r->facts.n; i++) {
		if (str_eq(r->facts.v[i].key, "process"))
			TRY(add_process(r, r->facts.v[i].value));
		if (str_eq(r->facts.v[i].key, "cgroup"))
			TRY(add_cgroup(r, r->facts.v[i].value));
	}
	return 0;
}

static int cut(const char *what)
{
	return fail_as(ERR_CONFIG, "the probe's report: %s", what);
}

/* The lines as pairs; text is cut in place. */
static int split(struct reading *r, char *text, struct pair *found, size_t *n)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	bool ended = false;

	if (!line || !str_eq(line, "vzrun-probe 1"))
		return cut("not one of vzrun-probe 1");
	while ((line = strtok_r(NULL, "\n", &save))) {
		char *tab = strchr(line, '\t');

		if (ended)
			return cut("goes on behind its end");
		ended = str_eq(line, "end");
		if (ended)
			continue;
		if (!tab)
			return cut("a line without a tab");
		*tab++ = '\0';
		if (*line == '=')
			r->facts.v[r->facts.n++] = (struct pair){ line + 1, tab };
		else
			found[(*n)++] = (struct pair){ line, tab };
	}
	return ended ? 0 : cut("cut: it has no end");
}

int exposure_read(struct arena *a, const char *report, const struct map *host, struct exposure *out)
{
	struct reading r = { .a = a, .host = host, .out = out };
	size_t lines = 1, n = 0;
	char *text = arena_strdup(a, report);
	struct pair *found;

	*out = (struct exposure){ 0 };
	for (const char *p = report; (p = strchr(p, '\n')); p++)
		lines++;
	found = arena_alloc(a, lines, sizeof *found);
	r.facts.v = arena_alloc(a, lines, sizeof *r.facts.v);
	/* A fact makes one finding at most, but hostname and namespaces have names of their own. */
	out->items = arena_alloc(a, lines + COUNT(spaces) + 8, sizeof *out->items);
	if (!text || !found || !r.facts.v || !out->items)
		return fail(ENOMEM, "out of memory");
	TRY(split(&r, text, found, &n));
	if (seen(&r, "cannot"))
		return fail_as(ERR_UNSUPPORTED, "the probe cannot tell: %s", seen(&r, "cannot"));
	TRY(add_facts(&r));
	for (size_t i = 0; i < n; i++)
		TRY(add_found(&r, found[i].key, found[i].value));
	return 0;
}

const char *exposure_verdict(const struct exposure *e, unsigned row)
{
	return !e->count[row] ? "closed" : e->count[row] <= exposure_rows[row].usual ? "usual" : "exposed";
}
