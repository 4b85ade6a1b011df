#include "runtime/guest/console.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/path.h"
#include "base/scope.h"
#include "runtime/guest/keeper_wire.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum { DETACH = 0x1d, PASSWD_MAX = 1 << 20 };		/* Ctrl-] */

static void send_size(int fd)
{
	struct winsize w;

	if (ioctl(0, TIOCGWINSZ, &w) == 0) {
		struct keeper_packet p = { .msg = KEEPER_SIZE, .code = w.ws_row, .pid = w.ws_col };

		(void)send(fd, &p, offsetof(struct keeper_packet, text), MSG_NOSIGNAL);
	}
}

/* 1: detach */
static int from_user(int fd)
{
	struct keeper_packet p = { .msg = KEEPER_DATA };
	ssize_t n = read(0, p.text, 512);

	if (n <= 0)
		return 1;
	char *stop = memchr(p.text, DETACH, (size_t)n);
	if (stop)
		n = stop - p.text;
	if (n > 0 && send(fd, &p, offsetof(struct keeper_packet, text) + (size_t)n, MSG_NOSIGNAL) < 0)
		return 1;
	return stop != NULL;
}

static int from_guest(int fd)
{
	struct keeper_packet p;
	ssize_t n = recv(fd, &p, sizeof p, 0);

	if (n < (ssize_t)offsetof(struct keeper_packet, text))
		return 1;
	if (p.msg == KEEPER_DATA && file_write_all(1, p.text, (size_t)n - offsetof(struct keeper_packet, text)) < 0)
		return 1;
	return 0;
}

static struct termios saved;		/* the terminal, before it was raw */

static void on_end(int sig)
{
	(void)tcsetattr(0, TCSANOW, &saved);
	(void)raise(sig);
}

/* Whoever is ended from outside leaves no raw terminal behind. */
static void make_raw(void)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction restore = { .sa_handler = on_end, .sa_flags = (int)SA_RESETHAND }, was;
	struct termios raw = saved;

	sigemptyset(&restore.sa_mask);
	sigaddset(&restore.sa_mask, SIGTTOU);
	for (size_t i = 0; i < COUNT(ends); i++)
		if (sigaction(ends[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
			(void)sigaction(ends[i], &restore, NULL);
	cfmakeraw(&raw);
	(void)tcsetattr(0, TCSANOW, &raw);
}

int guest_console(const struct guest_where *at, const char *name)
{
	bool tty = tcgetattr(0, &saved) == 0;
	sigset_t winch;
	struct signalfd_siginfo s;
	int done = 0;
	auto_close int fd = keeper_connect(at, name, KEEPER_CONSOLE, 0);

	TRY(fd);
	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	sigprocmask(SIG_BLOCK, &winch, NULL);
	auto_close int sigs = signalfd(-1, &winch, SFD_CLOEXEC | SFD_NONBLOCK);
	if (tty) {
		make_raw();
		send_size(fd);
	}
	while (!done) {
		struct pollfd p[] = { { 0, POLLIN, 0 }, { fd, POLLIN, 0 }, { sigs, POLLIN, 0 } };

		if (poll(p, COUNT(p), -1) < 0 && errno != EINTR)
			break;
		if (p[2].revents && read(sigs, &s, sizeof s) > 0)
			send_size(fd);
		if (p[1].revents)
			done |= from_guest(fd);
		if (p[0].revents)
			done |= from_user(fd);
	}
	if (tty)
		(void)tcsetattr(0, TCSANOW, &saved);
	return 0;
}

static int open_root(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int guest_user(const struct guest_where *at, const char *name, const char *user, char out[24])
{
	auto_free char *text = NULL;
	struct passwd_entry e;
	pid_t pid;

	TRY(guest_check_up(at, name, &pid));
	auto_close int root = open_root(pid);
	if (root < 0)
		return fail_errno("the root of guest \"%s\"", name);
	TRY_IN(path_read(root, "/etc/passwd", PASSWD_MAX, &text, NULL), "guest \"%s\"", name);
	for (char *rest = text; passwd_next(&rest, &e);)
		if (str_eq(e.name, user)) {
			snprintf(out, 24, "%u:%u", e.uid, e.gid);
			return 0;
		}
	return fail_as(ERR_NOT_FOUND, "--user: guest \"%s\" has no user \"%.64s\" in its /etc/passwd", name, user);
}

/* root's shell in the guest's own /etc/passwd (rule R14), if it is there to run. */
static const char *login_shell(struct arena *a, pid_t pid)
{
	auto_free char *text = NULL;
	struct passwd_entry e;
	auto_close int root = open_root(pid);

	char *rest = root >= 0 && path_read(root, "/etc/passwd", PASSWD_MAX, &text, NULL) >= 0 ? text : NULL;
	while (passwd_next(&rest, &e)) {
		if (!str_eq(e.name, "root"))
			continue;
		auto_close int shell = *e.shell == '/' ? path_open(root, e.shell, O_PATH) : -1;
		if (shell >= 0)
			return arena_strdup(a, e.shell);
		break;
	}
	err_clear();
	return "/bin/sh";
}

int guest_shell(const struct guest_where *at, const char *name, const struct strv *args, bool tty)
{
	static const char *env[] = { "TERM=xterm", NULL, NULL };
	auto_arena struct arena a = { 0 };
	auto_container struct container c = CONTAINER_INIT;
	const char *login[] = { NULL, "-l", NULL };
	struct exec_req r = { .root = at->root, .id = name, .args = *args, .tty = tty, .keep_tty = tty, .cwd = "/" };
	pid_t pid;

	int dir = guest_dir(at, name);
	TRY(dir);
	close(dir);
	TRY(guest_check_up(at, name, &pid));
	if (args->n == 0) {
		login[0] = login_shell(&a, pid);
		r.args = (struct strv){ login, 2 };
	}
	if (getenv("TERM"))
		env[0] = arena_printf(&a, "TERM=%s", getenv("TERM"));
	r.env = (struct strv){ env, 1 };
	TRY(container_exec(&r, &c));
	supervise_soon();
	TRY(container_go(&c));
	return supervise(&c, false);
}
