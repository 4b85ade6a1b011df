#include "base/file.h"
#include "base/scope.h"
#include "runtime/child/mount.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

/* Mounts at /tmp/groups of a namespace of our own what a container without a group sees. */
static void without_group(void)
{
	static const struct cg none;
	struct mnt_op op = { .verb = MNT_CGROUP, .flags = MNT_DELEGATED, .dst = "/groups", .type = "cgroup" };
	struct mnt_ctx c = MNT_CTX_INIT;
	const struct cg_host *host = cg_host();
	size_t seen = 0;

	c.cg = &none;
	CHECK(mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
	c.root_fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(mnt_cgroup(&c, &op) == 0);
	for (size_t i = 0; i < host->n; i++) {
		const char *name = host->h[i].name;
		char path[128];
		struct statvfs fs;

		snprintf(path, sizeof path, "/tmp/groups%s%s", host->layout == CG_V2 ? "" : "/",
			 host->layout == CG_V2 ? "" : strncmp(name, "name=", 5) == 0 ? name + 5 : name);
		if (!cg_hier(i))
			continue;
		CHECK(statvfs(path, &fs) == 0 && fs.f_flag & ST_RDONLY);
		seen++;
	}
	CHECK(seen > 0);
}

/* Without privilege: root of a user namespace that knows nobody else. */
static bool own_namespaces(void)
{
	char map[2][32];

	snprintf(map[0], sizeof map[0], "0 %u 1", geteuid());
	snprintf(map[1], sizeof map[1], "0 %u 1", getegid());
	if (geteuid() == 0)
		return unshare(CLONE_NEWNS) == 0;
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       file_poke(AT_FDCWD, "/proc/self/setgroups", "deny") == 0 &&
	       file_poke(AT_FDCWD, "/proc/self/uid_map", map[0]) == 0 &&
	       file_poke(AT_FDCWD, "/proc/self/gid_map", map[1]) == 0;
}

TEST(delegated_without_a_group)
{
	int status;
	pid_t pid;

	/* No namespaces for us, or no groups at all: nothing to look at. */
	if (cg_host()->layout == CG_NONE)
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (!own_namespaces())
			_exit(0);
		CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		without_group();
		fflush(stdout);
		_exit(unit_failed);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

UNIT_MAIN(UNIT(delegated_without_a_group))
