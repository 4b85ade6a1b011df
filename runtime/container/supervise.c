#include "runtime/container/container.h"
#include "runtime/container/notify_socket.h"
#include "base/scope.h"
#include "base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

/*
 * One loop on descriptors: the process, our signals, our terminal and the container's.
 * A direction whose reader is full stops being read; nothing is buffered without bound.
 */
struct pipe { int from, to; char buf[8192]; size_t n, at; bool eof, broken; };	/* broken: nobody takes it any more */

struct loop {
	struct container *c;
	int signals;
	struct pipe in, out;
	struct termios saved;
	bool raw, subreaper;
	int status;
	bool ended;
};

static void copy_size(int from, int to)
{
	struct winsize w;

	if (ioctl(from, TIOCGWINSZ, &w) == 0)
		(void)ioctl(to, TIOCSWINSZ, &w);
}

static void make_raw(struct loop *l)
{
	struct termios t;

	if (l->c->tty < 0 || tcgetattr(0, &l->saved) < 0)
		return;
	t = l->saved;
	cfmakeraw(&t);
	t.c_oflag |= OPOST;
	l->raw = tcsetattr(0, TCSANOW, &t) == 0;
}

static void end_raw(struct loop *l)
{
	if (l->raw)
		(void)tcsetattr(0, TCSANOW, &l->saved);
	l->raw = false;
}

static void pump(struct pipe *p, short can_read, short can_write)
{
	if (p->at < p->n && can_write) {
		/* A pipe that takes anything takes this much: the other descriptors must not wait. */
		ssize_t n = write(p->to, p->buf + p->at, p->n - p->at < PIPE_BUF ? p->n - p->at : PIPE_BUF);

		if (n > 0)
			p->at += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			p->broken = p->eof = true, p->at = p->n;
	}
	if (p->at == p->n && can_read && !p->eof) {
		ssize_t n = read(p->from, p->buf, sizeof p->buf);

		p->at = 0;
		p->n = n > 0 ? (size_t)n : 0;
		/* EIO: the last slave of a terminal was closed. */
		p->eof = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	}
}

static void reap(struct loop *l)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(l->subreaper ? -1 : l->c->pid, &status, WNOHANG)) > 0)
		if (pid == l->c->pid) {
			l->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			l->ended = true;
		}
	/* Somebody else's wait took it: the status is lost, the end is not. */
	if (pid < 0 && errno == ECHILD && !l->ended && sys_pidfd_wait(l->c->pidfd, 0) == 1) {
		l->status = 255;
		l->ended = true;
	}
}

static void on_signals(struct loop *l)
{
	struct signalfd_siginfo s;

	while (read(l->signals, &s, sizeof s) == sizeof s) {
		/* A write of ours whose reader is gone is no signal for the process. */
		if (s.ssi_signo == SIGCHLD || (s.ssi_signo == SIGPIPE && s.ssi_pid == (uint32_t)getpid()))
			continue;
		if (s.ssi_signo == SIGWINCH && l->c->tty >= 0)
			copy_size(0, l->c->tty);
		else
			(void)sys_pidfd_kill(l->c->pidfd, (int)s.ssi_signo);
	}
}

static short want(const struct pipe *p, bool reading)
{
	if (reading)
		return p->at == p->n && !p->eof ? POLLIN : 0;
	return p->at < p->n ? POLLOUT : 0;
}

static int turn(struct loop *l)
{
	bool tty = l->c->tty >= 0;
	short in_read = tty ? want(&l->in, true) : 0, out_write = tty ? want(&l->out, false) : 0;
	short master = tty ? (short)(want(&l->in, false) | want(&l->out, true)) : 0;
	struct pollfd p[] = {
		{ l->c->pidfd, POLLIN, 0 }, { l->signals, POLLIN, 0 },
		{ in_read ? 0 : -1, in_read, 0 }, { out_write ? l->out.to : -1, out_write, 0 },
		{ master ? l->c->tty : -1, master, 0 }, { l->c->notify, POLLIN, 0 },
	};

	if (poll(p, COUNT(p), -1) < 0)
		return errno == EINTR ? 0 : fail_errno("wait for the container");
	if (p[1].revents)
		on_signals(l);
	if (tty) {
		pump(&l->in, p[2].revents, p[4].revents & POLLOUT);
		pump(&l->out, p[4].revents & (POLLIN | POLLHUP | POLLERR), p[3].revents);
		/*
		 * Nobody reads it any more (`| head`): what a pipe tells its writer a terminal tells by being gone. Who does
		 * not end by that can be interrupted: ^C is a signal to us again, and passed on.
		 */
		if (l->out.broken) {
			drop_fd(&l->c->tty);
			end_raw(l);
		}
	}
	/* systemd watches this process as the main one of the service: the container does not outlive it. */
	if (p[5].revents)
		notify_pass(&l->c->notify, getpid());
	if (p[0].revents || l->subreaper)
		reap(l);
	return 0;
}

/* What the process wrote last is still in the terminal. */
static void drain(struct loop *l)
{
	if (l->c->tty < 0)
		return;
	for (int i = 0; i < 64 && !l->out.eof; i += l->out.at == l->out.n) {
		struct pollfd more = { l->c->tty, POLLIN, 0 }, reader = { l->out.to, POLLOUT, 0 };

		if (l->out.at == l->out.n ? poll(&more, 1, 0) <= 0 : poll(&reader, 1, -1) < 0)
			break;
		pump(&l->out, 1, 1);
	}
	pump(&l->out, 0, 1);
}

void supervise_soon(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
}

/*
 * Standard output for writes that never block: while the supervisor waited for a reader it would reap nobody, and a pid
 * namespace ends only when all its processes are reaped. It is opened anew because O_NONBLOCK of the inherited
 * description would be the caller's as well; files other than terminals and pipes never block.
 */
static int open_output(void)
{
	struct stat st;
	int fd;

	if (fstat(1, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return 1;
	fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? 1 : fd;
}

int supervise(struct container *c, bool subreaper)
{
	static struct loop l;
	sigset_t all, old;
	int r = 0;

	FRESH(l);
	l.c = c;
	l.subreaper = subreaper;
	l.in.from = 0, l.in.to = c->tty;
	l.out.from = c->tty, l.out.to = c->tty >= 0 ? open_output() : 1;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	signal(SIGPIPE, SIG_IGN);
	l.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l.signals < 0)
		return fail_errno("signalfd");
	if (c->tty >= 0) {
		copy_size(0, c->tty);
		/* A blocking write to a full terminal would deadlock with a program that waits for its output to be read. */
		(void)fcntl(c->tty, F_SETFL, O_RDWR | O_NONBLOCK);
	}
	make_raw(&l);
	while (!l.ended && r >= 0)
		r = turn(&l);
	drain(&l);
	end_raw(&l);
	close(l.signals);
	if (l.out.to > 1)
		close(l.out.to);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? r : l.status;
}
