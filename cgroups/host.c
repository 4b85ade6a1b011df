/* Which hierarchies this host has, and where we are in them. */
#include "cgroups/internal.h"
#include "base/file.h"
#include "base/sys.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

static const struct { const char *v1, *v2; } ctl_names[CTL_N] = {
	[CTL_CPU] = { "cpu", "cpu" },		[CTL_CPUACCT] = { "cpuacct", NULL },
	[CTL_CPUSET] = { "cpuset", "cpuset" },	[CTL_MEMORY] = { "memory", "memory" },
	[CTL_DEVICES] = { "devices", NULL },	[CTL_FREEZER] = { "freezer", NULL },
	[CTL_IO] = { "blkio", "io" },		[CTL_PIDS] = { "pids", "pids" },
	[CTL_HUGETLB] = { "hugetlb", "hugetlb" }, [CTL_NET_CLS] = { "net_cls", NULL },
	[CTL_NET_PRIO] = { "net_prio", NULL },	[CTL_RDMA] = { "rdma", "rdma" },
	[CTL_MISC] = { "misc", "misc" },
};

static struct cg_host host;
static int8_t v1_hier[CTL_N];	/* of a controller; -1 */
static int v2_hier = -1;
static int unread;		/* why we do not know: -errno */

const char *cg_ctl_name(enum ctl c, bool v2)
{
	return v2 ? ctl_names[c].v2 : ctl_names[c].v1;
}

bool cg_word_in(const char *list, const char *word, size_t len, char sep)
{
	for (const char *p = list; p && *p; p = *p ? p + 1 : p) {
		const char *end = p;

		while (*end && *end != sep && *end != '\n')
			end++;
		if ((size_t)(end - p) == len && memcmp(p, word, len) == 0)
			return true;
		p = end;
		if (!*p)
			break;
	}
	return false;
}

uint32_t cg_ctl_mask(const char *words)
{
	uint32_t mask = 0;

	for (size_t c = 0; c < CTL_N; c++)
		if (ctl_names[c].v2 && cg_word_in(words, ctl_names[c].v2, strlen(ctl_names[c].v2), ' '))
			mask |= BIT(c);
	return mask;
}

/* "4:memory:/a/b" or "0::/a/b" */
static void parse_self_line(const char *line, size_t len, struct cg_host *out)
{
	const char *end = line + len, *names = memchr(line, ':', len), *path;
	struct cg_hier *h = &out->h[out->n];

	path = names ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;
	if (!path || out->n == CG_HIER_MAX)
		return;
	names++;
	size_t name_len = (size_t)(path - names), path_len = (size_t)(end - path - 1);
	if (name_len >= sizeof h->name || path_len >= sizeof h->own)
		return;
	*h = (struct cg_hier){ .v2 = name_len == 0 };
	memcpy(h->name, name_len ? names : "unified", name_len ? name_len : 7);
	memcpy(h->own, path + 1, path_len);
	/* Outside of our cgroup namespace there is nothing that we could be below. */
	if (h->own[0] != '/' || str_starts(h->own, "/.."))
		strcpy(h->own, "/");
	out->n++;
}

void cg_parse_self(const char *text, struct cg_host *out)
{
	for (const char *end; *text; text = *end ? end + 1 : end) {
		end = strchrnul(text, '\n');
		parse_self_line(text, (size_t)(end - text), out);
	}
}

enum { MI_ROOT = 3, MI_POINT = 4, MI_TYPE = 6, MI_SUPER = 8, MI_N = 9 };

/* The fields before " - " vary in number; what follows it is counted from MI_TYPE. */
static bool split_mount(const char *line, const char *end, const char *f[MI_N], size_t len[MI_N])
{
	size_t n = 0;
	bool tail = false;

	for (const char *p = line; p < end; p++) {
		const char *stop = memchr(p, ' ', (size_t)(end - p));

		stop = stop ? stop : end;
		if (!tail && n == MI_TYPE && stop - p == 1 && *p == '-') {
			tail = true;
		} else if (n < MI_N && (tail || n < MI_TYPE)) {
			f[n] = p;
			len[n++] = (size_t)(stop - p);
		}
		p = stop;
	}
	return tail && n == MI_N;
}

