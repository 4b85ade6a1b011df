#include "runtime/container/self.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/scope.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

char self_variable[SELF_VARIABLE_MAX] = SELF_DIR_VARIABLE "=";
int self_tree = -1;
static const char *dir = "";

/* access(2) is cheaper than statfs(2), which adds up free blocks, but says EROFS only to callers who may write. */
static bool is_read_only(void)
{
	struct statfs fs;

	if (access("/proc/self/exe", W_OK) < 0 && errno == EROFS)
		return true;
	return statfs("/proc/self/exe", &fs) == 0 && fs.f_flags & ST_RDONLY;
}

static bool is_sealed(int exe)
{
	int seals = fcntl(exe, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int read_only_mount(void)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	auto_close int fd = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &ro, sizeof ro) < 0)
		return -1;
	return take_fd(&fd);
}

int self_sealed_copy(int exe)
{
	auto_close int fd = memfd_create("vzrun", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;

	if (fd < 0 || fstat(exe, &st) < 0)
		return fail_errno("copy the runtime into memory");
	for (off_t at = 0; at < st.st_size;)
		if (sendfile(fd, exe, &at, (size_t)(st.st_size - at)) <= 0)
			return fail_errno("copy the runtime into memory");
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return fail_errno("seal the runtime's copy");
	return take_fd(&fd);
}

/* A path that is too long is not told: the helpers are found by PREFIX. */
static void set_dir(const char *path)
{
	if (strlen(path) < sizeof self_variable - SELF_PREFIX)
		strcpy(self_variable + SELF_PREFIX, path);
}

/* For the copy that is executed. */
static void set_variable(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	path[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	set_dir(path);
}

/*
 * Executed again, we were told our place; moved in before libc, we wrote it down; else the executable has a
 * path. Kept here: a keeper's title is written over the environment.
 */
static void remember_dir(void)
{
	const char *told = getenv(SELF_DIR_VARIABLE);

	if (!self_variable[SELF_PREFIX] && told && told[0] == '/')
		set_dir(told);
	else if (!self_variable[SELF_PREFIX])
		set_variable();
	dir = self_variable + SELF_PREFIX;
}

static int at_home(void)
{
	remember_dir();
	unsetenv(SELF_DIR_VARIABLE);
	return 0;
}

int self_protect(char **argv)
{
	if (prctl(PR_SET_DUMPABLE, undefended("dumpable")) < 0)
		return fail_errno("hide from ptrace");
	if (is_read_only() || undefended("self"))
		return at_home();
	auto_close int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (exe < 0)
		return fail_errno("open /proc/self/exe");
	if (is_sealed(exe))
		return at_home();
	set_variable();
	if (putenv(self_variable) != 0)
		return fail_errno("prepare the re-execution");
	auto_close int copy = read_only_mount();
	if (copy < 0)
		copy = self_sealed_copy(exe);
	TRY(copy);
	execveat(copy, "", argv, environ, AT_EMPTY_PATH);
	return fail_errno("execute the protected copy of the runtime");
}

void self_settle(void)
{
	drop_fd(&self_tree);
}

const char *self_dir(void)
{
	return dir;
}
