/*
 * Who is in a container that has no group: the processes of its pid namespace, as far as they show
 * themselves.
 */
#include "base/file.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/container/opened.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

/* Whether it is the init of its pid namespace, whose death ends all others there. */
bool opened_is_first(pid_t pid)
{
	return sys_inner_pid(pid) == 1;
}

static bool pid_namespace(const char *pid, ino_t *ino)
{
	char path[64];
	struct stat st;

	if (snprintf(path, sizeof path, "/proc/%s/ns/pid", pid) >= (int)sizeof path || stat(path, &st) < 0)
		return false;
	*ino = st.st_ino;
	return true;
}

static int keep(pid_t **pids, size_t *n, pid_t pid)
{
	pid_t *grown = realloc(*pids, (*n + 1) * sizeof *grown);

	if (!grown)
		return fail(ENOMEM, "list the processes of a container: out of memory");
	*pids = grown;
	grown[(*n)++] = pid;
	return 0;
}

static int list(ino_t ns, pid_t **pids, size_t *n)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int r = 0;

	if (!d)
		return fail_errno("open /proc");
	while (r >= 0 && (errno = 0, e = readdir(d))) {
		uint64_t pid;
		ino_t one;

		if (str_u64(e->d_name, INT32_MAX, &pid) == 0 && pid_namespace(e->d_name, &one) && one == ns)
			r = keep(pids, n, (pid_t)pid);
	}
	if (r >= 0 && errno)
		r = fail_errno("read /proc");
	closedir(d);
	return r;
}

int opened_members(const struct opened *o, pid_t **pids, size_t *n)
{
	char init[16];
	ino_t ns;

	*pids = NULL;
	*n = 0;
	if (o->pidfd < 0)
		return 0;
	snprintf(init, sizeof init, "%d", (int)o->s.pid.v);
	/* In a pid namespace shared with others nothing tells the container's processes from the rest. */
	if (!opened_is_first((pid_t)o->s.pid.v) || !pid_namespace(init, &ns))
		return keep(pids, n, (pid_t)o->s.pid.v);
	return list(ns, pids, n);
}

static pid_t parent_of(pid_t pid)
{
	char path[32], text[1024], *end;
	int parent;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (file_peek(AT_FDCWD, path, text, sizeof text) < 0 || !(end = strrchr(text, ')')) ||
	    sscanf(end + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

int opened_joined(const struct opened *o, pid_t *pid)
{
	auto_free pid_t *pids = NULL;
	size_t n;

	*pid = 0;
	TRY(opened_members(o, &pids, &n));
	for (size_t i = 0; i < n && !*pid; i++) {
		pid_t parent = pids[i] == o->s.pid.v ? 0 : parent_of(pids[i]);
		bool inside = parent == 0;

		for (size_t k = 0; k < n; k++)
			inside |= pids[k] == parent;
		*pid = inside ? 0 : pids[i];
	}
	return 0;
}

int opened_signal_members(const struct opened *o, int sig)
{
	auto_free pid_t *before = NULL, *after = NULL;
	size_t n, m;

	TRY(opened_members(o, &before, &n));
	for (size_t i = 0; i < n; i++) {
		auto_close int fd = pidfd_open(before[i], 0);

		if (fd < 0)
			continue;
		/* A number that was read may be a stranger's by now: what is still listed is what the descriptor means. */
		free(TAKE(after));
		TRY(opened_members(o, &after, &m));
		for (size_t k = 0; k < m; k++)
			if (after[k] == before[i] && sys_pidfd_kill(fd, sig) < 0 && errno != ESRCH)
				return fail_errno("send signal %d to process %d", sig, (int)before[i]);
	}
	return 0;
}