static bool mounts(const struct cg_hier *h, const char *super, size_t len)
{
	char options[256];

	if (len >= sizeof options)
		return false;
	memcpy(options, super, len);
	options[len] = '\0';
	for (const char *p = h->name; *p;) {
		size_t part = strcspn(p, ",");

		if (!cg_word_in(options, p, part, ','))
			return false;
		p += part + (p[part] == ',');
	}
	return true;
}

/* strict: only a mount that shows our own group. */
static void use_mount(struct cg_hier *h, const char *root, const char *point, bool strict)
{
	size_t n = str_eq(root, "/") ? 0 : strlen(root);
	bool below = strncmp(h->own, root, n) == 0 && (h->own[n] == '/' || h->own[n] == '\0');

	if (strict && !below)
		return;
	snprintf(h->mount, sizeof h->mount, "%s", point);
	/* A mount of a part of the tree that we are not in: its root is all that we can name. */
	if (!below || !h->own[n])
		strcpy(h->own, "/");
	else
		memmove(h->own, h->own + n, strlen(h->own + n) + 1);
}

static void parse_mount_line(const char *line, const char *end, struct cg_host *out, bool strict)
{
	const char *f[MI_N];
	size_t len[MI_N];
	char root[512], point[256];
	bool v2;

	if (!split_mount(line, end, f, len) || len[MI_TYPE] < 6 || memcmp(f[MI_TYPE], "cgroup", 6) != 0)
		return;
	v2 = len[MI_TYPE] == 7;
	str_unescape(root, sizeof root, f[MI_ROOT], len[MI_ROOT]);
	str_unescape(point, sizeof point, f[MI_POINT], len[MI_POINT]);
	for (size_t i = 0; i < out->n; i++) {
		struct cg_hier *h = &out->h[i];

		if (h->v2 == v2 && !h->mount[0] && (v2 || mounts(h, f[MI_SUPER], len[MI_SUPER])))
			use_mount(h, root, point, strict);
	}
}

void cg_parse_mounts(const char *text, struct cg_host *out)
{
	const char *end;

	for (int strict = 1; strict >= 0; strict--)
		for (const char *p = text; *p; p = *end ? end + 1 : end) {
			end = strchrnul(p, '\n');
			parse_mount_line(p, end, out, strict);
		}
}

/*
 * One statfs(2) tells that the place is a mount of the right kind and that our own group is in it. A hierarchy that
 * could not be looked at is not one that is missing: what lies in it would be left.
 */
