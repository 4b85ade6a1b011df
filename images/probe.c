#include "images/probe.h"
#include "base/str.h"

#include <string.h>

/*
 * Top-level names that only an archive of blobs has: "blobs", 64 hexadecimal digits, the same with .json or
 * .tar.
 */
static bool is_of_blobs(const char *s, size_t n)
{
	static const char *const names[] = { "blobs", "repositories", "version" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (strlen(names[i]) == n && strncmp(s, names[i], n) == 0)
			return true;
	if (strspn(s, "0123456789abcdef") < 64)
		return false;
	return n == 64 || (n == 69 && strncmp(s + 64, ".json", 5) == 0) ||
	       (n == 68 && strncmp(s + 64, ".tar", 4) == 0);
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
