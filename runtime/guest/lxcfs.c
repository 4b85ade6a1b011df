#include "runtime/guest/lxcfs.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MS = 1000 };
enum { CPUINFO, DISKSTATS, LOADAVG, MEMINFO, STAT, SWAPS, UPTIME, ONLINE };

const char *const lxcfs_files[LXCFS_FILES] = {
	[CPUINFO] = "/proc/cpuinfo", [DISKSTATS] = "/proc/diskstats", [LOADAVG] = "/proc/loadavg",
	[MEMINFO] = "/proc/meminfo", [STAT] = "/proc/stat", [SWAPS] = "/proc/swaps", [UPTIME] = "/proc/uptime",
	[ONLINE] = "/sys/devices/system/cpu/online",
};

/* Without a word to the file system, which may never answer: attributes as they are known. */
static bool is_mounted(void)
{
	struct statx at, above;

	return statx(AT_FDCWD, LXCFS, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &at) == 0 &&
	       statx(AT_FDCWD, LXCFS "/..", AT_STATX_DONT_SYNC, STATX_TYPE, &above) == 0 &&
	       (at.stx_dev_major != above.stx_dev_major || at.stx_dev_minor != above.stx_dev_minor);
}

/* One that was killed leaves a mount on which everything fails, and one of another version lacks files. */
static uint8_t look(void)
{
	uint8_t there = 0;

	for (size_t i = 0; i < LXCFS_FILES; i++) {
		char path[96];
		struct statfs fs;
		struct stat st;

		snprintf(path, sizeof path, LXCFS "%s", lxcfs_files[i]);
		if (statfs(path, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC && stat(path, &st) == 0 && S_ISREG(st.st_mode))
			there |= (uint8_t)(1 << i);
	}
	return there;
}

/*
 * A request to a FUSE file system that does not answer can be ended only by killing the process that made it. So a
 * child asks, and its exit status is the set of files that it found.
 */
uint32_t lxcfs_serves(void)
{
	auto_close int pidfd = -1;
	int status = 0;

	if (!is_mounted())
		return 0;
	pid_t pid = sys_clone(0, SIGCHLD, -1, &pidfd);
	if (pid == 0)
		_exit(look());
	if (pid < 0) {
		log_warn("lxcfs is not asked: %s", strerrordesc_np(errno));
		return 0;
	}
	if (sys_pidfd_wait(pidfd, ANSWER_MS) != 1) {
		(void)sys_pidfd_kill(pidfd, SIGKILL);
		log_warn("lxcfs does not answer: free and top of the guest show the host");
	}
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0 || !WIFEXITED(status))
		return 0;
	/* lxcfs 6 refuses every read where it may not inspect the reading process. */
	if (!(WEXITSTATUS(status) >> MEMINFO & 1))
		log_warn("lxcfs gives no /proc/meminfo: free and top of the guest show the host");
	return (uint32_t)WEXITSTATUS(status);
}
