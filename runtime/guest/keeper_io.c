#include "runtime/guest/keeper.h"
#include "base/dgram.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sys.h"
#include "runtime/guest/checkpoint.h"
#include "runtime/guest/events.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void keeper_log(struct keeper *k, const char *p, size_t n)
{
	if (k->log < 0)
		return;
	if (k->log_size + n > CONSOLE_LOG_MAX) {
		(void)renameat(k->g->dir_fd, "console.log", k->g->dir_fd, "console.log.1");
		close(k->log);
		k->log = openat(k->g->dir_fd, "console.log", O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		k->log_size = 0;
	}
	/* A full disk must not stop the guest. */
	if (write(k->log, p, n) > 0)
		k->log_size += n;
}

static void drop(struct client *c)
{
	close(c->fd);
	*c = (struct client){ .fd = -1 };
}

bool keeper_console(struct keeper *k)
{
	struct keeper_packet p = { .msg = KEEPER_DATA };
	ssize_t n = k->tty < 0 ? 0 : read(k->tty, p.text, sizeof p.text);

	if (n < 0 && errno == EAGAIN)
		return false;
	/* One reading that fails, for want of memory or so, is no end of the console; when all do, it is. */
	if (n < 0 && k->tty_failures++ < TTY_FAILURES_MAX)
		return true;
	if (n < 0)
		log_warn("the console is let go: %s", strerrordesc_np(errno));
	if (n <= 0) {
		drop_fd(&k->tty);
		return false;
	}
	k->tty_failures = 0;
	keeper_log(k, p.text, (size_t)n);
	p.code = (int32_t)n;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		/* A client that does not read misses output; the guest never waits for it. */
		if (k->client[i].console && send(k->client[i].fd, &p, offsetof(struct keeper_packet, text) + (size_t)n,
						 MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			drop(&k->client[i]);
	return true;
}

/* The error's three lines, each with its NUL. */
static void say(int fd, enum keeper_msg m, int code)
{
	struct keeper_packet p = { .msg = m, .code = code, .class = (int32_t)err_class() };

	if (code < 0)
		snprintf(p.text, sizeof p.text, "%.600s%c%.180s%c%.180s", err_text(), '\0', err_why_text(), '\0',
			 err_try_text());
	(void)send(fd, &p, sizeof p, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void keeper_tell(struct keeper *k, enum keeper_msg m, int code)
{
	if (k->report >= 0)
		say(k->report, m, code);
	if (m == KEEPER_READY || m == KEEPER_FAILED)
		drop_fd(&k->report);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (k->client[i].fd >= 0 && !k->client[i].console)
			say(k->client[i].fd, m, code);
}

void keeper_warn(struct keeper *k)
{
	struct keeper_packet p = { .msg = KEEPER_WARNED };
	struct err_saved s;
	ssize_t n;

	err_save(&s);
	while ((n = recv(k->warnings, p.text, sizeof p.text - 1, MSG_DONTWAIT)) > 0) {
		p.text[n] = '\0';
		(void)event_add(k->g->dir_fd, &(struct guest_event){ .event = "warning", .detail = p.text });
		if (k->report >= 0)
			(void)send(k->report, &p, sizeof p, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	err_restore(&s);
}

void keeper_accept(struct keeper *k)
{
	int fd = accept4(k->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < CLIENTS_MAX; i++)
		if (k->client[i].fd < 0) {
			k->client[i].fd = fd;
			return;
		}
	if (fd >= 0)
		close(fd);
}

/*
 * `checkpoint` was killed after its checkpoint had got its name, and before or after it has told criu so. Either way
 * the processes are in there, and do not run beside it.
 */
static void end_suspended(struct keeper *k)
{
	if (k->pidfd < 0 || !guest_suspended(k->g->dir_fd))
		return;
	k->suspended = true;
	(void)sys_pidfd_kill(k->pidfd, SIGKILL);
}

void keeper_client(struct keeper *k, size_t i)
{
	struct client *c = &k->client[i];
	struct keeper_packet p;
	ssize_t n = recv(c->fd, &p, sizeof p, MSG_DONTWAIT);
	struct winsize w;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < (ssize_t)offsetof(struct keeper_packet, text)) {
		if (c->suspending)
			end_suspended(k);
		drop(c);
		return;
	}
	switch (p.msg) {
	case KEEPER_WATCH:
		if (k->ready)
			say(c->fd, KEEPER_READY, 0);
		break;
	case KEEPER_CONSOLE:
		c->console = true;
		break;
	case KEEPER_STOPPING:
		/* Of an earlier boot, which is over. */
		if (p.pid && k->pid && p.pid != k->pid) {
			drop(c);
			break;
		}
		c->stopping = true;
		c->late = p.code;
		break;
	case KEEPER_SUSPENDING:
		c->suspending = true;
		break;
	case KEEPER_KILL:
		c->stopping = true;
		if (k->pidfd >= 0)
			(void)sys_pidfd_kill(k->pidfd, SIGKILL);
		break;
	case KEEPER_SIZE:
		w = (struct winsize){ .ws_row = (unsigned short)p.code, .ws_col = (unsigned short)p.pid };
		if (k->tty >= 0)
			(void)ioctl(k->tty, TIOCSWINSZ, &w);
		break;
	case KEEPER_DATA:
		n -= (ssize_t)offsetof(struct keeper_packet, text);
		if (k->tty >= 0 && c->console && write(k->tty, p.text, (size_t)n) < 0)
			break;
	}
}
