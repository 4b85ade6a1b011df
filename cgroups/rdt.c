#include "cgroups/rdt.h"
#include "base/file.h"
#include "base/scope.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static const struct field rdt_fields[] = {
	F(struct rdt_conf, "closID",           K_STR,  clos),
	F(struct rdt_conf, "schemata",         K_STRV, schemata),
	F(struct rdt_conf, "l3CacheSchema",    K_STR,  l3),
	F(struct rdt_conf, "memBwSchema",      K_STR,  mb),
	F(struct rdt_conf, "enableMonitoring", K_BOOL, monitoring),
	{ 0 }
};
const struct record rdt_record = RECORD("intelRdt", struct rdt_conf, rdt_fields);

/* resctrl's own directories lie beside the groups. */
static bool is_group_name(const char *s)
{
	static const char *const taken[] = { "info", "mon_groups", "mon_data", NULL };
	size_t n = strlen(s);

	for (size_t i = 0; taken[i]; i++)
		if (str_eq(s, taken[i]))
			return false;
	for (const char *p = s; *p; p++)
		if (*p == '/' || (unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return n > 0 && n <= RDT_NAME_MAX && s[0] != '.';
}

int rdt_check(const struct rdt_conf *c)
{
	if (c->clos && !str_eq(c->clos, "/") && !is_group_name(c->clos))
		return fail(EINVAL, "closID: \"%s\" is not the name of a group", c->clos);
	if (c->l3 && !*c->l3)
		return fail(EINVAL, "l3CacheSchema: empty");
	if (c->mb && (!str_starts(c->mb, "MB:") || strchr(c->mb, '\n')))
		return fail(EINVAL, "memBwSchema: must be one line that begins with \"MB:\"");
	for (size_t i = 0; i < c->schemata.n; i++)
		if (!*c->schemata.v[i] || strchr(c->schemata.v[i], '\n'))
			return fail(EINVAL, "schemata[%zu]: must be one line", i);
	return 0;
}

int rdt_open(void)
{
	auto_close int fd = open("/sys/fs/resctrl", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	/* Engines tell what is missing by the kernel's words. */
	if (fd < 0 && errno == ENOENT)
		return fail_class(fail_errno("linux.intelRdt: no resctrl file system: open /sys/fs/resctrl"), ERR_UNSUPPORTED);
	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != RDTGROUP_SUPER_MAGIC)
		return fail_as(ERR_UNSUPPORTED, "linux.intelRdt: no resctrl file system is mounted on /sys/fs/resctrl");
	return take_fd(&fd);
}

static bool has_schemata(const struct rdt_conf *c)
{
	return c->l3 || c->mb || c->schemata.n > 0;
}

int rdt_plan(int root, const struct rdt_conf *c, const char *id, struct rdt *out)
{
	bool is_root = c->clos && str_eq(c->clos, "/");
	const char *name = is_root ? "." : c->clos ? c->clos : id;

	*out = (struct rdt){ 0 };
	if (!is_root && !is_group_name(name))
		return fail(EINVAL, "linux.intelRdt: \"%s\" cannot name a group: set closID", name);
	snprintf(out->group, sizeof out->group, "%s", is_root ? "" : name);
	if (c->monitoring)
		snprintf(out->monitor, sizeof out->monitor, "%s", id);
	if (strlen(id) > RDT_NAME_MAX && c->monitoring)
		return fail(ENAMETOOLONG, "linux.intelRdt.enableMonitoring: the id is too long to name a group");
	out->make = faccessat(root, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	if (out->make && c->clos && !has_schemata(c))
		return fail_as(ERR_NOT_FOUND, "linux.intelRdt.closID: there is no group \"%s\", and no schemata to make it",
			       c->clos);
	out->own = out->make && !c->clos;
	return 0;
}

static void path_of(const struct rdt *r, const char *file, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s", r->group, *r->group && *file ? "/" : "", *r->group || *file ? file : ".");
}

/* A value as the kernel prints it may differ in case and in leading zeros. */
static bool same_value(const char *a, size_t n, const char *b, size_t m)
{
	while (n > 1 && *a == '0')
		a++, n--;
	while (m > 1 && *b == '0')
		b++, m--;
	return n == m && strncasecmp(a, b, n) == 0;
}

/* "0=7f0" among "0=7f0;1=1f", up to the end of the line. */
static bool has_pair(const char *line, const char *want, size_t n)
{
	const char *eq = memchr(want, '=', n);
	size_t key = eq ? (size_t)(eq - want) : n;

	for (const char *p = line; *p && *p != '\n'; p += *p == ';') {
		size_t m = strcspn(p, ";\n");

		if (eq && m > key && p[key] == '=' && strncmp(p, want, key) == 0 &&
		    same_value(p + key + 1, m - key - 1, eq + 1, n - key - 1))
			return true;
		p += m;
	}
	return false;
}

/* The part of `text` behind "NAME:" where a line begins with it, whatever the indent. */
static const char *line_of(const char *text, const char *want, size_t name)
{
	for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		p += strspn(p, " \t");
		if (strncmp(p, want, name) == 0 && p[name] == ':')
			return p + name + 1;
	}
	return NULL;
}

static bool agrees(const char *text, const char *want)
{
	for (const char *line = want; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t end = strcspn(line, "\n"), name = strcspn(line, ":\n");
		const char *have = name < end ? line_of(text, line, name) : NULL;

		if (!have)
			return false;
		for (const char *p = line + name + 1; p < line + end;) {
			size_t n = strcspn(p, ";\n");

			if (n > 0 && !has_pair(have, p, n))
				return false;
			p += n + (p[n] == ';');
		}
	}
	return true;
}

/* A group that others share is not changed: what is asked for must be what it has. */
static int compare(int root, const struct rdt *r, const char *key, const char *want)
{
	char path[2 * RDT_NAME_MAX], text[8192];
	ssize_t n;

	if (!want)
		return 0;
	path_of(r, "schemata", path, sizeof path);
	n = file_peek(root, path, text, sizeof text);
	if (n < 0)
		return fail((int)-n, "linux.intelRdt: read %s: %s", path, strerrordesc_np((int)-n));
	return agrees(text, want) ? 0 : fail(EEXIST,
					     "linux.intelRdt.%s: the group \"%s\" exists and has another one",
					     key, r->group);
}

static int write_line(int root, const struct rdt *r, const char *key, const char *value)
{
	char path[2 * RDT_NAME_MAX], says[256] = "";
	auto_buf struct buf b = { 0 };
	int code;

	if (!value)
		return 0;
	path_of(r, "schemata", path, sizeof path);
	buf_printf(&b, "%s%s", value, str_ends(value, "\n") ? "" : "\n");
	code = b.oom ? -ENOMEM : file_poke(root, path, buf_text(&b));
	if (code >= 0)
		return 0;
	fail(-code, "linux.intelRdt.%s: \"%s\" is refused: %s", key, value, strerrordesc_np(-code));
	if (file_peek(root, "info/last_cmd_status", says, sizeof says) > 0)
		err_why("the kernel says: %s", says);
	return code;
}

static int write_schemata(int root, const struct rdt_conf *c, const struct rdt *r)
{
	if (!r->make) {
		TRY(compare(root, r, "l3CacheSchema", c->l3));
		TRY(compare(root, r, "memBwSchema", c->mb));
	} else {
		TRY(write_line(root, r, "l3CacheSchema", c->l3));
		TRY(write_line(root, r, "memBwSchema", c->mb));
	}
	for (size_t i = 0; i < c->schemata.n; i++) {
		char key[32];

		snprintf(key, sizeof key, "schemata[%zu]", i);
		TRY(write_line(root, r, key, c->schemata.v[i]));
	}
	return 0;
}

static int make_dir(int root, const char *path)
{
	char says[256] = "";
	int r;

	if (mkdirat(root, path, 0755) == 0)
		return 0;
	r = fail_errno("linux.intelRdt: make the group %s", path);
	if (file_peek(root, "info/last_cmd_status", says, sizeof says) > 0)
		err_why("the kernel says: %s", says);
	return r;
}

static void monitor_path(const struct rdt *r, const char *file, char *out, size_t size)
{
	char below[RDT_NAME_MAX + 32];

	snprintf(below, sizeof below, "mon_groups/%s%s", r->monitor, file);
	path_of(r, below, out, size);
}

int rdt_make(int root, const struct rdt_conf *c, const struct rdt *r)
{
	char monitor[3 * RDT_NAME_MAX];
	int ret;

	if (r->make)
		TRY(make_dir(root, r->group));
	ret = write_schemata(root, c, r);
	if (ret >= 0 && *r->monitor) {
		monitor_path(r, "", monitor, sizeof monitor);
		ret = make_dir(root, monitor);
	}
	if (ret < 0 && r->make)
		(void)unlinkat(root, r->group, AT_REMOVEDIR);
	return ret;
}

static int add_to(int root, const char *path, pid_t pid)
{
	char text[16];
	int r;

	snprintf(text, sizeof text, "%d", (int)pid);
	r = file_poke(root, path, text);
	return r < 0 ? fail(-r, "linux.intelRdt: write %s to resctrl's %s: %s", text, path, strerrordesc_np(-r)) : 0;
}

int rdt_add(int root, const struct rdt *r, pid_t pid)
{
	char path[3 * RDT_NAME_MAX];

	path_of(r, "tasks", path, sizeof path);
	TRY(add_to(root, path, pid));
	if (!*r->monitor)
		return 0;
	monitor_path(r, "/tasks", path, sizeof path);
	return add_to(root, path, pid);
}

static int remove_dir(int root, const char *path)
{
	return unlinkat(root, path, AT_REMOVEDIR) < 0 && errno != ENOENT
		? fail_errno("remove resctrl's group %s", path)
									  : 0;
}

int rdt_remove(int root, const struct rdt *r)
{
	char monitor[3 * RDT_NAME_MAX];
	int ret = 0;

	if (*r->monitor) {
		monitor_path(r, "", monitor, sizeof monitor);
		ret = remove_dir(root, monitor);
	}
	if (r->own)
		TRY(remove_dir(root, r->group));
	return ret;
}

int rdt_update(int root, const struct rdt_conf *c, const char *group)
{
	struct rdt r = { .make = true };

	snprintf(r.group, sizeof r.group, "%s", group);
	return write_schemata(root, c, &r);
}
