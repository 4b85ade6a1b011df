#include "images/probe.h"
#include "base/str.h"

#include <string.h>

/* Top-level names that only an archive of blobs has: "blobs", and digests with the endings that writers give them. */
static bool is_of_blobs(const char *s, size_t n)
{
	static const char *const names[] = { "blobs", "repositories", "version" };
	static const char *const ends[] = { "", ".json", ".tar", ".tar.gz" };
	size_t algorithm = str_starts(s, "sha256:") ? 7 : 0, hex = algorithm + 64;

	for (size_t i = 0; i < COUNT(names); i++)
		if (strlen(names[i]) == n && strncmp(s, names[i], n) == 0)
			return true;
	if (n < hex || strspn(s + algorithm, "0123456789abcdef") != 64)
		return false;
	for (size_t i = 0; i < COUNT(ends); i++)
		if (strlen(ends[i]) == n - hex && strncmp(s + hex, ends[i], n - hex) == 0)
			return true;
	return false;
}

bool probe_name(struct probe *p, const char *path)
{
	size_t n;

	while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
		path++;
	n = strcspn(path, "/");
	if (n == 0)
		return true;
	if (str_eq(path, "oci-layout"))
		p->layout = true;
	else if (str_eq(path, "index.json"))
		p->index = true;
	else if (str_eq(path, "manifest.json"))
		p->manifest = true;
	else if (!is_of_blobs(path, n))
		p->other = true;
	return !p->other;
}

enum archive_kind probe_kind(const struct probe *p)
{
	if (p->other)
		return ARCHIVE_ROOTFS;
	if (p->layout && p->index)
		return ARCHIVE_OCI;
	return p->manifest ? ARCHIVE_DOCKER : ARCHIVE_ROOTFS;
}
