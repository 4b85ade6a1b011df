#include "base/dgram.h"
#include "base/err.h"
#include "base/scope.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

/* Of others' programs: an engine that is busy takes longer than a moment, and none this long. */
enum { PEER_SECONDS = 10 };

int dgram_pair(int sv[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return fail_errno("create a socket pair");
	return 0;
}

int dgram_not_sent(const char *what)
{
	if (errno != EAGAIN)
		return fail_errno("%s", what);
	return fail(ETIMEDOUT, "%s: the program that listens there does not read", what);
}

ssize_t dgram_send_some(int fd, const void *p, size_t n, const int *fds, size_t nfds)
{
	union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int) * DGRAM_FDS_MAX)]; } control;
	struct iovec iov = { (void *)p, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (nfds > DGRAM_FDS_MAX)
		return fail(EMSGSIZE, "send %zu descriptors at once", nfds);
	if (nfds > 0) {
		memset(&control, 0, sizeof control);
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int) * nfds),
					      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.h), fds, sizeof(int) * nfds);
	}
	sent = TEMP_FAILURE_RETRY(sendmsg(fd, &m, MSG_NOSIGNAL));
	return sent < 0 ? dgram_not_sent("send a message") : sent;
}

int dgram_send(int fd, const void *p, size_t n, const int *fds, size_t nfds)
{
	ssize_t sent = dgram_send_some(fd, p, n, fds, nfds);

	return sent < 0 ? (int)sent : 0;
}

static int take_fds(struct msghdr *m, int *fds, size_t *nfds)
{
	size_t room = *nfds, n = 0;
	bool cut = m->msg_flags & MSG_CTRUNC;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < got; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (n < room) {
				fds[n++] = fd;
			} else {
				close(fd);
				cut = true;
			}
		}
	}
	*nfds = n;
	if (!cut)
		return 0;
	while (n > 0)
		close(fds[--n]);
	*nfds = 0;
	return fail(EMSGSIZE, "received more descriptors than expected");
}

ssize_t dgram_recv(int fd, void *p, size_t size, int *fds, size_t *nfds)
{
	union { struct cmsghdr h; char buf[CMSG_SPACE(sizeof(int) * DGRAM_FDS_MAX)]; } control;
	struct iovec iov = { p, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = sizeof control };
	size_t none = 0;
	ssize_t n;

	/* Who hung up with something of ours unread: what it said before comes after this error, which comes once. */
	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return fail_errno("receive a message");
	TRY(take_fds(&m, fds, nfds ? nfds : &none));
	return m.msg_flags & MSG_TRUNC ? fail(EMSGSIZE, "received a message that is too long") : n;
}

static int address(struct sockaddr_un *a, int dirfd, const char *name)
{
	a->sun_family = AF_UNIX;
	if ((size_t)snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s", dirfd, name) >=
	    sizeof a->sun_path)
		return fail(ENAMETOOLONG, "socket %s", name);
	return 0;
}

int dgram_limit(int fd, int seconds)
{
	struct timeval limit = { .tv_sec = seconds };

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0
		       ? fail_errno("limit the time of a socket") : 0;
}

/* seconds: how long connecting, and each sending afterwards, may take; 0: for ever. */
static int connect_within(int dirfd, const char *name, int type, int seconds)
{
	struct sockaddr_un a = { 0 };
	auto_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_errno("create a socket");
	TRY(address(&a, dirfd, name));
	if (seconds > 0)
		TRY(dgram_limit(fd, seconds));
	if (TEMP_FAILURE_RETRY(connect(fd, (struct sockaddr *)&a, sizeof a)) == 0)
		return take_fd(&fd);
	if (errno == EAGAIN)
		return fail(ETIMEDOUT, "nobody accepts there, and no more connections can wait: "
			    "is the program that listens stuck?");
	return fail_errno("connect to %s", name);
}

int dgram_connect(int dirfd, const char *name, int type)
{
	return connect_within(dirfd, name, type, 0);
}

int dgram_listen(int dirfd, const char *name, int type)
{
	struct sockaddr_un a = { 0 };
	auto_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_errno("create a socket");
	TRY(address(&a, dirfd, name));
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return fail_errno("bind %s", name);
	if (type != SOCK_DGRAM && listen(fd, 64) < 0)
		return fail_errno("listen on %s", name);
	return take_fd(&fd);
}

int dgram_connect_path(const char *path)
{
	char dir[PATH_MAX], base[PATH_MAX];

	if (strlen(path) >= sizeof dir)
		return fail(ENAMETOOLONG, "the path is too long");
	strcpy(dir, path);
	strcpy(base, path);
	auto_close int at = open(dirname(dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return fail(errno, "%s", strerrordesc_np(errno));
	return connect_within(at, basename(base), SOCK_STREAM, PEER_SECONDS);
}