static bool at_place(struct cg_hier *h, const char *place)
{
	char path[sizeof h->mount + sizeof h->own];
	struct statfs fs;

	snprintf(path, sizeof path, "%s%s", place, h->own);
	int r = statfs(path, &fs);
	if (r < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES)
		unread = -errno;
	if (r < 0 || (unsigned long)fs.f_type != (h->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		return false;
	snprintf(h->mount, sizeof h->mount, "%s", place);
	return true;
}

/* The usual places spare us mountinfo, which is long on a busy host. */
static bool usual_place(struct cg_hier *h)
{
	char place[64];

	if (h->v2)
		return at_place(h, "/sys/fs/cgroup/unified") || at_place(h, "/sys/fs/cgroup") ||
		       at_place(h, "/sys/fs/cgroup/systemd");
	snprintf(place, sizeof place, "/sys/fs/cgroup/%s",
		 str_starts(h->name, "name=") ? h->name + 5 : h->name);
	return at_place(h, place);
}

static void from_mountinfo(void)
{
	static bool done;
	auto_free char *mountinfo = NULL;

	if (done)
		return;
	done = true;
	int r = file_read(AT_FDCWD, "/proc/self/mountinfo", &mountinfo, NULL);
	if (r < 0)
		unread = r;
	else
		cg_parse_mounts(mountinfo, &host);
}

/* Each is looked for when it is first asked for: most commands need few, and some none. */
const struct cg_hier *cg_hier(size_t i)
{
	static uint32_t asked;
	struct cg_hier *h = &host.h[i];

	(void)cg_host();
	if (i >= host.n)
		return NULL;
	if (!(asked & BIT(i)) && !h->mount[0]) {
		asked |= BIT(i);
		/* A kernel with v2 lists it always, mounted or not. */
		if (!usual_place(h) && (!h->v2 || host.n == 1))
			from_mountinfo();
	}
	return h->mount[0] ? h : NULL;
}

static void index_controllers(void)
{
	bool v1 = false, v2;

	memset(v1_hier, -1, sizeof v1_hier);
	for (size_t i = 0; i < host.n; i++) {
		if (host.h[i].v2)
			v2_hier = (int)i;
		for (size_t c = 0; c < CTL_N && !host.h[i].v2; c++)
			if (cg_word_in(host.h[i].name, ctl_names[c].v1, strlen(ctl_names[c].v1), ','))
				v1_hier[c] = (int8_t)i;
	}
	for (size_t i = 0; i < host.n && !v1; i++)
		v1 = !host.h[i].v2 && cg_hier(i);
	v2 = v2_hier >= 0 && cg_hier((size_t)v2_hier);
	v2_hier = v2 ? v2_hier : -1;
	host.layout = v1 && v2 ? CG_HYBRID : v1 ? CG_V1 : v2 ? CG_V2 : CG_NONE;
}

const struct cg_host *cg_host(void)
{
	static bool known;
	static char self[8192];

	if (!known) {
		ssize_t n = file_peek(AT_FDCWD, "/proc/self/cgroup", self, sizeof self);

		known = true;
		/* A kernel without cgroups has no such file. */
		if (n < 0 && n != -ENOENT)
			unread = (int)n;
		if (n > 0)
			cg_parse_self(self, &host);
		/* Those beyond would be taken for hierarchies that this host does not have. */
		if (host.n == CG_HIER_MAX)
			unread = -EOVERFLOW;
		index_controllers();
	}
	return &host;
}

int cg_host_check(void)
{
	(void)cg_host();
	return unread < 0 ? fail(-unread, "read which cgroups this host has: %s", strerrordesc_np(-unread)) : 0;
}

void cg_names(uint32_t hiers, char out[CG_NAMES_MAX])
{
	char *end = out;

	strcpy(out, "-");
	EACH_HIER(i, hiers) {
		if (end > out)
			*end++ = ':';
		end = stpcpy(end, host.h[i].name);
	}
}

uint32_t cg_named(const char *names)
{
	uint32_t mask = 0;
	size_t n = cg_host()->n, next = 0, len;

	/* As a rule they are in the order that they have here. */
	for (const char *p = names; p; p = p[len] ? p + len + 1 : NULL) {
		len = strcspn(p, ":");
		for (size_t k = 0; k < n; k++) {
			size_t i = (next + k) % n;

			if (strncmp(host.h[i].name, p, len) != 0 || host.h[i].name[len])
				continue;
			mask |= BIT(i);
			next = i + 1;
			break;
		}
	}
	return mask;
}

int cg_found(const struct cg *cg)
{
	EACH_HIER(i, cg->hiers)
		(void)cg_hier(i);
	return cg_host_check();
}

int cg_v2_hier(void)
{
	(void)cg_host();
	return v2_hier;
}

int cg_ctl_hier(enum ctl c)
{
	static uint32_t v2_mask;
	static bool v2_known;
	char path[300], words[256];

	(void)cg_host();
	if (v1_hier[c] >= 0 && cg_hier((size_t)v1_hier[c]))
		return v1_hier[c];
	if (v2_hier < 0 || !ctl_names[c].v2)
		return -1;
	if (!v2_known) {
		snprintf(path, sizeof path, "%s/cgroup.controllers", host.h[v2_hier].mount);
		ssize_t n = file_peek(AT_FDCWD, path, words, sizeof words);
		if (n > 0)
			v2_mask = cg_ctl_mask(words);
		else if (n < 0)
			unread = (int)n;
		v2_known = true;
	}
	return v2_mask & BIT(c) ? v2_hier : -1;
}

bool cg_rootless(void)
{
	return !sys_is_host_root();
}
