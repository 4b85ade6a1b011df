/*
 * A service manager that waits for readiness (sd_notify(3)) hears of it from a process inside: a socket at a
 * place of the container's, and what is said there is said on where our own environment tells.
 */
#include "runtime/container/notify_socket.h"
#include "base/arena.h"
#include "base/dgram.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define INSIDE "/run/notify"
#define SOCKET "notify.sock"
enum { BARRIER_MS = 30000, AT_ONCE = 16, SEND_SECONDS = 10 };

static int offer_env(struct spec_process *p, struct arena *a)
{
	const char **v = arena_alloc(a, p->env.n + 2, sizeof *v);
	size_t n = 0;

	if (!v)
		return fail(ENOMEM, "out of memory");
	for (size_t i = 0; i < p->env.n; i++)
		if (!str_starts(p->env.v[i], "NOTIFY_SOCKET="))
			v[n++] = p->env.v[i];
	v[n++] = "NOTIFY_SOCKET=" INSIDE "/" SOCKET;
	p->env = (struct strv){ v, n };
	return 0;
}

int notify_offer(struct spec *s, const char *root, const char *id)
{
	static const char *const words[] = { "bind", "nosuid", "noexec", "nodev", "ro", NULL };
	struct spec_mount *v = arena_alloc(&s->arena, s->mounts.n + 1, sizeof *v);

	if (!v || !s->process)
		return s->process ? fail(ENOMEM, "out of memory") : 0;
	if (s->mounts.n)
		memcpy(v, s->mounts.v, s->mounts.n * sizeof *v);
	v[s->mounts.n] = (struct spec_mount){ .dst = INSIDE, .type = "bind",
					      .src = arena_printf(&s->arena, "%s/%s/" NOTIFY_DIR, root, id),
					      .options = { (const char **)words, COUNT(words) - 1 } };
	if (!v[s->mounts.n].src)
		return fail(ENOMEM, "out of memory");
	s->mounts = (struct list){ v, s->mounts.n + 1 };
	return offer_env(s->process, &s->arena);
}

int notify_make(int dir_fd)
{
	/* Whatever our umask, and whoever the process inside is. */
	if (mkdirat(dir_fd, NOTIFY_DIR, 0755) < 0 || fchmodat(dir_fd, NOTIFY_DIR, 0755, 0) < 0)
		return fail_errno("make the directory of the notification socket");
	return 0;
}

int notify_listen(int dir_fd)
{
	auto_close int at = openat(dir_fd, NOTIFY_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (at < 0)
		return errno == ENOENT ? -ENOENT : fail_errno("open the directory of the notification socket");
	if (unlinkat(at, SOCKET, 0) < 0 && errno != ENOENT)
		return fail_errno("remove a notification socket of before");
	auto_close int fd = dgram_listen(at, SOCKET, SOCK_DGRAM);
	TRY(fd);
	if (fchmodat(at, SOCKET, 0777, 0) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return fail_errno("open the notification socket to the container");
	return take_fd(&fd);
}

/* "@" is a name of no file. */
static int host_socket(void)
{
	const char *to = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = to ? strlen(to) : 0;
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail_errno("create a socket");
	TRY(dgram_limit(fd, SEND_SECONDS));
	if (n == 0 || n >= sizeof a.sun_path)
		return fail(ENAMETOOLONG, "NOTIFY_SOCKET: %s", n ? "too long" : "empty");
	memcpy(a.sun_path, to, n);
	if (*to == '@')
		a.sun_path[0] = '\0';
	n += offsetof(struct sockaddr_un, sun_path) + (*to != '@');
	if (connect(fd, (struct sockaddr *)&a, (socklen_t)n) < 0)
		return fail_errno("NOTIFY_SOCKET %s", to);
	return take_fd(&fd);
}

/*
 * systemd asks the kernel who speaks; we must not be gone before it did. It closes its end when it has read
 * all.
 */
static int barrier(int host)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_errno("NOTIFY_SOCKET: a pipe");
	auto_close int reader = ends[0];
	auto_close int writer = ends[1];
	TRY_IN(dgram_send(host, "BARRIER=1", 9, &writer, 1), "NOTIFY_SOCKET");
	drop_fd(&writer);
	return poll(&(struct pollfd){ .fd = reader, .events = POLLIN }, 1, BARRIER_MS) < 0
		? fail_errno("NOTIFY_SOCKET: wait for its reader") : 0;
}

static int tell(const char *ready, size_t len, pid_t main_pid, bool stays)
{
	auto_close int host = host_socket();
	char pid[32];
	int n = snprintf(pid, sizeof pid, "MAINPID=%d", (int)main_pid);

	TRY(host);
	TRY_IN(dgram_send(host, ready, len, NULL, 0), "NOTIFY_SOCKET");
	TRY_IN(dgram_send(host, pid, (size_t)n, NULL, 0), "NOTIFY_SOCKET");
	return stays ? 0 : barrier(host);
}

/* Only READY=1 is passed on: with MAINPID= and others a container could name processes of the host. */
static bool pass(int fd, pid_t main_pid, bool stays)
{
	char text[4096];
	ssize_t n;

	/* Descriptors that come along are the sender's to lose. Who says much is not listened to all the time. */
	for (int i = 0; i < AT_ONCE && (n = TEMP_FAILURE_RETRY(recv(fd, text, sizeof text, 0))) > 0; i++)
		for (char *p = text, *end; p < text + n; p = end + 1) {
			end = memchr(p, '\n', (size_t)(text + n - p));
			end = end ? end : text + n;
			if (end - p != 7 || memcmp(p, "READY=1", 7) != 0)
				continue;
			/* It runs, whoever was or was not there to hear of it. */
			if (tell(p, 7, main_pid, stays) < 0) {
				log_warn("%s", err_text());
				err_clear();
			}
			return true;
		}
	return false;
}

void notify_pass(int *fd, pid_t main_pid)
{
	if (pass(*fd, main_pid, true))
		drop_fd(fd);
}

int notify_wait(int fd, pid_t main_pid, int pidfd)
{
	struct pollfd p[] = { { fd, POLLIN, 0 }, { pidfd, POLLIN, 0 } };

	for (;;) {
		if (TEMP_FAILURE_RETRY(poll(p, COUNT(p), -1)) < 0)
			return fail_errno("wait for readiness");
		/* What a process that ended said last still counts. */
		if (pass(fd, main_pid, false) || p[1].revents)
			return 0;
	}
}
