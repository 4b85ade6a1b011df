/* Where the groups of a container lie in each hierarchy. */
#include "cgroups/internal.h"

#include <string.h>
#include <unistd.h>

const char *cg_path_in(const char *stored, const char *hier, size_t *len)
{
	size_t n = strlen(hier), first = strcspn(stored, "\n");

	for (const char *line = stored + first; *line == '\n'; line += strcspn(line, "\n")) {
		line++;
		if (strncmp(line, hier, n) == 0 && line[n] == ':') {
			*len = strcspn(line + n + 1, "\n");
			return line + n + 1;
		}
	}
	*len = first;
	return stored;
}

const char *cg_file(const struct cg *cg, size_t i, const char *file, char *buf)
{
	const struct cg_hier *h = &cg_host()->h[i];
	/* A record of another time may name what is not mounted now: a place where there never is anything. */
	const char *mount = cg_hier(i) ? h->mount : "/dev/null";
	size_t len, m = strlen(mount), k = file ? strlen(file) : 0;
	const char *path = cg_path_in(cg->path, h->name, &len);

	memcpy(buf, mount, m);
	memcpy(buf + m, path, len);
	buf[m + len] = '\0';
	if (file && m + len + 1 + k < CG_FULL) {
		buf[m + len] = '/';
		memcpy(buf + m + len + 1, file, k + 1);
	}
	return buf;
}

int cg_dir(const struct cg *cg, size_t hier, char *buf, size_t size)
{
	char full[CG_FULL];

	if (hier >= cg_host()->n || !(cg->hiers & BIT(hier)))
		return -ENOENT;
	return snprintf(buf, size, "%s", cg_file(cg, hier, NULL, full)) >= (int)size ? -ENAMETOOLONG : 0;
}

int cg_own_dir(size_t hier, char *buf, size_t size)
{
	const struct cg_hier *h = cg_hier(hier);

	if (!h)
		return -ENOENT;
	return snprintf(buf, size, "%s%s", h->mount, str_eq(h->own, "/") ? "" : h->own) >= (int)size
		? -ENAMETOOLONG : 0;
}

/*
 * Below our own group; on a v2-only host beside it, as runc does: our group holds us, and
 * a group that holds processes can give controllers to none below it.
 */
static void base_of(const struct cg_host *host, const struct cg_hier *h, char out[sizeof h->own])
{
	char dir[sizeof h->mount + sizeof h->own];
	char *slash;

	strcpy(out, str_eq(h->own, "/") ? "" : h->own);
	if (host->layout != CG_V2 || !*out)
		return;
	slash = strrchr(out, '/');
	*slash = '\0';
	snprintf(dir, sizeof dir, "%s%s", h->mount, out);
	if (access(dir, W_OK) < 0)
		*slash = '/';
}

int cg_place(const struct cg_host *host, const char *path, char out[CG_PATH_MAX])
{
	char first[sizeof host->h[0].own] = "", base[sizeof host->h[0].own];
	size_t n;

	if (path[0] == '/') {
		snprintf(out, CG_PATH_MAX, "%s", path);
		return 0;
	}
	/* v2's, where there is one. */
	for (size_t i = 0; i < host->n; i++)
		if (host->h[i].mount[0])
			base_of(host, &host->h[i], first);
	n = (size_t)snprintf(out, CG_PATH_MAX, "%s/%s", first, path);
	for (size_t i = 0; i < host->n && n < CG_PATH_MAX; i++) {
		if (!host->h[i].mount[0])
			continue;
		base_of(host, &host->h[i], base);
		if (!str_eq(base, first))
			n += (size_t)snprintf(out + n, CG_PATH_MAX - n, "\n%s:%s/%s", host->h[i].name, base,
					      path);
	}
	if (n >= CG_PATH_MAX)
		return fail(ENAMETOOLONG, "cgroups path %.64s...: too long below our own group", path);
	return 0;
}

int cg_refuse_root(const struct cg *cg)
{
	const char *p = cg->path;

	if (!cg->hiers || (p[0] == '/' && p[strspn(p, "/.")] && p[strspn(p, "/.")] != '\n'))
		return 0;
	return fail(EINVAL, "cgroup \"%.64s\" is not a container's", p);
}
