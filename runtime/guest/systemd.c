/*
 * Since version 258 systemd runs on cgroup v2 alone (its NEWS): on a host with v1, or with both, such a guest is
 * shown the tree of v2 and nothing else. Which version it is can be told before there is a process: by the name of
 * the library that all of systemd's programs share, which has it.
 */
#include "runtime/guest/guest.h"
#include "base/path.h"
#include "base/scope.h"
#include "runtime/guest/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V2_ALONE = 258 };

static unsigned long higher(unsigned long a, unsigned long b)
{
	return a > b ? a : b;
}

/*
 * The highest in one directory and, if asked, in those of Debian's for each kind of machine in it, no deeper: the image
 * is anybody's, and may lead back to itself by many names. 0: there is none.
 */
static unsigned long version_in(int root_fd, const char *place, bool machines)
{
	static const char lib[] = "libsystemd-shared-";
	auto_close int fd = path_open(root_fd, place, O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	unsigned long highest = 0;

	if (!d)
		return 0;
	fd = -1;
	for (struct dirent *e; (e = readdir(d));) {
		char below[PATH_MAX];

		snprintf(below, sizeof below, "%s/%s/systemd", place, e->d_name);
		if (str_starts(e->d_name, lib))
			highest = higher(highest, strtoul(e->d_name + strlen(lib), NULL, 10));
		else if (machines && strstr(e->d_name, "-linux-"))
			highest = higher(highest, version_in(root_fd, below, false));
	}
	closedir(d);
	return highest;
}

/* Layer by layer: what an update left in the upper one is the newest. */
static unsigned long version_of(const struct container_root *r)
{
	static const char *const places[] = { "usr/lib", "usr/lib/systemd", "usr/lib64/systemd" };
	unsigned long highest = 0;
	char upper[PATH_MAX];

	snprintf(upper, sizeof upper, "%s/upper", r->upper_dir ? r->upper_dir : "");
	for (size_t i = 0; i < r->layers.n + (r->upper_dir ? 1 : 0); i++) {
		auto_close int root = open(i < r->layers.n ? r->layers.v[i] : upper, O_PATH | O_DIRECTORY | O_CLOEXEC);

		for (size_t k = 0; root >= 0 && k < COUNT(places); k++)
			highest = higher(highest, version_in(root, places[k], true));
	}
	err_clear();
	return highest;
}

static bool host_has_v2(const struct cg_host *host)
{
	for (size_t i = 0; i < host->n; i++)
		if (host->h[i].v2 && cg_hier(i))
			return true;
	return false;
}

int guest_cgroup_type(const struct container_root *r, const char **type)
{
	const struct cg_host *host = cg_host();
	unsigned long version = host->layout == CG_V1 || host->layout == CG_HYBRID ? version_of(r) : 0;

	*type = version >= V2_ALONE ? "cgroup2" : "cgroup";
	if (version < V2_ALONE || host_has_v2(host))
		return 0;
	TRY(cg_host_check());
	fail_as(ERR_UNSUPPORTED, "its systemd %lu runs on cgroup v2 only, which is not mounted on this host", version);
	err_try("mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified");
	return -EOPNOTSUPP;
}
