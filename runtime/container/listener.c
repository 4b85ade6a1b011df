#include "runtime/container/launch.h"
#include "base/dgram.h"
#include "base/scope.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* runc's words first. */
#define NO_AGENT "failed to connect with seccomp agent: linux.seccomp.listenerPath: %s"

int listener_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return fail_errno(NO_AGENT, path);
	return S_ISSOCK(st.st_mode) ? 0 : fail(ENOTSOCK, NO_AGENT " is not a socket", path);
}

/* A stream may take less than all; the descriptor goes with the first part, as the specification wants it. */
static int send_all(int fd, const char *p, size_t n, int listener)
{
	ssize_t sent = dgram_send_some(fd, p, n, &listener, 1);

	TRY((int)(sent < 0 ? sent : 0));
	while ((size_t)sent < n) {
		ssize_t more = send(fd, p + sent, n - (size_t)sent, MSG_NOSIGNAL);

		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return dgram_not_sent("send the container's state");
		sent += more;
	}
	return 0;
}

int listener_send(const struct state_listener *l, const char *state, pid_t pid, int listener)
{
	auto_buf struct buf b = { 0 };
	struct jout o = { .b = &b };

	if (!l || !l->path)
		return fail(EINVAL, "linux.seccomp: a listener came, and listenerPath is missing");
	jout_open(&o, NULL, '{');
	jout_str(&o, "ociVersion", SPEC_VERSION);
	jout_open(&o, "fds", '[');
	jout_str(&o, NULL, "seccompFd");
	jout_close(&o, ']');
	jout_i64(&o, "pid", pid);
	if (l->metadata)
		jout_str(&o, "metadata", l->metadata);
	jout_raw(&o, "state", state);
	jout_close(&o, '}');
	if (b.oom || !state)
		return fail(ENOMEM, "linux.seccomp.listenerPath: out of memory");
	auto_close int fd = dgram_connect_path(l->path);
	TRY_IN(fd, NO_AGENT, l->path);
	TRY_IN(send_all(fd, b.p, b.n, listener), "linux.seccomp.listenerPath: %s", l->path);
	return 0;
}
